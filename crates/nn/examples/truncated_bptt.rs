//! A stream that is too long for one recording: windows, with the state carried from one to the next as plain arrays.

use ndarray::Array2;
use unspool_graph::{Graph, Params, Tensor};
use unspool_nn::{Adam, Cell, Embedding, Linear, Lstm, Result, detach, unroll};

/// Repeats without end. What follows a 1, a 3 or a 5 depends on what came before.
const PATTERN: [u32; 11] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
const STREAMS: usize = 4;
const WINDOW: usize = 3;
const WINDOWS: usize = 1200;

/// Window number `n` of each stream, and the symbols that follow.
fn window(n: usize) -> (Array2<u32>, Vec<u32>) {
    let at = |b: usize, t: usize| PATTERN[(b * 3 + n * WINDOW + t) % PATTERN.len()];
    let targets = (0..STREAMS).flat_map(|b| (0..WINDOW).map(move |t| at(b, t + 1))).collect();
    (Array2::from_shape_fn((STREAMS, WINDOW), |(b, t)| at(b, t)), targets)
}

/// Trains on 1,200 windows, each with a gradient of three steps, and returns the mean loss over the last hundred.
fn run(carry: bool) -> Result<f64> {
    let mut params = Params::seeded(5);
    let embedding = Embedding::new(params.scope("embedding"), 10, 16);
    let cell = Lstm::new(params.scope("rnn"), 16, 32);
    let readout = Linear::new(params.scope("readout"), 32, 10);
    let mut adam = Adam::new();
    let mut carried: Option<Vec<Tensor>> = None;
    let mut last = 0.0;
    for n in 0..WINDOWS {
        let (ids, targets) = window(n);
        let graph = Graph::new(&params).training(5, n as u64);
        let state = match &carried {
            Some(arrays) if carry => cell.attach(&graph, arrays),
            _ => cell.initial_state(&graph, STREAMS),
        };
        let lengths = [WINDOW; STREAMS];
        let (hs, state) = unroll(&cell, embedding.apply(&graph, ids.view()), &lengths, state);
        let loss = readout.apply(hs.real_rows(&lengths)).cross_entropy(&targets).mean(&[]);
        if n >= WINDOWS - 100 {
            last += loss.item()? / 100.0;
        }
        let gradients = loss.backward()?;
        carried = Some(detach(&state)?); // a `Var` would not outlive its graph: this does not compile without
        adam.step(&mut params, &gradients, 0.005)?;
    }
    Ok(last)
}

fn main() -> Result<()> {
    println!("loss with the state carried: {:.4}", run(true)?);
    println!("loss with a fresh state for each window: {:.4}", run(false)?);
    Ok(())
}

#[test]
fn a_carried_state_knows_what_came_before_the_window() {
    let (carried, fresh) = (run(true).unwrap(), run(false).unwrap());
    assert!(carried < 0.05 && fresh > 5.0 * carried, "{carried} {fresh}");
}
