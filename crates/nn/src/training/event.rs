//! What a training says of itself while it runs and when it ends.

use unspool_graph::Params;

/// How good a model is.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// What decides which parameters are the best: more is better. A loss comes with its sign turned.
    pub score: f64,
    /// All that is worth knowing, by name.
    pub metrics: Vec<(String, f64)>,
}

impl Evaluation {
    /// A score, for which more is better, and no more.
    pub fn of_score(score: f64) -> Evaluation {
        Evaluation { score, metrics: vec![] }
    }
    /// A loss: its score is −loss.
    pub fn of_loss(loss: f64) -> Evaluation {
        Evaluation { score: -loss, metrics: vec![("loss".into(), loss)] }
    }
    /// With one metric more.
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Evaluation {
        self.metrics.push((name.into(), value));
        self
    }
    /// A metric by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// An evaluation, and when it was.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// After so many steps.
    pub step: u64,
    /// After so many whole epochs.
    pub epoch: u64,
    /// The mean loss over what was trained on since the evaluation before, dropout on.
    pub train_loss: f64,
    /// What it found.
    pub evaluation: Evaluation,
}

/// A step that was done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepDone {
    /// The epoch it is of, from 0.
    pub epoch: u64,
    /// How many of the epoch's batches are done.
    pub batch: usize,
    /// How many the epoch has.
    pub batches: usize,
    /// How many steps are done in all.
    pub step: u64,
    /// The mean loss of the step.
    pub loss: f64,
    /// The mean loss since the last evaluation.
    pub train_loss: f64,
    /// What the loss is a mean over.
    pub weight: f64,
    /// The learning rate it was done at.
    pub rate: f64,
    /// The gradient's norm before clipping.
    pub norm: f64,
}

/// What just happened.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A checkpoint was read; the training goes on from there.
    Resumed {
        /// After so many steps.
        step: u64,
        /// After so many whole epochs.
        epoch: u64,
        /// All evaluations so far.
        history: &'a [Evaluated],
    },
    /// A step was done.
    Step(StepDone),
    /// An evaluation begins.
    Evaluating,
    /// An evaluation was done, and is saved.
    Evaluated {
        /// It.
        evaluated: &'a Evaluated,
        /// Whether no earlier one was better.
        is_best: bool,
    },
}

/// Why a training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All epochs are done.
    Finished,
    /// The score has not grown for as long as the patience lasts.
    Early,
    /// It was asked to; it can be resumed.
    Stopped,
}

/// A training that ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub ended: Ended,
    /// How many steps were done, with those before it was resumed.
    pub steps: u64,
    /// All evaluations, with those before it was resumed.
    pub history: Vec<Evaluated>,
    /// The parameters of the best evaluation, averaged where that was asked for.
    pub best_params: Option<Params>,
    pub(super) best_index: Option<usize>,
}

impl Outcome {
    /// The best evaluation. Of equals it is the last: it has seen more.
    pub fn best(&self) -> Option<&Evaluated> {
        self.best_index.and_then(|index| self.history.get(index))
    }
}
