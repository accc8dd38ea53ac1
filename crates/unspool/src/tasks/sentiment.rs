//! From texts to labels: a bidirectional recurrence over characters.

use super::{Parts, Predictor, Prepared, Score, Task, check_sizes, check_vocabulary, read_config, write_config};
use crate::program::{
    data::Splits,
    data::Table,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use unspool::{
    graph::{Graph, Params, Var},
    models::{self, ClassifierConfig},
    text::{
        BatchSize, Buckets, LabelSet, Labelled, Padded, Part, Place, TokenKind, Tokenizer, TokenizerOptions, score,
        truncate,
    },
};

/// The task's name.
pub(crate) const NAME: &str = "sentiment";

/// Characters beyond this many are unknown to the model; rarer ones teach it little.
const VOCABULARY: usize = 2000;

/// What the data is cut to.
pub(crate) struct Sizes {
    /// Texts in a batch.
    pub(crate) batch_rows: usize,
    /// Characters of a text.
    pub(crate) longest: usize,
}

#[derive(Clone, Serialize, Deserialize)]
struct Config {
    text: String,
    label: String,
    labels: LabelSet,
    longest: usize,
    model: ClassifierConfig,
}

/// A model with its tokenizer and labels: all that a prediction needs beside the weights.
pub(crate) struct Classifier {
    config: Config,
    tokenizer: Tokenizer,
    model: models::Classifier,
}

impl Classifier {
    /// From what a run folder says. The weights are the caller's to load.
    pub(crate) fn restore(config: &toml::Table, tokenizer: Tokenizer, params: &mut Params) -> Result<Classifier> {
        let config: Config = read_config(config)?;
        let sizes = &config.model;
        check_sizes(
            &[
                ("longest", config.longest),
                ("vocabulary_size", sizes.vocabulary_size),
                ("embedding_size", sizes.embedding_size),
                ("hidden_size", sizes.hidden_size),
                ("classes", sizes.classes),
            ],
            sizes.dropout,
        )?;
        check_vocabulary(&tokenizer, sizes.vocabulary_size)?;
        if config.labels.len() != sizes.classes {
            return Err(Error::failure(
                format!("classes is {}, where there are {} labels", sizes.classes, config.labels.len()),
                "it must be as the training wrote it",
            ));
        }
        let model = models::Classifier::new(params, sizes);
        Ok(Classifier { config, tokenizer, model })
    }

    /// For each row the likeliest class, and its probability.
    fn decide(&self, params: &Params, input: &Padded) -> Result<Vec<(u32, f64)>> {
        let graph = Graph::new(params);
        let best = self.model.logits(&graph, input).softmax().top_k(1)?;
        Ok(best.into_iter().flatten().collect())
    }
}

impl Predictor for Classifier {
    fn predict(&self, params: &Params, line: &str) -> Result<String> {
        let mut ids = self.tokenizer.encode(line)?;
        ids.truncate(self.config.longest);
        let specials = self.tokenizer.specials();
        if ids.is_empty() {
            ids.push(specials.unk);
        }
        let decided = self.decide(params, &Padded::new(&[ids], specials.pad))?;
        let found =
            decided.first().and_then(|(class, p)| Some(format!("{}\t{p:.4}", self.config.labels.name(*class)?)));
        Ok(found.unwrap_or_default())
    }
}

/// Texts as tokens, and their classes.
struct Texts {
    ids: Vec<Vec<u32>>,
    classes: Vec<u32>,
}

impl Texts {
    fn new(table: &Table, tokenizer: &Tokenizer, labels: &LabelSet, longest: usize) -> Result<(Texts, usize)> {
        let classes = table
            .rows
            .iter()
            .map(|row| labels.id_at(|| Place::new(&table.file, row.line), &row[1]))
            .collect::<std::result::Result<_, _>>()?;
        let mut ids = tokenizer.encode_all(table.rows.iter().map(|row| &row[0]))?;
        let cut = truncate(&mut ids, longest).rows;
        // A text may come to no tokens at all; a recurrence needs one.
        let unknown = tokenizer.specials().unk;
        ids.iter_mut().filter(|ids| ids.is_empty()).for_each(|ids| ids.push(unknown));
        Ok((Texts { ids, classes }, cut as usize))
    }

    fn buckets(&self, size: BatchSize, seed: u64) -> Result<Buckets> {
        Ok(Buckets::new(self.ids.iter().map(Vec::len), size, seed)?)
    }
}

/// The task: a classifier and three parts of texts.
pub(crate) struct Sentiment {
    classifier: Classifier,
    parts: Parts<Texts>,
    batch: BatchSize,
    cut: usize,
}

/// Counts characters and labels in the train part and makes the model.
pub(crate) fn prepare(splits: &Splits, sizes: &Sizes, seed: u64) -> Result<Prepared<Sentiment>> {
    let labels = labels(splits)?;
    let options = TokenizerOptions { vocabulary_size: VOCABULARY, ..TokenizerOptions::default() };
    let tokenizer = Tokenizer::train(TokenKind::Character, splits.train.rows.iter().map(|row| &row[0]), &options)?;
    let (parts, cut) = Parts::new(splits, |table| Texts::new(table, &tokenizer, &labels, sizes.longest))?;
    let mut params = Params::seeded(seed);
    let model = ClassifierConfig {
        vocabulary_size: tokenizer.vocabulary_size(),
        embedding_size: 128,
        hidden_size: 128,
        classes: labels.len(),
        dropout: 0.3,
    };
    let [text, label] = splits.columns.clone();
    let config = Config { text, label, labels, longest: sizes.longest, model };
    let model = models::Classifier::new(&mut params, &config.model);
    let classifier = Classifier { config, tokenizer, model };
    let task = Sentiment { classifier, parts, batch: BatchSize::Rows(sizes.batch_rows), cut };
    Ok(Prepared { task, params })
}

/// The labels are the train part's; those of a whole file that was split are that file's, in the order of its lines.
fn labels(splits: &Splits) -> Result<LabelSet> {
    let mut tables = vec![&splits.train];
    if splits.train.file == splits.dev.file {
        tables.extend([&splits.dev, &splits.test]);
    }
    let mut found: Vec<(u64, &str)> =
        tables.iter().flat_map(|table| table.rows.iter().map(|row| (row.line, row[1].as_ref()))).collect();
    found.sort_by_key(|(line, _)| *line);
    Ok(LabelSet::collect(&splits.train.file, found)?)
}

impl Task for Sentiment {
    const NAME: &'static str = NAME;
    const METRIC: &'static str = "accuracy";
    const DIGITS: usize = 4;
    type Shard = Labelled;
    type Answer = u32;

    fn rows(&self, part: Part) -> usize {
        self.parts.of(part).ids.len()
    }

    fn buckets(&self, seed: u64) -> Result<Buckets> {
        self.parts.of(Part::Train).buckets(self.batch, seed)
    }

    fn evaluation_batches(&self, part: Part) -> Result<Vec<Vec<usize>>> {
        Ok(self.parts.of(part).buckets(self.batch, 0)?.sorted())
    }

    fn shard(&self, part: Part, rows: &[usize]) -> Result<Labelled> {
        let texts = self.parts.of(part);
        let ids: Vec<&[u32]> = rows.iter().map(|row| texts.ids[*row].as_slice()).collect();
        let classes: Vec<u32> = rows.iter().map(|row| texts.classes[*row]).collect();
        Ok(Labelled::new(&ids, &classes, self.classifier.tokenizer.specials().pad)?)
    }

    fn weight(&self, shard: &Labelled) -> usize {
        shard.labels.len()
    }

    fn tokens(&self, shard: &Labelled) -> usize {
        shard.input.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, shard: &Labelled) -> Var<'g> {
        self.classifier.model.logits(graph, &shard.input).cross_entropy(&shard.labels).sum_all()
    }

    fn answer(&self, params: &Params, shard: &Labelled) -> Result<Vec<u32>> {
        Ok(self.classifier.decide(params, &shard.input)?.into_iter().map(|(class, _)| class).collect())
    }

    fn score(&self, part: Part, answers: Vec<u32>) -> Result<Score> {
        let value = score::accuracy(&answers, &self.parts.of(part).classes)?;
        Ok(Score { value, signature: None, first: vec![] })
    }

    fn samples(&self, _: &Score) -> Vec<String> {
        vec![]
    }

    fn notes(&self) -> Vec<String> {
        let config = &self.classifier.config;
        let mut notes = vec![format!(
            "labels: {}; {} characters known",
            config.labels.names().join(", "),
            config.model.vocabulary_size
        )];
        if self.cut > 0 {
            notes.push(format!("{} texts were cut to {} characters", self.cut, config.longest));
        }
        notes
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.classifier.tokenizer
    }

    fn config(&self) -> Result<toml::Table> {
        write_config(&self.classifier.config)
    }
}
