//! Times matrix products of the workloads' shapes: `products [--threads N]`.
//!
//! `benches/products.csv` has the shapes. Two peers: `unspool` is [`matrix_product`] of matrices as they lie, which is
//! what every library's product does; `unspool packed` multiplies by a parameter in a graph, whose layout is made once
//! and kept, as at every time step of a recurrence but the first. A line of CSV for each:
//! m,k,n,transposed,peer,threads,GFLOP/s, of the fastest of many batches of calls.

use ndarray::Array2;
use std::{error::Error, hint::black_box, str::FromStr, time::Instant};
use unspool_graph::{Graph, Matrix, Params, Tensor, init, matrix_product};

/// C = A·B for A `[m, k]` and B `[k, n]`, one of which may lie in memory as its transpose.
struct Shape {
    sizes: (usize, usize, usize),
    transposed: String,
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

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads = match &arguments[..] {
        [] => 1,
        [flag, number] if flag == "--threads" => number.parse()?,
        _ => return Err("usage: products [--threads N]".into()),
    };
    let length = std::env::var("SECONDS_PER").map_or(Ok(1.0), |text| text.parse())?;
    let shapes: Vec<Shape> =
        include_str!("../../products.csv").lines().skip(1).map(str::parse).collect::<Result<_, _>>()?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    println!("m,k,n,transposed,peer,threads,gflops");
    for Shape { sizes: (m, k, n), transposed } in shapes {
        let report = |peer: &str, seconds: f64| {
            let speed = 2.0 * (m * k * n) as f64 / seconds / 1e9;
            println!("{m},{k},{n},{transposed},{peer},{threads},{speed:.1}");
        };
        report("unspool", pool.install(|| seconds(length, plain((m, k, n), &transposed))));
        if transposed == "none" {
            report("unspool packed", pool.install(|| packed((m, k, n), length)));
        }
    }
    Ok(())
}

/// Returns the seconds that a call of `work` takes in the fastest of batches of calls, which take `length` seconds.
fn seconds(length: f64, mut work: impl FnMut()) -> f64 {
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

fn fill(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// Returns a product of matrices in memory.
fn plain((m, k, n): (usize, usize, usize), transposed: &str) -> impl FnMut() {
    let (left, right, mut product) = (fill(m * k), fill(k * n), vec![0.0; m * n]);
    let (turn_left, turn_right) = (transposed == "A", transposed == "B");
    move || {
        let a = if turn_left { Matrix::transposed(&left, m) } else { Matrix::rows(&left, k) };
        let b = if turn_right { Matrix::transposed(&right, k) } else { Matrix::rows(&right, n) };
        matrix_product((m, k, n), a, b, &mut product, false);
        black_box(&mut product);
    }
}

/// Returns the seconds of a product by a parameter, which includes recording it.
fn packed((m, k, n): (usize, usize, usize), length: f64) -> f64 {
    let mut params = Params::seeded(0);
    let weight = params.scope("readout").add("weight", [k, n], init::normal(1.0));
    let rows = Tensor::from(Array2::from_shape_fn((m, k), |(i, j)| (i * k + j) as f32 % 7.0 - 3.0).into_dyn());
    let mut graph = Graph::inference(&params);
    seconds(length, || {
        graph.reset();
        let _ = black_box(graph.input(&rows).matmul(weight));
    })
}
