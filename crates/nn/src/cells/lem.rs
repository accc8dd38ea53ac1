//! A memory on several time scales.

use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes a long expressive memory (Rusch, Mishra, Erichson and Mahoney 2022, "Long expressive memory for sequence
/// modeling", equation 3). Two vectors y and z follow each other, each unit with a time step that it learns:
///
/// - Δ₁ = Δt σ(W_1 y + V_1 x + b_1),  Δ₂ = Δt σ(W_2 y + V_2 x + b_2)
/// - z' = (1 − Δ₁) ∘ z + Δ₁ ∘ tanh(W_z y + V_z x + b_z)
/// - y' = (1 − Δ₂) ∘ y + Δ₂ ∘ tanh(W_y z' + V_y x + b_y)
///
/// The state is (y, z), and the output y'. Here Δt is 1, so that the time steps are gates.
///
/// Parameters `weight_ih [4·hidden, input]` and `bias [4·hidden]`, rows in the order 1, 2, z, y; `weight_hh [3·hidden,
/// hidden]`, rows in the order 1, 2, z; `weight_hz [hidden, hidden]`, which is W_y; all uniform in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::Lem, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Lem::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, (y, z)) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((ys.last().value()?, z.shape()?.to_vec()), (y.value()?, vec![2, 8]));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lem {
    weight_ih: Param,
    bias: Param,
    weight_hh: Param,
    weight_hz: Param,
    hidden_size: usize,
}

impl Lem {
    /// Adds a cell for inputs of `input_size` and states of twice `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Lem {
        let (rows, bound) = (|parts: usize| hidden_size.saturating_mul(parts), uniform_bound(hidden_size));
        Lem {
            weight_ih: scope.add("weight_ih", [rows(4), input_size], init::uniform(bound)),
            bias: scope.add("bias", [rows(4)], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [rows(3), hidden_size], init::uniform(bound)),
            weight_hz: scope.add("weight_hz", [hidden_size, hidden_size], init::uniform(bound)),
            hidden_size,
        }
    }
}

impl Cell for Lem {
    /// y and z.
    type State<'g> = (Var<'g>, Var<'g>);
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        (graph.zeros([batch, self.hidden_size]), graph.zeros([batch, self.hidden_size]))
    }
    fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, Some(self.bias))
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, (y, z): Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let [x_1, x_2, x_z, x_y] = x.chunk(-1);
        let [u_1, u_2, u_z] = y.linear(self.weight_hh, None::<Param>).chunk(-1);
        let (dt_1, dt_2) = ((x_1 + u_1).sigmoid(), (x_2 + u_2).sigmoid());
        let z = z + dt_1 * ((x_z + u_z).tanh() - z);
        let y = y + dt_2 * ((x_y + z.linear(self.weight_hz, None::<Param>)).tanh() - y);
        (y, (y, z))
    }
}
