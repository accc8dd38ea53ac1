//! The plain recurrent cell.

use crate::Cell;
use unspool_graph::{Graph, Param, Scope, Var, init};

/// h' = f(x·W_ihᵀ + b_ih + h·W_hhᵀ + b_hh) with tanh or ReLU as f (Elman 1990). Names and layouts are those of PyTorch's `nn.RNN`;
/// the textbook's W_xh is `weight_ih_l0`ᵀ, its W_hh is `weight_hh_l0`ᵀ.
#[derive(Clone, Debug)]
pub struct Elman {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Param,
    bias_hh: Param,
    hidden_size: usize,
    relu: bool,
}

impl Elman {
    /// With tanh; all parameters uniform in ±1/√hidden.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Elman {
        let bound = 1.0 / (hidden_size.max(1) as f64).sqrt();
        Elman {
            weight_ih: scope.add("weight_ih_l0", [hidden_size, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh_l0", [hidden_size, hidden_size], init::uniform(bound)),
            bias_ih: scope.add("bias_ih_l0", [hidden_size], init::uniform(bound)),
            bias_hh: scope.add("bias_hh_l0", [hidden_size], init::uniform(bound)),
            hidden_size,
            relu: false,
        }
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
        graph.zeros([batch, self.hidden_size])
    }
    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, Some(self.bias_ih))
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let sum = x + h.linear(self.weight_hh, Some(self.bias_hh));
        let h = if self.relu { sum.relu() } else { sum.tanh() };
        (h, h)
    }
}
