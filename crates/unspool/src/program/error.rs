//! Everything that can end the program, as one line, a hint, and an exit code.

use std::path::Path;
use unspool::{graph, nn, text};

/// A result of the program.
pub(crate) type Result<T> = std::result::Result<T, Error>;

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line asks for something that cannot be meant: exit code 2.
    #[error("{message}")]
    Misuse {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// What was asked for did not work: exit code 1.
    #[error("{message}")]
    Failure {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// Training has left the finite numbers: exit code 1.
    #[error("training has left the finite numbers: {cause}")]
    Diverged {
        /// Where.
        cause: String,
    },
    /// Processes that were started together are not alike: exit code 1.
    #[error("{message}")]
    Disagree {
        /// In what.
        message: String,
    },
    /// Ctrl-C: exit code 130.
    #[error("stopped at step {step}")]
    Stopped {
        /// How many steps are done and saved.
        step: u64,
        /// Where.
        folder: String,
    },
    /// Who reads our standard output has gone: nothing to say, and nobody to say it to.
    #[error("standard output was closed")]
    Closed,
}

impl Error {
    /// The command line asks for something that cannot be meant.
    pub(crate) fn misuse(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Misuse { message: message.into(), hint: hint.into() }
    }

    /// What was asked for did not work.
    pub(crate) fn failure(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Failure { message: message.into(), hint: hint.into() }
    }

    /// A file that could not be read or written.
    pub(crate) fn file(path: &Path, doing: &str, cause: &std::io::Error) -> Error {
        Error::failure(
            format!("{}: cannot {doing}: {cause}", path.display()),
            "check that the path exists and that you may use it",
        )
    }

    /// Standard output could not be written.
    pub(crate) fn output(cause: &std::io::Error) -> Error {
        match cause.kind() {
            std::io::ErrorKind::BrokenPipe => Error::Closed,
            _ => Error::failure(format!("standard output: cannot write: {cause}"), "check where it is redirected to"),
        }
    }

    /// The same error with another hint, where the caller knows more.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Error {
        match self {
            Error::Misuse { message, .. } => Error::Misuse { message, hint: hint.into() },
            Error::Failure { message, .. } => Error::Failure { message, hint: hint.into() },
            other => other,
        }
    }

    /// The same failure with the place of what caused it in front.
    pub(crate) fn at(self, place: &str) -> Error {
        match self {
            Error::Failure { message, hint } => Error::Failure { message: format!("{place}: {message}"), hint },
            other => other,
        }
    }

    /// The exit code: 2 for misuse, 1 for failure.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Error::Misuse { .. } => 2,
            Error::Failure { .. } | Error::Diverged { .. } | Error::Disagree { .. } => 1,
            Error::Stopped { .. } => 130,
            Error::Closed => 0,
        }
    }

    /// Whether all processes that train together end with it at the same place.
    #[cfg(feature = "mpi")]
    pub(crate) fn is_everywhere(&self) -> bool {
        matches!(self, Error::Diverged { .. } | Error::Disagree { .. } | Error::Stopped { .. })
    }

    /// With its hint, where there is one line for both.
    #[cfg(feature = "mpi")]
    pub(crate) fn in_one_line(&self) -> String {
        match self {
            Error::Misuse { message, hint } | Error::Failure { message, hint } if !hint.is_empty() => {
                format!("{}; {}", one_line(message), one_line(hint))
            }
            _ => one_line(&self.to_string()),
        }
    }

    /// Says it on standard error: one line, and one with what would be right.
    pub(crate) fn say(&self) {
        if let Error::Stopped { step, folder } = self {
            eprintln!("stopped at step {step}; the same command with `--out {folder} --resume` goes on");
        }
        if let Error::Diverged { .. } = self {
            eprintln!("error: {}", one_line(&self.to_string()));
            eprintln!("hint: a lower --learning-rate may help; what was saved so far is whole");
        }
        if let Error::Disagree { message } = self {
            eprintln!("error: {}", one_line(message));
            eprintln!("hint: start one program, with the same options and the same data, on every machine");
        }
        let (Error::Misuse { message, hint } | Error::Failure { message, hint }) = self else { return };
        eprintln!("error: {}", one_line(message));
        if !hint.is_empty() {
            eprintln!("hint: {}", one_line(hint));
        }
    }
}

/// Findings come a line each; the first few are enough to see what is wrong.
fn one_line(text: &str) -> String {
    const MOST: usize = 9;
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = lines[..lines.len().min(MOST)].join("; ").replace(":; ", ": ");
    match lines.len().saturating_sub(MOST) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

impl From<text::Error> for Error {
    fn from(error: text::Error) -> Error {
        use text::Error as E;
        let hint = match &error {
            E::Unreadable { .. } => "check that the path exists and that you may read it",
            E::Unwritable { .. } => "check that the folder exists and that you may write there",
            E::Unpacking { .. } => "fetch or pack the file again",
            E::NoHeader { .. } => "the first line of the file must name its columns",
            E::NoRows { .. } => "give a file with data in it",
            E::OtherSeparator { .. } => "write the file with the separator that is expected, or give another one",
            E::HeaderTwice { .. } => "give each column that is used a name of its own",
            E::TooLong { .. } => "a line of a data file is a row, a sentence or a text: divide it",
            E::LineEnds { .. } => "write the file with line feeds at the ends of its lines",
            E::NotJson { .. } => "each line is a JSON object or list",
            E::NoColumn { .. } => {
                "the first line of the file must name its columns; choose among them with the options"
            }
            E::Columns { .. } | E::EmptyField { .. } => "correct or remove that line",
            E::NotUtf8 { .. } => "convert the file to UTF-8",
            E::UnknownLabel { .. } | E::MixedLabels { .. } => "correct that line's label",
            E::LabelList { .. } => "the run folder must hold the files of one training, unchanged",
            E::OneLabel { .. } => "add rows with another label",
            E::Count { .. } => "line n of each file must belong to line n of the others",
            E::NothingToScore => "give one line or more",
            E::TokenizerFile { .. } => {
                "give a tokenizer.json as `tokenize train` or Hugging Face's `tokenizers` write it"
            }
            E::IdOutOfVocabulary { .. } => "decode with the tokenizer that the ids are of",
            E::VocabularyTooSmall { .. } => "ask for a larger --vocabulary",
            _ => "",
        };
        Error::failure(error.to_string(), hint)
    }
}

impl From<graph::Error> for Error {
    fn from(error: graph::Error) -> Error {
        match error {
            graph::Error::NormNotFinite { .. } => Error::Diverged { cause: error.to_string() },
            _ => Error::failure(error.to_string(), ""),
        }
    }
}

impl From<nn::Error> for Error {
    fn from(error: nn::Error) -> Error {
        match error {
            nn::Error::Graph(error) => error.into(),
            nn::Error::Diverged { .. } => Error::Diverged { cause: error.to_string() },
            nn::Error::Disagree { .. } => Error::Disagree { message: error.to_string() },
            nn::Error::Training { what, right } => Error::failure(what, right),
            nn::Error::Mismatch { .. } | nn::Error::Format { .. } => {
                Error::failure(error.to_string(), "the run folder must hold the files of one training, unchanged")
            }
            _ => Error::failure(error.to_string(), "check that the path exists and that you may use it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_become_one_line() {
        assert_eq!(one_line("a: does not fit:\nmissing: x\nmissing: y"), "a: does not fit: missing: x; missing: y");
        let many: String = (0..20).map(|i| format!("line {i}\n")).collect();
        assert!(one_line(&many).ends_with("line 8; and 11 more"));
    }
}
