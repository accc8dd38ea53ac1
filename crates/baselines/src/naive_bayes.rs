//! Multinomial naive Bayes on sparse features.

use crate::{Examples, Interrupted, check_at};

/// Classifies by multinomial naive Bayes (Manning, Raghavan and Schütze 2008, "Introduction to Information Retrieval",
/// section 13.2): log p(class | x) = log p(class) + Σ_features x_feature · log p(feature | class) + constant, where
/// p(feature | class) = (count(feature, class) + α) / (Σ_features count(feature, class) + α · number of features).
///
/// ```
/// use unspool_baselines::{Examples, NaiveBayes};
/// let mut train = Examples::default();
/// train.push([1, 1, 2], 0);
/// train.push([2, 3], 1);
/// let model = NaiveBayes::fit(&train, 2, &|| false)?;
/// // With α = 1, three features, and priors of a half: log 1/2 + log (2 + 1) / (3 + 3) for the first class.
/// let scores = model.log_scores(&[1], 1.0);
/// assert!((scores[0] - (0.5f64 * 3.0 / 6.0).ln()).abs() < 1e-12);
/// assert!((scores[1] - (0.5f64 * 1.0 / 5.0).ln()).abs() < 1e-12);
/// assert_eq!(model.predict(&[3], 1.0), 1);
/// # Ok::<(), unspool_baselines::Interrupted>(())
/// ```
#[derive(Clone, Debug)]
pub struct NaiveBayes {
    classes: usize,
    mask: u32,
    /// `[feature, class]`
    counts: Vec<u32>,
    /// Of all features of a class.
    totals: Vec<u64>,
    /// Rows of each class.
    rows: Vec<u64>,
    /// How many features the train part has.
    features: usize,
}

impl NaiveBayes {
    /// Counts the features of each class.
    ///
    /// # Errors
    /// [`Interrupted`] once `stop` returns true.
    pub fn fit(train: &Examples, classes: usize, stop: &dyn Fn() -> bool) -> Result<NaiveBayes, Interrupted> {
        let classes = classes.max(1);
        let buckets = train.buckets(classes);
        let (mut counts, mut totals, mut rows) = (vec![0u32; buckets * classes], vec![0; classes], vec![0; classes]);
        let mask = (buckets - 1) as u32;
        for row in 0..train.len() {
            check_at(row, stop)?;
            let class = train.label(row) as usize;
            if class >= classes {
                continue;
            }
            rows[class] += 1;
            totals[class] += train.features(row).len() as u64;
            for &feature in train.features(row) {
                let count = &mut counts[(feature & mask) as usize * classes + class];
                *count = count.saturating_add(1);
            }
        }
        let features = counts.chunks_exact(classes).filter(|counts| counts.iter().any(|count| *count > 0)).count();
        Ok(NaiveBayes { classes, mask, counts, totals, rows, features })
    }

    /// Returns log p(class) + Σ log p(feature | class) of each class, with a smoothing of `alpha`. Features that the
    /// train part does not have count for no class.
    pub fn log_scores(&self, features: &[u32], alpha: f64) -> Vec<f64> {
        let all: u64 = self.rows.iter().sum();
        // A class without rows is never the likeliest.
        let prior = |class: usize| (self.rows[class] as f64).ln() - (all.max(1) as f64).ln();
        let mut scores: Vec<f64> = (0..self.classes).map(prior).collect();
        let denominators: Vec<f64> =
            self.totals.iter().map(|total| (*total as f64 + alpha * self.features as f64).ln()).collect();
        for &feature in features {
            let from = (feature & self.mask) as usize * self.classes;
            let counts = &self.counts[from..from + self.classes];
            if counts.iter().all(|count| *count == 0) {
                continue;
            }
            for ((score, count), denominator) in scores.iter_mut().zip(counts).zip(&denominators) {
                *score += (f64::from(*count) + alpha).ln() - denominator;
            }
        }
        scores
    }

    /// Returns the likeliest class of a row of features; of equally likely ones the first.
    pub fn predict(&self, features: &[u32], alpha: f64) -> u32 {
        first_of_the_greatest(&self.log_scores(features, alpha))
    }

    /// Returns the likeliest class of each row.
    ///
    /// # Errors
    /// [`Interrupted`] once `stop` returns true.
    pub fn predict_all(&self, rows: &Examples, alpha: f64, stop: &dyn Fn() -> bool) -> Result<Vec<u32>, Interrupted> {
        let predict = |row: usize| {
            check_at(row, stop)?;
            Ok(self.predict(rows.features(row), alpha))
        };
        (0..rows.len()).map(predict).collect()
    }
}

/// The place of the greatest number, of equal ones the first; 0 where there is none.
pub(crate) fn first_of_the_greatest<N: PartialOrd + Copy>(numbers: &[N]) -> u32 {
    let mut best = 0;
    for (place, number) in numbers.iter().enumerate() {
        if *number > numbers[best] {
            best = place;
        }
    }
    best as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn odd_data_is_no_panic() {
        let mut rows = Examples::default();
        let model = NaiveBayes::fit(&rows, 0, &|| false).unwrap();
        assert_eq!(model.predict(&[1], 1.0), 0);
        rows.push([1], 1);
        rows.push([], 7);
        let model = NaiveBayes::fit(&rows, 3, &|| false).unwrap();
        // Classes without rows are never the likeliest.
        assert_eq!(model.predict_all(&rows, 0.5, &|| false).unwrap(), [1, 1]);
        assert_eq!(NaiveBayes::fit(&rows, 3, &|| true).err(), Some(Interrupted));
    }

    #[test]
    fn the_greatest_is_the_first_of_equals() {
        assert_eq!((first_of_the_greatest::<f64>(&[]), first_of_the_greatest(&[1, 3, 3, 2])), (0, 1));
    }

    proptest! {
        #[test]
        fn scores_are_the_formula(
            rows in prop::collection::vec((prop::collection::vec(0u32..6, 0..5), 0u32..3), 1..20),
            asked in prop::collection::vec(0u32..8, 0..5),
            alpha in 0.1f64..2.0,
        ) {
            let mut train = Examples::default();
            rows.iter().for_each(|(features, label)| train.push(features.iter().copied(), *label));
            let found = NaiveBayes::fit(&train, 3, &|| false).unwrap().log_scores(&asked, alpha);
            let all: Vec<u32> = rows.iter().flat_map(|(features, _)| features).copied().collect();
            let kinds = (0..6).filter(|feature| all.contains(feature)).count() as f64;
            for (class, found) in found.into_iter().enumerate() {
                let own = || rows.iter().filter(|(_, label)| *label as usize == class);
                let total = own().map(|(features, _)| features.len()).sum::<usize>() as f64;
                let prior = own().count() as f64 / rows.len() as f64;
                let p = |feature: &u32| {
                    let count = own().flat_map(|(features, _)| features).filter(|f| *f == feature).count() as f64;
                    (count + alpha) / (total + alpha * kinds)
                };
                let right: f64 = prior.ln() + asked.iter().filter(|f| all.contains(f)).map(|f| p(f).ln()).sum::<f64>();
                prop_assert!(found == right || (found - right).abs() < 1e-9, "{found} is not {right}");
            }
        }
    }
}
