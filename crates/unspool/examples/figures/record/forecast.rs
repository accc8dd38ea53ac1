//! Airline passengers: the next month from the changes of the twelve before.

use super::{Result, data};
use ndarray::{Array2, Array3};
use std::{fmt::Write, ops::RangeInclusive};
use unspool::{prelude::*, text::Csv};

/// Forecasts of the 24 months from `from` on, each from the true months before it, by networks that learned from what
/// came before `from`, one for each seed; the mean of the changes they say.
fn forecasts(counts: &[f64], from: usize, steps: u64, seeds: RangeInclusive<u64>) -> Result<Vec<f64>> {
    // change[k] is what month k + 1 has over month k.
    let change: Vec<f64> = counts.windows(2).map(|pair| (pair[1] / pair[0]).ln()).collect();
    let scale = (change[..from - 1].iter().map(|d| d * d).sum::<f64>() / (from - 1) as f64).sqrt();
    let windows = |from: usize, count: usize| {
        Array3::from_shape_fn((count, 12, 1), |(b, t, _)| (change[from + b + t] / scale) as f32)
    };
    let count = from - 13;
    let targets = Array2::from_shape_fn((count, 1), |(b, _)| (change[12 + b] / scale) as f32);
    let (mut sum, networks) = ([0.0; 24], seeds.clone().count() as f64);
    for seed in seeds {
        let mut params = Params::seeded(seed);
        let cell = Gru::new(params.scope("rnn"), 1, 16);
        let readout = Linear::new(params.scope("readout"), 16, 1);
        let mut adam = Adam::new();
        for step in 0..steps {
            let graph = Graph::new(&params).training(seed, step);
            let xs = graph.input(windows(0, count));
            let (_, last) = unroll(&cell, &Sequence::full(xs), cell.initial_state(&graph, count));
            let gradients = (readout.apply(last) - graph.input(&targets)).powi(2).mean(&[]).backward()?;
            adam.step(&mut params, &gradients, 0.01)?;
        }
        let graph = Graph::new(&params);
        let (_, last) = unroll(&cell, &Sequence::full(graph.input(windows(count, 24))), cell.initial_state(&graph, 24));
        let said = readout.apply(last).to_f64()?;
        said.iter().zip(&mut sum).for_each(|(said, sum)| *sum += said * scale / networks);
    }
    Ok(sum.iter().zip(&counts[from - 1..]).map(|(change, before)| before * change.exp()).collect())
}

/// The mean absolute error in percent.
fn error(said: &[f64], came: &[f64]) -> f64 {
    said.iter().zip(came).map(|(said, came)| 100.0 * (said / came - 1.0).abs()).sum::<f64>() / said.len() as f64
}

/// How long the networks may train, in steps.
const LENGTHS: [u64; 9] = [50, 100, 150, 200, 300, 400, 600, 800, 1200];

fn passengers() -> Result<Vec<f64>> {
    let rows = Csv::open(data("airline-passengers.csv.gz")?)?.columns(["Passengers"])?;
    rows.map(|row| Ok(row?[0].parse()?)).collect()
}

/// The error by the length of training: on the two years by which it is chosen, and on the test, with the best and the
/// worst of the four networks alone.
pub(super) fn by_steps() -> Result<String> {
    let counts = passengers()?;
    let mut out = String::from("steps,years 9 and 10,test,best alone,worst alone\n");
    for steps in LENGTHS {
        let chosen_by = error(&forecasts(&counts, 96, steps, 1..=4)?, &counts[96..]);
        let test = error(&forecasts(&counts, 120, steps, 1..=4)?, &counts[120..]);
        let mut alone = (f64::INFINITY, 0f64);
        for seed in 1..=4 {
            let found = error(&forecasts(&counts, 120, steps, seed..=seed)?, &counts[120..]);
            alone = (alone.0.min(found), alone.1.max(found));
        }
        writeln!(out, "{steps},{chosen_by:.2},{test:.2},{:.2},{:.2}", alone.0, alone.1)?;
    }
    Ok(out)
}

/// For each month of the last two years what came, what the networks and the baselines said. How long to train is
/// chosen on the two years before, by networks that have seen neither: the shortest time whose error is within 0.2
/// points of the least.
pub(super) fn next_months() -> Result<String> {
    let counts = passengers()?;
    let mut errors = vec![];
    for steps in LENGTHS {
        errors.push(error(&forecasts(&counts, 96, steps, 1..=4)?, &counts[96..]));
    }
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    let short_enough = errors.iter().position(|error| error - least < 0.2).ok_or("no length was tried")?;
    let said = forecasts(&counts, 120, LENGTHS[short_enough], 1..=4)?;
    let mut out = String::from("month,passengers,GRU,last month,a year ago,last year's change\n");
    for (i, said) in said.iter().enumerate() {
        let now = 120 + i;
        let (truth, before, year_ago) = (counts[now], counts[now - 1], counts[now - 12]);
        let as_last_year = before * year_ago / counts[now - 13];
        writeln!(out, "{now},{truth:.0},{said:.1},{before:.1},{year_ago:.1},{as_last_year:.1}")?;
    }
    Ok(out)
}
