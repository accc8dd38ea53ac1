//! State Jacobians against the graph's own gradients, and what is computed from them against linear algebra.

use ndarray::{Array2, Array3, s};
use proptest::prelude::*;
use unspool_graph::{Graph, Params, Result, RngKey};
use unspool_nn::{
    Cell, CellKind, Gru, Lstm, LstmState, Rnn, Sequence,
    dynamics::{DynamicsLimits, lyapunov_exponents, record_dynamics, spectral_radius, state_jacobian, state_jacobians},
    unroll,
};

fn random(shape: (usize, usize, usize), seed: u64) -> Array3<f64> {
    let key = RngKey::seed(seed);
    Array3::from_shape_fn(shape, |(i, j, k)| key.fold_in(i as u64).fold_in(j as u64).uniform(k as u64) * 2.0 - 1.0)
}

fn largest(difference: &Array2<f64>) -> f64 {
    difference.iter().fold(0.0, |most, x| most.max(x.abs()))
}

/// The chain rule: what a run does to its first state is the product of the Jacobians of its steps, example by example.
#[test]
fn the_product_of_state_jacobians_is_the_jacobian_of_the_run() -> Result<()> {
    let lengths = [2, 5, 0, 3];
    let mut params = Params::seeded(2);
    let cell = Gru::new(params.scope("rnn"), 3, 4);
    let params = params.to_f64();
    let graph = Graph::new(&params);
    let xs = Sequence::pack(graph.input(random((4, 5, 3), 7)), &lengths);
    let start = graph.input(random((1, 4, 4), 9).index_axis_move(ndarray::Axis(0), 0)).watch();
    let steps = state_jacobians(&cell, &xs, start)?;
    let whole = graph.jacobian(unroll(&cell, &xs, start).1, start)?;
    for (example, &length) in lengths.iter().enumerate() {
        assert_eq!(steps[example].len(), length);
        let product = steps[example].iter().fold(Array2::eye(4), |product, step| step.dot(&product));
        let expected = whole.slice(s![example, .., example, ..]);
        assert!(largest(&(product - expected)) < 1e-12, "example {example}");
    }
    Ok(())
}

/// All leaves, one after the other: ∂(h', c')/∂(h, c).
#[test]
fn the_leaves_of_a_state_stand_one_after_the_other() -> Result<()> {
    let mut params = Params::seeded(2);
    let cell = Lstm::new(params.scope("rnn"), 3, 2);
    let params = params.to_f64();
    let graph = Graph::new(&params);
    let x = graph.input(random((1, 2, 3), 1).index_axis_move(ndarray::Axis(0), 0));
    let given = |seed| graph.input(random((1, 2, 2), seed).index_axis_move(ndarray::Axis(0), 0)).watch();
    let (h, c) = (given(2), given(3));
    let (jacobian, next) = state_jacobian(&cell, x, LstmState { h, c })?;
    let (_, after) = cell.step(x, LstmState { h, c });
    assert_eq!(next.c.to_f64()?, after.c.to_f64()?);
    for (out, of) in [after.h, after.c].into_iter().enumerate() {
        for (column, leaf) in [h, c].into_iter().enumerate() {
            let expected = graph.jacobian(of, leaf)?;
            for row in 0..2 {
                let part = jacobian.slice(s![row, 2 * out..2 * out + 2, 2 * column..2 * column + 2]);
                assert!(largest(&(&part - &expected.slice(s![row, .., row, ..]))) < 1e-14);
            }
        }
    }
    Ok(())
}

/// Nothing flows back through a run of observed steps, and what is wrong is an error.
#[test]
fn a_graph_without_gradients_and_a_wrong_input_are_errors() {
    let mut params = Params::seeded(2);
    let cell = Rnn::new(params.scope("rnn"), 3, 2);
    let graph = Graph::inference(&params);
    let xs = Sequence::full(graph.zeros([1, 2, 3]));
    assert!(state_jacobians(&cell, &xs, cell.initial_state(&graph, 1)).is_err());
    let graph = Graph::new(&params);
    let wrong = Sequence::full(graph.zeros([1, 2, 4]));
    let why = state_jacobians(&cell, &wrong, cell.initial_state(&graph, 1)).unwrap_err().to_string();
    assert!(why.contains("[1, 4]"), "{why}");
}

fn matrix(size: usize) -> impl Strategy<Value = Array2<f64>> {
    prop::collection::vec(-1.0..1.0f64, size * size)
        .prop_map(move |elements| Array2::from_shape_vec((size, size), elements).unwrap())
}

proptest! {
    /// A triangular matrix has its eigenvalues on the diagonal, and a change of basis keeps them: here one by a matrix
    /// near the identity, whose inverse is a short series.
    #[test]
    fn a_spectral_radius_is_the_largest_eigenvalue(mut triangle in matrix(4), turn in matrix(4)) {
        for row in 0..4 {
            (0..row).for_each(|column| triangle[[row, column]] = 0.0);
        }
        let expected = triangle.diag().iter().fold(0.0f64, |most, x| most.max(x.abs()));
        let small = turn * 0.05;
        let basis = Array2::<f64>::eye(4) + &small;
        let (mut inverse, mut power) = (Array2::<f64>::eye(4), Array2::<f64>::eye(4));
        for _ in 0..40 {
            power = power.dot(&(-&small));
            inverse += &power;
        }
        let found = spectral_radius(&basis.dot(&triangle).dot(&inverse));
        // Eigenvalues that lie close together are as sensitive as a root of the rounding error.
        prop_assert!((found - expected).abs() < 1e-3 * expected.max(1e-1), "{found} {expected}");
        prop_assert!((spectral_radius(&triangle) - expected).abs() < 1e-3 * expected.max(1e-1));
    }

    /// All axes together grow as the volume does: Σ exponents = the mean of ln |det J|.
    #[test]
    fn lyapunov_exponents_add_up_to_the_growth_of_the_volume(steps in prop::collection::vec(matrix(2), 1..30)) {
        let volume = |j: &Array2<f64>| (j[[0, 0]] * j[[1, 1]] - j[[0, 1]] * j[[1, 0]]).abs().ln();
        prop_assume!(steps.iter().all(|step| volume(step) > -9.0));
        let expected = steps.iter().map(volume).sum::<f64>() / steps.len() as f64;
        let found = lyapunov_exponents(&steps);
        prop_assert!(found[0] >= found[1]);
        prop_assert!((found.iter().sum::<f64>() - expected).abs() < 1e-8, "{found:?} {expected}");
    }
}

#[test]
fn a_lost_axis_has_an_exponent_of_minus_infinity() {
    let flat = vec![ndarray::array![[1.0, 1.0], [1.0, 1.0]]; 3];
    let found = lyapunov_exponents(&flat);
    assert!((found[0] - (2.0f64.ln() * 3.0 - 0.5 * 2f64.ln()) / 3.0).abs() < 1e-12 && found[1] == f64::NEG_INFINITY);
    assert_eq!(lyapunov_exponents(&[]), [0.0; 0]);
    assert!(spectral_radius(&ndarray::array![[f64::NAN]]).is_nan());
}

/// What is found on the side is what the Jacobians of the whole sequence say, for every cell, also for those that run
/// as a scan.
#[test]
fn what_is_recorded_on_the_side_is_what_the_state_jacobians_say() -> Result<()> {
    for kind in CellKind::ALL {
        let mut params = Params::seeded(2);
        let cell = kind.build(params.scope("rnn"), 3, 2);
        let params = params.to_f64();
        let graph = Graph::new(&params);
        let xs = Sequence::pack(graph.input(random((3, 5, 3), 7)), &[2, 5, 3]);
        let limits = DynamicsLimits { steps: 4, ..DynamicsLimits::default() };
        let plain = unroll(&cell, &xs, cell.initial_state(&graph, 3)).0.rows().value()?;
        let (ys, found) = record_dynamics(limits, || unroll(&cell, &xs, cell.initial_state(&graph, 3)).0);
        assert_eq!(ys.rows().value()?, plain, "{kind}");
        let found = found?;
        let [run] = &found[..] else { panic!("{kind}: {found:?}") };
        let all = &state_jacobians(&cell, &xs, cell.initial_state(&graph, 3))?[1][..4];
        assert_eq!((run.length, run.scope.as_str()), (5, "unroll"));
        let (given, wanted) = (&run.spectral_radii, all.iter().map(spectral_radius));
        assert_eq!(given.len(), 4, "{kind}");
        for ((step, radius), (t, wanted)) in given.iter().zip(wanted.enumerate()) {
            assert_eq!(*step, t);
            assert!((radius - wanted).abs() < 1e-9 * wanted.max(1e-3), "{kind}, step {t}: {radius} {wanted}");
        }
        for (given, wanted) in run.lyapunov_exponents.iter().zip(lyapunov_exponents(all)) {
            assert!(*given == wanted || (given - wanted).abs() < 1e-6, "{kind}: {given} {wanted}");
        }
    }
    Ok(())
}

/// The limits hold, an error is told, and nothing is recorded afterwards.
#[test]
fn what_is_too_large_is_named_and_not_looked_at() -> Result<()> {
    let mut params = Params::seeded(2);
    let cell = Lstm::new(params.scope("rnn"), 3, 5);
    let graph = Graph::new(&params);
    let xs = Sequence::full(graph.full([1, 6, 3], 0.5));
    let limits = DynamicsLimits { state_size: 9, ..DynamicsLimits::default() };
    let (_, found) = record_dynamics(limits, || unroll(&cell, &xs, cell.initial_state(&graph, 1)));
    let found = found?;
    assert_eq!((found[0].state_size, found[0].spectral_radii.len(), found[0].lyapunov_exponents.len()), (10, 0, 0));
    let limits = DynamicsLimits { exponents: 2, ..DynamicsLimits::default() };
    let (_, found) = record_dynamics(limits, || {
        let one_step = Sequence::full(graph.full([1, 1, 3], 0.5));
        unroll(&cell, &one_step, cell.initial_state(&graph, 1)); // no run to look at
        unroll(&cell, &xs, cell.initial_state(&graph, 1))
    });
    let found = found?;
    assert_eq!((found.len(), found[0].spectral_radii.len(), found[0].lyapunov_exponents.len()), (1, 6, 2));
    let before = graph.len();
    unroll(&cell, &xs, cell.initial_state(&graph, 1));
    let plain = graph.len() - before;
    let before = graph.len();
    unroll(&cell, &xs, cell.initial_state(&graph, 1));
    assert_eq!(graph.len() - before, plain);
    Ok(())
}
