//! A training from the data to the line of JSON. The loop itself is `nn`'s; here is what it is given, and what is made
//! of it.

use super::{
    baseline::Baseline,
    begun::{Begun, Sizes},
    card::card,
    chosen::Chosen,
    compared::{better_than, told, worse_line},
    error::{Error, Result},
    evaluate,
    identity::Identity,
    json::{Evaluated, Report, print},
    log, look,
    number::{score, significant},
    page::{Trained, look_at, page, page_so_far},
    progress::Progress,
    run::{CARD, CONFIG, MODEL, Place, REPORT, RunFolder, SAMPLES, SAVED, SOURCE_TOKENIZER, TOKENIZER, saved_json},
    say, shell, signals,
    training::epochs_of,
    watch::{Watch, Watched},
};
use crate::{
    examples::{Scored, Train},
    task::{Score, Search, Spec, Task},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};
use unspool::{
    graph::Params,
    nn::{
        Trainer, checkpoint,
        exchange::{Exchange, OneProcess, Reduce},
        training::{Evaluated as Epoch, Event, Outcome, StopReason},
    },
    text::BatchSize,
};

/// Reads the data, trains or goes on training, evaluates, and leaves a run folder and a line of JSON.
///
/// Of several processes each does its own part of the computing, and the first alone says and writes something.
pub(crate) fn train<T: Task>(chosen: &Chosen, exchange: &dyn Exchange) -> Result<()> {
    let is_first = exchange.rank() == 0;
    signals::set_ranks(exchange.ranks());
    // What is wrong with `--compare` is told before anything is trained.
    chosen.comparisons()?;
    let place = is_first.then(|| find_place(chosen)).transpose()?;
    ensure_equal(chosen, exchange)?;
    let run = Run::<T>::prepare(chosen, exchange)?;
    chosen.training.optimizer(&run.begun.params)?;
    let folder = folder(chosen, place, exchange)?;
    if chosen.place.profile {
        let rows = run.order(0)?.into_iter().next().unwrap_or_default();
        run.fetch(std::slice::from_ref(&rows))?;
        if is_first {
            say::line(&look::profile(&run.begun.task, &run.begun.params, &run.train(), &rows)?);
        }
    }
    run.train_and_report(chosen, &folder).map_err(|error| error.resumed_by(resume_command(chosen, &folder)))
}

/// The command that resumes a training. The run folder holds its options, but for what it is compared with.
fn resume_command(chosen: &Chosen, folder: &RunFolder) -> String {
    let compared = chosen.place.compare.iter().map(|name| format!(" --compare {}", shell::quoted(name)));
    let out = folder.path().to_string_lossy();
    format!(
        "unspool train {} --out {} --resume{}",
        chosen.spec().name,
        shell::quoted(&out),
        compared.collect::<String>()
    )
}

/// Makes sure that all processes were started alike.
fn ensure_equal(chosen: &Chosen, exchange: &dyn Exchange) -> Result<()> {
    if exchange.ranks() <= 1 {
        return Ok(());
    }
    let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let options = chosen.config.iter().map(|(name, value)| (format!("--{name}"), text(value)));
    let mut facts = vec![("the version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())];
    facts.extend(options);
    facts.push(("--out".into(), chosen.place.out.as_ref().map_or_else(String::new, |out| out.display().to_string())));
    facts.push(("--resume".into(), chosen.place.resume.to_string()));
    facts.push(("--profile".into(), chosen.place.profile.to_string()));
    facts.push(("--compare".into(), chosen.place.compare.join(", ")));
    let data = chosen.data(exchange).checksum();
    facts.push((
        "the checksum of --data".into(),
        data.map_or_else(|error| error.to_string(), Option::unwrap_or_default),
    ));
    let facts: Vec<(&str, String)> = facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    Ok(exchange.ensure_equal(&facts)?)
}

/// Where the run folder shall be. A run that goes on has its options: a large model is not built for others.
fn find_place(chosen: &Chosen) -> Result<Place> {
    let place = Place::find(chosen.place.out.as_deref(), chosen.place.resume)?;
    if let (Some(began), Some(out)) = (place.began(), &chosen.place.out) {
        began.check_options(&chosen.config, out)?;
    }
    Ok(place)
}

/// The run folder, which the first process makes at the place that it found.
fn folder(chosen: &Chosen, place: Option<Place>, exchange: &dyn Exchange) -> Result<RunFolder> {
    let Some(place) = place else {
        let path = exchange.broadcast(vec![])?;
        return Ok(RunFolder::of_another(String::from_utf8_lossy(&path).into_owned().into()));
    };
    let folder = place.create(chosen.spec().name)?;
    exchange.broadcast(folder.path().to_string_lossy().into_owned().into_bytes())?;
    Ok(folder)
}

/// All that a training is made of.
pub(crate) struct Run<'a, T: Task> {
    pub(crate) exchange: &'a dyn Exchange,
    chosen: &'a Chosen,
    pub(crate) begun: Begun<T>,
    /// Before each epoch it is given its rows.
    train: RwLock<Train<T>>,
    size: BatchSize,
    pub(crate) batches: usize,
    /// Real time steps computed so far, in this process.
    pub(crate) units: AtomicU64,
    /// Those of earlier processes, of which this one goes on.
    units_before: AtomicU64,
    /// What to show after an epoch.
    pub(crate) samples: Mutex<Vec<String>>,
}

impl<'a, T: Task> Run<'a, T> {
    fn prepare(chosen: &'a Chosen, exchange: &'a dyn Exchange) -> Result<Run<'a, T>> {
        let (begun, train) = Begun::<T>::new(chosen, exchange)?;
        let size = chosen.size;
        let batches = train.order(size, chosen.training.begin.seed, 0)?.len();
        if begun.task.carried().is_some() && chosen.training.accumulate > 1 {
            let message = format!(
                "--accumulate {}: {} carries a state from batch to batch",
                chosen.training.accumulate,
                T::SPEC.name
            );
            return Err(Error::misuse(message, "leave --accumulate out, and use larger batches"));
        }
        let (train, samples) = (RwLock::new(train), Mutex::default());
        let (units, units_before) = Default::default();
        Ok(Run { exchange, chosen, begun, train, size, batches, units, units_before, samples })
    }

    /// Trains this model and those that it is compared with, writes the report, and prints the line of JSON.
    ///
    /// The model and its scores do not hang on a full disk or a closed terminal: where a file cannot be written, the
    /// line of JSON is printed all the same, and the error comes last.
    fn train_and_report(&self, chosen: &Chosen, folder: &RunFolder) -> Result<()> {
        let (mut trained, answers) = self.train_model(chosen, folder, "")?;
        let mut unwritten = std::mem::take(&mut trained.unwritten);
        let mut baselines = vec![];
        if self.exchange.rank() == 0 {
            let Begun { task, source, dev, test, .. } = &self.begun;
            baselines = task.baselines(source, &dev.examples, &test.examples)?;
        }
        for (name, rival) in chosen.comparisons()? {
            signals::check_together(self.exchange)?;
            let run = Run::<T>::prepare(&rival, self.exchange)?;
            let (found, _) = run.train_model(&rival, &folder.inner(name)?, &format!("{name}: "))?;
            unwritten.extend(found.unwritten);
            baselines.push(Baseline::new(name, found.test.score.value));
        }
        if self.exchange.rank() > 0 {
            return Ok(());
        }
        compare(chosen, &trained, &baselines);
        let sizes = self.begun.sizes(&self.train());
        let page = look_at(&self.begun, &trained, &answers)
            .and_then(|seen| page(chosen, sizes, &trained, &baselines, seen)?.html());
        report(chosen, folder, sizes, (&trained, &baselines), page, unwritten)
    }

    /// Trains in a folder of its own, or resumes there. `who` stands before what is said.
    fn train_model(&self, chosen: &Chosen, folder: &RunFolder, who: &str) -> Result<(Trained, Vec<T::Answer>)> {
        let Begun { task, source, dev, test, cut, params: initial, saved, tokenizers, data } = &self.begun;
        let config = chosen.config.to_string();
        let [tokenizer, source_tokenizer] = tokenizers.each_ref().map(Option::as_deref);
        let of_tokenizers = [tokenizer, source_tokenizer];
        let identity = Identity::new(saved.clone(), &chosen.config, data.clone(), of_tokenizers);
        let json = saved_json(saved)?;
        let files = [
            (SAVED, Some(json.as_str())),
            (CONFIG, Some(config.as_str())),
            (TOKENIZER, tokenizer),
            (SOURCE_TOKENIZER, source_tokenizer),
        ];
        let files: Vec<_> = files.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
        folder.begin(&identity, &files)?;
        let is_first = self.exchange.rank() == 0;
        if is_first && who.is_empty() {
            log::open(folder.path());
            log::line(&format!("unspool {}: {}", env!("CARGO_PKG_VERSION"), shell::command()));
        }
        let steps_per_epoch = chosen.training.steps_per_epoch(self.batches);
        let total = self.epochs() * steps_per_epoch;
        let progress = Progress::new(total, T::SPEC.unit, who, !is_first);
        let sizes = self.begun.sizes(&self.train());
        progress.say(&sizes.line(T::SPEC.name));
        let mut notes = task.notes(source, &dev.examples, &test.examples);
        notes.extend(cut.note(self.exchange)?);
        notes.extend([("dev", dev), ("test", test)].iter().filter_map(|(name, part)| part.unknown(task).note(name)));
        notes.iter().for_each(|note| progress.say(note));
        let ranks = self.exchange.ranks();
        if ranks > self.shards() {
            progress.say(&format!(
                "{ranks} processes, but {} shards per batch: --shards {ranks} or more gives each process work",
                self.shards()
            ));
        }
        if ranks > 1 && chosen.training.reduce() == Reduce::Fast {
            progress.say(&format!(
                "--reduce fast: the last bits of the weights depend on the number of processes ({ranks})"
            ));
        }

        let times = folder.times();
        self.units_before.store(times.tokens, Ordering::Relaxed);
        let tokens = || self.units_everywhere();
        let page = |history: &[Epoch], curve: String| page_so_far(chosen, sizes, history, curve, steps_per_epoch);
        let samples = || self.samples.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let watched = Watched {
            task: T::SPEC.name,
            metric: T::SPEC.metric,
            unit: T::SPEC.unit,
            epochs: self.epochs(),
            steps_per_epoch,
            page: who.is_empty().then_some(&page),
            tokens: &tokens,
            samples: &samples,
        };
        let mut watch = Watch::new(watched, folder, &progress, &times);
        let mut last = initial.clone();
        let outcome = self.run(chosen, folder, identity.metadata(), &mut last, |event| watch.on(event));
        let mut unwritten = Vec::from_iter(watch.finish());
        let Watch { clock, history, .. } = watch;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            // Resuming would come to the same end. Any other failure (a full disk) leaves what can be resumed.
            Err(Error::Diverged { cause, .. }) => {
                return Err(Error::Diverged { cause, has_weights: folder.discard_without_weights() });
            }
            Err(error) => return Err(error),
        };
        let stopped = || {
            progress.finish();
            signals::stopped(Some(outcome.steps))
        };
        if outcome.stop_reason == StopReason::Stopped {
            return Err(stopped());
        }
        let began = Instant::now();
        progress.evaluating();
        let judge = || -> Result<_> {
            let kept = self.kept(&outcome, &last, steps_per_epoch)?;
            kept.told.iter().for_each(|line| progress.say(line));
            if kept.is_last && is_first {
                checkpoint::save(&folder.file(MODEL), kept.params, &identity.metadata())?;
            }
            let test = self.part(kept.params, test, Search::Full)?;
            signals::check_together(self.exchange)?;
            let written = self.written(kept.params)?;
            Ok((kept, test, written))
        };
        let (kept, (test, answers), written) = judge().map_err(|error| match error {
            Error::Stopped { .. } => stopped(),
            other => other,
        })?;
        let (params, step, dev) = (kept.params, kept.step, kept.dev);
        if !written.is_empty() {
            unwritten.extend(folder.write(SAMPLES, &(written.join("\n\n") + "\n")).err());
        }
        progress.finish();
        let signature = test.score.signature.as_ref().map_or(String::new(), |signature| format!(" ({signature})"));
        progress.say(&format!(
            "test {} {}{signature}, with the weights of epoch {}",
            T::SPEC.metric.name,
            score(test.score.value, T::SPEC.metric.digits),
            significant(epochs_of(step, steps_per_epoch), 4)
        ));
        let seconds = clock.training.as_secs_f64();
        let evaluation_seconds = (clock.evaluating + began.elapsed()).as_secs_f64();
        let per_second = self.units_everywhere() / seconds.max(1e-9);
        let (epoch, params) = (epochs_of(step, steps_per_epoch), params.clone());
        let trained = Trained {
            epoch,
            steps_per_epoch,
            params,
            history,
            dev,
            test,
            seconds,
            evaluation_seconds,
            per_second,
            unwritten,
        };
        Ok((trained, answers))
    }

    pub(crate) fn train(&self) -> RwLockReadGuard<'_, Train<T>> {
        self.train.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn epochs(&self) -> u64 {
        self.chosen.training.epochs
    }

    /// Whether a running average of the weights is what is evaluated.
    pub(crate) fn is_averaged(&self) -> bool {
        self.chosen.training.average > 0.0
    }

    pub(crate) fn seed(&self) -> u64 {
        self.chosen.training.begin.seed
    }

    /// How many shards a batch is cut into.
    pub(crate) fn shards(&self) -> usize {
        self.chosen.training.shards as usize
    }

    /// The batches of an epoch.
    pub(crate) fn order(&self, epoch: u64) -> Result<Vec<Vec<usize>>> {
        self.train().order(self.size, self.seed(), epoch)
    }

    /// Gives each process the rows of the train part that it needs, by rank. All call it at the same place.
    pub(crate) fn fetch(&self, needed: &[Vec<usize>]) -> Result<()> {
        let mut train = self.train.write().unwrap_or_else(PoisonError::into_inner);
        train.fetch(needed, self.exchange)
    }

    pub(crate) fn part(
        &self,
        params: &Params,
        part: &Scored<T>,
        search: Search,
    ) -> Result<(Evaluated, Vec<T::Answer>)> {
        evaluate::part(&self.begun.task, params, part, self.size, search, self.exchange)
    }

    /// What the model writes of itself, for the one who shows it.
    pub(crate) fn written(&self, params: &Params) -> Result<Vec<String>> {
        if self.exchange.rank() == 0 { self.begun.task.samples(params) } else { Ok(vec![]) }
    }

    /// All processes have about as much to compute.
    fn units_everywhere(&self) -> f64 {
        let working = self.exchange.ranks().min(self.shards());
        self.units_before.load(Ordering::Relaxed) as f64 + self.units.load(Ordering::Relaxed) as f64 * working as f64
    }

    fn run(
        &self,
        chosen: &Chosen,
        folder: &RunFolder,
        metadata: BTreeMap<String, String>,
        params: &mut Params,
        on: impl FnMut(Event<'_>),
    ) -> Result<Outcome> {
        let mut trainer = self.trainer(chosen).checkpoints(folder.path()).metadata(metadata).stop(signals::watch());
        if chosen.place.resume {
            trainer = trainer.resume();
        }
        let mut optimizer = chosen.training.optimizer(&self.begun.params)?;
        trainer.run(params, &mut *optimizer, self, on)
    }

    /// The trainer of a training that writes nothing and has no signal to listen to.
    fn trainer(&self, chosen: &Chosen) -> Trainer<'_> {
        chosen.training.trainer(self.batches).exchange(self.exchange)
    }
}

/// Says how the model compares with the baselines.
fn compare(chosen: &Chosen, trained: &Trained, baselines: &[Baseline]) {
    let metric = chosen.spec().metric;
    for baseline in baselines {
        let name = if baseline.score().is_some() { format!("{} ", metric.name) } else { String::new() };
        say::line(&format!("for comparison, {}: {name}{}", baseline.title(), told(baseline, metric)));
    }
    worse_line(trained.test.score.value, metric, baselines).iter().for_each(|line| say::line(line));
}

/// Writes the report and the card, and prints the line of JSON. `unwritten` says which files could not be written
/// before.
fn report(
    chosen: &Chosen,
    folder: &RunFolder,
    sizes: Sizes,
    (trained, baselines): (&Trained, &[Baseline]),
    page: Result<String>,
    mut unwritten: Vec<Error>,
) -> Result<()> {
    let Spec { name, metric, unit, .. } = chosen.spec();
    match page.and_then(|page| folder.write(REPORT, &page)) {
        Ok(()) => say::line(&format!("run folder: {}; open its {REPORT} in a browser", folder.path().display())),
        Err(stopped @ Error::Stopped { .. }) => return Err(stopped),
        Err(error) => unwritten.push(error),
    }
    unwritten.extend(folder.write(CARD, &card(chosen, sizes, trained, baselines)).err());
    let report = Report {
        task: name,
        seed: chosen.training.begin.seed,
        parameters: sizes.parameters,
        epochs: chosen.training.epochs,
        seconds: trained.seconds,
        evaluation_seconds: trained.evaluation_seconds,
        per_second: json!({ unit: trained.per_second }),
        dev: Report::part(Some(trained.epoch), &trained.dev, metric.name),
        test: Report::part(None, &trained.test, metric.name),
        baselines: baselines.iter().filter_map(|one| Some((one.name().to_owned(), json!(one.score()?)))).collect(),
        worse_than: better_than(trained.test.score.value, metric, baselines).iter().map(|one| one.name()).collect(),
    };
    print(&report, chosen.place.format)?;
    let resume = resume_command(chosen, folder);
    let hint = || {
        format!("the model is trained and saved; once files can be written again, `{resume}` writes what is missing")
    };
    unwritten.into_iter().next().map_or(Ok(()), |error| Err(error.hint(hint())))
}

/// Returns the scores of the best weights on the test part, after a training that writes nothing.
pub(crate) fn train_and_score<T: Task>(chosen: &Chosen) -> Result<Score> {
    let run = Run::<T>::prepare(chosen, &OneProcess)?;
    let mut params = run.begun.params.clone();
    let mut optimizer = chosen.training.optimizer(&params)?;
    let outcome = run.trainer(chosen).run(&mut params, &mut *optimizer, &run, |_| {})?;
    let kept = run.kept(&outcome, &params, chosen.training.steps_per_epoch(run.batches))?;
    Ok(run.part(kept.params, &run.begun.test, Search::Full)?.0.score)
}

/// Returns the loss of each of the first steps of a training that writes nothing.
pub(crate) fn step_losses<T: Task>(chosen: &Chosen, steps: usize) -> Result<Vec<f64>> {
    let run = Run::<T>::prepare(chosen, &OneProcess)?;
    let (mut losses, enough) = (vec![], AtomicBool::new(false));
    let mut params = run.begun.params.clone();
    let mut optimizer = chosen.training.optimizer(&params)?;
    run.trainer(chosen).stop(&enough).run(&mut params, &mut *optimizer, &run, |event| {
        if let Event::Step(done) = event {
            losses.push(done.loss);
            enough.store(losses.len() >= steps, Ordering::Relaxed);
        }
    })?;
    Ok(losses)
}
