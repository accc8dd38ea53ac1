//! The one function through which every matrix product goes, so that one place keeps the promise of the same bits.
//!
//! Each element of C = A·B is one chain of fused multiply–adds over k, in order, begun at zero, at what C held, or at a
//! bias. So an element's bits depend on its row of A and its column of B alone: not on the rows beside it, the threads,
//! the vector width or where a long sum was cut in two calls; and a row of zeros in a sum of rows changes nothing.
//!
//! B is laid out in [panels](super::layout). Several rows of A against a panel keep a [`Tile`] of sums in registers. A
//! recurrence multiplies by the same B at every time step: its panels are made once ([`Packed`]) and kept.

use super::{
    int8::{Int8Panels, numbers},
    layout::{Matrix, Packed, Panels, Tile, pack, pack_panels, pack_rows, rows_at_once},
};
use crate::{Element, Float, element::Start, reference::reference_mode};
use pulp::Simd;
use rayon::prelude::*;
use std::ops::Range;

/// B as a product reads it.
#[derive(Clone, Copy)]
enum Right<'a, E: Float> {
    /// All its panels.
    Panels(&'a [E]),
    /// As it lies: each panel is made when its turn comes, in the caches, and needs no memory of B's size.
    Plain(Matrix<'a, E>),
    /// All its panels as integers, made numbers when their turn comes.
    Int8(&'a Int8Panels<E>),
}

/// Some rows and some panels of a product, on one thread.
struct Part<'a, E: Float> {
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'a, E>,
    b: Right<'a, E>,
    /// Which panels of B.
    panels: Range<usize>,
    /// The rows of C from the first of these panels on.
    c: &'a mut [E],
    start: Start<'a, E>,
}

/// As many elements of A at most are packed at a time as stay in the second cache beside a part of a panel. Where B is
/// too large for the caches, it comes from memory once for each of these blocks, and they are better larger.
const BLOCK: [usize; 2] = [1 << 16, 1 << 18];

/// A B of more elements than this is large.
const LARGE: usize = 1 << 21;

/// Where C has more elements than this, it does not stay in the caches, and what is written must lie together: a few
/// rows go through many panels before the next rows come. Otherwise all rows go through one panel, which stays in the
/// first cache.
const WIDE: usize = 1 << 20;

/// From this many rows of A on, what the panels of B cost is little beside the product: those of a large B are not
/// kept.
const MANY: usize = 64;

/// Whether the panels of B `[k, n]` are worth their memory for a product of `m` rows that may come again.
pub(crate) fn worth_keeping((m, k, n): (usize, usize, usize)) -> bool {
    !reference_mode() && (m < MANY || k * n <= LARGE)
}

/// As many terms of a sum are added before the next rows come, so that a part of a panel stays there too.
const LONG: usize = 512;

impl<E: Float> pulp::WithSimd for Part<'_, E> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        if let Right::Int8(b) = self.b
            && self.m == 1
            && let Some(scales) = b.scales_of_columns()
        {
            return self.row(simd, b, scales);
        }
        let [mut left, mut right] = E::thread_memory().with(|memory| memory.room.take());
        let (tile, k) = (Tile::of::<E, S>(), self.k);
        let panels = tile.panels(self.n).take(self.panels.end).skip(self.panels.start);
        let first = panels.clone().next().map_or(0, |panel| panel.0);
        let terms = k.div_ceil(k.div_ceil(LONG));
        let most = (BLOCK[usize::from(k * self.n > LARGE)] / terms).max(1);
        let rows = self.m.div_ceil(self.m.div_ceil(most)).next_multiple_of(tile.rows);
        // What is made of integers for a few rows stays in the first cache.
        let few = matches!(self.b, Right::Int8(_)) && self.m < MANY;
        let count = if few { 1 } else { tile.group() };
        for begin in (0..k).step_by(terms) {
            let terms = terms.min(k - begin);
            for row in (0..self.m).step_by(rows) {
                let rows = rows.min(self.m - row);
                left.resize((rows * terms).max(left.len()), E::ZERO);
                pack_rows::<E, S>(self.a.from(row, begin), rows, &mut left[..rows * terms]);
                let mut group = first;
                for (together, columns) in tile.groups(panels.clone(), count) {
                    // The panels of this group, how many terms each of them has, and which of these come first here.
                    let (b, height, begin) = match self.b {
                        Right::Panels(panels) => (&panels[group * k..][..columns * k], k, begin),
                        Right::Plain(b) => {
                            right.resize((columns * terms).max(right.len()), E::ZERO);
                            pack_panels::<E, S>(b.from(begin, 0), together.clone(), &mut right[..columns * terms]);
                            (&right[..columns * terms], terms, 0)
                        }
                        Right::Int8(b) => {
                            right.resize((columns * terms).max(right.len()), E::ZERO);
                            b.dequantize::<S>(together.clone(), (begin, terms, k), &mut right[..columns * terms]);
                            (&right[..columns * terms], terms, 0)
                        }
                    };
                    let together = together.map(
                        #[inline(always)]
                        |(from, width, room)| {
                            let at = (from - group) * height + room * begin;
                            (from - first, width, &b[at..][..room * terms])
                        },
                    );
                    let a = &left[..rows * terms];
                    if self.m * self.n > WIDE {
                        self.group(simd, row, a, rows, together);
                    } else {
                        for panel in together {
                            self.group(simd, row, a, rows, std::iter::once(panel));
                        }
                    }
                    group += columns;
                }
            }
            self.start = Start::Output;
        }
        E::thread_memory().with(|memory| memory.room.set([left, right]));
    }
}

impl<E: Float> Part<'_, E> {
    /// Packed rows from `row` on against some panels: from which column on, how many columns, and the numbers. A few
    /// rows go through all of the panels before the next rows come.
    #[inline(always)]
    fn group<'b, S: Simd>(
        &mut self,
        simd: S,
        mut row: usize,
        left: &[E],
        mut rows: usize,
        group: impl Iterator<Item = (usize, usize, &'b [E])> + Clone,
    ) {
        let (mut rest, terms) = (left, left.len() / rows);
        while rows > 0 {
            let many = rows_at_once::<S>(rows);
            let (a, after) = rest.split_at(many * terms);
            for (from, width, panel) in group.clone() {
                match panel.len() / terms / E::lanes::<S>() {
                    3 if S::REGISTER_COUNT >= 32 => self.tiles::<S, 3>(simd, many, (row, from, width), a, panel),
                    2 => self.tiles::<S, 2>(simd, many, (row, from, width), a, panel),
                    _ => self.tiles::<S, 1>(simd, many, (row, from, width), a, panel),
                }
            }
            (row, rows, rest) = (row + many, rows - many, after);
        }
    }

    /// `many` packed rows against a panel of `V` registers a row.
    #[inline(always)]
    fn tiles<S: Simd, const V: usize>(
        &mut self,
        simd: S,
        many: usize,
        (row, from, width): (usize, usize, usize),
        a: &[E],
        panel: &[E],
    ) {
        let b = E::registers::<S>(panel).as_chunks::<V>().0.iter().copied();
        match many {
            8 => self.tile::<S, 8, V>(simd, row, from, width, a, b),
            6 => self.tile::<S, 6, V>(simd, row, from, width, a, b),
            4 => self.tile::<S, 4, V>(simd, row, from, width, a, b),
            2 => self.tile::<S, 2, V>(simd, row, from, width, a, b),
            _ => self.tile::<S, 1, V>(simd, row, from, width, a, b),
        }
    }

    /// One row by integers, which become numbers in the registers: a step of decoding, and the fewer bytes it reads,
    /// the less time it takes.
    #[inline(always)]
    fn row<S: Simd>(self, simd: S, b: &Int8Panels<E>, scales: &[E]) {
        match E::lanes::<S>() {
            16 => self.row_by::<S, 16>(simd, b, scales),
            8 => self.row_by::<S, 8>(simd, b, scales),
            4 => self.row_by::<S, 4>(simd, b, scales),
            2 => self.row_by::<S, 2>(simd, b, scales),
            _ => self.row_by::<S, 1>(simd, b, scales),
        }
    }

    /// The same for registers of `LANES` numbers.
    #[inline(always)]
    fn row_by<S: Simd, const LANES: usize>(mut self, simd: S, b: &Int8Panels<E>, scales: &[E]) {
        let [mut left, right] = E::thread_memory().with(|memory| memory.room.take());
        left.resize(self.k.max(left.len()), E::ZERO);
        pack_rows::<E, S>(self.a, 1, &mut left[..self.k]);
        let panels = Tile::of::<E, S>().panels(self.n).take(self.panels.end).skip(self.panels.start);
        let first = panels.clone().next().map_or(0, |panel| panel.0);
        for (from, width, room) in panels {
            let (values, scales) = (b.panel(from, room, self.k), &scales[from..from + room]);
            let (values, scales) = (values.as_chunks::<LANES>().0, scales.as_chunks::<LANES>().0);
            match scales.len() {
                3 => self.row_by_panel::<S, LANES, 3>(simd, from - first, width, &left, values, scales),
                2 => self.row_by_panel::<S, LANES, 2>(simd, from - first, width, &left, values, scales),
                _ => self.row_by_panel::<S, LANES, 1>(simd, from - first, width, &left, values, scales),
            }
        }
        E::thread_memory().with(|memory| memory.room.set([left, right]));
    }

    /// The same for a panel of `V` registers a row.
    #[inline(always)]
    fn row_by_panel<S: Simd, const LANES: usize, const V: usize>(
        &mut self,
        simd: S,
        from: usize,
        width: usize,
        a: &[E],
        values: &[[i8; LANES]],
        scales: &[[E; LANES]],
    ) {
        let Some(scales) = scales.as_chunks::<V>().0.first() else { return };
        let rows = values.as_chunks::<V>().0.iter().map(
            #[inline(always)]
            |values| {
                let row = numbers(values, scales);
                std::array::from_fn(|v| E::registers::<S>(row.as_flattened())[v])
            },
        );
        self.tile::<S, 1, V>(simd, 0, from, width, &a[..self.k], rows);
    }

    /// `M` rows of A from `row` on, packed, against a panel of `V` registers a row.
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        from: usize,
        width: usize,
        a: &[E],
        b: impl Iterator<Item = [E::Register<S>; V]>,
    ) {
        let n = self.n;
        let c = &mut self.c[row * n..];
        let mut sums = [[E::splat(simd, E::ZERO); V]; M];
        match self.start {
            Start::Zero => {}
            Start::Output => {
                for i in 0..M {
                    sums[i] = load::<E, S, V>(simd, &c[i * n + from..][..width]);
                }
            }
            Start::Row(row) => sums = [load::<E, S, V>(simd, &row[from..][..width]); M],
        }
        for (a, b) in a.as_chunks::<M>().0.iter().zip(b) {
            for i in 0..M {
                let x = E::splat(simd, a[i]);
                for j in 0..V {
                    sums[i][j] = E::multiply_add(simd, x, b[j], sums[i][j]);
                }
            }
        }
        for i in 0..M {
            store::<E, S, V>(&mut c[i * n + from..][..width], sums[i]);
        }
    }
}

/// A part of a row in registers, zeros behind it. Sums go in and out by value: one whose address is taken leaves its
/// register.
#[inline(always)]
fn load<E: Float, S: Simd, const V: usize>(simd: S, row: &[E]) -> [E::Register<S>; V] {
    if let Ok(whole) = E::registers::<S>(row).try_into() {
        return whole;
    }
    let mut room = [E::splat(simd, E::ZERO); V];
    E::numbers::<S>(&mut room)[..row.len()].copy_from_slice(row);
    room
}

#[inline(always)]
fn store<E: Float, S: Simd, const V: usize>(row: &mut [E], sums: [E::Register<S>; V]) {
    if let Ok(whole) = <&mut [_; V]>::try_from(E::registers_mut::<S>(row)) {
        *whole = sums;
        return;
    }
    let mut room = sums;
    row.copy_from_slice(&E::numbers::<S>(&mut room)[..row.len()]);
}

/// Below this many multiplications a product is not split over threads: the hand-over costs more than it saves.
const SPLIT_FROM: usize = 4 << 20;

/// The same for a product of one row, which waits for memory.
const SPLIT_ROW_FROM: usize = 1 << 20;

fn multiply<E: Float>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, E>,
    b: Right<'_, E>,
    c: &mut [E],
    start: Start<'_, E>,
) {
    let arch = super::vector::arch();
    let tile = Tile::here::<E>();
    let count = tile.panels(n).count();
    let threads = rayon::current_num_threads();
    if m == 1 && threads > 1 && k * n >= SPLIT_ROW_FROM {
        let (mut parts, mut rest, mut column) = (vec![], c, 0);
        for i in 0..threads {
            let own = count * i / threads..count * (i + 1) / threads;
            let width = tile.panels(n).skip(own.start).take(own.len()).map(|panel| panel.1).sum();
            let (this, after) = rest.split_at_mut(width);
            parts.push((own, this, start.from(column)));
            (rest, column) = (after, column + width);
        }
        let part = |(panels, c, start)| arch.dispatch(Part { m, k, n, a, b, panels, c, start });
        parts.into_par_iter().for_each(part);
        return;
    }
    let threads = if m * k * n >= SPLIT_FROM { threads.min(m.div_ceil(8)) } else { 1 };
    if threads == 1 {
        return arch.dispatch(Part { m, k, n, a, b, panels: 0..count, c, start });
    }
    let part = m.div_ceil(threads).next_multiple_of(8);
    c.par_chunks_mut(part * n).enumerate().for_each(|(i, c)| {
        arch.dispatch(Part { m: c.len() / n, k, n, a: a.from(i * part, 0), b, panels: 0..count, c, start });
    });
}

/// Whether there is anything to multiply; C is written where it is the empty sum.
pub(super) fn any<E: Element>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, E>,
    c: &mut [E],
    start: Start<'_, E>,
) -> bool {
    assert!(a.reach(m, k) <= a.data.len() && m * n <= c.len());
    if k == 0 {
        start.write(n, &mut c[..m * n]);
    }
    m > 0 && n > 0 && k > 0
}

/// Computes C = A·B, or C += A·B where `accumulate`, for the sizes `(m, k, n)`: A `[m, k]`, B `[k, n]`, and C `[m, n]`
/// row by row. For an operation of your own that multiplies matrices inside.
///
/// Each element is one chain of fused multiply–adds over k, in order, so that its bits depend on its row of A and its
/// column of B alone, and on no number of threads.
///
/// # Panics
/// If `a`, `b` or `c` has fewer numbers than these sizes need.
///
/// ```
/// use unspool_graph::{Matrix, matrix_product};
/// let (a, b, mut c) = ([1.0f64, 2.0], [3.0, 4.0], [10.0]);
/// matrix_product((1, 2, 1), Matrix::rows(&a, 2), Matrix::rows(&b, 1), &mut c, true);
/// assert_eq!(c, [21.0]);
/// ```
pub fn product<E: Element>(
    sizes: (usize, usize, usize),
    a: Matrix<'_, E>,
    b: Matrix<'_, E>,
    c: &mut [E],
    accumulate: bool,
) {
    E::product(sizes, a.parts(), b.parts(), c, Start::new(accumulate));
}

/// [`product`] of numbers that fill the processor's vectors.
pub(super) fn real_product<E: Float>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, E>,
    b: Matrix<'_, E>,
    c: &mut [E],
    start: Start<'_, E>,
) {
    assert!(b.reach(k, n) <= b.data.len());
    if !any((m, k, n), a, c, start) {
        return;
    }
    if reference_mode() {
        return plain_loops((m, k, n), a, b, c, start);
    }
    if k * n > LARGE {
        return multiply((m, k, n), a, Right::Plain(b), &mut c[..m * n], start);
    }
    let [left, mut room] = E::thread_memory().with(|memory| memory.room.take());
    let len = Tile::here::<E>().packed_len(k, n);
    room.resize(len.max(room.len()), E::ZERO);
    pack(b, (k, n), &mut room[..len]);
    E::thread_memory().with(|memory| memory.room.set([left, vec![]]));
    multiply((m, k, n), a, Right::Panels(&room[..len]), &mut c[..m * n], start);
    let [left, _] = E::thread_memory().with(|memory| memory.room.take());
    E::thread_memory().with(|memory| memory.room.set([left, room]));
}

/// [`product`] in the [reference mode](crate::reference_mode).
fn plain_loops<E: Float>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, E>,
    b: Matrix<'_, E>,
    c: &mut [E],
    start: Start<'_, E>,
) {
    start.write(n, &mut c[..m * n]);
    for (i, row) in c[..m * n].chunks_exact_mut(n).enumerate() {
        for (j, c) in row.iter_mut().enumerate() {
            let mut sum = *c;
            for p in 0..k {
                sum += a.at(i, p) * b.at(p, j);
            }
            *c = sum;
        }
    }
}

/// [`real_product`] by a matrix that is packed already.
pub(crate) fn real_product_by<E: Float>(m: usize, a: Matrix<'_, E>, b: &Packed<E>, c: &mut [E], start: Start<'_, E>) {
    if any((m, b.k, b.n), a, c, start) {
        let right = match &b.panels {
            Panels::Numbers(panels) => Right::Panels(panels),
            Panels::Int8(panels) => Right::Int8(panels),
        };
        multiply((m, b.k, b.n), a, right, &mut c[..m * b.n], start);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::element::Loops;
    use proptest::prelude::*;

    fn fill<E: Float>(n: usize, seed: usize) -> Vec<E> {
        (0..n).map(|i| E::from_f64(((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.5 - 1.0)).collect()
    }

    /// One chain of fused multiply–adds over k for each element.
    fn plain(m: usize, k: usize, n: usize, a: &[f64], b: &[f64], c: &mut [f64]) {
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k).fold(c[i * n + j], |sum, p| a[i * k + p].mul_add(b[p * n + j], sum));
            }
        }
    }

    fn turned(x: &[f64], rows: usize, columns: usize) -> Vec<f64> {
        (0..rows * columns).map(|i| x[i % rows * columns + i / rows]).collect()
    }

    proptest! {
        #[test]
        fn every_layout_gives_the_chain_to_the_bit(
            m in 0usize..20, k in 0usize..40, n in 0usize..60, seed in 0usize..100,
        ) {
            let (a, b, c) = (fill::<f64>(m * k, seed), fill::<f64>(k * n, seed + 1), fill::<f64>(m * n, seed + 2));
            let bias = fill::<f64>(n, seed + 3);
            let (mut expected, mut fresh, mut biased) = (c.clone(), vec![0.0; m * n], bias.repeat(m));
            plain(m, k, n, &a, &b, &mut expected);
            plain(m, k, n, &a, &b, &mut fresh);
            plain(m, k, n, &a, &b, &mut biased);
            let (at, bt) = (turned(&a, m, k), turned(&b, k, n));
            let a_layouts = [Matrix::rows(&a, k), Matrix::transposed(&at, m)];
            let b_layouts = [Matrix::rows(&b, n), Matrix::transposed(&bt, k)];
            for a in a_layouts {
                for b in b_layouts {
                    let mut got = c.clone();
                    product((m, k, n), a, b, &mut got, true);
                    prop_assert_eq!(&got, &expected);
                    let packed = Packed::new((k, n), b, |len| vec![f64::NAN; len].into());
                    let mut got = vec![f64::NAN; m * n];
                    real_product_by(m, a, &packed, &mut got, Start::Zero);
                    prop_assert_eq!(&got, &fresh);
                    let mut got = vec![f64::NAN; m * n];
                    real_product_by(m, a, &packed, &mut got, Start::Row(&bias));
                    prop_assert_eq!(&got, &biased);
                    let mut got = vec![f64::NAN; m * n];
                    f64::product((m, k, n), a.parts(), b.parts(), &mut got, Start::Row(&bias));
                    prop_assert_eq!(&got, &biased);
                    let mut got = c.clone();
                    if super::any((m, k, n), a, &mut got, Start::Output) {
                        multiply((m, k, n), a, Right::Plain(b), &mut got, Start::Output);
                    }
                    prop_assert_eq!(&got, &expected);
                }
            }
        }
    }

    /// A whole product on one thread, by whatever vectors it is compiled for.
    struct Whole<'a>((usize, usize, usize), &'a [f64], &'a [f64], &'a mut [f64]);

    impl pulp::WithSimd for Whole<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let Whole((m, k, n), a, b, c) = self;
            let panels = 0..Tile::of::<f64, S>().panels(n).count();
            let (a, b) = (Matrix::rows(a, k), Right::Plain(Matrix::rows(b, n)));
            Part { m, k, n, a, b, panels, c, start: Start::Output }.with_simd(simd)
        }
    }

    #[test]
    fn every_route_gives_the_chain_to_the_bit() {
        for (m, k, n) in [(1, 7, 33), (13, 21, 50), (8, 1100, 24)] {
            let (a, b, c) = (fill::<f64>(m * k, 1), fill::<f64>(k * n, 2), fill::<f64>(m * n, 3));
            let mut expected = c.clone();
            plain(m, k, n, &a, &b, &mut expected);
            for route in crate::kernels::vector::routes() {
                let mut got = c.clone();
                route.dispatch(Whole((m, k, n), &a, &b, &mut got));
                assert_eq!(got, expected, "{route:?}");
            }
        }
    }

    /// A whole product by integers, by whatever vectors it is compiled for.
    struct ByIntegers<'a> {
        sizes: (usize, usize, usize),
        a: &'a [f32],
        b: &'a [f32],
        scales: &'a [f32],
        of_columns: bool,
        c: &'a mut [f32],
    }

    impl pulp::WithSimd for ByIntegers<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let ((m, k, n), tile) = (self.sizes, Tile::of::<f32, S>());
            let b = Int8Panels::new(tile, (k, n), Matrix::rows(self.b, n), self.scales, self.of_columns);
            let (a, b) = (Matrix::rows(self.a, k), Right::Int8(&b));
            Part { m, k, n, a, b, panels: 0..tile.panels(n).count(), c: self.c, start: Start::Output }.with_simd(simd)
        }
    }

    #[test]
    fn every_route_multiplies_by_integers_as_by_the_numbers_that_they_stand_for() {
        for (m, k, n) in [(1, 7, 33), (1, 600, 50), (5, 21, 50), (70, 520, 24)] {
            for of_columns in [false, true] {
                let scales: Vec<f32> = (0..k.max(n)).map(|i| 0.001 * (1 + i % 11) as f32).collect();
                let scale = |row: usize, column: usize| scales[if of_columns { column } else { row }];
                // From −127 to 127, both among them.
                let integer = |i: usize| ((i * 7919) % 255) as f32 - 127.0;
                let b: Vec<f32> = (0..k * n).map(|i| integer(i) * scale(i / n, i % n)).collect();
                let (a, c) = (fill::<f32>(m * k, 1), fill::<f32>(m * n, 3));
                let mut expected = c.clone();
                for i in 0..m {
                    for j in 0..n {
                        let chain = |sum: f32, p: usize| a[i * k + p].mul_add(b[p * n + j], sum);
                        expected[i * n + j] = (0..k).fold(c[i * n + j], chain);
                    }
                }
                for route in crate::kernels::vector::routes() {
                    let mut got = c.clone();
                    let (sizes, scales) = ((m, k, n), &scales[..if of_columns { n } else { k }]);
                    route.dispatch(ByIntegers { sizes, a: &a, b: &b, scales, of_columns, c: &mut got });
                    assert_eq!(got, expected, "{route:?}");
                }
            }
        }
    }

    #[test]
    fn threads_and_neighbours_change_no_bit() {
        let (m, k, n) = (50, 300, 400);
        let (a, b) = (fill::<f32>(m * k, 1), fill::<f32>(k * n, 2));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut c = vec![0.0; m * n];
            pool.install(|| product((m, k, n), Matrix::rows(&a, k), Matrix::rows(&b, n), &mut c, false));
            c
        };
        let one = run(1);
        assert_eq!(one, run(2));
        assert_eq!(one, run(7));
        let mut alone = vec![0.0; n];
        product((1, k, n), Matrix::rows(&a[17 * k..], k), Matrix::rows(&b, n), &mut alone, false);
        assert_eq!(alone, one[17 * n..18 * n]);
    }

    /// Sizes beyond which panels are not kept, long sums are cut, and rows and columns go to several threads.
    #[test]
    fn a_large_product_has_the_bits_of_its_parts_at_any_number_of_threads() {
        let (m, k, n) = (70, 1500, 1450);
        assert!(k * n > LARGE && k > LONG && !worth_keeping((m, k, n)) && worth_keeping((1, k, n)));
        let (a, b) = (fill::<f32>(m * k, 1), fill::<f32>(k * n, 2));
        let (a, b_rows, bt) = (Matrix::rows(&a, k), Matrix::rows(&b, n), fill::<f32>(k * n, 3));
        for b in [b_rows, Matrix::transposed(&bt, k)] {
            let packed = Packed::new((k, n), b, |len| vec![f32::NAN; len].into());
            let run = |rows: usize, threads: usize, kept: bool| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let mut c = vec![0.5; rows * n];
                pool.install(|| match kept {
                    true => real_product_by(rows, a, &packed, &mut c, Start::Output),
                    false => product((rows, k, n), a, b, &mut c, true),
                });
                c
            };
            let expected = run(m, 1, true);
            for threads in [1, 2, 3] {
                assert_eq!(run(m, threads, false), expected);
                // One row is cut by columns, and so is the row that it begins at.
                assert_eq!(run(1, threads, true), expected[..n]);
                assert_eq!(run(1, threads, false), expected[..n]);
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let (bias, mut begun, mut biased) = (fill::<f32>(n, 4), fill::<f32>(n, 4), vec![f32::NAN; n]);
                pool.install(|| {
                    real_product_by(1, a, &packed, &mut biased, Start::Row(&bias));
                    real_product_by(1, a, &packed, &mut begun, Start::Output);
                });
                assert_eq!(biased, begun);
            }
        }
    }
}
