//! The built-in cells as their formulas, of plain operations, with the same parameters: what the fused steps are held
//! against.

use unspool_graph::{Graph, Param, Scope, Var, init};
use unspool_nn::{Cell, LstmState};

/// An Elman cell of plain operations, with ReLU or tanh.
pub(crate) struct PlainRnn(Weights, bool);
/// A GRU of plain operations.
pub(crate) struct PlainGru(Weights);
/// An LSTM of plain operations, with the weight of its projection if it has one.
pub(crate) struct PlainLstm(Weights, Option<Param>);

struct Weights {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Param,
    bias_hh: Param,
    hidden_size: usize,
    state_size: usize,
}

impl Weights {
    fn new(scope: Scope<'_>, gates: usize, input_size: usize, hidden_size: usize) -> Weights {
        Weights::narrow(&mut scope.ending("_l0"), gates, input_size, hidden_size, hidden_size)
    }
    fn narrow(
        scope: &mut Scope<'_>,
        gates: usize,
        input_size: usize,
        hidden_size: usize,
        state_size: usize,
    ) -> Weights {
        let rows = gates * hidden_size;
        let bound = 1.0 / (hidden_size as f64).sqrt();
        Weights {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [rows, state_size], init::uniform(bound)),
            bias_ih: scope.add("bias_ih", [rows], init::uniform(bound)),
            bias_hh: scope.add("bias_hh", [rows], init::uniform(bound)),
            hidden_size,
            state_size,
        }
    }
    fn products<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        (x.linear(self.weight_ih, Some(self.bias_ih)), h.linear(self.weight_hh, Some(self.bias_hh)))
    }
}

impl PlainRnn {
    pub(crate) fn tanh(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> PlainRnn {
        PlainRnn(Weights::new(scope, 1, input_size, hidden_size), false)
    }
    pub(crate) fn relu(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> PlainRnn {
        PlainRnn(Weights::new(scope, 1, input_size, hidden_size), true)
    }
}

impl Cell for PlainRnn {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.0.hidden_size])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (x, u) = self.0.products(x, h);
        let h = if self.1 { (x + u).relu() } else { (x + u).tanh() };
        (h, h)
    }
}

impl PlainGru {
    pub(crate) fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> PlainGru {
        PlainGru(Weights::new(scope, 3, input_size, hidden_size))
    }
}

impl Cell for PlainGru {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.0.hidden_size])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (x, u) = self.0.products(x, h);
        let ([x_r, x_z, x_n], [u_r, u_z, u_n]) = (x.chunk::<3>(-1), u.chunk::<3>(-1));
        let (r, z) = ((x_r + u_r).sigmoid(), (x_z + u_z).sigmoid());
        let n = (x_n + r * u_n).tanh();
        let h = (z * -1.0 + 1.0) * n + z * h;
        (h, h)
    }
}

impl PlainLstm {
    pub(crate) fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> PlainLstm {
        PlainLstm(Weights::new(scope, 4, input_size, hidden_size), None)
    }
    pub(crate) fn projected(scope: Scope<'_>, input_size: usize, hidden_size: usize, size: usize) -> PlainLstm {
        let mut scope = scope.ending("_l0");
        let weights = Weights::narrow(&mut scope, 4, input_size, hidden_size, size);
        let bound = 1.0 / (hidden_size as f64).sqrt();
        PlainLstm(weights, Some(scope.add("weight_hr", [size, hidden_size], init::uniform(bound))))
    }
}

impl Cell for PlainLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: graph.zeros([batch, self.0.state_size]), c: graph.zeros([batch, self.0.hidden_size]) }
    }
    fn step<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        let (x, u) = self.0.products(x, h);
        let [i, f, g, o] = (x + u).chunk::<4>(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        let h = self.1.map_or(h, |weight_hr| h.linear(weight_hr, None::<Param>));
        (h, LstmState { h, c })
    }
}
