//! Dropout: how much is kept, and that a row's draws belong to its example.

use ndarray::{Array2, Axis};
use unspool_graph::{Graph, Params, RowIds};

/// What dropout leaves of ones, for rows with these names or without any.
fn dropped(rows: Option<RowIds>, shape: [usize; 2], p: f64) -> Array2<f64> {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params).training(3, 7);
    let _rows = rows.map(|rows| graph.name_rows(rows));
    graph.full(shape, 1.0).dropout(p).to_f64().unwrap().into_dimensionality().unwrap()
}

#[test]
fn an_element_is_kept_with_the_rest_of_the_probability_and_scaled_by_it() {
    let left = dropped(None, [100, 1000], 0.2);
    assert!(left.iter().all(|&y| y == 0.0 || y == 1.0 / 0.8));
    let kept = left.iter().filter(|&&y| y > 0.0).count() as f64 / 1e5;
    assert!((kept - 0.8).abs() < 0.01, "{kept}");
    assert_ne!(left.row(0), left.row(1));
}

#[test]
fn a_row_has_the_draws_of_its_example_wherever_it_stands() {
    let of = |names: [u32; 3]| dropped(Some(names.into()), [3, 40], 0.5);
    let (sorted, mixed) = (of([2, 4, 9]), of([9, 2, 4]));
    assert_eq!(mixed, sorted.select(Axis(0), &[2, 0, 1]));
    assert_ne!(sorted.row(0), sorted.row(1));
}

#[test]
fn the_steps_of_an_example_have_the_draws_of_its_one_row() {
    let steps = RowIds::steps([9u32, 9, 9], [0, 1, 2]);
    let apart = dropped(Some(steps), [3, 20], 0.5);
    let whole = dropped(Some([9u32].into()), [1, 60], 0.5);
    assert_eq!(apart.iter().collect::<Vec<_>>(), whole.iter().collect::<Vec<_>>());
    assert_ne!(apart.row(0), apart.row(1));
}

#[test]
fn a_tensor_of_other_rows_than_the_named_ones_draws_by_place() {
    assert_eq!(dropped(Some([4u32, 9].into()), [3, 40], 0.5), dropped(None, [3, 40], 0.5));
}

#[test]
fn nothing_is_recorded_for_a_probability_of_zero_and_findings_name_the_operation() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params).training(3, 7).detect_anomaly();
    let x = graph.input(vec![f32::INFINITY; 8]);
    assert!(x.dropout(0.0).same_node(x));
    let error = x.dropout(0.5).value().unwrap_err().to_string();
    assert!(error.starts_with("the value of dropout is not finite"), "{error}");
}
