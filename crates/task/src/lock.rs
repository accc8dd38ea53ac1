//! The file that says that a folder is a run's, and which process trains in it.

use super::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use unspool_files::faults::{Operation, point};

/// The name of the file in a run folder.
pub(super) const LOCK: &str = "run.lock";

/// How the file begins. It is the first file that a training writes into its folder, so whatever else stands there is
/// the run's.
const MARK: &str = "# This is a run folder of unspool. The process that trains in it holds a lock on this file.\n";

/// More than any process writes into the file.
const LONGEST: u64 = 4096;

/// What the file says of a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It is a run's.
    Whole,
    /// The file is empty or a part of the mark: a training was stopped while it created the folder.
    Begun,
    /// The file is missing, or it is not one of ours.
    None,
}

impl Mark {
    /// Reads the mark of a folder. A link is no mark, wherever it leads.
    pub(super) fn of(folder: &Path) -> Mark {
        let path = folder.join(LOCK);
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            return Mark::None;
        }
        match read(&path) {
            Ok(text) if text.starts_with(MARK) => Mark::Whole,
            Ok(text) if MARK.starts_with(&text) => Mark::Begun,
            Ok(_) => Mark::None,
            // Where locks are mandatory, nobody else can read what a training holds.
            Err(_) => Mark::Whole,
        }
    }
}

/// The process that holds a lock.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    host: String,
    /// Seconds since 1970.
    started: u64,
}

impl Holder {
    fn this_process() -> Holder {
        let host = gethostname::gethostname().to_string_lossy().into_owned();
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Holder { pid: std::process::id(), host, started }
    }

    /// "process 12 on host, which began 3 min ago".
    fn text(&self) -> String {
        let began = UNIX_EPOCH + Duration::from_secs(self.started);
        let seconds = SystemTime::now().duration_since(began).unwrap_or_default().as_secs();
        let ago = match seconds {
            0..=119 => format!("{seconds} s"),
            120..=7199 => format!("{} min", seconds / 60),
            _ => format!("{} h", seconds / 3600),
        };
        format!("process {} on {}, which began {ago} ago", self.pid, self.host)
    }
}

/// The right to write in a run folder. The system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of a folder that exists, and marks the folder as a run's. Whether it may be marked is for the
    /// caller to know.
    ///
    /// # Errors
    /// Another process holds it, or the file cannot be written.
    pub(super) fn take(folder: &Path) -> Result<Lock> {
        let path = folder.join(LOCK);
        let failed = |cause: std::io::Error| Error::file(&path, "lock", &cause);
        point(Operation::Create, &path).map_err(failed)?;
        loop {
            let file = match OpenOptions::new().read(true).write(true).create_new(true).open(&path) {
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                    OpenOptions::new().read(true).write(true).open(&path)
                }
                opened => opened,
            };
            let file = match file {
                Ok(file) => file,
                // Its holder removed it between the two calls.
                Err(cause) if cause.kind() == ErrorKind::NotFound && folder.is_dir() => continue,
                Err(cause) => return Err(failed(cause)),
            };
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(folder, &path)),
                Err(TryLockError::Error(cause)) => return Err(failed(cause)),
            }
            // A holder that discards its run removes the file; a lock on a removed file guards nothing.
            if !path.exists() {
                continue;
            }
            let mut lock = Lock { path: path.clone(), file };
            lock.write(&Holder::this_process()).map_err(failed)?;
            return Ok(lock);
        }
    }

    fn write(&mut self, holder: &Holder) -> std::io::Result<()> {
        let holder = toml::to_string(holder).map_err(std::io::Error::other)?;
        // A kill at any moment leaves the mark of a folder that had one.
        point(Operation::Write, &self.path)?;
        if self.file.metadata()?.len() < MARK.len() as u64 {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(MARK.as_bytes())?;
        }
        self.file.set_len(MARK.len() as u64)?;
        self.file.seek(SeekFrom::End(0))?;
        self.file.write_all(holder.as_bytes())
    }

    /// Removes the file: the folder is no run's any more.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(&self.path);
    }
}

impl Drop for Lock {
    /// Nobody holds it any more, and the file no longer says so.
    fn drop(&mut self) {
        // A file that is shorter has not been marked: the disk was full.
        let mark = MARK.len() as u64;
        if self.file.metadata().is_ok_and(|found| found.len() > mark) {
            let _ = self.file.set_len(mark);
        }
    }
}

/// Returns whether a process trains in a folder now.
pub(super) fn is_held(folder: &Path) -> bool {
    let path = folder.join(LOCK);
    // A file that names nobody is held by nobody, and is not touched. One that names somebody may be left by a process
    // that was killed: then the lock can be shared, for a moment.
    let names_somebody = read(&path).is_ok_and(|text| text.len() > MARK.len());
    names_somebody
        && File::open(&path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn held(folder: &Path, path: &Path) -> Error {
    let text = read(path).unwrap_or_default();
    let holder = toml::from_str::<Holder>(&text).map_or_else(|_| "another process".to_owned(), |holder| holder.text());
    Error::failure(
        format!("{}: {holder}, is training in this folder", folder.display()),
        "wait until it has ended, or give --out another folder",
    )
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_holds_the_lock_and_the_other_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        assert_eq!(Mark::of(folder.path()), Mark::Whole);
        let error = Lock::take(folder.path()).unwrap_err();
        assert!(error.to_string().contains(&format!("process {} on ", std::process::id())), "{error}");
        assert!(is_held(folder.path()));
        drop(lock);
        assert!(!is_held(folder.path()));
        fs::write(folder.path().join(LOCK), format!("{MARK}pid = 1\nhost = \"gone\"\nstarted = 0\n")).unwrap();
        assert!(!is_held(folder.path()), "its process was killed");
        fs::write(folder.path().join(LOCK), MARK).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join(LOCK)).unwrap(), MARK);
        Lock::take(folder.path()).unwrap().discard();
        assert!(!folder.path().join(LOCK).exists());
    }

    #[test]
    fn only_a_file_of_ours_marks_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK);
        assert_eq!(Mark::of(folder.path()), Mark::None);
        for (contents, mark) in [("", Mark::Begun), (MARK, Mark::Whole), ("my own lock\n", Mark::None)] {
            fs::write(&path, contents).unwrap();
            assert_eq!(Mark::of(folder.path()), mark, "{contents:?}");
        }
        #[cfg(unix)]
        {
            fs::write(folder.path().join("elsewhere"), MARK).unwrap();
            fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("elsewhere", &path).unwrap();
            assert_eq!(Mark::of(folder.path()), Mark::None);
        }
    }
}
