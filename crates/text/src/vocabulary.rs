//! Tokens and their ids.
//!
//! A vocabulary is a list: a token's id is its place in it. The first four places belong to the special tokens.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Holds the ids of the four special tokens.
///
/// A vocabulary that is trained here has them at fixed places, [`Specials::FIXED`]; a tokenizer loaded from elsewhere
/// keeps its own.
///
/// ```
/// use unspool_text::{Specials, TokenKind, Tokenizer, TokenizerOptions};
/// let tokenizer = Tokenizer::train(TokenKind::Character, ["abc"], &TokenizerOptions::default())?;
/// assert_eq!(tokenizer.specials(), Specials { pad: 0, unk: 1, bos: 2, eos: 3 });
/// assert_eq!(tokenizer.id("<eos>"), Some(3));
/// assert!(!tokenizer.encode("<eos>")?.contains(&3));                           // no text ends itself
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Specials {
    /// Fills a batch up to its longest row.
    pub pad: u32,
    /// Replaces a token that the vocabulary does not have.
    pub unk: u32,
    /// Begins a sequence.
    pub bos: u32,
    /// Ends a sequence.
    pub eos: u32,
}

impl Specials {
    /// Assigns `<pad>` 0, `<unk>` 1, `<bos>` 2, `<eos>` 3.
    pub const FIXED: Specials = Specials { pad: 0, unk: 1, bos: 2, eos: 3 };

    /// Lists the tokens' names, in the order of [`Specials::FIXED`].
    pub const NAMES: [&'static str; 4] = ["<pad>", "<unk>", "<bos>", "<eos>"];
}

impl Default for Specials {
    fn default() -> Self {
        Specials::FIXED
    }
}

/// Holds a list of tokens, the special ones first.
///
/// More in [chapter 5](https://github.com/unspool/unspool/blob/main/docs/05-many-to-one.md) of the tutorial.
///
/// ```
/// use unspool_text::Vocabulary;
///
/// let words = "a rose is a rose is a rose".split(' ');
/// let vocabulary = Vocabulary::count(words, 2, 100).unwrap();
/// assert_eq!(vocabulary.tokens(), ["<pad>", "<unk>", "<bos>", "<eos>", "a", "rose", "is"]);
/// assert_eq!(vocabulary.id("rose"), Some(5));
/// assert_eq!(vocabulary.coverage("a daisy is a rose".split(' ')).unknown_rate(), 0.2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Vocabulary {
    tokens: Vec<String>,
    ids: HashMap<String, u32>,
}

impl Vocabulary {
    /// Counts tokens and keeps those seen `minimum_count` times or more, the most frequent first, up to
    /// `maximum_size` with the four special ones. Tokens of equal count are in the order of their code points,
    /// so the order of the data does not matter.
    ///
    /// # Errors
    /// [`Error::VocabularyTooSmall`] when not one token fits beside the special ones.
    pub fn count<T: AsRef<str>>(
        tokens: impl IntoIterator<Item = T>,
        minimum_count: u64,
        maximum_size: usize,
    ) -> Result<Self, Error> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for token in tokens {
            match counts.get_mut(token.as_ref()) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(token.as_ref().to_owned(), 1);
                }
            }
        }
        Self::from_counts(counts, minimum_count, maximum_size)
    }

    /// Makes a vocabulary as [`Vocabulary::count`] does, from counts already made.
    pub fn from_counts(
        counts: impl IntoIterator<Item = (String, u64)>,
        minimum_count: u64,
        maximum_size: usize,
    ) -> Result<Self, Error> {
        let least = Specials::NAMES.len() + 1;
        if maximum_size < least {
            return Err(Error::VocabularyTooSmall { asked: maximum_size, least });
        }
        let mut counts: Vec<(String, u64)> = counts
            .into_iter()
            .filter(|(token, count)| *count >= minimum_count && !Specials::NAMES.contains(&token.as_str()))
            .collect();
        counts.sort_unstable_by(|(a, a_count), (b, b_count)| b_count.cmp(a_count).then_with(|| a.cmp(b)));
        counts.truncate(maximum_size - Specials::NAMES.len());
        let specials = Specials::NAMES.iter().map(|name| (*name).to_owned());
        Self::from_tokens(specials.chain(counts.into_iter().map(|(token, _)| token)).collect())
    }

    /// Makes a vocabulary of exactly these tokens; `Specials` holds for it if the first four are [`Specials::NAMES`].
    ///
    /// # Errors
    /// [`Error::TokenTwice`].
    pub fn from_tokens(tokens: Vec<String>) -> Result<Self, Error> {
        let mut ids = HashMap::with_capacity(tokens.len());
        for (id, token) in tokens.iter().enumerate() {
            if ids.insert(token.clone(), id as u32).is_some() {
                return Err(Error::TokenTwice { token: token.clone() });
            }
        }
        Ok(Vocabulary { tokens, ids })
    }

    /// Returns the number of tokens, including the special ones.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Returns whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Returns all tokens; a token's place is its id.
    pub fn tokens(&self) -> &[String] {
        &self.tokens
    }

    /// Returns the id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    /// Returns the id of a token of a text, or that of `<unk>`. The special tokens' names in a text are words like
    /// others.
    pub fn id_or_unknown(&self, token: &str) -> u32 {
        let first = Specials::NAMES.len() as u32;
        self.id(token).filter(|id| *id >= first).unwrap_or(Specials::FIXED.unk)
    }

    /// Returns the token of an id.
    pub fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(id as usize).map(String::as_str)
    }

    /// Measures how much of a text the vocabulary knows.
    pub fn coverage<T: AsRef<str>>(&self, tokens: impl IntoIterator<Item = T>) -> Coverage {
        let mut coverage = Coverage::default();
        for token in tokens {
            coverage.tokens += 1;
            coverage.unknown += u64::from(self.id_or_unknown(token.as_ref()) == Specials::FIXED.unk);
        }
        coverage
    }
}

impl TryFrom<Vec<String>> for Vocabulary {
    type Error = Error;

    fn try_from(tokens: Vec<String>) -> Result<Self, Error> {
        Vocabulary::from_tokens(tokens)
    }
}

impl From<Vocabulary> for Vec<String> {
    fn from(vocabulary: Vocabulary) -> Self {
        vocabulary.tokens
    }
}

/// Counts how many tokens of a text were seen, and how many of them the vocabulary does not have.
///
/// ```
/// use unspool_text::Vocabulary;
/// let known = Vocabulary::count(["a", "b"], 1, 10)?;
/// let coverage = known.coverage(["a", "b", "c", "a"]);
/// assert_eq!((coverage.tokens, coverage.unknown, coverage.unknown_rate()), (4, 1, 0.25));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Coverage {
    /// All tokens.
    pub tokens: u64,
    /// Tokens that became `<unk>`.
    pub unknown: u64,
}

impl Coverage {
    /// Returns unknown / tokens, the out-of-vocabulary rate; 0 for an empty text.
    pub fn unknown_rate(&self) -> f64 {
        if self.tokens == 0 { 0.0 } else { self.unknown as f64 / self.tokens as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_are_places_and_the_order_of_the_data_does_not_matter(
            mut words in prop::collection::vec("[a-e]{1,2}", 0..60), minimum in 0u64..4, size in 5usize..20,
        ) {
            let vocabulary = Vocabulary::count(&words, minimum, size).unwrap();
            prop_assert!(vocabulary.len() <= size);
            for (id, token) in vocabulary.tokens().iter().enumerate() {
                prop_assert_eq!(vocabulary.id(token), Some(id as u32));
            }
            words.sort();
            prop_assert_eq!(Vocabulary::count(&words, minimum, size).unwrap(), vocabulary);
        }
    }

    #[test]
    fn a_special_name_in_the_text_is_no_special_token() {
        let vocabulary = Vocabulary::count(["<eos>", "a"], 1, 10).unwrap();
        assert_eq!(vocabulary.len(), 5);
        assert_eq!(vocabulary.id_or_unknown("<eos>"), Specials::FIXED.unk);
    }

    #[test]
    fn no_room_for_a_token_is_an_error() {
        let error = Vocabulary::count(["a"], 1, 4).unwrap_err();
        assert_eq!(error.to_string(), "a vocabulary of 4 is too small: the special tokens and the alphabet need 5");
    }
}
