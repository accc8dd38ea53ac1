//! A long text as tokens: cut into streams that are read side by side, or into windows with what is read before each.

use serde::{Deserialize, Serialize};
use unspool::text::Tokenizer;
use unspool_task::{Drawn, Error, Result};

/// Outside training a recurrence reads so many tokens before those that it predicts.
const CONTEXT: usize = 256;

/// A part of the text as tokens.
#[derive(Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) ids: Vec<u32>,
    /// Of the text that is predicted: all but the first token.
    pub(crate) characters: u64,
    pub(crate) tokenizer: String,
}

impl Text {
    pub(crate) fn new(text: &str, tokenizer: &Tokenizer) -> Result<Text> {
        let ids = tokenizer.encode(text)?;
        if ids.len() < 2 {
            let what = format!("a text of {} tokens has none to predict", ids.len());
            return Err(Error::failure(what, "give a longer text"));
        }
        let first = tokenizer.decode(&ids[..1])?.chars().count();
        let characters = tokenizer.normalize(text)?.chars().count().saturating_sub(first) as u64;
        Ok(Text { ids, characters, tokenizer: String::new() })
    }
}

/// Where the streams of a text begin, and where the last one ends: as long as each other, but for one token.
pub(crate) fn starts(tokens: usize, streams: usize) -> Vec<usize> {
    let (each, longer) = (tokens / streams, tokens % streams);
    (0..=streams).map(|stream| stream * each + stream.min(longer)).collect()
}

/// Outside training, tokens that are predicted at a time, and those that are read before them: as many. A Transformer
/// knows no place beyond its window; a recurrence has learned to look further.
pub(crate) fn new_tokens(window: usize, is_transformer: bool) -> usize {
    if is_transformer { (window / 2).max(1) } else { window.max(CONTEXT) }
}

/// A part that is scored, in windows with what is read before each.
pub(crate) fn windows(text: Text, new: usize) -> Drawn<Text> {
    let tokens = text.ids.len() - 1;
    let length = |n: usize| (0, (tokens - n * new).min(new) + (n * new).min(new));
    Drawn::new(text, (0..tokens.div_ceil(new)).map(length).collect())
}

/// What a text without a prompt goes on from: the end of a line, where the train part has one, else its most frequent
/// token. Either was read in training; no text has the token that begins a sequence.
pub(crate) fn beginning(train: &[u32], tokenizer: &Tokenizer) -> Result<Option<u32>> {
    let unknown = tokenizer.specials().unk;
    if let [end] = tokenizer.encode("\n")?[..]
        && end != unknown
        && train.contains(&end)
    {
        return Ok(Some(end));
    }
    let mut counts = vec![0usize; tokenizer.vocabulary_size()];
    train.iter().filter(|id| **id != unknown).for_each(|id| counts[*id as usize] += 1);
    // Of equals the first.
    let most = (0..counts.len()).rev().max_by_key(|id| counts[*id]).filter(|id| counts[*id] > 0);
    Ok(most.map(|id| id as u32))
}

/// The train part: window after window of all streams. A short text has fewer streams than were asked for.
pub(crate) fn streams(text: Text, streams: usize, window: usize) -> Drawn<Text> {
    let tokens = text.ids.len() - 1;
    // A short text has fewer streams than were asked for.
    let streams = streams.min(tokens);
    let starts = starts(tokens, streams);
    let length =
        |n: usize| (starts[n % streams + 1] - starts[n % streams]).saturating_sub(n / streams * window).min(window);
    // The streams that are a token longer come first, so what is empty stands at the end.
    let lengths: Vec<(usize, usize)> = (0..).map(|n| (0, length(n))).take_while(|(_, length)| *length > 0).collect();
    let numbers: Vec<usize> = (0..lengths.len()).collect();
    let batches = numbers.chunks(streams).map(<[usize]>::to_vec).collect();
    Drawn::new(text, lengths).in_batches(batches)
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::text::{TokenKind, TokenizerOptions};
    use unspool_task::one_token_each;

    fn tokenizer(kind: TokenKind, text: &str, size: usize) -> Tokenizer {
        Tokenizer::train(kind, [text], &TokenizerOptions { minimum_count: 1, ..one_token_each(size) }).unwrap()
    }

    #[test]
    fn a_text_without_a_prompt_goes_on_from_a_token_that_was_trained() {
        let begins = |kind, text: &str| {
            let tokenizer = tokenizer(kind, text, 300);
            let ids = tokenizer.encode(text).unwrap();
            let begin = beginning(&ids, &tokenizer).unwrap().unwrap();
            assert!(ids.contains(&begin));
            tokenizer.token(begin).unwrap()
        };
        let lines = "the fox\nthe dog\n";
        assert_eq!(begins(TokenKind::Character, lines), "\n");
        assert_eq!(begins(TokenKind::ByteLevelBpe, lines), "Ċ");
        assert_eq!(begins(TokenKind::Syllable, lines), "\n");
        // Words have no ends of lines.
        assert_eq!(begins(TokenKind::Word, lines), "the");
        assert_eq!(begins(TokenKind::Character, "aab"), "a");
    }

    #[test]
    fn characters_are_counted_in_the_form_they_are_read_in() {
        let tokenizer = tokenizer(TokenKind::Character, "한글", 300);
        let decomposed = Text::new("\u{1112}\u{1161}\u{11ab}글", &tokenizer).unwrap();
        let composed = Text::new("한글", &tokenizer).unwrap();
        assert_eq!((decomposed.ids, decomposed.characters), (composed.ids, 1));
    }
}
