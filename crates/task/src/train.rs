//! A training from the data to the line of JSON. The loop itself is `nn`'s; here is what it is given, and what is made
//! of it.

use super::{
    begun::Begun,
    data::Data,
    error::{Error, Result},
    evaluate, figure,
    identity::Identity,
    json::{Evaluated, Report, print},
    look,
    number::{score, significant},
    options::Chosen,
    progress::Progress,
    report::Page,
    run::{CONFIG, Place, REPORT, RunFolder, SAMPLES, SAVED, TASK, TOKENIZER},
    say, shell, signals,
    watch::{Watch, Watched},
};
use crate::{
    parts::Parts,
    task::{Metric, Recipe, Search, Task},
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use unspool::{
    graph::{Graph, Params, RngKey, Tensor, Var},
    nn::{
        Adam, Trainer,
        exchange::{Exchange, Reduce},
        optimizer::Averaged,
        schedule::linear_with_warm_up,
        training::{Ended, Evaluated as Epoch, Evaluation, Event, Objective, Outcome},
    },
    text::Tokenizer,
};

/// A batch of this many rows or more is cut into shards, so that several cores work on it. The cut depends on the batch
/// alone.
const ROWS_TO_SHARD: usize = 16;

/// Examples of the test part in the report.
const SHOWN: usize = 20;

/// Reads the data, trains or goes on training, evaluates, and leaves a run folder and a line of JSON.
///
/// Of several processes each does its own part of the computing, and the first alone says and writes something.
pub(crate) fn train<T: Task>(chosen: &Chosen<T>, exchange: &dyn Exchange) -> Result<()> {
    let is_first = exchange.rank() == 0;
    let place = is_first.then(|| find_place(chosen)).transpose()?;
    ensure_equal(chosen, exchange)?;
    let run = Run::<T>::prepare(chosen, exchange)?;
    let folder = folder::<T>(place, exchange)?;
    if chosen.profile {
        let rows = run.order(0)?.into_iter().next().unwrap_or_default();
        run.fetch(std::slice::from_ref(&rows))?;
        if is_first {
            say::line(&look::profile(&run.task, &run.initial, &run.parts().train, &rows)?);
        }
    }
    run.train_and_report(chosen, &folder).map_err(|error| error.resumed_by(resume_command(T::NAME, &folder)))
}

/// The command that resumes a training. The run folder holds its options.
fn resume_command(task: &str, folder: &RunFolder) -> String {
    format!("unspool train {task} --out {} --resume", shell::quoted(&folder.path().to_string_lossy()))
}

/// Makes sure that all processes were started alike.
fn ensure_equal<T: Task>(chosen: &Chosen<T>, exchange: &dyn Exchange) -> Result<()> {
    if exchange.ranks() <= 1 {
        return Ok(());
    }
    let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let options = chosen.config.iter().map(|(name, value)| (format!("--{name}"), text(value)));
    let mut facts = vec![("the version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    facts.extend(options);
    facts.push(("--out".into(), chosen.out.as_ref().map_or_else(String::new, |out| out.display().to_string())));
    facts.push(("--resume".into(), chosen.resume.to_string()));
    facts.push(("--profile".into(), chosen.profile.to_string()));
    let data = Data::new(&chosen.data, T::SETS, exchange).checksum();
    facts.push((
        "the checksum of --data".into(),
        data.map_or_else(|error| error.to_string(), Option::unwrap_or_default),
    ));
    let facts: Vec<(&str, String)> = facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    Ok(exchange.ensure_equal(&facts)?)
}

/// Where the run folder shall be. A run that goes on has its options: a large model is not built for others.
fn find_place<T: Task>(chosen: &Chosen<T>) -> Result<Place> {
    let place = Place::find(chosen.out.as_deref(), chosen.resume)?;
    if let (Some(began), Some(out)) = (place.began(), &chosen.out) {
        began.check_options(&chosen.config, out)?;
    }
    Ok(place)
}

/// The run folder, which the first process makes at the place that it found.
fn folder<T: Task>(place: Option<Place>, exchange: &dyn Exchange) -> Result<RunFolder> {
    let Some(place) = place else {
        let path = exchange.broadcast(vec![])?;
        return Ok(RunFolder::of_another(String::from_utf8_lossy(&path).into_owned().into()));
    };
    let folder = place.create(T::NAME)?;
    exchange.broadcast(folder.path().to_string_lossy().into_owned().into_bytes())?;
    Ok(folder)
}

/// All that a training is made of.
struct Run<'a, T: Task> {
    exchange: &'a dyn Exchange,
    task: T,
    /// Before each epoch the train part is given its rows.
    parts: RwLock<Parts<T::Examples>>,
    initial: Params,
    recipe: Recipe,
    seed: u64,
    /// How many shards a batch is cut into.
    shards: usize,
    reduce: Reduce,
    batches: usize,
    /// The checksum of the data.
    data: Option<String>,
    /// Real time steps computed so far, in this process.
    tokens: AtomicU64,
    /// Those of earlier processes, of which this one goes on.
    tokens_before: AtomicU64,
    /// What to show after an epoch.
    samples: Mutex<Vec<String>>,
}

/// A model that was trained.
struct Trained<A> {
    epoch: u64,
    params: Params,
    history: Vec<Epoch>,
    /// What it says of the test part.
    answers: Vec<A>,
    dev: Evaluated,
    test: Evaluated,
    seconds: f64,
    evaluation_seconds: f64,
    per_second: f64,
    /// Why files beside the weights are missing or old.
    unwritten: Vec<Error>,
}

impl<'a, T: Task> Run<'a, T> {
    fn prepare(chosen: &Chosen<T>, exchange: &'a dyn Exchange) -> Result<Run<'a, T>> {
        let (seed, recipe) = (chosen.seed, chosen.recipe);
        let Begun { task, parts, params: initial } = Begun::new(chosen, exchange)?;
        let batches = task.order(&parts.train, recipe.batch, seed, 0)?.len();
        let data = Data::new(&chosen.data, T::SETS, exchange).checksum()?;
        let (parts, samples) = (RwLock::new(parts), Mutex::default());
        let (tokens, tokens_before) = Default::default();
        let (shards, reduce) = (chosen.shards, chosen.reduce);
        Ok(Run {
            exchange,
            task,
            parts,
            initial,
            recipe,
            seed,
            shards,
            reduce,
            batches,
            data,
            tokens,
            tokens_before,
            samples,
        })
    }

    /// Trains this model and those that it is compared with, writes the report, and prints the line of JSON.
    ///
    /// The model and its scores do not hang on a full disk or a closed terminal: where a file cannot be written, the
    /// line of JSON is printed all the same, and the error comes last.
    fn train_and_report(&self, chosen: &Chosen<T>, folder: &RunFolder) -> Result<()> {
        let mut trained = self.train(chosen, folder, "")?;
        let mut unwritten = std::mem::take(&mut trained.unwritten);
        let mut baselines: Map<_, _> = self
            .task
            .baselines(&self.parts(), self.exchange)?
            .into_iter()
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        for (name, settings) in T::comparisons(&chosen.settings) {
            signals::check_together(self.exchange)?;
            let rival = chosen.with(settings)?;
            let run = Run::<T>::prepare(&rival, self.exchange)?;
            let found = run.train(&rival, &folder.inner(name)?, &format!("{name}: "))?;
            unwritten.extend(found.unwritten);
            baselines.insert(name.to_owned(), json!(found.test.score.value));
        }
        if self.exchange.rank() > 0 {
            return Ok(());
        }
        let Metric { name: metric, digits, .. } = T::METRIC;
        for (name, value) in &baselines {
            say::line(&format!(
                "for comparison, {name}: {metric} {}",
                score(value.as_f64().unwrap_or(f64::NAN), digits)
            ));
        }
        match self.page(chosen, &trained, &baselines).and_then(|page| folder.write(REPORT, &page.html()?)) {
            Ok(()) => say::line(&format!("run folder: {}; open its {REPORT} in a browser", folder.path().display())),
            Err(stopped @ Error::Stopped { .. }) => return Err(stopped),
            Err(error) => unwritten.push(error),
        }
        print(&Report {
            task: T::NAME,
            seed: chosen.seed,
            parameters: self.initial.elements(),
            epochs: chosen.recipe.epochs,
            seconds: trained.seconds,
            evaluation_seconds: trained.evaluation_seconds,
            per_second: json!({ T::UNIT: trained.per_second }),
            dev: Report::part(Some(trained.epoch), &trained.dev, metric),
            test: Report::part(None, &trained.test, metric),
            baselines,
        })?;
        let resume = resume_command(T::NAME, folder);
        let hint = || {
            format!(
                "the model is trained and saved; once files can be written again, `{resume}` writes what is missing"
            )
        };
        unwritten.into_iter().next().map_or(Ok(()), |error| Err(error.hint(hint())))
    }

    /// Trains in a folder of its own, or resumes there. `who` stands before what is said.
    fn train(&self, chosen: &Chosen<T>, folder: &RunFolder, who: &str) -> Result<Trained<T::Answer>> {
        let (saved, config) = (saved_text(&self.task)?, chosen.config.to_string());
        let tokenizer = self.task.tokenizer().map(Tokenizer::to_json).transpose()?;
        let identity = Identity::new(saved.clone(), &chosen.config, self.data.clone(), tokenizer.as_deref());
        let files = [(SAVED, Some(&saved)), (CONFIG, Some(&config)), (TOKENIZER, tokenizer.as_ref())];
        let files: Vec<_> = files.iter().filter_map(|(name, text)| Some((*name, text.as_ref()?.as_str()))).collect();
        folder.begin(&identity, &files)?;
        let total = self.recipe.epochs * self.batches as u64;
        let progress = Progress::new(total, T::UNIT, who, self.exchange.rank() > 0);
        let rows = |examples| self.task.lengths(examples).len();
        progress.say(&format!(
            "{}: {} parameters; {} rows in train, {} in dev, {} in test",
            T::NAME,
            self.initial.elements(),
            rows(&self.parts().train),
            rows(&self.parts().dev),
            rows(&self.parts().test)
        ));
        self.task.notes(&self.parts()).iter().for_each(|note| progress.say(note));
        let ranks = self.exchange.ranks();
        if ranks > self.shards {
            progress.say(&format!(
                "{ranks} processes, but {} shards per batch: --shards {ranks} or more gives each process work",
                self.shards
            ));
        }
        if ranks > 1 && self.reduce == Reduce::Fast {
            progress.say(&format!(
                "--reduce fast: the last bits of the weights depend on the number of processes ({ranks})"
            ));
        }

        let times = folder.times();
        self.tokens_before.store(times.tokens, Ordering::Relaxed);
        let tokens = || self.tokens_everywhere();
        let samples = || self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let watched = Watched {
            task: T::NAME,
            metric: T::METRIC,
            unit: T::UNIT,
            epochs: self.recipe.epochs,
            tokens: &tokens,
            samples: &samples,
        };
        let mut watch = Watch::new(watched, folder, &progress, &times);
        let outcome = self.run(chosen, folder, identity.metadata(), |event| watch.on(event));
        let mut unwritten = Vec::from_iter(watch.finish());
        let Watch { clock, history, .. } = watch;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                // Resuming would come to the same end. Any other failure (a full disk) leaves what can be resumed.
                if matches!(error, Error::Diverged { .. }) {
                    folder.discard_without_weights();
                }
                return Err(error);
            }
        };
        let stopped = || {
            progress.finish();
            signals::stopped(Some(outcome.steps))
        };
        if outcome.ended == Ended::Stopped {
            return Err(stopped());
        }
        let (Some(best), Some(params)) = (outcome.best(), &outcome.best_params) else {
            return Err(Error::failure(format!("no epoch had a {} that is a number", T::METRIC.name), ""));
        };

        let began = Instant::now();
        progress.evaluating();
        let judge = || -> Result<_> {
            let dev = self.part(params, &self.parts().dev, Search::Quick)?.0;
            signals::check_together(self.exchange)?;
            let test = self.part(params, &self.parts().test, Search::Full)?;
            signals::check_together(self.exchange)?;
            Ok((dev, test, self.written(params)?))
        };
        let (dev, (test, answers), written) = judge().map_err(|error| match error {
            Error::Stopped { .. } => stopped(),
            other => other,
        })?;
        if !written.is_empty() {
            unwritten.extend(folder.write(SAMPLES, &(written.join("\n\n") + "\n")).err());
        }
        progress.finish();
        let signature = test.score.signature.as_ref().map_or(String::new(), |signature| format!(" ({signature})"));
        progress.say(&format!(
            "test {} {}{signature}, with the weights of epoch {}",
            T::METRIC.name,
            score(test.score.value, T::METRIC.digits),
            best.epoch
        ));
        let seconds = clock.training.as_secs_f64();
        let evaluation_seconds = (clock.evaluating + began.elapsed()).as_secs_f64();
        let per_second = self.tokens_everywhere() / seconds.max(1e-9);
        let (epoch, params) = (best.epoch, params.clone());
        Ok(Trained { epoch, params, history, answers, dev, test, seconds, evaluation_seconds, per_second, unwritten })
    }

    fn parts(&self) -> RwLockReadGuard<'_, Parts<T::Examples>> {
        self.parts.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches of an epoch.
    fn order(&self, epoch: u64) -> Result<Vec<Vec<usize>>> {
        self.task.order(&self.parts().train, self.recipe.batch, self.seed, epoch)
    }

    /// Gives each process the rows of the train part that it needs, by rank. All call it at the same place.
    fn fetch(&self, needed: &[Vec<usize>]) -> Result<()> {
        let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
        self.task.fetch(&mut parts.train, needed, self.exchange)
    }

    fn part(&self, params: &Params, examples: &T::Examples, effort: Search) -> Result<(Evaluated, Vec<T::Answer>)> {
        evaluate::part(&self.task, params, examples, self.recipe.batch, effort, self.exchange)
    }

    /// What the model writes of itself, for the one who shows it.
    fn written(&self, params: &Params) -> Result<Vec<String>> {
        if self.exchange.rank() == 0 { self.task.samples(params) } else { Ok(vec![]) }
    }

    /// All processes have about as much to compute.
    fn tokens_everywhere(&self) -> f64 {
        let working = self.exchange.ranks().min(self.shards);
        self.tokens_before.load(Ordering::Relaxed) as f64 + self.tokens.load(Ordering::Relaxed) as f64 * working as f64
    }

    /// The training as a page.
    fn page(&self, chosen: &Chosen<T>, trained: &Trained<T::Answer>, baselines: &Map<String, Value>) -> Result<Page> {
        let Metric { name, digits, .. } = T::METRIC;
        let rows = |examples| self.task.lengths(examples).len();
        let fact = |name: &str, value: String| (name.to_owned(), value);
        let number = |value: f64| score(value, digits);
        let mut scores = vec![fact(&format!("{name} on test"), number(trained.test.score.value))];
        scores.extend(trained.test.score.more.iter().map(|(name, value)| fact(name, number(*value))));
        scores.extend(trained.test.score.signature.iter().map(|signature| fact("signature", signature.clone())));
        scores.push(fact(&format!("{name} on dev"), number(trained.dev.score.value)));
        scores.push(fact("loss on test", significant(trained.test.loss, 5)));
        scores.extend(
            baselines
                .iter()
                .map(|(other, value)| fact(&format!("{name}, {other}"), number(value.as_f64().unwrap_or(f64::NAN)))),
        );
        let mut facts = vec![];
        if !chosen.data.is_empty() {
            facts.push(fact("data", chosen.data.join(", ")));
        }
        let parts = self.parts();
        let Parts { train, dev, test } = &*parts;
        facts.extend([
            fact("examples", format!("{} in train, {} in dev, {} in test", rows(train), rows(dev), rows(test))),
            fact("parameters", self.initial.elements().to_string()),
            fact("epochs", format!("{}; epoch {} was the best on dev", self.recipe.epochs, trained.epoch)),
            fact("training", format!("{:.1} s, {:.0} {} per second", trained.seconds, trained.per_second, T::UNIT)),
            fact("evaluation", format!("{:.1} s", trained.evaluation_seconds)),
            fact("seed", self.seed.to_string()),
        ]);
        let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let shown = trained.answers.iter().enumerate().take(SHOWN);
        signals::check()?;
        let mut figures = self.task.figures(&trained.params, test, &trained.answers)?;
        signals::check()?;
        figures.extend(look::gradient_norms(&self.task, &trained.params, dev)?);
        Ok(Page {
            title: format!("unspool train {}", T::NAME),
            about: T::ABOUT.to_owned(),
            facts,
            options: chosen.config.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
            scores,
            curve: figure::learning_curve(T::NAME, name, &trained.history)?,
            rows: shown.map(|(number, answer)| self.task.row(test, number, answer)).collect(),
            pictures: T::PICTURES,
            figures,
        })
    }

    fn run(
        &self,
        chosen: &Chosen<T>,
        folder: &RunFolder,
        metadata: BTreeMap<String, String>,
        on: impl FnMut(Event<'_>),
    ) -> Result<Outcome> {
        let Recipe { epochs, learning_rate, warm_up, last_rate, clip_norm, average, .. } = self.recipe;
        let total = epochs * self.batches as u64;
        let rate = |step| linear_with_warm_up(step, warm_up.min(total / 10), total, learning_rate, last_rate);
        let mut trainer = Trainer::new(epochs, rate)
            .seed(self.seed)
            .clip_norm(clip_norm)
            .checkpoints(folder.path())
            .metadata(metadata)
            .exchange(self.exchange)
            .reduce(self.reduce)
            .stop(signals::watch());
        if let Some(decay) = average {
            trainer = trainer.average(Averaged::exponential(decay));
        }
        if chosen.resume {
            trainer = trainer.resume();
        }
        trainer.run(&mut self.initial.clone(), &mut Adam::new(), self, on)
    }
}

/// A place in a training, and the rows of its batch.
struct Rows {
    epoch: u64,
    number: usize,
    rows: Vec<usize>,
    /// How many of them are a shard.
    shard: usize,
}

impl<T: Task> Objective for Run<'_, T> {
    type Batch = Rows;
    /// How much of the training is done, and the arrays.
    type Shard = (f64, T::Batch);
    type Error = Error;

    fn epoch(&self, epoch: u64) -> Result<Vec<Rows>> {
        let shard = |rows: usize| if rows >= ROWS_TO_SHARD { rows.div_ceil(self.shards) } else { rows.max(1) };
        let rows = |(number, rows): (usize, Vec<usize>)| Rows { epoch, number, shard: shard(rows.len()), rows };
        let batches: Vec<Rows> = self.order(epoch)?.into_iter().enumerate().map(rows).collect();
        let ranks = self.exchange.ranks();
        let mut needed = vec![vec![]; ranks];
        for (number, rows) in batches.iter().flat_map(|batch| batch.rows.chunks(batch.shard).enumerate()) {
            needed[number % ranks].extend_from_slice(rows);
        }
        self.fetch(&needed)?;
        Ok(batches)
    }

    fn shards(&self, batch: &Rows) -> usize {
        batch.rows.chunks(batch.shard).len()
    }

    fn shard(&self, batch: &Rows, number: usize) -> Result<(f64, T::Batch)> {
        let rows = batch.rows.chunks(batch.shard).nth(number).unwrap_or_default();
        let draw = RngKey::seed(self.seed).fold_in_str("examples").fold_in(batch.epoch);
        let arrays = self.task.batch(&self.parts().train, rows, Some(draw))?;
        self.tokens.fetch_add(self.task.tokens(&arrays) as u64, Ordering::Relaxed);
        let done = batch.epoch as f64 + batch.number as f64 / self.batches.max(1) as f64;
        Ok((done / self.recipe.epochs as f64, arrays))
    }

    fn weight(&self, (_, batch): &(f64, T::Batch)) -> f64 {
        self.task.weight(batch) as f64
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (progress, batch): &(f64, T::Batch)) -> Var<'g> {
        self.task.loss(graph, batch, *progress)
    }

    fn carried(&self) -> Vec<Tensor> {
        self.task.carried()
    }

    fn carry(&self, carried: Vec<Tensor>) -> Result<()> {
        self.task.carry(carried)
    }

    fn share(&self, exchange: &dyn Exchange) -> Result<()> {
        self.task.share(exchange)
    }

    fn evaluate(&self, params: &Params) -> Result<Evaluation> {
        let parts = self.parts();
        let (found, answers) = self.part(params, &parts.dev, Search::Quick)?;
        let mut samples = vec![];
        for (number, answer) in answers.iter().enumerate().take(T::SAMPLES) {
            let row = self.task.row(&parts.dev, number, answer);
            samples.extend(row.iter().map(|(heading, text)| format!("  {heading:<10} {text}")));
            samples.push(String::new());
        }
        let written = self.written(params)?;
        samples.extend(
            written.iter().flat_map(|text| text.lines().map(|line| format!("  {line}")).chain([String::new()])),
        );
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner) = samples;
        let value = found.score.value;
        Ok(Evaluation::of_score(T::METRIC.sign(value)).metric("loss", found.loss).metric(T::METRIC.name, value))
    }
}

/// What a run folder says of its model, and its weights' header too: nothing that differs between equal runs.
fn saved_text<T: Task>(task: &T) -> Result<String> {
    let mut table = toml::Table::try_from(task.saved())
        .map_err(|cause| Error::failure(format!("what the model needs to know is no TOML: {cause}"), ""))?;
    table.insert(TASK.into(), T::NAME.into());
    Ok(table.to_string())
}
