//! Figures that plot numbers.

use super::{
    Figure, Result,
    chart::{self, Chart},
};
use plotters::prelude::SeriesLabelPosition;

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "step-size", draw: step_size },
    Figure { name: "digits-curve", draw: digits },
    Figure { name: "sentiment-curve", draw: sentiment },
    Figure { name: "temperature", draw: temperature },
    Figure { name: "language-model-curve", draw: language_model },
];

/// How far central and one-sided differences of 1/(1 + x²) at 0.7 are from its derivative, by step. The steps are
/// powers of two and the function is division alone, so that every machine makes the same rounding errors.
fn step_size() -> Result<String> {
    let f = |x: f64| 1.0 / (1.0 + x * x);
    let at = 0.7;
    let slope = -2.0 * at * f(at) * f(at);
    let points = |estimate: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        let steps = (3..=40).map(|k| 1.0 / (1u64 << k) as f64);
        steps.map(|h| (h.log10(), ((estimate(h) - slope) / slope).abs().max(1e-16).log10())).collect()
    };
    let series = [
        ("(f(x + h) − f(x)) / h", points(&|h| (f(at + h) - f(at)) / h)),
        ("(f(x + h) − f(x − h)) / 2h", points(&|h| (f(at + h) - f(at - h)) / (2.0 * h))),
    ];
    let chart = Chart {
        title: "How wrong a slope is, by the step it was taken with",
        x: "step h",
        y: "relative error",
        powers: (true, true),
        range: None,
        legend: SeriesLabelPosition::UpperMiddle,
    };
    chart::lines(chart, &series)
}

/// softmax(z / T) of eight fixed logits.
fn temperature() -> Result<String> {
    let logits = [4.0, 3.1, 2.6, 1.9, 1.2, 0.6, 0.0, -0.8f64];
    let softmax = |t: f64| {
        let sum: f64 = logits.iter().map(|z| (z / t).exp()).sum();
        (1..).zip(logits).map(|(i, z)| (f64::from(i), (z / t).exp() / sum)).collect::<Vec<_>>()
    };
    let series = [("T = 0.5", softmax(0.5)), ("T = 1", softmax(1.0)), ("T = 2", softmax(2.0))];
    let chart = Chart {
        title: "One prediction at three temperatures",
        x: "token, the likeliest first",
        y: "probability",
        powers: (false, false),
        range: Some((0.0, 1.0)),
        legend: SeriesLabelPosition::UpperRight,
    };
    chart::lines(chart, &series)
}

/// The columns of a log, by name, over its first one. A log says how it was made.
pub(super) fn log(name: &str, columns: &[&'static str]) -> Result<Vec<chart::Series<'static>>> {
    let path = format!("{}/figures/logs/{name}.csv", env!("UNSPOOL_DOCS"));
    let text = std::fs::read_to_string(&path)?;
    for head in ["# command: cargo run", "# seed: ", "# machine: "] {
        if !text.lines().any(|line| line.starts_with(head)) {
            return Err(format!("{path} does not say {head:?}").into());
        }
    }
    let mut rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(',').collect::<Vec<_>>());
    let (names, rows) = (rows.next().unwrap_or_default(), rows.collect::<Vec<_>>());
    let column = |name: &&'static str| {
        let at = names.iter().position(|found| found == name).ok_or(format!("{path} has no column {name:?}"))?;
        let points = rows.iter().map(|row| Ok((row[0].parse()?, row[at].parse()?)));
        Ok((*name, points.collect::<Result<Vec<(f64, f64)>>>()?))
    };
    columns.iter().map(column).collect()
}

fn digits() -> Result<String> {
    let chart = Chart {
        title: "Digits: one layer, and two",
        x: "step",
        y: "loss",
        powers: (false, false),
        range: None,
        legend: SeriesLabelPosition::UpperRight,
    };
    let columns = ["linear train loss", "linear test loss", "perceptron train loss", "perceptron test loss"];
    chart::lines(chart, &log("digits", &columns)?)
}

fn sentiment() -> Result<String> {
    let chart = Chart {
        title: "Reviews: a GRU over characters",
        x: "epoch",
        y: "loss",
        powers: (false, false),
        range: None,
        legend: SeriesLabelPosition::UpperRight,
    };
    chart::lines(chart, &log("sentiment", &["train loss", "test loss"])?)
}

fn language_model() -> Result<String> {
    let chart = Chart {
        title: "Shakespeare: a GRU over characters",
        x: "epoch",
        y: "bits per character",
        powers: (false, false),
        range: None,
        legend: SeriesLabelPosition::UpperRight,
    };
    let columns = ["train bits per character", "test bits per character"];
    chart::lines(chart, &log("language-model", &columns)?)
}
