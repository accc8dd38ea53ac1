//! An even sample of items that pass by.

/// Keeps an even sample of a stream of items: all of them while they are small enough together, else every second,
/// every fourth, and so on.
///
/// Which items are kept depends only on their number and their sizes. A data set that is sorted by its labels keeps
/// some of every part.
///
/// ```
/// use unspool_baselines::Sample;
/// let mut sample = Sample::new(4);
/// for item in 0..10 {
///     sample.add(1, item);
/// }
/// assert_eq!((sample.seen(), sample.into_items()), (10, vec![0, 4, 8]));
/// ```
#[derive(Clone, Debug)]
pub struct Sample<T> {
    items: Vec<(usize, T)>,
    limit: usize,
    /// Of the items that are kept.
    size: usize,
    every: usize,
    seen: usize,
}

impl<T> Sample<T> {
    /// Returns an empty sample that keeps items whose sizes add up to at most `limit`.
    pub fn new(limit: usize) -> Sample<T> {
        Sample { items: vec![], limit, size: 0, every: 1, seen: 0 }
    }

    /// Adds the next item of the stream, or passes over it.
    pub fn add(&mut self, size: usize, item: T) {
        let number = self.seen;
        self.seen += 1;
        if !number.is_multiple_of(self.every) {
            return;
        }
        self.items.push((size, item));
        self.size = self.size.saturating_add(size);
        while self.size > self.limit && self.items.len() > 1 {
            self.every *= 2;
            let mut place = 0;
            self.items.retain(|_| {
                place += 1;
                place % 2 == 1
            });
            self.size = self.items.iter().fold(0, |sum: usize, (size, _)| sum.saturating_add(*size));
        }
    }

    /// Returns how many items passed by.
    pub fn seen(&self) -> usize {
        self.seen
    }

    /// Returns how many items are kept.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether no item passed by.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the items that were kept, in their order.
    pub fn into_items(self) -> Vec<T> {
        self.items.into_iter().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn everything_is_kept_up_to_the_limit() {
        let mut sample = Sample::new(6);
        (0..3).for_each(|item| sample.add(2, item));
        assert_eq!((sample.len(), sample.is_empty(), sample.clone().into_items()), (3, false, vec![0, 1, 2]));
        sample.add(2, 3);
        assert_eq!((sample.seen(), sample.into_items()), (4, vec![0, 2]));
        assert!(Sample::<u8>::new(1).is_empty());
    }

    proptest! {
        #[test]
        fn a_sample_is_even_and_within_its_limit(
            sizes in prop::collection::vec(0usize..50, 0..200),
            limit in 50usize..300,
        ) {
            let mut sample = Sample::new(limit);
            sizes.iter().enumerate().for_each(|(number, size)| sample.add(*size, number));
            let kept = sample.into_items();
            prop_assert!(kept.iter().map(|number| sizes[*number]).sum::<usize>() <= limit);
            let gaps: Vec<usize> = kept.windows(2).map(|pair| pair[1] - pair[0]).collect();
            prop_assert!(gaps.iter().all(|gap| *gap == gaps[0] && gap.is_power_of_two()));
            prop_assert_eq!(kept.first(), sizes.first().map(|_| &0));
        }
    }
}
