//! The options of each command, with their help.

use super::{data, error::Result, score::ScoreOptions, threads, tokenize::TokenizeOptions, train};
use crate::tasks::{sentiment, translation};
use clap::{Args, Parser, Subcommand, value_parser};
use std::path::PathBuf;

/// Recurrent models on text: train them on this machine's processors, and use them.
#[derive(Parser)]
#[command(name = "unspool", version, about, disable_help_subcommand = true, arg_required_else_help = false)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Train a model; leaves a run folder, and a line of JSON on standard output.
    Train {
        #[command(subcommand)]
        task: TaskOptions,
    },
    /// Use a trained model: reads lines from standard input, writes a prediction a line.
    Predict(PredictOptions),
    /// Score a translation against the right one, equal to sacrebleu to the digit.
    Score {
        #[command(subcommand)]
        score: ScoreOptions,
    },
    /// Train a tokenizer, or turn text into token ids and back.
    Tokenize {
        #[command(subcommand)]
        action: TokenizeOptions,
    },
}

#[derive(Subcommand)]
pub(crate) enum TaskOptions {
    /// From sentences to sentences in another language: an encoder, and a decoder that attends.
    Translation(TranslationOptions),
    /// From texts to labels: a bidirectional recurrence over characters.
    Sentiment(SentimentOptions),
}

#[derive(Args)]
pub(crate) struct PredictOptions {
    /// The folder that a training has written.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    /// How many threads share the work [default: one for each core].
    #[arg(long, value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// What every training takes beside its epochs and learning rate.
#[derive(Args)]
pub(crate) struct Shared {
    /// What initial values, dropout and the order of batches come from; equal seeds give equal weights.
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Where the run folder shall be: a new or an empty folder [default: the next free runs/TASK-N].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How many threads share the work; results do not depend on it [default: one for each core].
    #[arg(long, value_parser = value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

impl Shared {
    /// Sets the threads, and puts together what the training loop is told.
    fn settings(&self, epochs: u64, learning_rate: f64) -> Result<train::Settings> {
        threads(self.threads)?;
        Ok(train::Settings { epochs, seed: self.seed, learning_rate, out: self.out.clone() })
    }
}

#[derive(Args)]
pub(crate) struct TranslationOptions {
    /// Passes over the train part.
    #[arg(long, default_value_t = 7, value_parser = value_parser!(u64).range(1..=1_000_000))]
    epochs: u64,
    #[command(flatten)]
    shared: Shared,
    /// TSV with a header: three files (train, dev, test), one that is split by a hash of the line, or the name of a set inside
    /// the program (tatoeba-eng-swe, tatoeba-eng-kor).
    #[arg(long, num_args = 1.., value_name = "FILE|NAME", default_value = "tatoeba-eng-swe")]
    data: Vec<String>,
    /// The column to translate from [default: swedish; korean for tatoeba-eng-kor].
    #[arg(long, value_name = "COLUMN")]
    source: Option<String>,
    /// The column to translate into [default: english].
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Tokens in a batch on its longer side, padding counted.
    #[arg(long, value_name = "TOKENS", default_value_t = 1200, value_parser = value_parser!(u32).range(1..=10_000_000))]
    batch_tokens: u32,
    /// The highest learning rate: it rises to it over the first 200 steps (at most a tenth of all), then falls to a twentieth.
    #[arg(long, value_name = "RATE", default_value_t = 3e-3, value_parser = rate)]
    learning_rate: f64,
    /// Entries in the vocabulary of both languages together.
    #[arg(long, value_name = "TOKENS", default_value_t = 4000, value_parser = value_parser!(u32).range(300..=65_000))]
    vocabulary: u32,
    /// Tokens of a sentence that are read; what is longer is cut, and counted.
    #[arg(long, value_name = "TOKENS", default_value_t = 100, value_parser = value_parser!(u32).range(1..=10_000))]
    longest: u32,
}

#[derive(Args)]
pub(crate) struct SentimentOptions {
    /// Passes over the train part.
    #[arg(long, default_value_t = 4, value_parser = value_parser!(u64).range(1..=1_000_000))]
    epochs: u64,
    #[command(flatten)]
    shared: Shared,
    /// TSV with a header: three files (train, dev, test), one that is split by a hash of the line, or the name of a set inside
    /// the program (nsmc-sample).
    #[arg(long, num_args = 1.., value_name = "FILE|NAME", default_value = "nsmc-sample")]
    data: Vec<String>,
    /// The column with the texts [default: document].
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// The column with the labels, all names or all whole numbers [default: label].
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Texts in a batch.
    #[arg(long, value_name = "TEXTS", default_value_t = 64, value_parser = value_parser!(u32).range(1..=1_000_000))]
    batch_rows: u32,
    /// The highest learning rate: it rises to it over the first 200 steps (at most a tenth of all), then falls to a twentieth.
    #[arg(long, value_name = "RATE", default_value_t = 2e-3, value_parser = rate)]
    learning_rate: f64,
    /// Characters of a text that are read; what is longer is cut, and counted.
    #[arg(long, value_name = "CHARACTERS", default_value_t = 140, value_parser = value_parser!(u32).range(1..=10_000))]
    longest: u32,
}

fn rate(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= 10.0 => Ok(rate),
        _ => Err("a learning rate is a number above 0, at most 10".to_owned()),
    }
}

impl TranslationOptions {
    pub(crate) fn train(self) -> Result<()> {
        let wanted = data::Wanted {
            data: &self.data,
            columns: [("--source", self.source.as_deref()), ("--target", self.target.as_deref())],
            usual: ["swedish", "english"],
        };
        let sizes = translation::Sizes {
            vocabulary: self.vocabulary as usize,
            batch_tokens: self.batch_tokens as usize,
            longest: self.longest as usize,
        };
        let settings = self.shared.settings(self.epochs, self.learning_rate)?;
        train::train(&settings, &wanted, |splits| translation::prepare(&splits, &sizes, settings.seed))
    }
}

impl SentimentOptions {
    pub(crate) fn train(self) -> Result<()> {
        let wanted = data::Wanted {
            data: &self.data,
            columns: [("--text", self.text.as_deref()), ("--label", self.label.as_deref())],
            usual: ["document", "label"],
        };
        let sizes = sentiment::Sizes { batch_rows: self.batch_rows as usize, longest: self.longest as usize };
        let settings = self.shared.settings(self.epochs, self.learning_rate)?;
        train::train(&settings, &wanted, |splits| sentiment::prepare(&splits, &sizes, settings.seed))
    }
}
