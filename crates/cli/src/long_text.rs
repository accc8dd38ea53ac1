//! A long text as tokens: cut into streams that are read side by side, or into windows with what is read before each.

use clap::Args;
use serde::{Deserialize, Serialize};
use unspool::{
    models::TokenWindows,
    text::{Padded, TokenIds, Tokenizer},
};
use unspool_task::{ArchOptions, Drawn, EmbeddingOptions, Error, Result, TokenOptions, count};

/// Outside training a recurrence reads so many tokens before those that it predicts.
const CONTEXT: usize = 256;

/// What reads a long text, and in which pieces.
#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) arch: ArchOptions,
    #[command(flatten)]
    pub(crate) tokens: TokenOptions,
    #[command(flatten)]
    pub(crate) embedding: EmbeddingOptions,
    /// Length of truncated backpropagation; a recurrent state is carried further [from 2 to 4096]
    #[arg(long, value_name = "TOKENS", default_value = "64", value_parser = count(2..=4096))]
    pub(crate) window: usize,
    /// Contiguous streams into which the text is divided and which are read side by side (the batch size) [from 1 to
    /// 65536]
    #[arg(long, value_name = "N", default_value = "32", value_parser = count(1..=65_536))]
    pub(crate) bptt_streams: usize,
}

/// A part of the text as tokens.
#[derive(Serialize, Deserialize)]
pub(crate) struct Text {
    pub(crate) ids: TokenIds,
    /// Of the text that is predicted: all but the first token.
    pub(crate) characters: u64,
    pub(crate) tokenizer: String,
}

impl Text {
    pub(crate) fn new(text: &str, tokenizer: &Tokenizer) -> Result<Text> {
        let ids = tokenizer.encode_text(text)?;
        if ids.len() < 2 {
            let what = format!("a text of {} tokens has none to predict", ids.len());
            return Err(Error::failure(what, "give a longer text"));
        }
        let first = tokenizer.decode(&ids.to_vec(0..1))?.chars().count();
        let characters = tokenizer.count_characters(text)?.saturating_sub(first) as u64;
        Ok(Text { ids, characters, tokenizer: String::new() })
    }
}

/// A window: tokens, of which so many at the end are predicted. All but the last one are read; where none is predicted,
/// all.
#[derive(Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) ids: TokenIds,
    pub(crate) predicted: usize,
    /// Characters of those that are predicted.
    pub(crate) characters: u64,
    /// In training, which stream it is of, and whether that begins here.
    pub(crate) stream: Option<(usize, bool)>,
}

impl Window {
    /// A window of which no more is known than what is read.
    pub(crate) fn asked(input: Vec<u32>) -> Window {
        Window { ids: input.into(), predicted: 0, characters: 0, stream: None }
    }

    /// How many tokens are read.
    pub(crate) fn length(&self) -> usize {
        self.ids.len() - usize::from(self.predicted > 0)
    }

    fn targets(&self) -> Vec<u32> {
        self.ids.to_vec(self.ids.len() - self.predicted..self.ids.len())
    }

    /// The window of this number in training: window after window of all streams.
    pub(crate) fn of_stream(text: &Text, number: usize, streams: usize, window: usize) -> Window {
        let (step, stream, starts) = (number / streams * window, number % streams, starts(text.ids.len() - 1, streams));
        let start = starts[stream] + step;
        let end = (start + window).min(starts[stream + 1]).max(start);
        let (ids, predicted) = (text.ids.slice(start..end + 1), end - start);
        Window { ids, predicted, characters: 0, stream: Some((stream, step == 0)) }
    }

    /// The window of this number in a part that is scored, which predicts `new` tokens and reads as many before them.
    pub(crate) fn of_part(text: &Text, number: usize, new: usize) -> Window {
        let tokens = text.ids.len() - 1;
        let (from, until) = (number * new, (number * new + new).min(tokens));
        // The characters of the text are those of all windows; a window has its share of them.
        let share = |tokens_until: usize| text.characters as u128 * tokens_until as u128 / tokens as u128;
        let characters = (share(until) - share(from)) as u64;
        let (ids, predicted) = (text.ids.slice(from.saturating_sub(new)..until + 1), until - from);
        Window { ids, predicted, characters, stream: None }
    }

    /// Some windows as arrays. Streams that stand side by side carry their states on.
    pub(crate) fn batch(windows: &[&Window], pad: u32) -> TokenWindows {
        let inputs: Vec<Vec<u32>> = windows.iter().map(|window| window.ids.to_vec(0..window.length())).collect();
        let numbers: Option<Vec<usize>> = windows.iter().map(|window| Some(window.stream?.0)).collect();
        let begin = windows.first().and_then(|window| window.stream).is_some_and(|(_, begin)| begin);
        let in_order = numbers.filter(|all| all.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        TokenWindows {
            input: Padded::new(&inputs, pad),
            counts: windows.iter().map(|window| window.predicted).collect(),
            targets: windows.iter().flat_map(|window| window.targets()).collect(),
            streams: in_order.and_then(|all| Some((*all.first()?..*all.last()? + 1, begin))),
        }
    }
}

/// A line that says how many tokens there are to train on, for dev and for test, and how many of them are unknown.
pub(crate) fn notes(
    train: &Text,
    streams: usize,
    dev: &[Window],
    test: &[Window],
    tokenizer: &Tokenizer,
) -> Vec<String> {
    let tokens = |part: &[Window]| part.iter().map(|window| window.predicted).sum::<usize>();
    let unknown = |part: &[Window]| {
        let unk = tokenizer.specials().unk;
        part.iter().flat_map(|window| window.targets()).filter(|id| *id == unk).count()
    };
    let mut notes = vec![format!(
        "{} tokens to train on in {streams} columns, {} for dev, {} for test; {} kinds of token",
        train.ids.len() - 1,
        tokens(dev),
        tokens(test),
        tokenizer.vocabulary_size(),
    )];
    if unknown(dev) + unknown(test) > 0 {
        notes.push(format!("{} tokens of dev and {} of test are unknown", unknown(dev), unknown(test)));
    }
    notes
}

/// Where the streams of a text begin, and where the last one ends: as long as each other, but for one token.
fn starts(tokens: usize, streams: usize) -> Vec<usize> {
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
pub(crate) fn beginning(train: &TokenIds, tokenizer: &Tokenizer) -> Result<Option<u32>> {
    let unknown = tokenizer.specials().unk;
    if let [end] = tokenizer.encode("\n")?[..]
        && end != unknown
        && train.iter().any(|id| id == end)
    {
        return Ok(Some(end));
    }
    let mut counts = vec![0usize; tokenizer.vocabulary_size()];
    train.iter().filter(|id| *id != unknown).for_each(|id| counts[id as usize] += 1);
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
            let ids = tokenizer.encode_text(text).unwrap();
            let begin = beginning(&ids, &tokenizer).unwrap().unwrap();
            assert!(ids.iter().any(|id| id == begin));
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
