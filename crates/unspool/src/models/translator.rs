//! A translator of either architecture.

use super::{
    LossOptions, RecurrentTranslator, RecurrentTranslatorConfig, TransformerTranslator, TransformerTranslatorConfig,
};
use crate::{
    graph::{Graph, Params, Var},
    nn::{
        Result,
        decoding::{Beam, Decoding, Hypothesis, StepFunction},
    },
    text::{Padded, TeacherForcing},
};
use serde::{Deserialize, Serialize};

/// The architecture of a [`Translator`], and its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TranslatorConfig {
    /// Recurrent encoder and decoder.
    Recurrent(RecurrentTranslatorConfig),
    /// Encoder and decoder of self-attention.
    Transformer(TransformerTranslatorConfig),
}

impl TranslatorConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        match self {
            TranslatorConfig::Recurrent(config) => config.check(),
            TranslatorConfig::Transformer(config) => config.check(),
        }
    }

    /// Returns how many token ids the source has, where it has a table of vectors of its own, and how many there are
    /// for the target, or else for both.
    pub fn vocabulary_sizes(&self) -> (Option<usize>, usize) {
        match self {
            TranslatorConfig::Recurrent(config) => (config.source_vocabulary_size, config.vocabulary_size),
            TranslatorConfig::Transformer(config) => (config.source_vocabulary_size, config.vocabulary_size),
        }
    }
}

/// A [`RecurrentTranslator`] or a [`TransformerTranslator`], as a configuration says.
///
/// ```
/// use unspool::graph::Params;
/// use unspool::models::{RecurrentTranslatorConfig, Translator, TranslatorConfig};
/// use unspool::text::Padded;
/// let config = RecurrentTranslatorConfig {
///     vocabulary_size: 40, embedding_size: 8, hidden_size: 8, ..RecurrentTranslatorConfig::default()
/// };
/// let config = TranslatorConfig::Recurrent(config);
/// config.check()?;
/// let mut params = Params::seeded(1);
/// let model = Translator::new(&mut params, &config);
/// let greedy = model.decode(&params, &Padded::new(&[vec![5, 6, 7], vec![8]], 0), None)?;
/// assert_eq!((greedy.len(), greedy[0].len()), (2, 1));
/// // Any other way of decoding, with the rules and the steps of the model.
/// let one = Padded::new(&[vec![5, 6, 7]], 0);
/// let rules = model.decoding(&one).no_repeat_ngram(1);
/// let written = &rules.greedy(&mut model.steps(&params, &one)?)?[0].tokens;
/// assert!((1..written.len()).all(|end| !written[..end].contains(&written[end])));
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Translator {
    /// Recurrent encoder and decoder.
    Recurrent(RecurrentTranslator),
    /// Encoder and decoder of self-attention.
    Transformer(TransformerTranslator),
}

impl Translator {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &TranslatorConfig) -> Translator {
        match config {
            TranslatorConfig::Recurrent(config) => Translator::Recurrent(RecurrentTranslator::new(params, config)),
            TranslatorConfig::Transformer(config) => {
                Translator::Transformer(TransformerTranslator::new(params, config))
            }
        }
    }

    /// Returns Σ of the cross-entropy over the real target tokens: see [`Seq2Seq::loss`](super::Seq2Seq::loss).
    #[track_caller]
    pub fn loss<'g>(
        &self,
        graph: &'g Graph<'g>,
        source: &Padded,
        target: &TeacherForcing,
        options: LossOptions,
    ) -> Var<'g> {
        match self {
            Translator::Recurrent(model) => model.loss(graph, source, target, options),
            Translator::Transformer(model) => model.loss(graph, source, target, options),
        }
    }

    /// Returns translations of each source, best first: see [`Seq2Seq::decode`](super::Seq2Seq::decode).
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn decode(&self, params: &Params, source: &Padded, beam: Option<&Beam>) -> Result<Vec<Vec<Hypothesis>>> {
        match self {
            Translator::Recurrent(model) => model.decode(params, source, beam),
            Translator::Transformer(model) => model.decode(params, source, beam),
        }
    }

    /// Returns the steps of writing for a batch of sources, for any [way of decoding](crate::nn::decoding), alone or in
    /// an [`Ensemble`](crate::nn::decoding::Ensemble).
    ///
    /// # Errors
    /// The first error of the encoder's recording.
    pub fn steps<'a>(&'a self, params: &'a Params, source: &Padded) -> Result<Box<dyn StepFunction + 'a>> {
        Ok(match self {
            Translator::Recurrent(model) => Box::new(model.steps(params, source)?),
            Translator::Transformer(model) => Box::new(model.steps(params, source)?),
        })
    }

    /// Returns the rules of writing for a batch of sources: see [`Seq2Seq::decoding`](super::Seq2Seq::decoding).
    pub fn decoding(&self, source: &Padded) -> Decoding {
        match self {
            Translator::Recurrent(model) => model.decoding(source),
            Translator::Transformer(model) => model.decoding(source),
        }
    }
}
