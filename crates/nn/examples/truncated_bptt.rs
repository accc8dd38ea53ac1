//! A stream that is too long for one recording: windows, with the state carried from one to the next as plain arrays.

use ndarray::{Array2, s};
use unspool_graph::{Graph, Params};
use unspool_nn::{Adam, Embedding, Linear, Lstm, Result, Sequence, TruncatedBptt, windows};

/// Repeats without end. What follows a 1, a 3 or a 5 depends on what came before.
const PATTERN: [u32; 11] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5];
const STREAMS: usize = 4;
const TIME: usize = 3600;

/// The stream, read by four readers who begin at different places, and the symbols that follow: `[stream, time]`.
fn streams() -> (Array2<u32>, Array2<u32>) {
    let from =
        |first: usize| Array2::from_shape_fn((STREAMS, TIME), |(b, t)| PATTERN[(b * 3 + first + t) % PATTERN.len()]);
    (from(0), from(1))
}

/// Trains on windows of three new steps, with a gradient that goes back over `back` steps, and returns the mean loss
/// over the last hundred windows. Without `carry` each window begins with a fresh state.
fn run(carry: bool, back: usize) -> Result<f64> {
    let mut params = Params::seeded(5);
    let embedding = Embedding::new(params.scope("embedding"), 10, 16);
    let cell = Lstm::new(params.scope("rnn"), 16, 32);
    let readout = Linear::new(params.scope("readout"), 32, 10);
    let (ids, next) = streams();
    let (mut adam, mut bptt, mut losses) = (Adam::new(), TruncatedBptt::default(), vec![]);
    for (step, window) in windows(TIME, 3, back).enumerate() {
        let graph = Graph::new(&params).training(5, step as u64);
        if !carry {
            bptt.reset();
        }
        let xs = Sequence::full(embedding.apply(&graph, ids.slice(s![.., window.steps.clone()])));
        // The state is carried as arrays: a `Var` would not outlive its graph.
        let hs = bptt.unroll(&cell, &xs, &window)?;
        let targets = next.slice(s![.., window.new.clone()]);
        let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(targets).mean(&[]);
        losses.push(loss.item()?);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.005)?;
    }
    Ok(losses[losses.len() - 100..].iter().sum::<f64>() / 100.0)
}

fn main() -> Result<()> {
    println!("loss with the state carried: {:.4}", run(true, 3)?);
    println!("loss with the gradient over twice as many steps: {:.4}", run(true, 6)?);
    println!("loss with a fresh state for each window: {:.4}", run(false, 3)?);
    Ok(())
}

#[test]
fn a_carried_state_knows_what_came_before_the_window() {
    let (carried, longer, fresh) = (run(true, 3).unwrap(), run(true, 6).unwrap(), run(false, 3).unwrap());
    assert!(carried < 0.05 && longer < 0.05 && fresh > 5.0 * carried, "{carried} {longer} {fresh}");
}
