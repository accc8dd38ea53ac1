//! Standard error: everything that the program says beside its results.
//!
//! What cannot be said is not said. A terminal that has gone, a full disk, or a reader that has left never ends the
//! work, so nothing here returns an error, and `eprintln!`, which panics, is not used.

use super::{log, shown};
use anstyle::{AnsiColor, Style};
use std::{
    env,
    io::{IsTerminal, Write},
    sync::atomic::{AtomicU8, Ordering},
};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Errors and warnings alone.
    Quiet = 0,
    /// What a person wants to know.
    Usual = 1,
    /// Also what helps to find a fault.
    Verbose = 2,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Usual as u8);

/// Sets how much is said from now on.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Whether this much is said.
pub(crate) fn says(level: Level) -> bool {
    LEVEL.load(Ordering::Relaxed) >= level as u8
}

/// Writes a line, or several, unless the program is quiet; the log has them in any case. Characters from files that a
/// terminal would obey are written as codes.
pub(crate) fn line(text: &str) {
    at(Level::Usual, text);
}

/// Writes a line where much is said.
pub(crate) fn detail(text: &str) {
    at(Level::Verbose, text);
}

/// Writes a line that is said even by a quiet program.
pub(crate) fn always(text: &str) {
    at(Level::Quiet, text);
}

/// Writes what went wrong, although the work goes on.
pub(crate) fn warning(text: &str) {
    marked("warning", AnsiColor::Yellow, text);
}

/// Writes why the program ends.
pub(crate) fn error(text: &str) {
    marked("error", AnsiColor::Red, text);
}

/// Writes what would be right.
pub(crate) fn hint(text: &str) {
    marked("hint", AnsiColor::Cyan, text);
}

/// Writes a line whose first word is colored where standard error takes colors, which `NO_COLOR`, `CLICOLOR` and
/// `CLICOLOR_FORCE` decide too.
fn marked(name: &str, color: AnsiColor, text: &str) {
    let text = shown::lines(text);
    log::line(&format!("{name}: {text}"));
    let style = if takes_colors() { Style::new().bold().fg_color(Some(color.into())) } else { Style::new() };
    write(&format!("{style}{name}:{style:#} {text}\n"));
}

/// Whether standard error takes colors. `CLICOLOR_FORCE=0` forces nothing.
fn takes_colors() -> bool {
    let (is_0, stderr) = (|name| env::var_os(name).is_some_and(|value| value == "0"), std::io::stderr());
    let may = !is_0("CLICOLOR_FORCE") || stderr.is_terminal() && !is_0("CLICOLOR");
    may && anstream::AutoStream::choice(&stderr) != anstream::ColorChoice::Never
}

/// Writes without a line break after it.
pub(crate) fn prompt(text: &str) {
    write(text);
}

fn at(level: Level, text: &str) {
    let text = shown::lines(text.trim_end_matches('\n'));
    if level < Level::Verbose || says(level) {
        log::line(&text);
    }
    if says(level) {
        write(&format!("{text}\n"));
    }
}

fn write(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
