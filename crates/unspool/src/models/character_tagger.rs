//! Many-to-many, aligned: a class for each character of a text.

use super::{PairEmbedding, config, labels};
use crate::{
    graph::{Graph, Params, Var},
    layout::ToLayout,
    nn::{AnyCell, CellKind, Embedding, Linear, Recurrent, RecurrentConfig, Result, Sequence},
    text::Padded,
};
use serde::{Deserialize, Serialize};

/// Holds the sizes of a [`CharacterTagger`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharacterTaggerConfig {
    /// Number of ids of characters.
    pub vocabulary_size: usize,
    /// Number of vectors that pairs of neighboring characters share.
    pub bigram_buckets: usize,
    /// Size of the vectors of characters and of pairs.
    pub embedding_size: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of stacked layers of cells.
    pub layers: usize,
    /// Size of the state in each direction.
    pub hidden_size: usize,
    /// Whether the text is also read from its end.
    pub bidirectional: bool,
    /// Number of classes.
    pub classes: usize,
    /// The share of elements dropped in training: of the characters' vectors, between layers and before the readout.
    pub dropout: f64,
}

impl CharacterTaggerConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("vocabulary_size", self.vocabulary_size),
                ("bigram_buckets", self.bigram_buckets),
                ("embedding_size", self.embedding_size),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
                ("classes", self.classes),
            ],
            self.dropout,
        )
    }
}

/// A recurrence over the characters of a text, which reads of each its own vector and that of it with the one before,
/// and a readout at each of them.
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{CharacterTagger, CharacterTaggerConfig}, nn::CellKind, text::Padded};
/// let config = CharacterTaggerConfig {
///     vocabulary_size: 30, bigram_buckets: 64, embedding_size: 8, cell: CellKind::Gru, layers: 1, hidden_size: 8,
///     bidirectional: true, classes: 2, dropout: 0.3,
/// };
/// config.check()?;
/// let mut params = Params::seeded(0);
/// let model = CharacterTagger::new(&mut params, &config);
/// let graph = Graph::new(&params);
/// let logits = model.logits(&graph, &Padded::new(&[vec![5, 6, 7], vec![9]], 0));
/// assert_eq!(*logits.rows().shape()?, [4, 2]);                                     // of the real characters alone
/// assert!(model.loss(&graph, &Padded::new(&[vec![5, 6]], 0), &[0, 1]).item()? > 0.0);
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CharacterTagger {
    embedding: Embedding,
    pairs: PairEmbedding,
    recurrence: Recurrent<AnyCell>,
    readout: Linear,
    dropout: f64,
}

impl CharacterTagger {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &CharacterTaggerConfig) -> CharacterTagger {
        let CharacterTaggerConfig { embedding_size, hidden_size, bidirectional, dropout, .. } = *config;
        let layers = RecurrentConfig { layers: config.layers, bidirectional, dropout };
        CharacterTagger {
            embedding: Embedding::normal(params.scope("embedding"), config.vocabulary_size, embedding_size, 0.3),
            pairs: PairEmbedding::new(params.scope("pairs"), config.bigram_buckets, embedding_size),
            recurrence: Recurrent::of(config.cell, params.scope("recurrence"), embedding_size, hidden_size, layers),
            readout: Linear::new(params.scope("readout"), layers.output_size(hidden_size), config.classes),
            dropout,
        }
    }

    /// Returns the logits of each real character, `[.., classes]`.
    #[track_caller]
    pub fn logits<'g>(&self, graph: &'g Graph<'g>, input: &Padded) -> Sequence<'g> {
        let layout = input.layout();
        let characters = self.embedding.sequence(graph, &input.ids, &layout);
        let pairs = self.pairs.sequence(graph, &input.ids, &layout);
        let xs = characters.zip(&pairs, |characters, pairs| (characters + pairs).dropout(self.dropout));
        let (hs, _) = self.recurrence.unroll(&xs, self.recurrence.initial_state(graph, input.len()));
        hs.map(|rows| self.readout.apply(rows.dropout(self.dropout)))
    }

    /// Returns Σ of the cross-entropy of each real character, for classes listed text after text.
    #[track_caller]
    pub fn loss<'g>(&self, graph: &'g Graph<'g>, input: &Padded, classes: &[u32]) -> Var<'g> {
        labels::labels_loss(&self.logits(graph, input), classes)
    }
}
