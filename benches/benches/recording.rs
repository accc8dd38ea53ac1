//! What recording costs: one node forward and backward beyond its arithmetic, and what gathering a weight's gradients saves.
//!
//!     cargo bench -p unspool-benches --bench recording

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use unspool_graph::{Graph, Params, init};

/// Nodes in a chain.
const NODES: usize = 10_000;

/// A chain of products, x ← x · w, on scalars and on 4x4 matrices: recorded and walked back, and as plain loops over the same
/// arrays. The difference of both, divided by the number of nodes, is what a node costs.
fn node(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("node");
    group.throughput(Throughput::Elements(NODES as u64));
    for (name, shape) in [("scalar", vec![]), ("4x4", vec![4, 4])] {
        let mut params = Params::seeded(1);
        let w = params.scope("chain").add_sized("w", &shape, init::constant(1.000_01));
        group.bench_function(format!("{name}/recorded"), |bencher| {
            bencher.iter(|| {
                let graph = Graph::new(&params);
                let w = graph.param(w);
                let mut x = graph.full(&shape, 1.0);
                for _ in 0..NODES {
                    x = x * w;
                }
                black_box(x.sum_all().backward())
            });
        });
        let size = shape.iter().product();
        group.bench_function(format!("{name}/arithmetic"), |bencher| {
            let (w, mut values) = (vec![1.000_01f32; size], vec![1.0f32; (NODES + 1) * size]);
            bencher.iter(|| black_box(by_hand(black_box(&w), &mut values)));
        });
    }
    group.finish();
}

/// The same chain over arrays that are there already: values forward, then the gradients of x and of w.
fn by_hand(w: &[f32], values: &mut [f32]) -> Vec<f32> {
    let size = w.len();
    for i in 0..NODES {
        let (before, after) = values.split_at_mut((i + 1) * size);
        let x = &before[i * size..];
        after[..size].iter_mut().zip(x).zip(w).for_each(|((y, x), w)| *y = x * w);
    }
    let (mut by_x, mut by_w) = (vec![1.0f32; size], vec![0.0f32; size]);
    for i in (0..NODES).rev() {
        let x = &values[i * size..(i + 1) * size];
        for j in 0..size {
            by_w[j] += by_x[j] * x[j];
            by_x[j] *= w[j];
        }
    }
    by_w
}

/// A recurrence of 64 steps at batch 16 and hidden size 128. A matrix's gradient is gathered; a batch of one matrix is
/// differentiated step by step, with as many small products and additions as there are steps.
fn gathered(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("weight gradient");
    let (batch, hidden, steps) = (16, 128, 64);
    let mut params = Params::seeded(1);
    let w = params.scope("rnn").add("w", [hidden, hidden], init::orthogonal(1.0));
    for (name, plain) in [("gathered", false), ("step by step", true)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let graph = Graph::new(&params);
                let w = if plain { graph.param(w).unsqueeze(0) } else { graph.param(w) };
                let mut h = graph.full(if plain { vec![1, batch, hidden] } else { vec![batch, hidden] }, 0.01);
                for _ in 0..steps {
                    h = h.matmul(w).tanh();
                }
                black_box(h.sum_all().backward())
            });
        });
    }
    group.finish();
}

criterion_group!(recording, node, gathered);
criterion_main!(recording);
