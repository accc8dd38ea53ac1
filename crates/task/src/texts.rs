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

/// Returns a text as tokens, at most `max_length`. A text may come to no tokens at all, where a recurrence needs one:
/// then it is an unknown one.
///
/// # Errors
/// The tokenizer cannot read it.
pub fn encode(text: &str, tokenizer: &Tokenizer, max_length: usize, draw: &Draw) -> Result<Vec<u32>> {
    let mut ids = draw.cut(tokenizer.encode(text)?, max_length);
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

/// Returns the tokenizer of a task that has one. It and the model must number the same tokens.
///
/// # Errors
/// There is none, or it has another vocabulary.
pub fn check_tokenizer(tokenizer: Option<Tokenizer>, vocabulary_size: usize) -> Result<Tokenizer> {
    let whole = "the run folder must hold the files of one training, unchanged";
    let Some(tokenizer) = tokenizer else { return Err(Error::failure("there is no tokenizer", whole)) };
    match tokenizer.vocabulary_size() {
        size if size == vocabulary_size => Ok(tokenizer),
        size => Err(Error::failure(format!("vocabulary_size is {vocabulary_size}, the tokenizer's is {size}"), whole)),
    }
}
