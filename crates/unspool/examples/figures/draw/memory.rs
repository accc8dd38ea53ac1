//! Figures of chapters 9 and 10 that plot how far gradients reach, and what that is good for.

use super::{
    Figure, Result,
    axis::Scale,
    chart::{self, Chart, Series},
    curves::banded,
};
use unspool::{
    nn::{LstmConfig, Nonlinearity, RecurrentInit, RnnConfig},
    prelude::*,
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "vanishing", draw: vanishing },
    Figure { name: "remembering", draw: remembering },
    Figure { name: "gates", draw: gates },
    Figure { name: "adding", draw: adding },
];

/// ‖∂L/∂s_t‖ over sixty steps, relative to the last but one, for the last leaf s of the state.
fn reach<C: Cell>(name: &str, params: &Params, cell: &C) -> Result<Series> {
    let graph = Graph::new(params).record_grad_norms();
    let xs = ndarray::Array3::from_shape_fn((8, 60, 2), |(b, t, k)| {
        0.5 * (1.7 * b as f64 + 0.7 * t as f64 + k as f64).sin()
    });
    let (hs, _) = unroll(cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, 8));
    let gradients = hs.last().sum_all().backward()?;
    let norms = &gradients.through_time().last().ok_or("nothing was traced")?.norms;
    let share = |norm: f64| (norm / norms[58].1).max(1e-30);
    Ok(Series::new(name, norms[..59].iter().map(|&(t, norm)| ((t + 1) as f64, share(norm))).collect()))
}

fn chart_of_norms<'a>(title: &'a str, y: &'a str) -> Chart<'a> {
    Chart { title, x: "step t of 60", y, scales: (Scale::Linear, Scale::Tens), range: None }
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
        reach("tanh, usual start", &params, &tanh)?,
        reach("tanh, rotation", &params, &rotation)?,
        reach("ReLU, usual start", &params, &relu)?,
        reach("ReLU, identity", &params, &identity)?,
    ];
    chart::lines(
        chart_of_norms("What is left of a gradient on its way back", "‖∂L/∂h‖ at t, relative to t = 59"),
        &series,
    )
}

fn gates() -> Result<String> {
    let mut params = Params::seeded(1).to_f64();
    let plain = Rnn::new(params.scope("a"), 2, 32);
    let gru = Gru::new(params.scope("b"), 2, 32);
    let lstm = Lstm::new(params.scope("c"), 2, 32);
    let closed = reach("LSTM, its c", &params, &lstm)?;
    let config = LstmConfig { forget_bias: Some(4.0), ..LstmConfig::default() };
    let mut other = Params::seeded(1).to_f64();
    let open = Lstm::with_config(other.scope("c"), 2, 32, config);
    let open = reach("the same, forget bias 4", &other, &open)?;
    let series = [reach("plain cell", &params, &plain)?, reach("GRU", &params, &gru)?, closed, open];
    chart::lines(chart_of_norms("What is left, with gates", "‖∂L/∂s‖ at t, relative to t = 59"), &series)
}

fn remembering() -> Result<String> {
    let chart = Chart {
        title: "One bit, then noise",
        x: "steps",
        y: "share remembered",
        scales: (Scale::Twos, Scale::Linear),
        range: Some((0.4, 1.02)),
    };
    chart::lines(chart, &banded("remembering", &["tanh usual", "tanh rotation", "ReLU identity"])?)
}

fn adding() -> Result<String> {
    let chart = Chart {
        title: "The adding problem, fifty steps",
        x: "step of training",
        y: "mean squared error",
        scales: (Scale::Linear, Scale::Tens),
        range: None,
    };
    chart::lines(chart, &banded("adding", &["plain cell", "LSTM", "GRU"])?)
}
