//! The conditional random field against an enumeration of all sequences of tags, at the ends of rows, and in its
//! derivatives.

use ndarray::{Array, Array2, Array3, ArrayD, IxDyn};
use proptest::prelude::*;
use unspool_graph::{Graph, Params, RngKey, check};
use unspool_nn::{Sequence, crf::Crf};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
        i += 1;
        2.0 * RngKey::seed(seed).normal(i)
    })
}

/// A layer whose scores are far from 0, in double precision.
fn layer(tags: usize, seed: u64) -> (Params, Crf) {
    let mut params = Params::seeded(seed);
    let crf = Crf::new(params.scope("crf"), tags);
    let mut params = params.to_f64();
    params.set(crf.transitions, random(&[tags, tags], seed ^ 1)).expect("its shape");
    params.set(crf.start_transitions, random(&[tags], seed ^ 2)).expect("its shape");
    params.set(crf.end_transitions, random(&[tags], seed ^ 3)).expect("its shape");
    (params, crf)
}

/// All sequences of `length` tags, in order.
fn sequences(tags: usize, length: usize) -> Vec<Vec<u32>> {
    let mut all = vec![vec![]];
    for _ in 0..length {
        all = all.iter().flat_map(|path| (0..tags as u32).map(|tag| [&path[..], &[tag]].concat())).collect();
    }
    all
}

/// The score of a sequence by its definition.
fn score(params: &Params, crf: &Crf, emissions: &Array2<f64>, path: &[u32]) -> f64 {
    let graph = Graph::new(params);
    let value = |param| graph.param(param).to_f64().expect("a parameter");
    let (transitions, start, end) = (value(crf.transitions), value(crf.start_transitions), value(crf.end_transitions));
    let (Some(&first), Some(&last)) = (path.first(), path.last()) else { return 0.0 };
    let emitted: f64 = path.iter().enumerate().map(|(step, tag)| emissions[[step, *tag as usize]]).sum();
    let moved: f64 = path.windows(2).map(|pair| transitions[[pair[0] as usize, pair[1] as usize]]).sum();
    start[[first as usize]] + emitted + moved + end[[last as usize]]
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(40))]

    #[test]
    fn losses_and_best_paths_are_those_of_all_paths(
        tags in 1usize..5, lengths in prop::collection::vec(0usize..6, 1..4), padding in 0usize..3, seed: u64,
    ) {
        let (params, crf) = layer(tags, seed);
        let longest = lengths.iter().max().copied().unwrap_or(0);
        let mut padded = Array3::from_elem((lengths.len(), longest + padding, tags), f64::NAN);
        // What stands after the end of a row is no tag at all.
        let mut right = Array2::from_elem((lengths.len(), longest + padding), u32::MAX);
        let mut rows = vec![];
        for (row, &length) in lengths.iter().enumerate() {
            let emissions = random(&[length, tags], seed ^ row as u64);
            let emissions = emissions.into_shape_with_order((length, tags)).expect("its shape");
            padded.slice_mut(ndarray::s![row, ..length, ..]).assign(&emissions);
            rows.push(emissions);
        }
        let all: Vec<Vec<Vec<u32>>> = lengths.iter().map(|&length| sequences(tags, length)).collect();
        let scores: Vec<Vec<f64>> = rows.iter().zip(&all).map(|(emissions, all)| {
            all.iter().map(|path| score(&params, &crf, emissions, path)).collect()
        }).collect();
        let log_z: Vec<f64> = scores.iter().map(|all| all.iter().map(|s| s.exp()).sum::<f64>().ln()).collect();
        let graph = Graph::new(&params);
        let emissions = Sequence::pack(graph.input(&padded), &lengths);
        for pick in 0..3 {
            let chosen: Vec<usize> = all.iter().map(|all| (seed as usize).wrapping_add(pick) % all.len()).collect();
            for (row, &choice) in chosen.iter().enumerate() {
                for (step, &tag) in all[row][choice].iter().enumerate() {
                    right[[row, step]] = tag;
                }
            }
            let losses = crf.losses(&emissions, &right).to_f64().expect("a loss");
            for (row, &choice) in chosen.iter().enumerate() {
                let wanted = log_z[row] - scores[row][choice];
                prop_assert!((losses[[row]] - wanted).abs() < 1e-9, "{}, by enumeration {wanted}", losses[[row]]);
            }
        }
        let found = crf.decode(&emissions).expect("finite emissions");
        let bounded = crf.clone().allow(|from, to| from != to || from.is_none());
        for (row, path) in found.iter().enumerate() {
            let best = (0..all[row].len()).max_by(|&a, &b| scores[row][a].total_cmp(&scores[row][b])).expect("a path");
            prop_assert_eq!(&path.tags, &all[row][best]);
            prop_assert!((path.log_prob - (scores[row][best] - log_z[row])).abs() < 1e-9);
            prop_assert!((path.log_probs.iter().sum::<f64>() - path.log_prob).abs() < 1e-9);
            prop_assert!(path.log_probs.iter().all(|p| *p < 1e-12));
        }
        // Without repeated tags: the best of those that are left, if there are any.
        let is_allowed = |path: &Vec<u32>| path.windows(2).all(|pair| pair[0] != pair[1]);
        match bounded.decode(&emissions) {
            Ok(found) => for (row, path) in found.iter().enumerate() {
                let allowed = (0..all[row].len()).filter(|&i| is_allowed(&all[row][i]));
                let best = allowed.max_by(|&a, &b| scores[row][a].total_cmp(&scores[row][b])).expect("a path");
                prop_assert_eq!(&path.tags, &all[row][best]);
                prop_assert!((path.log_prob - (scores[row][best] - log_z[row])).abs() < 1e-9);
            },
            Err(_) => prop_assert!(tags == 1 && longest > 1),
        }
    }
}

#[test]
fn rows_of_no_step_and_of_one_step_have_no_transitions() -> Outcome {
    let (params, crf) = layer(3, 5);
    let graph = Graph::new(&params);
    let emissions = random(&[3, 1, 3], 8);
    let read = Sequence::pack(graph.input(&emissions), &[0, 1, 0]);
    let losses = crf.losses(&read, &ndarray::array![[9], [2], [9]]).to_f64()?;
    let one = emissions.index_axis(ndarray::Axis(0), 1).to_owned().into_shape_with_order((1, 3))?;
    let scores: Vec<f64> = (0..3).map(|tag| score(&params, &crf, &one, &[tag])).collect();
    let log_z = scores.iter().map(|score| score.exp()).sum::<f64>().ln();
    assert_eq!((losses[[0]], losses[[2]]), (0.0, 0.0));
    assert!((losses[[1]] - (log_z - scores[2])).abs() < 1e-12);
    let found = crf.decode(&read)?;
    assert_eq!(found.iter().map(|path| path.tags.len()).collect::<Vec<_>>(), [0, 1, 0]);
    assert_eq!((found[0].log_prob, found[0].log_probs.len()), (0.0, 0));
    Ok(())
}

#[test]
fn an_unknown_tag_costs_what_all_tags_together_cost() -> Outcome {
    let (params, crf) = layer(3, 6);
    let graph = Graph::new(&params);
    let emissions = Sequence::full(graph.input(random(&[1, 4, 3], 9)));
    let loss = |tags: [u32; 4]| -> Result<f64, Box<dyn std::error::Error>> {
        Ok(crf.losses(&emissions, &Array2::from_shape_vec((1, 4), tags.to_vec())?).to_f64()?[[0]])
    };
    let each = [loss([1, 0, 2, 0])?, loss([1, 1, 2, 0])?, loss([1, 2, 2, 0])?];
    let together = -each.iter().map(|loss| (-loss).exp()).sum::<f64>().ln();
    assert!((loss([1, 3, 2, 0])? - together).abs() < 1e-12);
    assert!(loss([3, 3, 3, 3])?.abs() < 1e-12);
    Ok(())
}

#[test]
fn gradients_agree_with_finite_differences_in_the_first_and_the_second_order() -> Outcome {
    let (params, crf) = layer(3, 7);
    let tags = ndarray::array![[0, 2, 1, 3], [9, 9, 9, 9], [2, 2, 9, 9]];
    let emissions = random(&[3, 4, 3], 10);
    let checked = check::model(&params, &[("emissions", emissions.clone())], |_, xs| {
        crf.losses(&Sequence::pack(xs[0], &[4, 0, 2]), &tags)
    })?;
    assert_eq!(checked.skipped, None);
    let judged = check::second_order(&params, &[("emissions", emissions)], |_, xs| {
        crf.losses(&Sequence::pack(xs[0], &[4, 0, 2]), &tags)
    })?;
    assert!(judged.unjudged == 0 && judged.right > 20, "{judged}");
    Ok(())
}

/// A negative control: the enumeration notices a transition that is read the wrong way round.
#[test]
fn transitions_are_read_from_the_row_to_the_column() -> Outcome {
    let mut params = Params::seeded(0);
    let crf = Crf::new(params.scope("crf"), 2);
    params.set(crf.transitions, ndarray::array![[0.0f32, 5.0], [0.0, 0.0]])?;
    let graph = Graph::new(&params);
    let even = Sequence::full(graph.zeros([1, 2, 2]));
    let loss = |tags: [u32; 2]| -> Result<f64, Box<dyn std::error::Error>> {
        Ok(crf.losses(&even, &Array2::from_shape_vec((1, 2), tags.to_vec())?).to_f64()?[[0]])
    };
    assert!(loss([0, 1])? < 0.2 && loss([1, 0])? > 4.0);
    assert_eq!(crf.decode(&even)?[0].tags, [0, 1]);
    Ok(())
}

#[test]
fn long_rows_and_large_scores_stay_finite() -> Outcome {
    let (params, crf) = layer(4, 3);
    let graph = Graph::new(&params);
    let emissions = (random(&[1, 3000, 4], 4) * 200.0).into_dimensionality::<ndarray::Ix3>()?;
    let x = graph.input(&emissions).watch();
    let tags = Array::from_shape_fn((1, 3000), |(_, step)| (step % 4) as u32);
    let loss = crf.losses(&Sequence::full(x), &tags).sum_all();
    assert!(loss.item()?.is_finite() && loss.item()? > 0.0);
    let gradient = loss.backward()?;
    // Differences of probabilities, up to the rounding of scores that come to a million.
    assert!(gradient.of(x).ok_or("no gradient")?.to_f64().iter().all(|slope| slope.abs() <= 1.0 + 1e-6));
    assert!(crf.decode(&Sequence::full(x))?[0].log_prob.is_finite());
    Ok(())
}

#[test]
fn nan_is_not_hidden_and_wrong_shapes_and_tags_are_errors() -> Outcome {
    let (params, crf) = layer(2, 3);
    for place in 0..6 {
        let graph = Graph::new(&params);
        let mut emissions = random(&[1, 3, 2], 4);
        *emissions.iter_mut().nth(place).ok_or("a place")? = f64::NAN;
        let emissions = Sequence::full(graph.input(&emissions));
        assert!(crf.losses(&emissions, &ndarray::array![[0, 1, 0]]).to_f64()?[[0]].is_nan(), "{place}");
        assert!(crf.decode(&emissions).unwrap_err().to_string().contains("not finite"));
    }
    let wrong = |shape: [usize; 3], tags: Array2<u32>| {
        let graph = Graph::new(&params);
        crf.losses(&Sequence::full(graph.zeros(shape)), &tags).to_f64().unwrap_err().to_string()
    };
    assert!(wrong([1, 2, 3], ndarray::array![[0, 0]]).contains("emissions are of 3 tags, but the layer has 2"));
    assert!(wrong([1, 2, 2], ndarray::array![[0, 3]]).contains("there are 2 tags, but row 0 has a 3"));
    assert!(wrong([1, 2, 2], ndarray::array![[0]]).contains("but the tags are [1, 1]"));
    assert!(wrong([2, 2, 2], ndarray::array![[0, 0]]).contains("but the tags are [1, 2]"));
    let graph = Graph::new(&params);
    let other = crf.decode(&Sequence::full(graph.zeros([1, 2, 3]))).unwrap_err().to_string();
    assert!(other.contains("must be [batch, time, 2]"), "{other}");
    // Nothing may begin: there is no path.
    let none = crf.allow(|from, _| from.is_some());
    assert!(none.decode(&Sequence::full(graph.zeros([1, 2, 2]))).is_err());
    Ok(())
}
