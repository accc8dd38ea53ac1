//! Wrappers of cells in training, where they draw; initial states; truncated back-propagation; sequences out of one
//! input.

use ndarray::{ArrayD, Axis, IxDyn, s};
use proptest::prelude::*;
use unspool_graph::{Graph, Params, RngKey, Var, check, init};
use unspool_nn::{
    Cell, Gru, InitialState, Linear, Lstm, LstmConfig, Nonlinearity, RecurrentInit, Rnn, RnnConfig, Sequence, Stack,
    TruncatedBptt, VariationalDropout, Zoneout, feed_back, leaves, locked_dropout, repeated, unroll, windows,
    zero_filled,
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

const TIME: usize = 6;

/// In training, what is drawn for an example is the same wherever in a batch it stands, and with more padding.
fn draws_belong_to_the_example<C: Cell>(make: impl Fn(&mut Params) -> C) {
    let mut params = Params::seeded(3);
    let cell = make(&mut params);
    let (xs, lengths) = (random(&[4, TIME, 3], 1), [2, TIME, 3, 4]);
    let run = |order: &[usize], more: usize| {
        let mut padded = ArrayD::from_elem(IxDyn(&[order.len(), TIME + more, 3]), f64::NAN);
        for (i, &b) in order.iter().enumerate() {
            padded.slice_mut(s![i, ..lengths[b], ..]).assign(&xs.slice(s![b, ..lengths[b], ..]));
        }
        let graph = Graph::new(&params).training(5, 7);
        let _rows = graph.name_rows(order.iter().map(|&b| b as u32).collect::<Vec<_>>());
        let lengths: Vec<usize> = order.iter().map(|&b| lengths[b]).collect();
        let start = cell.initial_state(&graph, order.len());
        value(unroll(&cell, &Sequence::pack(graph.input(padded), &lengths), start).0.padded())
            .slice(s![.., ..TIME, ..])
            .to_owned()
    };
    let plain = run(&[0, 1, 2, 3], 0);
    assert_eq!(plain, run(&[0, 1, 2, 3], 3));
    assert_eq!(plain.select(Axis(0), &[2, 0, 3, 1]), run(&[2, 0, 3, 1], 1));
    assert_eq!(plain.select(Axis(0), &[1, 2]), run(&[1, 2], 0)); // a shard
    // And it is drawn at all.
    let graph = Graph::new(&params);
    let calm =
        value(unroll(&cell, &Sequence::pack(graph.input(&xs), &lengths), cell.initial_state(&graph, 4)).0.padded());
    assert_ne!(calm.into_dimensionality::<ndarray::Ix3>().unwrap(), plain);
}

#[test]
fn draws_are_the_example_s_own() {
    let lstm = |params: &mut Params| Lstm::new(params.scope("cell"), 3, 8);
    draws_belong_to_the_example(|params| VariationalDropout::new(lstm(params), 0.4, 0.4));
    draws_belong_to_the_example(|params| Zoneout::new(lstm(params), &[0.3, 0.3]));
    draws_belong_to_the_example(|params| InitialState::random(lstm(params), 0.5));
    draws_belong_to_the_example(|params| {
        Stack::new([lstm(params), Lstm::new(params.scope("above"), 8, 4)]).dropout(0.5)
    });
}

#[test]
fn a_variational_mask_is_held_for_a_sequence() {
    let mut params = Params::seeded(2);
    let cell = VariationalDropout::new(Gru::new(params.scope("rnn"), 3, 16), 0.3, 0.5);
    let graph = Graph::new(&params).training(1, 1);
    let xs = graph.input(random(&[3, TIME, 3], 1));
    let ys = value(unroll(&cell, &Sequence::full(xs), cell.initial_state(&graph, 3)).0.padded());
    let dropped = |b: usize, t: usize| ys.slice(s![b, t, ..]).mapv(|y| y == 0.0);
    for b in 0..3 {
        assert!((1..TIME).all(|t| dropped(b, t) == dropped(b, 0)));
        assert!(dropped(b, 0).iter().any(|&d| d) && !dropped(b, 0).iter().all(|&d| d));
    }
    assert_ne!(dropped(0, 0), dropped(1, 0));
    let locked = value(locked_dropout(&Sequence::full(graph.full([2, TIME, 8], 1.0)), 0.5).padded());
    assert!((1..TIME).all(|t| locked.index_axis(Axis(1), t) == locked.index_axis(Axis(1), 0)));
}

#[test]
fn zoneout_keeps_or_writes_and_is_the_mean_in_evaluation() {
    let mut params = Params::seeded(2);
    let (plain, rate) = (Rnn::new(params.scope("rnn"), 3, 64), 0.25);
    let cell = Zoneout::new(plain.clone(), &[rate]);
    let (x, h) = (random(&[40, 3], 1), random(&[40, 64], 2));
    let graph = Graph::new(&params).training(1, 1);
    let (y, next) = cell.step(graph.input(&x), graph.input(&h));
    assert!(y.same_node(next));
    let (_, written) = plain.step(graph.input(&x), graph.input(&h));
    let (next, written) = (value(next), value(written));
    let kept = next.iter().zip(&h).filter(|(next, old)| next == old).count();
    assert!(next.iter().zip(&h).zip(&written).all(|((next, old), new)| next == old || next == new));
    let share = kept as f64 / next.len() as f64;
    assert!((share - rate).abs() < 0.05, "{share}");
    let graph = Graph::new(&params);
    let mean = value(cell.step(graph.input(&x), graph.input(&h)).1);
    assert!(
        mean.iter().zip(&h).zip(&written).all(|((m, old), new)| (m - rate * old - (1.0 - rate) * new).abs() < 1e-6)
    );
}

#[test]
fn a_learned_initial_state_has_its_gradient() {
    let mut params = Params::seeded(2);
    let cell = Lstm::new(params.scope("rnn"), 3, 4);
    let cell = InitialState::learned(params.scope("start"), cell);
    assert_eq!(params.len(), 6);
    let xs = params.scope("data").add("xs", [2, TIME, 3], init::uniform(1.0));
    let params = params.to_f64();
    fn model<'g>(graph: &'g Graph<'g>, cell: &InitialState<Lstm>, xs: unspool_graph::Param) -> Var<'g> {
        unroll(cell, &Sequence::pack(graph.param(xs), &[TIME, 2]), cell.initial_state(graph, 2)).0.padded()
    }
    check::parameters(&params, |graph| model(graph, &cell, xs)).unwrap();
    check::adjoint(&params, |graph| model(graph, &cell, xs)).unwrap();
}

#[test]
fn the_forget_gate_s_bias_is_the_sum_of_both() {
    let mut params = Params::seeded(2);
    let config = LstmConfig { forget_bias: Some(50.0), ..LstmConfig::default() };
    let cell = Lstm::with_config(params.scope("rnn"), 3, 4, config);
    let graph = Graph::new(&params);
    let state = unspool_nn::LstmState { h: graph.zeros([1, 4]), c: graph.full([1, 4], 3.0) };
    let (_, next) = cell.step(graph.zeros([1, 3]), state);
    assert!(value(next.c).iter().all(|&c| (c - 3.0).abs() < 1.0)); // f = 1: what was there is still there
    // Without biases there is none to set.
    Lstm::with_config(params.scope("plain"), 3, 4, LstmConfig { bias: false, ..config });
    assert!(params.find("plain.bias_ih_l0").is_none());
}

#[test]
fn identity_and_orthogonal_recurrent_weights() {
    let mut params = Params::seeded(2);
    let _ = Rnn::with_config(
        params.scope("identity"),
        3,
        4,
        RnnConfig { nonlinearity: Nonlinearity::Relu, recurrent_init: RecurrentInit::Identity, ..RnnConfig::default() },
    );
    let _ = Rnn::with_config(
        params.scope("orthogonal"),
        3,
        4,
        RnnConfig { recurrent_init: RecurrentInit::Orthogonal, ..RnnConfig::default() },
    );
    let get = |name: &str| params.value(params.find(name).unwrap()).unwrap().to_f64();
    let square = |name: &str| get(name).into_dimensionality::<ndarray::Ix2>().unwrap();
    assert_eq!(square("identity.weight_hh_l0"), ndarray::Array2::<f64>::eye(4));
    assert!(get("identity.bias_hh_l0").iter().all(|&b| b == 0.0));
    let w = square("orthogonal.weight_hh_l0");
    assert!((w.dot(&w.t()) - ndarray::Array2::<f64>::eye(4)).iter().all(|x| x.abs() < 1e-6));
}

// Truncated back-propagation.

/// Gradients of Σ ys² over all windows, parameters not changing, and all outputs.
fn truncated(params: &Params, cell: &Lstm, xs: &ArrayD<f64>, k1: usize, k2: usize) -> (Vec<ArrayD<f64>>, Vec<f64>) {
    let (mut carried, mut sum, mut outputs) = (TruncatedBptt::default(), None, vec![]);
    for window in windows(xs.shape()[1], k1, k2) {
        let graph = Graph::new(params);
        let part = graph.input(xs.slice_axis(Axis(1), window.steps.clone().into()).to_owned());
        let ys = carried.unroll(cell, &Sequence::full(part), &window).unwrap().padded();
        assert_eq!(ys.shape().unwrap()[1], window.new.len());
        outputs.extend(value(ys.transpose(0, 1)));
        let gradients = ys.powi(2).sum_all().backward().unwrap();
        let gradients: Vec<_> = params.iter().map(|p| gradients.of(p).unwrap().to_f64()).collect();
        sum = Some(match sum {
            None => gradients,
            Some(sum) => gradients.iter().zip::<Vec<ArrayD<f64>>>(sum).map(|(a, b)| a + b).collect(),
        });
    }
    (sum.unwrap(), outputs)
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(48))]

    #[test]
    fn windows_bring_every_step_once(time in 0..40usize, k1 in 1..12usize, more in 0..30usize) {
        let (k2, mut done) = (k1 + more, 0);
        for window in windows(time, k1, k2) {
            prop_assert_eq!(window.new.start, done);
            prop_assert_eq!(window.new.end, window.steps.end);
            prop_assert!(window.new.len() == k1 || window.new.end == time);
            prop_assert!(!window.new.is_empty());
            // It looks back as far as it may.
            prop_assert_eq!(window.steps.len(), k2.min(window.steps.end));
            done = window.new.end;
        }
        prop_assert_eq!(done, time);
    }

    /// Where a window covers all, nothing is truncated: the same gradient as that of the whole recording, in one window
    /// or in several.
    #[test]
    fn a_window_over_all_is_full_back_propagation(time in 1..12usize, k1 in 1..12usize, seed in 0..100u64) {
        let mut params = Params::seeded(seed);
        let cell = Lstm::new(params.scope("rnn"), 2, 3);
        let params = params.to_f64();
        let xs = random(&[2, time, 2], seed);
        let graph = Graph::new(&params);
        let (ys, _) = unroll(&cell, &Sequence::full(graph.input(&xs)), cell.initial_state(&graph, 2));
        let ys = ys.padded();
        let full = ys.powi(2).sum_all().backward().unwrap();
        let full: Vec<_> = params.iter().map(|p| full.of(p).unwrap().to_f64()).collect();
        let outputs: Vec<f64> = value(ys.transpose(0, 1)).into_iter().collect();
        for (k1, k2) in [(time, time), (k1, time.max(k1))] {
            let (gradients, got) = truncated(&params, &cell, &xs, k1, k2);
            prop_assert_eq!(&outputs, &got);
            for (a, b) in full.iter().zip(&gradients) {
                prop_assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-12 * a.abs().max(1.0)));
            }
        }
        // A shorter look back is another gradient, though the same outputs.
        if time > 2 {
            let (gradients, got) = truncated(&params, &cell, &xs, 1, 1);
            prop_assert_eq!(&outputs, &got);
            prop_assert!(full.iter().zip(&gradients).any(|(a, b)| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-9)));
        }
    }
}

#[test]
fn a_window_of_another_length_is_an_error() {
    let mut params = Params::seeded(1);
    let cell = Lstm::new(params.scope("rnn"), 2, 3);
    let graph = Graph::new(&params);
    let window = windows(10, 4, 4).next().unwrap();
    let error = TruncatedBptt::default()
        .unroll(&cell, &Sequence::full(graph.zeros([1, 5, 2])), &window)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("window: inputs of lengths [5] were given for a window of 4 steps")
            && error.contains("wrappers.rs"),
        "{error}"
    );
}

#[test]
fn a_window_at_step_0_begins_new_streams_and_one_out_of_order_is_an_error() {
    let mut params = Params::seeded(1);
    let cell = Lstm::new(params.scope("rnn"), 2, 3);
    let xs = random(&[2, 11, 2], 5);
    let run = |carried: &mut TruncatedBptt, window: &unspool_nn::TruncatedWindow| {
        let graph = Graph::new(&params);
        let part = graph.input(xs.slice_axis(Axis(1), window.steps.clone().into()).to_owned());
        carried
            .unroll(&cell, &Sequence::full(part), window)
            .map(|ys| value(ys.padded()))
            .map_err(|error| error.to_string())
    };
    for (k1, k2) in [(3, 3), (2, 5)] {
        let all: Vec<_> = windows(11, k1, k2).collect();
        let mut carried = TruncatedBptt::default();
        let epoch =
            |carried: &mut TruncatedBptt| all.iter().map(|window| run(carried, window).unwrap()).collect::<Vec<_>>();
        let first = epoch(&mut carried);
        // The states that are carried are those of the whole stream.
        let graph = Graph::new(&params);
        let whole = value(unroll(&cell, &Sequence::full(graph.input(&xs)), cell.initial_state(&graph, 2)).0.padded());
        for (window, ys) in all.iter().zip(&first) {
            let expected = whole.slice_axis(Axis(1), window.new.clone().into());
            assert!(ys.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-6), "{window:?}");
        }
        assert_eq!(first, epoch(&mut carried), "the second epoch begins in the state where the first one ended");
        // Half an epoch, and then a new one.
        run(&mut carried, &all[0]).unwrap();
        run(&mut carried, &all[1]).unwrap();
        assert_eq!(first, all.iter().map(|window| run(&mut carried, window).unwrap()).collect::<Vec<_>>());
        // Out of order: again, left out, and without a beginning.
        run(&mut carried, &all[0]).unwrap();
        let second = run(&mut carried, &all[1]).unwrap();
        for (carried, wrong) in [(&mut carried, &all[1]), (&mut TruncatedBptt::default(), &all[1])] {
            assert!(run(carried, wrong).unwrap_err().contains("out of order"));
        }
        assert!(run(&mut carried, &all[3]).unwrap_err().contains("out of order"));
        // What was carried is as it was.
        assert_eq!((run(&mut carried, &all[2]).unwrap(), second), (first[2].clone(), first[1].clone()));
    }
}

#[test]
fn after_a_reset_a_window_from_the_middle_begins_new_streams_and_its_new_steps_lie_within_it() {
    let mut params = Params::seeded(1);
    let cell = Lstm::new(params.scope("rnn"), 2, 3);
    let xs = random(&[2, 4, 2], 6);
    let graph = Graph::new(&params);
    let from_zero = value(unroll(&cell, &Sequence::full(graph.input(&xs)), cell.initial_state(&graph, 2)).0.padded());
    let all: Vec<_> = windows(12, 4, 4).collect();
    let run = |carried: &mut TruncatedBptt, window: &unspool_nn::TruncatedWindow| {
        let graph = Graph::new(&params);
        let found = carried.unroll(&cell, &Sequence::full(graph.input(&xs)), window);
        found.map(|ys| value(ys.padded())).map_err(|error| error.to_string())
    };
    let mut carried = TruncatedBptt::default();
    assert_eq!(run(&mut carried, &all[0]).unwrap(), from_zero);
    assert_ne!(run(&mut carried, &all[1]).unwrap(), from_zero);
    carried.reset();
    assert_eq!(run(&mut carried, &all[1]).unwrap(), from_zero);
    carried.reset();
    let mut outside = all[1].clone();
    outside.new = 9..10;
    assert!(run(&mut carried, &outside).unwrap_err().contains("not within the steps 4..8"));
}

#[test]
fn zoneout_records_nothing_for_what_it_never_keeps_back() {
    let mut params = Params::seeded(1);
    let gru = Gru::new(params.scope("gru"), 2, 3);
    let nodes = |cell: &dyn for<'g> Fn(Var<'g>, Var<'g>) -> Var<'g>| {
        let graph = Graph::new(&params).training(1, 1);
        let _ = cell(graph.zeros([2, 2]), graph.zeros([2, 3]));
        graph.len()
    };
    let (never, sometimes) = (Zoneout::new(gru.clone(), &[0.0]), Zoneout::new(gru.clone(), &[0.5]));
    let plain = nodes(&|x, h| gru.step(x, h).1);
    assert_eq!(nodes(&|x, h| never.step(x, h).1), plain);
    assert!(nodes(&|x, h| sometimes.step(x, h).1) > plain);
}

#[test]
fn rates_of_zoneout_are_checked_in_training_and_in_evaluation() {
    let mut params = Params::seeded(1);
    let gru = Gru::new(params.scope("gru"), 2, 3);
    let lstm = Lstm::new(params.scope("lstm"), 2, 3);
    for rate in [2.0, -0.1, f64::NAN, 1.0] {
        for graph in [Graph::new(&params), Graph::new(&params).training(1, 1)] {
            let cell = Zoneout::new(gru.clone(), &[rate]);
            let (ys, _) =
                unroll(&cell, &Sequence::pack(graph.zeros([2, 3, 2]), &[3, 1]), cell.initial_state(&graph, 2));
            let error = ys.rows().value().unwrap_err().to_string();
            assert!(error.contains(&format!("zoneout: the probability {rate} is not in [0, 1)")), "{error}");
        }
    }
    for rates in [&[0.1, 0.2, 0.3][..], &[]] {
        let graph = Graph::new(&params);
        let cell = Zoneout::new(gru.clone(), rates);
        let error = cell.initial_state(&graph, 2).value().unwrap_err().to_string();
        assert!(error.contains(&format!("{} probabilities for 1 leaf of the state", rates.len())), "{error}");
        let graph = Graph::new(&params);
        let (x, h) = (graph.zeros([2, 2]), graph.zeros([2, 3]));
        assert!(cell.step(x, h).1.value().is_err(), "a step by hand");
        let graph = Graph::new(&params);
        let cell = Zoneout::new(lstm.clone(), rates);
        assert!(leaves(&cell.initial_state(&graph, 2))[0].value().is_err());
    }
}

// Sequences out of one input.

#[test]
fn what_is_fed_back_is_what_a_loop_by_hand_gives() {
    let mut params = Params::seeded(1);
    let (cell, readout) = (Gru::new(params.scope("rnn"), 3, 5), Linear::new(params.scope("readout"), 5, 3));
    let graph = Graph::new(&params);
    let first = graph.input(random(&[2, 3], 1));
    let (ys, last) = feed_back(&cell, first, 4, cell.initial_state(&graph, 2), |h| Ok((h, readout.apply(h))));
    let ys = ys.padded();
    let (mut x, mut h) = (first, cell.initial_state(&graph, 2));
    for t in 0..4 {
        (_, h) = cell.step(x, h);
        x = readout.apply(h);
        assert_eq!(value(ys).index_axis(Axis(1), t), value(h));
    }
    assert_eq!(value(last), value(h));
    // The gradient goes through what was fed back.
    let gradients = ys.index(1, 3).sum_all().backward().unwrap();
    assert!(gradients.of(readout.weight).unwrap().to_f64().iter().any(|&g| g != 0.0));

    let graph = Graph::new(&params);
    let first = graph.zeros([2, 3]);
    let stop = unspool_graph::Error::Foreign { what: "a test" };
    let (ys, _) = feed_back(&cell, first, 4, cell.initial_state(&graph, 2), |_| Err(stop.clone()));
    let ys = ys.padded();
    assert!(ys.value().is_err());
    let graph = Graph::new(&params);
    let (ys, _) = feed_back(&cell, graph.zeros([2, 3]), 0, cell.initial_state(&graph, 2), |h| Ok((h, h)));
    let ys = ys.padded();
    assert!(ys.value().is_err()); // no step at all
    let graph = Graph::new(&params);
    for xs in [zero_filled(graph.zeros([2, 3]), 5), repeated(graph.zeros([2, 3]), 5)] {
        assert_eq!(*xs.padded().shape().unwrap(), [2, 5, 3]);
    }
}
