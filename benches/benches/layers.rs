//! The built-in recurrent layers, whose gates are one pass over memory, beside the same equations from single
//! operations.
//!
//!     cargo bench -p unspool-benches --bench layers

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use unspool_graph::{Graph, Params, Var};
use unspool_nn::{Cell, Gru, Linear, Lstm, Rnn, Sequence, unroll};

const BATCH: usize = 16;
const TIME: usize = 32;
const HIDDEN: usize = 128;

/// An LSTM from its equations.
struct Composed(Linear);

impl Cell for Composed {
    type State<'g> = (Var<'g>, Var<'g>);

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> (Var<'g>, Var<'g>) {
        let zeros = graph.zeros([batch, HIDDEN]);
        (zeros, zeros)
    }

    fn step<'g>(&self, x: Var<'g>, (h, c): (Var<'g>, Var<'g>)) -> (Var<'g>, (Var<'g>, Var<'g>)) {
        let [i, f, g, o] = self.0.apply(x.graph().concat(&[x, h], -1)).chunk(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        (h, (h, c))
    }
}

/// A sequence forward and backward through what `make` makes.
fn layer<C: Cell>(criterion: &mut Criterion, name: &str, make: impl FnOnce(&mut Params) -> C) {
    let mut params = Params::seeded(1);
    let cell = make(&mut params);
    let mut group = criterion.benchmark_group("layer");
    group.throughput(Throughput::Elements((BATCH * TIME) as u64));
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let graph = Graph::new(&params);
            let xs = graph.full([BATCH, TIME, HIDDEN], 0.1);
            let (ys, _) = unroll(&cell, &Sequence::full(xs), cell.initial_state(&graph, BATCH));
            black_box(ys.rows().sum_all().backward().expect("gradients"))
        })
    });
    group.finish();
}

fn layers(criterion: &mut Criterion) {
    layer(criterion, "rnn", |params| Rnn::new(params.scope("rnn"), HIDDEN, HIDDEN));
    layer(criterion, "gru", |params| Gru::new(params.scope("rnn"), HIDDEN, HIDDEN));
    layer(criterion, "lstm", |params| Lstm::new(params.scope("rnn"), HIDDEN, HIDDEN));
    layer(criterion, "lstm from operations", |params| {
        Composed(Linear::new(params.scope("rnn"), 2 * HIDDEN, 4 * HIDDEN))
    });
}

criterion_group!(benches, layers);
criterion_main!(benches);
