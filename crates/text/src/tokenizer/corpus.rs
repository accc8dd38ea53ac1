//! Tokenizing whole corpora: on all threads, and long texts in blocks.
//!
//! The library keeps some hundred bytes per byte of a text while it works on it, so a text of 100 MB must not pass
//! through it at once. It is cut into blocks where no rule of the tokenizer looks across, so the ids are those of the
//! whole.

use rayon::prelude::*;
use serde_json::Value;

use super::Tokenizer;
use super::train::{Normalization, TokenKind, TokenizerOptions, normalizer, pre_tokenizer};
use crate::error::Error;
use crate::token_ids::TokenIds;

/// Bytes of a block, about.
const BLOCK: usize = 1 << 16;

const KINDS: [TokenKind; 4] = [TokenKind::ByteLevelBpe, TokenKind::Word, TokenKind::Character, TokenKind::Syllable];

/// Where a long text may be cut without changing a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nowhere, as far as is known.
    Nowhere,
    /// Between a letter, digit or ASCII mark and a white space after it.
    BeforeSpace,
    /// There, where the space is one between two words. It is left out of the block after it, in front of which the
    /// normalizer puts a space again.
    AtSpace,
}

impl Cut {
    /// Returns where texts may be cut for a tokenizer's rules: those that [`Tokenizer::train`] writes are known not to
    /// look from a word into the white space after it; of others nothing is known.
    pub(super) fn of(file: &Value) -> Cut {
        let rule = |name: &str| file.get(name).unwrap_or(&Value::Null);
        let added = file.get("added_tokens").and_then(Value::as_array).map_or(0, Vec::len);
        for (kind, lossless) in KINDS.into_iter().flat_map(|kind| [(kind, true), (kind, false)]) {
            let is_normalizer = |(normalization, lowercase)| {
                let options = TokenizerOptions { lossless, normalization, lowercase, ..TokenizerOptions::default() };
                normalizer(kind, &options) == *rule("normalizer")
            };
            let mut normalizers = Normalization::ALL.into_iter().flat_map(|form| [(form, false), (form, true)]);
            if added <= 4 && pre_tokenizer(kind, lossless) == *rule("pre_tokenizer") && normalizers.any(is_normalizer) {
                return if kind == TokenKind::Word && lossless { Cut::AtSpace } else { Cut::BeforeSpace };
            }
        }
        Cut::Nowhere
    }

    /// Cuts a text into blocks of about [`BLOCK`] bytes.
    pub(super) fn blocks(self, text: &str) -> impl Iterator<Item = &str> {
        let mut rest = text;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (block, after) = self.first_block(rest);
            rest = after;
            Some(block)
        })
    }

    fn first_block(self, text: &str) -> (&str, &str) {
        if self == Cut::Nowhere || text.len() <= BLOCK {
            return (text, "");
        }
        let is_word = |c: char| c.is_alphanumeric() || c.is_ascii_punctuation();
        let mut characters = text.char_indices().skip_while(|(place, _)| *place < BLOCK).peekable();
        let mut before = ' ';
        while let Some((place, character)) = characters.next() {
            let is_between_words = characters.peek().is_some_and(|(_, after)| is_word(*after));
            match self {
                Cut::BeforeSpace if is_word(before) && matches!(character, ' ' | '\n') => return text.split_at(place),
                Cut::AtSpace if is_word(before) && character == ' ' && is_between_words => {
                    return (&text[..place], &text[place + 1..]);
                }
                _ => before = character,
            }
        }
        (text, "")
    }
}

impl Tokenizer {
    /// Returns the ids of one long text, such as a book or all of a language model's data: those of
    /// [`Tokenizer::encode`], made on all threads, in little memory beside the ids.
    ///
    /// The text is cut into blocks of some 64 KB if the tokenizer's rules are those of [`Tokenizer::train`]. A
    /// tokenizer from elsewhere reads the text at once, for which the library needs some hundred bytes per byte.
    ///
    /// ```
    /// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
    ///
    /// let text = "To be, or not to be: that is the question.\n".repeat(4000);
    /// let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, [&text], &TokenizerOptions::default())?;
    /// let ids = tokenizer.encode_text(&text)?;
    /// assert_eq!(ids.to_vec(0..ids.len()), tokenizer.encode(&text)?);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn encode_text(&self, text: &str) -> Result<TokenIds, Error> {
        let mut all = TokenIds::new(self.size);
        let mut blocks = self.cut.blocks(text);
        loop {
            let some: Vec<&str> = blocks.by_ref().take(8 * rayon::current_num_threads()).collect();
            if some.is_empty() {
                break;
            }
            let ids = some.into_par_iter().map(|block| self.encode(block)).collect::<Vec<_>>();
            ids.into_iter().try_for_each(|ids| all.extend(&ids?))?;
        }
        all.shrink();
        Ok(all)
    }

    /// Returns how many characters [`Tokenizer::normalize`] leaves of a text, which may be a whole corpus.
    ///
    /// ```
    /// use unspool_text::{Normalization, TokenKind, Tokenizer, TokenizerOptions};
    /// let options = TokenizerOptions { normalization: Normalization::Nfc, ..Default::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::Character, ["fé"], &options)?;
    /// assert_eq!(tokenizer.count_characters("fe\u{301}")?, 2);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn count_characters(&self, text: &str) -> Result<usize, Error> {
        let count = |block: &str| Ok(self.normalize(block)?.chars().count());
        self.cut.blocks(text).par_bridge().map(count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXTS: [&str; 3] = [
        "It's 3 o'clock,  and\n\n the\tnaïve 한국어 text… goes on — ``so''.\r\n  End ",
        "e\u{301}a \u{301}b\u{a0} c\u{2003}\u{ac00}\u{11a8} \u{1100}\u{1161}x",
        "no space at all but one",
    ];

    const BETWEEN: [&str; 7] = ["", " ", "  ", "\n", " \n", "a", "."];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        /// Whatever the rules, a text cut into blocks has the ids of the whole.
        #[test]
        fn a_text_in_blocks_has_the_ids_of_the_whole(
            pieces in prop::collection::vec((0usize..3, prop::sample::select(BETWEEN.to_vec())), 1..40),
            kind in 0usize..4, lossless: bool, lowercase: bool, form in 0usize..5,
        ) {
            let text: String = pieces.iter().map(|(text, between)| format!("{}{between}", TEXTS[*text])).collect();
            // Long enough to be cut.
            let text = text.repeat(3 * BLOCK / text.len() + 1);
            let options = TokenizerOptions {
                vocabulary_size: 400, minimum_count: 1, lossless, lowercase, normalization: Normalization::ALL[form],
            };
            let tokenizer = Tokenizer::train(KINDS[kind], TEXTS, &options).unwrap();
            prop_assert!(tokenizer.cut.blocks(&text).count() > 1);
            let ids = tokenizer.encode_text(&text).unwrap();
            prop_assert_eq!(ids.to_vec(0..ids.len()), tokenizer.encode(&text).unwrap());
            let characters = tokenizer.normalize(&text).unwrap().chars().count();
            prop_assert_eq!(tokenizer.count_characters(&text).unwrap(), characters);
        }
    }

    /// The negative control: blocks cut anywhere have other ids.
    #[test]
    fn a_text_cut_inside_of_a_word_has_other_ids() {
        let tokenizer =
            Tokenizer::train(TokenKind::ByteLevelBpe, ["lower lower"], &TokenizerOptions::default()).unwrap();
        let halves = [tokenizer.encode("lower lo").unwrap(), tokenizer.encode("wer").unwrap()].concat();
        assert_ne!(halves, tokenizer.encode("lower lower").unwrap());
    }

    #[test]
    fn a_tokenizer_with_rules_of_its_own_reads_a_text_at_once() {
        let options = TokenizerOptions { minimum_count: 1, ..TokenizerOptions::default() };
        let ours = Tokenizer::train(TokenKind::Character, ["a b"], &options).unwrap();
        let mut file: Value = serde_json::from_str(&ours.to_json().unwrap()).unwrap();
        file["pre_tokenizer"] = serde_json::json!({"type": "FixedLength", "length": 5});
        let foreign = Tokenizer::from_json("foreign", &file.to_string()).unwrap();
        let text = "a b ".repeat(BLOCK);
        assert_eq!(foreign.cut.blocks(&text).count(), 1);
        assert!(ours.cut.blocks(&text).count() > 1);
    }
}
