//! BPE dropout (Provilkov, Emelianenko and Voita 2020): merges that are left out at random, so that a model meets a
//! word in many pieces.
//!
//! The library has this too, but draws from a generator of its thread, without a seed. Here the library cuts a text
//! into words and these into their smallest symbols, and the merges are done by [`Merges::merge`], which asks for each
//! of them whether it is left out. Nothing of it is cached: each word of a text draws for itself.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::iter::successors;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Tokenizer;
use super::check;
use super::guard::guarded;
use crate::error::Error;
use crate::random::SplitMix64;

/// The merges of a tokenizer, and the tokenizer without them.
pub(super) struct Merges {
    /// Cuts texts into words, and words into symbols that nothing was merged of.
    symbols: tokenizers::Tokenizer,
    /// The rank of each pair of ids, and the id that it becomes.
    table: HashMap<(u32, u32), (u32, u32)>,
}

impl Merges {
    /// Of the text of a `tokenizer.json` that was checked; none where it merges nothing.
    fn of(file: &str, json: &str) -> Result<Option<Merges>, Error> {
        let fault = |reason: String| Error::TokenizerFile { file: file.to_owned(), reason };
        let mut all: Value = serde_json::from_str(json).map_err(|error| fault(error.to_string()))?;
        let Some(model) = all.get_mut("model").and_then(Value::as_object_mut) else { return Ok(None) };
        let is_bpe = model.get("type").and_then(Value::as_str) == Some("BPE");
        let Some(Value::Array(merges)) = model.insert("merges".into(), json!([])).filter(|_| is_bpe) else {
            return Ok(None);
        };
        model.insert("ignore_merges".into(), json!(false));
        let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or_default();
        let id = |token: &str| model.get("vocab")?.get(token)?.as_u64().and_then(|id| u32::try_from(id).ok());
        let merge = |(rank, merge): (u32, &Value)| {
            let (left, right) = check::parts_of_merge(merge)?;
            let joined = format!("{left}{}", right.strip_prefix(prefix)?);
            Some(((id(left)?, id(right)?), (rank, id(&joined)?)))
        };
        let table: HashMap<_, _> = (0..).zip(&merges).filter_map(merge).collect();
        if table.is_empty() {
            return Ok(None);
        }
        let mut symbols: tokenizers::Tokenizer = guarded(file, "load", || all.to_string().parse())?;
        symbols.set_encode_special_tokens(true);
        Ok(Some(Merges { symbols, table }))
    }

    /// Joins the symbols of a word, the first merge of the list first and of equals the leftmost. Each time, `drops`
    /// says of one candidate after another, best first, whether it is left out; the word is as it is once all are.
    fn merge(&self, word: &[u32], mut drops: impl FnMut() -> bool) -> Vec<u32> {
        let mut ids = word.to_vec();
        let mut before: Vec<Option<usize>> = (0..word.len()).map(|at| at.checked_sub(1)).collect();
        // A symbol that went into the one before it has none after it.
        let mut after: Vec<Option<usize>> = (1..=word.len()).map(|at| (at < word.len()).then_some(at)).collect();
        let candidate = |at: usize, ids: &[u32], after: &[Option<usize>]| {
            let (rank, joined) = self.table.get(&(ids[at], ids[after[at]?]))?;
            Some(Reverse((*rank, at, *joined)))
        };
        let mut queue: BinaryHeap<_> = (0..word.len()).filter_map(|at| candidate(at, &ids, &after)).collect();
        let mut dropped = vec![];
        while let Some(best) = queue.pop() {
            let Reverse((_, at, joined)) = best;
            // One of its symbols may have gone into another merge since.
            let (Some(found), Some(right)) = (candidate(at, &ids, &after), after[at]) else { continue };
            if found != best {
                continue;
            }
            if drops() {
                dropped.push(best);
                continue;
            }
            queue.extend(dropped.drain(..));
            ids[at] = joined;
            after[at] = after[right].take();
            if let Some(next) = after[at] {
                before[next] = Some(at);
            }
            queue.extend([before[at], Some(at)].into_iter().flatten().filter_map(|at| candidate(at, &ids, &after)));
        }
        let first = (!word.is_empty()).then_some(0);
        successors(first, |at| after[*at]).map(|at| ids[at]).collect()
    }
}

impl Tokenizer {
    /// Returns the ids of a text of which each merge is left out with probability `rate`, each time that it could be
    /// done (BPE dropout, algorithm 1 of Provilkov, Emelianenko and Voita 2020). A rate of 0 is
    /// [`encode`](Tokenizer::encode), and a rate of 1 merges nothing: the ids are those of single characters, or of
    /// single bytes in a byte-level tokenizer.
    ///
    /// The ids are a function of the text, the rate and the key, such as a seed, an epoch and the number of a row. The
    /// words of a text draw one by one: the pieces of a word depend on the key and on how many words come before it.
    ///
    /// ```
    /// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
    /// let options = TokenizerOptions { vocabulary_size: 300, minimum_count: 1, ..Default::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, ["lower lowest newer newest"], &options)?;
    /// let text = "lower lower lower lower";
    /// let epoch = |epoch| tokenizer.encode_with_dropout(text, 0.3, &[7, epoch]);
    /// assert_eq!(epoch(1)?, epoch(1)?);
    /// assert_ne!(epoch(1)?, epoch(2)?);
    /// assert_eq!(tokenizer.decode(&epoch(2)?)?, text);
    /// assert_eq!(tokenizer.encode_with_dropout(text, 0.0, &[7])?, tokenizer.encode(text)?);
    /// assert_eq!(tokenizer.encode_with_dropout(text, 1.0, &[7])?.len(), text.len());
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Option`] for a rate that is not from 0 to 1; [`Error::NoMerges`] for a tokenizer that merges nothing;
    /// those of [`encode`](Tokenizer::encode).
    pub fn encode_with_dropout(&self, text: &str, rate: f64, key: &[u64]) -> Result<Vec<u32>, Error> {
        if !(0.0..=1.0).contains(&rate) {
            return Err(Error::Option { option: "rate", found: rate.to_string(), expected: "from 0 to 1" });
        }
        let merges = self.merges()?;
        if rate == 0.0 {
            return self.encode(text);
        }
        let found = guarded(&self.file, "encode", || merges.symbols.encode(text, false))?;
        let symbols: Vec<(u32, Option<u32>)> =
            found.get_ids().iter().copied().zip(found.get_word_ids().iter().copied()).collect();
        let mut ids = Vec::with_capacity(symbols.len());
        for (position, word) in (0..).zip(symbols.chunk_by(|a, b| a.1 == b.1)) {
            let mut random = SplitMix64::keyed(&[key, &[position]].concat());
            let word: Vec<u32> = word.iter().map(|(id, _)| *id).collect();
            ids.extend(merges.merge(&word, || random.uniform() < rate));
        }
        Ok(self.permitted(&ids))
    }

    /// The merges, which are looked up once.
    fn merges(&self) -> Result<Arc<Merges>, Error> {
        let none = || Error::NoMerges { file: self.file.to_string() };
        if let Some(found) = self.merges.get() {
            return found.clone().ok_or_else(none);
        }
        let found = Merges::of(&self.file, &self.to_json()?)?.map(Arc::new);
        self.merges.get_or_init(|| found).clone().ok_or_else(none)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Normalization, TokenKind, TokenizerOptions};
    use super::*;
    use proptest::prelude::*;

    /// A rate at which nothing is left out, but which does not take the short way around.
    const HARDLY: f64 = f64::MIN_POSITIVE;

    fn trained(normalization: Normalization, lowercase: bool) -> Tokenizer {
        let options =
            TokenizerOptions { vocabulary_size: 330, minimum_count: 1, normalization, lowercase, ..Default::default() };
        let texts = ["lower lowest newer newest", "aaaa aaab abab. it's 3.14, 한글 한국"];
        Tokenizer::train(TokenKind::ByteLevelBpe, texts, &options).unwrap()
    }

    /// A tokenizer of `abc`, whose tokens are in the order of their ids.
    fn of_abc(more: &Value) -> Tokenizer {
        let mut model = json!({
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": { "a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5 },
            "merges": [["a", "b"], ["ab", "c"], ["b", "c"], ["a", "bc"]],
        });
        let fields = more.as_object().unwrap();
        fields.iter().for_each(|(name, value)| model[name] = value.clone());
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": { "type": "WhitespaceSplit" }, "post_processor": null, "decoder": null, "model": model,
        });
        Tokenizer::from_json("abc", &file.to_string()).unwrap()
    }

    proptest! {
        /// Any text, with words of the training, marks that compose, and names of special tokens.
        #[test]
        fn what_is_left_of_no_merge_is_what_the_library_gives(
            text in prop::collection::vec(
                prop_oneof![
                    "\\PC{0,4}", "[a-d]{1,7}", " ?(lower|newest|newe|aaaaab|it's)", "[ \n\u{a0}]{1,2}",
                    Just("e\u{301}한글".to_owned()), Just("<pad>".to_owned()),
                ],
                0..9,
            ),
            form in 0usize..5,
            lowercase: bool,
            seed: u64,
        ) {
            let text = text.concat();
            let tokenizer = trained(Normalization::ALL[form], lowercase);
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(&tokenizer.encode_with_dropout(&text, HARDLY, &[seed]).unwrap(), &ids);
            prop_assert_eq!(&tokenizer.encode_with_dropout(&text, 0.0, &[seed]).unwrap(), &ids);
            // Whatever is left out, the text is the same, and cut into more pieces.
            let dropped = tokenizer.encode_with_dropout(&text, 0.4, &[seed]).unwrap();
            prop_assert!(dropped.len() >= ids.len());
            prop_assert_eq!(tokenizer.decode(&dropped).unwrap(), tokenizer.decode(&ids).unwrap());
            // Without any merge the ids are those of bytes, which come first.
            let bytes = tokenizer.encode_with_dropout(&text, 1.0, &[seed]).unwrap();
            prop_assert!(bytes.iter().all(|id| *id < 260));
            prop_assert_eq!(bytes.len(), tokenizer.decode(&ids).unwrap().len());
        }
    }

    #[test]
    fn each_way_of_cutting_a_word_is_as_frequent_as_the_algorithm_of_the_paper_makes_it() {
        let tokenizer = of_abc(&json!({}));
        let (words, p) = (40_000, 0.3);
        let ids = tokenizer.encode_with_dropout(&"abc ".repeat(words), p, &[11]).unwrap();
        // In turn: `ab` before `bc`, then what is left of it; a word ends with `c` in one of three tokens.
        let cuts = [
            (&[5][..], (1.0 - p) * (1.0 - p) + p * (1.0 - p) * (1.0 - p)),
            (&[3, 2][..], (1.0 - p) * p),
            (&[0, 4][..], p * (1.0 - p) * p),
            (&[0, 1, 2][..], p * p),
        ];
        let mut counts = HashMap::<&[u32], f64>::new();
        for word in ids.split_inclusive(|id| [2, 4, 5].contains(id)) {
            *counts.entry(word).or_default() += 1.0;
        }
        assert_eq!(counts.values().sum::<f64>(), words as f64);
        for (cut, share) in cuts {
            let (found, sigma) = (counts[cut] / words as f64, (share * (1.0 - share) / words as f64).sqrt());
            assert!((found - share).abs() < 4.0 * sigma, "{cut:?}: {found} where {share} is right");
        }
    }

    #[test]
    fn the_pieces_are_a_function_of_the_key_and_of_the_place_of_the_word() {
        let tokenizer = trained(Normalization::None, false);
        let encode = |text: &str, key: &[u64]| tokenizer.encode_with_dropout(text, 0.3, key).unwrap();
        let text = "lowest newest lower newer lowest newest lower newer";
        let one = encode(text, &[1, 2, 3]);
        // Neither what was encoded before, nor a copy, nor a thread changes anything.
        encode("lowest lowest lowest", &[9]);
        assert_eq!(encode(text, &[1, 2, 3]), one);
        let copy = tokenizer.clone();
        let there = std::thread::spawn(move || copy.encode_with_dropout(text, 0.3, &[1, 2, 3]).unwrap());
        assert_eq!(there.join().unwrap(), one);
        for other in [[0, 2, 3], [1, 0, 3], [1, 2, 0], [2, 1, 3]] {
            assert_ne!(encode(text, &other), one, "{other:?}");
        }
        // Another word before it changes nothing about the pieces of a word.
        let after = |text: &str, first: &str| {
            let ids = encode(text, &[4]);
            let end = (1..=ids.len()).find(|end| tokenizer.decode(&ids[..*end]).unwrap() == first).unwrap();
            ids[end..].to_vec()
        };
        assert_eq!(after("newest lowest newer", "newest"), after("a lowest newer", "a"));
    }

    #[test]
    fn equal_words_of_a_text_draw_one_by_one() {
        let tokenizer = trained(Normalization::None, false);
        let ids = tokenizer.encode_with_dropout(&" lowest".repeat(60), 0.3, &[1]).unwrap();
        let space = tokenizer.id("Ġ").unwrap();
        let begins = |id: &u32| *id == space || tokenizer.token(*id).unwrap().starts_with('Ġ');
        let mut words: Vec<Vec<u32>> = vec![];
        for id in ids {
            match words.last_mut().filter(|_| !begins(&id)) {
                Some(word) => word.push(id),
                None => words.push(vec![id]),
            }
        }
        assert_eq!(words.len(), 60);
        words.sort();
        words.dedup();
        assert!(words.len() > 5, "{words:?}");
    }

    #[test]
    fn symbols_are_those_of_the_file_whatever_marks_them() {
        let suffix = json!({
            "end_of_word_suffix": "</w>", "unk_token": "?",
            "vocab": { "a": 0, "b": 1, "c</w>": 2, "ab": 3, "abc</w>": 4, "?": 5, "a</w>": 6 },
            "merges": [["a", "b"], ["ab", "c</w>"]],
        });
        let prefix = json!({
            "continuing_subword_prefix": "##", "unk_token": "?",
            "vocab": { "a": 0, "##b": 1, "##c": 2, "ab": 3, "abc": 4, "?": 5 },
            "merges": [["a", "##b"], ["ab", "##c"]],
        });
        for (more, symbols) in [(&suffix, [0, 1, 2]), (&prefix, [0, 1, 2])] {
            let tokenizer = of_abc(more);
            for text in ["abc", "abc a abx", "xabc ab", ""] {
                let ids = tokenizer.encode(text).unwrap();
                assert_eq!(tokenizer.encode_with_dropout(text, HARDLY, &[1]).unwrap(), ids, "{text}");
            }
            assert_eq!(tokenizer.encode_with_dropout("abc", 1.0, &[1]).unwrap(), symbols);
        }
        // A whole word that is looked up before any merge is cut all the same, but for a rate of 0.
        let whole = of_abc(&json!({ "ignore_merges": true, "merges": [["b", "c"]] }));
        assert_eq!(whole.encode_with_dropout("abc", 0.0, &[1]).unwrap(), [5]);
        assert_eq!(whole.encode_with_dropout("abc", 1.0, &[1]).unwrap(), [0, 1, 2]);
    }

    #[test]
    fn a_long_word_takes_no_longer_than_its_length_asks_for() {
        let tokenizer = trained(Normalization::None, false);
        for (rate, times) in [(HARDLY, 20_000), (0.1, 20_000), (0.99, 500), (1.0, 20_000)] {
            let text = "lowest".repeat(times);
            let ids = tokenizer.encode_with_dropout(&text, rate, &[1]).unwrap();
            assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        }
    }

    #[test]
    fn a_tokenizer_without_merges_and_a_rate_that_is_none_are_refused() {
        for kind in [TokenKind::Word, TokenKind::Character, TokenKind::Syllable] {
            for lossless in [false, true] {
                let options = TokenizerOptions { minimum_count: 1, lossless, ..Default::default() };
                let tokenizer = Tokenizer::train(kind, ["a b"], &options).unwrap();
                let error = tokenizer.encode_with_dropout("a", 0.1, &[]).unwrap_err();
                assert!(matches!(error, Error::NoMerges { .. }), "{error}");
            }
        }
        let tokenizer = trained(Normalization::None, false);
        for rate in [-0.1, 1.1, f64::NAN] {
            assert!(tokenizer.encode_with_dropout("a", rate, &[]).unwrap_err().to_string().contains("from 0 to 1"));
        }
    }
}
