//! The command line.

pub(crate) mod curve;
pub(crate) mod data;
pub(crate) mod error;
mod json;
mod lines;
mod options;
mod predict;
mod progress;
mod run;
mod score;
mod tokenize;
mod train;

use clap::Parser;
use error::{Error, Result};
use options::{Command, Options, TaskOptions};
use std::process::ExitCode;

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.say();
            ExitCode::from(error.code())
        }
    }
}

fn run() -> Result<()> {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(error) => return refused(&error),
    };
    match options.command {
        Command::Train { task: TaskOptions::Translation(options) } => options.train(),
        Command::Train { task: TaskOptions::Sentiment(options) } => options.train(),
        Command::Score { score } => score.run(),
        Command::Tokenize { action } => action.run(),
        Command::Predict(options) => {
            threads(options.threads)?;
            predict::predict(&options.model)
        }
    }
}

/// Help and version are answers; the rest is misuse, in one line.
fn refused(error: &clap::Error) -> Result<()> {
    use clap::error::ErrorKind as Kind;
    match error.kind() {
        Kind::DisplayHelp | Kind::DisplayVersion => error.print().map_err(|cause| Error::output(&cause)),
        Kind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Error::misuse("what to do is missing", "`unspool train translation`, or see `unspool --help`"))
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

/// Sets how many threads share the work; results do not depend on it.
fn threads(count: Option<u16>) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(count))
        .build_global()
        .map_err(|cause| Error::failure(format!("{count} threads cannot be had: {cause}"), "ask for fewer --threads"))
}
