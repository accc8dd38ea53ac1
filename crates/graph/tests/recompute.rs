//! A segment that is recomputed has the values, gradients, draws and errors of one that is called.

use ndarray::{ArrayD, IxDyn};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use unspool_graph::{Graph, Param, Params, Tensor, Var, init};

/// h' = tanh(x·W_xh + h·W_hh + b), with dropout on the state in training.
#[derive(Clone, Copy)]
struct Rnn {
    w_xh: Param,
    w_hh: Param,
    bias: Param,
}

const BATCH: usize = 5;
const WIDTH: usize = 7;
const HIDDEN: usize = 12;
const STEPS: usize = 120;

impl Rnn {
    fn new(params: &mut Params) -> Rnn {
        let mut scope = params.scope("rnn");
        Rnn {
            w_xh: scope.add("w_xh", [WIDTH, HIDDEN], init::uniform(0.5)),
            w_hh: scope.add("w_hh", [HIDDEN, HIDDEN], init::orthogonal(1.0)),
            bias: scope.add("bias", [HIDDEN], init::uniform(0.1)),
        }
    }
    /// From inputs `[time, batch, width]` and a state to all states `[time, batch, hidden]`.
    fn run<'g>(&self, graph: &'g Graph<'g>, xs: Var<'g>, mut h: Var<'g>, first: usize) -> Var<'g> {
        let _scope = graph.scope("rnn");
        let time = xs.known_shape().map_or(0, |s| s[0]);
        let mut all = vec![];
        for t in 0..time {
            let _step = graph.at_step(first + t);
            h = (xs.index(0, t).matmul(self.w_xh) + h.matmul(self.w_hh) + self.bias).tanh();
            h = h.dropout(0.2) * h.sigmoid();
            all.push(h);
        }
        graph.stack(&all, 0)
    }
}

/// How the steps are run: called, recomputed, or in segments of segments.
#[derive(Clone, Copy, Debug)]
enum How {
    Called,
    Recomputed,
    Nested,
}

fn segment<'g>(graph: &'g Graph<'g>, rnn: Rnn, how: How, xs: Var<'g>, h: Var<'g>, first: usize) -> Var<'g> {
    match how {
        How::Called => rnn.run(graph, xs, h, first),
        How::Recomputed => graph.recompute(move |graph, x| rnn.run(graph, x[0], x[1], first), &[xs, h]),
        How::Nested => graph.recompute(
            move |graph, x| {
                let (xs, h, time) = (x[0], x[1], x[0].known_shape().map_or(0, |s| s[0]));
                let half = time / 2;
                if half == 0 {
                    return rnn.run(graph, xs, h, first);
                }
                let left = graph.recompute(move |g, x| rnn.run(g, x[0], x[1], first), &[xs.slice(0, 0..half), h]);
                let rest = [xs.slice(0, half..time), left.index(0, half - 1)];
                let right = graph.recompute(move |g, x| rnn.run(g, x[0], x[1], first + half), &rest);
                graph.concat(&[left, right], 0)
            },
            &[xs, h],
        ),
    }
}

/// Loss, and the gradients of the weights, of the inputs and of the first state.
fn gradients(params: &Params, rnn: Rnn, how: How, length: usize) -> (f64, Vec<Tensor>) {
    let graph = Graph::new(params).training(3, 4);
    let xs = ArrayD::from_shape_fn(IxDyn(&[STEPS, BATCH, WIDTH]), |i| ((i[0] * 7 + i[1] * 3 + i[2]) as f32).sin());
    let xs = graph.input(xs).watch();
    let start = graph.full([BATCH, HIDDEN], 0.3).watch();
    let (mut h, mut total) = (start, graph.zeros([]));
    for first in (0..STEPS).step_by(length) {
        let end = STEPS.min(first + length);
        let hs = segment(&graph, rnn, how, xs.slice(0, first..end), h, first);
        h = hs.index(0, end - first - 1);
        total = total + (hs * hs).sum_all() + h.matmul(rnn.w_hh).sum_all();
    }
    let gradients = total.backward().unwrap();
    let all = [rnn.w_xh, rnn.w_hh, rnn.bias].map(|p| gradients.of(p).unwrap());
    let own = [xs, start].map(|v| gradients.of(v).unwrap());
    (total.item().unwrap(), all.into_iter().chain(own).collect())
}

#[test]
fn gradients_and_draws_are_the_same_to_the_bit() {
    let mut params = Params::seeded(5);
    let rnn = Rnn::new(&mut params);
    // 600 rows go through each weight: the gathered blocks of 256 begin and end inside of segments.
    for length in [1, 7, 60, STEPS] {
        let called = gradients(&params, rnn, How::Called, length);
        assert!(called.1.iter().all(|g| g.to_f64().iter().any(|&x| x != 0.0)));
        for how in [How::Recomputed, How::Nested] {
            assert!(called == gradients(&params, rnn, how, length), "{how:?} in segments of {length}");
        }
    }
}

#[test]
fn shards_on_threads_are_the_same_to_the_bit() {
    let mut params = Params::seeded(5);
    let rnn = Rnn::new(&mut params);
    let (params, expected) = (&params, gradients(&params, rnn, How::Called, 11));
    std::thread::scope(|scope| {
        let shards = [(); 3].map(|()| scope.spawn(move || gradients(params, rnn, How::Recomputed, 11)));
        shards.into_iter().for_each(|shard| assert!(shard.join().unwrap() == expected));
    });
}

#[test]
fn what_is_drawn_behind_a_segment_is_what_would_be_drawn_without_it() {
    let params = Params::seeded(0);
    let run = |recomputed: bool| {
        let graph = Graph::new(&params).training(1, 1);
        let x = graph.full([4, 8], 1.0);
        let inside = if recomputed {
            graph.recompute(|_, x| x[0].dropout(0.5).dropout(0.3), &[x])
        } else {
            x.dropout(0.5).dropout(0.3)
        };
        let _scope = graph.scope("later");
        (inside.value().unwrap(), x.dropout(0.5).value().unwrap())
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn an_error_inside_names_its_line_scope_and_step() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let _encoder = graph.scope("encoder");
    let _step = graph.at_step(3);
    let line = line!() + 1;
    let wrong = graph.recompute(|graph, x| x[0].matmul(graph.zeros([5, 5])), &[graph.zeros([2, 3])]);
    let error = wrong.value().unwrap_err().to_string();
    assert!(error.starts_with("matmul: [2, 3] × [5, 5] do not fit: 3 ≠ 5"), "{error}");
    assert!(error.ends_with(&format!("(at {}:{line}, in encoder, time step 3)", file!())), "{error}");
}

#[test]
fn a_cut_and_a_value_that_is_not_finite_are_found_inside() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::zeros());
    let graph = Graph::new(&params);
    let line = line!() + 1;
    let y = graph.recompute(move |graph, x| graph.param(w).detach() * x[0], &[graph.full([2], 2.0)]);
    assert_eq!(y.sum_all().backward().unwrap().report().exits, [format!("detach at {}:{line}", file!())]);

    let graph = Graph::new(&params).detect_anomaly();
    let line = line!() + 1;
    let y = graph.recompute(move |graph, _| graph.param(w).log(), &[]);
    let error = y.value().unwrap_err().to_string();
    assert!(error.starts_with("the value of log is not finite") && error.contains(&format!(":{line}")), "{error}");

    let graph = Graph::new(&params).detect_anomaly();
    let line = line!() + 1;
    let y = graph.recompute(move |graph, _| graph.param(w).sqrt(), &[]);
    let error = y.sum_all().backward().unwrap_err().to_string();
    assert!(error.starts_with("the gradient that sqrt gives") && error.contains(&format!(":{line}")), "{error}");
}

#[test]
fn inputs_that_overlap_and_parameters_as_inputs_get_all_their_gradients() {
    let mut params = Params::seeded(2).to_f64();
    let w = params.scope("m").add("w", [4, 3], init::uniform(1.0));
    let run = |recomputed: bool| {
        let graph = Graph::new(&params);
        let x = graph.input(ArrayD::<f64>::from_elem(IxDyn(&[4, 3]), 0.7)).watch();
        let inputs =
            [x, x.slice(0, 1..3), x.reshape([12]), graph.param(w), graph.param(w).slice(0, 0..2), x, x.slice(0, 2..4)];
        let y = if recomputed { graph.recompute(move |_, v| mixed(v, w), &inputs) } else { mixed(&inputs, w) };
        let gradients = (y * y).sum_all().backward().unwrap();
        [gradients.of(x).unwrap().to_f64(), gradients.of(w).unwrap().to_f64()]
    };
    for (called, recomputed) in run(false).into_iter().zip(run(true)) {
        assert!((called - recomputed).iter().all(|d| d.abs() < 1e-12));
    }
}

fn mixed<'g>(v: &[Var<'g>], w: Param) -> Var<'g> {
    let wide = v[0] * v[2].reshape([4, 3]) + v[3] * v[5] * w;
    wide.sum(&[0]) + (v[1] * v[4]).sum(&[0]) + (v[6] * v[1]).tanh().sum(&[0])
}

#[test]
fn a_segment_that_hands_on_its_input_or_a_parameter_works() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(3.0));
    let graph = Graph::new(&params);
    let x = graph.full([2], 2.0).watch();
    let y = graph.recompute(|_, x| x[0], &[x]) * graph.recompute(move |graph, _| graph.param(w), &[]);
    let gradients = (y + x).sum_all().backward().unwrap();
    assert_eq!(gradients.of(x).unwrap(), vec![4.0f32, 4.0].into());
    assert_eq!(gradients.of(w).unwrap(), vec![2.0f32, 2.0].into());
}

#[test]
fn a_segment_that_is_no_function_of_its_inputs_is_an_error() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2, 2], init::constant(3.0));
    let (graph, runs) = (Graph::new(&params), Arc::new(AtomicUsize::new(1)));
    let line = line!() + 1;
    let y = graph.recompute(move |graph, _| graph.param(w).slice(0, 0..runs.fetch_add(1, Ordering::Relaxed)), &[]);
    let error = y.sum_all().backward().unwrap_err().to_string();
    assert!(error.contains("the segment gave [1, 2] at first and [2, 2] when run again"), "{error}");
    assert!(error.contains(&format!(":{line}")), "{error}");
}

#[test]
fn nothing_is_differentiated_that_was_not_kept() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(3.0));
    let graph = Graph::inference(&params);
    let y = (graph.recompute(move |graph, _| graph.param(w) * 2.0, &[]) * w).sum_all();
    assert_eq!(y.item().unwrap(), 36.0);
    for error in [y.backward().unwrap_err(), graph.jvp(y, &[(w, vec![1.0f32, 1.0].into())]).unwrap_err()] {
        assert!(error.to_string().contains("was made by `Graph::inference` and keeps nothing"), "{error}");
    }
    assert!(graph.check().is_ok());
}

/// Forward mode runs the segment once more: with respect to parameters that are used inside, and to inputs.
#[test]
fn tangents_pass_through_a_segment_as_through_a_call() {
    let mut params = Params::seeded(5);
    let rnn = Rnn::new(&mut params);
    let params = params.to_f64();
    let tangent = |shape: &[usize]| ArrayD::from_shape_fn(IxDyn(shape), |i| (i[0] as f64 - 1.3 * i[1] as f64).cos());
    let run = |how: How| {
        let graph = Graph::new(&params).training(3, 4);
        let xs = graph.input(ArrayD::from_shape_fn(IxDyn(&[4, BATCH, WIDTH]), |i| (i[0] * 7 + i[2]) as f64 / 20.0));
        let start = graph.full([BATCH, HIDDEN], 0.3);
        let y = segment(&graph, rnn, how, xs, start, 0);
        let w_hh = (graph.param(rnn.w_hh), tangent(&[HIDDEN, HIDDEN]).into());
        let w_xh = (graph.param(rnn.w_xh), tangent(&[WIDTH, HIDDEN]).into());
        let state = (start, tangent(&[BATCH, HIDDEN]).into());
        let moved = [vec![w_hh.clone()], vec![w_xh.clone()], vec![state.clone()], vec![w_hh, w_xh, state]];
        moved.map(|leaves| graph.jvp(y, &leaves).unwrap().to_f64())
    };
    let called = run(How::Called);
    assert!(called.iter().all(|tangent| tangent.iter().any(|x| x.abs() > 1e-3)));
    for how in [How::Recomputed, How::Nested] {
        for (called, recomputed) in called.iter().zip(run(how)) {
            assert!((called - &recomputed).iter().all(|d| d.abs() < 1e-12), "{how:?}");
        }
    }
}

/// What is provided to the step outside is provided inside, with its gradient and its tangent.
#[test]
fn a_segment_reads_the_second_input_of_its_step() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(3.0));
    let run = |recomputed: bool| {
        let graph = Graph::new(&params);
        let (x, gap) = (graph.input(vec![1.0f32, 2.0]).watch(), graph.input(vec![5.0f32, 7.0]).watch());
        let _gap = graph.provide("gap", gap);
        let y = if recomputed {
            graph.recompute(move |graph, v| v[0] * graph.step_input("gap") * w, &[x])
        } else {
            x * graph.step_input("gap") * w
        };
        let tangent = graph.jvp(y, &[(gap, vec![1.0f32, 10.0].into())]).unwrap();
        let gradients = y.sum_all().backward().unwrap();
        (y.value().unwrap(), tangent, [gradients.of(x).unwrap(), gradients.of(gap).unwrap(), gradients.of(w).unwrap()])
    };
    assert_eq!(run(true), run(false));
    assert_eq!(run(true).1, vec![3.0f32, 60.0].into());
}

#[test]
fn a_segment_is_one_node_of_the_recording_and_its_cost_is_known() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.zeros([8, 8]).watch();
    let captured = [0u8; 4096];
    let y = graph.recompute(move |_, v| v[0].exp() * f64::from(captured[0] + 1), &[x]);
    assert_eq!(graph.topology()[y.vertex()].operation, "recompute");
    let table = graph.profile().by_operation();
    let (_, cost) = table.rows.iter().find(|(name, _)| name == "recompute").unwrap();
    // Its value, and what the closure has captured; nothing of its inside.
    assert_eq!(cost.calls, 1);
    assert!((256 + 4096..256 + 4096 + 1024).contains(&cost.bytes), "{}", cost.bytes);
}
