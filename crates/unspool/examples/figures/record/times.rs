//! Times that the tutorial tells: the least of many runs, what is compared in turn, so that other work on the machine
//! meets all alike.

use super::Result;
use ndarray::Array1;
use std::{fmt::Write, time::Instant};
use unspool::{
    graph::{Element, GradSink, OpContext, Operation, Scope, Shape, View},
    nn::{Positions, TransformerConfig, TransformerEncoder},
    prelude::*,
};

/// Milliseconds of the fastest of `runs` runs of each.
fn fastest<const N: usize>(runs: usize, mut work: [&mut dyn FnMut() -> Result<()>; N]) -> Result<[f64; N]> {
    let mut least = [f64::INFINITY; N];
    for _ in 0..runs {
        for (work, least) in work.iter_mut().zip(&mut least) {
            let began = Instant::now();
            work()?;
            *least = least.min(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(least)
}

/// Forward and backward over one sequence, by its length: a GRU of 32 elements, and a layer of attention as wide.
pub(super) fn by_length() -> Result<String> {
    let config = TransformerConfig { size: 32, heads: 4, feedforward: 64, dropout: 0.0, norm_first: true, bias: true };
    let mut params = Params::seeded(1);
    let cell = Gru::new(params.scope("rnn"), 32, 32);
    let encoder = TransformerEncoder::new(params.scope("encoder"), 1, Positions::Sinusoidal, config);
    let mut out = String::from("length,GRU,Transformer layer\n");
    for time in [32, 64, 128, 256, 512, 1024, 2048] {
        let mut recurrent = || {
            let graph = Graph::new(&params);
            let (hs, _) = unroll(&cell, &Sequence::full(graph.full([1, time, 32], 0.1)), cell.initial_state(&graph, 1));
            hs.rows().mean(&[]).backward()?;
            Ok(())
        };
        let mut attending = || {
            let graph = Graph::new(&params);
            let xs = Sequence::full(graph.full([1, time, 32], 0.1));
            encoder.apply(&xs).rows().mean(&[]).backward()?;
            Ok(())
        };
        let [recurrent, attention] = fastest(30, [&mut recurrent, &mut attending])?;
        writeln!(out, "{time},{recurrent:.3},{attention:.3}")?;
    }
    Ok(out)
}

/// The minimal gated unit of chapter 15, its inputs' products all at once or step by step.
struct MinimalGated {
    of_input: Linear,
    to_gate: Linear,
    to_candidate: Linear,
    early: bool,
}

impl MinimalGated {
    fn new(mut scope: Scope<'_>, early: bool) -> MinimalGated {
        MinimalGated {
            of_input: Linear::new(scope.scope("input"), 64, 256),
            to_gate: Linear::without_bias(scope.scope("gate"), 128, 128),
            to_candidate: Linear::without_bias(scope.scope("candidate"), 128, 128),
            early,
        }
    }
}

impl Cell for MinimalGated {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, 128])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.of_input.apply(x), h)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        if self.early { self.of_input.apply(xs) } else { xs }
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let [f, n] = x.chunk(-1);
        let f = (f + self.to_gate.apply(h)).sigmoid();
        let n = (n + self.to_candidate.apply(f * h)).tanh();
        let h = h + f * (n - h);
        (h, h)
    }
}

/// h_t = a_t·h_{t−1} + x_t, the operation of chapter 16.
struct Scan;

impl Operation for Scan {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "scan"
    }
    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], h: &mut [E]) {
        let (a, x) = (inputs[0].data(), inputs[1].data());
        for t in 0..h.len() {
            h[t] = if t == 0 { x[0] } else { a[t] * h[t - 1] + x[t] };
        }
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (a, h) = (ctx.inputs[0].data(), ctx.output.data());
        let (mut s, mut to_a) = (gradient.data().to_vec(), vec![E::ZERO; a.len()]);
        for t in (1..a.len()).rev() {
            to_a[t] = s[t] * h[t - 1];
            s[t - 1] = s[t - 1] + a[t] * s[t];
        }
        into.add(0, to_a);
        into.add(1, s);
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, v: &[Option<View<'_, E>>], dh: &mut [E]) {
        let (a, h) = (ctx.inputs[0].data(), ctx.output.data());
        let tangent = |k: usize, t: usize| v[k].map_or(E::ZERO, |v| v.data()[t]);
        for t in 0..h.len() {
            let before = if t == 0 { E::ZERO } else { a[t] * dh[t - 1] + tangent(0, t) * h[t - 1] };
            dh[t] = before + tangent(1, t);
        }
    }
}

/// Forward and backward of what chapters 15 and 16 compare.
pub(super) fn of_own_code() -> Result<String> {
    let mut params = Params::seeded(1);
    let [early, late] = [("early", true), ("late", false)].map(|(name, e)| MinimalGated::new(params.scope(name), e));
    let over = |cell: &MinimalGated| {
        let graph = Graph::new(&params);
        let xs = graph.full([16, 40, 64], 0.1);
        let (hs, _) = unroll(cell, &Sequence::full(xs), cell.initial_state(&graph, 16));
        hs.rows().mean(&[]).backward()?;
        Ok(())
    };
    let [early, late] = fastest(300, [&mut || over(&early), &mut || over(&late)])?;

    let wave = |f: f32| Array1::from_shape_fn(1000, |t| (f * t as f32).sin());
    let scan = |one: bool| {
        let graph = Graph::new(&params);
        let (a, x) = (graph.input(wave(0.3)).watch(), graph.input(wave(0.7)).watch());
        let last = match one {
            true => graph.apply(Scan, &[a, x]).index(0, 999),
            false => (1..1000).fold(x.index(0, 0), |h, t| a.index(0, t) * h + x.index(0, t)),
        };
        last.backward()?;
        Ok(())
    };
    let [one, composed] = fastest(300, [&mut || scan(true), &mut || scan(false)])?;
    let mut out = String::from("what,milliseconds\n");
    let rows =
        [("inputs early", early), ("inputs late", late), ("scan by one operation", one), ("scan composed", composed)];
    rows.iter().try_for_each(|(what, time)| writeln!(out, "{what},{time:.3}"))?;
    Ok(out)
}
