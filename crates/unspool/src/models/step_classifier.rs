//! Many-to-many, aligned: a class at each step of a sequence of vectors.

use super::{config, labels};
use crate::{
    graph::{Param, Params, Var, init},
    nn::{AnyCell, CellKind, Linear, Recurrent, RecurrentConfig, Result, Sequence},
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`StepClassifier`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepClassifierConfig {
    /// Size of an input.
    pub input_size: usize,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of stacked layers of cells.
    pub layers: usize,
    /// Elements of an embedded input and of a state.
    pub hidden_size: usize,
    /// The number of classes.
    pub classes: usize,
}

impl StepClassifierConfig {
    /// Checks that every size is between 1 and 65536.
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("input_size", self.input_size),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
                ("classes", self.classes),
            ],
            0.0,
        )
    }
}

/// An embedding, layers of cells, and a readout at each step, with nothing else between them: what the model can
/// compute, its cell can.
///
/// An input is a vector with a one for each token that the step reads. Its embedding is the sum of the tokens' vectors,
/// which are normal at first.
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::{models::{StepClassifier, StepClassifierConfig}, nn::{CellKind, Sequence}};
/// let config = StepClassifierConfig { input_size: 3, cell: CellKind::MinGru, layers: 1, hidden_size: 8, classes: 2 };
/// let mut params = Params::seeded(0);
/// let model = StepClassifier::new(&mut params, &config);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.zeros([2, 4, 3]), &[4, 1]);
/// assert_eq!(*model.logits(&xs).rows().shape()?, [5, 2]); // of the real steps alone
/// let (all, two) = (model.loss(&xs, &[0, 1, 1, 0, 1]), model.loss(&xs, &[0, 2, 2, 2, 1]));
/// assert!(0.0 < two.item()? && two.item()? < all.item()?); // a step without an answer has one class more
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct StepClassifier {
    embedding: Param,
    cells: Recurrent<AnyCell>,
    readout: Linear,
}

impl StepClassifier {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &StepClassifierConfig) -> StepClassifier {
        let StepClassifierConfig { input_size, cell, layers, hidden_size, classes } = *config;
        let layers = RecurrentConfig { layers, ..RecurrentConfig::default() };
        StepClassifier {
            embedding: params.scope("embedding").add("weight", [input_size, hidden_size], init::normal(1.0)),
            cells: Recurrent::of(cell, params.scope("recurrence"), hidden_size, hidden_size, layers),
            readout: Linear::new(params.scope("readout"), hidden_size, classes),
        }
    }

    /// Returns the logits of each real step: inputs `[batch, time, input]` to `[batch, time, classes]`.
    #[track_caller]
    pub fn logits<'g>(&self, xs: &Sequence<'g>) -> Sequence<'g> {
        let embedded = xs.map(|rows| rows.matmul(self.embedding));
        let (hs, _) = self.cells.unroll(&embedded, self.cells.initial_state(xs.graph(), xs.batch()));
        hs.map(|rows| self.readout.apply(rows))
    }

    /// Returns Σ of the cross-entropy of each real step, for classes listed sequence after sequence. A step that
    /// has no right class is numbered as one class more and costs nothing.
    #[track_caller]
    pub fn loss<'g>(&self, xs: &Sequence<'g>, classes: &[u32]) -> Var<'g> {
        labels::labels_loss(&self.logits(xs), classes)
    }
}
