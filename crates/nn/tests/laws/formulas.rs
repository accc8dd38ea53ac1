//! The fused gates are their formulas, and the operations behind them have right gradients of their own.

use crate::{
    HIDDEN, INPUT,
    plain::{PlainGru, PlainLstm, PlainRnn},
    random,
};
use ndarray::ArrayD;
use proptest::prelude::*;
use unspool_graph::{Gradients, Graph, Param, Params, RngKey, Scope, Var, check, init};
use unspool_nn::{
    AdditiveAttention, Cell, Gru, Layout, Lstm, LstmState, Nonlinearity, Rnn, RnnConfig, Sequence, gru_gates,
    laws::{self, CellUnderTest},
    unroll,
};

fn plain_gru() -> impl CellUnderTest {
    laws::cell(INPUT, |scope| PlainGru::new(scope, INPUT, HIDDEN))
}

fn plain_lstm() -> impl CellUnderTest {
    laws::cell(INPUT, |scope| PlainLstm::new(scope, INPUT, HIDDEN))
}

#[test]
fn fused_steps_are_their_formulas() {
    let (rnn, relu) = (PlainRnn::tanh, PlainRnn::relu);
    laws::equal(
        &laws::cell(INPUT, |scope| Rnn::new(scope, INPUT, HIDDEN)),
        &laws::cell(INPUT, |scope| rnn(scope, INPUT, HIDDEN)),
    )
    .unwrap();
    laws::equal(
        &laws::cell(INPUT, |scope| {
            Rnn::with_config(
                scope,
                INPUT,
                HIDDEN,
                RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() },
            )
        }),
        &laws::cell(INPUT, |scope| relu(scope, INPUT, HIDDEN)),
    )
    .unwrap();
    laws::equal(&laws::cell(INPUT, |scope| Gru::new(scope, INPUT, HIDDEN)), &plain_gru()).unwrap();
    laws::equal(&laws::cell(INPUT, |scope| Lstm::new(scope, INPUT, HIDDEN)), &plain_lstm()).unwrap();
}

/// H·v, and the gradient of a penalty on the gradient of the inputs, of three steps.
fn second_order<C: Cell>(make: fn(Scope<'_>, usize, usize) -> C) -> Vec<ArrayD<f64>> {
    let mut params = Params::seeded(3).to_f64();
    let cell = make(params.scope("rnn"), INPUT, HIDDEN);
    let graph = Graph::new(&params);
    let x = graph.input(random(&[2, 3, INPUT], RngKey::seed(1))).watch();
    let (ys, _) = unroll(&cell, &Sequence::pack(x, &[3, 1]), cell.initial_state(&graph, 2));
    let loss = ys.padded().powi(2).sum_all();
    let h_v = loss.hessian_vector(&Gradients::random(&params, RngKey::seed(2)).tangents()).unwrap();
    let penalty = loss.gradient(x).powi(2).sum_all().backward().unwrap();
    let of = |gradients: &Gradients| {
        let params = params.iter().map(|p| gradients.of(p).unwrap().to_f64());
        params.chain([gradients.of(x).unwrap().to_f64()]).collect::<Vec<_>>()
    };
    [of(&h_v), of(&penalty)].concat()
}

#[test]
fn fused_steps_have_the_second_derivatives_of_their_formulas() {
    let pairs = [
        (second_order(Rnn::new), second_order(PlainRnn::tanh)),
        (second_order(Gru::new), second_order(PlainGru::new)),
        (second_order(Lstm::new), second_order(PlainLstm::new)),
    ];
    for (fused, formula) in pairs.iter().flat_map(|(fused, formula)| fused.iter().zip(formula)) {
        let apart = |(a, b): (&f64, &f64)| (a - b).abs() > 1e-10 * a.abs().max(1.0);
        assert!(!fused.iter().zip(formula).any(apart) && fused.iter().any(|&x| x != 0.0), "{fused} {formula}");
    }
}

/// Additive attention of plain operations: the fused scores and the fused sum are its formula, over many places too,
/// and in single precision apart by what summing `width` and `places` products in another order rounds: each at most ε
/// of the greatest partial sum.
#[test]
fn fused_attention_is_its_formula() {
    for (places, width, seed) in [(1, 1, 1), (7, 5, 2), (100, 33, 3)] {
        let mut params = Params::seeded(seed);
        let attention = AdditiveAttention::new(params.scope("a"), 3, 4, width);
        let inputs = |i: u64, shape: &[usize]| random(shape, RngKey::seed(seed).fold_in(i));
        let (query, memory) = (inputs(1, &[2, 3]), inputs(2, &[2, places, 4]));
        let lengths = [places, 1];
        let apart = |params: &Params| -> f64 {
            let graph = Graph::new(params);
            let (query, memory) = (graph.input(&query), graph.input(&memory));
            let packed = Sequence::pack(memory, &lengths);
            let keys = attention.keys(&packed);
            let bias = unspool_nn::attention::padding_bias(&graph, packed.layout());
            let (context, weights) = attention.attend(query, keys, memory, bias);
            let [w, b, v] = ["query.weight", "query.bias", "score.weight"]
                .map(|name| graph.param(params.find(&format!("a.{name}")).unwrap()));
            let scores = ((keys + query.linear(w, Some(b)).unsqueeze(1)).tanh() * v).sum(&[-1]);
            let plain_weights = (scores + bias).softmax();
            let plain = (plain_weights.unsqueeze(-1) * memory).sum(&[1]);
            let value = |v: Var<'_>| v.to_f64().unwrap();
            let off = |a: Var<'_>, b: Var<'_>| -> f64 {
                value(a).iter().zip(&value(b)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
            };
            off(context, plain).max(off(weights, plain_weights))
        };
        assert!(apart(&params.to_f64()) < 1e-12);
        // |v| is at most 1/√width, so no partial sum of scores is above √width; a softmax does not enlarge differences.
        let bound = f64::from(f32::EPSILON) * ((width as f64).powf(1.5) + places as f64 + 8.0);
        assert!(apart(&params) <= bound, "{:e} apart, at most {bound:e} would be rounding", apart(&params));
    }
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
    let hasty = laws::cell(INPUT, |scope| Hasty(PlainGru::new(scope, INPUT, HIDDEN)));
    let broken = laws::equal(&plain_gru(), &hasty).unwrap_err();
    assert_eq!((broken.law, broken.case.lengths), (laws::Law::Equality, vec![1]));
    // Other parameters are no equal pair to compare.
    laws::equal(&plain_gru(), &plain_lstm()).unwrap_err();
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(32))]

    #[test]
    fn the_operations_own_gradients(batch in 1..4usize, hidden in 1..20usize, seed in 0..1000u64) {
        let draw = |i: u64| RngKey::seed(seed).fold_in(i);
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
        let (_, LstmState { h, c }) = self.cell.step_projected(graph.param(self.x), graph.param(self.x), state);
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
        let layout = Layout::new(&self.lengths).with_time(places);
        let bias = unspool_nn::attention::padding_bias(graph, &layout);
        let (context, weights) = self.attention.attend(query, keys, memory, bias);
        graph.concat(&[context, weights], -1)
    }
}
