//! Trainings with several seeds, which make the parameters and the order or the choice of the data.

use super::Result;
use std::{fmt::Write, thread};

pub(super) const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];

/// Trains with each seed, side by side: each training has a thread of its own.
pub(super) fn with_each<T: Send>(train: impl Fn(u64) -> Result<T> + Sync) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let train = &train;
        let start = |seed| scope.spawn(move || train(seed).map_err(|why| why.to_string()));
        let threads = SEEDS.map(start);
        threads.into_iter().map(|thread| Ok(thread.join().map_err(|_| "a training panicked")??)).collect()
    })
}

/// Names of columns: each name, and then its least and its greatest over the seeds.
pub(super) fn head(first: &str, names: &[&str]) -> String {
    let columns: String = names.iter().map(|name| format!(",{name},{name} least,{name} greatest")).collect();
    format!("{first}{columns}\n")
}

/// The mean, the least and the greatest, as columns.
pub(super) fn spread(values: &[f64], digits: usize) -> String {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!(",{mean:.digits$},{least:.digits$},{greatest:.digits$}")
}

/// A row for each of `xs`; for each name the mean, the least and the greatest over the seeds. What was measured is
/// `[name][seed][row]`.
pub(super) fn table(
    first: &str,
    xs: impl Iterator<Item = usize>,
    names: &[&str],
    measured: &[Vec<Vec<f64>>],
    digits: usize,
) -> Result<String> {
    let mut out = head(first, names);
    for (row, x) in xs.enumerate() {
        write!(out, "{x}")?;
        for of_name in measured {
            let values: Vec<f64> = of_name.iter().map(|of_seed| of_seed[row]).collect();
            out += &spread(&values, digits);
        }
        writeln!(out)?;
    }
    Ok(out)
}

/// Rows of several numbers for each seed, as [`table`] takes them: `[seed][row][name]` to `[name][seed][row]`.
pub(super) fn by_name<const N: usize>(rows: &[Vec<[f64; N]>]) -> Vec<Vec<Vec<f64>>> {
    (0..N).map(|name| rows.iter().map(|of_seed| of_seed.iter().map(|row| row[name]).collect()).collect()).collect()
}
