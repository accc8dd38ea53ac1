//! Products, and the pieces of an axis.

use crate::{double, numbers, value, why};
use ndarray::{Array2, Array3, Array4, array};
use unspool_graph::{Graph, Var};

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
    let says = "must be x [.., channel, time] and w [out channel, channel, kernel]";
    refused(&|g| g.zeros([5]).conv1d(g.zeros([2, 1, 3]), None::<Var<'_>>, 1, 0), says);
    refused(&|g| g.zeros([1, 5]).conv1d(g.zeros([2, 3]), None::<Var<'_>>, 1, 0), says);
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
