//! Operations element by element, of one tensor and of two that broadcast; and those that choose or drop elements.

use crate::case::{Case, case, right};
use proptest::prelude::*;
use unspool_graph::{Graph, Params, Var, check, init};

of_one! {
    tanh_is_right: away, |c, x| x.tanh();
    sigmoid_is_right: away, |c, x| x.sigmoid();
    relu_is_right: away, |c, x| x.relu();
    leaky_relu_is_right: away, |c, x| x.leaky_relu(0.1);
    gelu_is_right: away, |c, x| x.gelu();
    silu_is_right: away, |c, x| x.silu();
    softplus_is_right: away, |c, x| x.softplus();
    exp_is_right: away, |c, x| x.exp();
    log_is_right: positive, |c, x| x.log();
    sqrt_is_right: positive, |c, x| x.sqrt();
    sin_and_cos_are_right: away, |c, x| x.sin() * x.cos();
    log1p_is_right: positive, |c, x| x.log1p();
    expm1_is_right: away, |c, x| x.expm1();
    floor_passes_nothing: away, |c, x| (x * 0.3).floor() * x + x;
    round_passes_nothing: away, |c, x| (x * 0.3 + 1.0).round() * x;
    sign_passes_nothing: away, |c, x| x.sign() * x;
    elu_is_right: away, |c, x| x.elu(0.7);
    hardtanh_is_right: away, |c, x| (x * 0.6).hardtanh() + (x * 3.0).hardtanh();
    log_sigmoid_is_right: away, |c, x| x.log_sigmoid();
    a_hook_that_looks_changes_nothing: away, |c, x| x.on_gradient(|_| ()).tanh();
    whole_and_single_numbers_are_right: away, |c, x| (x + 2) * 3u32 - 0.5f32 + x / 4usize + (2.0 - x).tanh() * 1i64;
    sums_and_assignments_are_right: away, |c, x| {
        let mut y = [x.tanh(), x * x].into_iter().sum::<Option<Var<'_>>>().unwrap_or(x);
        y += x;
        y -= 0.5;
        y *= x;
        y /= 3;
        y
    };
    abs_is_right: away, |c, x| x.abs();
    neg_is_right: away, |c, x| -x;
    powi_is_right: away, |c, x| x.powi(c.below("n", 7) as i32 - 3);
    powf_with_a_number_is_right: positive, |c, x| x.powf([-1.5, 0.0, 0.5, 1.0, 2.0, 3.3][c.below("p", 6)]);
    clamp_is_right: away, |c, x| x.clamp(-0.3, 0.4) + (x * 0.2).clamp(-5.0, 5.0);
    numbers_on_the_right_are_right: away, |c, x| (x + 2.0) * 3.0 - 0.5 + x / 4.0;
    numbers_on_the_left_are_right: away, |c, x| 2.0 + 3.0 * x + (0.5 - x) + 0.25 / x;
    same_node_twice_is_right: away, |c, x| x * x + x.sin_like() * x;
}

/// A longer composition under one name, for a node with many uses.
trait SinLike {
    fn sin_like(self) -> Self;
}
impl SinLike for Var<'_> {
    fn sin_like(self) -> Self {
        self - self.powi(3) / 6.0
    }
}
of_two! {
    add_is_right: Case::away, Case::positive, |a, b| a + b;
    sub_is_right: Case::away, Case::positive, |a, b| a - b;
    mul_is_right: Case::away, Case::positive, |a, b| a * b;
    div_is_right: Case::away, Case::positive, |a, b| a / b;
    powf_is_right: Case::positive, Case::away, |a, b| a.powf(b);
    maximum_is_right: |c, s| c.distinct(s, -2.0), |c, s| c.distinct(s, -1.8), |a, b| a.maximum(b) + a.maximum(0.1);
    minimum_is_right: |c, s| c.distinct(s, -2.0), |c, s| c.distinct(s, -1.8), |a, b| a.minimum(b) + a.minimum(0.1);
    select_is_right: Case::away, Case::away, |a, b| a.gt(0.0).where_(a, b) + b.lt(0.0).where_(b, 3.0);
    eq_chooses_and_passes_nothing_itself: Case::away, Case::positive,
        |a, b| a.eq(a).where_(a * b, b) + a.eq(9.0).where_(a, b);
    ge_le_and_ne_choose: Case::away, Case::positive, |a, b| {
        a.ge(a).where_(a * b, b) + a.le(0.0).where_(a, b) * a.ne(9.0).where_(b, a) + a.ne(a).where_(a * 3.0, b)
    };
}

cases! {
    expressions_of_parameters_are_right: |c| {
        let mut params = Params::seeded(c.seed).to_f64();
        let mut scope = params.scope("m");
        let a = scope.add_sized("a", &c.shape, init::uniform(1.0));
        let b = scope.add_sized("b", &c.narrow(), init::constant(1.5));
        check::parameters(&params, |graph| {
            let x = graph.param(a);
            x * (a * 0.5 + b) - (2.0 - a / b) * x + x / (1.0 + a * a) + (-b) * x.tanh()
        })
        .map_err(|failure| TestCaseError::fail(failure.to_string()))
    };
    parameters_on_the_left_are_right: |c| {
        let mut params = Params::seeded(c.seed).to_f64();
        let mut scope = params.scope("m");
        let a = scope.add_sized("a", &c.shape, init::uniform(1.0));
        let b = scope.add_sized("b", &c.narrow(), init::constant(1.5));
        check::parameters(&params, |graph| {
            let (x, y) = (graph.param(a), graph.param(b));
            (a + y) * (b - x) + a / y + b * x
        })
        .map_err(|failure| TestCaseError::fail(failure.to_string()))
    };
    cut_passes_nothing: |c| {
        right(&[c.away(&c.shape)], |_, x| x[0].exp())?;
        let mut params = Params::seeded(0).to_f64();
        let w = params.scope("m").add_sized("w", &c.shape, init::uniform(1.0));
        let graph = Graph::new(&params);
        let x = graph.param(w);
        let gradients = (x.detach() * x).sum_all().backward().unwrap();
        prop_assert_eq!(gradients.of(w).unwrap().to_f64(), params.value(w).unwrap().to_f64());
        Ok::<(), TestCaseError>(())
    };
    dropout_is_its_own_mask_both_ways: |c| {
        let mut params = Params::seeded(c.seed).to_f64();
        let w = params.scope("m").add_sized("w", &c.shape, init::constant(2.0));
        let graph = Graph::new(&params).training(c.seed, 3);
        let y = graph.param(w).dropout(0.4);
        let mask = y.to_f64().unwrap() / 2.0;
        prop_assert!(mask.iter().all(|&m| m == 0.0 || (m - 1.0 / 0.6).abs() < 1e-12));
        let direction = c.away(&c.shape);
        let gradients = y.vjp(&direction).unwrap();
        prop_assert_eq!(gradients.of(w).unwrap().to_f64(), &mask * &direction);
        prop_assert_eq!(graph.jvp(y, &[(w, (&direction).into())]).unwrap().to_f64(), &mask * &direction);
        right(&[c.away(&c.shape)], |_, x| x[0].dropout(0.4))
    };
}
