//! H·v, and gradients that have gradients.

use ndarray::{ArrayD, array};
use unspool_graph::{
    Element, Elements, GradSink, Gradients, Graph, OpContext, Operation, Param, Params, RngKey, Shape, Tensor, Var,
    View, check, init,
};

/// A recurrence of a few steps over named parameters.
struct Rnn {
    w_xh: Param,
    w_hh: Param,
    bias: Param,
}

impl Rnn {
    fn new(params: &mut Params) -> Rnn {
        let mut scope = params.scope("rnn");
        Rnn {
            w_xh: scope.add("w_xh", [2, 3], init::uniform(0.7)),
            w_hh: scope.add("w_hh", [3, 3], init::uniform(0.7)),
            bias: scope.add("bias", [3], init::uniform(0.7)),
        }
    }

    fn run<'g>(&self, x: Var<'g>, steps: usize) -> Var<'g> {
        let mut h = x.graph().zeros([2, 3]);
        for _ in 0..steps {
            h = (x.matmul(self.w_xh) + h.matmul(self.w_hh) + self.bias).tanh();
        }
        h
    }
}

fn x() -> ArrayD<f64> {
    array![[0.5, -1.0], [2.0, 0.25]].into_dyn()
}

fn close(a: &ArrayD<f64>, b: &ArrayD<f64>, tolerance: f64) {
    assert_eq!(a.shape(), b.shape());
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{a} {b}");
    }
}

fn of(gradients: &Gradients, p: Param) -> ArrayD<f64> {
    gradients.of(p).unwrap().to_f64()
}

#[test]
fn a_recurrence_has_its_second_derivatives_by_parameters_and_inputs() {
    let mut params = Params::seeded(1);
    let rnn = Rnn::new(&mut params);
    let judged = check::second_order(&params, &[("x", x())], |_, inputs| rnn.run(inputs[0], 4)).unwrap();
    assert_eq!((judged.right, judged.unjudged), (6 + 9 + 3 + 4, 0));
}

#[test]
fn a_model_in_single_precision_has_those_of_the_same_numbers_in_double() {
    let mut params = Params::seeded(1);
    let rnn = Rnn::new(&mut params);
    let hessian_vector = |params: &Params| {
        let graph = Graph::new(params);
        let loss = rnn.run(graph.input(x()), 4).powi(2).sum_all();
        let v = Gradients::random(params, RngKey::seed(1));
        loss.hessian_vector(&v.tangents()).unwrap()
    };
    let double = params.to_f64();
    // The same direction, rounded as that of the first is.
    let v = Gradients::random(&params, RngKey::seed(1)).tangents();
    let graph = Graph::new(&double);
    let loss = rnn.run(graph.input(x()), 4).powi(2).sum_all();
    let (single, double) = (hessian_vector(&params), loss.hessian_vector(&v).unwrap());
    for p in params.iter() {
        close(&of(&single, p), &of(&double, p).mapv(|x| f64::from(x as f32)), 0.0);
    }
}

#[test]
fn every_leaf_that_moves_is_counted_and_one_that_is_given_twice_moves_with_the_sum() {
    let mut params = Params::seeded(1).to_f64();
    let rnn = Rnn::new(&mut params);
    let graph = Graph::new(&params);
    let x = graph.input(x()).watch();
    let loss = rnn.run(x, 3).powi(2).sum_all();
    let (a, b): (Tensor, Tensor) = (array![1.0, 2.0, 3.0].into(), array![0.5, 0.0, -1.0].into());
    let both = loss.hessian_vector(&[(rnn.bias, a.clone()), (rnn.bias, b.clone())]).unwrap();
    let sum: Tensor = (a.to_f64() + b.to_f64()).into();
    close(&of(&both, rnn.w_hh), &of(&loss.hessian_vector(&[(rnn.bias, sum)]).unwrap(), rnn.w_hh), 1e-14);
    // A mixed derivative is the same from either side.
    let by_x = loss.hessian_vector(&[(x, array![[1.0, 0.0], [0.0, 0.0]].into())]).unwrap();
    let by_bias = loss.hessian_vector(&[(rnn.bias, array![1.0, 0.0, 0.0].into())]).unwrap();
    assert!((of(&by_x, rnn.bias)[[0]] - by_bias.of(x).unwrap().to_f64()[[0, 0]]).abs() < 1e-12);
}

/// What is added to a node after its operation is no part of what the operation gave.
#[test]
fn a_watched_node_moves_beside_what_moves_it_already() {
    let mut params = Params::seeded(1).to_f64();
    let rnn = Rnn::new(&mut params);
    // h moves by v: as a leaf that is added to it does.
    let v = array![[1.0, -2.0, 0.5], [0.0, 1.0, 3.0]];
    let along = |added: bool| {
        let graph = Graph::new(&params);
        let x = graph.input(x()).watch();
        let h = rnn.run(x, 2).watch();
        let leaf = graph.zeros([2, 3]).watch();
        let moves = if added { leaf } else { h };
        let loss = (if added { h + leaf } else { h }).exp().sum_all();
        let direction = [(moves, v.clone().into()), (graph.param(rnn.bias), array![0.5, 1.0, -1.0].into())];
        let h_v = loss.hessian_vector(&direction).unwrap();
        [rnn.w_xh, rnn.w_hh, rnn.bias].map(|p| of(&h_v, p))
    };
    for (node, leaf) in along(false).iter().zip(&along(true)) {
        close(node, leaf, 1e-13);
    }
}

#[test]
fn the_gradient_of_a_gradient_is_h_v() {
    let mut params = Params::seeded(2).to_f64();
    let rnn = Rnn::new(&mut params);
    let graph = Graph::new(&params);
    let x = graph.input(x()).watch();
    let y = rnn.run(x, 3).powi(2).sum_all();
    let v = array![[1.0, 2.0], [-0.5, 0.25]];
    let nested = (y.gradient(x) * graph.input(&v)).sum_all().backward().unwrap();
    let exact = y.hessian_vector(&[(x, v.into())]).unwrap();
    for p in [rnn.w_xh, rnn.w_hh, rnn.bias] {
        close(&of(&nested, p), &of(&exact, p), 1e-12);
    }
    close(&nested.of(x).unwrap().to_f64(), &exact.of(x).unwrap().to_f64(), 1e-12);
    // By a parameter, too.
    let v = array![1.0, -2.0, 0.5];
    let nested = (y.gradient(rnn.bias) * graph.input(&v)).sum_all().backward().unwrap();
    let exact = y.hessian_vector(&[(rnn.bias, v.into())]).unwrap();
    close(&of(&nested, rnn.w_hh), &of(&exact, rnn.w_hh), 1e-12);
    close(&nested.of(x).unwrap().to_f64(), &exact.of(x).unwrap().to_f64(), 1e-12);
}

/// The penalty and what is beside it, by differences, forward mode and all.
#[test]
fn a_gradient_penalty_has_the_gradient_of_its_differences() {
    let mut params = Params::seeded(3);
    let rnn = Rnn::new(&mut params);
    check::model(&params, &[("x", x())], |_, inputs| {
        let h = rnn.run(inputs[0], 2);
        let y = h.exp().sum_all();
        (y.gradient(inputs[0]).norm(&[1]) - 1.0).powi(2).mean(&[]) + y * 0.1
    })
    .unwrap();
}

#[test]
fn a_watched_node_on_the_way_has_the_whole_of_its_gradient() {
    let mut params = Params::seeded(3).to_f64();
    let rnn = Rnn::new(&mut params);
    let graph = Graph::new(&params);
    let x = graph.input(x()).watch();
    let h = rnn.run(x, 2).watch();
    let penalty = h.exp().sum_all().gradient(x).powi(2).sum_all();
    let gradients = penalty.backward().unwrap();
    // The same with h as a leaf of its own: dP/dh by moving what is added to it.
    let at = |moved: &ArrayD<f64>| {
        let graph = Graph::new(&params);
        let x = graph.input(self::x()).watch();
        let h = rnn.run(x, 2) + graph.input(moved);
        h.exp().sum_all().gradient(x).powi(2).sum_all().item().unwrap()
    };
    let exact = gradients.of(h).unwrap().to_f64();
    for i in 0..6 {
        let mut moved = ArrayD::zeros(exact.raw_dim());
        let step = 1e-5;
        *moved.iter_mut().nth(i).unwrap() = step;
        let above = at(&moved);
        moved.mapv_inplace(|x| -x);
        let numeric = (above - at(&moved)) / (2.0 * step);
        let analytic = exact.iter().nth(i).unwrap();
        assert!((analytic - numeric).abs() < 1e-6 * analytic.abs().max(1.0), "{analytic} {numeric}");
    }
    assert!(exact.iter().all(|&g| g != 0.0));
}

#[test]
fn both_work_through_a_segment_that_is_recomputed() {
    let mut params = Params::seeded(4).to_f64();
    let rnn = Rnn::new(&mut params);
    let (w_xh, w_hh, bias) = (rnn.w_xh, rnn.w_hh, rnn.bias);
    let record = |recomputed: bool| {
        let graph = Graph::new(&params).training(7, 0);
        let x = graph.input(x()).watch();
        let mut h = graph.zeros([2, 3]);
        for _ in 0..3 {
            h = if recomputed {
                graph.recompute(
                    move |graph, inputs| {
                        let (x, h) = (inputs[0], inputs[1]);
                        let inner = graph.recompute(move |_, inputs| inputs[0].matmul(w_hh), &[h]);
                        (x.matmul(w_xh) + inner + bias).tanh().dropout(0.3)
                    },
                    &[x, h],
                )
            } else {
                (x.matmul(w_xh) + h.matmul(w_hh) + bias).tanh().dropout(0.3)
            };
        }
        let loss = h.exp().sum_all();
        let v = Gradients::random(&params, RngKey::seed(1));
        let along = loss.hessian_vector(&v.tangents()).unwrap();
        let penalty = loss.gradient(x).powi(2).sum_all().backward().unwrap();
        [&along, &penalty].map(|gradients| {
            let mut all: Vec<ArrayD<f64>> = params.iter().map(|p| of(gradients, p)).collect();
            all.push(gradients.of(x).unwrap().to_f64());
            all
        })
    };
    let (plain, recomputed) = (record(false), record(true));
    for (plain, recomputed) in plain.iter().flatten().zip(recomputed.iter().flatten()) {
        close(plain, recomputed, 1e-12);
        assert!(plain.iter().any(|&x| x != 0.0));
    }
}

/// Forward mode through a gradient (by columns) and a walk back through it (by rows) give the Hessian.
#[test]
fn the_jacobian_of_a_gradient_is_the_hessian() {
    let mut params = Params::seeded(8).to_f64();
    let rnn = Rnn::new(&mut params);
    let graph = Graph::new(&params);
    let x = graph.input(x()).watch();
    let y = rnn.run(x, 3).exp().sum_all();
    let by_rows = graph.jacobian(y.gradient(rnn.bias), rnn.bias).unwrap();
    // More elements than moving ones, so that columns are fewer.
    let gradient = y.gradient(rnn.bias);
    let by_columns = graph.jacobian(graph.concat(&[gradient, gradient * 2.0], 0), rnn.bias).unwrap();
    for j in 0..3 {
        let mut v = ArrayD::zeros(by_rows.shape()[1..].to_vec());
        v[[j]] = 1.0;
        let h_v = of(&y.hessian_vector(&[(rnn.bias, v.into())]).unwrap(), rnn.bias);
        for i in 0..3 {
            assert!((by_rows[[i, j]] - h_v[[i]]).abs() < 1e-12 && (by_rows[[i, j]] - by_rows[[j, i]]).abs() < 1e-12);
            assert!((by_columns[[i, j]] - h_v[[i]]).abs() < 1e-12);
        }
    }
}

#[test]
fn a_node_that_does_not_lead_there_gives_zeros() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let (x, other) = (graph.full([2], 1.0).watch(), graph.full([3], 2.0).watch());
    let gradient = x.exp().sum_all().gradient(other);
    assert_eq!(gradient.value().unwrap(), array![0.0f32, 0.0, 0.0].into());
    assert!((gradient.sum_all() + x.sum_all()).backward().unwrap().of(x).is_some());
}

type Make<'a> = &'a dyn for<'g> Fn(&'g Graph<'g>) -> Var<'g>;

#[test]
fn what_cannot_work_says_what_would_be_right() {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(1.0));
    let message = |make: Make<'_>, inference: bool| {
        let graph = if inference { Graph::inference(&params) } else { Graph::new(&params) };
        make(&graph).value().unwrap_err().to_string()
    };
    let cases: [(Make<'_>, bool, &str); 5] = [
        (&|graph| (graph.param(w) * 2.0).gradient(w), false, "single number"),
        (&|graph| graph.param(w).sum_all().gradient(graph.full([2], 1.0)), false, "is not watched"),
        (&|graph| graph.param(w).sum_all().gradient(w), true, "`Graph::inference`"),
        (
            &|graph| graph.recompute(move |_, inputs| inputs[0].exp().sum_all().gradient(w), &[graph.param(w)]),
            false,
            "take the gradient outside",
        ),
        (
            &|graph| {
                let w = graph.param(w).watch();
                w.powi(3).sum_all().gradient(w).powi(2).sum_all().gradient(w)
            },
            false,
            "gradients of gradients are taken once",
        ),
    ];
    for (make, inference, expected) in cases {
        let said = message(make, inference);
        assert!(said.contains(expected), "{said}");
        assert!(said.contains("second_order.rs:"), "{said}");
    }
    let graph = Graph::new(&params);
    let x = graph.param(w).watch();
    let penalty = x.powi(3).sum_all().gradient(x).powi(2).sum_all();
    let said = penalty.hessian_vector(&[(w, array![1.0f32, 0.0].into())]).unwrap_err().to_string();
    assert!(said.contains("hessian_vector") && said.contains("taken once"), "{said}");
    let said = x.sum_all().hessian_vector(&[(w, array![1.0f32].into())]).unwrap_err().to_string();
    assert!(said.contains("is not its leaf's, [2]"), "{said}");
    let part = x.slice(0, 0..1);
    let said = part.sum_all().hessian_vector(&[(part, array![1.0f32].into())]).unwrap_err().to_string();
    assert!(said.contains("use what `watch()` returns"), "{said}");
}

#[test]
fn a_hook_may_look_at_a_second_derivative_and_not_change_it() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(array![2.0f32]).watch();
    let v = [(x, Tensor::from(array![1.0f32]))];
    let looked = x.on_gradient(|_| ()).powi(3).sum_all();
    assert_eq!(looked.hessian_vector(&v).unwrap().of(x).unwrap(), array![12.0f32].into());
    let turned = x.on_gradient(|g| match g {
        Elements::F32(g) => g.iter_mut().for_each(|g| *g = -*g),
        Elements::F64(g) => g.iter_mut().for_each(|g| *g = -*g),
    });
    let said = turned.powi(3).sum_all().hessian_vector(&v).unwrap_err().to_string();
    assert!(said.starts_with("hook: it changes a gradient"), "{said}");
}

/// y = x⁴, as a user writes it: two lines of mathematics and none for second derivatives.
struct Fourth {
    /// Whether backward reads x as if it stood still.
    drops: bool,
}

impl Operation for Fourth {
    type Saved<E: Element> = Vec<E>;
    fn name(&self) -> &'static str {
        "fourth"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Vec<E> {
        let cubes: Vec<E> = inputs[0].data().iter().map(|&x| x * x * x).collect();
        output.iter_mut().zip(inputs[0].data()).zip(&cubes).for_each(|((y, &x), &cube)| *y = x * cube);
        cubes
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, Vec<E>>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let read = |x: E| if self.drops { E::from_f64(x.to_f64()) } else { x };
        let each = ctx.saved.iter().zip(gradient.data());
        into.add(0, each.map(|(&cube, &g)| E::from_f64(4.0) * read(cube) * g).collect());
    }
}

#[test]
fn an_operation_of_a_user_has_second_derivatives_and_one_that_drops_a_dependency_is_named() {
    let inputs = [("x", array![0.5, -1.5].into_dyn())];
    let model = |drops: bool| {
        check::second_order(&Params::seeded(0), &inputs, move |graph, x| {
            let _scope = graph.scope("decoder");
            graph.apply(Fourth { drops }, &[x[0].tanh()]) * 2.0
        })
    };
    assert_eq!(model(false).unwrap().right, 2);
    let said = model(true).unwrap_err().to_string();
    assert!(said.starts_with("a second derivative is wrong: x["), "{said}");
    assert!(said.contains("goes wrong at fourth (at crates/graph/tests/second_order.rs:"), "{said}");
}

/// L(θ − α ∇L(θ)) by all parameters, and by an input that both losses read.
#[test]
fn gradients_by_several_nodes_are_one_direction_on_the_way_back() {
    let mut params = Params::seeded(5);
    let rnn = Rnn::new(&mut params);
    let all = [rnn.w_xh, rnn.w_hh, rnn.bias];
    check::model(&params, &[("x", x())], |graph, inputs| {
        let seen = rnn.run(inputs[0], 2).powi(2).sum_all();
        let steps = seen.gradients(&all);
        let learned: Vec<_> = all.iter().zip(steps).map(|(&p, step)| (p, graph.param(p) - step * 0.1)).collect();
        graph.with_parametrization(&learned, || rnn.run(inputs[0] * 0.5, 3).exp().sum_all())
    })
    .unwrap();
}

/// Both the state and what it was made from move at once.
#[test]
fn gradients_by_a_node_and_by_what_it_was_made_from_agree_with_differences() {
    let mut params = Params::seeded(6);
    let rnn = Rnn::new(&mut params);
    check::model(&params, &[("x", x())], |_, inputs| {
        let h = rnn.run(inputs[0], 2).watch();
        let y = (h.exp() * h).sum_all();
        let [by_h, by_x] = y.gradients(&[h, inputs[0]])[..] else { panic!("two were asked for") };
        by_h.powi(2).sum_all() + by_x.sin().sum_all() * by_h.sum_all() + h.sum_all()
    })
    .unwrap();
}

#[test]
fn a_gradient_that_is_fed_back_as_numbers_is_reported_with_its_line() {
    let mut params = Params::seeded(7);
    let rnn = Rnn::new(&mut params);
    let graph = Graph::new(&params);
    let x = graph.input(x()).watch();
    let y = rnn.run(x, 2).sum_all();
    let slope = y.backward().unwrap().of(x).unwrap();
    let line = line!() + 1;
    let fed_back = graph.input(&slope);
    let mut gradients = (y + fed_back.norm(&[])).backward().unwrap();
    let expected = format!("a gradient fed back as a constant at crates/graph/tests/second_order.rs:{line}");
    assert_eq!(gradients.report().exits, [expected.as_str()]);
    // Two shards say it once, and what does not depend on it says nothing.
    gradients.add(&gradients.clone()).unwrap();
    assert_eq!(gradients.report().exits, [expected.as_str()]);
    assert!(y.backward().unwrap().report().is_clean());
    // Zeros are no gradient's, and the next recording may have these numbers as it likes.
    let zeros = (x * 0.0).sum_all().backward().unwrap().of(x).unwrap();
    assert!((y + graph.input(zeros).sum_all()).backward().unwrap().report().is_clean());
    let next = Graph::new(&params);
    assert!((rnn.run(next.input(slope), 2).sum_all()).backward().unwrap().report().is_clean());
}

#[test]
fn norms_and_hooks_see_the_whole_of_a_gradient() {
    use std::sync::{Arc, Mutex};
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params).record_grad_norms();
    let seen = Arc::new(Mutex::new(vec![]));
    let x = graph.input(array![2.0]).watch();
    let h = x * x;
    let look = seen.clone();
    let hooked = h.on_gradient(move |g| {
        if let Elements::F64(g) = g {
            look.lock().unwrap().push(g[0]);
        }
    });
    // y = x⁴ by way of h = x²; P = (∂y/∂x)² = (2h · 2x)², so ∂P/∂h = 2 (2h·2x) · 4x = 512.
    let penalty = hooked.powi(2).sum_all().gradient(x).powi(2).sum_all();
    let gradients = penalty.backward().unwrap();
    assert_eq!(gradients.of(x).unwrap(), array![2.0 * 32.0 * 48.0].into());
    assert_eq!(gradients.norm_at(h), Some(512.0));
    assert_eq!(seen.lock().unwrap().last(), Some(&512.0));
}
