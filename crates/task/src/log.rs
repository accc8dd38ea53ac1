//! `training.log` in the run folder: what was said, and when.
//!
//! It is for people. A log that cannot be written ends nothing, and a training that is resumed goes on in it.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::Path,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

/// The name of the file in a run folder.
pub(crate) const LOG: &str = "training.log";

static FILE: Mutex<Option<File>> = Mutex::new(None);

/// Writes what is said from now on into the log of a run folder too.
pub(crate) fn open(folder: &Path) {
    *FILE.lock().unwrap_or_else(PoisonError::into_inner) = opened(folder);
}

/// Writes no further.
pub(crate) fn close() {
    *FILE.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Writes a line, or several, each with the time before it.
pub(crate) fn line(text: &str) {
    if let Some(file) = FILE.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        write(file, text);
    }
}

/// Opens the log of a folder at its end. A link is not followed.
fn opened(folder: &Path) -> Option<File> {
    let path = folder.join(LOG);
    let is_free = fs::symlink_metadata(&path).map_or(true, |found| found.is_file());
    if is_free { OpenOptions::new().create(true).append(true).open(&path).ok() } else { None }
}

fn write(file: &mut File, text: &str) {
    let now = humantime::format_rfc3339_seconds(SystemTime::now());
    let lines: String = text.lines().map(|line| format!("{now} {line}\n")).collect();
    let _ = file.write_all(lines.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_on_where_it_ended_and_follows_no_link() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["one", "two\nthree"] {
            write(&mut opened(folder.path()).unwrap(), text);
        }
        let log = fs::read_to_string(folder.path().join(LOG)).unwrap();
        let words: Vec<&str> = log.lines().filter_map(|line| Some(line.split_once("Z ")?.1)).collect();
        assert_eq!(words, ["one", "two", "three"]);
        #[cfg(unix)]
        {
            let linked = tempfile::tempdir().unwrap();
            std::os::unix::fs::symlink(folder.path().join(LOG), linked.path().join(LOG)).unwrap();
            assert!(opened(linked.path()).is_none());
        }
    }
}
