//! Writing with a decoder: each token is said as soon as it is chosen.

use std::collections::BTreeMap;
use unspool::{
    nn::{
        self,
        decoding::{Decoding, Prediction, Sampling, StepFunction},
    },
    text::{DecodeStream, Tokenizer},
};
use unspool_task::{Continuation, DecodingOptions, Error, Result};

/// Writes tokens after a prompt, or without one after the token `begin`. Each character is written as soon as its last
/// token is chosen.
pub(crate) fn write(
    steps: impl StepFunction,
    tokenizer: &Tokenizer,
    begin: u32,
    ask: &Continuation,
    write: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let specials = tokenizer.specials();
    let mut prompt = tokenizer.encode(&ask.prompt)?.into_iter();
    let begin = prompt.next().unwrap_or(begin);
    let prompt: Vec<u32> = prompt.collect();
    write(&ask.prompt)?;
    let decoding = Decoding::endless(begin, prompt.len() + ask.length)
        .banned([specials.pad, specials.unk, specials.bos, specials.eos].map(|token| vec![token]))
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
    let ask = Continuation { prompt: String::new(), length, temperature, top_k: None, top_p: None, seed: 1 };
    let mut keep = |piece: &str| {
        text.push_str(piece);
        Ok(())
    };
    write(steps, tokenizer, begin, &ask, &mut keep)?;
    Ok(text)
}

/// Refuses options of decoding, which are for models that search.
pub(crate) fn check_usual(options: &DecodingOptions) -> Result<()> {
    match options.is_usual() {
        true => Ok(()),
        false => Err(Error::misuse(
            "a model of language-model does not search",
            "options of decoding are for models of translation; `generate` has its own",
        )),
    }
}

/// The `count` likeliest next tokens by the mean of several models' probabilities, each model's in any order.
pub(crate) fn likeliest(all: &[Vec<(u32, f64)>], count: usize) -> Vec<(u32, f64)> {
    let mut sums = BTreeMap::new();
    all.iter().flatten().for_each(|(token, p)| *sums.entry(*token).or_insert(0.0) += p);
    let mut best: Vec<(u32, f64)> = sums.into_iter().map(|(token, sum)| (token, sum / all.len() as f64)).collect();
    best.sort_by(|a, b| b.1.total_cmp(&a.1));
    best.truncate(count);
    best
}

/// −ln p of each token by the mean of several models' probabilities, given that of each model: −ln (1/M Σ exp(−loss)),
/// taken around the least loss.
pub(crate) fn losses_together(all: &[Vec<f64>]) -> Vec<f64> {
    let together = |token: usize| {
        let losses = || all.iter().filter_map(|losses| losses.get(token));
        let least = losses().copied().fold(f64::INFINITY, f64::min);
        least - (losses().map(|loss| (least - loss).exp()).sum::<f64>() / all.len() as f64).ln()
    };
    (0..all.first().map_or(0, Vec::len)).map(together).collect()
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
    /// Writes also what is empty, so that whoever reads can end the text with any token, and within a long prompt.
    fn say(&mut self, token: u32) -> Result<()> {
        let text = match self.silent {
            0 => self.text.step(token)?,
            _ => {
                self.silent -= 1;
                String::new()
            }
        };
        (self.write)(&text)
    }
}

impl<S: StepFunction> StepFunction for StreamingWriter<'_, S> {
    fn sentences(&self) -> usize {
        self.steps.sentences()
    }

    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> nn::Result<Prediction> {
        for token in tokens {
            if let Err(fault) = self.say(*token) {
                let why = fault.to_string();
                self.fault = Some(fault);
                return Err(nn::Error::Decoding { why });
            }
        }
        self.steps.step(parents, tokens)
    }
}

/// The characters that the tokens from `start` on complete: those that end in an earlier token or after the last are
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
    use ndarray::Array2;
    use std::cell::Cell;
    use unspool::text::{TokenKind, TokenizerOptions};

    /// Counts its steps, and finds each token as likely as any other of so many.
    struct Counted<'a>(&'a Cell<usize>, usize);

    impl StepFunction for Counted<'_> {
        fn sentences(&self) -> usize {
            1
        }

        fn step(&mut self, _parents: &[u32], tokens: &[u32]) -> nn::Result<Prediction> {
            self.0.set(self.0.get() + 1);
            let log_probs = Array2::from_elem((tokens.len(), self.1), -(self.1 as f64).ln());
            Ok(Prediction { log_probs, attention: None })
        }
    }

    #[test]
    fn whoever_stops_reading_ends_the_text_with_the_next_token_also_within_a_prompt() {
        let prompt = "to be, or not to be";
        let options = TokenizerOptions { minimum_count: 1, ..unspool_task::one_token_each(268) };
        let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, [prompt], &options).unwrap();
        for read in [1, 5, 60] {
            let (steps, mut written) = (Cell::new(0), 0);
            let mut reader = |_: &str| {
                written += 1;
                if written > read { Err(Error::Closed) } else { Ok(()) }
            };
            let (prompt, temperature) = (prompt.to_owned(), 1.0);
            let ask = Continuation { prompt, length: 1000, temperature, top_k: None, top_p: None, seed: 1 };
            let step_function = Counted(&steps, tokenizer.vocabulary_size());
            let ended = write(step_function, &tokenizer, tokenizer.specials().bos, &ask, &mut reader);
            assert!(matches!(ended, Err(Error::Closed)), "{ended:?}");
            // The prompt is written at once; then something is written before each step.
            assert_eq!((written, steps.get()), (read + 1, read - 1));
        }
    }

    #[test]
    fn models_together_have_the_mean_of_their_probabilities() {
        let models = [vec![(1, 0.5), (0, 0.3), (2, 0.2)], vec![(0, 0.9), (1, 0.1), (2, 0.0)]];
        let best = likeliest(&models, 2);
        assert_eq!(best.iter().map(|(token, _)| *token).collect::<Vec<_>>(), [0, 1]);
        assert!((best[0].1 - 0.6).abs() < 1e-12 && (best[1].1 - 0.3).abs() < 1e-12);
        let losses = |ps: [f64; 2]| ps.map(|p| -p.ln()).to_vec();
        let together = losses_together(&[losses([0.5, 1e-300]), losses([0.25, 1e-300])]);
        assert!((together[0] + 0.375f64.ln()).abs() < 1e-12 && (together[1] - 300.0 * 10f64.ln()).abs() < 1e-9);
        // A model with itself is that model, to the last bit.
        let one = losses([0.3, 0.7]);
        assert_eq!(losses_together(&[one.clone(), one.clone()]), one);
        assert_eq!(losses_together(std::slice::from_ref(&one)), one);
        assert_eq!(likeliest(&[models[0].clone(), models[0].clone()], 3), models[0]);
    }

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
