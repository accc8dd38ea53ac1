//! Batches of similar lengths, in an order that is drawn again for each epoch.
//!
//! A padded step costs as much as a real one, so sequences of similar lengths go together. It remains random which
//! sequences of equal length meet, and in which order the batches come. Both are functions of the seed and the epoch
//! alone, so a run that was stopped between two batches continues as if it had not been.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::random::SplitMix64;

/// Limits how much goes into one batch.
///
/// ```
/// use unspool_text::{BatchSize, Buckets};
/// let sizes = |size| -> Result<Vec<usize>, unspool_text::Error> {
///     Ok(Buckets::new([2, 2, 2, 2, 9], size, 7)?.sorted().iter().map(Vec::len).collect())
/// };
/// assert_eq!(sizes(BatchSize::Rows(2))?, [2, 2, 1]);
/// assert_eq!(sizes(BatchSize::Tokens(8))?, [4, 1]);                            // the long one is alone
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BatchSize {
    /// At most this many rows.
    Rows(usize),
    /// At most this many tokens, including padding: rows × longest ≤ budget. A sequence over the budget is a batch by
    /// itself.
    Tokens(usize),
}

impl BatchSize {
    pub(crate) fn check(self) -> Result<Self, Error> {
        match self {
            BatchSize::Rows(0) | BatchSize::Tokens(0) => {
                Err(Error::Option { option: "the batch size", found: "0".into(), expected: "1 or more" })
            }
            size => Ok(size),
        }
    }

    fn fits(self, rows: usize, longest: usize) -> bool {
        match self {
            BatchSize::Rows(most) => rows <= most,
            BatchSize::Tokens(budget) => rows == 1 || rows.saturating_mul(longest.max(1)) <= budget,
        }
    }
}

/// Groups the rows of a data set in memory into batches of similar lengths, in another way in each epoch.
///
/// More in [chapter 5](https://github.com/unspool/unspool/blob/main/docs/05-many-to-one.md) of the tutorial.
///
/// ```
/// use unspool_text::{BatchSize, Buckets};
///
/// let lengths = [3, 9, 3, 8, 4, 2];
/// let buckets = Buckets::new(lengths, BatchSize::Tokens(18), 7)?;
/// for batch in buckets.epoch(0) {
///     let longest = batch.iter().map(|row| lengths[*row]).max().unwrap();
///     assert!(batch.len() * longest <= 18);
/// }
/// assert_eq!(buckets.epoch(3), buckets.epoch(3));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Buckets {
    lengths: Vec<Extent>,
    size: BatchSize,
    seed: u64,
}

/// The lengths of one example: of what is sorted by first, and of what is sorted by among equals.
pub(crate) type Extent = (u32, u32);

impl Buckets {
    /// Makes batches of single sequences with these lengths.
    ///
    /// # Errors
    /// [`Error::Option`] for a batch size of 0.
    pub fn new(lengths: impl IntoIterator<Item = usize>, size: BatchSize, seed: u64) -> Result<Self, Error> {
        Self::pairs(lengths.into_iter().map(|length| (0, length)), size, seed)
    }

    /// Makes batches of pairs (source, target) with these lengths: similar targets together and, among them, similar
    /// sources. A token budget holds for the longer of the two sides.
    ///
    /// # Errors
    /// [`Error::Option`] for a batch size of 0.
    pub fn pairs(lengths: impl IntoIterator<Item = (usize, usize)>, size: BatchSize, seed: u64) -> Result<Self, Error> {
        let lengths = lengths.into_iter().map(extent).collect();
        Ok(Buckets { lengths, size: size.check()?, seed })
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Returns the batches of an epoch as row numbers: every row once, a function of seed and epoch alone.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<usize>> {
        shuffled(&self.lengths, self.size, &[self.seed, epoch])
    }

    /// Returns the batches in order of length, always the same, for evaluation.
    pub fn sorted(&self) -> Vec<Vec<usize>> {
        cut(&self.lengths, self.size, (0..self.lengths.len()).collect())
    }

    /// Returns the share of padding in an epoch, over both sides of pairs: the same in every epoch except for ties.
    pub fn padding_share(&self, epoch: u64) -> f64 {
        let mut padding = Padding::default();
        for batch in self.epoch(epoch) {
            padding.add(batch.iter().map(|row| self.lengths[*row]));
        }
        padding.share()
    }

    /// Returns batches from a position on, epoch after epoch.
    ///
    /// # Errors
    /// [`Error::Position`] when the epoch has fewer batches than the position says.
    pub fn from(&self, position: Position) -> Result<Epochs<'_>, Error> {
        let batches = self.epoch(position.epoch);
        if position.batch > batches.len() {
            let reason = format!("batch {} of {}", position.batch, batches.len());
            return Err(Error::Position { reason });
        }
        Ok(Epochs { buckets: self, position, batches })
    }
}

/// What of the batches is real: the sums over both sides of pairs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Padding {
    real: u64,
    all: u64,
}

impl Padding {
    /// Counts a batch of examples with these lengths.
    pub(crate) fn add(&mut self, lengths: impl Iterator<Item = Extent>) {
        let (mut rows, mut first, mut second) = (0, 0, 0);
        for (a, b) in lengths {
            self.real += u64::from(a) + u64::from(b);
            (rows, first, second) = (rows + 1, first.max(u64::from(a)), second.max(u64::from(b)));
        }
        self.all += rows * (first + second);
    }

    /// Returns the share of padding; 0 where there is nothing.
    pub(crate) fn share(self) -> f64 {
        if self.all == 0 { 0.0 } else { 1.0 - self.real as f64 / self.all as f64 }
    }
}

/// Batches of rows in an order drawn from `key`: similar lengths together, batches in any order.
pub(crate) fn shuffled(lengths: &[Extent], size: BatchSize, key: &[u64]) -> Vec<Vec<usize>> {
    let mut random = SplitMix64::keyed(key);
    let mut rows: Vec<usize> = (0..lengths.len()).collect();
    random.shuffle(&mut rows);
    let mut batches = cut(lengths, size, rows);
    random.shuffle(&mut batches);
    batches
}

/// Sorts by length, keeping the given order among equals, and cuts where a batch is full.
fn cut(lengths: &[Extent], size: BatchSize, mut rows: Vec<usize>) -> Vec<Vec<usize>> {
    rows.sort_by_key(|row| lengths[*row]);
    let mut batches = Vec::new();
    let (mut start, mut longest) = (0, 0);
    for (end, row) in rows.iter().enumerate() {
        let this = lengths[*row].0.max(lengths[*row].1) as usize;
        // A single row always fits.
        if !size.fits(end - start + 1, this.max(longest)) {
            batches.push(rows[start..end].to_vec());
            (start, longest) = (end, 0);
        }
        longest = longest.max(this);
    }
    if start < rows.len() {
        batches.push(rows[start..].to_vec());
    }
    batches
}

/// (source, target) as it is sorted: by the target first.
pub(crate) fn extent((source, target): (usize, usize)) -> Extent {
    let short = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    (short(target), short(source))
}

/// Marks a position in the order of batches: `batch` batches of `epoch` are done. It is plain numbers, to be saved with
/// a checkpoint.
///
/// ```
/// use unspool_text::{BatchSize, Buckets, Position};
/// let buckets = Buckets::new([3, 1, 2], BatchSize::Rows(1), 7)?;
/// let mut batches = buckets.from(Position { epoch: 4, batch: 2 })?;
/// assert_eq!(batches.next().as_ref(), buckets.epoch(4).last());
/// assert_eq!(batches.position(), Position { epoch: 4, batch: 3 });
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch, from 0.
    pub epoch: u64,
    /// How many of its batches have been given.
    pub batch: usize,
}

/// Iterates over batches without end, epoch after epoch. It ends only if there are no rows.
///
/// ```
/// use unspool_text::{BatchSize, Buckets, Position};
///
/// let buckets = Buckets::new([3, 1, 2, 5, 4], BatchSize::Rows(2), 7)?;
/// let mut batches = buckets.from(Position::default())?;
/// batches.nth(3);
/// let saved = batches.position();
/// assert_eq!(saved, Position { epoch: 1, batch: 1 });
/// let mut resumed = buckets.from(saved)?;
/// assert_eq!(resumed.next(), batches.next());
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Epochs<'a> {
    buckets: &'a Buckets,
    position: Position,
    batches: Vec<Vec<usize>>,
}

impl Epochs<'_> {
    /// Returns the position of the next batch.
    pub fn position(&self) -> Position {
        self.position
    }
}

impl Iterator for Epochs<'_> {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        if self.buckets.is_empty() {
            return None;
        }
        if self.position.batch == self.batches.len() {
            self.position = Position { epoch: self.position.epoch.saturating_add(1), batch: 0 };
            self.batches = self.buckets.epoch(self.position.epoch);
        }
        let batch = std::mem::take(&mut self.batches[self.position.batch]);
        self.position.batch += 1;
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sizes() -> impl Strategy<Value = BatchSize> {
        prop_oneof![(1usize..6).prop_map(BatchSize::Rows), (1usize..40).prop_map(BatchSize::Tokens)]
    }

    proptest! {
        #[test]
        fn nothing_is_dropped_and_nothing_comes_twice(
            lengths in prop::collection::vec((0usize..12, 0usize..12), 0..60),
            size in sizes(), seed: u64, epoch in 0u64..5,
        ) {
            let buckets = Buckets::pairs(lengths.clone(), size, seed).unwrap();
            for batches in [buckets.epoch(epoch), buckets.sorted()] {
                let mut rows: Vec<usize> = batches.iter().flatten().copied().collect();
                rows.sort_unstable();
                prop_assert_eq!(rows, (0..lengths.len()).collect::<Vec<_>>());
                for batch in &batches {
                    let longest = batch.iter().map(|row| lengths[*row].0.max(lengths[*row].1)).max().unwrap();
                    match size {
                        BatchSize::Rows(most) => prop_assert!(batch.len() <= most),
                        BatchSize::Tokens(budget) => prop_assert!(batch.len() == 1 || batch.len() * longest <= budget),
                    }
                }
            }
        }

        #[test]
        fn an_epoch_resumed_anywhere_goes_on_the_same(
            lengths in prop::collection::vec(1usize..9, 1..30), size in sizes(), seed: u64, stop in 0usize..70,
        ) {
            let buckets = Buckets::new(lengths, size, seed).unwrap();
            let mut whole = buckets.from(Position::default()).unwrap();
            let first = buckets.epoch(0);
            prop_assert_eq!(whole.clone().take(first.len()).collect::<Vec<_>>(), first);
            for _ in 0..stop { whole.next(); }
            let saved = serde_json::to_string(&whole.position()).unwrap();
            let resumed = buckets.from(serde_json::from_str(&saved).unwrap()).unwrap();
            let rest: Vec<_> = whole.take(40).collect();
            prop_assert_eq!(resumed.take(40).collect::<Vec<_>>(), rest);
        }
    }

    #[test]
    fn epochs_and_seeds_differ_and_equal_ones_do_not() {
        let buckets = |seed| Buckets::new((0..200).map(|n| n % 7), BatchSize::Tokens(40), seed).unwrap();
        assert_eq!(buckets(1).epoch(2), buckets(1).epoch(2));
        assert_ne!(buckets(1).epoch(2), buckets(1).epoch(3));
        assert_ne!(buckets(1).epoch(2), buckets(2).epoch(2));
    }

    proptest! {
        #[test]
        fn a_batch_ends_only_where_the_next_row_would_not_fit(
            lengths in prop::collection::vec((0usize..12, 0usize..12), 1..60), size in sizes(),
        ) {
            let buckets = Buckets::pairs(lengths.clone(), size, 0).unwrap();
            for pair in buckets.sorted().windows(2) {
                let rows = pair[0].len() + 1;
                let longest = pair[0].iter().chain(&pair[1][..1]).map(|row| lengths[*row].0.max(lengths[*row].1)).max();
                match size {
                    BatchSize::Rows(most) => prop_assert!(rows > most),
                    BatchSize::Tokens(budget) => prop_assert!(rows * longest.unwrap().max(1) > budget),
                }
            }
        }
    }

    #[test]
    fn the_share_of_padding_counts_both_sides_of_every_batch() {
        // One batch of 3 rows: targets 1, 2, 4 in 3 · 4 places, sources 5, 3, 2 in 3 · 5.
        let pairs = [(5, 1), (3, 2), (2, 4)];
        let buckets = Buckets::pairs(pairs, BatchSize::Rows(3), 1).unwrap();
        assert_eq!(buckets.padding_share(0), 1.0 - 17.0 / 27.0);
        // Each row by itself has none.
        assert_eq!(Buckets::pairs(pairs, BatchSize::Rows(1), 1).unwrap().padding_share(0), 0.0);
        assert_eq!(Buckets::new([], BatchSize::Rows(1), 1).unwrap().padding_share(0), 0.0);
    }

    #[test]
    fn buckets_know_how_many_rows_they_hold() {
        let of = |lengths: &[usize]| Buckets::new(lengths.iter().copied(), BatchSize::Rows(2), 1).unwrap();
        assert_eq!((of(&[]).len(), of(&[]).is_empty()), (0, true));
        assert_eq!((of(&[4, 4, 4]).len(), of(&[4, 4, 4]).is_empty()), (3, false));
        assert_eq!(of(&[]).from(Position::default()).unwrap().next(), None);
    }

    #[test]
    fn buckets_pad_little() {
        let lengths: Vec<usize> = (0..1000).map(|n| 1 + n * 7 % 50).collect();
        let buckets = Buckets::new(lengths, BatchSize::Tokens(400), 1).unwrap();
        assert!(buckets.padding_share(0) < 0.05);
    }

    #[test]
    fn a_position_of_other_data_and_a_size_of_zero_are_errors() {
        let buckets = Buckets::new([1, 2], BatchSize::Rows(1), 1).unwrap();
        let error = buckets.from(Position { epoch: 0, batch: 3 }).unwrap_err();
        assert_eq!(error.to_string(), "the saved position does not fit this data: batch 3 of 2");
        assert!(Buckets::new([1], BatchSize::Tokens(0), 1).is_err());
    }
}
