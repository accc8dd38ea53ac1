//! The command line. The commands are here; the options of a task come from its own list.

use super::{
    config::{self, Entry},
    error::{Error, Result},
    limits,
    lines::LongestLine,
    run::{self, TASK},
    score::ScoreOptions,
    tokenize::TokenizeOptions,
};
use crate::{
    any_task::AnyTask,
    opt::{Kind, Opt},
    task::{Recipe, Task},
};
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand, value_parser,
};
use std::{
    ffi::OsString,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};
use toml::{Table, Value};
use unspool::{graph::Precision, nn::exchange::Reduce};

/// Train recurrent models on sequences, on the processors of this machine, and use them.
#[derive(Parser)]
#[command(name = "unspool", version, arg_required_else_help = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands beside `train` and `draw`, which come from the tasks.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Predict with a trained model: read lines from standard input, write one prediction per line.
    ///
    /// A blank line gives a blank line, for every task.
    Predict(PredictOptions),
    /// Evaluate a trained model on a file, and write the scores as a line of JSON.
    Evaluate(EvaluateOptions),
    /// Generate text with a trained language model.
    Generate(GenerateOptions),
    /// Score a translation against references; the scores equal those of sacrebleu.
    Score {
        #[command(subcommand)]
        score: ScoreOptions,
    },
    /// Train a tokenizer, or convert text to token ids and back.
    Tokenize {
        #[command(subcommand)]
        action: TokenizeOptions,
    },
}

#[derive(Args)]
pub(crate) struct Threads {
    #[arg(
        id = THREADS,
        long = THREADS,
        value_name = "N",
        value_parser = value_parser!(u16).range(1..=i64::from(limits::THREADS)),
        help = format!(
            "Number of threads; the results do not depend on it [default: one per core] [from 1 to {}]",
            limits::THREADS
        )
    )]
    pub(crate) count: Option<u16>,
}

#[derive(Args)]
pub(crate) struct PredictOptions {
    /// Run folder of a training.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    #[arg(
        long,
        value_name = "N",
        value_parser = value_parser!(u16).range(1..=i64::from(limits::BEST)),
        help = format!(
            "Give the N best answers to each line, with their scores, as JSON lines [from 1 to {}]",
            limits::BEST
        )
    )]
    pub(crate) best: Option<u16>,
    /// Show the attention weights of each word of the answer, as JSON lines.
    #[arg(long)]
    pub(crate) attention: bool,
    #[command(flatten)]
    pub(crate) max_length: LongestLine<{ limits::ANSWERED_LINE }>,
    #[command(flatten)]
    pub(crate) threads: Threads,
}

#[derive(Args)]
pub(crate) struct EvaluateOptions {
    /// Run folder of a training.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    /// File to score, all of it, in the form that the model was trained on (for a translation also two files of plain
    /// text); or the name of a built-in data set, whose test part is scored.
    #[arg(long, value_name = "FILE|NAME", num_args = 1.., required = true)]
    pub(crate) data: Vec<String>,
    #[command(flatten)]
    pub(crate) threads: Threads,
}

#[derive(Args)]
pub(crate) struct GenerateOptions {
    /// Run folder of a training of language-model.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    /// Beginning of the text.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub(crate) prompt: String,
    /// Number of tokens to generate.
    #[arg(long, value_name = "TOKENS", default_value_t = 500)]
    pub(crate) length: usize,
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.8,
        allow_hyphen_values = true,
        value_parser = number(0.0..=limits::TEMPERATURE),
        help = format!(
            "Sampling temperature, from 0 to {}: below 1, likely tokens become more likely; 0 always takes the likeliest",
            limits::TEMPERATURE
        )
    )]
    pub(crate) temperature: f64,
    /// Sample only from the K likeliest tokens.
    #[arg(long, value_name = "K", value_parser = value_parser!(u32).range(1..))]
    pub(crate) top_k: Option<u32>,
    /// Sample only from the smallest set of likeliest tokens whose probabilities sum to P or more.
    #[arg(long, value_name = "P", allow_hyphen_values = true, value_parser = number(1e-6..=1.0))]
    pub(crate) top_p: Option<f64>,
    /// Random seed; equal seeds give equal texts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// A number within bounds, both allowed.
fn number(range: RangeInclusive<f64>) -> impl Fn(&str) -> std::result::Result<f64, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("it must be from {} to {}", range.start(), range.end()))
    }
}

/// The whole command line.
pub(crate) fn command(tasks: &[&'static dyn AnyTask]) -> Clap {
    let train = Clap::new("train")
        .about("Train a model: write a run folder, and the scores as a line of JSON")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(tasks.iter().map(|task| task.train_command()));
    let draw = Clap::new("draw")
        .about("Draw the recorded graph of one training step")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(tasks.iter().map(|task| task.draw_command()));
    Options::command().subcommands([train, draw])
}

/// What the command line asks for.
pub(crate) enum Asked {
    /// To train the task of this name.
    Train(String, ArgMatches),
    /// To draw the graph of the task of this name.
    Draw(String, ArgMatches),
    /// Anything else.
    Other(Command),
}

/// Reads a command line, whose first word is the name of the program.
pub(crate) fn read(
    tasks: &[&'static dyn AnyTask],
    words: impl IntoIterator<Item = OsString>,
) -> std::result::Result<Asked, clap::Error> {
    let matches = command(tasks).try_get_matches_from(words)?;
    let task = |matches: &ArgMatches| matches.subcommand().map(|(task, options)| (task.to_owned(), options.clone()));
    match matches.subcommand() {
        Some(("train", matches)) if let Some((task, options)) = task(matches) => {
            return Ok(Asked::Train(task, options));
        }
        Some(("draw", matches)) if let Some((task, options)) = task(matches) => return Ok(Asked::Draw(task, options)),
        _ => {}
    }
    Ok(Asked::Other(Options::from_arg_matches(&matches)?.command))
}

/// Options that every task has. Their defaults come from the task's recipe.
mod shared {
    use super::{Kind, Opt, limits};

    pub(super) const EPOCHS: Opt =
        Opt { name: "epochs", value: "N", kind: Kind::Count(1..=limits::EPOCHS), help: "Training epochs" };
    pub(super) const RATE: Opt =
        Opt { name: "learning-rate", value: "RATE", kind: Kind::Number(1e-12..=10.0), help: "Peak learning rate" };
    pub(super) const SEED: Opt = Opt {
        name: "seed",
        value: "N",
        kind: Kind::Count(0..=i64::MAX as u64),
        help: "Random seed of initial values, dropout, and the order of batches; equal seeds give equal weights",
    };
    pub(super) const PRECISION: Opt = Opt {
        name: "precision",
        value: "f32|f64",
        kind: Kind::Choice(&["f32", "f64"]),
        help: "Floating-point precision",
    };
    pub(super) const SHARDS: Opt = Opt {
        name: "shards",
        value: "N",
        kind: Kind::Count(1..=limits::SHARDS),
        help: "Shards into which a batch of 16 rows or more is divided among threads and processes; the weights depend \
               on it slightly",
    };
    pub(super) const REDUCE: Opt = Opt {
        name: "reduce",
        value: "exact|fast",
        kind: Kind::Choice(&["exact", "fast"]),
        help: "How processes sum gradients: shard by shard (exact: equal weights for any number of processes), or each \
               its own first (fast: less communication)",
    };
    pub(super) const ALL: [&Opt; 6] = [&EPOCHS, &SEED, &RATE, &PRECISION, &SHARDS, &REDUCE];
}

/// A task's own recipe, as the shared options' defaults.
fn shared_defaults(recipe: &Recipe) -> Table {
    let whole = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    Table::from_iter([
        (shared::EPOCHS.name.to_owned(), whole(recipe.epochs)),
        (shared::SEED.name.to_owned(), whole(1)),
        (shared::RATE.name.to_owned(), Value::Float(recipe.learning_rate)),
        (shared::PRECISION.name.to_owned(), Value::String("f32".into())),
        (shared::SHARDS.name.to_owned(), whole(2)),
        (shared::REDUCE.name.to_owned(), Value::String("exact".into())),
    ])
}

/// All defaults of a task: shared ones, its own, and its data.
fn defaults<T: Task>() -> Result<Table> {
    let settings = T::Settings::default();
    let mut table = shared_defaults(&T::recipe(&settings));
    table.extend(to_table(&settings)?);
    if !T::DATA.is_empty() {
        table.insert(DATA.into(), Value::Array(vec![Value::String(T::DATA.into())]));
    }
    Ok(table)
}

fn to_table(settings: &impl serde::Serialize) -> Result<Table> {
    Table::try_from(settings).map_err(|cause| Error::failure(format!("the options are no TOML: {cause}"), ""))
}

const DATA: &str = "data";

/// Whether there is a `--data`.
fn takes_data<T: Task>() -> bool {
    T::NEEDS_DATA || !T::DATA.is_empty()
}

/// The options of a task, whatever is done with it, with some of those that all tasks share.
fn task_command<T: Task>(shared: &[&Opt]) -> Clap {
    let defaults = defaults::<T>().unwrap_or_default();
    let own = shared.iter().copied().chain(T::OPTIONS).map(|option| argument(option, defaults.get(option.name)));
    let mut command = Clap::new(T::NAME).about(T::ABOUT).args(own);
    if takes_data::<T>() {
        let help = match T::DATA {
            "" => T::DATA_HELP.to_owned(),
            set => format!("{}. Or the name of a built-in data set [default: {set}]", T::DATA_HELP),
        };
        command = command.arg(Arg::new(DATA).long(DATA).value_name("FILE|NAME").num_args(1..).help(help));
    }
    let config = "Options as TOML, such as the config.toml of a run folder; command-line options take precedence";
    Threads::augment_args(command.arg(path("config", "FILE", config)))
}

/// What the learning rate does over a training, as the task's recipe has it.
fn rate_help<T: Task>() -> String {
    let Recipe { warm_up, last_rate, learning_rate, .. } = T::recipe(&T::Settings::default());
    let help = format!(
        "Peak learning rate: it rises for {warm_up} steps (at most a tenth of all), then falls to {last_rate} of the peak"
    );
    with_values(&help, Some(&Value::Float(learning_rate)), &shared::RATE.kind)
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// The command that trains a task.
pub(crate) fn train_command<T: Task>() -> Clap {
    task_command::<T>(&shared::ALL)
        .mut_arg(shared::RATE.name, |argument| argument.help(rate_help::<T>()))
        .arg(path(OUT, "DIR", "Output directory: a new or an empty one [default: the next free runs/TASK-N]"))
        .arg(switch(
            RESUME,
            "Resume the run in --out as if it had not been stopped; start it where there is none yet. The data and the \
             options must be those that it began with, --epochs too, since the learning rate falls over all of them",
        ))
        .arg(switch(PROFILE, "Print the cost of each source line and each operation of a step before training"))
}

/// The command that draws a task.
pub(crate) fn draw_command<T: Task>() -> Clap {
    let file = "Output file, whose name ends in .svg, .dot (for Graphviz), or .txt \
                [default: TASK.svg, which is then not overwritten]";
    task_command::<T>(&[&shared::SEED, &shared::PRECISION])
        .arg(path(OUT, "FILE", file))
        .arg(switch(ROLLED, "Draw each recurrence rolled up, as one cell with its loop, beside its unrolling"))
        .arg(switch(OVERWRITE, "Overwrite an existing file"))
        .arg(switch(NODES, "Draw a box per operation instead of a box per cell"))
        .arg(
            Arg::new(STEPS)
                .long(STEPS)
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=i64::from(limits::DRAWN_STEPS)))
                .help(format!(
                    "Approximate number of time steps of the drawn examples [default: 8] [from 1 to {}]",
                    limits::DRAWN_STEPS
                )),
        )
}

const THREADS: &str = "threads";
const OUT: &str = "out";
const RESUME: &str = "resume";
const PROFILE: &str = "profile";
const ROLLED: &str = "rolled";
const NODES: &str = "nodes";
const OVERWRITE: &str = "overwrite";
const STEPS: &str = "steps";

/// How a graph shall be drawn.
pub(crate) struct DrawOptions {
    pub(crate) file: PathBuf,
    pub(crate) rolled: bool,
    pub(crate) nodes: bool,
    pub(crate) overwrite: bool,
    pub(crate) steps: usize,
}

impl DrawOptions {
    /// From the command line.
    pub(crate) fn new<T: Task>(matches: &ArgMatches) -> DrawOptions {
        DrawOptions {
            file: matches.get_one::<PathBuf>(OUT).cloned().unwrap_or_else(|| format!("{}.svg", T::NAME).into()),
            rolled: matches.get_flag(ROLLED),
            nodes: matches.get_flag(NODES),
            overwrite: matches.get_flag(OVERWRITE),
            steps: matches.get_one::<u16>(STEPS).copied().unwrap_or(8).into(),
        }
    }
}

/// A help text with the default and the range.
fn with_values(help: &str, default: Option<&Value>, kind: &Kind) -> String {
    let default = match default {
        Some(Value::String(text)) => format!(" [default: {text}]"),
        Some(value) => format!(" [default: {value}]"),
        None => String::new(),
    };
    let range = match kind {
        Kind::Count(range) => format!(" [from {} to {}]", range.start(), range.end()),
        Kind::Number(range) => format!(" [from {:?} to {:?}]", range.start(), range.end()),
        _ => String::new(),
    };
    format!("{help}{default}{range}")
}

fn argument(option: &Opt, default: Option<&Value>) -> Arg {
    let help = with_values(option.help, default, &option.kind);
    let kind = option.kind.clone();
    let argument = Arg::new(option.name)
        .long(option.name)
        .value_name(option.value)
        .allow_hyphen_values(matches!(option.kind, Kind::Number(_)))
        .value_parser(move |text: &str| kind.parse(text))
        .help(help);
    match &option.kind {
        Kind::Switch => argument.num_args(0..=1).default_missing_value("true").require_equals(true),
        _ => argument.action(ArgAction::Set),
    }
}

/// The options of a training of `T`. Precedence: command line, then `--config`, then the defaults of the task.
pub(crate) struct Chosen<T: Task> {
    /// The task's own.
    pub(crate) settings: T::Settings,
    /// Epochs and learning rate are as chosen.
    pub(crate) recipe: Recipe,
    pub(crate) seed: u64,
    pub(crate) precision: Precision,
    /// How many shards a batch has.
    pub(crate) shards: usize,
    pub(crate) reduce: Reduce,
    /// `--data`; empty where there is none.
    pub(crate) data: Vec<String>,
    /// Where the run folder shall be.
    pub(crate) out: Option<PathBuf>,
    /// Whether to go on with the run that is there.
    pub(crate) resume: bool,
    /// Whether to say what a step costs.
    pub(crate) profile: bool,
    /// All that decides what comes out, as `--config` reads it.
    pub(crate) config: Table,
}

impl<T: Task> Chosen<T> {
    /// From the command line; sets the number of threads. A run is resumed with the options that it began with.
    pub(crate) fn new(matches: &ArgMatches) -> Result<Chosen<T>> {
        super::threads::set(matches.get_one::<u16>(THREADS).copied())?;
        let mut chosen = Table::new();
        if let Some(path) = matches.get_one::<PathBuf>("config") {
            chosen.extend(read_config::<T>(path)?);
        }
        chosen.extend(given::<T>(matches));
        let flag = |name| matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false);
        let (out, resume) = (matches.get_one::<PathBuf>(OUT).cloned(), flag(RESUME));
        let mut config = defaults::<T>()?;
        config.insert(TASK.into(), T::NAME.into());
        let begun = out.as_ref().filter(|_| resume).map(|out| out.join(run::CONFIG)).filter(|path| path.exists());
        if let Some(path) = &begun {
            config.extend(read_config::<T>(path)?);
            // The same data may have another name now; its contents are compared once it is read.
            let differs =
                |(name, value): &(&String, &Value)| name.as_str() != DATA && config.get(*name) != Some(*value);
            // Where no step was done yet, all can still be chosen.
            if out.as_deref().is_some_and(run::RunFolder::has_steps)
                && let Some((name, value)) = chosen.iter().find(differs)
            {
                let began = config.get(name).map_or("without it".to_owned(), |began| format!("with {began}"));
                return Err(Error::misuse(
                    format!("--{name} is {value}, but the run in {} began {began}", path.display()),
                    "a run is resumed with the options that it began with: leave them out",
                ));
            }
        }
        config.extend(chosen);
        Ok(Chosen { profile: flag(PROFILE), ..Self::of_config(config, out, resume)? })
    }

    fn of_config(config: Table, out: Option<PathBuf>, resume: bool) -> Result<Chosen<T>> {
        let mut own = config.clone();
        let mut take = |name: &str| own.remove(name).unwrap_or(Value::Integer(0));
        let whole = |value: Value| value.as_integer().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        take(TASK);
        let (epochs, seed) = (whole(take(shared::EPOCHS.name)), whole(take(shared::SEED.name)));
        let learning_rate = take(shared::RATE.name).as_float().unwrap_or(0.0);
        let precision =
            if take(shared::PRECISION.name).as_str() == Some("f64") { Precision::F64 } else { Precision::F32 };
        let shards = whole(take(shared::SHARDS.name)).max(1) as usize;
        let reduce = if take(shared::REDUCE.name).as_str() == Some("fast") { Reduce::Fast } else { Reduce::Exact };
        let data = match take(DATA) {
            Value::Array(all) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
            _ => vec![],
        };
        let data: Vec<String> = data;
        if T::NEEDS_DATA && data.is_empty() {
            return Err(Error::misuse(
                format!("--data is missing: there is no built-in data set for {}", T::NAME),
                "give --data FILE, or --data TRAIN DEV TEST",
            ));
        }
        let settings: T::Settings = own.try_into().map_err(|cause: toml::de::Error| {
            Error::misuse(cause.message().to_owned(), format!("see `unspool train {} --help`", T::NAME))
        })?;
        let recipe = Recipe { epochs, learning_rate, ..T::recipe(&settings) };
        Ok(Chosen { settings, recipe, seed, precision, shards, reduce, data, out, resume, profile: false, config })
    }
}

impl<T: Task> Chosen<T> {
    /// The same but for the task's own settings.
    pub(crate) fn with(&self, settings: T::Settings) -> Result<Chosen<T>> {
        let mut config = self.config.clone();
        T::OPTIONS.iter().for_each(|option| drop(config.remove(option.name)));
        config.extend(to_table(&settings)?);
        Self::of_config(config, self.out.clone(), self.resume)
    }
}

/// What the command line itself names.
fn given<T: Task>(matches: &ArgMatches) -> Table {
    let mut given = Table::new();
    for option in shared::ALL.into_iter().chain(T::OPTIONS) {
        if let Some(value) = matches.try_get_one::<Value>(option.name).ok().flatten() {
            given.insert(option.name.into(), value.clone());
        }
    }
    if takes_data::<T>()
        && let Some(values) = matches.get_many::<String>(DATA)
    {
        given.insert(DATA.into(), Value::Array(values.cloned().map(Value::String).collect()));
    }
    given
}

/// A configuration file: each key is the name of an option, and its value is one that the command line takes.
fn read_config<T: Task>(path: &Path) -> Result<Table> {
    let (mut config, entries) = (Table::new(), config::read(path)?);
    // Another task's options are none of this one, so the task comes first.
    for Entry { name, value, place } in &entries {
        if name == TASK
            && let Some(task) = value.as_str().filter(|task| *task != T::NAME)
        {
            let hint = format!("`unspool train {task}`, or another --config");
            return Err(Error::misuse(format!("{place}: it is for {task}"), hint));
        }
    }
    for Entry { name, value, place } in entries {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let known = shared::ALL.into_iter().chain(T::OPTIONS).find(|option| option.name == name);
        let value = match (name.as_str(), known, &value) {
            (TASK, ..) if text == T::NAME => continue,
            (DATA, _, Value::String(_)) if takes_data::<T>() => Value::Array(vec![value]),
            (DATA, _, Value::Array(all)) if takes_data::<T>() && all.iter().all(Value::is_str) => value,
            (_, Some(option), _) => option
                .kind
                .parse(&text)
                .map_err(|why| Error::misuse(format!("{place}: {name}: {why}"), "correct that line"))?,
            _ => {
                return Err(Error::misuse(
                    format!("{place}: `{name}` is not an option of {}", T::NAME),
                    format!("see `unspool train {} --help`", T::NAME),
                ));
            }
        };
        config.insert(name, value);
    }
    Ok(config)
}

/// Whether a task has an option of this name.
pub(crate) fn has<T: Task>(name: &str) -> bool {
    T::OPTIONS.iter().any(|option| option.name == name) || name == DATA && takes_data::<T>()
}

/// Whether some task may have an option of this name.
pub(crate) fn of_another_task(tasks: &[&'static dyn AnyTask], name: &str) -> bool {
    let shared = [&Opt::CELL, &Opt::LAYERS, &Opt::HIDDEN, &Opt::BIDIRECTIONAL, &Opt::ARCH, &Opt::TEACHER_FORCING];
    shared.iter().any(|option| option.name == name) || tasks.iter().any(|task| task.has_option(name))
}
