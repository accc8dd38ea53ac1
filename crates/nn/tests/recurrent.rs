//! The recurrent module, pooling, and one network for every frame.

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use unspool_graph::{Graph, Param, Params, RngKey, Shape, Var, check};
use unspool_nn::{
    AttentionPooling, Cell, CellKind, Direction, Gru, GruConfig, LayerNorm, Linear, Lstm, LstmConfig,
    MultiheadAttention, Pooling, Recurrent, RecurrentConfig, Sequence, leaves, state_to_tensors, unroll,
    unroll_directed,
};

fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
        i += 1;
        f64::from((2.0 * RngKey::seed(seed).uniform(i) - 1.0) as f32)
    })
}

fn value(v: Var<'_>) -> ArrayD<f64> {
    v.to_f64().unwrap()
}

/// Lengths from 0 to 4, at least one not 0, under a time axis of 5.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..=4usize, 1..5).prop_map(|mut lengths| {
        lengths[0] = lengths[0].max(1);
        lengths
    })
}

const TIME: usize = 5;

#[test]
fn a_module_is_its_layers_put_together_by_hand() {
    for kind in CellKind::ALL {
        let mut params = Params::seeded(3);
        let layers = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.5 };
        let rnn = Recurrent::new(params.scope("rnn"), |s, i, h| kind.build(s, i, h), 3, 4, layers);
        let cells: Vec<_> = rnn.cells().collect();
        let graph = Graph::new(&params); // evaluation: no dropout
        let lengths = [4, 0, 2];
        let xs = Sequence::pack(graph.input(random(&[3, TIME, 3], 1)), &lengths);
        let (ys, last) = rnn.unroll(&xs, rnn.initial_state(&graph, 3));

        let mut by_hand = xs;
        for layer in 0..2 {
            let run = |cell: usize, direction| {
                unroll_directed(cells[cell], &by_hand, cells[cell].initial_state(&graph, 3), direction)
            };
            let (forward, backward) = (run(2 * layer, Direction::Forward), run(2 * layer + 1, Direction::Backward));
            assert_eq!(value(leaves(&last[2 * layer])[0]), value(leaves(&forward.1)[0]));
            assert_eq!(value(leaves(&last[2 * layer + 1])[0]), value(leaves(&backward.1)[0]));
            by_hand = forward.0.concat(&backward.0);
        }
        let (ys, ys_packed) = (ys.padded(), ys);
        assert_eq!(value(ys), value(by_hand.padded()));

        // The picture in the documentation: the top layer's last outputs stand at two steps.
        let top = value(rnn.last(&ys_packed));
        let ys = value(ys);
        assert_eq!(top.shape(), [3, 8]);
        assert!(top.index_axis(ndarray::Axis(0), 1).iter().all(|&y| y == 0.0)); // a row of length 0
        for (b, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            for j in 0..4 {
                assert_eq!(top[[b, j]], ys[[b, length - 1, j]]);
                assert_eq!(top[[b, 4 + j]], ys[[b, 0, 4 + j]]);
            }
        }
        // Where the output is the hidden vector, it is that of the final states.
        if ![CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru].contains(&kind) {
            continue;
        }
        for (direction, at) in [(0, 2), (4, 3)] {
            let h = value(leaves(&last[at])[0]);
            assert_eq!(top.slice_axis(ndarray::Axis(1), (direction..direction + 4).into()), h.view());
        }
        let h_n = value(rnn.stacked(&last)[0]);
        assert_eq!(h_n.shape(), [4, 3, 4]);
        assert_eq!(h_n.index_axis(ndarray::Axis(0), 3), value(leaves(&last[3])[0]));
    }
}

/// Equal to the bit; up to rounding for cells of complex numbers and of matrices, whose scan adds in another order.
fn alike(kind: CellKind, a: &ArrayD<f64>, b: &ArrayD<f64>) {
    use CellKind::*;
    if !matches!(kind, GatedDeltaNet | LinearAttention | Lru | Mlstm | S5) {
        return assert_eq!(a, b, "{kind}");
    }
    assert_eq!(a.shape(), b.shape(), "{kind}");
    let near = a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs().max(1e-3));
    assert!(near, "{kind}: {a} {b}");
}

#[test]
fn a_one_way_module_steps_as_it_unrolls() {
    for kind in CellKind::ALL {
        let mut params = Params::seeded(4);
        let layers = RecurrentConfig { layers: 3, ..RecurrentConfig::default() };
        let rnn = Recurrent::new(params.scope("rnn"), |s, i, h| kind.build(s, i, h), 2, 5, layers);
        let stack = rnn.stack().unwrap();
        let xs = random(&[2, TIME, 2], 2);
        let graph = Graph::new(&params);
        let (ys, last) = rnn.unroll(&Sequence::full(graph.input(&xs)), rnn.initial_state(&graph, 2));
        let ys = ys.padded();
        let (stacked, _) = unroll(stack, &Sequence::full(graph.input(&xs)), stack.initial_state(&graph, 2));
        let stacked = stacked.padded();
        assert_eq!(value(ys), value(stacked));
        // Step by step, each on a recording of its own.
        let mut carried = state_to_tensors(&rnn.initial_state(&graph, 2)).unwrap();
        for t in 0..TIME {
            let graph = Graph::new(&params);
            let (y, state) = stack.step(graph.input(&xs).index(1, t), rnn.state_from_tensors(&graph, &carried));
            alike(kind, &value(y), &value(ys).index_axis(ndarray::Axis(1), t).to_owned());
            carried = state_to_tensors(&state).unwrap();
        }
        for (last, carried) in leaves(&last).into_iter().zip(&carried) {
            alike(kind, &value(last), &carried.to_f64());
        }
    }
    let mut params = Params::seeded(4);
    let both = RecurrentConfig { bidirectional: true, ..RecurrentConfig::default() };
    assert!(Recurrent::new(params.scope("rnn"), Lstm::new, 2, 5, both).stack().is_none());
}

#[test]
fn dropout_stands_between_layers_and_in_training_only() {
    let mut params = Params::seeded(5);
    let run = |dropout, count: usize, training: bool| {
        let mut params = Params::seeded(5);
        let layers = RecurrentConfig { layers: count, bidirectional: false, dropout };
        let rnn = Recurrent::new(params.scope("rnn"), Lstm::new, 3, 4, layers);
        let graph = if training { Graph::new(&params).training(1, 1) } else { Graph::new(&params) };
        let xs = graph.input(random(&[2, TIME, 3], 1));
        value(rnn.unroll(&Sequence::pack(xs, &[TIME, 3]), rnn.initial_state(&graph, 2)).0.padded())
    };
    assert_eq!(run(0.5, 2, false), run(0.0, 2, true));
    assert_ne!(run(0.5, 2, true), run(0.0, 2, true));
    assert_eq!(run(0.5, 1, true), run(0.0, 1, true)); // nothing lies between one layer
    assert_eq!(run(0.5, 2, true), run(0.5, 2, true));

    // What cannot be is an error, not a panic.
    let none = RecurrentConfig { layers: 0, ..RecurrentConfig::default() };
    let rnn = Recurrent::new(params.scope("none"), Lstm::new, 3, 4, none);
    let graph = Graph::new(&params);
    let (ys, _) = rnn.unroll(&Sequence::pack(graph.zeros([1, 1, 3]), &[1]), vec![]);
    let ys = ys.padded();
    assert!(ys.value().unwrap_err().to_string().contains("none.layers"));
}

#[test]
fn a_state_that_does_not_fit_is_an_error() {
    let mut params = Params::seeded(5);
    let rnn = Recurrent::new(
        params.scope("rnn"),
        Lstm::new,
        3,
        4,
        RecurrentConfig { layers: 2, ..RecurrentConfig::default() },
    );
    let graph = Graph::new(&params);
    let few = rnn.initial_state(&graph, 1)[..1].to_vec();
    let error =
        rnn.unroll(&Sequence::pack(graph.zeros([1, 2, 3]), &[2]), few).0.padded().value().unwrap_err().to_string();
    assert!(
        error.starts_with("recurrent: 1 states were given for 2 cells") && error.contains("recurrent.rs"),
        "{error}"
    );
    let graph = Graph::new(&params);
    let carried = state_to_tensors(&rnn.initial_state(&graph, 2)).unwrap();
    let graph = Graph::new(&params);
    rnn.state_from_tensors(&graph, &carried[1..]);
    let error = graph.check().unwrap_err().to_string();
    assert!(error.starts_with("state_from_tensors: 3 arrays were carried for a state of 4 leaves"), "{error}");
}

/// Numbers in a random order, evenly spaced: a maximum of numbers closer than the step of a finite difference has no
/// slope that it could find.
fn apart(shape: &Shape, key: RngKey) -> Vec<f64> {
    let count = shape.elements();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|&i| key.bits(i as u64));
    order.into_iter().map(|rank| 2.0 * rank as f64 / count.max(1) as f64 - 1.0).collect()
}

/// Σ weight · y for a check of gradients, as parameters: `xs` has the data.
fn pooled<'g>(
    graph: &'g Graph<'g>,
    xs: Param,
    lengths: &[usize],
    which: usize,
    attention: &AttentionPooling,
) -> Var<'g> {
    let ys = Sequence::pack(graph.param(xs), lengths);
    match which {
        3 => {
            let (pooled, weights) = attention.apply(&ys);
            let flat = |v: Var<'g>| v.reshape([v.known_shape().map_or(0, |shape| shape.elements())]);
            graph.concat(&[flat(pooled), flat(weights)], 0)
        }
        kind => Pooling::ALL[kind].apply(&ys),
    }
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(24))]

    #[test]
    fn pooling_has_the_gradients_of_its_formula(lengths in lengths(), seed in 0..1000u64) {
        let mut params = Params::seeded(seed);
        let attention = AttentionPooling::new(params.scope("attention"), 3, 4);
        let xs = params.scope("data").add("xs", [lengths.len(), TIME, 3], apart);
        let params = params.to_f64();
        for which in 0..4 {
            check_pool(&params, xs, &lengths, which, &attention).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn pooling_looks_at_real_steps_only(lengths in lengths(), seed in 0..1000u64) {
        let mut params = Params::seeded(seed);
        let attention = AttentionPooling::new(params.scope("attention"), 3, 4);
        let xs = random(&[lengths.len(), TIME, 3], seed);
        let mut other = xs.clone();
        for (b, &length) in lengths.iter().enumerate() {
            other.slice_mut(ndarray::s![b, length.., ..]).fill(f64::NAN);
        }
        let graph = Graph::new(&params);
        let run = |xs: &ArrayD<f64>| -> Vec<ArrayD<f64>> {
            let ys = Sequence::pack(graph.input(xs), &lengths);
            let mut all: Vec<_> = Pooling::ALL.iter().map(|pooling| value(pooling.apply(&ys))).collect();
            let (pooled, weights) = attention.apply(&ys);
            all.extend([value(pooled), value(weights)]);
            all
        };
        let all = run(&xs);
        prop_assert_eq!(&all, &run(&other));
        for (b, &length) in lengths.iter().enumerate() {
            for j in 0..3 {
                let steps: Vec<f64> = (0..length).map(|t| xs[[b, t, j]]).collect();
                prop_assert_eq!(all[0][[b, j]], steps.last().copied().unwrap_or(0.0));
                let mean = steps.iter().sum::<f64>() / length.max(1) as f64;
                prop_assert!((all[1][[b, j]] - mean).abs() < 1e-6);
                let max = steps.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                prop_assert_eq!(all[2][[b, j]], if length == 0 { 0.0 } else { max });
                let weighed: f64 = steps.iter().enumerate().map(|(t, x)| x * all[4][[b, t]]).sum();
                prop_assert!((all[3][[b, j]] - weighed).abs() < 1e-6);
            }
            let sum: f64 = (0..length).map(|t| all[4][[b, t]]).sum();
            prop_assert!((sum - f64::from(u8::from(length > 0))).abs() < 1e-6);
        }
    }

    #[test]
    fn a_frame_is_what_it_is_alone(lengths in lengths(), seed in 0..1000u64) {
        let mut params = Params::seeded(seed);
        let layer = Linear::new(params.scope("frame"), 6, 4);
        let mut xs = random(&[lengths.len(), TIME, 2, 3], seed);
        for (b, &length) in lengths.iter().enumerate() {
            xs.slice_mut(ndarray::s![b, length.., .., ..]).fill(f64::NAN);
        }
        let graph = Graph::new(&params);
        let one = |frames: Var<'_>| frames.known_shape().map_or(0, |shape| shape[0]);
        let frames = Sequence::pack(graph.input(&xs), &lengths);
        let all = value(frames.map(|f| layer.apply(f.reshape([one(f), 6])).tanh()).padded());
        prop_assert_eq!(all.shape(), &[lengths.len(), TIME, 4]);
        for (b, &length) in lengths.iter().enumerate() {
            for t in 0..TIME {
                let frame = all.slice(ndarray::s![b, t, ..]);
                if t < length {
                    let alone = xs.slice(ndarray::s![b, t, .., ..]).to_owned().into_dyn();
                    let alone = value(layer.apply(graph.input(alone).reshape([1, 6])).tanh());
                    prop_assert_eq!(frame.to_vec(), alone.into_raw_vec_and_offset().0);
                } else {
                    prop_assert!(frame.iter().all(|&x| x == 0.0));
                }
            }
        }
    }
}

fn check_pool(
    params: &Params,
    xs: Param,
    lengths: &[usize],
    which: usize,
    attention: &AttentionPooling,
) -> Result<(), String> {
    check::parameters(params, |graph| pooled(graph, xs, lengths, which, attention)).map_err(|e| e.to_string())?;
    check::adjoint(params, |graph| pooled(graph, xs, lengths, which, attention)).map_err(|e| e.to_string())
}

/// A frame's draws belong to its example and its time, whatever the padding and the order of the batch.
#[test]
fn a_frame_s_draws_are_its_own() {
    let params = Params::seeded(0);
    let run = |time: usize, rows: &[u32]| {
        let graph = Graph::new(&params).training(1, 1);
        let _rows = graph.name_rows(rows);
        let frames = Sequence::pack(graph.full([2, time, 8], 1.0), &[3, 3]);
        let ys = frames.map(|frames| frames.dropout(0.5)).padded();
        assert_eq!(graph.row_ids(), Some(rows.into()));
        value(ys).slice(ndarray::s![.., ..3, ..]).to_owned()
    };
    let plain = run(3, &[0, 1]);
    assert_eq!(plain, run(6, &[0, 1]));
    assert_eq!(plain.index_axis(ndarray::Axis(0), 0), run(3, &[1, 0]).index_axis(ndarray::Axis(0), 1));
    assert_ne!(plain.index_axis(ndarray::Axis(0), 0), plain.index_axis(ndarray::Axis(0), 1));
    assert_ne!(plain.slice(ndarray::s![0, 0, ..]), plain.slice(ndarray::s![0, 1, ..]));
}

#[test]
fn what_does_not_fit_names_the_caller_s_line() {
    let params = Params::seeded(0);
    for which in 0..3 {
        let graph = Graph::new(&params);
        let xs = graph.zeros([2, 3, 4]);
        let wrong = match which {
            0 => Pooling::Mean.apply(&Sequence::pack(xs, &[4, 1])),
            1 => Sequence::pack(xs, &[1]).rows(),
            _ => Sequence::pack(xs, &[1, 1]).map(|frames| frames.slice(0, 0..1)).rows(),
        };
        let error = wrong.value().unwrap_err().to_string();
        assert!(error.contains("recurrent.rs"), "{error}");
    }
    assert!("sum".parse::<Pooling>().unwrap_err().to_string().contains("last, mean, max"));
}

#[test]
fn layers_without_bias_have_their_weights_alone() {
    let mut params = Params::seeded(3);
    let cell = Lstm::with_config(params.scope("lstm"), 3, 4, LstmConfig { bias: false, ..LstmConfig::default() });
    let layers = RecurrentConfig { layers: 1, bidirectional: true, dropout: 0.0 };
    let bare = GruConfig { bias: false, ..GruConfig::default() };
    let rnn = Recurrent::new(params.scope("gru"), |s, i, h| Gru::with_config(s, i, h, bare), 4, 4, layers);
    let attention = MultiheadAttention::without_bias(params.scope("attention"), 8, 2);
    let norm = LayerNorm::without_bias(params.scope("norm"), 8);
    let narrow = Lstm::with_config(
        params.scope("narrow"),
        8,
        4,
        LstmConfig { bias: false, projection: Some(2), ..LstmConfig::default() },
    );
    let names: Vec<String> = params.iter().map(|p| params.name(p).to_string()).collect();
    let expected = [
        "lstm.weight_ih_l0",
        "lstm.weight_hh_l0",
        "gru.weight_ih_l0",
        "gru.weight_hh_l0",
        "gru.weight_ih_l0_reverse",
        "gru.weight_hh_l0_reverse",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "norm.weight",
        "narrow.weight_ih_l0",
        "narrow.weight_hh_l0",
        "narrow.weight_hr_l0",
    ];
    assert_eq!(names, expected);
    let graph = Graph::new(&params);
    let xs = Sequence::pack(graph.full([2, 3, 3], 0.5), &[3, 2]);
    let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
    let (ys, _) = rnn.unroll(&hs, rnn.initial_state(&graph, 2));
    let (context, _) = attention.apply(&ys.map(|rows| norm.apply(rows)), &ys, true);
    let (zs, _) = unroll(&narrow, &context, narrow.initial_state(&graph, 2));
    let gradients = zs.rows().powi(2).sum_all().backward().unwrap();
    assert!(gradients.report().is_clean(), "{}", gradients.report());
}
