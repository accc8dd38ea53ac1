//! Lines in, lines out: of files, of standard input, on standard output.

use super::{
    error::{Error, Result},
    limits, say, shown,
};
use std::{
    io::{IsTerminal, Write},
    path::Path,
};
use unspool::text::{Lines, MAX_GZIP_RATIO, MAX_LINE_LENGTH, Source};

/// A line of the input, and where it stands.
pub(crate) struct Line {
    /// Its number, from 1.
    pub(crate) number: u64,
    pub(crate) text: String,
    pub(crate) place: String,
}

/// The lines of a file, or of standard input.
pub(crate) fn open(path: Option<&Path>, limits: InputLimits) -> Result<Lines> {
    Ok(Lines::open(limits.of(match path {
        Some(path) => Source::file(path)?,
        None => Source::stdin(),
    }))?)
}

/// All lines.
pub(crate) fn read(path: Option<&Path>, limits: InputLimits) -> Result<Vec<String>> {
    open(path, limits)?.map(|line| Ok(line?)).collect()
}

/// What messages call a file or standard input.
pub(crate) fn name(path: Option<&Path>) -> String {
    path.map_or("standard input".to_owned(), |path| path.display().to_string())
}

/// How much of a file is taken before something must be wrong with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InputLimits {
    max_line: usize,
    max_gzip_ratio: u64,
}

impl Default for InputLimits {
    fn default() -> InputLimits {
        InputLimits { max_line: MAX_LINE_LENGTH, max_gzip_ratio: MAX_GZIP_RATIO }
    }
}

impl InputLimits {
    /// The same source, which keeps to these limits.
    pub(crate) fn of(self, source: Source) -> Source {
        source.max_line_length(self.max_line).max_gzip_ratio(self.max_gzip_ratio)
    }
}

/// The options that raise the limits.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct LimitOptions {
    #[arg(
        long,
        value_name = "BYTES",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::LONGEST_LINE)),
        help = format!(
            "Maximum length of a line in bytes, by default {} for lines that a model answers, else {MAX_LINE_LENGTH} \
             [from 1 to {}]",
            limits::ANSWERED_LINE,
            limits::LONGEST_LINE
        )
    )]
    max_line: Option<u32>,
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..),
        help = format!(
            "Maximum size of gzip input once it is unpacked, in multiples of its packed size, by default \
             {MAX_GZIP_RATIO} [from 1 to {}]",
            u32::MAX
        )
    )]
    max_gzip_ratio: Option<u32>,
}

impl LimitOptions {
    /// For lines that are read into memory, or passed on.
    pub(crate) fn limits(self) -> InputLimits {
        let limits = InputLimits::default();
        InputLimits {
            max_line: self.max_line.map_or(limits.max_line, |bytes| bytes as usize),
            max_gzip_ratio: self.max_gzip_ratio.map_or(limits.max_gzip_ratio, u64::from),
        }
    }

    /// For lines that a model answers.
    pub(crate) fn of_answered_lines(self) -> InputLimits {
        LimitOptions { max_line: self.max_line.or(Some(limits::ANSWERED_LINE)), ..self }.limits()
    }
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
pub(crate) fn each(
    path: Option<&Path>,
    limits: InputLimits,
    mut answer: impl FnMut(&str) -> Result<String>,
) -> Result<()> {
    let mut lines = open(path, limits)?;
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
            Err(error) => Err(error.into()),
        };
        print(&answered?)?;
        prompt();
    }
    if typed {
        say::line("");
    }
    Ok(())
}
