//! Any bytes as a command line, whose words end at zero bytes: a command, the help, or misuse in one line and a hint.
//! Nothing is done.

use std::ffi::OsString;

/// Reads the words, and what would be said of them.
pub(crate) fn run(data: &[u8]) {
    let words: Vec<OsString> =
        std::iter::once("unspool".into()).chain(data.split(|byte| *byte == 0).map(word)).collect();
    let Some((code, message, hint)) = unspool_task::testing::misuse(&unspool_cli::TASKS, words) else { return };
    assert_eq!(code, 2);
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
