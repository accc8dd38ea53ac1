//! Over the frames of films: a small convolution a frame, and a recurrence that remembers.

use super::{ConvEncoder, ConvEncoderConfig, config, labels};
use crate::{
    graph::{Params, Var},
    nn::{AnyCell, CellKind, Linear, Recurrent, RecurrentConfig, Result, Sequence},
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`VideoClassifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoClassifierConfig {
    /// The convolution that looks at each frame.
    pub eye: ConvEncoderConfig,
    /// The kind of cell; with none, each frame is judged by itself.
    pub cell: Option<CellKind>,
    /// Number of layers of cells.
    pub layers: usize,
    /// Size of a cell's state.
    pub hidden_size: usize,
    /// Whether films are read from their last frame to their first too.
    pub bidirectional: bool,
    /// Logits for each frame, or for a film.
    pub outputs: usize,
}

impl VideoClassifierConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        self.eye.check()?;
        config::check(&[("layers", self.layers), ("hidden_size", self.hidden_size), ("outputs", self.outputs)], 0.0)
    }
}

/// An [`ConvEncoder`] on each frame, a recurrence over what it saw, and a readout.
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::models::{ConvEncoderConfig, VideoClassifier, VideoClassifierConfig};
/// use unspool::nn::{CellKind, Sequence};
/// let eye = ConvEncoderConfig { height: 8, width: 12, channels: 2, features: 16, dropout: 0.0 };
/// let (cell, layers) = (Some(CellKind::Gru), 1);
/// let config = VideoClassifierConfig { eye, cell, layers, hidden_size: 8, bidirectional: true, outputs: 3 };
/// let mut params = Params::seeded(0);
/// let model = VideoClassifier::new(&mut params, &config);
/// let graph = Graph::new(&params);
/// let films = Sequence::pack(graph.zeros([2, 5, 8, 12]), &[5, 3]);       // [batch, time, height, width]
/// assert_eq!(*model.logits(&films).padded().shape()?, [2, 5, 3]);        // many-to-many, aligned
/// assert_eq!(*model.film_logits(&films).shape()?, [2, 3]);               // many-to-one
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VideoClassifier {
    eye: ConvEncoder,
    memory: Option<Recurrent<AnyCell>>,
    readout: Linear,
    dropout: f64,
}

impl VideoClassifier {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &VideoClassifierConfig) -> VideoClassifier {
        let VideoClassifierConfig { hidden_size, bidirectional, outputs, .. } = *config;
        let ConvEncoderConfig { features, dropout, .. } = config.eye;
        let eye = ConvEncoder::new(params.scope("eye"), &config.eye);
        let layers = RecurrentConfig { layers: config.layers, bidirectional, dropout };
        let memory = config.cell.map(|kind| Recurrent::of(kind, params.scope("memory"), features, hidden_size, layers));
        let known = if memory.is_some() { layers.output_size(hidden_size) } else { features };
        VideoClassifier { eye, memory, readout: Linear::new(params.scope("readout"), known, outputs), dropout }
    }

    /// Returns the logits of each frame, `[.., outputs]`, for films whose frames are `[height, width]`.
    #[track_caller]
    pub fn logits<'g>(&self, films: &Sequence<'g>) -> Sequence<'g> {
        let seen = films.map(|frames| self.eye.look(frames));
        let known = match &self.memory {
            Some(memory) => memory.unroll(&seen, memory.initial_state(films.graph(), films.batch())).0,
            None => seen,
        };
        known.map(|rows| self.readout.apply(rows.dropout(self.dropout)))
    }

    /// Returns the logits of each film, `[batch, outputs]`, from what is known at its end. Without a memory that is the
    /// mean over the frames.
    #[track_caller]
    pub fn film_logits<'g>(&self, films: &Sequence<'g>) -> Var<'g> {
        let (graph, seen) = (films.graph(), films.map(|frames| self.eye.look(frames)));
        let known = match &self.memory {
            Some(memory) => {
                let (outputs, _) = memory.unroll(&seen, memory.initial_state(graph, films.batch()));
                memory.last(&outputs)
            }
            None => seen.mean(),
        };
        self.readout.apply(known.dropout(self.dropout))
    }

    /// Returns Σ of the cross-entropy of each frame, for classes that stand film after film.
    #[track_caller]
    pub fn loss<'g>(&self, films: &Sequence<'g>, classes: &[u32]) -> Var<'g> {
        labels::labels_loss(&self.logits(films), classes)
    }
}
