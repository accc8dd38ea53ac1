//! Lines in, lines out: of files, of standard input, on standard output.

use super::error::{Error, Result};
use std::{
    io::{IsTerminal, Write},
    path::Path,
};
use unspool::text::{Lines, Source};

/// The lines of a file, or of standard input.
pub(crate) fn open(path: Option<&Path>) -> Result<Lines> {
    Ok(Lines::open(match path {
        Some(path) => Source::file(path)?,
        None => Source::stdin(),
    })?)
}

/// All of them.
pub(crate) fn read(path: Option<&Path>) -> Result<Vec<String>> {
    Ok(open(path)?.collect::<std::result::Result<_, _>>()?)
}

/// What messages call a file or standard input.
pub(crate) fn name(path: Option<&Path>) -> String {
    path.map_or("standard input".to_owned(), |path| path.display().to_string())
}

/// One line on standard output.
pub(crate) fn print(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|cause| Error::output(&cause))
}

/// Writes for each line what `answer` makes of it. Who types at a terminal is asked for each line, and gets each answer at once.
pub(crate) fn each(path: Option<&Path>, mut answer: impl FnMut(&str) -> Result<String>) -> Result<()> {
    let mut lines = open(path)?;
    let typed = path.is_none() && std::io::stdin().is_terminal();
    let at_once = typed || std::io::stdout().is_terminal();
    let prompt = || {
        if typed {
            eprint!("> ");
        }
    };
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    prompt();
    while let Some(line) = lines.next_line() {
        let answered = match line {
            Ok(line) => answer(line).map_err(|error| error.at(&lines.place().to_string())),
            Err(error) => Err(error.into()),
        };
        let answer = match answered {
            Ok(answer) => answer,
            Err(error) => {
                // What went before the error is right, and is not held back.
                out.flush().map_err(|cause| Error::output(&cause))?;
                return Err(error);
            }
        };
        writeln!(out, "{answer}").map_err(|cause| Error::output(&cause))?;
        if at_once {
            out.flush().map_err(|cause| Error::output(&cause))?;
        }
        prompt();
    }
    if typed {
        eprintln!();
    }
    out.flush().map_err(|cause| Error::output(&cause))
}
