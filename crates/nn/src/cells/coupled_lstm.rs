//! An LSTM that writes where it forgets.

use super::gates::Gates;
use crate::{Cell, LstmState};
use unspool_graph::{Graph, Scope, Var};

/// Computes an LSTM with coupled input and forget gates (Greff, Srivastava, Koutník, Steunebrink and Schmidhuber 2017,
/// "LSTM: a search space odyssey", the variant CIFG: i = 1 − f):
///
/// - f, o = σ(W_i· x + W_h· h + b_·),  g = tanh(W_ig x + W_hg h + b_g)
/// - c' = f ∘ c + (1 − f) ∘ g,  h' = o ∘ tanh(c')
///
/// It has a quarter fewer parameters than an LSTM, and its memory stays within [−1, 1].
///
/// Parameters `weight_ih [3·hidden, input]`, `weight_hh [3·hidden, hidden]`, `bias [3·hidden]`, rows in the order f, g,
/// o, uniform in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::CoupledLstm, unroll};
/// let mut params = Params::seeded(1);
/// let cell = CoupledLstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::full(graph.full([2, 50, 3], 9.0));
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!(*hs.padded().shape()?, [2, 50, 8]);
/// assert!(last.c.value()?.to_f64().iter().all(|&c| c.abs() <= 1.0)); // however long it reads
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CoupledLstm {
    gates: Gates,
}

impl CoupledLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> CoupledLstm {
        CoupledLstm { gates: Gates::new(&mut scope, 3, input_size, hidden_size) }
    }
}

impl Cell for CoupledLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: self.gates.zeros(graph, batch), c: self.gates.zeros(graph, batch) }
    }
    fn step<'g>(&self, x: Var<'g>, state: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.gates.of_input(xs)
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        LstmState { h, c }: LstmState<'g>,
    ) -> (Var<'g>, LstmState<'g>) {
        let [f, g, o] = (x + self.gates.of_state(h)).chunk(-1);
        let (f, g) = (f.sigmoid(), g.tanh());
        let c = g + f * (c - g);
        let h = o.sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}
