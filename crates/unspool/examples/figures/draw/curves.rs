//! Figures that plot numbers.

use super::{
    Figure, Result,
    axis::Scale,
    chart::{self, Chart, Series},
    sketch::Sketch,
};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "step-size", draw: step_size },
    Figure { name: "digits-curve", draw: digits },
    Figure { name: "sentiment-curve", draw: sentiment },
    Figure { name: "temperature", draw: temperature },
    Figure { name: "language-model-curve", draw: language_model },
    Figure { name: "rates", draw: rates },
];

/// How far differences of 1/(1 + x²) at 0.7 are from its derivative, by step. The steps are powers of two and the
/// function is division alone, so that every machine makes the same rounding errors.
fn step_size() -> Result<String> {
    let f = |x: f64| 1.0 / (1.0 + x * x);
    let single = |x: f32| 1.0 / (1.0 + x * x);
    let at = 0.7;
    let slope = -2.0 * at * f(at) * f(at);
    let points = |smallest: u32, estimate: &dyn Fn(f64) -> f64| -> Vec<(f64, f64)> {
        let steps = (3..=smallest).map(|k| 1.0 / (1u64 << k) as f64);
        steps.map(|h| (h, ((estimate(h) - slope) / slope).abs().max(1e-16))).collect()
    };
    let difference = |h: f32| f64::from((single(0.7 + h) - single(0.7 - h)) / (2.0 * h));
    let series = [
        Series::new("one-sided", points(40, &|h| (f(at + h) - f(at)) / h)),
        Series::new("two-sided", points(40, &|h| (f(at + h) - f(at - h)) / (2.0 * h))),
        Series::new("two-sided, f32", points(20, &|h| difference(h as f32))),
    ];
    let chart = Chart {
        title: "How wrong a slope is, by the step it was taken with",
        x: "step",
        y: "relative error",
        scales: (Scale::Tens, Scale::Tens),
        range: None,
    };
    chart::lines(chart, &series)
}

/// Gradient descent on a bowl, whose loss each step multiplies by (1 − ηλ)².
fn rates() -> Result<String> {
    let loss = |share: f64| (0..=20).map(move |n| (f64::from(n), (1.0 - share).powi(2 * n)));
    let curve = |share| loss(share).take_while(|(_, loss)| *loss > 1e-5).collect();
    let series = [0.4, 1.5, 1.95, 2.05].map(|share| Series::new(&format!("η = {share} / λ"), curve(share)));
    let chart = Chart {
        title: "Gradient descent on a bowl of curvature λ",
        x: "step",
        y: "loss, relative to the first",
        scales: (Scale::Linear, Scale::Tens),
        range: None,
    };
    chart::lines(chart, &series)
}

/// softmax(z / T) of eight fixed logits: a group of bars for each token, T from left to right.
fn temperature() -> Result<String> {
    let logits = [4.0, 3.1, 2.6, 1.9, 1.2, 0.6, 0.0, -0.8f64];
    let softmax = |t: f64| {
        let sum: f64 = logits.iter().map(|z| (z / t).exp()).sum();
        logits.map(|z| (z / t).exp() / sum)
    };
    let (bottom, height, bar) = (270, 220.0, 18);
    let mut sketch = Sketch::new(680, 340);
    sketch.text((340, 24), "One prediction at three temperatures", 16);
    for tick in 0..=4 {
        let y = bottom - (height * 0.25 * f64::from(tick)) as i32;
        sketch.bar((60, y), (600, 1), "tip", 0.4);
        sketch.text((38, y + 4), &format!("{}", 0.25 * f64::from(tick)), 12);
    }
    for (k, temperature) in (0..).zip([0.5, 1.0, 2.0]) {
        let class = format!("f{k}");
        for (token, p) in (0..).zip(softmax(temperature)) {
            let tall = (height * p).round().max(1.0) as i32;
            sketch.bar((72 + 74 * token + bar * k, bottom - tall), (bar - 2, tall), &class, 1.0);
        }
        let y = 48 + 24 * k;
        sketch.bar((462, y - 5), (190, 24), "card", 1.0);
        sketch.bar((470, y), (14, 14), &class, 1.0);
        sketch.text((570, y + 12), &format!("{}: T = {temperature}", ["left", "middle", "right"][k as usize]), 13);
    }
    for (token, logit) in (0..).zip(logits) {
        sketch.text((99 + 74 * token, bottom + 20), &format!("{logit}").replace('-', "−"), 12);
    }
    sketch.text((340, 320), "logit of the token", 13);
    Ok(sketch.finish())
}

/// A log's lines that are no comments, split. A log says how it was made.
pub(super) fn rows(name: &str) -> Result<Vec<Vec<String>>> {
    let path = format!("{}/figures/logs/{name}.csv", env!("UNSPOOL_DOCS"));
    let text = std::fs::read_to_string(&path)?;
    for head in ["# command: cargo run", "# seed: ", "# machine: "] {
        if !text.lines().any(|line| line.starts_with(head)) {
            return Err(format!("{path} does not say {head:?}").into());
        }
    }
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    Ok(lines.map(|line| line.split(',').map(str::to_string).collect()).collect())
}

/// A column of a log, by name.
fn column(name: &str, wanted: &str) -> Result<Vec<f64>> {
    let rows = rows(name)?;
    let (names, rows) = rows.split_first().ok_or("an empty log")?;
    let at = names.iter().position(|found| found == wanted).ok_or(format!("{name}.csv has no column {wanted:?}"))?;
    rows.iter().map(|row| Ok(row[at].parse()?)).collect()
}

/// The columns of a log, by name, over its first one.
pub(super) fn log(name: &str, columns: &[&str]) -> Result<Vec<Series>> {
    let first = rows(name)?.first().and_then(|names| names.first().cloned()).ok_or("an empty log")?;
    let xs = column(name, &first)?;
    let series = |wanted: &&str| Ok(Series::new(wanted, xs.iter().copied().zip(column(name, wanted)?).collect()));
    columns.iter().map(series).collect()
}

/// The same with bands from the columns `NAME least` and `NAME greatest`.
pub(super) fn banded(name: &str, columns: &[&str]) -> Result<Vec<Series>> {
    let mut all = log(name, columns)?;
    for series in &mut all {
        let [least, greatest] = ["least", "greatest"].map(|end| column(name, &format!("{} {end}", series.name)));
        series.band = least?.into_iter().zip(greatest?).collect();
    }
    Ok(all)
}

/// Series under other names.
pub(super) fn renamed(all: Vec<Series>, names: &[&str]) -> Vec<Series> {
    all.into_iter().zip(names).map(|(series, name)| Series { name: name.to_string(), ..series }).collect()
}

fn loss_by<'a>(title: &'a str, x: &'a str, y: &'a str) -> Chart<'a> {
    let scales = (Scale::Linear, Scale::Linear);
    Chart { title, x, y, scales, range: None }
}

fn digits() -> Result<String> {
    let columns = ["linear train loss", "linear test loss", "perceptron train loss", "perceptron test loss"];
    let names = ["one layer, training", "one layer, others", "two layers, training", "two layers, others"];
    chart::lines(loss_by("Digits: one layer, and two", "step", "loss"), &renamed(log("digits", &columns)?, &names))
}

fn sentiment() -> Result<String> {
    let series = renamed(banded("sentiment", &["train loss", "dev loss"])?, &["training", "development"]);
    chart::lines(loss_by("Reviews: a GRU over characters", "epoch", "loss"), &series)
}

/// The network, and the counts of chapter 8, which the program there computes.
fn language_model() -> Result<String> {
    let columns = ["train bits per character", "test bits per character"];
    let mut series = renamed(banded("language-model", &columns)?, &["GRU, training", "GRU, test"]);
    for (name, bits) in [("counts, two characters", 2.936), ("counts, three characters", 2.674)] {
        series.push(Series::new(name, (1..=6).map(|epoch| (f64::from(epoch), bits)).collect()));
    }
    chart::lines(loss_by("Shakespeare: a GRU over characters, and counts", "epoch", "bits per character"), &series)
}
