//! Gradients of a weight that wait for those of other steps: the order in which they are added, and what is found in
//! them.

use ndarray::Array2;
use unspool_graph::{Graph, Params, Var, init};

/// 2²⁷: in single precision, nothing below 8 changes it.
const LARGE: f32 = (1u32 << 27) as f32;

/// The walk back meets one row, then 128 rows that lie together and need no copy, then one row again. Were the 128
/// added first, their sum of 64 would not be lost.
#[test]
fn rows_that_lie_together_come_after_those_that_waited_before_them() {
    let mut params = Params::seeded(0);
    let weight = params.scope("layer").add("weight", [1, 2], init::zeros());
    let graph = Graph::new(&params);
    // The gradients of the two columns, in the order in which the walk back meets them: last first.
    let steps: [(usize, [f32; 2]); 3] = [(1, [LARGE, 1.0]), (128, [0.5, 1.0]), (1, [0.0, 1.0])];
    let each = steps.into_iter().rev().map(|(rows, gradient)| {
        let y = graph.full([rows, 1], 1.0).matmul(weight);
        let share = Array2::from_shape_fn((rows, 2), |(_, column)| gradient[column]);
        (y * graph.input(share)).sum_all()
    });
    let gradients = each.sum::<Option<Var<'_>>>().unwrap().backward().unwrap();
    assert_eq!(gradients.of(weight).unwrap(), ndarray::array![[LARGE, 130.0]].into());
}

#[test]
fn an_infinity_in_rows_that_wait_is_found_at_the_product_that_gave_them() {
    let mut params = Params::seeded(0);
    let weight = params.scope("layer").add("weight", [2, 1], init::constant(1.0));
    for (x, finite) in [(3.0f32, true), (f32::INFINITY, false)] {
        let graph = Graph::new(&params).detect_anomaly();
        // An infinite input may pass, and so may what it makes infinite; the gradient of a weight may not.
        let (y, line) = (graph.input(ndarray::array![[x, 1.0]]).matmul(weight), line!());
        match y.sum_all().backward() {
            Ok(gradients) => {
                assert!(finite);
                assert_eq!(gradients.of(weight).unwrap(), ndarray::array![[3.0f32], [1.0]].into());
            }
            Err(error) => {
                let error = error.to_string();
                assert!(!finite && error.contains("matmul gives to its input 1"), "{error}");
                assert!(error.contains(&line.to_string()), "{error}");
            }
        }
    }
}

#[test]
fn the_gradient_of_what_is_repeated_begins_at_zero_in_memory_that_is_used_again() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let column = graph.input(ndarray::array![[1.0f32], [2.0], [3.0]]).watch();
    let all = graph.input(Array2::from_shape_fn((3, 4), |(i, j)| (i + j) as f32)).watch();
    for _ in 0..3 {
        let gradients = (column * all).sum_all().backward().unwrap();
        assert_eq!(gradients.of(column).unwrap(), ndarray::array![[6.0f32], [10.0], [14.0]].into());
        let gradients = (all / column * 6.0).sum_all().backward().unwrap();
        assert_eq!(gradients.of(column).unwrap(), ndarray::array![[-36.0f32], [-15.0], [-28.0 / 3.0]].into());
    }
}
