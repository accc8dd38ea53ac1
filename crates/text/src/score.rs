//! How good an output is.
//!
//! Corpus BLEU and chrF are those of sacrebleu 2.6, to the digit and with its signature: scores are comparable only
//! when tokenization, case and smoothing are the same, and the signature says which they were.

mod bleu;
mod bootstrap;
mod chrf;
mod classification;
mod edit;
mod language_model;
mod words;

pub use bleu::{Bleu, BleuCounts, BleuScore, ORDER, Smoothing};
pub use bootstrap::{Comparison, Hits, paired_bootstrap};
pub use chrf::{Chrf, ChrfCounts, ChrfScore};
pub use classification::{Confusion, accuracy};
pub use edit::{Edits, token_error_rate};
pub use language_model::{bits_per_character, perplexity};
pub use words::Tokenization;

use crate::error::Error;

/// Names the version of sacrebleu whose scores these are, as its signature does.
///
/// ```
/// use unspool_text::score::{Bleu, SACREBLEU};
/// let signature = Bleu::default().score(&["a"], &[&["a"]])?.signature;
/// assert!(signature.ends_with(&format!("version:{SACREBLEU}")));
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub const SACREBLEU: &str = "2.6.0";

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
