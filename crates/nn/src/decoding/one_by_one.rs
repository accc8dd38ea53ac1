//! One token after another, each chosen once: greedily, at random, or as a given target says.

use super::{Decoding, Hypothesis, StepFunction};
use crate::{Error, Result};
use ndarray::{Array2, ArrayView1};
use unspool_graph::RngKey;

/// Holds the settings for drawing tokens at random: from the softmax of log-probability over `temperature`, among the
/// `top_k` likeliest, among the fewest likeliest that together have `top_p` (nucleus sampling, Holtzman and others
/// 2020), in this order.
///
/// A draw is a function of the seed, the sentence and the place in it: the same seed gives the same text.
///
/// ```
/// use ndarray::Array2;
/// use unspool_nn::{Result, decoding::{Decoding, Prediction, Sampling, StepFunction}};
/// /// Token 1 more likely than 2, and 2 than 3.
/// struct Model;
/// impl StepFunction for Model {
///     fn sentences(&self) -> usize { 1 }
///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
///         let p = |k: usize| [0.0f64, 0.6, 0.3, 0.1][k].ln();
///         Ok(Prediction { log_probs: Array2::from_shape_fn((tokens.len(), 4), |(_, k)| p(k)), attention: None })
///     }
/// }
/// let write = |sampling: Sampling| -> Result<Vec<u32>> {
///     Ok(Decoding::endless(0, 50).sample(&mut Model, &sampling)?[0].tokens.clone())
/// };
/// assert_eq!(write(Sampling::new(7))?, write(Sampling::new(7))?); // the same seed, the same text
/// assert!(!write(Sampling::new(7).top_k(2))?.contains(&3));
/// assert!(!write(Sampling::new(7).top_p(0.5))?.contains(&2));
/// assert!(write(Sampling::new(7).temperature(0.01))?.iter().all(|&token| token == 1));    // almost greedy
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sampling {
    seed: u64,
    temperature: f64,
    top_k: usize,
    top_p: f64,
}

impl Sampling {
    /// Draws from the model's own probabilities.
    pub fn new(seed: u64) -> Sampling {
        Sampling { seed, temperature: 1.0, top_k: usize::MAX, top_p: 1.0 }
    }
    /// Sets the temperature, which is positive: below 1 likely tokens become likelier, above 1 less likely.
    pub fn temperature(mut self, temperature: f64) -> Sampling {
        self.temperature = temperature;
        self
    }
    /// Draws only among this many of the likeliest tokens; 1 is greedy.
    pub fn top_k(mut self, tokens: usize) -> Sampling {
        self.top_k = tokens;
        self
    }
    /// Draws only among the fewest likeliest tokens whose probabilities sum to this share, in (0, 1].
    pub fn top_p(mut self, share: f64) -> Sampling {
        self.top_p = share;
        self
    }

    fn check(&self) -> Result<()> {
        let Sampling { temperature, top_k, top_p, .. } = *self;
        let why = if !(temperature > 0.0 && temperature.is_finite()) {
            format!("temperature {temperature}: it must be positive; greedy decoding takes the likeliest token")
        } else if top_k == 0 {
            "top_k 0: it must be at least 1".to_owned()
        } else if !(top_p > 0.0 && top_p <= 1.0) {
            format!("top_p {top_p}: it must be above 0 and at most 1")
        } else {
            return Ok(());
        };
        Err(Error::Decoding { why })
    }

    /// The token that `uniform` in [0, 1) picks; `None` if none is allowed.
    fn pick(&self, log_probs: &[f64], uniform: f64) -> Option<u32> {
        let mut order: Vec<u32> =
            (0..log_probs.len() as u32).filter(|&id| log_probs[id as usize] > f64::NEG_INFINITY).collect();
        // The sort is stable: of equals the smaller id stands first, as in `greedy`.
        order.sort_by(|&a, &b| log_probs[b as usize].total_cmp(&log_probs[a as usize]));
        order.truncate(self.top_k);
        let top = log_probs[*order.first()? as usize];
        let weights: Vec<f64> =
            order.iter().map(|&id| ((log_probs[id as usize] - top) / self.temperature).exp()).collect();
        let mass = weights.iter().sum::<f64>() * self.top_p;
        let reached = weights.iter().scan(0.0, |sum, w| {
            *sum += w;
            Some(*sum)
        });
        let count = 1 + reached.take_while(|&sum| sum < mass).count();
        let weights = &weights[..count.min(weights.len())];
        let mut left = uniform * weights.iter().sum::<f64>();
        let place = weights.iter().position(|&w| {
            left -= w;
            left < 0.0
        });
        Some(order[place.unwrap_or(weights.len() - 1)])
    }
}

/// The greatest element's index, the first of equals; `None` where all are −∞.
fn likeliest(log_probs: &[f64]) -> Option<u32> {
    let mut best = (f64::NEG_INFINITY, None);
    for (id, &x) in log_probs.iter().enumerate() {
        if x > best.0 {
            best = (x, Some(id as u32));
        }
    }
    best.1
}

impl Decoding {
    /// Writes the likeliest token at each step and feeds it back: one hypothesis per sentence.
    ///
    /// # Errors
    /// The model's, or [`Error::Decoding`] where the rules do not fit the sentences or a log-probability is not a
    /// number.
    pub fn greedy(&self, model: &mut impl StepFunction) -> Result<Vec<Hypothesis>> {
        self.one_by_one(model, |_, _, log_probs| Ok(likeliest(log_probs)))
    }

    /// Draws a token at random at each step and feeds it back: one hypothesis per sentence. Its log-probabilities are
    /// the model's own.
    ///
    /// # Errors
    /// As [`greedy`](Decoding::greedy), and for settings out of range.
    pub fn sample(&self, model: &mut impl StepFunction, sampling: &Sampling) -> Result<Vec<Hypothesis>> {
        sampling.check()?;
        let key = RngKey::seed(sampling.seed).fold_in_str("sampling");
        self.one_by_one(model, |sentence, written, log_probs| {
            Ok(sampling.pick(log_probs, key.fold_in(sentence as u64).uniform(written as u64)))
        })
    }

    /// Scores given targets, one per sentence, and the end after each: their log-probabilities and attention. Of the
    /// rules only `begin` and `end` count. A target that the model considers impossible has log-probability −∞.
    ///
    /// # Errors
    /// As [`greedy`](Decoding::greedy); a target for each sentence is needed, of tokens in the vocabulary.
    pub fn score(&self, model: &mut impl StepFunction, targets: &[Vec<u32>]) -> Result<Vec<Hypothesis>> {
        if targets.len() != model.sentences() {
            let why = format!("{} targets for {} sentences", targets.len(), model.sentences());
            return Err(Error::Decoding { why });
        }
        let lengths: Vec<usize> = targets.iter().map(|t| t.len() + usize::from(self.end.is_some())).collect();
        let free = Decoding { end: self.end, ..Decoding::endless(self.begin, 0) }.max_lengths(lengths);
        free.one_by_one(model, |sentence, written, log_probs| {
            let token = targets[sentence].get(written).copied().or(self.end);
            match token {
                Some(id) if id as usize >= log_probs.len() => {
                    let why = format!("token {id} is not among the vocabulary's {}", log_probs.len());
                    Err(Error::Decoding { why })
                }
                token => Ok(token),
            }
        })
    }

    pub(super) fn one_by_one(
        &self,
        model: &mut impl StepFunction,
        mut choose: impl FnMut(usize, usize, &[f64]) -> Result<Option<u32>>,
    ) -> Result<Vec<Hypothesis>> {
        let sentences = model.sentences();
        if self.required.iter().any(|sequences| !sequences.is_empty()) {
            return Err(Error::Decoding { why: "required sequences are only written by a beam".into() });
        }
        self.start(model)?;
        let mut found = vec![Growing::default(); sentences];
        let mut running: Vec<usize> = (0..sentences).filter(|&s| self.max_length_of(s) > 0).collect();
        let mut parents: Vec<u32> = running.iter().map(|&s| s as u32).collect();
        let mut tokens = vec![self.begin; running.len()];
        let mut written = 0;
        while !running.is_empty() {
            let mut prediction = self.ask(model, &parents, &tokens)?;
            let rows = running;
            (running, parents, tokens) = (vec![], vec![], vec![]);
            for (row, &sentence) in rows.iter().enumerate() {
                let mut log_probs = prediction.log_probs.row_mut(row);
                let Some(log_probs) = log_probs.as_slice_mut() else { continue };
                self.restrict(sentence, written, || found[sentence].tokens.clone(), log_probs)?;
                // Where nothing is allowed the sentence stops as it is.
                let Some(token) = choose(sentence, written, log_probs)? else { continue };
                let attention = prediction.attention.as_ref().map(|a| a.row(row));
                let growing = &mut found[sentence];
                growing.add(log_probs[token as usize], attention);
                if Some(token) == self.end {
                    growing.ended = true;
                    continue;
                }
                growing.tokens.push(token);
                if written + 1 < self.max_length_of(sentence) {
                    running.push(sentence);
                    parents.push(row as u32);
                    tokens.push(token);
                }
            }
            written += 1;
        }
        Ok(found.into_iter().map(Growing::finish).collect())
    }
}

/// A hypothesis while it is written.
#[derive(Clone, Default)]
struct Growing {
    tokens: Vec<u32>,
    ended: bool,
    log_probs: Vec<f64>,
    attention: Vec<f64>,
    source: Option<usize>,
}

impl Growing {
    fn add(&mut self, log_prob: f64, attention: Option<ArrayView1<'_, f64>>) {
        self.log_probs.push(log_prob);
        if let Some(attention) = attention {
            self.source = Some(attention.len());
            self.attention.extend(attention);
        }
    }
    fn finish(self) -> Hypothesis {
        let log_prob = self.log_probs.iter().sum();
        let shape = self.source.map(|source| (self.log_probs.len(), source));
        let attention = shape.and_then(|shape| Array2::from_shape_vec(shape, self.attention).ok());
        let Growing { tokens, ended, log_probs, .. } = self;
        Hypothesis { tokens, ended, log_probs, log_prob, score: log_prob, attention }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_one_picks_a_token_and_a_border_belongs_to_the_second() {
        let sampling = Sampling::new(0);
        let halves = [0.5f64.ln(); 2];
        for (uniform, token) in [(0.0, 0), (0.5f64.next_down(), 0), (0.5, 1), (1.0f64.next_down(), 1)] {
            assert_eq!(sampling.pick(&halves, uniform), Some(token), "{uniform}");
        }
        // Rounding may leave something of the greatest number when all weights are taken off: the last token has it.
        for seed in 0..1000 {
            let log_probs: Vec<f64> = (0..7).map(|token| RngKey::seed(seed).normal(token)).collect();
            let least = (0..7).min_by(|&a, &b| log_probs[a].total_cmp(&log_probs[b]));
            assert_eq!(sampling.pick(&log_probs, 1.0f64.next_down()), least.map(|token| token as u32));
        }
    }
}
