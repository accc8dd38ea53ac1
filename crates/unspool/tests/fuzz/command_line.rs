//! Any bytes as a command line, whose words end at zero bytes: a command, the help, or misuse in one line and a hint.
//! Nothing is done.

use crate::program::{
    options::{self, Asked},
    refused,
};
use std::ffi::OsString;

/// Reads the words, and what would be said of them.
pub(crate) fn run(data: &[u8]) {
    let words: Vec<OsString> =
        std::iter::once("unspool".into()).chain(data.split(|byte| *byte == 0).map(word)).collect();
    let error = match options::read(words.clone()) {
        Ok(Asked::Train(task, _) | Asked::Draw(task, _)) => {
            return assert!(crate::tasks::NAMES.contains(&task.as_str()));
        }
        Ok(Asked::Other(_)) => return,
        // Help is an answer, and would be printed.
        Err(error) if error.exit_code() == 0 => return,
        Err(error) => error,
    };
    let error = refused(&error, words.into_iter()).expect_err("it is misuse");
    let (message, hint) = error.lines();
    assert_eq!(error.code(), 2);
    for line in [message, hint] {
        assert!(!line.contains(|c: char| c.is_control() && c != '\t'), "{line:?}");
    }
}

#[cfg(unix)]
fn word(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn word(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}
