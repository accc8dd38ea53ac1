//! The plain recurrent cell.

use crate::{
    Cell,
    weights::{RecurrentWeights, bound},
};
use unspool_graph::{Graph, Scope, Var, init};

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
    /// Without the biases: PyTorch's `bias=False`.
    pub fn without_bias(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Elman {
        Elman { weights: RecurrentWeights::without_bias(scope, 1, input_size, hidden_size), relu: false }
    }
    /// With an orthogonal W_hh (Saxe, McClelland and Ganguli 2014), which at first neither shrinks nor stretches what it hands on.
    pub fn orthogonal(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Elman {
        let sizes = [1, input_size, hidden_size, hidden_size];
        let bias = Some(bound(hidden_size));
        Elman { weights: RecurrentWeights::build(scope, sizes, init::orthogonal(1.0), bias), relu: false }
    }
    /// With the identity as W_hh and biases of zero: with [`relu`](Elman::relu) the IRNN of Le, Jaitly and Hinton (2015), which at
    /// first adds up what it reads.
    pub fn identity(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Elman {
        let sizes = [1, input_size, hidden_size, hidden_size];
        Elman { weights: RecurrentWeights::build(scope, sizes, init::identity(), Some(0.0)), relu: false }
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
