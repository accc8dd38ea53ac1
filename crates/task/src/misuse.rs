//! What clap says of a command line, in one line and a hint.
//!
//! The two come out of the text that clap renders. A formatter in clap's place (`clap::error::ErrorFormatter`) would
//! have to write the message of each of its kinds again; `crates/cli/tests/messages.rs` says what the lines must be.

use crate::{
    any_task::AnyTask,
    error::{Error, Result},
    options,
};
use std::ffi::OsString;

/// Help and version are answers. The rest is misuse, in one line.
pub(crate) fn refused(
    tasks: &[&'static dyn AnyTask],
    error: &clap::Error,
    words: impl Iterator<Item = OsString>,
) -> Result<()> {
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
        Kind::UnknownArgument if another_task(tasks, error).is_some() => {
            let name = another_task(tasks, error).unwrap_or_default();
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
fn another_task(tasks: &[&'static dyn AnyTask], error: &clap::Error) -> Option<String> {
    use clap::error::{ContextKind, ContextValue};
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(name)) => {
            let bare = name.trim_start_matches('-').split(['=', ' ']).next().unwrap_or_default();
            options::of_another_task(tasks, bare).then(|| format!("--{bare}"))
        }
        _ => None,
    }
}
