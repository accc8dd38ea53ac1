//! A step of training, recorded and walked back.

use crate::{batch::Batch, error::Result, task::Task};
use unspool::graph::{Gradients, Graph, Var};

/// Records a batch's mean loss, so far on in a training, and walks back as a step of training does.
///
/// # Errors
/// The first error of the recording.
pub fn gradients<'g, T: Task>(task: &T, graph: &'g Graph<'g>, batch: &T::Batch, progress: f64) -> Result<Gradients> {
    Ok(mean_loss(task, graph, batch, progress).backward()?)
}

/// A batch's mean loss, so far on in a training.
pub(crate) fn mean_loss<'g, T: Task>(task: &T, graph: &'g Graph<'g>, batch: &T::Batch, progress: f64) -> Var<'g> {
    task.training_loss(graph, batch, progress) * (1.0 / batch.loss_count().max(1) as f64)
}
