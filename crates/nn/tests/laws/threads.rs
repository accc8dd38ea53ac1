//! 1, 2 and 3 threads give the same bits, and so does a row of a product among others or alone.

use crate::{HIDDEN, INPUT, random};
use ndarray::{ArrayD, Axis};
use unspool_graph::{Graph, Param, Params, RngKey, Scope, Var, init};
use unspool_nn::{Cell, Gru, Linear, Lstm, Rnn, Sequence, sharded, unroll};

/// Padded batches of a few rows.
fn shards() -> Vec<(ArrayD<f64>, [usize; 3])> {
    (0..5).map(|i| (random(&[3, 7, INPUT], RngKey::seed(i)), [5, 2, i as usize + 1])).collect()
}

/// The loss's bits and the gradients with each number of threads.
fn with_threads<C: Cell + Sync>(
    params: &Params,
    cell: &C,
    factor: impl Fn() -> f64 + Sync,
) -> Vec<(u64, Vec<Option<ArrayD<f64>>>)> {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let (sum, gradients) = pool
            .install(|| {
                sharded(params, Some((1, 2)), &shards(), |graph, (xs, lengths)| {
                    let (ys, _) = unroll(cell, &Sequence::pack(graph.input(xs), lengths), cell.initial_state(graph, 3));
                    let ys = ys.padded();
                    (ys * ys).sum_all() * factor()
                })
            })
            .unwrap();
        (sum.to_bits(), params.iter().map(|p| gradients.of(p).map(|g| g.to_f64())).collect())
    };
    (1..=3).map(run).collect()
}

fn change_nothing<C: Cell + Sync>(make: impl Fn(Scope<'_>) -> C) {
    let mut params = Params::seeded(1);
    let cell = make(params.scope("cell"));
    for params in [&params, &params.to_f64()] {
        let all = with_threads(params, &cell, || 1.0);
        assert!(all.iter().all(|one| one == &all[0]));
    }
    // What depends on the number of threads is seen.
    let all = with_threads(&params.to_f64(), &cell, || 1.0 + rayon::current_num_threads() as f64 * 1e-9);
    assert!(all[0] != all[1]);
}

/// h' = tanh(x·W + h ∘ u), a user's own.
struct Own {
    w: Param,
    u: Param,
}

impl Cell for Own {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, HIDDEN])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let h = (x.matmul(self.w) + h * self.u).tanh();
        (h, h)
    }
}

#[test]
fn threads_change_nothing() {
    change_nothing(|scope| Rnn::new(scope, INPUT, HIDDEN));
    change_nothing(|scope| Gru::new(scope, INPUT, HIDDEN));
    change_nothing(|scope| Lstm::new(scope, INPUT, HIDDEN));
    change_nothing(|mut scope| Own {
        w: scope.add("w", [INPUT, HIDDEN], init::uniform(1.0)),
        u: scope.add("u", [HIDDEN], init::uniform(1.0)),
    });
}

/// Products large enough that their own work is spread over threads.
#[test]
fn threads_change_nothing_in_large_products() {
    let mut params = Params::seeded(1);
    let cell = Gru::new(params.scope("rnn"), 96, 160);
    let readout = Linear::new(params.scope("readout"), 160, 512);
    let xs = [0, 1].map(|i| random(&[96, 6, 96], RngKey::seed(i)));
    let lengths: Vec<usize> = (0..96).map(|b| 1 + b % 6).collect();
    let all: Vec<_> = (1..=3)
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (sum, gradients) = pool.install(|| {
                sharded(&params, None, &xs, |graph, xs| {
                    let (ys, _) =
                        unroll(&cell, &Sequence::pack(graph.input(xs), &lengths), cell.initial_state(graph, 96));
                    let ys = ys.padded();
                    readout.apply(ys.pack(&lengths)).powi(2).sum_all()
                })
                .unwrap()
            });
            (sum.to_bits(), params.iter().map(|p| gradients.of(p).unwrap()).collect::<Vec<_>>())
        })
        .collect();
    assert!(all[0] == all[1] && all[0] == all[2]);
}

/// A row of a product with a bias has the bits it has alone, narrow and long ones too.
#[test]
fn a_row_of_a_product_is_what_it_is_alone() {
    for width in [1, 2, 3, 17, 600, 3000] {
        let mut params = Params::seeded(1);
        let layer = Linear::new(params.scope("layer"), width, 5);
        let x = random(&[4, width], RngKey::seed(2));
        for params in [&params, &params.to_f64()] {
            let graph = Graph::new(params);
            let together = layer.apply(graph.input(&x)).to_f64().unwrap();
            for b in 0..4 {
                let alone = layer.apply(graph.input(x.select(Axis(0), &[b]))).to_f64().unwrap();
                assert_eq!(together.select(Axis(0), &[b]), alone, "width {width}");
            }
        }
    }
}
