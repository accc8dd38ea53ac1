//! Many-to-one: a text in, a class out.

use crate::{
    graph::{Graph, Params, Var},
    nn::{Cell, Embedding, Gru, Linear, bidirectional},
    text::Padded,
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`Classifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierConfig {
    /// How many token ids there are.
    pub vocabulary_size: usize,
    /// Elements of a token's vector.
    pub embedding_size: usize,
    /// Elements of the state, in each direction.
    pub hidden_size: usize,
    /// How many classes there are.
    pub classes: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
}

/// A bidirectional GRU over a text. The mean of its outputs over the real places and the last states of both directions decide on
/// the class.
#[derive(Clone, Debug)]
pub struct Classifier {
    embedding: Embedding,
    forward: Gru,
    backward: Gru,
    readout: Linear,
    dropout: f64,
}

impl Classifier {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &ClassifierConfig) -> Classifier {
        let ClassifierConfig { embedding_size, hidden_size, .. } = *config;
        Classifier {
            embedding: Embedding::normal(params.scope("embedding"), config.vocabulary_size, embedding_size, 0.3),
            forward: Gru::new(params.scope("encoder.forward"), embedding_size, hidden_size),
            backward: Gru::new(params.scope("encoder.backward"), embedding_size, hidden_size),
            readout: Linear::new(params.scope("readout"), 4 * hidden_size, config.classes),
            dropout: config.dropout,
        }
    }

    /// The logits `[batch, classes]` of a padded batch.
    #[track_caller]
    pub fn logits<'g>(&self, graph: &'g Graph<'g>, input: &Padded) -> Var<'g> {
        let batch = input.lengths.len();
        let xs = self.embedding.apply(graph, input.ids.view()).dropout(self.dropout);
        let cells = (&self.forward, &self.backward);
        let states = (self.forward.initial_state(graph, batch), self.backward.initial_state(graph, batch));
        let (hs, (last, first)) = bidirectional(cells, xs, &input.lengths, states);
        // A padded place is 0 in every output, so the sum over time is that over the real places.
        let counts = input.lengths.iter().map(|&n| 1.0 / n.max(1) as f32).collect::<Vec<_>>();
        let mean = hs.sum(&[1]) * graph.input(counts).reshape([batch, 1]);
        let features = graph.concat(&[last, first, mean], -1).dropout(self.dropout);
        self.readout.apply(features)
    }
}
