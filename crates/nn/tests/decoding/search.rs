//! Greedy search, beams and sampling, against lists of all that could have been found.

use crate::{
    BEGIN, END,
    tree::{Tree, is_sound, penalised, penalties},
};
use ndarray::Array2;
use proptest::prelude::*;
use unspool_nn::{
    Error, Result,
    decoding::{Beam, Decoding, Ensemble, Hypothesis, LengthPenalty, Prediction, Sampling, StepFunction},
};

proptest! {
    #[test]
    fn a_beam_of_one_is_greedy(
        seed: u64, penalty in penalties(), vocabulary in 3..9usize, limit in 0..7usize, least in 0..3usize,
        forced in prop::collection::vec(2..3u32, 0..3), banned in any::<bool>()) {
        let rules = Decoding::new(BEGIN, END, limit).min_length(least.min(limit))
            .prefixes(vec![forced.clone(), vec![], vec![]]).banned(banned.then(|| vec![2]));
        let greedy = rules.greedy(&mut Tree::new(seed, vocabulary, 3)).unwrap();
        let beam = rules.beam(&mut Tree::new(seed, vocabulary, 3), &Beam::new(1).penalty(penalty)).unwrap();
        for (sentence, (g, b)) in greedy.iter().zip(&beam).enumerate() {
            prop_assert_eq!(b.len(), 1);
            let b = Hypothesis { score: g.score, ..b[0].clone() };
            prop_assert_eq!(&b, g);
            if limit > 0 { is_sound(g, sentence); }
            prop_assert!(!g.ended || g.tokens.len() >= least.min(limit));
            prop_assert!(g.log_probs.len() <= limit);
            let free = if sentence == 0 { forced.len().min(limit) } else { 0 };
            prop_assert!(!banned || !g.tokens[free..].contains(&2));
            if sentence == 0 { prop_assert_eq!(&g.tokens[..free], &forced[..free]); }
        }
    }

    #[test]
    fn a_beam_as_wide_as_the_space_is_exhaustive_search(
        seed: u64, penalty in penalties(), vocabulary in 3..5usize, limit in 1..5usize,
    ) {
        let model = Tree::new(seed, vocabulary, 2);
        let width = model.all(0, limit).len();
        let rules = Decoding::new(BEGIN, END, limit);
        let beam = Beam::new(width).penalty(penalty).best(width);
        let found = rules.beam(&mut Tree::new(seed, vocabulary, 2), &beam).unwrap();
        let first = rules.beam(&mut Tree::new(seed, vocabulary, 2), &beam.best(1)).unwrap();
        for sentence in 0..2 {
            let mut all = model.all(sentence, limit);
            let score = |x: &(Vec<u32>, bool, f64)| penalised(penalty, x.2, x.0.len() + usize::from(x.1));
            all.sort_by(|a, b| score(b).total_cmp(&score(a)));
            prop_assert_eq!(found[sentence].len(), all.len());
            for (h, truth) in found[sentence].iter().zip(&all) {
                is_sound(h, sentence);
                prop_assert!((h.score - score(truth)).abs() < 1e-9);
                prop_assert_eq!((&h.tokens, h.ended), (&truth.0, truth.1));
            }
            // The search that stops early finds the same best.
            prop_assert_eq!(&first[sentence][0], &found[sentence][0]);
        }
    }

    #[test]
    fn a_narrow_beam_is_ranked_and_no_worse_than_its_own_scores(seed: u64, penalty in penalties(), width in 2..6usize) {
        let rules = Decoding::new(BEGIN, END, 6);
        let mut model = Tree::new(seed, 6, 3);
        let found = rules.beam(&mut model, &Beam::new(width).best(width).penalty(penalty)).unwrap();
        prop_assert!(model.asked.iter().all(|&rows| rows <= 3 * width));
        for (sentence, best) in found.iter().enumerate() {
            prop_assert!(!best.is_empty() && best.len() <= width);
            prop_assert!(best.windows(2).all(|pair| pair[0].score >= pair[1].score));
            for h in best {
                is_sound(h, sentence);
                // A given target has the log-probabilities of the search that found it.
                let mut targets = vec![vec![]; 3];
                targets[sentence] = h.tokens.clone();
                let scored = rules.score(&mut Tree::new(seed, 6, 3), &targets).unwrap();
                let (given, own) = (&scored[sentence].log_probs[..h.log_probs.len()], &h.log_probs[..]);
                prop_assert_eq!(given, own);
            }
        }
    }

    #[test]
    fn sampling_of_the_likeliest_alone_is_greedy(seed: u64, draws: u64) {
        let rules = Decoding::new(BEGIN, END, 6).min_length(2).banned([vec![3]]);
        let greedy = rules.greedy(&mut Tree::new(seed, 7, 3)).unwrap();
        let all = Sampling::new(draws);
        for sampling in [all.top_k(1), all.top_p(1e-9), all.temperature(1e-6)] {
            let sampled = rules.sample(&mut Tree::new(seed, 7, 3), &sampling).unwrap();
            prop_assert_eq!(&sampled, &greedy);
        }
        let sampling = Sampling::new(draws).temperature(1.5).top_k(4).top_p(0.9);
        let twice = [(); 2].map(|()| rules.sample(&mut Tree::new(seed, 7, 3), &sampling).unwrap());
        prop_assert_eq!(&twice[0], &twice[1]);
        prop_assert!(twice[0].iter().all(|h| !h.tokens.contains(&3) && (!h.ended || h.tokens.len() >= 2)));
    }

    #[test]
    fn an_ensemble_of_one_model_twice_is_that_model(seed: u64) {
        let rules = Decoding::new(BEGIN, END, 5);
        let alone = rules.beam(&mut Tree::new(seed, 6, 2), &Beam::new(3).best(3)).unwrap();
        let members = vec![Tree::new(seed, 6, 2), Tree::new(seed, 6, 2)];
        let both = rules.beam(&mut Ensemble::new(members), &Beam::new(3).best(3)).unwrap();
        for (a, b) in alone.iter().flatten().zip(both.iter().flatten()) {
            prop_assert_eq!(&a.tokens, &b.tokens);
            prop_assert!((a.log_prob - b.log_prob).abs() < 1e-9);
            is_sound(b, b.attention.as_ref().unwrap()[[0, 0]] as usize);
        }
    }
}

#[test]
fn sampling_has_the_models_frequencies() {
    let rules = Decoding::endless(BEGIN, 1);
    let model = Tree::new(5, 6, 1);
    let log_probs = model.log_probs(0, &[BEGIN]);
    let draws = 20_000;
    let frequencies = |sampling: &dyn Fn(u64) -> Sampling| {
        let mut counts = [0.0; 6];
        for seed in 0..draws {
            let found = rules.sample(&mut Tree::new(5, 6, 1), &sampling(seed)).unwrap();
            counts[found[0].tokens[0] as usize] += 1.0 / draws as f64;
        }
        counts
    };
    let expect = |found: [f64; 6], weights: Vec<f64>| {
        let sum: f64 = weights.iter().sum();
        for (f, w) in found.iter().zip(weights) {
            assert!((f - w / sum).abs() < 0.012, "{f} is not {}", w / sum);
        }
    };
    expect(frequencies(&Sampling::new), log_probs.iter().map(|x| x.exp()).collect());
    expect(frequencies(&|s| Sampling::new(s).temperature(2.0)), log_probs.iter().map(|x| (x / 2.0).exp()).collect());
    let mut order: Vec<usize> = (0..6).collect();
    order.sort_by(|&a, &b| log_probs[b].total_cmp(&log_probs[a]));
    let only = |kept: &[usize]| (0..6).map(|i| if kept.contains(&i) { log_probs[i].exp() } else { 0.0 }).collect();
    expect(frequencies(&|s| Sampling::new(s).top_k(3)), only(&order[..3]));
    // Just more than the two likeliest have together: three are needed.
    let share = log_probs[order[0]].exp() + log_probs[order[1]].exp() + 1e-6;
    expect(frequencies(&|s| Sampling::new(s).top_p(share)), only(&order[..3]));
}

#[test]
fn wrong_rules_are_errors() {
    let says = |result: Result<Vec<Hypothesis>>| match result {
        Err(Error::Decoding { why }) => why,
        other => panic!("{other:?}"),
    };
    let rules = Decoding::new(BEGIN, END, 3);
    let model = || Tree::new(1, 4, 2);
    assert!(says(rules.clone().banned([vec![4]]).greedy(&mut model())).contains("token 4"));
    assert!(says(rules.clone().prefixes(vec![vec![9], vec![]]).greedy(&mut model())).contains("token 9"));
    assert!(says(rules.clone().prefixes(vec![vec![]]).greedy(&mut model())).contains("1 prefixes for 2"));
    assert!(says(rules.clone().min_length(4).greedy(&mut model())).contains("at least 4"));
    assert!(says(rules.score(&mut model(), &[vec![2]])).contains("1 targets"));
    assert!(says(rules.score(&mut model(), &[vec![2], vec![7]])).contains("token 7"));
    assert!(says(rules.sample(&mut model(), &Sampling::new(0).top_p(0.0))).contains("top_p 0"));
    for alpha in [f64::NAN, -1.0, f64::INFINITY] {
        let beam = Beam::new(2).penalty(LengthPenalty::Gnmt(alpha));
        let why = rules.beam(&mut model(), &beam).map(|_| vec![]);
        assert!(says(why).contains(&format!("α = {alpha}")));
    }
    assert!(says(rules.sample(&mut model(), &Sampling::new(0).top_k(0))).contains("top_k 0"));
    let cold = says(rules.sample(&mut model(), &Sampling::new(0).temperature(0.0)));
    assert!(cold.contains("temperature 0") && !cold.contains("top_k"), "{cold}");
    for beam in [Beam::new(0), Beam::new(2).best(3), Beam::new(2).best(0)] {
        assert!(matches!(rules.beam(&mut model(), &beam), Err(Error::Decoding { .. })));
    }
    struct Violation(f64, usize);
    impl StepFunction for Violation {
        fn sentences(&self) -> usize {
            1
        }
        fn step(&mut self, _: &[u32], _: &[u32]) -> Result<Prediction> {
            Ok(Prediction { log_probs: Array2::from_elem((self.1, 3), self.0), attention: None })
        }
    }
    assert!(says(rules.greedy(&mut Violation(f64::NAN, 1))).contains("not a number"));
    assert!(says(rules.greedy(&mut Violation(-1.0, 2))).contains("2 rows for 1"));
    // Nothing at all is possible: the sentence stops as it is.
    let stopped = rules.greedy(&mut Violation(f64::NEG_INFINITY, 1)).unwrap();
    assert!(stopped[0].tokens.is_empty() && !stopped[0].ended);
    let stopped = rules.sample(&mut Violation(f64::NEG_INFINITY, 1), &Sampling::new(0)).unwrap();
    assert!(stopped[0].tokens.is_empty() && !stopped[0].ended);
    let stopped = rules.beam(&mut Violation(f64::NEG_INFINITY, 1), &Beam::new(2)).unwrap();
    assert!(stopped[0].len() == 1 && stopped[0][0].tokens.is_empty());
}

/// The same log-probabilities for every row, in an order of elements of one's own choice.
struct Fixed {
    log_probs: Vec<f64>,
    column_major: bool,
    attended: usize,
}

impl Fixed {
    fn new(log_probs: &[f64]) -> Fixed {
        Fixed { log_probs: log_probs.to_vec(), column_major: false, attended: 1 }
    }
}

impl StepFunction for Fixed {
    fn sentences(&self) -> usize {
        2
    }
    fn step(&mut self, parents: &[u32], _: &[u32]) -> Result<Prediction> {
        let (rows, width) = (parents.len(), self.log_probs.len());
        let log_probs = if self.column_major {
            Array2::from_shape_fn((width, rows), |(token, _)| self.log_probs[token]).reversed_axes()
        } else {
            Array2::from_shape_fn((rows, width), |(_, token)| self.log_probs[token])
        };
        Ok(Prediction { log_probs, attention: Some(Array2::ones((rows, self.attended))) })
    }
}

#[test]
fn log_probabilities_may_lie_column_by_column() {
    let rules = Decoding::new(BEGIN, END, 4);
    let model = |column_major| Fixed { column_major, ..Fixed::new(&[-2.0, -1.5, -0.7, -3.0]) };
    let greedy = rules.greedy(&mut model(true)).unwrap();
    assert_eq!(greedy[1].tokens, [2, 2, 2, 2]);
    assert_eq!(greedy, rules.greedy(&mut model(false)).unwrap());
    let beam = Beam::new(3).best(3);
    assert_eq!(rules.beam(&mut model(true), &beam).unwrap(), rules.beam(&mut model(false), &beam).unwrap());
}

#[test]
fn an_ensemble_has_attention_where_its_members_look_at_the_same_places() {
    let rules = Decoding::endless(BEGIN, 2);
    let member = |attended| Fixed { attended, ..Fixed::new(&[-0.7, -0.7]) };
    let both = |a, b| rules.greedy(&mut Ensemble::new(vec![member(a), member(b)])).unwrap().remove(0).attention;
    assert_eq!(both(3, 3), Some(Array2::ones((2, 3))));
    assert_eq!((both(3, 2), both(3, 1)), (None, None));
}

#[test]
fn a_scored_target_is_a_hypothesis_of_its_tokens_that_has_ended() {
    let scored = Decoding::new(BEGIN, END, 9).score(&mut Tree::new(4, 6, 2), &[vec![3, 2], vec![]]).unwrap();
    assert!(scored.iter().all(|h| h.ended));
    assert_eq!((&scored[0].tokens[..], &scored[1].tokens[..]), (&[3, 2][..], &[][..]));
    assert_eq!((scored[0].log_probs.len(), scored[1].log_probs.len()), (3, 1));
    let open = Decoding::endless(BEGIN, 9).score(&mut Tree::new(4, 6, 2), &[vec![3, 2], vec![5]]).unwrap();
    assert!(open.iter().all(|h| !h.ended) && open[0].log_probs[..] == scored[0].log_probs[..2]);
}

#[test]
fn sampling_keeps_to_the_likeliest_where_probabilities_are_tiny_or_equal() {
    let drawn = |log_probs: &[f64], sampling: &dyn Fn(u64) -> Sampling| {
        let mut counts = vec![0; log_probs.len()];
        for seed in 0..200 {
            let found = Decoding::endless(BEGIN, 1).sample(&mut Fixed::new(log_probs), &sampling(seed)).unwrap();
            found.iter().for_each(|h| counts[h.tokens[0] as usize] += 1);
        }
        counts
    };
    // A low temperature leaves two tokens that are as likely as each other, though e^(−30 / 0.01) is 0.
    let counts = drawn(&[-30.0, -31.0, -30.0], &|seed| Sampling::new(seed).temperature(0.01));
    assert!(counts[1] == 0 && counts[0] > 150 && counts[2] > 150, "{counts:?}");
    // One of two equals has half of the probability: the fewest tokens that sum to it are one.
    assert_eq!(drawn(&[-1.0, -1.0], &|seed| Sampling::new(seed).top_p(0.5)), [400, 0]);
}
