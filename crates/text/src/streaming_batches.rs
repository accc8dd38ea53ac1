//! Batches from a stream that does not fit in memory.
//!
//! A window of examples is read, sorted into batches as [`Buckets`](crate::Buckets) sorts a whole set, and returned;
//! then the next one. The order is a function of the seed, the epoch and the stream alone.

use crate::bucket::{BatchSize, Extent, Padding, Position, extent, shuffled};
use crate::error::Error;

/// Groups the rows of a stream into batches of similar lengths, window after window.
///
/// More in [chapter 14](https://github.com/unspool/unspool/blob/main/docs/14-forecasting.md) of the tutorial.
///
/// ```
/// use unspool_text::{BatchSize, StreamingBatches};
///
/// let stream = (1..=10).map(|n| Ok(vec![7u32; n]));
/// let windows = StreamingBatches::new(stream, 4, BatchSize::Rows(2), 1, 0, |row| (0, row.len()))?;
/// let batches = windows.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(batches.len(), 5);
/// assert!(batches[0].iter().all(|row| row.len() <= 4));
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// Reading, tokenizing and sorting need no model: all of it can run ahead on another thread.
///
/// ```
/// use unspool_text::{Prefetch, BatchSize, Source, TokenKind, Tokenizer, TokenizerOptions, Tsv, StreamingBatches};
///
/// let table = b"text\tlabel\nbra\t1\nd\xc3\xa5ligt\t0\n".as_slice();
/// let options = TokenizerOptions { minimum_count: 1, ..Default::default() };
/// let tokenizer = Tokenizer::train(TokenKind::Character, ["bra", "dåligt"], &options)?;
/// let rows = Tsv::open(Source::bytes("reviews", table))?.columns(["text"])?;
/// let examples = rows.map(move |row| tokenizer.encode(&row?[0]));
/// let length = |ids: &Vec<u32>| (0, ids.len());
/// let windows = StreamingBatches::new(examples, 10_000, BatchSize::Tokens(400), 7, 0, length)?;
/// for batch in Prefetch::new(4, windows)? {
///     assert_eq!(batch?.len(), 2);
/// }
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Debug)]
pub struct StreamingBatches<I, T, L> {
    examples: I,
    lengths_of: L,
    window: usize,
    size: BatchSize,
    seed: u64,
    epoch: u64,
    windows: u64,
    given: usize,
    padding: Padding,
    ready: std::vec::IntoIter<Vec<T>>,
    fault: Option<Error>,
}

impl<T, I, L> StreamingBatches<I, T, L>
where
    I: Iterator<Item = Result<T, Error>>,
    L: Fn(&T) -> (usize, usize),
{
    /// Makes batches of one epoch of `examples`, of which `window` are in memory at a time.
    ///
    /// `lengths_of` gives the lengths (source, target) of an example, as for [`Buckets::pairs`](crate::Buckets::pairs).
    ///
    /// # Errors
    /// [`Error::Option`] for a window or a batch size of 0.
    pub fn new(
        examples: I,
        window: usize,
        size: BatchSize,
        seed: u64,
        epoch: u64,
        lengths_of: L,
    ) -> Result<Self, Error> {
        if window == 0 {
            return Err(Error::Option { option: "the window", found: "0".into(), expected: "1 or more" });
        }
        let ready = Vec::new().into_iter();
        let size = size.check()?;
        let padding = Padding::default();
        Ok(StreamingBatches {
            examples,
            lengths_of,
            window,
            size,
            seed,
            epoch,
            windows: 0,
            given: 0,
            padding,
            ready,
            fault: None,
        })
    }

    /// Returns the position of the next batch.
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, batch: self.given }
    }

    /// Returns the share of padding in the batches given so far, over both sides of pairs.
    ///
    /// ```
    /// use unspool_text::{BatchSize, StreamingBatches};
    /// let share = |window| -> Result<f64, unspool_text::Error> {
    ///     let stream = [3, 1, 3, 1].map(|length| Ok(vec![7u32; length])).into_iter();
    ///     let mut batches = StreamingBatches::new(stream, window, BatchSize::Rows(2), 1, 0, |row| (0, row.len()))?;
    ///     while batches.next().is_some() {}
    ///     Ok(batches.padding_share())
    /// };
    /// assert!((share(2)? - 4.0 / 12.0).abs() < 1e-15);                         // 3 1, 3 1: two of six, twice
    /// assert_eq!(share(4)?, 0.0);                                              // like lengths found each other
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    pub fn padding_share(&self) -> f64 {
        self.padding.share()
    }

    /// Continues from a saved position of the same stream. The examples before it are read again, and thrown away.
    ///
    /// # Errors
    /// [`Error::Position`] when the epoch is another or the stream has fewer batches; errors of the stream.
    pub fn resume(mut self, position: Position) -> Result<Self, Error> {
        let unfit = |reason| Err(Error::Position { reason });
        if position.epoch != self.epoch {
            return unfit(format!("it is of epoch {}, this is epoch {}", position.epoch, self.epoch));
        }
        while self.given < position.batch {
            match self.next() {
                Some(batch) => drop(batch?),
                None => return unfit(format!("batch {} of {}", position.batch, self.given)),
            }
        }
        Ok(self)
    }

    fn fill(&mut self) {
        let mut examples: Vec<Option<T>> = Vec::new();
        let mut lengths: Vec<Extent> = Vec::new();
        while examples.len() < self.window {
            match self.examples.next() {
                None => break,
                Some(Ok(example)) => {
                    lengths.push(extent((self.lengths_of)(&example)));
                    examples.push(Some(example));
                }
                Some(Err(error)) => {
                    self.fault = Some(error);
                    break;
                }
            }
        }
        let batches = shuffled(&lengths, self.size, &[self.seed, self.epoch, self.windows]);
        self.windows += 1;
        let take = |rows: Vec<usize>| rows.into_iter().filter_map(|row| examples[row].take()).collect();
        self.ready = batches.into_iter().map(take).collect::<Vec<_>>().into_iter();
    }
}

impl<T, I, L> Iterator for StreamingBatches<I, T, L>
where
    I: Iterator<Item = Result<T, Error>>,
    L: Fn(&T) -> (usize, usize),
{
    type Item = Result<Vec<T>, Error>;

    /// An error of the stream follows the batches that were read before it, and the stream continues after it.
    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.len() == 0 {
            if let Some(error) = self.fault.take() {
                return Some(Err(error));
            }
            self.fill();
        }
        match self.ready.next() {
            Some(batch) => {
                self.given += 1;
                self.padding.add(batch.iter().map(|example| extent((self.lengths_of)(example))));
                Some(Ok(batch))
            }
            None => self.fault.take().map(Err),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Example = (usize, usize);
    type Lengths = fn(&Example) -> (usize, usize);

    fn windows(
        lengths: &[usize],
        window: usize,
        size: BatchSize,
        epoch: u64,
    ) -> StreamingBatches<impl Iterator<Item = Result<Example, Error>>, Example, Lengths> {
        let examples = lengths.iter().copied().enumerate().map(Ok);
        StreamingBatches::new(examples, window, size, 7, epoch, (|&(_, length)| (0, length)) as Lengths).unwrap()
    }

    proptest! {
        #[test]
        fn nothing_is_dropped_and_nothing_strays_from_its_window(
            lengths in prop::collection::vec(0usize..9, 0..60), window in 1usize..12, budget in 1usize..30, epoch: u64,
        ) {
            let mut stream = windows(&lengths, window, BatchSize::Tokens(budget), epoch);
            let batches: Vec<_> = stream.by_ref().map(Result::unwrap).collect();
            let real = lengths.iter().sum::<usize>() as f64;
            let padded = |batch: &Vec<(usize, usize)>| batch.len() * batch.iter().map(|row| row.1).max().unwrap();
            let all: usize = batches.iter().map(padded).sum();
            let share = if all == 0 { 0.0 } else { 1.0 - real / all as f64 };
            prop_assert!((stream.padding_share() - share).abs() < 1e-12);
            let order: Vec<usize> = batches.iter().flatten().map(|(row, _)| *row).collect();
            for (place, row) in order.iter().enumerate() {
                prop_assert_eq!(place / window, row / window);
            }
            let mut sorted = order;
            sorted.sort_unstable();
            prop_assert_eq!(sorted, (0..lengths.len()).collect::<Vec<_>>());
        }

        #[test]
        fn a_stream_resumed_anywhere_goes_on_the_same(
            lengths in prop::collection::vec(1usize..9, 1..60), window in 1usize..12, stop in 0usize..20,
        ) {
            let mut whole = windows(&lengths, window, BatchSize::Rows(3), 2);
            for _ in 0..stop { whole.next(); }
            let resumed = windows(&lengths, window, BatchSize::Rows(3), 2).resume(whole.position()).unwrap();
            let resumed = resumed.map(Result::unwrap).collect::<Vec<_>>();
            prop_assert_eq!(resumed, whole.map(Result::unwrap).collect::<Vec<_>>());
        }
    }

    #[test]
    fn an_error_comes_behind_what_was_read_before_it_and_the_stream_goes_on() {
        let bad = Error::NoRows { file: "x".into() };
        let stream = vec![Ok(1), Ok(2), Err(bad), Ok(3)].into_iter();
        let found: Vec<_> = StreamingBatches::new(stream, 10, BatchSize::Rows(5), 1, 0, |_| (0, 1))
            .unwrap()
            .map(|batch| batch.map(|batch| batch.len()).map_err(|error| error.to_string()))
            .collect();
        assert_eq!(found, [Ok(2), Err("x: no data rows".into()), Ok(1)]);
    }

    #[test]
    fn a_position_of_another_epoch_or_stream_is_an_error() {
        let at = |epoch, batch| windows(&[1, 2], 2, BatchSize::Rows(1), 0).resume(Position { epoch, batch });
        assert!(at(1, 0).is_err());
        assert_eq!(at(0, 3).err().unwrap().to_string(), "the saved position does not fit this data: batch 3 of 2");
    }
}
