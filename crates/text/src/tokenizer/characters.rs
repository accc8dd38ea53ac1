//! Texts whose tokens are characters, without the library.
//!
//! The library makes a string, a span and a row of a table of each character. Where each character is one token, or the
//! unknown one, a table says the same, some twenty times as fast. What it does not know for certain, such as a text
//! that may have another normal form, goes through the library.

use serde_json::{Value, json};
use unicode_normalization::{IsNormalized, is_nfc_quick};

use super::train::{TokenKind, pre_tokenizer};

/// The ids of characters.
#[derive(Clone, Debug)]
pub(super) struct Characters {
    /// By code point, up to the largest one that is known.
    ids: Vec<u32>,
    unknown: u32,
    /// Whether texts are brought into NFC.
    pub(super) nfc: bool,
}

impl Characters {
    /// For tokens with their ids, of which no text may produce those that are `reserved`, in order.
    pub(super) fn new<'a>(
        tokens: impl Iterator<Item = (&'a str, u32)>,
        reserved: &[u32],
        unknown: u32,
        nfc: bool,
    ) -> Characters {
        let mut ids = vec![];
        for (token, id) in tokens {
            let mut characters = token.chars();
            if let (Some(character), None) = (characters.next(), characters.next()) {
                let place = character as usize;
                if place >= ids.len() {
                    ids.resize(place + 1, unknown);
                }
                ids[place] = if reserved.binary_search(&id).is_ok() { unknown } else { id };
            }
        }
        Characters { ids, unknown, nfc }
    }

    /// The ids of a text, if they are certain.
    pub(super) fn encode(&self, text: &str) -> Option<Vec<u32>> {
        let id = |character| self.ids.get(character as usize).copied().unwrap_or(self.unknown);
        is_normal(text, self.nfc).then(|| text.chars().map(id).collect())
    }
}

/// Of a tokenizer's file whose rules are those of [`TokenKind::Character`] without bytes, whether texts are brought
/// into NFC.
pub(super) fn rules(file: &Value) -> Option<bool> {
    let is_special = |token: &Value| token.get("special").and_then(Value::as_bool) == Some(true);
    let is_plain = file.get("added_tokens").and_then(Value::as_array).is_some_and(|all| all.iter().all(is_special))
        && file.get("post_processor").is_none_or(Value::is_null)
        && file.get("pre_tokenizer") == Some(&pre_tokenizer(TokenKind::Character, false))
        && file.pointer("/model/type").and_then(Value::as_str) == Some("WordLevel");
    is_plain.then(|| nfc_alone(file)).flatten()
}

/// Whether a tokenizer's file brings texts into NFC; nothing where it changes them in other ways.
pub(super) fn nfc_alone(file: &Value) -> Option<bool> {
    match file.get("normalizer") {
        None | Some(Value::Null) => Some(false),
        Some(rule) => (*rule == json!({"type": "NFC"})).then_some(true),
    }
}

/// Whether a text surely is in the form that the rules ask for.
pub(super) fn is_normal(text: &str, nfc: bool) -> bool {
    !nfc || text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes
}

/// Counts of characters, of texts that surely are in the form that the rules ask for.
#[derive(Debug, Default)]
pub(super) struct CharacterCounts(Vec<u64>);

impl CharacterCounts {
    /// Counts a text; false if that takes the library.
    pub(super) fn add(&mut self, text: &str, nfc: bool) -> bool {
        let is_normal = is_normal(text, nfc);
        for character in text.chars().filter(|_| is_normal) {
            let place = character as usize;
            if place >= self.0.len() {
                self.0.resize(place + 1, 0);
            }
            self.0[place] += 1;
        }
        is_normal
    }

    /// The characters that were seen, and how often.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (String, u64)> {
        let counted = self.0.into_iter().enumerate().filter(|(_, count)| *count > 0);
        counted.filter_map(|(place, count)| Some((char::from_u32(place as u32)?.to_string(), count)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Normalization, Tokenizer, TokenizerOptions};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Texts of any characters, with marks and jamo that compose, and names of special tokens.
        #[test]
        fn the_table_gives_the_ids_of_the_library(
            known in "[a-e \u{301}\u{e9}\u{1112}\u{1161}\u{d558}]{0,20}",
            text in prop::collection::vec(
                prop_oneof![
                    "\\PC{0,4}", "[a-e\u{301}\u{1112}\u{1161}]{1,3}", Just("<pad>".to_owned()), Just("\n\t".to_owned()),
                ],
                0..12,
            ),
            nfc: bool,
        ) {
            let text = text.concat();
            let normalization = if nfc { Normalization::Nfc } else { Normalization::None };
            let options = TokenizerOptions {
                vocabulary_size: 400, minimum_count: 1, lossless: false, normalization, lowercase: false,
            };
            let tokenizer = Tokenizer::train(TokenKind::Character, [known.as_str(), "<"], &options).unwrap();
            let table = tokenizer.characters.clone().expect("its tokens are characters");
            let library = Tokenizer { characters: None, ..tokenizer.clone() };
            if let Some(ids) = table.encode(&text) {
                prop_assert_eq!(&ids, &library.encode(&text).unwrap());
            }
            prop_assert_eq!(tokenizer.encode(&text).unwrap(), library.encode(&text).unwrap());
            // Counting goes the same two ways.
            let counts = |tokenizer: &Tokenizer| tokenizer.count_pieces([text.as_str(), known.as_str()]).unwrap();
            prop_assert_eq!(counts(&tokenizer), counts(&library));
        }
    }

    #[test]
    fn other_rules_have_no_table() {
        let train = |kind, lossless, lowercase| {
            let options = TokenizerOptions { minimum_count: 1, lossless, lowercase, ..TokenizerOptions::default() };
            Tokenizer::train(kind, ["a B"], &options).unwrap().characters.is_some()
        };
        assert!(train(TokenKind::Character, false, false));
        assert!(!train(TokenKind::Character, true, false) && !train(TokenKind::Character, false, true));
        assert!(!train(TokenKind::Word, false, false) && !train(TokenKind::Syllable, false, false));
    }
}
