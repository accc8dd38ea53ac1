//! What several cells of the gallery are made of.

use crate::{Linear, sizes::uniform_bound};
use unspool_graph::{Scope, Var, init};

/// The affine map W x + b with the parameters `weight_NAME [output, input]` and `bias_NAME [output]`, uniform in
/// ±1/√input.
pub(super) fn linear(scope: &mut Scope<'_>, name: &str, input_size: usize, output_size: usize) -> Linear {
    let weight = linear_without_bias(scope, name, input_size, output_size).weight;
    let bias = scope.add(format!("bias_{name}"), [output_size], init::uniform(uniform_bound(input_size)));
    Linear { weight, bias: Some(bias) }
}

/// The linear map W x with the parameter `weight_NAME [output, input]`, uniform in ±1/√input.
pub(super) fn linear_without_bias(scope: &mut Scope<'_>, name: &str, input_size: usize, output_size: usize) -> Linear {
    let weight =
        scope.add(format!("weight_{name}"), [output_size, input_size], init::uniform(uniform_bound(input_size)));
    Linear { weight, bias: None }
}

/// How the features of a cell are shared out among heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads {
    pub(super) count: usize,
    /// The size of a head's keys.
    pub(super) key: usize,
    /// The size of a head's values.
    pub(super) value: usize,
}

impl Heads {
    pub(super) fn new(scope: &mut Scope<'_>, hidden_size: usize, count: usize, key_size: Option<usize>) -> Heads {
        if count == 0 || !hidden_size.is_multiple_of(count) {
            scope.refuse("heads", &[hidden_size, count], "the number of heads must divide the size");
        }
        let count = count.max(1);
        let value = hidden_size / count;
        Heads { count, key: key_size.unwrap_or(value), value }
    }

    /// The size of all heads' keys.
    pub(super) fn keys(self) -> usize {
        self.count.saturating_mul(self.key)
    }

    /// `[rows, head · size]` to `[rows, head, size]`.
    #[track_caller]
    pub(super) fn split<'g>(self, x: Var<'g>, size: usize) -> Var<'g> {
        let rows = x.known_shape().and_then(|shape| shape.first().copied()).unwrap_or(0);
        x.reshape([rows, self.count, size])
    }

    /// `[rows, head, value]` to `[rows, head · value]`.
    #[track_caller]
    pub(super) fn join<'g>(self, x: Var<'g>) -> Var<'g> {
        let rows = x.known_shape().and_then(|shape| shape.first().copied()).unwrap_or(0);
        x.reshape([rows, self.count.saturating_mul(self.value)])
    }
}

/// The same vector in each row of `like`.
#[track_caller]
pub(super) fn in_each_row<'g>(vector: Var<'g>, like: Var<'g>) -> Var<'g> {
    let (Some(vector_shape), Some(shape)) = (vector.known_shape(), like.known_shape()) else { return like };
    vector.expand([shape.first().copied().unwrap_or(0), vector_shape.elements()])
}
