//! Figures of chapters 9 and 10: how far gradients reach, and what that is good for.

use super::{
    Figure, Result,
    chart::{self, Chart},
    curves::log,
    sketch::{Kind, Sketch},
};
use plotters::prelude::SeriesLabelPosition;
use unspool::{
    nn::{LstmConfig, Nonlinearity, RecurrentInit, RnnConfig},
    prelude::*,
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "vanishing", draw: vanishing },
    Figure { name: "remembering", draw: remembering },
    Figure { name: "lstm", draw: lstm },
    Figure { name: "gates", draw: gates },
    Figure { name: "adding", draw: adding },
];

/// The exponents of ‖∂L/∂s_t‖ over sixty steps, of one before the last, for the last leaf s of the state.
fn reach<C: Cell>(params: &Params, cell: &C) -> Result<Vec<(f64, f64)>> {
    let graph = Graph::new(params).record_grad_norms();
    let xs = ndarray::Array3::from_shape_fn((8, 60, 2), |(b, t, k)| {
        0.5 * (1.7 * b as f64 + 0.7 * t as f64 + k as f64).sin()
    });
    let (hs, _) = unroll(cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, 8));
    let gradients = hs.last().sum_all().backward()?;
    let norms = &gradients.through_time().last().ok_or("nothing was traced")?.norms;
    let exponent = |norm: f64| (norm / norms[58].1).max(1e-30).log10();
    Ok(norms[..59].iter().map(|&(t, norm)| ((t + 1) as f64, exponent(norm))).collect())
}

fn chart_of_norms(title: &str) -> Chart<'_> {
    Chart {
        title,
        x: "step t of 60",
        y: "|∂L/∂h| at t, of one at 59",
        powers: (false, true),
        range: None,
        legend: SeriesLabelPosition::LowerRight,
    }
}

fn vanishing() -> Result<String> {
    let mut params = Params::seeded(1).to_f64();
    let tanh = Rnn::new(params.scope("a"), 2, 32);
    let rotation = Rnn::with_config(
        params.scope("b"),
        2,
        32,
        RnnConfig { recurrent_init: RecurrentInit::Orthogonal, ..RnnConfig::default() },
    );
    let relu = Rnn::with_config(
        params.scope("c"),
        2,
        32,
        RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() },
    );
    let identity = Rnn::with_config(
        params.scope("d"),
        2,
        32,
        RnnConfig { nonlinearity: Nonlinearity::Relu, recurrent_init: RecurrentInit::Identity, ..RnnConfig::default() },
    );
    let series = [
        ("tanh, usual start", reach(&params, &tanh)?),
        ("tanh, rotation", reach(&params, &rotation)?),
        ("ReLU, usual start", reach(&params, &relu)?),
        ("ReLU, identity", reach(&params, &identity)?),
    ];
    chart::lines(chart_of_norms("What is left of a gradient on its way back"), &series)
}

fn gates() -> Result<String> {
    let mut params = Params::seeded(1).to_f64();
    let plain = Rnn::new(params.scope("a"), 2, 32);
    let gru = Gru::new(params.scope("b"), 2, 32);
    let lstm = Lstm::new(params.scope("c"), 2, 32);
    let closed = reach(&params, &lstm)?;
    let config = LstmConfig { forget_bias: Some(4.0), ..LstmConfig::default() };
    let mut other = Params::seeded(1).to_f64();
    let open = Lstm::with_config(other.scope("c"), 2, 32, config);
    let open = reach(&other, &open)?;
    let series = [
        ("plain cell", reach(&params, &plain)?),
        ("GRU", reach(&params, &gru)?),
        ("LSTM, its c", closed),
        ("the same, forget bias 4", open),
    ];
    chart::lines(chart_of_norms("What is left, with gates"), &series)
}

fn remembering() -> Result<String> {
    let chart = Chart {
        title: "One bit, then noise",
        x: "steps",
        y: "share remembered",
        powers: (false, false),
        range: Some((0.4, 1.02)),
        legend: SeriesLabelPosition::MiddleMiddle,
    };
    chart::lines(chart, &log("remembering", &["tanh usual", "tanh rotation", "ReLU identity"])?)
}

fn adding() -> Result<String> {
    let chart = Chart {
        title: "The adding problem, fifty steps",
        x: "step of training",
        y: "mean squared error",
        powers: (false, false),
        range: Some((0.0, 0.25)),
        legend: SeriesLabelPosition::UpperRight,
    };
    chart::lines(chart, &log("adding", &["plain cell", "LSTM", "GRU"])?)
}

/// One step: the memory along the top, the hidden vector along the bottom.
fn lstm() -> Result<String> {
    let mut sketch = Sketch::new(820, 320);
    let c_in = sketch.boxed(Kind::Input, (60, 60), 64, &["c"]);
    let keep = sketch.boxed(Kind::Step, (220, 60), 40, &["×"]);
    let add = sketch.boxed(Kind::Step, (420, 60), 40, &["+"]);
    let c_out = sketch.boxed(Kind::Output, (760, 60), 64, &["c'"]);
    let write = sketch.boxed(Kind::Step, (420, 140), 40, &["×"]);
    let squash = sketch.boxed(Kind::Step, (600, 120), 60, &["tanh"]);
    let show = sketch.boxed(Kind::Step, (600, 190), 40, &["×"]);
    let h_out = sketch.boxed(Kind::Output, (760, 190), 64, &["h'"]);
    let f = sketch.boxed(Kind::Weight, (220, 210), 70, &["f = σ"]);
    let i = sketch.boxed(Kind::Weight, (340, 210), 70, &["i = σ"]);
    let g = sketch.boxed(Kind::Weight, (460, 210), 84, &["g = tanh"]);
    let o = sketch.boxed(Kind::Weight, (600, 260), 70, &["o = σ"]);
    let h_in = sketch.boxed(Kind::Input, (60, 290), 64, &["h, x"]);
    sketch.arrow(&[c_in.right(), keep.left()], 3.0);
    sketch.arrow(&[keep.right(), add.left()], 3.0);
    sketch.arrow(&[add.right(), c_out.left()], 3.0);
    sketch.arrow(&[f.top(), keep.bottom()], 1.2);
    sketch.arrow(&[i.top(), (i.top().0, write.left().1), write.left()], 1.2);
    sketch.arrow(&[g.top(), (g.top().0, write.right().1), write.right()], 1.2);
    sketch.arrow(&[write.top(), add.bottom()], 1.2);
    sketch.arrow(&[(600, 60), squash.top()], 1.2);
    sketch.arrow(&[squash.bottom(), show.top()], 1.2);
    sketch.arrow(&[o.top(), show.bottom()], 1.2);
    sketch.arrow(&[show.right(), h_out.left()], 1.2);
    for gate in [f, i, g] {
        sketch.arrow(&[h_in.right(), (gate.bottom().0, h_in.right().1), gate.bottom()], 1.0);
    }
    sketch.arrow(&[h_in.right(), (o.bottom().0, h_in.right().1), o.bottom()], 1.0);
    Ok(sketch.finish())
}
