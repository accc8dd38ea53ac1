//! A cell of your own, trained by several processes with a loop of your own: `Reducer::sharded` stands in the place of
//! `sharded`.
//!
//! `mpirun -n 4 --bind-to none target/release/examples/processes weights.safetensors` (feature `mpi`). The file has the
//! same bits for any number of processes, and for none of `mpirun` at all.

use std::{collections::BTreeMap, path::Path};
use unspool_graph::{Graph, Param, Params, RngKey, Scope, Var, init};
use unspool_nn::{
    Adam, Cell, Embedding, Error, Linear, checkpoint,
    exchange::{Exchange, Reduce, Reducer},
    mpi, unroll,
};

const WORDS: usize = 12;
const ROWS: usize = 64;
/// Fixed, whatever there is of processes and threads.
const SHARDS: usize = 8;

/// A minimal gated unit (Zhou et al. 2016): f = σ(x·W_f + h·U_f), h' = (1 − f)·h + f·tanh(x·W_h + (f·h)·U_h).
struct MinimalGatedUnit {
    w_f: Param,
    u_f: Param,
    w_h: Param,
    u_h: Param,
    hidden_size: usize,
}

impl MinimalGatedUnit {
    fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MinimalGatedUnit {
        MinimalGatedUnit {
            w_f: scope.add("w_f", [input_size, hidden_size], init::uniform(0.3)),
            u_f: scope.add("u_f", [hidden_size, hidden_size], init::orthogonal(1.0)),
            w_h: scope.add("w_h", [input_size, hidden_size], init::uniform(0.3)),
            u_h: scope.add("u_h", [hidden_size, hidden_size], init::orthogonal(1.0)),
            hidden_size,
        }
    }
}

impl Cell for MinimalGatedUnit {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }

    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let f = (x.matmul(self.w_f) + h.matmul(self.u_f)).sigmoid();
        let new = (x.matmul(self.w_h) + (f * h).matmul(self.u_h)).tanh();
        let h = (1.0 - f) * h + f * new;
        (h, h)
    }
}

/// Which word came first, of sequences of 4 to 11 words.
struct FirstWord {
    words: Embedding,
    cell: MinimalGatedUnit,
    readout: Linear,
}

impl FirstWord {
    /// The summed loss of some rows of a step.
    fn loss<'g>(&self, graph: &'g Graph<'g>, step: u64, rows: &[u64]) -> Var<'g> {
        let draw = |row: u64| RngKey::seed(1).fold_in(step).fold_in(row);
        let lengths: Vec<usize> = rows.iter().map(|&row| 4 + (draw(row).bits(99) % 8) as usize).collect();
        let longest = lengths.iter().copied().max().unwrap_or(1);
        let word = |row: usize, t: usize| (draw(rows[row]).bits(t as u64) % WORDS as u64) as u32;
        let ids = ndarray::Array2::from_shape_fn((rows.len(), longest), |(row, t)| word(row, t));
        let targets: Vec<u32> = (0..rows.len()).map(|row| ids[[row, 0]]).collect();
        let (_, last) =
            unroll(&self.cell, &self.words.sequence(graph, &ids, &lengths), self.cell.initial_state(graph, rows.len()));
        self.readout.apply(last).cross_entropy(&targets).sum_all()
    }
}

fn train(exchange: &dyn Exchange, weights: Option<&Path>) -> Result<f64, Error> {
    let mut params = Params::seeded(7);
    let model = FirstWord {
        words: Embedding::new(params.scope("words"), WORDS, 16),
        cell: MinimalGatedUnit::new(params.scope("cell"), 16, 32),
        readout: Linear::new(params.scope("readout"), 32, WORDS),
    };
    let mut adam = Adam::new();
    let mut reducer = Reducer::new(exchange, Reduce::Exact);
    let mut mean = f64::NAN;
    for step in 0..200 {
        let rows: Vec<u64> = (0..ROWS as u64).collect();
        let shards: Vec<&[u64]> = rows.chunks(ROWS / SHARDS).collect();
        let (sum, mut gradients) =
            reducer.sharded(&params, Some((7, step)), &shards, |graph, rows| model.loss(graph, step, rows))?;
        gradients.scale(1.0 / ROWS as f64);
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, 0.01)?;
        mean = sum / ROWS as f64;
    }
    if let Some(path) = weights.filter(|_| exchange.rank() == 0) {
        checkpoint::save(path, &params, &BTreeMap::new())?;
    }
    Ok(mean)
}

fn main() -> Result<(), Error> {
    mpi::run(|exchange| {
        let weights = std::env::args_os().nth(1);
        let loss = train(exchange, weights.as_deref().map(Path::new))?;
        if exchange.rank() == 0 {
            println!("{} processes, loss {loss}", exchange.ranks());
        }
        Ok(())
    })
}

#[test]
fn it_learns() {
    assert!(train(&unspool_nn::exchange::OneProcess, None).unwrap() < 0.5);
}
