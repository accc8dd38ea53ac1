//! Convolutions and pooling.

use crate::{close, double, numbers, value, why};
use ndarray::{Array3, Array4, ArrayD, Axis, IxDyn, array};
use unspool_graph::Graph;

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
