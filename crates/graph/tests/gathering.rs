//! Gradients of a weight that wait for those of other steps: the order in which they are added, and what is found in
//! them; and what is zero in memory that is used again.

use ndarray::Array2;
use unspool_graph::{Graph, NO_ROW, Params, Var, init};

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

/// So many elements come from memory that holds anything at first.
const MANY: usize = 3000;

#[test]
fn the_gradient_of_what_is_repeated_begins_at_zero() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let column = graph.full([MANY, 1], 2.0).watch();
    let all = graph.input(Array2::from_shape_fn((MANY, 2), |(_, j)| 3.0 + j as f32)).watch();
    for _ in 0..2 {
        let gradients = (column * all).sum_all().backward().unwrap();
        assert_eq!(gradients.of(column).unwrap(), Array2::from_elem((MANY, 1), 7.0f32).into());
        let gradients = (all / column).sum_all().backward().unwrap();
        assert_eq!(gradients.of(column).unwrap(), Array2::from_elem((MANY, 1), -1.75f32).into());
    }
}

#[test]
fn what_a_movement_leaves_free_is_zero() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.full([MANY, 1], 5.0).watch();
    for _ in 0..2 {
        let sources: Vec<u32> = (0..MANY as u32).map(|row| if row % 3 == 0 { NO_ROW } else { row }).collect();
        let holes = graph.gather_rows(&[x], sources.into(), [MANY]);
        let expected = Array2::from_shape_fn((MANY, 1), |(row, _)| if row % 3 == 0 { 0.0f32 } else { 5.0 });
        assert_eq!(holes.value().unwrap(), expected.clone().into());
        assert_eq!((holes * 5.0).sum_all().backward().unwrap().of(x).unwrap(), expected.into());
        let padded = x.pad(0, 1, 2).to_f64().unwrap();
        assert_eq!((padded[[0, 0]], padded[[1, 0]], padded.sum()), (0.0, 5.0, 5.0 * MANY as f64));
    }
}
