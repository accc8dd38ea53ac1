//! Teacher forcing (Williams and Zipser 1989): at each step the decoder sees the right past, not its own.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::batch::{matrix, padded};
use crate::vocabulary::Specials;

/// Holds what a decoder reads and what it should write, one step apart.
///
/// More in [chapter 7](https://github.com/unspool/unspool/blob/main/docs/07-one-to-many.md) of the tutorial.
///
/// Of y₁ … yₙ the input is `<bos>` y₁ … yₙ and the target y₁ … yₙ `<eos>`, so both are n + 1 long.
///
/// ```
/// use unspool_text::{Specials, TeacherForcing};
///
/// let batch = TeacherForcing::new(&[vec![7, 8], vec![9]], Specials::FIXED);
/// assert_eq!(batch.input, ndarray::array![[2, 7, 8], [2, 9, 0]]);
/// assert_eq!(batch.target, ndarray::array![[7, 8, 3], [9, 3, 0]]);
/// assert_eq!(batch.lengths, [3, 2]);
/// assert_eq!(batch.weights, ndarray::array![[1.0, 1.0, 1.0], [1.0, 1.0, 0.0]]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TeacherForcing {
    /// `[batch, time]`: begins with `<bos>`.
    pub input: Array2<u32>,
    /// `[batch, time]`: ends with `<eos>`.
    pub target: Array2<u32>,
    /// `[batch]`: real steps of each row, including the special one.
    pub lengths: Vec<usize>,
    /// `[batch, time]`: 1 at a real step, 0 at padding, for a mean over tokens.
    pub weights: Array2<f32>,
}

impl TeacherForcing {
    /// Makes input, target, lengths and weights of rows without special tokens.
    pub fn new<R: AsRef<[u32]>>(rows: &[R], specials: Specials) -> Self {
        let lengths: Vec<usize> = rows.iter().map(|row| row.as_ref().len() + 1).collect();
        let time = lengths.iter().copied().max().unwrap_or(0);
        let mut input = Vec::with_capacity(rows.len() * time);
        let mut target = Vec::with_capacity(rows.len() * time);
        for (row, sequence) in (1..).zip(rows) {
            input.push(specials.bos);
            input.extend_from_slice(sequence.as_ref());
            input.resize(row * time, specials.pad);
            target.extend_from_slice(sequence.as_ref());
            target.push(specials.eos);
            target.resize(row * time, specials.pad);
        }
        let weights = weights(&lengths, time);
        let batch = rows.len();
        TeacherForcing { input: matrix(batch, time, input), target: matrix(batch, time, target), lengths, weights }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Returns the number of real steps: the sum of the weights.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Returns the tokens of each row without the special ones and padding.
    ///
    /// ```
    /// use unspool_text::{Specials, TeacherForcing};
    /// let rows = [vec![7, 8], vec![], vec![9]];
    /// assert_eq!(TeacherForcing::new(&rows, Specials::FIXED).rows(), rows);
    /// ```
    pub fn rows(&self) -> Vec<Vec<u32>> {
        let tokens = |(row, length): (usize, &usize)| {
            self.target.row(row).iter().take(length.saturating_sub(1)).copied().collect()
        };
        self.lengths.iter().enumerate().map(tokens).collect()
    }
}

/// Chooses what a decoder is fed when one vector becomes a sequence (one-to-many): an image's caption, a text from a
/// seed.
///
/// More in [chapter 7](https://github.com/unspool/unspool/blob/main/docs/07-one-to-many.md) of the tutorial.
///
/// ```
/// use unspool_text::{DecoderInput, Specials, TeacherForcing};
///
/// let input = |feed| TeacherForcing::one_to_many(&[vec![7, 8]], feed, Specials::FIXED).input;
/// assert_eq!(input(DecoderInput::Back), ndarray::array![[2, 7, 8]]);
/// assert_eq!(input(DecoderInput::Zero), ndarray::array![[2, 0, 0]]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecoderInput {
    /// `<bos>` at the first step and padding, whose embedding is zero, at all others: only the state continues.
    Zero,
    /// The right token of the step before: teacher forcing; when decoding, the model's own.
    Back,
}

impl TeacherForcing {
    /// Makes the targets of [`TeacherForcing::new`] for a one-to-many task, with the input that `feed` names.
    ///
    /// ```
    /// use unspool_text::{DecoderInput, Specials, TeacherForcing};
    ///
    /// let batch = TeacherForcing::one_to_many(&[vec![7, 8]], DecoderInput::Zero, Specials::FIXED);
    /// assert_eq!(batch.input, ndarray::array![[2, 0, 0]]);
    /// assert_eq!(batch.target, ndarray::array![[7, 8, 3]]);
    /// ```
    pub fn one_to_many<R: AsRef<[u32]>>(rows: &[R], feed: DecoderInput, specials: Specials) -> Self {
        let mut batch = TeacherForcing::new(rows, specials);
        if feed == DecoderInput::Zero && !batch.is_empty() {
            let time = batch.input.ncols();
            let first = [specials.bos];
            batch.input = padded(rows.iter().map(|_| first.as_slice()), rows.len(), time, specials.pad);
        }
        batch
    }
}

/// `[batch, time]`: 1 before each row's length, 0 after it.
pub(crate) fn weights(lengths: &[usize], time: usize) -> Array2<f32> {
    Array2::from_shape_fn((lengths.len(), time), |(row, step)| if step < lengths[row] { 1.0 } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_target_is_the_input_one_step_later(
            rows in prop::collection::vec(prop::collection::vec(4u32..9, 0..7), 0..6),
        ) {
            let batch = TeacherForcing::new(&rows, Specials::FIXED);
            prop_assert_eq!(batch.input.dim(), batch.target.dim());
            prop_assert_eq!(batch.tokens(), rows.iter().map(|row| row.len() + 1).sum::<usize>());
            prop_assert_eq!(batch.weights.sum() as usize, batch.tokens());
            for (row, &length) in batch.lengths.iter().enumerate() {
                prop_assert_eq!(batch.input[[row, 0]], 2);
                prop_assert_eq!(batch.target[[row, length - 1]], 3);
                for step in 1..length {
                    prop_assert_eq!(batch.input[[row, step]], batch.target[[row, step - 1]]);
                }
                for step in length..batch.input.ncols() {
                    prop_assert_eq!((batch.input[[row, step]], batch.target[[row, step]]), (0, 0));
                }
            }
        }

        #[test]
        fn one_to_many_is_fed_back_as_in_teacher_forcing_or_gets_nothing_behind_the_first_step(
            rows in prop::collection::vec(prop::collection::vec(4u32..9, 0..7), 0..6),
        ) {
            let forced = TeacherForcing::new(&rows, Specials::FIXED);
            prop_assert_eq!(&TeacherForcing::one_to_many(&rows, DecoderInput::Back, Specials::FIXED), &forced);
            let zero = TeacherForcing::one_to_many(&rows, DecoderInput::Zero, Specials::FIXED);
            for ((_, step), id) in zero.input.indexed_iter() {
                prop_assert_eq!(*id, if step == 0 { 2 } else { 0 });
            }
            prop_assert_eq!(TeacherForcing { input: forced.input.clone(), ..zero }, forced);
        }
    }
}
