//! The fused gates are their formulas, and the operations behind them have right gradients of their own.

use crate::{HIDDEN, INPUT, random};
use proptest::prelude::*;
use unspool_graph::{Draw, Graph, Param, Params, Scope, Var, check, init};
use unspool_nn::{
    AdditiveAttention, Cell, Gru, Lstm, LstmState, gru_gates,
    laws::{self, Subject},
};

/// A GRU of plain operations, with the same parameters.
struct PlainGru(Params4);
/// An LSTM of plain operations, with the same parameters.
struct PlainLstm(Params4);

struct Params4 {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Param,
    bias_hh: Param,
}

impl Params4 {
    fn new(mut scope: Scope<'_>, gates: usize) -> Params4 {
        let rows = gates * HIDDEN;
        let bound = 1.0 / (HIDDEN as f64).sqrt();
        Params4 {
            weight_ih: scope.add("weight_ih_l0", [rows, INPUT], init::uniform(bound)),
            weight_hh: scope.add("weight_hh_l0", [rows, HIDDEN], init::uniform(bound)),
            bias_ih: scope.add("bias_ih_l0", [rows], init::uniform(bound)),
            bias_hh: scope.add("bias_hh_l0", [rows], init::uniform(bound)),
        }
    }
    fn products<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        (x.linear(self.weight_ih, Some(self.bias_ih)), h.linear(self.weight_hh, Some(self.bias_hh)))
    }
}

impl Cell for PlainGru {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, HIDDEN])
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

impl Cell for PlainLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: graph.zeros([batch, HIDDEN]), c: graph.zeros([batch, HIDDEN]) }
    }
    fn step<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        let (x, u) = self.0.products(x, h);
        let [i, f, g, o] = (x + u).chunk::<4>(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}

fn plain_gru() -> impl Subject {
    laws::cell(INPUT, |scope| PlainGru(Params4::new(scope, 3)))
}

fn plain_lstm() -> impl Subject {
    laws::cell(INPUT, |scope| PlainLstm(Params4::new(scope, 4)))
}

#[test]
fn fused_gates_are_their_formulas() {
    laws::equal(&laws::cell(INPUT, |scope| Gru::new(scope, INPUT, HIDDEN)), &plain_gru()).unwrap();
    laws::equal(&laws::cell(INPUT, |scope| Lstm::new(scope, INPUT, HIDDEN)), &plain_lstm()).unwrap();
}

/// A GRU that moves a billionth too far.
struct Hasty(PlainGru);

impl Cell for Hasty {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (new, _) = self.0.step(x, h);
        let h = new + (new - h) * 1e-9;
        (h, h)
    }
}

#[test]
fn a_formula_that_is_a_billionth_off_is_found_and_shrunk() {
    let hasty = laws::cell(INPUT, |scope| Hasty(PlainGru(Params4::new(scope, 3))));
    let broken = laws::equal(&plain_gru(), &hasty).unwrap_err();
    assert_eq!((broken.law, broken.case.lengths), (laws::Law::Equality, vec![1]));
    // Other parameters are no equal pair to compare.
    laws::equal(&plain_gru(), &plain_lstm()).unwrap_err();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_operations_own_gradients(batch in 1..4usize, hidden in 1..20usize, seed in 0..1000u64) {
        let draw = |i: u64| Draw::seed(seed).word(i);
        let x = random(&[batch, 3 * hidden], draw(0)) * 2.0;
        let u = random(&[batch, 3 * hidden], draw(1)) * 2.0;
        let h = random(&[batch, hidden], draw(2));
        check::function(&[x, u, h.clone()], |_, v| gru_gates(v[0], v[1], v[2]))
            .map_err(|e| TestCaseError::fail(e.to_string()))?;

        // The LSTM's gates by way of its cell, whose own inputs are the products of x.
        let mut params = Params::seeded(seed);
        let cell = Lstm::new(params.scope("lstm"), 1, hidden.min(4));
        let hidden = hidden.min(4);
        let mut data = params.scope("data");
        let [x, h, c] = [("x", 4 * hidden), ("h", hidden), ("c", hidden)]
            .map(|(name, width)| data.add(name, [batch, width], init::uniform(1.5)));
        let model = Step { cell: &cell, x, h, c };
        check::parameters(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        check::adjoint(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
    }

    #[test]
    fn attention_s_own_gradients(batch in 1..4usize, places in 1..6usize, width in 1..18usize, seed in 0..1000u64) {
        let mut params = Params::seeded(seed);
        let attention = AdditiveAttention::new(params.scope("attention"), 2, 3, width);
        let mut data = params.scope("data");
        let query = data.add("query", [batch, 2], init::uniform(1.0));
        let keys = data.add("keys", [batch, places, width], init::uniform(1.0));
        let memory = data.add("memory", [batch, places, 3], init::uniform(1.0));
        let lengths: Vec<usize> = (0..batch).map(|b| 1 + (b + seed as usize) % places).collect();
        let model = Look { attention: &attention, query, keys, memory, lengths };
        check::parameters(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        check::adjoint(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
    }
}

struct Step<'a> {
    cell: &'a Lstm,
    x: Param,
    h: Param,
    c: Param,
}

impl Step<'_> {
    fn run<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        let state = LstmState { h: graph.param(self.h), c: graph.param(self.c) };
        let (_, LstmState { h, c }) = self.cell.step(graph.param(self.x), state);
        graph.concat(&[h, c], -1)
    }
}

struct Look<'a> {
    attention: &'a AdditiveAttention,
    query: Param,
    keys: Param,
    memory: Param,
    lengths: Vec<usize>,
}

impl Look<'_> {
    fn run<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        let [query, keys, memory] = [self.query, self.keys, self.memory].map(|p| graph.param(p));
        let places = graph.params().shape(self.memory)[1];
        let bias = unspool_nn::attention::padding_bias(graph, &self.lengths, places);
        let (context, weights) = self.attention.attend(query, keys, memory, bias);
        graph.concat(&[context, weights], -1)
    }
}
