//! How good an output is.
//!
//! Corpus BLEU, chrF and TER are those of sacrebleu 2.6, to the digit and with its signature: scores are comparable
//! only when tokenization, case and smoothing are the same, and the signature says which they were. The F1 score of
//! spans is that of seqeval 1.2.

mod bleu;
mod bootstrap;
mod chrf;
mod classification;
mod edit;
mod edit_matrix;
mod language_model;
mod minimum_bayes_risk;
mod spans;
mod tag_scheme;
mod ter;
mod tercom;
mod words;

pub use bleu::{Bleu, BleuCounts, BleuScore, ORDER, Smoothing};
pub use bootstrap::{Comparison, Hits, paired_bootstrap};
pub use chrf::{Chrf, ChrfCounts, ChrfScore};
pub use classification::{Confusion, accuracy};
pub use edit::{Edits, token_error_rate};
pub use language_model::{bits_per_character, perplexity};
pub use minimum_bayes_risk::{Utility, expected_utility};
pub use spans::{Span, SpanCounts, SpanScores};
pub use tag_scheme::TagScheme;
pub use ter::{Ter, TerCounts, TerScore};
pub use words::Tokenization;

use std::ops::AddAssign;

use crate::error::Error;

/// Names the version of sacrebleu whose scores these are, as its signature does.
///
/// ```
/// use unspool_text::score::{Bleu, CorpusMetric, SACREBLEU};
/// let signature = Bleu::default().score(&["a"], &[&["a"]])?.signature;
/// assert!(signature.ends_with(&format!("version:{SACREBLEU}")));
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub const SACREBLEU: &str = "2.6.0";

/// Scores the translation of a corpus from counts of its sentences, which are summed before anything is divided. So a
/// corpus can be [resampled](paired_bootstrap) without counting again.
///
/// ```
/// use unspool_text::score::{Bleu, Chrf, CorpusMetric};
/// /// The score of two copies of a corpus, which is that of one.
/// fn twice<M: CorpusMetric>(metric: &M, texts: &[&str], right: &[&str]) -> Result<M::Score, unspool_text::Error> {
///     let mut sum = M::Counts::default();
///     let counts = metric.counts(texts, &[right])?;
///     counts.iter().chain(&counts).for_each(|counts| sum += counts);
///     Ok(metric.of_counts(sum, 1))
/// }
/// let (texts, right) = (["I know Tim.", "Help!"], ["I know Tom.", "Help!"]);
/// let chrf = Chrf::default();
/// assert!((twice(&chrf, &texts, &right)?.score - chrf.score(&texts, &[&right])?.score).abs() < 1e-9);
/// assert_eq!(twice(&Bleu::default(), &right, &right)?.precisions[0], 100.0);
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub trait CorpusMetric {
    /// Holds what is counted in a sentence, or the sum over several.
    type Counts: Default + for<'a> AddAssign<&'a Self::Counts>;
    /// Holds the score and how it was computed.
    type Score;

    /// Returns the counts of each sentence. `references` holds one or more whole translations of the corpus, each a
    /// list of sentences.
    ///
    /// # Errors
    /// [`Error::NothingToScore`] when there is no hypothesis; [`Error::Count`] when a translation has more or fewer
    /// sentences; [`Error::Option`] for settings that count nothing.
    fn counts<H: AsRef<str>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[&[R]],
    ) -> Result<Vec<Self::Counts>, Error>;

    /// Returns the score of summed counts, made with this many references per sentence.
    fn of_counts(&self, counts: Self::Counts, references: usize) -> Self::Score;

    /// Returns the score of a corpus.
    ///
    /// # Errors
    /// As [`counts`](CorpusMetric::counts).
    fn score<H: AsRef<str>, R: AsRef<str>>(&self, hypotheses: &[H], references: &[&[R]]) -> Result<Self::Score, Error> {
        let mut sum = Self::Counts::default();
        self.counts(hypotheses, references)?.iter().for_each(|counts| sum += counts);
        Ok(self.of_counts(sum, references.len()))
    }
}

/// One reference (or label) a hypothesis, and at least one.
fn check_counts(hypotheses: usize, references: impl IntoIterator<Item = usize>) -> Result<(), Error> {
    if hypotheses == 0 {
        return Err(Error::NothingToScore);
    }
    let mut any = false;
    for found in references {
        any = true;
        if found != hypotheses {
            return Err(Error::Count { what: "references", found, expected: hypotheses });
        }
    }
    if any { Ok(()) } else { Err(Error::Count { what: "references", found: 0, expected: hypotheses }) }
}

/// A score as it is printed.
fn two_decimals(score: f64) -> String {
    format!("{score:.2}")
}
