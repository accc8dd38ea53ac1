//! `unspool score`: scores of translations, equal to those of sacrebleu.

use super::{
    error::{Error, Result},
    groups::named,
    lines,
};
use clap::{Args, Subcommand, ValueEnum, value_parser};
use serde_json::json;
use std::path::PathBuf;
use unspool::text::score::{Bleu, Chrf, CorpusMetric, Tokenization};

#[derive(Subcommand)]
pub(crate) enum ScoreOptions {
    /// Compute BLEU (Papineni et al. 2002): the precision of n-grams of one to four words.
    Bleu {
        #[command(flatten)]
        texts: Texts,
        /// Tokenization of the sentences.
        #[arg(long, default_value = "13a", value_parser = named::<Tokenization>(Tokenization::NAMES))]
        tokenize: Tokenization,
    },
    /// Compute chrF (Popović 2015): the F-score of n-grams of one to six characters; with --word-order 2, chrF++.
    Chrf {
        #[command(flatten)]
        texts: Texts,
        /// Longest word n-gram to count beside the characters; 2 is chrF++.
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u8).range(0..=100))]
        word_order: u8,
    },
}

#[derive(Args)]
pub(crate) struct Texts {
    /// Reference translation, one sentence per line; repeat the option for several references.
    #[arg(long, value_name = "REF", required = true)]
    reference: Vec<PathBuf>,
    /// Translation to score, one sentence per line [default: standard input].
    #[arg(value_name = "HYPOTHESIS")]
    hypothesis: Option<PathBuf>,
    /// Ignore case.
    #[arg(long)]
    lowercase: bool,
    /// Output format: a line with two decimals, or JSON with all digits.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    limits: lines::LimitOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl ScoreOptions {
    /// Scores, and prints one line.
    pub(crate) fn run(&self) -> Result<()> {
        let (Self::Bleu { texts, .. } | Self::Chrf { texts, .. }) = self;
        let (hypotheses, references) = texts.read()?;
        let references: Vec<&[String]> = references.iter().map(Vec::as_slice).collect();
        let (name, score, signature, text) = match self {
            Self::Bleu { tokenize, .. } => {
                let bleu = Bleu { tokenization: *tokenize, lowercase: texts.lowercase, ..Default::default() };
                let found = bleu.score(&hypotheses, &references)?;
                let text = found.to_string();
                ("BLEU".to_owned(), found.score, found.signature, text)
            }
            Self::Chrf { word_order, .. } => {
                let chrf = Chrf { word_order: (*word_order).into(), lowercase: texts.lowercase, ..Default::default() };
                let found = chrf.score(&hypotheses, &references)?;
                let text = found.to_string();
                (found.name, found.score, found.signature, text)
            }
        };
        lines::print(&match texts.format {
            Format::Text => text,
            Format::Json => json!({ "name": name, "score": score, "signature": signature }).to_string(),
        })
    }
}

impl Texts {
    /// The hypotheses and each of the references, all equally long.
    fn read(&self) -> Result<(Vec<String>, Vec<Vec<String>>)> {
        let limits = self.limits.limits();
        let read = |path: &PathBuf| lines::read(Some(path), limits);
        let references = self.reference.iter().map(read).collect::<Result<Vec<_>>>()?;
        let hypotheses = lines::read(self.hypothesis.as_deref(), limits)?;
        for (path, reference) in self.reference.iter().zip(&references) {
            if reference.len() != hypotheses.len() {
                return Err(Error::failure(
                    format!(
                        "{}: {} lines, but {} has {}",
                        path.display(),
                        reference.len(),
                        lines::name(self.hypothesis.as_deref()),
                        hypotheses.len()
                    ),
                    "line n of the reference must translate the same sentence as line n of the hypothesis",
                ));
            }
        }
        Ok((hypotheses, references))
    }
}
