//! Many-to-one over numbers: convolutions that shorten a signal, and a recurrence over what they found.

use super::config;
use crate::{
    graph::{Graph, Params, Var},
    nn::{AnyCell, CellKind, Conv2d, Linear, Recurrent, RecurrentConfig, Result, Sequence},
};
use serde::{Deserialize, Serialize};

/// Steps of a signal that a convolution reads at once.
const KERNEL: usize = 5;

/// Holds the sizes of a [`SignalClassifier`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignalClassifierConfig {
    /// Channels of each convolution.
    pub channels: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Layers of cells, one over the other.
    pub layers: usize,
    /// Elements of the state, in each direction.
    pub hidden_size: usize,
    /// Whether the signal is read from its end, too.
    pub bidirectional: bool,
    /// How many classes there are.
    pub classes: usize,
    /// The share of elements dropped in training: of what the cells read, between layers and before the readout.
    pub dropout: f64,
}

impl SignalClassifierConfig {
    /// Checks that every size is from 1 to 65536, and the dropout from 0 up, less than 1.
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("channels", self.channels),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
                ("classes", self.classes),
            ],
            self.dropout,
        )
    }
}

/// Classifies signals: two convolutions over time, of which the second takes every other step, and a recurrence over
/// their channels.
///
/// - c₁ = relu(conv₅(x)), c₂ = relu(conv₅(c₁)) at every other step, h = cells(c₂)
/// - logits = W·[last outputs, mean of h, max of h] + b
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::{models::{SignalClassifier, SignalClassifierConfig}, nn::CellKind};
/// let config = SignalClassifierConfig {
///     channels: 4, cell: CellKind::Gru, layers: 1, hidden_size: 8, bidirectional: true, classes: 3, dropout: 0.0,
/// };
/// let mut params = Params::seeded(0);
/// let model = SignalClassifier::new(&mut params, &config);
/// let graph = Graph::new(&params);
/// assert_eq!(*model.logits(&graph, graph.zeros([2, 40])).shape()?, [2, 3]); // [batch, time] -> [batch, classes]
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SignalClassifier {
    first: Conv2d,
    second: Conv2d,
    encoder: Recurrent<AnyCell>,
    readout: Linear,
    dropout: f64,
}

impl SignalClassifier {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &SignalClassifierConfig) -> SignalClassifier {
        let SignalClassifierConfig { channels, cell, hidden_size, bidirectional, classes, dropout, .. } = *config;
        let layers = RecurrentConfig { layers: config.layers, bidirectional, dropout };
        let mut convolution =
            |name, from| Conv2d::new(params.scope(name), from, channels, [1, KERNEL]).padding([0, KERNEL / 2]);
        SignalClassifier {
            first: convolution("first", 1),
            second: convolution("second", channels).stride([1, 2]),
            encoder: Recurrent::of(cell, params.scope("encoder"), channels, hidden_size, layers),
            readout: Linear::new(params.scope("readout"), 3 * layers.output_size(hidden_size), classes),
            dropout,
        }
    }

    /// Returns the logits `[batch, classes]` of signals `[batch, time]`.
    #[track_caller]
    pub fn logits<'g>(&self, graph: &'g Graph<'g>, signals: Var<'g>) -> Var<'g> {
        // A signal is a plane of one row: [batch, channel, 1, time].
        let found = self.first.apply(signals.unsqueeze(1).unsqueeze(1)).relu();
        let found = self.second.apply(found).relu();
        let xs = Sequence::full(found.index(2, 0).transpose(1, 2).dropout(self.dropout));
        let (hs, _) = self.encoder.unroll(&xs, self.encoder.initial_state(graph, xs.batch()));
        let features = graph.concat(&[self.encoder.last(&hs), hs.mean(), hs.max()], -1);
        self.readout.apply(features.dropout(self.dropout))
    }

    /// Returns Σ of the cross-entropy over the signals `[batch, time]`.
    #[track_caller]
    pub fn loss<'g>(&self, graph: &'g Graph<'g>, signals: Var<'g>, classes: &[u32]) -> Var<'g> {
        self.logits(graph, signals).cross_entropy(classes).sum_all()
    }
}
