//! Comparisons, choices, and elements by their places.

use crate::{double, numbers, value, why};
use ndarray::{Array2, Array3, ArrayD, Axis, IxDyn, array};
use unspool_graph::{Graph, NO_ROW, Var};

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
    assert_eq!(sorted.index_axis(Axis(0), 1), array![f64::NEG_INFINITY, 0.0, 1.0, 2.0].into_dyn());
    assert!(sorted[[0, 3]].is_nan() && sorted[[0, 0]] == -1.0);
    assert_eq!(vx.argmax().unwrap(), [0, 1]);
    let best = vx.top_k(4).unwrap();
    assert_eq!(best[0].iter().map(|best| best.0).collect::<Vec<_>>(), [0, 3, 2, 1]);
    assert_eq!(best[1], [(1, 2.0), (2, 1.0), (0, 0.0), (3, f64::NEG_INFINITY)]);
    assert_eq!(vx.top_k(0).unwrap(), [vec![], vec![]]);
    assert!(vx.top_k(5).unwrap_err().to_string().contains("have 4 elements, which is fewer than 5"));
    assert_eq!(graph.input(vec![f64::NAN, f64::NAN]).argmax().unwrap(), [0]);
}

#[test]
fn rows_are_selected_packed_reversed_and_arranged_with_holes() {
    let params = double();
    let graph = Graph::new(&params);
    let x = numbers(&[3, 4, 2], 27);
    let vx = graph.input(&x).watch();
    assert_eq!(value(vx.index_select(&[2, 0, 0, 1])), x.select(Axis(0), &[2, 0, 0, 1]));
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
    let expected = Array3::from_shape_fn((4, 2, 3), |(a, b, j)| row(2 * a + b, j)).into_dyn();
    assert_eq!(value(arranged), expected);
    let share = numbers(&[4, 2, 3], 31);
    let gradients = (arranged * graph.input(&share)).sum_all().backward().unwrap();
    let mut slopes = ArrayD::<f64>::zeros(IxDyn(&[6, 3]));
    for (i, &source) in sources.iter().enumerate().filter(|(_, source)| **source != NO_ROW) {
        (0..3).for_each(|j| slopes[[source as usize, j]] += share[[i / 2, i % 2, j]]);
    }
    for (var, rows) in vars.into_iter().zip([0..2, 2..3, 3..6]) {
        assert_eq!(gradients.of(var).unwrap().to_f64(), slopes.slice_axis(Axis(0), rows.into()));
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

#[test]
fn a_padded_batch_has_as_many_places_as_there_are_numbers_for() {
    let params = double();
    for (rows, time, fits) in [(65_535, 65_537, true), (65_536, 65_536, false)] {
        let graph = Graph::new(&params);
        let packed = graph.zeros([rows, time, 0]).pack(&vec![0; rows]);
        assert_eq!(packed.value().is_ok(), fits, "{rows} · {time}");
    }
}

#[test]
fn a_comparison_is_where_a_gradient_ends() {
    let mut params = double();
    let weight = params.scope("m").add("weight", [2], unspool_graph::init::values(vec![1.0, 3.0]));
    let graph = Graph::new(&params);
    let x = graph.input(vec![2.0, 2.0]).watch();
    let (above, line) = (graph.param(weight).gt(x), line!());
    let gradients = (above * x).sum_all().backward().unwrap();
    assert_eq!(gradients.of(x).unwrap().to_f64(), array![0.0, 1.0].into_dyn());
    let report = gradients.report();
    assert_eq!(report.missing, ["m.weight"]);
    assert_eq!(report.exits, [format!("gt at {}:{line}", file!())]);
}
