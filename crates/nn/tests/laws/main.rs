//! The laws of recurrence for every cell and wrapper of this crate, in both directions, and for each law something that
//! breaks it.

mod cells;
mod controls;
mod formulas;
mod long;
mod modules;
#[path = "../plain/mod.rs"]
mod plain;
mod refusals;
mod threads;
#[path = "../../../graph/tests/wrong/mod.rs"]
mod wrong;

use ndarray::{ArrayD, IxDyn};
use unspool_graph::RngKey;

/// Small sizes, as every number is moved.
const INPUT: usize = 3;
const HIDDEN: usize = 3;

/// Numbers in [−1, 1).
fn random(shape: &[usize], draw: RngKey) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1;
        f64::from((2.0 * draw.uniform(i) - 1.0) as f32)
    })
}
