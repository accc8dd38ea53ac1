//! What both Tree-LSTMs have in common: their weights, and all equations but how the children's states come in.

use crate::{LstmState, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// The weights of the gates i, o and u, rows in this order, and those of f, of which there is one per child; all
/// uniform in ±1/√hidden.
#[derive(Clone, Debug)]
pub(super) struct TreeLstmWeights {
    weight_ih: Param,
    pub(super) weight_hh: Param,
    bias: Param,
    weight_if: Param,
    pub(super) weight_hf: Param,
    bias_f: Param,
    hidden_size: usize,
}

impl TreeLstmWeights {
    /// `read` elements come into the gates from the children, and `forget` is the shape of f's weight for them.
    pub(super) fn new(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        read: usize,
        forget: [usize; 2],
    ) -> TreeLstmWeights {
        let (three, bound) = (hidden_size.saturating_mul(3), uniform_bound(hidden_size));
        TreeLstmWeights {
            weight_ih: scope.add("weight_ih", [three, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [three, read], init::uniform(bound)),
            bias: scope.add("bias", [three], init::uniform(bound)),
            weight_if: scope.add("weight_if", [hidden_size, input_size], init::uniform(bound)),
            weight_hf: scope.add("weight_hf", forget, init::uniform(bound)),
            bias_f: scope.add("bias_f", [hidden_size], init::uniform(bound)),
            hidden_size,
        }
    }

    #[track_caller]
    pub(super) fn zeros<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> LstmState<'g> {
        let zeros = graph.zeros([rows, self.hidden_size]);
        LstmState { h: zeros, c: zeros }
    }

    /// Computes nodes from what comes into their gates from the children, `[node, 3·hidden]`, and into the gate f of
    /// each child, `[node, child, hidden]`, beside the children's memories.
    #[track_caller]
    pub(super) fn nodes<'g>(&self, x: Var<'g>, gates: Var<'g>, forget: Var<'g>, c: Var<'g>) -> LstmState<'g> {
        let [i, o, u] = (self.of_input(x) + gates).chunk(-1);
        let f = (x.linear(self.weight_if, Some(self.bias_f)).unsqueeze(1) + forget).sigmoid();
        let c = i.sigmoid() * u.tanh() + (f * c).sum(&[1]);
        LstmState { h: o.sigmoid() * c.tanh(), c }
    }

    /// Computes nodes without children.
    #[track_caller]
    pub(super) fn leaf_nodes<'g>(&self, x: Var<'g>) -> LstmState<'g> {
        let [i, o, u] = self.of_input(x).chunk(-1);
        let c = i.sigmoid() * u.tanh();
        LstmState { h: o.sigmoid() * c.tanh(), c }
    }

    #[track_caller]
    fn of_input<'g>(&self, x: Var<'g>) -> Var<'g> {
        x.linear(self.weight_ih, Some(self.bias))
    }
}
