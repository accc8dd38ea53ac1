//! The one training loop.

use super::{
    curve,
    data::Data,
    error::{Error, Result},
    json::{Report, print},
    options::Chosen,
    predict::TASK,
    progress::Progress,
    run::{CONFIG, CURVE, METRICS, MODEL, RunFolder, SAVED, TOKENIZER},
};
use crate::tasks::{Effort, Loss, Prepared, Recipe, Score, Step, Task};
use rayon::prelude::*;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};
use unspool::{
    graph::{Draw, Graph, Params, Precision, Tensor},
    nn::{Adam, schedule::linear_with_warm_up, sharded},
    text::{BatchSize, Buckets},
};

/// A batch of this many rows or more is cut in two, so that two cores work on it. The cut depends on the batch alone.
const ROWS_TO_SHARD: usize = 16;

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
pub(crate) fn train<T: Task>(chosen: Chosen<T>) -> Result<()> {
    RunFolder::check(chosen.out.as_deref())?;
    let Prepared { saved, tokenizer, parts } = T::prepare(&chosen.settings, &Data::new(&chosen.data), chosen.seed)?;
    let mut params = Params::seeded(chosen.seed);
    let task = T::restore(saved, tokenizer, &mut params)?;
    params.check_all()?;
    if chosen.precision == Precision::F64 {
        params = params.to_f64();
    }
    let Recipe { epochs, learning_rate, batch, warm_up, last_rate, clip_norm } = chosen.recipe;
    let seed = chosen.seed;
    let order = |epoch| task.order(&parts.train, batch, seed, epoch);
    let total = epochs * order(0)?.len() as u64;

    let folder = RunFolder::create(chosen.out.as_deref(), T::NAME)?;
    folder.write(CONFIG, &chosen.config.to_string())?;
    let saved = saved_text(&task)?;
    folder.write(SAVED, &saved)?;
    if let Some(tokenizer) = task.tokenizer() {
        tokenizer.save(folder.file(TOKENIZER))?;
    }
    let metadata = BTreeMap::from([("model".to_owned(), saved)]);

    let progress = Progress::new(total, T::UNIT);
    let rows = |examples| task.lengths(examples).len();
    progress.say(&format!(
        "{}: {} parameters, {} rows to train on, {} for dev, {} for test",
        T::NAME,
        params.elements(),
        rows(&parts.train),
        rows(&parts.dev),
        rows(&parts.test)
    ));
    task.notes(&parts).iter().for_each(|note| progress.say(note));

    let (mut adam, mut history, mut best): (_, Vec<Epoch>, Option<Best>) = (Adam::new(), vec![], None);
    let (mut seconds, mut evaluation_seconds, mut step, mut all_tokens) = (0.0, 0.0, 0u64, 0usize);
    for number in 1..=epochs {
        let began = Instant::now();
        let (mut losses, mut weights, mut tokens) = (0.0, 0, 0);
        let draw = Draw::seed(seed).text("examples").word(number - 1);
        let mut carried: Vec<Vec<Tensor>> = vec![];
        for rows in order(number - 1)? {
            let shards = shards(&task, &parts.train, &rows, draw, carried)?;
            let weight: usize = shards.iter().map(|shard| task.weight(&shard.batch)).sum();
            tokens += shards.iter().map(|shard| task.tokens(&shard.batch)).sum::<usize>();
            let progress_made = step as f64 / total as f64;
            let (loss, mut gradients) = sharded(&params, Some((seed, step)), &shards, |graph, shard| {
                let step = Step { progress: progress_made, carried: &shard.carried };
                let Loss { sum, carry } = task.loss(graph, &shard.batch, step);
                // A failed recording says so through its loss.
                let values = carry.iter().filter_map(|state| state.value().ok()).collect();
                *shard.next.lock().unwrap_or_else(PoisonError::into_inner) = values;
                sum
            })?;
            finite(loss, number)?;
            gradients.scale(1.0 / weight.max(1) as f64);
            gradients.clip_norm(clip_norm)?;
            let rate = linear_with_warm_up(step, warm_up.min(total / 10), total, learning_rate, last_rate);
            adam.step(&mut params, &gradients, rate)?;
            carried = shards
                .into_iter()
                .map(|shard| shard.next.into_inner().unwrap_or_else(PoisonError::into_inner))
                .collect();
            step += 1;
            losses += loss;
            weights += weight;
            progress.step(losses / weights.max(1) as f64, tokens as f64 / began.elapsed().as_secs_f64());
        }
        let took = began.elapsed().as_secs_f64();
        seconds += took;
        all_tokens += tokens;

        let began = Instant::now();
        progress.evaluating();
        let (dev_loss, answers) = evaluate(&task, &params, &parts.dev, batch, Effort::Quick)?;
        let score = task.score(&parts.dev, &answers)?;
        let epoch = Epoch { number, train_loss: losses / weights.max(1) as f64, dev_loss, dev_score: score.value };
        progress.say(&format!(
            "epoch {number}/{epochs}: train loss {:.4}, dev loss {dev_loss:.4}, dev {} {:.*}, {:.0} {}/s, {took:.1} s",
            epoch.train_loss,
            T::METRIC.name,
            T::METRIC.digits,
            score.value,
            tokens as f64 / took,
            T::UNIT,
        ));
        for (number, answer) in answers.iter().enumerate().take(T::SAMPLES) {
            for (heading, text) in task.row(&parts.dev, number, answer) {
                progress.say(&format!("  {heading:<10} {text}"));
            }
            progress.say("");
        }
        history.push(epoch);
        folder.write(METRICS, &metrics(T::METRIC.name, &history))?;
        // A later epoch as good as an earlier one has seen more.
        if best.as_ref().is_none_or(|best| T::METRIC.as_good(score.value, best.score.value)) {
            unspool::nn::checkpoint::save(&folder.file(MODEL), &params, &metadata)?;
            best = Some(Best { params: params.clone(), epoch: number, loss: dev_loss, score });
        }
        folder.write(CURVE, &curve::svg(T::NAME, T::METRIC.name, &history)?)?;
        evaluation_seconds += began.elapsed().as_secs_f64();
    }
    let Some(best) = best else { return Err(Error::misuse("--epochs is 0", "train for one epoch or more")) };

    let began = Instant::now();
    progress.evaluating();
    let (test_loss, answers) = evaluate(&task, &best.params, &parts.test, batch, Effort::Full)?;
    let test = task.score(&parts.test, &answers)?;
    let baselines = task.baselines(&parts)?;
    evaluation_seconds += began.elapsed().as_secs_f64();
    progress.finish();
    let detail = test.signature.as_ref().map_or(String::new(), |signature| format!(" ({signature})"));
    progress.say(&format!(
        "test {} {:.*}{detail}, with the weights of epoch {}",
        T::METRIC.name,
        T::METRIC.digits,
        test.value,
        best.epoch
    ));
    progress.say(&format!("run folder: {}", folder.path().display()));
    print(&Report {
        task: T::NAME,
        seed,
        parameters: best.params.elements(),
        epochs,
        seconds,
        evaluation_seconds,
        per_second: json!({ T::UNIT: all_tokens as f64 / seconds }),
        dev: Report::part(Some(best.epoch), best.loss, T::METRIC.name, &best.score),
        test: Report::part(None, test_loss, T::METRIC.name, &test),
        baselines: baselines.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect(),
    })
}

/// The epoch to keep.
struct Best {
    params: Params,
    epoch: u64,
    loss: f64,
    score: Score,
}

/// Some of a batch's rows, with what the step before handed on for them and what this one hands on.
struct Shard<B> {
    batch: B,
    carried: Vec<Tensor>,
    next: Mutex<Vec<Tensor>>,
}

fn shards<T: Task>(
    task: &T,
    examples: &T::Examples,
    rows: &[usize],
    draw: Draw,
    carried: Vec<Vec<Tensor>>,
) -> Result<Vec<Shard<T::Batch>>> {
    let cut = if rows.len() >= ROWS_TO_SHARD { rows.len().div_ceil(2) } else { rows.len().max(1) };
    let mut carried = carried.into_iter();
    rows.chunks(cut)
        .map(|rows| {
            let batch = task.batch(examples, rows, Some(draw))?;
            Ok(Shard { batch, carried: carried.next().unwrap_or_default(), next: Mutex::default() })
        })
        .collect()
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

/// The mean loss on a part, and what the model says of each example. Batches are spread over the threads; sums keep the batches'
/// order.
pub(crate) fn evaluate<T: Task>(
    task: &T,
    params: &Params,
    examples: &T::Examples,
    size: BatchSize,
    effort: Effort,
) -> Result<(f64, Vec<T::Answer>)> {
    let batches = Buckets::pairs(task.lengths(examples), size, 0)?.sorted();
    let results: Vec<(f64, usize, Vec<T::Answer>)> = batches
        .par_iter()
        .map(|rows| {
            let batch = task.batch(examples, rows, None)?;
            let graph = Graph::new(params);
            Ok((loss_of(task, &graph, &batch)?, task.weight(&batch), task.answers(params, &batch, effort)?))
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
    Ok((losses / weights.max(1) as f64, answers.into_iter().map(|(_, answer)| answer).collect()))
}

fn loss_of<'g, T: Task>(task: &T, graph: &'g Graph<'g>, batch: &T::Batch) -> Result<f64> {
    Ok(task.loss(graph, batch, Step { progress: 1.0, carried: &[] }).sum.item()?)
}

/// What a run folder says of its model, and its weights' header too: nothing that differs between equal runs.
fn saved_text<T: Task>(task: &T) -> Result<String> {
    let mut table = toml::Table::try_from(task.saved())
        .map_err(|cause| Error::failure(format!("what the model needs to know is no TOML: {cause}"), ""))?;
    table.insert(TASK.into(), T::NAME.into());
    Ok(table.to_string())
}

fn metrics(metric: &str, history: &[Epoch]) -> String {
    let mut out = format!("epoch,train_loss,dev_loss,dev_{metric}\n");
    for epoch in history {
        out += &format!("{},{:.6},{:.6},{:.6}\n", epoch.number, epoch.train_loss, epoch.dev_loss, epoch.dev_score);
    }
    out
}
