//! Recurrences whose state is a matrix, in chunks of 64 steps.

use crate::{largest, random, value};
use ndarray::ArrayD;
use unspool_graph::{Graph, Params, Scope, Var};
use unspool_nn::{
    Cell, Direction, Sequence, Stepwise,
    cells::{
        GatedDeltaNet, GatedDeltaNetConfig, LinearAttention, LinearAttentionConfig, Mlstm, MlstmConfig, MlstmState,
    },
    leaves, map_state,
    scan::gated_delta_rule,
    unroll, unroll_directed,
};

const INPUT: usize = 3;
const HIDDEN: usize = 6;
const CHUNK: usize = 64;

fn linear_attention(scope: Scope<'_>) -> LinearAttention {
    let config = LinearAttentionConfig { heads: 2, key_size: Some(4), decay: true };
    LinearAttention::with_config(scope, INPUT, HIDDEN, config)
}

fn gated_delta_net(scope: Scope<'_>) -> GatedDeltaNet {
    GatedDeltaNet::with_config(scope, INPUT, HIDDEN, GatedDeltaNetConfig { heads: 2, key_size: Some(4) })
}

fn mlstm(scope: Scope<'_>) -> Mlstm {
    Mlstm::with_config(scope, INPUT, HIDDEN, MlstmConfig { heads: 2, key_size: Some(4) })
}

/// A state of this cell with numbers in it, watched.
fn start<'g, C: Cell>(cell: &C, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
    let mut seed = 100;
    map_state(&cell.initial_state(graph, batch), |leaf| {
        seed += 1;
        graph.input(random(&leaf.shape().unwrap(), seed)).watch()
    })
}

/// Outputs, last states, and the gradients of parameters, inputs and first states.
fn all<'g, C: Cell>(
    params: &Params,
    xs: Var<'g>,
    start: &C::State<'g>,
    ys: Var<'g>,
    last: &C::State<'g>,
) -> Vec<ArrayD<f64>> {
    let graph = ys.graph();
    let parts: Vec<Var<'g>> = [ys].into_iter().chain(leaves(last)).collect();
    let weighted = |(x, seed): (&Var<'g>, u64)| (*x * graph.input(random(&x.shape().unwrap(), seed))).sum_all();
    let loss = parts.iter().zip(200..).map(weighted).reduce(|sum, x| sum + x).unwrap();
    let gradients = loss.backward().unwrap();
    let mut found: Vec<ArrayD<f64>> = parts.iter().map(|x| value(*x)).collect();
    found.extend(params.iter().map(|p| gradients.of(p).unwrap().to_f64()));
    found.extend([xs].into_iter().chain(leaves(start)).map(|x| gradients.of(x).unwrap().to_f64()));
    found
}

fn near(a: &[ArrayD<f64>], b: &[ArrayD<f64>], what: &str) {
    assert_eq!(a.len(), b.len());
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let apart = largest(&(a - b)) / largest(a).max(1.0);
        assert!(apart < 1e-11, "{what}: the results {i} are {apart:e} apart");
    }
}

/// Lengths around a chunk's, a row without steps among them, in both directions.
#[test]
fn chunks_equal_steps_at_every_length() {
    fn test<C: Cell>(name: &str, make: fn(Scope<'_>) -> C) {
        let lengths = [1, CHUNK - 1, 0, CHUNK, CHUNK + 1, 2 * CHUNK + 3, 2];
        let time = 2 * CHUNK + 5;
        for direction in [Direction::Forward, Direction::Backward] {
            let mut params = Params::seeded(1);
            let (cell, mut twin) = (make(params.scope("cell")), Params::seeded(1));
            let steps = Stepwise::new(make(twin.scope("cell")));
            let (params, twin) = (params.to_f64(), twin.to_f64());
            let x = random(&[lengths.len(), time, INPUT], 3);
            let (graph, other) = (Graph::new(&params), Graph::new(&twin));
            let xs = graph.input(&x).watch();
            let begin = start(&cell, &graph, lengths.len());
            let (ys, last) = unroll_directed(&cell, &Sequence::pack(xs, &lengths), begin.clone(), direction);
            let chunked = all::<C>(&params, xs, &begin, ys.padded(), &last);
            let xs = other.input(&x).watch();
            let begin = start(&steps, &other, lengths.len());
            let (ys, last) = unroll_directed(&steps, &Sequence::pack(xs, &lengths), begin.clone(), direction);
            near(&all::<C>(&twin, xs, &begin, ys.padded(), &last), &chunked, name);
        }
    }
    test("linear attention", linear_attention);
    test("gated delta net", gated_delta_net);
    test("mlstm", mlstm);
}

/// Every form returns the last state, and going on from it is not having stopped; gradients pass through it.
#[test]
fn a_sequence_cut_inside_a_chunk_is_the_whole() {
    fn test<C: Cell>(name: &str, make: fn(Scope<'_>) -> C) {
        let (lengths, time) = ([150, 40, 0, 90], 150);
        let mut params = Params::seeded(2);
        let cell = make(params.scope("cell"));
        let params = params.to_f64();
        let run = |cut: usize| {
            let graph = Graph::new(&params);
            let xs = graph.input(random(&[lengths.len(), time, INPUT], 3)).watch();
            let (begin, packed) = (start(&cell, &graph, lengths.len()), Sequence::pack(xs, &lengths));
            let (first, carried) = unroll(&cell, &packed.steps(0, cut), begin.clone());
            if cut == time {
                return all::<C>(&params, xs, &begin, first.padded(), &carried);
            }
            let (second, last) = unroll(&cell, &packed.steps(cut, time), carried);
            all::<C>(&params, xs, &begin, graph.concat(&[first.padded(), second.padded()], 1), &last)
        };
        let whole = run(time);
        [1, 30, CHUNK, 89, 100, 149].into_iter().for_each(|cut| near(&whole, &run(cut), name));
    }
    test("linear attention", linear_attention);
    test("gated delta net", gated_delta_net);
    test("mlstm", mlstm);
}

#[test]
fn threads_and_neighbours_change_no_bit() {
    let mut params = Params::seeded(3);
    let cell = gated_delta_net(params.scope("cell"));
    let x = random(&[3, 100, INPUT], 4);
    let run = |threads: usize, rows: &[usize], lengths: &[usize]| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let graph = Graph::new(&params);
            let xs = graph.input(x.select(ndarray::Axis(0), rows)).watch();
            let begin = cell.initial_state(&graph, rows.len());
            let (ys, last) = unroll(&cell, &Sequence::pack(xs, lengths), begin);
            let ys = ys.padded();
            let gradients = ((ys * ys).sum_all() + last.sum_all()).backward().unwrap();
            [value(ys), value(last), gradients.of(xs).unwrap().to_f64()]
        })
    };
    let together = run(1, &[0, 1, 2], &[100, 30, 70]);
    for threads in [2, 3] {
        assert_eq!(run(threads, &[0, 1, 2], &[100, 30, 70]), together);
    }
    let alone = run(1, &[2], &[70]);
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!(alone.index_axis(ndarray::Axis(0), 0), together.index_axis(ndarray::Axis(0), 2));
    }
}

/// What the node keeps beside its value are the states at the starts of chunks.
#[test]
fn memory_grows_with_the_number_of_chunks() {
    let params = Params::seeded(0);
    let (heads, size) = (2, 16);
    let kept = |time: usize| {
        let graph = Graph::new(&params).record_profile();
        let of = |shape: &[usize], x| Sequence::full(graph.full([&[1, time, heads], shape].concat(), x));
        let (q, gate) = (of(&[size], 0.1), of(&[], -0.1));
        let s0 = graph.zeros([1, heads, size, size]);
        let (ys, _) = gated_delta_rule(&q, &q, &q, &gate, &gate, s0);
        let value = 4 * (ys.rows().shape().unwrap().elements() + heads * size * size);
        let rows = graph.profile().by_operation().rows;
        rows.into_iter().find(|row| row.0 == "gated_delta_rule").unwrap().1.bytes - value
    };
    let state = 4 * heads * size * size;
    for chunks in [1, 2, 16] {
        assert!(kept(chunks * CHUNK) < chunks * state + 256, "{chunks} chunks keep {} bytes", kept(chunks * CHUNK));
    }
}

/// mLSTM over 256 steps with gates whose pre-activations lie between ±`far`, and its gradients.
fn gated(params: &Params, cell: &Mlstm, far: f64) -> (Vec<ArrayD<f64>>, Vec<ArrayD<f64>>) {
    let graph = Graph::new(params);
    let xs = graph.input(random(&[2, 256, INPUT], 5) * far).watch();
    let MlstmState { c, m } = cell.initial_state(&graph, 2);
    let begin = MlstmState { c: c.watch(), m: m.watch() };
    let (hs, last) = unroll(cell, &Sequence::pack(xs, &[256, 100]), begin.clone());
    let loss = (hs.padded() * graph.input(random(&[2, 256, HIDDEN], 6))).sum_all();
    let gradients = loss.backward().unwrap();
    let values = vec![value(hs.padded()), value(last.c), value(last.m)];
    (values, params.iter().map(|p| gradients.of(p).unwrap().to_f64()).collect())
}

/// The stabilizer m and the normalizer n keep everything finite in single precision, and each gate has an effect.
#[test]
fn gates_of_mlstm_far_out_stay_finite() {
    let mut params = Params::seeded(4);
    let cell = mlstm(params.scope("cell"));
    // The gates read the inputs as they are, and nothing else is far out.
    for name in ["weight_i", "weight_f"] {
        let weight = params.find(&format!("cell.{name}")).unwrap();
        let choice = ArrayD::from_shape_fn(vec![2, INPUT], |at| f64::from(u8::from(at[0] == at[1])));
        params.set(weight, choice).unwrap();
    }
    for name in ["weight_q", "weight_k", "weight_v", "weight_o"] {
        let weight = params.find(&format!("cell.{name}")).unwrap();
        let small = params.value(weight).unwrap().to_f64() / 80.0;
        params.set(weight, small).unwrap();
    }
    for far in [1.0, 20.0, 80.0] {
        let (single, double) = (gated(&params, &cell, far), gated(&params.to_f64(), &cell, far));
        for (i, (single, double)) in single.0.iter().zip(&double.0).enumerate() {
            let apart = largest(&(single - double)) / largest(double).max(1.0);
            assert!(apart < 1e-4, "gates of ±{far}: the values {i} are {apart:e} apart");
        }
        for ((single, double), p) in single.1.iter().zip(&double.1).zip(params.iter()) {
            let apart = largest(&(single - double)) / largest(double).max(1.0);
            assert!(apart < 1e-3, "gates of ±{far}: the gradients of {} are {apart:e} apart", params.name(p));
            assert!(largest(single) > 0.0, "gates of ±{far}: {} has no effect", params.name(p));
        }
    }
}

/// Gates of the delta rule that keep all, forget all or do not write, over 4,096 steps.
#[test]
fn gates_of_the_delta_rule_far_out_keep_finite_gradients() {
    let time = 4096;
    let run = |params: &Params, far: f64| {
        let graph = Graph::new(params);
        let [q, k, v] = [7, 8, 9].map(|seed| graph.input(random(&[1, time, 2, 4], seed)).watch());
        let [alpha, beta] = [10, 11].map(|seed| graph.input(random(&[1, time, 2], seed) * far).watch());
        let s0 = graph.input(random(&[1, 2, 4, 4], 12)).watch();
        let key = k / (k * k).sum(&[-1]).sqrt().unsqueeze(-1);
        let [q_, k_, v_, a_, b_] = [q, key, v, alpha.log_sigmoid(), beta.sigmoid()].map(Sequence::full);
        let (ys, last) = gated_delta_rule(&q_, &k_, &v_, &a_, &b_, s0);
        let loss = (ys.padded() * graph.input(random(&[1, time, 2, 4], 13))).sum_all() + last.sum_all();
        let gradients = loss.backward().unwrap();
        [q, k, v, alpha, beta, s0].map(|x| gradients.of(x).unwrap().to_f64())
    };
    let params = Params::seeded(0);
    for far in [1.0, 50.0, 80.0] {
        for (i, (single, double)) in run(&params, far).iter().zip(&run(&params.to_f64(), far)).enumerate() {
            // Each step rounds by ε relative to the largest number.
            let bound = time as f64 * f64::from(f32::EPSILON) * largest(double).max(1.0);
            let apart = largest(&(single - double));
            assert!(apart <= bound, "gates of ±{far}: the gradients {i} are {apart:e} apart, the bound is {bound:e}");
        }
    }
}

#[test]
fn a_decay_of_zero_forgets_everything() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let of = |shape: &[usize], x: f64| Sequence::full(graph.full([&[1, 3, 1], shape].concat(), x).watch());
    let (ones, never, always) = (of(&[1], 1.0), of(&[], f64::NEG_INFINITY), of(&[], 1.0));
    let s0 = graph.full([1, 1, 1, 1], 7.0).watch();
    let (ys, _) = gated_delta_rule(&ones, &ones, &ones, &never, &always, s0);
    assert_eq!(value(ys.rows()).into_raw_vec_and_offset().0, [1.0; 3]);
    let gradients = ys.rows().sum_all().backward().unwrap();
    assert_eq!(gradients.of(s0).unwrap().to_f64().sum(), 0.0);
    assert!(gradients.of(never.rows()).is_none_or(|g| g.to_f64().iter().all(|g| g.is_finite())));
}

#[test]
fn operands_that_do_not_fit_are_refused() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let of = |shape: &[usize]| Sequence::full(graph.zeros([&[1, 3], shape].concat()));
    let (q, v, gate) = (of(&[2, 4]), of(&[2, 5]), of(&[2]));
    let (ys, _) = gated_delta_rule(&q, &q, &v, &gate, &gate, graph.zeros([1, 2, 4, 5]));
    let why = ys.rows().value().unwrap_err().to_string();
    assert!(why.contains("the state [1, head, value, key]"), "{why}");
    let mut params = Params::seeded(0);
    let config = MlstmConfig { heads: 4, key_size: None };
    Mlstm::with_config(params.scope("cell"), 3, 6, config);
    assert!(params.check().unwrap_err().to_string().contains("the number of heads must divide the size"));
}
