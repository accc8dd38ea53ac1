//! How good a model is on a part of the data.

use super::{
    any_task::AnyTask,
    batch::Batch,
    cache::DataCache,
    chosen::Chosen,
    commands::EvaluateOptions,
    data::{Columns, Data},
    decoding::DecodingOptions,
    error::{Error, Result},
    examples::{Cut, Scored},
    format::Format,
    json::{self, Evaluated, Report},
    lines, processes,
    restore::{Restored, restore_all},
    run::RunFolder,
    signals,
    stage::Stage,
};
use crate::task::{Search, Task};
use serde_json::json;
use std::time::Instant;
use unspool::{
    graph::{Graph, Params},
    nn::exchange::{Exchange, OneProcess},
    text::{BatchSize, Buckets, Part},
};

/// Scores a trained model on all of a file, in one line of JSON.
pub(crate) fn evaluate<T: Task>(
    known: &'static dyn AnyTask,
    folder: &RunFolder,
    options: &EvaluateOptions,
) -> Result<()> {
    let others = &options.model[1..];
    if options.skip_bad_lines && !T::SPEC.by_lines {
        let message = format!("--skip-bad-lines: the data of {} is not read line by line", T::SPEC.name);
        return Err(Error::misuse(message, "leave it out"));
    }
    let Restored { task, params, columns } = restore_all::<T>(folder, others, &DecodingOptions::default())?;
    // A model of plain text has no columns: those of a table are the usual ones then.
    let columns = Columns::known(T::SPEC.columns, &columns).or_else(|| Columns::new(T::SPEC.columns, |_| None));
    let data = Data::new(&options.data, T::SPEC.sets, columns, &OneProcess)
        .limits(options.limits.limits())
        .skip_bad_lines(options.skip_bad_lines);
    let hint = "give a file in the form, and with the columns, of the data that the model was trained on";
    let read = || {
        Scored::new(&task, &task.read_to_score(&data)?, Part::Test, &Cut::default(), &DataCache::default(), &OneProcess)
    };
    let format = options.format;
    let options = ["--model", "--data", "--max-line", "--max-gzip-ratio", "--threads"];
    let examples = read().map_err(|error| error.hint_for_options(&options, hint))?;
    let rows = examples.examples.len();
    if rows == 0 {
        return Err(Error::failure(format!("{}: nothing to score", data.name()), "give a file with examples"));
    }
    let began = Instant::now();
    let size = Chosen::of_run(known, folder)?.size;
    let (evaluated, _) = part(&task, &params, &examples, size, Search::Full, &OneProcess)?;
    let mut line = json!({ "task": T::SPEC.name, "data": data.name(), "rows": rows });
    if let (Some(line), serde_json::Value::Object(scores)) =
        (line.as_object_mut(), Report::part(None, &evaluated, T::SPEC.metric.name))
    {
        line.extend(scores);
        if !others.is_empty() {
            // It is that of the first model alone.
            line.remove("loss");
        }
        line.insert("seconds".into(), json!(began.elapsed().as_secs_f64()));
    }
    lines::print(&match format {
        Format::Json => line.to_string(),
        Format::Text => json::text(&line),
    })
}

/// The loss and score of a part, and what the model says of each example, in every process. Batches are spread over
/// processes and threads; sums keep the batches' order.
///
/// A signal that was taken over ends it after the batches at hand. Several processes evaluate to the end first, so that
/// all of them stop at the same place.
pub(crate) fn part<T: Task>(
    task: &T,
    params: &Params,
    part: &Scored<T>,
    size: BatchSize,
    search: Search,
    exchange: &dyn Exchange,
) -> Result<(Evaluated, Vec<T::Answer>)> {
    let batches = Buckets::pairs(part.lengths.clone(), size, 0)?.sorted();
    let stage = Stage::of("evaluating", batches.len().div_ceil(exchange.ranks().max(1)) as u64);
    let results = processes::distribute(exchange, batches.len(), |number| {
        signals::check_if_alone(exchange)?;
        let rows = &batches[number];
        let batch = part.batch(task, rows)?;
        let graph = Graph::inference(params);
        let sums = (sum_of_losses(task, &graph, &batch)?, batch.loss_count());
        // The loss is that of the whole batch, whatever pieces a search answers it in.
        let pieces = Buckets::pairs(part.lengths_of(rows), search.batch_size(size), 0)?.sorted();
        let answers = match pieces.len() {
            1 => task
                .answers(params, &batch, search)?
                .into_iter()
                .zip(rows)
                .map(|(answer, row)| (*row, answer))
                .collect(),
            _ => {
                let mut answers = vec![];
                for piece in pieces {
                    let rows: Vec<usize> = piece.into_iter().map(|place| rows[place]).collect();
                    answers.extend(rows.iter().copied().zip(task.answers(
                        params,
                        &part.batch(task, &rows)?,
                        search,
                    )?));
                }
                answers
            }
        };
        stage.add(1);
        Ok((sums, answers))
    })?;
    drop(stage);
    let (mut losses, mut counts) = (0.0, 0);
    let mut answers: Vec<(usize, T::Answer)> = vec![];
    for ((loss, count), found) in results {
        losses += loss;
        counts += count;
        answers.extend(found);
    }
    answers.sort_by_key(|(row, _)| *row);
    let answers: Vec<T::Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
    let score = part.score(task, &answers)?;
    Ok((Evaluated { loss: losses / counts.max(1) as f64, score }, answers))
}

fn sum_of_losses<'g, T: Task>(task: &T, graph: &'g Graph<'g>, batch: &T::Batch) -> Result<f64> {
    Ok(task.loss(graph, batch).item()?)
}
