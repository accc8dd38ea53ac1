//! An LSTM whose gates see its memory.

use super::gates::Gates;
use crate::{Cell, LstmState};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes an LSTM with peephole connections (Gers and Schmidhuber 2000, "Recurrent nets that time and count"; in the
/// notation of Graves 2013, equations 7 to 11):
///
/// - i = σ(W_xi x + W_hi h + w_ci ∘ c + b_i),  f = σ(W_xf x + W_hf h + w_cf ∘ c + b_f)
/// - c' = f ∘ c + i ∘ tanh(W_xc x + W_hc h + b_c)
/// - o = σ(W_xo x + W_ho h + w_co ∘ c' + b_o),  h' = o ∘ tanh(c')
///
/// The gates see the memory even while the output gate is shut, which lets the cell count and keep time.
///
/// Parameters `weight_ih [4·hidden, input]`, `weight_hh [4·hidden, hidden]`, `bias [4·hidden]`, rows in the order i, f,
/// g, o, uniform in ±1/√hidden; `weight_ci`, `weight_cf`, `weight_co [hidden]`, at first zeros.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, LstmState, cells::PeepholeLstm};
/// let mut params = Params::seeded(1);
/// let cell = PeepholeLstm::new(params.scope("rnn"), 3, 4);
/// params.set(params.find("rnn.weight_cf").unwrap(), ndarray::array![9.0f32, 9.0, 9.0, 9.0])?;
/// let graph = Graph::new(&params);
/// let (h, c) = (graph.zeros([2, 4]), graph.full([2, 4], 1.0));
/// let (_, next) = cell.step(graph.zeros([2, 3]), LstmState { h, c }); // what is remembered keeps itself
/// assert!(next.c.value()?.to_f64().iter().all(|&c| c > 0.5));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PeepholeLstm {
    gates: Gates,
    weight_ci: Param,
    weight_cf: Param,
    weight_co: Param,
}

impl PeepholeLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> PeepholeLstm {
        PeepholeLstm {
            gates: Gates::new(&mut scope, 4, input_size, hidden_size),
            weight_ci: scope.add("weight_ci", [hidden_size], init::zeros()),
            weight_cf: scope.add("weight_cf", [hidden_size], init::zeros()),
            weight_co: scope.add("weight_co", [hidden_size], init::zeros()),
        }
    }
}

impl Cell for PeepholeLstm {
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
        let [i, f, g, o] = (x + self.gates.of_state(h)).chunk(-1);
        let (i, f) = ((i + c * self.weight_ci).sigmoid(), (f + c * self.weight_cf).sigmoid());
        let c = f * c + i * g.tanh();
        let h = (o + c * self.weight_co).sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}
