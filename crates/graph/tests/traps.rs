//! The known traps of automatic differentiation, each by its name: what is masked, empty, saturated, huge, foreign or
//! not finite gives the value and the gradient that it should, or an error that says where.

use ndarray::{ArrayD, array};
use unspool_graph::{CrossEntropy, Error, Graph, Param, Params, Tensor, Var, init};

fn one(shape: &[usize], values: &[f64]) -> (Params, Param) {
    let mut params = Params::seeded(0).to_f64();
    let w = params.scope("m").add_sized("w", shape, init::values(values.to_vec()));
    (params, w)
}

/// The value and the gradient of the sum of `f`.
fn both(params: &Params, w: Param, f: impl for<'g> Fn(Var<'g>) -> Var<'g>) -> (Vec<f64>, Vec<f64>) {
    let graph = Graph::new(params);
    let y = f(graph.param(w));
    let flat = |t: Tensor| t.to_f64().iter().copied().collect::<Vec<_>>();
    let gradient = y.sum_all().backward().unwrap().of(w).map_or(vec![], flat);
    (flat(y.value().unwrap()), gradient)
}

#[test]
fn a_softmax_row_masked_whole_gives_zeros_and_zero_gradient() {
    let (params, w) = one(&[2, 2], &[1.0, 2.0, 3.0, 4.0]);
    let mask = vec![false, false, true, false];
    let (y, g) = both(&params, w, |x| x.masked_softmax(mask.clone()));
    assert_eq!((y, g), (vec![0.0, 0.0, 1.0, 0.0], vec![0.0; 4]));
    let (y, g) = both(&params, w, |x| x.masked_log_softmax(mask.clone()));
    assert_eq!((y, g), (vec![0.0; 4], vec![0.0; 4]));
}

#[test]
fn what_a_mask_hides_may_be_anything() {
    let (params, w) = one(&[3], &[f64::NAN, 1.0, f64::INFINITY]);
    let (y, g) = both(&params, w, |x| x.masked_softmax(vec![false, true, false]));
    assert_eq!((y, g), (vec![0.0, 1.0, 0.0], vec![0.0; 3]));
    let (y, g) = both(&params, w, |x| x.eq(1.0).where_(x * 2.0, 0.0));
    assert_eq!((y, g), (vec![0.0, 2.0, 0.0], vec![0.0, 2.0, 0.0]));
}

#[test]
fn cross_entropy_over_no_counted_target_is_zero() {
    let (params, w) = one(&[2, 2], &[f64::INFINITY, f64::NAN, 1.0, 2.0]);
    let (y, g) = both(&params, w, |x| x.cross_entropy_with(&[99, 0], CrossEntropy::new().weights(vec![0.0, 0.0])));
    assert_eq!((y, g), (vec![0.0; 2], vec![0.0; 4]));
}

#[test]
fn an_ignored_row_stays_ignored_under_an_infinite_gradient() {
    let (params, w) = one(&[1, 2], &[1.0, 2.0]);
    let (_, g) =
        both(&params, w, |x| x.cross_entropy_with(&[99], CrossEntropy::new().weights(vec![0.0])) * f64::INFINITY);
    assert_eq!(g, [0.0; 2]);
}

#[test]
fn an_ignored_target_has_no_loss_and_no_gradient_whatever_stands_there() {
    // It need be no class, and the logits beside it no numbers.
    let (params, w) = one(&[3, 2], &[f64::NAN, f64::INFINITY, 1.0, 2.0, 5.0, 7.0]);
    for ignored in [u32::MAX, 2, 1] {
        let options = CrossEntropy::new().ignore(ignored).smoothing(0.1).class_weights(vec![2.0, 3.0]);
        let all = both(&params, w, |x| x.cross_entropy_with(&[ignored; 3], options.clone()));
        assert_eq!(all, (vec![0.0; 3], vec![0.0; 6]), "target {ignored}");
        assert_eq!(options.class_weight(ignored), 0.0);
        // Those that count are as they would be alone.
        let (y, g) = both(&params, w, |x| x.cross_entropy_with(&[ignored, 0, ignored], options.clone()));
        let alone = both(&params, w, |x| x.slice(0, 1..2).cross_entropy_with(&[0], options.clone()));
        assert_eq!((&y[..], &g[..]), (&[0.0, alone.0[0], 0.0][..], &alone.1[..]));
        assert!(y[1] > 0.0 && g[2] < 0.0 && g[3] > 0.0, "{y:?} {g:?}");
    }
    // Another number that is no class is a mistake all the same.
    let graph = Graph::new(&params);
    let error = graph.param(w).cross_entropy_with(&[9, 3, 9], CrossEntropy::new().ignore(9)).value().unwrap_err();
    assert!(error.to_string().contains("has 2 classes, but the target of row 1 is 3"), "{error}");
}

#[test]
fn the_greatest_places_have_a_rule_for_equals_not_a_number_and_nothing() {
    const NAN: f64 = f64::NAN;
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params);
    let x = graph.input(array![[1.0, 3.0, 3.0, -1.0], [NAN, 2.0, NAN, 2.0], [NAN, NAN, NAN, NAN]]);
    assert_eq!(x.argmax().unwrap(), [1, 1, 0]);
    let places = |k: usize| {
        let rows = x.top_k(k).unwrap();
        rows.iter().map(|row| row.iter().map(|&(place, _)| place).collect::<Vec<_>>()).collect::<Vec<_>>()
    };
    assert_eq!(places(4), [[1, 2, 0, 3], [1, 3, 0, 2], [0, 1, 2, 3]]);
    assert_eq!(places(3), [[1, 2, 0], [1, 3, 0], [0, 1, 2]]);
    assert_eq!(places(0), [[0u32; 0]; 3]);
    assert_eq!(x.top_k(2).unwrap()[0], [(1, 3.0), (2, 3.0)]);
    let infinite = graph.input(vec![f64::NEG_INFINITY, NAN, f64::INFINITY, f64::INFINITY]);
    assert_eq!(infinite.top_k(4).unwrap()[0][..3], [(2, f64::INFINITY), (3, f64::INFINITY), (0, f64::NEG_INFINITY)]);
    // A number alone is a row of one.
    assert_eq!(graph.full([], 7.0).top_k(1).unwrap(), [[(0, 7.0)]]);
}

#[test]
fn the_greatest_places_of_too_few_elements_are_an_error_and_no_rows_have_none() {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params);
    let (x, none, empty) = (graph.zeros([2, 3]), graph.zeros([0, 3]), graph.zeros([2, 0]));
    let message = |result: Result<usize, Error>| result.unwrap_err().to_string();
    let (text, line) = (message(x.top_k(4).map(|rows| rows.len())), line!());
    assert!(text.starts_with("top_k: the rows of [2, 3] have 3 elements, which is fewer than 4"), "{text}");
    assert!(text.contains(&format!("{}:{line}", file!())), "{text}");
    let text = message(empty.argmax().map(|rows| rows.len()));
    assert!(text.starts_with("argmax: the rows of [2, 0] have 0 elements"), "{text}");
    assert_eq!((none.argmax().unwrap().len(), none.top_k(9).unwrap().len()), (0, 0));
    assert_eq!(empty.top_k(0).unwrap(), [vec![], vec![]]);
    // A question that cannot be answered is no error of the graph's.
    assert!(x.value().is_ok());
}

#[test]
fn large_logits_stay_finite_in_both_precisions() {
    let (double, w) = one(&[2, 3], &[1e4, 0.0, -1e4, -1e4, 1e4, 1e4]);
    for params in [double.to_f32(), double] {
        let losses = both(&params, w, |x| x.cross_entropy(&[1, 1]));
        assert!((losses.0[0] - 1e4).abs() < 1e-2 && (losses.0[1] - 2f64.ln()).abs() < 1e-3, "{losses:?}");
        for (y, g) in [
            losses,
            both(&params, w, |x| x.softmax()),
            both(&params, w, |x| x.log_softmax()),
            both(&params, w, |x| x.logsumexp(&[-1])),
            both(&params, w, |x| x.softplus()),
            both(&params, w, |x| x.norm(&[])),
            both(&params, w, |x| x.gelu()),
            both(&params, w, |x| x.silu()),
        ] {
            assert!(y.iter().chain(&g).all(|x| x.is_finite()), "{y:?} {g:?}");
        }
    }
}

#[test]
fn log_and_sqrt_at_zero_have_their_limits() {
    let (params, w) = one(&[1], &[0.0]);
    assert_eq!(both(&params, w, |x| x.log()), (vec![f64::NEG_INFINITY], vec![f64::INFINITY]));
    assert_eq!(both(&params, w, |x| x.sqrt()), (vec![0.0], vec![f64::INFINITY]));
    assert_eq!(both(&params, w, |x| x.norm(&[])), (vec![0.0], vec![0.0]));
    assert_eq!(both(&params, w, |x| x.abs()), (vec![0.0], vec![0.0]));
    assert_eq!(both(&params, w, |x| x.powf(0.0)), (vec![1.0], vec![0.0]));
    assert_eq!(both(&params, w, |x| x.powi(0)), (vec![1.0], vec![0.0]));
    assert_eq!(both(&params, w, |x| x.gt(0.0).where_(x.sqrt(), 5.0)).0, [5.0]);
}

#[test]
fn saturated_sigmoid_and_tanh_have_zero_gradient() {
    let (double, w) = one(&[2], &[1000.0, -1000.0]);
    for params in [double.to_f32(), double] {
        assert_eq!(both(&params, w, |x| x.sigmoid()), (vec![1.0, 0.0], vec![0.0; 2]));
        assert_eq!(both(&params, w, |x| x.tanh()), (vec![1.0, -1.0], vec![0.0; 2]));
    }
}

#[test]
fn the_same_node_twice_gets_both_gradients() {
    let (params, w) = one(&[2], &[3.0, -4.0]);
    assert_eq!(both(&params, w, |x| x * x), (vec![9.0, 16.0], vec![6.0, -8.0]));
    assert_eq!(both(&params, w, |x| x.matmul(x)), (vec![25.0], vec![6.0, -8.0]));
    assert_eq!(both(&params, w, |x| x - x), (vec![0.0; 2], vec![0.0; 2]));
    assert_eq!(both(&params, w, |x| x.maximum(x)), (vec![3.0, -4.0], vec![1.0; 2]));
}

#[test]
fn an_input_that_is_not_used_gets_nothing() {
    let (params, w) = one(&[2], &[3.0, -4.0]);
    let graph = Graph::new(&params);
    let (used, unused) = (graph.input(vec![1.0f64]).watch(), graph.input(vec![1.0f64]).watch());
    let gradients = (used * 2.0).sum_all().backward().unwrap();
    assert_eq!(gradients.of(used).unwrap().to_f64(), array![2.0].into_dyn());
    assert!(gradients.of(unused).is_none() && gradients.of(w).is_none());
    assert_eq!(gradients.norm(), 0.0);
}

#[test]
fn a_watched_part_has_a_gradient_of_its_own() {
    let (params, _) = one(&[1], &[0.0]);
    let graph = Graph::new(&params);
    let whole = graph.input(vec![1.0f64, 2.0, 3.0]).watch();
    let part = whole.slice(0, 1..3).watch();
    let gradients = (part * part).sum_all().backward().unwrap();
    assert_eq!(gradients.of(part).unwrap().to_f64(), array![4.0, 6.0].into_dyn());
    assert_eq!(gradients.of(whole).unwrap().to_f64(), array![0.0, 4.0, 6.0].into_dyn());
}

#[test]
fn a_flip_within_lengths_leaves_padding_where_it_was() {
    let (params, w) = one(&[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(both(&params, w, |x| x.reverse_sequence(&[2, 3])), (vec![2.0, 1.0, 3.0, 6.0, 5.0, 4.0], vec![1.0; 6]));
    let graph = Graph::new(&params);
    let error = graph.zeros([2, 3]).reverse_sequence(&[4, 0]).value().unwrap_err().to_string();
    assert!(error.starts_with("reverse_sequence: [2, 3] is no padded batch of 2 rows with lengths [4, 0]"), "{error}");
}

#[test]
fn a_comparison_with_not_a_number_is_false_and_only_unequal_is_true() {
    let (params, w) = one(&[2], &[f64::NAN, 1.0]);
    assert_eq!(both(&params, w, |x| x.ge(x)).0, [0.0, 1.0]);
    assert_eq!(both(&params, w, |x| x.le(x)).0, [0.0, 1.0]);
    assert_eq!(both(&params, w, |x| x.ne(x)).0, [1.0, 0.0]);
}

#[test]
fn empty_axes_give_the_sums_of_nothing() {
    let (params, w) = one(&[2, 3], &[1.0; 6]);
    assert_eq!(both(&params, w, |x| x.slice(1, 0..0).sum(&[1])), (vec![0.0; 2], vec![0.0; 6]));
    assert_eq!(both(&params, w, |x| x.slice(0, 0..0).matmul(x.transpose(0, 1))).0, []);
    assert_eq!(both(&params, w, |x| x.slice(1, 0..0).matmul(x.slice(0, 0..0).expand([0, 3]))).0, [0.0; 6]);
    assert_eq!(both(&params, w, |x| x.slice(1, 0..0).logsumexp(&[1])).0, [f64::NEG_INFINITY; 2]);
    let graph = Graph::new(&params);
    let none = graph.zeros([2, 0]);
    assert!(none.max(&[1]).value().unwrap_err().to_string().starts_with("max: [2, 0] has no elements to choose from"));
}

#[test]
fn wrong_shapes_are_named_with_operation_shapes_file_and_line() {
    let params = Params::seeded(0);
    type Wrong = for<'g> fn(&'g Graph<'g>) -> Var<'g>;
    let cases: [(Wrong, u32, &str); 12] = [
        (|g| g.zeros([2, 3]).matmul(g.zeros([4, 5])), line!(), "matmul: [2, 3] × [4, 5] do not fit: 3 ≠ 4"),
        (|g| g.zeros([2, 3]) + g.zeros([4]), line!(), "add: [2, 3] × [4]"),
        (|g| g.zeros([2, 3]).linear(g.zeros([5, 2]), None::<Var<'_>>), line!(), "linear: [2, 3] × [5, 2]"),
        (|g| g.zeros([2, 3]).permute(&[0, 0]), line!(), "permute: [2, 3]"),
        (|g| g.concat(&[g.zeros([2, 3]), g.zeros([3, 2])], 0), line!(), "concat: [2, 3] × [3, 2]"),
        (|g| g.zeros([2, 3]).sum(&[2]), line!(), "sum: axis 2 does not exist in shape [2, 3]"),
        (|g| g.zeros([2, 3]).reshape([7]), line!(), "reshape: [2, 3] has 6 elements"),
        (|g| g.zeros([2, 3]).cross_entropy(&[0, 3]), line!(), "cross_entropy: [2, 3] has 3 classes"),
        (|g| g.embedding(g.zeros([2, 3]), &[2], [1], None), line!(), "embedding: [2, 3] has 2 rows"),
        (|g| g.zeros([2, 3]).index_select(&[u32::MAX]), line!(), "rows: [2, 3] row 4294967295 does not exist"),
        (|g| g.zeros([2, 3]).index(0, 2), line!(), "index: 2 does not lie in axis 0 of [2, 3]"),
        (|g| g.zeros([2, 3]).layer_norm(g.zeros([2]), g.zeros([3]), 0.1), line!(), "mul: [2, 3] × [2]"),
    ];
    for (wrong, line, text) in cases {
        let graph = Graph::new(&params);
        let out = wrong(&graph);
        let error = out.value().unwrap_err().to_string();
        assert!(error.starts_with(text), "{error}");
        assert!(error.ends_with(&format!("(at {}:{line})", file!())), "{error}, but the line is {line}");
    }
}

#[test]
fn what_follows_an_error_is_inert_and_nothing_panics() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let good = graph.zeros([2, 4]);
    let bad = good.matmul(good);
    let first = graph.check().unwrap_err();
    for x in [good, bad] {
        for y in [
            x.index(1, 0),
            x.index(0, 0),
            x.slice(1, 0..1),
            x.sum(&[0]),
            x.matmul(graph.zeros([4])),
            x.unsqueeze(0),
            x.chunk::<2>(1)[0],
            x.reshape([8]),
            x.where_(1.0, 0.0),
            graph.stack(&[x, x], 0),
            graph.concat(&[x, bad], 0),
            x.layer_norm(1.0, 0.0, 0.1),
            x.watch(),
        ] {
            assert_eq!(y.value().unwrap_err(), first);
            assert_eq!(y.backward().unwrap_err(), first);
        }
        assert!(x.split(1, 2).iter().all(|y| y.value().is_err()));
    }
}

#[test]
fn a_foreign_graph_and_a_foreign_parameter_are_errors() {
    let (params, _) = one(&[1], &[1.0]);
    let (others, foreign) = one(&[1], &[1.0]);
    fn joined<'g>(a: &'g Graph<'g>, b: &'g Graph<'g>) -> Error {
        (a.zeros([1]) + b.zeros([1])).value().unwrap_err()
    }
    let (a, b) = (Graph::new(&params), Graph::new(&others));
    let error = joined(&a, &b);
    assert!(matches!(error, Error::ForeignGraph { operation: "add", .. }), "{error}");
    let graph = Graph::new(&params);
    let (error, line) = ((graph.zeros([1]) * foreign).value().unwrap_err(), line!());
    assert!(matches!(error, Error::ForeignParam { .. }), "{error}");
    assert!(error.to_string().contains(&format!("{}:{line}", file!())), "{error}");
}

#[test]
fn a_loss_that_is_no_single_number_is_an_error() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    assert!(matches!(graph.zeros([2]).backward(), Err(Error::NotScalar { .. })));
    assert!(graph.zeros([2]).vjp(vec![1.0f32; 3]).is_err());
    assert!(graph.zeros([1, 1]).backward().is_ok());
}

#[test]
fn hunting_finds_the_first_value_that_is_not_finite_and_says_what_it_was_made_from() {
    let (params, w) = one(&[2], &[0.0, 1.0]);
    let graph = Graph::new(&params).detect_anomaly();
    let x = graph.param(w) * 2.0;
    let _scope = graph.scope("readout");
    let (bad, line) = (x.log(), line!());
    let error = (bad * 0.0).value().unwrap_err().to_string();
    assert!(error.starts_with("the value of log is not finite: 1 of 2 not finite"), "{error}");
    assert!(error.contains("input 0 in 0.000e0..2.000e0"), "{error}");
    assert!(error.contains(&format!("{}:{line}, in readout", file!())), "{error}");
}

#[test]
fn hunting_finds_the_first_gradient_that_is_not_finite() {
    let (params, w) = one(&[2], &[0.0, 1.0]);
    let graph = Graph::new(&params).detect_anomaly();
    let x = graph.param(w) * 2.0;
    let (root, line) = (x.sqrt(), line!());
    let error = (root * 3.0).sum_all().backward().unwrap_err().to_string();
    assert!(error.starts_with("the gradient that sqrt gives to its input 0 is not finite"), "{error}");
    assert!(error.contains("its own gradient in 3.000e0..3.000e0; input 0 in 0.000e0..2.000e0"), "{error}");
    assert!(error.contains(&format!("{}:{line}", file!())), "{error}");
}

#[test]
fn hunting_sees_through_a_part_of_a_node() {
    let (params, w) = one(&[2], &[0.0, 1.0]);
    let graph = Graph::new(&params).detect_anomaly();
    let error = (graph.param(w) * 2.0).reshape([2, 1]).sqrt().sum_all().backward().unwrap_err().to_string();
    assert!(error.starts_with("the gradient that sqrt gives to its input 0 is not finite"), "{error}");
}

#[test]
fn the_report_names_missing_zero_not_finite_and_cut() {
    let mut params = Params::seeded(0).to_f64();
    let mut m = params.scope("m");
    let unused = m.add("unused", [2], init::zeros());
    let zero = m.add("zero", [2], init::constant(1.0));
    let infinite = m.add("infinite", [2], init::zeros());
    let fine = m.add("fine", [2], init::constant(1.0));
    let graph = Graph::new(&params);
    let lost = graph.param(fine).detach();
    let line = line!() - 1;
    let loss = (graph.param(zero) * 0.0 + graph.param(infinite).sqrt() + graph.param(fine) * lost).sum_all();
    let report = loss.backward().unwrap().report();
    assert_eq!(report.missing, ["m.unused"]);
    assert_eq!(report.zero, ["m.zero"]);
    assert_eq!(report.not_finite, ["m.infinite"]);
    assert_eq!(report.exits, [format!("detach at {}:{line}", file!())]);
    assert!(report.strict().unwrap_err().to_string().contains("no gradient: m.unused"));
    assert!(params.owns(unused));
}

#[test]
fn a_zero_gradient_through_a_product_is_reported_as_zero_and_not_as_missing() {
    let (params, w) = one(&[2, 2], &[1.0; 4]);
    let graph = Graph::new(&params);
    let loss = (graph.full([3, 2], 1.0).matmul(w) * 0.0).sum_all();
    let report = loss.backward().unwrap().report();
    assert_eq!((report.missing, report.zero), (vec![], vec!["m.w".to_string()]));
}

#[test]
fn a_watched_parameter_has_its_gradient_by_either_name() {
    let (params, w) = one(&[2], &[1.0, 2.0]);
    let graph = Graph::new(&params);
    let x = graph.param(w).watch();
    let gradients = (x * x).sum_all().backward().unwrap();
    assert_eq!(gradients.of(x).map(|g| g.to_f64()), gradients.of(w).map(|g| g.to_f64()));
}

#[test]
fn a_scalar_has_no_axes_and_everything_works_on_it() {
    let (params, w) = one(&[], &[2.0]);
    assert_eq!(both(&params, w, |x| x.sum(&[]) + x.mean(&[]) + x.max(&[])), (vec![6.0], vec![3.0]));
    assert_eq!(both(&params, w, |x| x.expand([2]).reshape([2, 1]) * x), (vec![4.0; 2], vec![8.0]));
    let shape: ArrayD<f64> = params.value(w).unwrap().to_f64();
    assert_eq!(shape.ndim(), 0);
}

#[test]
fn a_gradient_that_is_not_finite_at_a_place_without_a_share_stays_there() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(ndarray::array![[0.5f32, -1.0, f32::NEG_INFINITY]]).watch();
    let gradients = x.softmax().vjp(ndarray::array![[1.0f32, 2.0, f32::NAN]]).unwrap();
    let got = gradients.of(x).unwrap().to_f64();
    assert!(got.iter().all(|g| g.is_finite()), "{got}");
    assert!(got[[0, 0]] != 0.0 && got[[0, 2]] == 0.0, "{got}");
}

#[test]
fn a_window_that_does_not_fit_is_an_error_whatever_its_numbers() {
    let params = Params::seeded(0);
    type Wrong = for<'g> fn(&'g Graph<'g>) -> Var<'g>;
    let wrong: [(Wrong, &str); 6] = [
        (|g| conv(g.zeros([1, 1, 2, 2]), g.zeros([1, 1, 3, 3]), [1, 1], [0, 0]), "window [3, 3] does not fit"),
        (|g| conv(g.zeros([1, 1, 2, 2]), g.zeros([1, 1, 1, 1]), [1, 1], [usize::MAX, 0]), "does not fit"),
        (|g| conv(g.zeros([1, 1, 2, 2]), g.zeros([1, 1, 1, 1]), [0, 1], [0, 0]), "stride of 1 or more"),
        (|g| conv(g.zeros([1, 3, 2, 2]), g.zeros([1, 1, 1, 1]), [1, 1], [0, 0]), "x has 3 channels, w reads 1"),
        (|g| g.zeros([2, 0]).max_pool2d([1, 1], [1, 1]), "window [1, 1] does not fit into the plane [2, 0]"),
        (|g| g.zeros([2]).mean_pool2d([1, 1], [1, 1]), "must be [.., height, width]"),
    ];
    for (make, text) in wrong {
        let graph = Graph::new(&params);
        let error = make(&graph).value().unwrap_err().to_string();
        assert!(error.contains(text) && error.contains("traps.rs"), "{error}");
    }
}

fn conv<'g>(x: Var<'g>, w: Var<'g>, stride: [usize; 2], padding: [usize; 2]) -> Var<'g> {
    x.conv2d(w, None::<Var<'g>>, stride, padding)
}

/// Frames of 8x8, several of which share a block, and of 20x20, which are cut into blocks.
#[test]
fn a_frame_has_the_same_bits_alone_or_among_others_and_frames_of_padding_change_none() {
    for (side, frames) in [(8, 7), (20, 3)] {
        let mut params = Params::seeded(3);
        let mut scope = params.scope("conv");
        let w = scope.add("weight", [5, 2, 3, 3], init::uniform(1.0));
        let b = scope.add("bias", [5], init::uniform(1.0));
        let film = scope.add("film", [frames, 2, side, side], init::uniform(1.0));
        let graph = Graph::new(&params);
        let apply = |x: Var<'_>| x.conv2d(w, Some(b), [1, 1], [1, 1]).value().unwrap();
        let x = graph.param(film);
        let together = apply(x).to_f64();
        for frame in 0..frames {
            let alone = apply(x.slice(0, frame..frame + 1)).to_f64();
            assert_eq!(alone.index_axis(ndarray::Axis(0), 0), together.index_axis(ndarray::Axis(0), frame));
        }
        let gradients = |padded: bool| {
            let graph = Graph::new(&params);
            let x = graph.param(film);
            let gap = graph.full([4, 2, side, side], f64::INFINITY);
            let first = x.slice(0, 0..2);
            let x = if padded { graph.concat(&[first, gap, x.slice(0, 2..frames)], 0) } else { x };
            let y = x.conv2d(w, Some(b), [1, 1], [1, 1]);
            let real = if padded { graph.concat(&[y.slice(0, 0..2), y.slice(0, 6..frames + 4)], 0) } else { y };
            let gradients = real.powi(2).sum_all().backward().unwrap();
            [w, b, film].map(|p| gradients.of(p).unwrap())
        };
        assert_eq!(gradients(false), gradients(true));
    }
}

#[test]
fn a_pooled_not_a_number_is_not_hidden_and_equals_share_nothing() {
    let (params, w) = one(&[2, 2], &[1.0, f64::NAN, 2.0, 3.0]);
    let (y, g) = both(&params, w, |x| x.max_pool2d([2, 2], [1, 1]));
    assert!(y[0].is_nan() && g == [0.0, 1.0, 0.0, 0.0], "{y:?} {g:?}");
    let (params, w) = one(&[2, 2], &[3.0, 3.0, 2.0, 3.0]);
    assert_eq!(both(&params, w, |x| x.max_pool2d([2, 2], [1, 1])), (vec![3.0], vec![1.0, 0.0, 0.0, 0.0]));
}
