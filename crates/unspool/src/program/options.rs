//! The command line. The commands stand here; the options of a task are made of what the task says of itself.

use super::{
    error::{Error, Result},
    run,
    score::ScoreOptions,
    tokenize::TokenizeOptions,
};
use crate::tasks::{self, Kind, NAMES, Opt, Recipe, Task, Visitor};
use clap::{
    Arg, ArgAction, ArgMatches, Args, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand, value_parser,
};
use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};
use toml::{Table, Value};
use unspool::{graph::Precision, nn::exchange::Reduce};

/// Recurrent models on sequences: train them on this machine's processors, and use them.
#[derive(Parser)]
#[command(name = "unspool", version, about, disable_help_subcommand = true, arg_required_else_help = false)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands beside `train`, which is made of the tasks.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Use a trained model: reads lines from standard input, writes a prediction a line.
    Predict(PredictOptions),
    /// Score a trained model on all of a file; leaves a line of JSON on standard output.
    Evaluate(EvaluateOptions),
    /// Let a trained language model write.
    Generate(GenerateOptions),
    /// Score a translation against the right one, equal to sacrebleu to the digit.
    Score {
        #[command(subcommand)]
        score: ScoreOptions,
    },
    /// Train a tokenizer, or turn text into token ids and back.
    Tokenize {
        #[command(subcommand)]
        action: TokenizeOptions,
    },
}

#[derive(Args)]
pub(crate) struct PredictOptions {
    /// The folder that a training has written.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    /// How many answers to give for each line: as JSON lines, with their scores.
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=1000))]
    pub(crate) best: Option<u16>,
    /// Show what was looked at for each word of the answer: as JSON lines.
    #[arg(long)]
    pub(crate) attention: bool,
    /// How many threads share the work [default: one for each core].
    #[arg(long, value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Args)]
pub(crate) struct EvaluateOptions {
    /// The folder that a training has written.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    /// The file (for a translation two files of plain text may be given), all of which is scored; or a set inside the program, whose
    /// test part is.
    #[arg(long, value_name = "FILE|NAME", num_args = 1.., required = true)]
    pub(crate) data: Vec<String>,
    /// How many threads share the work [default: one for each core].
    #[arg(long, value_parser = value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

#[derive(Args)]
pub(crate) struct GenerateOptions {
    /// The folder that a training of language-model has written.
    #[arg(long, value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    /// How the text begins.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub(crate) prompt: String,
    /// How many tokens to write.
    #[arg(long, value_name = "TOKENS", default_value_t = 500)]
    pub(crate) length: usize,
    /// Below 1 the likely becomes likelier, above 1 less so; 0 takes the likeliest token each time.
    #[arg(long, value_name = "T", default_value_t = 0.8, allow_hyphen_values = true, value_parser = number(0.0..=1000.0))]
    pub(crate) temperature: f64,
    /// Draw only from so many of the likeliest tokens.
    #[arg(long, value_name = "K", value_parser = value_parser!(u32).range(1..))]
    pub(crate) top_k: Option<u32>,
    /// Draw only from the fewest likeliest tokens that together have this probability.
    #[arg(long, value_name = "P", allow_hyphen_values = true, value_parser = number(1e-6..=1.0))]
    pub(crate) top_p: Option<f64>,
    /// Equal seeds write equal texts.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

/// A number within bounds, both allowed.
fn number(range: RangeInclusive<f64>) -> impl Fn(&str) -> std::result::Result<f64, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.ok_or_else(|| format!("it is not from {} to {}", range.start(), range.end()))
    }
}

/// The whole command line.
pub(crate) fn command() -> Clap {
    let train = Clap::new("train")
        .about("Train a model; leaves a run folder, and a line of JSON on standard output")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(NAMES.iter().filter_map(|name| tasks::with(name, TrainCommand)));
    let draw = Clap::new("draw")
        .about("Draw the recorded graph of one training step")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(NAMES.iter().filter_map(|name| tasks::with(name, DrawCommand)));
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

/// Reads the command line.
pub(crate) fn read() -> std::result::Result<Asked, clap::Error> {
    let matches = command().try_get_matches()?;
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

/// Options that every task has. Where they have a default that a task decides, it is asked for.
mod shared {
    use super::{Kind, Opt};

    pub(super) const EPOCHS: Opt =
        Opt { name: "epochs", value: "N", kind: Kind::Count(1..=1_000_000), help: "Passes over the train part" };
    pub(super) const RATE: Opt = Opt {
        name: "learning-rate",
        value: "RATE",
        kind: Kind::Number(1e-12..=10.0),
        help: "The highest learning rate: it rises to it over the first 200 steps (at most a tenth of all), then falls to a twentieth",
    };
    pub(super) const SEED: Opt = Opt {
        name: "seed",
        value: "N",
        kind: Kind::Count(0..=i64::MAX as u64),
        help: "What initial values, dropout and the order of batches come from; equal seeds give equal weights",
    };
    pub(super) const PRECISION: Opt = Opt {
        name: "precision",
        value: "f32|f64",
        kind: Kind::Choice(&["f32", "f64"]),
        help: "The numbers that are computed with",
    };
    pub(super) const SHARDS: Opt = Opt {
        name: "shards",
        value: "N",
        kind: Kind::Count(1..=1024),
        help: "How many parts a batch of 16 rows or more is cut into, for threads and processes to work on; weights depend on it a little",
    };
    pub(super) const REDUCE: Opt = Opt {
        name: "reduce",
        value: "exact|fast",
        kind: Kind::Choice(&["exact", "fast"]),
        help: "How processes add gradients: shard by shard (exact: equal weights for any number of them), or each first its own (fast: less is sent)",
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
const TASK: &str = "task";

/// Whether there is a `--data`.
fn takes_data<T: Task>() -> bool {
    T::NEEDS_DATA || !T::DATA.is_empty()
}

/// What a task is told, whatever is done with it.
fn task_command<T: Task>() -> Clap {
    let defaults = defaults::<T>().unwrap_or_default();
    let own = shared::ALL.into_iter().chain(T::OPTIONS).map(|option| argument(option, defaults.get(option.name)));
    let mut command = Clap::new(T::NAME).about(T::ABOUT).args(own);
    if takes_data::<T>() {
        let files = "Files (train, dev and test; or one that is divided; or a folder with the three)";
        let help = match T::DATA {
            "" => files.to_owned(),
            set => format!("{files}, or the name of a set inside the program [default: {set}]"),
        };
        command = command.arg(Arg::new(DATA).long(DATA).value_name("FILE|NAME").num_args(1..).help(help));
    }
    command
        .arg(path(
            "config",
            "FILE",
            "Options as TOML, such as the config.toml of a run folder; those given here come first",
        ))
        .arg(
            Arg::new("threads")
                .long("threads")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=1024))
                .help("How many threads share the work; results do not depend on it [default: one for each core]"),
        )
}

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// Makes the command that trains a task.
struct TrainCommand;

impl Visitor for TrainCommand {
    type Output = Clap;

    fn visit<T: Task>(self) -> Clap {
        task_command::<T>()
            .arg(path(
                OUT,
                "DIR",
                "Where the run folder shall be: a new or an empty folder [default: the next free runs/TASK-N]",
            ))
            .arg(switch(
                RESUME,
                "Goes on with the run in --out as if it had not been stopped; begins it where there is none yet. The contents \
                 of --data and the options must be those it began with: also --epochs, since the learning rate falls \
                 over all of them",
            ))
            .arg(switch(PROFILE, "Prints before training what each line of source and each operation of a step costs"))
    }
}

/// Makes the command that draws a task.
struct DrawCommand;

impl Visitor for DrawCommand {
    type Output = Clap;

    fn visit<T: Task>(self) -> Clap {
        let file =
            "Where the graph shall be: a name that ends in .svg, .dot (for Graphviz) or .txt [default: TASK.svg]";
        task_command::<T>()
            .arg(path(OUT, "FILE", file))
            .arg(switch(ROLLED, "Each recurrence rolled up, one cell with its loop, beside its unrolling"))
            .arg(switch(OVERWRITE, "Writes over a file that is there"))
            .arg(switch(NODES, "Every operation its own box, instead of one box for each cell"))
            .arg(
                Arg::new(STEPS)
                    .long(STEPS)
                    .value_name("N")
                    .value_parser(value_parser!(u16).range(1..=1000))
                    .help("Examples of about so many time steps [default: 8]"),
            )
    }
}

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

fn argument(option: &Opt, default: Option<&Value>) -> Arg {
    let help = match default {
        Some(Value::String(text)) => format!("{} [default: {text}]", option.help),
        Some(value) => format!("{} [default: {value}]", option.help),
        None => option.help.to_owned(),
    };
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

/// What a training of `T` is told: the defaults, under them a configuration file's, over all the command line's.
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
    /// From the command line; sets the number of threads. A run that goes on does so with the options it began with.
    pub(crate) fn new(matches: &ArgMatches) -> Result<Chosen<T>> {
        super::threads(matches.get_one::<u16>("threads").copied())?;
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
                    format!("--{name} is {value}, where the run in {} began {began}", path.display()),
                    "a run goes on with the options it began with: leave them out",
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
                format!("--data is missing: there is no set for {} inside the program", T::NAME),
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
        if let Some(value) = matches.get_one::<Value>(option.name) {
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

/// A configuration file: each key is the name of an option, with such a value as the command line takes.
fn read_config<T: Task>(path: &Path) -> Result<Table> {
    let at = |message: String, hint: String| Error::misuse(format!("{}: {message}", path.display()), hint);
    let (mut config, file) = (Table::new(), run::read_toml(path)?);
    // Another task's options are none of this one, so the task is what to speak of first.
    if let Some(task) = file.get(TASK).and_then(Value::as_str).filter(|task| *task != T::NAME) {
        return Err(at(format!("it is for {task}"), format!("`unspool train {task}`, or another --config")));
    }
    for (name, value) in file {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let known = shared::ALL.into_iter().chain(T::OPTIONS).find(|option| option.name == name);
        let value = match (name.as_str(), known, &value) {
            (TASK, ..) if text == T::NAME => continue,
            (DATA, _, Value::String(_)) if takes_data::<T>() => Value::Array(vec![value]),
            (DATA, _, Value::Array(all)) if takes_data::<T>() && all.iter().all(Value::is_str) => value,
            (_, Some(option), _) => {
                option.kind.parse(&text).map_err(|why| at(format!("{name}: {why}"), String::new()))?
            }
            _ => {
                return Err(at(
                    format!("`{name}` is no option of {}", T::NAME),
                    format!("see `unspool train {} --help`", T::NAME),
                ));
            }
        };
        config.insert(name, value);
    }
    Ok(config)
}

/// Whether some task has an option of this name.
pub(crate) fn of_another_task(name: &str) -> bool {
    struct Has<'a>(&'a str);
    impl Visitor for Has<'_> {
        type Output = bool;
        fn visit<T: Task>(self) -> bool {
            T::OPTIONS.iter().any(|option| option.name == self.0) || self.0 == DATA && takes_data::<T>()
        }
    }
    let shared = [&Opt::CELL, &Opt::LAYERS, &Opt::HIDDEN, &Opt::BIDIRECTIONAL, &Opt::ARCH, &Opt::TEACHER_FORCING];
    shared.iter().any(|option| option.name == name)
        || NAMES.iter().any(|task| tasks::with(task, Has(name)).unwrap_or(false))
}
