//! Many-to-many: what comes after a series, step by step.

use super::config;
use crate::{
    graph::{Error, Params, Var},
    nn::{AnyCell, CellKind, Layout, Linear, Recurrent, RecurrentConfig, Result, Sequence},
};
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// The sizes of a [`Forecaster`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForecasterConfig {
    /// Columns of the series.
    pub columns: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of stacked layers of cells.
    pub layers: usize,
    /// Size of a state.
    pub hidden_size: usize,
}

impl ForecasterConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(&[("columns", self.columns), ("layers", self.layers), ("hidden_size", self.hidden_size)], 0.0)
    }
}

/// A recurrence that reads what is known of a series, and then its own last value, step after step:
///
/// - x̂_t = readout(h_t), h_{t+1} = cell(x̂_t, h_t)
///
/// With its first values it forecasts the readout's bias at every step.
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{Forecaster, ForecasterConfig}, nn::CellKind};
/// let mut params = Params::seeded(0);
/// let config = ForecasterConfig { columns: 2, cell: CellKind::Gru, layers: 1, hidden_size: 4 };
/// let model = Forecaster::new(&mut params, &config)?;
/// let graph = Graph::new(&params);
/// let coming = model.decode(graph.full([3, 6, 2], 0.5), 4);                        // [batch, time, column]
/// assert_eq!(*coming.shape()?, [3, 4, 2]);
/// assert_eq!(coming.slice(1, 0..1).value()?, coming.slice(1, 3..4).value()?);       // the readout's bias
/// assert_eq!(model.loss(graph.full([3, 6, 2], 0.5), coming).item()?, 0.0);
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Forecaster {
    memory: Recurrent<AnyCell>,
    readout: Linear,
}

impl Forecaster {
    /// Adds the model's parameters.
    ///
    /// # Errors
    /// The first error of the store, such as a size of 0.
    pub fn new(params: &mut Params, config: &ForecasterConfig) -> std::result::Result<Forecaster, Error> {
        let ForecasterConfig { columns, cell, layers, hidden_size } = *config;
        let layers = RecurrentConfig { layers, ..RecurrentConfig::default() };
        let memory = Recurrent::of(cell, params.scope("memory"), columns, hidden_size, layers);
        let readout = Linear::new(params.scope("readout"), hidden_size, columns);
        params.check()?;
        params.set(readout.weight, Array2::<f32>::zeros((columns, hidden_size)))?;
        Ok(Forecaster { memory, readout })
    }

    /// Returns the next `horizon` steps, each read from the one before:
    /// `[batch, time, column] -> [batch, horizon, column]`.
    #[track_caller]
    pub fn decode<'g>(&self, known: Var<'g>, horizon: usize) -> Var<'g> {
        let (graph, rows) = (known.graph(), known.known_shape().map_or(0, |shape| shape[0]));
        let one = Layout::new(&vec![1; rows]);
        let read = |xs: &Sequence<'g>, states| {
            let (hs, states) = self.memory.unroll(xs, states);
            (self.readout.apply(hs.last()), states)
        };
        let first = self.memory.initial_state(graph, rows);
        let (mut next, mut states) = read(&Sequence::full(known), first);
        let mut made = vec![next];
        for _ in 1..horizon {
            (next, states) = read(&Sequence::from_rows(next, &one), states);
            made.push(next);
        }
        graph.stack(&made, 1)
    }

    /// Returns Σ of the squared errors of a forecast of `coming`, `[batch, horizon, column]`.
    #[track_caller]
    pub fn loss<'g>(&self, known: Var<'g>, coming: Var<'g>) -> Var<'g> {
        let horizon = coming.known_shape().map_or(0, |shape| shape[1]);
        (self.decode(known, horizon) - coming).powi(2).sum_all()
    }
}
