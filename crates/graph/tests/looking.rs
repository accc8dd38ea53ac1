//! Looking into a recording: its topology, its profile, gradients through time, saturated gates, and what was cut or
//! went wrong.

use ndarray::Array2;
use unspool_graph::{Gradients, Graph, Param, Params, RngKey, Var, init, petgraph::visit::EdgeRef};

/// A plain recurrent cell written by hand, and its readout.
struct Model {
    params: Params,
    w_xh: Param,
    w_hh: Param,
    readout: Param,
}

impl Model {
    fn new() -> Model {
        let mut params = Params::seeded(4).to_f64();
        let mut rnn = params.scope("rnn");
        let (w_xh, w_hh) =
            (rnn.add("w_xh", [3, 4], init::uniform(0.5)), rnn.add("w_hh", [4, 4], init::orthogonal(0.8)));
        let readout = params.scope("readout").add("w", [4, 2], init::uniform(0.5));
        Model { params, w_xh, w_hh, readout }
    }

    /// The states after each step, and the loss.
    fn run<'g>(&self, graph: &'g Graph<'g>, steps: usize, watch: bool) -> (Vec<Var<'g>>, Var<'g>) {
        let (mut h, mut states) = (graph.zeros([2, 4]), vec![]);
        {
            let _scope = graph.scope("rnn");
            for t in 0..steps {
                let _step = graph.at_step(t);
                let x = graph
                    .input(Array2::from_shape_fn((2, 3), |(i, j)| RngKey::seed(t as u64).normal((i * 3 + j) as u64)));
                h = (x.matmul(self.w_xh) + h.matmul(self.w_hh)).tanh();
                h = if watch { h.watch() } else { h };
                graph.carry(&[h]);
                states.push(h);
            }
        }
        let _scope = graph.scope("readout");
        (states, (h.matmul(self.readout) * h.matmul(self.readout)).sum_all())
    }
}

#[test]
fn the_order_of_the_tape_is_a_topological_order_and_edges_say_their_position() {
    let model = Model::new();
    let graph = Graph::new(&model.params);
    let (states, loss) = model.run(&graph, 3, false);
    let topology = graph.topology();
    assert_eq!(topology.node_count(), graph.len());
    for edge in topology.edge_references() {
        assert!(edge.source() < edge.target(), "{edge:?}");
    }
    let sum = topology.edges_directed(states[2].vertex(), unspool_graph::petgraph::Incoming).next().unwrap().source();
    let mut operands: Vec<_> =
        topology.edges_directed(sum, unspool_graph::petgraph::Incoming).map(|e| (*e.weight(), e.source())).collect();
    operands.sort();
    let operation = |place: usize| topology[operands[place].1].operation;
    assert_eq!((topology[sum].operation, operands.len(), operation(0), operation(1)), ("add", 2, "matmul", "matmul"));
    let state = &topology[states[2].vertex()];
    assert_eq!((state.operation, &*state.shape, state.place.scope.as_str()), ("tanh", &[2, 4][..], "rnn"));
    assert_eq!((state.place.step, state.place.line.file()), (Some(2), file!()));
    assert!(state.wants_gradient && state.param.is_none());
    let names: Vec<_> = topology.node_weights().filter_map(|v| v.param.as_deref()).collect();
    assert_eq!(names, ["rnn.w_xh", "rnn.w_hh", "readout.w"], "a parameter used at every step is one node");
    assert!(topology.node_weights().filter(|v| v.operation == "input").all(|v| !v.wants_gradient));
    assert!(loss.vertex().index() + 1 == topology.node_count());
}

#[test]
fn traced_norms_are_those_of_watched_states_and_tracing_changes_no_bit() {
    let model = Model::new();
    let (plain, traced, watched) =
        (Graph::new(&model.params), Graph::new(&model.params).record_grad_norms(), Graph::new(&model.params));
    let of = |graph: &Graph<'_>| graph.len();
    let without = model.run(&plain, 6, false).1.backward().unwrap();
    let (_, loss) = model.run(&traced, 6, false);
    let gradients = loss.backward().unwrap();
    assert_eq!(of(&plain), of(&traced));
    assert!(without.through_time().is_empty());
    for p in model.params.iter() {
        assert_eq!(without.of(p), gradients.of(p));
    }
    let (states, loss) = model.run(&watched, 6, true);
    let by_watching = loss.backward().unwrap();
    let [series] = gradients.through_time() else { panic!("{:?}", gradients.through_time()) };
    assert_eq!((series.scope.as_str(), series.leaf, series.norms.len()), ("rnn", 0, 6));
    for (t, (&(step, norm), state)) in series.norms.iter().zip(states).enumerate() {
        let expected = by_watching.of(state).unwrap().to_f64().iter().map(|g| g * g).sum::<f64>().sqrt();
        assert!(step == t && (norm - expected).abs() <= 1e-12 * expected, "step {t}: {norm} for {expected}");
    }
}

#[test]
fn a_state_the_loss_does_not_see_has_norm_zero_and_each_run_its_own_series() {
    let model = Model::new();
    let graph = Graph::new(&model.params).record_grad_norms();
    let (states, _) = model.run(&graph, 5, false);
    let gradients = (states[2] * states[2]).sum_all().backward().unwrap();
    let norms: Vec<bool> = gradients.through_time()[0].norms.iter().map(|&(_, norm)| norm > 0.0).collect();
    assert_eq!(norms, [true, true, true, false, false]);
    let graph = Graph::new(&model.params).record_grad_norms();
    let (_, first) = model.run(&graph, 2, false);
    let (_, second) = model.run(&graph, 3, false);
    let gradients = (first + second).backward().unwrap();
    let lengths: Vec<usize> = gradients.through_time().iter().map(|series| series.norms.len()).collect();
    assert_eq!(lengths, [2, 3]);
}

#[test]
fn the_norm_of_a_part_is_that_of_its_elements_alone() {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params).record_grad_norms();
    let both = graph.full([2, 3], 1.0).watch() * 1.0;
    let (a, b) = (both.index(0, 0), both.index(0, 1));
    let gradients = (a * 3.0 + b * 4.0).sum_all().backward().unwrap();
    let norm = |v| gradients.norm_at(v).unwrap();
    let root3 = 3f64.sqrt();
    assert!((norm(a) - 3.0 * root3).abs() < 1e-12 && (norm(b) - 4.0 * root3).abs() < 1e-12);
    assert!((norm(both) - 5.0 * root3).abs() < 1e-12);
}

#[test]
fn saturated_gates_are_counted_by_step_and_line() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let _scope = graph.scope("cell");
    for (t, scale) in [0.1, 1.0, 10.0].into_iter().enumerate() {
        let _step = graph.at_step(t);
        let x = graph.input(vec![-2.0f32, -1.0, 1.0, 2.0]) * scale;
        let _ = (x.tanh(), x.sigmoid());
    }
    // tanh 2 = 0.964, σ(2) = 0.881, which is 0.762 of the way.
    let found: Vec<_> = graph.saturation(0.9).iter().map(|s| (s.gate, s.at.step.unwrap(), s.share())).collect();
    let expected = [0.0, 0.0, 0.5, 0.0, 1.0, 1.0];
    let expected: Vec<_> = (0..6).map(|i| (["tanh", "sigmoid"][i % 2], i / 2, expected[i])).collect();
    assert_eq!(found, expected);
    assert_eq!(graph.saturation(0.9)[0].at.scope, "cell");
    assert_eq!(graph.saturation(0.7)[3].share(), 0.5);
}

#[test]
fn a_profile_counts_calls_and_bytes_and_times_only_where_asked() {
    let model = Model::new();
    let graph = Graph::new(&model.params).record_profile();
    model.run(&graph, 7, false).1.backward().unwrap();
    let profile = graph.profile();
    let row = |table: unspool_graph::ProfileTable, name: &str| table.rows.iter().find(|(n, _)| n == name).unwrap().1;
    let tanh = row(profile.by_operation(), "tanh");
    assert_eq!((tanh.calls, tanh.bytes), (7, 7 * 2 * 4 * 8));
    assert!(tanh.forward.as_nanos() > 0 && tanh.backward.as_nanos() > 0);
    assert_eq!(row(profile.by_operation(), "param").bytes, 0);
    let times: Vec<_> = profile.by_operation().rows.iter().map(|(_, cost)| cost.time()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    let scopes: Vec<_> = profile.by_scope().rows.into_iter().map(|(name, _)| name).collect();
    assert!(scopes.contains(&"rnn".to_string()) && scopes.contains(&"readout".to_string()));
    assert!(profile.by_line().rows.iter().any(|(name, _)| name.starts_with(file!())));
    assert_eq!(profile.by_line().rows.iter().map(|(_, c)| c.calls).sum::<usize>(), profile.total().calls);
    let mut twice = profile.clone();
    twice.add(profile.clone());
    assert_eq!(twice.total().calls, 2 * profile.total().calls);
    assert!(profile.by_scope().to_string().contains("bytes kept"));

    let plain = Graph::new(&model.params);
    model.run(&plain, 7, false).1.backward().unwrap();
    assert!(plain.profile().total().time().is_zero());
    assert_eq!(row(plain.profile().by_operation(), "tanh").bytes, tanh.bytes);
}

#[test]
fn a_mask_of_infinities_is_no_finding_and_what_becomes_of_it_is() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(f64::INFINITY));
    let graph = Graph::new(&params).detect_anomaly();
    let mask = graph.input(vec![0.0f32, f32::NEG_INFINITY]);
    let weights = (graph.full([2], 1.0).watch() + mask).softmax();
    assert!(weights.sum_all().backward().is_ok());
    let (bad, line) = (mask + graph.input(vec![0.0f32, f32::INFINITY]), line!());
    let error = bad.value().unwrap_err().to_string();
    assert!(error.contains("the value of add is not finite: 1 of 2") && error.contains(&line.to_string()), "{error}");
    assert!(error.contains("input 0 1 of 2 not finite"), "{error}");
    // A parameter's infinity is a finding.
    let graph = Graph::new(&params).detect_anomaly();
    assert!((graph.param(w) * 1.0).value().is_err());
}

#[test]
fn hunting_names_scope_and_time_step_in_forward_and_backward() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [1], init::constant(1.0));
    let graph = Graph::new(&params).detect_anomaly();
    let _scope = graph.scope("cell");
    let mut h = graph.param(w) * 1.0;
    for t in 0..4 {
        let _step = graph.at_step(t);
        h = (h - 0.5).log();
    }
    let error = h.value().unwrap_err().to_string();
    assert!(error.contains("in cell, time step 1") && error.contains("input 0 in -1.193e0..-1.193e0"), "{error}");

    let graph = Graph::new(&params).detect_anomaly();
    let _scope = graph.scope("cell");
    let mut h = graph.param(w) * 1.0;
    for t in 0..4 {
        let _step = graph.at_step(t);
        h = if t == 2 { (h - 1.0).sqrt() } else { h * 1.0 };
    }
    let error = h.sum_all().backward().unwrap_err().to_string();
    assert!(error.starts_with("the gradient that sqrt gives") && error.contains("in cell, time step 2"), "{error}");
}

#[test]
fn a_detached_value_is_named_where_a_parameter_got_nothing_and_only_there() {
    let mut params = Params::seeded(0);
    let mut m = params.scope("m");
    let (w, u) = (m.add("w", [2], init::constant(1.0)), m.add("u", [2], init::constant(1.0)));
    let graph = Graph::new(&params);
    let h = graph.param(w) * 2.0;
    let (carried, line) = (h.to_tensor().unwrap(), line!());
    let loss = (graph.input(&carried) * u).sum_all();
    let report = loss.backward().unwrap().report();
    assert_eq!(
        (report.missing.clone(), report.exits.clone()),
        (vec!["m.w".into()], vec![format!("detach at {}:{line}", file!())])
    );
    let error = report.strict().unwrap_err().to_string();
    assert!(
        error.contains("no gradient: m.w") && error.contains(&format!("exit: detach at {}:{line}", file!())),
        "{error}"
    );

    // Detached to be carried on, as truncated back-propagation does: every parameter has its gradient, so nothing is
    // said.
    let graph = Graph::new(&params);
    let h = graph.param(w) * u;
    let loss = h.sum_all();
    let _ = h.to_tensor().unwrap();
    assert!(loss.backward().unwrap().report().is_clean());
}

#[test]
fn what_took_the_numbers_out_is_named_where_a_parameter_got_nothing() {
    let mut params = Params::seeded(0);
    let mut m = params.scope("m");
    let (w, u) = (m.add("w", [2, 2], init::uniform(1.0)), m.add("u", [2], init::constant(1.0)));
    type Take = for<'g> fn(Var<'g>) -> f64;
    let take: [(&str, u32, Take); 5] = [
        ("argmax", line!(), |h| h.argmax().unwrap()[0].into()),
        ("top_k", line!(), |h| h.top_k(1).unwrap()[0][0].1),
        ("value", line!(), |h| h.value().unwrap().shape()[0] as f64),
        ("to_f64", line!(), |h| h.to_f64().unwrap()[[0, 1]]),
        ("item", line!(), |h| h.sum_all().item().unwrap()),
    ];
    for (name, line, take) in take {
        for inside in [false, true] {
            let graph = Graph::new(&params);
            let x = [graph.full([1, 2], 0.5)];
            let loss = if inside {
                graph.recompute(move |graph, x| graph.full([2], take(x[0].matmul(w))) * u, &x)
            } else {
                graph.full([2], take(x[0].matmul(w))) * u
            };
            let report = loss.sum_all().backward().unwrap().report();
            assert_eq!(report.missing, ["m.w"], "{name}");
            assert_eq!(report.exits, [format!("{name} at {}:{line}", file!())], "inside of a segment: {inside}");
        }
    }
}

#[test]
fn one_call_makes_a_cut_and_a_non_finite_gradient_errors_and_passes_what_is_right() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(0.0));
    let strict = |loss: fn(Var<'_>) -> Var<'_>| {
        let graph = Graph::new(&params);
        loss(graph.param(w)).sum_all().backward().unwrap().report().strict()
    };
    strict(|w| w + 1.0).unwrap();
    let cut = strict(|w| w.detach()).unwrap_err().to_string();
    assert!(cut.contains("no gradient: m.w\nexit: detach at"), "{cut}");
    // A mask, or a value that is cut off on purpose, takes nothing from a parameter that gets its gradient by another
    // path.
    strict(|w| w * 2.0 + w.detach()).unwrap();
    strict(|w| w.gt(0.5).where_(w * 2.0, w)).unwrap();
    let infinite = strict(|w| w.sqrt()).unwrap_err().to_string();
    assert!(infinite.contains("not finite: m.w"), "{infinite}");
    let zero = strict(|w| w * 0.0).unwrap_err().to_string();
    assert!(zero.contains("all zero: m.w"), "{zero}");
}

#[test]
fn gradients_whose_norm_is_not_finite_cannot_be_clipped() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(0.0));
    let graph = Graph::new(&params);
    let mut bad = graph.param(w).sqrt().sum_all().backward().unwrap();
    assert!(matches!(bad.clip_norm(1.0), Err(unspool_graph::Error::NormNotFinite { .. })));
    let mut good = (graph.param(w) + 1.0).sum_all().backward().unwrap();
    let norm = good.norm();
    for limit in [-1.0, f64::NAN, f64::NEG_INFINITY] {
        assert!(matches!(good.clip_norm(limit), Err(unspool_graph::Error::Limit { what: "clip_norm", .. })), "{limit}");
        assert!(
            matches!(good.clip_value(limit), Err(unspool_graph::Error::Limit { what: "clip_value", .. })),
            "{limit}"
        );
    }
    assert_eq!(good.norm(), norm);
    assert!(good.clip_norm(1.0).is_ok() && good.norm() <= 1.0);
}

#[test]
fn clipping_by_value_hides_nothing_that_is_not_a_number() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [3], init::constant(0.0));
    for params in [params.to_f32(), params.to_f64()] {
        let clipped = |bound: f64| {
            let mut gradients = Gradients::none(&params);
            gradients.set(&params, w, vec![f32::NAN, f32::INFINITY, -2.0]).unwrap();
            gradients.clip_value(bound).unwrap();
            gradients.of(w).unwrap().to_f64().into_raw_vec_and_offset().0
        };
        let by_one = clipped(1.0);
        assert!(by_one[0].is_nan());
        assert_eq!(by_one[1..], [1.0, -1.0]);
        assert_eq!(clipped(f64::INFINITY)[1..], [f64::INFINITY, -2.0]);
    }
}
