//! Many-to-many through a Transformer.

use super::{Encoder, Seq2Seq, config};
use crate::{
    graph::{Graph, Params},
    layout::ToLayout,
    nn::{Embedding, Positions, Result, TransformerConfig, TransformerDecoder, TransformerEncoder, TransformerState},
    text::{Padded, Specials},
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`TransformerTranslator`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformerTranslatorConfig {
    /// Number of token ids: those of both languages together, or of the target alone.
    pub vocabulary_size: usize,
    /// How many token ids the source has, where it has a table of vectors of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_vocabulary_size: Option<usize>,
    /// Elements of a vector; `heads` divides it.
    pub size: usize,
    /// Number of heads of each attention.
    pub heads: usize,
    /// Elements between the two affine maps of a layer.
    pub feedforward: usize,
    /// Number of layers of the encoder and of the decoder.
    pub layers: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
    /// The special tokens of the tokenizer, which say where a text begins and ends.
    pub specials: Specials,
}

impl TransformerTranslatorConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("vocabulary_size", self.vocabulary_size),
                ("source_vocabulary_size", self.source_vocabulary_size.unwrap_or(1)),
                ("size", self.size),
                ("heads", self.heads),
                ("feedforward", self.feedforward),
                ("layers", self.layers),
            ],
            self.dropout,
        )
    }
}

impl Default for TransformerTranslatorConfig {
    fn default() -> Self {
        TransformerTranslatorConfig {
            vocabulary_size: 4000,
            source_vocabulary_size: None,
            size: 256,
            heads: 4,
            feedforward: 1024,
            layers: 3,
            dropout: 0.1,
            specials: Specials::FIXED,
        }
    }
}

/// A Transformer (Vaswani and others 2017) with pre-norm layers and sinusoidal positions. One table of token vectors
/// serves the source, the target and, transposed, the output (Press and Wolf 2017), unless the source has a vocabulary
/// of its own.
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::models::{LossOptions, TransformerTranslator, TransformerTranslatorConfig};
/// use unspool::nn::{Adam, decoding::Beam};
/// use unspool::text::{Padded, Specials, TeacherForcing};
///
/// let sizes = TransformerTranslatorConfig {
///     vocabulary_size: 12, size: 16, heads: 2, feedforward: 32, layers: 1, ..TransformerTranslatorConfig::default()
/// };
/// let mut params = Params::seeded(1);
/// let model = TransformerTranslator::new(&mut params, &sizes);
/// let (sources, targets) = ([vec![5, 6, 7], vec![8, 9]], [vec![7, 6, 5], vec![9]]);
/// let source = Padded::new(&sources, Specials::FIXED.pad);
/// let target = TeacherForcing::new(&targets, Specials::FIXED);
/// let mut adam = Adam::new();
/// for step in 0..60 {
///     let graph = Graph::new(&params).training(1, step);
///     let options = LossOptions { label_smoothing: 0.1, teacher_forcing_ratio: 1.0 };
///     let loss = model.loss(&graph, &source, &target, options) / target.tokens() as f64;
///     let gradients = loss.backward()?;
///     adam.step(&mut params, &gradients, 0.01)?;
/// }
/// let found = model.decode(&params, &source, Some(&Beam::new(3)))?;
/// assert_eq!([&found[0][0].tokens, &found[1][0].tokens], [&targets[0], &targets[1]]);
/// # Ok::<(), unspool::nn::Error>(())
/// ```
pub type TransformerTranslator = Seq2Seq<TransformerReader, TransformerDecoder>;

impl TransformerTranslator {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &TransformerTranslatorConfig) -> TransformerTranslator {
        let TransformerTranslatorConfig { vocabulary_size, size, heads, feedforward, layers, dropout, .. } = *config;
        let deviation = 1.0 / (size.max(1) as f64).sqrt();
        let table = Embedding::normal(params.scope("embedding"), vocabulary_size, size, deviation);
        let source = config.source_vocabulary_size;
        let source = source.map(|ids| Embedding::normal(params.scope("source_embedding"), ids, size, deviation));
        let of_layer = TransformerConfig { size, heads, feedforward, dropout, norm_first: true, bias: true };
        let places = Positions::Sinusoidal;
        let encoder = TransformerEncoder::new(params.scope("encoder"), layers, places, of_layer);
        let decoder = TransformerDecoder::new(params.scope("decoder"), layers, table, places, of_layer);
        Seq2Seq::from_parts(TransformerReader { embedding: source, size, encoder }, decoder, config.specials)
    }
}

/// Reads a source with layers of self-attention, for a [`TransformerDecoder`]. It is made by
/// [`TransformerTranslator::new`].
///
/// ```
/// use unspool::graph::Params;
/// use unspool::models::{Seq2Seq, TransformerReader, TransformerTranslator, TransformerTranslatorConfig};
/// use unspool::nn::TransformerDecoder;
/// let sizes = TransformerTranslatorConfig {
///     vocabulary_size: 12, source_vocabulary_size: Some(20), size: 16, ..TransformerTranslatorConfig::default()
/// };
/// let mut params = Params::seeded(1);
/// let model: Seq2Seq<TransformerReader, TransformerDecoder> = TransformerTranslator::new(&mut params, &sizes);
/// // Each language has a table of its own.
/// let rows = |name: &str| params.iter().find(|p| params.name(*p) == name).map(|p| params.shape(p)[0]);
/// assert_eq!((rows("embedding.weight"), rows("source_embedding.weight")), (Some(12), Some(20)));
/// ```
#[derive(Clone, Debug)]
pub struct TransformerReader {
    /// Its own table of token vectors; without one it reads with the decoder's.
    embedding: Option<Embedding>,
    size: usize,
    encoder: TransformerEncoder,
}

impl Encoder<TransformerDecoder> for TransformerReader {
    fn encode<'g>(&self, decoder: &TransformerDecoder, graph: &'g Graph<'g>, source: &Padded) -> TransformerState<'g> {
        let _scope = graph.scope("encoder");
        let xs = match &self.embedding {
            None => decoder.embedded(graph, &source.ids, source.layout()),
            Some(table) => {
                let scale = (self.size as f64).sqrt();
                table.sequence(graph, &source.ids, source.layout()).map(|rows| rows * scale)
            }
        };
        decoder.start(&self.encoder.apply(&xs))
    }
}
