//! How the matrices of a product lie: as they come, and B in panels.
//!
//! A *panel* is as many columns of B as three vector registers hold, row after row, so that the innermost loop reads it
//! straight through.

use crate::{Element, Float, buffer::Buffer};
use pulp::Simd;

/// Shows numbers in memory as a matrix for [`matrix_product`](crate::matrix_product): row by row, or as the transpose
/// of that.
///
/// ```
/// use unspool_graph::{Matrix, matrix_product};
/// let (a, mut c) = ([1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0; 4]);
/// // A·Aᵀ for A `[2, 3]`.
/// matrix_product((2, 3, 2), Matrix::rows(&a, 3), Matrix::transposed(&a, 3), &mut c, false);
/// assert_eq!(c, [14.0, 32.0, 32.0, 77.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, E> {
    // `data[row · row_stride + column · column_stride]`; one of the strides is 1.
    pub(super) data: &'a [E],
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

impl<'a, E: Element> Matrix<'a, E> {
    /// Takes numbers that lie row by row, `columns` to a row.
    pub fn rows(data: &'a [E], columns: usize) -> Self {
        Matrix { data, row_stride: columns, column_stride: 1 }
    }
    /// Takes the transpose of what [`Matrix::rows`] would take.
    pub fn transposed(data: &'a [E], columns: usize) -> Self {
        Matrix { data, row_stride: 1, column_stride: columns }
    }
    /// Elements, and the distances of rows and of columns.
    pub(super) fn strided((data, row_stride, column_stride): (&'a [E], usize, usize)) -> Self {
        Matrix { data, row_stride, column_stride }
    }
    /// What [`strided`](Matrix::strided) takes.
    pub(super) fn parts(self) -> (&'a [E], usize, usize) {
        (self.data, self.row_stride, self.column_stride)
    }
    /// Without its first `rows` rows and `columns` columns.
    pub(super) fn from(&self, rows: usize, columns: usize) -> Self {
        Matrix { data: &self.data[rows * self.row_stride + columns * self.column_stride..], ..*self }
    }
    pub(super) fn at(&self, row: usize, column: usize) -> E {
        self.data[row * self.row_stride + column * self.column_stride]
    }
    pub(super) fn reach(&self, rows: usize, columns: usize) -> usize {
        match (rows, columns) {
            (0, _) | (_, 0) => 0,
            _ => (rows - 1) * self.row_stride + (columns - 1) * self.column_stride + 1,
        }
    }
}
/// Registers to a panel's row.
const WIDE: usize = 3;

/// How many numbers one vector register holds on this processor.
pub(super) fn lanes<E: Float>() -> usize {
    struct Ask<E>(std::marker::PhantomData<E>);
    impl<E: Float> pulp::WithSimd for Ask<E> {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            E::lanes::<S>()
        }
    }
    super::vector::arch().dispatch(Ask::<E>(std::marker::PhantomData))
}

/// The columns of a matrix of `n` columns, cut evenly into panels: first column, columns there, columns of room.
#[inline(always)]
pub(super) fn panels(n: usize, lanes: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let registers = n.div_ceil(lanes);
    let count = registers.div_ceil(WIDE);
    (0..count).map(move |i| {
        let (from, to) = (registers * i / count * lanes, registers * (i + 1) / count * lanes);
        (from, to.min(n) - from, to - from)
    })
}

/// Lays the columns `from..from + width` of B `[k, n]` out as a panel with room for `room` columns.
#[inline(always)]
pub(super) fn pack_panel<E: Float>(b: Matrix<'_, E>, (from, width, room): (usize, usize, usize), panel: &mut [E]) {
    if b.column_stride == 1 {
        for (row, to) in panel.chunks_exact_mut(room).enumerate() {
            let at = row * b.row_stride + from;
            to[..width].copy_from_slice(&b.data[at..at + width]);
            to[width..].fill(E::ZERO);
        }
        return;
    }
    let k = panel.len() / room;
    let column = |c: usize| &b.data[(from + c) * b.column_stride..][..k];
    // Squares of sixteen columns and rows are turned in registers: what is read lies together, and so does what is
    // written.
    let squares = width / SIDE * SIDE;
    for first in (0..squares).step_by(SIDE) {
        let columns: [&[[E; SIDE]]; SIDE] = std::array::from_fn(|i| column(first + i).as_chunks().0);
        for (block, to) in panel.chunks_exact_mut(SIDE * room).enumerate() {
            let square: [[E; SIDE]; SIDE] = std::array::from_fn(|i| columns[i][block]);
            for (p, to) in to.chunks_exact_mut(room).enumerate() {
                to[first..first + SIDE].copy_from_slice(&std::array::from_fn::<E, SIDE, _>(|i| square[i][p]));
            }
        }
    }
    let done = k / SIDE * SIDE;
    for (p, to) in panel.chunks_exact_mut(room).enumerate() {
        let first = if p < done { squares } else { 0 };
        for (c, to) in to[..width].iter_mut().enumerate().skip(first) {
            *to = b.data[(from + c) * b.column_stride + p];
        }
        to[width..].fill(E::ZERO);
    }
}

/// The side of the squares that are turned while packing.
const SIDE: usize = 16;

/// B `[k, n]` in panels, to be multiplied by more than once.
#[derive(Debug)]
pub(crate) struct Packed<E: Element> {
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) panels: Buffer<E>,
}

impl<E: Element> Packed<E> {
    /// How many elements the panels have.
    pub(crate) fn elements(&self) -> usize {
        self.panels.len()
    }
}

impl<E: Float> Packed<E> {
    /// Packs B `[k, n]` into a buffer that `take` gives for a length.
    pub(crate) fn new((k, n): (usize, usize), b: Matrix<'_, E>, take: impl FnOnce(usize) -> Buffer<E>) -> Self {
        assert!(b.reach(k, n) <= b.data.len());
        let mut panels = take(packed_len::<E>(k, n));
        pack(b, (k, n), &mut panels);
        Packed { k, n, panels }
    }
}

pub(super) fn packed_len<E: Float>(k: usize, n: usize) -> usize {
    n.next_multiple_of(lanes::<E>()) * k
}

/// All panels of B, one behind the other.
pub(super) fn pack<E: Float>(b: Matrix<'_, E>, (k, n): (usize, usize), to: &mut [E]) {
    struct Pack<'a, E>(Matrix<'a, E>, usize, usize, &'a mut [E]);
    impl<E: Float> pulp::WithSimd for Pack<'_, E> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Pack(b, k, n, to) = self;
            for panel in panels(n, E::lanes::<S>()) {
                pack_panel(b, panel, &mut to[panel.0 * k..][..panel.2 * k]);
            }
        }
    }
    if k > 0 {
        super::vector::arch().dispatch(Pack(b, k, n, to));
    }
}
