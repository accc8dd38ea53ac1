//! Dropout of a weight: one mask for a whole recording.

use super::parametrized::{Parametrized, cell};
use crate::{Cell, Sequence};
use unspool_graph::{Graph, Param, Var};

/// Drops out elements of a cell's weights instead of its state (Merity, Keskar and Socher 2018, DropConnect in
/// AWD-LSTM): in training each element of the given weights is 0 with a probability, else divided by the rest; **the
/// same elements at every step of a recording**. In evaluation it is the cell it wraps.
///
/// The mask is drawn [once per recording](Graph::cached) for each weight, whatever runs the cell: an unrolling, a loop
/// by hand, a recomputed segment. The raw weight gets the gradient, and stays the parameter that is saved.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, Sequence, WeightDrop, unroll};
/// let mut params = Params::seeded(0);
/// let lstm = Lstm::new(params.scope("rnn"), 3, 8);
/// let weight = lstm.weight_hh();
/// let cell = WeightDrop::new(lstm, [weight], 0.5);
/// let graph = Graph::new(&params).training(1, 0);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// let gradient = hs.rows().sum_all().backward()?.of(weight).unwrap().to_f64();
/// let dropped = gradient.iter().filter(|&&g| g == 0.0).count();
/// assert!((80..180).contains(&dropped)); // about half of 256 elements have no part in it
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightDrop<C> {
    cell: C,
    weights: Vec<Param>,
    rate: f64,
    name: String,
}

impl<C> WeightDrop<C> {
    /// Wraps a cell, some of whose weights are dropped with the probability `rate`.
    pub fn new(cell: C, weights: impl IntoIterator<Item = Param>, rate: f64) -> WeightDrop<C> {
        WeightDrop { cell, weights: weights.into_iter().collect(), rate, name: format!("weight_drop {rate}") }
    }
}

impl<C: Cell> Parametrized for WeightDrop<C> {
    type Cell = C;
    fn cell(&self) -> &C {
        &self.cell
    }
    fn values<'g>(&self, graph: &'g Graph<'g>) -> Vec<(Param, Var<'g>)> {
        let dropped =
            |&weight: &Param| (weight, graph.cached(weight, &self.name, || graph.param(weight).dropout(self.rate)));
        self.weights.iter().map(dropped).collect()
    }
}

cell!(WeightDrop);
