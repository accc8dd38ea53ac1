//! The one generator of this crate: SplitMix64 (Steele, Lea, Flood 2014), small, named, the same everywhere.

/// A stream of numbers that is a function of its key alone.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(u64);

/// The finalizer of SplitMix64: every bit of the input reaches every bit of the output.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl SplitMix64 {
    /// The stream of a key; each part is mixed in turn, so `(1, 2)` and `(2, 1)` share nothing.
    pub(crate) fn keyed(parts: &[u64]) -> Self {
        let state = parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| mix(state ^ mix(part.wrapping_add(1))));
        SplitMix64(state)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    #[cfg(feature = "tokenizer")]
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in `0..bound`, without bias: draws above the last whole multiple are thrown away (Lemire 2019).
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        let threshold = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as usize;
            }
        }
    }

    /// Fisher and Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // Reference values of SplitMix64 from state 1234567.
        let mut stream = SplitMix64(1_234_567);
        assert_eq!([stream.next(), stream.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn a_shuffle_is_a_permutation_and_depends_on_each_part_of_the_key() {
        let order = |key: &[u64]| {
            let mut items: Vec<usize> = (0..100).collect();
            SplitMix64::keyed(key).shuffle(&mut items);
            items
        };
        let mut sorted = order(&[1, 2]);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(order(&[1, 2]), order(&[1, 2]));
        assert_ne!(order(&[1, 2]), order(&[2, 1]));
        assert_ne!(order(&[1, 2]), order(&[1, 3]));
    }
}
