//! A sequence of 100,000 steps in little memory: `long [STEPS]`.
//!
//! An LSTM of 128 reads 32 numbers a step, in a batch of 8, and is to give back what it read the step before: a loss at
//! every step, and one training step over the whole sequence, without truncation. Segments of about √steps steps, their
//! readout and their loss with them, are recomputed for backward, so that only the states between them and the inputs
//! stay in memory.

use std::time::Instant;
use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{Adam, Cell, Layout, Linear, Lstm, LstmState, Sequence, optimizer::StepParams, unroll};

const BATCH: usize = 8;
const INPUT: usize = 32;
const HIDDEN: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let steps: usize = std::env::args().nth(1).map_or(Ok(100_000), |text| text.parse())?;
    let mut params = Params::seeded(0);
    let cell = Lstm::new(params.scope("rnn"), INPUT, HIDDEN);
    let readout = Linear::new(params.scope("readout"), HIDDEN, INPUT);
    let every = ((steps as f64).sqrt() as usize).max(1);
    let (draw, mut adam) = (RngKey::seed(1), Adam::new());
    // [step, row, feature]: a segment's inputs lie together.
    let inputs: Vec<f32> = (0..steps * BATCH * INPUT).map(|i| draw.normal(i as u64) as f32).collect();

    for number in 1..=2 {
        let before = Instant::now();
        let graph = Graph::new(&params);
        let mut state = cell.initial_state(&graph, BATCH);
        let mut losses = vec![];
        for first in (0..steps - 1).step_by(every) {
            let count = every.min(steps - 1 - first);
            // What is read, and behind it one step more, since step t is to be given back at step t + 1.
            let from = first * BATCH * INPUT..(first + count + 1) * BATCH * INPUT;
            let part = ndarray::Array3::from_shape_vec((count + 1, BATCH, INPUT), inputs[from].to_vec())?;
            let own = cell.clone();
            let given = [graph.input(part), state.h, state.c];
            let joined = graph.recompute(move |_, given| segment(&own, &readout, given, count), &given);
            losses.push(joined.slice(0, 0..1));
            let leaf = |i: usize| {
                joined.slice(0, 1 + i * BATCH * HIDDEN..1 + (i + 1) * BATCH * HIDDEN).reshape([BATCH, HIDDEN])
            };
            state = LstmState { h: leaf(0), c: leaf(1) };
        }
        let loss = graph.concat(&losses, 0).sum_all();
        let value = loss.item()?;
        let gradients = loss.backward()?;
        drop(graph);
        let terms = ((steps - 1) * BATCH * INPUT) as f64;
        adam.step(&mut params, &gradients, StepParams { rate: 1e-3, count: terms, max_norm: 1.0 })?;
        let seconds = before.elapsed().as_secs_f64();
        println!("step {number}: mean squared error {:.4}, {seconds:.1} s", value / terms);
    }
    Ok(())
}

/// `count` steps: from `[count + 1, batch, input]` and a state to the sum of their losses and the state after them, in
/// one row.
fn segment<'g>(cell: &Lstm, readout: &Linear, given: &[Var<'g>], count: usize) -> Var<'g> {
    let [all, h, c] = given else { unreachable!("a segment has three inputs") };
    // Time-major, as the rows of a sequence are.
    let rows = |from: usize| all.slice(0, from..from + count).reshape([count * BATCH, INPUT]);
    let xs = Sequence::from_rows(rows(1), Layout::new(&[count; BATCH]));
    let (hs, LstmState { h, c }) = unroll(cell, &xs, LstmState { h: *h, c: *c });
    let loss = (readout.apply(hs.rows()) - rows(0)).powi(2).sum_all();
    let state = BATCH * HIDDEN;
    loss.graph().concat(&[loss.reshape([1]), h.reshape([state]), c.reshape([state])], 0)
}
