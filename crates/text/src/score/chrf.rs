//! chrF (Popović 2015) and chrF++ (Popović 2017), as sacrebleu 2.6 computes them.
//!
//! For each n the precision P and recall R of character n-grams (1 to 6, white space left out), and in chrF++ of word
//! n-grams (1 and 2), are taken over the whole corpus; then chrFβ = (1 + β²) · P̄ · R̄ / (β² · P̄ + R̄) with P̄ and R̄
//! the means over all n. It needs no words, which makes it a fair score for Korean.

use std::collections::HashMap;
use std::fmt;
use std::ops::AddAssign;

use super::words::{is_space, split};
use super::{CorpusMetric, check_counts, two_decimals};
use crate::error::Error;

/// Holds the settings of chrF; the defaults are sacrebleu's chrF2.
///
/// ```
/// use unspool_text::score::{Chrf, CorpusMetric};
///
/// let chrf = Chrf::default().score(&["도와주세요!"], &[&["도와줘!"]])?;
/// assert_eq!(chrf.to_string(), "chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0 = 24.41");
/// assert_eq!(Chrf::plus_plus().score(&["a b"], &[&["a b"]])?.name, "chrF2++");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chrf {
    /// The longest character n-gram.
    pub char_order: usize,
    /// The longest word n-gram; 0 for chrF, 2 for chrF++.
    pub word_order: usize,
    /// How many times recall weighs as much as precision.
    pub beta: u32,
    /// Whether case is ignored.
    pub lowercase: bool,
    /// Whether white space counts among the characters.
    pub whitespace: bool,
}

impl Default for Chrf {
    fn default() -> Self {
        Chrf { char_order: 6, word_order: 0, beta: 2, lowercase: false, whitespace: false }
    }
}

/// Holds what chrF counts in one sentence: for each n, n-grams of the hypothesis, of the reference, and in both. Sums
/// over sentences score a corpus.
///
/// ```
/// use unspool_text::score::{Chrf, CorpusMetric};
/// let counts = Chrf { char_order: 2, ..Chrf::default() }.counts(&["ab c"], &[&["abd"]])?;
/// // Characters: a, b of three and three; pairs: ab of ab, bc and ab, bd.
/// assert_eq!(counts[0].orders, [[3, 3, 2], [2, 2, 1]]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChrfCounts {
    /// Characters first, then words; `[hypothesis, reference, both]`.
    pub orders: Vec<[u64; 3]>,
}

impl AddAssign<&ChrfCounts> for ChrfCounts {
    fn add_assign(&mut self, other: &ChrfCounts) {
        if self.orders.len() < other.orders.len() {
            self.orders.resize(other.orders.len(), [0; 3]);
        }
        for (sum, order) in self.orders.iter_mut().zip(&other.orders) {
            for (sum, count) in sum.iter_mut().zip(order) {
                *sum += count;
            }
        }
    }
}

/// Holds a chrF score and how it was computed.
///
/// ```
/// use unspool_text::score::{Chrf, CorpusMetric};
/// let chrf = Chrf::default().score(&["the same"], &[&["the same"]])?;
/// assert_eq!((chrf.score, chrf.name.as_str()), (100.0, "chrF2"));
/// assert_eq!(chrf.signature, "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ChrfScore {
    /// From 0 to 100.
    pub score: f64,
    /// `chrF2`, `chrF2++`, …
    pub name: String,
    /// The counts of the corpus.
    pub counts: ChrfCounts,
    /// How it was computed, as sacrebleu writes it.
    pub signature: String,
}

impl fmt::Display for ChrfScore {
    /// As sacrebleu's text form: `chrF2|signature = 24.41`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{} = {}", self.name, self.signature, two_decimals(self.score))
    }
}

impl CorpusMetric for Chrf {
    type Counts = ChrfCounts;
    type Score = ChrfScore;

    /// Of several references the one most similar to a sentence counts.
    fn counts<H: AsRef<str>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[&[R]],
    ) -> Result<Vec<ChrfCounts>, Error> {
        check_counts(hypotheses.len(), references.iter().map(|reference| reference.len()))?;
        if self.char_order + self.word_order == 0 || self.char_order > 100 || self.word_order > 100 {
            return Err(Error::Option {
                option: "the order of chrF",
                found: format!("{} characters, {} words", self.char_order, self.word_order),
                expected: "1 or more in all, and 100 at most of each",
            });
        }
        let mut numbers = HashMap::new();
        let sentences = hypotheses.iter().enumerate().map(|(place, hypothesis)| {
            // Words are numbered for one sentence and its references; the table is kept small.
            numbers.clear();
            let hypothesis = self.units(hypothesis.as_ref(), &mut numbers);
            let mut best: Option<(f64, ChrfCounts)> = None;
            for reference in references {
                let reference = self.units(reference[place].as_ref(), &mut numbers);
                let counts = self.compare(&hypothesis, &reference);
                let score = self.f_score(&counts);
                if best.as_ref().is_none_or(|(best, _)| score > *best) {
                    best = Some((score, counts));
                }
            }
            best.map(|(_, counts)| counts).unwrap_or_default()
        });
        Ok(sentences.collect())
    }

    fn of_counts(&self, counts: ChrfCounts, references: usize) -> ChrfScore {
        ChrfScore {
            score: self.f_score(&counts),
            name: format!("chrF{}{}", self.beta, "+".repeat(self.word_order)),
            counts,
            signature: self.signature(references),
        }
    }
}

impl Chrf {
    /// Returns the settings of chrF2++, which counts words and pairs of words, too.
    pub fn plus_plus() -> Self {
        Chrf { word_order: 2, ..Default::default() }
    }

    /// Returns the settings as sacrebleu writes them.
    pub fn signature(&self, references: usize) -> String {
        format!(
            "nrefs:{references}|case:{}|eff:yes|nc:{}|nw:{}|space:{}|version:{}",
            if self.lowercase { "lc" } else { "mixed" },
            self.char_order,
            self.word_order,
            if self.whitespace { "yes" } else { "no" },
            super::SACREBLEU
        )
    }

    /// A sentence's characters, and its words as numbers.
    fn units(&self, sentence: &str, numbers: &mut HashMap<String, u32>) -> [Vec<u32>; 2] {
        let lower = self.lowercase.then(|| sentence.to_lowercase());
        let sentence = lower.as_deref().unwrap_or(sentence);
        let kept = |character: &char| self.whitespace || !is_space(*character);
        let characters = sentence.chars().filter(kept).map(u32::from).collect();
        let mut words = Vec::new();
        if self.word_order > 0 {
            let mut push = |word: &str| {
                let next = numbers.len() as u32;
                words.push(*numbers.entry(word.to_owned()).or_insert(next));
            };
            for word in split(sentence) {
                separate(word, &mut push);
            }
        }
        [characters, words]
    }

    fn compare(&self, hypothesis: &[Vec<u32>; 2], reference: &[Vec<u32>; 2]) -> ChrfCounts {
        let orders = [self.char_order, self.word_order];
        let mut counts = ChrfCounts { orders: Vec::with_capacity(orders[0] + orders[1]) };
        for (unit, order) in orders.into_iter().enumerate() {
            for n in 1..=order {
                counts.orders.push(matches(&hypothesis[unit], &reference[unit], n));
            }
        }
        counts
    }

    fn f_score(&self, counts: &ChrfCounts) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0u32);
        for &[hypothesis, reference, both] in &counts.orders {
            if hypothesis > 0 && reference > 0 {
                precision += both as f64 / hypothesis as f64;
                recall += both as f64 / reference as f64;
                orders += 1;
            }
        }
        if orders == 0 {
            return 0.0;
        }
        (precision, recall) = (precision / f64::from(orders), recall / f64::from(orders));
        let factor = f64::from(self.beta).powi(2);
        if precision + recall == 0.0 {
            return 0.0;
        }
        100.0 * ((1.0 + factor) * precision * recall / (factor * precision + recall))
    }
}

/// Cuts one ASCII punctuation mark off a word's end or, if there is none, off its beginning.
fn separate<'a>(word: &'a str, push: &mut impl FnMut(&'a str)) {
    let mut characters = word.chars();
    let (first, last) = (characters.next(), characters.next_back());
    match (first, last) {
        (Some(_), Some(last)) if last.is_ascii_punctuation() => {
            push(&word[..word.len() - 1]);
            push(&word[word.len() - 1..]);
        }
        (Some(first), Some(_)) if first.is_ascii_punctuation() => {
            push(&word[..1]);
            push(&word[1..]);
        }
        _ => push(word),
    }
}

/// n-grams of the hypothesis, of the reference, and in both. The first is 0 where the reference has none,
/// as in sacrebleu.
fn matches(hypothesis: &[u32], reference: &[u32], n: usize) -> [u64; 3] {
    let sorted = |units: &[u32]| {
        // Up to six characters of 21 bits fit in one number, which sorts far faster than a slice does.
        let mut grams: Vec<u128> = Vec::with_capacity(units.len());
        grams.extend(units.windows(n).map(|gram| gram.iter().fold(0, |key, unit| key << 21 | u128::from(*unit))));
        grams.sort_unstable();
        grams
    };
    let in_both = if n <= 6 {
        common(&sorted(hypothesis), &sorted(reference))
    } else {
        let sorted = |units| {
            let mut grams: Vec<&[u32]> = <[u32]>::windows(units, n).collect();
            grams.sort_unstable();
            grams
        };
        common(&sorted(hypothesis), &sorted(reference))
    };
    let count = |units: &[u32]| (units.len() + 1).saturating_sub(n) as u64;
    let reference = count(reference);
    [if reference > 0 { count(hypothesis) } else { 0 }, reference, in_both]
}

/// How many values two sorted lists share, each as often as it stands in both.
fn common<T: Ord>(a: &[T], b: &[T]) -> u64 {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                shared += 1;
                i += 1;
                j += 1;
            }
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_has_100_and_another_0() {
        let score = |hypothesis, reference| Chrf::default().score(&[hypothesis], &[&[reference]]).unwrap().score;
        assert_eq!(score("굿입니다!!", "굿입니다!!"), 100.0);
        assert_eq!(score("abc", "xyz"), 0.0);
        assert_eq!((score("", "a"), score("a", ""), score("", "")), (0.0, 0.0, 0.0));
    }

    #[test]
    fn chrf_plus_plus_counts_words_and_pairs_of_words() {
        let counts = Chrf::plus_plus().counts(&["a b c"], &[&["a b d"]]).unwrap();
        assert_eq!(counts[0].orders[6..], [[3, 3, 2], [2, 2, 1]]);
        assert_eq!(Chrf::plus_plus().score(&["a"], &[&["a"]]).unwrap().name, "chrF2++");
    }

    #[test]
    fn of_references_as_like_the_first_counts() {
        let counts = Chrf { char_order: 1, ..Chrf::default() }.counts(&["ab"], &[&["xyz"], &["uvwxyz"]]).unwrap();
        assert_eq!(counts[0].orders, [[2, 3, 0]]);
    }

    #[test]
    fn an_order_that_one_side_has_none_of_does_not_count() {
        let score = |orders: &[[u64; 3]]| {
            let counts = ChrfCounts { orders: orders.to_vec() };
            Chrf::default().of_counts(counts, 1).score
        };
        assert_eq!(score(&[[4, 4, 4], [3, 0, 0], [0, 3, 0]]), 100.0);
        assert_eq!(score(&[[3, 0, 0]]), 0.0);
    }

    #[test]
    fn one_mark_is_cut_off_a_word() {
        let cut = |word: &'static str| {
            let mut pieces = Vec::new();
            separate(word, &mut |piece| pieces.push(piece));
            pieces
        };
        assert_eq!(cut("well?!"), ["well?", "!"]);
        assert_eq!(cut("(so"), ["(", "so"]);
        assert_eq!((cut("!"), cut("굿!"), cut("굿")), (vec!["!"], vec!["굿", "!"], vec!["굿"]));
    }

    #[test]
    fn orders_beyond_reason_are_errors() {
        let chrf = |char_order, word_order| Chrf { char_order, word_order, ..Default::default() };
        assert!(chrf(0, 0).score(&["a"], &[&["a"]]).is_err());
        for (characters, words) in [(101, 0), (0, 101), (6, 1_000_000)] {
            assert!(chrf(characters, words).score(&["a"], &[&["a"]]).is_err());
        }
        for (characters, words) in [(100, 0), (0, 100), (1, 0), (0, 1)] {
            assert_eq!(chrf(characters, words).score(&["a"], &[&["a"]]).unwrap().score, 100.0);
        }
        assert_eq!(chrf(9, 0).score(&["abcdefghijk"], &[&["abcdefghijk"]]).unwrap().score, 100.0);
    }
}
