//! TER, the translation edit rate (Snover et al. 2006), as sacrebleu 2.6 computes it.
//!
//! TER = 100 · edits / words of the reference, where an edit inserts, deletes or replaces a word, or shifts a run of
//! words to another place. The least number of edits with shifts is NP-hard to find, so the shifts are chosen greedily,
//! one after another, by the rules of Tercom; equal scores need equal rules, down to the order of preference.

use std::collections::HashMap;
use std::fmt;
use std::ops::AddAssign;

use super::edit_matrix::EditMatrix;
use super::tercom::Tercom;
use super::words::split;
use super::{CorpusMetric, check_counts, two_decimals};
use crate::error::Error;

/// The longest run of words that is shifted.
const LONGEST_SHIFT: usize = 10;
/// The farthest place to which it is shifted.
const FARTHEST_SHIFT: usize = 50;
/// After so many candidates a sentence is shifted no further.
const MOST_CANDIDATES: usize = 1000;

/// Holds the settings of TER; the defaults are sacrebleu's.
///
/// A lower score is better. The score exceeds 100 where there are more edits than reference words.
///
/// ```
/// use unspool_text::score::{CorpusMetric, Ter};
///
/// // One shift repairs the word order: 1 edit for 5 words.
/// let ter = Ter::default().score(&["on Monday it rained heavily"], &[&["it rained heavily on Monday"]])?;
/// assert_eq!((ter.counts.edits, ter.score), (1, 20.0));
/// assert_eq!(
///     ter.to_string(),
///     "TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0 = 20.00"
/// );
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ter {
    /// Whether entities are resolved and punctuation is separated from words.
    pub normalized: bool,
    /// Whether punctuation is removed.
    pub no_punct: bool,
    /// Whether `normalized` separates CJK characters and `no_punct` removes CJK and full-width punctuation, too.
    pub asian_support: bool,
    /// Whether upper and lower case differ.
    pub case_sensitive: bool,
}

/// Holds what TER counts in one sentence; sums over sentences score a corpus.
///
/// ```
/// use unspool_text::score::{CorpusMetric, Ter};
/// // Of two references the one with the fewest edits counts, and the mean of their lengths.
/// let counts = Ter::default().counts(&["a b c"], &[&["a b d"], &["x y z a b"]])?;
/// assert_eq!((counts[0].edits, counts[0].reference_length), (1, 4.0));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TerCounts {
    /// Insertions, deletions, substitutions and shifts.
    pub edits: u64,
    /// Words of the reference; the mean over several references.
    pub reference_length: f64,
}

impl AddAssign<&TerCounts> for TerCounts {
    fn add_assign(&mut self, other: &TerCounts) {
        self.edits += other.edits;
        self.reference_length += other.reference_length;
    }
}

/// Holds a TER score and how it was computed.
///
/// ```
/// use unspool_text::score::{CorpusMetric, Ter};
/// let ter = Ter { case_sensitive: true, ..Ter::default() }.score(&["A b"], &[&["a b"]])?;
/// assert_eq!(ter.score, 50.0);
/// assert!(ter.signature.starts_with("nrefs:1|case:mixed|tok:tercom"));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TerScore {
    /// Edits per 100 words of the reference; 100 for any words against empty references.
    pub score: f64,
    /// The counts of the corpus.
    pub counts: TerCounts,
    /// How it was computed, as sacrebleu writes it.
    pub signature: String,
}

impl fmt::Display for TerScore {
    /// As sacrebleu's text form: `TER|signature = 20.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TER|{} = {}", self.signature, two_decimals(self.score))
    }
}

impl CorpusMetric for Ter {
    type Counts = TerCounts;
    type Score = TerScore;

    fn counts<H: AsRef<str>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[&[R]],
    ) -> Result<Vec<TerCounts>, Error> {
        check_counts(hypotheses.len(), references.iter().map(|reference| reference.len()))?;
        let sentences = hypotheses.iter().enumerate().map(|(place, hypothesis)| {
            let sentences = references.iter().map(|reference| reference[place].as_ref());
            let [hypothesis, references @ ..] = &self.numbered(hypothesis.as_ref(), sentences)[..] else {
                return TerCounts::default();
            };
            let edits = references.iter().map(|reference| edits(hypothesis, reference)).min().unwrap_or_default();
            let words: usize = references.iter().map(Vec::len).sum();
            TerCounts { edits, reference_length: words as f64 / references.len() as f64 }
        });
        Ok(sentences.collect())
    }

    fn of_counts(&self, counts: TerCounts, references: usize) -> TerScore {
        let TerCounts { edits, reference_length } = counts;
        let rate =
            if reference_length > 0.0 { edits as f64 / reference_length } else { f64::from(u8::from(edits > 0)) };
        TerScore { score: 100.0 * rate, counts, signature: self.signature(references) }
    }
}

impl Ter {
    /// Returns the settings as sacrebleu writes them.
    ///
    /// ```
    /// let ter = unspool_text::score::Ter { no_punct: true, ..Default::default() };
    /// assert_eq!(ter.signature(2), "nrefs:2|case:lc|tok:tercom|norm:no|punct:no|asian:no|version:2.6.0");
    /// ```
    pub fn signature(&self, references: usize) -> String {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        format!(
            "nrefs:{references}|case:{}|tok:tercom|norm:{}|punct:{}|asian:{}|version:{}",
            if self.case_sensitive { "mixed" } else { "lc" },
            yes(self.normalized),
            yes(!self.no_punct),
            yes(self.asian_support),
            super::SACREBLEU
        )
    }

    /// The words of a hypothesis and of its references as numbers; equal words have equal numbers.
    fn numbered<'a>(&self, hypothesis: &'a str, references: impl Iterator<Item = &'a str>) -> Vec<Vec<u32>> {
        let Ter { normalized, no_punct, asian_support, case_sensitive } = *self;
        let tercom = Tercom { normalized, no_punct, asian_support, case_sensitive };
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut number = |sentence: &str| {
            let sentence = tercom.apply(sentence);
            let words = split(&sentence).map(|word| {
                let next = numbers.len() as u32;
                *numbers.entry(word.to_owned()).or_insert(next)
            });
            words.collect()
        };
        std::iter::once(hypothesis).chain(references).map(&mut number).collect()
    }
}

/// The edits from a hypothesis to a reference: shifts, for as long as they help, and what remains to be replaced,
/// inserted and deleted.
fn edits(hypothesis: &[u32], reference: &[u32]) -> u64 {
    if reference.is_empty() {
        return hypothesis.len() as u64;
    }
    let mut words = hypothesis.to_vec();
    let (mut shifts, mut candidates) = (0, 0);
    loop {
        let matrix = EditMatrix::new(&words, reference);
        let best = best_shift(&matrix, &words, reference, &mut candidates);
        match best {
            Some((gain, shifted)) if gain > 0 && candidates < MOST_CANDIDATES => {
                shifts += 1;
                words = shifted;
            }
            _ => return shifts + u64::from(matrix.distance()),
        }
    }
}

/// What shifts are compared by: how much each gains, its length, and where it begins and lands, negated.
type Rank = (i64, usize, isize, isize);

/// The shift that lowers the edit distance most, and by how much. Among equals the longest run is first, then the one
/// that begins earliest, then the one that lands earliest.
fn best_shift(
    matrix: &EditMatrix<'_>,
    words: &[u32],
    reference: &[u32],
    candidates: &mut usize,
) -> Option<(i64, Vec<u32>)> {
    let before = i64::from(matrix.distance());
    let alignment = matrix.alignment();
    let mut best: Option<(Rank, Vec<u32>)> = None;
    for (start, at, length) in common_runs(words, reference) {
        let wrong = |errors: &[bool], start: usize| errors[start..start + length].contains(&true);
        let aligned = alignment.hypothesis_of[at];
        let is_within = (start as isize..(start + length) as isize).contains(&aligned);
        // Words that are right where they are, or would land where the reference is met already, stay.
        if !wrong(&alignment.hypothesis_errors, start) || !wrong(&alignment.reference_errors, at) || is_within {
            continue;
        }
        let mut tried = None;
        // Before the beginning of the reference, or after the word that each word before the run's end is aligned to.
        for place in at..=at + length {
            let target = match place.checked_sub(1) {
                None => 0,
                Some(place) => match alignment.hypothesis_of.get(place) {
                    Some(aligned) => (aligned + 1) as usize,
                    None => break,
                },
            };
            if tried.replace(target) == Some(target) {
                continue;
            }
            let shifted = shift(words, start, length, target);
            let gain = before - i64::from(matrix.distance_of(&shifted));
            let rank = (gain, length, -(start as isize), -(target as isize));
            *candidates += 1;
            if best.as_ref().is_none_or(|(best, _)| rank > *best) {
                best = Some((rank, shifted));
            }
        }
        if *candidates >= MOST_CANDIDATES {
            break;
        }
    }
    best.map(|((gain, ..), shifted)| (gain, shifted))
}

/// All runs of words that both sentences have: where they begin in each, and their length.
fn common_runs<'a>(words: &'a [u32], reference: &'a [u32]) -> impl Iterator<Item = (usize, usize, usize)> + 'a {
    (0..words.len()).flat_map(move |start| {
        let places = start.saturating_sub(FARTHEST_SHIFT)..reference.len().min(start + FARTHEST_SHIFT + 1);
        places.flat_map(move |at| {
            let pairs = words[start..].iter().zip(&reference[at..]).take(LONGEST_SHIFT);
            let length = pairs.take_while(|(word, wanted)| word == wanted).count();
            (1..=length).map(move |length| (start, at, length))
        })
    })
}

/// The words with a run of them taken out and put in before the word that stands at `target`.
fn shift(words: &[u32], start: usize, length: usize, target: usize) -> Vec<u32> {
    let end = start + length;
    let (first, run, other, last) = if target < start {
        (&words[..target], &words[start..end], &words[target..start], &words[end..])
    } else {
        // A target within the run counts from its end, as in Tercom.
        let target = if target > end { target } else { (target + length).min(words.len()) };
        (&words[..start], &words[end..target], &words[start..end], &words[target..])
    };
    [first, run, other, last].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(ter: Ter, hypothesis: &str, reference: &str) -> TerScore {
        ter.score(&[hypothesis], &[&[reference]]).unwrap()
    }

    #[test]
    fn a_shift_of_any_length_is_one_edit() {
        // The example of the paper: two words in another order, and one inserted and replaced.
        let found = score(
            Ter::default(),
            "THIS WEEK THE SAUDIS denied information published in the new york times",
            "SAUDI ARABIA denied THIS WEEK information published in the AMERICAN new york times",
        );
        assert_eq!((found.counts.edits, found.counts.reference_length), (4, 13.0));
        assert_eq!(score(Ter::default(), "c d e f a b", "a b c d e f").counts.edits, 1);
    }

    #[test]
    fn without_words_in_common_the_edits_are_the_edit_distance() {
        assert_eq!(score(Ter::default(), "a b c d e", "v w x").counts.edits, 5);
        assert_eq!(score(Ter::default(), "", "v w x").score, 100.0);
        assert_eq!(score(Ter::default(), "a b", "").score, 100.0);
        assert_eq!(score(Ter::default(), "", "").score, 0.0);
    }

    #[test]
    fn a_shift_moves_a_run_before_or_after_its_place() {
        assert_eq!(shift(&[0, 1, 2, 3, 4], 3, 2, 1), [0, 3, 4, 1, 2]);
        assert_eq!(shift(&[0, 1, 2, 3, 4], 0, 2, 4), [2, 3, 0, 1, 4]);
        assert_eq!(shift(&[0, 1, 2, 3, 4], 0, 2, 1), [2, 0, 1, 3, 4]);
        assert_eq!(shift(&[0, 1, 2, 3, 4], 3, 2, 4), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn nothing_to_score_and_different_counts_are_errors() {
        let none: [&str; 0] = [];
        assert_eq!(Ter::default().score(&none, &[&none]).unwrap_err().to_string(), "nothing to score");
        assert!(Ter::default().score(&["a"], &[&["a", "b"]]).is_err());
        assert!(Ter::default().score::<_, &str>(&["a"], &[]).is_err());
    }
}
