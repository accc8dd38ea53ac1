//! A batch in shards, each recorded on a thread of its own. The bits do not depend on how many threads there are.

use ndarray::Array3;
use unspool_graph::{Params, RngKey};
use unspool_nn::{Adam, Cell, Linear, Result, Rnn, Sequence, sharded, unroll};

const TIME: usize = 10;
const ROWS: usize = 8;
const SHARDS: u64 = 4;

/// A part of the batch: numbers, and whether each row's mean is above one half.
struct Shard {
    xs: Array3<f32>,
    targets: Vec<u32>,
}

fn shard(seed: u64) -> Shard {
    let draw = RngKey::seed(seed);
    let xs = Array3::from_shape_fn((ROWS, TIME, 1), |(b, t, _)| draw.uniform((b * TIME + t) as u64) as f32);
    let targets = xs.outer_iter().map(|row| u32::from(row.sum() > 0.5 * TIME as f32)).collect();
    Shard { xs, targets }
}

/// Trains on `threads` threads. Returns the loss before and after, and the bits of all parameters.
fn run(threads: usize) -> Result<(f64, f64, Vec<u32>)> {
    let mut params = Params::seeded(2);
    let cell = Rnn::new(params.scope("rnn"), 1, 16);
    let readout = Linear::new(params.scope("readout"), 16, 2);
    let mut adam = Adam::new();
    let mut losses = vec![];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    for step in 0..150 {
        let shards: Vec<Shard> = (0..SHARDS).map(|i| shard(step * SHARDS + i)).collect();
        let (sum, mut gradients) = pool.install(|| {
            sharded(&params, Some((2, step)), &shards, |graph, shard| {
                let xs = graph.input(&shard.xs);
                let (_, last) = unroll(&cell, &Sequence::full(xs), cell.initial_state(graph, ROWS));
                readout.apply(last).cross_entropy(&shard.targets).sum_all()
            })
        })?;
        let rows = (SHARDS as usize * ROWS) as f64;
        gradients.scale(1.0 / rows); // a mean over the whole batch
        losses.push(sum / rows);
        adam.step(&mut params, &gradients, 0.01)?;
    }
    let all = params.iter().filter_map(|p| params.elements_of::<f32>(p)).flatten();
    Ok((losses[0], losses[losses.len() - 1], all.map(|x| x.to_bits()).collect()))
}

fn main() -> Result<()> {
    let (first, last, one) = run(1)?;
    println!("loss: {first:.3} -> {last:.3}");
    for threads in [2, 3] {
        let same = run(threads)?.2 == one;
        println!("{threads} threads: {}", if same { "the same bits" } else { "other bits" });
    }
    Ok(())
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let one = run(1).unwrap();
    assert!(one.1 < 0.5 * one.0, "{} {}", one.0, one.1);
    assert_eq!(one, run(2).unwrap());
    assert_eq!(one, run(3).unwrap());
}
