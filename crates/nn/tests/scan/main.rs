//! Recurrences that are computed at once: their bits, their edges, their memory, and gates far out.

mod gallery;
mod linear;
mod matrix;

use ndarray::{ArrayD, IxDyn};
use unspool_graph::{RngKey, Var};

/// Numbers in [−1, 1) that single precision holds.
fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1;
        f64::from((2.0 * RngKey::seed(seed).uniform(i) - 1.0) as f32)
    })
}

fn value(x: Var<'_>) -> ArrayD<f64> {
    x.value().unwrap().to_f64()
}

/// The largest absolute value.
fn largest(x: &ArrayD<f64>) -> f64 {
    x.iter().fold(0.0, |most, x| if x.is_nan() { f64::NAN } else { x.abs().max(most) })
}
