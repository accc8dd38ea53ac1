//! Lines in, lines out: of files, of standard input, on standard output.

use super::{
    error::{Error, Result},
    limits, say, shown,
};
use std::{
    io::{IsTerminal, Write},
    path::Path,
};
use unspool::text::{self, Lines, Source};

/// The lines of a file, or of standard input, each of at most so many bytes.
pub(crate) fn open(path: Option<&Path>, max_length: u32) -> Result<Lines> {
    let lines = Lines::open(match path {
        Some(path) => Source::file(path)?,
        None => Source::stdin(),
    })?;
    Ok(lines.max_length(max_length as usize))
}

/// All lines.
pub(crate) fn read(path: Option<&Path>, max_length: u32) -> Result<Vec<String>> {
    open(path, max_length)?.map(|line| line.map_err(told)).collect()
}

/// An error of a line, whose limit is an option here.
pub(crate) fn told(error: text::Error) -> Error {
    let is_long = matches!(error, text::Error::TooLong { .. });
    let error = Error::from(error);
    if is_long { error.hint("--max-line allows longer lines") } else { error }
}

/// What messages call a file or standard input.
pub(crate) fn name(path: Option<&Path>) -> String {
    path.map_or("standard input".to_owned(), |path| path.display().to_string())
}

/// The option that raises the limit of a line.
#[derive(clap::Args)]
pub(crate) struct LongestLine<const DEFAULT: u32> {
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = DEFAULT,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::LONGEST_LINE)),
        help = format!("Longest line to accept, in bytes [from 1 to {}]", limits::LONGEST_LINE)
    )]
    pub(crate) max_line: u32,
}

/// Writes a line on standard output. A terminal is given no characters that would command it.
pub(crate) fn print(line: &str) -> Result<()> {
    let out = std::io::stdout();
    let line = if out.is_terminal() { shown::lines(line) } else { line.into() };
    // In one piece: whoever ends the program by a signal finds whole lines.
    let line = format!("{line}\n");
    let mut out = out.lock();
    out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(|cause| Error::output(&cause))
}

/// Writes for each line what `answer` makes of it, as soon as it is there. Somebody who types at a terminal is asked
/// for each line.
pub(crate) fn each(path: Option<&Path>, max_length: u32, mut answer: impl FnMut(&str) -> Result<String>) -> Result<()> {
    let mut lines = open(path, max_length)?;
    let typed = path.is_none() && std::io::stdin().is_terminal();
    let prompt = || {
        if typed {
            say::prompt("> ");
        }
    };
    prompt();
    while let Some(line) = lines.next_line() {
        let answered = match line {
            Ok(line) => answer(line).map_err(|error| error.at(&lines.place().to_string())),
            Err(error) => Err(told(error)),
        };
        print(&answered?)?;
        prompt();
    }
    if typed {
        say::line("");
    }
    Ok(())
}
