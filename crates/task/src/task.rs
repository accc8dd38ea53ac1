//! Tasks: what is trained on what, each a recipe that reads from top to bottom.
//!
//! A task says what its options, examples, model, loss and scores are, and what there is to show. One runner does all
//! the rest for every task: the command line, the training loop, checkpoints and going on from them, the run folder,
//! the report, the line of JSON. So a task file names no option parser, no file, no thread and no page. The life of a
//! training, in the order of the calls:
//!
//! 1. [`Task::OPTIONS`] and the defaults of [`Task::Settings`] become the command line. `--name value`, the same name
//!    in a configuration file, and the field of `Settings` are one thing.
//! 2. [`Task::prepare`] reads the data and decides what the model needs to know ([`Task::Saved`]: sizes, labels), and
//!    makes the [`Parts`] of examples. Of several processes each goes through all rows, but tokenizes and keeps those
//!    of its own ([`Rows`]); what is learned from all rows the first process learns for all ([`broadcast`]).
//!    [`Task::restore`] builds the model of what was saved; predictions later begin there.
//! 3. Each epoch, [`Task::order`] says which examples stand together (like lengths, in a seeded order, unless a task
//!    knows better), [`Task::fetch`] brings those that other processes keep, [`Task::batch`] makes arrays of them,
//!    [`Task::loss`] records the loss. The runner sums it over shards, divides by [`Task::weight`], clips, and steps.
//!    Going on after a stop needs nothing of the task: what a step does is a function of seed, epoch and step, and of
//!    what the step before carried on, where a task says that something is ([`Task::carried`]).
//! 4. After each epoch [`Task::answers`] and [`Task::score`] give the metric on the dev part; the best epoch's weights
//!    are kept.
//! 5. At the end the test part is scored, beside [`Task::baselines`] and [`Task::comparisons`], and [`Task::row`] and
//!    [`Task::figures`] are shown in the report.
//!
//! A program lists its tasks, each made by [`task`](crate::task()), and hands them to [`main`](crate::main()).

use crate::{
    data::{Data, DataSet},
    error::{Error, Result},
    limits,
    opt::Opt,
    parts::Parts,
    processes::broadcast,
    unknown_labels::cross_entropy_of_known,
};
use serde::{Serialize, de::DeserializeOwned};
use unspool::{
    graph::{Gradients, Graph, Params, RngKey, Tensor, Var},
    nn::{Sequence, exchange::Exchange},
    text::{BatchSize, Buckets, Normalization, Row, Tokenizer, TokenizerOptions, score::Confusion},
};

/// What a file of rows with named columns must look like.
pub const TABLE_HELP: &str = "\
    TSV file with a header line that names its columns: one file, which is divided by a hash of each line; three (TRAIN \
    DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, and one with `test`";

/// A recipe, and once [`restore`](Task::restore)d, a model with all that is needed to use it.
pub trait Task: Sized + Sync + 'static {
    /// Its name on the command line and in files.
    const NAME: &'static str;
    /// What it does, in a line of help.
    const ABOUT: &'static str;
    /// How its models are compared.
    const METRIC: Metric;
    /// What [`Task::tokens`] counts, in the plural: tokens, frames, characters, examples.
    const UNIT: &'static str = "tokens";
    /// What a file for `--data` must look like, and how many files may be given: a part of the help.
    const DATA_HELP: &'static str = "";
    /// What `--data` is unless given, as [`Data`] knows it; empty for examples that are made on the fly (there is then
    /// no `--data`) or if [`NEEDS_DATA`](Task::NEEDS_DATA).
    const DATA: &'static str;
    /// The data sets inside the program that `--data` can name.
    const SETS: &'static [DataSet] = &[];
    /// Whether `--data` has to be given, there being no set for this task inside the program; `DATA` is empty then.
    const NEEDS_DATA: bool = false;
    /// The headings of [`Task::row`] whose texts are pictures made of characters.
    const PICTURES: &'static [&'static str] = &[];
    /// How many examples are shown after each epoch, with what the model says of them.
    const SAMPLES: usize = 0;
    /// Its own options. For each there is a field of the same name in `Settings`; an `Option` that is `None` has no
    /// default to show.
    const OPTIONS: &'static [Opt];

    /// The values of its own options; its `Default` is theirs.
    /// `#[serde(rename_all = "kebab-case", deny_unknown_fields)]`.
    type Settings: Clone + Default + Sync + Serialize + DeserializeOwned;
    /// What is needed to use a trained model, beside tokenizer and weights. Read from a file that may hold anything:
    /// check it.
    type Saved: Sync + Serialize + DeserializeOwned;
    /// One part of the data, as the task holds it.
    type Examples: Send + Sync;
    /// Some examples as arrays.
    type Batch: Send + Sync;
    /// What the model says of one example.
    type Answer: Serialize + DeserializeOwned + Send + Sync;

    /// How long, how fast, and how many at a time.
    fn recipe(settings: &Self::Settings) -> Recipe;
    /// Reads the data; everything that is learned from it without a model (vocabulary, labels, means) is learned from
    /// the train part.
    fn prepare(settings: &Self::Settings, data: &Data, seed: u64) -> Result<Prepared<Self>>;
    /// Adds the model's parameters.
    ///
    /// # Errors
    /// What was saved contradicts itself or the tokenizer.
    fn restore(saved: Self::Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Self>;
    /// What was saved, for the run folder.
    fn saved(&self) -> &Self::Saved;
    /// The tokenizer, for the run folder.
    fn tokenizer(&self) -> Option<&Tokenizer> {
        None
    }
    /// All examples of a file, to be scored by [`Task::answers`] and [`Task::score`].
    fn examples(&self, data: &Data) -> Result<Self::Examples>;

    /// The lengths of each example's input and output in time steps: those of like lengths stand together. A single
    /// length is `(0, length)`; equal lengths are all `(0, 1)`.
    fn lengths(&self, examples: &Self::Examples) -> Vec<(usize, usize)>;
    /// Of processes that train together each holds some rows of the train part, and this is called in all of them
    /// before an epoch: process `rank` is then to have `needed[rank]`. A task whose processes have all rows does
    /// nothing.
    fn fetch(&self, _train: &mut Self::Examples, _needed: &[Vec<usize>], _exchange: &dyn Exchange) -> Result<()> {
        Ok(())
    }
    /// The batches of an epoch of training, as numbers of examples; as many in every epoch.
    fn order(&self, examples: &Self::Examples, size: BatchSize, seed: u64, epoch: u64) -> Result<Vec<Vec<usize>>> {
        Ok(Buckets::pairs(self.lengths(examples), size, seed)?.epoch(epoch))
    }
    /// These examples as arrays. In training there is a key of the epoch to draw random numbers by: `draw.fold_in(row)`
    /// is an example's.
    fn batch(&self, examples: &Self::Examples, rows: &[usize], draw: Option<RngKey>) -> Result<Self::Batch>;
    /// What the loss is a sum over: target tokens, examples, frames.
    fn weight(&self, batch: &Self::Batch) -> usize;
    /// How many real time steps are computed, for the speed; see [`Task::UNIT`].
    fn tokens(&self, batch: &Self::Batch) -> usize;
    /// Σ of the losses of a batch: a scalar. `progress` is the share of the training that is done, from 0 to 1, for a
    /// policy that changes over time; it is 1 outside training.
    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Self::Batch, progress: f64) -> Var<'g>;

    /// What is carried from step to step of a training beside the weights, such as the state of a recurrence over one
    /// long text. It is saved with each checkpoint.
    fn carried(&self) -> Vec<Tensor> {
        vec![]
    }
    /// Takes back what [`Task::carried`] gave.
    fn carry(&self, _carried: Vec<Tensor>) -> Result<()> {
        Ok(())
    }
    /// Gives what this process's shards carried to the processes that train with it.
    fn share(&self, _exchange: &dyn Exchange) -> Result<()> {
        Ok(())
    }

    /// What the model says of each example of a batch, in its order.
    fn answers(&self, params: &Params, batch: &Self::Batch, effort: Search) -> Result<Vec<Self::Answer>>;
    /// The metric, from answers in the order of the examples.
    fn score(&self, examples: &Self::Examples, answers: &[Self::Answer]) -> Result<Score>;

    /// Lines to show before training.
    fn notes(&self, _parts: &Parts<Self::Examples>) -> Vec<String> {
        vec![]
    }
    /// The test part's metric for what needs no training, by name. All processes call it.
    fn baselines(&self, _parts: &Parts<Self::Examples>, _exchange: &dyn Exchange) -> Result<Vec<(&'static str, f64)>> {
        Ok(vec![])
    }
    /// Other settings to train as well, after the model itself; their test scores stand among the baselines by these
    /// names.
    fn comparisons(_settings: &Self::Settings) -> Vec<(&'static str, Self::Settings)> {
        vec![]
    }
    /// An example and what the model says of it, as texts with headings:
    /// `[("source", …), ("reference", …), ("model", …)]`.
    fn row(&self, examples: &Self::Examples, number: usize, answer: &Self::Answer) -> Vec<(&'static str, String)>;
    /// Texts that the model writes of itself: shown after each epoch, and those of the best weights kept in the run
    /// folder.
    fn samples(&self, _params: &Params) -> Result<Vec<String>> {
        Ok(vec![])
    }
    /// Further figures for the report: what the model attends to, which class it takes for which, curves.
    fn figures(&self, _params: &Params, _test: &Self::Examples, _answers: &[Self::Answer]) -> Result<Vec<Figure>> {
        Ok(vec![])
    }

    /// What the model says of one line of text (without its end), which is not blank: of `predict`.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction>;
    /// Writes text bit by bit: of `generate`.
    fn generate(&self, _params: &Params, _ask: &Generate, _write: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        Err(Error::misuse(
            format!("a model of {} writes no text of its own", Self::NAME),
            "`generate` is for models of language-model",
        ))
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
    /// A number that is greater for what is better.
    pub fn sign(&self, value: f64) -> f64 {
        if self.less_is_better { -value } else { value }
    }
}

/// How long to train, how fast, and how many examples at a time.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Passes over the train part: the default of `--epochs`.
    pub epochs: u64,
    /// The peak of the learning rate: the default of `--learning-rate`.
    pub learning_rate: f64,
    /// Of a batch.
    pub batch: BatchSize,
    /// Steps over which the learning rate rises, but at most a tenth of all.
    pub warm_up: u64,
    /// The share of the peak at which the learning rate ends.
    pub last_rate: f64,
    /// Gradients (of the mean loss) are shortened to this norm.
    pub clip_norm: f64,
    /// The decay of a running average of the weights, which is then what is scored and kept.
    pub average: Option<f64>,
}

impl Recipe {
    /// 200 steps of warm-up, down to a twentieth of the peak, gradients of norm 1 at most.
    pub fn new(epochs: u64, learning_rate: f64, batch: BatchSize) -> Recipe {
        Recipe { epochs, learning_rate, batch, warm_up: 200, last_rate: 0.05, clip_norm: 1.0, average: None }
    }
}

/// What [`Task::prepare`] finds.
pub struct Prepared<T: Task> {
    /// What the model needs to know.
    pub saved: T::Saved,
    /// The tokenizer, where there is one.
    pub tokenizer: Option<Tokenizer>,
    /// The examples.
    pub parts: Parts<T::Examples>,
}

/// The text of a row whose first column is one.
pub fn first_field(row: Row) -> String {
    row.fields.into_iter().next().unwrap_or_default()
}

/// How to train a tokenizer for a model that says something of each character, syllable or word: each is one token,
/// `<unk>` if it is none of the so many that are known. Texts are read in Unicode's composed form (NFC), so that `é` is
/// one character however it was typed; the tokenizer's file says so, and one without that reads texts as they are.
pub fn one_token_each(vocabulary_size: usize) -> TokenizerOptions {
    let normalization = Normalization::Nfc;
    TokenizerOptions { vocabulary_size, lossless: false, normalization, ..TokenizerOptions::default() }
}

/// Σ of the cross-entropy of each real step, for labels that stand example after example; one that the model does not
/// have costs nothing.
#[track_caller]
pub fn labels_loss<'g>(logits: &Sequence<'g>, labels: &[u32]) -> Var<'g> {
    logits.graph().layer_fn("labels", |graph| {
        let labels = logits.layout().pack_examples(labels).map_err(|why| graph.error("labels", why))?;
        let classes = logits.rows().shape()?.last().copied().unwrap_or(0);
        Ok(cross_entropy_of_known(logits.rows(), &labels, classes).sum_all())
    })
}

/// Records a batch's mean loss, so far on in a training, and walks back as a step of training does.
pub fn gradients<'g, T: Task>(task: &T, graph: &'g Graph<'g>, batch: &T::Batch, progress: f64) -> Result<Gradients> {
    let loss = task.loss(graph, batch, progress) * (1.0 / task.weight(batch).max(1) as f64);
    Ok(loss.backward()?)
}

/// How hard to try for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// After every epoch: what is quick, such as greedy decoding.
    Quick,
    /// On the test part and in `evaluate`: what is best, such as a beam.
    Full,
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
}

impl From<f64> for Score {
    fn from(value: f64) -> Score {
        Score { value, signature: None, more: vec![] }
    }
}

/// Something to see.
#[derive(Clone, Debug)]
pub enum Figure {
    /// What was looked at (columns) while each word was written (rows).
    Attention {
        /// What stands above it.
        title: String,
        /// The weights.
        map: Attention,
    },
    /// How often each class was taken for each.
    Confusion(ClassCounts),
    /// Named lines over the same axes.
    Curves(Curves),
}

impl Figure {
    /// Of the classes that were found, the right ones, and the classes' names.
    pub fn confusion(found: &[u32], right: &[u32], labels: Vec<String>) -> Result<Figure> {
        const MOST: usize = 30;
        let confusion = Confusion::new(found, right, labels.len())?;
        let mut shown = confusion.most_frequent(MOST);
        shown.sort_unstable();
        let class = |class: &u32| *class as usize;
        Ok(Figure::Confusion(ClassCounts {
            labels: shown.iter().filter_map(|id| labels.get(class(id)).cloned()).collect(),
            counts: confusion.matrix(&shown),
            supports: shown.iter().map(|id| confusion.support(class(id))).collect(),
            others: confusion.most_frequent(usize::MAX).len() - shown.len(),
            examples: right.len() as u64,
        }))
    }
}

/// How often each of some classes was taken for each of them.
#[derive(Clone, Debug)]
pub struct ClassCounts {
    /// The names of the most frequent classes, in the order of all classes.
    pub labels: Vec<String>,
    /// `[label, prediction]`
    pub counts: ndarray::Array2<u64>,
    /// How often each is the label.
    pub supports: Vec<u64>,
    /// How many further classes occur.
    pub others: usize,
    /// How many examples there are.
    pub examples: u64,
}

/// Named lines over the same axes.
#[derive(Clone, Debug)]
pub struct Curves {
    /// What stands above them.
    pub title: String,
    /// What the x axis shows.
    pub x: String,
    /// What the y axis shows.
    pub y: String,
    /// Whether y is drawn by its logarithm; what is not positive is then left out.
    pub log_y: bool,
    /// The lines: names and points.
    pub lines: Vec<(String, Vec<(f64, f64)>)>,
}

impl Curves {
    /// ‖∂loss/∂h_t‖ over the time steps t.
    pub fn gradient_norms(title: String, lines: Vec<(String, Vec<(f64, f64)>)>) -> Curves {
        let (x, y) = ("time step".to_owned(), "norm of the loss's gradient by the state".to_owned());
        Curves { title, x, y, log_y: true, lines }
    }
}

/// Weights of attention: a row for each thing written, a column for each thing looked at; a row's weights sum to 1.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Attention {
    /// What was written.
    pub rows: Vec<String>,
    /// What was looked at.
    pub columns: Vec<String>,
    /// `[row][column]`.
    pub weights: Vec<Vec<f64>>,
}

impl Attention {
    /// Whole words instead of their pieces, where a piece that begins with a space begins a word: a word written looked
    /// where its pieces did on average; a word looked at has the weight of its pieces together. A piece that completes
    /// no character belongs to the word before it, but for the last one, which is the end of the text.
    pub fn over_words(&self) -> Attention {
        fn words(pieces: &[String]) -> (Vec<String>, Vec<usize>) {
            let (mut words, mut word_of) = (Vec::<String>::new(), vec![]);
            for (place, piece) in pieces.iter().enumerate() {
                let is_end = piece.is_empty() && place + 1 == pieces.len();
                match words.last_mut() {
                    Some(word) if !piece.starts_with(char::is_whitespace) && !is_end => word.push_str(piece),
                    _ => words.push(piece.trim_start().to_owned()),
                }
                word_of.push(words.len() - 1);
            }
            (words, word_of)
        }
        let ((rows, row_of), (columns, column_of)) = (words(&self.rows), words(&self.columns));
        let mut weights = vec![vec![0.0; columns.len()]; rows.len()];
        for (row, from) in row_of.iter().zip(&self.weights) {
            let pieces = row_of.iter().filter(|other| *other == row).count() as f64;
            for (column, weight) in column_of.iter().zip(from) {
                weights[*row][*column] += weight / pieces;
            }
        }
        Attention { rows, columns, weights }
    }
}

/// What `predict` is asked for beside the answer.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// How many answers.
    pub best: usize,
    /// Whether what was attended to is wanted.
    pub attention: bool,
    /// Whether a program reads the answer: numbers then have all their digits.
    pub exact: bool,
}

/// What a model says of one line.
#[derive(Clone, Debug, Default)]
pub struct Prediction {
    /// As a line of text.
    pub line: String,
    /// The best answers with their scores (probabilities, or log-probabilities), best first.
    pub best: Vec<(String, f64)>,
    /// What was attended to for the first answer.
    pub attention: Option<Attention>,
    /// How many tokens of the line were read, where it has more.
    pub cut_to: Option<usize>,
}

impl Prediction {
    /// The best answers with their probabilities; the line is the first with its own.
    pub fn of(best: Vec<(String, f64)>) -> Prediction {
        let line = best.first().map_or(String::new(), |(answer, p)| format!("{answer}\t{p:.4}"));
        Prediction { line, best, ..Prediction::default() }
    }
}

/// What `generate` is asked for.
#[derive(Clone, Debug)]
pub struct Generate {
    /// How it begins.
    pub prompt: String,
    /// Tokens to write.
    pub length: usize,
    /// Logits are divided by it; 0 takes the likeliest token each time.
    pub temperature: f64,
    /// Only so many of the likeliest tokens are drawn from.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together have this probability are drawn from.
    pub top_p: Option<f64>,
    /// Of the draws.
    pub seed: u64,
}

/// A text as tokens, at most `max_length`, and whether it was cut. A text may come to no tokens at all, where a
/// recurrence needs one: then it is an unknown one.
pub fn encode(text: &str, tokenizer: &Tokenizer, max_length: usize) -> Result<(Vec<u32>, bool)> {
    let mut ids = tokenizer.encode(text)?;
    let cut = ids.len() > max_length;
    ids.truncate(max_length);
    if ids.is_empty() {
        ids.push(tokenizer.specials().unk);
    }
    Ok((ids, cut))
}

/// The tokenizer that the first process trains, in every process.
pub fn trained(exchange: &dyn Exchange, train: impl FnOnce() -> Result<Tokenizer>) -> Result<Tokenizer> {
    if exchange.ranks() <= 1 {
        return train();
    }
    let json = broadcast(exchange, || Ok(train()?.to_json()?))?;
    Ok(Tokenizer::from_json("the first process's tokenizer", &json)?)
}

/// Sizes from a file are asked for memory before any weights show that they are wrong, so they have a limit.
pub fn check_sizes(sizes: &[(&str, usize)], dropout: f64) -> Result<()> {
    for (name, size) in sizes {
        if !(1..=limits::SIZE).contains(size) {
            let hint = format!("it must be from 1 to {}", limits::SIZE);
            return Err(Error::failure(format!("{name} is {size}"), hint));
        }
    }
    if !(0.0..1.0).contains(&dropout) {
        return Err(Error::failure(format!("dropout is {dropout}"), "it must be from 0 up, less than 1"));
    }
    Ok(())
}

/// The tokenizer of a task that has one. It and the model must number the same tokens.
pub fn check_tokenizer(tokenizer: Option<Tokenizer>, vocabulary_size: usize) -> Result<Tokenizer> {
    let whole = "the run folder must hold the files of one training, unchanged";
    let Some(tokenizer) = tokenizer else { return Err(Error::failure("there is no tokenizer", whole)) };
    match tokenizer.vocabulary_size() {
        size if size == vocabulary_size => Ok(tokenizer),
        size => Err(Error::failure(format!("vocabulary_size is {vocabulary_size}, the tokenizer's is {size}"), whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_over_words_keeps_the_weight_of_each_word() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
        let pieces = Attention {
            rows: names(&["I", " kn", "ow", ""]),
            columns: names(&["Jag", " v", "et"]),
            weights: vec![vec![0.5, 0.25, 0.25], vec![0.0, 1.0, 0.0], vec![0.0, 0.5, 0.5], vec![0.25, 0.25, 0.5]],
        };
        let words = pieces.over_words();
        assert_eq!((words.rows, words.columns), (names(&["I", "know", ""]), names(&["Jag", "vet"])));
        assert_eq!(words.weights, [vec![0.5, 0.5], vec![0.0, 1.0], vec![0.25, 0.75]]);

        // The bytes of a character in several pieces: it belongs to the last of them.
        let bytes = Attention {
            rows: names(&["a", ""]),
            columns: names(&["", "두", " ", "", "지", "x"]),
            weights: vec![vec![0.1, 0.2, 0.1, 0.1, 0.25, 0.25], vec![0.0, 0.0, 0.0, 0.0, 0.0, 1.0]],
        };
        let words = bytes.over_words();
        assert_eq!((words.rows, words.columns), (names(&["a", ""]), names(&["두", "지x"])));
        assert!((words.weights[0][0] - 0.3).abs() < 1e-12 && words.weights[1] == [0.0, 1.0], "{:?}", words.weights);
    }
}
