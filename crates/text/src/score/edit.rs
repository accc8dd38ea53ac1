//! Edit distance (Levenshtein 1965) and the error rates made of it.

use std::ops::AddAssign;

use super::check_counts;
use crate::error::Error;

/// Counts the fewest edits that turn a hypothesis into its reference.
///
/// ```
/// use unspool_text::score::Edits;
/// let mut corpus = Edits::default();
/// for (said, meant) in [("turn the light of", "turn the light off"), ("stop", "please stop")] {
///     let words = |text: &'static str| text.split(' ').collect::<Vec<_>>();
///     corpus += &Edits::between(&words(said), &words(meant));
/// }
/// assert_eq!((corpus.substitutions, corpus.deletions, corpus.reference_length), (1, 1, 6));
/// assert_eq!(corpus.rate(), 2.0 / 6.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edits {
    /// Tokens replaced.
    pub substitutions: u64,
    /// Tokens of the hypothesis that are too many.
    pub insertions: u64,
    /// Tokens of the reference that are missing.
    pub deletions: u64,
    /// Tokens of the reference.
    pub reference_length: u64,
}

impl Edits {
    /// Counts the edits between two sequences. Among equally few edits it takes those with the fewest insertions and
    /// deletions.
    ///
    /// ```
    /// use unspool_text::score::Edits;
    ///
    /// let edits = Edits::between(b"sitting", b"kitten");
    /// assert_eq!((edits.substitutions, edits.insertions, edits.deletions), (2, 1, 0));
    /// assert_eq!(edits.total(), 3);
    /// ```
    pub fn between<T: PartialEq>(hypothesis: &[T], reference: &[T]) -> Edits {
        // A row of the table at a time: memory grows with one sequence, not with both.
        let mut row: Vec<Edits> =
            (0..=reference.len() as u64).map(|deletions| Edits { deletions, ..Default::default() }).collect();
        for (insertions, token) in (1..).zip(hypothesis) {
            let mut diagonal = row[0];
            row[0] = Edits { insertions, ..Default::default() };
            for (place, wanted) in (1..).zip(reference) {
                let (above, left) = (row[place], row[place - 1]);
                let replaced = diagonal.substitutions + u64::from(token != wanted);
                let replaced = Edits { substitutions: replaced, ..diagonal };
                let inserted = Edits { insertions: above.insertions + 1, ..above };
                let deleted = Edits { deletions: left.deletions + 1, ..left };
                let cost = |edits: &Edits| (edits.total(), edits.insertions);
                row[place] = [replaced, inserted, deleted].into_iter().min_by_key(cost).unwrap_or(replaced);
                diagonal = above;
            }
        }
        let edits = row.last().copied().unwrap_or_default();
        Edits { reference_length: reference.len() as u64, ..edits }
    }

    /// Returns substitutions, insertions and deletions together: the distance.
    pub fn total(&self) -> u64 {
        self.substitutions + self.insertions + self.deletions
    }

    /// Returns the edits per token of the reference; more than 1 if much was inserted, 0 for nothing against nothing.
    pub fn rate(&self) -> f64 {
        match (self.total(), self.reference_length) {
            (0, _) => 0.0,
            (total, 0) => total as f64,
            (total, length) => total as f64 / length as f64,
        }
    }
}

impl AddAssign<&Edits> for Edits {
    fn add_assign(&mut self, other: &Edits) {
        self.substitutions += other.substitutions;
        self.insertions += other.insertions;
        self.deletions += other.deletions;
        self.reference_length += other.reference_length;
    }
}

/// Returns the token error rate of a corpus: all edits / all tokens of the references. Over words it is the word error
/// rate, over characters the character error rate.
///
/// ```
/// let edits = unspool_text::score::token_error_rate(&["abc".as_bytes(), b"x"], &["abd".as_bytes(), b"xy"])?;
/// assert_eq!(edits.rate(), 2.0 / 5.0);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::NothingToScore`]; [`Error::Count`] when there is not one reference per hypothesis.
pub fn token_error_rate<T: PartialEq, S: AsRef<[T]>>(hypotheses: &[S], references: &[S]) -> Result<Edits, Error> {
    check_counts(hypotheses.len(), [references.len()])?;
    let mut sum = Edits::default();
    for (hypothesis, reference) in hypotheses.iter().zip(references) {
        sum += &Edits::between(hypothesis.as_ref(), reference.as_ref());
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, by recursion.
    fn distance(a: &[u8], b: &[u8]) -> u64 {
        match (a, b) {
            ([], rest) | (rest, []) => rest.len() as u64,
            ([x, a @ ..], [y, b @ ..]) if x == y => distance(a, b),
            ([_, a1 @ ..], [_, b1 @ ..]) => 1 + distance(a1, b1).min(distance(a1, b)).min(distance(a, b1)),
        }
    }

    /// The fewest edits, and of those as few the fewest insertions, by recursion.
    fn fewest(a: &[u8], b: &[u8]) -> (u64, u64) {
        match (a, b) {
            ([], rest) => (rest.len() as u64, 0),
            (rest, []) => (rest.len() as u64, rest.len() as u64),
            ([x, a1 @ ..], [y, b1 @ ..]) => {
                let more = |(total, insertions): (u64, u64), edit, insertion| (total + edit, insertions + insertion);
                let replaced = more(fewest(a1, b1), u64::from(x != y), 0);
                replaced.min(more(fewest(a1, b), 1, 1)).min(more(fewest(a, b1), 1, 0))
            }
        }
    }

    proptest! {
        #[test]
        fn of_edits_as_few_there_are_the_fewest_insertions_and_deletions(
            a in prop::collection::vec(0u8..3, 0..6), b in prop::collection::vec(0u8..3, 0..6),
        ) {
            let edits = Edits::between(&a, &b);
            prop_assert_eq!((edits.total(), edits.insertions), fewest(&a, &b));
        }

        #[test]
        fn the_distance_is_that_of_its_definition(
            a in prop::collection::vec(0u8..3, 0..7), b in prop::collection::vec(0u8..3, 0..7),
        ) {
            let edits = Edits::between(&a, &b);
            prop_assert_eq!(edits.total(), distance(&a, &b));
            // Insertions and deletions must make up for the lengths.
            prop_assert_eq!(a.len() as i64 - b.len() as i64, edits.insertions as i64 - edits.deletions as i64);
            prop_assert_eq!(edits.total(), Edits::between(&b, &a).total());
        }
    }

    #[test]
    fn a_corpus_has_the_edits_of_its_sentences_over_the_tokens_of_its_references() {
        // kitten → sitting: two substitutions and a deletion; in an empty hypothesis 3 of 3 are missing; and one too
        // many.
        let hypotheses = ["kitten".as_bytes(), b"", b"ab"];
        let references = ["sitting".as_bytes(), b"abc", b"b"];
        let edits = token_error_rate(&hypotheses, &references).unwrap();
        assert_eq!((edits.substitutions, edits.insertions, edits.deletions), (2, 1, 4));
        assert_eq!((edits.total(), edits.reference_length, edits.rate()), (7, 11, 7.0 / 11.0));
        assert!(token_error_rate(&hypotheses, &references[..2]).is_err());
    }

    #[test]
    fn against_an_empty_reference_all_is_inserted() {
        assert_eq!(Edits::between(b"ab", b"").rate(), 2.0);
        assert_eq!(Edits::between(b"", b"").rate(), 0.0);
        assert_eq!(Edits::between(b"", b"ab").deletions, 2);
    }
}
