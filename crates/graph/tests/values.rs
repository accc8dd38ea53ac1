//! Values of operations against plain loops over small whole numbers, for which every order of adding gives the same
//! bits. That gradients belong to the values is shown by `gradients`.

use ndarray::{Array1, Array2, Array3, Array4, ArrayD, Axis, IxDyn, array};
use unspool_graph::{CrossEntropy, Graph, NO_ROW, Params, Var};

/// Whole numbers in −4..=4 in no order.
fn numbers(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let mut i = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i = (i * 1_103_515_245 + 12_345) % (1 << 31);
        (i / 65_536 % 9) as f64 - 4.0
    })
}

fn value(x: Var<'_>) -> ArrayD<f64> {
    x.value().unwrap().to_f64()
}

fn why(x: Var<'_>) -> String {
    x.value().unwrap_err().to_string()
}

fn double() -> Params {
    Params::seeded(0).to_f64()
}

/// All differ by rounding alone.
fn close(found: &ArrayD<f64>, expected: &ArrayD<f64>) {
    assert_eq!(found.shape(), expected.shape());
    let far = found.iter().zip(expected).find(|(a, b)| (**a - **b).abs() > 1e-12 * (1.0 + b.abs()));
    assert_eq!(far, None);
}

#[test]
fn einsum_puts_the_axes_of_its_result_in_any_order() {
    let params = double();
    let graph = Graph::new(&params);
    let (a, c) = (numbers(&[2, 3, 4], 1), numbers(&[2, 4, 5], 2));
    let sum = |b: usize, i: usize, k: usize| (0..4).map(|j| a[[b, i, j]] * c[[b, j, k]]).sum::<f64>();
    let (x, y) = (graph.input(&a), graph.input(&c));
    let of = |formula: &str| value(graph.einsum(formula, x, y));
    assert_eq!(of("bij,bjk->bik"), Array3::from_shape_fn((2, 3, 5), |(b, i, k)| sum(b, i, k)).into_dyn());
    assert_eq!(of("bij,bjk->kib"), Array3::from_shape_fn((5, 3, 2), |(k, i, b)| sum(b, i, k)).into_dyn());
    assert_eq!(of("bij,bjk->ikb"), Array3::from_shape_fn((3, 5, 2), |(i, k, b)| sum(b, i, k)).into_dyn());
    assert_eq!(of("bij,bjk->ki"), Array2::from_shape_fn((5, 3), |(k, i)| sum(0, i, k) + sum(1, i, k)).into_dyn());
}

#[test]
fn a_chunk_takes_all_of_an_axis_or_is_refused() {
    let params = double();
    let graph = Graph::new(&params);
    let x = graph.input(array![[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]);
    let [left, right] = x.chunk(1);
    assert_eq!(value(left), array![[1.0, 2.0], [5.0, 6.0]].into_dyn());
    assert_eq!(value(right), array![[3.0, 4.0], [7.0, 8.0]].into_dyn());
    let [part, _, _] = x.chunk(1);
    assert!(why(part).contains("axis 1 of [2, 4] cannot be cut into 3 equal pieces"));
}

#[test]
fn matrix_products_are_sums_of_products_over_batches_that_broadcast() {
    let params = double();
    let graph = Graph::new(&params);
    let (a, b) = (numbers(&[2, 1, 3, 4], 3), numbers(&[5, 4, 2], 4));
    let sum = |p: usize, q: usize, i: usize, k: usize| (0..4).map(|j| a[[p, 0, i, j]] * b[[q, j, k]]).sum::<f64>();
    let expected = Array4::from_shape_fn((2, 5, 3, 2), |(p, q, i, k)| sum(p, q, i, k)).into_dyn();
    assert_eq!(value(graph.input(&a).matmul(graph.input(&b))), expected);
    // One matrix for all, vectors on either side, and both.
    let (m, v, u) = (numbers(&[4, 2], 5), numbers(&[4], 6), numbers(&[3], 7));
    let batch = numbers(&[2, 3, 4], 8);
    let one = Array3::from_shape_fn((2, 3, 2), |(p, i, k)| (0..4).map(|j| batch[[p, i, j]] * m[[j, k]]).sum::<f64>());
    assert_eq!(value(graph.input(&batch).matmul(graph.input(&m))), one.into_dyn());
    let column = Array2::from_shape_fn((2, 3), |(p, i)| (0..4).map(|j| batch[[p, i, j]] * v[[j]]).sum::<f64>());
    assert_eq!(value(graph.input(&batch).matmul(graph.input(&v))), column.into_dyn());
    let row = Array2::from_shape_fn((2, 4), |(p, j)| (0..3).map(|i| u[[i]] * batch[[p, i, j]]).sum::<f64>());
    assert_eq!(value(graph.input(&u).matmul(graph.input(&batch))), row.into_dyn());
    let dot: f64 = v.iter().map(|x| x * x).sum();
    assert_eq!(graph.input(&v).matmul(graph.input(&v)).item().unwrap(), dot);
    // W is [out, in].
    let (w, bias) = (numbers(&[3, 4], 9), numbers(&[3], 10));
    let linear = |p: usize, i: usize, o: usize| (0..4).map(|j| batch[[p, i, j]] * w[[o, j]]).sum::<f64>();
    let (x, w, b) = (graph.input(&batch), graph.input(&w), graph.input(&bias));
    let expected = Array3::from_shape_fn((2, 3, 3), |(p, i, o)| linear(p, i, o)).into_dyn();
    assert_eq!(value(x.linear(w, None::<Var<'_>>)), expected);
    assert_eq!(value(x.linear(w, Some(b))), expected + &bias);
}

#[test]
fn products_that_do_not_fit_are_refused() {
    let params = double();
    let refused = |f: &dyn for<'g> Fn(&'g Graph<'g>) -> Var<'g>, says: &str| {
        let graph = Graph::new(&params);
        let why = why(f(&graph));
        assert!(why.contains(says), "{why}");
    };
    refused(&|g| g.zeros([2, 3]).matmul(g.zeros([4, 2])), "3 ≠ 4");
    refused(&|g| g.zeros([2, 2, 3]).matmul(g.zeros([3, 3, 2])), "batch axes that do not fit");
    refused(&|g| g.zeros([2, 3]).linear(g.zeros([4, 2]), None::<Var<'_>>), "3 ≠ 2 (W is [out, in])");
    refused(&|g| g.zeros([2, 3]).linear(g.zeros([4]), None::<Var<'_>>), "must be x [.., in] and W [out, in]");
    refused(&|g| g.zeros([]).linear(g.zeros([4, 3]), None::<Var<'_>>), "must be x [.., in] and W [out, in]");
    refused(&|g| g.zeros([2, 3]).linear(g.zeros([4, 3]), Some(g.zeros([3]))), "the bias must be [4]");
    let conv = |g: &mut dyn FnMut() -> (Vec<usize>, Vec<usize>, Vec<usize>, [usize; 2]), says: &str| {
        let (x, w, b, stride) = g();
        let graph = Graph::new(&params);
        let why = why(graph.zeros(x).conv2d(graph.zeros(w), Some(graph.zeros(b)), stride, [0, 0]));
        assert!(why.contains(says), "{why}");
    };
    conv(&mut || (vec![2, 4, 4], vec![3, 3, 2, 2], vec![3], [1, 1]), "x has 2 channels, w reads 3");
    conv(&mut || (vec![2, 4, 4], vec![3, 2, 2, 2], vec![2], [1, 1]), "the bias must be [3]");
    conv(&mut || (vec![2, 4, 4], vec![3, 2, 5, 2], vec![3], [1, 1]), "does not fit into the plane");
    conv(&mut || (vec![2, 4, 4], vec![3, 2, 2, 5], vec![3], [1, 1]), "does not fit into the plane");
    conv(&mut || (vec![2, 4, 4], vec![3, 2, 2, 2], vec![3], [0, 1]), "a window and a stride of 1 or more");
    conv(&mut || (vec![2, 4, 4], vec![3, 2, 2, 2], vec![3], [1, 0]), "a window and a stride of 1 or more");
    conv(&mut || (vec![2, 4, 4], vec![3, 2, 0, 2], vec![3], [1, 1]), "a window and a stride of 1 or more");
    conv(&mut || (vec![4, 4], vec![3, 2, 2, 2], vec![3], [1, 1]), "must be x [.., channel, height, width]");
    conv(&mut || (vec![2, 4, 4], vec![3, 2, 2], vec![3], [1, 1]), "must be x [.., channel, height, width]");
}

/// Sizes of a convolution.
struct Convolved {
    frames: usize,
    channels: usize,
    plane: [usize; 2],
    out: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

/// Calls `term(y, w, x)` with the places of every product of a convolution: (frame, out, row, column), (out, channel,
/// row, column) and (frame, channel, row, column).
fn products(c: &Convolved, places: [usize; 2], mut term: impl FnMut([usize; 4], [usize; 4], [usize; 4])) {
    for (frame, out) in (0..c.frames).flat_map(|f| (0..c.out).map(move |o| (f, o))) {
        for (i, j) in (0..places[0]).flat_map(|i| (0..places[1]).map(move |j| (i, j))) {
            for channel in 0..c.channels {
                for (k, l) in (0..c.kernel[0]).flat_map(|k| (0..c.kernel[1]).map(move |l| (k, l))) {
                    let (row, column) = (i * c.stride[0] + k, j * c.stride[1] + l);
                    let inside = (c.padding[0]..c.padding[0] + c.plane[0]).contains(&row)
                        && (c.padding[1]..c.padding[1] + c.plane[1]).contains(&column);
                    if inside {
                        let x = [frame, channel, row - c.padding[0], column - c.padding[1]];
                        term([frame, out, i, j], [out, channel, k, l], x);
                    }
                }
            }
        }
    }
}

#[test]
fn convolutions_and_their_gradients_are_their_sums_on_small_and_large_planes() {
    let base =
        Convolved { frames: 20, channels: 2, plane: [4, 5], out: 3, kernel: [2, 3], stride: [1, 1], padding: [0, 1] };
    for c in [
        // Many small frames; one of more places than a block has; and steps in either direction.
        Convolved { ..base },
        Convolved { frames: 3, channels: 1, plane: [21, 19], kernel: [3, 2], padding: [1, 0], ..base },
        Convolved { frames: 2, plane: [40, 18], kernel: [3, 3], stride: [2, 1], padding: [1, 1], ..base },
        Convolved { frames: 2, plane: [19, 37], kernel: [3, 4], stride: [1, 2], padding: [2, 3], ..base },
        Convolved { frames: 7, plane: [9, 8], kernel: [1, 2], stride: [3, 2], padding: [0, 0], out: 1, ..base },
    ] {
        let along = |i: usize| (c.plane[i] + 2 * c.padding[i] - c.kernel[i]) / c.stride[i] + 1;
        let places = [along(0), along(1)];
        let x = numbers(&[c.frames, c.channels, c.plane[0], c.plane[1]], 11);
        let w = numbers(&[c.out, c.channels, c.kernel[0], c.kernel[1]], 12);
        let bias = numbers(&[c.out], 13);
        let mut share = numbers(&[c.frames, c.out, places[0], places[1]], 14);
        // A frame without a gradient stands between others.
        share.index_axis_mut(Axis(0), 1).fill(0.0);

        let mut y = ArrayD::zeros(share.raw_dim());
        y.axis_iter_mut(Axis(1)).zip(&bias).for_each(|(mut channel, &b)| channel.fill(b));
        let (mut to_x, mut to_w) = (ArrayD::<f64>::zeros(x.raw_dim()), ArrayD::<f64>::zeros(w.raw_dim()));
        products(&c, places, |at, of_w, of_x| {
            y[&at[..]] += w[&of_w[..]] * x[&of_x[..]];
            to_x[&of_x[..]] += w[&of_w[..]] * share[&at[..]];
            to_w[&of_w[..]] += x[&of_x[..]] * share[&at[..]];
        });
        let to_bias = share.sum_axis(Axis(3)).sum_axis(Axis(2)).sum_axis(Axis(0));

        let params = double();
        let graph = Graph::new(&params);
        let [vx, vw, vb] = [&x, &w, &bias].map(|all| graph.input(all).watch());
        let found = vx.conv2d(vw, Some(vb), c.stride, c.padding);
        assert_eq!(value(found), y);
        let gradients = (found * graph.input(&share)).sum_all().backward().unwrap();
        for (of, expected) in [(vx, to_x), (vw, to_w), (vb, to_bias)] {
            assert_eq!(gradients.of(of).unwrap().to_f64(), expected);
        }
        // It is linear in each operand.
        let tangent = graph.jvp(found, &[(vx, (&x * 2.0).into())]).unwrap().to_f64();
        let without_bias = &y - &bias.into_shape_with_order(IxDyn(&[c.out, 1, 1])).unwrap();
        assert_eq!(tangent, &without_bias * 2.0);
        assert_eq!(graph.jvp(found, &[(vw, (&w * 3.0).into())]).unwrap().to_f64(), &without_bias * 3.0);
    }
}

#[test]
fn a_convolution_over_time_is_that_of_one_row() {
    let params = double();
    let graph = Graph::new(&params);
    let (x, w, bias) = (numbers(&[2, 3, 9], 15), numbers(&[4, 3, 2], 16), numbers(&[4], 17));
    let at = |b: usize, o: usize, t: usize| {
        let term = |c: usize, k: usize| {
            let from = (3 * t + k).checked_sub(2).filter(|&from| from < 9);
            from.map_or(0.0, |from| w[[o, c, k]] * x[[b, c, from]])
        };
        (0..3).flat_map(|c| (0..2).map(move |k| (c, k))).map(|(c, k)| term(c, k)).sum::<f64>() + bias[[o]]
    };
    let expected = Array3::from_shape_fn((2, 4, 4), |(b, o, t)| at(b, o, t)).into_dyn();
    assert_eq!(value(graph.input(&x).conv1d(graph.input(&w), Some(graph.input(&bias)), 3, 2)), expected);
}

#[test]
fn pooling_takes_the_greatest_and_the_mean_under_every_window() {
    let params = double();
    let graph = Graph::new(&params);
    let x = numbers(&[2, 3, 5, 7], 18);
    let vx = graph.input(&x).watch();
    for (window, stride) in [([2, 3], [1, 2]), ([3, 1], [2, 3]), ([4, 4], [1, 1])] {
        let places = [(5 - window[0]) / stride[0] + 1, (7 - window[1]) / stride[1] + 1];
        let under = |b: usize, c: usize, i: usize, j: usize| {
            let all = (0..window[0]).flat_map(move |k| (0..window[1]).map(move |l| (k, l)));
            all.map(move |(k, l)| [b, c, i * stride[0] + k, j * stride[1] + l]).collect::<Vec<_>>()
        };
        let shape = (2, 3, places[0], places[1]);
        let greatest = |(b, c, i, j)| under(b, c, i, j).iter().map(|at| x[&at[..]]).fold(f64::NEG_INFINITY, f64::max);
        let expected = Array4::from_shape_fn(shape, greatest).into_dyn();
        let found = vx.max_pool2d(window, stride);
        assert_eq!(value(found), expected);
        let count = (window[0] * window[1]) as f64;
        let mean = |(b, c, i, j)| under(b, c, i, j).iter().map(|at| x[&at[..]]).sum::<f64>() / count;
        close(&value(vx.mean_pool2d(window, stride)), &Array4::from_shape_fn(shape, mean).into_dyn());
        // The first of equals has the gradient, each window its own.
        let mut slope = ArrayD::<f64>::zeros(x.raw_dim());
        for (at, &top) in expected.indexed_iter() {
            let first = under(at[0], at[1], at[2], at[3]).into_iter().find(|at| x[&at[..]] == top).unwrap();
            slope[&first[..]] += 1.0;
        }
        assert_eq!(found.sum_all().backward().unwrap().of(vx).unwrap().to_f64(), slope);
    }
    let dark = graph.input(array![[1.0, f64::NAN, 3.0], [4.0, 5.0, 6.0]]).watch();
    let greatest = dark.max_pool2d([2, 2], [1, 1]);
    assert!(value(greatest).iter().all(|y| y.is_nan()));
    let slope = greatest.sum_all().backward().unwrap().of(dark).unwrap();
    assert_eq!(slope.to_f64(), array![[0.0, 2.0, 0.0], [0.0, 0.0, 0.0]].into_dyn());
    assert!(why(graph.zeros([3]).max_pool2d([1, 1], [1, 1])).contains("must be [.., height, width]"));
}

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
fn comparisons_are_one_where_they_hold_and_a_choice_takes_from_either_side() {
    let params = double();
    let graph = Graph::new(&params);
    let (a, b) = (graph.input(vec![1.0, 2.0, 3.0, f64::NAN]), graph.input(vec![2.0, 2.0, 2.0, 2.0]));
    let of = |x: Var<'_>| value(x).into_raw_vec_and_offset().0;
    assert_eq!(of(a.gt(b)), [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(of(a.lt(b)), [1.0, 0.0, 0.0, 0.0]);
    assert_eq!(of(a.eq(b)), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(of(a.ge(b)), [0.0, 1.0, 1.0, 0.0]);
    assert_eq!(of(a.le(b)), [1.0, 1.0, 0.0, 0.0]);
    assert_eq!(of(a.ne(b)), [1.0, 0.0, 1.0, 1.0]);
    let (mask, then) = (graph.input(vec![1.0, 0.0, -2.0]).watch(), graph.input(array![[1.0], [2.0]]).watch());
    let otherwise = graph.input(array![[10.0, 20.0, 30.0]]).watch();
    let chosen = mask.where_(then, otherwise);
    assert_eq!(value(chosen), array![[1.0, 20.0, 1.0], [2.0, 20.0, 2.0]].into_dyn());
    let share = graph.input(array![[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]]);
    let gradients = (chosen * share).sum_all().backward().unwrap();
    let slope = |x| gradients.of(x).unwrap().to_f64();
    assert_eq!(slope(then), array![[5.0], [40.0]].into_dyn());
    assert_eq!(slope(otherwise), array![[0.0, 18.0, 0.0]].into_dyn());
    assert_eq!(slope(mask), array![0.0, 0.0, 0.0].into_dyn());
    assert!(why(graph.zeros([2]).where_(graph.zeros([3]), 0.0)).contains("do not broadcast"));
}

#[test]
fn places_along_an_axis_are_gathered_sorted_and_counted_from_the_greatest() {
    let params = double();
    let graph = Graph::new(&params);
    let x = numbers(&[3, 4, 2], 26);
    let vx = graph.input(&x);
    let index = Array3::from_shape_fn((2, 5, 2), |(i, j, k)| ((3 * i + j + 2 * k) % 4) as u32);
    let expected = Array3::from_shape_fn((2, 5, 2), |(i, j, k)| x[[i, index[[i, j, k]] as usize, k]]);
    assert_eq!(value(vx.gather(1, index.view())), expected.into_dyn());
    assert!(why(vx.gather(0, index.view())).contains("none but axis 0 longer"));
    let graph = Graph::new(&params);
    let vx = graph.input(array![[3.0, f64::NAN, -1.0, 3.0], [0.0, 2.0, 1.0, f64::NEG_INFINITY]]);
    let (sorted, places) = vx.sort(1);
    assert_eq!(places, array![[2, 0, 3, 1], [3, 0, 2, 1]].into_dyn());
    let sorted = value(sorted);
    assert_eq!(sorted.index_axis(Axis(0), 1).to_vec_of(), [f64::NEG_INFINITY, 0.0, 1.0, 2.0]);
    assert!(sorted[[0, 3]].is_nan() && sorted[[0, 0]] == -1.0);
    assert_eq!(vx.argmax().unwrap(), [0, 1]);
    let best = vx.top_k(4).unwrap();
    assert_eq!(best[0].iter().map(|best| best.0).collect::<Vec<_>>(), [0, 3, 2, 1]);
    assert_eq!(best[1], [(1, 2.0), (2, 1.0), (0, 0.0), (3, f64::NEG_INFINITY)]);
    assert_eq!(vx.top_k(0).unwrap(), [vec![], vec![]]);
    assert!(vx.top_k(5).unwrap_err().to_string().contains("have 4 elements, which is fewer than 5"));
    assert_eq!(graph.input(vec![f64::NAN, f64::NAN]).argmax().unwrap(), [0]);
}

trait ToVec {
    fn to_vec_of(&self) -> Vec<f64>;
}

impl ToVec for ndarray::ArrayViewD<'_, f64> {
    fn to_vec_of(&self) -> Vec<f64> {
        self.iter().copied().collect()
    }
}

#[test]
fn rows_are_selected_packed_reversed_and_arranged_with_holes() {
    let params = double();
    let graph = Graph::new(&params);
    let x = numbers(&[3, 4, 2], 27);
    let vx = graph.input(&x).watch();
    assert_eq!(value(vx.index_select(&[2, 0, 2, 1])), x.select(Axis(0), &[2, 0, 2, 1]));
    let lengths = [3, 0, 4];
    let real: Vec<[usize; 2]> = (0..3).flat_map(|b| (0..lengths[b]).map(move |t| [b, t])).collect();
    let packed = Array2::from_shape_fn((7, 2), |(i, j)| x[[real[i][0], real[i][1], j]]);
    assert_eq!(value(vx.pack(&lengths)), packed.into_dyn());
    let turned = |b: usize, t: usize| if t < lengths[b] { lengths[b] - 1 - t } else { t };
    let reversed = Array3::from_shape_fn((3, 4, 2), |(b, t, j)| x[[b, turned(b, t), j]]);
    assert_eq!(value(vx.reverse_sequence(&lengths)), reversed.into_dyn());
    for wrong in [&[3, 0][..], &[3, 0, 5]] {
        let graph = Graph::new(&params);
        assert!(why(graph.zeros([3, 4, 2]).pack(wrong)).contains("is no padded batch"));
        let graph = Graph::new(&params);
        assert!(why(graph.zeros([3, 4, 2]).reverse_sequence(wrong)).contains("is no padded batch"));
    }
    // Rows of three parts, some next to each other, one twice, one nowhere.
    let parts = [numbers(&[2, 3], 28), numbers(&[1, 3], 29), numbers(&[3, 3], 30)];
    let all = ndarray::concatenate(Axis(0), &parts.each_ref().map(|part| part.view())).unwrap();
    let sources = [0, 1, 2, 3, 4, NO_ROW, 2, 1];
    let vars = parts.each_ref().map(|part| graph.input(part).watch());
    let arranged = graph.gather_rows(&vars, sources.into(), [4, 2]);
    let row = |i: usize, j: usize| if sources[i] == NO_ROW { 0.0 } else { all[[sources[i] as usize, j]] };
    let expected = Array3::from_shape_fn((4, 2, 3), |(a, b, j)| row(2 * a + b, j));
    assert_eq!(value(arranged), expected.into_dyn());
    let share = numbers(&[4, 2, 3], 31);
    let gradients = (arranged * graph.input(&share)).sum_all().backward().unwrap();
    let mut slopes = ArrayD::<f64>::zeros(IxDyn(&[6, 3]));
    for (i, &source) in sources.iter().enumerate().filter(|(_, source)| **source != NO_ROW) {
        (0..3).for_each(|j| slopes[[source as usize, j]] += share[[i / 2, i % 2, j]]);
    }
    for (var, rows) in vars.into_iter().zip([0..2, 2..3, 3..6]) {
        let expected = slopes.slice_axis(Axis(0), rows.into()).to_owned();
        assert_eq!(gradients.of(var).unwrap().to_f64(), expected);
    }
    let graph = Graph::new(&params);
    assert!(why(graph.gather_rows(&[graph.zeros([2, 3])], [0, 2].into(), [2])).contains("row 2 does not exist"));
    let graph = Graph::new(&params);
    assert!(why(graph.gather_rows(&[graph.zeros([2, 3])], [0, 1].into(), [3])).contains("cannot fill [3]"));
}

#[test]
fn an_embedding_gives_the_rows_of_its_ids_and_their_sums_back() {
    let mut params = double();
    let all = numbers(&[5, 3], 32);
    let table = params.scope("words").add("table", [5, 3], unspool_graph::init::values(all.iter().copied().collect()));
    let graph = Graph::new(&params);
    let ids = [4, 1, 4, 0];
    let rows = graph.embedding(table, &ids, [2, 2], Some(0));
    let expected = Array3::from_shape_fn((2, 2, 3), |(i, j, k)| all[[ids[2 * i + j] as usize, k]]);
    assert_eq!(value(rows), expected.into_dyn());
    let share = numbers(&[2, 2, 3], 33);
    let slope = (rows * graph.input(&share)).sum_all().backward().unwrap().of(table).unwrap().to_f64();
    let mut expected = ArrayD::<f64>::zeros(IxDyn(&[5, 3]));
    for (i, &id) in ids.iter().enumerate().filter(|(_, id)| **id != 0) {
        (0..3).for_each(|k| expected[[id as usize, k]] += share[[i / 2, i % 2, k]]);
    }
    assert_eq!(slope, expected);
    assert!(why(graph.embedding(table, &[5], [1], None)).contains("has 5 rows, so id 5 does not exist"));
    let graph = Graph::new(&params);
    assert!(why(graph.embedding(table, &[1, 2], [3], None)).contains("2 ids do not fill [3]"));
    let graph = Graph::new(&params);
    assert!(why(graph.embedding(graph.zeros([4]), &[1], [1], None)).contains("must be a table [rows, width]"));
}
