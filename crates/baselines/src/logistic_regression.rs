//! Multinomial logistic regression on sparse features.

use crate::{Examples, Interrupted, check, check_at, naive_bayes::first_of_the_greatest};

/// The strengths of the L2 penalty among which [`LogisticRegression::choose`] chooses, and the most passes over the
/// examples.
const PENALTIES: [f32; 2] = [1e-6, 1e-3];
const EPOCHS: usize = 8;

/// Epochs without a better one after which training ends.
const PATIENCE: usize = 3;

/// Says how [`LogisticRegression`] scales its features.
///
/// ```
/// use unspool_baselines::{Examples, LogisticRegression, Scaling};
/// let mut rows = Examples::default();
/// (0..30).for_each(|row| rows.push([row % 2, 2 + row % 3], row % 2));
/// for scaling in [Scaling::None, Scaling::LogCountRatios] {
///     let right = |found: &[u32]| found.iter().zip(rows.labels()).filter(|(a, b)| a == b).count() as f64;
///     let (model, _) = LogisticRegression::choose(&rows, &rows, 2, scaling, 1, &right, &|| false)?;
///     assert_eq!(model.predict_all(&rows, &|| false)?, rows.labels());
/// }
/// # Ok::<(), unspool_baselines::Interrupted>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// All alike.
    None,
    /// By how much more often a class has the feature than the other classes:
    /// r_f,c = |ln p(f | c) − ln p(f | other classes)|, with counts smoothed by 1. This makes a better classifier of
    /// short texts (Wang and Manning 2012, "Baselines and bigrams: simple, good sentiment and topic classification").
    LogCountRatios,
}

impl Scaling {
    /// The rate of AdaGrad.
    fn rate(self) -> f32 {
        match self {
            Scaling::None => 0.3,
            Scaling::LogCountRatios => 0.05,
        }
    }
}

/// Classifies by multinomial logistic regression (softmax regression) on sparse features:
/// p(c | x) ∝ exp(b_c + Σ_f x_f · w_f,c), where x_f is the scale r_f,c of each feature that a row has, divided by the
/// norm of these.
///
/// It is trained by AdaGrad (Duchi, Hazan and Singer 2011), example by example in an order drawn from a seed. The L2
/// penalty acts on the weights of the features of the example at hand.
///
/// ```
/// use unspool_baselines::{Examples, LogisticRegression, Scaling};
/// let mut train = Examples::default();
/// for row in 0..60 {
///     train.push([row % 3, 7], row % 3);
/// }
/// let accuracy = |found: &[u32]| found.iter().zip(train.labels()).filter(|(a, b)| a == b).count() as f64;
/// let (scaling, never) = (Scaling::LogCountRatios, || false);
/// let (model, chosen) = LogisticRegression::choose(&train, &train, 3, scaling, 1, &accuracy, &never)?;
/// assert_eq!(model.predict(&[2, 7]), 2);
/// assert!((model.probabilities(&[1]).iter().sum::<f64>() - 1.0).abs() < 1e-6);
/// assert!(chosen.contains("epoch"));
/// # Ok::<(), unspool_baselines::Interrupted>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression {
    classes: usize,
    rate: f32,
    /// Features are cut to these bits.
    mask: u32,
    /// `[feature, class]`
    table: Vec<Entry>,
    bias: Vec<Entry>,
}

/// What there is for a feature and a class. It stands together, for the processor's cache.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Entry {
    weight: f32,
    /// Σ of the squares of the weight's gradients.
    squares: f32,
    /// The scale of the feature.
    ratio: f32,
}

impl Entry {
    /// A step of AdaGrad: w ← w − rate · g / √(Σ g²).
    #[inline(always)]
    fn step(&mut self, gradient: f32, rate: f32) {
        self.squares += gradient * gradient;
        self.weight -= rate * gradient / (self.squares + 1e-10).sqrt();
    }
}

impl LogisticRegression {
    /// Returns a model whose weights are zero, with a table as large as the examples need.
    fn new(train: &Examples, classes: usize, scaling: Scaling) -> LogisticRegression {
        let classes = classes.max(1);
        let buckets = train.buckets(classes);
        let mut table = vec![Entry::default(); buckets * classes];
        let mut of_class = vec![0.0f32; classes];
        let mask = (buckets - 1) as u32;
        // The squares are counts for a moment.
        for row in (0..train.len()).filter(|row| (train.label(*row) as usize) < classes) {
            let class = train.label(row) as usize;
            of_class[class] += train.features(row).len() as f32;
            for feature in train.features(row) {
                table[(feature & mask) as usize * classes + class].squares += 1.0;
            }
        }
        let all: f32 = of_class.iter().sum();
        for entries in table.chunks_exact_mut(classes) {
            let together: f32 = entries.iter().map(|entry| entry.squares).sum();
            for (entry, of_class) in entries.iter_mut().zip(&of_class) {
                let p = |count: f32, of: f32| (count + 1.0) / (of + buckets as f32);
                let others = p(together - entry.squares, all - of_class);
                let ratio = match scaling {
                    Scaling::None => 1.0,
                    Scaling::LogCountRatios => (p(entry.squares, *of_class) / others).ln().abs(),
                };
                *entry = Entry { ratio, ..Entry::default() };
            }
        }
        LogisticRegression { classes, rate: scaling.rate(), mask, table, bias: vec![Entry::default(); classes] }
    }

    /// Trains with each of several L2 penalties, and keeps the weights after the epoch whose predictions for `dev` have
    /// the greatest `score`. Returns them with the settings that were chosen, in words. A feature that a row has
    /// several times counts once.
    ///
    /// # Errors
    /// [`Interrupted`] once `stop` returns true.
    pub fn choose(
        train: &Examples,
        dev: &Examples,
        classes: usize,
        scaling: Scaling,
        seed: u64,
        score: &dyn Fn(&[u32]) -> f64,
        stop: &dyn Fn() -> bool,
    ) -> Result<(LogisticRegression, String), Interrupted> {
        check(stop)?;
        let (train, dev) = (train.each_once(), dev.each_once());
        let untrained = LogisticRegression::new(&train, classes, scaling);
        let (mut best, mut most, mut settings) = (untrained.clone(), f64::NEG_INFINITY, "untrained".to_owned());
        for penalty in PENALTIES {
            let mut model = untrained.clone();
            // The best epoch with this penalty, and its score.
            let mut own = (0, f64::NEG_INFINITY);
            for epoch in 1..=EPOCHS {
                model.train(&train, penalty, seed.wrapping_add(epoch as u64), stop)?;
                let score = score(&model.predict_all(&dev, stop)?);
                if score > most {
                    most = score;
                    best.clone_from(&model);
                    settings = format!("L2 {penalty:e}, {epoch} epoch{}", if epoch == 1 { "" } else { "s" });
                }
                if score > own.1 {
                    own = (epoch, score);
                }
                if epoch >= own.0 + PATIENCE {
                    break;
                }
            }
        }
        Ok((best, settings))
    }

    /// Makes one pass over the examples.
    fn train(&mut self, train: &Examples, penalty: f32, seed: u64, stop: &dyn Fn() -> bool) -> Result<(), Interrupted> {
        let (classes, rate) = (self.classes, self.rate);
        let (mut p, mut scales) = (vec![0.0f32; classes], vec![0.0f32; classes]);
        for (count, row) in shuffled(train.len(), seed).into_iter().enumerate() {
            check_at(count, stop)?;
            let (features, label) = (train.features(row as usize), train.label(row as usize) as usize);
            if label >= classes {
                continue;
            }
            self.softmax(features, &mut p, &mut scales);
            p[label] -= 1.0;
            self.bias.iter_mut().zip(&p).for_each(|(entry, p)| entry.step(*p, rate));
            p.iter_mut().zip(&scales).for_each(|(p, scale)| *p *= scale);
            for &feature in features {
                let from = (feature & self.mask) as usize * classes;
                for (entry, p) in self.table[from..from + classes].iter_mut().zip(&p) {
                    entry.step(p * entry.ratio + penalty * entry.weight, rate);
                }
            }
        }
        Ok(())
    }

    /// Computes the probabilities of the classes, and for each the scale that gives the row's vector a norm of 1.
    fn softmax(&self, features: &[u32], p: &mut [f32], scales: &mut [f32]) {
        p.fill(0.0);
        scales.fill(0.0);
        for &feature in features {
            let from = (feature & self.mask) as usize * self.classes;
            for ((p, scale), entry) in p.iter_mut().zip(&mut *scales).zip(&self.table[from..from + self.classes]) {
                *p += entry.weight * entry.ratio;
                *scale += entry.ratio * entry.ratio;
            }
        }
        for ((p, scale), bias) in p.iter_mut().zip(scales).zip(&self.bias) {
            *scale = 1.0 / (*scale).max(1e-9).sqrt();
            *p = *p * *scale + bias.weight;
        }
        let most = p.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        p.iter_mut().for_each(|p| *p = (*p - most).exp());
        let sum: f32 = p.iter().sum();
        p.iter_mut().for_each(|p| *p /= sum);
    }

    /// Returns the probability of each class for a row of features.
    pub fn probabilities(&self, features: &[u32]) -> Vec<f64> {
        let (mut p, mut scales) = (vec![0.0; self.classes], vec![0.0; self.classes]);
        self.softmax(features, &mut p, &mut scales);
        p.into_iter().map(f64::from).collect()
    }

    /// Returns the likeliest class for a row of features; of equally likely ones the first.
    pub fn predict(&self, features: &[u32]) -> u32 {
        first_of_the_greatest(&self.probabilities(features))
    }

    /// Returns the likeliest class of each row.
    ///
    /// # Errors
    /// [`Interrupted`] once `stop` returns true.
    pub fn predict_all(&self, rows: &Examples, stop: &dyn Fn() -> bool) -> Result<Vec<u32>, Interrupted> {
        let (mut p, mut scales) = (vec![0.0; self.classes], vec![0.0; self.classes]);
        let mut found = Vec::with_capacity(rows.len());
        for row in 0..rows.len() {
            check_at(row, stop)?;
            self.softmax(rows.features(row), &mut p, &mut scales);
            found.push(first_of_the_greatest(&p));
        }
        Ok(found)
    }
}

/// The numbers below `count` in an order drawn from a seed (Fisher and Yates, with the numbers of SplitMix64).
fn shuffled(count: usize, seed: u64) -> Vec<u32> {
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    let mut state = seed;
    for i in (1..count).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        numbers.swap(i, ((u128::from(z) * (i as u128 + 1)) >> 64) as usize);
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn right(found: &[u32], rows: &Examples) -> f64 {
        found.iter().zip(rows.labels()).filter(|(a, b)| a == b).count() as f64
    }

    fn choose(train: &Examples, classes: usize, seed: u64) -> (LogisticRegression, String) {
        LogisticRegression::choose(train, train, classes, Scaling::None, seed, &|found| right(found, train), &|| false)
            .unwrap()
    }

    #[test]
    fn ratios_and_the_first_step_are_worked_out_by_hand() {
        let mut train = Examples::default();
        train.push([1, 2], 0);
        train.push([1], 1);
        let model = LogisticRegression::new(&train, 2, Scaling::LogCountRatios);
        // Of class 0 there are two features, of class 1 one; the table tells 1024 apart.
        let p = |count: f32, of: f32| (count + 1.0) / (of + 1024.0);
        let ratio = |feature: usize, class: usize| model.table[2 * feature + class].ratio;
        assert!((ratio(1, 0) - (p(1.0, 2.0) / p(1.0, 1.0)).ln().abs()).abs() < 1e-6);
        assert!((ratio(2, 1) - (p(0.0, 1.0) / p(1.0, 2.0)).ln().abs()).abs() < 1e-6);
        assert!((ratio(2, 0) - ratio(2, 1)).abs() < 1e-6);

        // The first step of AdaGrad is the rate times the sign of each gradient; the gradient of the bias is p − y, and
        // that of a weight (p − y) · ratio · scale.
        let mut one = Examples::default();
        one.push([1, 2], 1);
        let mut stepped = model.clone();
        stepped.train(&one, 0.0, 1, &|| false).unwrap();
        assert!(
            (stepped.bias[0].weight + model.rate).abs() < 1e-4 && (stepped.bias[1].weight - model.rate).abs() < 1e-4
        );
        assert!((stepped.bias[1].squares - 0.25).abs() < 1e-6);
        let scale = 1.0 / (ratio(1, 1).powi(2) + ratio(2, 1).powi(2)).sqrt();
        assert!((stepped.table[5].squares - (0.5 * ratio(2, 1) * scale).powi(2)).abs() < 1e-6);
        assert!(
            (stepped.table[5].weight - model.rate).abs() < 1e-3 && (stepped.table[4].weight + model.rate).abs() < 1e-3
        );
        assert!(stepped.probabilities(&[1, 2])[1] > 0.5);
    }

    #[test]
    fn probabilities_without_features_are_near_the_shares_of_the_classes() {
        let mut train = Examples::default();
        (0..3000).for_each(|row| train.push([], u32::from(row % 4 == 0)));
        let p = choose(&train, 2, 1).0.probabilities(&[]);
        assert!((p[1] - 0.25).abs() < 0.05 && (p[0] + p[1] - 1.0).abs() < 1e-6, "{p:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_a_signal_ends_it() {
        let mut train = Examples::default();
        (0..200u32).for_each(|row| train.push([row % 7, 10 + row % 3], row % 2));
        let (one, other) = (choose(&train, 2, 5), choose(&train, 2, 5));
        assert!(one == other);
        assert!(one.0 != choose(&train, 2, 6).0);
        let stopped = LogisticRegression::choose(&train, &train, 2, Scaling::None, 5, &|_| 0.0, &|| true);
        assert_eq!(stopped.err(), Some(Interrupted));
    }

    #[test]
    fn odd_data_is_no_panic() {
        let (model, settings) = choose(&Examples::default(), 0, 1);
        assert_eq!((model.predict(&[1]), model.predict(&[])), (0, 0));
        assert!(!settings.is_empty());
        // One class; labels that the train part does not have.
        let mut one = Examples::default();
        one.push([1], 0);
        one.push([2], 9);
        assert_eq!(choose(&one, 1, 1).0.predict_all(&one, &|| false).unwrap(), [0, 0]);
        // More classes than there are examples.
        assert_eq!(choose(&one, 5_000, 1).0.predict(&[1]), 0);
    }

    proptest! {
        #[test]
        fn an_order_has_each_number_once(count in 0usize..300, seed: u64) {
            let mut order = shuffled(count, seed);
            prop_assert_eq!(&order, &shuffled(count, seed));
            order.sort_unstable();
            prop_assert!(order.into_iter().eq(0..count as u32));
        }
    }
}
