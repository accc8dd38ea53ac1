//! The gradient checks themselves: what they pass, what they find, and what they say of it.

use ndarray::array;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use unspool_graph::{
    Element, Error, GradSink, Graph, OpContext, Operation, Params, Shape, View,
    check::{self, Failure, strategy},
    init,
};

fn params() -> Params {
    let mut params = Params::seeded(3);
    params.scope("rnn").add("w_hh", [2, 2], init::uniform(1.0));
    params.scope("rnn").add("bias", [2], init::uniform(1.0));
    params
}

fn message<T: std::fmt::Debug>(failure: Result<T, Failure>) -> String {
    failure.unwrap_err().to_string()
}

#[test]
fn parameters_inputs_and_initial_states_are_all_checked() {
    let params = params();
    let [w, bias] = ["rnn.w_hh", "rnn.bias"].map(|name| params.find(name).unwrap());
    let inputs = [("x", array![[0.5, -1.0]].into_dyn()), ("h0", array![[0.1, 0.2]].into_dyn())];
    // Which of the four is cut off; none in the last round.
    for wrong in 0..=4 {
        let check = check::model(&params, &inputs, |graph, inputs| {
            let (w, bias) = (graph.param(w), graph.param(bias));
            let mut all = [w, bias, inputs[0], inputs[1]];
            if wrong < 4 {
                // The value with half of its gradient.
                all[wrong] = (all[wrong] + all[wrong].detach()) * 0.5;
            }
            let [w, bias, x, mut h] = all;
            for _ in 0..3 {
                h = (x + h.matmul(w) + bias).tanh();
            }
            h
        });
        match ["rnn.w_hh[", "rnn.bias[", "x[", "h0["].get(wrong) {
            Some(name) => {
                let message = message(check);
                assert!(message.contains(&format!("a gradient is wrong: {name}")), "{message}");
                assert!(message.contains("goes wrong at detach (at ") && message.contains("check.rs:"), "{message}");
            }
            None => assert_eq!(check.unwrap().skipped, None),
        }
    }
}

#[test]
fn the_line_where_a_parameter_enters_is_named() {
    let params = params();
    let w = params.find("rnn.w_hh").unwrap();
    let line = line!() + 1;
    let message = message(check::parameters(&params, |graph| graph.param(w).detach() * w));
    assert!(message.contains(&format!("it enters at crates/graph/tests/check.rs:{line}")), "{message}");
}

/// A function of arrays has its inputs from the check, so the line that called it is named.
#[test]
fn the_line_that_checks_a_function_is_named() {
    let line = line!() + 1;
    let failure = check::function(&[array![0.5, 2.0].into_dyn()], |_, x| x[0] * x[0].detach()).unwrap_err();
    assert!(failure.to_string().contains(&format!("it enters at crates/graph/tests/check.rs:{line}")), "{failure}");
}

#[test]
fn a_random_direction_finds_a_wrong_gradient_of_a_large_parameter() {
    let mut params = Params::seeded(1);
    let w = params.scope("m").add("w", [100, 100], init::uniform(0.2));
    let x = array![[0.5; 100]].into_dyn();
    for seed in 0..5 {
        let run = |share: f64| {
            check::direction(
                &params,
                &[("x", x.clone())],
                |graph, inputs| {
                    let w = graph.param(w);
                    inputs[0].matmul(w * (1.0 - share) + w.detach() * share).tanh()
                },
                seed,
            )
        };
        assert_eq!(run(0.0).map(|judged| (judged.right, judged.unjudged)), Ok((1, 0)));
        let message = message(run(0.01));
        assert!(message.contains("a random direction") && message.contains("at detach"), "{message}");
    }
}

#[test]
fn the_function_s_own_error_comes_back() {
    let params = params();
    let w = params.find("rnn.w_hh").unwrap();
    let failure = check::parameters(&params, |graph| graph.zeros([1, 3]).matmul(w));
    assert!(matches!(failure, Err(Failure::Graph(_))), "{failure:?}");
    // Nothing but an input without elements: nothing to say, and no panic.
    let empty = ndarray::ArrayD::zeros(vec![0, 2]);
    assert!(check::model(&Params::seeded(0), &[("x", empty)], |_, x| x[0].exp()).is_ok());
}

/// a · b, whose first operand gets its gradient only where the second wants one too.
struct Forgetful;

impl Operation for Forgetful {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "forgetful"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.iter_mut().zip(inputs[0].data()).zip(inputs[1].data()).for_each(|((y, &a), &b)| *y = a * b);
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        for (operand, other) in [(0, 1), (1, 0)] {
            if operand == 1 || into.wants(1) {
                let others = ctx.inputs[other].data();
                into.add(operand, others.iter().zip(gradient.data()).map(|(&x, &g)| x * g).collect());
            }
        }
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        for (tangent, other) in [(tangents[0], 1), (tangents[1], 0)] {
            let Some(v) = tangent else { continue };
            output.iter_mut().zip(v.data()).zip(ctx.inputs[other].data()).for_each(|((y, &v), &x)| *y += v * x);
        }
    }
}

#[test]
fn a_gradient_that_is_lost_beside_a_constant_is_found() {
    let (a, b) = (array![0.5, 2.0].into_dyn(), array![3.0, -1.0].into_dyn());
    let failure = check::function(&[a, b], |graph, x| graph.apply(Forgetful, x));
    assert!(
        matches!(failure, Err(Failure::Constant { constant: 1, tensor: 0, index: 0, alone: 0.0, .. })),
        "{failure:?}"
    );
    let message = message(failure);
    assert!(
        message.starts_with("tensor 0's gradient is another where tensor 1 is a constant: 0e0 instead of"),
        "{message}"
    );
}

/// y = 2 x, without forward mode; the backward's factor is given.
struct Twice(f64);

impl Operation for Twice {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "twice"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
        y.iter_mut().zip(x[0].data()).for_each(|(y, &x)| *y = x + x);
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        into.add(0, gradient.data().iter().map(|&g| g * E::from_f64(self.0)).collect());
    }
}

#[test]
fn forward_mode_that_is_not_there_is_reported_and_never_taken_for_right() {
    let x = array![0.5, -1.5].into_dyn();
    let named = |why: &Option<Error>, line: u32| {
        let why = why.as_ref().map(Error::to_string).unwrap_or_default();
        assert!(why.starts_with("jvp: twice has no forward mode"), "{why}");
        assert!(why.contains(&format!("check.rs:{line}")), "{why}");
    };
    let checked = check::function(std::slice::from_ref(&x), |graph, x| graph.apply(Twice(2.0), x)).unwrap();
    named(&checked.skipped, line!() - 1);
    // A wrong backward is found by finite differences, and the operation is named.
    let failure = check::function(std::slice::from_ref(&x), |graph, x| graph.apply(Twice(2.5), x));
    let message = message(failure);
    assert!(message.contains("goes wrong at twice"), "{message}");

    let mut params = Params::seeded(0).to_f64();
    let w = params.scope("m").add("w", [2], init::constant(0.5));
    let judged = check::composition(&params, &[], |graph, _| graph.apply(Twice(2.0), &[graph.param(w)])).unwrap();
    named(&judged.skipped, line!() - 1);
    assert_eq!(judged.right, 2);
    // What compares nothing but the two modes has nothing to compare.
    assert!(check::adjoint(&params, |graph| graph.apply(Twice(2.0), &[graph.param(w)])).is_err());

    let graph = Graph::new(&params);
    let y = graph.apply(Twice(2.0), &[graph.param(w)]);
    named(&graph.jvp(y, &[(w, array![1.0, 1.0].into())]).err(), line!() - 1);
    // Where nothing moves, no operation is asked.
    let still = graph.zeros([1]);
    assert!(graph.jvp(y, &[(still, array![1.0].into())]).is_ok());
}

/// Draws until `seen` is satisfied by the values so far.
fn until<S: Strategy>(strategy: &S, seen: impl Fn(&[S::Value]) -> bool) -> bool {
    let (mut runner, mut values) = (TestRunner::deterministic(), vec![]);
    (0..400).any(|_| {
        values.push(strategy.new_tree(&mut runner).unwrap().current());
        seen(&values)
    })
}

#[test]
fn shapes_have_every_rank_and_sizes_of_0_and_1() {
    let shapes = strategy::shapes();
    for rank in 0..=5 {
        assert!(until(&shapes, |all| all.iter().any(|s| s.len() == rank)), "rank {rank}");
    }
    assert!(until(&shapes, |all| all.iter().any(|s| s.contains(&0)) && all.iter().any(|s| s.contains(&1))));
    // Partners of which the left, the right, and neither is the whole, at axes of their own.
    let kinds = |all: &[(Vec<usize>, Vec<usize>)]| {
        let whole = |a: &[usize], b: &[usize]| Shape::new(a).unwrap().broadcast(&Shape::new(b).unwrap()).unwrap();
        let is = |f: &dyn Fn(&[usize], &[usize]) -> bool| all.iter().any(|(a, b)| f(a, b));
        is(&|a, b| *whole(a, b) == *a && a.len() > b.len())
            && is(&|a, b| *whole(a, b) == *b && a.len() < b.len())
            && is(&|a, b| *whole(a, b) != *a && *whole(a, b) != *b)
    };
    assert!(until(&strategy::partners(), kinds));
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(256))]

    #[test]
    fn strategies_keep_their_promises(
        (a, b) in strategy::partners(),
        full in strategy::full_shapes(),
        away in strategy::shapes().prop_flat_map(strategy::values),
        positive in strategy::shapes().prop_flat_map(strategy::positive),
        distinct in strategy::full_shapes().prop_flat_map(strategy::distinct),
        lengths in strategy::lengths(1..=4, 5),
    ) {
        prop_assert!(Shape::new(&a).unwrap().broadcast(&Shape::new(&b).unwrap()).is_some(), "{a:?} {b:?}");
        prop_assert!(full.iter().product::<usize>() > 0);
        prop_assert!(away.iter().all(|x| (0.5..=1.5).contains(&x.abs())));
        prop_assert!(positive.iter().all(|x| (0.5..1.5).contains(x)));
        let mut sorted: Vec<f64> = distinct.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        prop_assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 0.25));
        let one_is_real = lengths.iter().any(|&n| n > 0);
        prop_assert!((1..=4).contains(&lengths.len()) && lengths.iter().all(|&n| n <= 5) && one_is_real);
    }
}
