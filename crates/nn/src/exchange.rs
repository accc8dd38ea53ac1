//! Between processes: how the gradients of a batch that several of them worked on become one sum.

use crate::Result;
use unspool_graph::{Gradients, Params};

/// What one shard of a batch, or several together, gave: sums, not means.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// use unspool_nn::exchange::Sums;
/// let mut params = Params::seeded(7);
/// let w = params.scope("m").add("w", [1], init::constant(2.0));
/// let mut total = Sums::none(&params);
/// for shard in [1.0, 3.0] {
///     let graph = Graph::new(&params);
///     let loss = (graph.param(w) * shard).sum_all();
///     total.add(&Sums { loss: loss.item()?, weight: 1.0, gradients: loss.backward()? })?;
/// }
/// assert_eq!((total.loss, total.weight, total.gradients.of(w).unwrap().to_f64()[[0]]), (8.0, 2.0, 4.0));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sums {
    /// Σ loss.
    pub loss: f64,
    /// What the loss is a sum over: tokens, or rows.
    pub weight: f64,
    /// ∂ Σ loss / ∂ parameters.
    pub gradients: Gradients,
}

impl Sums {
    /// Nothing, to add to.
    pub fn none(params: &Params) -> Sums {
        Sums { loss: 0.0, weight: 0.0, gradients: Gradients::none(params) }
    }

    /// Adds another's.
    ///
    /// # Errors
    /// Gradients of another store.
    pub fn add(&mut self, other: &Sums) -> Result<()> {
        self.loss += other.loss;
        self.weight += other.weight;
        Ok(self.gradients.add(&other.gradients)?)
    }
}

/// The processes that train one model together. The shards of a batch are numbered over the whole batch, and process `rank`
/// works on those whose number leaves `rank` when divided by `ranks`. Adding must keep the order of the numbers: then any number
/// of processes gives the same bits.
pub trait Exchange: Sync {
    /// Which process this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn ranks(&self) -> usize;

    /// The sum over all shards of all processes, in the order of their numbers; the same in every process. `own` are this
    /// process's, by number.
    ///
    /// # Errors
    /// Where a process cannot be reached.
    fn sum(&self, params: &Params, own: Vec<(usize, Sums)>) -> Result<Sums>;

    /// The numbers that process 0 has, in every process.
    ///
    /// # Errors
    /// Where a process cannot be reached.
    fn of_first(&self, numbers: Vec<f64>) -> Result<Vec<f64>>;
}

/// One process: all shards are its own.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::exchange::{Exchange, OneProcess, Sums};
/// let params = Params::seeded(7);
/// let shard = |loss| Sums { loss, weight: 1.0, ..Sums::none(&params) };
/// let total = OneProcess.sum(&params, vec![(0, shard(1.0)), (1, shard(2.0))])?;
/// assert_eq!((OneProcess.ranks(), total.loss, total.weight), (1, 3.0, 2.0));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OneProcess;

impl Exchange for OneProcess {
    fn rank(&self) -> usize {
        0
    }
    fn ranks(&self) -> usize {
        1
    }
    fn sum(&self, params: &Params, own: Vec<(usize, Sums)>) -> Result<Sums> {
        let mut own = own.into_iter().map(|(_, sums)| sums);
        let Some(mut total) = own.next() else { return Ok(Sums::none(params)) };
        own.try_for_each(|sums| total.add(&sums))?;
        Ok(total)
    }
    fn of_first(&self, numbers: Vec<f64>) -> Result<Vec<f64>> {
        Ok(numbers)
    }
}
