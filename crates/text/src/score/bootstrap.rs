//! Is one system better than another, or was it the choice of test sentences? (Koehn 2004)
//!
//! The test set is resampled many times, sentences with replacement, the same ones for both systems. How much the
//! difference of their scores varies says how far to trust the measured difference.

use std::ops::AddAssign;

use super::check_counts;
use crate::error::Error;
use crate::random::SplitMix64;

/// Holds the result of [`paired_bootstrap`].
///
/// ```
/// use unspool_text::score::{Hits, paired_bootstrap};
/// let right = |every: usize| (0..200).map(|n| Hits::of(n % every != 0)).collect::<Vec<_>>();
/// let found = paired_bootstrap(&right(2), &right(10), Hits::share, 1000, 7)?;
/// assert_eq!((found.baseline, found.system), (0.5, 0.9));
/// assert!(found.p_value < 0.01 && found.interval.0 > 0.3 && found.interval.1 < 0.5);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Comparison {
    /// The first system's score on the whole test set.
    pub baseline: f64,
    /// The second system's.
    pub system: f64,
    /// The probability of a difference this large if there were none, as sacrebleu estimates it
    /// (but two equal systems have 1 here, where it says the least possible).
    pub p_value: f64,
    /// 95 of 100 draws have system − baseline within these bounds.
    pub interval: (f64, f64),
}

/// Compares two systems by their sentences' counts, `samples` draws of them.
///
/// ```
/// use unspool_text::score::{Bleu, BleuCounts, CorpusMetric, paired_bootstrap};
///
/// let references = ["a b c d e", "f g h i j", "k l m n o"];
/// let bleu = Bleu::default();
/// let baseline = bleu.counts(&["a b c d x", "f g h x j", "k l m n x"], &[&references])?;
/// let system = bleu.counts(&["a b c d e", "f g h x j", "k l m n o"], &[&references])?;
/// let score = |counts: BleuCounts| bleu.of_counts(counts, 1).score;
/// let comparison = paired_bootstrap(&baseline, &system, score, 1000, 7)?;
/// assert!(comparison.system > comparison.baseline && comparison.interval.0 >= 0.0);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::NothingToScore`]; [`Error::Count`] when the systems have different numbers of sentences;
/// [`Error::Option`] for 0 samples.
pub fn paired_bootstrap<C>(
    baseline: &[C],
    system: &[C],
    score: impl Fn(C) -> f64,
    samples: usize,
    seed: u64,
) -> Result<Comparison, Error>
where
    C: Default + for<'a> AddAssign<&'a C>,
{
    check_counts(system.len(), [baseline.len()])?;
    if samples == 0 {
        return Err(Error::Option { option: "the number of samples", found: "0".into(), expected: "1 or more" });
    }
    let of = |counts: &[C], rows: &[usize]| {
        let mut sum = C::default();
        for row in rows {
            sum += &counts[*row];
        }
        score(sum)
    };
    let mut rows: Vec<usize> = (0..system.len()).collect();
    let whole = [of(baseline, &rows), of(system, &rows)];
    let mut random = SplitMix64::keyed(&[seed]);
    let mut differences = Vec::with_capacity(samples);
    for _ in 0..samples {
        rows.fill_with(|| random.below(system.len()));
        differences.push(of(system, &rows) - of(baseline, &rows));
    }
    // The draws scatter around the measured difference; shifted to scatter around none, how often do they reach it?
    let mean = differences.iter().map(|difference| difference.abs()).sum::<f64>() / samples as f64;
    let measured = (whole[1] - whole[0]).abs();
    let reached = differences.iter().filter(|difference| difference.abs() - mean >= measured).count();
    differences.sort_by(f64::total_cmp);
    let tail = samples / 40;
    Ok(Comparison {
        baseline: whole[0],
        system: whole[1],
        p_value: (reached + 1) as f64 / (samples + 1) as f64,
        interval: (differences[tail], differences[samples - 1 - tail]),
    })
}

/// Counts right answers among all answers, from which an accuracy is computed.
///
/// ```
/// use unspool_text::score::{Hits, paired_bootstrap};
///
/// let hits = |right: &[bool]| right.iter().map(|right| Hits::of(*right)).collect::<Vec<_>>();
/// let always = hits(&[true; 50]);
/// let never = hits(&[false; 50]);
/// let comparison = paired_bootstrap(&never, &always, |hits| hits.share(), 100, 1)?;
/// assert_eq!(comparison.interval, (1.0, 1.0));
/// assert!(comparison.p_value < 0.01);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hits {
    /// Right answers.
    pub right: u64,
    /// All answers.
    pub all: u64,
}

impl Hits {
    /// Counts one answer.
    pub fn of(right: bool) -> Self {
        Hits { right: u64::from(right), all: 1 }
    }

    /// Returns right / all; 0 for no answers.
    pub fn share(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.right as f64 / self.all as f64 }
    }
}

impl AddAssign<&Hits> for Hits {
    fn add_assign(&mut self, other: &Hits) {
        self.right += other.right;
        self.all += other.all;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(right: impl Fn(usize) -> bool) -> Vec<Hits> {
        (0..200).map(|n| Hits::of(right(n))).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let compare =
            |seed| paired_bootstrap(&hits(|n| n % 3 == 0), &hits(|n| n % 2 == 0), Hits::share, 200, seed).unwrap();
        assert_eq!(compare(1), compare(1));
        assert_ne!(compare(1).interval, compare(2).interval);
    }

    #[test]
    fn the_interval_and_the_p_value_are_those_of_the_binomial_distribution() {
        // The difference of a draw is Binomial(20, 1/2) / 20, whose quantiles at 2.5 % and 97.5 % are 6 and 14.
        let right = |right: fn(usize) -> bool, count: usize| (0..count).map(|n| Hits::of(right(n))).collect::<Vec<_>>();
        let found = paired_bootstrap(&right(|n| n % 2 == 0, 20), &right(|_| true, 20), Hits::share, 8000, 3).unwrap();
        assert_eq!((found.baseline, found.system), (0.5, 1.0));
        assert!((found.interval.0 - 0.3).abs() < 1e-12 && (found.interval.1 - 0.7).abs() < 1e-12, "{found:?}");
        // The square of the share of two sentences is 0, 1/4 or 1, with 1/4, 1/2, 1/4: its mean is 3/8, and one draw in
        // four reaches 3/8 and the measured 1/4 together. The worse of two systems differs as much, with the other
        // sign.
        let (none, half) = (right(|_| false, 2), right(|n| n == 0, 2));
        let square = |hits: Hits| hits.share().powi(2);
        let better = paired_bootstrap(&none, &half, square, 8000, 3).unwrap();
        assert_eq!((better.baseline, better.system, better.interval), (0.0, 0.25, (0.0, 1.0)));
        let worse = paired_bootstrap(&half, &none, square, 8000, 3).unwrap();
        assert_eq!((worse.baseline, worse.system, worse.interval), (0.25, 0.0, (-1.0, 0.0)));
        for found in [better, worse] {
            assert!((found.p_value - 0.25).abs() < 0.02, "{found:?}");
        }
        // Without variance the p-value is the least possible, and one sample is its own interval.
        let certain = paired_bootstrap(&right(|_| false, 5), &right(|_| true, 5), Hits::share, 1, 3).unwrap();
        assert_eq!((certain.p_value, certain.interval), (0.5, (1.0, 1.0)));
    }

    #[test]
    fn a_share_is_right_of_all() {
        assert_eq!(Hits { right: 3, all: 4 }.share(), 0.75);
        assert_eq!(Hits::default().share(), 0.0);
    }

    #[test]
    fn a_system_is_no_better_than_itself_and_a_small_gain_is_not_certain() {
        let itself = paired_bootstrap(&hits(|n| n % 3 == 0), &hits(|n| n % 3 == 0), Hits::share, 200, 1).unwrap();
        assert_eq!((itself.interval, itself.p_value), ((0.0, 0.0), 1.0));
        let small =
            paired_bootstrap(&hits(|n| n % 2 == 0), &hits(|n| n % 2 == 1 || n < 4), Hits::share, 500, 1).unwrap();
        assert!(small.interval.0 < 0.0 && small.interval.1 > 0.0 && small.p_value > 0.05, "{small:?}");
    }
}
