//! Learning byte-pair merges (Sennrich, Haddow, Birch 2016).
//!
//! The next merge is always the most frequent pair and, among equals, the one with the smallest ids, so the result is a
//! function of the counts alone. The library's own trainer promises no order among equals: it walks hash maps. (Version
//! 0.23 learned the same 600 tokens in twenty of twenty processes, and the same as this.)

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::vocabulary::Specials;

/// The tokens in the order of their ids, and the merges in the order they were learned.
pub(super) struct Learned {
    pub(super) tokens: Vec<String>,
    pub(super) merges: Vec<(String, String)>,
}

type Pair = (u32, u32);

struct Word {
    symbols: Vec<u32>,
    count: u64,
}

/// Learns until there are `size` tokens or no pair is left that stands `minimum_count` times.
///
/// `pieces` are words in byte-level characters with their counts, in any fixed order.
pub(super) fn learn(pieces: Vec<(String, u64)>, size: usize, minimum_count: u64) -> Learned {
    let mut tokens: Vec<String> = Specials::NAMES.iter().map(|name| (*name).to_owned()).collect();
    tokens.extend(byte_characters().iter().map(char::to_string));
    let mut ids: HashMap<String, u32> = tokens.iter().cloned().zip(0..).collect();

    let mut words: Vec<Word> = pieces
        .into_iter()
        .map(|(piece, count)| Word {
            symbols: piece
                .chars()
                .filter_map(|character| ids.get(character.encode_utf8(&mut [0; 4])).copied())
                .collect(),
            count,
        })
        .collect();
    let mut counts: HashMap<Pair, u64> = HashMap::new();
    let mut places: HashMap<Pair, Vec<u32>> = HashMap::new();
    for (place, word) in (0u32..).zip(&words) {
        for pair in pairs(&word.symbols) {
            *counts.entry(pair).or_default() += word.count;
            places.entry(pair).or_default().push(place);
        }
    }
    // Equal entries are interchangeable, so the order they are pushed in cannot matter.
    let mut queue: BinaryHeap<(u64, Reverse<Pair>)> =
        counts.iter().map(|(pair, count)| (*count, Reverse(*pair))).collect();

    let mut merges = Vec::new();
    let mut merged: HashMap<Pair, ()> = HashMap::new();
    let mut touched: Vec<Pair> = Vec::new();
    while tokens.len() < size {
        let Some((count, Reverse(pair))) = queue.pop() else { break };
        let now = counts.get(&pair).copied().unwrap_or(0);
        if count != now {
            // An entry from before the count fell; a rise has pushed a new one already.
            if now > 0 && now < count {
                queue.push((now, Reverse(pair)));
            }
            continue;
        }
        if count < minimum_count.max(1) {
            break;
        }
        let (left, right) = (tokens[pair.0 as usize].clone(), tokens[pair.1 as usize].clone());
        let joined = format!("{left}{right}");
        if Specials::NAMES.contains(&joined.as_str()) {
            counts.remove(&pair);
            continue;
        }
        let new = *ids.entry(joined).or_insert_with_key(|joined| {
            tokens.push(joined.clone());
            tokens.len() as u32 - 1
        });
        if merged.insert(pair, ()).is_none() {
            merges.push((left, right));
        }

        let mut where_it_stands = places.remove(&pair).unwrap_or_default();
        where_it_stands.sort_unstable();
        where_it_stands.dedup();
        for place in where_it_stands {
            let word = &mut words[place as usize];
            for old in pairs(&word.symbols) {
                if let Some(count) = counts.get_mut(&old) {
                    *count = count.saturating_sub(word.count);
                }
            }
            join(&mut word.symbols, pair, new);
            for fresh in pairs(&word.symbols) {
                *counts.entry(fresh).or_default() += word.count;
                if fresh.0 == new || fresh.1 == new {
                    places.entry(fresh).or_default().push(place);
                    touched.push(fresh);
                }
            }
        }
        counts.remove(&pair);
        touched.sort_unstable();
        touched.dedup();
        for pair in touched.drain(..) {
            if let Some(count) = counts.get(&pair).filter(|count| **count > 0) {
                queue.push((*count, Reverse(pair)));
            }
        }
    }
    Learned { tokens, merges }
}

fn pairs(symbols: &[u32]) -> impl Iterator<Item = Pair> + '_ {
    symbols.windows(2).map(|pair| (pair[0], pair[1]))
}

/// Replaces each `pair`, from the left, by `new`.
fn join(symbols: &mut Vec<u32>, pair: Pair, new: u32) {
    let mut kept = 0;
    let mut next = 0;
    while next < symbols.len() {
        if next + 1 < symbols.len() && (symbols[next], symbols[next + 1]) == pair {
            symbols[kept] = new;
            next += 2;
        } else {
            symbols[kept] = symbols[next];
            next += 1;
        }
        kept += 1;
    }
    symbols.truncate(kept);
}

/// GPT-2's stand-ins for the 256 bytes, in the order of their code points: visible Latin-1 characters stand for
/// themselves, the other bytes for U+0100 and up.
pub(super) fn byte_characters() -> Vec<char> {
    let visible = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let others = (0u32..256).filter(|byte| !visible(*byte)).count() as u32;
    (0u32..256).filter(|byte| visible(*byte)).chain(256..256 + others).filter_map(char::from_u32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned(words: &[(&str, u64)], merges: usize) -> Vec<String> {
        let words = words.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
        learn(words, 260 + merges, 1).merges.into_iter().map(|(left, right)| format!("{left}+{right}")).collect()
    }

    #[test]
    fn the_most_frequent_pair_is_merged_first() {
        // The example of the paper.
        let words = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
        assert_eq!(learned(&words, 4), ["e+s", "es+t", "l+o", "lo+w"]);
    }

    #[test]
    fn equal_counts_are_merged_in_the_order_of_their_ids() {
        assert_eq!(learned(&[("dc", 1), ("ba", 1), ("bc", 1)], 3), ["b+a", "b+c", "d+c"]);
    }

    #[test]
    fn runs_of_one_character_are_merged_from_the_left() {
        assert_eq!(learned(&[("aaaaa", 1)], 3), ["a+a", "aa+a", "aa+aaa"]);
    }

    #[test]
    fn the_merges_are_those_of_the_library_where_its_own_order_is_certain() {
        use tokenizers::models::bpe::{BPE, BpeTrainer};
        use tokenizers::{AddedToken, Model, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, Trainer};

        let fixtures: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/fixtures/scores.json")).unwrap();
        let texts: Vec<&str> = fixtures["cases"].as_array().unwrap()[..3]
            .iter()
            .flat_map(|case| case["hypotheses"].as_array().unwrap())
            .map(|text| text.as_str().unwrap())
            .collect();
        let options = crate::TokenizerOptions { vocabulary_size: 600, ..Default::default() };
        let ours = crate::Tokenizer::train(crate::TokenKind::ByteLevelBpe, &texts, &options).unwrap();

        let cutter = tokenizers::pre_tokenizers::byte_level::ByteLevel::new(false, true, true);
        let mut trainer = BpeTrainer::builder()
            .vocab_size(600)
            .min_frequency(2)
            .show_progress(false)
            .special_tokens(Specials::NAMES.map(|name| AddedToken::from(name, true)).to_vec())
            .initial_alphabet(byte_characters().into_iter().collect())
            .build();
        let cut = |text: &str| {
            let mut pieces = PreTokenizedString::from(text);
            cutter.pre_tokenize(&mut pieces)?;
            let pieces = pieces.get_splits(OffsetReferential::Normalized, OffsetType::None);
            Ok(pieces.into_iter().map(|(piece, ..)| piece.to_owned()).collect())
        };
        trainer.feed(texts.iter(), cut).unwrap();
        let mut theirs = BPE::default();
        trainer.train(&mut theirs).unwrap();
        assert_eq!(theirs.get_vocab_size(), 600);
        for id in 0..600 {
            assert_eq!(ours.token(id), theirs.id_to_token(id), "id {id}");
        }
    }

    #[test]
    fn there_are_256_byte_characters_in_order() {
        let characters = byte_characters();
        assert_eq!(characters.len(), 256);
        assert!(characters.is_sorted());
    }
}
