//! `unspool tokenize`: training a tokenizer, and text to ids and back.

use super::{
    check_overwrite,
    error::{Error, Result},
    lines,
};
use clap::{Args, Subcommand, ValueEnum, value_parser};
use std::path::{Path, PathBuf};
use unspool::text::{self, Normalization, TokenKind, Tokenizer, TokenizerOptions};

#[derive(Subcommand)]
pub(crate) enum TokenizeOptions {
    /// Learn a tokenizer from texts and write it as a tokenizer.json, which Hugging Face's `tokenizers` reads too.
    Train(TrainOptions),
    /// From lines of text to lines of token ids.
    Encode(UseOptions),
    /// From lines of token ids to lines of text.
    Decode(UseOptions),
}

#[derive(Args)]
pub(crate) struct TrainOptions {
    /// Texts, a line each [default: standard input].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the tokenizer goes.
    #[arg(long, value_name = "FILE", default_value = "tokenizer.json")]
    out: PathBuf,
    /// Write over a file that is there.
    #[arg(long)]
    overwrite: bool,
    /// What a token is: frequent runs of bytes (bpe), words, characters, or Hangul syllables and other words.
    #[arg(long, value_enum, default_value = "bpe")]
    kind: Kind,
    /// The most ids there may be, the four special tokens among them.
    #[arg(long, value_name = "TOKENS", default_value_t = 8000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    vocabulary: u32,
    /// What is rarer than this is no token; for bpe, pairs that are rarer are not merged.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    minimum_count: u64,
    /// Puts <unk> in place of what is no token, instead of spelling it in bytes; words then lose the spaces between
    /// them. Not for bpe, which knows every text.
    #[arg(long)]
    unknown: bool,
    /// The Unicode normal form that texts are brought into first.
    #[arg(long, value_enum, default_value = "none")]
    normalization: Form,
    /// Makes all letters small.
    #[arg(long)]
    lowercase: bool,
}

#[derive(Args)]
pub(crate) struct UseOptions {
    /// What to read, line by line [default: standard input].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// A tokenizer.json, or a run folder that holds one.
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    Bpe,
    Words,
    Characters,
    Syllables,
}

#[derive(Clone, Copy, ValueEnum)]
enum Form {
    None,
    Nfc,
    Nfd,
    Nfkc,
    Nfkd,
}

impl TokenizeOptions {
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Train(options) => options.train(),
            Self::Encode(options) => {
                let tokenizer = options.tokenizer()?;
                lines::each(options.file.as_deref(), |line| Ok(spaced(&tokenizer.encode(line)?)))
            }
            Self::Decode(options) => {
                let tokenizer = options.tokenizer()?;
                lines::each(options.file.as_deref(), |line| Ok(tokenizer.decode(&ids(line)?)?))
            }
        }
    }
}

impl TrainOptions {
    fn train(&self) -> Result<()> {
        // A place that cannot be written to is found before the texts are read.
        let folder = self.out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() || self.out.is_dir() {
            let what = if self.out.is_dir() { "it is a folder" } else { "there is no such folder" };
            return Err(Error::failure(
                format!("{}: cannot write: {what}", self.out.display()),
                "give --out a file in a folder that exists",
            ));
        }
        check_overwrite(&self.out, self.overwrite)?;
        let mut texts = vec![];
        for file in &self.files {
            texts.extend(lines::read(Some(file))?);
        }
        if self.files.is_empty() {
            texts = lines::read(None)?;
        }
        let kind = match self.kind {
            Kind::Bpe => TokenKind::ByteLevelBpe,
            Kind::Words => TokenKind::Word,
            Kind::Characters => TokenKind::Character,
            Kind::Syllables => TokenKind::Syllable,
        };
        let options = TokenizerOptions {
            vocabulary_size: self.vocabulary as usize,
            minimum_count: self.minimum_count,
            lossless: !self.unknown,
            normalization: match self.normalization {
                Form::None => Normalization::None,
                Form::Nfc => Normalization::Nfc,
                Form::Nfd => Normalization::Nfd,
                Form::Nfkc => Normalization::Nfkc,
                Form::Nfkd => Normalization::Nfkd,
            },
            lowercase: self.lowercase,
        };
        let tokenizer = Tokenizer::train(kind, &texts, &options).map_err(|error| match error {
            text::Error::VocabularyTooSmall { .. } => {
                Error::misuse(format!("--vocabulary: {error}"), "ask for a larger --vocabulary")
            }
            other => other.into(),
        })?;
        tokenizer.save(&self.out)?;
        let coverage = tokenizer.coverage(&texts)?;
        eprintln!(
            "{}: {} tokens; {} texts are {} tokens, {:.2}% of them unknown",
            self.out.display(),
            tokenizer.vocabulary_size(),
            texts.len(),
            coverage.tokens,
            100.0 * coverage.unknown_rate()
        );
        Ok(())
    }
}

impl UseOptions {
    fn tokenizer(&self) -> Result<Tokenizer> {
        let path = if self.tokenizer.is_dir() { self.tokenizer.join("tokenizer.json") } else { self.tokenizer.clone() };
        Ok(Tokenizer::load(path)?)
    }
}

fn spaced(ids: &[u32]) -> String {
    ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

fn ids(line: &str) -> Result<Vec<u32>> {
    let id = |word: &str| {
        word.parse().map_err(|_| {
            Error::failure(
                format!("`{word}` is no token id"),
                "give whole numbers with spaces between, as `encode` writes",
            )
        })
    };
    line.split_whitespace().map(id).collect()
}
