//! How good a model is on a part of the data.

use super::error::Result;
use crate::tasks::{Effort, Score, Task};
use rayon::prelude::*;
use unspool::{
    graph::{Graph, Params},
    text::{BatchSize, Buckets},
};

/// A part's mean loss and its score.
pub(crate) struct Evaluated {
    pub(crate) loss: f64,
    pub(crate) score: Score,
}

/// The loss and score of a part, and what the model says of each example. Batches are spread over the threads; sums keep the
/// batches' order.
pub(crate) fn part<T: Task>(
    task: &T,
    params: &Params,
    examples: &T::Examples,
    size: BatchSize,
    effort: Effort,
) -> Result<(Evaluated, Vec<T::Answer>)> {
    let batches = Buckets::pairs(task.lengths(examples), size, 0)?.sorted();
    let results: Vec<(f64, usize, Vec<T::Answer>)> = batches
        .par_iter()
        .map(|rows| {
            let batch = task.batch(examples, rows, None)?;
            let graph = Graph::new(params);
            Ok((sum_of_losses(task, &graph, &batch)?, task.weight(&batch), task.answers(params, &batch, effort)?))
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
    let answers: Vec<T::Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
    let score = task.score(examples, &answers)?;
    Ok((Evaluated { loss: losses / weights.max(1) as f64, score }, answers))
}

fn sum_of_losses<'g, T: Task>(task: &T, graph: &'g Graph<'g>, batch: &T::Batch) -> Result<f64> {
    Ok(task.loss(graph, batch, 1.0).item()?)
}
