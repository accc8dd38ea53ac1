//! Many-to-many, aligned: an answer for every step of a sequence. Is a bracket matched? That takes what came before and
//! what comes after, so both directions are read, by a kind of cell that is chosen when the program runs:
//! `many_to_many lstm`.

use ndarray::Array2;
use unspool_graph::{Graph, Params, RngKey};
use unspool_nn::{Adam, CellKind, Embedding, Linear, Recurrent, RecurrentConfig, Result};

const BATCH: usize = 32;
const LONGEST: usize = 10;

/// Brackets (0 opens, 1 closes), lengths, and for each real step whether its bracket has a partner.
fn brackets(seed: u64) -> (Array2<u32>, Vec<usize>, Array2<u32>) {
    let draw = RngKey::seed(seed);
    let ids = Array2::from_shape_fn((BATCH, LONGEST), |(b, t)| draw.bits((b * LONGEST + t) as u64) as u32 % 2);
    let lengths: Vec<usize> = (0..BATCH).map(|b| 2 + b % (LONGEST - 1)).collect();
    let mut targets = Array2::zeros((BATCH, LONGEST));
    for ((row, &length), mut matched) in ids.outer_iter().zip(&lengths).zip(targets.outer_iter_mut()) {
        let mut open = vec![];
        for (t, &bracket) in row.iter().take(length).enumerate() {
            match bracket {
                0 => open.push(t),
                _ => open.pop().into_iter().for_each(|partner| (matched[t], matched[partner]) = (1, 1)),
            }
        }
    }
    (ids, lengths, targets)
}

/// The share of right answers on new sequences.
fn run(kind: CellKind, bidirectional: bool) -> Result<f64> {
    let mut params = Params::seeded(8);
    let embedding = Embedding::new(params.scope("embedding"), 2, 8);
    let layers = RecurrentConfig { bidirectional, ..RecurrentConfig::default() };
    let rnn =
        Recurrent::new(params.scope("rnn"), |scope, input, hidden| kind.build(scope, input, hidden), 8, 24, layers);
    let readout = Linear::new(params.scope("readout"), if bidirectional { 48 } else { 24 }, 2);
    let mut adam = Adam::new();
    for step in 0..250 {
        let (ids, lengths, targets) = brackets(step);
        let graph = Graph::new(&params).training(8, step);
        let xs = embedding.sequence(&graph, &ids, &lengths);
        let (ys, _) = rnn.unroll(&xs, rnn.initial_state(&graph, BATCH));
        let loss = ys.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.01)?;
    }
    let (ids, lengths, targets) = brackets(1_000_000);
    let graph = Graph::new(&params);
    let xs = embedding.sequence(&graph, &ids, &lengths);
    let (ys, _) = rnn.unroll(&xs, rnn.initial_state(&graph, BATCH));
    let guesses = ys.map(|rows| readout.apply(rows)).rows().argmax()?;
    let targets = xs.layout().pack(&targets).expect("one target for each bracket");
    Ok(guesses.iter().zip(&targets).filter(|(a, b)| a == b).count() as f64 / targets.len() as f64)
}

fn main() -> Result<()> {
    let kind = std::env::args().nth(1).map_or(Ok(CellKind::Gru), |name| name.parse())?;
    println!("{kind}, both directions: {:.3} right", run(kind, true)?);
    println!("{kind}, forward only: {:.3} right", run(kind, false)?);
    Ok(())
}

#[test]
fn both_directions_know_what_one_cannot() {
    let (both, forward) = (run(CellKind::Gru, true).unwrap(), run(CellKind::Gru, false).unwrap());
    assert!(both > 0.95 && forward < both - 0.05, "{both} {forward}");
}
