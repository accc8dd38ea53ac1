//! A gated cell whose gate and candidate share their weights.

use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes a FastGRNN (Kusupati, Singh, Bhatia, Kumar, Jain and Varma 2018, "FastGRNN: a fast, accurate, stable and
/// tiny kilobyte sized gated recurrent neural network", section 3.2). Gate and candidate have the same products and
/// differ in their biases, so the cell is about as large as an ungated one:
///
/// - z = σ(W x + U h + b_z),  n = tanh(W x + U h + b_h)
/// - h' = (ζ (1 − z) + ν) ∘ n + z ∘ h,  0 < ζ, ν < 1
///
/// Parameters `weight_ih [hidden, input]`, which is W, `weight_hh [hidden, hidden]`, which is U, `bias_z` and
/// `bias_h [hidden]`, all uniform in ±1/√hidden; `zeta [1]` and `nu [1]`, of which ζ and ν are the sigmoids, at first 1
/// and −4 as in the authors' code.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, cells::FastGrnn};
/// let mut params = Params::seeded(1);
/// let cell = FastGrnn::new(params.scope("rnn"), 3, 8);
/// let numbers: usize = params.iter().map(|p| params.shape(p).elements()).sum();
/// assert_eq!(numbers, 8 * (3 + 8) + 2 * 8 + 2); // a GRU has 3 · 8 · (3 + 8 + 2)
/// let graph = Graph::new(&params);
/// let (h, _) = cell.step(graph.full([2, 3], 1.0), cell.initial_state(&graph, 2));
/// assert_eq!(*h.shape()?, [2, 8]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct FastGrnn {
    weight_ih: Param,
    weight_hh: Param,
    bias_z: Param,
    bias_h: Param,
    zeta: Param,
    nu: Param,
    hidden_size: usize,
}

impl FastGrnn {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> FastGrnn {
        let bound = uniform_bound(hidden_size);
        FastGrnn {
            weight_ih: scope.add("weight_ih", [hidden_size, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [hidden_size, hidden_size], init::uniform(bound)),
            bias_z: scope.add("bias_z", [hidden_size], init::uniform(bound)),
            bias_h: scope.add("bias_h", [hidden_size], init::uniform(bound)),
            zeta: scope.add("zeta", [1], init::constant(1.0)),
            nu: scope.add("nu", [1], init::constant(-4.0)),
            hidden_size,
        }
    }
}

impl Cell for FastGrnn {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.project(x), h)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, None::<Param>)
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let graph = x.graph();
        let [zeta, nu] = [self.zeta, self.nu].map(|p| graph.cached(p, "sigmoid", || graph.param(p).sigmoid()));
        let both = x + h.linear(self.weight_hh, None::<Param>);
        let (z, n) = ((both + self.bias_z).sigmoid(), (both + self.bias_h).tanh());
        let h = ((1.0 - z) * zeta + nu) * n + z * h;
        (h, h)
    }
}
