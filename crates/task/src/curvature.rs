//! How sharply the loss curves around the weights that were learned.

use crate::{error::Result, examples::Scored, gradients::mean_loss, number::significant, task::Task};
use unspool::graph::{Gradients, Graph, Params, RngKey};

/// Examples whose loss is looked at.
const EXAMPLES: usize = 4;
/// Each costs about as much as six steps of training on these examples.
const POWER_ITERATIONS: usize = 12;

/// The eigenvalue of greatest size, with its sign, of the Hessian of the mean loss of a few examples of a part.
pub(crate) struct LargestEigenvalue {
    pub(crate) value: f64,
    pub(crate) examples: usize,
}

impl LargestEigenvalue {
    /// Estimates it by power iteration, v ← H·v / ‖H·v‖, with ⟨v, H·v⟩ of the last v. `None` where the loss has no
    /// curvature along any parameter, and where there is nothing to look at.
    pub(crate) fn of<T: Task>(task: &T, params: &Params, part: &Scored<T>) -> Result<Option<LargestEigenvalue>> {
        let rows = part.of_middle_length(EXAMPLES)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let graph = Graph::new(params);
        let loss = mean_loss(task, &graph, &part.batch(task, &rows)?, 0.0);
        let mut v = Gradients::random(params, RngKey::seed(0));
        let mut value = 0.0;
        for _ in 0..POWER_ITERATIONS {
            let norm = v.norm();
            if norm == 0.0 || !norm.is_finite() {
                return Ok(None);
            }
            v.scale(1.0 / norm);
            let curved = loss.hessian_vector(&v.tangents())?;
            value = v.dot(&curved)?;
            v = curved;
        }
        Ok(value.is_finite().then_some(LargestEigenvalue { value, examples: rows.len() }))
    }

    /// One line for people.
    pub(crate) fn line(&self) -> String {
        format!(
            "{}, of the mean loss of {} examples of dev, by {POWER_ITERATIONS} power iterations",
            significant(self.value, 3),
            self.examples
        )
    }
}
