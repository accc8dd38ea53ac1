//! Which of several candidates is best on average, whichever of them is right (Kumar and Byrne 2004; Eikema and Aziz
//! 2020).

use std::collections::BTreeMap;

use super::{Bleu, Chrf, CorpusMetric};
use crate::error::Error;
use crate::named::named;

/// Names a score of one text against another that [`expected_utility`] averages.
///
/// ```
/// use unspool_text::score::Utility;
/// let chrf: Utility = "chrf".parse()?;
/// assert_eq!(chrf.of("the cat", "the cat")?, 100.0);
/// assert!(chrf.of("the cat", "the dog")? > chrf.of("the cat", "a dog")?);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Utility {
    /// chrF2 of the sentence.
    Chrf,
    /// BLEU of the sentence, with effective order.
    Bleu,
}

named! { Utility, "the utility", "chrf" => Chrf, "bleu" => Bleu }

impl Utility {
    /// Returns the score of a text, from 0 to 100, where another is right.
    ///
    /// # Errors
    /// Those of the score.
    pub fn of(self, text: &str, right: &str) -> Result<f64, Error> {
        match self {
            Utility::Chrf => Ok(Chrf::default().score(&[text], &[&[right]])?.score),
            Utility::Bleu => {
                let bleu = Bleu { effective_order: true, ..Bleu::default() };
                Ok(bleu.score(&[text], &[&[right]])?.score)
            }
        }
    }
}

/// Returns the expected utility of each candidate, Σ_r p(r) · u(candidate, r) over all candidates r: the one with the
/// greatest is the choice of least Bayes risk. `weights` are probabilities up to a factor, such as 1 for each of some
/// samples.
///
/// Equal candidates are compared only once: n candidates, m of them different, take m² comparisons.
///
/// ```
/// use unspool_text::score::{Utility, expected_utility};
/// // Each of them is another text, but the second is like both others.
/// let texts = ["a cat sat there", "the cat sat there", "the cat sat down"];
/// let found = expected_utility(&texts, &[1.0; 3], Utility::Chrf)?;
/// assert!(found[1] > found[0] && found[1] > found[2]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::NothingToScore`] for no candidates; [`Error::Count`] when there is not one weight per candidate;
/// [`Error::Option`] for weights that are negative, not finite, or all 0.
pub fn expected_utility<S: AsRef<str>>(candidates: &[S], weights: &[f64], utility: Utility) -> Result<Vec<f64>, Error> {
    if candidates.is_empty() {
        return Err(Error::NothingToScore);
    }
    if weights.len() != candidates.len() {
        return Err(Error::Count { what: "weights", found: weights.len(), expected: candidates.len() });
    }
    let total: f64 = weights.iter().sum();
    if weights.iter().any(|weight| weight.is_nan() || *weight < 0.0) || !(total.is_finite() && total > 0.0) {
        let found = format!("{weights:?}");
        return Err(Error::Option {
            option: "the weights",
            found,
            expected: "0 or positive, with a finite positive sum",
        });
    }
    let mut different: BTreeMap<&str, f64> = BTreeMap::new();
    for (candidate, weight) in candidates.iter().zip(weights) {
        *different.entry(candidate.as_ref()).or_default() += weight / total;
    }
    let mut utilities: BTreeMap<&str, f64> = BTreeMap::new();
    for text in different.keys() {
        let mut sum = 0.0;
        for (right, weight) in &different {
            sum += weight * utility.of(text, right)?;
        }
        utilities.insert(text, sum);
    }
    Ok(candidates.iter().map(|candidate| utilities[candidate.as_ref()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expected_utility_is_the_weighted_mean_over_all_candidates() {
        let texts = ["a b c d", "a b c x", "a b c d", "q"];
        let weights = [1.0, 3.0, 2.0, 2.0];
        for utility in [Utility::Chrf, Utility::Bleu] {
            let found = expected_utility(&texts, &weights, utility).unwrap();
            for (text, found) in texts.iter().zip(&found) {
                let each = texts.iter().zip(weights).map(|(right, weight)| weight * utility.of(text, right).unwrap());
                assert!((each.sum::<f64>() / 8.0 - found).abs() < 1e-9);
            }
            assert_eq!(found[0], found[2]);
        }
    }

    #[test]
    fn one_candidate_has_its_own_utility_and_wrong_weights_are_errors() {
        assert_eq!(expected_utility(&["a b"], &[0.2], Utility::Chrf).unwrap(), [100.0]);
        assert_eq!(expected_utility(&["", "a"], &[1.0, 1.0], Utility::Bleu).unwrap()[0], 0.0);
        for weights in [&[1.0][..], &[0.0, 0.0], &[-1.0, 2.0], &[f64::NAN, 1.0], &[f64::INFINITY, 1.0]] {
            assert!(expected_utility(&["a", "b"], weights, Utility::Chrf).is_err(), "{weights:?}");
        }
        assert!(expected_utility::<&str>(&[], &[], Utility::Chrf).is_err());
    }
}
