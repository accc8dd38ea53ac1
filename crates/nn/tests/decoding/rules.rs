//! Beams under rules: a forced beginning, banned tokens, a least and a greatest length, against a list of all that the
//! rules allow.

use crate::{
    BEGIN, END,
    tree::{Tree, is_sound, penalised, penalties},
};
use ndarray::Array2;
use proptest::prelude::*;
use unspool_nn::{
    Result,
    decoding::{Beam, Decoding, LengthPenalty, Prediction, Sampling, StepFunction},
};

/// The rules for one sentence, in the words of the documentation.
#[derive(Clone, Debug)]
struct Rules {
    prefix: Vec<u32>,
    banned: Vec<u32>,
    least: usize,
    limit: usize,
}

impl Rules {
    fn allow(&self, tokens: &[u32], ended: bool) -> bool {
        let forced = self.prefix.len().min(self.limit);
        let end = if ended { &[END][..] } else { &[] };
        let all = [tokens, end].concat();
        let begins = all.len() >= forced && all[..forced] == self.prefix[..forced];
        begins
            && !all[forced..].iter().any(|token| self.banned.contains(token))
            && (!ended || tokens.len() >= self.least)
    }

    /// All that may be written for a sentence of the model, the best first.
    fn list(&self, model: &Tree, sentence: usize, penalty: LengthPenalty) -> Vec<(Vec<u32>, bool, f64)> {
        let all = model.all(sentence, self.limit).into_iter().filter(|(tokens, ended, _)| self.allow(tokens, *ended));
        let scored = all.map(|(tokens, ended, log_prob)| {
            let score = penalised(penalty, log_prob, tokens.len() + usize::from(ended));
            (tokens, ended, score)
        });
        let mut scored: Vec<_> = scored.collect();
        scored.sort_by(|a, b| b.2.total_cmp(&a.2));
        scored
    }
}

const VOCABULARY: u32 = 4;

/// Tokens 0 and up may be written; 0 is never banned, so something is always allowed.
fn rules() -> impl Strategy<Value = Rules> {
    let prefix = prop::collection::vec(2..VOCABULARY, 0..3);
    let banned = prop::collection::vec(1..VOCABULARY, 0..3);
    (prefix, banned, 0..4usize, 1..5usize).prop_map(|(prefix, banned, least, limit)| Rules {
        prefix,
        banned,
        least: least.min(limit),
        limit,
    })
}

/// One decoding for two sentences: what is banned and the least length are the first's.
fn decoding([a, b]: [&Rules; 2]) -> Decoding {
    Decoding::new(BEGIN, END, 0)
        .max_lengths([a.limit, b.limit])
        .prefixes([a.prefix.clone(), b.prefix.clone()])
        .banned(a.banned.iter().map(|token| vec![*token]))
        .min_length(a.least)
}

proptest! {
    #[test]
    fn a_beam_as_wide_as_the_space_finds_all_that_the_rules_allow(
        seed: u64, penalty in penalties(), a in rules(), b in rules(),
    ) {
        let least = a.least.min(b.limit);
        let (a, b) = (Rules { least, ..a }, Rules { least, ..b.clone() });
        let b = Rules { banned: a.banned.clone(), ..b };
        let model = Tree::new(seed, VOCABULARY as usize, 2);
        let rules_of = [&a, &b].into_iter().enumerate();
        let lists = rules_of.map(|(s, rules)| rules.list(&model, s, penalty)).collect::<Vec<_>>();
        let most = lists.iter().map(Vec::len).max().unwrap_or(0);

        let beam = Beam::new(most).best(most).penalty(penalty);
        let found = decoding([&a, &b]).beam(&mut Tree::new(seed, VOCABULARY as usize, 2), &beam).unwrap();
        for (sentence, (found, list)) in found.iter().zip(&lists).enumerate() {
            prop_assert_eq!(found.len(), list.len());
            for (h, (tokens, ended, score)) in found.iter().zip(list) {
                is_sound(h, sentence);
                prop_assert_eq!((&h.tokens, h.ended), (tokens, *ended));
                prop_assert!((h.score - score).abs() < 1e-9);
            }
        }

        // Narrower ones find as many as they are wide, each once, all of them allowed and rightly scored.
        for width in 2..6 {
            let beam = Beam::new(width).best(width).penalty(penalty);
            let found = decoding([&a, &b]).beam(&mut Tree::new(seed, VOCABULARY as usize, 2), &beam).unwrap();
            for (found, list) in found.iter().zip(&lists) {
                prop_assert_eq!(found.len(), width.min(list.len()));
                prop_assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score && pair[0] != pair[1]));
                for h in found {
                    let same = |(tokens, ended, _): &&(Vec<u32>, bool, f64)| (tokens, *ended) == (&h.tokens, h.ended);
                    let (.., score) = list.iter().find(same).unwrap();
                    prop_assert!((h.score - score).abs() < 1e-9);
                }
            }
        }
    }
}

/// Whether neither a banned sequence nor a repeated n-gram ends after the prefix.
fn keeps_to(tokens: &[u32], prefix: usize, banned: &[Vec<u32>], n: usize) -> bool {
    (prefix..tokens.len()).all(|last| {
        let written = &tokens[..=last];
        let repeats = n > 0 && written.len() > n && {
            let (before, ngram) = (&written[..last], &written[written.len() - n..]);
            before.windows(n).any(|other| other == ngram)
        };
        !repeats && !banned.iter().any(|sequence| written.ends_with(sequence))
    })
}

proptest! {
    #[test]
    fn no_banned_sequence_and_no_repeated_ngram_is_written_and_all_else_is_found(
        seed: u64, n in 0..4usize, prefix in prop::collection::vec(2..VOCABULARY, 0..3), limit in 1..6usize,
        banned in prop::collection::vec(prop::collection::vec(2..VOCABULARY, 1..3), 0..3),
    ) {
        let rules = Decoding::new(BEGIN, END, limit)
            .prefixes([prefix.clone()])
            .banned(banned.clone())
            .no_repeat_ngram(n);
        let model = || Tree::new(seed, VOCABULARY as usize, 1);
        let forced = prefix.len().min(limit);
        let allowed = |tokens: &[u32]| {
            tokens.len() >= forced && tokens[..forced] == prefix[..forced] && keeps_to(tokens, forced, &banned, n)
        };
        let is_found = |(tokens, ended, _): &(Vec<u32>, bool, f64)| {
            allowed(tokens) && (!ended || tokens.len() >= prefix.len())
        };
        let mut list: Vec<_> = model().all(0, limit).into_iter().filter(is_found).collect();
        list.sort_by(|a, b| b.2.total_cmp(&a.2));
        let found = rules.beam(&mut model(), &Beam::new(list.len()).best(list.len())).unwrap().remove(0);
        prop_assert_eq!(found.len(), list.len());
        for (h, (tokens, ended, log_prob)) in found.iter().zip(&list) {
            prop_assert_eq!((&h.tokens, h.ended), (tokens, *ended));
            prop_assert!((h.log_prob - log_prob).abs() < 1e-9);
        }
        let greedy = rules.greedy(&mut model()).unwrap().remove(0);
        prop_assert!(allowed(&greedy.tokens), "{:?}", greedy.tokens);
        let sampled = rules.sample(&mut model(), &Sampling::new(seed)).unwrap().remove(0);
        prop_assert!(allowed(&sampled.tokens), "{:?}", sampled.tokens);
    }

    #[test]
    fn required_sequences_are_written_before_the_end_and_what_has_them_stands_first(
        seed: u64, limit in 1..6usize,
        required in prop::collection::vec(prop::collection::vec(2..VOCABULARY, 1..3), 0..3),
    ) {
        let model = || Tree::new(seed, VOCABULARY as usize, 1);
        let rules = Decoding::new(BEGIN, END, limit).required([required.clone()]);
        let has_all = |tokens: &[u32]| {
            required.iter().all(|sequence| tokens.windows(sequence.len()).any(|window| window == sequence.as_slice()))
        };
        let all = model().all(0, limit);
        let mut list: Vec<_> = all.iter().filter(|(tokens, ended, _)| !ended || has_all(tokens)).collect();
        list.sort_by(|a, b| has_all(&b.0).cmp(&has_all(&a.0)).then(b.2.total_cmp(&a.2)));
        let search = |width: usize, best: usize| {
            rules.beam(&mut model(), &Beam::new(width).best(best)).unwrap().remove(0)
        };
        let found = search(all.len(), list.len());
        prop_assert_eq!(found.len(), list.len());
        for (h, (tokens, ended, log_prob)) in found.iter().zip(&list) {
            is_sound(h, 0);
            prop_assert_eq!((&h.tokens, h.ended), (tokens, *ended));
            prop_assert!((h.log_prob - log_prob).abs() < 1e-9);
        }
        // A narrow beam finds a text that has them where the length allows one, however unlikely it is.
        let total: usize = required.iter().map(Vec::len).sum();
        if total <= limit {
            let best = &search(total + 1, 1)[0];
            prop_assert!(has_all(&best.tokens), "{:?} of {required:?}", best.tokens);
        }
    }

    #[test]
    fn alternatives_are_the_likeliest_next_tokens_each_continued_greedily(
        seed: u64, prefix in prop::collection::vec(2..6u32, 0..3), count in 1..8usize,
    ) {
        let rules = Decoding::new(BEGIN, END, 5).banned([vec![2]]).prefixes([prefix.clone(), vec![]]);
        let model = || Tree::new(seed, 6, 2);
        let found = rules.alternatives(&mut model(), count).unwrap();
        for (sentence, prefix) in [prefix.clone(), vec![]].into_iter().enumerate() {
            let written = [&[BEGIN], &prefix[..]].concat();
            let log_probs = model().log_probs(sentence, &written);
            let mut next: Vec<u32> = (0..6).filter(|token| *token != 2).collect();
            next.sort_by(|&a, &b| log_probs[b as usize].total_cmp(&log_probs[a as usize]));
            next.truncate(count);
            prop_assert_eq!(found[sentence].len(), next.len());
            for (h, &token) in found[sentence].iter().zip(&next) {
                is_sound(h, sentence);
                let forced = [&prefix[..], &[token]].concat();
                let mut prefixes = [vec![], vec![]];
                prefixes[sentence] = forced;
                let alone = rules.clone().prefixes(prefixes).greedy(&mut model()).unwrap();
                prop_assert_eq!(h, &alone[sentence]);
            }
        }
        // The first is what greedy search writes.
        let greedy = rules.greedy(&mut model()).unwrap();
        prop_assert_eq!(&greedy[0], &found[0][0]);
        prop_assert_eq!(&greedy[1], &found[1][0]);
    }
}

/// Attention over three places, one of which is padding, drawn from the history.
struct Looking(Tree);

impl StepFunction for Looking {
    fn sentences(&self) -> usize {
        self.0.sentences()
    }
    fn begin(&mut self) -> Result<()> {
        self.0.begin()
    }
    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        let prediction = self.0.step(parents, tokens)?;
        let share = |row: usize| 1.0 / (1.0 + prediction.log_probs[[row, 0]].exp() * 9.0);
        let weight = |(row, place): (usize, usize)| [share(row), 1.0 - share(row), 0.0][place];
        let attention = Some(Array2::from_shape_fn((tokens.len(), 3), weight));
        Ok(Prediction { attention, ..prediction })
    }
}

proptest! {
    #[test]
    fn a_coverage_penalty_ranks_all_there_is_by_its_formula(seed: u64, beta in 0.0..3.0f64, penalty in penalties()) {
        let rules = Decoding::new(BEGIN, END, 3);
        let model = || Looking(Tree::new(seed, VOCABULARY as usize, 1));
        let most = Tree::new(seed, VOCABULARY as usize, 1).all(0, 3).len();
        let search = |beam: Beam| rules.beam(&mut model(), &beam.penalty(penalty)).unwrap().remove(0);
        let mut wanted: Vec<(f64, Vec<u32>)> = search(Beam::new(most).best(most)).into_iter().map(|h| {
            let looked = h.attention.as_ref().unwrap().sum_axis(ndarray::Axis(0));
            let seen = looked.iter().take(2).map(|sum| sum.min(1.0).ln()).sum::<f64>();
            (h.score + beta * seen, h.tokens)
        }).collect();
        wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
        let found = search(Beam::new(most).best(most).coverage_penalty(beta));
        prop_assert_eq!(found.len(), wanted.len());
        for (h, (score, _)) in found.iter().zip(&wanted) {
            prop_assert!((h.score - score).abs() < 1e-9, "{} {score}", h.score);
        }
        prop_assert!((found[0].score - wanted[0].0).abs() < 1e-9);
    }
}

#[test]
fn a_coverage_penalty_is_positive_and_alternatives_are_one_or_more() {
    let rules = Decoding::new(BEGIN, END, 3);
    for beta in [-1.0, f64::NAN, f64::INFINITY] {
        let failed = rules.beam(&mut Tree::new(1, 4, 1), &Beam::new(2).coverage_penalty(beta)).unwrap_err();
        assert!(failed.to_string().contains("coverage penalty"), "{failed}");
    }
    assert!(rules.alternatives(&mut Tree::new(1, 4, 1), 0).is_err());
    let required = rules.required([vec![vec![2]], vec![]]);
    let why = |failed: unspool_nn::Error| failed.to_string();
    assert!(why(required.greedy(&mut Tree::new(1, 4, 2)).unwrap_err()).contains("only written by a beam"));
    assert!(why(required.beam(&mut Tree::new(1, 4, 1), &Beam::new(2)).unwrap_err()).contains("2 lists of required"));
}

/// The list itself can tell: leave one rule out, and somewhere it is another list.
#[test]
fn every_rule_matters_somewhere() {
    let model = Tree::new(3, VOCABULARY as usize, 1);
    let all = Rules { prefix: vec![2], banned: vec![3], least: 2, limit: 4 };
    let list = |rules: &Rules| rules.list(&model, 0, LengthPenalty::None);
    for without in [
        Rules { prefix: vec![], ..all.clone() },
        Rules { banned: vec![], ..all.clone() },
        Rules { least: 0, ..all.clone() },
        Rules { limit: 3, ..all.clone() },
    ] {
        assert_ne!(list(&all), list(&without), "{without:?}");
    }
}
