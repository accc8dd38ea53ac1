//! What a step of training computes, and what it costs to add its gradients up between processes, for three sizes of
//! model.
//!
//! `mpirun -n 2 --bind-to none target/release/examples/exchange_times` (feature `mpi`). The first process prints a row
//! for each size: parameters, the time of a shard on one thread, the bytes of its gradients, the time of a step in
//! which each process has one shard, and the times of an exchange alone with one shard and with four a process, added
//! exactly and fast.

use std::time::Instant;
use unspool_graph::{Gradients, Graph, ParamGrad, Params, RngKey};
use unspool_nn::{
    Embedding, Error, Linear, Lstm, Recurrent, RecurrentConfig,
    exchange::{Exchange, Reduce, Reducer, Sums},
    sharded,
};

/// Rows and time steps of a shard.
const ROWS: usize = 16;
const TIME: usize = 32;
/// Each time is the least of so many.
const TIMES: usize = 7;

/// Milliseconds, of which what is prepared for each time is no part.
fn least<T, R>(prepare: impl Fn() -> T, mut what: impl FnMut(T) -> Result<R, Error>) -> Result<f64, Error> {
    let mut least = f64::INFINITY;
    for _ in 0..TIMES {
        let prepared = prepare();
        let began = Instant::now();
        what(prepared)?;
        least = least.min(began.elapsed().as_secs_f64());
    }
    Ok(least * 1e3)
}

/// Bytes of gradients as they are sent: rows of the embedding, all of the rest.
fn bytes(gradients: &Gradients, params: &Params) -> usize {
    let elements = |i| match gradients.param_grad::<f32>(i) {
        Some(ParamGrad::Dense(values)) => values.len(),
        Some(ParamGrad::SparseRows { values, rows, .. }) => values.len() + 3 * rows.len(),
        None => 0,
    };
    (0..params.len()).map(elements).sum::<usize>() * 4
}

fn measure(exchange: &dyn Exchange, words: usize, hidden_size: usize) -> Result<(), Error> {
    let mut params = Params::seeded(1);
    let table = Embedding::new(params.scope("words"), words, hidden_size);
    let two = RecurrentConfig { layers: 2, ..RecurrentConfig::default() };
    let layers = Recurrent::new(params.scope("rnn"), Lstm::new, hidden_size, hidden_size, two);
    let readout = Linear::new(params.scope("readout"), hidden_size, words);
    let ids = ndarray::Array2::from_shape_fn((ROWS, TIME), |(b, t)| {
        (RngKey::seed((exchange.rank() * ROWS + b) as u64).bits(t as u64) % words as u64) as u32
    });
    let targets = ids.mapv(|id| (id + 1) % words as u32);
    let one = || {
        sharded(&params, Some((1, 0)), &[()], |graph: &Graph<'_>, ()| {
            let xs = table.sequence(graph, &ids, &[TIME; ROWS]);
            let (hs, _) = layers.unroll(&xs, layers.initial_state(graph, ROWS));
            hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).sum_all()
        })
    };
    let computing = least(|| (), |()| Ok(one()?))?;
    let (loss, gradients) = one()?;
    let shard = || Sums { loss, weight: 1.0, gradients: gradients.clone() };
    let exchanged = |reduce, each: usize| {
        let own = || (0..each).map(|_| shard()).collect();
        let mut reducer = Reducer::new(exchange, reduce);
        least(own, |own| reducer.sum(&params, each * exchange.ranks(), own))
    };
    let mut reducer = Reducer::new(exchange, Reduce::Exact);
    let computed = |()| {
        let (loss, gradients) = one()?;
        reducer.sum(&params, exchange.ranks(), vec![Sums { loss, weight: 1.0, gradients }])
    };
    let step = least(|| (), computed)?;
    let times = [
        step,
        exchanged(Reduce::Exact, 1)?,
        exchanged(Reduce::Exact, 4)?,
        exchanged(Reduce::Fast, 1)?,
        exchanged(Reduce::Fast, 4)?,
    ];
    if exchange.rank() == 0 {
        print!("{:>10} {computing:>9.1} {:>10.2}", params.elements(), bytes(&gradients, &params) as f64 / 1e6);
        times.iter().for_each(|time| print!(" {time:>9.2}"));
        println!();
    }
    Ok(())
}

fn main() -> Result<(), Error> {
    unspool_nn::mpi::run(|exchange| {
        // A shard is one thread's work, as it is where each core has a shard.
        if exchange.rank() == 0 {
            println!("{} processes, shards of {ROWS} rows and {TIME} steps; times in ms", exchange.ranks());
            println!("parameters     shard         MB      step   exact 1   exact 4    fast 1    fast 4");
        }
        for (words, hidden_size) in [(2_000, 128), (8_000, 512), (16_000, 1024)] {
            measure(exchange, words, hidden_size)?;
        }
        Ok(())
    })
}
