//! Several models that write together.

use super::{Prediction, StepFunction};
use crate::{Error, Result, log_sum_exp::log_add};

/// Averages several models' probabilities, as one step function: ln (1/M · Σ_m P_m(token)). Attention is the mean of
/// theirs, if all have it over the same source.
///
/// Each member keeps its own parameters and recording, so they may be of different kinds; their vocabularies must be
/// one.
///
/// ```
/// use ndarray::Array2;
/// use unspool_nn::{Result, decoding::{Decoding, Ensemble, Prediction, StepFunction}};
/// /// Writes one token, with this probability, else the end.
/// struct Sure(u32, f64);
/// impl StepFunction for Sure {
///     fn sentences(&self) -> usize { 1 }
///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
///         let rest = 1.0 - self.1;
///         let p = |token: usize| if token == self.0 as usize { self.1 } else if token == 0 { rest } else { 0.0 };
///         let log_probs = Array2::from_shape_fn((tokens.len(), 4), |(_, token)| p(token).ln());
///         Ok(Prediction { log_probs, attention: None })
///     }
/// }
/// let mut both = Ensemble::new(vec![Sure(1, 0.6), Sure(2, 0.9)]);
/// let written = Decoding::endless(3, 1).greedy(&mut both)?;
/// assert_eq!(written[0].tokens, [2]);
/// assert!((written[0].log_prob.exp() - 0.45).abs() < 1e-12); // (0 + 0.9) / 2
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Ensemble<S> {
    members: Vec<S>,
}

impl<S: StepFunction> Ensemble<S> {
    /// Creates an ensemble of these members; `Box<dyn StepFunction>` where they are of different types.
    pub fn new(members: Vec<S>) -> Ensemble<S> {
        Ensemble { members }
    }
}

impl<S: StepFunction> StepFunction for Ensemble<S> {
    fn sentences(&self) -> usize {
        self.members.first().map_or(0, S::sentences)
    }

    fn begin(&mut self) -> Result<()> {
        self.members.iter_mut().try_for_each(S::begin)
    }

    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        let sentences = self.sentences();
        if let Some(other) = self.members.iter().find(|m| m.sentences() != sentences) {
            let why = format!("members of an ensemble write {sentences} and {} sentences", other.sentences());
            return Err(Error::Decoding { why });
        }
        let answers = self.members.iter_mut().map(|m| m.step(parents, tokens)).collect::<Result<Vec<_>>>()?;
        let count = answers.len() as f64;
        let mut answers = answers.into_iter();
        let Some(mut sum) = answers.next() else {
            return Err(Error::Decoding { why: "an ensemble needs at least one member".into() });
        };
        if answers.len() == 0 {
            return Ok(sum); // of one member, as it is
        }
        for answer in answers {
            if answer.log_probs.dim() != sum.log_probs.dim() {
                let (a, b) = (sum.log_probs.dim(), answer.log_probs.dim());
                let why = format!("members of an ensemble answer with {a:?} and {b:?} log-probabilities");
                return Err(Error::Decoding { why });
            }
            sum.log_probs.zip_mut_with(&answer.log_probs, |a, &b| *a = log_add([*a, b]));
            sum.attention = match (sum.attention, answer.attention) {
                (Some(a), Some(b)) if a.dim() == b.dim() => Some(a + b),
                _ => None,
            };
        }
        sum.log_probs -= count.ln();
        sum.attention = sum.attention.map(|a| a / count);
        Ok(sum)
    }
}
