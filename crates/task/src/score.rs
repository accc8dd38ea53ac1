//! `unspool score`: scores of translations, equal to those of sacrebleu, and of spans, equal to those of seqeval.

mod spans;

use super::{
    error::{Error, Result},
    format::Format,
    groups::named,
    lines,
};
use clap::{Args, Subcommand, value_parser};
use serde_json::{Value, json};
use spans::SpanOptions;
use std::{fmt::Display, ops::AddAssign, path::Path, path::PathBuf};
use unspool::text::score::{Bleu, Chrf, Comparison, CorpusMetric, Ter, Tokenization, paired_bootstrap};

#[derive(Subcommand)]
pub(crate) enum ScoreOptions {
    /// Compute BLEU (Papineni et al. 2002): the precision of n-grams of one to four words.
    Bleu {
        #[command(flatten)]
        texts: Texts,
        #[command(flatten)]
        case: Lowercase,
        /// Tokenization of the sentences.
        #[arg(long, default_value = "13a", value_parser = named::<Tokenization>(Tokenization::NAMES))]
        tokenize: Tokenization,
    },
    /// Compute chrF (Popović 2015): the F-score of n-grams of one to six characters; with --word-order 2, chrF++.
    Chrf {
        #[command(flatten)]
        texts: Texts,
        #[command(flatten)]
        case: Lowercase,
        /// Longest word n-gram to count beside the characters; 2 is chrF++.
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u8).range(0..=100))]
        word_order: u8,
    },
    /// Compute TER (Snover et al. 2006): the edits and shifts per 100 words of the reference. A lower score is better.
    Ter {
        #[command(flatten)]
        texts: Texts,
        /// Separate punctuation from words, and resolve entities such as &amp;.
        #[arg(long)]
        normalized: bool,
        /// Remove punctuation.
        #[arg(long)]
        no_punct: bool,
        /// Also separate CJK characters with --normalized, and remove CJK punctuation with --no-punct.
        #[arg(long)]
        asian_support: bool,
        /// Distinguish upper and lower case.
        #[arg(long)]
        case_sensitive: bool,
    },
    /// Compute the F1 score of spans that tags mark, such as B-PER I-PER O; it equals that of seqeval.
    ///
    /// A line holds the tags of a sentence, separated by spaces. A tag may follow its word and a slash, as
    /// `predict` writes them: Tom/B-PER sleeps/O.
    Spans(SpanOptions),
}

#[derive(Args)]
pub(crate) struct Texts {
    /// Reference, one sentence per line; repeat the option for several references.
    #[arg(long, value_name = "REF", required = true)]
    reference: Vec<PathBuf>,
    #[command(flatten)]
    scored: Scored,
}

/// What is scored, whatever the score.
#[derive(Args)]
pub(crate) struct Scored {
    /// Output to score, one sentence per line [default: standard input].
    #[arg(value_name = "HYPOTHESIS")]
    hypothesis: Option<PathBuf>,
    /// Output of another system to compare with: adds the difference, its 95 % interval, and the p-value of a paired
    /// bootstrap (Koehn 2004).
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Number of samples of the paired bootstrap [from 1 to 1000000].
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    samples: u32,
    /// Random seed of the paired bootstrap; equal seeds give equal results.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Output format: a line with two decimals, or JSON with all digits.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    limits: lines::LimitOptions,
}

#[derive(Args)]
pub(crate) struct Lowercase {
    /// Ignore case.
    #[arg(long)]
    lowercase: bool,
}

impl ScoreOptions {
    /// Scores, and prints one line; a second one for a comparison.
    pub(crate) fn run(&self) -> Result<()> {
        match self {
            Self::Bleu { texts, case, tokenize } => {
                let bleu = Bleu { tokenization: *tokenize, lowercase: case.lowercase, ..Default::default() };
                texts.score(&bleu, |found| ("BLEU".to_owned(), found.score, found.signature.clone()))
            }
            Self::Chrf { texts, case, word_order } => {
                let chrf = Chrf { word_order: (*word_order).into(), lowercase: case.lowercase, ..Default::default() };
                texts.score(&chrf, |found| (found.name.clone(), found.score, found.signature.clone()))
            }
            Self::Ter { texts, normalized, no_punct, asian_support, case_sensitive } => {
                let [normalized, no_punct, asian_support, case_sensitive] =
                    [normalized, no_punct, asian_support, case_sensitive].map(|option| *option);
                let ter = Ter { normalized, no_punct, asian_support, case_sensitive };
                texts.score(&ter, |found| ("TER".to_owned(), found.score, found.signature.clone()))
            }
            Self::Spans(options) => options.run(),
        }
    }
}

impl Texts {
    fn score<M>(&self, metric: &M, told: impl Fn(&M::Score) -> (String, f64, String)) -> Result<()>
    where
        M: CorpusMetric<Score: Display>,
    {
        let references = self.reference.iter().map(|path| self.scored.read(Some(path))).collect::<Result<Vec<_>>>()?;
        let hypotheses = self.scored.read_hypothesis()?;
        for (path, reference) in self.reference.iter().zip(&references) {
            self.scored.check_lines(path, reference.len(), hypotheses.len())?;
        }
        let references: Vec<&[String]> = references.iter().map(Vec::as_slice).collect();
        let count = |_: &str, texts: &[String]| Ok(metric.counts(texts, &references)?);
        let counts = count("", &hypotheses)?;
        let mut sum = M::Counts::default();
        counts.iter().for_each(|sentence| sum += sentence);
        let found = metric.of_counts(sum, references.len());
        let comparison = self.scored.compare(&counts, count, |counts| {
            let (_, score, _) = told(&metric.of_counts(counts, references.len()));
            score
        })?;
        let (name, score, signature) = told(&found);
        let json = json!({ "name": name, "score": score, "signature": signature });
        self.scored.print(&found.to_string(), json, comparison, 2)
    }
}

impl Scored {
    fn read(&self, path: Option<&Path>) -> Result<Vec<String>> {
        lines::read(path, self.limits.limits())
    }

    fn read_hypothesis(&self) -> Result<Vec<String>> {
        self.read(self.hypothesis.as_deref())
    }

    fn hypothesis_name(&self) -> String {
        lines::name(self.hypothesis.as_deref())
    }

    /// Refuses a file that has not as many lines as what is scored.
    fn check_lines(&self, path: &Path, found: usize, expected: usize) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::failure(
            format!("{}: {found} lines, but {} has {expected}", path.display(), self.hypothesis_name()),
            "line n of each file must belong to the same sentence",
        ))
    }

    /// Compares with the baseline, where one is given, by the counts of each sentence. `count` is given a file's name
    /// and its lines.
    fn compare<C>(
        &self,
        counts: &[C],
        count: impl Fn(&str, &[String]) -> Result<Vec<C>>,
        score: impl Fn(C) -> f64,
    ) -> Result<Option<Comparison>>
    where
        C: Default + for<'a> AddAssign<&'a C>,
    {
        let Some(path) = &self.baseline else { return Ok(None) };
        let baseline = self.read(Some(path))?;
        self.check_lines(path, baseline.len(), counts.len())?;
        let baseline = count(&path.display().to_string(), &baseline)?;
        Ok(Some(paired_bootstrap(&baseline, counts, score, self.samples as usize, self.seed)?))
    }

    /// Prints a score, and on another line how it compares.
    fn print(&self, text: &str, mut json: Value, comparison: Option<Comparison>, digits: usize) -> Result<()> {
        if let (Format::Json, Some(found)) = (self.format, comparison) {
            json["baseline"] = json!(found.baseline);
            json["difference"] = json!(found.system - found.baseline);
            json["interval"] = json!([found.interval.0, found.interval.1]);
            json["p_value"] = json!(found.p_value);
            json["samples"] = json!(self.samples);
            json["seed"] = json!(self.seed);
        }
        match (self.format, comparison) {
            (Format::Json, _) => lines::print(&json.to_string()),
            (Format::Text, None) => lines::print(text),
            (Format::Text, Some(found)) => {
                lines::print(text)?;
                let (low, high) = found.interval;
                lines::print(&format!(
                    "baseline {:.digits$}, difference {:+.digits$}, 95 % interval {low:+.digits$} to {high:+.digits$}, \
                     p = {:.4} (paired bootstrap, {} samples, seed {})",
                    found.baseline,
                    found.system - found.baseline,
                    found.p_value,
                    self.samples,
                    self.seed
                ))
            }
        }
    }
}
