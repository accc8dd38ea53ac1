//! A step function that is nothing but a table, of which all sequences can be listed.

use crate::{BEGIN, END};
use ndarray::Array2;
use proptest::prelude::*;
use unspool_graph::RngKey;
use unspool_nn::{
    Result,
    decoding::{Hypothesis, LengthPenalty, Prediction, StepFunction},
};

/// Any distribution over sequences: the log-probabilities after a history are drawn from it. Attention says the row's
/// sentence and time.
pub(crate) struct Tree {
    seed: u64,
    vocabulary: usize,
    rows: Vec<(usize, Vec<u32>)>,
    sentences: usize,
    /// Rows of each step.
    pub(crate) asked: Vec<usize>,
}

impl Tree {
    pub(crate) fn new(seed: u64, vocabulary: usize, sentences: usize) -> Tree {
        Tree { seed, vocabulary, rows: (0..sentences).map(|s| (s, vec![])).collect(), sentences, asked: vec![] }
    }
    pub(crate) fn log_probs(&self, sentence: usize, history: &[u32]) -> Vec<f64> {
        let key = RngKey::seed(self.seed).fold_in(sentence as u64);
        let key = history.iter().fold(key, |key, &token| key.fold_in(u64::from(token)));
        let logits: Vec<f64> = (0..self.vocabulary as u64).map(|i| 2.0 * key.normal(i)).collect();
        let total = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
        logits.iter().map(|x| x - total).collect()
    }
    /// All that can be written within `limit` predictions: tokens, whether ended, log-probability.
    pub(crate) fn all(&self, sentence: usize, limit: usize) -> Vec<(Vec<u32>, bool, f64)> {
        let (mut open, mut found) = (vec![(vec![], 0.0)], vec![]);
        for written in 1..=limit {
            for (history, total) in std::mem::take(&mut open) {
                let mut full = vec![BEGIN];
                full.extend(&history);
                for (token, x) in self.log_probs(sentence, &full).into_iter().enumerate() {
                    let mut next: Vec<u32> = history.clone();
                    match token as u32 {
                        END => found.push((next, true, total + x)),
                        token => {
                            next.push(token);
                            if written == limit {
                                found.push((next, false, total + x))
                            } else {
                                open.push((next, total + x))
                            }
                        }
                    }
                }
            }
        }
        found
    }
}

impl StepFunction for Tree {
    fn sentences(&self) -> usize {
        self.sentences
    }
    fn begin(&mut self) -> Result<()> {
        self.rows = (0..self.sentences).map(|s| (s, vec![])).collect();
        Ok(())
    }
    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        let next = |(&p, &token): (&u32, &u32)| {
            let (sentence, mut history) = self.rows[p as usize].clone();
            history.push(token);
            (sentence, history)
        };
        self.rows = parents.iter().zip(tokens).map(next).collect();
        self.asked.push(self.rows.len());
        let rows: Vec<Vec<f64>> = self.rows.iter().map(|(s, history)| self.log_probs(*s, history)).collect();
        let log_probs = Array2::from_shape_fn((rows.len(), self.vocabulary), |(i, j)| rows[i][j]);
        let looked = |(i, j): (usize, usize)| if j == 0 { self.rows[i].0 as f64 } else { self.rows[i].1.len() as f64 };
        Ok(Prediction { log_probs, attention: Some(Array2::from_shape_fn((rows.len(), 2), looked)) })
    }
}

/// What every hypothesis has to be, whoever wrote it.
pub(crate) fn is_sound(h: &Hypothesis, sentence: usize) {
    assert_eq!(h.log_probs.len(), h.tokens.len() + usize::from(h.ended));
    assert!((h.log_probs.iter().sum::<f64>() - h.log_prob).abs() < 1e-9);
    let attention = h.attention.as_ref().unwrap();
    assert_eq!(attention.dim(), (h.log_probs.len(), 2));
    for (t, row) in attention.rows().into_iter().enumerate() {
        assert_eq!((row[0], row[1]), (sentence as f64, t as f64 + 1.0));
    }
}

pub(crate) fn penalties() -> impl Strategy<Value = LengthPenalty> {
    prop_oneof![Just(LengthPenalty::None), Just(LengthPenalty::Average), (0.0..1.0f64).prop_map(LengthPenalty::Gnmt)]
}

pub(crate) fn penalised(penalty: LengthPenalty, log_prob: f64, length: usize) -> f64 {
    match penalty {
        LengthPenalty::None => log_prob,
        LengthPenalty::Average => log_prob / length as f64,
        LengthPenalty::Gnmt(alpha) => log_prob / ((5.0 + length as f64) / 6.0).powf(alpha),
    }
}
