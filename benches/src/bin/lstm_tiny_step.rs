//! Latency of a small model: one step of an LSTM of 16, 64 or 128 elements over one row, without gradients.
//!
//! Each step records the cell on a graph that is reset, and carries its state in two arrays. Beside it are the same
//! equations in plain loops over flat arrays, compiled for the same vectors: what a program without a graph takes.
//! Prints microseconds, and how often a step asks the allocator for memory once the first hundred have run.

use ndarray::Array2;
use std::time::Instant;
use unspool_graph::{Element, Graph, Param, Params, RngKey, Tensor, vectorize};
use unspool_nn::{Cell, Lstm, LstmState, Result};

const STEPS: usize = 20_000;

fn main() -> Result<()> {
    println!("size,what,p50_us,p99_us,allocations_per_step");
    for size in [16, 64, 128] {
        let mut params = Params::seeded(0);
        let cell = Lstm::new(params.scope("rnn"), size, size);
        let draw = RngKey::seed(1);
        let x = Array2::from_shape_fn((1, size), |(_, i)| draw.normal(i as u64) as f32);

        let mut graph = Graph::inference(&params);
        let mut h = Tensor::from(Array2::<f32>::zeros((1, size)));
        let mut c = h.clone();
        measure(size, "unspool", || {
            graph.reset();
            let state = LstmState { h: graph.input(&h), c: graph.input(&c) };
            let (_, next) = cell.step(graph.input(&x), state);
            next.h.assign_to(&mut h)?;
            Ok(next.c.assign_to(&mut c)?)
        })?;

        let mut loops = Loops::new(&params, size)?;
        let x: Vec<f32> = x.into_iter().collect();
        measure(size, "plain loops", || {
            loops.step(&x);
            Ok(())
        })?;
        let difference = h.to_f64().iter().zip(&loops.h).map(|(a, &b)| (a - f64::from(b)).abs()).fold(0.0, f64::max);
        assert!(difference < 1e-5, "the loops compute another state, which differs by {difference}");
    }
    Ok(())
}

/// Prints the median and the 99th percentile of a step's time, and how often a step allocates.
fn measure(size: usize, what: &str, mut step: impl FnMut() -> Result<()>) -> Result<()> {
    for _ in 0..100 {
        step()?;
    }
    let (mut times, mut outcome) = (Vec::with_capacity(STEPS), Ok(()));
    let allocated = allocation_counter::measure(|| {
        for _ in 0..STEPS {
            let before = Instant::now();
            outcome = step();
            times.push(before.elapsed().as_secs_f64() * 1e6);
        }
    });
    outcome?;
    times.sort_by(f64::total_cmp);
    let (p50, p99) = (times[STEPS / 2], times[STEPS * 99 / 100]);
    println!("{size},{what},{p50:.2},{p99:.2},{:.3}", allocated.count_total as f64 / STEPS as f64);
    Ok(())
}

/// An LSTM in plain loops.
struct Loops {
    /// The weights of the input and below them those of the state, `[2·size, 4·size]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    gates: Vec<f32>,
    h: Vec<f32>,
    c: Vec<f32>,
}

impl Loops {
    fn new(params: &Params, size: usize) -> Result<Loops> {
        let value = |name: &str| -> Result<Vec<f32>> {
            let parameter: Option<Param> = params.find(name);
            let value = parameter.map(|p| params.value(p)).transpose()?;
            Ok(value.map_or(vec![], |value| value.to_f64().iter().map(|&x| x as f32).collect()))
        };
        // The parameters are [4·size, size].
        let transposed = |w: &[f32]| -> Vec<f32> {
            (0..4 * size * size).map(|i| w[i % (4 * size) * size + i / (4 * size)]).collect()
        };
        let weights = [transposed(&value("rnn.weight_ih_l0")?), transposed(&value("rnn.weight_hh_l0")?)].concat();
        let biases = value("rnn.bias_ih_l0")?.into_iter().zip(value("rnn.bias_hh_l0")?);
        let bias = biases.map(|(input, state)| input + state).collect();
        Ok(Loops { weights, bias, gates: vec![0.0; 4 * size], h: vec![0.0; size], c: vec![0.0; size] })
    }

    fn step(&mut self, x: &[f32]) {
        let Loops { weights, bias, gates, h, c } = self;
        vectorize(
            #[inline(always)]
            || {
                let size = h.len();
                gates.copy_from_slice(bias);
                for (&x, row) in x.iter().chain(h.iter()).zip(weights.chunks_exact(4 * size)) {
                    gates.iter_mut().zip(row).for_each(|(gate, &w)| *gate = x.mul_add(w, *gate));
                }
                let (i, rest) = gates.split_at_mut(size);
                let (f, rest) = rest.split_at_mut(size);
                let (g, o) = rest.split_at_mut(size);
                for j in 0..size {
                    c[j] = Element::sigmoid(f[j]) * c[j] + Element::sigmoid(i[j]) * Element::tanh(g[j]);
                    h[j] = Element::sigmoid(o[j]) * Element::tanh(c[j]);
                }
            },
        );
    }
}
