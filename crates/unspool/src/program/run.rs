//! The folder of one training.

use super::error::{Error, Result};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};
use unspool::nn::checkpoint;

/// Weights.
pub(crate) const MODEL: &str = "model.safetensors";
/// Tokenizer, in the form of Hugging Face's `tokenizers`.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// The options it ran with, as `--config` reads them.
pub(crate) const CONFIG: &str = "config.toml";
/// What the model needs to know beside tokenizer and weights: task, sizes, labels.
pub(crate) const SAVED: &str = "model.toml";
/// A row an epoch.
pub(crate) const METRICS: &str = "metrics.csv";
/// The learning curve.
pub(crate) const CURVE: &str = "curve.svg";

/// The largest configuration that is read: labels may be many.
const LARGEST_CONFIG: u64 = 16 << 20;

/// A folder that holds a run, or will.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// Whether `--out` may become a run's folder. Nothing is created.
    pub(crate) fn check(out: Option<&Path>) -> Result<()> {
        let Some(path) = out else { return Ok(()) };
        match fs::read_dir(path) {
            Ok(mut entries) => match entries.next() {
                None => Ok(()),
                Some(_) if path.join(CONFIG).exists() || path.join(MODEL).exists() => Err(Error::misuse(
                    format!("{}: holds a run already; it is left as it is", path.display()),
                    "give --out a new folder, or leave it out for the next free one under runs/",
                )),
                Some(_) => Err(Error::misuse(
                    format!("{}: is not empty; it is left as it is", path.display()),
                    "give --out a new or an empty folder",
                )),
            },
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
            Err(cause) => Err(Error::file(path, "use as a run folder", &cause)),
        }
    }

    /// Creates `out`, or the next free `runs/TASK-N`.
    pub(crate) fn create(out: Option<&Path>, task: &str) -> Result<RunFolder> {
        if let Some(path) = out {
            RunFolder::check(out)?;
            fs::create_dir_all(path).map_err(|cause| Error::file(path, "create", &cause))?;
            return Ok(RunFolder { path: path.to_path_buf() });
        }
        let runs = Path::new("runs");
        fs::create_dir_all(runs).map_err(|cause| Error::file(runs, "create", &cause))?;
        let mut number = 1u64;
        loop {
            let path = runs.join(format!("{task}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(RunFolder { path }),
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(cause) => return Err(Error::file(&path, "create", &cause)),
            }
        }
    }

    /// Opens a folder that holds a run: all that is needed to use it is there.
    pub(crate) fn open(path: &Path) -> Result<RunFolder> {
        if !path.is_dir() {
            return Err(Error::failure(
                format!("{}: no such folder", path.display()),
                "give --model the folder that a training has written",
            ));
        }
        for name in [SAVED, MODEL] {
            if !path.join(name).is_file() {
                return Err(Error::failure(
                    format!("{}: no run folder: it lacks {name}", path.display()),
                    format!(
                        "a run folder holds {SAVED} and {MODEL} of one training, and {TOKENIZER} where there is text"
                    ),
                ));
            }
        }
        Ok(RunFolder { path: path.to_path_buf() })
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file: the old one stands there, or the new one, whole.
    pub(crate) fn write(&self, name: &str, contents: &str) -> Result<()> {
        Ok(checkpoint::write_atomically(&self.file(name), contents.as_bytes())?)
    }
}

/// Reads a TOML file.
pub(crate) fn read_toml(path: &Path) -> Result<toml::Table> {
    let bad = |why: String| {
        Error::failure(format!("{}: not a configuration: {why}", path.display()), "it must be as the training wrote it")
    };
    let size = fs::metadata(path).map_err(|cause| Error::file(path, "read", &cause))?.len();
    if size > LARGEST_CONFIG {
        return Err(bad(format!("{size} bytes are too many")));
    }
    let bytes = fs::read(path).map_err(|cause| Error::file(path, "read", &cause))?;
    let text = String::from_utf8(bytes).map_err(|cause| bad(cause.to_string()))?;
    text.parse().map_err(|cause: toml::de::Error| bad(cause.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(RunFolder::check(Some(folder.path())).is_ok());
        assert!(RunFolder::check(Some(&folder.path().join("new/deep"))).is_ok());
        fs::write(folder.path().join("notes"), "mine").unwrap();
        assert_eq!(RunFolder::check(Some(folder.path())).unwrap_err().code(), 2);
        assert_eq!(RunFolder::check(Some(&folder.path().join("notes"))).unwrap_err().code(), 1);
    }
}
