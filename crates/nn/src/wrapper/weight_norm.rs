//! Weight normalization: direction and length of a weight apart.

use super::parametrized::{Parametrized, cell};
use crate::{Cell, Sequence};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Normalizes a cell's weights (Salimans and Kingma 2016): each row of a weight is w = g · v / ‖v‖, where v is the raw
/// parameter and its length g is another parameter. PyTorch's `parametrizations.weight_norm`.
///
/// The normalized weight is made [once per recording](Graph::cached). Parameters `0.g [rows]`, `1.g`, … in the order of
/// the weights; their first values are the rows' lengths, so that at first the cell is what it was.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Sequence, WeightNorm, unroll};
/// let mut params = Params::seeded(0);
/// let gru = Gru::new(params.scope("rnn"), 3, 8);
/// let weight = gru.weight_hh();
/// let cell = WeightNorm::new(params.scope("norm"), gru.clone(), [weight]);
/// let graph = Graph::new(&params);
/// let xs = Sequence::full(graph.full([2, 5, 3], 1.0));
/// let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// let (plain, _) = unroll(&gru, &xs, gru.initial_state(&graph, 2));
/// let off = (hs.rows() - plain.rows()).abs().max(&[]).item()?;
/// assert!(off < 1e-6);
/// assert!(hs.rows().sum_all().backward()?.of(params.find("norm.0.g").unwrap()).is_some());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WeightNorm<C> {
    cell: C,
    /// Each weight v, and the lengths g of its rows.
    weights: Vec<(Param, Param)>,
}

impl<C> WeightNorm<C> {
    /// Wraps a cell, some of whose weights are normalized row by row. A weight of another scope's store is the graph's
    /// error later.
    pub fn new(mut scope: Scope<'_>, cell: C, weights: impl IntoIterator<Item = Param>) -> WeightNorm<C> {
        let add = |(i, weight): (usize, Param)| {
            let lengths: Vec<f64> = match scope.params().value(weight) {
                Ok(value) => {
                    let value = value.to_f64();
                    value.outer_iter().map(|row| row.iter().map(|x| x * x).sum::<f64>().sqrt()).collect()
                }
                Err(_) => vec![],
            };
            let rows = lengths.len();
            (weight, scope.scope(i.to_string()).add("g", [rows], init::values(lengths)))
        };
        WeightNorm { cell, weights: weights.into_iter().enumerate().map(add).collect() }
    }
}

impl<C: Cell> Parametrized for WeightNorm<C> {
    type Cell = C;
    fn cell(&self) -> &C {
        &self.cell
    }
    fn values<'g>(&self, graph: &'g Graph<'g>) -> Vec<(Param, Var<'g>)> {
        let normalized = |&(weight, g): &(Param, Param)| {
            let make = || {
                let v = graph.param(weight);
                v * (graph.param(g) / v.norm(&[-1])).unsqueeze(-1)
            };
            (weight, graph.cached(weight, "weight_norm", make))
        };
        self.weights.iter().map(normalized).collect()
    }
}

cell!(WeightNorm);
