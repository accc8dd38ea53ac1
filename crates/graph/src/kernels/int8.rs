//! A matrix of 8-bit integers in panels. A product of few rows waits for its weights to come from memory, and these are
//! a quarter of the bytes.
//!
//! A panel becomes numbers again in the first cache when its turn comes: w = s·q, rounded once, which is the very
//! number that the parameter holds. So a product has the same bits with these panels as with those of
//! [`layout`](super::layout), on every processor, and no sum of small integers can overflow, because there is none.

use super::layout::{Matrix, Tile};
use crate::{Element, Float};
use pulp::Simd;

/// The panels of B `[k, n]` as integers, and their scales.
#[derive(Debug)]
pub(super) struct Int8Panels<E: Element> {
    values: Box<[i8]>,
    scales: Scales<E>,
}

/// What the integers are multiplied by.
#[derive(Debug)]
enum Scales<E: Element> {
    /// A number for each row of B.
    OfRows(Vec<E>),
    /// A number for each column of the panels.
    OfColumns(Vec<E>),
}

/// Returns w as the integer that was scaled to it.
pub(crate) fn integer<E: Element>(w: E, scale: E) -> i8 {
    (w / scale).round_ties_even().to_f64() as i8
}

impl<E: Element> Int8Panels<E> {
    pub(super) fn bytes(&self) -> usize {
        self.values.len()
    }
}

impl<E: Float> Int8Panels<E> {
    /// Packs B `[k, n]` for a tile. Each element is an integer times the scale of its column if `of_columns`, else of
    /// its row.
    pub(super) fn new(tile: Tile, (k, n): (usize, usize), b: Matrix<'_, E>, scales: &[E], of_columns: bool) -> Self {
        let mut values = Vec::with_capacity(tile.packed_len(k, n));
        let mut padded = vec![];
        for (from, width, room) in tile.panels(n) {
            for row in 0..k {
                let scale = |column: usize| scales[if of_columns { column } else { row }];
                values.extend((from..from + width).map(|column| integer(b.at(row, column), scale(column))));
                values.extend((width..room).map(|_| 0));
            }
            if of_columns {
                padded.extend_from_slice(&scales[from..from + width]);
                padded.extend((width..room).map(|_| E::ZERO));
            }
        }
        let scales = if of_columns { Scales::OfColumns(padded) } else { Scales::OfRows(scales.to_vec()) };
        Int8Panels { values: values.into(), scales }
    }

    /// The integers of the panel that begins at column `from` of B `[k, n]` and has room for `room` columns.
    #[inline(always)]
    pub(super) fn panel(&self, from: usize, room: usize, k: usize) -> &[i8] {
        &self.values[from * k..][..room * k]
    }

    /// The scales, with zeros for the columns that panels only have room for, if each column has one.
    #[inline(always)]
    pub(super) fn scales_of_columns(&self) -> Option<&[E]> {
        if let Scales::OfColumns(scales) = &self.scales { Some(scales) } else { None }
    }

    /// Makes numbers of `terms` rows from row `begin` on of some panels of B `[k, n]`.
    #[inline(always)]
    pub(super) fn dequantize<S: Simd>(
        &self,
        panels: impl Iterator<Item = (usize, usize, usize)>,
        (begin, terms, k): (usize, usize, usize),
        mut to: &mut [E],
    ) {
        for (from, _, room) in panels {
            let values = &self.panel(from, room, k)[room * begin..][..room * terms];
            let to = to.split_off_mut(..room * terms).unwrap_or_default();
            match &self.scales {
                Scales::OfColumns(scales) => of_columns::<E, S>(values, &scales[from..from + room], to),
                Scales::OfRows(scales) => of_rows(values, &scales[begin..], room, to),
            }
        }
    }
}

/// A scale for each column.
#[inline(always)]
fn of_columns<E: Float, S: Simd>(values: &[i8], scales: &[E], to: &mut [E]) {
    match E::lanes::<S>() {
        16 => in_registers::<E, 16>(values, scales, to),
        8 => in_registers::<E, 8>(values, scales, to),
        4 => in_registers::<E, 4>(values, scales, to),
        2 => in_registers::<E, 2>(values, scales, to),
        _ => in_registers::<E, 1>(values, scales, to),
    }
}

/// As many columns at once as a register has numbers.
#[inline(always)]
fn in_registers<E: Float, const LANES: usize>(values: &[i8], scales: &[E], to: &mut [E]) {
    match scales.len() / LANES {
        3 => in_rows::<E, LANES, 3>(values, scales, to),
        2 => in_rows::<E, LANES, 2>(values, scales, to),
        _ => in_rows::<E, LANES, 1>(values, scales, to),
    }
}

/// `V` registers per row.
#[inline(always)]
fn in_rows<E: Float, const LANES: usize, const V: usize>(values: &[i8], scales: &[E], to: &mut [E]) {
    let Some(scales) = scales.as_chunks::<LANES>().0.as_chunks::<V>().0.first() else { return };
    let rows = values.as_chunks::<LANES>().0.as_chunks::<V>().0.iter();
    for (values, to) in rows.zip(to.as_chunks_mut::<LANES>().0.as_chunks_mut::<V>().0) {
        *to = numbers(values, scales);
    }
}

/// A row of a panel.
#[inline(always)]
pub(super) fn numbers<E: Float, const LANES: usize, const V: usize>(
    values: &[[i8; LANES]; V],
    scales: &[[E; LANES]; V],
) -> [[E; LANES]; V] {
    let mut all = [[E::ZERO; LANES]; V];
    for v in 0..V {
        for lane in 0..LANES {
            all[v][lane] = E::from_i8(values[v][lane]) * scales[v][lane];
        }
    }
    all
}

/// A scale for each row.
#[inline(always)]
fn of_rows<E: Float>(values: &[i8], scales: &[E], room: usize, to: &mut [E]) {
    for ((values, to), &scale) in values.chunks_exact(room).zip(to.chunks_exact_mut(room)).zip(scales) {
        for (&value, to) in values.iter().zip(to) {
            *to = E::from_i8(value) * scale;
        }
    }
}
