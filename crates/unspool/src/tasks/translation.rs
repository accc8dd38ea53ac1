//! From sentences to sentences: an encoder, and a decoder that attends.

use super::{Parts, Predictor, Prepared, Score, Task, check_sizes, check_vocabulary, read_config, write_config};
use crate::program::{
    data::{Splits, Table},
    error::Result,
};
use serde::{Deserialize, Serialize};
use unspool::{
    graph::{Graph, Params, Var},
    models::{self, TranslatorConfig},
    text::{
        BatchSize, Buckets, Padded, Part, TeacherForcing, TokenKind, Tokenizer, TokenizerOptions, score::Bleu, truncate,
    },
};

/// The task's name.
pub(crate) const NAME: &str = "translation";

/// Translations are shown after each epoch.
const SAMPLES: usize = 3;

/// What the data is cut to.
pub(crate) struct Sizes {
    /// Entries in the vocabulary.
    pub(crate) vocabulary: usize,
    /// Tokens in a batch.
    pub(crate) batch_tokens: usize,
    /// Tokens of a sentence.
    pub(crate) longest: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct Config {
    source: String,
    target: String,
    longest: usize,
    model: TranslatorConfig,
}

/// A model with its tokenizer: all that a translation needs beside the weights.
pub(crate) struct Translator {
    config: Config,
    tokenizer: Tokenizer,
    model: models::Translator,
}

impl Translator {
    /// From what a run folder says. The weights are the caller's to load.
    pub(crate) fn restore(config: &toml::Table, tokenizer: Tokenizer, params: &mut Params) -> Result<Translator> {
        let config: Config = read_config(config)?;
        let sizes = &config.model;
        check_sizes(
            &[
                ("longest", config.longest),
                ("vocabulary_size", sizes.vocabulary_size),
                ("embedding_size", sizes.embedding_size),
                ("hidden_size", sizes.hidden_size),
            ],
            sizes.dropout,
        )?;
        check_vocabulary(&tokenizer, sizes.vocabulary_size)?;
        let model = models::Translator::new(params, sizes);
        Ok(Translator { config, tokenizer, model })
    }

    fn translate(&self, params: &Params, source: &Padded) -> Result<Vec<String>> {
        let found = self.model.decoding(source).greedy(&mut self.model.steps(params, source)?)?;
        found.iter().map(|found| Ok(one_line(&self.tokenizer.decode(&found.tokens)?))).collect()
    }
}

/// Bytes are tokens too, so that a model can write the end of a line; a translation is one line.
fn one_line(text: &str) -> String {
    text.trim().replace(['\n', '\r'], " ")
}

impl Predictor for Translator {
    fn predict(&self, params: &Params, line: &str) -> Result<String> {
        let mut ids = self.tokenizer.encode(line.trim())?;
        if ids.is_empty() {
            return Ok(String::new());
        }
        ids.truncate(self.config.longest);
        let source = Padded::new(&[ids], self.tokenizer.specials().pad);
        Ok(self.translate(params, &source)?.concat())
    }
}

/// Sentences and their translations, as tokens.
struct Pairs {
    sources: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    source_texts: Vec<String>,
    references: Vec<String>,
}

impl Pairs {
    fn new(table: &Table, tokenizer: &Tokenizer, longest: usize) -> Result<(Pairs, usize)> {
        let column = |i: usize| table.rows.iter().map(|row| row[i].to_owned()).collect::<Vec<String>>();
        let (source_texts, references) = (column(0), column(1));
        let mut sources = tokenizer.encode_all(&source_texts)?;
        let mut targets = tokenizer.encode_all(&references)?;
        let cut = truncate(&mut sources, longest).rows + truncate(&mut targets, longest).rows;
        // A text may come to no tokens at all; an encoder needs one.
        let unknown = tokenizer.specials().unk;
        sources.iter_mut().filter(|ids| ids.is_empty()).for_each(|ids| ids.push(unknown));
        Ok((Pairs { sources, targets, source_texts, references }, cut as usize))
    }

    fn buckets(&self, size: BatchSize, seed: u64) -> Result<Buckets> {
        let lengths = self.sources.iter().zip(&self.targets).map(|(source, target)| (source.len(), target.len() + 1));
        Ok(Buckets::pairs(lengths, size, seed)?)
    }
}

/// The task: a translator and three parts of pairs.
pub(crate) struct Translation {
    translator: Translator,
    parts: Parts<Pairs>,
    batch: BatchSize,
    cut: usize,
}

/// Trains the tokenizer on the train part alone and makes the model.
pub(crate) fn prepare(splits: &Splits, sizes: &Sizes, seed: u64) -> Result<Prepared<Translation>> {
    let texts = splits.train.rows.iter().flat_map(|row| [&row[0], &row[1]]);
    let options = TokenizerOptions { vocabulary_size: sizes.vocabulary, ..TokenizerOptions::default() };
    let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, texts, &options)?;
    let (parts, cut) = Parts::new(splits, |table| Pairs::new(table, &tokenizer, sizes.longest))?;
    let mut params = Params::seeded(seed);
    let model = TranslatorConfig { vocabulary_size: tokenizer.vocabulary_size(), ..TranslatorConfig::default() };
    let [source, target] = splits.columns.clone();
    let config = Config { source, target, longest: sizes.longest, model };
    let model = models::Translator::new(&mut params, &config.model);
    let translator = Translator { config, tokenizer, model };
    let task = Translation { translator, parts, batch: BatchSize::Tokens(sizes.batch_tokens), cut };
    Ok(Prepared { task, params })
}

impl Task for Translation {
    const NAME: &'static str = NAME;
    const METRIC: &'static str = "bleu";
    const DIGITS: usize = 2;
    type Shard = (Padded, TeacherForcing);
    type Answer = String;

    fn rows(&self, part: Part) -> usize {
        self.parts.of(part).sources.len()
    }

    fn buckets(&self, seed: u64) -> Result<Buckets> {
        self.parts.of(Part::Train).buckets(self.batch, seed)
    }

    fn evaluation_batches(&self, part: Part) -> Result<Vec<Vec<usize>>> {
        Ok(self.parts.of(part).buckets(self.batch, 0)?.sorted())
    }

    fn shard(&self, part: Part, rows: &[usize]) -> Result<(Padded, TeacherForcing)> {
        let (pairs, specials) = (self.parts.of(part), self.translator.tokenizer.specials());
        let sources: Vec<&[u32]> = rows.iter().map(|row| pairs.sources[*row].as_slice()).collect();
        let targets: Vec<&[u32]> = rows.iter().map(|row| pairs.targets[*row].as_slice()).collect();
        Ok((Padded::new(&sources, specials.pad), TeacherForcing::new(&targets, specials)))
    }

    fn weight(&self, (_, target): &(Padded, TeacherForcing)) -> usize {
        target.tokens()
    }

    fn tokens(&self, (source, target): &(Padded, TeacherForcing)) -> usize {
        source.tokens() + target.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (source, target): &(Padded, TeacherForcing)) -> Var<'g> {
        self.translator.model.loss(graph, source, target, self.translator.config.model.smoothing)
    }

    fn answer(&self, params: &Params, (source, _): &(Padded, TeacherForcing)) -> Result<Vec<String>> {
        self.translator.translate(params, source)
    }

    fn score(&self, part: Part, answers: Vec<String>) -> Result<Score> {
        let bleu = Bleu::default().score(&answers, &[&self.parts.of(part).references])?;
        let first = answers.into_iter().take(SAMPLES).collect();
        Ok(Score { value: bleu.score, signature: Some(bleu.signature), first })
    }

    fn samples(&self, score: &Score) -> Vec<String> {
        let dev = self.parts.of(Part::Dev);
        let rows = dev.source_texts.iter().zip(&dev.references).zip(&score.first);
        rows.flat_map(|((source, reference), found)| {
            [
                format!("  source     {source}"),
                format!("  reference  {reference}"),
                format!("  model      {found}"),
                String::new(),
            ]
        })
        .collect()
    }

    fn notes(&self) -> Vec<String> {
        let config = &self.translator.config;
        let mut notes = vec![format!(
            "{} to {}, {} tokens in the vocabulary",
            config.source, config.target, config.model.vocabulary_size
        )];
        if self.cut > 0 {
            notes.push(format!("{} sentences were cut to {} tokens", self.cut, config.longest));
        }
        notes
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.translator.tokenizer
    }

    fn config(&self) -> Result<toml::Table> {
        write_config(&self.translator.config)
    }
}
