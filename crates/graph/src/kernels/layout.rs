//! How the matrices of a product lie: as they come, A in tiles, and B in panels.
//!
//! A *panel* is as many columns of B as a few vector registers hold, row after row, so that the innermost loop reads it
//! straight through.

use super::int8::Int8Panels;
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
    pub(crate) fn parts(self) -> (&'a [E], usize, usize) {
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

/// The tile of sums that a processor keeps in its registers, and with it the width of a panel.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// Rows of A at most.
    pub(super) rows: usize,
    /// Registers per row of a panel.
    registers: usize,
    /// Numbers per register.
    lanes: usize,
}

impl Tile {
    /// Returns the tile for the vectors `S`. With 32 registers, 8 × 3 sums leave room for a row of the panel and for
    /// an element of A. With 16 registers, 6 × 2 do: 12 sums, 2 registers of the panel, 1 for the element. One sum more
    /// and the compiler keeps some of them on the stack, where each step waits for a store and a load.
    #[inline(always)]
    pub(super) fn of<E: Float, S: Simd>() -> Tile {
        let (rows, registers) = if S::REGISTER_COUNT >= 32 { (8, 3) } else { (6, 2) };
        Tile { rows, registers, lanes: E::lanes::<S>() }
    }

    /// Returns the tile for this processor.
    pub(super) fn here<E: Float>() -> Tile {
        struct Ask<E>(std::marker::PhantomData<E>);
        impl<E: Float> pulp::WithSimd for Ask<E> {
            type Output = Tile;
            #[inline(always)]
            fn with_simd<S: Simd>(self, _: S) -> Tile {
                Tile::of::<E, S>()
            }
        }
        super::vector::arch().dispatch(Ask::<E>(std::marker::PhantomData))
    }

    /// Cuts the columns of a matrix of `n` columns evenly into panels: first column, columns there, columns of room.
    #[inline(always)]
    pub(super) fn panels(self, n: usize) -> impl Iterator<Item = (usize, usize, usize)> + Clone {
        let (registers, lanes) = (n.div_ceil(self.lanes), self.lanes);
        let count = registers.div_ceil(self.registers);
        let (each, wider) = (registers / count.max(1), registers % count.max(1));
        (0..count).map(
            #[inline(always)]
            move |i| {
                let (from, room) = ((each * i + wider.min(i)) * lanes, (each + usize::from(i < wider)) * lanes);
                (from, room.min(n - from), room)
            },
        )
    }

    /// Returns how many panels are made together: 512 columns or so, so that long pieces of B's rows are read and the
    /// panels are still in the second cache when they are multiplied by.
    #[inline(always)]
    pub(super) fn group(self) -> usize {
        512 / (self.registers * self.lanes)
    }

    /// Goes through panels in groups of `count`, each with its columns of room.
    #[inline(always)]
    pub(super) fn groups(
        self,
        mut panels: impl Iterator<Item = (usize, usize, usize)> + Clone,
        count: usize,
    ) -> impl Iterator<Item = (impl Iterator<Item = (usize, usize, usize)> + Clone, usize)> {
        std::iter::from_fn(
            #[inline(always)]
            move || {
                let group = panels.clone().take(count);
                let columns = group.clone().map(|panel| panel.2).sum();
                panels.nth(count - 1);
                (columns > 0).then_some((group, columns))
            },
        )
    }

    /// Returns the length of all panels of a matrix `[k, n]`.
    pub(super) fn packed_len(self, k: usize, n: usize) -> usize {
        n.next_multiple_of(self.lanes) * k
    }
}

/// Lays some columns of B `[k, n]` out as panels that follow one another.
#[inline(always)]
pub(super) fn pack_panels<E: Float, S: Simd>(
    b: Matrix<'_, E>,
    panels: impl Iterator<Item = (usize, usize, usize)> + Clone,
    mut to: &mut [E],
) {
    let columns: usize = panels.clone().map(|panel| panel.2).sum();
    let k = to.len() / columns.max(1);
    if b.column_stride != 1 {
        for panel in panels {
            pack_panel_of_transpose(b, panel, to.split_off_mut(..panel.2 * k).unwrap_or_default());
        }
        return;
    }
    // A few rows through all panels and then the next few, so that what is read lies together.
    for rows in (0..k).step_by(ROWS) {
        let mut begin = 0;
        for (from, width, room) in panels.clone() {
            let to = &mut to[begin + rows * room..begin + k.min(rows + ROWS) * room];
            for (row, to) in to.chunks_exact_mut(room).enumerate() {
                let from = &b.data[(rows + row) * b.row_stride + from..][..width];
                if width == room {
                    // In whole registers, without a call.
                    E::registers_mut::<S>(to).copy_from_slice(E::registers::<S>(from));
                } else {
                    to[..width].copy_from_slice(from);
                    to[width..].fill(E::ZERO);
                }
            }
            begin += room * k;
        }
    }
}

/// Rows that are laid out before the next columns are.
const ROWS: usize = 8;

/// Lays the columns `from..from + width` of B `[k, n]`, whose transpose lies row by row, out as a panel with room for
/// `room` columns.
#[inline(always)]
fn pack_panel_of_transpose<E: Float>(b: Matrix<'_, E>, (from, width, room): (usize, usize, usize), panel: &mut [E]) {
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

/// Returns how many of the next rows are multiplied at once. Few rows at once leave the multipliers waiting for sums,
/// so 8 rows left for a tile of 6 are 4 and 4, not 6 and 2.
#[inline(always)]
pub(super) fn rows_at_once<S: Simd>(left: usize) -> usize {
    match left {
        8.. if S::REGISTER_COUNT >= 32 => 8,
        9.. | 6 if S::REGISTER_COUNT < 32 => 6,
        4.. => 4,
        2.. => 2,
        _ => 1,
    }
}

/// Lays rows of A out as the tiles read them: of the rows that are multiplied at once, column after column.
#[inline(always)]
pub(super) fn pack_rows<E: Float, S: Simd>(a: Matrix<'_, E>, rows: usize, left: &mut [E]) {
    let terms = left.len() / rows;
    let (mut row, mut rest) = (0, left);
    while row < rows {
        let many = rows_at_once::<S>(rows - row);
        // All tiles of this height.
        let mut end = row + many;
        while end < rows && rows_at_once::<S>(rows - end) == many {
            end += many;
        }
        let (to, after) = rest.split_at_mut((end - row) * terms);
        let a = a.from(row, 0);
        match many {
            8 => pack_tiles::<E, 8>(a, terms, to),
            6 => pack_tiles::<E, 6>(a, terms, to),
            4 => pack_tiles::<E, 4>(a, terms, to),
            2 => pack_tiles::<E, 2>(a, terms, to),
            _ => pack_tiles::<E, 1>(a, terms, to),
        }
        (row, rest) = (end, after);
    }
}

/// Packs rows of A for tiles of `M` rows.
#[inline(always)]
fn pack_tiles<E: Float, const M: usize>(a: Matrix<'_, E>, terms: usize, to: &mut [E]) {
    if a.row_stride == 1 {
        // Row after row of the transpose, so that what is read lies together.
        return pack_columns::<E, M>(a, terms, to);
    }
    for (i, to) in to.chunks_exact_mut(M * terms).enumerate() {
        pack_block::<E, M>(a.from(i * M, 0), to);
    }
}

/// Blocks of `M` rows of A that lie side by side in its transpose.
#[inline(always)]
fn pack_columns<E: Float, const M: usize>(a: Matrix<'_, E>, terms: usize, to: &mut [E]) {
    let to = to.as_chunks_mut::<M>().0;
    let blocks = to.len() / terms;
    for p in 0..terms {
        let from = a.data[p * a.column_stride..][..blocks * M].as_chunks::<M>().0;
        for (from, to) in from.iter().zip(to[p..].iter_mut().step_by(terms)) {
            *to = *from;
        }
    }
}

/// The first `M` rows of A, column after column.
#[inline(always)]
fn pack_block<E: Float, const M: usize>(a: Matrix<'_, E>, to: &mut [E]) {
    let to = to.as_chunks_mut::<M>().0;
    let k = to.len();
    let rows: [&[E]; M] = std::array::from_fn(|i| &a.data[i * a.row_stride..][..k]);
    for (p, to) in to.iter_mut().enumerate() {
        for (to, row) in to.iter_mut().zip(rows) {
            *to = row[p];
        }
    }
}

/// Holds B `[k, n]` in panels, to be multiplied by more than once.
#[derive(Debug)]
pub(crate) struct Packed<E: Element> {
    pub(super) k: usize,
    pub(super) n: usize,
    pub(super) panels: Panels<E>,
}

/// What the panels hold.
#[derive(Debug)]
pub(super) enum Panels<E: Element> {
    Numbers(Buffer<E>),
    Int8(Int8Panels<E>),
}

impl<E: Element> Packed<E> {
    /// How many elements take the memory of the panels.
    pub(crate) fn elements(&self) -> usize {
        match &self.panels {
            Panels::Numbers(numbers) => numbers.len(),
            Panels::Int8(int8) => int8.bytes() / size_of::<E>(),
        }
    }
}

impl<E: Float> Packed<E> {
    /// Packs B `[k, n]` into a buffer that `take` gives for a length.
    pub(crate) fn new((k, n): (usize, usize), b: Matrix<'_, E>, take: impl FnOnce(usize) -> Buffer<E>) -> Self {
        assert!(b.reach(k, n) <= b.data.len());
        let mut panels = take(Tile::here::<E>().packed_len(k, n));
        pack(b, (k, n), &mut panels);
        Packed { k, n, panels: Panels::Numbers(panels) }
    }

    /// Packs B `[k, n]` as [`Int8Panels`] with a scale for each column, or for each row.
    pub(crate) fn int8((k, n): (usize, usize), b: Matrix<'_, E>, scales: &[E], of_columns: bool) -> Self {
        assert!(b.reach(k, n) <= b.data.len());
        Packed { k, n, panels: Panels::Int8(Int8Panels::new(Tile::here::<E>(), (k, n), b, scales, of_columns)) }
    }
}

/// All panels of B, one behind the other.
pub(super) fn pack<E: Float>(b: Matrix<'_, E>, (k, n): (usize, usize), to: &mut [E]) {
    struct Pack<'a, E>(Matrix<'a, E>, usize, usize, &'a mut [E]);
    impl<E: Float> pulp::WithSimd for Pack<'_, E> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            let Pack(b, k, n, to) = self;
            let tile = Tile::of::<E, S>();
            let mut rest = to;
            for (together, columns) in tile.groups(tile.panels(n), tile.group()) {
                pack_panels::<E, S>(b, together, rest.split_off_mut(..columns * k).unwrap_or_default());
            }
        }
    }
    if k > 0 {
        super::vector::arch().dispatch(Pack(b, k, n, to));
    }
}
