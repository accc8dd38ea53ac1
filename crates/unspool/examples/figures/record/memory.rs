//! What cells remember: a bit over noise, and two numbers of a hundred; with five seeds, which make the parameters and
//! the data.

use super::{
    Result,
    seeds::{SEEDS, head, spread, table, with_each},
};
use ndarray::{Array2, Array3};
use std::fmt::Write;
use unspool::{
    graph::RngKey,
    nn::{LstmConfig, Nonlinearity, RecurrentInit, RnnConfig},
    prelude::*,
};

const BATCH: usize = 32;

/// One bit, then noise: `[batch, time, 2]`, and the bits.
fn signals(draw: RngKey, time: usize) -> (Array3<f32>, Vec<u32>) {
    let bits: Vec<u32> = (0..BATCH as u64).map(|b| (draw.bits(b) >> 63) as u32).collect();
    let xs = Array3::from_shape_fn((BATCH, time, 2), |(b, t, k)| match (t, k) {
        (0, 0) => 2.0 * bits[b] as f32 - 1.0,
        (1.., 1) => draw.fold_in(b as u64).uniform(t as u64) as f32 - 0.5,
        _ => 0.0,
    });
    (xs, bits)
}

/// The share of bits that a cell says right in the last 20 of 400 steps, each of which has new ones.
fn remembers(config: RnnConfig, seed: u64, time: usize) -> Result<f64> {
    let mut params = Params::seeded(seed);
    let cell = Rnn::with_config(params.scope("rnn"), 2, 32, config);
    let readout = Linear::new(params.scope("readout"), 32, 2);
    let (mut adam, mut right) = (Adam::new(), 0);
    for step in 0..400 {
        let graph = Graph::new(&params).training(seed, step);
        let (xs, bits) = signals(RngKey::seed(seed).fold_in(step), time);
        let (_, last) = unroll(&cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, BATCH));
        let logits = readout.apply(last);
        if step >= 380 {
            right += logits.argmax()?.iter().zip(&bits).filter(|(a, b)| a == b).count();
        }
        let mut gradients = logits.cross_entropy(&bits).mean(&[]).backward()?;
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, 0.001)?;
    }
    Ok(right as f64 / (20 * BATCH) as f64)
}

/// By the number of steps, for three first values of a plain cell.
pub(super) fn remembering() -> Result<String> {
    let plain = RnnConfig::default();
    let starts = [
        plain,
        RnnConfig { recurrent_init: RecurrentInit::Orthogonal, ..plain },
        RnnConfig { nonlinearity: Nonlinearity::Relu, recurrent_init: RecurrentInit::Identity, ..plain },
    ];
    let mut out = head("steps", &["tanh usual", "tanh rotation", "ReLU identity"]);
    for time in [10, 20, 30, 40, 80, 160, 320] {
        write!(out, "{time}")?;
        for start in starts {
            let found = SEEDS.iter().map(|&seed| remembers(start, seed, time)).collect::<Result<Vec<_>>>()?;
            out += &spread(&found, 3);
        }
        writeln!(out)?;
    }
    Ok(out)
}

/// Numbers and marks `[batch, time, 2]`, and the sums of the two that are marked.
fn sequences(key: RngKey, time: usize) -> (Array3<f32>, Array2<f32>) {
    let (mut xs, mut sums) = (Array3::zeros((BATCH, time, 2)), Array2::zeros((BATCH, 1)));
    for b in 0..BATCH {
        let draw = key.fold_in(b as u64);
        (0..time).for_each(|t| xs[[b, t, 0]] = draw.uniform(t as u64) as f32);
        for half in 0..2 {
            let at = half * time / 2 + (draw.fold_in(half as u64).uniform(0) * (time / 2) as f64) as usize;
            xs[[b, at, 1]] = 1.0;
            sums[[b, 0]] += xs[[b, at, 0]];
        }
    }
    (xs, sums)
}

/// How many steps of training a point of a curve is the mean of.
const PART: usize = 50;

/// The mean squared error on new sequences, the mean of every 50 of `steps` steps, for each seed.
fn adds<C: Cell>(make: impl Fn(Scope<'_>) -> C + Sync, time: usize, steps: u64) -> Result<Vec<Vec<f64>>> {
    with_each(|seed| {
        let mut params = Params::seeded(seed);
        let cell = make(params.scope("rnn"));
        let readout = Linear::new(params.scope("readout"), 48, 1);
        let (mut adam, mut errors) = (Adam::new(), vec![]);
        for step in 0..steps {
            let graph = Graph::new(&params).training(seed, step);
            let (xs, sums) = sequences(RngKey::seed(seed).fold_in(step), time);
            let (hs, _) = unroll(&cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, BATCH));
            let loss = (readout.apply(hs.last()) - graph.input(sums)).powi(2).mean(&[]);
            errors.push(loss.item()?);
            let mut gradients = loss.backward()?;
            gradients.clip_norm(1.0)?;
            adam.step(&mut params, &gradients, 0.003)?;
        }
        Ok(errors.chunks(PART).map(|part| part.iter().sum::<f64>() / part.len() as f64).collect())
    })
}

/// A row for each point of the curves.
fn curves(names: &[&str], cells: &[Vec<Vec<f64>>]) -> Result<String> {
    table("step", (1..=cells[0][0].len()).map(|part| PART * part), names, cells, 5)
}

fn lstm(scope: Scope<'_>) -> Lstm {
    Lstm::with_config(scope, 2, 48, LstmConfig { forget_bias: Some(1.0), ..LstmConfig::default() })
}

fn gru(scope: Scope<'_>) -> Gru {
    Gru::new(scope, 2, 48)
}

/// Fifty steps, 2,500 batches.
pub(super) fn adding() -> Result<String> {
    let plain = adds(|scope| Rnn::new(scope, 2, 48), 50, 2500)?;
    curves(&["plain cell", "LSTM", "GRU"], &[plain, adds(lstm, 50, 2500)?, adds(gru, 50, 2500)?])
}

/// A hundred steps, 2,000 batches.
pub(super) fn adding_at_100() -> Result<String> {
    curves(&["LSTM", "GRU"], &[adds(lstm, 100, 2000)?, adds(gru, 100, 2000)?])
}

/// f = σ(W_f x + U_f h + b_f),  n = tanh(W x + U (f ∘ h) + b),  h' = (1 − f) ∘ h + f ∘ n (Zhou and others 2016).
struct MinimalGated {
    of_input: Linear,
    to_gate: Linear,
    to_candidate: Linear,
}

impl Cell for MinimalGated {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, 48])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.project(x), h)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.of_input.apply(xs)
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let [f, n] = x.chunk(-1);
        let f = (f + self.to_gate.apply(h)).sigmoid();
        let n = (n + self.to_candidate.apply(f * h)).tanh();
        let h = h + f * (n - h);
        (h, h)
    }
}

impl MinimalGated {
    fn new(mut scope: Scope<'_>) -> MinimalGated {
        MinimalGated {
            of_input: Linear::new(scope.scope("input"), 2, 96),
            to_gate: Linear::without_bias(scope.scope("gate"), 48, 48),
            to_candidate: Linear::without_bias(scope.scope("candidate"), 48, 48),
        }
    }
}

/// The adding problem at fifty steps: the cell of chapter 15 beside a GRU, 1,500 batches.
pub(super) fn own_cell() -> Result<String> {
    curves(&["minimal gated unit", "GRU"], &[adds(MinimalGated::new, 50, 1500)?, adds(gru, 50, 1500)?])
}
