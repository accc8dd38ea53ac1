//! Gradients that wait until there are many of them.
//!
//! A matrix that is multiplied by at many time steps does not get as many small products: the pairs (operand row,
//! gradient row) are gathered in a [`Block`] and become one product per [`BLOCK`] rows. A vector that is beside
//! every row, a bias, gets the sums of blocks of as many rows, each a [`BlockSum`]. Rows without a gradient, such as
//! padding, are left out rather than multiplied, so a block's borders, and with them the bits, do not depend on
//! padding. The table of an embedding gets the sums of the rows that were used, a [`RowSums`], and none for the others.

use crate::{
    Element,
    buffer::{Buffer, Pool},
    tape::NONE,
};
use std::sync::Arc;

/// How many gathered rows are summed in one product for the gradient of a matrix, and in one sum for that of a bias.
pub(crate) const BLOCK: usize = 512;

/// Gathered pairs of rows that wait to become `left`ᵀ·`right`.
pub(crate) struct Block<E: Element> {
    pub(crate) rows: usize,
    left: Buffer<E>,
    right: Buffer<E>,
    pub(crate) widths: (usize, usize),
}

impl<E: Element> Block<E> {
    pub(crate) fn new(pool: &Arc<Pool<E>>, widths: (usize, usize)) -> Self {
        let (left, right) = (pool.take(BLOCK * widths.0), pool.take(BLOCK * widths.1));
        Block { rows: 0, left, right, widths }
    }

    /// Adds a pair; there must be room.
    pub(crate) fn push(&mut self, left: &[E], right: &[E]) {
        let (row, (l, r)) = (self.rows, self.widths);
        self.left[row * l..(row + 1) * l].copy_from_slice(left);
        self.right[row * r..(row + 1) * r].copy_from_slice(right);
        self.rows += 1;
    }

    /// The rows of both sides that have been gathered.
    pub(crate) fn pairs(&self) -> (&[E], &[E]) {
        (&self.left[..self.rows * self.widths.0], &self.right[..self.rows * self.widths.1])
    }

    pub(crate) fn is_finite(&self) -> bool {
        let (left, right) = self.pairs();
        left.iter().chain(right).all(|x| x.is_finite())
    }
}

/// The rows of a bias's gradient that do not fill a block yet, as their sum.
pub(crate) struct BlockSum<E: Element> {
    pub(crate) rows: usize,
    pub(crate) total: Buffer<E>,
}

impl<E: Element> BlockSum<E> {
    pub(crate) fn new(pool: &Arc<Pool<E>>, width: usize) -> Self {
        BlockSum { rows: 0, total: pool.zeros(width) }
    }

    /// Adds rows one after the other, so that the bits are those of any other cut of the same rows.
    pub(crate) fn add(&mut self, rows: &[E]) {
        let total = &mut self.total[..];
        let width = total.len();
        self.rows += rows.len() / width;
        E::vectorize(
            #[inline(always)]
            || {
                // Four rows at a time, so that the sums are read and written once for the four.
                let fours = rows.chunks_exact(4 * width);
                let rest = fours.remainder();
                for four in fours {
                    let ((a, b), (c, d)) = {
                        let (front, back) = four.split_at(2 * width);
                        (front.split_at(width), back.split_at(width))
                    };
                    let each = total.iter_mut().zip(a.iter().zip(b)).zip(c.iter().zip(d));
                    each.for_each(|((sum, (&a, &b)), (&c, &d))| *sum = *sum + a + b + c + d);
                }
                for row in rest.chunks_exact(width) {
                    total.iter_mut().zip(row).for_each(|(sum, &g)| *sum += g);
                }
            },
        );
    }
}

/// Gradients of an embedding's rows, in the order of their first use.
pub(crate) struct RowSums<E: Element> {
    /// Of each row of the table, where its sum lies in `values`; [`NONE`] where it has none.
    place: Vec<u32>,
    pub(crate) rows: Vec<u32>,
    pub(crate) width: usize,
    pub(crate) values: Buffer<E>,
}

impl<E: Element> RowSums<E> {
    /// No sums yet, of a table of `vocabulary` rows, with room for `rows` of them.
    pub(crate) fn new(pool: &Arc<Pool<E>>, vocabulary: usize, width: usize, rows: usize) -> Self {
        // A list that waited for its next use has no places in it.
        let mut place: Vec<u32> = pool.lists.take();
        place.resize(vocabulary.max(place.len()), NONE);
        RowSums { place, rows: vec![], width, values: pool.empty(rows.min(vocabulary) * width) }
    }

    /// Adds to the sum of one row of the table.
    pub(crate) fn add(&mut self, id: u32, gradient: &[E]) {
        match self.place[id as usize] {
            NONE => {
                self.place[id as usize] = self.rows.len() as u32;
                self.rows.push(id);
                self.values.extend_from_slice(gradient);
            }
            at => {
                let at = at as usize * self.width;
                self.values[at..at + self.width].iter_mut().zip(gradient).for_each(|(sum, &g)| *sum += g);
            }
        }
    }

    /// The rows, the width and the sums; the list of places waits for another gradient.
    pub(crate) fn finish(self, pool: &Pool<E>) -> (Vec<u32>, usize, Buffer<E>) {
        let RowSums { mut place, rows, width, values } = self;
        rows.iter().for_each(|&row| place[row as usize] = NONE);
        pool.lists.give(place);
        (rows, width, values)
    }
}
