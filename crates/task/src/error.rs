//! Everything that can end the program, as one line, a hint, and an exit code.

use super::{say, shown};
use std::{io::ErrorKind, path::Path};
use unspool::{graph, nn, text};

/// A result of the program.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the program ends early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that cannot be meant: exit code 2.
    #[error("{message}")]
    Misuse {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// The command line does not say what to do: the help, and exit code 2.
    #[error("{0}")]
    NothingAsked(String),
    /// What was asked for did not work: exit code 1.
    #[error("{message}")]
    Failure {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// The loss or a gradient is no longer finite: exit code 1.
    #[error("training diverged: {cause}")]
    Diverged {
        /// Where.
        cause: String,
        /// Whether the run folder holds the weights of an earlier epoch.
        has_weights: bool,
    },
    /// Processes that were started together are not alike: exit code 1.
    #[error("{message}")]
    Disagree {
        /// In what.
        message: String,
    },
    /// A signal asked for the end: exit code 128 and the number of the signal, as a shell gives it.
    #[error("stopped{}", step.map_or(String::new(), |step| format!(" at step {step}")))]
    Stopped {
        /// The number of the signal.
        signal: u8,
        /// How many steps are done and saved, where it is steps that were stopped.
        step: Option<u64>,
        /// The command that resumes the training, where it was saved.
        resume: Option<String>,
    },
    /// The reader of standard output has left: there is nothing to say, and nobody to say it to.
    #[error("standard output was closed")]
    Closed,
}

impl Error {
    /// The command line asks for something that cannot be meant.
    pub fn misuse(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Misuse { message: message.into(), hint: hint.into() }
    }

    /// What was asked for did not work.
    pub fn failure(message: impl Into<String>, hint: impl Into<String>) -> Error {
        Error::Failure { message: message.into(), hint: hint.into() }
    }

    /// A file that could not be read or written.
    pub fn file(path: &Path, doing: &str, cause: &std::io::Error) -> Error {
        Error::failure(format!("{}: cannot {doing}: {cause}", path.display()), hint_for(cause))
    }

    /// Standard output could not be written.
    pub fn output(cause: &std::io::Error) -> Error {
        match cause.kind() {
            ErrorKind::BrokenPipe => Error::Closed,
            _ => Error::failure(format!("standard output: cannot write: {cause}"), "check where it is redirected to"),
        }
    }

    /// The same error with another hint, where the caller knows more.
    pub fn hint(self, hint: impl Into<String>) -> Error {
        match self {
            Error::Misuse { message, .. } => Error::Misuse { message, hint: hint.into() },
            Error::Failure { message, .. } => Error::Failure { message, hint: hint.into() },
            other => other,
        }
    }

    /// The same error from a command that has only these options: a hint that names another gives way to `hint`.
    pub fn hint_for_options(self, options: &[&str], hint: &str) -> Error {
        let (Error::Misuse { hint: found, .. } | Error::Failure { hint: found, .. }) = &self else { return self };
        let named = found.split(|c: char| c.is_whitespace() || c == ',').filter(|word| word.starts_with("--"));
        let is_other = named.clone().any(|word| !options.contains(&word));
        if is_other { self.hint(hint) } else { self }
    }

    /// The same error where nobody who typed the command line is at fault: misuse becomes a failure.
    pub(crate) fn into_failure(self, hint: &str) -> Error {
        match self {
            Error::Misuse { message, .. } => Error::failure(message, hint),
            other => other,
        }
    }

    /// The same failure with the place of what caused it in front.
    pub fn at(self, place: &str) -> Error {
        match self {
            Error::Failure { message, hint } => Error::Failure { message: format!("{place}: {message}"), hint },
            other => other,
        }
    }

    /// The same end of a training, with the command that resumes it.
    pub fn resumed_by(self, command: String) -> Error {
        match self {
            Error::Stopped { signal, step, .. } => Error::Stopped { signal, step, resume: Some(command) },
            other => other,
        }
    }

    /// The exit code: 2 for misuse, 1 for failure.
    pub fn code(&self) -> u8 {
        match self {
            Error::Misuse { .. } | Error::NothingAsked(_) => 2,
            Error::Failure { .. } | Error::Diverged { .. } | Error::Disagree { .. } => 1,
            Error::Stopped { signal, .. } => signal.saturating_add(128),
            Error::Closed => 0,
        }
    }

    /// Whether all processes that train together end with it at the same place.
    #[cfg(feature = "mpi")]
    pub fn is_everywhere(&self) -> bool {
        matches!(self, Error::Diverged { .. } | Error::Disagree { .. } | Error::Stopped { .. })
    }

    /// The message with its hint, where there is one line for both.
    #[cfg(feature = "mpi")]
    pub fn in_one_line(&self) -> String {
        let (message, hint) = self.lines();
        if hint.is_empty() { message } else { format!("{message}; {hint}") }
    }

    /// Writes a line on standard error, and a second one that says what would be right.
    pub fn say(&self) {
        let (message, hint) = self.lines();
        match self {
            Error::Closed => return,
            Error::NothingAsked(help) => return say::always(help),
            Error::Stopped { .. } => say::always(&message),
            _ => say::error(&message),
        }
        if !hint.is_empty() {
            say::hint(&hint);
        }
    }

    /// The message and the hint, each on one line.
    pub(crate) fn lines(&self) -> (String, String) {
        let hint = match self {
            Error::Misuse { hint, .. } | Error::Failure { hint, .. } => hint.clone(),
            Error::Diverged { has_weights: true, .. } => {
                "try a lower --learning-rate; the best weights so far are saved, and can be used".to_owned()
            }
            Error::Diverged { has_weights: false, .. } => "try a lower --learning-rate".to_owned(),
            Error::Disagree { .. } => {
                "start the same program, with the same options and the same data, on every machine".to_owned()
            }
            Error::Stopped { resume: Some(command), .. } => format!("`{command}` resumes the training"),
            Error::Stopped { resume: None, .. } | Error::NothingAsked(_) | Error::Closed => String::new(),
        };
        (one_line(&self.to_string()), one_line(&hint))
    }
}

/// What to do about a file that could not be read or written.
fn hint_for(cause: &std::io::Error) -> &'static str {
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "free some space on that disk",
        ErrorKind::ReadOnlyFilesystem => "choose a place that can be written to",
        ErrorKind::PermissionDenied => "check the permissions of the file and of its folder",
        ErrorKind::NotFound => "check that the path exists",
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput => {
            "the file is damaged or cut short: fetch or write it again"
        }
        ErrorKind::IsADirectory => "give a file, not a folder",
        ErrorKind::NotADirectory => "a part of the path is a file, not a folder",
        _ => "check the disk or device, and that you may use the file",
    }
}

/// Findings come one per line. The first few are enough to see what is wrong.
fn one_line(text: &str) -> String {
    const MOST: usize = 9;
    // A line of a file that ends in a carriage return is no reason to hide what follows.
    let lines: Vec<&str> = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect();
    let shown = lines[..lines.len().min(MOST)].join("; ").replace(":; ", ": ");
    let shown = shown::line(&shown);
    match lines.len().saturating_sub(MOST) {
        0 => shown.into_owned(),
        more => format!("{shown}; and {more} more"),
    }
}

impl From<text::Error> for Error {
    fn from(error: text::Error) -> Error {
        use text::Error as E;
        let hint = match &error {
            E::Unreadable { cause, .. } | E::Unwritable { cause, .. } => hint_for(cause),
            E::Unpacking { reason: text::Unpacking::Expanding { .. }, .. } => {
                "if the file is what it should be, --max-gzip-ratio allows more"
            }
            E::Unpacking { .. } => "fetch or pack the file again",
            E::NoHeader { .. } => "the first line of the file must name its columns",
            E::NoRows { .. } => "give a file with data in it",
            E::OtherSeparator { .. } => "write the file with the separator that is expected, or give another one",
            E::HeaderTwice { .. } => "give each column that is used a name of its own",
            E::TooLong { .. } => "divide it, or allow longer lines with --max-line",
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
            graph::Error::NormNotFinite { .. } => Error::Diverged { cause: error.to_string(), has_weights: false },
            _ => Error::failure(error.to_string(), ""),
        }
    }
}

impl From<nn::Error> for Error {
    fn from(error: nn::Error) -> Error {
        match error {
            nn::Error::Graph(error) => error.into(),
            nn::Error::Diverged { .. } => Error::Diverged { cause: error.to_string(), has_weights: false },
            nn::Error::Disagree { .. } => Error::Disagree { message: error.to_string() },
            nn::Error::Training { what, right } | nn::Error::Config { what, right } => Error::failure(what, right),
            nn::Error::Mismatch { .. } | nn::Error::Format { .. } => {
                Error::failure(error.to_string(), "the run folder must hold the files of one training, unchanged")
            }
            nn::Error::File { ref source, .. } => Error::failure(error.to_string(), hint_for(source)),
            _ => Error::failure(error.to_string(), ""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_one_line_a_hint_that_fits_and_its_exit_code() {
        let file = |kind| Error::file(Path::new("a"), "write", &std::io::Error::from(kind)).lines();
        assert!(file(ErrorKind::StorageFull).1.contains("space"));
        assert_ne!(file(ErrorKind::NotFound).1, file(ErrorKind::PermissionDenied).1);
        let resume = Some("unspool train copy --out 'a b' --resume".to_owned());
        for (signal, code) in [(2, 130), (15, 143), (1, 129)] {
            let stopped = Error::Stopped { signal, step: Some(7), resume: resume.clone() };
            let (message, hint) = stopped.lines();
            assert_eq!((message.as_str(), stopped.code()), ("stopped at step 7", code));
            assert_eq!(hint, "`unspool train copy --out 'a b' --resume` resumes the training");
        }
    }

    #[test]
    fn a_training_that_diverged_names_saved_weights_only_where_there_are_some() {
        let hint = |has_weights| Error::Diverged { cause: "the loss is NaN".into(), has_weights }.lines().1;
        assert_eq!(hint(false), "try a lower --learning-rate");
        assert_eq!(hint(true), "try a lower --learning-rate; the best weights so far are saved, and can be used");
    }

    #[test]
    fn a_hint_names_no_option_that_a_command_has_not() {
        let error = |hint: &str| Error::failure("a", hint).hint_for_options(&["--data"], "other").lines().1;
        assert_eq!(error("choose with --text and --label"), "other");
        assert_eq!(error("--change difference is for any numbers"), "other");
        assert_eq!(error("give --data FILE, or --data TRAIN DEV TEST"), "give --data FILE, or --data TRAIN DEV TEST");
        assert_eq!(error("a file - with rows"), "a file - with rows");
    }

    #[test]
    fn what_stands_in_a_file_cannot_command_a_terminal() {
        let error = Error::failure("a\rb: no column `\u{1b}[2J`", "choose \u{202e}");
        assert_eq!(error.lines(), ("a\\u{d}b: no column `\\u{1b}[2J`".into(), "choose \\u{202e}".into()));
    }

    #[test]
    fn findings_become_one_line() {
        assert_eq!(one_line("a: does not fit:\nmissing: x\nmissing: y"), "a: does not fit: missing: x; missing: y");
        let many: String = (0..20).map(|i| format!("line {i}\n")).collect();
        assert!(one_line(&many).ends_with("line 8; and 11 more"));
    }
}
