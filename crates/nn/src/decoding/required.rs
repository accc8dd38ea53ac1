//! Words that every output must have: lexically constrained decoding by a beam whose places are shared out evenly among
//! hypotheses that have come equally far with them (Hokamp and Liu 2017; Post and Vilar 2018).

use super::Decoding;
use std::{cmp::Reverse, collections::BTreeMap};

impl Decoding {
    /// Requires sequences of tokens, such as words, in the text of each sentence, each at least once; one list per
    /// sentence. The end is forbidden before all of them are written. Only [`beam`](Decoding::beam) can do it. Where it
    /// fails, because of the greatest length or of a rule that bans a token, the hypotheses that have all of them are
    /// ranked before those that do not.
    ///
    /// ```
    /// use unspool_nn::{Result, decoding::{Beam, Decoding, Prediction, StepFunction}};
    /// /// The end, 0, or token 1, seldom 2, more seldom 3.
    /// struct Model;
    /// impl StepFunction for Model {
    ///     fn sentences(&self) -> usize { 1 }
    ///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
    ///         let p = |token: usize| [0.5f64, 0.4, 0.06, 0.04][token].ln();
    ///         let log_probs = ndarray::Array2::from_shape_fn((tokens.len(), 4), |(_, token)| p(token));
    ///         Ok(Prediction { log_probs, attention: None })
    ///     }
    /// }
    /// let rules = Decoding::new(1, 0, 6).required([vec![vec![3, 2]]]);
    /// assert_eq!(rules.beam(&mut Model, &Beam::new(2))?[0][0].tokens, [3, 2]);
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn required(mut self, sequences: impl Into<Vec<Vec<Vec<u32>>>>) -> Decoding {
        self.required = sequences.into();
        self.required.iter_mut().for_each(|sequences| sequences.retain(|sequence| !sequence.is_empty()));
        self
    }

    /// What is required of a sentence.
    pub(super) fn required_of(&self, sentence: usize) -> &[Vec<u32>] {
        self.required.get(sentence).map_or(&[], Vec::as_slice)
    }
}

/// How far a text has come with what is required of it.
pub(super) struct Progress {
    /// Tokens of required sequences that are written or begun.
    pub(super) tokens: usize,
    /// The tokens that would go on with them; none if all are written.
    pub(super) next: Vec<u32>,
}

/// How far `written` has come with the required sequences.
pub(super) fn progress(required: &[Vec<u32>], written: &[u32]) -> Progress {
    let mut progress = Progress { tokens: 0, next: vec![] };
    for sequence in required {
        if written.windows(sequence.len()).any(|window| window == sequence.as_slice()) {
            progress.tokens += sequence.len();
            continue;
        }
        let begun = (1..sequence.len()).rev().find(|begun| written.ends_with(&sequence[..*begun])).unwrap_or(0);
        progress.tokens += begun;
        if !progress.next.contains(&sequence[begun]) {
            progress.next.push(sequence[begun]);
        }
    }
    progress
}

/// Orders candidates, which stand best first, so that those which have come equally far take turns: the best of each
/// group, then the second of each, and those that have come farthest first.
pub(super) fn in_turn<C: Copy>(candidates: Vec<C>, tokens: impl Fn(&C) -> usize) -> Vec<C> {
    let mut groups: BTreeMap<Reverse<usize>, Vec<C>> = BTreeMap::new();
    for candidate in candidates {
        groups.entry(Reverse(tokens(&candidate))).or_default().push(candidate);
    }
    let longest = groups.values().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|place| groups.values().filter_map(move |group| group.get(place).copied())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_met_begun_or_still_to_come() {
        let of = |required: &[Vec<u32>], written: &[u32]| {
            let found = progress(required, written);
            (found.tokens, found.next)
        };
        let required = [vec![1, 2], vec![3]];
        assert_eq!(of(&required, &[]), (0, vec![1, 3]));
        assert_eq!(of(&required, &[3, 1]), (2, vec![2]));
        assert_eq!(of(&required, &[3, 1, 9]), (1, vec![1]));
        assert_eq!(of(&required, &[1, 2, 3]), (3, vec![]));
        // Half of a sequence that repeats itself is begun anew.
        assert_eq!(of(&[vec![1, 1, 2]], &[1, 1, 1]), (2, vec![2]));
    }

    #[test]
    fn groups_take_turns_and_the_farthest_is_first() {
        assert_eq!(in_turn(vec![10, 11, 30, 12, 20, 31], |c| c / 10), [30, 20, 10, 31, 11, 12]);
    }
}
