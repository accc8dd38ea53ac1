//! How time grows with the length of a sequence and with the batch: `growth [SVG]`.
//!
//! Training steps (forward, backward, clipping, Adam) of a language model with one LSTM of 128, on one thread. First
//! sequences of 16 to 4,096 steps in batches of 8, then batches of 1 to 256 of 64 steps. A line for each: length,
//! batch, microseconds per token, bytes that the recording keeps per step of a sequence. With a file name the two
//! curves are drawn there.

use ndarray::Array2;
use plotters::prelude::*;
use std::time::{Duration, Instant};
use unspool_graph::{Graph, Params, RngKey};
use unspool_nn::{Adam, Cell, Embedding, Linear, Lstm, optimizer::StepParams, unroll};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const VOCABULARY: usize = 256;
const HIDDEN: usize = 128;

/// Microseconds per token, and bytes kept per step of one sequence.
struct Cost {
    size: usize,
    microseconds: f64,
}

fn main() -> Result<()> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    println!("time,batch,us_per_token,bytes_per_step");
    let measured = |sizes: &[(usize, usize)], of: fn((usize, usize)) -> usize| {
        let cost = |&(time, batch): &(usize, usize)| {
            let (microseconds, bytes) = step_cost(time, batch)?;
            println!("{time},{batch},{microseconds:.2},{bytes}");
            Ok(Cost { size: of((time, batch)), microseconds })
        };
        sizes.iter().map(cost).collect::<Result<Vec<Cost>>>()
    };
    let by_time = measured(&[16, 64, 256, 1024, 4096].map(|time| (time, 8)), |(time, _)| time)?;
    let by_batch = measured(&[1, 2, 4, 8, 16, 32, 64, 128, 256].map(|batch| (64, batch)), |(_, batch)| batch)?;
    if let Some(file) = std::env::args().nth(1) {
        draw(&file, &[("steps of a sequence, batch 8", by_time), ("sequences in a batch, 64 steps", by_batch)])?;
    }
    Ok(())
}

/// The median time of a training step, by its tokens, and what the recording keeps, by its steps.
fn step_cost(time: usize, batch: usize) -> Result<(f64, usize)> {
    let mut params = Params::seeded(0);
    let embedding = Embedding::new(params.scope("embedding"), VOCABULARY, HIDDEN);
    let cell = Lstm::new(params.scope("rnn"), HIDDEN, HIDDEN);
    let readout = Linear::new(params.scope("readout"), HIDDEN, VOCABULARY);
    let ids = |seed| {
        let draw = RngKey::seed(seed);
        Array2::from_shape_fn((batch, time), |(b, t)| (draw.uniform((b * time + t) as u64) * VOCABULARY as f64) as u32)
    };
    let (xs, targets, lengths) = (ids(1), ids(2), vec![time; batch]);

    let (mut adam, mut bytes) = (Adam::new(), 0);
    let mut step = || -> Result<f64> {
        let before = Instant::now();
        let graph = Graph::new(&params);
        let xs = embedding.sequence(&graph, &xs, &lengths);
        let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, batch));
        let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).sum_all();
        let gradients = loss.backward()?;
        let took = before.elapsed();
        bytes = graph.profile().total().bytes;
        let before = Instant::now();
        drop(graph);
        adam.step(&mut params, &gradients, StepParams { rate: 1e-3, count: (batch * time) as f64, max_norm: 5.0 })?;
        Ok((took + before.elapsed()).as_secs_f64())
    };
    for _ in 0..2 {
        step()?;
    }
    let (mut times, begin) = (vec![], Instant::now());
    while times.len() < 3 || begin.elapsed() < Duration::from_millis(1500) {
        times.push(step()?);
    }
    times.sort_by(f64::total_cmp);
    Ok((times[times.len() / 2] * 1e6 / (batch * time) as f64, bytes / (batch * time)))
}

/// Time per token over the size, both sides' axes from zero to the most.
fn draw(file: &str, panels: &[(&str, Vec<Cost>)]) -> Result<()> {
    // These colors read on light and on dark.
    let (ink, line) = (RGBColor(128, 128, 128), RGBColor(217, 119, 32));
    let area = SVGBackend::new(file, (860, 320)).into_drawing_area();
    for (area, (title, costs)) in area.split_evenly((1, panels.len())).iter().zip(panels) {
        let points: Vec<(f64, f64)> = costs.iter().map(|c| ((c.size as f64).log2(), c.microseconds)).collect();
        let end = points.iter().map(|p| p.0).fold(0.0, f64::max);
        let top = points.iter().map(|p| p.1).fold(0.0, f64::max) * 1.1;
        let font = ("sans-serif", 14).into_font().color(&ink);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(format!("µs per token: {title}"), font.clone())
            .x_label_area_size(28)
            .y_label_area_size(44)
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .axis_style(ink)
            .bold_line_style(ink.mix(0.25))
            .light_line_style(TRANSPARENT)
            .label_style(font)
            .x_labels(costs.len() + 1)
            .x_label_formatter(&|x| format!("{:.0}", x.exp2()))
            .draw()?;
        chart.draw_series(LineSeries::new(points.clone(), line.stroke_width(2)))?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, line.filled())))?;
    }
    area.present()?;
    Ok(())
}
