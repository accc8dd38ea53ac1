//! Second derivatives of what is made of cells: layers both ways, scans, attention, shards.

use ndarray::{Array3, ArrayD};
use unspool_graph::{Gradients, Graph, Params, RngKey, Scope, Tensor, Var, check};
use unspool_nn::{
    Attention, Cell, Gru, Lstm, Recurrent, RecurrentConfig, Rnn, Sequence, cells::MinGru, sharded,
    sharded_hessian_vector, unroll, unroll_recomputed,
};

const LENGTHS: [usize; 3] = [4, 0, 2];

fn xs(features: usize) -> ArrayD<f64> {
    let key = RngKey::seed(5);
    let mut i = 0;
    Array3::from_shape_simple_fn((LENGTHS.len(), 4, features), || {
        i += 1;
        2.0 * key.uniform(i) - 1.0
    })
    .into_dyn()
}

fn close(a: &Gradients, b: &Gradients, params: &Params, tolerance: f64) {
    for p in params.iter() {
        let (Some(a), Some(b)) = (a.of(p), b.of(p)) else { panic!("{} has no gradient", params.name(p)) };
        for (a, b) in a.to_f64().iter().zip(&b.to_f64()) {
            assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{}: {a} {b}", params.name(p));
        }
    }
}

/// The incoming gradient of a direction may not be overwritten before the other one has read it.
#[test]
fn three_and_four_layers_both_ways_agree_with_differences() {
    fn judge<C: Cell>(make: fn(Scope<'_>, usize, usize) -> C, layers: usize) {
        let mut params = Params::seeded(3);
        let config = RecurrentConfig { layers, bidirectional: true, dropout: 0.0 };
        let rnn = Recurrent::new(params.scope(""), make, 2, 2, config);
        let judged = check::second_order(&params, &[("x", xs(2))], |graph, inputs| {
            let (ys, last) = rnn.unroll(&Sequence::pack(inputs[0], &LENGTHS), rnn.initial_state(graph, LENGTHS.len()));
            let ends = rnn.stacked(&last).into_iter().map(|end| end.reshape([end.shape().unwrap().elements()]));
            let ys = ys.padded().reshape([LENGTHS.len() * 4 * 4]);
            graph.concat(&ends.chain([ys]).collect::<Vec<_>>(), 0)
        });
        let judged = judged.unwrap();
        assert!(judged.unjudged == 0 && judged.right > 100, "{judged}");
    }
    for layers in [3, 4] {
        judge(Rnn::new, layers);
        judge(Gru::new, layers);
        judge(Lstm::new, layers);
    }
}

fn loss<'g, C: Cell>(cell: &C, graph: &'g Graph<'g>, x: Var<'g>) -> Var<'g> {
    let (ys, _) = unroll(cell, &Sequence::pack(x, &LENGTHS), cell.initial_state(graph, LENGTHS.len()));
    ys.padded().powi(2).sum_all()
}

#[test]
fn a_scan_has_the_second_derivatives_of_its_steps_and_recomputed_segments_those_of_kept_ones() {
    let mut params = Params::seeded(3).to_f64();
    let cell = MinGru::new(params.scope("rnn"), 2, 3);
    let v = Gradients::random(&params, RngKey::seed(1)).tangents();
    let along = |how: &str| {
        let graph = Graph::new(&params);
        let x = graph.input(xs(2)).watch();
        let (read, start) = (Sequence::pack(x, &LENGTHS), cell.initial_state(&graph, LENGTHS.len()));
        let ys = match how {
            "scan" => cell.scan(&read, &start).unwrap().0,
            "steps" => unroll(&Stepped(cell.clone()), &read, start).0,
            _ => unroll_recomputed(&Stepped(cell.clone()), &read, start, 2).0,
        };
        let loss = ys.padded().powi(2).sum_all();
        let penalty = loss.gradient(x).powi(2).sum_all().backward().unwrap();
        (loss.hessian_vector(&v).unwrap(), penalty)
    };
    let (h_v, penalty) = along("scan");
    for other in ["steps", "recomputed"] {
        let other = along(other);
        close(&h_v, &other.0, &params, 1e-10);
        close(&penalty, &other.1, &params, 1e-10);
    }
}

/// A cell without its scan.
#[derive(Clone)]
struct Stepped(MinGru);

impl Cell for Stepped {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.0.step(x, h)
    }
}

#[test]
fn attention_of_every_kind_agrees_with_differences() {
    for kind in 0..3 {
        let mut params = Params::seeded(3);
        let scope = params.scope("attention");
        let attention = match kind {
            0 => Attention::additive(scope, 2, 2, 3),
            1 => Attention::general(scope, 2, 2),
            _ => Attention::multi_head(scope, 2, 2, 2),
        };
        let judged = check::second_order(&params, &[("memory", xs(2))], |_, inputs| {
            let memory = attention.memory(&Sequence::pack(inputs[0].tanh(), &[4, 1, 2]));
            attention.attend(inputs[0].index(1, 0), &memory).0
        });
        let judged = judged.unwrap();
        assert!(judged.unjudged == 0 && judged.right > 20, "{judged}");
    }
}

#[test]
fn shards_have_the_sum_of_their_second_derivatives_on_any_number_of_threads() {
    let mut params = Params::seeded(3);
    let cell = Gru::new(params.scope("rnn"), 2, 3);
    let v = Gradients::random(&params, RngKey::seed(1));
    let shards: Vec<ArrayD<f64>> = (1..5).map(|i| xs(2) * (0.3 * i as f64)).collect();
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let h_v = sharded_hessian_vector(&params, None, &shards, &v, |graph, shard| {
                loss(&cell, graph, graph.input(shard))
            });
            let (_, penalty) = sharded(&params, None, &shards, |graph, shard| {
                let x = graph.input(shard).watch();
                loss(&cell, graph, x).gradient(x).powi(2).sum_all()
            })
            .unwrap();
            (h_v.unwrap(), penalty)
        })
    };
    let (one, three) = (on(1), on(3));
    let bits = |gradients: &Gradients| params.iter().map(|p| gradients.of(p)).collect::<Vec<Option<Tensor>>>();
    assert_eq!((bits(&one.0), bits(&one.1)), (bits(&three.0), bits(&three.1)));
    let graph = Graph::new(&params);
    let whole = shards.iter().map(|shard| loss(&cell, &graph, graph.input(shard))).sum::<Option<Var<'_>>>().unwrap();
    close(&whole.hessian_vector(&v.tangents()).unwrap(), &one.0, &params, 1e-5);
}
