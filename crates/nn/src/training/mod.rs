//! The training loop: epochs, evaluation, the best and the last checkpoint, early stopping, and going on after a stop
//! as if there had been none. Take it or leave it: it is made of [`sharded`](crate::sharded) gradients, an
//! [`Optimizer`] and [`checkpoint`], and a loop of your own can use the same.
//!
//! An [`Objective`] says what is trained on; a [`Trainer`] says how. Nothing random is saved: the order of the data is
//! a function of the seed and the epoch, and every draw a function of the seed and the step. So a checkpoint holds the
//! parameters, the optimizer's arrays and a few counts, and a run that was killed goes on to the same bits as one that
//! was not, at any number of threads.
//!
//! ```
//! use unspool_graph::{Graph, Params, Tensor, Var};
//! use unspool_nn::training::{Evaluation, Event, Objective, Trainer};
//! use unspool_nn::{Adam, Error, Linear, sharded};
//!
//! /// y = 2 x, from 64 examples in batches of 16, each of them in two shards.
//! struct Doubling(Linear);
//!
//! impl Objective for Doubling {
//!     type Batch = [usize; 2];                                        // from, to
//!     type Shard = Vec<f32>;
//!     type Error = Error;
//!
//!     fn epoch(&self, _epoch: u64) -> Result<Vec<[usize; 2]>, Error> {
//!         Ok((0..4).map(|i| [16 * i, 16 * i + 16]).collect())
//!     }
//!     fn shards(&self, _batch: &[usize; 2]) -> usize { 2 }
//!     fn shard(&self, &[from, _]: &[usize; 2], number: usize) -> Result<Vec<f32>, Error> {
//!         Ok((0..8).map(|i| (from + 8 * number + i) as f32 / 64.0).collect())
//!     }
//!     fn weight(&self, shard: &Vec<f32>) -> f64 { shard.len() as f64 }
//!     fn loss<'g>(&self, graph: &'g Graph<'g>, shard: &Vec<f32>) -> Var<'g> {
//!         let x = graph.input(shard.clone()).reshape([8, 1]);
//!         (self.0.apply(x) - x * 2.0).powi(2).sum_all()
//!     }
//!     fn evaluate(&self, params: &Params) -> Result<Evaluation, Error> {
//!         let batch = self.shard(&[48, 64], 0)?;
//!         let (loss, _) = sharded(params, None, &[batch], |graph, shard| self.loss(graph, shard))?;
//!         Ok(Evaluation::of_loss(loss / 8.0))
//!     }
//! }
//!
//! let mut params = Params::seeded(7);
//! let objective = Doubling(Linear::new(params.scope("layer"), 1, 1));
//! let mut steps = 0;
//! let outcome = Trainer::new(60, |_step| 0.05).seed(7).clip_norm(1.0).patience(10).run(
//!     &mut params,
//!     &mut Adam::new(),
//!     &objective,
//!     |event| if let Event::Step(step) = event { steps = step.step },
//! )?;
//! assert_eq!(outcome.steps, steps);
//! assert!(outcome.best().unwrap().evaluation.score > -0.01);
//! # Ok::<(), Error>(())
//! ```

#[doc(hidden)]
pub mod doc_example;
mod erased;
mod event;
mod state;

pub use event::{Evaluated, Evaluation, Event, Outcome, StepDone, StopReason};

use crate::{
    Error, Result, checkpoint,
    exchange::{Exchange, OneProcess, Reduce, Reducer, Sums, owned},
    optimizer::{Averaged, Optimizer, StepParams},
    parallel_map,
    schedule::{Lowered, OnPlateau},
};
use erased::{Epochs, ErasedObjective};
use state::State;
use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};
use unspool_graph::{Graph, Params, Tensor, Var};

/// Names the file of the best parameters in the folder of [`Trainer::checkpoints`].
pub const BEST: &str = "model.safetensors";

/// Names the file of the last step in that folder, from which [`Trainer::resume`] goes on.
pub const LAST: &str = "training.safetensors";

/// Defines what is trained: batches, loss and evaluation.
///
/// ```
/// use unspool_graph::{Graph, Params, Var};
/// use unspool_nn::{Adam, Error, Linear, training::{Evaluation, Objective, Trainer}};
/// /// y = 2 x.
/// struct Doubling(Linear);
///
/// impl Objective for Doubling {
///     type Batch = ();
///     type Shard = Vec<f32>;
///     type Error = Error;
///     fn epoch(&self, _epoch: u64) -> Result<Vec<()>, Error> { Ok(vec![()]) }
///     fn shard(&self, _batch: &(), _number: usize) -> Result<Vec<f32>, Error> { Ok(vec![0.5, 1.0, -1.0]) }
///     fn weight(&self, shard: &Vec<f32>) -> f64 { shard.len() as f64 }
///     fn loss<'g>(&self, graph: &'g Graph<'g>, shard: &Vec<f32>) -> Var<'g> {
///         let x = graph.input(shard.clone()).unsqueeze(-1);
///         (self.0.apply(x) - x * 2.0).powi(2).sum_all()
///     }
///     fn evaluate(&self, params: &Params) -> Result<Evaluation, Error> {
///         let graph = Graph::new(params);
///         Ok(Evaluation::of_loss(self.loss(&graph, &vec![0.25]).item()?))
///     }
/// }
/// let mut params = Params::seeded(7);
/// let objective = Doubling(Linear::new(params.scope("layer"), 1, 1));
/// let outcome = Trainer::new(100, |_| 0.05).run(&mut params, &mut Adam::new(), &objective, |_| {})?;
/// assert!(outcome.best().unwrap().evaluation.score > -0.01);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait Objective: Sync {
    /// Is what belongs together in one step, and is cheap to hold for a whole epoch: row numbers, for example.
    type Batch: Sync;
    /// Holds some rows of a batch as arrays.
    type Shard;
    /// Is the error of reading the data.
    type Error: From<Error> + Send;

    /// Returns the batches of an epoch, counted from 0: a function of the epoch, and of a seed that the objective
    /// holds.
    ///
    /// # Errors
    /// The objective's own.
    fn epoch(&self, epoch: u64) -> Result<Vec<Self::Batch>, Self::Error>;

    /// Returns the number of shards into which a batch is cut: a function of the batch, never of the threads. The
    /// shards of a step run on the available threads.
    fn shards(&self, _batch: &Self::Batch) -> usize {
        1
    }

    /// Returns shard `number` of a batch.
    ///
    /// # Errors
    /// The objective's own.
    fn shard(&self, batch: &Self::Batch, number: usize) -> Result<Self::Shard, Self::Error>;

    /// Returns what the loss of a shard is a sum over: the number of tokens, or of rows. A step follows the gradient of
    /// Σ loss / Σ weight over the batch.
    fn weight(&self, shard: &Self::Shard) -> f64;

    /// Returns the sum of the losses of a shard, a scalar.
    fn loss<'g>(&self, graph: &'g Graph<'g>, shard: &Self::Shard) -> Var<'g>;

    /// Returns what is carried from step to step beside the parameters, such as the state of a recurrence over long
    /// streams: arrays of finite numbers, saved with every checkpoint. An objective that carries something holds it
    /// behind a lock, changes it in [`loss`](Objective::loss) (only if the graph [is training](Graph::is_training)),
    /// and takes one batch per step. With several processes it is handed on by [`share`](Objective::share).
    fn carried(&self) -> Vec<Tensor> {
        vec![]
    }

    /// Takes back what [`carried`](Objective::carried) gave when the checkpoint was saved.
    ///
    /// # Errors
    /// Arrays that do not fit.
    fn carry(&self, _carried: Vec<Tensor>) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Gives what this process's shards carried to the other processes; called after each step, in all of them.
    /// [`CarriedStates::share`](crate::CarriedStates::share) does it.
    ///
    /// # Errors
    /// Where a process cannot be reached.
    fn share(&self, _exchange: &dyn Exchange) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Evaluates the parameters, on data that is not trained on. Every process is asked, and the result of the first
    /// one counts: an objective that holds the [`Exchange`] can distribute the work.
    ///
    /// # Errors
    /// The objective's own.
    fn evaluate(&self, params: &Params) -> Result<Evaluation, Self::Error>;
}

/// Says when to evaluate. The end of a training is evaluated too.
///
/// ```
/// # use unspool_nn::{Adam, training::{*, doc_example::Doubling}};
/// # let (mut params, objective) = Doubling::new(7);
/// let trainer = Trainer::new(10, |_| 0.1).evaluate(Every::Steps(4));
/// let outcome = trainer.run(&mut params, &mut Adam::new(), &objective, |_| {})?;
/// assert_eq!(outcome.history.iter().map(|evaluated| evaluated.step).collect::<Vec<_>>(), [4, 8, 10]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// After each epoch.
    Epoch,
    /// After this many steps.
    Steps(u64),
}

/// Trains parameters on an objective; see the [module](self).
///
/// ```
/// # use unspool_nn::{Adam, training::{*, doc_example::Doubling}};
/// # let (mut params, objective) = Doubling::new(7);
/// let folder = std::env::temp_dir().join(format!("unspool-trainer-{}", std::process::id()));
/// std::fs::create_dir_all(&folder).unwrap();
/// let first = params.clone();
/// let trainer = |epochs| Trainer::new(epochs, |_| 0.1).seed(7).clip_norm(1.0).checkpoints(&folder).resume();
/// trainer(3).run(&mut params, &mut Adam::new(), &objective, |_| {})?;
/// let outcome = trainer(5).run(&mut params, &mut Adam::new(), &objective, |_| {})?; // goes on after the third
/// assert_eq!((outcome.steps, outcome.history.len()), (5, 5));
///
/// let mut whole = first;
/// Trainer::new(5, |_| 0.1).seed(7).clip_norm(1.0).run(&mut whole, &mut Adam::new(), &objective, |_| {})?;
/// assert_eq!(whole.value(objective.0.weight)?, params.value(objective.0.weight)?); // as if it had never stopped
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub struct Trainer<'a> {
    epochs: u64,
    rate: Box<dyn Fn(u64) -> f64 + 'a>,
    seed: u64,
    plateau: Option<OnPlateau>,
    lowered: Lowered,
    max_norm: f64,
    accumulate: usize,
    evaluate: Every,
    patience: Option<u64>,
    average: Option<Averaged>,
    folder: Option<PathBuf>,
    resume: bool,
    interval: Duration,
    metadata: BTreeMap<String, String>,
    stop: Option<&'a AtomicBool>,
    exchange: &'a dyn Exchange,
    reduce: Reduce,
}

impl fmt::Debug for Trainer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trainer")
            .field("epochs", &self.epochs)
            .field("seed", &self.seed)
            .field("folder", &self.folder)
            .field("resume", &self.resume)
            .finish_non_exhaustive()
    }
}

impl<'a> Trainer<'a> {
    /// Trains for `epochs` passes over the data, at the learning rate that `rate` gives for each step, from 0; see
    /// [`schedule`](crate::schedule). Evaluates after each epoch.
    pub fn new(epochs: u64, rate: impl Fn(u64) -> f64 + 'a) -> Self {
        Trainer {
            epochs,
            rate: Box::new(rate),
            seed: 0,
            plateau: None,
            lowered: Lowered::default(),
            max_norm: f64::INFINITY,
            accumulate: 1,
            evaluate: Every::Epoch,
            patience: None,
            average: None,
            folder: None,
            resume: false,
            interval: Duration::from_secs(10),
            metadata: BTreeMap::new(),
            stop: None,
            exchange: &OneProcess,
            reduce: Reduce::Exact,
        }
    }

    /// Sets the seed of dropout and of all other draws; 0 by default.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Shortens the gradient of a step to this norm where it is longer.
    pub fn clip_norm(mut self, max_norm: f64) -> Self {
        self.max_norm = max_norm;
        self
    }

    /// Adds up the gradients of this many batches for one step (fewer at the end of an epoch).
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.accumulate = batches;
        self
    }

    /// Sets when to evaluate.
    pub fn evaluate(mut self, every: Every) -> Self {
        self.evaluate = every;
        self
    }

    /// Stops once this many evaluations in a row have not been better than the best before them.
    pub fn patience(mut self, evaluations: u64) -> Self {
        self.patience = Some(evaluations);
        self
    }

    /// Lowers the learning rate where the score no longer grows, beside what the schedule does.
    pub fn on_plateau(mut self, plateau: OnPlateau) -> Self {
        self.plateau = Some(plateau);
        self
    }

    /// Evaluates averaged weights, and keeps those of the best evaluation.
    pub fn average(mut self, average: Averaged) -> Self {
        self.average = Some(average);
        self
    }

    /// Saves [`BEST`] and [`LAST`] in a folder that exists: `LAST` at the start (so that a folder that cannot be
    /// written to is found before time is spent), both after an evaluation (unless it is less than a tenth of the
    /// interval since the last time) and at the end, and so often that a kill loses no more than
    /// [`checkpoint_interval`](Trainer::checkpoint_interval) of work and the step or evaluation it fell into. Numbers
    /// that are not finite are never saved: the training ends with [`Error::Diverged`], and the last good checkpoint
    /// stays. `LAST` holds the history of evaluations as an array of bytes, so it is whole in itself and has room for
    /// millions.
    pub fn checkpoints(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Goes on from [`LAST`] where there is one.
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// Sets the longest time between two checkpoints, ten seconds by default.
    pub fn checkpoint_interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Goes into the checkpoints, as [`checkpoint::save`] takes it.
    pub fn metadata(mut self, metadata: BTreeMap<String, String>) -> Self {
        self.metadata = metadata;
        self
    }

    /// Ends after the step at which this becomes true, with a checkpoint saved: for a handler of Ctrl-C. An
    /// [`Objective::evaluate`] that takes long can look at it too, and return an error; where one process trains, that
    /// ends the training in the same way, before the evaluation.
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Shares the work with other processes: each works on its own shards of every batch, and all have the same
    /// parameters. The first one alone writes; to go on from a checkpoint, all must see its folder. Processes that
    /// differ in version, settings, parameters or batches are refused.
    pub fn exchange(mut self, exchange: &'a dyn Exchange) -> Self {
        self.exchange = exchange;
        self
    }

    /// Sets how the gradients of several processes become one sum; exactly by default.
    pub fn reduce(mut self, reduce: Reduce) -> Self {
        self.reduce = reduce;
        self
    }

    /// Trains. `params` are the last step's afterwards; the best are in the [`Outcome`].
    ///
    /// # Errors
    /// The objective's, and as its error: a failed recording, [`Error::Diverged`], a checkpoint that cannot be written
    /// or does not fit, [`Error::Training`] for an epoch without batches or a checkpoint of a training with other
    /// settings, [`Error::Disagree`] for processes that do not belong together.
    pub fn run<O: Objective>(
        self,
        params: &mut Params,
        optimizer: &mut dyn Optimizer,
        objective: &O,
        mut on: impl FnMut(Event<'_>),
    ) -> Result<Outcome, O::Error> {
        self.run_all(params, optimizer, &mut Epochs::new(objective), &mut on)
    }

    /// Does what [`run`](Trainer::run) does, compiled once per type of error and not once per objective.
    fn run_all<E: From<Error> + Send>(
        mut self,
        params: &mut Params,
        optimizer: &mut dyn Optimizer,
        objective: &mut dyn ErasedObjective<E>,
        on: &mut dyn FnMut(Event<'_>),
    ) -> Result<Outcome, E> {
        self.check_settings()?;
        let mut state = State::new(self.seed, self.accumulate);
        let mut best = Best::default();
        params.check().map_err(Error::from)?;
        let last = self.find_last()?;
        if let Some(last) = &last {
            let carried;
            (state, carried) = state.resume(last, params, optimizer, self.average.as_mut())?;
            objective.carry(carried)?;
            if state.best().is_some() {
                let mut values = params.clone();
                checkpoint::load(&last.with_file_name(BEST), &mut values)?;
                best.params = Some(values);
            }
            if let Some(plateau) = &self.plateau {
                state.scores().for_each(|score| self.lowered.after(plateau, score));
            }
            on(Event::Resumed { step: state.step, epoch: state.epoch, history: state.history() });
        }
        // Nothing is written before all have read what there was.
        self.exchange.ensure_equal(&self.facts(&state, params))?;
        if last.is_none() {
            self.save(&state, params, optimizer, &objective.carried(), &mut best)?;
        }
        let (mut batches, mut batches_of) = (0, None);
        let mut saved = Saved::now(Duration::ZERO);
        let mut reducer = Reducer::new(self.exchange, self.reduce);
        let stop_reason = loop {
            let finished = state.epoch >= self.epochs;
            if self.evaluation_is_due(&state, finished) {
                // An evaluation may take long: what was learned so far is safe before it begins.
                if saved.at.elapsed() > self.interval / 10 {
                    self.save(&state, params, optimizer, &objective.carried(), &mut best)?;
                }
                on(Event::Evaluating);
                let judged = self.average.as_ref().and_then(Averaged::params).unwrap_or(params);
                let evaluation = match self.shared_evaluation(objective, judged) {
                    // An evaluation may give up once it sees the flag. It is repeated when the training is resumed.
                    Err(_) if self.exchange.ranks() <= 1 && self.stop_is_set() => break StopReason::Stopped,
                    evaluation => evaluation?,
                };
                if let Some(plateau) = &self.plateau {
                    self.lowered.after(plateau, evaluation.score);
                }
                let is_best = state.evaluated(evaluation);
                if is_best {
                    best = Best { params: Some(judged.clone()), unsaved: true };
                }
                if saved.is_due(self.interval) {
                    saved = self.save(&state, params, optimizer, &objective.carried(), &mut best)?;
                }
                if let Some(evaluated) = state.history().last() {
                    on(Event::Evaluated { evaluated, is_best });
                }
            }
            if finished {
                break StopReason::Finished;
            }
            if self.patience.is_some_and(|patience| state.since_better() >= patience) {
                break StopReason::Early;
            }
            if self.asked_to_stop()? {
                break StopReason::Stopped;
            }
            if batches_of != Some(state.epoch) {
                batches = objective.begin_epoch(state.epoch)?;
                batches_of = Some(state.epoch);
                state.check_position(batches)?;
                self.agree_on_epoch(params, objective.shards(0..batches).len())?;
            }
            let began = Instant::now();
            let together = state.batch..(state.batch + self.accumulate).min(batches);
            let count = together.len();
            let sums = self.sums(params, objective, together, state.batches_seen, &mut reducer)?;
            let done = self.one_step(params, optimizer, &sums, &state, batches)?;
            state.stepped(count, batches, sums.loss, sums.weight);
            objective.share(self.exchange)?;
            let took = began.elapsed();
            on(Event::Step(StepDone {
                train_loss: state.train_loss(),
                step: state.step,
                batch: done.batch + count,
                ..done
            }));
            // The next step, which may be lost with this one, will take about as long.
            if saved.at.elapsed() + took >= self.interval {
                saved = self.save(&state, params, optimizer, &objective.carried(), &mut best)?;
            }
        };
        self.save(&state, params, optimizer, &objective.carried(), &mut best)?;
        Ok(Outcome {
            stop_reason,
            steps: state.step,
            best_index: state.best(),
            history: state.into_history(),
            best_params: best.params,
        })
    }

    /// One step of the optimizer.
    fn one_step(
        &mut self,
        params: &mut Params,
        optimizer: &mut dyn Optimizer,
        sums: &Sums,
        state: &State,
        batches: usize,
    ) -> Result<StepDone> {
        // Nothing to learn from has no mean; its gradients are nothing too.
        let weight = if sums.weight > 0.0 { sums.weight } else { 1.0 };
        let loss = sums.loss / weight;
        if !loss.is_finite() {
            return Err(diverged(format!("the loss is {loss}"), state));
        }
        let rate = (self.rate)(state.step) * self.lowered.factor;
        let step = StepParams { rate, count: weight, max_norm: self.max_norm };
        let norm = optimizer.update(params, &sums.gradients, step)?;
        if let Some(average) = &mut self.average {
            average.update(params)?;
        }
        let (epoch, batch, step) = (state.epoch, state.batch, state.step);
        Ok(StepDone { epoch, batch, batches, step, loss, train_loss: loss, weight: sums.weight, rate, norm })
    }

    /// The sums over some batches, whose shards are numbered from the first to the last.
    fn sums<E: From<Error> + Send>(
        &self,
        params: &Params,
        objective: &dyn ErasedObjective<E>,
        batches: Range<usize>,
        seen: u64,
        reducer: &mut Reducer<'_>,
    ) -> Result<Sums, E> {
        let first = batches.start;
        let all = objective.shards(batches);
        let seed = self.seed;
        let one = |number: usize| {
            let (batch, shard) = all[number];
            let training = Some((seed, seen + (batch - first) as u64));
            objective.sums(params, training, batch, shard)
        };
        let own = owned(self.exchange, all.len()).collect();
        let own = parallel_map(own, one).into_iter().collect::<Result<_, _>>()?;
        Ok(reducer.sum(params, all.len(), own)?)
    }

    fn evaluation_is_due(&self, state: &State, finished: bool) -> bool {
        let due = match self.evaluate {
            Every::Epoch => state.batch == 0,
            Every::Steps(steps) => state.step.is_multiple_of(steps),
        };
        state.step > 0 && (due || finished) && state.history().last().is_none_or(|last| last.step != state.step)
    }

    /// The score of the first process decides everywhere how the training goes on.
    fn shared_evaluation<E: From<Error> + Send>(
        &self,
        objective: &dyn ErasedObjective<E>,
        params: &Params,
    ) -> Result<Evaluation, E> {
        let own = objective.evaluate(params)?;
        let score = self.exchange.broadcast(own.score.to_le_bytes().to_vec())?;
        let score = score.try_into().map_or(f64::NAN, f64::from_le_bytes);
        Ok(Evaluation { score, ..own })
    }

    fn stop_is_set(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    fn asked_to_stop(&self) -> Result<bool> {
        Ok(self.exchange.broadcast(vec![u8::from(self.stop_is_set())])? == [1])
    }

    /// The first process says whether there is a checkpoint: it may be about to write one that the others would find.
    fn find_last(&self) -> Result<Option<PathBuf>> {
        let last = self.folder.as_ref().filter(|_| self.resume).map(|folder| folder.join(LAST));
        let there = last.as_ref().is_some_and(|last| last.exists());
        let there = self.exchange.broadcast(vec![u8::from(there)])? == [1];
        Ok(last.filter(|_| there))
    }

    /// What processes must have in common to train together.
    fn facts(&self, state: &State, params: &Params) -> Vec<(&'static str, String)> {
        vec![
            ("the version", env!("CARGO_PKG_VERSION").into()),
            ("the seed", self.seed.to_string()),
            ("the number of epochs", self.epochs.to_string()),
            ("the learning rate", (self.rate)(state.step).to_string()),
            ("the greatest norm", self.max_norm.to_string()),
            ("the number of batches to a step", self.accumulate.to_string()),
            ("when to evaluate", format!("{:?}, patience {:?}", self.evaluate, self.patience)),
            ("the way to add gradients", format!("{:?}", self.reduce)),
            ("the step it goes on from", state.step.to_string()),
            ("the checksum of the parameters", format!("{:08x}", checkpoint::checksum(params))),
        ]
    }

    /// Whether all have come to the same parameters, and go on with the same batches.
    fn agree_on_epoch(&self, params: &Params, shards: usize) -> Result<()> {
        if self.exchange.ranks() <= 1 {
            return Ok(());
        }
        self.exchange.ensure_equal(&[
            ("the checksum of the parameters", format!("{:08x}", checkpoint::checksum(params))),
            ("the number of shards in this epoch", shards.to_string()),
        ])
    }

    /// Returns the error of settings that have no meaning.
    fn check_settings(&self) -> Result<()> {
        let refuse = |what: &str, right: &str| Err(Error::Training { what: what.into(), right: right.into() });
        if self.accumulate == 0 {
            return refuse("a step of 0 batches learns nothing", "accumulate at least 1");
        }
        if self.evaluate == Every::Steps(0) {
            return refuse("an evaluation after every 0 steps has no meaning", "evaluate after at least 1 step");
        }
        if self.patience == Some(0) {
            return refuse("with a patience of 0 a training ends before it begins", "wait for at least 1 evaluation");
        }
        self.average.as_ref().map_or(Ok(()), Averaged::check)?;
        if let Some(Err(what)) = self.plateau.as_ref().map(OnPlateau::check) {
            return refuse(&what, "see `OnPlateau`");
        }
        Ok(())
    }

    /// Saves the best before the last step: a kill between the two leaves a step from which the same best is found
    /// again.
    fn save(
        &self,
        state: &State,
        params: &Params,
        optimizer: &dyn Optimizer,
        carried: &[Tensor],
        best: &mut Best,
    ) -> Result<Saved> {
        let began = Instant::now();
        // A step may have led out of the finite numbers. What was saved before it must survive.
        let or_diverged = |error| match error {
            Error::NotFinite { names, .. } => diverged(format!("not finite: {names}"), state),
            error => error,
        };
        let folder = self.folder.as_ref().filter(|_| self.exchange.rank() == 0);
        let Some(folder) = folder else {
            checkpoint::check_finite(params).map_err(or_diverged)?;
            return Ok(Saved::now(began.elapsed()));
        };
        if let (Some(params), true) = (&best.params, best.unsaved) {
            let mut metadata = self.metadata.clone();
            let step = state.best().map_or(state.step, |best| state.history()[best].step);
            metadata.insert(state::STEP.into(), step.to_string());
            checkpoint::save(&folder.join(BEST), params, &metadata).map_err(or_diverged)?;
            best.unsaved = false;
        }
        let average = self.average.as_ref();
        state.save(&folder.join(LAST), params, optimizer, average, carried, &self.metadata).map_err(or_diverged)?;
        Ok(Saved::now(began.elapsed()))
    }
}

fn diverged(what: String, state: &State) -> Error {
    Error::Diverged { what, step: state.step, epoch: state.epoch }
}

/// When a checkpoint was saved last, and how long that took.
struct Saved {
    at: Instant,
    took: Duration,
}

impl Saved {
    fn now(took: Duration) -> Saved {
        Saved { at: Instant::now(), took }
    }

    /// Returns whether to save after an evaluation. Where evaluations follow each other within moments, saving each
    /// would take longer than training: a save takes at most about a tenth of the time, also as the history grows,
    /// unless the interval asks for more.
    fn is_due(&self, interval: Duration) -> bool {
        self.at.elapsed() >= (interval / 10).max((self.took * 10).min(interval))
    }
}

/// The parameters with the best score so far.
#[derive(Default)]
struct Best {
    params: Option<Params>,
    /// Whether they are newer than their file.
    unsaved: bool,
}
