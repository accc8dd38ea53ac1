//! Sums and their like, softmax, losses.

use crate::{close, double, numbers, value, why};
use ndarray::{Array1, Array2, Array3, Axis, array};
use unspool_graph::{CrossEntropy, Graph, Params, Var};

#[test]
fn sums_of_many_terms_along_every_axis_are_exact_and_means_are_their_shares() {
    let params = double();
    for shape in [&[1100, 3][..], &[3, 9000], &[2, 700, 3], &[700, 2, 2], &[2, 3, 4]] {
        let x = numbers(shape, 19);
        for axis in 0..shape.len() {
            let graph = Graph::new(&params);
            let vx = graph.input(&x).watch();
            let sum = vx.sum(&[axis as isize]);
            let expected = x.sum_axis(Axis(axis));
            assert_eq!(value(sum), expected, "axis {axis} of {shape:?}");
            close(&value(vx.mean(&[axis as isize])), &(&expected / shape[axis] as f64));
            close(&value(vx.norm(&[axis as isize])), &x.mapv(|x| x * x).sum_axis(Axis(axis)).mapv(f64::sqrt));
            let share = numbers(expected.shape(), 20);
            let gradients = (sum * graph.input(&share)).sum_all().backward().unwrap();
            let repeated = share.insert_axis(Axis(axis)).broadcast(x.raw_dim()).unwrap().to_owned();
            assert_eq!(gradients.of(vx).unwrap().to_f64(), repeated);
        }
        let graph = Graph::new(&params);
        assert_eq!(graph.input(&x).sum_all().item().unwrap(), x.sum());
        let least = x.fold(f64::INFINITY, |a, &b| a.min(b));
        assert_eq!(graph.input(&x).min(&[]).item().unwrap(), least);
        let greatest = x.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        assert_eq!(graph.input(&x).max(&[]).item().unwrap(), greatest);
    }
}

#[test]
fn running_sums_deviations_and_log_sums_are_their_formulas() {
    let params = double();
    let graph = Graph::new(&params);
    let x = numbers(&[3, 4, 5], 21);
    let vx = graph.input(&x);
    for axis in 0..3 {
        let mut running = x.clone();
        running.accumulate_axis_inplace(Axis(axis), |&before, here| *here += before);
        assert_eq!(value(vx.cumsum(axis as isize)), running);
        let lanes = |f: &dyn Fn(&[f64]) -> f64| x.map_axis(Axis(axis), |lane| f(&lane.to_vec()));
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let squares = |x: &[f64]| x.iter().map(|v| (v - mean(x)).powi(2)).sum::<f64>();
        for correction in [0, 1] {
            let variance = lanes(&|x| squares(x) / (x.len() - correction) as f64);
            close(&value(vx.var(&[axis as isize], correction)), &variance);
            close(&value(vx.std(&[axis as isize], correction)), &variance.mapv(f64::sqrt));
        }
        let total = |x: &[f64]| x.iter().map(|v| v.exp()).sum::<f64>().ln();
        close(&value(vx.logsumexp(&[axis as isize])), &lanes(&total));
    }
    assert!(why(vx.var(&[1], 4)).contains("4 elements of [3, 4, 5] with a correction of 4 have no deviation"));
}

#[test]
fn softmax_and_layer_norm_are_their_formulas_in_rows_of_any_width() {
    let params = double();
    let graph = Graph::new(&params);
    for width in [1, 2, 7, 16, 33] {
        let x = numbers(&[3, width], 22);
        let mask = Array2::from_shape_fn((3, width), |(row, j)| row < 2 && (row + j) % 3 != 1);
        let shown = |row: usize, j: usize, masked: bool| !masked || mask[[row, j]];
        for masked in [false, true] {
            let total =
                |row: usize| (0..width).filter(|&j| shown(row, j, masked)).map(|j| x[[row, j]].exp()).sum::<f64>();
            let share = |(row, j): (usize, usize)| x[[row, j]].exp() / total(row);
            let of = |f: &dyn Fn(f64) -> f64| {
                let at = |(row, j)| if shown(row, j, masked) { f(share((row, j))) } else { 0.0 };
                Array2::from_shape_fn((3, width), at).into_dyn()
            };
            let vx = graph.input(&x);
            let (soft, log) = if masked {
                (vx.masked_softmax(mask.view()), vx.masked_log_softmax(mask.view()))
            } else {
                (vx.softmax(), vx.log_softmax())
            };
            close(&value(soft), &of(&|p| p));
            close(&value(log), &of(&f64::ln));
        }
        let normal = |row: usize, j: usize| {
            let mean = (0..width).map(|j| x[[row, j]]).sum::<f64>() / width as f64;
            let variance = (0..width).map(|j| (x[[row, j]] - mean).powi(2)).sum::<f64>() / width as f64;
            (x[[row, j]] - mean) / (variance + 0.25).sqrt()
        };
        let (weight, bias) = (numbers(&[width], 23), numbers(&[width], 24));
        let at = |(row, j)| normal(row, j) * weight[[j]] + bias[[j]];
        let expected = Array2::from_shape_fn((3, width), at).into_dyn();
        close(&value(graph.input(&x).layer_norm(graph.input(&weight), graph.input(&bias), 0.25)), &expected);
    }
    let x = graph.zeros([2, 3]);
    assert!(why(x.masked_softmax(vec![true; 5])).contains("has 6 elements, but the mask has 5"));
}

#[test]
fn masks_that_do_not_fit_and_numbers_without_an_axis_are_refused() {
    let params = double();
    let refused = |f: &dyn for<'g> Fn(&'g Graph<'g>) -> Var<'g>, says: &str| {
        let graph = Graph::new(&params);
        let why = why(f(&graph));
        assert!(why.contains(says), "{why}");
    };
    let narrow = Array1::from_elem(2, true);
    refused(&|g| g.zeros([2, 3]).masked_softmax(narrow.view()), "is not what a mask of shape [2] can be repeated to");
    let deep = Array3::from_elem((2, 2, 3), true);
    refused(&|g| g.zeros([2, 3]).masked_log_softmax(deep.view()), "a mask of shape [2, 2, 3]");
    refused(&|g| g.zeros([]).softmax(), "needs an axis to go over");
    refused(&|g| g.zeros([]).log_softmax(), "needs an axis to go over");
    refused(&|g| g.zeros([]).layer_norm(1.0, 0.0, 0.1), "needs an axis to go over");
    refused(&|g| g.zeros([0]).mean(&[]), "no elements to take the mean of");
    refused(&|g| g.zeros([2, 0]).max(&[1]), "no elements to choose from");
    let graph = Graph::new(&params);
    assert_eq!(value(graph.zeros([0, 2]).max(&[1])).shape(), [0]);
}

#[test]
fn the_cross_entropy_of_a_wide_row_has_its_greatest_logit_anywhere() {
    let params = double();
    let graph = Graph::new(&params);
    for width in [1, 5, 16, 17, 40] {
        for top in 0..width {
            let logits = Array2::from_shape_fn((2, width), |(_, j)| if j == top { 900.0 } else { j as f64 });
            let other = (top + 1) % width;
            let losses = value(graph.input(&logits).cross_entropy(&[top as u32, other as u32]));
            let expected = if other == top { 0.0 } else { 900.0 - other as f64 };
            assert_eq!(losses, array![0.0, expected].into_dyn());
        }
    }
    // −(1 − ε) c_t ln p_t − ε/C · Σ_j c_j ln p_j, times the row's weight.
    let (x, targets, classes) = (numbers(&[3, 4], 25), [2, 0, 3], [0.5, 2.0, 1.5, 3.0]);
    let options = CrossEntropy::new().smoothing(0.2).weights(vec![1.0, 0.0, 2.0]).class_weights(classes.to_vec());
    let found = value(graph.input(&x).cross_entropy_with(&targets.map(|t| t as u32), options));
    let loss = |row: usize| {
        let total = (0..4).map(|j| x[[row, j]].exp()).sum::<f64>().ln();
        let log = |j: usize| f64::from(classes[j]) * (x[[row, j]] - total);
        -0.8 * log(targets[row]) - 0.2 / 4.0 * (0..4).map(log).sum::<f64>()
    };
    close(&found, &array![loss(0), 0.0, 2.0 * loss(2)].into_dyn());
}

#[test]
fn a_large_mean_does_not_drown_the_variance_of_single_precision() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    // The mean is 10⁷ + 2 and the variance 3.5, while the squares are of the order 10¹⁴.
    let x = graph.input(vec![1e7f32, 1e7 + 1.0, 1e7 + 2.0, 1e7 + 5.0]);
    let found = value(x.layer_norm(1.0, 0.0, 0.0));
    for (found, deviation) in found.iter().zip([-2.0, -1.0, 0.0, 3.0]) {
        assert!((found - deviation / 3.5f64.sqrt()).abs() < 1e-6, "{found}");
    }
}

#[test]
fn the_first_of_equal_extremes_has_the_gradient() {
    let params = double();
    let graph = Graph::new(&params);
    let x = graph.input(vec![2.0, 1.0, 3.0, 1.0, 3.0]).watch();
    let slope = |y: unspool_graph::Var<'_>| y.backward().unwrap().of(x).unwrap().to_f64();
    assert_eq!(slope(x.min(&[])), array![0.0, 1.0, 0.0, 0.0, 0.0].into_dyn());
    assert_eq!(slope(x.max(&[])), array![0.0, 0.0, 1.0, 0.0, 0.0].into_dyn());
}

#[test]
fn a_norm_is_exact_where_its_squares_are_too_small_or_too_large() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    for scale in [1e-38f32, 1e-23, 1e-21, 1.0, 1e18, 1e30] {
        let norm = graph.input(vec![3.0 * scale, 4.0 * scale]).norm(&[]).item().unwrap();
        assert!((norm / f64::from(5.0 * scale) - 1.0).abs() < 1e-6, "{norm} is not {}", 5.0 * scale);
    }
}

#[test]
fn the_weight_of_a_class_is_one_unless_told() {
    assert_eq!(CrossEntropy::new().class_weight(3), 1.0);
    let options = CrossEntropy::new().class_weights(vec![0.5, 2.0, 4.0]).ignore(2);
    assert_eq!([0, 1, 2, 3].map(|class| options.class_weight(class)), [0.5, 2.0, 0.0, 0.0]);
}
