//! How good a model is on a part of the data.

use super::{
    data::Data,
    error::{Error, Result},
    json::{Evaluated, Report},
    lines,
    options::EvaluateOptions,
    processes,
    restore::restore,
    run::RunFolder,
    signals,
};
use crate::task::{Search, Task};
use serde_json::json;
use std::time::Instant;
use unspool::{
    graph::{Graph, Params},
    nn::exchange::{Exchange, OneProcess},
    text::{BatchSize, Buckets},
};

/// Scores a trained model on all of a file, in one line of JSON.
pub(crate) fn evaluate<T: Task>(folder: &RunFolder, options: &EvaluateOptions) -> Result<()> {
    let data = Data::new(&options.data, T::SETS, &OneProcess);
    let (task, params) = restore::<T>(folder)?;
    let hint = "give a file in the form, and with the columns, of the data that the model was trained on";
    let examples =
        task.examples(&data).map_err(|error| error.hint_for_options(&["--model", "--data", "--threads"], hint))?;
    let rows = task.lengths(&examples).len();
    if rows == 0 {
        return Err(Error::failure(format!("{}: nothing to score", data.name()), "give a file with examples"));
    }
    let began = Instant::now();
    let size = T::recipe(&T::Settings::default()).batch;
    let (evaluated, _) = part(&task, &params, &examples, size, Search::Full, &OneProcess)?;
    let mut line = json!({ "task": T::NAME, "data": data.name(), "rows": rows });
    if let (Some(line), serde_json::Value::Object(scores)) =
        (line.as_object_mut(), Report::part(None, &evaluated, T::METRIC.name))
    {
        line.extend(scores);
        line.insert("seconds".into(), json!(began.elapsed().as_secs_f64()));
    }
    lines::print(&line.to_string())
}

/// The loss and score of a part, and what the model says of each example, in every process. Batches are spread over
/// processes and threads; sums keep the batches' order.
///
/// A signal that was taken over ends it after the batches at hand. Several processes evaluate to the end first, so that
/// all of them stop at the same place.
pub(crate) fn part<T: Task>(
    task: &T,
    params: &Params,
    examples: &T::Examples,
    size: BatchSize,
    effort: Search,
    exchange: &dyn Exchange,
) -> Result<(Evaluated, Vec<T::Answer>)> {
    let batches = Buckets::pairs(task.lengths(examples), size, 0)?.sorted();
    let results = processes::distribute(exchange, batches.len(), |number| {
        if exchange.ranks() <= 1 {
            signals::check()?;
        }
        let batch = task.batch(examples, &batches[number], None)?;
        let graph = Graph::inference(params);
        let sums = (sum_of_losses(task, &graph, &batch)?, task.weight(&batch));
        Ok((sums, task.answers(params, &batch, effort)?))
    })?;
    let (mut losses, mut weights) = (0.0, 0);
    let mut answers: Vec<(usize, T::Answer)> = vec![];
    for (rows, ((loss, weight), found)) in batches.iter().zip(results) {
        losses += loss;
        weights += weight;
        answers.extend(rows.iter().copied().zip(found));
    }
    answers.sort_by_key(|(row, _)| *row);
    let answers: Vec<T::Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
    let score = task.score(examples, &answers)?;
    Ok((Evaluated { loss: losses / weights.max(1) as f64, score }, answers))
}

fn sum_of_losses<'g, T: Task>(task: &T, graph: &'g Graph<'g>, batch: &T::Batch) -> Result<f64> {
    Ok(task.loss(graph, batch, 1.0).item()?)
}
