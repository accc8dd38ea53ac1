//! A gated unit with a single gate.

use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes a minimal gated unit (Zhou, Wu, Zhang and Zhou 2016, "Minimal gated unit for recurrent neural
/// networks"): a GRU whose one gate both resets and updates.
///
/// - f = σ(W_if x + W_hf h + b_f),  n = tanh(W_in x + W_hn (f ∘ h) + b_n)
/// - h' = (1 − f) ∘ h + f ∘ n
///
/// Parameters `weight_ih [2·hidden, input]` and `bias [2·hidden]`, rows in the order f, n; `weight_hf` and `weight_hn
/// [hidden, hidden]`; all uniform in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::MinimalGatedUnit, unroll};
/// let mut params = Params::seeded(1);
/// let cell = MinimalGatedUnit::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MinimalGatedUnit {
    weight_ih: Param,
    bias: Param,
    weight_hf: Param,
    weight_hn: Param,
    hidden_size: usize,
}

impl MinimalGatedUnit {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MinimalGatedUnit {
        let (rows, bound) = (hidden_size.saturating_mul(2), uniform_bound(hidden_size));
        MinimalGatedUnit {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(bound)),
            bias: scope.add("bias", [rows], init::uniform(bound)),
            weight_hf: scope.add("weight_hf", [hidden_size, hidden_size], init::uniform(bound)),
            weight_hn: scope.add("weight_hn", [hidden_size, hidden_size], init::uniform(bound)),
            hidden_size,
        }
    }
}

impl Cell for MinimalGatedUnit {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.project(x), h)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, Some(self.bias))
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let [f, n] = x.chunk(-1);
        let f = (f + h.linear(self.weight_hf, None::<Param>)).sigmoid();
        let n = (n + (f * h).linear(self.weight_hn, None::<Param>)).tanh();
        let h = h + f * (n - h);
        (h, h)
    }
}
