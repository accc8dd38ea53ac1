//! What the fuzz targets of a program and the tests beside them ask for. Nothing here is for users.

use crate::{
    any_task::AnyTask,
    entry::Entry,
    error::Result,
    misuse, options,
    run::{self, TASK},
};
use std::{ffi::OsString, path::Path};

fn tasks(entries: &[Entry]) -> Vec<&'static dyn AnyTask> {
    entries.iter().map(|entry| entry.0).collect()
}

/// Reads a command line. Returns nothing if it is a command or asks for help, else the code, the line and the hint.
pub fn misuse(entries: &[Entry], words: Vec<OsString>) -> Option<(u8, String, String)> {
    let tasks = tasks(entries);
    let error = match options::read(&tasks, words.clone()) {
        Ok(options::Asked::Train(task, _) | options::Asked::Draw(task, _)) => {
            assert!(tasks.iter().any(|known| known.name() == task));
            return None;
        }
        Ok(options::Asked::Other(_)) => return None,
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
    let named = table.remove(TASK);
    for task in tasks(entries) {
        if named.as_ref().is_none_or(|named| named.as_str() == Some(task.name())) {
            task.model_toml(table.clone());
        }
    }
}

/// Answers a line.
pub type Answers = Box<dyn Fn(&str)>;

/// Returns the answers of a small model with its first weights, which check each answer themselves.
///
/// # Errors
/// The data or the settings are wrong.
pub fn answers(entry: &Entry, data: &[String], settings: &str) -> Result<Answers> {
    entry.0.answers(data, settings)
}
