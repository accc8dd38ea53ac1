//! How loops and products run for each sort of number.

use super::{
    Matrix,
    product::{any, real_product, real_product_by},
    vector::dispatch,
};
use crate::element::{Dual, Either, Loops, Side, Slice, Start, ThreadMemory};
use std::{any::Any, thread::LocalKey};

macro_rules! in_vectors {
    ($type:ident) => {
        impl Loops for $type {
            fn thread_memory() -> &'static LocalKey<ThreadMemory<Self>> {
                thread_local!(static MEMORY: ThreadMemory<$type> = const { ThreadMemory::empty() });
                &MEMORY
            }
            fn as_float(numbers: &mut [Self]) -> Option<Either<Slice<'_>>> {
                Some(Self::wrap(numbers))
            }
            #[inline(always)]
            fn vectorize<R>(work: impl FnOnce() -> R) -> R {
                dispatch(work)
            }
            fn product(
                sizes: (usize, usize, usize),
                a: (&[Self], usize, usize),
                b: (&[Self], usize, usize),
                c: &mut [Self],
                start: Start<'_, Self>,
            ) {
                real_product(sizes, Matrix::strided(a), Matrix::strided(b), c, start);
            }
            fn product_by(
                rows: usize,
                a: (&[Self], usize, usize),
                packed: &dyn Any,
                c: &mut [Self],
                start: Start<'_, Self>,
            ) {
                let packed = packed.downcast_ref().expect("a packed matrix of these numbers");
                real_product_by(rows, Matrix::strided(a), packed, c, start);
            }
        }
    };
}
in_vectors!(f32);
in_vectors!(f64);

impl Loops for Dual {
    fn thread_memory() -> &'static LocalKey<ThreadMemory<Self>> {
        thread_local!(static MEMORY: ThreadMemory<Dual> = const { ThreadMemory::empty() });
        &MEMORY
    }

    fn as_float(_: &mut [Self]) -> Option<Either<Slice<'_>>> {
        None
    }

    #[inline(always)]
    fn vectorize<R>(work: impl FnOnce() -> R) -> R {
        work()
    }

    /// (A + Ȧε)·(B + Ḃε) = A·B + (Ȧ·B + A·Ḃ)ε: three products in double precision, two or one where A or B stands
    /// still.
    fn product(
        (m, k, n): (usize, usize, usize),
        (a, a_rows, a_columns): (&[Self], usize, usize),
        (b, b_rows, b_columns): (&[Self], usize, usize),
        c: &mut [Self],
        start: Start<'_, Self>,
    ) {
        if !any((m, k, n), Matrix::strided((a, a_rows, a_columns)), c, start) {
            return;
        }
        let c = &mut c[..m * n];
        start.write(n, c);
        let ([a, a_tangent], [b, b_tangent], [mut value, mut tangent]) = (planes(a), planes(b), planes(c));
        let matrix_a = |plane| Matrix::strided((plane, a_rows, a_columns));
        let matrix_b = |plane| Matrix::strided((plane, b_rows, b_columns));
        let moves = |tangent: &[f64]| tangent.iter().any(|&t| t != 0.0);
        real_product((m, k, n), matrix_a(&a), matrix_b(&b), &mut value, Start::Output);
        if moves(&a_tangent) {
            real_product((m, k, n), matrix_a(&a_tangent), matrix_b(&b), &mut tangent, Start::Output);
        }
        if moves(&b_tangent) {
            real_product((m, k, n), matrix_a(&a), matrix_b(&b_tangent), &mut tangent, Start::Output);
        }
        for ((c, value), tangent) in c.iter_mut().zip(value).zip(tangent) {
            *c = Dual { value, tangent };
        }
    }

    fn product_by(_: usize, _: (&[Self], usize, usize), _: &dyn Any, _: &mut [Self], _: Start<'_, Self>) {
        unreachable!("only the numbers of a model are packed");
    }
}

/// The values, and the tangents.
fn planes(x: &[Dual]) -> [Vec<f64>; 2] {
    [x.iter().map(|x| x.value).collect(), x.iter().map(|x| x.tangent).collect()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Element;

    #[test]
    fn a_product_of_dual_matrices_is_the_sum_of_dual_products() {
        let (m, k, n) = (5, 7, 4);
        let number = |i: usize| Dual { value: (i * 37 % 11) as f64 - 5.0, tangent: (i * 53 % 7) as f64 - 3.0 };
        let (a, b): (Vec<_>, Vec<_>) = ((0..m * k).map(number).collect(), (0..k * n).map(|i| number(i + 3)).collect());
        let c: Vec<Dual> = (0..m * n).map(|i| number(i + 8)).collect();
        for start in [Start::Zero, Start::Output, Start::Row(&c[..n])] {
            let mut got = c.clone();
            // B as its transpose is laid out.
            let turned: Vec<Dual> = (0..n * k).map(|i| b[i % k * n + i / k]).collect();
            Dual::product((m, k, n), (&a, k, 1), (&turned, 1, k), &mut got, start);
            for (i, got) in got.iter().enumerate() {
                let begin = match start {
                    Start::Zero => Dual::ZERO,
                    Start::Output => c[i],
                    Start::Row(row) => row[i % n],
                };
                let sum = (0..k).fold(begin, |sum, p| sum + a[i / n * k + p] * b[p * n + i % n]);
                assert_eq!(*got, sum);
            }
        }
    }
}
