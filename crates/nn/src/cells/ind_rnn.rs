//! A recurrence whose units do not see each other.

use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{Graph, Param, RngKey, Scope, Shape, Var, init};

/// Computes an independently recurrent network (Li, Li, Cook, Zhu and Gao 2018, "Independently recurrent neural network
/// (IndRNN)", section 3), with ReLU as in the paper:
///
/// - h' = ReLU(W x + u ∘ h + b)
///
/// Each unit remembers itself alone, so that its gradient through T steps is multiplied by u^T: it neither vanishes nor
/// explodes while |u| is near 1. Layers on top of each other mix the units.
///
/// Parameters `weight_ih [hidden, input]` and `bias [hidden]`, uniform in ±1/√hidden, and `weight_hh [hidden]`, which
/// is u, uniform in [0, 1).
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, cells::IndRnn};
/// let mut params = Params::seeded(1);
/// let cell = IndRnn::new(params.scope("rnn"), 3, 8);
/// assert_eq!(*params.shape(params.find("rnn.weight_hh").unwrap()), [8]); // a vector, not a matrix
/// let graph = Graph::new(&params);
/// let (h, _) = cell.step(graph.full([2, 3], 1.0), cell.initial_state(&graph, 2));
/// assert!(*h.shape()? == [2, 8] && h.value()?.to_f64().iter().all(|&h| h >= 0.0));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct IndRnn {
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    hidden_size: usize,
}

impl IndRnn {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> IndRnn {
        let uniform = |shape: &Shape, draw: RngKey| (0..shape.elements() as u64).map(|i| draw.uniform(i)).collect();
        IndRnn {
            weight_ih: scope.add("weight_ih", [hidden_size, input_size], init::uniform(uniform_bound(hidden_size))),
            weight_hh: scope.add("weight_hh", [hidden_size], uniform),
            bias: scope.add("bias", [hidden_size], init::uniform(uniform_bound(hidden_size))),
            hidden_size,
        }
    }
}

impl Cell for IndRnn {
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
        let h = (x + h * self.weight_hh).relu();
        (h, h)
    }
    fn is_diagonal(&self) -> bool {
        true
    }
}
