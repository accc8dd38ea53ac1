//! The words of byte-level BPE, cut without the library, and their ids from a cache.
//!
//! The library cuts a text with a regular expression and looks for merges in each word anew, or in a cache that all
//! threads share. Here the cut is a loop over the characters, and a word that was seen has its ids at hand. A new word
//! goes through the library, so the ids are its own.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::Value;

use super::train::{Normalization, TokenKind, plain_rules};
use crate::character_class::Class;
use crate::error::Error;

/// Words that a cache holds, and the longest of them in bytes.
const WORDS: usize = 20_000;
const LONGEST: usize = 48;

/// `\p{L}`, `\p{N}` and `\s`.
static CLASSES: LazyLock<[Class; 3]> = LazyLock::new(|| [r"\p{L}", r"\p{N}", r"\s"].map(Class::of));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Letter,
    Number,
    Space,
    Other,
}

fn kind(character: char) -> Kind {
    match character {
        'a'..='z' | 'A'..='Z' => Kind::Letter,
        '0'..='9' => Kind::Number,
        ' ' | '\t'..='\r' => Kind::Space,
        '\0'..='\x7f' => Kind::Other,
        _ => {
            let [letters, numbers, spaces] = &*CLASSES;
            match character {
                _ if letters.has(character) => Kind::Letter,
                _ if numbers.has(character) => Kind::Number,
                _ if spaces.has(character) => Kind::Space,
                _ => Kind::Other,
            }
        }
    }
}

/// The ends of English words that are words of their own.
const ENDINGS: [&str; 7] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"];

/// Cuts a text into words as GPT-2 does: the matches of
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`, which leave nothing out.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (word, after) = rest.split_at(first_word(rest)?);
        rest = after;
        Some(word)
    })
}

/// The bytes of the first word.
fn first_word(text: &str) -> Option<usize> {
    if let Some(ending) = ENDINGS.iter().find(|ending| text.starts_with(**ending)) {
        return Some(ending.len());
    }
    let first = text.chars().next()?;
    let space = usize::from(first == ' ');
    let begins = text[space..].chars().next().map(kind);
    match begins {
        // A space belongs to the word after it.
        Some(of) if of != Kind::Space => Some(text.len() - text[space..].trim_start_matches(|c| kind(c) == of).len()),
        _ => {
            let spaces = text.len() - text.trim_start_matches(|c| kind(c) == Kind::Space).len();
            // Of several spaces before a word, the last one is not taken with the others.
            let last = text[..spaces].chars().next_back().map_or(0, char::len_utf8);
            Some(if spaces == text.len() || spaces == last { spaces } else { spaces - last })
        }
    }
}

/// Of a tokenizer's file that cuts texts as [`words`] does: the form that it brings them into before.
pub(super) fn rules(file: &Value) -> Option<Normalization> {
    plain_rules(file, TokenKind::ByteLevelBpe, true)
}

type Cache = HashMap<Box<str>, Box<[u32]>>;

/// The ids of words that were seen: a cache for each thread that encodes.
#[derive(Clone, Debug)]
pub(super) struct WordCaches {
    caches: Arc<Mutex<Vec<Cache>>>,
    /// The form that texts are brought into.
    form: Normalization,
}

impl WordCaches {
    pub(super) fn new(form: Normalization) -> WordCaches {
        WordCaches { caches: Arc::default(), form }
    }

    /// Whether a text is surely cut as [`words`] does.
    pub(super) fn know(&self, text: &str) -> bool {
        self.form.surely_has(text)
    }

    /// The ids of a text that they know. `library` gives those of a word.
    pub(super) fn encode(
        &self,
        text: &str,
        library: impl Fn(&str) -> Result<Vec<u32>, Error>,
    ) -> Result<Vec<u32>, Error> {
        let caches = || self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cache = caches().pop().unwrap_or_default();
        let mut ids = Vec::with_capacity(text.len() / 3);
        for word in words(text) {
            if let Some(known) = cache.get(word) {
                ids.extend_from_slice(known);
                continue;
            }
            let found = library(word)?;
            ids.extend_from_slice(&found);
            if word.len() <= LONGEST && cache.len() < WORDS {
                cache.insert(word.into(), found.into());
            }
        }
        caches().push(cache);
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Tokenizer, TokenizerOptions};
    use super::*;
    use proptest::prelude::*;

    fn tokenizer(text: &str, normalization: Normalization) -> Tokenizer {
        let (vocabulary_size, minimum_count) = (320, 1);
        let options = TokenizerOptions { vocabulary_size, minimum_count, normalization, ..TokenizerOptions::default() };
        Tokenizer::train(TokenKind::ByteLevelBpe, [text], &options).unwrap()
    }

    #[test]
    fn a_text_is_cut_as_gpt_2_cuts_it() {
        let cut = |text| words(text).collect::<Vec<_>>().join("|");
        assert_eq!(cut("It's 3 o'clock,  and\n\n the end  "), "It|'s| 3| o|'|clock|,| | and|\n\n| the| end|  ");
        assert_eq!(cut("한국어 ½x\u{a0}y \t"), "한국어| ½|x|\u{a0}|y| \t");
        assert_eq!(cut(""), "");
    }

    proptest! {
        /// Any text, with spaces, endings, marks and names of special tokens.
        #[test]
        fn words_and_ids_are_those_of_the_library(
            text in prop::collection::vec(
                prop_oneof![
                    "\\PC{0,4}", "[ \t\n\u{a0}\u{2003}]{1,3}", "'[a-z]{0,3}", "[a-e]{1,4}", "[0-9½٣]{1,3}",
                    Just("<pad>".to_owned()), Just("\r\n".to_owned()), "e\u{301}",
                ],
                0..14,
            ),
            form in 0usize..5,
        ) {
            let text = text.concat();
            let normalization = Normalization::ALL[form];
            let tokenizer = tokenizer("abc cab, 12 it's", normalization);
            prop_assert!(tokenizer.words.is_some());
            let library = Tokenizer { words: None, ..tokenizer.clone() };
            let ids = library.encode(&text).unwrap();
            prop_assert_eq!(&tokenizer.encode(&text).unwrap(), &ids);
            // From the cache they are the same again.
            prop_assert_eq!(&tokenizer.encode(&text).unwrap(), &ids);
            let counts = |tokenizer: &Tokenizer| tokenizer.count_pieces([text.as_str(), "abc abc"]).unwrap();
            prop_assert_eq!(counts(&tokenizer), counts(&library));
        }
    }
}
