//! Sequences of different lengths side by side.
//!
//! A batch is a matrix `[batch, time]`: one row per sequence, filled up on the right with padding to the longest.
//! The lengths say where each row really ends; nothing that a model computes may depend on what comes after.

use ndarray::Array2;

use crate::error::Error;

/// Holds the ids of several sequences, padded on the right.
///
/// More in [chapter 5](https://github.com/unspool/unspool/blob/main/docs/05-many-to-one.md) of the tutorial.
///
/// ```
/// use unspool_text::{Padded, Specials};
///
/// let batch = Padded::new(&[vec![5, 6, 7], vec![8]], Specials::FIXED.pad);
/// assert_eq!(batch.ids, ndarray::array![[5, 6, 7], [8, 0, 0]]);
/// assert_eq!(batch.lengths, [3, 1]);
/// assert_eq!(batch.mask(), ndarray::array![[true, true, true], [true, false, false]]);
/// assert_eq!(batch.padding_share(), 2.0 / 6.0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Padded {
    /// `[batch, time]`.
    pub ids: Array2<u32>,
    /// `[batch]`: how many ids of each row are real.
    pub lengths: Vec<usize>,
}

impl Padded {
    /// Pads `rows` with `pad` to the longest. No rows give `[0, 0]`.
    pub fn new<R: AsRef<[u32]>>(rows: &[R], pad: u32) -> Self {
        let time = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
        Padded { ids: padded(rows.iter().map(AsRef::as_ref), rows.len(), time, pad), lengths: lengths(rows) }
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Returns a mask `[batch, time]` that is true where an id is real.
    pub fn mask(&self) -> Array2<bool> {
        Array2::from_shape_fn(self.ids.dim(), |(row, time)| time < self.lengths[row])
    }

    /// Returns the number of real ids.
    pub fn tokens(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// Returns the share of padding among all ids of the matrix; 0 for an empty one.
    pub fn padding_share(&self) -> f64 {
        if self.ids.is_empty() { 0.0 } else { (self.ids.len() - self.tokens()) as f64 / self.ids.len() as f64 }
    }
}

pub(crate) fn lengths<R: AsRef<[u32]>>(rows: &[R]) -> Vec<usize> {
    rows.iter().map(|row| row.as_ref().len()).collect()
}

/// `[batch, time]`, written once, row by row.
pub(crate) fn padded<'a>(rows: impl Iterator<Item = &'a [u32]>, batch: usize, time: usize, pad: u32) -> Array2<u32> {
    let mut ids = Vec::with_capacity(batch * time);
    for (row, sequence) in (1..).zip(rows) {
        ids.extend_from_slice(sequence);
        ids.resize(row * time, pad);
    }
    matrix(batch, time, ids)
}

/// The vector as a matrix; it always has as many elements, since every row is filled up to `time`.
pub(crate) fn matrix<T>(batch: usize, time: usize, elements: Vec<T>) -> Array2<T> {
    Array2::from_shape_vec((batch, time), elements).expect("each row holds `time` elements")
}

/// Holds sequences with one class each, for many-to-one tasks.
///
/// ```
/// use unspool_text::Labelled;
///
/// let batch = Labelled::new(&[vec![5, 6], vec![7]], &[1, 0], 0)?;
/// assert_eq!(batch.input.ids, ndarray::array![[5, 6], [7, 0]]);
/// assert_eq!(batch.labels, [1, 0]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labelled {
    /// `[batch, time]` with lengths.
    pub input: Padded,
    /// `[batch]`: the class of each row.
    pub labels: Vec<u32>,
}

impl Labelled {
    /// Pads the rows and puts their classes beside them.
    ///
    /// # Errors
    /// [`Error::Count`] when there is not one label per row.
    pub fn new<R: AsRef<[u32]>>(rows: &[R], labels: &[u32], pad: u32) -> Result<Self, Error> {
        if rows.len() != labels.len() {
            return Err(Error::Count { what: "labels", found: labels.len(), expected: rows.len() });
        }
        Ok(Labelled { input: Padded::new(rows, pad), labels: labels.to_vec() })
    }
}

/// Reports what was cut off when sequences were shortened.
///
/// ```
/// let lost = unspool_text::truncate(&mut [vec![1, 2, 3], vec![4, 5]], 1);
/// assert_eq!(format!("{} texts lost {} tokens", lost.rows, lost.ids), "2 texts lost 3 tokens");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Truncated {
    /// How many sequences were too long.
    pub rows: usize,
    /// How many ids were cut off in all.
    pub ids: usize,
}

/// Shortens each sequence to `max_length` ids and counts what is lost. Nothing else in this crate shortens.
///
/// ```
/// let mut rows = vec![vec![1, 2, 3, 4], vec![5]];
/// let lost = unspool_text::truncate(&mut rows, 2);
/// assert_eq!((rows, lost.rows, lost.ids), (vec![vec![1, 2], vec![5]], 1, 2));
/// ```
pub fn truncate(rows: &mut [Vec<u32>], max_length: usize) -> Truncated {
    let mut lost = Truncated::default();
    for row in rows {
        if row.len() > max_length {
            lost.rows += 1;
            lost.ids += row.len() - max_length;
            row.truncate(max_length);
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn real_ids_stand_where_they_were_and_padding_behind(
            rows in prop::collection::vec(prop::collection::vec(1u32..9, 0..7), 0..6),
        ) {
            let batch = Padded::new(&rows, 0);
            prop_assert_eq!(batch.ids.nrows(), rows.len());
            for ((row, ids), mask) in rows.iter().zip(batch.ids.rows()).zip(batch.mask().rows()) {
                let (real, padding) = ids.as_slice().unwrap().split_at(row.len());
                prop_assert_eq!(real, row);
                prop_assert!(padding.iter().all(|id| *id == 0));
                prop_assert_eq!(mask.iter().filter(|real| **real).count(), row.len());
            }
            let padding = batch.ids.len() - batch.tokens();
            prop_assert!((batch.padding_share() * batch.ids.len() as f64 - padding as f64).abs() < 1e-9);
        }
    }

    #[test]
    fn labels_and_rows_must_be_as_many() {
        let error = Labelled::new(&[vec![1]], &[], 0).unwrap_err();
        assert_eq!(error.to_string(), "0 labels where 1 were expected");
    }
}
