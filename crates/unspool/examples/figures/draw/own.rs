//! Figures of chapters 15 and 16: recordings of a cell and of an operation that are no part of this project.

use super::{
    Figure, Result,
    axis::Scale,
    chart::{self, Chart},
    curves::banded,
};
use unspool::{
    graph::{Detail, Drawing, Element, GradSink, OpContext, Operation, Shape, View},
    prelude::*,
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "own-cell", draw: own_cell },
    Figure { name: "own-cell-curve", draw: own_cell_curve },
    Figure { name: "scan-composed", draw: composed },
    Figure { name: "scan", draw: scan },
];

/// The minimal gated unit of chapter 15.
struct MinimalGated {
    of_input: Linear,
    to_gate: Linear,
    to_candidate: Linear,
}

impl Cell for MinimalGated {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, 8])
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
        let h = (1.0 - f) * h + f * n;
        (h, h)
    }
}

/// A drawing large enough that its smallest words have 12 pixels.
fn enlarged(drawing: &Drawing) -> Result<String> {
    const SMALLEST: f64 = 9.5;
    let svg = drawing.to_svg();
    let (head, rest) = svg.split_once('>').ok_or("no tag")?;
    // <svg xmlns="…" width="100" height="50" viewBox="…">
    let words = head.split_inclusive('"').collect::<Vec<_>>();
    let mut out = String::new();
    for pair in words.chunks(2) {
        let [name, value] = pair else { continue };
        let length = value.trim_end_matches('"').parse::<f64>();
        match (name.trim_start(), length) {
            ("width=\"" | "height=\"", Ok(length)) => out += &format!("{name}{:.0}\"", length * 12.0 / SMALLEST),
            _ => out += &format!("{name}{value}"),
        }
    }
    Ok(format!("{out}>{rest}"))
}

fn own_cell() -> Result<String> {
    let mut params = Params::seeded(1);
    let mut rnn = params.scope("rnn");
    let cell = MinimalGated {
        of_input: Linear::new(rnn.scope("input"), 3, 16),
        to_gate: Linear::without_bias(rnn.scope("gate"), 8, 8),
        to_candidate: Linear::without_bias(rnn.scope("candidate"), 8, 8),
    };
    let graph = Graph::new(&params);
    let _ = unroll(&cell, &Sequence::pack(graph.full([2, 2, 3], 1.0), &[2, 2]), cell.initial_state(&graph, 2));
    enlarged(&Drawing::of(&graph))
}

fn own_cell_curve() -> Result<String> {
    let chart = Chart {
        title: "The adding problem, fifty steps",
        x: "step of training",
        y: "mean squared error",
        scales: (Scale::Linear, Scale::Tens),
        range: None,
    };
    chart::lines(chart, &banded("own-cell", &["minimal gated unit", "GRU"])?)
}

/// h_t = a_t·h_{t−1} + x_t along the last axis, of chapter 16.
struct Scan;

impl Operation for Scan {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "scan"
    }
    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        match inputs {
            [a, x] if a == x && !a.is_empty() => Ok(*a),
            _ => Err("needs a and x of one shape".into()),
        }
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], h: &mut [E]) {
        let (a, x, time) = (inputs[0].data(), inputs[1].data(), inputs[0].shape().last_axis().max(1));
        for i in 0..h.len() {
            h[i] = if i % time == 0 { x[i] } else { a[i] * h[i - 1] + x[i] };
        }
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (a, h, time) = (ctx.inputs[0].data(), ctx.output.data(), ctx.inputs[0].shape().last_axis().max(1));
        let (mut s, mut to_a) = (gradient.data().to_vec(), vec![E::ZERO; a.len()]);
        for i in (0..a.len()).rev().filter(|i| i % time > 0) {
            to_a[i] = s[i] * h[i - 1];
            s[i - 1] = s[i - 1] + a[i] * s[i];
        }
        into.add(0, to_a);
        into.add(1, s);
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], dh: &mut [E]) {
        let (a, h, time) = (ctx.inputs[0].data(), ctx.output.data(), ctx.inputs[0].shape().last_axis().max(1));
        let tangent = |k: usize, i: usize| tangents[k].map_or(E::ZERO, |v| v.data()[i]);
        for i in 0..h.len() {
            dh[i] = tangent(1, i);
            if i % time > 0 {
                dh[i] = dh[i] + a[i] * dh[i - 1] + tangent(0, i) * h[i - 1];
            }
        }
    }
}

fn composed() -> Result<String> {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let (a, x) = (graph.full([4], 0.5), graph.full([4], 1.0));
    let _ = (1..4).fold(x.index(0, 0), |h, t| a.index(0, t) * h + x.index(0, t));
    enlarged(&Drawing::of(&graph).fold(Detail::Node))
}

fn scan() -> Result<String> {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let _ = graph.apply(Scan, &[graph.full([4], 0.5), graph.full([4], 1.0)]);
    enlarged(&Drawing::of(&graph).fold(Detail::Node))
}
