//! The command line.

mod checksum;
mod config;
pub(crate) mod data;
pub(crate) mod error;
mod evaluate;
#[cfg(feature = "faults")]
mod faults;
mod figure;
mod generate;
mod identity;
mod json;
pub(crate) mod limits;
mod lines;
mod lock;
mod look;
pub(crate) mod number;
pub(crate) mod options;
pub(crate) mod predict;
pub(crate) mod processes;
mod progress;
#[cfg(test)]
mod replay;
mod report;
pub(crate) mod run;
mod say;
mod score;
mod shell;
mod shown;
pub(crate) mod signals;
mod tokenize;
mod train;
mod watch;

use crate::tasks::{self, Task, Visitor};
use clap::ArgMatches;
use error::{Error, Result};
use options::{Asked, Chosen, Command, DrawOptions};
use std::{env, ffi::OsString, path::Path, process::ExitCode};
use unspool::nn::exchange::Exchange;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    #[cfg(feature = "faults")]
    let _watching = faults::from_environment();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if processes::speaks() {
                error.say();
            }
            ExitCode::from(error.code())
        }
    }
}

fn run() -> Result<()> {
    match options::read(env::args_os()) {
        Err(error) => refused(&error, env::args_os()),
        Ok(Asked::Train(task, matches)) => processes::run_ranks(|exchange| with(&task, Train(&matches, exchange))),
        Ok(Asked::Draw(task, matches)) => with(&task, Draw(matches)),
        Ok(Asked::Other(Command::Score { score })) => score.run(),
        Ok(Asked::Other(Command::Tokenize { action })) => action.run(),
        Ok(Asked::Other(Command::Predict(options))) => {
            threads(options.threads.count)?;
            predict::predict(&options)
        }
        Ok(Asked::Other(Command::Evaluate(options))) => {
            threads(options.threads.count)?;
            evaluate::evaluate(&options)
        }
        Ok(Asked::Other(Command::Generate(options))) => generate::generate(&options),
    }
}

fn with(task: &str, what: impl Visitor<Output = Result<()>>) -> Result<()> {
    tasks::with(task, what).unwrap_or_else(|| Err(Error::misuse(format!("there is no task {task}"), "see `--help`")))
}

struct Train<'a>(&'a ArgMatches, &'a dyn Exchange);

impl Visitor for Train<'_> {
    type Output = Result<()>;
    fn visit<T: Task>(self) -> Result<()> {
        train::train(&Chosen::<T>::new(self.0)?, self.1)
    }
}

struct Draw(ArgMatches);

impl Visitor for Draw {
    type Output = Result<()>;
    fn visit<T: Task>(self) -> Result<()> {
        look::draw(&Chosen::<T>::new(&self.0)?, &DrawOptions::new::<T>(&self.0))
    }
}

/// Help and version are answers. The rest is misuse, in one line.
pub(crate) fn refused(error: &clap::Error, words: impl Iterator<Item = OsString>) -> Result<()> {
    use clap::error::ErrorKind as Kind;
    match error.kind() {
        Kind::DisplayHelp | Kind::DisplayVersion => error.print().map_err(|cause| Error::output(&cause)),
        Kind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Error::NothingAsked(error.to_string())),
        Kind::InvalidUtf8 => {
            let word = words.map(|word| word.to_string_lossy().into_owned()).find(|word| word.contains('\u{fffd}'));
            Err(Error::misuse(
                format!("`{}` is not UTF-8", word.unwrap_or_default()),
                "rename the file: a run keeps the names of its data as text",
            ))
        }
        Kind::UnknownArgument if another_task(error).is_some() => {
            let name = another_task(error).unwrap_or_default();
            Err(Error::misuse(
                format!("{name} is not an option of this task"),
                "`--help` after the name of the task lists its options",
            ))
        }
        _ => {
            let text = error.to_string();
            let paragraphs = text.split("\n\n").take_while(|part| !part.trim_start().starts_with("Usage:"));
            let mut parts = paragraphs.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
            let message = parts.next().unwrap_or_default();
            let tip = parts.next().unwrap_or_default();
            let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
            let tip = tip.strip_prefix("tip: ").unwrap_or(&tip).to_owned();
            Err(Error::misuse(
                message,
                if tip.is_empty() || tip.starts_with("For more information") { "see `--help`".to_owned() } else { tip },
            ))
        }
    }
}

/// The option that is unknown here but not to every task.
fn another_task(error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => {
            let bare = name.trim_start_matches('-').split(['=', ' ']).next().unwrap_or_default();
            options::of_another_task(bare).then(|| format!("--{bare}"))
        }
        _ => None,
    }
}

/// Refuses to write over a file, unless that was asked for. Devices and pipes are there to be written into.
fn check_overwrite(path: &Path, overwrite: bool) -> Result<()> {
    if !overwrite && path.metadata().is_ok_and(|found| found.is_file()) {
        return Err(Error::misuse(
            format!("{}: exists already; it is left as it is", path.display()),
            "give --out another name, or say --overwrite",
        ));
    }
    Ok(())
}

/// Sets how many threads share the work; results do not depend on it.
fn threads(count: Option<u16>) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(count))
        .build_global()
        .map_err(|cause| Error::failure(format!("cannot start {count} threads: {cause}"), "use fewer --threads"))
}
