//! What the built-in cells have in common: two weights, two biases, and their products.

use unspool_graph::{Draw, Graph, Param, Scope, Shape, Var, init};

/// `weight_ih_l0 [gates·hidden, input]`, `weight_hh_l0 [gates·hidden, state]`, `bias_ih_l0` and `bias_hh_l0 [gates·hidden]`: PyTorch's
/// names and layouts, all uniform in ±1/√hidden. In a module of several layers `_l0` is another ending.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentWeights {
    pub(crate) weight_ih: Param,
    pub(crate) weight_hh: Param,
    /// Both or neither.
    pub(crate) bias_ih: Option<Param>,
    pub(crate) bias_hh: Option<Param>,
    pub(crate) hidden_size: usize,
}

impl RecurrentWeights {
    /// With a state as wide as the cell, which it is but behind a projection.
    pub(crate) fn new(scope: Scope<'_>, gates: usize, input_size: usize, hidden_size: usize) -> Self {
        let bound = bound(hidden_size);
        Self::build(scope, [gates, input_size, hidden_size, hidden_size], init::uniform(bound), Some(bound))
    }

    /// The two weights alone.
    pub(crate) fn without_bias(scope: Scope<'_>, gates: usize, input_size: usize, hidden_size: usize) -> Self {
        let sizes = [gates, input_size, hidden_size, hidden_size];
        Self::build(scope, sizes, init::uniform(bound(hidden_size)), None)
    }

    /// For sizes `[gates, input, hidden, state]`, with the recurrent weight's first values and the biases' bound, if there are to be any.
    pub(crate) fn build(
        scope: Scope<'_>,
        [gates, input_size, hidden_size, state_size]: [usize; 4],
        recurrent: impl FnOnce(&Shape, Draw) -> Vec<f64>,
        bias: Option<f64>,
    ) -> Self {
        let mut scope = scope.ending("_l0");
        let rows = gates.saturating_mul(hidden_size);
        RecurrentWeights {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(bound(hidden_size))),
            weight_hh: scope.add("weight_hh", [rows, state_size], recurrent),
            bias_ih: bias.map(|bound| scope.add("bias_ih", [rows], init::uniform(bound))),
            bias_hh: bias.map(|bound| scope.add("bias_hh", [rows], init::uniform(bound))),
            hidden_size,
        }
    }

    /// A state's leaf of zeros, `[batch, hidden]`.
    #[track_caller]
    pub(crate) fn zeros<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }

    /// W_ih x + b_ih: `[rows, input] -> [rows, gates·hidden]`.
    #[track_caller]
    pub(crate) fn of_input<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, self.bias_ih)
    }

    /// W_hh h + b_hh: `[batch, state] -> [batch, gates·hidden]`.
    #[track_caller]
    pub(crate) fn of_state<'g>(&self, h: Var<'g>) -> Var<'g> {
        h.linear(self.weight_hh, self.bias_hh)
    }
}

/// PyTorch's bound of a recurrent layer's first values.
pub(crate) fn bound(hidden_size: usize) -> f64 {
    1.0 / (hidden_size.max(1) as f64).sqrt()
}
