//! A stack of cells whose depth is chosen at run time: `deep_stack 4`. The state is a `Vec` of the cells' states.

use unspool_graph::{Draw, Graph, Params, Scope, Var};
use unspool_nn::{Adam, Cell, Gru, Linear, Result, unroll};

/// Cells on top of each other: each reads the output of the one below at the same step. From the second on, a cell's input is
/// added to its output.
struct Stack<C> {
    cells: Vec<C>,
}

impl Stack<Gru> {
    fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize, depth: usize) -> Stack<Gru> {
        let width = |level| if level == 0 { input_size } else { hidden_size };
        let cell = |level: usize| Gru::new(scope.scope(level.to_string()), width(level), hidden_size);
        Stack { cells: (0..depth).map(cell).collect() }
    }
}

impl<C: Cell> Cell for Stack<C> {
    type State<'g> = Vec<C::State<'g>>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        self.cells.iter().map(|cell| cell.initial_state(graph, batch)).collect()
    }

    fn step<'g>(&self, x: Var<'g>, states: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let (mut y, mut next) = (x, vec![]);
        for (level, (cell, state)) in self.cells.iter().zip(states).enumerate() {
            let (output, state) = cell.step(cell.inputs(y), state);
            y = if level == 0 { output } else { output + y };
            next.push(state);
        }
        (y, next)
    }
}

const BATCH: usize = 16;
const TIME: usize = 12;
const BACK: usize = 2;

/// Random bits as inputs; the target at each step is the bit of two steps before.
fn echo(seed: u64) -> (ndarray::Array3<f32>, Vec<u32>) {
    let draw = Draw::seed(seed);
    let bit = |b: usize, t: usize| u32::from(draw.uniform((b * TIME + t) as u64) < 0.5);
    let xs = ndarray::Array3::from_shape_fn((BATCH, TIME, 1), |(b, t, _)| bit(b, t) as f32);
    let places = (0..BATCH).flat_map(|b| (0..TIME).map(move |t| (b, t)));
    (xs, places.map(|(b, t)| if t < BACK { 0 } else { bit(b, t - BACK) }).collect())
}

/// Trains a stack of `depth` cells, and returns the share of right answers on new sequences.
fn run(depth: usize) -> Result<f64> {
    let mut params = Params::seeded(3);
    let stack = Stack::new(params.scope("stack"), 1, 16, depth);
    let readout = Linear::new(params.scope("readout"), 16, 2);
    let mut adam = Adam::new();
    let lengths = [TIME; BATCH];
    for step in 0..250 {
        let (xs, targets) = echo(step);
        let graph = Graph::new(&params).training(3, step);
        let (hs, _) = unroll(&stack, graph.input(xs), &lengths, stack.initial_state(&graph, BATCH));
        let loss = readout.apply(hs.real_rows(&lengths)).cross_entropy(&targets).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.01)?;
    }

    let (xs, targets) = echo(1_000_000);
    let graph = Graph::new(&params);
    let (hs, _) = unroll(&stack, graph.input(xs), &lengths, stack.initial_state(&graph, BATCH));
    let guesses = readout.apply(hs.real_rows(&lengths)).argmax()?;
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
