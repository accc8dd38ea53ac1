//! Figures that plot numbers.

use super::{
    Figure, Result,
    chart::{self, Chart},
};
use plotters::prelude::SeriesLabelPosition;

pub(crate) const FIGURES: &[Figure] = &[Figure { name: "step-size", draw: step_size }];

/// How far central and one-sided differences of 1/(1 + x²) at 0.7 are from its derivative, by step. The steps are powers of two and
/// the function is division alone, so that every machine makes the same rounding errors.
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
        powers: true,
        range: None,
        legend: SeriesLabelPosition::UpperMiddle,
    };
    chart::lines(chart, &series)
}
