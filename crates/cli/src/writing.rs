//! Writing with a decoder: each token is said as soon as it is chosen.

use unspool::{
    nn::{
        self,
        decoding::{Decoding, Prediction, Sampling, StepFunction},
    },
    text::{DecodeStream, Tokenizer},
};
use unspool_task::{Error, Generate, Result};

/// Writes tokens after a prompt, or without one after the token `begin`. Each character is written as soon as its last
/// token is chosen.
pub(crate) fn write(
    steps: impl StepFunction,
    tokenizer: &Tokenizer,
    begin: u32,
    ask: &Generate,
    write: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let specials = tokenizer.specials();
    let mut prompt = tokenizer.encode(&ask.prompt)?.into_iter();
    let begin = prompt.next().unwrap_or(begin);
    let prompt: Vec<u32> = prompt.collect();
    write(&ask.prompt)?;
    let decoding = Decoding::endless(begin, prompt.len() + ask.length)
        .banned(vec![specials.pad, specials.unk, specials.bos, specials.eos])
        .prefixes(vec![prompt.clone()]);
    let text = tokenizer.decode_stream();
    let mut aloud = StreamingWriter { steps, text, silent: 1 + prompt.len(), write, fault: None };
    let found = if ask.temperature == 0.0 {
        decoding.greedy(&mut aloud)
    } else {
        let sampling = Sampling::new(ask.seed)
            .temperature(ask.temperature)
            .top_k(ask.top_k.unwrap_or(usize::MAX))
            .top_p(ask.top_p.unwrap_or(1.0));
        decoding.sample(&mut aloud, &sampling)
    };
    if let Some(fault) = aloud.fault.take() {
        return Err(fault);
    }
    // The last token is chosen, and never read. A character that it leaves incomplete is not written.
    let last = found?.first().and_then(|written| written.tokens.last().copied());
    last.filter(|_| ask.length > 0).map_or(Ok(()), |last| aloud.say(last))
}

/// A sample of so many tokens, under its temperature.
pub(crate) fn sample(
    steps: impl StepFunction,
    tokenizer: &Tokenizer,
    begin: u32,
    length: usize,
    temperature: f64,
) -> Result<String> {
    let mut text = format!("at temperature {temperature}:\n");
    let ask = Generate { prompt: String::new(), length, temperature, top_k: None, top_p: None, seed: 1 };
    let mut keep = |piece: &str| {
        text.push_str(piece);
        Ok(())
    };
    write(steps, tokenizer, begin, &ask, &mut keep)?;
    Ok(text)
}

/// A step function that says each token it reads, but for the first few: they were said by somebody else.
struct StreamingWriter<'a, S> {
    steps: S,
    text: DecodeStream<'a>,
    silent: usize,
    write: &'a mut dyn FnMut(&str) -> Result<()>,
    /// Why the text could not be written.
    fault: Option<Error>,
}

impl<S> StreamingWriter<'_, S> {
    fn say(&mut self, token: u32) -> Result<()> {
        let text = self.text.step(token)?;
        if text.is_empty() { Ok(()) } else { (self.write)(&text) }
    }
}

impl<S: StepFunction> StepFunction for StreamingWriter<'_, S> {
    fn sentences(&self) -> usize {
        self.steps.sentences()
    }

    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> nn::Result<Prediction> {
        for token in tokens {
            match self.silent {
                0 => {
                    if let Err(fault) = self.say(*token) {
                        let why = fault.to_string();
                        self.fault = Some(fault);
                        return Err(nn::Error::Decoding { why });
                    }
                }
                _ => self.silent -= 1,
            }
        }
        self.steps.step(parents, tokens)
    }
}

/// The characters that the tokens from `start` on complete: those that end in an earlier token or behind the last are
/// left out.
pub(crate) fn window(tokenizer: &Tokenizer, ids: &[u32], start: usize) -> Result<String> {
    // No character has more than four bytes, so an incomplete one begins in one of three tokens before.
    let from = start.saturating_sub(3);
    let mut stream = tokenizer.decode_stream();
    let pieces = ids[from..].iter().map(|id| stream.step(*id)).collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(pieces[start - from..].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::text::{TokenKind, TokenizerOptions};

    #[test]
    fn windows_show_whole_characters_wherever_they_are_cut() {
        let text = "샀쉀쑀윀셀 싀잀삀씀. ".repeat(9);
        let options = TokenizerOptions { minimum_count: 1, ..unspool_task::one_token_each(268) };
        let bpe = Tokenizer::train(TokenKind::ByteLevelBpe, [&text], &options).unwrap();
        let ids = bpe.encode(&text).unwrap();
        let mut shown = String::new();
        for (number, _) in ids.chunks(5).enumerate() {
            let end = (5 * number + 5).min(ids.len());
            shown += &window(&bpe, &ids[..end], 5 * number).unwrap();
        }
        assert_eq!(shown, text);
    }
}
