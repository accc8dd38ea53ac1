//! The fused gates are their formulas, and the operations behind them have right gradients of their own.

use crate::{
    HIDDEN, INPUT,
    plain::{PlainElman, PlainGru, PlainLstm},
    random,
};
use ndarray::{ArrayD, Axis};
use proptest::prelude::*;
use unspool_graph::{Draw, Graph, Param, Params, Tensor, Var, check, init};
use unspool_nn::{
    AdditiveAttention, Cell, Elman, Gru, Lstm, LstmState, gru_gates,
    laws::{self, Subject},
    unroll,
};

fn plain_gru() -> impl Subject {
    laws::cell(INPUT, |scope| PlainGru::new(scope, INPUT, HIDDEN))
}

fn plain_lstm() -> impl Subject {
    laws::cell(INPUT, |scope| PlainLstm::new(scope, INPUT, HIDDEN))
}

#[test]
fn fused_steps_are_their_formulas() {
    let (elman, relu) = (PlainElman::tanh, PlainElman::relu);
    laws::equal(
        &laws::cell(INPUT, |scope| Elman::new(scope, INPUT, HIDDEN)),
        &laws::cell(INPUT, |scope| elman(scope, INPUT, HIDDEN)),
    )
    .unwrap();
    laws::equal(
        &laws::cell(INPUT, |scope| Elman::new(scope, INPUT, HIDDEN).relu()),
        &laws::cell(INPUT, |scope| relu(scope, INPUT, HIDDEN)),
    )
    .unwrap();
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
    let hasty = laws::cell(INPUT, |scope| Hasty(PlainGru::new(scope, INPUT, HIDDEN)));
    let broken = laws::equal(&plain_gru(), &hasty).unwrap_err();
    assert_eq!((broken.law, broken.case.lengths), (laws::Law::Equality, vec![1]));
    // Other parameters are no equal pair to compare.
    laws::equal(&plain_gru(), &plain_lstm()).unwrap_err();
}

/// Two forms of the same cell in f32, over `time` steps: at step t their outputs differ by δ·(1 + L + … + Lᵗ) at most.
///
/// The reason: a step rounds each of at most eight results of size 1 in another order, which adds δ = 8ε, and it stretches the difference
/// that came in by L at most. L is how much a step can stretch a state: 1 for what a gate keeps, and for what it writes the
/// greatest row sum Σ|W_hh| of the gates together, since σ' ≤ ¼, tanh' ≤ 1 and the values they scale are at most 1 (an LSTM's memory
/// is at most t + 1, by which the row sum is multiplied).
fn apart_at_most<A: Subject, B: Subject>(a: &A, b: &B, time: usize, seed: u64) -> Result<(), String> {
    fn outputs<S: Subject>(subject: &S, time: usize, seed: u64) -> Result<(ArrayD<f64>, ArrayD<f64>), String> {
        let mut params = Params::seeded(seed);
        let cell = subject.make(params.scope("cell"));
        let graph = Graph::new(&params);
        let xs = graph.input(random(&[3, time, INPUT], Draw::seed(seed)));
        let (ys, _) = unroll(&cell, xs, &[time; 3], cell.initial_state(&graph, 3));
        let weight = params.find("cell.weight_hh_l0").ok_or("no weight_hh")?;
        let value = |tensor: unspool_graph::Result<Tensor>| tensor.map(|t| t.to_f64()).map_err(|e| e.to_string());
        Ok((value(ys.value())?, value(params.value(weight))?))
    }
    let ((a, weight), (b, _)) = (outputs(a, time, seed)?, outputs(b, time, seed)?);
    let rows: Vec<f64> = weight.outer_iter().map(|row| row.iter().map(|x| x.abs()).sum()).collect();
    let unit = |j: usize| rows.iter().skip(j).step_by(HIDDEN).sum::<f64>();
    let row_sum = (0..HIDDEN).map(unit).fold(0.0, f64::max);
    let mut bound = 0.0;
    for t in 0..time {
        bound = bound * (1.0 + row_sum * (t + 1) as f64) + 8.0 * f64::from(f32::EPSILON);
        let (a, b) = (a.index_axis(Axis(1), t), b.index_axis(Axis(1), t));
        let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        if apart.is_nan() || apart > bound {
            return Err(format!("step {t}: {apart:e} apart, at most {bound:e} would be rounding"));
        }
    }
    Ok(())
}

#[test]
fn fused_gates_are_their_formulas_in_single_precision() {
    for seed in 0..32 {
        let time = 1 + seed as usize % 12;
        apart_at_most(&laws::cell(INPUT, |scope| Gru::new(scope, INPUT, HIDDEN)), &plain_gru(), time, seed).unwrap();
        apart_at_most(&laws::cell(INPUT, |scope| Lstm::new(scope, INPUT, HIDDEN)), &plain_lstm(), time, seed).unwrap();
    }
    // One step has no growth to hide behind: a thousandth too much is found.
    let coarse = laws::cell(INPUT, |scope| Coarse(PlainGru::new(scope, INPUT, HIDDEN)));
    apart_at_most(&plain_gru(), &coarse, 1, 1).unwrap_err();
}

/// A GRU that is off by a thousandth.
struct Coarse(PlainGru);

impl Cell for Coarse {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let h = self.0.step(x, h).1 * 1.001;
        (h, h)
    }
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
