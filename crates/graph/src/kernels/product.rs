//! The one function through which every matrix product goes, so that one place keeps the promise of the same bits.
//!
//! What `gemm` gives was measured: the same bits at any number of threads, and a product's rows have the same bits alone
//! or among others, except a single row, for which it takes another kernel. A single row is therefore given a second one of zeros.

use crate::Element;
use gemm_common::Parallelism;

/// A matrix in memory: `data[row · row_stride + column · column_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, E> {
    pub(crate) data: &'a [E],
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a, E> Matrix<'a, E> {
    /// Row by row, `columns` to a row.
    pub(crate) fn rows(data: &'a [E], columns: usize) -> Self {
        Matrix { data, row_stride: columns, column_stride: 1 }
    }
    /// The transpose of what [`Matrix::rows`] would give.
    pub(crate) fn transposed(data: &'a [E], columns: usize) -> Self {
        Matrix { data, row_stride: 1, column_stride: columns }
    }
    fn reach(&self, rows: usize, columns: usize) -> usize {
        if rows == 0 || columns == 0 {
            0
        } else {
            (rows - 1) * self.row_stride + (columns - 1) * self.column_stride + 1
        }
    }
}

/// What a call of `gemm` needs; checked by [`product`] before it is made.
#[doc(hidden)]
pub struct Call<'a, E> {
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'a, E>,
    b: Matrix<'a, E>,
    c: &'a mut [E],
    accumulate: bool,
    parallelism: Parallelism,
}

/// Below this many multiplications a product is not split over threads: the hand-over costs more than it saves.
const SPLIT_FROM: usize = 16 << 20;

/// C = A·B, or C += A·B where `accumulate`: A `[m, k]`, B `[k, n]`, C `[m, n]` row by row.
pub(crate) fn product<E: Element>(
    (m, k, n): (usize, usize, usize),
    a: Matrix<'_, E>,
    b: Matrix<'_, E>,
    c: &mut [E],
    accumulate: bool,
) {
    assert!(a.reach(m, k) <= a.data.len() && b.reach(k, n) <= b.data.len() && m * n <= c.len());
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !accumulate {
            c[..m * n].fill(E::ZERO);
        }
        return;
    }
    let parallelism = match rayon::current_num_threads() {
        threads if threads > 1 && m * k * n >= SPLIT_FROM => Parallelism::Rayon(threads),
        _ => Parallelism::None,
    };
    if m > 1 {
        return E::gemm(Call { m, k, n, a, b, c, accumulate, parallelism });
    }
    let mut two_rows = vec![E::ZERO; 2 * k];
    for (i, x) in two_rows[..k].iter_mut().enumerate() {
        *x = a.data[i * a.column_stride];
    }
    let mut result = vec![E::ZERO; 2 * n];
    if accumulate {
        // What is added to goes into the product, as it does with more rows: added afterwards, it would be rounded once more.
        result[..n].copy_from_slice(&c[..n]);
    }
    let a = Matrix::rows(&two_rows, k);
    E::gemm(Call { m: 2, k, n, a, b, c: &mut result, accumulate, parallelism });
    c[..n].copy_from_slice(&result[..n]);
}

macro_rules! gemm {
    ($name:ident, $type:ident, $path:path) => {
        pub(crate) fn $name(call: Call<'_, $type>) {
            let Call { m, k, n, a, b, c, accumulate, parallelism } = call;
            // SAFETY: `product` has checked that the three matrices lie inside their slices; `c` is borrowed mutably, so it
            // overlaps neither `a` nor `b`. C is read only where `accumulate` is set.
            unsafe {
                $path()(
                    m,
                    n,
                    k,
                    c.as_mut_ptr(),
                    1,
                    n as isize,
                    accumulate,
                    a.data.as_ptr(),
                    a.column_stride as isize,
                    a.row_stride as isize,
                    b.data.as_ptr(),
                    b.column_stride as isize,
                    b.row_stride as isize,
                    1.0,
                    1.0,
                    false,
                    false,
                    false,
                    parallelism,
                )
            }
        }
    };
}

gemm!(gemm_f32, f32, gemm_f32::gemm::f32::get_gemm_fn);
gemm!(gemm_f64, f64, gemm_f64::gemm::f64::get_gemm_fn);

/// The transpose of a matrix of `rows` rows and `columns` columns, in blocks that fit the first cache.
pub(crate) fn transpose<E: Element>(x: &[E], rows: usize, columns: usize, out: &mut [E]) {
    const BLOCK: usize = 32;
    for i0 in (0..rows).step_by(BLOCK) {
        for j0 in (0..columns).step_by(BLOCK) {
            for j in j0..(j0 + BLOCK).min(columns) {
                for i in i0..(i0 + BLOCK).min(rows) {
                    out[j * rows + i] = x[i * columns + j];
                }
            }
        }
    }
}
