//! How `predict` has a translator decode: rules, several models together, the choice among candidates.

use crate::{
    error::{Error, Result},
    figures::Attention,
    groups::{SearchOptions, named, within},
    texts::{decode_line, encode_prefix},
};
use clap::Args;
use std::cmp::Ordering;
use unspool::{
    graph::Params,
    models::Translator,
    nn::decoding::{self, Beam, Ensemble, Hypothesis, Sampling, StepFunction},
    text::{
        Padded, Tokenizer,
        score::{Utility, expected_utility},
    },
};
use unspool_serve::Alternative;

/// Holds the options of `predict` for models that write a text.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Decoding")]
pub struct DecodingOptions {
    /// Never write the same N tokens in a row twice; 0 allows it [from 0 to 100]
    #[arg(long, value_name = "N", default_value = "0", value_parser = within(0..=100usize))]
    no_repeat_ngram: usize,
    /// Weight of the coverage penalty, which prefers answers that attended to all of the source [from 0 to 100]
    #[arg(long, value_name = "BETA", default_value = "0", allow_hyphen_values = true,
          value_parser = within(0.0..=100.0))]
    coverage_penalty: f64,
    /// Word or phrase that is never written, as the tokenizer cuts it; may be repeated
    #[arg(long, value_name = "TEXT")]
    ban: Vec<String>,
    /// Word or phrase that each answer must have, as the tokenizer cuts it; may be repeated
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["alternatives", "sample"])]
    require: Vec<String>,
    /// Choose by minimum Bayes risk: the candidate that agrees most with all candidates by this score
    #[arg(long, value_name = "SCORE", value_parser = named::<Utility>(Utility::NAMES))]
    mbr: Option<Utility>,
    /// Candidates of --mbr [from 2 to 1000]
    #[arg(long, value_name = "N", default_value = "10", value_parser = within(2..=1000usize))]
    candidates: usize,
    /// Draw the candidates of --mbr at random instead of searching for the best ones
    #[arg(long, requires = "mbr")]
    sample: bool,
    /// Random seed of --sample; equal seeds give equal answers
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(0..=u64::MAX))]
    seed: u64,
    /// Begin each answer with the text that follows a tab in its line
    #[arg(long)]
    prefix: bool,
    /// Give the likeliest next words of each answer, each with its continuation: as many as --best says
    #[arg(long, conflicts_with = "mbr")]
    alternatives: bool,
    /// Score the text that follows a tab in each line, by its log-probability, instead of writing one
    #[arg(long, conflicts_with_all = ["mbr", "prefix", "alternatives", "alignment"])]
    score: bool,
    /// Add the alignment of words that the attention gives, in the Pharaoh format: SOURCE-TARGET, counted from 0
    #[arg(long)]
    alignment: bool,
}

impl DecodingOptions {
    /// Returns whether none of them is used.
    ///
    /// ```
    /// assert!(unspool_task::DecodingOptions::default().is_usual());
    /// ```
    pub fn is_usual(&self) -> bool {
        let DecodingOptions { no_repeat_ngram, coverage_penalty, ref ban, ref require, mbr, .. } = *self;
        let DecodingOptions { prefix, alternatives, score, alignment, .. } = *self;
        no_repeat_ngram == 0
            && coverage_penalty == 0.0
            && ban.is_empty()
            && require.is_empty()
            && mbr.is_none()
            && ![prefix, alternatives, score, alignment].contains(&true)
    }
}

/// Decodes with one translator or several, by the rules of [`DecodingOptions`].
#[derive(Debug)]
pub struct Decoder {
    options: DecodingOptions,
    search: SearchOptions,
    banned: Vec<Vec<u32>>,
    required: Vec<Vec<u32>>,
    others: Vec<(Translator, Params)>,
}

/// Candidates of one source, best first: the text, what it is ranked by, and how it was found.
pub type Candidates = Vec<(String, f64, Hypothesis)>;

impl Decoder {
    /// Decodes as the model's own options of searching say, and nothing else.
    pub fn usual(search: &SearchOptions) -> Decoder {
        let (options, search) = (DecodingOptions::default(), search.clone());
        Decoder { options, search, banned: vec![], required: vec![], others: vec![] }
    }

    /// Decodes as further options say, together with other translators over the same tokens.
    ///
    /// # Errors
    /// A banned text has no tokens.
    pub fn with(
        self,
        options: &DecodingOptions,
        tokenizer: &Tokenizer,
        others: Vec<(Translator, Params)>,
    ) -> Result<Decoder> {
        // A word has other tokens at the beginning of a text than after a space.
        let encode = |option: &str, text: &String| -> Result<(Vec<u32>, Option<Vec<u32>>)> {
            let first = tokenizer.encode(text)?;
            if first.is_empty() {
                return Err(Error::misuse(format!("{option} {text:?}: there is no text"), "give a word"));
            }
            let (begun, both) = (tokenizer.encode("a")?, tokenizer.encode(&format!("a {text}"))?);
            Ok((first, both.strip_prefix(begun.as_slice()).map(<[u32]>::to_vec)))
        };
        let mut banned = vec![];
        for text in &options.ban {
            let (first, later) = encode("--ban", text)?;
            banned.extend([first].into_iter().chain(later));
        }
        let required = options.require.iter().map(|text| {
            let (first, later) = encode("--require", text)?;
            Ok(later.unwrap_or(first))
        });
        let required = required.collect::<Result<_>>()?;
        Ok(Decoder { options: options.clone(), banned, required, others, ..self })
    }

    /// Returns whether the lines of `predict` have a second text after a tab.
    pub fn reads_targets(&self) -> bool {
        self.options.prefix || self.options.score
    }

    /// The steps of all models together.
    fn steps<'a>(
        &'a self,
        (model, params): (&'a Translator, &'a Params),
        source: &Padded,
    ) -> Result<Ensemble<Box<dyn StepFunction + 'a>>> {
        let all = [(model, params)].into_iter().chain(self.others.iter().map(|(model, params)| (model, params)));
        let steps = all.map(|(model, params)| Ok(model.steps(params, source)?));
        Ok(Ensemble::new(steps.collect::<Result<Vec<_>>>()?))
    }

    /// The model's rules of writing, with the minimum length. Where that is more than the maximum, it is both.
    fn rules(&self, model: &Translator, source: &Padded) -> decoding::Decoding {
        let (rules, least) = (model.decoding(source), self.search.min_length);
        let most: Vec<usize> = (0..source.len()).map(|sentence| rules.max_length_of(sentence).max(least + 1)).collect();
        rules.min_length(least).max_lengths(most)
    }

    /// Returns the tokens of a text that the answer to one source shall begin with.
    ///
    /// # Errors
    /// The tokenizer cannot read it, or it has more tokens than an answer may have.
    pub fn prefix(&self, model: &Translator, tokenizer: &Tokenizer, source: &Padded, prefix: &str) -> Result<Vec<u32>> {
        let tokens = encode_prefix(prefix.trim_start(), tokenizer)?;
        let most = self.rules(model, source).max_length_of(0);
        if tokens.len() > most {
            let message = format!("the prefix has {} tokens", tokens.len());
            return Err(Error::misuse(message, format!("an answer to that text has {most} at most")));
        }
        Ok(tokens)
    }

    /// Returns what the likeliest token at each step makes of each source.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn greedy(
        &self,
        (model, params): (&Translator, &Params),
        tokenizer: &Tokenizer,
        source: &Padded,
    ) -> Result<Vec<String>> {
        let found = self.rules(model, source).greedy(&mut self.steps((model, params), source)?)?;
        found.iter().map(|one| decode_line(&one.tokens, tokenizer)).collect()
    }

    /// Returns the best candidates of each source, `count` at most. `targets` are texts to be scored; or they are
    /// prefixes, where an option or `has_prefixes` says so. The tokenizers are those of the source and of what is
    /// written.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn decode(
        &self,
        (model, params): (&Translator, &Params),
        tokenizers: [&Tokenizer; 2],
        source: &Padded,
        targets: &[Vec<u32>],
        count: usize,
        has_prefixes: bool,
    ) -> Result<Vec<Candidates>> {
        let (options, [source_tokenizer, tokenizer]) = (&self.options, tokenizers);
        let together = |source: &Padded| self.steps((model, params), source);
        let rules = |source: &Padded, prefixes: Vec<Vec<u32>>| -> decoding::Decoding {
            let rules = self.rules(model, source).banned(self.banned.clone());
            let rules = rules.no_repeat_ngram(options.no_repeat_ngram);
            if options.prefix || has_prefixes { rules.prefixes(prefixes) } else { rules }
        };
        let beam = Beam::new(self.search.beam_size.max(count)).best(count).penalty(self.search.penalty());
        let beam = beam.coverage_penalty(options.coverage_penalty);
        let found = if options.score {
            let scored = model.decoding(source).score(&mut together(source)?, targets)?;
            let told = |one: Hypothesis| vec![(format!("{:.6}", one.log_prob), one.log_prob, one)];
            return Ok(scored.into_iter().map(told).collect());
        } else if options.alternatives {
            rules(source, targets.to_vec()).alternatives(&mut together(source)?, count)?
        } else if options.mbr.is_some() && options.sample {
            // The samples of a sentence are a batch, so that they do not depend on what else is translated.
            let mut found = vec![];
            for (row, length) in source.lengths.iter().enumerate() {
                let ids: Vec<u32> = source.ids.row(row).iter().take(*length).copied().collect();
                let copies = Padded::new(&vec![ids; options.candidates], source_tokenizer.specials().pad);
                let prefixes = vec![targets[row].clone(); options.candidates];
                found.push(rules(&copies, prefixes).sample(&mut together(&copies)?, &Sampling::new(options.seed))?);
            }
            found
        } else {
            let all = |beam: Beam| beam.width(options.candidates).best(options.candidates);
            let beam = if options.mbr.is_some() { all(beam) } else { beam };
            let required = vec![self.required.clone(); source.len()];
            rules(source, targets.to_vec()).required(required).beam(&mut together(source)?, &beam)?
        };
        let ranked = found.into_iter().enumerate().map(|(row, found)| -> Result<Candidates> {
            let texts = found.iter().map(|one| decode_line(&one.tokens, tokenizer)).collect::<Result<Vec<_>>>()?;
            let mut scores: Vec<f64> = found.iter().map(|one| one.score).collect();
            if let Some(utility) = options.mbr {
                let top = found.iter().map(|one| one.log_prob).fold(f64::NEG_INFINITY, f64::max);
                let weight = |one: &Hypothesis| if options.sample { 1.0 } else { (one.log_prob - top).exp() };
                scores = expected_utility(&texts, &found.iter().map(weight).collect::<Vec<_>>(), utility)?;
            }
            let mut candidates: Candidates =
                texts.into_iter().zip(scores).zip(found).map(|((text, score), one)| (text, score, one)).collect();
            if options.mbr.is_some() {
                candidates.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(Ordering::Equal));
                candidates.dedup_by(|a, b| a.0 == b.0);
            }
            candidates.truncate(count);
            if options.alignment {
                for (text, _, one) in &mut candidates {
                    let alignment = Attention::of_row(tokenizers, source, row, one).map(|map| map.pharaoh());
                    *text = format!("{text} ||| {}", alignment.unwrap_or_default());
                }
            }
            Ok(candidates)
        });
        ranked.collect()
    }

    /// Returns the likeliest words after a prefix of the answer to one source, the likeliest first. A word whose first
    /// token is among them is written to its end by the likeliest token at each step, and so is the rest of the answer.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn alternatives(
        &self,
        (model, params): (&Translator, &Params),
        tokenizer: &Tokenizer,
        source: &Padded,
        prefix: &[u32],
        count: usize,
    ) -> Result<Vec<Alternative>> {
        let rules = self.rules(model, source).prefixes([prefix.to_vec()]);
        let found = rules.alternatives(&mut self.steps((model, params), source)?, count)?;
        let mut all = vec![];
        for Hypothesis { tokens, log_probs, .. } in found.into_iter().flatten() {
            // A prefix that is as long as an answer may be is followed by nothing.
            let Some(log_prob) = log_probs.get(prefix.len()) else { continue };
            let pieces = tokenizer.decode_pieces(&tokens)?;
            let begins_word = |place: &usize| pieces[*place].starts_with(char::is_whitespace);
            // Where a space is a token of its own, the word is what follows it.
            let word = (prefix.len()..tokens.len()).find(|place| !pieces[*place].trim().is_empty());
            let end =
                word.map_or(tokens.len(), |word| (word + 1..tokens.len()).find(begins_word).unwrap_or(tokens.len()));
            let begun = decode_line(&tokens[..end], tokenizer)?;
            let text = word.and_then(|_| begun.split_whitespace().next_back()).unwrap_or_default().to_owned();
            let answer = decode_line(&tokens, tokenizer)?;
            all.push(Alternative { text, probability: log_prob.exp(), prefix: begun, answer });
        }
        Ok(all)
    }
}
