//! A stack of cells whose depth is chosen at run time: `deep_stack 4`. Around each cell its input goes too, so that
//! depth does no harm.

use unspool_graph::{Graph, Params, RngKey};
use unspool_nn::{Adam, Cell, Gru, Linear, Residual, Result, Sequence, Stack, unroll};

const BATCH: usize = 16;
const TIME: usize = 12;
const BACK: usize = 2;
const HIDDEN: usize = 16;

/// Random bits as inputs; the target at each step is the bit of two steps before.
fn echo(seed: u64) -> (ndarray::Array3<f32>, ndarray::Array2<u32>) {
    let draw = RngKey::seed(seed);
    let bit = |b: usize, t: usize| u32::from(draw.uniform((b * TIME + t) as u64) < 0.5);
    let xs = ndarray::Array3::from_shape_fn((BATCH, TIME, 1), |(b, t, _)| bit(b, t) as f32);
    let before = |(b, t): (usize, usize)| if t < BACK { 0 } else { bit(b, t - BACK) };
    (xs, ndarray::Array2::from_shape_fn((BATCH, TIME), before))
}

/// Trains a stack of `depth` cells, and returns the share of right answers on new sequences.
fn run(depth: usize) -> Result<f64> {
    let mut params = Params::seeded(3);
    let lift = Linear::new(params.scope("lift"), 1, HIDDEN);
    let layer = |layer| Residual::new(Gru::new(params.scope(format!("layer{layer}")), HIDDEN, HIDDEN));
    let stack = Stack::new((0..depth).map(layer));
    let readout = Linear::new(params.scope("readout"), HIDDEN, 2);
    let mut adam = Adam::new();
    for step in 0..250 {
        let (xs, targets) = echo(step);
        let graph = Graph::new(&params).training(3, step);
        let xs = Sequence::full(graph.input(xs)).map(|rows| lift.apply(rows));
        let (hs, _) = unroll(&stack, &xs, stack.initial_state(&graph, BATCH));
        let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.01)?;
    }

    let (xs, targets) = echo(1_000_000);
    let graph = Graph::new(&params);
    let xs = Sequence::full(graph.input(xs)).map(|rows| lift.apply(rows));
    let (hs, _) = unroll(&stack, &xs, stack.initial_state(&graph, BATCH));
    let guesses = readout.apply(hs.padded()).argmax()?;
    Ok(guesses.iter().zip(&targets).filter(|(guess, target)| guess == target).count() as f64 / targets.len() as f64)
}

fn main() -> Result<()> {
    let depth = std::env::args().nth(1).and_then(|depth| depth.parse().ok()).unwrap_or(3);
    println!("depth {depth}: accuracy on new sequences {:.3}", run(depth)?);
    Ok(())
}

#[test]
fn stacks_of_any_depth_learn() {
    for depth in [1, 3] {
        let accuracy = run(depth).unwrap();
        assert!(accuracy > 0.95, "depth {depth}: {accuracy}");
    }
}
