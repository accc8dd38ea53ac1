//! The sum of the gradients of all processes' shards.

use super::{Exchange, GradShard, owned, unreadable};
use crate::{Error, Result, parallel_map, sharded::shard_gradients};
use rayon::prelude::*;
use std::{fmt, iter};
use unspool_graph::{Buffer, Elements, Float, Gradients, Graph, Param, ParamGrad, Params, Precision, Var};

/// Holds the sums of one shard of a batch, or of several together: sums, not means.
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
    /// Returns zeros, to which sums can be added.
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

    fn of_all(params: &Params, all: Vec<Sums>) -> Result<Sums> {
        let mut all = all.into_iter();
        let Some(mut total) = all.next() else { return Ok(Sums::none(params)) };
        all.try_for_each(|sums| total.add(&sums))?;
        Ok(total)
    }
}

/// Chooses the order in which gradients are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduce {
    /// Shard by shard: any number of processes gives the same bits. Each sends the gradients of all its shards.
    #[default]
    Exact,
    /// Each process adds up its own shards, and then these sums are added by [`Exchange::all_reduce`], rows of an
    /// embedding apart. The bits depend on the number of processes, and on what carries them.
    Fast,
}

/// Adds up the gradients of shards that several processes have. It keeps the memory of its messages from step to step.
///
/// A training loop of your own makes one and asks it for each step's gradients:
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Linear, exchange::{OneProcess, Reduce, Reducer}};
/// let mut params = Params::seeded(0);
/// let layer = Linear::new(params.scope("layer"), 2, 1);
/// let shards = [vec![1.0f32, 2.0], vec![3.0, 4.0]]; // the same in every process, which works on its own of them
/// let mut reducer = Reducer::new(&OneProcess, Reduce::Exact);
/// let (sum, gradients) = reducer.sharded(&params, None, &shards, |graph, shard| {
///     layer.apply(graph.input(shard.clone()).reshape([1, 2])).powi(2).sum_all()
/// })?;
/// assert!(sum > 0.0 && gradients.norm() > 0.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub struct Reducer<'a> {
    exchange: &'a dyn Exchange,
    reduce: Reduce,
    /// By process.
    sent: Vec<Vec<u8>>,
    received: Vec<Vec<u8>>,
}

impl fmt::Debug for Reducer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reducer")
            .field("rank", &self.exchange.rank())
            .field("ranks", &self.exchange.ranks())
            .field("reduce", &self.reduce)
            .finish_non_exhaustive()
    }
}

impl<'a> Reducer<'a> {
    /// Creates a reducer over the processes of an exchange.
    pub fn new(exchange: &'a dyn Exchange, reduce: Reduce) -> Self {
        let none = vec![vec![]; exchange.ranks()];
        Reducer { exchange, reduce, sent: none.clone(), received: none }
    }

    /// Runs [`sharded`](crate::sharded()) over several processes: each works on its own shards, and all get the sum.
    /// The cut into shards must depend on neither processes nor threads, and there should be at least as many shards as
    /// processes.
    ///
    /// # Errors
    /// As [`sharded`](crate::sharded()), and where a process cannot be reached.
    pub fn sharded<S: Sync>(
        &mut self,
        params: &Params,
        training: Option<(u64, u64)>,
        shards: &[S],
        loss: impl for<'g> Fn(&'g Graph<'g>, &S) -> Var<'g> + Sync,
    ) -> Result<(f64, Gradients)> {
        let one = |number: usize| -> Result<Sums> {
            let (loss, gradients) = shard_gradients(params, training, number, |graph| loss(graph, &shards[number]))?;
            Ok(Sums { loss, weight: 0.0, gradients })
        };
        let own = parallel_map(owned(self.exchange, shards.len()).collect(), one);
        let own = own.into_iter().collect::<Result<_>>()?;
        let sums = self.sum(params, shards.len(), own)?;
        Ok((sums.loss, sums.gradients))
    }

    /// Returns the sum over all `shards` shards of a batch, the same in every process. `own` holds the sums of this
    /// process's shards, number `rank`, `rank + ranks`, and so on, in this order.
    ///
    /// # Errors
    /// [`Error::Exchange`] where a process cannot be reached, or hands in another number of shards than are its own.
    pub fn sum(&mut self, params: &Params, shards: usize, own: Vec<Sums>) -> Result<Sums> {
        let (rank, ranks) = (self.exchange.rank(), self.sent.len());
        let expected = super::owned(self.exchange, shards).count();
        if own.len() != expected {
            let why = format!("process {rank} of {ranks} has {expected} of {shards} shards, not {}", own.len());
            return Err(Error::Exchange { why });
        }
        match self.reduce {
            _ if ranks <= 1 || shards == 0 => Sums::of_all(params, own),
            _ if params.precision() == Precision::F32 => self.sum_in::<f32>(params, shards, own),
            _ => self.sum_in::<f64>(params, shards, own),
        }
    }

    fn sum_in<E: Float>(&mut self, params: &Params, shards: usize, own: Vec<Sums>) -> Result<Sums> {
        match self.reduce {
            Reduce::Exact => self.in_order::<E>(params, shards, own),
            Reduce::Fast => self.in_any_order::<E>(params, Sums::of_all(params, own)?),
        }
    }

    fn in_order<E: Float>(&mut self, params: &Params, shards: usize, own: Vec<Sums>) -> Result<Sums> {
        let (rank, ranks) = (self.exchange.rank(), self.sent.len());
        let mut share = GradShard::<E>::none(params, rank, ranks);
        let mut total = None;
        let mut own = own.into_iter();
        // One shard of each process at a time: these have consecutive numbers, and no more than they are in memory
        // twice.
        for first in (0..shards).step_by(ranks) {
            match own.next() {
                Some(sums) => self.sent.par_iter_mut().enumerate().for_each(|(part, message)| {
                    GradShard::<E>::write(params, &sums.gradients, (first + rank) as u32, part, ranks, message);
                    message.extend([sums.loss, sums.weight].into_iter().flat_map(f64::to_le_bytes));
                }),
                None => self.sent.iter_mut().for_each(Vec::clear),
            }
            self.hand_around(|part| part)?;
            for message in self.all().filter(|message| !message.is_empty()) {
                let (message, sums) = message.split_last_chunk::<16>().ok_or_else(|| unreadable("a process"))?;
                let [loss, weight] = [0, 8].map(|at| f64::from_le_bytes(std::array::from_fn(|i| sums[at + i])));
                total = Some(total.map_or((loss, weight), |(sum, weights)| (sum + loss, weights + weight)));
                share.add(message)?;
            }
        }
        share.to_bytes(&mut self.sent[rank]);
        self.hand_around(|_| rank)?;
        let (loss, weight) = total.unwrap_or_default();
        Ok(Sums { loss, weight, gradients: GradShard::<E>::join(params, &self.all().collect::<Vec<_>>())? })
    }

    fn in_any_order<E: Float>(&mut self, params: &Params, mut own: Sums) -> Result<Sums> {
        let grad = |gradients: &Gradients, p: Param| {
            let all = params.index(p).and_then(|index| gradients.param_grad::<E>(index));
            matches!(all, Some(ParamGrad::Dense(_)))
        };
        let flags: Vec<u8> = params.iter().map(|p| u8::from(grad(&own.gradients, p))).collect();
        let flags = self.exchange.all_gather(&flags)?;
        // Where one process has every element, all send every element.
        let which = |p: Param| params.index(p).is_some_and(|i| flags.iter().any(|of| of.get(i) == Some(&1)));
        let mut whole = own.gradients.split_off(which);
        for (index, p) in params.iter().enumerate().filter(|&(_, p)| which(p)) {
            if !grad(&whole, p) {
                let dense = dense::<E>(params, &whole, index, p);
                whole.set_dense(p, dense)?;
            }
        }
        whole.iter_mut::<E>().try_for_each(|(.., elements)| self.exchange.all_reduce(Elements::from(elements)))?;
        // What is left are rows of embeddings, and not the same ones everywhere.
        let ranks = self.sent.len();
        let rest = self.in_order::<E>(params, ranks, vec![own])?;
        whole.add(&rest.gradients)?;
        Ok(Sums { gradients: whole, ..rest })
    }

    /// Sends each other process the message of this number. What is for this process itself stays where it is.
    fn hand_around(&mut self, message_for: impl Fn(usize) -> usize) -> Result<()> {
        let rank = self.exchange.rank();
        let message = |to: usize| if to == rank { &[][..] } else { &self.sent[message_for(to)] };
        let messages: Vec<&[u8]> = (0..self.sent.len()).map(message).collect();
        self.exchange.all_to_all(&messages, &mut self.received)
    }

    /// What each process has for this one.
    fn all(&self) -> impl Iterator<Item = &[u8]> {
        let (rank, own) = (self.exchange.rank(), iter::once(&self.sent[self.exchange.rank()]));
        self.received[..rank].iter().chain(own).chain(&self.received[rank + 1..]).map(Vec::as_slice)
    }
}

/// Every element of a parameter's gradient: zeros where it has none.
fn dense<E: Float>(params: &Params, gradients: &Gradients, index: usize, p: Param) -> Buffer<E> {
    let mut dense = params.buffer(params.shape(p).elements());
    dense.fill(E::ZERO);
    if let Some(ParamGrad::SparseRows { rows, width, values }) = gradients.param_grad::<E>(index) {
        for (&row, values) in rows.iter().zip(values.chunks_exact(width.max(1))) {
            dense[row as usize * width..][..width].copy_from_slice(values);
        }
    }
    dense
}
