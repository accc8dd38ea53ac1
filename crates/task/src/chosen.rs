//! The options of a training. Precedence: command line, then `--config`, then the defaults of the task.

use crate::{
    cache::Cache,
    config::{self, Entry},
    data::{Columns, Data},
    error::{Error, Result},
    groups::{choice, within},
    limits,
    lines::LimitOptions,
    run::{self, TASK},
    task::Task,
    threads::Threads,
};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, parser::ValueSource, value_parser};
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use toml::{Table, Value};
use unspool::{
    graph::Precision,
    nn::exchange::{Exchange, Reduce},
    text::BatchSize,
};

/// Options that every task has; the defaults of the first two are the task's.
#[derive(Clone, Debug, Args)]
pub(crate) struct Training {
    /// Training epochs [from 1 to 1000000]
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(1..=limits::EPOCHS))]
    pub(crate) epochs: u64,
    /// Peak learning rate: it rises for 200 steps (at most a tenth of all), then falls to 0.05 of the peak
    /// [from 1e-12 to 10]
    #[arg(long, value_name = "RATE", default_value = "0.001", allow_hyphen_values = true,
          value_parser = within(1e-12..=10.0))]
    pub(crate) learning_rate: f64,
    #[command(flatten)]
    pub(crate) begin: Begin,
    /// Shards into which a batch of 16 rows or more is divided among threads and processes; the weights depend on it
    /// slightly [from 1 to 1024]
    #[arg(long, value_name = "N", default_value = "2", value_parser = within(1..=limits::SHARDS))]
    pub(crate) shards: u64,
    /// How processes sum gradients: shard by shard (exact: equal weights for any number of processes), or each its own
    /// first (fast: less communication)
    #[arg(long, value_name = "exact|fast", default_value = "exact", value_parser = choice(&["exact", "fast"]))]
    reduce: String,
}

impl Training {
    pub(crate) fn reduce(&self) -> Reduce {
        if self.reduce == "fast" { Reduce::Fast } else { Reduce::Exact }
    }
}

/// What the first values of a model depend on.
#[derive(Clone, Debug, Args)]
pub(crate) struct Begin {
    /// Random seed of initial values, dropout, and the order of batches; equal seeds give equal weights
    #[arg(long, value_name = "N", default_value = "1", value_parser = within(0..=i64::MAX as u64))]
    pub(crate) seed: u64,
    /// Floating-point precision
    #[arg(long, value_name = "f32|f64", default_value = "f32", value_parser = choice(&["f32", "f64"]))]
    precision: String,
}

impl Begin {
    pub(crate) fn precision(&self) -> Precision {
        if self.precision == "f64" { Precision::F64 } else { Precision::F32 }
    }
}

/// Where a run is written, and what is done beside it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Place {
    /// Output directory: a new or an empty one [default: the next free runs/TASK-N]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Resume the run in --out as if it had not been stopped; start it where there is none yet. The data and the
    /// options must be those that it began with, --epochs too, since the learning rate falls over all of them
    #[arg(long)]
    pub(crate) resume: bool,
    /// Print the cost of each source line and each operation of a step before training
    #[arg(long)]
    pub(crate) profile: bool,
    /// Train another model too, whose test score stands beside that of the model
    #[arg(long, value_name = "NAME")]
    pub(crate) compare: Vec<String>,
    /// Most megabytes of prepared data that are kept in the user's cache directory, so that the next training on the
    /// same data begins at once; 0 keeps none
    #[arg(long, value_name = "MB", default_value_t = limits::CACHE)]
    cache_size: u64,
    #[command(flatten)]
    limits: LimitOptions,
}

const DATA: &str = "data";
const BATCH_ROWS: &str = "batch-rows";
const CONFIG: &str = "config";

/// The options that decide what comes out of a training, as `--config` reads them.
fn options<T: Task>(command: Command) -> Command {
    let spec = T::SPEC;
    let command = Training::augment_args(command.next_help_heading("Training"));
    let mut command = T::Options::augment_args(command.next_help_heading("Task"));
    if spec.batch_rows.is_some() {
        let parser = within(1..=limits::BATCH_ROWS);
        let help = format!("Examples per batch [from 1 to {}]", limits::BATCH_ROWS);
        command = command.arg(Arg::new(BATCH_ROWS).long(BATCH_ROWS).value_name("N").value_parser(parser).help(help));
    }
    for (option, usual) in spec.columns {
        let help = format!("Column of the table to read as the {option} [default: {usual}]");
        command = command.arg(Arg::new(*option).long(*option).value_name("COLUMN").help(help));
    }
    let rows = spec.batch_rows.unwrap_or(1).to_string();
    let numbers =
        [("epochs", spec.epochs.to_string()), ("learning-rate", spec.learning_rate.to_string()), (BATCH_ROWS, rows)];
    let numbers = numbers.map(|(name, value)| (name, interned(value)));
    for (name, value) in numbers.iter().chain(spec.defaults) {
        command = command.mut_args(|argument| match argument.get_long() == Some(name) {
            true => argument.default_value(*value),
            false => argument,
        });
    }
    data::<T>(command)
}

/// The text for as long as the program runs, which clap asks of a default. Each text is kept once, however often a
/// command is made.
fn interned(text: String) -> &'static str {
    static INTERNED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut all = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = all.get(&*text) {
        return known;
    }
    let text: &'static str = Box::leak(text.into_boxed_str());
    all.insert(text);
    text
}

/// `--data`, if the task reads any.
fn data<T: Task>(command: Command) -> Command {
    let Some(help) = T::SPEC.data else { return command };
    let help = match T::SPEC.sets.first() {
        None => help.to_owned(),
        Some(set) => format!("{help}. Or the name of a built-in data set [default: {}]", set.name),
    };
    let argument = Arg::new(DATA).long(DATA).value_name("FILE|NAME").num_args(1..).action(ArgAction::Append);
    command.arg(argument.help(help))
}

fn beside(command: Command) -> Command {
    let help = "Options as TOML, such as the config.toml of a run folder; command-line options take precedence";
    let file = Arg::new(CONFIG).long(CONFIG).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help);
    Threads::augment_args(command.next_help_heading("Run").arg(file))
}

/// The command that trains a task.
pub(crate) fn train_command<T: Task>() -> Command {
    let mut command = Place::augment_args(beside(options::<T>(Command::new(T::SPEC.name).about(T::SPEC.about))));
    let names: Vec<&str> = T::SPEC.comparisons.iter().map(|(name, _)| *name).collect();
    command = command.mut_arg("compare", |argument| match names.as_slice() {
        [] => argument.hide(true),
        names => argument.help(format!(
            "Train another model too, whose test score stands beside that of the model: {}",
            names.join(", ")
        )),
    });
    command
}

/// The options of a task that is drawn.
pub(crate) fn drawn<T: Task>() -> Command {
    let command = Begin::augment_args(Command::new(T::SPEC.name).about(T::SPEC.about));
    beside(data::<T>(T::Options::augment_args(command)))
}

/// Whether a task has an option of this name.
pub(crate) fn has<T: Task>(name: &str) -> bool {
    options::<T>(Command::new("")).get_arguments().any(|argument| argument.get_long() == Some(name))
}

/// Options by name, with their values as text.
type Given = BTreeMap<String, Vec<String>>;

/// What a command line itself names of a task's options.
fn given<T: Task>(matches: &ArgMatches) -> Given {
    let known = options::<T>(Command::new(""));
    let mut given = Given::new();
    for argument in known.get_arguments() {
        let (id, Some(name)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
        let is_there = matches.try_contains_id(id).unwrap_or(false);
        if is_there && matches.value_source(id) == Some(ValueSource::CommandLine) {
            let values = matches.get_raw(id).into_iter().flatten();
            given.insert(name.to_owned(), values.map(|value| value.to_string_lossy().into_owned()).collect());
        }
    }
    given
}

/// A configuration file: each key is the name of an option, and its value is one that the command line takes.
pub(crate) fn read_config<T: Task>(path: &Path) -> Result<Given> {
    let (mut given, entries) = (Given::new(), config::read(path)?);
    // Another task's options are none of this one, so the task comes first.
    for Entry { name, value, place } in &entries {
        if name == TASK
            && let Some(task) = value.as_str().filter(|task| *task != T::SPEC.name)
        {
            let hint = format!("`unspool train {task}`, or another --config");
            return Err(Error::misuse(format!("{place}: it is for {task}"), hint));
        }
    }
    let known = options::<T>(Command::new(""));
    for Entry { name, value, place } in entries {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let values = match &value {
            _ if name == TASK && text(&value) == T::SPEC.name => continue,
            Value::Array(all) if name == DATA && all.iter().all(Value::is_str) => all.iter().map(text).collect(),
            Value::Array(_) | Value::Table(_) => vec![],
            value if name == DATA && !value.is_str() => vec![],
            value => vec![text(value)],
        };
        if values.is_empty() || !known.get_arguments().any(|argument| argument.get_long() == Some(&name)) {
            return Err(Error::misuse(
                format!("{place}: `{name}` is not an option of {}", T::SPEC.name),
                format!("see `unspool train {} --help`", T::SPEC.name),
            ));
        }
        let one = Given::from([(name.clone(), values)]);
        known.clone().try_get_matches_from(words(&one)).map_err(|error| {
            let why = error.source().map_or_else(|| error.kind().to_string(), ToString::to_string);
            Error::misuse(format!("{place}: {name}: {why}"), "correct that line")
        })?;
        given.extend(one);
    }
    Ok(given)
}

fn words(given: &Given) -> Vec<String> {
    let words = given.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("--{name}={value}")));
    std::iter::once(String::new()).chain(words).collect()
}

/// The options of a training of `T`.
pub(crate) struct Chosen<T: Task> {
    /// The task's own.
    pub(crate) options: T::Options,
    pub(crate) training: Training,
    /// How many examples are trained on at a time.
    pub(crate) size: BatchSize,
    /// `--data`; empty where there is none.
    pub(crate) data: Vec<String>,
    /// The columns of a table that are read.
    pub(crate) columns: Option<Columns>,
    /// All that decides what comes out, as `--config` reads it.
    pub(crate) config: Table,
    pub(crate) place: Place,
    given: Given,
}

impl<T: Task> Chosen<T> {
    /// Chooses from a command line. A run is resumed with the options that it began with.
    pub(crate) fn new(matches: &ArgMatches) -> Result<Chosen<T>> {
        let place = match matches.try_contains_id("resume") {
            Ok(_) => Place::from_arg_matches(matches).map_err(|error| Error::misuse(error.to_string(), ""))?,
            Err(_) => Place::default(),
        };
        let mut chosen = match matches.get_one::<PathBuf>(CONFIG) {
            Some(path) => read_config::<T>(path)?,
            None => Given::new(),
        };
        chosen.extend(given::<T>(matches));
        let begun = place.out.as_ref().filter(|_| place.resume).map(|out| out.join(run::CONFIG));
        let Some(path) = begun.filter(|path| path.exists()) else { return Self::of_given(chosen, place) };
        let mut all = read_config::<T>(&path)?;
        let began = Self::of_given(all.clone(), place.clone())?;
        all.extend(chosen);
        let now = Self::of_given(all, place)?;
        // The same data may have another name now; its contents are compared once it is read.
        let differs = now.config.iter().find(|(name, value)| *name != DATA && began.config.get(*name) != Some(value));
        // Where no step was done yet, all can still be chosen.
        if now.place.out.as_deref().is_some_and(run::RunFolder::has_steps)
            && let Some((name, value)) = differs
        {
            let began = began.config.get(name).map_or("without it".to_owned(), |began| format!("with {began}"));
            return Err(Error::misuse(
                format!("--{name} is {value}, but the run in {} began {began}", path.display()),
                "a run is resumed with the options that it began with: leave them out",
            ));
        }
        Ok(now)
    }

    /// The options of a run that is there, as far as its folder has them.
    pub(crate) fn of_run(folder: &run::RunFolder) -> Result<Chosen<T>> {
        let path = folder.file(run::CONFIG);
        let mut given = if path.exists() { read_config::<T>(&path)? } else { Given::new() };
        if T::SPEC.data.is_some() {
            given.entry(DATA.into()).or_insert_with(|| vec![String::new()]);
        }
        Self::of_given(given, Place::default())
    }

    fn of_given(given: Given, place: Place) -> Result<Chosen<T>> {
        let wrong = |error: clap::Error| Error::misuse(error.to_string().replace('\n', " "), "see `--help`");
        let known = options::<T>(Command::new(""));
        let matches = known.clone().try_get_matches_from(words(&given)).map_err(wrong)?;
        let training = Training::from_arg_matches(&matches).map_err(wrong)?;
        let options = T::Options::from_arg_matches(&matches).map_err(wrong)?;
        let mut data = given.get(DATA).cloned().unwrap_or_default();
        if data.is_empty() && T::SPEC.data.is_some() {
            let set = T::SPEC.sets.first().ok_or_else(|| {
                Error::misuse(
                    format!("--data is missing: there is no built-in data set for {}", T::SPEC.name),
                    "give --data FILE, or --data TRAIN DEV TEST",
                )
            })?;
            data.push(set.name.to_owned());
        }
        let rows = matches.try_get_one::<usize>(BATCH_ROWS).ok().flatten().copied().unwrap_or(1);
        let size = T::batch_size(&options).unwrap_or(BatchSize::Rows(rows));
        let columns = Columns::new(T::SPEC.columns, |option| given.get(option)?.first().cloned());
        let config = table(T::SPEC.name, &known, &matches, &data);
        Ok(Chosen { options, training, size, data, columns, config, place, given })
    }

    /// The data that is named.
    pub(crate) fn data<'a>(&self, exchange: &'a dyn Exchange) -> Data<'a> {
        Data::new(&self.data, T::SPEC.sets, self.columns.clone(), exchange)
            .limits(self.place.limits.limits())
            .cache(Cache::of_user(self.place.cache_size))
    }

    /// What `--compare` names: the same options but for some.
    pub(crate) fn comparisons(&self) -> Result<Vec<(&'static str, Chosen<T>)>> {
        let known = T::SPEC.comparisons;
        let compared = |wanted: &String| {
            let Some((name, others)) = known.iter().find(|(name, _)| name == wanted) else {
                let names = known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                return Err(Error::misuse(
                    format!("--compare {wanted}: {} has no such comparison", T::SPEC.name),
                    if names.is_empty() { "leave it out".to_owned() } else { format!("it must be one of {names}") },
                ));
            };
            let mut given = self.given.clone();
            given.extend(others.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])));
            let other = Self::of_given(given, self.place.clone())?;
            match other.config == self.config {
                true => Err(Error::misuse(format!("--compare {name}: that is the model itself"), "leave it out")),
                false => Ok((*name, other)),
            }
        };
        self.place.compare.iter().map(compared).collect()
    }
}

/// All options with their values, for `config.toml`.
fn table(task: &str, known: &Command, matches: &ArgMatches, data: &[String]) -> Table {
    let mut table = Table::from_iter([(TASK.to_owned(), Value::String(task.into()))]);
    if !data.is_empty() {
        table.insert(DATA.into(), Value::Array(data.iter().cloned().map(Value::String).collect()));
    }
    for argument in known.get_arguments() {
        let (id, Some(name)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
        let value = matches.try_get_raw(id).ok().flatten().and_then(|mut values| values.next());
        if let Some(value) = value.filter(|_| name != DATA) {
            // What an option is shows its default: a column that is called 007 is no number.
            let default = argument.get_default_values().first().map(|default| typed(&default.to_string_lossy()));
            let text = value.to_string_lossy();
            let value =
                if default.is_some_and(|default| !default.is_str()) { typed(&text) } else { text.as_ref().into() };
            table.insert(name.to_owned(), value);
        }
    }
    table
}

/// A text as a truth value or a number, where it is one.
fn typed(text: &str) -> Value {
    if let Ok(value) = text.parse() {
        return Value::Boolean(value);
    }
    let number = text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Float));
    number.unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::interned;

    #[test]
    fn a_default_takes_memory_once_however_often_a_command_is_made() {
        assert!(std::ptr::eq(interned("0.125".into()), interned("0.125".into())));
        assert_eq!((interned("12".into()), interned("13".into())), ("12", "13"));
    }
}
