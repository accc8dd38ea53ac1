//! One-to-one: one input, one output, no time. A layer is applied to rows, or a cell takes a single step from its
//! initial state. Here a single step of a GRU learns exclusive or; with [`per_frame`] the very same network stands at
//! every step of a sequence.

use ndarray::{Array2, array};
use unspool_graph::{Graph, Params, Var};
use unspool_nn::{Adam, Cell, Gru, Linear, Result, Sequence};

struct Model {
    cell: Gru,
    readout: Linear,
}

impl Model {
    /// `[rows, 2] -> [rows, 2]`: logits of "no" and "yes".
    fn apply<'g>(&self, x: Var<'g>) -> Var<'g> {
        let rows = x.known_shape().map_or(0, |shape| shape[0]);
        let (h, _) = self.cell.step(x, self.cell.initial_state(x.graph(), rows));
        self.readout.apply(h)
    }
}

/// The four answers, alone and as a sequence of four frames.
fn run() -> Result<(Vec<u32>, Vec<u32>)> {
    let mut params = Params::seeded(4);
    let model =
        Model { cell: Gru::new(params.scope("cell"), 2, 8), readout: Linear::new(params.scope("readout"), 8, 2) };
    let inputs: Array2<f32> = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
    let mut adam = Adam::new();
    for step in 0..300 {
        let graph = Graph::new(&params).training(4, step);
        let loss = model.apply(graph.input(&inputs)).cross_entropy(&[0, 1, 1, 0]).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.03)?;
    }
    let graph = Graph::new(&params);
    let alone = model.apply(graph.input(&inputs)).argmax()?;
    let sequence = Sequence::full(graph.input(&inputs).unsqueeze(0)); // [batch, time, feature]
    let frames = sequence.map(|rows| model.apply(rows)).padded().argmax()?;
    Ok((alone, frames))
}

fn main() -> Result<()> {
    let (alone, frames) = run()?;
    println!("0⊕0, 0⊕1, 1⊕0, 1⊕1: {alone:?}; as frames of a sequence: {frames:?}");
    Ok(())
}

#[test]
fn one_step_learns_exclusive_or() {
    let right = vec![0, 1, 1, 0];
    assert_eq!(run().unwrap(), (right.clone(), right));
}
