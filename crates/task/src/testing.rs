//! What the fuzz targets of a program and the tests beside them ask for. Nothing here is for users.

use crate::{
    any_task::AnyTask, entry::Entry, error::Result, markdown, misuse, options, run, task_options::train_command,
};
use std::{ffi::OsString, path::Path};

pub use crate::any_task::Answers;

fn tasks(entries: &[Entry]) -> Vec<&'static dyn AnyTask> {
    entries.iter().map(|entry| entry.0).collect()
}

/// Reads a command line. Returns nothing if it is a command or asks for help, else the code, the line and the hint.
pub fn misuse(entries: &[Entry], words: Vec<OsString>) -> Option<(u8, String, String)> {
    let tasks = tasks(entries);
    let error = match options::read(&tasks, words.clone()) {
        Ok((_, options::Asked::Train(task, _) | options::Asked::Draw(task, _))) => {
            assert!(tasks.iter().any(|known| known.name() == task));
            return None;
        }
        Ok((_, options::Asked::Other(_))) => return None,
        // Help is an answer, and would be printed.
        Err(error) if error.exit_code() == 0 => return None,
        Err(error) => error,
    };
    let error = misuse::refused(&tasks, &error, words.into_iter()).err()?;
    let (message, hint) = error.lines();
    Some((error.code(), message, hint))
}

/// Reads the `model.toml` or `config.toml` of a run folder, for the task that it names, or for all.
pub fn model_toml(entries: &[Entry], path: &Path) {
    let Ok(mut table) = run::read_toml(path) else { return };
    let named = table.remove(run::TASK);
    for task in tasks(entries) {
        if named.as_ref().is_none_or(|named| named.as_str() == Some(task.name())) {
            task.model_toml(path, table.clone());
        }
    }
}

/// Returns the answers of a small model with its first weights, which check each answer themselves.
///
/// # Errors
/// The data or the options are wrong.
pub fn answers(entry: &Entry, words: &[String]) -> Result<Answers> {
    entry.0.answers(words)
}

/// Checks what the help of every task says of its options: a range is the one that is taken.
pub fn ranges(entries: &[Entry]) -> usize {
    let mut seen = 0;
    for task in tasks(entries) {
        let command = train_command(task);
        for argument in command.get_arguments() {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let range = help.split("[from ").nth(1).and_then(|rest| rest.split(']').next()?.split_once(" to "));
            let (Some((low, high)), Some(name)) = (range, argument.get_long()) else { continue };
            let takes =
                |value: String| command.clone().try_get_matches_from(["", &format!("--{name}={value}")]).is_ok();
            assert!(takes(low.to_owned()) && takes(high.to_owned()), "{} --{name}: {help}", task.name());
            if let Ok(high) = high.parse::<u64>()
                && high < i64::MAX as u64
            {
                assert!(!takes((high + 1).to_string()), "{} --{name}: {help}", task.name());
            }
            seen += 1;
        }
    }
    seen
}

/// Returns the losses of the batches of an epoch, with first weights, where so many processes share out the rows.
pub fn losses(entry: &Entry, words: &[String], ranks: usize) -> Vec<f64> {
    entry.0.losses(words, ranks)
}

/// Returns the loss of each of the first training steps, without writing anything.
///
/// # Errors
/// The data or the options are wrong, or the training diverges.
pub fn step_losses(entry: &Entry, words: &[String], steps: usize) -> Result<Vec<f64>> {
    entry.0.step_losses(words, steps)
}

/// Returns the commands of a program as pages in Markdown, by the names of their files.
pub fn command_pages(entries: &[Entry]) -> Vec<(String, String)> {
    markdown::pages(options::command(&tasks(entries)))
}
