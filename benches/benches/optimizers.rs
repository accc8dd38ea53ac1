//! One step of each optimizer over two million parameters, and the norm that comes before it.
//!
//!     cargo bench -p unspool-benches --bench optimizers

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use unspool_graph::{Gradients, Graph, Params, init};
use unspool_nn::{Adam, AdamW, Optimizer, Sgd, optimizer::RmsProp};

/// A table of which a few rows are used, and a matrix.
fn model() -> (Params, Gradients) {
    let mut params = Params::seeded(1);
    let mut scope = params.scope("model");
    let table = scope.add("table", [8000, 128], init::uniform(0.1));
    let matrix = scope.add("matrix", [1024, 1024], init::uniform(0.1));
    let graph = Graph::new(&params);
    let rows = graph.embedding(table, &(0..500).map(|i| i * 7).collect::<Vec<u32>>(), [500], None);
    let loss = rows.tanh().sum_all() + graph.param(matrix).tanh().sum_all();
    let gradients = loss.backward().expect("gradients");
    drop(graph);
    (params, gradients)
}

fn optimizer(criterion: &mut Criterion, name: &str, mut optimizer: impl Optimizer) {
    let (mut params, gradients) = model();
    let mut group = criterion.benchmark_group("optimizer");
    group.throughput(Throughput::Elements(params.iter().map(|p| params.shape(p).elements() as u64).sum()));
    group.bench_function(name, |bencher| {
        bencher.iter(|| optimizer.update(&mut params, &gradients, 1e-6.into()).expect("a step"))
    });
    group.finish();
}

fn optimizers(criterion: &mut Criterion) {
    optimizer(criterion, "sgd", Sgd::new());
    optimizer(criterion, "sgd with momentum", Sgd::new().momentum(0.9));
    optimizer(criterion, "rmsprop", RmsProp::new());
    optimizer(criterion, "adam", Adam::new());
    optimizer(criterion, "adam, touched rows only", Adam::new().touched_rows_only());
    optimizer(criterion, "adamw", AdamW::new());
    let (_, gradients) = model();
    criterion.bench_function("global norm", |bencher| bencher.iter(|| black_box(&gradients).norm()));
}

criterion_group!(benches, optimizers);
criterion_main!(benches);
