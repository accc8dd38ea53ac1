//! An LSTM whose transition depends on the input.

use super::gates::Gates;
use crate::{Cell, LstmState, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes a multiplicative LSTM (Krause, Lu, Murray and Renals 2016, "Multiplicative LSTM for sequence modelling").
/// Instead of h, the gates read a product of what the input and the state give, so that each input has a
/// transition of its own:
///
/// - m = (W_mx x) ∘ (W_mh h)
/// - i, f, o = σ(W_i· x + W_m· m + b_·),  g = tanh(W_ig x + W_mg m + b_g)
/// - c' = f ∘ c + i ∘ g,  h' = o ∘ tanh(c')
///
/// Parameters `weight_mx [hidden, input]` and `weight_mh [hidden, hidden]`; `weight_ih [4·hidden, input]`,
/// `weight_hh [4·hidden, hidden]`, which multiplies m, and `bias [4·hidden]`, rows in the order i, f, g, o; all uniform
/// in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::MultiplicativeLstm, unroll};
/// let mut params = Params::seeded(1);
/// let cell = MultiplicativeLstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.last().value()?, last.c.shape()?.to_vec()), (last.h.value()?, vec![2, 8]));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MultiplicativeLstm {
    weight_mx: Param,
    weight_mh: Param,
    gates: Gates,
    hidden_size: usize,
}

impl MultiplicativeLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MultiplicativeLstm {
        let bound = uniform_bound(hidden_size);
        MultiplicativeLstm {
            weight_mx: scope.add("weight_mx", [hidden_size, input_size], init::uniform(bound)),
            weight_mh: scope.add("weight_mh", [hidden_size, hidden_size], init::uniform(bound)),
            gates: Gates::new(&mut scope, 4, input_size, hidden_size),
            hidden_size,
        }
    }
}

impl Cell for MultiplicativeLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: self.gates.zeros(graph, batch), c: self.gates.zeros(graph, batch) }
    }
    fn step<'g>(&self, x: Var<'g>, state: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    /// Both products of the inputs, side by side: `[rows, 5·hidden]`.
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.graph().concat(&[xs.linear(self.weight_mx, None::<Param>), self.gates.of_input(xs)], -1)
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        LstmState { h, c }: LstmState<'g>,
    ) -> (Var<'g>, LstmState<'g>) {
        let hidden = self.hidden_size;
        let (x_m, x) = (x.slice(-1, 0..hidden), x.slice(-1, hidden..hidden.saturating_mul(5)));
        let m = x_m * h.linear(self.weight_mh, None::<Param>);
        let [i, f, g, o] = (x + self.gates.of_state(m)).chunk(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}
