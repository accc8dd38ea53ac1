//! Calls that are easily made by mistake, and numbers at the edge: none of them gives a wrong answer in silence.

use ndarray::{Array1, Array2, array};
use unspool_graph::{
    Element, Error, GradSink, Gradients, Graph, OpContext, Operation, Params, Shape, Tensor, Var, View, check, init,
};

/// The value of `f` at `x` and its gradient, in double precision.
fn at(x: &[f64], f: impl for<'g> Fn(Var<'g>) -> Var<'g>) -> (Vec<f64>, Vec<f64>) {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params);
    let x = graph.input(x.to_vec()).watch();
    let y = f(x);
    let gradient = y.sum_all().backward().unwrap().of(x).unwrap();
    (y.to_f64().unwrap().into_raw_vec_and_offset().0, gradient.to_f64().into_raw_vec_and_offset().0)
}

#[test]
fn a_node_of_another_graph_has_no_gradient_here() {
    let params = Params::seeded(0);
    let (own, other) = (Graph::new(&params).record_grad_norms(), Graph::new(&params).record_grad_norms());
    let (x, stranger) = (own.input(vec![2.0f32]).watch(), other.input(vec![5.0f32]).watch());
    let gradients = (x * x).sum_all().backward().unwrap();
    assert_eq!(gradients.of(x), Some(Tensor::from(vec![4.0f32])));
    assert_eq!(gradients.of(stranger), None);
    assert_eq!((gradients.norm_at(x), gradients.norm_at(stranger)), (Some(4.0), None));
    assert_eq!(Gradients::none(&params).of(x), None);
}

#[test]
fn copies_that_get_parameters_of_their_own_do_not_take_each_others_handles() {
    let mut params = Params::seeded(0);
    let shared = params.scope("m").add("shared", [1], init::constant(1.0));
    let mut copy = params.clone();
    let own = params.scope("m").add("own", [1], init::constant(2.0));
    let strange = copy.scope("m").add("strange", [1], init::constant(3.0));
    for (store, right, wrong) in [(&params, own, strange), (&copy, strange, own)] {
        assert!(store.owns(shared) && store.owns(right) && !store.owns(wrong));
        assert!(store.value(wrong).is_err() && store.elements_of::<f32>(wrong).is_none());
        assert_eq!((store.name(wrong), store.index(wrong)), ("", None));
        let graph = Graph::new(store);
        assert!(matches!(graph.param(wrong).value(), Err(Error::ForeignParam { .. })));
    }
    let graph = Graph::new(&params);
    let gradients = (graph.param(own) * shared).sum_all().backward().unwrap();
    assert!(gradients.belong_to(&params) && gradients.belong_to(&params.clone()) && !gradients.belong_to(&copy));
    assert_eq!(
        (gradients.of(own).is_some(), gradients.of(shared).is_some(), gradients.of(strange)),
        (true, true, None)
    );
    assert!(Gradients::none(&copy).add(&gradients).is_err());
    // Copies of a copy that was not added to are all alike.
    assert!(gradients.belong_to(&params.to_f64().to_f32().clone()));
}

#[test]
fn scopes_and_rows_end_in_whatever_order_their_guards_go() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let (outer, inner) = (graph.scope("outer"), graph.scope("inner"));
    drop(outer);
    assert_eq!(graph.place().scope, "");
    let other = graph.scope("other");
    let deeper = graph.scope("deeper");
    drop(inner);
    assert_eq!(graph.place().scope, "other/deeper");
    drop(deeper);
    assert_eq!(graph.place().scope, "other");
    drop(other);
    let (all, half) = (graph.name_rows([4u32, 5]), graph.name_rows([5u32]));
    drop(all);
    assert_eq!(graph.row_ids(), None);
    let next = graph.name_rows([7u32]);
    drop(half);
    assert_eq!(graph.row_ids(), Some([7u32].into()));
    drop(next);
    assert_eq!(graph.row_ids(), None);
}

#[test]
fn a_power_at_zero_has_the_gradient_that_pytorch_gives_it() {
    assert_eq!(at(&[0.0, 2.0], |x| x.powf(x)).0, [1.0, 4.0]);
    let slope = 4.0 * (1.0 + 2f64.ln());
    assert!((at(&[2.0], |x| x.powf(x)).1[0] - slope).abs() < 1e-12);
    assert_eq!(at(&[0.0], |x| x.powf(x)).1, [0.0]);
    // ∂(0^b)/∂b is 0 for b ≥ 0, and as infinite as the value is below.
    assert_eq!(at(&[2.0, 0.0], |b| b.graph().zeros([2]).powf(b)).1, [0.0, 0.0]);
    assert_eq!(at(&[-1.0], |b| b.graph().zeros([1]).powf(b)).1, [f64::NEG_INFINITY]);
    assert_eq!(at(&[0.0], |a| a.powf(a.graph().zeros([1]))), (vec![1.0], vec![0.0]));
}

#[test]
fn the_least_whole_power_has_a_gradient() {
    assert_eq!(at(&[1.0], |x| x.powi(i32::MIN)), (vec![1.0], vec![f64::from(i32::MIN)]));
    let x = 1.0 + 1e-8;
    let (y, slope) = at(&[x], |x| x.powi(i32::MIN));
    let expected = f64::from(i32::MIN) * y[0] / x;
    assert!(y[0] > 0.0 && (slope[0] / expected - 1.0).abs() < 1e-12, "{slope:?} is not {expected}");
}

#[test]
fn the_sum_of_nodes_is_none_of_none_and_gives_each_its_gradient() {
    fn weighed<'g>(x: Var<'g>) -> Option<Var<'g>> {
        x.split(0, 1).into_iter().zip([1.0, 2.0, 3.0]).map(|(x, c)| x * c).sum()
    }
    assert_eq!(at(&[5.0, 7.0, 11.0], |x| weighed(x).unwrap()), (vec![52.0], vec![1.0, 2.0, 3.0]));
    assert!(std::iter::empty().sum::<Option<Var<'_>>>().is_none());
}

#[test]
fn a_quotient_by_a_number_is_the_quotient_of_ieee_754() {
    for (x, c) in [(10.0, 3.0), (1e-310, 1e-309), (1.0, 49.0), (5.0, 1e308)] {
        assert_eq!(at(&[x], |v| v / c).0, [x / c], "{x} / {c}");
    }
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    assert_eq!((graph.input(vec![10.0f32]) / 3.0).value().unwrap(), vec![10.0f32 / 3.0].into());
}

#[test]
fn logsumexp_at_infinities_is_pytorchs() {
    let inf = f64::INFINITY;
    let (y, g) = at(&[-inf, -inf], |x| x.logsumexp(&[0]));
    assert!(y == [-inf] && g.iter().all(|g| g.is_nan()), "{g:?}");
    let (y, g) = at(&[inf, 1.0], |x| x.logsumexp(&[0]));
    assert!(y == [inf] && g[0].is_nan() && g[1] == 0.0, "{g:?}");
    let (y, g) = at(&[-inf, 1.0, 1.0], |x| x.logsumexp(&[0]));
    assert!((y[0] - 1.0 - 2f64.ln()).abs() < 1e-12 && g[0] == 0.0 && (g[1] - 0.5).abs() < 1e-12, "{g:?}");
}

#[test]
fn what_a_mask_hides_takes_no_part_in_the_tangent_of_softmax() {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params);
    let x = graph.input(array![[1.0, 2.0, 3.0]]);
    let y = x.masked_softmax([true, true, false]);
    let tangent = |hidden: f64| graph.jvp(y, &[(x, array![[0.5, -1.0, hidden]].into())]).unwrap().to_f64();
    let calm = tangent(0.0);
    assert!(calm.iter().all(|t| t.is_finite()) && calm[[0, 0]] != 0.0);
    for hidden in [f64::NAN, f64::INFINITY, 1e300] {
        assert_eq!(tangent(hidden), calm);
    }
}

#[test]
fn a_segment_that_differs_when_run_again_is_an_error_of_its_tangent_too() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(vec![1.0f32, 2.0]);
    let runs = AtomicUsize::new(0);
    let y = graph.recompute(
        move |_, x| {
            if runs.fetch_add(1, Ordering::Relaxed) == 0 { x[0].tanh() } else { x[0].matmul(x[0].tanh().unsqueeze(0)) }
        },
        &[x],
    );
    let error = graph.jvp(y, &[(x, vec![1.0f32, 1.0].into())]).unwrap_err().to_string();
    assert!(error.starts_with("matmul"), "{error}");
    let runs = AtomicUsize::new(0);
    let graph = Graph::new(&params);
    let x = graph.input(vec![1.0f32, 2.0]);
    let y = graph.recompute(
        move |_, x| if runs.fetch_add(1, Ordering::Relaxed) == 0 { x[0].tanh() } else { x[0].sum_all() },
        &[x],
    );
    let error = graph.jvp(y, &[(x, vec![1.0f32, 1.0].into())]).unwrap_err().to_string();
    assert!(error.contains("it must depend on its inputs alone"), "{error}");
}

#[test]
fn sums_of_many_single_precision_numbers_keep_their_digits() {
    const ROWS: usize = 1 << 20;
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let column = Array2::from_shape_fn((ROWS, 2), |(i, j)| 0.1 + j as f32 + (i % 7) as f32 * 0.01);
    let exact: Vec<f64> = (0..2).map(|j| column.column(j).iter().map(|&x| f64::from(x)).sum()).collect();
    let x = graph.input(&column);
    let near = |got: Tensor, exact: &[f64], what: &str| {
        for (got, exact) in got.to_f64().iter().zip(exact) {
            assert!((got / exact - 1.0).abs() < 1e-5, "{what}: {got} instead of {exact}");
        }
    };
    near(x.sum(&[0]).value().unwrap(), &exact, "a leading axis");
    near(x.mean(&[0]).value().unwrap(), &exact.iter().map(|s| s / ROWS as f64).collect::<Vec<_>>(), "a mean");
    near(x.transpose(0, 1).sum(&[1]).value().unwrap(), &exact, "a last axis");
    near(x.sum(&[]).value().unwrap(), &[exact.iter().sum()], "all");
    near(x.reshape([ROWS / 4, 4, 2]).sum(&[0, 1]).value().unwrap(), &exact, "two leading axes");
    let between = x.reshape([ROWS / 4, 2, 2, 2]).sum(&[0, 2]).to_f64().unwrap();
    near(Tensor::from(between.sum_axis(ndarray::Axis(0)).into_dyn()), &exact, "axes with one between");
    let squares: Vec<f64> =
        (0..2).map(|j| column.column(j).iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt()).collect();
    near(x.norm(&[0]).value().unwrap(), &squares, "a norm");
}

#[test]
fn a_norm_has_the_range_of_its_numbers() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(array![[3e30f32, 4e30], [3e-30, 4e-30], [0.0, 0.0], [3.0, 4.0], [f32::INFINITY, 1.0]]).watch();
    let y = x.norm(&[1]);
    let value = y.to_f64().unwrap();
    for (y, exact) in value.iter().zip([5e30, 5e-30, 0.0, 5.0]) {
        assert!((y - exact).abs() <= exact * 1e-6, "{y} instead of {exact}");
    }
    assert_eq!(value[[4]], f64::INFINITY);
    let of_nan = graph.input(vec![f32::NAN, 1.0]).norm(&[]).item().unwrap();
    assert!(of_nan.is_nan());
    let gradient = y.slice(0, 0..4).sum_all().backward().unwrap().of(x).unwrap().to_f64();
    for (row, exact) in [[0.6, 0.8], [0.6, 0.8], [0.0, 0.0], [0.6, 0.8]].iter().enumerate() {
        assert!((0..2).all(|j| (gradient[[row, j]] - exact[j]).abs() < 1e-6), "{gradient}");
    }
}

#[test]
fn the_error_function_is_as_exact_as_it_says() {
    // By series and continued fraction in 40 digits.
    for (x, exact) in [
        (1e-300, 1.1283791670955126e-300),
        (0.5, 0.5204998778130465),
        (1.0, 0.8427007929497149),
        (2.0, 0.9953222650189527),
        (2.66, 0.9998313105269613),
        (2.98, 0.9999749508550908),
        (4.5, 0.9999999998033839),
    ] {
        assert!((Element::erf(x) - exact).abs() <= 2.0 * f64::EPSILON * exact, "{x}: {:e}", Element::erf(x) - exact);
        assert_eq!(Element::erf(-x), -Element::erf(x));
    }
    assert!(Element::erf(f64::NAN).is_nan() && Element::erf(f64::INFINITY) == 1.0);
}

#[test]
fn softplus_keeps_its_relative_accuracy_far_below_zero() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    for x in [-20.0f32, -50.0, -80.0] {
        let exact = f64::from(x).exp();
        let got = graph.input(vec![x]).softplus().item().unwrap();
        assert!((got / exact - 1.0).abs() < 1e-6, "{x}: {got:e} instead of {exact:e}");
    }
}

/// y = 3x, whose backward forgets what has flowed to x already.
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
        output.iter_mut().zip(inputs[0].data()).for_each(|(y, &x)| *y = E::from_f64(3.0) * x);
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let g = gradient.data();
        into.update(0, |to, _fresh| to.iter_mut().zip(g).for_each(|(to, &g)| *to = E::from_f64(3.0) * g));
    }
    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        output.iter_mut().zip(v.data()).for_each(|(y, &v)| *y = E::from_f64(3.0) * v);
    }
}

#[test]
fn a_backward_that_overwrites_is_found_and_named_wherever_it_stands() {
    let x = Array1::from(vec![0.5, -1.5]).into_dyn();
    type Use = for<'g> fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>;
    let uses: [(&str, Use); 5] = [
        ("alone", |graph, x| graph.apply(Forgetful, &[x[0]])),
        ("first", |graph, x| graph.apply(Forgetful, &[x[0]]) + x[0] * 2.0),
        ("last", |graph, x| x[0] * 2.0 + graph.apply(Forgetful, &[x[0]])),
        ("inside", |graph, x| graph.apply(Forgetful, &[x[0].tanh()]).exp()),
        ("twice", |graph, x| graph.apply(Forgetful, &[x[0]]) * graph.apply(Forgetful, &[x[0]])),
    ];
    for (place, f) in uses {
        let wrong = check::function(std::slice::from_ref(&x), f).unwrap_err().to_string();
        let named = wrong.contains("goes wrong at forgetful");
        // Where the function itself uses x again, its plain gradient is wrong already.
        assert!(named || place == "first" || place == "twice", "{place}: {wrong}");
    }
    check::function(&[x], |_, x| x[0] * 2.0 + x[0].tanh()).unwrap();
}

#[test]
fn memory_that_a_dropped_recording_left_can_be_handed_back() {
    let params = Params::seeded(0);
    let copy = params.clone();
    let _ = Graph::new(&params).zeros([1 << 12]).tanh().value().unwrap();
    params.release_memory();
    // Its buffers go back to the pool after it, and from there.
    let graph = Graph::new(&copy);
    let y = graph.zeros([1 << 12]).tanh();
    params.release_memory();
    assert_eq!(y.to_f64().unwrap().sum(), 0.0);
}

#[test]
fn a_leaf_that_is_given_twice_moves_with_the_sum_of_its_tangents() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(array![1.0f32, 2.0]);
    let tangent = |leaves: &[(Var<'_>, Tensor)]| graph.jvp(x * x, leaves).unwrap();
    let twice = tangent(&[(x, array![1.0f32, 10.0].into()), (x, array![3.0f32, 0.5].into())]);
    assert_eq!(twice, tangent(&[(x, array![4.0f32, 10.5].into())]));
    assert_eq!(twice, array![8.0f32, 42.0].into());
}
