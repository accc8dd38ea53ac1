//! What a command line and a configuration file choose. Precedence: command line, then `--config`, then the defaults of
//! the task.

use crate::{
    any_task::AnyTask,
    cache::Cache,
    commented::{commented, defaults},
    config::{self, Entry, strings, value_of},
    data::{Columns, Data},
    error::{Error, Result},
    run::{self, TASK},
    shell,
    task::{Spec, Task},
    task_options::{BATCH_ROWS, CONFIG, DATA, INIT_FROM, Place, SKIP_BAD_LINES, is_list, is_of_model, options},
    training::Training,
};
use clap::{ArgMatches, Command, FromArgMatches, parser::ValueSource};
use std::{
    collections::BTreeMap,
    error::Error as _,
    path::{Path, PathBuf},
};
use toml::{Table, Value};
use unspool::{nn::exchange::Exchange, text::BatchSize};

/// Options by name, with their values as text.
type Given = BTreeMap<String, Vec<String>>;

/// What a command line itself names of a task's options.
fn given(task: &dyn AnyTask, matches: &ArgMatches) -> Given {
    let known = options(task, Command::new(""));
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
pub(crate) fn read_config(task: &dyn AnyTask, path: &Path) -> Result<Given> {
    let entries = config::read(path)?;
    check_task(task, &entries)?;
    given_by(task, entries)
}

/// The configuration of a run that is there. What is wrong in it is damage, and no misuse: nobody has just typed it.
fn read_config_of_run(task: &dyn AnyTask, path: &Path) -> Result<Given> {
    let damaged = |error: Error| error.into_failure("it must be as the training wrote it");
    let entries = config::read(path).map_err(damaged)?;
    check_task(task, &entries)?;
    given_by(task, entries).map_err(damaged)
}

/// Checks that entries are for this task. Another task's options are none of this one, so the task comes first.
fn check_task(task: &dyn AnyTask, entries: &[Entry]) -> Result<()> {
    for Entry { name, value, place } in entries {
        if name == TASK
            && let Some(other) = value.as_str().filter(|other| *other != task.spec().name)
        {
            let hint = format!("`unspool train {other}`, or another --config");
            return Err(Error::misuse(format!("{place}: it is for {other}"), hint));
        }
    }
    Ok(())
}

/// The options that entries give.
fn given_by(task: &dyn AnyTask, entries: Vec<Entry>) -> Result<Given> {
    let (mut given, known) = (Given::new(), options(task, Command::new("")));
    for Entry { name, value, place } in entries {
        let values = match &value {
            _ if name == TASK && text(&value) == task.spec().name => continue,
            Value::Array(all) if is_list(&known, &name) && all.iter().all(Value::is_str) => {
                all.iter().map(text).collect()
            }
            Value::Array(_) | Value::Table(_) => vec![],
            value if is_list(&known, &name) && !value.is_str() => vec![],
            value => vec![text(value)],
        };
        // An empty list says as much as none.
        if values.is_empty() && is_list(&known, &name) && value.as_array().is_some_and(Vec::is_empty) {
            continue;
        }
        if values.is_empty() || !known.get_arguments().any(|argument| argument.get_long() == Some(&name)) {
            return Err(Error::misuse(
                format!("{place}: `{name}` is not an option of {}", task.spec().name),
                format!("see `unspool train {} --help`", task.spec().name),
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

/// A value of a configuration file as the command line takes it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn words(given: &Given) -> Vec<String> {
    let words = given.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("--{name}={value}")));
    std::iter::once(String::new()).chain(words).collect()
}

/// The options of the tasks whose texts have a tokenizer, in the order of [`run::TOKENIZERS`].
const TOKENIZERS: [&str; 2] = ["tokenizer", "source-tokenizer"];

/// Takes the options of the model from the run that `--init-from` names, whose weights would not fit others.
fn adopt_model(task: &dyn AnyTask, given: &mut Given) -> Result<()> {
    let Some(from) = given.get(INIT_FROM).and_then(|values| values.first()).cloned() else { return Ok(()) };
    let folder = run::RunFolder::open(Path::new(&from))?;
    let theirs = read_config_of_run(task, &folder.file(run::CONFIG))?;
    // Its texts are cut into the tokens that the weights know.
    let tokenizers = run::TOKENIZERS.map(|name| folder.file(name));
    let known = options(task, Command::new(""));
    for argument in known.get_arguments().filter(|argument| is_of_model(task, argument)) {
        let Some(name) = argument.get_long() else { continue };
        let file = TOKENIZERS.iter().position(|option| *option == name).map(|place| &tokenizers[place]);
        if let Some(file) = file.filter(|file| file.exists()) {
            given.insert(name.to_owned(), vec![file.display().to_string()]);
            continue;
        }
        let value = theirs.get(name).cloned().unwrap_or_else(|| defaults(argument));
        match given.get(name) {
            Some(own) if *own != value => {
                return Err(Error::misuse(
                    format!("--{name} is {}, but the run in {from} has {}", own.join(", "), value.join(", ")),
                    format!("with --{INIT_FROM} the model is that of the other run: leave --{name} out"),
                ));
            }
            Some(_) => {}
            None if value.is_empty() => {}
            None => drop(given.insert(name.to_owned(), value)),
        }
    }
    Ok(())
}

/// All options with their meanings, and the values that are given or the defaults, as a file for `--config`.
pub(crate) fn print_config(task: &dyn AnyTask, matches: &ArgMatches) -> Result<String> {
    let mut chosen = match matches.get_one::<PathBuf>(CONFIG) {
        Some(path) => read_config(task, path)?,
        None => Given::new(),
    };
    chosen.extend(given(task, matches));
    Ok(commented(task.spec().name, &options(task, Command::new("")), &chosen))
}

/// The options of a training.
pub(crate) struct Chosen {
    pub(crate) task: &'static dyn AnyTask,
    /// All of them as they were read, the task's own too.
    matches: ArgMatches,
    pub(crate) training: Training,
    /// How many examples are trained on at a time.
    pub(crate) size: BatchSize,
    /// `--data`; empty where there is none.
    pub(crate) data: Vec<String>,
    /// The columns of a table that are read.
    pub(crate) columns: Option<Columns>,
    skip_bad_lines: bool,
    /// All that decides what comes out, as `--config` reads it.
    pub(crate) config: Table,
    pub(crate) place: Place,
    given: Given,
}

impl Chosen {
    /// Chooses from a command line. A run is resumed with the options that it began with.
    pub(crate) fn new(task: &'static dyn AnyTask, matches: &ArgMatches) -> Result<Chosen> {
        let place = match matches.try_contains_id("resume") {
            Ok(_) => Place::from_arg_matches(matches).map_err(|error| Error::misuse(error.to_string(), ""))?,
            Err(_) => Place::default(),
        };
        let mut chosen = match matches.get_one::<PathBuf>(CONFIG) {
            Some(path) => read_config(task, path)?,
            None => Given::new(),
        };
        chosen.extend(given(task, matches));
        adopt_model(task, &mut chosen)?;
        let begun = place.out.as_ref().filter(|_| place.resume).map(|out| out.join(run::CONFIG));
        let Some(path) = begun.filter(|path| path.exists()) else { return Self::of_given(task, chosen, place) };
        let mut all = read_config_of_run(task, &path)?;
        let began = Self::of_given(task, all.clone(), place.clone())?;
        all.extend(chosen);
        let now = Self::of_given(task, all, place)?;
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
    pub(crate) fn of_run(task: &'static dyn AnyTask, folder: &run::RunFolder) -> Result<Chosen> {
        let path = folder.file(run::CONFIG);
        let mut given = if path.exists() { read_config_of_run(task, &path)? } else { Given::new() };
        if task.spec().data.is_some() {
            given.entry(DATA.into()).or_insert_with(|| vec![String::new()]);
        }
        Self::of_given(task, given, Place::default())
    }

    fn of_given(task: &'static dyn AnyTask, given: Given, place: Place) -> Result<Chosen> {
        let known = options(task, Command::new(""));
        let matches = known.clone().try_get_matches_from(words(&given)).map_err(refused)?;
        let training = Training::from_arg_matches(&matches).map_err(refused)?;
        let mut data = given.get(DATA).cloned().unwrap_or_default();
        if data.is_empty() && task.spec().data.is_some() {
            let set = task.spec().sets.first().ok_or_else(|| {
                Error::misuse(
                    format!("--data is missing: there is no built-in data set for {}", task.spec().name),
                    "give --data FILE, or --data TRAIN DEV TEST",
                )
            })?;
            data.push(set.name.to_owned());
        }
        let rows = matches.try_get_one::<usize>(BATCH_ROWS).ok().flatten().copied().unwrap_or(1);
        let size = task.batch_size(&matches)?.unwrap_or(BatchSize::Rows(rows));
        let skip_bad_lines = matches.try_get_one::<bool>(SKIP_BAD_LINES).ok().flatten().is_some_and(|skips| *skips);
        let columns = Columns::new(task.spec().columns, |option| given.get(option)?.first().cloned());
        let config = table(task.spec().name, &known, &matches, &data);
        Ok(Chosen { task, matches, training, size, data, columns, skip_bad_lines, config, place, given })
    }

    /// What the task is called, what it does, and how its models are compared.
    pub(crate) fn spec(&self) -> Spec {
        self.task.spec()
    }

    /// The task's own options.
    pub(crate) fn own<T: Task>(&self) -> Result<T::Options> {
        own_options::<T>(&self.matches)
    }

    /// The command that trains in this way: the data, and the options that differ from their defaults.
    pub(crate) fn command(&self) -> String {
        let mut command = format!("unspool train {}", self.spec().name);
        if self.data.iter().ne(self.spec().sets.first().map(|set| set.name)) {
            command += " --data";
            self.data.iter().for_each(|name| command += &format!(" {}", shell::quoted(name)));
        }
        for argument in options(self.task, Command::new("")).get_arguments() {
            let Some(name) = argument.get_long().filter(|name| *name != DATA) else { continue };
            let usual: Vec<String> =
                argument.get_default_values().iter().map(|text| text.to_string_lossy().into()).collect();
            let value = self.config.get(name).filter(|value| value_of(argument, &usual).as_ref() != Some(*value));
            let values = match value {
                Some(Value::Array(all)) => all.iter().map(text).collect(),
                other => Vec::from_iter(other.map(text)),
            };
            values.iter().for_each(|value| command += &format!(" --{name}={}", shell::quoted(value)));
        }
        command
    }

    /// The data that is named.
    pub(crate) fn data<'a>(&self, exchange: &'a dyn Exchange) -> Data<'a> {
        Data::new(&self.data, self.spec().sets, self.columns.clone(), exchange)
            .limits(self.place.limits.limits())
            .skip_bad_lines(self.skip_bad_lines)
            .cache(Cache::of_user(self.place.cache_size))
    }

    /// What `--compare` names: the same options but for some.
    pub(crate) fn comparisons(&self) -> Result<Vec<(&'static str, Chosen)>> {
        let known = self.spec().comparisons;
        let compared = |wanted: &String| {
            let Some((name, others)) = known.iter().find(|(name, _)| name == wanted) else {
                let names = known.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                return Err(Error::misuse(
                    format!("--compare {wanted}: {} has no such comparison", self.spec().name),
                    if names.is_empty() { "leave it out".to_owned() } else { format!("it must be one of {names}") },
                ));
            };
            if self.training.init_from.is_some() {
                return Err(Error::misuse(
                    format!("--compare {name}: a model of other options cannot start from the weights of this one"),
                    format!("leave out --compare or --{INIT_FROM}"),
                ));
            }
            let mut given = self.given.clone();
            given.extend(others.iter().map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()])));
            let other = Self::of_given(self.task, given, self.place.clone())?;
            match other.config == self.config {
                true => Err(Error::misuse(format!("--compare {name}: that is the model itself"), "leave it out")),
                false => Ok((*name, other)),
            }
        };
        self.place.compare.iter().map(compared).collect()
    }
}

/// The task's own options.
pub(crate) fn own_options<T: Task>(matches: &ArgMatches) -> Result<T::Options> {
    T::Options::from_arg_matches(matches).map_err(refused)
}

/// Options that clap refuses.
fn refused(error: clap::Error) -> Error {
    Error::misuse(error.to_string().replace('\n', " "), "see `--help`")
}

/// All options with their values, for `config.toml`.
fn table(task: &str, known: &Command, matches: &ArgMatches, data: &[String]) -> Table {
    let mut table = Table::from_iter([(TASK.to_owned(), Value::String(task.into()))]);
    if !data.is_empty() {
        table.insert(DATA.into(), strings(data));
    }
    for argument in known.get_arguments() {
        let (id, Some(name)) = (argument.get_id().as_str(), argument.get_long()) else { continue };
        let values: Vec<String> = match matches.try_get_raw(id) {
            Ok(Some(values)) if name != DATA => values.map(|value| value.to_string_lossy().into_owned()).collect(),
            _ => continue,
        };
        table.extend(value_of(argument, &values).map(|value| (name.to_owned(), value)));
    }
    table
}
