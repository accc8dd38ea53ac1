//! What a task is: its examples, model, loss, metric and the rows of its report. How it is run is the program's affair.

pub(crate) mod sentiment;
pub(crate) mod translation;

use crate::program::{
    data::{Splits, Table},
    error::{Error, Result},
};
use serde::de::DeserializeOwned;
use unspool::{
    graph::{Graph, Params, Var},
    text::{Buckets, Part, Tokenizer},
};

/// A task with its data, ready to be trained.
pub(crate) trait Task: Sync {
    /// Its name on the command line and in files.
    const NAME: &'static str;
    /// Its metric; more is better.
    const METRIC: &'static str;
    /// Digits of the metric after the point, for people.
    const DIGITS: usize;
    /// Some rows as arrays.
    type Shard: Sync;
    /// What the model says of one row.
    type Answer: Send;

    /// How many rows a part has.
    fn rows(&self, part: Part) -> usize;
    /// The batches to train on.
    fn buckets(&self, seed: u64) -> Result<Buckets>;
    /// The batches of another part: each row once.
    fn evaluation_batches(&self, part: Part) -> Result<Vec<Vec<usize>>>;
    /// These rows of a part.
    fn shard(&self, part: Part, rows: &[usize]) -> Result<Self::Shard>;
    /// What its loss is a sum over.
    fn weight(&self, shard: &Self::Shard) -> usize;
    /// How many real tokens it holds, for the speed.
    fn tokens(&self, shard: &Self::Shard) -> usize;
    /// The sum of the losses of a shard: a scalar.
    fn loss<'g>(&self, graph: &'g Graph<'g>, shard: &Self::Shard) -> Var<'g>;
    /// What the model says of each row of a shard.
    fn answer(&self, params: &Params, shard: &Self::Shard) -> Result<Vec<Self::Answer>>;
    /// The metric over a whole part, its answers in the order of its rows.
    fn score(&self, part: Part, answers: Vec<Self::Answer>) -> Result<Score>;
    /// Lines to show after an epoch.
    fn samples(&self, score: &Score) -> Vec<String>;
    /// Lines to show before training.
    fn notes(&self) -> Vec<String>;
    /// Goes into the run folder.
    fn tokenizer(&self) -> &Tokenizer;
    /// All that is needed to use the model later, but tokenizer and weights.
    fn config(&self) -> Result<toml::Table>;
}

/// A task, and its model's first values.
pub(crate) struct Prepared<T> {
    pub(crate) task: T,
    pub(crate) params: Params,
}

/// The three parts of a task's data, as the task holds them.
pub(crate) struct Parts<P> {
    train: P,
    dev: P,
    test: P,
}

impl<P> Parts<P> {
    /// Made of the three tables by `make`, which also says how many texts it cut; and how many those were together.
    pub(crate) fn new(
        splits: &Splits,
        mut make: impl FnMut(&Table) -> Result<(P, usize)>,
    ) -> Result<(Parts<P>, usize)> {
        let (train, a) = make(&splits.train)?;
        let (dev, b) = make(&splits.dev)?;
        let (test, c) = make(&splits.test)?;
        Ok((Parts { train, dev, test }, a + b + c))
    }

    /// One of them.
    pub(crate) fn of(&self, part: Part) -> &P {
        match part {
            Part::Train => &self.train,
            Part::Dev => &self.dev,
            Part::Test => &self.test,
        }
    }
}

/// The metric of one part.
pub(crate) struct Score {
    /// The metric.
    pub(crate) value: f64,
    /// How it was computed, where there is a name for that.
    pub(crate) signature: Option<String>,
    /// The first few answers, as text.
    pub(crate) first: Vec<String>,
}

/// A trained model that answers lines.
pub(crate) trait Predictor {
    /// One line, without its end.
    fn predict(&self, params: &Params, line: &str) -> Result<String>;
}

/// A configuration as it was saved.
pub(crate) fn read_config<C: DeserializeOwned>(config: &toml::Table) -> Result<C> {
    config.clone().try_into().map_err(|cause: toml::de::Error| {
        Error::failure(cause.message().to_owned(), "it must be as the training wrote it")
    })
}

/// A configuration to save.
pub(crate) fn write_config(config: &impl serde::Serialize) -> Result<toml::Table> {
    toml::Table::try_from(config).map_err(|cause| Error::failure(format!("the configuration is no TOML: {cause}"), ""))
}

/// Sizes from a file are asked for memory before any weights show that they are wrong, so they have a limit.
pub(crate) fn check_sizes(sizes: &[(&str, usize)], dropout: f64) -> Result<()> {
    const LARGEST: usize = 1 << 16;
    for (name, size) in sizes {
        if !(1..=LARGEST).contains(size) {
            return Err(Error::failure(format!("{name} is {size}"), format!("it must be from 1 to {LARGEST}")));
        }
    }
    if !(0.0..1.0).contains(&dropout) {
        return Err(Error::failure(format!("dropout is {dropout}"), "it must be from 0 up, less than 1"));
    }
    Ok(())
}

/// The tokenizer and the model must number the same tokens.
pub(crate) fn check_vocabulary(tokenizer: &Tokenizer, vocabulary_size: usize) -> Result<()> {
    match tokenizer.vocabulary_size() {
        size if size == vocabulary_size => Ok(()),
        size => Err(Error::failure(
            format!("vocabulary_size is {vocabulary_size}, the tokenizer's is {size}"),
            "the run folder must hold the files of one training, unchanged",
        )),
    }
}
