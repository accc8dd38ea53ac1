//! The examples of the three parts: those to learn from, which processes share out or which are made anew in each
//! epoch, and those to be scored, which every process has.

use crate::{
    cache::DataCache,
    data::Stream,
    draw::Draw,
    error::{Error, Result},
    labels::Unknown,
    number::counted,
    processes::all_gather,
    rows::{Made, MadeRow, Rows},
    source::{Drawn, Kind, Source},
    task::{Score, Task},
};
use serde::{Serialize, de::DeserializeOwned};
use std::sync::atomic::{AtomicUsize, Ordering};
use unspool::{
    graph::RngKey,
    nn::{exchange::Exchange, parallel_map},
    text::{BatchSize, Buckets, Part},
};

type RowOf<T> = <<T as Task>::Source as Source>::Row;

/// How many sequences were cut, and to which length.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    count: AtomicUsize,
    length: AtomicUsize,
}

impl Cut {
    fn add(&self, (count, length): (usize, usize)) {
        if count > 0 {
            self.count.fetch_add(count, Ordering::Relaxed);
            self.length.fetch_max(length, Ordering::Relaxed);
        }
    }

    /// A line to show before training, if something was cut in one of the processes. All call it.
    pub(crate) fn note(&self, exchange: &dyn Exchange) -> Result<Option<String>> {
        let own = (self.count.load(Ordering::Relaxed), self.length.load(Ordering::Relaxed));
        let all = all_gather(exchange, own)?;
        let (count, length) = all.iter().fold((0, 0), |(n, longest), one| (n + one.0, longest.max(one.1)));
        Ok((count > 0).then(|| format!("cut to {length} tokens: {}", counted(count as u64, "text"))))
    }
}

/// The train part.
pub(crate) enum Train<T: Task> {
    /// Examples of rows, of which this process has some.
    Kept(Rows<T::Example>),
    /// The texts of rows, of which this process has some, for examples that are other ones in each epoch: the share of
    /// merges that BPE dropout leaves out.
    Texts(Rows<Vec<String>>, f64),
    /// Examples that are made when they are needed.
    Drawn(Drawn<RowOf<T>>),
}

/// Makes the examples of the rows that are this process's, or takes those that an earlier training has made of them.
/// `keep` says what of a row and its example is kept.
fn made<T: Task, K: Serialize + DeserializeOwned + Send + Sync>(
    task: &T,
    stream: &Stream<RowOf<T>>,
    part: &str,
    draw: impl Fn(usize) -> Draw + Sync,
    keep: impl Fn(RowOf<T>, T::Example) -> K + Sync,
    cache: &DataCache,
    exchange: &dyn Exchange,
) -> Result<Made<K>> {
    let (rank, ranks) = (exchange.rank().to_string(), exchange.ranks().to_string());
    cache.get_or_make(&[part, &stream.columns.join("\t"), &rank, &ranks], || {
        Made::new(exchange, stream.rows()?, |number, row| {
            let draw = draw(number);
            let example = task.example(&row, &draw)?;
            Ok(MadeRow { lengths: task.lengths(&example), example: keep(row, example), cut: draw.was_cut() })
        })
    })
}

impl<T: Task> Train<T> {
    /// Makes the examples of rows; others are made later, and so are those of texts that lose this share of merges.
    pub(crate) fn new(
        task: &T,
        source: &T::Source,
        bpe_dropout: f64,
        cut: &Cut,
        cache: &DataCache,
        exchange: &dyn Exchange,
    ) -> Result<Train<T>> {
        let draw = |number| Draw::training(number, RngKey::seed(0));
        match source.kind() {
            Kind::Drawn(drawn) => Ok(Train::Drawn(drawn.clone())),
            Kind::Rows(stream) if bpe_dropout > 0.0 => {
                let texts = |row, _| T::Source::texts(&row).unwrap_or_default().to_vec();
                let made = made(task, stream, "texts", draw, texts, cache, exchange)?;
                cut.add(made.cut);
                Ok(Train::Texts(Rows::new(made, exchange)?, bpe_dropout))
            }
            Kind::Rows(stream) => {
                let made = made(task, stream, "train", draw, |_, example| example, cache, exchange)?;
                cut.add(made.cut);
                Ok(Train::Kept(Rows::new(made, exchange)?))
            }
        }
    }

    /// The lengths of all examples.
    pub(crate) fn lengths(&self) -> &[(usize, usize)] {
        match self {
            Train::Kept(rows) => rows.lengths(),
            Train::Texts(rows, _) => rows.lengths(),
            Train::Drawn(drawn) => &drawn.lengths,
        }
    }

    /// The batches of an epoch, as numbers of examples.
    pub(crate) fn order(&self, size: BatchSize, seed: u64, epoch: u64) -> Result<Vec<Vec<usize>>> {
        match self {
            Train::Drawn(Drawn { batches: Some(batches), .. }) => Ok(batches.clone()),
            _ => Ok(Buckets::pairs(self.lengths().to_vec(), size, seed)?.epoch(epoch)),
        }
    }

    /// Gives each process the examples that it needs, by rank. All call it at the same place.
    pub(crate) fn fetch(&mut self, needed: &[Vec<usize>], exchange: &dyn Exchange) -> Result<()> {
        match self {
            Train::Kept(rows) => rows.fetch(needed, exchange),
            Train::Texts(rows, _) => rows.fetch(needed, exchange),
            Train::Drawn(_) => Ok(()),
        }
    }

    /// How many time steps these examples have.
    pub(crate) fn units(&self, numbers: &[usize]) -> usize {
        numbers.iter().filter_map(|number| self.lengths().get(*number)).map(|(input, output)| input + output).sum()
    }

    /// Arrays of these examples, in an epoch of this key.
    pub(crate) fn batch(&self, task: &T, numbers: &[usize], key: RngKey) -> Result<T::Batch> {
        let examples = match self {
            Train::Kept(rows) => rows.chosen(numbers)?,
            Train::Texts(rows, rate) => {
                let none = || Error::failure("a row is not made of texts alone", "");
                let make = |(texts, number): (Vec<String>, &usize)| {
                    let row = T::Source::row_of_texts(texts).ok_or_else(none)?;
                    task.example(&row, &Draw::training(*number, key).bpe_dropout(*rate))
                };
                rows.chosen(numbers)?.into_iter().zip(numbers).map(make).collect::<Result<Vec<_>>>()?
            }
            Train::Drawn(drawn) => {
                let make = |number: &usize| task.example(&drawn.material, &Draw::training(*number, key));
                numbers.iter().map(make).collect::<Result<Vec<_>>>()?
            }
        };
        task.batch(&examples.iter().collect::<Vec<_>>())
    }
}

/// A part that is scored.
pub(crate) struct Scored<T: Task> {
    pub(crate) examples: Vec<T::Example>,
    pub(crate) lengths: Vec<(usize, usize)>,
}

impl<T: Task> Scored<T> {
    /// Makes all examples.
    pub(crate) fn new(
        task: &T,
        source: &T::Source,
        part: Part,
        cut: &Cut,
        cache: &DataCache,
        exchange: &dyn Exchange,
    ) -> Result<Scored<T>> {
        let draw = |number| Draw::scored(number, part);
        let (examples, lengths) = match source.kind() {
            Kind::Drawn(drawn) => {
                let make = |number| {
                    let draw = draw(number);
                    let example = task.example(&drawn.material, &draw)?;
                    cut.add(draw.was_cut());
                    Ok(example)
                };
                let examples = parallel_map((0..drawn.lengths.len()).collect(), make);
                (examples.into_iter().collect::<Result<Vec<_>>>()?, drawn.lengths.clone())
            }
            Kind::Rows(stream) => {
                let name = if part == Part::Dev { "dev" } else { "test" };
                let made = made(task, stream, name, draw, |_, example| example, cache, exchange)?;
                cut.add(made.cut);
                made.into_scored(exchange)?
            }
        };
        let scored = Scored { examples, lengths };
        let labels = scored.examples.iter().filter_map(|example| task.labels(example));
        let count = labels.map(|labels| labels.ids().len()).sum();
        let name = match source.kind() {
            Kind::Rows(stream) => stream.file.clone(),
            Kind::Drawn(_) => String::new(),
        };
        scored.unknown(task).check(&name, count)?;
        Ok(scored)
    }

    /// The labels that the train part does not have.
    pub(crate) fn unknown<'a>(&'a self, task: &'a T) -> Unknown<'a> {
        Unknown::of(self.examples.iter().filter_map(|example| task.labels(example)))
    }

    /// So many examples at most, of like lengths: the batch in the middle, if all are sorted by length.
    pub(crate) fn of_middle_length(&self, count: usize) -> Result<Vec<usize>> {
        let mut batches = Buckets::pairs(self.lengths.clone(), BatchSize::Rows(count), 0)?.sorted();
        let middle = batches.len() / 2;
        Ok(if batches.is_empty() { vec![] } else { batches.swap_remove(middle) })
    }

    /// The lengths of these examples.
    pub(crate) fn lengths_of(&self, numbers: &[usize]) -> Vec<(usize, usize)> {
        numbers.iter().filter_map(|number| self.lengths.get(*number)).copied().collect()
    }

    /// Arrays of these examples.
    pub(crate) fn batch(&self, task: &T, numbers: &[usize]) -> Result<T::Batch> {
        let missing = || Error::failure("an example is needed that is not there", "");
        let chosen = numbers.iter().map(|number| self.examples.get(*number).ok_or_else(missing));
        task.batch(&chosen.collect::<Result<Vec<_>>>()?)
    }

    /// The metric, and how many labels nobody could know.
    pub(crate) fn score(&self, task: &T, answers: &[T::Answer]) -> Result<Score> {
        Ok(task.score(&self.examples, answers)?.with(self.unknown(task).score()))
    }
}
