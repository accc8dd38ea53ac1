//! Matrix products of the workloads' shapes by the crate `gemm`, with as many threads as RAYON_NUM_THREADS says.
//!
//! `benches/products.csv` has the shapes. Prints m,k,n,transposed,peer,threads,GFLOP/s, of the fastest of many batches
//! of calls in a second.

#[path = "../../../src/product_shapes.rs"]
mod product_shapes;

use gemm::Parallelism;
use product_shapes::{Shape, fill, length, seconds};
use std::{error::Error, hint::black_box};

fn main() -> Result<(), Box<dyn Error>> {
    let threads: usize = std::env::var("RAYON_NUM_THREADS").map_or(Ok(1), |text| text.parse())?;
    let length = length()?;
    for shape in Shape::all()? {
        let ((m, k, n), transposed) = (shape.sizes, &shape.transposed);
        let (a, b, mut c) = (fill(m * k), fill(k * n), vec![0.0; m * n]);
        let call = || product((m, k, n), (&a, transposed == "A"), (&b, transposed == "B"), &mut c, threads);
        shape.report("gemm", threads, seconds(length, call));
    }
    Ok(())
}

/// C = A·B for A `[m, k]` and B `[k, n]`, each with whether it lies in memory as its transpose.
fn product(
    (m, k, n): (usize, usize, usize),
    (a, turn_a): (&[f32], bool),
    (b, turn_b): (&[f32], bool),
    c: &mut [f32],
    threads: usize,
) {
    assert!(a.len() == m * k && b.len() == k * n && c.len() == m * n);
    // The distances between columns and between rows.
    let strides = |rows, columns, turned| if turned { (rows as isize, 1) } else { (1, columns as isize) };
    let ((a_cs, a_rs), (b_cs, b_rs)) = (strides(m, k, turn_a), strides(k, n, turn_b));
    let parallelism = if threads == 1 { Parallelism::None } else { Parallelism::Rayon(threads) };
    // SAFETY: by the assertion, the sizes and strides stay within the slices, and `c` overlaps neither of the others.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            a_cs,
            a_rs,
            b.as_ptr(),
            b_cs,
            b_rs,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
    black_box(c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_the_sum_of_products_whichever_operand_is_transposed() {
        let (m, k, n) = (3, 4, 5);
        let (a, b) = (fill(m * k), fill(k * n));
        for (turn_a, turn_b) in [(false, false), (true, false), (false, true)] {
            let mut c = vec![f32::NAN; m * n];
            product((m, k, n), (&a, turn_a), (&b, turn_b), &mut c, 1);
            for (i, row) in c.chunks(n).enumerate() {
                for (j, c) in row.iter().enumerate() {
                    let left = |p| if turn_a { a[p * m + i] } else { a[i * k + p] };
                    let right = |p| if turn_b { b[j * k + p] } else { b[p * n + j] };
                    let sum: f32 = (0..k).map(|p| left(p) * right(p)).sum();
                    assert!((c - sum).abs() < 1e-5, "{c} {sum}");
                }
            }
        }
    }
}
