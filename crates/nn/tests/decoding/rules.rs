//! Beams under rules: a forced beginning, banned tokens, a least and a greatest length, against a list of all that the
//! rules allow.

use crate::{
    BEGIN, END,
    tree::{Tree, is_sound, penalised, penalties},
};
use proptest::prelude::*;
use unspool_nn::decoding::{Beam, Decoding, LengthPenalty};

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
        .banned(a.banned.clone())
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
