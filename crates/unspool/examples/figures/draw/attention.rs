//! Figures of chapters 11 to 14: who hands what to whom, who looks where, and what it costs.

use super::{
    Figure, Result,
    chart::{self, Chart},
    curves::log,
    sketch::{Boxed, Kind, Sketch},
};
use plotters::prelude::SeriesLabelPosition;
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
    let cell = |sketch: &mut Sketch, x: i32, name: &str| sketch.boxed(Kind::Step, (x, 130), 72, &[name]);
    let encoder: Vec<Boxed> = (0..3).map(|t| cell(&mut sketch, 60 + 105 * t, "reader")).collect();
    let decoder: Vec<Boxed> = (0..4).map(|t| cell(&mut sketch, 435 + 115 * t, "writer")).collect();
    for (at, letter) in encoder.iter().zip(["a", "b", "c"]) {
        let x = sketch.boxed(Kind::Input, (at.top().0, 215), 48, &[letter]);
        sketch.arrow(&[x.top(), at.bottom()], 1.2);
    }
    for pair in encoder.windows(2).chain(decoder.windows(2)) {
        sketch.arrow(&[pair[0].right(), pair[1].left()], 1.2);
    }
    sketch.arrow(&[encoder[2].right(), decoder[0].left()], 3.0);
    sketch.text(((encoder[2].right().0 + decoder[0].left().0) / 2, 112), "all of it", 12);
    let (mut last, mut from): (&str, Option<Boxed>) = ("<bos>", None);
    for (at, word) in decoder.iter().zip(["c", "b", "a", "<eos>"]) {
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
        title: "Strings written backwards without a fault",
        x: "letters (trained on 2 to 20)",
        y: "share of strings",
        powers: (false, false),
        range: Some((-0.02, 1.02)),
        legend: SeriesLabelPosition::LowerLeft,
    };
    chart::lines(chart, &log("reversing", &["one vector", "attention", "Transformer"])?)
}

/// A square of ink for each number from 0 to 1, with names at the left and the top.
fn grid(rows: &[(String, Vec<f64>)], heads: &[String], size: usize) -> String {
    let (left, top) = (60, 40);
    let (width, height) = (left + heads.len() * size + 20, top + rows.len() * size + 16);
    let mut sketch = Sketch::new(width as i32, height as i32);
    for (k, head) in heads.iter().enumerate() {
        sketch.text(((left + k * size + size / 2) as i32, top as i32 - 10), head, 13);
    }
    for (r, (name, values)) in rows.iter().enumerate() {
        sketch.text((left as i32 - 26, (top + r * size + size * 2 / 3) as i32), name, 13);
        for (k, value) in values.iter().enumerate() {
            sketch.ink(((left + k * size) as i32, (top + r * size) as i32), size as i32 - 1, *value);
        }
    }
    sketch.frame((left as i32, top as i32), ((heads.len() * size) as i32, (rows.len() * size) as i32));
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
    Ok(grid(&rows, &heads, 28))
}

/// (1 + sin) / 2 for the even elements of sixteen, a column a place.
fn positions() -> Result<String> {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params);
    let values = Positions::Sinusoidal.of(&graph, &(0..40).collect::<Vec<u32>>(), 16).to_f64()?;
    let rows: Vec<(String, Vec<f64>)> =
        (0..16).step_by(2).map(|k| (k.to_string(), (0..40).map(|p| (1.0 + values[[p, k]]) / 2.0).collect())).collect();
    let heads: Vec<String> = (0..40).map(|p| if p % 10 == 0 { p.to_string() } else { String::new() }).collect();
    Ok(grid(&rows, &heads, 14))
}

/// Bytes that a recording keeps, by length.
fn cost() -> Result<String> {
    by_length("attention-cost", "What is kept for the walk back", "bytes")
}

/// Milliseconds of a walk there and back, by length.
fn time() -> Result<String> {
    by_length("attention-time", "Forward and backward over one sequence", "milliseconds")
}

fn by_length(name: &str, title: &'static str, y: &'static str) -> Result<String> {
    let mut series = log(name, &["GRU", "Transformer layer"])?;
    series.iter_mut().flat_map(|(_, points)| points).for_each(|point| *point = (point.0.log10(), point.1.log10()));
    let x = "length of the sequence";
    let chart = Chart { title, x, y, powers: (true, true), range: None, legend: SeriesLabelPosition::UpperLeft };
    chart::lines(chart, &series)
}

fn forecast() -> Result<String> {
    let chart = Chart {
        title: "Passengers of 1959 and 1960, one month ahead",
        x: "month",
        y: "thousands",
        powers: (false, false),
        range: None,
        legend: SeriesLabelPosition::UpperLeft,
    };
    chart::lines(chart, &log("forecast", &["passengers", "GRU", "a year ago"])?)
}
