//! The options of a training, of a task and of its run, and the commands that have them.

use crate::{
    any_task::AnyTask,
    format::Format,
    groups::within,
    limits,
    lines::LimitOptions,
    threads::Threads,
    training::{Begin, Training},
};
use clap::{Arg, ArgAction, Args, Command, value_parser};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Where a run is written, and what is done beside it.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Place {
    /// Output directory: a new or an empty one [default: the next free runs/TASK-N]
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Resume the run in --out as if it had not been stopped, or start it if there is none yet
    ///
    /// The data and the options must be those that the run began with, including --epochs, since the learning rate
    /// falls over all of them.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Print all options with their defaults and meaning as a configuration file for --config, and exit
    ///
    /// Values that are given on the command line, or by --config, replace the defaults.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Print the cost of each source line and each operation of a step before training
    #[arg(long)]
    pub(crate) profile: bool,
    /// Train another model too, whose test score is shown beside that of the model
    #[arg(long, value_name = "NAME")]
    pub(crate) compare: Vec<String>,
    /// Maximum megabytes of prepared data in the user's cache directory; 0 keeps none
    ///
    /// With it, the next training on the same data begins at once.
    #[arg(long, value_name = "MB", default_value_t = limits::CACHE)]
    pub(crate) cache_size: u64,
    /// Format of the scores on standard output
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
}

pub(crate) const DATA: &str = "data";
pub(crate) const SKIP_BAD_LINES: &str = "skip-bad-lines";
pub(crate) const BATCH_ROWS: &str = "batch-rows";
pub(crate) const CONFIG: &str = "config";
pub(crate) const INIT_FROM: &str = "init-from";
pub(crate) const PRINT_CONFIG: &str = "print_config";
/// Options of a task are of its model unless they say otherwise.
const MODEL: &str = "Model";
const TRAINING: &str = "Training";

/// The options that decide what comes out of a training, as `--config` reads them.
pub(crate) fn options(task: &dyn AnyTask, command: Command) -> Command {
    let spec = task.spec();
    let command = data(task, task.own_options(command.next_help_heading(MODEL)));
    let mut command = Training::augment_args(command.next_help_heading(TRAINING));
    if spec.batch_rows.is_some() {
        let parser = within(1..=limits::BATCH_ROWS);
        let help = format!("Examples per batch [from 1 to {}]", limits::BATCH_ROWS);
        command = command.arg(Arg::new(BATCH_ROWS).long(BATCH_ROWS).value_name("N").value_parser(parser).help(help));
    }
    let rows = spec.batch_rows.unwrap_or(1).to_string();
    let numbers = [
        ("epochs", spec.epochs.to_string()),
        ("learning-rate", spec.learning_rate.to_string()),
        ("average", spec.average.unwrap_or(0.0).to_string()),
        (BATCH_ROWS, rows),
    ];
    let numbers = numbers.map(|(name, value)| (name, interned(value)));
    for (name, value) in numbers.iter().chain(spec.defaults) {
        command = command.mut_args(|argument| match argument.get_long() == Some(name) {
            true => argument.default_value(*value),
            false => argument,
        });
    }
    let has_tokens = command.get_arguments().any(|argument| argument.get_long() == Some("tokenizer"));
    let has_rows = !spec.columns.is_empty() && !spec.documents;
    command
        .mut_arg("vectors", |argument| argument.hide(!has_tokens))
        .mut_arg("bpe_dropout", |argument| argument.hide(!(has_tokens && has_rows)))
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

/// `--data` and the columns of its tables, if the task reads any.
fn data(task: &dyn AnyTask, command: Command) -> Command {
    let spec = task.spec();
    let Some(help) = spec.data else { return command };
    let (short, long) = match spec.sets.first() {
        None => ("Files to train on".to_owned(), help.to_owned()),
        Some(set) => (
            format!("Files to train on, or the name of a built-in data set [default: {}]", set.name),
            format!("{help}. Or the name of a built-in data set [default: {}]", set.name),
        ),
    };
    let argument = Arg::new(DATA).long(DATA).short('d').value_name("FILE|NAME").num_args(1..);
    let argument = argument.action(ArgAction::Append).help(short).long_help(long);
    let mut command = command.next_help_heading("Data").arg(argument);
    for (option, usual) in spec.columns {
        let help = format!("Column of the table to read as the {option} [default: {usual}]");
        command = command.arg(Arg::new(*option).long(*option).value_name("COLUMN").help(help));
    }
    if !spec.by_lines {
        return command;
    }
    let help = "Leave out lines that cannot be read, such as those with too few columns, and report their number";
    let skip = Arg::new(SKIP_BAD_LINES).long(SKIP_BAD_LINES).value_name("true|false").help(help);
    let skip = skip.value_parser(value_parser!(bool)).default_value("false").default_missing_value("true");
    command.arg(skip.num_args(0..=1).require_equals(true))
}

fn beside(command: Command) -> Command {
    let help =
        "Read options from a TOML file, such as the config.toml of a run folder; the command line takes precedence";
    let file = Arg::new(CONFIG).long(CONFIG).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help);
    Threads::augment_args(command.next_help_heading("Run").arg(file))
}

/// The command that trains a task.
pub(crate) fn train_command(task: &dyn AnyTask) -> Command {
    let command = Command::new(task.spec().name).after_long_help(examples(task));
    let mut command = described(task, Place::augment_args(beside(options(task, command))));
    let names: Vec<&str> = task.spec().comparisons.iter().map(|(name, _)| *name).collect();
    command = command.mut_arg("compare", |argument| match names.as_slice() {
        [] => argument.hide(true),
        names => argument.help(format!(
            "Train another model too, whose test score is shown beside that of the model: {}",
            names.join(", ")
        )),
    });
    command
}

/// Says what the task does. A struct of options would otherwise leave its own documentation there.
fn described(task: &dyn AnyTask, command: Command) -> Command {
    command.about(task.spec().about).long_about(None::<&str>)
}

/// What to type, below the options.
fn examples(task: &dyn AnyTask) -> String {
    let name = task.spec().name;
    let data = if task.spec().data.is_some() && task.spec().sets.is_empty() { " --data FILE" } else { "" };
    format!(
        "Examples:\n  unspool train {name}{data} --out runs/slow --learning-rate 0.0005 --seed 2\n  \
         unspool train {name} --print-config"
    )
}

/// The options of a task that is drawn.
pub(crate) fn drawn(task: &dyn AnyTask) -> Command {
    let command = Command::new(task.spec().name).next_help_heading(MODEL);
    let command = data(task, task.own_options(command));
    described(task, beside(Begin::augment_args(command.next_help_heading(TRAINING))))
}

/// Whether a task has an option of this name.
pub(crate) fn has(task: &dyn AnyTask, name: &str) -> bool {
    options(task, Command::new("")).get_arguments().any(|argument| argument.get_long() == Some(name))
}

/// Whether an option can be given several times.
pub(crate) fn is_list(command: &Command, name: &str) -> bool {
    let is_it = |argument: &&Arg| argument.get_long() == Some(name);
    command.get_arguments().find(is_it).is_some_and(|argument| matches!(argument.get_action(), ArgAction::Append))
}

/// Whether an option decides what the model and its vocabulary are, so that weights of another choice would not fit.
pub(crate) fn is_of_model(task: &dyn AnyTask, argument: &Arg) -> bool {
    let of_task = task.own_options(Command::new(""));
    let is_of_task = of_task.get_arguments().any(|one| one.get_id() == argument.get_id());
    is_of_task && argument.get_help_heading() != Some(TRAINING)
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
