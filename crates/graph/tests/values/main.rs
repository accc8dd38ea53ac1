//! Values of operations against plain loops over small whole numbers, for which every order of adding gives the same
//! bits. That gradients belong to the values is shown by `gradients`.

mod names;
mod places;
mod products;
mod reductions;
mod windows;

use ndarray::{ArrayD, IxDyn};
use unspool_graph::{Params, Var};

/// Whole numbers in −4..=4 in no order.
pub(crate) fn numbers(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let mut i = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i = (i * 1_103_515_245 + 12_345) % (1 << 31);
        (i / 65_536 % 9) as f64 - 4.0
    })
}

pub(crate) fn value(x: Var<'_>) -> ArrayD<f64> {
    x.to_f64().unwrap()
}

pub(crate) fn why(x: Var<'_>) -> String {
    x.value().unwrap_err().to_string()
}

pub(crate) fn double() -> Params {
    Params::seeded(0).to_f64()
}

/// All differ by rounding alone.
pub(crate) fn close(found: &ArrayD<f64>, expected: &ArrayD<f64>) {
    assert_eq!(found.shape(), expected.shape());
    let far = found.iter().zip(expected).find(|(a, b)| (**a - **b).abs() > 1e-12 * (1.0 + b.abs()));
    assert_eq!(far, None);
}
