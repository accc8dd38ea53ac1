//! What the built-in cells have in common: two weights, two biases, and their products.

use unspool_graph::{Graph, Param, Scope, Var, init};

/// `weight_ih_l0 [gates·hidden, input]`, `weight_hh_l0 [gates·hidden, hidden]`, `bias_ih_l0` and `bias_hh_l0 [gates·hidden]`: PyTorch's
/// names and layouts, all uniform in ±1/√hidden. In a module of several layers `_l0` is another ending.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentWeights {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Param,
    bias_hh: Param,
    hidden_size: usize,
}

impl RecurrentWeights {
    pub(crate) fn new(scope: Scope<'_>, gates: usize, input_size: usize, hidden_size: usize) -> Self {
        let mut scope = scope.ending("_l0");
        let bound = 1.0 / (hidden_size.max(1) as f64).sqrt();
        let rows = gates * hidden_size;
        RecurrentWeights {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [rows, hidden_size], init::uniform(bound)),
            bias_ih: scope.add("bias_ih", [rows], init::uniform(bound)),
            bias_hh: scope.add("bias_hh", [rows], init::uniform(bound)),
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
        xs.linear(self.weight_ih, Some(self.bias_ih))
    }

    /// W_hh h + b_hh: `[batch, hidden] -> [batch, gates·hidden]`.
    #[track_caller]
    pub(crate) fn of_state<'g>(&self, h: Var<'g>) -> Var<'g> {
        h.linear(self.weight_hh, Some(self.bias_hh))
    }
}
