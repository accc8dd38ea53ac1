//! `unspool tokenize`: trains a tokenizer, and converts text to ids and back.

use super::{
    error::{Error, Result},
    format::Format,
    groups::named,
    lines,
    number::counted,
    overwrite::check_overwrite,
    run::TOKENIZER,
    say,
};
use clap::{Args, Subcommand, value_parser};
use serde_json::json;
use std::path::{Path, PathBuf};
use unspool::text::{self, Normalization, TokenKind, Tokenizer, TokenizerOptions};

#[derive(Subcommand)]
pub(crate) enum TokenizeOptions {
    /// Train a tokenizer on texts and write it as a tokenizer.json, which Hugging Face's `tokenizers` can read.
    Train(TrainOptions),
    /// Convert lines of text to lines of token ids.
    Encode(UseOptions),
    /// Convert lines of token ids to lines of text.
    Decode(UseOptions),
}

#[derive(Args)]
pub(crate) struct TrainOptions {
    /// Training texts, one per line [default: standard input].
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Output file.
    #[arg(long, value_name = "FILE", default_value = "tokenizer.json")]
    out: PathBuf,
    /// Overwrite an existing file.
    #[arg(long)]
    overwrite: bool,
    /// Token type: byte-level byte pairs (bpe), words, characters, or Hangul syllables and words of other letters.
    #[arg(long, default_value = "bpe", value_parser = named::<TokenKind>(TokenKind::NAMES))]
    kind: TokenKind,
    /// Largest number of token ids, including the four special tokens.
    #[arg(long, value_name = "TOKENS", default_value_t = 8000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    vocabulary: u32,
    /// Smallest count of a token; with bpe, of a pair that is merged.
    #[arg(long, value_name = "COUNT", default_value_t = 2)]
    minimum_count: u64,
    /// Encode tokens outside the vocabulary as <unk> instead of spelling them in bytes. Decoding words then loses the
    /// spaces between them. Has no effect with bpe, which can encode every text.
    #[arg(long)]
    unknown: bool,
    /// Unicode normalization form that is applied first.
    #[arg(long, default_value = "none", value_parser = named::<Normalization>(Normalization::NAMES))]
    normalization: Normalization,
    /// Convert texts to lowercase.
    #[arg(long)]
    lowercase: bool,
    #[command(flatten)]
    limits: lines::LimitOptions,
}

#[derive(Args)]
pub(crate) struct UseOptions {
    /// Input file, read line by line [default: standard input].
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Path of a tokenizer.json, or of a run folder that holds one.
    #[arg(long, value_name = "FILE")]
    tokenizer: PathBuf,
    /// Output format; in JSON a line has a list of ids, or a text as a string
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    limits: lines::LimitOptions,
}

impl TokenizeOptions {
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Train(options) => options.train(),
            Self::Encode(options) => {
                let tokenizer = options.tokenizer()?;
                lines::each(options.file.as_deref(), options.limits.limits(), |line| {
                    let ids = tokenizer.encode(line)?;
                    Ok(if options.format == Format::Json { json!(ids).to_string() } else { spaced(&ids) })
                })
            }
            Self::Decode(options) => {
                let tokenizer = options.tokenizer()?;
                lines::each(options.file.as_deref(), options.limits.limits(), |line| {
                    let text = tokenizer.decode(&ids(line)?)?;
                    Ok(if options.format == Format::Json { json!(text).to_string() } else { text })
                })
            }
        }
    }
}

impl TrainOptions {
    fn train(&self) -> Result<()> {
        // A place that cannot be written to is found before the texts are read.
        let out = self.out.as_path();
        let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() || out.is_dir() {
            let what = if out.is_dir() { "it is a folder" } else { "there is no such folder" };
            return Err(Error::failure(
                format!("{}: cannot write: {what}", out.display()),
                "give --out a file in a folder that exists",
            ));
        }
        check_overwrite(out, self.overwrite)?;
        let mut texts = vec![];
        for file in &self.files {
            texts.extend(lines::read(Some(file), self.limits.limits())?);
        }
        if self.files.is_empty() {
            texts = lines::read(None, self.limits.limits())?;
        }
        let options = TokenizerOptions {
            vocabulary_size: self.vocabulary as usize,
            minimum_count: self.minimum_count,
            lossless: !self.unknown,
            normalization: self.normalization,
            lowercase: self.lowercase,
        };
        let tokenizer = Tokenizer::train(self.kind, &texts, &options).map_err(|error| match error {
            text::Error::VocabularyTooSmall { .. } => {
                Error::misuse(format!("--vocabulary: {error}"), "ask for a larger --vocabulary")
            }
            other => other.into(),
        })?;
        tokenizer.save(out)?;
        let coverage = tokenizer.coverage(&texts)?;
        say::line(&format!(
            "{}: {} token ids; the texts ({}) have {} tokens, of which {:.2}% are unknown",
            out.display(),
            tokenizer.vocabulary_size(),
            counted(texts.len() as u64, "line"),
            coverage.tokens,
            100.0 * coverage.unknown_rate()
        ));
        Ok(())
    }
}

impl UseOptions {
    fn tokenizer(&self) -> Result<Tokenizer> {
        let path = if self.tokenizer.is_dir() { self.tokenizer.join(TOKENIZER) } else { self.tokenizer.clone() };
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
                format!("`{word}` is not a token id"),
                "give whole numbers separated by spaces, as `encode` writes them",
            )
        })
    };
    line.split_whitespace().map(id).collect()
}
