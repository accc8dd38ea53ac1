//! Standard error: everything that the program says beside its results.
//!
//! What cannot be said is not said. A terminal that has gone, a full disk, or a reader that has left never ends the
//! work, so nothing here returns an error, and `eprintln!`, which panics, is not used.

use super::shown;
use std::io::Write;

/// Writes a line, or several. Characters from files that a terminal would obey are written as codes.
pub(crate) fn line(text: &str) {
    write(&format!("{}\n", shown::lines(text.trim_end_matches('\n'))));
}

/// Writes without a line break behind it.
pub(crate) fn prompt(text: &str) {
    write(text);
}

fn write(text: &str) {
    let mut out = std::io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
