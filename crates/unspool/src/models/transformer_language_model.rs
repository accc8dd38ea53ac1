//! The next token: causal self-attention over a window of a text.

use super::config;
use crate::{
    graph::Params,
    nn::{Embedding, Positions, Result, TransformerConfig, TransformerDecoder},
};
use serde::{Deserialize, Serialize};

/// The sizes of a language model that is a Transformer: causal self-attention over a window of tokens.
///
/// ```
/// use unspool::models::{LanguageModel, LanguageModelConfig, TransformerLanguageModelConfig};
/// use unspool::graph::Params;
/// let config =
///     TransformerLanguageModelConfig { vocabulary_size: 30, hidden_size: 8, heads: 2, layers: 1, dropout: 0.1 };
/// let mut params = Params::seeded(0);
/// let model = LanguageModel::new(&mut params, &LanguageModelConfig::Transformer(config));
/// let next = model.next_tokens(&params, &[5, 6, 7], 3, 16)?;
/// assert_eq!(next.len(), 3);
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerLanguageModelConfig {
    /// Number of token ids.
    pub vocabulary_size: usize,
    /// Size of a token's vector.
    pub hidden_size: usize,
    /// Number of attention heads, which divides the hidden size.
    pub heads: usize,
    /// Number of layers of attention.
    pub layers: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
}

impl TransformerLanguageModelConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("vocabulary_size", self.vocabulary_size),
                ("hidden_size", self.hidden_size),
                ("heads", self.heads),
                ("layers", self.layers),
            ],
            self.dropout,
        )
    }

    /// Adds the model's parameters.
    pub(super) fn build(&self, params: &mut Params) -> TransformerDecoder {
        let (size, deviation) = (self.hidden_size, 1.0 / (self.hidden_size as f64).sqrt());
        let table = Embedding::normal(params.scope("embedding"), self.vocabulary_size, size, deviation);
        let (heads, feedforward, dropout) = (self.heads, 4 * size, self.dropout);
        let config = TransformerConfig { size, heads, feedforward, dropout, norm_first: true, bias: true };
        TransformerDecoder::language_model(params.scope("decoder"), self.layers, table, Positions::Sinusoidal, config)
    }
}
