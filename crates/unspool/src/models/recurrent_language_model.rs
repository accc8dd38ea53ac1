//! The next token: a recurrence over a text, and what is likely to come.

use super::config;
use crate::{
    graph::{Graph, Params, Var},
    nn::{
        AnyCell, AnyState, Cell, CellKind, Decoder, Embedding, Layout, Linear, Recurrent, RecurrentConfig, Result,
        Sequence,
    },
};
use ndarray::{AsArray, Ix2, aview1};
use serde::{Deserialize, Serialize};

/// The sizes of a [`RecurrentLanguageModel`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentLanguageModelConfig {
    /// Number of token ids.
    pub vocabulary_size: usize,
    /// Size of a token's vector.
    pub embedding_size: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of stacked layers of cells.
    pub layers: usize,
    /// Size of a layer's state.
    pub hidden_size: usize,
    /// The share of elements dropped in training: of the tokens' vectors, between layers and before the readout.
    pub dropout: f64,
}

impl RecurrentLanguageModelConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("vocabulary_size", self.vocabulary_size),
                ("embedding_size", self.embedding_size),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
            ],
            self.dropout,
        )
    }
}

/// Layers of any cell over the tokens' vectors, and a readout (Mikolov and others 2010; Zaremba, Sutskever and Vinyals
/// 2014, for the places of dropout). It is a [`Cell`] and a [`Decoder`], so it writes by any
/// [way of decoding](crate::nn::decoding).
///
/// ```
/// use unspool::graph::Params;
/// use unspool::models::{RecurrentLanguageModel, RecurrentLanguageModelConfig};
/// use unspool::nn::{Cell, CellKind, DecoderSteps, decoding::{Decoding, Sampling}};
///
/// let config = RecurrentLanguageModelConfig {
///     vocabulary_size: 30, embedding_size: 8, cell: CellKind::Gru, layers: 2, hidden_size: 16, dropout: 0.1,
/// };
/// let mut params = Params::seeded(1);
/// let model = RecurrentLanguageModel::new(&mut params, &config);
/// let mut steps = DecoderSteps::new(&params, &model, 1, |graph| model.initial_state(graph, 1))?;
/// let written = Decoding::endless(4, 20).sample(&mut steps, &Sampling::new(7).temperature(0.8))?;
/// assert_eq!(written[0].tokens.len(), 20);
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RecurrentLanguageModel {
    embedding: Embedding,
    recurrence: Recurrent<AnyCell>,
    readout: Linear,
    dropout: f64,
}

impl RecurrentLanguageModel {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &RecurrentLanguageModelConfig) -> RecurrentLanguageModel {
        let RecurrentLanguageModelConfig { vocabulary_size, embedding_size, hidden_size, dropout, .. } = *config;
        let layers = RecurrentConfig { layers: config.layers, bidirectional: false, dropout };
        RecurrentLanguageModel {
            embedding: Embedding::normal(params.scope("embedding"), vocabulary_size, embedding_size, 0.3),
            recurrence: Recurrent::of(config.cell, params.scope("recurrence"), embedding_size, hidden_size, layers),
            readout: Linear::new(params.scope("readout"), hidden_size, vocabulary_size),
            dropout,
        }
    }

    /// Returns the vectors of the real tokens of a padded batch `[batch, time]`.
    #[track_caller]
    pub fn embedded<'a, 'g>(
        &self,
        graph: &'g Graph<'g>,
        ids: impl AsArray<'a, u32, Ix2>,
        lengths: impl Into<Layout>,
    ) -> Sequence<'g> {
        self.embedding.sequence(graph, ids, lengths).map(|rows| rows.dropout(self.dropout))
    }

    /// Returns the outputs over whole sequences, layer after layer, and the states after them, to be carried into the
    /// next window.
    #[track_caller]
    pub fn unroll<'g>(&self, xs: &Sequence<'g>, state: Vec<AnyState<'g>>) -> (Sequence<'g>, Vec<AnyState<'g>>) {
        self.recurrence.unroll(xs, state)
    }
}

impl Cell for RecurrentLanguageModel {
    type State<'g> = Vec<AnyState<'g>>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Vec<AnyState<'g>> {
        self.recurrence.initial_state(graph, batch)
    }

    fn step<'g>(&self, x: Var<'g>, state: Vec<AnyState<'g>>) -> (Var<'g>, Vec<AnyState<'g>>) {
        match self.recurrence.stack() {
            Some(layers) => layers.step(x, state),
            None => (x.graph().inert(), state),
        }
    }
}

impl Decoder for RecurrentLanguageModel {
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        self.embedding.apply(graph, aview1(tokens)).dropout(self.dropout)
    }

    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        self.readout.apply(outputs.dropout(self.dropout))
    }

    fn outputs<'g>(&self, xs: &Sequence<'g>, state: Vec<AnyState<'g>>) -> Sequence<'g> {
        self.unroll(xs, state).0
    }
}
