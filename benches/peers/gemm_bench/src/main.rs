//! Matrix products of the workloads' shapes by the crate `gemm`, with as many threads as RAYON_NUM_THREADS says.
//!
//! `benches/products.csv` has the shapes. Prints m,k,n,transposed,peer,threads,GFLOP/s, of the fastest of many batches
//! of calls in a second.

use gemm::Parallelism;
use std::{error::Error, hint::black_box, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let threads: usize = std::env::var("RAYON_NUM_THREADS").map_or(Ok(1), |text| text.parse())?;
    let length: f64 = std::env::var("SECONDS_PER").map_or(Ok(1.0), |text| text.parse())?;
    for line in include_str!("../../../products.csv").lines().skip(1) {
        let [m, k, n, transposed, _] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("not five fields: {line:?}").into());
        };
        let (m, k, n) = (m.parse()?, k.parse()?, n.parse()?);
        let (a, b, mut c) = (fill(m * k), fill(k * n), vec![0.0; m * n]);
        let call = || product((m, k, n), (&a, transposed == "A"), (&b, transposed == "B"), &mut c, threads);
        let speed = 2.0 * (m * k * n) as f64 / seconds(length, call) / 1e9;
        println!("{m},{k},{n},{transposed},gemm,{threads},{speed:.1}");
    }
    Ok(())
}

/// Returns the seconds that a call of `work` takes in the fastest of batches of calls, which take `length` seconds.
fn seconds(length: f64, mut work: impl FnMut()) -> f64 {
    work();
    let (begin, mut best) = (Instant::now(), f64::INFINITY);
    while begin.elapsed().as_secs_f64() < length {
        let (start, mut calls) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < 0.002 {
            work();
            calls += 1;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    best
}

fn fill(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect()
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
