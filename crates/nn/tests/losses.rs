//! Losses: gradients, padding left out, extreme input; CTC against all paths.

use ndarray::{Array, Array2, Array3, ArrayD, IxDyn};
use proptest::prelude::*;
use unspool_graph::{CrossEntropy, Graph, Params, RngKey, Var, check};
use unspool_nn::{
    Sequence,
    ctc::{Ctc, greedy, prefix_beam},
    loss::{self, LossReduction, Prediction},
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
        i += 1;
        RngKey::seed(seed).normal(i)
    })
}

/// Every loss that compares element by element, as a function of its prediction.
fn pointwise<'g>(which: usize, x: impl Into<Prediction<'g>>, target: &ArrayD<f64>, over: LossReduction) -> Var<'g> {
    match which {
        0 => loss::squared_error(x, target, over),
        1 => loss::absolute_error(x, target, over),
        2 => loss::huber(x, target, 0.7, over),
        _ => loss::binary_cross_entropy(x, target.mapv(|t| 1.0 / (1.0 + (-t).exp())), over),
    }
}

/// What is judged, of a batch `[3, 3, …]`: all of it, or the real steps of these lengths; and how it is reduced.
fn overs() -> [(Option<[usize; 3]>, LossReduction); 7] {
    [
        (None, LossReduction::all()),
        (None, LossReduction::all().sum()),
        (None, LossReduction::all().per_sequence()),
        (Some([2, 0, 3]), LossReduction::all()),
        (Some([1, 3, 2]), LossReduction::all().per_sequence()),
        (Some([1, 3, 2]), LossReduction::weights(vec![0.5, 0.0, 2.0])),
        (None, LossReduction::weights(vec![0.5, 0.0, 2.0])),
    ]
}

fn judged(x: Var<'_>, lengths: Option<[usize; 3]>) -> Prediction<'_> {
    lengths.map_or_else(|| x.into(), |lengths| Sequence::pack(x, &lengths).into())
}

#[test]
fn gradients_agree_with_finite_differences() -> Outcome {
    let (x, target) = (random(&[3, 3, 2], 1), random(&[3, 3, 2], 2));
    for which in 0..4 {
        for (lengths, over) in overs() {
            let target = target.clone();
            check::function(std::slice::from_ref(&x), |_, xs| {
                pointwise(which, judged(xs[0], lengths), &target, over.clone())
            })?;
        }
    }
    let targets = [0, 3, 1, 2, 2, 2, 3, 0, 1];
    for (lengths, over) in overs() {
        let options = CrossEntropy::new().smoothing(0.1).class_weights(vec![1.0, 0.5, 2.0, 1.5]);
        check::function(&[random(&[3, 3, 4], 3)], |_, xs| {
            loss::cross_entropy(judged(xs[0], lengths), &targets, options.clone(), over.clone())
        })?;
    }
    Ok(())
}

#[test]
fn values_are_the_formulas() -> Outcome {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params);
    let x = graph.input(ndarray::array![[0.5, -2.0], [3.0, 0.0]]);
    let t = ndarray::array![[0.0, 1.0], [1.0, 0.0]];
    let close = |loss: Var<'_>, expected: f64| -> Outcome {
        let found = loss.item()?;
        if (found - expected).abs() < 1e-12 { Ok(()) } else { Err(format!("{found}, expected {expected}").into()) }
    };
    close(loss::squared_error(x, &t, LossReduction::all()), (0.25 + 9.0 + 4.0) / 4.0)?;
    close(loss::squared_error(x, &t, LossReduction::all().sum()), 13.25)?;
    close(loss::squared_error(x, &t, LossReduction::all().per_sequence()), 13.25 / 2.0)?;
    close(loss::absolute_error(Sequence::pack(x, &[1, 2]), &t, LossReduction::all()), 2.5 / 3.0)?;
    close(loss::huber(x, &t, 1.0, LossReduction::all().sum()), 0.125 + 2.5 + 1.5)?;
    let softplus = |x: f64| (1.0 + x.exp()).ln();
    let binary = softplus(0.5) + softplus(-2.0) + 2.0 + softplus(3.0) - 3.0 + softplus(0.0);
    close(loss::binary_cross_entropy(x, &t, LossReduction::all().sum()), binary)?;
    // PyTorch's mean with class weights divides by the weights of the targets.
    let logits = graph.zeros([1, 3, 2]);
    let weights = CrossEntropy::new().class_weights(vec![1.0, 3.0]);
    let real = Sequence::pack(logits, &[2]);
    close(loss::cross_entropy(real, &[0, 1, 7], weights, LossReduction::all()), 2f64.ln())?;
    close(
        loss::cross_entropy(logits, &[0, 1, 1], CrossEntropy::new(), LossReduction::all().per_sequence()),
        3.0 * 2f64.ln(),
    )
}

/// Σ w · loss / Σ w over the real elements, written as loops over the padded batch.
#[test]
fn a_weighted_mean_divides_by_the_weights_of_the_elements_that_count() -> Outcome {
    let (lengths, features) = ([2, 0, 3], 2);
    let (x, t) = (random(&[3, 3, features], 11), random(&[3, 3, features], 12));
    let by_row = vec![0.5f32, 3.0, 2.0];
    let by_place: Vec<f32> = (1..=9).map(|i| i as f32 / 4.0).collect();
    let params = Params::seeded(0).to_f64();
    for weights in [by_row, by_place] {
        let weight = |b: usize, s: usize| f64::from(weights[if weights.len() == 3 { b } else { 3 * b + s }]);
        for packed in [true, false] {
            let (mut squares, mut absolutes, mut count) = (0.0, 0.0, 0.0);
            for b in 0..3 {
                for s in 0..if packed { lengths[b] } else { 3 } {
                    for f in 0..features {
                        let d = x[[b, s, f]] - t[[b, s, f]];
                        squares += weight(b, s) * d * d;
                        absolutes += weight(b, s) * d.abs();
                        count += weight(b, s);
                    }
                }
            }
            let graph = Graph::new(&params);
            let prediction = || judged(graph.input(&x), packed.then_some(lengths));
            let over = || LossReduction::weights(weights.clone());
            let found = [
                (loss::squared_error(prediction(), &t, over()), squares / count),
                (loss::squared_error(prediction(), &t, over().sum()), squares),
                (loss::absolute_error(prediction(), &t, over()), absolutes / count),
                (loss::absolute_error(prediction(), &t, over().per_sequence()), absolutes / 3.0),
            ];
            for (loss, expected) in found {
                let found = loss.item()?;
                assert!((found - expected).abs() < 1e-12, "{found}, expected {expected} ({packed}, {weights:?})");
            }
        }
    }
    Ok(())
}

#[test]
fn weights_that_are_all_zero_give_a_loss_of_zero() -> Outcome {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let none = || LossReduction::weights(vec![0.0, 0.0]);
    let x = graph.input(random(&[2, 3], 13)).watch();
    let losses = [
        loss::squared_error(x, random(&[2, 3], 14), none()),
        loss::cross_entropy(x, &[0, 1], CrossEntropy::new(), none()),
    ];
    for loss in losses {
        assert_eq!(loss.item()?, 0.0);
        assert!(loss.backward()?.of(x).ok_or("no gradient")?.to_f64().iter().all(|slope| *slope == 0.0));
    }
    Ok(())
}

#[test]
fn an_outlier_pulls_with_the_slope_of_the_formula() -> Outcome {
    let params = Params::seeded(0).to_f64();
    let graph = Graph::new(&params);
    // Differences of 0, 2 (which is δ), −2, 5 and −5.
    let x = graph.input(ndarray::array![3.0, 3.0, -1.0, 6.0, -4.0]).watch();
    let t = ndarray::array![3.0, 1.0, 1.0, 1.0, 1.0];
    let slopes = |loss: Var<'_>| -> Result<Vec<f64>, Box<dyn std::error::Error>> {
        Ok(loss.backward()?.of(x).ok_or("no gradient")?.to_f64().iter().copied().collect())
    };
    let huber = loss::huber(x, &t, 2.0, LossReduction::all().sum());
    assert_eq!(huber.item()?, 2.0 + 2.0 + 2.0 * (5.0 - 1.0) * 2.0);
    assert_eq!(slopes(huber)?, [0.0, 2.0, -2.0, 2.0, -2.0]);
    let absolute = loss::absolute_error(x, &t, LossReduction::all().sum());
    assert_eq!((absolute.item()?, slopes(absolute)?), (14.0, vec![0.0, 1.0, -1.0, 1.0, -1.0]));
    Ok(())
}

#[test]
fn whatever_stands_in_the_padding_changes_nothing() -> Outcome {
    let params = Params::seeded(0);
    let (x, target) = (random(&[2, 3, 2], 5), random(&[2, 3, 2], 6));
    let padded = |fill: f64| {
        let mut x = x.clone();
        x.slice_mut(ndarray::s![1, 1.., ..]).fill(fill);
        x
    };
    for which in 0..4 {
        let run = |fill: f64| -> Result<_, unspool_graph::Error> {
            let graph = Graph::new(&params);
            let x = graph.input(padded(fill)).watch();
            let loss = pointwise(which, Sequence::pack(x, &[3, 1]), &target, LossReduction::all());
            Ok((loss.item()?, loss.backward()?.of(x).expect("a gradient")))
        };
        let (zero, none) = (run(0.0)?, run(f64::NAN)?);
        assert_eq!(zero, none);
        assert!(none.1.to_f64().slice(ndarray::s![1, 1.., ..]).iter().all(|g| *g == 0.0));
    }
    Ok(())
}

#[test]
fn extreme_input_stays_finite() -> Outcome {
    let params = Params::seeded(0);
    for x in [0.0f32, 1e-30, 88.0, 1e4, 1e18] {
        for sign in [1.0, -1.0] {
            for target in [0.0f32, 1.0] {
                let graph = Graph::new(&params);
                let x = graph.input(vec![sign * x]).watch();
                let t = ndarray::arr1(&[target]);
                for loss in [
                    loss::binary_cross_entropy(x, &t, LossReduction::all()),
                    loss::huber(x, &t, 1.0, LossReduction::all()),
                    loss::absolute_error(x, &t, LossReduction::all()),
                    loss::squared_error(x, &t, LossReduction::all()),
                ] {
                    assert!(loss.item()?.is_finite());
                    assert!(loss.backward()?.of(x).expect("a gradient").to_f64()[[0]].is_finite());
                }
            }
        }
    }
    // Nothing real: a loss of 0, not a division by it.
    let graph = Graph::new(&params);
    let x = Sequence::pack(graph.zeros([2, 3, 4]), &[0, 0]);
    assert_eq!(loss::squared_error(&x, ndarray::Array3::<f32>::ones((2, 3, 4)), LossReduction::all()).item()?, 0.0);
    assert_eq!(loss::cross_entropy(&x, &[0; 6], CrossEntropy::new(), LossReduction::all()).item()?, 0.0);
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error_that_says_so() {
    let params = Params::seeded(0);
    let wrong = |make: &dyn for<'g> Fn(&'g Graph<'g>) -> Var<'g>, says: &str| {
        let graph = Graph::new(&params);
        let error = failed(&graph, make);
        assert!(error.contains(says), "{error}");
    };
    fn failed<'g>(graph: &'g Graph<'g>, make: &dyn for<'a> Fn(&'a Graph<'a>) -> Var<'a>) -> String {
        make(graph).item().expect_err("it does not fit").to_string()
    }
    let t = Array2::<f32>::zeros((2, 3));
    wrong(&|g| loss::squared_error(g.zeros([2, 4]), &t, LossReduction::all()), "does not fit the targets [2, 3]");
    wrong(
        &|g| loss::squared_error(Sequence::pack(g.zeros([2, 3]), &[4, 1]), &t, LossReduction::all()),
        "a length of 4",
    );
    wrong(&|g| loss::squared_error(Sequence::pack(g.zeros([2, 5]), &[4, 1]), &t, LossReduction::all()), "do not fit");
    wrong(&|g| loss::squared_error(g.zeros([2, 3]), &t, LossReduction::weights(vec![1.0; 4])), "weights");
    let empty = Array2::<f32>::zeros((0, 3));
    wrong(&|g| loss::squared_error(g.zeros([0, 3]), &empty, LossReduction::all()), "no place for each of 0 weights");
    // Another batch, other features, one axis too few.
    for shape in [vec![3, 3, 2], vec![2, 3, 1], vec![2, 3]] {
        let t = ArrayD::<f32>::zeros(shape);
        wrong(
            &|g| loss::squared_error(Sequence::pack(g.zeros([2, 3, 2]), &[3, 1]), &t, LossReduction::all()),
            "do not fit",
        );
    }
    wrong(&|g| loss::huber(g.zeros([2, 3]), &t, 0.0, LossReduction::all()), "greater than 0");
    let labels = |all: &[&[u32]]| all.iter().map(|t| t.to_vec()).collect::<Vec<Vec<u32>>>();
    wrong(&|g| Ctc::new().losses(&Sequence::full(g.zeros([2, 3])), &labels(&[&[1]])), "[batch, time, class]");
    wrong(&|g| Ctc::new().losses(&Sequence::full(g.zeros([1, 3, 4])), &[]), "1 lengths and 0 targets");
    wrong(&|g| Ctc::new().losses(&Sequence::full(g.zeros([1, 3, 4])), &labels(&[&[4]])), "has a 4");
    wrong(&|g| Ctc::new().losses(&Sequence::full(g.zeros([1, 3, 4])), &labels(&[&[0]])), "has a 0");
    wrong(
        &|g| Ctc::new().blank(4).losses(&Sequence::full(g.zeros([1, 3, 4])), &labels(&[&[1]])),
        "cannot be the blank",
    );
    wrong(&|g| Ctc::new().losses(&Sequence::full(g.zeros([1, 3, 4])), &labels(&[&[2, 2, 1]])), "needs 4");
}

/// Σ over all paths, one by one: from what labels a path stands for to its probability.
fn by_enumeration(logits: &Array2<f64>, blank: u32) -> std::collections::BTreeMap<Vec<u32>, f64> {
    let (time, classes) = logits.dim();
    let log_p = logits.map_axis(ndarray::Axis(1), |frame| frame.iter().map(|x| x.exp()).sum::<f64>());
    let mut sums = std::collections::BTreeMap::new();
    for number in 0..classes.pow(time as u32) {
        let path: Vec<u32> = (0..time).map(|t| (number / classes.pow(t as u32) % classes) as u32).collect();
        let p: f64 = path.iter().enumerate().map(|(t, &k)| logits[[t, k as usize]].exp() / log_p[t]).product();
        let mut labels = path.clone();
        labels.dedup();
        labels.retain(|&label| label != blank);
        *sums.entry(labels).or_insert(0.0) += p;
    }
    sums
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(40))]

    #[test]
    fn ctc_is_the_sum_over_all_paths(
        time in 1usize..6, classes in 2usize..4, seed: u64, blank in 0u32..2, padding in 0usize..3,
    ) {
        let frames = random(&[time, classes], seed).into_shape_with_order((time, classes)).expect("its shape");
        let sums = by_enumeration(&frames, blank);
        let mut padded = Array3::from_elem((1, time + padding, classes), f64::NAN);
        padded.slice_mut(ndarray::s![0, ..time, ..]).assign(&frames);
        let params = Params::seeded(0).to_f64();
        for (labels, p) in &sums {
            let graph = Graph::new(&params);
            let read = Sequence::pack(graph.input(&padded), &[time]);
            let loss = Ctc::new().blank(blank).losses(&read, std::slice::from_ref(labels));
            let loss = loss.value().expect("possible").to_f64()[[0]];
            prop_assert!((loss + p.ln()).abs() < 1e-10, "{labels:?}: {loss}, by enumeration {}", -p.ln());
        }
        // A beam as wide as the space finds all labels there are, with their exact probabilities, best first.
        let found = prefix_beam(frames.view(), blank, usize::MAX).expect("finite logits");
        prop_assert_eq!(found.len(), sums.len());
        prop_assert!(found.windows(2).all(|pair| pair[0].log_probability >= pair[1].log_probability));
        for hypothesis in &found {
            prop_assert!((hypothesis.log_probability - sums[&hypothesis.labels].ln()).abs() < 1e-10);
        }
        // The best path's labels are what greedy says.
        let likeliest =
            |f: ndarray::ArrayView1<f64>| (0..classes).max_by(|&a, &b| f[a].total_cmp(&f[b])).expect("a class");
        let best: Vec<u32> = frames.rows().into_iter().map(|f| likeliest(f) as u32).collect();
        let mut labels = best;
        labels.dedup();
        labels.retain(|&label| label != blank);
        prop_assert_eq!(greedy(frames.view(), blank).expect("finite logits"), labels);
    }
}

/// A number of weights that only divides the number of places says nothing of which place has which.
#[test]
fn weights_are_one_per_row_or_one_per_place() -> Outcome {
    let params = Params::seeded(0).to_f64();
    let (batch, time, classes) = (4, 2, 3);
    let logits = random(&[batch, time, classes], 1);
    let targets: Vec<u32> = (0..8).map(|i| i % 3).collect();
    let run = |weights: Vec<f32>| {
        let graph = Graph::new(&params);
        loss::cross_entropy(graph.input(&logits), &targets, CrossEntropy::new(), LossReduction::weights(weights)).item()
    };
    let by_row = vec![0.5, 0.0, 2.0, 1.0];
    let by_place: Vec<f32> = by_row.iter().flat_map(|&w| [w, w]).collect();
    assert_eq!(run(by_row)?, run(by_place)?);
    let x = random(&[4, 2, 6], 2);
    let squares = |weights: Vec<f32>| {
        let graph = Graph::new(&params);
        loss::squared_error(graph.input(&x), random(&[4, 2, 6], 3), LossReduction::weights(weights)).item()
    };
    squares(vec![1.0; 4])?;
    squares(vec![1.0; 8])?;
    squares(vec![1.0; 48])?;
    for wrong in [0, 1, 2, 3, 5, 16, 24] {
        let why = [run(vec![1.0; wrong]), squares(vec![1.0; wrong])].map(|loss| loss.map_err(|e| e.to_string()));
        let expected = format!("there are {wrong} weights");
        assert!(why.iter().all(|why| why.as_ref().is_err_and(|why| why.contains(&expected))), "{wrong}: {why:?}");
    }
    // A single prediction, and a row of them.
    let graph = Graph::new(&params);
    loss::cross_entropy(graph.zeros([3]), &[1], CrossEntropy::new(), LossReduction::weights(vec![2.0])).item()?;
    loss::absolute_error(graph.zeros([3]), vec![1.0f64; 3], LossReduction::weights(vec![2.0, 0.0, 1.0])).item()?;
    loss::absolute_error(graph.zeros([]), ndarray::arr0(1.0f64), LossReduction::weights(vec![2.0])).item()?;
    Ok(())
}

#[test]
fn ctc_gradients_agree_with_finite_differences() -> Outcome {
    let targets = vec![vec![1, 1, 2], vec![], vec![3, 2], vec![2]];
    let lengths = [6, 3, 5, 1];
    check::function(&[random(&[4, 6, 4], 9)], |_, xs| Ctc::new().losses(&Sequence::pack(xs[0], &lengths), &targets))?;
    // Rows without hope, and without frames, get nothing.
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.input(random(&[3, 2, 4], 10)).watch();
    let frames = Sequence::pack(x, &[2, 0, 2]);
    let losses = Ctc::new().impossible_is_zero().losses(&frames, &[vec![1, 1], vec![], vec![1]]);
    let values = losses.to_f64()?;
    assert_eq!((values[[0]], values[[1]]), (0.0, 0.0));
    let slopes = losses.sum_all().backward()?.of(x).ok_or("no gradient")?.to_f64();
    let any = |row: usize| slopes.index_axis(ndarray::Axis(0), row).iter().any(|g| *g != 0.0);
    assert_eq!((any(0), any(1), any(2)), (false, false, true));
    // No frames hold no labels, with certainty.
    let empty = Sequence::pack(graph.zeros([1, 2, 4]), &[0]);
    assert_eq!(Ctc::new().losses(&empty, &[vec![]]).to_f64()?[[0]], 0.0);
    Ok(())
}

#[test]
fn ctc_is_safe_for_extreme_logits_and_long_rows() -> Outcome {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let (time, classes) = (2_000, 3);
    let logits = Array::from_shape_fn((1, time, classes), |(_, t, k)| if t % 3 == k { 1e4f32 } else { -1e4 });
    let x = graph.input(logits).watch();
    let target: Vec<u32> = (0..400).map(|i| 1 + i % 2).collect();
    let loss = Ctc::new().losses(&Sequence::full(x), &[target]).sum_all();
    assert!(loss.item()?.is_finite() && loss.item()? > 0.0);
    assert!(loss.backward()?.of(x).ok_or("no gradient")?.to_f64().iter().all(|g| g.is_finite()));
    Ok(())
}

/// The case in which the best labels are not those of the best path (Graves and others 2006, figure 2).
#[test]
fn the_beam_adds_paths_where_greedy_sees_one() -> Outcome {
    let frames = ndarray::array![[0.6f64, 0.4], [0.6, 0.4]].mapv(f64::ln);
    assert!(greedy(frames.view(), 0)?.is_empty());
    let found = prefix_beam(frames.view(), 0, 2)?;
    assert_eq!(found[0].labels, [1]);
    assert!((found[0].log_probability.exp() - 0.64).abs() < 1e-12);
    assert_eq!(greedy(Array2::<f32>::zeros((0, 2)).view(), 0)?, Vec::<u32>::new());
    // Of equal classes the first is taken.
    assert_eq!(greedy(ndarray::array![[0.0, 1.0, 1.0]].view(), 0)?, [1]);
    assert!(prefix_beam(Array2::<f32>::zeros((0, 2)).view(), 0, 3)?[0].labels.is_empty());
    Ok(())
}

#[test]
fn ctc_does_not_hide_nan() -> Outcome {
    let params = Params::seeded(0);
    // At every place that a path for the target can visit, and at one that none can.
    for (t, class) in [(0, 0), (0, 1), (1, 2), (2, 0), (2, 1), (2, 2)] {
        let mut logits = Array3::<f32>::zeros((2, 3, 3));
        logits[[0, t, class]] = f32::NAN;
        for ctc in [Ctc::new(), Ctc::new().impossible_is_zero()] {
            let graph = Graph::new(&params);
            let losses = ctc.losses(&Sequence::full(graph.input(&logits)), &[vec![1], vec![1]]).to_f64()?;
            assert!(losses[[0]].is_nan() && losses[[1]].is_finite(), "NaN at frame {t}, class {class}: {losses}");
        }
    }
    // A whole frame of NaN among frames that leave no other path.
    let mut logits = Array3::<f32>::from_elem((1, 3, 2), f32::NEG_INFINITY);
    logits.slice_mut(ndarray::s![0, 1, ..]).fill(f32::NAN);
    let graph = Graph::new(&params);
    assert!(Ctc::new().losses(&Sequence::full(graph.input(&logits)), &[vec![1]]).to_f64()?[[0]].is_nan());
    Ok(())
}

/// As PyTorch's `ctc_loss` after `log_softmax`, without and with `zero_infinity`.
#[test]
fn an_infinite_logit_that_the_target_needs_is_an_infinite_loss_or_none() -> Outcome {
    let params = Params::seeded(0);
    let logits = ndarray::array![[[0.0f32, f32::NEG_INFINITY, 1.0], [0.0, f32::NEG_INFINITY, 1.0]]];
    let run = |ctc: Ctc, target: u32| -> Result<(f64, Vec<f64>), Box<dyn std::error::Error>> {
        let graph = Graph::new(&params);
        let x = graph.input(&logits).watch();
        let loss = ctc.losses(&Sequence::full(x), &[vec![target]]).sum_all();
        Ok((loss.item()?, loss.backward()?.of(x).ok_or("no gradient")?.to_f64().iter().copied().collect()))
    };
    let (loss, gradient) = run(Ctc::new(), 1)?;
    assert!(loss == f64::INFINITY && gradient.iter().any(|g| g.is_nan()), "{loss} {gradient:?}");
    assert_eq!(run(Ctc::new().impossible_is_zero(), 1)?, (0.0, vec![0.0; 6]));
    let (loss, gradient) = run(Ctc::new(), 2)?;
    assert!(loss.is_finite() && gradient.iter().all(|g| g.is_finite()), "{loss} {gradient:?}");
    Ok(())
}

#[test]
fn a_frame_without_a_softmax_is_an_error_that_names_it() {
    let (nan, none, inf) = (f64::NAN, f64::NEG_INFINITY, f64::INFINITY);
    for frame in [[nan, nan], [nan, 0.0], [0.0, nan], [none, none], [none, nan], [0.0, inf]] {
        let frames = ndarray::arr2(&[[0.0, 1.0], frame]);
        for why in [greedy(frames.view(), 0).err(), prefix_beam(frames.view(), 0, 4).err()] {
            let why = why.map(|error| error.to_string()).unwrap_or_default();
            assert!(why.contains("frame 1"), "{frame:?}: {why}");
        }
    }
    let impossible_class = ndarray::array![[none, 0.0], [none, 0.0]];
    assert_eq!(prefix_beam(impossible_class.view(), 0, 4).unwrap()[0].labels, [1]);
    assert!(prefix_beam(impossible_class.view(), 2, 4).is_err() && greedy(impossible_class.view(), 2).is_err());
    assert!(prefix_beam(impossible_class.view(), 0, 0).is_err());
}

/// Ten minutes of sound at 100 frames per second: a beam that copies its prefixes at each frame would not come to an
/// end.
#[test]
fn a_beam_over_sixty_thousand_frames_copies_no_prefix() -> Outcome {
    let (time, classes) = (60_000, 12);
    let label = |t: usize| 1 + (t / 3) % (classes - 1);
    let logits = Array2::from_shape_fn((time, classes), |(t, k)| if k == label(t) { 4.0f32 } else { 0.0 });
    let found = prefix_beam(logits.view(), 0, 8)?;
    let expected: Vec<u32> = (0..time).step_by(3).map(|t| label(t) as u32).collect();
    assert_eq!((found[0].labels == expected, found.len()), (true, 8));
    assert!(found.iter().map(|one| &one.labels).collect::<std::collections::BTreeSet<_>>().len() == 8, "all differ");
    Ok(())
}

#[test]
fn max_pooling_does_not_hide_nan() -> Outcome {
    let params = Params::seeded(0);
    for place in 0..3 {
        let graph = Graph::new(&params);
        let mut ys = ndarray::array![[[1.0f32], [3.0], [2.0]]];
        ys[[0, place, 0]] = f32::NAN;
        let ys = graph.input(ys).watch();
        let pooled = Sequence::full(ys).max().sum_all();
        assert!(pooled.item()?.is_nan(), "NaN at step {place} is hidden");
        let gradient = pooled.backward()?.of(ys).ok_or("no gradient")?.to_f64();
        assert_eq!(gradient[[0, place, 0]], 1.0);
    }
    Ok(())
}

#[test]
fn pooling_takes_one_vector_for_each_step() {
    let params = Params::seeded(0);
    let refused = |pool: &dyn for<'g> Fn(Sequence<'g>) -> Var<'g>| {
        let graph = Graph::new(&params);
        let error = pool(Sequence::pack(graph.zeros([2, 3, 4, 5]), &[3, 1])).value().unwrap_err().to_string();
        assert!(error.contains("must be a vector for each real step"), "{error}");
    };
    refused(&|xs| xs.sum());
    refused(&|xs| xs.max());
}
