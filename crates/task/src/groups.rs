//! Options that several tasks have, to be flattened into theirs, and parsers of values.

use crate::{
    data::TableRows,
    error::{Error, Result},
    limits,
    texts::{PairTokenizers, one_token_each},
};
use clap::{
    Arg, ArgAction, Args, Command,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use serde::{Deserialize, Serialize};
use std::{
    ffi::OsStr,
    fmt::Display,
    ops::{Range, RangeInclusive},
    path::PathBuf,
    str::FromStr,
};
use unspool::{
    models::{
        CharacterTaggerConfig, ClassifierConfig, LanguageModelConfig, RecurrentLanguageModelConfig,
        RecurrentTranslatorConfig, TransformerLanguageModelConfig, TransformerTranslatorConfig, TranslatorConfig,
    },
    nn::{CellKind, decoding::LengthPenalty},
    text::{TokenKind, Tokenizer, TokenizerOptions},
};

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

/// Parses a share from 0 to 0.95, such as one that dropout sets to zero.
///
/// ```
/// assert_eq!(unspool_task::share("0.1"), Ok(0.1));
/// assert_eq!(unspool_task::share("1"), Err("`1` is not from 0 to 0.95".to_owned()));
/// ```
///
/// # Errors
/// The text is no number, or it is not in that range.
pub fn share(text: &str) -> std::result::Result<f64, String> {
    within(0.0..=0.95)(text)
}

/// Parses one of some names, which help and completions list.
///
/// ```
/// use clap::{Arg, Command};
/// let option = Arg::new("feeding").long("feeding").value_parser(unspool_task::choice(&["always", "never"]));
/// let command = Command::new("train").arg(option);
/// assert!(command.clone().try_get_matches_from(["train", "--feeding=never"]).is_ok());
/// let error = command.try_get_matches_from(["train", "--feeding=ever"]).unwrap_err();
/// assert!(error.to_string().contains("`ever` is not one of always, never"));
/// ```
pub fn choice(names: &'static [&'static str]) -> impl TypedValueParser<Value = String> {
    Choice(names.to_vec())
}

/// Parses one of these names. Clap's own parser of possible values does not name them in the cause of its error, which
/// is what is shown of a wrong line in a configuration file.
#[derive(Clone)]
struct Choice(Vec<&'static str>);

impl TypedValueParser for Choice {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> std::result::Result<String, clap::Error> {
        let names = self.0.clone();
        let parse = move |text: &str| match names.contains(&text) {
            true => Ok(text.to_owned()),
            false => Err(format!("`{text}` is not one of {}", names.join(", "))),
        };
        TypedValueParser::parse_ref(&parse, command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|name| PossibleValue::new(*name))))
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

fn cell() -> impl TypedValueParser<Value = CellKind> {
    Choice(CellKind::ALL.map(CellKind::name).to_vec()).try_map(|name| name.parse::<CellKind>())
}

/// The sizes of a recurrence.
#[derive(Clone, Debug, Args)]
pub struct RecurrentOptions {
    /// Recurrent cell
    #[arg(long, value_name = "NAME", default_value = "gru", value_parser = cell())]
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
    #[arg(long, value_name = "ARCH", default_value = "recurrent",
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

    /// Returns the sizes of a model that writes a text on.
    ///
    /// ```
    /// use clap::{Args, Command, FromArgMatches};
    /// use unspool_task::{ArchOptions, EmbeddingOptions};
    /// let matches = EmbeddingOptions::augment_args(ArchOptions::augment_args(Command::new("train")))
    ///     .get_matches_from(["train", "--arch=transformer", "--hidden-size=12"]);
    /// let arch = ArchOptions::from_arg_matches(&matches)?;
    /// let embedding = EmbeddingOptions::from_arg_matches(&matches)?;
    /// let config = arch.language_model(&embedding, 300);
    /// assert!(matches!(config, unspool::models::LanguageModelConfig::Transformer(sizes) if sizes.heads == 4));
    /// # Ok::<(), clap::Error>(())
    /// ```
    pub fn language_model(&self, embedding: &EmbeddingOptions, vocabulary_size: usize) -> LanguageModelConfig {
        let RecurrentOptions { cell, layers, hidden_size } = self.recurrent;
        let (EmbeddingOptions { embedding_size, dropout }, heads) = (*embedding, self.heads());
        match self.is_transformer() {
            false => LanguageModelConfig::Recurrent(RecurrentLanguageModelConfig {
                vocabulary_size,
                embedding_size,
                cell,
                layers,
                hidden_size,
                dropout,
            }),
            true => LanguageModelConfig::Transformer(TransformerLanguageModelConfig {
                vocabulary_size,
                hidden_size,
                heads,
                layers,
                dropout,
            }),
        }
    }

    /// Returns the sizes of a model that translates. A recurrent decoder attends, or does not.
    ///
    /// ```
    /// use clap::{Args, Command, FromArgMatches};
    /// use unspool::text::{TokenKind, Tokenizer, TokenizerOptions};
    /// use unspool_task::{ArchOptions, EmbeddingOptions, PairTokenizers};
    /// let matches = EmbeddingOptions::augment_args(ArchOptions::augment_args(Command::new("train")))
    ///     .get_matches_from(["train", "--hidden-size=12"]);
    /// let arch = ArchOptions::from_arg_matches(&matches)?;
    /// let embedding = EmbeddingOptions::from_arg_matches(&matches)?;
    /// let target = Tokenizer::train(TokenKind::ByteLevelBpe, ["ett hus"], &TokenizerOptions::default())?;
    /// let tokenizers = PairTokenizers { source: None, target };
    /// let config = arch.translator(&embedding, true, &tokenizers);
    /// assert_eq!(config.vocabulary_sizes(), (None, tokenizers.target.vocabulary_size()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn translator(
        &self,
        embedding: &EmbeddingOptions,
        attention: bool,
        tokenizers: &PairTokenizers,
    ) -> TranslatorConfig {
        let RecurrentOptions { cell, layers, hidden_size } = self.recurrent;
        let (vocabulary_size, specials) = (tokenizers.target.vocabulary_size(), tokenizers.target.specials());
        let source_vocabulary_size = tokenizers.source.as_ref().map(Tokenizer::vocabulary_size);
        let EmbeddingOptions { embedding_size, dropout } = *embedding;
        match self.is_transformer() {
            false => TranslatorConfig::Recurrent(RecurrentTranslatorConfig {
                vocabulary_size,
                source_vocabulary_size,
                embedding_size,
                cell,
                layers,
                hidden_size,
                attention,
                dropout,
                specials,
            }),
            true => TranslatorConfig::Transformer(TransformerTranslatorConfig {
                vocabulary_size,
                source_vocabulary_size,
                size: hidden_size,
                heads: self.heads(),
                feedforward: 4 * hidden_size,
                layers,
                dropout,
                specials,
            }),
        }
    }

    /// Returns how many heads of attention divide the hidden size: four at most.
    pub fn heads(&self) -> usize {
        (1..=4).rev().find(|heads| self.recurrent.hidden_size.is_multiple_of(*heads)).unwrap_or(1)
    }
}

/// How the best output of a decoder is searched for.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchOptions {
    /// Beam size: how many outputs the search keeps at each step [from 1 to 1000]
    #[arg(long, value_name = "N", default_value = "5", value_parser = count(1..=1000))]
    pub beam_size: usize,
    /// Length penalty of the search: `average` compares mean log-probabilities and `none` their sums, and a number is
    /// the α of GNMT (Wu and others 2016)
    #[arg(long, value_name = "average|none|ALPHA", default_value = "average", value_parser = length_penalty)]
    pub length_penalty: String,
    /// Minimum length: an output does not end before it has this many tokens [from 0 to 10000]
    #[arg(long, value_name = "TOKENS", default_value = "0", value_parser = count(0..=limits::LENGTH))]
    #[serde(default)]
    pub min_length: usize,
}

fn length_penalty(text: &str) -> Parsed<String> {
    match text.parse::<f64>() {
        _ if ["average", "none"].contains(&text) => Ok(text.to_owned()),
        Ok(alpha) if (0.0..=10.0).contains(&alpha) => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is not average, none, or a number from 0 to 10")),
    }
}

impl SearchOptions {
    /// Returns what the score of a hypothesis is divided by.
    ///
    /// ```
    /// use unspool::nn::decoding::LengthPenalty;
    /// use unspool_task::SearchOptions;
    /// let options = SearchOptions { beam_size: 5, length_penalty: "0.6".into(), min_length: 0 };
    /// options.check()?;
    /// assert_eq!(options.penalty(), LengthPenalty::Gnmt(0.6));
    /// assert!(SearchOptions { beam_size: 0, ..options }.check().is_err());
    /// # Ok::<(), unspool_task::Error>(())
    /// ```
    pub fn penalty(&self) -> LengthPenalty {
        match self.length_penalty.as_str() {
            "average" => LengthPenalty::Average,
            "none" => LengthPenalty::None,
            alpha => LengthPenalty::Gnmt(alpha.parse().unwrap_or(f64::NAN)),
        }
    }

    /// Checks options that were read from a file.
    ///
    /// # Errors
    /// One of them is not what the command line takes.
    pub fn check(&self) -> Result<()> {
        length_penalty(&self.length_penalty).map_err(|why| Error::failure(format!("length_penalty: {why}"), ""))?;
        if self.min_length > limits::LENGTH {
            let right = format!("it must be from 0 to {}", limits::LENGTH);
            return Err(Error::failure(format!("min_length is {}", self.min_length), right));
        }
        limits::check("beam_size", self.beam_size)
    }
}

/// What a text is made of.
#[derive(Clone, Debug, Args)]
pub struct TokenOptions {
    /// Token type: characters, byte-level byte pairs (bpe), words, or Hangul syllables and words of other letters
    #[arg(long, value_name = "KIND", default_value = "characters", value_parser = choice(TokenKind::NAMES),
          help_heading = "Data")]
    pub tokens: String,
    /// Vocabulary size; rarer tokens are encoded as unknown [from 5 to 65000]
    #[arg(long, value_name = "TOKENS", default_value = "2000", value_parser = count(5..=65_000),
          help_heading = "Data")]
    pub vocabulary: usize,
    /// Convert texts to lowercase
    #[arg(long, value_name = "true|false", default_value = "false", action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", help_heading = "Data")]
    pub lowercase: bool,
    /// Use the tokenizer in this tokenizer.json instead of training one
    ///
    /// `unspool tokenize train` writes such a file, and so does Hugging Face's `tokenizers`. The other options of
    /// tokens then have no effect.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub tokenizer: Option<PathBuf>,
}

impl TokenOptions {
    /// Returns the kind of token.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn kind(&self) -> Result<TokenKind> {
        Ok(self.tokens.parse()?)
    }

    /// Returns how to train a tokenizer for a model that says something of each token: see [`one_token_each`].
    pub fn one_token_each(&self) -> TokenizerOptions {
        TokenizerOptions { lowercase: self.lowercase, ..one_token_each(self.vocabulary) }
    }

    /// Returns the tokenizer that `--tokenizer` names, if it names one.
    ///
    /// # Errors
    /// The file cannot be read, or is no tokenizer.
    pub fn given(&self) -> Result<Option<Tokenizer>> {
        Ok(self.tokenizer.as_ref().map(Tokenizer::load).transpose()?)
    }

    /// Returns the tokenizer that `--tokenizer` names, or one that is trained on some columns of a table, by their
    /// places.
    ///
    /// # Errors
    /// The file is no tokenizer; a row cannot be read; the texts cannot be tokenized so.
    pub fn tokenizer(&self, train: &TableRows, columns: Range<usize>, options: &TokenizerOptions) -> Result<Tokenizer> {
        self.given()?.map_or_else(|| train.tokenizer(columns, self.kind()?, options), Ok)
    }
}

/// What the texts of pairs are made of: one vocabulary for both sides, or one for each.
#[derive(Clone, Debug, Args)]
pub struct PairTokenOptions {
    /// What they are made of.
    #[command(flatten)]
    pub tokens: TokenOptions,
    /// Give source and target a vocabulary each, of --vocabulary tokens, instead of one for both
    ///
    /// The model then has a table of token vectors for each. --tokenizer is the target's, if it is given.
    #[arg(long, value_name = "true|false", default_value = "false", action = ArgAction::Set, num_args = 0..=1,
          require_equals = true, default_missing_value = "true", help_heading = "Data")]
    pub separate_vocabularies: bool,
    /// Use the tokenizer in this tokenizer.json for the source; source and target then have a vocabulary each
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub source_tokenizer: Option<PathBuf>,
}

impl PairTokenOptions {
    /// Returns the tokenizers of the first two columns of a table. What is not given is trained.
    ///
    /// # Errors
    /// A file is no tokenizer; a row cannot be read; the texts cannot be tokenized so.
    pub fn tokenizers(&self, train: &TableRows) -> Result<PairTokenizers> {
        let TokenOptions { vocabulary: vocabulary_size, lowercase, .. } = self.tokens;
        let options = TokenizerOptions { vocabulary_size, lowercase, ..TokenizerOptions::default() };
        if !self.separate_vocabularies && self.source_tokenizer.is_none() {
            return Ok(PairTokenizers { source: None, target: self.tokens.tokenizer(train, 0..2, &options)? });
        }
        let of_source = TokenOptions { tokenizer: self.source_tokenizer.clone(), ..self.tokens.clone() };
        let source = Some(of_source.tokenizer(train, 0..1, &options)?);
        Ok(PairTokenizers { source, target: self.tokens.tokenizer(train, 1..2, &options)? })
    }
}

/// How texts are read.
#[derive(Clone, Debug, Args)]
pub struct TextOptions {
    /// What they are made of.
    #[command(flatten)]
    pub tokens: TokenOptions,
    /// Maximum length of a text; longer texts are cut, and their number is reported [from 1 to 10000]
    #[arg(long, value_name = "TOKENS", default_value = "140", value_parser = count(1..=limits::LENGTH),
          help_heading = "Data")]
    pub max_length: usize,
}

/// The vectors of tokens, and what is dropped of them.
#[derive(Clone, Copy, Debug, Args)]
pub struct EmbeddingOptions {
    /// Size of a token's embedding vector in a recurrent model [from 1 to 65536]
    #[arg(long, value_name = "N", default_value = "128", value_parser = count(1..=limits::SIZE))]
    pub embedding_size: usize,
    /// Share of activations that dropout sets to zero in training [from 0 to 0.95]
    #[arg(long, value_name = "SHARE", default_value = "0.1", allow_hyphen_values = true,
          value_parser = share)]
    pub dropout: f64,
}

/// Vectors for pairs of neighboring tokens.
#[derive(Clone, Debug, Args)]
pub struct PairOptions {
    /// Embedding vectors that all pairs of neighboring tokens share (hashed); larger data can use more
    /// [from 1 to 65536]
    #[arg(long, value_name = "N", default_value = "16384", value_parser = count(1..=limits::SIZE))]
    pub bigram_buckets: usize,
    /// Vectors of single tokens.
    #[command(flatten)]
    pub embedding: EmbeddingOptions,
}

impl PairOptions {
    /// Returns the sizes of a model that reads texts in this way, with so many tokens, weights of n-grams, and classes.
    pub fn classifier(&self, reader: &ReaderOptions, sizes: (usize, usize, usize)) -> ClassifierConfig {
        let (vocabulary_size, ngram_buckets, classes) = sizes;
        ClassifierConfig {
            vocabulary_size,
            bigram_buckets: self.bigram_buckets,
            ngram_buckets,
            embedding_size: self.embedding.embedding_size,
            cell: reader.recurrent.cell,
            layers: reader.recurrent.layers,
            hidden_size: reader.recurrent.hidden_size,
            bidirectional: reader.bidirectional,
            classes,
            dropout: self.embedding.dropout,
        }
    }

    /// Returns the sizes of a model that reads texts in this way and names a class of each of their characters.
    pub fn character_tagger(&self, reader: &ReaderOptions, vocabulary: usize, classes: usize) -> CharacterTaggerConfig {
        CharacterTaggerConfig {
            vocabulary_size: vocabulary,
            bigram_buckets: self.bigram_buckets,
            embedding_size: self.embedding.embedding_size,
            cell: reader.recurrent.cell,
            layers: reader.recurrent.layers,
            hidden_size: reader.recurrent.hidden_size,
            bidirectional: reader.bidirectional,
            classes,
            dropout: self.embedding.dropout,
        }
    }
}
