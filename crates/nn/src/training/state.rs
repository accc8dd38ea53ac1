//! The progress of a training: a few counts beside the arrays, and how both are saved.

use super::{Evaluated, Evaluation};
use crate::{
    Error, Result,
    checkpoint::{self, TRAINING},
    optimizer::{Averaged, Optimizer},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};
use unspool_graph::{Params, Precision, Tensor, init};

/// The key of the metadata of the number of steps.
pub(super) const STEP: &str = "training.step";

/// The key of all counts.
const STATE: &str = "training.state";

/// Counts and sums, and the history of evaluations. What follows from the history is kept up to date, so that a step
/// costs the same however long it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    seed: u64,
    accumulate: usize,
    /// Whole epochs done.
    pub(super) epoch: u64,
    /// Batches done of the epoch that is not whole.
    pub(super) batch: usize,
    /// Steps done.
    pub(super) step: u64,
    /// Batches done in all: the step of the random draws.
    pub(super) batches_seen: u64,
    /// Σ loss and Σ weight since the last evaluation.
    losses: f64,
    weights: f64,
    history: Vec<Evaluated>,
    /// The history as it is saved: a line of JSON per evaluation.
    log: Vec<u8>,
    /// The last of the highest scores.
    best: Option<usize>,
    /// How many evaluations there were since one was better than all before it.
    since_better: u64,
}

impl State {
    pub(super) fn new(seed: u64, accumulate: usize) -> State {
        State {
            seed,
            accumulate,
            epoch: 0,
            batch: 0,
            step: 0,
            batches_seen: 0,
            losses: 0.0,
            weights: 0.0,
            history: vec![],
            log: vec![],
            best: None,
            since_better: 0,
        }
    }

    pub(super) fn stepped(&mut self, done: usize, of: usize, loss: f64, weight: f64) {
        self.step += 1;
        self.batch += done;
        self.batches_seen += done as u64;
        self.losses += loss;
        self.weights += weight;
        if self.batch == of {
            (self.epoch, self.batch) = (self.epoch + 1, 0);
        }
    }

    pub(super) fn train_loss(&self) -> f64 {
        if self.weights > 0.0 { self.losses / self.weights } else { 0.0 }
    }

    /// Records an evaluation. Returns whether it is the best so far.
    pub(super) fn evaluated(&mut self, evaluation: Evaluation) -> bool {
        let (step, epoch, train_loss) = (self.step, self.epoch, self.train_loss());
        (self.losses, self.weights) = (0.0, 0.0);
        self.note(Evaluated { step, epoch, train_loss, evaluation })
    }

    fn note(&mut self, evaluated: Evaluated) -> bool {
        let score = evaluated.evaluation.score;
        let top = self.best.map(|best| self.history[best].evaluation.score);
        // A score that is no number never is the best.
        let is_best = !score.is_nan() && top.is_none_or(|top| score.total_cmp(&top).is_ge());
        self.since_better = if score > top.unwrap_or(f64::NEG_INFINITY) { 0 } else { self.since_better + 1 };
        if is_best {
            self.best = Some(self.history.len());
        }
        self.log.extend(to_line(&evaluated).bytes());
        self.history.push(evaluated);
        is_best
    }

    pub(super) fn history(&self) -> &[Evaluated] {
        &self.history
    }

    pub(super) fn into_history(self) -> Vec<Evaluated> {
        self.history
    }

    pub(super) fn scores(&self) -> impl Iterator<Item = f64> + '_ {
        self.history.iter().map(|evaluated| evaluated.evaluation.score)
    }

    pub(super) fn best(&self) -> Option<usize> {
        self.best
    }

    pub(super) fn since_better(&self) -> u64 {
        self.since_better
    }

    pub(super) fn check_position(&self, batches: usize) -> Result<()> {
        if batches == 0 {
            let what = format!("epoch {} has no batches", self.epoch);
            return Err(Error::Training { what, right: "there must be something to train on".into() });
        }
        if self.batch >= batches {
            let what = format!("the checkpoint is at batch {} of an epoch of {batches}", self.batch);
            return Err(Error::Training { what, right: "go on with the data it was made with".into() });
        }
        Ok(())
    }

    /// Writes the parameters by their names, and under [`TRAINING`] what else is needed to go on.
    pub(super) fn save(
        &self,
        path: &Path,
        params: &Params,
        optimizer: &dyn Optimizer,
        average: Option<&Averaged>,
        carried: &[Tensor],
        metadata: &BTreeMap<String, String>,
    ) -> Result<()> {
        let shapes: Vec<Vec<usize>> = carried.iter().map(|array| array.shape().to_vec()).collect();
        let mut arrays = empty_arrays(&shapes, params);
        for (p, array) in arrays.iter().collect::<Vec<_>>().into_iter().zip(carried) {
            arrays.set(p, array)?;
        }
        let names = prefixes(optimizer);
        let mut parts = vec![("", params)];
        parts.extend(names.iter().map(String::as_str).zip(optimizer.state()));
        let averaged = format!("{TRAINING}average/");
        parts.extend(average.and_then(Averaged::params).map(|average| (averaged.as_str(), average)));
        let prefix = carried_prefix();
        parts.push((&prefix, &arrays));
        let mut metadata = metadata.clone();
        metadata.insert(STEP.into(), self.step.to_string());
        metadata.insert(STATE.into(), self.to_json(optimizer, average, &shapes).to_string());
        checkpoint::save_with_bytes(path, &parts, &[(&history_name(), &self.log)], &metadata)
    }

    fn to_json(&self, optimizer: &dyn Optimizer, average: Option<&Averaged>, carried: &[Vec<usize>]) -> Value {
        // No array before the first step.
        let arrays = if optimizer.state().is_empty() { &[][..] } else { optimizer.state_names() };
        json!({
            "seed": self.seed,
            "accumulate": self.accumulate,
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "batches_seen": self.batches_seen,
            "losses": number(self.losses),
            "weights": number(self.weights),
            "evaluations": self.history.len(),
            "optimizer": { "steps": optimizer.steps(), "arrays": arrays },
            "averaged": average.map(Averaged::count),
            "carried": carried,
        })
    }

    /// Reads what [`State::save`] wrote; `self` says with which settings the training goes on. All is checked before
    /// anything is changed. Returns also what the objective carried.
    pub(super) fn resume(
        self,
        path: &Path,
        params: &mut Params,
        optimizer: &mut dyn Optimizer,
        average: Option<&mut Averaged>,
    ) -> Result<(State, Vec<Tensor>)> {
        let bad = |why: &str| Error::Format { path: path.display().to_string(), why: format!("{STATE}: {why}") };
        let other = |what: String| Error::Training {
            what: format!("{}: {what}", path.display()),
            right: "go on with the settings it was made with, or start anew in another folder".into(),
        };
        let metadata = checkpoint::metadata(path)?;
        let text = metadata.get(STATE).ok_or_else(|| bad("is missing: this is no checkpoint of a training"))?;
        let json: Value = serde_json::from_str(text).map_err(|e| bad(&e.to_string()))?;
        let mut state = State::from_json(&json).ok_or_else(|| bad("a field is missing or no number"))?;
        for (name, saved, now) in
            [("seed", state.seed, self.seed), ("accumulate", state.accumulate as u64, self.accumulate as u64)]
        {
            if saved != now {
                return Err(other(format!("was made with {name} {saved}, not {now}")));
            }
        }
        let steps = json["optimizer"]["steps"].as_u64().ok_or_else(|| bad("no optimizer"))?;
        let arrays: Vec<&str> =
            json["optimizer"]["arrays"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if !arrays.is_empty() && arrays != optimizer.state_names() {
            return Err(other(format!("its optimizer keeps {arrays:?}, this one {:?}", optimizer.state_names())));
        }
        let averaged = json["averaged"].as_u64();
        if averaged.is_some() != average.is_some() {
            let with = if averaged.is_some() { "with" } else { "without" };
            return Err(other(format!("was made {with} averaged weights")));
        }
        let names = prefixes(optimizer);
        let mut model = params.clone();
        let mut slots: Vec<Params> = arrays.iter().map(|_| params.clone()).collect();
        let mut mean = averaged.filter(|&count| count > 0).map(|_| params.clone());
        let shapes = shapes(&json["carried"], path).ok_or_else(|| bad("the shapes of what is carried are none"))?;
        let mut carried = empty_arrays(&shapes, params);
        carried.check()?;
        let (prefix, carried_prefix) = (format!("{TRAINING}average/"), carried_prefix());
        let mut parts = vec![("", &mut model), (&carried_prefix, &mut carried)];
        parts.extend(names.iter().map(String::as_str).zip(&mut slots));
        parts.extend(mean.as_mut().map(|mean| (prefix.as_str(), mean)));
        let name = history_name();
        let mut history = [(name.as_str(), vec![])];
        checkpoint::load_with_bytes(path, &mut parts, &mut history, None)?;
        for line in history[0].1.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let evaluated = from_line(line).ok_or_else(|| bad("an evaluation in the history is unreadable"))?;
            state.note(evaluated);
        }
        if json["evaluations"].as_u64() != Some(state.history.len() as u64) {
            return Err(bad("the number of evaluations is not that of the history"));
        }
        *params = model;
        optimizer.restore(steps, slots);
        if let Some(average) = average {
            average.restore(averaged.unwrap_or(0), mean);
        }
        let carried = carried.iter().map(|p| carried.value(p)).collect::<std::result::Result<_, _>>()?;
        Ok((state, carried))
    }

    fn from_json(json: &Value) -> Option<State> {
        let whole = |key: &str| json[key].as_u64();
        Some(State {
            epoch: whole("epoch")?,
            batch: whole("batch")? as usize,
            step: whole("step")?,
            batches_seen: whole("batches_seen")?,
            losses: parse(&json["losses"])?,
            weights: parse(&json["weights"])?,
            ..State::new(whole("seed")?, whole("accumulate")? as usize)
        })
    }
}

/// Returns the line of an evaluation in the history.
fn to_line(Evaluated { step, epoch, train_loss, evaluation }: &Evaluated) -> String {
    let metrics: Vec<Value> = evaluation.metrics.iter().map(|(k, v)| json!([k, number(*v)])).collect();
    let (train_loss, score) = (number(*train_loss), number(evaluation.score));
    json!({ "step": step, "epoch": epoch, "train_loss": train_loss, "score": score, "metrics": metrics }).to_string()
        + "\n"
}

fn from_line(line: &[u8]) -> Option<Evaluated> {
    let entry: Value = serde_json::from_slice(line).ok()?;
    let metric = |pair: &Value| Some((pair[0].as_str()?.to_owned(), parse(&pair[1])?));
    let metrics = entry["metrics"].as_array()?.iter().map(metric).collect::<Option<_>>()?;
    Some(Evaluated {
        step: entry["step"].as_u64()?,
        epoch: entry["epoch"].as_u64()?,
        train_loss: parse(&entry["train_loss"])?,
        evaluation: Evaluation { score: parse(&entry["score"])?, metrics },
    })
}

/// The name of the array of bytes that holds the history. It grows without a bound, so it is no part of the header.
fn history_name() -> String {
    format!("{TRAINING}history")
}

fn carried_prefix() -> String {
    format!("{TRAINING}carried/")
}

/// A store of arrays of these shapes, named by their numbers, in the precision of `like`.
fn empty_arrays(shapes: &[Vec<usize>], like: &Params) -> Params {
    let mut arrays = Params::seeded(0);
    for (number, shape) in shapes.iter().enumerate() {
        arrays.scope("").add_sized(number.to_string(), shape, init::zeros());
    }
    if like.precision() == Precision::F64 { arrays.to_f64() } else { arrays }
}

/// The shapes of the carried arrays, none of which can be larger than the file they are in.
fn shapes(json: &Value, path: &Path) -> Option<Vec<Vec<usize>>> {
    let most = std::fs::metadata(path).ok()?.len();
    let shape = |shape: &Value| {
        let sizes: Vec<u64> = shape.as_array()?.iter().map(Value::as_u64).collect::<Option<_>>()?;
        sizes.iter().try_fold(1u64, |all, &size| all.checked_mul(size)).filter(|&all| all <= most)?;
        Some(sizes.into_iter().map(|size| size as usize).collect())
    };
    json.as_array()?.iter().map(shape).collect()
}

/// The shortest text that is read back as the same number; JSON's own numbers may lose the last bit, and know no
/// infinity.
fn number(x: f64) -> String {
    format!("{x:?}")
}

fn parse(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

fn prefixes(optimizer: &dyn Optimizer) -> Vec<String> {
    optimizer.state_names().iter().map(|slot| format!("{TRAINING}{slot}/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Adam;

    /// The header is limited to 16 MiB, and was full after some 110,000 evaluations.
    #[test]
    fn a_history_of_a_million_evaluations_is_saved_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last");
        let mut params = Params::seeded(1);
        params.scope("m").add("w", [2], init::constant(1.0));
        let mut state = State::new(3, 1);
        for step in 0..1_000_000u64 {
            state.stepped(1, 10, 0.25, 1.0);
            let score = if step == 700_000 { 2.0 } else { 1.0 / (step + 3) as f64 };
            state.evaluated(Evaluation::of_score(score).metric("third", 1.0 / 3.0).metric("none", f64::NAN));
        }
        state.save(&path, &params, &Adam::new(), None, &[], &BTreeMap::new()).unwrap();
        let header = checkpoint::header(&path).unwrap();
        assert!(header.metadata[STATE].len() < 1000, "the history is not in the header");
        let (read, _) = State::new(3, 1).resume(&path, &mut params, &mut Adam::new(), None).unwrap();
        assert_eq!((read.best(), read.since_better(), read.history().len()), (Some(700_000), 299_999, 1_000_000));
        assert_eq!(read.log, state.log);
        assert!(read.history()[5].evaluation.get("none").unwrap().is_nan());
        assert_eq!(read.history()[5].evaluation.get("third"), Some(1.0 / 3.0));
    }

    #[test]
    fn the_last_of_the_highest_scores_is_the_best_and_nan_never_is() {
        let mut state = State::new(0, 1);
        let mut is_best = |score: f64| {
            let best = state.evaluated(Evaluation::of_score(score));
            (best, state.best(), state.since_better())
        };
        assert_eq!(is_best(f64::NAN), (false, None, 1));
        assert_eq!(is_best(f64::NEG_INFINITY), (true, Some(1), 2));
        assert_eq!(is_best(1.0), (true, Some(2), 0));
        assert_eq!(is_best(0.5), (false, Some(2), 1));
        assert_eq!(is_best(1.0), (true, Some(4), 2));
        assert_eq!(is_best(f64::NAN), (false, Some(4), 3));
        assert_eq!(is_best(1.5), (true, Some(6), 0));
    }
}
