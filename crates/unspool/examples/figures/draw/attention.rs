//! Figures of chapters 11 to 14: who hands what to whom, who looks where, and what it costs.

use super::{
    Figure, Result,
    axis::Scale,
    chart::{self, Chart},
    curves::{banded, log, renamed},
    sketch::{Boxed, Kind, Sketch},
};
use unspool::{nn::Positions, prelude::*};

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "encoder-decoder", draw: encoder_decoder },
    Figure { name: "reversing", draw: reversing },
    Figure { name: "attention", draw: attention },
    Figure { name: "positions", draw: positions },
    Figure { name: "attention-cost", draw: cost },
    Figure { name: "attention-time", draw: time },
    Figure { name: "forecast", draw: forecast },
];

/// Three letters are read, one vector is handed over, three letters and an end are written.
fn encoder_decoder() -> Result<String> {
    let mut sketch = Sketch::new(860, 250);
    let cell = |sketch: &mut Sketch, x: i32, name: &str| sketch.boxed(Kind::Step, (x, 130), 78, &[name]);
    let encoder: Vec<Boxed> = (0..3).map(|t| cell(&mut sketch, 60 + 105 * t, "encoder")).collect();
    let decoder: Vec<Boxed> = (0..4).map(|t| cell(&mut sketch, 435 + 115 * t, "decoder")).collect();
    for (at, letter) in encoder.iter().zip(["p", "q", "r"]) {
        let x = sketch.boxed(Kind::Input, (at.top().0, 215), 48, &[letter]);
        sketch.arrow(&[x.top(), at.bottom()], 1.2);
    }
    for pair in encoder.windows(2).chain(decoder.windows(2)) {
        sketch.arrow(&[pair[0].right(), pair[1].left()], 1.2);
    }
    sketch.arrow(&[encoder[2].right(), decoder[0].left()], 3.0);
    sketch.text(((encoder[2].right().0 + decoder[0].left().0) / 2, 112), "the vector c", 12);
    let (mut last, mut from): (&str, Option<Boxed>) = ("<bos>", None);
    for (at, word) in decoder.iter().zip(["r", "q", "p", "<eos>"]) {
        let x = sketch.boxed(Kind::Input, (at.top().0, 215), 60, &[last]);
        let y = sketch.boxed(Kind::Output, (at.top().0, 40), 60, &[word]);
        sketch.arrow(&[x.top(), at.bottom()], 1.2);
        sketch.arrow(&[at.top(), y.bottom()], 1.2);
        if let Some(from) = from {
            let middle = (from.right().0 + x.left().0) / 2;
            sketch.arrow(&[from.right(), (middle, from.right().1), (middle, x.left().1), x.left()], 1.2);
        }
        (last, from) = (word, Some(y));
    }
    Ok(sketch.finish())
}

fn reversing() -> Result<String> {
    let chart = Chart {
        title: "Strings written backwards without a mistake",
        x: "letters (trained on 2 to 20)",
        y: "share of strings",
        scales: (Scale::Linear, Scale::Linear),
        range: Some((-0.02, 1.02)),
    };
    chart::lines(chart, &banded("reversing", &["one vector", "attention"])?)
}

/// A square of ink for each number from 0 to 1, with names at the left and the top, titles of both, and a scale.
fn grid(rows: &[(String, Vec<f64>)], heads: &[String], size: usize, titles: (&str, &str)) -> String {
    let (left, top) = (110, 66);
    let (right, bottom) = (left + heads.len() * size, top + rows.len() * size);
    let mut sketch = Sketch::new(right as i32 + 110, bottom as i32 + 20);
    sketch.text(((left + right) as i32 / 2, 24), titles.1, 13);
    sketch.text((46, (top + bottom) as i32 / 2), titles.0, 13);
    for (k, head) in heads.iter().enumerate() {
        sketch.text(((left + k * size + size / 2) as i32, top as i32 - 10), head, 13);
    }
    for (r, (name, values)) in rows.iter().enumerate() {
        sketch.text((left as i32 - 16, (top + r * size + size * 2 / 3) as i32), name, 13);
        for (k, value) in values.iter().enumerate() {
            sketch.ink(((left + k * size) as i32, (top + r * size) as i32), size as i32 - 1, *value);
        }
    }
    sketch.frame((left as i32, top as i32), ((heads.len() * size) as i32, (rows.len() * size) as i32));
    for step in 0..5 {
        let (amount, at) = (1.0 - 0.25 * f64::from(step), (right as i32 + 30, top as i32 + 30 * step));
        sketch.frame(at, (26, 26));
        sketch.ink(at, 26, amount);
        sketch.text((at.0 + 50, at.1 + 18), &amount.to_string(), 12);
    }
    sketch.finish()
}

fn attention() -> Result<String> {
    let path = format!("{}/figures/logs/attention.csv", env!("UNSPOOL_DOCS"));
    let text = std::fs::read_to_string(path)?;
    let mut lines = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(','));
    let heads =
        lines.next().ok_or("no head")?.skip(1).map(|head| head.chars().take(1).collect()).collect::<Vec<String>>();
    let row = |mut cells: std::str::Split<'_, char>| {
        let name = cells.next().unwrap_or_default().to_string();
        Ok((name, cells.map(str::parse).collect::<std::result::Result<Vec<f64>, _>>()?))
    };
    let rows = lines.map(row).collect::<Result<Vec<_>>>()?;
    Ok(grid(&rows, &heads, 28, ("written", "read")))
}

/// Four elements of the vectors, by place.
fn positions() -> Result<String> {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let values = Positions::Sinusoidal.of(&graph, &(0..50).collect::<Vec<u32>>(), 16).to_f64()?;
    let wave = |k: usize| {
        let points = (0..50).map(|p| (p as f64, values[[p, k]])).collect();
        chart::Series::new(&format!("element {k}"), points)
    };
    let chart = Chart {
        title: "Where a place p is: element k is sin(p / 10000^(k/16))",
        x: "place p",
        y: "value",
        scales: (Scale::Linear, Scale::Linear),
        range: Some((-1.1, 1.1)),
    };
    chart::lines(chart, &[0, 4, 8, 12].map(wave))
}

/// Megabytes that a recording keeps, by length.
fn cost() -> Result<String> {
    by_length("attention-cost", "What is kept for the backward pass", "megabytes", 1e-6)
}

/// Milliseconds of a forward and a backward pass, by length.
fn time() -> Result<String> {
    by_length("attention-time", "Forward and backward over one sequence", "milliseconds", 1.0)
}

fn by_length(name: &str, title: &'static str, y: &'static str, unit: f64) -> Result<String> {
    let mut series = log(name, &["GRU", "Transformer layer"])?;
    series.iter_mut().flat_map(|series| &mut series.points).for_each(|point| point.1 *= unit);
    let scales = (Scale::Twos, Scale::Tens);
    let x = "length of the sequence";
    chart::lines(Chart { title, x, y, scales, range: None }, &series)
}

fn forecast() -> Result<String> {
    let chart = Chart {
        title: "Passengers of 1959 and 1960, one month ahead",
        x: "month",
        y: "thousands",
        scales: (Scale::Dates, Scale::Linear),
        range: Some((260.0, 660.0)),
    };
    let mut series = log("forecast", &["passengers", "GRU", "last year's change"])?;
    series.iter_mut().flat_map(|series| &mut series.points).for_each(|point| point.0 = 1949.0 + point.0 / 12.0);
    chart::lines(chart, &renamed(series, &["passengers", "mean of the GRUs", "last year's change"]))
}
