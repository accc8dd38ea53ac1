//! What most cells of the gallery have in common: the weights of several gates, side by side.

use crate::sizes::uniform_bound;
use unspool_graph::{Graph, Param, Scope, Var, init};

/// `weight_ih [gates·hidden, input]`, `weight_hh [gates·hidden, hidden]` and `bias [gates·hidden]`, all uniform in
/// ±1/√hidden, as in PyTorch's recurrent layers.
#[derive(Clone, Debug)]
pub(super) struct Gates {
    weight_ih: Param,
    pub(super) weight_hh: Param,
    pub(super) bias: Param,
    hidden_size: usize,
}

impl Gates {
    pub(super) fn new(scope: &mut Scope<'_>, gates: usize, input_size: usize, hidden_size: usize) -> Gates {
        let (rows, bound) = (gates.saturating_mul(hidden_size), uniform_bound(hidden_size));
        Gates {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [rows, hidden_size], init::uniform(bound)),
            bias: scope.add("bias", [rows], init::uniform(bound)),
            hidden_size,
        }
    }

    /// W_ih x + b: `[rows, input] -> [rows, gates·hidden]`.
    #[track_caller]
    pub(super) fn of_input<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, Some(self.bias))
    }

    /// W_hh h: `[batch, hidden] -> [batch, gates·hidden]`.
    #[track_caller]
    pub(super) fn of_state<'g>(&self, h: Var<'g>) -> Var<'g> {
        h.linear(self.weight_hh, None::<Param>)
    }

    /// A state's leaf of zeros, `[batch, hidden]`.
    #[track_caller]
    pub(super) fn zeros<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }
}
