//! Random numbers as pure functions of where they are used: no generator, no state to save.

use std::collections::HashMap;

/// How often each place of a model (scope, time step) has drawn so far; inside of a segment that will be recomputed
/// also in which order the places drew.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyCounts {
    counts: HashMap<(u32, u32), u64>,
    log: Vec<(u32, u32)>,
}

impl KeyCounts {
    /// Counts a draw at `place` and says which one it is there, from 1 on.
    pub(crate) fn next(&mut self, place: (u32, u32), logged: bool) -> u64 {
        if logged {
            self.log.push(place);
        }
        let occurrence = self.counts.entry(place).or_default();
        *occurrence += 1;
        *occurrence
    }
    /// How many draws are in the log.
    pub(crate) fn logged(&self) -> usize {
        self.log.len()
    }
    /// The counts as they stood at entry `from` of the log, for the places that have drawn since. The log is cleared
    /// unless a segment around this one needs it too.
    pub(crate) fn since(&mut self, from: usize, needed: bool) -> KeyCounts {
        let mut then = KeyCounts::default();
        for place in &self.log[from..] {
            let count = then.counts.entry(*place).or_insert_with(|| self.counts.get(place).copied().unwrap_or(0));
            *count = count.saturating_sub(1);
        }
        if !needed {
            self.log.clear();
        }
        then
    }
    pub(crate) fn clear(&mut self) {
        self.counts.clear();
        self.log.clear();
    }
}

/// Holds a key from which numbers are drawn: any chain of words gives one, and the same chain the same one.
///
/// More in [chapter 8](https://github.com/unspool/unspool/blob/main/docs/08-language-model.md) of the tutorial.
///
/// Each word is mixed in by SplitMix64's finalizer (Steele, Lea and Flood 2014), which passes the usual statistical
/// tests.
///
/// ```
/// use unspool_graph::RngKey;
/// let key = RngKey::seed(7).fold_in_str("encoder").fold_in(3);
/// assert_eq!(key.uniform(0), RngKey::seed(7).fold_in_str("encoder").fold_in(3).uniform(0));
/// assert!((0.0..1.0).contains(&key.uniform(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RngKey(u64);

#[inline(always)]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

impl RngKey {
    /// Returns the key of a seed.
    pub fn seed(seed: u64) -> RngKey {
        RngKey(mix(seed.wrapping_add(GOLDEN)))
    }
    /// Returns the key that follows from this one by a number.
    #[inline(always)]
    pub fn fold_in(self, data: u64) -> RngKey {
        RngKey(mix(self.0 ^ mix(data.wrapping_add(GOLDEN))).wrapping_add(GOLDEN))
    }
    /// Returns the key that follows from this one by a text.
    pub fn fold_in_str(self, text: &str) -> RngKey {
        text.bytes().fold(self.fold_in(text.len() as u64), |key, byte| key.fold_in(u64::from(byte)))
    }
    /// Returns the `i`th whole number of this key, any of 2⁶⁴ alike.
    #[inline(always)]
    pub fn bits(self, i: u64) -> u64 {
        mix(self.0.wrapping_add(i.wrapping_mul(GOLDEN)))
    }
    /// Returns the `i`th number of this key, uniform in [0, 1).
    #[inline(always)]
    pub fn uniform(self, i: u64) -> f64 {
        (self.bits(i) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }
    /// Returns the `i`th number of this key, normal with mean 0 and variance 1 (Box and Muller 1958).
    ///
    /// ```
    /// use unspool_graph::RngKey;
    /// let key = RngKey::seed(7).fold_in_str("noise");
    /// let mean = (0..10_000).map(|i| key.normal(i)).sum::<f64>() / 1e4;
    /// assert!(mean.abs() < 0.05);
    /// assert_eq!(key.normal(3), RngKey::seed(7).fold_in_str("noise").normal(3));
    /// ```
    pub fn normal(self, i: u64) -> f64 {
        let (u, v) = (1.0 - self.uniform(2 * i), self.uniform(2 * i + 1));
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

/// Gives the numbers of a key one after the other, as a generator for the crate `rand`: see [`RngKey::rng`].
///
/// ```
/// use rand::Rng;
/// use unspool_graph::{RngKey, KeyRng};
/// let first = |mut rng: KeyRng| [rng.next_u64(), rng.next_u64()];
/// assert_eq!(first(RngKey::seed(7).rng()), first(RngKey::seed(7).rng()));
/// assert_ne!(first(RngKey::seed(7).rng()), first(RngKey::seed(8).rng()));
/// ```
#[derive(Clone, Debug)]
pub struct KeyRng {
    key: RngKey,
    next: u64,
}

impl RngKey {
    /// Returns a generator of the crate `rand` that gives [`bits`](RngKey::bits) 0, 1, 2, … of this key, so that any
    /// distribution of `rand_distr` and `rand`'s shuffling give what is a function of the key alone.
    ///
    /// ```
    /// use rand::{RngExt, seq::SliceRandom};
    /// use unspool_graph::RngKey;
    /// let key = RngKey::seed(7).fold_in_str("order").fold_in(3); // of epoch 3
    /// let mut order: Vec<u32> = (0..10).collect();
    /// order.shuffle(&mut key.rng());
    /// let mut again: Vec<u32> = (0..10).collect();
    /// again.shuffle(&mut key.rng());
    /// assert_eq!(order, again);
    /// assert!((1..=6).contains(&key.fold_in(0).rng().random_range(1..=6)));
    /// ```
    pub fn rng(self) -> KeyRng {
        KeyRng { key: self, next: 0 }
    }
}

impl rand::TryRng for KeyRng {
    type Error = std::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        self.try_next_u64().map(|bits| (bits >> 32) as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let bits = self.key.bits(self.next);
        self.next = self.next.wrapping_add(1);
        Ok(bits)
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let (key, n) = (RngKey::seed(1).fold_in_str("w"), 200_000);
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| key.uniform(i)) - 0.5).abs() < 3e-3);
        assert!((mean(&|i| key.uniform(i).powi(2)) - 1.0 / 3.0).abs() < 3e-3);
        assert!(mean(&|i| key.normal(i)).abs() < 1e-2);
        assert!((mean(&|i| key.normal(i).powi(2)) - 1.0).abs() < 2e-2);
    }

    #[test]
    fn neighbouring_keys_and_places_are_unrelated() {
        let (a, b) = (RngKey::seed(1).fold_in(0), RngKey::seed(1).fold_in(1));
        let n = 100_000;
        let between = (0..n).map(|i| (a.uniform(i) - 0.5) * (b.uniform(i) - 0.5)).sum::<f64>() / n as f64;
        let along = (0..n).map(|i| (a.uniform(i) - 0.5) * (a.uniform(i + 1) - 0.5)).sum::<f64>() / n as f64;
        assert!(between.abs() < 1e-3 && along.abs() < 1e-3);
    }
    /// Keys that differ in one bit of a word, each beside the first.
    fn neighbours() -> impl Iterator<Item = (RngKey, RngKey)> {
        let bits = (0..64).map(|bit| (RngKey::seed(5).fold_in(0), RngKey::seed(5).fold_in(1 << bit)));
        bits.chain((0..64).map(|bit| (RngKey::seed(0).fold_in_str("w"), RngKey::seed(1 << bit).fold_in_str("w"))))
    }

    #[test]
    fn each_bit_of_keys_that_differ_in_one_bit_is_set_half_of_the_time() {
        const COUNT: u64 = 4096;
        for (_, key) in neighbours() {
            for bit in 0..64 {
                let set = (0..COUNT).filter(|&i| key.bits(i) >> bit & 1 == 1).count() as f64;
                // Five and a half standard deviations, for 8,192 counts.
                assert!((set - COUNT as f64 / 2.0).abs() < 5.5 * (COUNT as f64 / 4.0).sqrt(), "bit {bit}: {set}");
            }
        }
    }

    #[test]
    fn keys_that_differ_in_one_bit_are_not_correlated() {
        const COUNT: u64 = 4096;
        for (number, (a, b)) in neighbours().enumerate() {
            let same = (0..COUNT).map(|i| u64::from((a.bits(i) ^ b.bits(i)).count_ones())).sum::<u64>() as f64;
            let expected = 32.0 * COUNT as f64;
            assert!((same - expected).abs() < 5.0 * (16.0 * COUNT as f64).sqrt(), "pair {number}: {same} bits differ");
            // Nor is one the other, moved along.
            let moved = (1..64).any(|by| (0..8).all(|i| a.bits(i) == b.bits(i + by)) || a.bits(by) == b.bits(0));
            assert!(!moved, "pair {number}");
        }
    }

    #[test]
    fn birthdays_of_many_keys_have_the_spacings_of_chance() {
        // Marsaglia's test: the number of equal spacings of m = 4,096 birthdays in a year of n = 2³² days is Poisson's
        // with mean m³ / 4n = 4.
        const BIRTHDAYS: u64 = 4096;
        let mut total = 0;
        for year in 0..32u64 {
            // Half of the years are of one key and many indices, half of many keys and one index.
            let day =
                |i: u64| if year % 2 == 0 { RngKey::seed(year).bits(i) } else { RngKey::seed(year).fold_in(i).bits(0) };
            let mut days: Vec<u64> = (0..BIRTHDAYS).map(|i| day(i) >> 32).collect();
            days.sort_unstable();
            let mut spacings: Vec<u64> = days.windows(2).map(|pair| pair[1] - pair[0]).collect();
            spacings.sort_unstable();
            total += spacings.windows(2).filter(|pair| pair[0] == pair[1]).count();
        }
        // 32 years: mean 128, standard deviation 11.3.
        assert!((72..184).contains(&total), "{total} equal spacings");
    }

    #[test]
    fn a_generator_gives_the_numbers_of_its_key() {
        use rand::Rng;
        let (key, mut rng) = (RngKey::seed(3), RngKey::seed(3).rng());
        assert_eq!([rng.next_u64(), rng.next_u64()], [key.bits(0), key.bits(1)]);
        assert_eq!(u64::from(rng.next_u32()), key.bits(2) >> 32);
        let mut bytes = [0; 11];
        rng.fill_bytes(&mut bytes);
        assert_eq!((&bytes[..8], &bytes[8..]), (&key.bits(3).to_le_bytes()[..], &key.bits(4).to_le_bytes()[..3]));
    }
}
