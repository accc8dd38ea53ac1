//! Options that several tasks have, to be flattened into theirs, and parsers of values.

use crate::{error::Result, limits};
use clap::{
    ArgAction, Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use std::{fmt::Display, ops::RangeInclusive, str::FromStr};
use unspool::{models::ClassifierConfig, nn::CellKind, text::TokenKind};

/// A value, or what is wrong with the text.
type Parsed<T> = std::result::Result<T, String>;

/// A parser of whole numbers within bounds, both allowed.
///
/// ```
/// let parse = unspool_task::count(1..=9);
/// assert_eq!(parse("3"), Ok(3));
/// assert_eq!(parse("0"), Err("`0` is not from 1 to 9".to_owned()));
/// ```
pub fn count(range: RangeInclusive<usize>) -> impl Fn(&str) -> Parsed<usize> + Clone {
    within(range)
}

/// A parser of one of some names.
///
/// ```
/// let parse = unspool_task::choice(&["always", "never"]);
/// assert_eq!(parse("never"), Ok("never".to_owned()));
/// assert_eq!(parse("ever"), Err("`ever` is not one of always, never".to_owned()));
/// ```
pub fn choice(names: &'static [&'static str]) -> impl Fn(&str) -> Parsed<String> + Clone {
    move |text| match names.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}` is not one of {}", names.join(", "))),
    }
}

pub(crate) fn within<N>(range: RangeInclusive<N>) -> impl Fn(&str) -> Parsed<N> + Clone
where
    N: FromStr + PartialOrd + Display + Clone,
{
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("`{text}` is not from {} to {}", range.start(), range.end()))
    }
}

/// A parser of what has a name for each of its values, which the help lists.
pub(crate) fn named<T>(names: &'static [&'static str]) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static> + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

fn cell(name: &str) -> Parsed<CellKind> {
    name.parse().map_err(|_| format!("`{name}` is not one of {}", cells()))
}

fn cells() -> String {
    CellKind::ALL.map(CellKind::name).join(", ")
}

/// The sizes of a recurrence.
#[derive(Clone, Debug, Args)]
pub struct RecurrentOptions {
    /// The kind of recurrent cell.
    #[arg(long, value_name = "NAME", default_value = "gru", value_parser = cell,
          help = format!("Recurrent cell: {}", cells()))]
    pub cell: CellKind,
    /// Number of stacked recurrent layers [from 1 to 32]
    #[arg(long, value_name = "N", default_value = "1", value_parser = count(1..=limits::LAYERS))]
    pub layers: usize,
    /// Hidden size per layer and direction [from 1 to 16384]
    #[arg(long, value_name = "N", default_value = "128", value_parser = count(1..=limits::HIDDEN_SIZE))]
    pub hidden_size: usize,
}

/// One direction or both.
#[derive(Clone, Debug, Args)]
pub struct DirectionOptions {
    /// Read the sequence in both directions
    #[arg(long, value_name = "true|false", default_value = "true", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub bidirectional: bool,
}

/// The sizes of a recurrence that may read in both directions.
#[derive(Clone, Debug, Args)]
pub struct ReaderOptions {
    /// The recurrence.
    #[command(flatten)]
    pub recurrent: RecurrentOptions,
    /// Read the sequence in both directions
    #[arg(long, value_name = "true|false", default_value = "true", action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub bidirectional: bool,
}

/// The sizes of a model that may be a recurrence or a Transformer.
#[derive(Clone, Debug, Args)]
pub struct ArchOptions {
    /// Architecture of the model
    #[arg(long, value_name = "recurrent|transformer", default_value = "recurrent",
          value_parser = choice(&["recurrent", "transformer"]))]
    pub arch: String,
    /// The recurrence, or the Transformer's layers and size.
    #[command(flatten)]
    pub recurrent: RecurrentOptions,
}

impl ArchOptions {
    /// Returns whether a Transformer is asked for.
    pub fn is_transformer(&self) -> bool {
        self.arch == "transformer"
    }

    /// Returns how many heads of attention divide the hidden size: four at most.
    pub fn heads(&self) -> usize {
        (1..=4).rev().find(|heads| self.recurrent.hidden_size.is_multiple_of(*heads)).unwrap_or(1)
    }
}

/// What a text is made of.
#[derive(Clone, Debug, Args)]
pub struct TokenOptions {
    /// Token type: characters, byte-level byte pairs (bpe), words, or Hangul syllables and words of other letters
    #[arg(long, value_name = "characters|bpe|words|syllables", default_value = "characters",
          value_parser = choice(TokenKind::NAMES))]
    pub tokens: String,
    /// Vocabulary size; rarer tokens are encoded as unknown [from 5 to 65000]
    #[arg(long, value_name = "TOKENS", default_value = "2000", value_parser = count(5..=65_000))]
    pub vocabulary: usize,
}

impl TokenOptions {
    /// Returns the kind of token.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn kind(&self) -> Result<TokenKind> {
        Ok(self.tokens.parse()?)
    }
}

/// How texts are read.
#[derive(Clone, Debug, Args)]
pub struct TextOptions {
    /// What they are made of.
    #[command(flatten)]
    pub tokens: TokenOptions,
    /// Maximum length of a text; longer texts are cut, and their number is reported [from 1 to 10000]
    #[arg(long, value_name = "TOKENS", default_value = "140", value_parser = count(1..=limits::LENGTH))]
    pub max_length: usize,
}

/// Vectors for pairs of neighbouring tokens.
#[derive(Clone, Debug, Args)]
pub struct PairOptions {
    /// Embedding vectors that all pairs of neighbouring tokens share (hashed); larger data can use more
    /// [from 1 to 65536]
    #[arg(long, value_name = "N", default_value = "16384", value_parser = count(1..=limits::SIZE))]
    pub bigram_buckets: usize,
}

impl PairOptions {
    /// Returns the sizes of a model that reads texts in this way and names classes.
    pub fn classifier(
        &self,
        reader: &ReaderOptions,
        vocabulary: usize,
        classes: usize,
        dropout: f64,
    ) -> ClassifierConfig {
        ClassifierConfig {
            vocabulary_size: vocabulary,
            bigram_buckets: self.bigram_buckets,
            embedding_size: 128,
            cell: reader.recurrent.cell,
            layers: reader.recurrent.layers,
            hidden_size: reader.recurrent.hidden_size,
            bidirectional: reader.bidirectional,
            classes,
            dropout,
        }
    }
}
