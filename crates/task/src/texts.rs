//! Texts as tokens.

use crate::{
    draw::Draw,
    error::{Error, Result},
};
use unspool::text::{Normalization, Tokenizer, TokenizerOptions};

/// Returns how to train a tokenizer for a model that says something of each character, syllable or word: each is one
/// token, `<unk>` if it is none of the so many that are known. Texts are read in Unicode's composed form (NFC), so that
/// `é` is one character however it was typed; the tokenizer's file says so, and one without that reads texts as they
/// are.
pub fn one_token_each(vocabulary_size: usize) -> TokenizerOptions {
    let normalization = Normalization::Nfc;
    TokenizerOptions { vocabulary_size, lossless: false, normalization, ..TokenizerOptions::default() }
}

/// Returns a text as tokens, at most `max_length`, as [`Draw::encode`] makes them. A text may come to no tokens at all,
/// where a recurrence needs one: then it is an unknown one.
///
/// # Errors
/// The tokenizer cannot read it.
pub fn encode(text: &str, tokenizer: &Tokenizer, max_length: usize, draw: &Draw) -> Result<Vec<u32>> {
    let mut ids = draw.cut(draw.encode(text, tokenizer)?, max_length);
    if ids.is_empty() {
        ids.push(tokenizer.specials().unk);
    }
    Ok(ids)
}

/// Returns tokens as text on one line: where bytes are tokens, a model can write the end of a line.
///
/// # Errors
/// A token is none of the tokenizer's.
pub fn decode_line(tokens: &[u32], tokenizer: &Tokenizer) -> Result<String> {
    Ok(tokenizer.decode(tokens)?.trim().replace(['\n', '\r'], " "))
}

/// Returns the tokens of the beginning of a text that is to be continued. A space at its end says that a new word
/// follows: it belongs to the beginning only where no token holds a space together with what follows it.
///
/// ```
/// use unspool::text::{TokenKind, Tokenizer, TokenizerOptions};
/// use unspool_task::encode_prefix;
/// let train = |kind| {
///     let options = TokenizerOptions { vocabulary_size: 270, minimum_count: 1, ..TokenizerOptions::default() };
///     Tokenizer::train(kind, ["to be or not to be"], &options)
/// };
/// for (kind, tokens) in [(TokenKind::Character, 3), (TokenKind::ByteLevelBpe, 1)] {
///     assert_eq!(encode_prefix("to ", &train(kind)?)?.len(), tokens);
/// }
/// # Ok::<(), unspool_task::Error>(())
/// ```
///
/// # Errors
/// The tokenizer cannot read it.
pub fn encode_prefix(text: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
    let begun = text.trim_end();
    if begun.is_empty() || begun.len() == text.len() {
        return Ok(tokenizer.encode(begun)?);
    }
    let begins_word = |id: u32| {
        tokenizer.spell(id).is_ok_and(|text| text.starts_with(char::is_whitespace) && !text.trim().is_empty())
    };
    let is_joined = (0..tokenizer.vocabulary_size() as u32).any(begins_word);
    Ok(tokenizer.encode(&format!("{begun}{}", if is_joined { "" } else { " " }))?)
}

/// Holds the tokenizers of pairs of texts: one for both sides, or one for each.
///
/// ```
/// use unspool::text::{TokenKind, Tokenizer, TokenizerOptions};
/// use unspool_task::PairTokenizers;
/// let options = TokenizerOptions { minimum_count: 1, ..TokenizerOptions::default() };
/// let train = |text: &str| Tokenizer::train(TokenKind::Character, [text], &options);
/// let (source, target) = (train("hus")?, train("house")?);
/// let shared = PairTokenizers { source: None, target: target.clone() };
/// assert_eq!(shared.both().map(Tokenizer::vocabulary_size), [target.vocabulary_size(); 2]);
/// let size = source.vocabulary_size();
/// let separate = PairTokenizers { source: Some(source), target };
/// assert_eq!(separate.both()[0].vocabulary_size(), size);
/// # Ok::<(), unspool::text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PairTokenizers {
    /// That of the source, where it is another one.
    pub source: Option<Tokenizer>,
    /// That of the target, or of both.
    pub target: Tokenizer,
}

impl PairTokenizers {
    /// Returns the tokenizers of a model with so many source tokens, where it has a table of them, and target tokens.
    ///
    /// # Errors
    /// One is missing, or has another vocabulary.
    pub fn check(
        source: Option<Tokenizer>,
        target: Option<Tokenizer>,
        (source_size, size): (Option<usize>, usize),
    ) -> Result<PairTokenizers> {
        let target = check_tokenizer(target, size)?;
        match source_size {
            None if source.is_some() => {
                Err(Error::failure("there is a source tokenizer, and the model has one vocabulary", UNCHANGED))
            }
            None => Ok(PairTokenizers { source: None, target }),
            Some(size) => Ok(PairTokenizers { source: Some(check_tokenizer(source, size)?), target }),
        }
    }

    /// Returns the tokenizers of the source and of the target.
    pub fn both(&self) -> [&Tokenizer; 2] {
        [self.source.as_ref().unwrap_or(&self.target), &self.target]
    }
}

/// What is right where files of a run folder do not fit together.
const UNCHANGED: &str = "the run folder must hold the files of one training, unchanged";

/// Returns the part of a text that each of its tokens stands for. Where each character is a token, an unknown one is
/// shown as it is in the text.
///
/// ```
/// use unspool::text::{TokenKind, Tokenizer};
/// use unspool_task::{one_token_each, parts_of};
/// let how = unspool::text::TokenizerOptions { minimum_count: 1, ..one_token_each(20) };
/// let tokenizer = Tokenizer::train(TokenKind::Character, ["good"], &how)?;
/// assert_eq!(parts_of("dog!", &tokenizer.encode("dog!")?, &tokenizer)?, ["d", "o", "g", "!"]);
/// # Ok::<(), unspool_task::Error>(())
/// ```
///
/// # Errors
/// A token is none of the tokenizer's.
pub fn parts_of(text: &str, ids: &[u32], tokenizer: &Tokenizer) -> Result<Vec<String>> {
    let (pieces, unknown) = (tokenizer.decode_pieces(ids)?, tokenizer.specials().unk);
    let is_character = |(piece, id): (&String, &u32)| *id == unknown || piece.chars().count() == 1;
    let characters: Vec<String> = text.chars().take(ids.len()).map(String::from).collect();
    let each = characters.len() == ids.len() && pieces.iter().zip(ids).all(is_character);
    Ok(if each { characters } else { pieces })
}

/// Returns the tokenizer of a task that has one. It and the model must number the same tokens.
///
/// # Errors
/// There is none, or it has another vocabulary.
pub fn check_tokenizer(tokenizer: Option<Tokenizer>, vocabulary_size: usize) -> Result<Tokenizer> {
    let Some(tokenizer) = tokenizer else { return Err(Error::failure("there is no tokenizer", UNCHANGED)) };
    match tokenizer.vocabulary_size() {
        size if size == vocabulary_size => Ok(tokenizer),
        size => {
            Err(Error::failure(format!("vocabulary_size is {vocabulary_size}, the tokenizer's is {size}"), UNCHANGED))
        }
    }
}
