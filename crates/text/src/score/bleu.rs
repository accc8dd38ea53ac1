//! BLEU (Papineni et al. 2002), as sacrebleu 2.6 computes it (Post 2018).
//!
//! BLEU = BP · exp(¼ Σₙ log pₙ) over n = 1 … 4, where pₙ is the share of the hypotheses' n-grams that occur in the
//! references (each counted at most as often as in one of them) and BP = exp(1 − r/h) if the hypotheses' h words are
//! fewer than the references' r. Counts are summed over the corpus before anything is divided.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use super::words::{self, Tokenization};
use super::{CorpusMetric, check_counts, two_decimals};
use crate::error::Error;

/// Is the length of the longest n-gram.
///
/// ```
/// use unspool_text::score::{Bleu, CorpusMetric, ORDER};
/// let counts = Bleu::default().counts(&["a b c"], &[&["a b c"]])?;
/// assert_eq!((ORDER, counts[0].total), (4, [3, 2, 1, 0]));
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub const ORDER: usize = 4;

/// Chooses the treatment of an n for which nothing matched (Chen and Cherry 2014).
///
/// ```
/// use unspool_text::score::{Bleu, CorpusMetric, Smoothing};
/// let score = |smoothing| -> Result<f64, unspool_text::Error> {
///     // Two words of four match, and one pair; no three in a row.
///     Ok(Bleu { smoothing, ..Bleu::default() }.score(&["the cat sat here"], &[&["the cat lay there"]])?.score)
/// };
/// assert_eq!(score(Smoothing::None)?, 0.0);
/// assert!(score(Smoothing::Exponential)? > score("floor".parse()?)?);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Smoothing {
    /// Halves the precision for each such n in turn (method 3, that of NIST): the standard.
    #[default]
    Exponential,
    /// This count in place of 0 (method 1; sacrebleu's default is 0.1).
    Floor(f64),
    /// This much more in both counts for n > 1 (method 2; sacrebleu's default is 1).
    AddK(f64),
    /// Nothing: BLEU is 0.
    None,
}

impl FromStr for Smoothing {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "exp" => Ok(Smoothing::Exponential),
            "floor" => Ok(Smoothing::Floor(0.1)),
            "add-k" => Ok(Smoothing::AddK(1.0)),
            "none" => Ok(Smoothing::None),
            _ => Err(Error::Option {
                option: "the smoothing of BLEU",
                found: format!("`{name}`"),
                expected: "exp, floor, add-k or none",
            }),
        }
    }
}

impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Smoothing::Exponential => f.write_str("exp"),
            Smoothing::Floor(value) => write!(f, "floor[{value:.2}]"),
            Smoothing::AddK(value) => write!(f, "add-k[{value:.2}]"),
            Smoothing::None => f.write_str("none"),
        }
    }
}

/// Holds the settings of BLEU; the defaults are sacrebleu's.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// ```
/// use unspool_text::score::{Bleu, CorpusMetric};
///
/// let references = ["The cat sat on the mat.", "It is raining."];
/// let hypotheses = ["The cat sat on a mat.", "It is raining."];
/// let bleu = Bleu::default().score(&hypotheses, &[&references])?;
/// assert_eq!(format!("{:.2}", bleu.score), "63.40");
/// assert_eq!(bleu.signature, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bleu {
    /// How sentences are cut.
    pub tokenization: Tokenization,
    /// Whether case is ignored.
    pub lowercase: bool,
    /// The treatment of an n without a match.
    pub smoothing: Smoothing,
    /// Whether an n for which the hypotheses are too short is left out of the mean: for single sentences.
    pub effective_order: bool,
}

/// Holds what BLEU counts in one sentence; sums over sentences score a corpus.
///
/// ```
/// use unspool_text::score::{Bleu, BleuCounts, CorpusMetric};
/// let bleu = Bleu::default();
/// let (hypotheses, references) = (["a b c d e", "f g h"], ["a b c d x", "f g h i"]);
/// let mut corpus = BleuCounts::default();
/// for sentence in &bleu.counts(&hypotheses, &[&references])? {
///     corpus += sentence;
/// }
/// assert_eq!((corpus.hypothesis_length, corpus.reference_length), (8, 9));
/// assert_eq!((corpus.correct, corpus.total), ([7, 5, 3, 1], [8, 6, 4, 2]));
/// assert_eq!(bleu.of_counts(corpus, 1).score, bleu.score(&hypotheses, &[&references])?.score);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BleuCounts {
    /// Words of the hypothesis.
    pub hypothesis_length: u64,
    /// Words of the reference whose length is closest.
    pub reference_length: u64,
    /// n-grams of the hypothesis that occur in a reference, for n = 1 … 4.
    pub correct: [u64; ORDER],
    /// n-grams of the hypothesis.
    pub total: [u64; ORDER],
}

impl std::ops::AddAssign<&BleuCounts> for BleuCounts {
    fn add_assign(&mut self, other: &BleuCounts) {
        self.hypothesis_length += other.hypothesis_length;
        self.reference_length += other.reference_length;
        for n in 0..ORDER {
            self.correct[n] += other.correct[n];
            self.total[n] += other.total[n];
        }
    }
}

/// Holds a BLEU score and all that went into it.
///
/// ```
/// use unspool_text::score::{Bleu, CorpusMetric};
/// let bleu = Bleu::default().score(&["a b c d e"], &[&["a b c d e f"]])?;
/// assert_eq!(bleu.precisions, [100.0; 4]);
/// assert_eq!(bleu.brevity_penalty, (1.0_f64 - 6.0 / 5.0).exp());              // five words where there are six
/// let lengths = "(BP = 0.819 ratio = 0.833 hyp_len = 5 ref_len = 6)";
/// assert!(bleu.to_string().ends_with(&format!(" = 81.87 100.0/100.0/100.0/100.0 {lengths}")));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BleuScore {
    /// From 0 to 100.
    pub score: f64,
    /// Precisions for n = 1 … 4, from 0 to 100, smoothed.
    pub precisions: [f64; ORDER],
    /// BP, from 0 to 1.
    pub brevity_penalty: f64,
    /// The counts of the corpus.
    pub counts: BleuCounts,
    /// How it was computed, as sacrebleu writes it.
    pub signature: String,
}

impl fmt::Display for BleuScore {
    /// As sacrebleu's text form: `BLEU|signature = 63.40 …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precisions = self.precisions.map(|precision| format!("{precision:.1}")).join("/");
        let counts = &self.counts;
        let ratio = match counts.reference_length {
            0 => 0.0,
            length => counts.hypothesis_length as f64 / length as f64,
        };
        write!(
            f,
            "BLEU|{} = {} {precisions} (BP = {:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})",
            self.signature,
            two_decimals(self.score),
            self.brevity_penalty,
            counts.hypothesis_length,
            counts.reference_length
        )
    }
}

impl CorpusMetric for Bleu {
    type Counts = BleuCounts;
    type Score = BleuScore;

    fn counts<H: AsRef<str>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[&[R]],
    ) -> Result<Vec<BleuCounts>, Error> {
        check_counts(hypotheses.len(), references.iter().map(|reference| reference.len()))?;
        let mut counter = Counter::default();
        let sentences = hypotheses.iter().enumerate().map(|(place, hypothesis)| {
            let hypothesis = self.prepare(hypothesis.as_ref());
            let references: Vec<String> =
                references.iter().map(|reference| self.prepare(reference[place].as_ref())).collect();
            counter.count(&hypothesis, &references)
        });
        Ok(sentences.collect())
    }

    fn of_counts(&self, counts: BleuCounts, references: usize) -> BleuScore {
        let (hypothesis, reference) = (counts.hypothesis_length as f64, counts.reference_length as f64);
        // 0 for nothing against something: exp(−∞).
        let is_short = counts.hypothesis_length < counts.reference_length;
        let brevity_penalty = if is_short { (1.0 - reference / hypothesis).exp() } else { 1.0 };
        let mut precisions = [0.0; ORDER];
        let mut order = ORDER;
        let mut halving = 1.0;
        let any = counts.correct.iter().any(|correct| *correct > 0);
        for (n, precision) in precisions.iter_mut().enumerate().take(if any { ORDER } else { 0 }) {
            let (mut correct, mut total) = (counts.correct[n] as f64, counts.total[n] as f64);
            if let Smoothing::AddK(more) = self.smoothing
                && n > 0
            {
                correct += more;
                total += more;
            }
            if total == 0.0 {
                break;
            }
            if self.effective_order {
                order = n + 1;
            }
            *precision = if correct > 0.0 {
                100.0 * correct / total
            } else {
                match self.smoothing {
                    Smoothing::Exponential => {
                        halving *= 2.0;
                        100.0 / (halving * total)
                    }
                    Smoothing::Floor(least) => 100.0 * least / total,
                    Smoothing::AddK(_) | Smoothing::None => 0.0,
                }
            };
        }
        // sacrebleu's log of 0 is a large negative number, whose exponential is 0.
        let log = |precision: f64| if precision == 0.0 { -9_999_999_999.0 } else { precision.ln() };
        let mean = precisions[..order].iter().map(|precision| log(*precision)).sum::<f64>() / order as f64;
        let score = if any { brevity_penalty * mean.exp() } else { 0.0 };
        BleuScore { score, precisions, brevity_penalty, counts, signature: self.signature(references) }
    }
}

impl Bleu {
    fn prepare(&self, sentence: &str) -> String {
        let sentence = sentence.trim_end_matches(words::is_space);
        if self.lowercase {
            self.tokenization.apply(&sentence.to_lowercase())
        } else {
            self.tokenization.apply(sentence)
        }
    }

    /// Returns the settings as sacrebleu writes them.
    pub fn signature(&self, references: usize) -> String {
        format!(
            "nrefs:{references}|case:{}|eff:{}|tok:{}|smooth:{}|version:{}",
            if self.lowercase { "lc" } else { "mixed" },
            if self.effective_order { "yes" } else { "no" },
            self.tokenization.name(),
            self.smoothing,
            super::SACREBLEU
        )
    }
}

/// Counts n-grams as sorted runs of numbers; the buffers are kept from sentence to sentence.
#[derive(Default)]
struct Counter {
    hypothesis: Vec<u32>,
    reference: Vec<u32>,
    grams: Vec<u128>,
    allowed: Vec<(u128, u64)>,
}

impl Counter {
    fn count(&mut self, hypothesis: &str, references: &[String]) -> BleuCounts {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut number = |sentence, out: &mut Vec<u32>| {
            out.clear();
            out.extend(words::split(sentence).map(|word| {
                let next = numbers.len() as u32 + 1;
                *numbers.entry(word).or_insert(next)
            }));
        };
        number(hypothesis, &mut self.hypothesis);
        let length = self.hypothesis.len();
        // The closest length, and of two as close the shorter.
        let mut closest = usize::MAX;
        self.allowed.clear();
        for reference in references {
            number(reference, &mut self.reference);
            let distance = |length: usize| length.abs_diff(self.hypothesis.len());
            let this = self.reference.len();
            if closest == usize::MAX || (distance(this), this) < (distance(closest), closest) {
                closest = this;
            }
            grams(&self.reference, &mut self.grams);
            self.allowed.extend(runs(&self.grams));
        }
        if references.len() > 1 {
            // An n-gram may be used as often as the reference that has it most often.
            self.allowed.sort_unstable_by(|(a, a_count), (b, b_count)| a.cmp(b).then_with(|| b_count.cmp(a_count)));
            self.allowed.dedup_by_key(|(gram, _)| *gram);
        }
        let mut counts = BleuCounts {
            hypothesis_length: length as u64,
            reference_length: if closest == usize::MAX { 0 } else { closest as u64 },
            ..Default::default()
        };
        for (n, total) in counts.total.iter_mut().enumerate() {
            *total = length.saturating_sub(n) as u64;
        }
        grams(&self.hypothesis, &mut self.grams);
        let mut allowed = self.allowed.iter().peekable();
        for (gram, count) in runs(&self.grams) {
            while allowed.next_if(|(other, _)| *other < gram).is_some() {}
            if let Some((_, most)) = allowed.next_if(|(other, _)| *other == gram) {
                counts.correct[order_of(gram) - 1] += count.min(*most);
            }
        }
        counts
    }
}

/// All n-grams for n = 1 … 4, sorted. Four numbers of 32 bits make one of 128; words are numbered from 1, so a
/// shorter n-gram has zeros in front.
fn grams(sentence: &[u32], out: &mut Vec<u128>) {
    out.clear();
    for order in 1..=ORDER {
        for window in sentence.windows(order) {
            out.push(window.iter().fold(0, |gram, word| gram << 32 | u128::from(*word)));
        }
    }
    out.sort_unstable();
}

fn order_of(gram: u128) -> usize {
    (128 - gram.leading_zeros() as usize).div_ceil(32)
}

/// Each value of a sorted list with how often it stands there.
fn runs(sorted: &[u128]) -> impl Iterator<Item = (u128, u64)> + '_ {
    sorted.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(hypotheses: &[&str], references: &[&str]) -> BleuScore {
        Bleu::default().score(hypotheses, &[references]).unwrap()
    }

    #[test]
    fn a_perfect_translation_has_100() {
        let score = score(&["one two three four five"], &["one two three four five"]);
        assert!((score.score - 100.0).abs() < 1e-9);
        assert_eq!(
            score.to_string(),
            "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 100.00 \
             100.0/100.0/100.0/100.0 (BP = 1.000 ratio = 1.000 hyp_len = 5 ref_len = 5)"
        );
    }

    #[test]
    fn a_word_counts_no_more_often_than_in_the_reference() {
        // The example of the paper.
        let counts = score(&["the the the the the the the"], &["The cat is on the mat"]).counts;
        assert_eq!((counts.correct[0], counts.total[0]), (1, 7));
    }

    #[test]
    fn nothing_to_score_and_different_counts_are_errors() {
        let none: [&str; 0] = [];
        let bleu = Bleu::default();
        assert_eq!(bleu.score(&none, &[&none]).unwrap_err().to_string(), "nothing to score");
        assert_eq!(bleu.score(&["a"], &[&["a", "b"]]).unwrap_err().to_string(), "2 references where 1 were expected");
    }

    #[test]
    fn the_brevity_penalty_is_that_of_the_paper() {
        let penalty = |hypothesis, reference| score(&[hypothesis], &[reference]).brevity_penalty;
        assert_eq!(penalty("", "a b"), 0.0);
        assert!((penalty("a", "a b c") - (-2f64).exp()).abs() < 1e-15);
        assert_eq!((penalty("a b", "a b"), penalty("a b c", "a b"), penalty("", "")), (1.0, 1.0, 1.0));
    }

    #[test]
    fn empty_sentences_score_0() {
        assert_eq!(score(&[""], &["a"]).score, 0.0);
        assert_eq!(score(&[""], &[""]).score, 0.0);
        assert_eq!(score(&["a"], &[""]).score, 0.0);
    }
}
