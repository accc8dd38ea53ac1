//! The nearest of many texts.

use crate::{Examples, Interrupted, check_at};

/// Finds the nearest of many texts, as a translation memory does: that with the greatest cosine of TF-IDF vectors
/// (Manning, Raghavan and Schütze 2008, "Introduction to Information Retrieval", section 6.4).
///
/// A feature that stands n times in a text, and in d of all N texts, weighs (1 + ln n) · (1 + ln ((1 + N) / (1 + d))).
/// The vectors have a norm of 1. An index leads from each feature to the texts that have it.
///
/// ```
/// use unspool_baselines::{Examples, TranslationMemory, features::word_ngrams};
/// let mut sources = Examples::default();
/// for text in ["Jag är trött.", "Var är katten?", "Jag vet."] {
///     sources.push(word_ngrams(text, 1..=1), 0);
/// }
/// let memory = TranslationMemory::new(&sources, &|| false)?;
/// assert_eq!(memory.nearest(&word_ngrams("Var är hunden?", 1..=1)), Some(1));
/// assert_eq!(memory.nearest(&word_ngrams("Nej!", 1..=1)), None);
/// # Ok::<(), unspool_baselines::Interrupted>(())
/// ```
#[derive(Clone, Debug)]
pub struct TranslationMemory {
    /// Where the rows of each feature start; one number more than there are features.
    starts: Vec<u32>,
    rows: Vec<u32>,
    weights: Vec<f32>,
    /// 1 + ln ((1 + N) / (1 + d)) of each feature.
    rarity: Vec<f32>,
    count: usize,
}

impl TranslationMemory {
    /// Makes the index of the rows; their labels are not looked at.
    ///
    /// # Errors
    /// [`Interrupted`] once `stop` returns true.
    pub fn new(sources: &Examples, stop: &dyn Fn() -> bool) -> Result<TranslationMemory, Interrupted> {
        let count = sources.len();
        let buckets = sources.buckets(1);
        let mut having = vec![0u32; buckets + 1];
        for row in 0..count {
            check_at(row, stop)?;
            counted(sources.features(row), buckets).iter().for_each(|(bucket, _)| having[bucket + 1] += 1);
        }
        let rarity = |having: &u32| (1.0 + ((1 + count) as f64 / f64::from(1 + having)).ln()) as f32;
        let rarity: Vec<f32> = having[1..].iter().map(rarity).collect();
        let mut starts = having;
        (0..buckets).for_each(|bucket| starts[bucket + 1] += starts[bucket]);
        let all = starts[buckets] as usize;
        let (mut rows, mut weights, mut next) = (vec![0; all], vec![0.0; all], starts.clone());
        for row in 0..count {
            check_at(row, stop)?;
            for (bucket, weight) in vector(sources.features(row), &rarity) {
                let place = next[bucket] as usize;
                (rows[place], weights[place]) = (row as u32, weight);
                next[bucket] += 1;
            }
        }
        Ok(TranslationMemory { starts, rows, weights, rarity, count })
    }

    /// Returns the row that is nearest to some features, of equally near ones the first; none where no row has one of
    /// them.
    pub fn nearest(&self, features: &[u32]) -> Option<usize> {
        let mut scores = vec![0.0f32; self.count];
        for (bucket, weight) in vector(features, &self.rarity) {
            let places = self.starts[bucket] as usize..self.starts[bucket + 1] as usize;
            for (row, stored) in self.rows[places.clone()].iter().zip(&self.weights[places]) {
                scores[*row as usize] += weight * stored;
            }
        }
        let best = crate::naive_bayes::first_of_the_greatest(&scores) as usize;
        scores.get(best).filter(|score| **score > 0.0).map(|_| best)
    }
}

/// The features of a row, each once with how often it is there, in the order of the features.
fn counted(features: &[u32], buckets: usize) -> Vec<(usize, u32)> {
    let mut buckets: Vec<usize> = features.iter().map(|feature| *feature as usize % buckets).collect();
    buckets.sort_unstable();
    buckets.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

/// The weights of a row's features, with a norm of 1.
fn vector(features: &[u32], rarity: &[f32]) -> Vec<(usize, f32)> {
    let weight = |(bucket, count): (usize, u32)| (bucket, (1.0 + (count as f32).ln()) * rarity[bucket]);
    let mut weights: Vec<(usize, f32)> = counted(features, rarity.len()).into_iter().map(weight).collect();
    let norm = weights.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt();
    weights.iter_mut().for_each(|(_, weight)| *weight /= norm);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn the_nearest_has_the_greatest_cosine(
            rows in prop::collection::vec(prop::collection::vec(0u32..12, 0..9), 1..15),
            asked in prop::collection::vec(0u32..14, 0..9),
        ) {
            let mut sources = Examples::default();
            rows.iter().for_each(|row| sources.push(row.iter().copied(), 0));
            let found = TranslationMemory::new(&sources, &|| false).unwrap().nearest(&asked);

            let dense = |row: &[u32]| -> Vec<f64> {
                let weight = |feature: u32| {
                    let count = row.iter().filter(|f| **f == feature).count() as f64;
                    let having = rows.iter().filter(|row| row.contains(&feature)).count() as f64;
                    let rarity = 1.0 + ((1.0 + rows.len() as f64) / (1.0 + having)).ln();
                    if count > 0.0 { (1.0 + count.ln()) * rarity } else { 0.0 }
                };
                let weights: Vec<f64> = (0..14).map(weight).collect();
                let norm = weights.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-30);
                weights.into_iter().map(|x| x / norm).collect()
            };
            let asked_dense = dense(&asked);
            let cosine = |row: &Vec<u32>| dense(row).iter().zip(&asked_dense).map(|(a, b)| a * b).sum::<f64>();
            let best = rows.iter().map(cosine).fold(0.0, f64::max);
            match found {
                Some(row) => prop_assert!(cosine(&rows[row]) > best - 1e-5),
                None => {
                    let known: BTreeSet<u32> = rows.concat().into_iter().collect();
                    prop_assert!(asked.iter().all(|feature| !known.contains(feature)));
                }
            }
        }
    }

    #[test]
    fn an_empty_memory_has_nothing() {
        let memory = TranslationMemory::new(&Examples::default(), &|| false).unwrap();
        assert_eq!((memory.nearest(&[1]), memory.nearest(&[])), (None, None));
    }
}
