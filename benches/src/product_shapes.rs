//! The shapes of matrix products that are timed, and how: also for a peer outside of this workspace.

use std::{error::Error, str::FromStr, time::Instant};

/// C = A·B for A `[m, k]` and B `[k, n]`, one of which may lie in memory as its transpose.
pub(crate) struct Shape {
    pub(crate) sizes: (usize, usize, usize),
    /// `A`, `B` or `none`.
    pub(crate) transposed: String,
}

impl FromStr for Shape {
    type Err = Box<dyn Error>;

    fn from_str(line: &str) -> Result<Shape, Box<dyn Error>> {
        let [m, k, n, transposed, _] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(format!("not five fields: {line:?}").into());
        };
        Ok(Shape { sizes: (m.parse()?, k.parse()?, n.parse()?), transposed: transposed.into() })
    }
}

impl Shape {
    /// Returns the shapes of `benches/products.csv`.
    pub(crate) fn all() -> Result<Vec<Shape>, Box<dyn Error>> {
        include_str!("../products.csv").lines().skip(1).map(str::parse).collect()
    }

    /// Prints m,k,n,transposed,peer,threads,GFLOP/s of a product that takes so long.
    pub(crate) fn report(&self, peer: &str, threads: usize, seconds: f64) {
        let Shape { sizes: (m, k, n), transposed } = self;
        let speed = 2.0 * (m * k * n) as f64 / seconds / 1e9;
        println!("{m},{k},{n},{transposed},{peer},{threads},{speed:.1}");
    }
}

/// Returns how many seconds each product is timed for: the environment variable `SECONDS_PER`, or one.
pub(crate) fn length() -> Result<f64, Box<dyn Error>> {
    Ok(std::env::var("SECONDS_PER").map_or(Ok(1.0), |text| text.parse())?)
}

/// Returns the seconds that a call of `work` takes in the fastest of batches of calls, which take `length` seconds.
pub(crate) fn seconds(length: f64, mut work: impl FnMut()) -> f64 {
    work();
    let (begin, mut best) = (Instant::now(), f64::INFINITY);
    while begin.elapsed().as_secs_f64() < length {
        let (start, mut calls) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < 0.002 {
            work();
            calls += 1;
        }
        best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
    }
    best
}

/// Returns numbers in [−1, 1].
pub(crate) fn fill(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect()
}
