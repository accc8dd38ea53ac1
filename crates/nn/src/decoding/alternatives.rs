//! Alternatives at a place: the likeliest tokens after a prefix, each with its continuation.

use super::{Decoding, Hypothesis, StepFunction};
use crate::{Error, Result};

impl Decoding {
    /// Returns for each sentence the `count` likeliest tokens after its [prefix](Decoding::prefixes), or at its
    /// beginning, each continued greedily: the likeliest token first, and fewer where fewer are allowed. With it a user
    /// can change a word of an output and have the rest written anew.
    ///
    /// ```
    /// use unspool_nn::{Result, decoding::{Decoding, Prediction, StepFunction}};
    /// /// Token 1 (0.6) or 2 (0.4); after 2 always the end, 0.
    /// struct Model;
    /// impl StepFunction for Model {
    ///     fn sentences(&self) -> usize { 1 }
    ///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
    ///         let p = |row: usize| if tokens[row] == 2 { [1.0f64, 0.0, 0.0] } else { [0.0, 0.6, 0.4] };
    ///         let log_probs = ndarray::Array2::from_shape_fn((tokens.len(), 3), |(row, token)| p(row)[token].ln());
    ///         Ok(Prediction { log_probs, attention: None })
    ///     }
    /// }
    /// let found = Decoding::new(3, 0, 4).prefixes([vec![1]]).alternatives(&mut Model, 5)?;
    /// let texts: Vec<&[u32]> = found[0].iter().map(|hypothesis| &hypothesis.tokens[..]).collect();
    /// assert_eq!(texts, [&[1, 1, 1, 1][..], &[1, 2][..]]);
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`greedy`](Decoding::greedy); and for a count of 0.
    pub fn alternatives(&self, model: &mut impl StepFunction, count: usize) -> Result<Vec<Vec<Hypothesis>>> {
        if count == 0 {
            return Err(Error::Decoding { why: "0 alternatives: ask for 1 or more".into() });
        }
        let sentences = model.sentences();
        let prefix = |sentence: usize| self.prefixes.get(sentence).map_or(&[][..], Vec::as_slice);
        let mut next: Vec<Vec<u32>> = vec![vec![]; sentences];
        self.one_by_one(model, |sentence, written, log_probs| {
            let forced = prefix(sentence).get(written).copied();
            if forced.is_none() {
                next[sentence] = likeliest(log_probs, count);
            }
            // After the prefix the sentence stops as it is.
            Ok(forced)
        })?;
        let most = next.iter().map(Vec::len).max().unwrap_or(0);
        let mut found: Vec<Vec<Hypothesis>> = vec![vec![]; sentences];
        for rank in 0..most {
            let prefixes: Vec<Vec<u32>> = (0..sentences)
                .map(|sentence| prefix(sentence).iter().chain(next[sentence].get(rank)).copied().collect())
                .collect();
            for (sentence, hypothesis) in self.clone().prefixes(prefixes).greedy(model)?.into_iter().enumerate() {
                if rank < next[sentence].len() {
                    found[sentence].push(hypothesis);
                }
            }
        }
        Ok(found)
    }
}

/// The `count` likeliest tokens, the smaller of equals first, of those that are possible.
fn likeliest(log_probs: &[f64], count: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..log_probs.len() as u32).collect();
    order.retain(|&id| log_probs[id as usize] > f64::NEG_INFINITY);
    order.sort_by(|&a, &b| log_probs[b as usize].total_cmp(&log_probs[a as usize]));
    order.truncate(count);
    order
}
