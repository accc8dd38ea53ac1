//! What a training reports while it runs and when it ends.

use unspool_graph::Params;

/// Holds how good a model is.
///
/// ```
/// use unspool_nn::training::Evaluation;
/// let found = Evaluation::of_loss(0.7).metric("accuracy", 0.8);
/// assert_eq!((found.score, found.get("accuracy"), found.get("bleu")), (-0.7, Some(0.8), None));
/// assert_eq!(Evaluation::of_score(0.8).score, 0.8);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// What decides which parameters are the best: more is better, so a loss is negated.
    pub score: f64,
    /// All metrics, by name.
    pub metrics: Vec<(String, f64)>,
}

impl Evaluation {
    /// Holds a score and no metric; more is better.
    pub fn of_score(score: f64) -> Evaluation {
        Evaluation { score, metrics: vec![] }
    }
    /// Holds a loss: its score is −loss.
    pub fn of_loss(loss: f64) -> Evaluation {
        Evaluation { score: -loss, metrics: vec![("loss".into(), loss)] }
    }
    /// Adds a metric.
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Evaluation {
        self.metrics.push((name.into(), value));
        self
    }
    /// Returns a metric by its name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// Holds an evaluation, and when it was made.
///
/// ```
/// # use unspool_nn::{Adam, training::{*, doc_example::Doubling}};
/// # let (mut params, objective) = Doubling::new(7);
/// let outcome = Trainer::new(2, |_| 0.1).run(&mut params, &mut Adam::new(), &objective, |_| {})?;
/// let Evaluated { step, epoch, train_loss, evaluation } = &outcome.history[1];
/// assert_eq!((*step, *epoch), (2, 2));
/// assert!(*train_loss > 0.0 && evaluation.get("loss") == Some(-evaluation.score));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The number of steps before it.
    pub step: u64,
    /// The number of whole epochs before it.
    pub epoch: u64,
    /// The mean loss over what was trained on since the evaluation before, dropout on.
    pub train_loss: f64,
    /// Its result.
    pub evaluation: Evaluation,
}

/// Reports a step that was done.
///
/// ```
/// # use unspool_nn::{Adam, training::{*, doc_example::Doubling}};
/// # let (mut params, objective) = Doubling::new(7);
/// let mut lines = vec![];
/// Trainer::new(2, |step| 0.1 / (step + 1) as f64).run(&mut params, &mut Adam::new(), &objective, |event| {
///     if let Event::Step(StepDone { step, epoch, batch, batches, rate, .. }) = event {
///         lines.push(format!("step {step}: epoch {epoch}, batch {batch} of {batches}, rate {rate}"));
///     }
/// })?;
/// assert_eq!(lines, ["step 1: epoch 0, batch 1 of 1, rate 0.1", "step 2: epoch 1, batch 1 of 1, rate 0.05"]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
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

/// Reports what just happened.
///
/// A training says what it does by calling a function with these; see the example of the [module](crate::training),
/// and:
///
/// ```
/// use unspool_nn::{Adam, Error, training::{Event, Trainer, doc_example::Doubling}};
/// let (mut params, objective) = Doubling::new(7);
/// let mut said = vec![];
/// Trainer::new(2, |_| 0.1).run(&mut params, &mut Adam::new(), &objective, |event| match event {
///     Event::Step(done) => said.push(format!("step {} of epoch {}", done.step, done.epoch)),
///     Event::Evaluated { is_best, .. } => said.push(format!("evaluated; the best so far: {is_best}")),
///     _ => {}
/// })?;
/// assert_eq!(said[0], "step 1 of epoch 0");
/// assert_eq!(said[1], "evaluated; the best so far: true");
/// assert_eq!(said.len(), 4);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A checkpoint was read; the training goes on from there.
    Resumed {
        /// The number of steps before it.
        step: u64,
        /// The number of whole epochs before it.
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
        /// The evaluation.
        evaluated: &'a Evaluated,
        /// Whether no earlier one was better.
        is_best: bool,
    },
}

/// Says why a training ended.
///
/// ```
/// # use unspool_nn::{Adam, training::{*, doc_example::Doubling}};
/// # let (mut params, objective) = Doubling::new(7);
/// let patient = Trainer::new(1000, |_| 0.0).patience(2).run(&mut params, &mut Adam::new(), &objective, |_| {})?;
/// assert_eq!((patient.stop_reason, patient.steps), (StopReason::Early, 3)); // at a rate of 0 nothing gets better
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// All epochs are done.
    Finished,
    /// The score has not grown for as long as the patience lasts.
    Early,
    /// It was stopped from outside; it can be resumed.
    Stopped,
}

/// Holds the result of a training.
///
/// ```
/// # use unspool_nn::{Adam, training::{*, doc_example::Doubling}};
/// # let (mut params, objective) = Doubling::new(7);
/// let outcome = Trainer::new(30, |_| 0.1).run(&mut params, &mut Adam::new(), &objective, |_| {})?;
/// assert_eq!((outcome.stop_reason, outcome.steps, outcome.history.len()), (StopReason::Finished, 30, 30));
/// let best = outcome.best().unwrap();
/// assert!(outcome.history.iter().all(|other| other.evaluation.score <= best.evaluation.score));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Why it ended.
    pub stop_reason: StopReason,
    /// How many steps were done, with those before it was resumed.
    pub steps: u64,
    /// All evaluations, with those before it was resumed.
    pub history: Vec<Evaluated>,
    /// The parameters of the best evaluation, averaged where that was asked for.
    pub best_params: Option<Params>,
    pub(super) best_index: Option<usize>,
}

impl Outcome {
    /// Returns the best evaluation. Of equal ones it is the last: it has seen more.
    pub fn best(&self) -> Option<&Evaluated> {
        self.best_index.and_then(|index| self.history.get(index))
    }
}
