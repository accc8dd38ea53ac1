//! The plain recurrent cell.

use crate::{Cell, weights::RecurrentWeights};
use unspool_graph::{Graph, Scope, Var};

/// h' = f(x·W_ihᵀ + b_ih + h·W_hhᵀ + b_hh) with tanh or ReLU as f (Elman 1990). Names and layouts are those of PyTorch's `nn.RNN`;
/// the textbook's W_xh is `weight_ih_l0`ᵀ, its W_hh is `weight_hh_l0`ᵀ.
#[derive(Clone, Debug)]
pub struct Elman {
    weights: RecurrentWeights,
    relu: bool,
}

impl Elman {
    /// With tanh; all parameters uniform in ±1/√hidden.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Elman {
        Elman { weights: RecurrentWeights::new(scope, 1, input_size, hidden_size), relu: false }
    }
    /// The same cell with ReLU in tanh's place.
    pub fn relu(mut self) -> Elman {
        self.relu = true;
        self
    }
}

impl Cell for Elman {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.weights.zeros(graph, batch)
    }
    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.weights.of_input(xs)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let sum = x + self.weights.of_state(h);
        let h = if self.relu { sum.relu() } else { sum.tanh() };
        (h, h)
    }
}
