//! A cell of your own, trained on sequences of unequal length: after each number, is the sum so far above zero?

use unspool_graph::{Graph, Param, Params, RngKey, Scope, Var, init};
use unspool_nn::{Adam, Cell, Linear, Result, Sequence, unroll};

/// h' = tanh(x·W_xh + h·W_hh + b)
struct MyCell {
    w_xh: Param,
    w_hh: Param,
    bias: Param,
    hidden_size: usize,
}

impl MyCell {
    fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MyCell {
        MyCell {
            w_xh: scope.add("w_xh", [input_size, hidden_size], init::uniform(0.3)),
            w_hh: scope.add("w_hh", [hidden_size, hidden_size], init::orthogonal(1.0)),
            bias: scope.add("bias", [hidden_size], init::zeros()),
            hidden_size,
        }
    }
}

impl Cell for MyCell {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }

    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let h = (x.matmul(self.w_xh) + h.matmul(self.w_hh) + self.bias).tanh();
        (h, h)
    }
}

const BATCH: usize = 32;
const LONGEST: usize = 15;

/// Steps of +1 or −1, their lengths, and for each step whether the sum so far is above zero.
fn walks(seed: u64) -> (ndarray::Array3<f32>, Vec<usize>, ndarray::Array2<u32>) {
    let draw = RngKey::seed(seed);
    let xs = ndarray::Array3::from_shape_fn((BATCH, LONGEST, 1), |(b, t, _)| {
        if draw.uniform((b * LONGEST + t) as u64) < 0.5 { -1.0 } else { 1.0 }
    });
    let lengths: Vec<usize> = (0..BATCH).map(|b| 1 + (b * 7 + seed as usize) % LONGEST).collect();
    let sum = |b: usize, t: usize| (0..=t).map(|t| xs[[b, t, 0]]).sum::<f32>();
    let targets = ndarray::Array2::from_shape_fn((BATCH, LONGEST), |(b, t)| u32::from(sum(b, t) > 0.0));
    (xs, lengths, targets)
}

/// Trains, and returns the share of right answers on walks that were never trained on.
fn run() -> Result<f64> {
    let mut params = Params::seeded(7);
    let cell = MyCell::new(params.scope("rnn"), 1, 16);
    let readout = Linear::new(params.scope("readout"), 16, 2);
    let mut adam = Adam::new();
    for step in 0..400 {
        let (xs, lengths, targets) = walks(step);
        let graph = Graph::new(&params).training(7, step);
        let xs = Sequence::pack(graph.input(xs), &lengths);
        let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, BATCH));
        let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
        let mut gradients = loss.backward()?; // back-propagation through time
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, 0.005)?;
    }

    let (xs, lengths, targets) = walks(1_000_000);
    let graph = Graph::new(&params);
    let xs = Sequence::pack(graph.input(xs), &lengths);
    let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, BATCH));
    let guesses = hs.map(|rows| readout.apply(rows)).rows().argmax()?;
    let targets = xs.layout().pack(&targets).expect("one target for each step");
    let right = guesses.iter().zip(&targets).filter(|(guess, target)| guess == target).count();
    Ok(right as f64 / targets.len() as f64)
}

fn main() -> Result<()> {
    println!("accuracy on new walks: {:.3}", run()?);
    Ok(())
}

#[test]
fn the_cell_learns_the_sign_of_a_running_sum() {
    let accuracy = run().unwrap();
    assert!(accuracy > 0.95, "{accuracy}");
}

#[test]
fn a_wrong_shape_names_the_line_and_the_step() {
    let mut params = Params::seeded(7);
    let cell = MyCell::new(params.scope("rnn"), 3, 16);
    let graph = Graph::new(&params);
    let xs = graph.zeros([2, 5, 4]); // 4 features for a cell that reads 3
    let (hs, _) = unroll(&cell, &Sequence::pack(xs, &[5, 2]), cell.initial_state(&graph, 2));
    let error = hs.rows().value().unwrap_err().to_string();
    println!("{error}");
    assert!(error.starts_with("matmul: [2, 4] × [3, 16] do not fit: 4 ≠ 3"), "{error}");
    assert!(error.contains("time step 0"), "{error}");
    assert!(error.contains("custom_cell.rs"), "{error}");
}
