//! A long sequence in, an answer at its end.

use super::config;
use crate::{
    graph::{Params, Var},
    nn::{AnyCell, CellKind, Linear, Recurrent, RecurrentConfig, Result, Sequence},
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`MemoryReader`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryReaderConfig {
    /// Size of an input.
    pub input_size: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of stacked layers of cells.
    pub layers: usize,
    /// Size of a state.
    pub hidden_size: usize,
    /// Size of an output.
    pub output_size: usize,
    /// Time steps over which memory has to last.
    pub length: usize,
}

impl MemoryReaderConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("input_size", self.input_size),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
                ("output_size", self.output_size),
                ("length", self.length),
            ],
            0.0,
        )
    }
}

/// Layers of cells over whole sequences, and a readout of the last steps. The gates of an LSTM or a GRU
/// begin so that their memory lasts as long as a sequence (Tallec and Ollivier 2018).
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{MemoryReader, MemoryReaderConfig}, nn::CellKind};
/// let config = MemoryReaderConfig {
///     input_size: 2, cell: CellKind::Gru, layers: 1, hidden_size: 8, output_size: 3, length: 20,
/// };
/// let mut params = Params::seeded(0);
/// let model = MemoryReader::new(&mut params, &config)?;
/// let graph = Graph::new(&params);
/// let xs = graph.zeros([5, 20, 2]);
/// assert_eq!(*model.logits(xs, 4).shape()?, [5, 4, 3]);                            // [batch, last steps, output]
/// assert!(model.loss(xs, 4, &[0; 20]).item()? > 0.0);                              // of classes at these steps
/// assert!(model.squared_loss(xs, graph.zeros([5, 3])).item()? > 0.0);              // of numbers at the last one
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryReader {
    cells: Recurrent<AnyCell>,
    readout: Linear,
}

impl MemoryReader {
    /// Adds the model's parameters.
    ///
    /// # Errors
    /// The first error of the store, such as a size of 0.
    pub fn new(params: &mut Params, config: &MemoryReaderConfig) -> Result<MemoryReader> {
        let MemoryReaderConfig { input_size, cell, hidden_size, output_size, length, .. } = *config;
        let layers = RecurrentConfig { layers: config.layers, ..RecurrentConfig::default() };
        let cells = Recurrent::of(cell, params.scope("memory"), input_size, hidden_size, layers);
        let readout = Linear::new(params.scope("readout"), hidden_size, output_size);
        if matches!(cell, CellKind::Lstm | CellKind::Gru) {
            for cell in cells.cells() {
                cell.init_chrono(params, length)?;
            }
        }
        Ok(MemoryReader { cells, readout })
    }

    /// Returns what is said at each of the last `steps` steps of sequences of one length:
    /// `[batch, time, input] -> [batch, steps, output]`.
    #[track_caller]
    pub fn logits<'g>(&self, xs: Var<'g>, steps: usize) -> Var<'g> {
        let xs = Sequence::full(xs);
        let (hs, _) = self.cells.unroll(&xs, self.cells.initial_state(xs.graph(), xs.batch()));
        let time = xs.layout().time();
        self.readout.apply(hs.steps(time.saturating_sub(steps), time).padded())
    }

    /// Returns Σ of the cross-entropy of the last `steps` steps, for classes listed row after row.
    #[track_caller]
    pub fn loss<'g>(&self, xs: Var<'g>, steps: usize, classes: &[u32]) -> Var<'g> {
        self.logits(xs, steps).cross_entropy(classes).sum_all()
    }

    /// Returns Σ of the squared errors of the last step, for right outputs `[batch, output]`.
    #[track_caller]
    pub fn squared_loss<'g>(&self, xs: Var<'g>, right: Var<'g>) -> Var<'g> {
        (self.logits(xs, 1).index(1, 0) - right).powi(2).sum_all()
    }
}
