//! One long text in parallel columns, for truncated back-propagation through time.
//!
//! A language model reads a text from its first token to its last and predicts each next one. To fill a batch, the text
//! is cut into B pieces that are read side by side; to bound memory, they are read one window of T steps at a time, and
//! the state at the end of a window is carried into the next. Row b of window w + 1 continues where row b of window w
//! stopped:
//!
//! ```text
//! a b c d e f g h i j k      B = 2, T = 3
//!
//! window 0   a b c → b c d    window 1   d e → e f
//!            f g h → g h i               i j → j k
//! ```

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::batch::padded;
use crate::error::Error;
use crate::teacher_forcing::weights;
use crate::token_ids::TokenIds;
use crate::vocabulary::Specials;

/// Cuts a text into B columns, which are read side by side.
///
/// More in [chapter 4](https://github.com/unspool/unspool/blob/main/docs/04-unrolling.md) of the tutorial.
///
/// ```
/// use unspool_text::BpttStreams;
///
/// let text: Vec<u32> = (10..21).collect();
/// let streams = BpttStreams::new(text, 2, 3)?;
/// let windows: Vec<_> = streams.windows().collect();
/// assert_eq!(windows[0].input, ndarray::array![[10, 11, 12], [15, 16, 17]]);
/// assert_eq!(windows[0].target, ndarray::array![[11, 12, 13], [16, 17, 18]]);
/// assert_eq!(windows[1].input, ndarray::array![[13, 14], [18, 19]]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BpttStreams {
    ids: TokenIds,
    /// Where each column begins; one more for the end.
    starts: Vec<usize>,
    time: usize,
    pad: u32,
}

/// Holds a window of every column: the ids that are read, and the ids that follow them.
///
/// ```
/// use unspool_text::BpttStreams;
/// // Seven ids in two columns: three next ids each.
/// let windows: Vec<_> = BpttStreams::new((10..17).collect::<Vec<_>>(), 2, 2)?.windows().collect();
/// assert_eq!(windows[0].input, ndarray::array![[10, 11], [13, 14]]);
/// assert_eq!(windows[1].target, ndarray::array![[13], [16]]);
/// assert_eq!((windows[0].first, windows[1].first), (true, false));             // the state is carried into the second
/// assert_eq!(windows[1].lengths, [1, 1]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BpttWindow {
    /// `[batch, time]`; time is T, less in an epoch's last window.
    pub input: Array2<u32>,
    /// `[batch, time]`: the input one step later.
    pub target: Array2<u32>,
    /// `[batch]`: real steps of each row: all of them, but for one less in some rows of the last window.
    pub lengths: Vec<usize>,
    /// `[batch, time]`: 1 at a real step.
    pub weights: Array2<f32>,
    /// Whether the columns begin here, and the carried state with them.
    pub first: bool,
}

/// Counts the steps of an epoch that each column has given, to be saved with the carried state.
///
/// ```
/// use unspool_text::BpttStreams;
/// let streams = BpttStreams::new((10..30).collect::<Vec<_>>(), 2, 4)?;
/// let mut windows = streams.windows();
/// windows.next();
/// let saved = windows.position();
/// assert_eq!((saved.step, streams.from(saved)?.next()), (4, windows.next()));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BpttPosition {
    /// Steps from the columns' beginning.
    pub step: usize,
}

impl BpttStreams {
    /// Cuts a text of n ids into `columns` pieces that predict its n − 1 next ids once each; pieces differ by at
    /// most one step. Windows have `time` steps.
    ///
    /// # Errors
    /// [`Error::Option`] for 0 columns or steps, or a text with fewer next ids than columns.
    pub fn new(ids: impl Into<TokenIds>, columns: usize, time: usize) -> Result<Self, Error> {
        let ids = ids.into();
        let positive = |option, value: usize| {
            let fault = Error::Option { option, found: value.to_string(), expected: "1 or more" };
            if value == 0 { Err(fault) } else { Ok(()) }
        };
        positive("the number of columns", columns)?;
        positive("the window's steps", time)?;
        let steps = ids.len().saturating_sub(1);
        if steps < columns {
            return Err(Error::Option {
                option: "the number of columns",
                found: format!("{columns} for a text of {} ids", ids.len()),
                expected: "less than the text has ids",
            });
        }
        let (each, longer) = (steps / columns, steps % columns);
        let starts = (0..=columns).map(|column| column * each + column.min(longer)).collect();
        Ok(BpttStreams { ids, starts, time, pad: Specials::FIXED.pad })
    }

    /// Sets the padding id, 0 by default.
    #[must_use]
    pub fn pad(mut self, pad: u32) -> Self {
        self.pad = pad;
        self
    }

    /// Returns the number of columns: the batch.
    pub fn columns(&self) -> usize {
        self.starts.len() - 1
    }

    /// Returns the number of steps of the longest column.
    pub fn steps(&self) -> usize {
        // The first columns are those with one step more.
        self.starts[1] - self.starts[0]
    }

    /// Returns the number of ids that are predicted in an epoch.
    pub fn tokens(&self) -> usize {
        self.ids.len() - 1
    }

    /// Returns the windows of an epoch.
    pub fn windows(&self) -> BpttWindows<'_> {
        BpttWindows { streams: self, step: 0 }
    }

    /// Returns the windows from a saved position on.
    ///
    /// # Errors
    /// [`Error::Position`] when it is after the columns' end.
    pub fn from(&self, position: BpttPosition) -> Result<BpttWindows<'_>, Error> {
        if position.step > self.steps() {
            return Err(Error::Position { reason: format!("step {} of {}", position.step, self.steps()) });
        }
        Ok(BpttWindows { streams: self, step: position.step })
    }

    fn window(&self, step: usize) -> BpttWindow {
        let time = self.time.min(self.steps() - step);
        let lengths: Vec<usize> =
            self.starts.windows(2).map(|ends| (ends[1] - ends[0]).saturating_sub(step).min(time)).collect();
        let columns = self.columns();
        let places = || self.starts.iter().map(|start| start + step).zip(&lengths);
        let input: Vec<_> = places().map(|(from, length)| self.ids.to_vec(from..from + length)).collect();
        let target: Vec<_> = places().map(|(from, length)| self.ids.to_vec(from + 1..from + length + 1)).collect();
        let input = padded(input.iter().map(Vec::as_slice), columns, time, self.pad);
        let target = padded(target.iter().map(Vec::as_slice), columns, time, self.pad);
        BpttWindow { input, target, weights: weights(&lengths, time), lengths, first: step == 0 }
    }
}

/// Iterates over the windows of an epoch in order.
///
/// ```
/// use unspool_text::BpttStreams;
/// let streams = BpttStreams::new((0..101).collect::<Vec<_>>(), 4, 10)?;
/// assert_eq!(streams.windows().count(), 3);                                    // 25 steps: 10, 10 and 5
/// assert_eq!(streams.windows().map(|window| window.lengths.iter().sum::<usize>()).sum::<usize>(), streams.tokens());
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BpttWindows<'a> {
    streams: &'a BpttStreams,
    step: usize,
}

impl BpttWindows<'_> {
    /// Returns the position of the next window.
    pub fn position(&self) -> BpttPosition {
        BpttPosition { step: self.step }
    }
}

impl Iterator for BpttWindows<'_> {
    type Item = BpttWindow;

    fn next(&mut self) -> Option<BpttWindow> {
        if self.step >= self.streams.steps() {
            return None;
        }
        let window = self.streams.window(self.step);
        self.step += window.input.ncols();
        Some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_next_id_is_predicted_once_and_each_row_goes_on(
            length in 2usize..80, columns in 1usize..9, time in 1usize..9,
        ) {
            prop_assume!(length > columns);
            let ids: Vec<u32> = (100..100 + length as u32).collect();
            let streams = BpttStreams::new(ids, columns, time).unwrap();
            let mut predicted = vec![0; length];
            let mut last = vec![None; columns];
            for window in streams.windows() {
                prop_assert_eq!(window.weights.sum() as usize, window.lengths.iter().sum::<usize>());
                for row in 0..columns {
                    for step in 0..window.input.ncols() {
                        let (input, target) = (window.input[[row, step]], window.target[[row, step]]);
                        if step < window.lengths[row] {
                            prop_assert_eq!(target, input + 1);
                            prop_assert!(last[row].is_none_or(|last| input == last));
                            last[row] = Some(target);
                            predicted[target as usize - 100] += 1;
                        } else {
                            prop_assert_eq!((input, target), (0, 0));
                        }
                    }
                }
            }
            prop_assert_eq!(predicted[0], 0);
            prop_assert!(predicted[1..].iter().all(|times| *times == 1));
        }

        #[test]
        fn an_epoch_resumed_anywhere_goes_on_the_same(length in 20usize..80, stop in 0usize..6) {
            let streams = BpttStreams::new((0..length as u32).collect::<Vec<_>>(), 3, 4).unwrap();
            let mut whole = streams.windows();
            for _ in 0..stop { whole.next(); }
            let resumed = streams.from(whole.position()).unwrap();
            prop_assert_eq!(resumed.collect::<Vec<_>>(), whole.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_text_too_short_for_its_columns_is_an_error() {
        let error = BpttStreams::new(vec![1, 2, 3], 3, 1).unwrap_err().to_string();
        assert_eq!(error, "the number of columns is 3 for a text of 3 ids; it must be less than the text has ids");
        assert!(BpttStreams::new(vec![], 1, 1).is_err());
        assert!(BpttStreams::new(vec![1, 2], 1, 0).is_err());
    }
}
