//! What a task is.

use crate::{
    baseline::Baseline,
    batch::Batch,
    data::{Data, DataSet},
    decoding::DecodingOptions,
    draw::Draw,
    error::{Error, Result},
    figures::{Attention, Figure},
    labels::{Labels, with_unknown},
    number,
    parts::Parts,
    source::Source,
    texts::PairTokenizers,
};
use clap::Args;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use unspool::{
    graph::{Graph, Params, Var},
    nn::{CarriedStates, decoding::Beam},
    text::{BatchSize, Tokenizer, score::accuracy},
};
use unspool_serve::{Alternative, Continuation, Input};

/// What a file of rows with named columns must look like.
const TABLE_HELP: &str = "\
    TSV file with a header line that names its columns, CSV file with such a line, or file with a JSON object per line \
    (the name ends in .csv or .jsonl, and all may end in .gz): one file, which is divided by a hash of each line; \
    three (TRAIN DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, and one with `test`";

/// What a file of rows with two named columns must look like.
const PAIRS_HELP: &str = "\
    TSV file with a header line that names its columns, CSV file with such a line, or file with a JSON object per line \
    (the name ends in .csv or .jsonl, and all may end in .gz): one file, which is divided by a hash of each line; \
    three (TRAIN DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, \
    and one with `test`. Or six files of plain text, two for each part, in which equal lines belong together";

/// What a file of documents, or of plain text, must look like.
const DOCUMENTS_HELP: &str = "\
    File of plain text: one file, whose last tenth is the test part and whose fiftieth before that is the dev part; \
    three (TRAIN DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, and one with \
    `test`. Or tables with a document per row, which become one text with a blank line after each document: TSV files \
    with a header line that names their columns, CSV files with such a line, or files with a JSON object per line (the \
    name ends in .tsv, .csv or .jsonl, and all may end in .gz). One table alone is divided by a hash of each line";

/// What a file of sentences of words and tags must look like.
const SENTENCES_HELP: &str = "\
    File with a word per line, its columns separated by tabs, and a blank line after each sentence (CoNLL, CoNLL-U). \
    Or a CSV file with a header line, or a file with a JSON object per line (the name ends in .csv or .jsonl), with a \
    sentence per row: its words separated by spaces in one column, and as many tags in another; also a file whose name \
    ends in .tsv, with a header line, where the columns are chosen by name. One file, which is \
    divided by a hash of each sentence; three (TRAIN DEV TEST); or a folder with one file whose name contains `train`, \
    one with `dev`, and one with `test`. Or six files of plain text, two for each part: the words of a sentence per \
    line, and as many tags in the equal line of the other file";

/// A recipe, and once it is [built](Task::build), a model with all that is needed to use it.
///
/// The runner has everything else: the command line, rows and how processes share them, training, run folders,
/// resuming, reports, predictions. The life of a training, in the order of the calls:
///
/// 1. [`Options`](Task::Options) become the command line and the keys of a configuration file.
/// 2. [`read`](Task::read) opens the data as train, dev and test. [`learn`](Task::learn) goes through the train part in
///    the first process and says what the model needs to know; [`build`](Task::build) makes the model of it, and that
///    is also where predictions begin.
/// 3. [`example`](Task::example) makes an example of each row, [`batch`](Task::batch) arrays of some examples of like
///    lengths, and [`loss`](Task::loss) records their loss.
/// 4. After each epoch [`answers`](Task::answers) and [`score`](Task::score) give the metric of the dev part; the
///    weights of the best epoch are kept, and at the end they are scored on the test part.
/// 5. [`show`](Task::show) turns an example and its answer into texts, for the report and for `predict`.
pub trait Task: Baselines + Sized + Send + Sync + 'static {
    /// What it is called, what it does, and how its models are compared.
    const SPEC: Spec;

    /// Its options, each declared once: the default and the help stand beside the field.
    type Options: Args + Clone + Send + Sync;
    /// What is needed to use a trained model, beside tokenizer and weights: the model's own configuration, labels.
    ///
    /// Prepared examples are kept from one training to the next if nothing here was changed. A field `model` is the
    /// exception: it is the model's own configuration, and [`example`](Task::example) must not depend on it.
    type Saved: Serialize + DeserializeOwned;
    /// How examples come: [`TableRows`](crate::TableRows) or another [`Stream`](crate::Stream) of rows, or
    /// [`Drawn`](crate::Drawn) of some material.
    type Source: Source;
    /// What the model reads of a row, and what would be right. It is packed without the names of its fields, so serde
    /// must not skip, flatten or leave untagged any of them.
    type Example: Serialize + DeserializeOwned + Send + Sync;
    /// Some examples as arrays.
    type Batch: Batch;
    /// What the model says of one example.
    type Answer: Serialize + DeserializeOwned + Send + Sync;

    /// Returns how many examples are trained on at a time, where that is an option of the task itself and not
    /// `--batch-rows`.
    fn batch_size(_options: &Self::Options) -> Option<BatchSize> {
        None
    }

    /// Opens the data in its three parts. Rows of a table are opened as the [`Spec`] says.
    ///
    /// # Errors
    /// It is not what the task reads.
    fn read(_options: &Self::Options, data: &Data) -> Result<Parts<Self::Source>> {
        Self::Source::open(data)
    }

    /// Learns what needs no model from the train part: vocabulary, labels, means. Of several processes the first one
    /// calls it, for all.
    ///
    /// # Errors
    /// The train part is not what the task reads.
    fn learn(options: &Self::Options, train: &Self::Source) -> Result<Learned<Self::Saved>>;

    /// Adds the model's parameters.
    ///
    /// # Errors
    /// What was saved contradicts itself or the tokenizer. It may have been read from a file that holds anything.
    fn build(saved: Self::Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Self>;

    /// Sets parameters that begin with what the train part says, such as how often words occur with a label. Every
    /// process calls it, before a training that does not begin with another run's model. By default it sets none.
    ///
    /// # Errors
    /// The train part cannot be read any more.
    fn initialize(&self, _train: &Self::Source, _params: &mut Params) -> Result<()> {
        Ok(())
    }

    /// Adds the parameters of a model whose source may have a tokenizer of its own. Only a task that has such models
    /// writes it.
    ///
    /// # Errors
    /// As [`build`](Task::build); and where there is a tokenizer too many.
    fn build_with_source(
        saved: Self::Saved,
        source: Option<Tokenizer>,
        tokenizer: Option<Tokenizer>,
        params: &mut Params,
    ) -> Result<Self> {
        if source.is_some() {
            let hint = "the run folder must hold the files of one training, unchanged";
            return Err(Error::failure(format!("a model of {} has one tokenizer, not two", Self::SPEC.name), hint));
        }
        Self::build(saved, tokenizer, params)
    }

    /// Opens all of a file, to be scored.
    ///
    /// # Errors
    /// It is not what the model was trained on.
    fn read_to_score(&self, data: &Data) -> Result<Self::Source> {
        Self::Source::open_to_score(data)
    }

    /// Makes an example of a row.
    ///
    /// # Errors
    /// The row cannot be read.
    fn example(&self, row: &<Self::Source as Source>::Row, draw: &Draw) -> Result<Self::Example>;

    /// Makes an example of a line of text that is not blank, as `predict` reads it. A row of a table is the line alone.
    ///
    /// # Errors
    /// The line cannot be read.
    fn read_line(&self, line: &str, draw: &Draw) -> Result<Self::Example> {
        self.example(&Self::Source::row_of_line(line)?, draw)
    }

    /// Makes an example of a line and of the text that the answer shall begin with, as `serve` receives them. The
    /// target of the example is that text. A task writes it whose [`Spec::takes_prefix`] is true.
    ///
    /// # Errors
    /// The line cannot be read, or an answer begins with no given text.
    fn read_prefixed(&self, _line: &str, _prefix: &str, _draw: &Draw) -> Result<Self::Example> {
        let message = format!("a model of {} begins no answer with a given text", Self::SPEC.name);
        Err(Error::misuse(message, "leave the prefix out"))
    }

    /// Makes an example of the bytes of a WAV file, as `serve` receives them.
    ///
    /// # Errors
    /// It is no recording that the model hears; a task whose [`Spec::input`] is not [`Input::Sound`] hears none.
    fn read_sound(&self, _wav: &[u8], _draw: &Draw) -> Result<Self::Example> {
        Err(Error::failure(format!("a model of {} does not read sound", Self::SPEC.name), "give it a line of text"))
    }

    /// Returns the lengths of an example's input and output in time steps: those of like lengths stand together in a
    /// batch. A single length is `(0, length)`.
    fn lengths(&self, _example: &Self::Example) -> (usize, usize) {
        (0, 1)
    }

    /// Returns the labels of an example, where it has labels that a part to be scored may have and the train part not.
    fn labels<'a>(&self, _example: &'a Self::Example) -> Option<&'a Labels> {
        None
    }

    /// Makes arrays of some examples.
    ///
    /// # Errors
    /// The examples do not fit together.
    fn batch(&self, examples: &[&Self::Example]) -> Result<Self::Batch>;

    /// Records Σ of the losses of a batch: a scalar.
    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Self::Batch) -> Var<'g>;

    /// Records the loss in training, of which the share `_progress`, from 0 to 1, is done.
    fn training_loss<'g>(&self, graph: &'g Graph<'g>, batch: &Self::Batch, _progress: f64) -> Var<'g> {
        self.loss(graph, batch)
    }

    /// Returns the states that are carried from step to step of a training, such as those of a recurrence over one long
    /// text. They are saved with each checkpoint.
    fn carried(&self) -> Option<&CarriedStates> {
        None
    }

    /// Returns what the model says of each example of a batch, in its order.
    ///
    /// # Errors
    /// The first error of a recording.
    fn answers(&self, params: &Params, batch: &Self::Batch, search: Search) -> Result<Vec<Self::Answer>>;

    /// Answers from now on together with further models of the task, whose probabilities are averaged at each step, and
    /// as these options of `predict` say. The loss stays that of the model alone.
    ///
    /// # Errors
    /// The model is none that decodes in this way.
    fn decode_with(&mut self, _options: &DecodingOptions, _others: Vec<(Self, Params)>) -> Result<()> {
        Err(Error::misuse(
            format!("a model of {} is used alone, without options of decoding", Self::SPEC.name),
            "several of --model are for models of translation and language-model, options of decoding for the former",
        ))
    }

    /// Returns the metric, from answers in the order of the examples.
    ///
    /// # Errors
    /// There is nothing to score.
    fn score(&self, examples: &[Self::Example], answers: &[Self::Answer]) -> Result<Score>;

    /// Returns what each part of an example contributed to the best answer: of each token, in order, its text and its
    /// gradient × input. A model that does not say it returns nothing.
    ///
    /// # Errors
    /// The first error of a recording.
    fn contributions(
        &self,
        _params: &Params,
        _example: &Self::Example,
        _answer: &Self::Answer,
    ) -> Result<Option<Contributions>> {
        Ok(None)
    }

    /// Returns the likeliest words after the target of an example, the likeliest first. A model that does not write
    /// texts word by word returns nothing.
    ///
    /// # Errors
    /// The first error of a recording.
    fn alternatives(
        &self,
        _params: &Params,
        _example: &Self::Example,
        _count: usize,
    ) -> Result<Option<Vec<Alternative>>> {
        Ok(None)
    }

    /// Returns an example and what the model says of it as texts.
    fn show(&self, example: &Self::Example, answer: &Self::Answer, digits: Digits) -> Shown;

    /// Returns lines to show before training.
    fn notes(&self, _train: &Self::Source, _dev: &[Self::Example], _test: &[Self::Example]) -> Vec<String> {
        vec![]
    }

    /// Returns texts that the model writes of itself: shown after each epoch, and those of the best weights kept.
    ///
    /// # Errors
    /// The first error of a recording.
    fn samples(&self, _params: &Params) -> Result<Vec<String>> {
        Ok(vec![])
    }

    /// Returns figures for the report: what the model attends to, which class it takes for which, curves.
    ///
    /// # Errors
    /// The first error of a recording.
    fn figures(&self, _params: &Params, _test: &[Self::Example], _answers: &[Self::Answer]) -> Result<Vec<Figure>> {
        Ok(vec![])
    }

    /// Writes text bit by bit, for `generate`.
    ///
    /// # Errors
    /// The model writes no text of its own.
    fn generate(
        &self,
        _params: &Params,
        _ask: &Continuation,
        _write: &mut dyn FnMut(&str) -> Result<()>,
    ) -> Result<()> {
        Err(Error::misuse(
            format!("a model of {} does not generate text", Self::SPEC.name),
            "`generate` is for models of language-model",
        ))
    }
}

/// Computes the cheap methods that a task's models are compared with, such as a regression or the last value. They do
/// not stand in the recipe: what a model is, and what it must beat, are read apart.
///
/// A task without any has an empty implementation: `impl Baselines for MyTask {}`.
pub trait Baselines {
    /// Returns what cheap methods come to on the test part. They are fitted to the train part, and their settings are
    /// chosen on the dev part. By default there are none.
    ///
    /// What takes long calls [`check_signals`](crate::check_signals) from time to time.
    ///
    /// # Errors
    /// The data cannot be read any more, or a signal came.
    fn baselines(&self, _train: &Self::Source, _dev: &[Self::Example], _test: &[Self::Example]) -> Result<Vec<Baseline>>
    where
        Self: Task,
    {
        Ok(vec![])
    }
}

/// What a task is called, what it does, and how its models are trained and compared.
///
/// ```
/// use unspool_task::{Metric, Spec};
/// const SPEC: Spec = Spec::new("parity", "Say whether a number is even", Metric::ACCURACY).unit("digits");
/// assert_eq!((SPEC.name, SPEC.epochs, SPEC.learning_rate, SPEC.batch_rows), ("parity", 10, 1e-3, Some(32)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Its name on the command line and in files.
    pub name: &'static str,
    /// What it does, in a line of help.
    pub about: &'static str,
    /// How its models are compared.
    pub metric: Metric,
    /// What the [lengths](Task::lengths) of examples, or [`Batch::units`], count, in the plural.
    pub unit: &'static str,
    /// Passes over the train part: the default of `--epochs`.
    pub epochs: u64,
    /// The peak of the learning rate: the default of `--learning-rate`.
    pub learning_rate: f64,
    /// Examples per batch: the default of `--batch-rows`. Without it there is no such option.
    pub batch_rows: Option<usize>,
    /// The decay of a running average of the weights, which is then what is scored and kept.
    pub average: Option<f64>,
    /// What a file for `--data` must look like; none where examples are made up and there is no `--data`.
    pub data: Option<&'static str>,
    /// The data sets inside the program that `--data` can name. The first is the default; without any, `--data` has to
    /// be given.
    pub sets: &'static [DataSet],
    /// Whether the data is read line by line, so that lines that cannot be read can be left out.
    pub by_lines: bool,
    /// The columns of a table that the task reads, one or two: the option that chooses each, and its usual name.
    pub columns: &'static [(&'static str, &'static str)],
    /// What `--compare` can name: other options under which the model is trained as well.
    pub comparisons: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// Other defaults for options that tasks share: `("layers", "2")`.
    pub defaults: &'static [(&'static str, &'static str)],
    /// How many examples are shown after each epoch, with what the model says of them.
    pub samples: usize,
    /// The headings of [`Task::show`] whose texts are pictures made of characters.
    pub pictures: &'static [&'static str],
    /// How a model is asked: the form of its page in `serve`.
    pub input: Input,
    /// Whether the data is one long text, of which a table has the documents.
    pub documents: bool,
    /// Whether an answer can begin with a given text, and has alternatives at each place: see
    /// [`Task::read_prefixed`].
    pub takes_prefix: bool,
}

impl Spec {
    /// Names a task that counts tokens and trains 10 epochs of batches of 32 with a learning rate of 0.001, on examples
    /// that it makes.
    pub const fn new(name: &'static str, about: &'static str, metric: Metric) -> Spec {
        Spec {
            name,
            about,
            metric,
            unit: "tokens",
            epochs: 10,
            learning_rate: 1e-3,
            batch_rows: Some(32),
            average: None,
            data: None,
            sets: &[],
            by_lines: false,
            columns: &[],
            comparisons: &[],
            defaults: &[],
            samples: 0,
            pictures: &[],
            input: Input::Text,
            documents: false,
            takes_prefix: false,
        }
    }

    /// Sets what is counted.
    #[must_use]
    pub const fn unit(self, unit: &'static str) -> Spec {
        Spec { unit, ..self }
    }

    /// Sets the epochs, the peak of the learning rate, and the examples per batch.
    #[must_use]
    pub const fn training(self, epochs: u64, learning_rate: f64, batch_rows: usize) -> Spec {
        Spec { epochs, learning_rate, batch_rows: Some(batch_rows), ..self }
    }

    /// Leaves the size of a batch to an option of the task.
    #[must_use]
    pub const fn own_batches(self) -> Spec {
        Spec { batch_rows: None, ..self }
    }

    /// Scores and keeps a running average of the weights.
    #[must_use]
    pub const fn average(self, decay: f64) -> Spec {
        Spec { average: Some(decay), ..self }
    }

    /// Adds `--data`: what a file must look like, and the data sets inside the program.
    #[must_use]
    pub const fn data(self, help: &'static str, sets: &'static [DataSet]) -> Spec {
        Spec { data: Some(help), sets, ..self }
    }

    /// Adds `--data` for files of sentences of words and tags: see [`Data::sentences`](crate::Data::sentences).
    #[must_use]
    pub const fn sentences(self) -> Spec {
        Spec { by_lines: true, ..self.data(SENTENCES_HELP, &[]) }
    }

    /// Adds `--data` for tables of rows, and an option for each of the columns that are read.
    #[must_use]
    pub const fn table(self, columns: &'static [(&'static str, &'static str)], sets: &'static [DataSet]) -> Spec {
        let help = if columns.len() == 2 { PAIRS_HELP } else { TABLE_HELP };
        Spec { columns, by_lines: true, ..self.data(help, sets) }
    }

    /// Adds `--data` for a long text: files of plain text, or tables with a document per row, and an option for the
    /// column that is read. See [`Data::texts`](crate::Data::texts).
    #[must_use]
    pub const fn documents(
        self,
        columns: &'static [(&'static str, &'static str); 1],
        sets: &'static [DataSet],
    ) -> Spec {
        Spec { columns, by_lines: true, documents: true, ..self.data(DOCUMENTS_HELP, sets) }
    }

    /// Adds what `--compare` can name.
    #[must_use]
    pub const fn compare(
        self,
        comparisons: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    ) -> Spec {
        Spec { comparisons, ..self }
    }

    /// Sets other defaults of shared options.
    #[must_use]
    pub const fn defaults(self, defaults: &'static [(&'static str, &'static str)]) -> Spec {
        Spec { defaults, ..self }
    }

    /// Sets how many examples are shown after each epoch.
    #[must_use]
    pub const fn samples(self, samples: usize) -> Spec {
        Spec { samples, ..self }
    }

    /// Sets how a model is asked.
    #[must_use]
    pub const fn input(self, input: Input) -> Spec {
        Spec { input, ..self }
    }

    /// Says that an answer can begin with a given text.
    #[must_use]
    pub const fn prefixed(self) -> Spec {
        Spec { takes_prefix: true, ..self }
    }

    /// Sets the headings of texts that are pictures.
    #[must_use]
    pub const fn pictures(self, pictures: &'static [&'static str]) -> Spec {
        Spec { pictures, ..self }
    }
}

/// How models are compared.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name in the line of JSON.
    pub name: &'static str,
    /// Digits after the point, for people.
    pub digits: usize,
    /// Whether less is better.
    pub less_is_better: bool,
}

impl Metric {
    /// The share of right answers.
    pub const ACCURACY: Metric = Metric::more("accuracy", 4);

    /// Names a metric of which more is better.
    pub const fn more(name: &'static str, digits: usize) -> Metric {
        Metric { name, digits, less_is_better: false }
    }

    /// Names a metric of which less is better.
    pub const fn less(name: &'static str, digits: usize) -> Metric {
        Metric { name, digits, less_is_better: true }
    }

    /// Returns a number that is greater for what is better.
    pub(crate) fn sign(&self, value: f64) -> f64 {
        if self.less_is_better { -value } else { value }
    }
}

/// What [`Task::learn`] finds.
#[derive(Debug)]
pub struct Learned<S> {
    /// What the model needs to know.
    pub saved: S,
    /// The tokenizer, where there is one: that of all texts, or of those that the model writes.
    pub tokenizer: Option<Tokenizer>,
    /// The tokenizer of the source, where it is another one.
    pub source_tokenizer: Option<Tokenizer>,
}

impl<S> Learned<S> {
    /// Pairs what the model needs to know with the tokenizer of its texts.
    pub fn text(saved: S, tokenizer: Tokenizer) -> Learned<S> {
        Learned { saved, tokenizer: Some(tokenizer), source_tokenizer: None }
    }

    /// Pairs what the model needs to know with the tokenizers of its pairs of texts.
    pub fn pairs(saved: S, PairTokenizers { source, target }: PairTokenizers) -> Learned<S> {
        Learned { saved, tokenizer: Some(target), source_tokenizer: source }
    }
}

impl<C> Learned<SavedModel<C>> {
    /// Says that the model's configuration is all that needs to be known.
    pub fn model(model: C) -> Learned<SavedModel<C>> {
        SavedModel { model }.into()
    }
}

/// What a task saves that needs to know nothing but the model's own configuration.
///
/// ```
/// use unspool::models::PerceptronConfig;
/// use unspool_task::{Learned, SavedModel};
/// let model = PerceptronConfig { input_size: 64, hidden_size: 32, layers: 2, classes: 10, dropout: 0.0 };
/// let learned: Learned<SavedModel<PerceptronConfig>> = Learned::model(model);
/// assert_eq!(learned.saved.model.classes, 10);
/// ```
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedModel<C> {
    /// The configuration.
    pub model: C,
}

impl<S> From<S> for Learned<S> {
    fn from(saved: S) -> Learned<S> {
        Learned { saved, tokenizer: None, source_tokenizer: None }
    }
}

/// How hard to try for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// After every epoch: what is quick, such as greedy decoding.
    Quick,
    /// On the test part and in `evaluate`: what is best, such as a beam.
    Full,
    /// In `predict`: what is best.
    Best {
        /// How many answers are wanted.
        count: usize,
        /// Whether what was attended to is wanted.
        attention: bool,
        /// Whether each answer begins with the target of its example.
        prefix: bool,
    },
}

impl Search {
    /// Returns how many answers are wanted.
    pub fn count(self) -> usize {
        if let Search::Best { count, .. } = self { count.max(1) } else { 1 }
    }

    /// Returns the size of the batches that are answered, given that of a training. A beam has several rows for an
    /// example, each with a number for every token there is, and no gradient makes a large batch worth while: what
    /// stays in the caches is faster.
    pub(crate) fn batch_size(self, of_training: BatchSize) -> BatchSize {
        match (self, of_training) {
            (Search::Full | Search::Best { .. }, BatchSize::Tokens(tokens)) => BatchSize::Tokens(tokens.div_ceil(4)),
            _ => of_training,
        }
    }

    /// Returns a beam that finds as many answers as are wanted, and keeps `width` at each step or as many as that.
    pub fn beam(self, width: usize) -> Beam {
        Beam::new(width.max(self.count())).best(self.count())
    }

    /// Returns whether each answer begins with the target of its example.
    pub fn has_prefix(self) -> bool {
        matches!(self, Search::Best { prefix: true, .. })
    }

    /// Returns whether what was attended to is wanted.
    pub fn wants_attention(self) -> bool {
        matches!(self, Search::Best { attention: true, .. })
    }
}

/// The metric of one part.
#[derive(Clone, Debug)]
pub struct Score {
    /// The metric.
    pub value: f64,
    /// How it was computed, where there is a name for that.
    pub signature: Option<String>,
    /// Further numbers beside it.
    pub more: Vec<(&'static str, f64)>,
    /// What there is to see of it.
    pub figure: Option<Figure>,
}

impl Score {
    /// Returns the accuracy of classes, and how often each was taken for each. A class that has no name is none of the
    /// model's.
    ///
    /// # Errors
    /// There is nothing to score.
    pub fn classes(found: impl IntoIterator<Item = u32>, right: &[u32], names: &[String]) -> Result<Score> {
        let found: Vec<u32> = found.into_iter().collect();
        let figure = Figure::confusion(&found, right, with_unknown(names, right))?;
        Ok(Score { figure: Some(figure), ..accuracy(&found, right)?.into() })
    }

    /// Returns the same with further numbers beside it.
    #[must_use]
    pub fn with(mut self, more: impl IntoIterator<Item = (&'static str, f64)>) -> Score {
        self.more.extend(more);
        self
    }
}

impl From<f64> for Score {
    fn from(value: f64) -> Score {
        Score { value, signature: None, more: vec![], figure: None }
    }
}

/// How many digits of a number are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digits {
    /// Four, in the report.
    Few,
    /// Six, in an answer that a person reads.
    Some,
    /// All of them, in JSON.
    All,
}

impl Digits {
    /// Returns a number as text.
    pub fn of(self, value: f64) -> String {
        match self {
            Digits::Few => number::significant(value, 4),
            Digits::Some => number::significant(value, 6),
            Digits::All => number::all(value),
        }
    }
}

/// An example and what the model says of it, as texts.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// What was asked and what would be right, under headings.
    pub given: Vec<(&'static str, String)>,
    /// The answer.
    pub answer: String,
    /// How likely the answer is, where that belongs to it.
    pub probability: Option<f64>,
    /// The best answers with their scores, best first, where there are scores.
    pub best: Vec<(String, f64)>,
    /// What was attended to for the first answer.
    pub attention: Option<Attention>,
}

impl Shown {
    /// Shows one answer.
    pub fn answer(given: Vec<(&'static str, String)>, answer: impl Into<String>) -> Shown {
        Shown { given, answer: answer.into(), ..Shown::default() }
    }

    /// Shows the best answers with their scores.
    pub fn best(given: Vec<(&'static str, String)>, best: Vec<(String, f64)>) -> Shown {
        let answer = best.first().map_or(String::new(), |(answer, _)| answer.clone());
        Shown { given, answer, best, ..Shown::default() }
    }

    /// Shows the best answers with their probabilities.
    pub fn probable(given: Vec<(&'static str, String)>, best: Vec<(String, f64)>) -> Shown {
        let probability = best.first().map(|(_, p)| *p);
        Shown { probability, ..Shown::best(given, best) }
    }
}

/// What each part of a text contributed to an answer: the part, and its gradient × input.
pub type Contributions = Vec<(String, f64)>;
