//! Texts whose tokens are characters, without the library.
//!
//! The library makes a string, a span and a row of a table of each character. Where each character is one token, or the
//! unknown one, a table says the same, some twenty times as fast. What it does not know for certain, such as a text
//! that may have another normal form, goes through the library.

use serde_json::Value;

use super::train::{Normalization, TokenKind, plain_rules};

/// The ids of characters.
#[derive(Clone, Debug)]
pub(super) struct Characters {
    /// By code point, up to the largest one that is known.
    ids: Vec<u32>,
    unknown: u32,
    /// The form that texts are brought into.
    form: Normalization,
}

impl Characters {
    /// For tokens with their ids, of which no text may produce those that are `reserved`, in order.
    pub(super) fn new<'a>(
        tokens: impl Iterator<Item = (&'a str, u32)>,
        reserved: &[u32],
        unknown: u32,
        form: Normalization,
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
        Characters { ids, unknown, form }
    }

    /// Whether a text surely is in the form that the library would bring it into.
    pub(super) fn know(&self, text: &str) -> bool {
        self.form.surely_has(text)
    }

    /// The ids of a text that the table knows.
    pub(super) fn encode(&self, text: &str) -> Vec<u32> {
        let id = |character| self.ids.get(character as usize).copied().unwrap_or(self.unknown);
        text.chars().map(id).collect()
    }
}

/// Of a tokenizer's file whose rules are those of [`TokenKind::Character`] without bytes: the form that it brings texts
/// into.
pub(super) fn rules(file: &Value) -> Option<Normalization> {
    let is_table = file.pointer("/model/type").and_then(Value::as_str) == Some("WordLevel");
    plain_rules(file, TokenKind::Character, false).filter(|_| is_table)
}

/// Counts of characters.
#[derive(Debug, Default)]
pub(super) struct CharacterCounts(Vec<u64>);

impl CharacterCounts {
    /// Counts those of a text.
    pub(super) fn add(&mut self, text: &str) {
        for character in text.chars() {
            let place = character as usize;
            if place >= self.0.len() {
                self.0.resize(place + 1, 0);
            }
            self.0[place] += 1;
        }
    }

    /// The characters that were seen, and how often.
    pub(super) fn into_iter(self) -> impl Iterator<Item = (String, u64)> {
        let counted = self.0.into_iter().enumerate().filter(|(_, count)| *count > 0);
        counted.filter_map(|(place, count)| Some((char::from_u32(place as u32)?.to_string(), count)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Tokenizer, TokenizerOptions};
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
            form in 0usize..5,
        ) {
            let text = text.concat();
            let normalization = Normalization::ALL[form];
            let options = TokenizerOptions {
                vocabulary_size: 400, minimum_count: 1, lossless: false, normalization, lowercase: false,
            };
            let tokenizer = Tokenizer::train(TokenKind::Character, [known.as_str(), "<"], &options).unwrap();
            let table = tokenizer.characters.clone().expect("its tokens are characters");
            let library = Tokenizer { characters: None, ..tokenizer.clone() };
            if table.know(&text) {
                prop_assert_eq!(&table.encode(&text), &library.encode(&text).unwrap());
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
