//! Operations one by one, forward and backward, at sizes that recurrent models have.
//!
//!     cargo bench -p unspool-benches --bench operations

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use unspool_graph::{Graph, Params, Var, init};

/// An operation on `x [256, 512]`, `w [512, 512]` and `row [512]`.
type Run = for<'g> fn(Var<'g>, Var<'g>, Var<'g>) -> Var<'g>;

const OPERATIONS: [(&str, Run); 12] = [
    ("add", |x, _, _| x + x),
    ("add a row", |x, _, row| x + row),
    ("tanh", |x, _, _| x.tanh()),
    ("sigmoid", |x, _, _| x.sigmoid()),
    ("gelu", |x, _, _| x.gelu()),
    ("matmul", |x, w, _| x.matmul(w)),
    ("linear", |x, w, row| x.linear(w, Some(row))),
    ("softmax", |x, _, _| x.softmax()),
    ("layer norm", |x, _, row| x.layer_norm(row, row, 1e-5)),
    ("transpose", |x, _, _| x.transpose(0, 1)),
    ("concat", |x, _, _| x.graph().concat(&[x, x], -1)),
    ("mean of columns", |x, _, _| x.mean(&[0])),
];

fn operations(criterion: &mut Criterion) {
    let mut params = Params::seeded(1);
    let mut scope = params.scope("operand");
    let x = scope.add("x", [256, 512], init::uniform(1.0));
    let w = scope.add("w", [512, 512], init::uniform(0.1));
    let row = scope.add("row", [512], init::uniform(1.0));
    let mut group = criterion.benchmark_group("operation");
    group.throughput(Throughput::Elements(256 * 512));
    for (name, run) in OPERATIONS {
        let record = |backward: bool| {
            let graph = Graph::new(&params);
            let y = run(graph.param(x), graph.param(w), graph.param(row));
            if backward {
                let shape = y.shape().expect("operands that fit");
                black_box(y.vjp(ndarray::ArrayD::from_elem(&shape[..], 1.0f32)).expect("a gradient"));
            }
        };
        group.bench_function(format!("{name}, forward"), |bencher| bencher.iter(|| record(false)));
        group.bench_function(format!("{name}, both"), |bencher| bencher.iter(|| record(true)));
    }
    group.finish();
}

criterion_group!(benches, operations);
criterion_main!(benches);
