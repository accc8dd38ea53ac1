//! Fused steps and their formulas over long sequences: the same in double precision, and in single precision apart by
//! no more than rounding explains.
//!
//! # The bound in single precision
//!
//! A step of one form rounds in another order than the other form's. It rounds fewer than sixteen results, none larger
//! than m, the greatest element of the state or 1, and each rounding is wrong by ε·m / 2 at most; so after step s the
//! two states differ by what they differed before, carried through the step, and by δ_s = 8·ε·m_s in every element.
//! What a difference at step s has become at step t is, to first order, its product with the Jacobian
//! ∂state_t/∂state_s. Added up over the steps,
//!
//! |Δ_t| ≤ Σ_{s ≤ t} |∂state_t/∂state_s| · δ_s,  twice that to cover what is beyond first order.
//!
//! The sum has t terms. Where gates keep what they have, the Jacobians do not fade and it grows as t; where they
//! forget, it stays. The Jacobians are the model's own, one step at a time in double precision, multiplied.

use crate::{
    HIDDEN, INPUT,
    plain::{PlainGru, PlainLstm, PlainRnn},
    random,
};
use ndarray::{Array1, Array2, ArrayD, Axis, concatenate};
use unspool_graph::{Graph, Params, RngKey, Scope, Tensor, Var};
use unspool_nn::{
    Cell, Direction, Gru, Lstm, LstmConfig, Nonlinearity, Rnn, RnnConfig, Sequence,
    laws::{self, CellUnderTest},
    leaves, map_state, state_to_tensors, unroll_directed,
};

const STEPS: usize = 96;

/// Calls `$test(name, fused, formula, gates)` for each built-in cell with a fused step.
macro_rules! for_each_pair {
    ($test:ident) => {
        $test("rnn", |s| Rnn::new(s, INPUT, HIDDEN), |s| PlainRnn::tanh(s, INPUT, HIDDEN), 1);
        $test(
            "relu",
            |s| {
                Rnn::with_config(
                    s,
                    INPUT,
                    HIDDEN,
                    RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() },
                )
            },
            |s| PlainRnn::relu(s, INPUT, HIDDEN),
            1,
        );
        $test("gru", |s| Gru::new(s, INPUT, HIDDEN), |s| PlainGru::new(s, INPUT, HIDDEN), 3);
        $test("lstm", |s| Lstm::new(s, INPUT, HIDDEN), |s| PlainLstm::new(s, INPUT, HIDDEN), 4);
        $test(
            "projected lstm",
            |s| Lstm::with_config(s, INPUT, HIDDEN, LstmConfig { projection: Some(2), ..LstmConfig::default() }),
            |s| PlainLstm::projected(s, INPUT, HIDDEN, 2),
            4,
        );
    };
}

fn value(v: Var<'_>) -> ArrayD<f64> {
    v.to_f64().unwrap()
}

/// Outputs, final states and all gradients in double precision, over rows of unequal lengths.
fn run<S: CellUnderTest>(subject: &S, direction: Direction, seed: u64) -> (Vec<ArrayD<f64>>, Vec<ArrayD<f64>>) {
    let mut params = Params::seeded(seed);
    let cell = subject.make(params.scope("cell"));
    let params = params.to_f64();
    let graph = Graph::new(&params);
    let xs = graph.input(random(&[3, STEPS, INPUT], RngKey::seed(seed))).watch();
    let (ys, last) =
        unroll_directed(&cell, &Sequence::pack(xs, &[STEPS, 1, 70]), cell.initial_state(&graph, 3), direction);
    let ys = ys.padded();
    let gradients = (ys * ys).sum_all().backward().unwrap();
    let mut values = vec![value(ys)];
    values.extend(leaves(&last).into_iter().map(value));
    let mut slopes: Vec<_> = params.iter().map(|p| gradients.of(p).unwrap().to_f64()).collect();
    slopes.push(gradients.of(xs).unwrap().to_f64());
    (values, slopes)
}

#[test]
fn fused_steps_are_their_formulas_over_long_sequences() {
    fn test<A: Cell, B: Cell>(name: &str, fused: fn(Scope<'_>) -> A, formula: fn(Scope<'_>) -> B, _: usize) {
        for (seed, direction) in [(1, Direction::Forward), (2, Direction::Backward), (3, Direction::Forward)] {
            let (a, b) =
                (run(&laws::cell(INPUT, fused), direction, seed), run(&laws::cell(INPUT, formula), direction, seed));
            let off = |a: &[ArrayD<f64>], b: &[ArrayD<f64>]| -> f64 {
                let pairs = a.iter().flatten().zip(b.iter().flatten());
                pairs.map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
            };
            assert!(off(&a.0, &b.0) < 1e-12, "{name}: values are {:e} apart", off(&a.0, &b.0));
            assert!(off(&a.1, &b.1) < 1e-10, "{name}: gradients are {:e} apart", off(&a.1, &b.1));
        }
    }
    for_each_pair!(test);
}

/// The states of one row after each step in single precision, leaves side by side, `[time, elements]`, with `nudge`
/// added to the biases of gate `gate`.
fn states<C: Cell>(make: fn(Scope<'_>) -> C, seed: u64, gate: usize, nudge: f64) -> Array2<f64> {
    let mut params = Params::seeded(seed);
    let cell = make(params.scope("cell"));
    let bias = params.find("cell.bias_hh_l0").unwrap();
    let mut all = params.value(bias).unwrap().to_f64();
    all.slice_axis_mut(Axis(0), (gate * HIDDEN..(gate + 1) * HIDDEN).into()).mapv_inplace(|b| b + nudge);
    params.set(bias, all).unwrap();
    let xs = random(&[1, STEPS, INPUT], RngKey::seed(seed));
    let graph = Graph::new(&params);
    let (mut state, xs) = (cell.initial_state(&graph, 1), graph.input(&xs));
    let mut rows = vec![];
    for t in 0..STEPS {
        state = cell.step(xs.index(1, t), state).1;
        rows.push(value(graph.concat(&leaves(&state), -1)).into_dimensionality::<ndarray::Ix2>().unwrap());
    }
    concatenate(Axis(0), &rows.iter().map(|row| row.view()).collect::<Vec<_>>()).unwrap()
}

/// The bound at each step, `[time, elements]`.
fn bound<C: Cell>(make: fn(Scope<'_>) -> C, seed: u64) -> Array2<f64> {
    let mut params = Params::seeded(seed);
    let cell = make(params.scope("cell"));
    let params = params.to_f64();
    let xs = random(&[1, STEPS, INPUT], RngKey::seed(seed));
    let start = Graph::new(&params);
    let mut carried = state_to_tensors(&cell.initial_state(&start, 1)).unwrap();
    let elements: usize = carried.iter().map(|leaf| leaf.shape()[1]).sum();
    // What the difference that arose at each step has become, and the sum.
    let mut carriers: Vec<(Array2<f64>, f64)> = vec![];
    let mut bounds = Array2::zeros((STEPS, elements));
    for t in 0..STEPS {
        let graph = Graph::new(&params);
        let before = map_state(&cell.state_from_tensors(&graph, &carried), Var::watch);
        let after = cell.step(graph.input(&xs).index(1, t), before.clone()).1;
        let all = graph.concat(&leaves(&after), -1);
        let mut jacobian = Array2::zeros((elements, elements));
        for i in 0..elements {
            let one = ArrayD::from_shape_fn(vec![1, elements], |at| f64::from(at[1] == i));
            let gradients = all.vjp(one).unwrap();
            let of = |(leaf, carried): (&Var<'_>, &Tensor)| -> Vec<f64> {
                let none = || vec![0.0; carried.shape()[1]];
                gradients.of(*leaf).map_or_else(none, |g| g.to_f64().into_iter().collect())
            };
            let row: Vec<f64> = leaves(&before).iter().zip(&carried).flat_map(of).collect();
            jacobian.row_mut(i).assign(&Array1::from(row));
        }
        let largest = value(all).iter().fold(1.0f64, |most, x| most.max(x.abs()));
        carriers.iter_mut().for_each(|(carrier, _)| *carrier = jacobian.dot(carrier));
        carriers.push((Array2::eye(elements), 8.0 * f64::from(f32::EPSILON) * largest));
        for (carrier, delta) in &carriers {
            let each = carrier.mapv(f64::abs).sum_axis(Axis(1)) * (2.0 * delta);
            bounds.row_mut(t).zip_mut_with(&each, |sum, each| *sum += each);
        }
        carried = state_to_tensors(&after).unwrap();
    }
    bounds
}

/// The first step at which two runs are farther apart than the bound.
fn broken(a: &Array2<f64>, b: &Array2<f64>, bound: &Array2<f64>) -> Option<usize> {
    let apart = (a - b).mapv(f64::abs);
    apart.indexed_iter().find(|&(at, apart)| apart.is_nan() || *apart > bound[at]).map(|((t, _), _)| t)
}

#[test]
fn in_single_precision_they_are_apart_by_rounding_alone_and_an_error_in_any_gate_is_more() {
    fn test<A: Cell, B: Cell>(name: &str, fused: fn(Scope<'_>) -> A, formula: fn(Scope<'_>) -> B, gates: usize) {
        for seed in 0..6 {
            let (bound, formula) = (bound(fused, seed), states(formula, seed, 0, 0.0));
            assert_eq!(broken(&states(fused, seed, 0, 0.0), &formula, &bound), None, "{name}");
            // It says something: at the last step it is as small as this, relative to the state.
            let (limits, ends) = (bound.row(STEPS - 1), formula.row(STEPS - 1));
            let last = limits.iter().zip(ends).map(|(b, x)| b / x.abs().max(1.0)).fold(0.0, f64::max);
            println!("{name}, seed {seed}: at most {last:e} after {STEPS} steps");
            assert!(last < 5e-5, "{name}: a bound of {last:e} is none");
            for gate in 0..gates {
                let wrong = states(fused, seed, gate, 1e-3);
                assert!(broken(&wrong, &formula, &bound).is_some(), "{name}: an error in gate {gate} is not found");
            }
        }
    }
    for_each_pair!(test);
}
