//! What a recording for inference spares, and that nobody can tell.

use ndarray::{Array, IxDyn};
use std::sync::Arc;
use unspool_graph::{Graph, Params, RngKey, Tensor, Var};

fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let draw = RngKey::seed(seed);
    let values = (0..shape.iter().product::<usize>() as u64).map(|i| draw.normal(i) as f32).collect();
    Array::from_shape_vec(IxDyn(shape), values).unwrap().into()
}

/// What some operations make of rows 2, 0, 2, 1 of a memory `[3, 2, 4, 5]`.
fn uses<'g>(graph: &'g Graph<'g>, memory: &Arc<Tensor>) -> Vec<Var<'g>> {
    let rows = graph.input(memory.clone()).index_select(&[2, 0, 2, 1]);
    let left = graph.input(numbers(&[4, 2, 3, 4], 2));
    let again = rows.index_select(&[3, 3, 0]);
    vec![
        rows,
        left.matmul(rows),
        rows.tanh(),
        rows + graph.input(numbers(&[5], 3)),
        rows.slice(0, 1..3),
        rows.slice(3, 1..4).index(0, 2),
        rows.reshape([8, 20]).matmul(graph.input(numbers(&[20, 3], 4))),
        rows.permute(&[1, 0, 3, 2]).softmax(),
        graph.concat(&[rows, rows], 1).sum(&[0, 2]),
        again.index(0, 1) * 2.0,
        left.slice(0, 0..3).matmul(again),
    ]
}

#[test]
fn rows_that_are_not_copied_have_the_values_of_copies() {
    let params = Params::seeded(0);
    let memory = Arc::new(numbers(&[3, 2, 4, 5], 1));
    let (copied, lent) = (Graph::new(&params), Graph::inference(&params));
    for (i, (copied, lent)) in uses(&copied, &memory).into_iter().zip(uses(&lent, &memory)).enumerate() {
        assert_eq!(copied.value().unwrap(), lent.value().unwrap(), "use {i}");
    }
}

#[test]
fn rows_that_do_not_exist_are_refused_for_inference_too() {
    let params = Params::seeded(0);
    let graph = Graph::inference(&params);
    let error = graph.zeros([2, 3]).index_select(&[0, 2]).value().unwrap_err().to_string();
    assert!(error.contains("row 2 does not exist: there are 2"), "{error}");
}

#[test]
fn rows_for_which_there_is_no_memory_are_an_error() {
    let params = Params::seeded(0);
    let graph = Graph::inference(&params);
    let rows = graph.zeros([1, 1 << 20]).index_select(&vec![0; 1 << 24]); // 64 TB
    let error = rows.sum_all().value().unwrap_err().to_string();
    assert!(error.contains("GB of memory, which this machine does not give"), "{error}");
}

#[test]
fn a_tensor_that_is_lent_is_read_in_either_precision_and_any_layout() {
    let params = Params::seeded(0);
    let double = params.to_f64();
    let turned = Tensor::F32(Array::from_shape_fn((3, 2), |(i, j)| (2 * i + j) as f32).reversed_axes().into_dyn());
    for params in [&params, &double] {
        let graph = Graph::inference(params);
        for tensor in [numbers(&[2, 3], 1), turned.clone()] {
            let lent = graph.input(Arc::new(tensor.clone()));
            assert_eq!(lent.to_f64().unwrap(), tensor.to_f64());
            assert_eq!((lent * 2.0).to_f64().unwrap(), tensor.to_f64() * 2.0);
        }
    }
}

#[test]
fn a_gradient_passes_beside_a_tensor_that_is_lent() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let (lent, x) = (graph.input(Arc::new(numbers(&[3], 1))), graph.input(numbers(&[3], 2)).watch());
    let gradients = (lent * x).sum_all().backward().unwrap();
    assert_eq!(gradients.of(x).unwrap(), numbers(&[3], 1));
    // A second derivative enters it as well.
    assert_eq!((x.powi(2) * lent).sum_all().gradient(x).sum_all().backward().unwrap().of(x).unwrap().shape(), [3]);
}
