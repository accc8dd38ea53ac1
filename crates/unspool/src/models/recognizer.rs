//! From frames to labels whose times are not known: a recurrence that is trained by CTC.

use super::config;
use crate::{
    graph::{Params, Var},
    nn::{
        AnyCell, CellKind, Error, Linear, Recurrent, RecurrentConfig, Result, Sequence,
        ctc::{self, Ctc, Hypothesis},
    },
};
use ndarray::{Axis, Ix3};
use serde::{Deserialize, Serialize};

/// The sizes of a [`Recognizer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecognizerConfig {
    /// Size of a frame.
    pub features: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of layers of cells.
    pub layers: usize,
    /// Size of a cell's state.
    pub hidden_size: usize,
    /// Whether the frames are also read from the last to the first.
    pub bidirectional: bool,
    /// Number of labels, without the blank.
    pub labels: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
}

impl RecognizerConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("features", self.features),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
                ("labels", self.labels),
            ],
            self.dropout,
        )
    }
}

/// Layers of cells over frames, and at each frame a class for each label and, as class 0, the blank (Graves and others
/// 2006).
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{Recognizer, RecognizerConfig}, nn::{CellKind, Sequence}};
/// let (cell, layers, bidirectional) = (CellKind::Gru, 2, true);
/// let config = RecognizerConfig {
///     features: 6, cell, layers, hidden_size: 8, bidirectional, labels: 10, dropout: 0.0,
/// };
/// let mut params = Params::seeded(0);
/// let model = Recognizer::new(&mut params, &config);
/// let graph = Graph::new(&params);
/// let frames = Sequence::pack(graph.zeros([2, 7, 6]), &[7, 4]);                      // [batch, time, feature]
/// assert_eq!(*model.logits(&frames).padded().shape()?, [2, 7, 11]);
/// assert!(model.loss(&frames, &[vec![3, 1], vec![10]]).item()? > 0.0);
/// assert_eq!(model.decode(&frames, Some(4))?.len(), 2);                              // the best labels of each row
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recognizer {
    reader: Recurrent<AnyCell>,
    readout: Linear,
    dropout: f64,
}

impl Recognizer {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &RecognizerConfig) -> Recognizer {
        let RecognizerConfig { features, cell, hidden_size, bidirectional, labels, dropout, .. } = *config;
        let layers = RecurrentConfig { layers: config.layers, bidirectional, dropout };
        let reader = Recurrent::of(cell, params.scope("reader"), features, hidden_size, layers);
        Recognizer {
            reader,
            readout: Linear::new(params.scope("readout"), layers.output_size(hidden_size), labels + 1),
            dropout,
        }
    }

    /// Returns the logits of each frame, `[.., 1 + labels]`, for frames of features.
    #[track_caller]
    pub fn logits<'g>(&self, frames: &Sequence<'g>) -> Sequence<'g> {
        let state = self.reader.initial_state(frames.graph(), frames.batch());
        let (hs, _) = self.reader.unroll(frames, state);
        hs.map(|rows| self.readout.apply(rows.dropout(self.dropout)))
    }

    /// Returns Σ over the rows of −ln p of its labels, which count from 1.
    ///
    /// # Errors
    /// The graph records the errors of [`Ctc::losses`].
    #[track_caller]
    pub fn loss<'g>(&self, frames: &Sequence<'g>, labels: &[Vec<u32>]) -> Var<'g> {
        Ctc::new().losses(&self.logits(frames), labels).sum_all()
    }

    /// Returns what a search over prefixes of labels finds for each row, best first, of the `beam` prefixes that it
    /// keeps at each frame. Without a beam that is the likeliest label of each frame, with a log-probability of 0.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn decode(&self, frames: &Sequence<'_>, beam: Option<usize>) -> Result<Vec<Vec<Hypothesis>>> {
        let logits = self.logits(frames).padded().to_f64()?;
        let logits = logits.into_dimensionality::<Ix3>().map_err(|error| Error::Decoding { why: error.to_string() })?;
        let real = logits.outer_iter().zip(frames.lengths());
        let found = real.map(|(row, length)| {
            let row = row.slice_axis_move(Axis(0), (..*length).into());
            match beam {
                Some(width) => ctc::prefix_beam(row, 0, width),
                None => Ok(vec![Hypothesis { labels: ctc::greedy(row, 0)?, log_probability: 0.0 }]),
            }
        });
        found.collect()
    }
}
