//! The one training loop.

use super::{
    curve, data,
    error::{Error, Result},
    json::{Report, print},
    progress::Progress,
    run::{CURVE, METRICS, MODEL, RunFolder, TOKENIZER},
};
use crate::tasks::{Prepared, Score, Task};
use rayon::prelude::*;
use std::{collections::BTreeMap, path::PathBuf, time::Instant};
use unspool::{
    graph::{Gradients, Graph, Params, Var},
    nn::{Adam, schedule::linear_with_warm_up, sharded},
    text::Part,
};

/// A batch of this many rows or more is cut in two, so that two cores work on it. The cut depends on the batch alone.
const ROWS_TO_SHARD: usize = 16;

/// Gradients are shortened to this norm.
const LONGEST_GRADIENT: f64 = 1.0;

/// Steps over which the learning rate rises.
const WARM_UP: u64 = 200;

/// The share of the peak at which the learning rate ends.
const LAST_RATE: f64 = 0.05;

/// What all trainings are told.
pub(crate) struct Settings {
    /// Passes over the train part.
    pub(crate) epochs: u64,
    /// Of initial values, dropout and order.
    pub(crate) seed: u64,
    /// The peak of the learning rate.
    pub(crate) learning_rate: f64,
    /// Where the run folder shall be.
    pub(crate) out: Option<PathBuf>,
}

/// One row of metrics.csv and of the learning curve.
pub(crate) struct Epoch {
    /// From 1.
    pub(crate) number: u64,
    /// The mean loss over the epoch, dropout on.
    pub(crate) train_loss: f64,
    /// The mean loss on dev.
    pub(crate) dev_loss: f64,
    /// The score on dev.
    pub(crate) dev_score: f64,
}

/// Reads the data, trains, evaluates, and leaves a run folder and a line of JSON.
pub(crate) fn train<T: Task>(
    settings: &Settings,
    wanted: &data::Wanted<'_>,
    prepare: impl FnOnce(data::Splits) -> Result<Prepared<T>>,
) -> Result<()> {
    RunFolder::check(settings.out.as_deref())?;
    let Prepared { task, mut params } = prepare(data::read(wanted)?)?;
    params.check_all()?;
    let epochs = settings.epochs;
    let buckets = task.buckets(settings.seed)?;
    let batches_an_epoch = buckets.epoch(0).len() as u64;
    let total = epochs * batches_an_epoch;

    let folder = RunFolder::create(settings.out.as_deref(), T::NAME)?;
    let config = config(&task, settings)?;
    folder.write(super::run::CONFIG, &config)?;
    task.tokenizer().save(folder.file(TOKENIZER))?;
    let metadata = BTreeMap::from([("config".to_owned(), config)]);

    let progress = Progress::new(total);
    progress.say(&format!(
        "{}: {} parameters, {} rows to train on, {} for dev, {} for test",
        T::NAME,
        params.elements(),
        task.rows(Part::Train),
        task.rows(Part::Dev),
        task.rows(Part::Test)
    ));
    task.notes().iter().for_each(|note| progress.say(note));

    let (mut adam, mut history, mut best): (_, Vec<Epoch>, Option<Best>) = (Adam::new(), vec![], None);
    let (mut seconds, mut evaluation_seconds, mut step) = (0.0, 0.0, 0u64);
    for number in 1..=epochs {
        let began = Instant::now();
        let (mut losses, mut weights, mut tokens) = (0.0, 0, 0);
        for rows in buckets.epoch(number - 1) {
            let shards = shards(&task, &rows)?;
            let weight: usize = shards.iter().map(|shard| task.weight(shard)).sum();
            tokens += shards.iter().map(|shard| task.tokens(shard)).sum::<usize>();
            let (loss, mut gradients) =
                sharded(&params, Some((settings.seed, step)), &shards, |graph, shard| task.loss(graph, shard))?;
            finite(loss, number)?;
            prepare_gradients(&mut gradients, weight)?;
            let rate = linear_with_warm_up(step, WARM_UP.min(total / 10), total, settings.learning_rate, LAST_RATE);
            adam.step(&mut params, &gradients, rate)?;
            step += 1;
            losses += loss;
            weights += weight;
            progress.step(losses / weights.max(1) as f64, tokens as f64 / began.elapsed().as_secs_f64());
        }
        let took = began.elapsed().as_secs_f64();
        seconds += took;

        let began = Instant::now();
        progress.evaluating();
        let (dev_loss, score) = evaluate(&task, &params, Part::Dev)?;
        let epoch = Epoch { number, train_loss: losses / weights.max(1) as f64, dev_loss, dev_score: score.value };
        progress.say(&format!(
            "epoch {number}/{epochs}: train loss {:.4}, dev loss {dev_loss:.4}, dev {} {:.*}, {:.0} tokens/s, {took:.1} s",
            epoch.train_loss,
            T::METRIC,
            T::DIGITS,
            score.value,
            tokens as f64 / took,
        ));
        task.samples(&score).iter().for_each(|line| progress.say(line));
        history.push(epoch);
        folder.write(METRICS, &metrics(T::METRIC, &history))?;
        // A later epoch as good as an earlier one has seen more.
        if best.as_ref().is_none_or(|best| score.value >= best.score.value) {
            unspool::nn::checkpoint::save(&folder.file(MODEL), &params, &metadata)?;
            best = Some(Best { params: params.clone(), epoch: number, loss: dev_loss, score });
        }
        folder.write(CURVE, &curve::svg(T::NAME, T::METRIC, &history)?)?;
        evaluation_seconds += began.elapsed().as_secs_f64();
    }
    let Some(best) = best else { return Err(Error::misuse("--epochs is 0", "train for one epoch or more")) };

    let began = Instant::now();
    progress.evaluating();
    let (test_loss, test) = evaluate(&task, &best.params, Part::Test)?;
    evaluation_seconds += began.elapsed().as_secs_f64();
    progress.finish();
    let detail = test.signature.as_ref().map_or(String::new(), |signature| format!(" ({signature})"));
    progress.say(&format!(
        "test {} {:.*}{detail}, with the weights of epoch {}",
        T::METRIC,
        T::DIGITS,
        test.value,
        best.epoch
    ));
    progress.say(&format!("run folder: {}", folder.path().display()));
    print(&Report {
        task: T::NAME,
        seed: settings.seed,
        parameters: best.params.elements(),
        epochs,
        seconds,
        evaluation_seconds,
        dev: Report::part(Some(best.epoch), best.loss, T::METRIC, &best.score),
        test: Report::part(None, test_loss, T::METRIC, &test),
    })
}

/// The epoch to keep.
struct Best {
    params: Params,
    epoch: u64,
    loss: f64,
    score: Score,
}

fn shards<T: Task>(task: &T, rows: &[usize]) -> Result<Vec<T::Shard>> {
    let cut = if rows.len() >= ROWS_TO_SHARD { rows.len().div_ceil(2) } else { rows.len().max(1) };
    rows.chunks(cut).map(|rows| task.shard(Part::Train, rows)).collect()
}

fn finite(loss: f64, epoch: u64) -> Result<()> {
    if loss.is_finite() {
        return Ok(());
    }
    Err(Error::failure(
        format!("the loss is {loss} in epoch {epoch}: training has left the finite numbers"),
        "a lower --learning-rate may help; what was saved so far is whole",
    ))
}

fn prepare_gradients(gradients: &mut Gradients, weight: usize) -> Result<()> {
    gradients.scale(1.0 / weight.max(1) as f64);
    gradients.clip_norm(LONGEST_GRADIENT)?;
    Ok(())
}

/// The mean loss on a part, and its score. Batches are spread over the threads; sums keep the batches' order.
fn evaluate<T: Task>(task: &T, params: &Params, part: Part) -> Result<(f64, Score)> {
    let batches = task.evaluation_batches(part)?;
    let results: Vec<(f64, usize, Vec<T::Answer>)> = batches
        .par_iter()
        .map(|rows| {
            let shard = task.shard(part, rows)?;
            let graph = Graph::new(params);
            Ok((loss_of(task, &graph, &shard)?, task.weight(&shard), task.answer(params, &shard)?))
        })
        .collect::<Result<_>>()?;
    let (mut losses, mut weights) = (0.0, 0);
    let mut answers: Vec<(usize, T::Answer)> = vec![];
    for (rows, (loss, weight, found)) in batches.iter().zip(results) {
        losses += loss;
        weights += weight;
        answers.extend(rows.iter().copied().zip(found));
    }
    answers.sort_by_key(|(row, _)| *row);
    let score = task.score(part, answers.into_iter().map(|(_, answer)| answer).collect())?;
    Ok((losses / weights.max(1) as f64, score))
}

fn loss_of<'g, T: Task>(task: &T, graph: &'g Graph<'g>, shard: &T::Shard) -> Result<f64> {
    let loss: Var<'g> = task.loss(graph, shard);
    Ok(loss.item()?)
}

/// What a run folder says of itself, and its weights' header too: nothing that differs between equal runs.
fn config<T: Task>(task: &T, settings: &Settings) -> Result<String> {
    let mut table = task.config()?;
    table.insert("task".into(), T::NAME.into());
    let mut training = toml::Table::new();
    let whole = |name: &str, value: u64| {
        i64::try_from(value).map_err(|_| Error::misuse(format!("--{name} is {value}"), "the largest is 2^63 - 1"))
    };
    training.insert("epochs".into(), whole("epochs", settings.epochs)?.into());
    training.insert("seed".into(), whole("seed", settings.seed)?.into());
    training.insert("learning_rate".into(), settings.learning_rate.into());
    table.insert("training".into(), training.into());
    Ok(table.to_string())
}

fn metrics(metric: &str, history: &[Epoch]) -> String {
    let mut out = format!("epoch,train_loss,dev_loss,dev_{metric}\n");
    for epoch in history {
        out += &format!("{},{:.6},{:.6},{:.6}\n", epoch.number, epoch.train_loss, epoch.dev_loss, epoch.dev_score);
    }
    out
}
