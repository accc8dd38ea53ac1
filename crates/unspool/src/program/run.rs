//! The folder of one training.

use super::error::{Error, Result};
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};
use unspool::nn::{checkpoint, training};

/// The weights of the best epoch.
pub(crate) const MODEL: &str = training::BEST;
/// The last step, from which a training goes on.
const LAST: &str = training::LAST;
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
/// All there is to see, as a page.
pub(crate) const REPORT: &str = "report.html";
/// What the best weights write of themselves.
pub(crate) const SAMPLES: &str = "samples.txt";

/// Folders of models that are compared with.
const BASELINES: &str = "baselines";
/// All that a run folder may hold.
const OURS: [&str; 10] = [MODEL, LAST, TOKENIZER, CONFIG, SAVED, METRICS, CURVE, REPORT, SAMPLES, BASELINES];

/// Where runs go that are given no place.
const RUNS: &str = "runs";

/// The largest configuration that is read: labels may be many.
const LARGEST_CONFIG: u64 = 16 << 20;

/// A folder that holds a run, or will.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Of several processes one alone writes.
    writes: bool,
}

impl RunFolder {
    /// Whether `--out` may become a run's folder, or with `resume` is one, and can be written to. Nothing is left behind.
    pub(crate) fn check(out: Option<&Path>, resume: bool) -> Result<()> {
        let path = match out {
            Some(path) => path,
            None if resume => {
                return Err(Error::misuse("--resume without --out", "--out RUN_DIR says which run to go on with"));
            }
            None => Path::new(RUNS),
        };
        if out.is_some() {
            match fs::read_dir(path) {
                Ok(entries) => {
                    let names: Vec<String> =
                        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
                    Self::check_contents(path, &names, resume)?;
                }
                Err(cause) if cause.kind() == ErrorKind::NotFound => {}
                Err(cause) => return Err(Error::file(path, "use as a run folder", &cause)),
            }
        }
        Self::check_writable(path)
    }

    /// A folder that was made, but in which no step was saved, is as good as a new one.
    fn check_contents(path: &Path, names: &[String], resume: bool) -> Result<()> {
        let holds = |name: &str| names.iter().any(|found| found == name);
        let is_ours = |name: &String| OURS.contains(&name.trim_end_matches(".tmp").trim_end_matches(".part"));
        if !resume && (holds(MODEL) || holds(LAST)) {
            return Err(Error::misuse(
                format!("{}: holds a run already; it is left as it is", path.display()),
                "give --out a new folder, or leave it out for the next free one under runs/; --resume goes on with a run",
            ));
        }
        if !(names.iter().all(is_ours) || resume && holds(CONFIG)) {
            return Err(Error::misuse(
                format!("{}: is not empty; it is left as it is", path.display()),
                if resume {
                    "give --out the folder of a run, or a new one"
                } else {
                    "give --out a new or an empty folder"
                },
            ));
        }
        Ok(())
    }

    /// Tries it in the folder, or in the nearest one above that is there.
    fn check_writable(path: &Path) -> Result<()> {
        let there = path.ancestors().find(|above| above.is_dir()).unwrap_or(Path::new("."));
        let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
        let probe = there.join(format!(".unspool-{}.tmp", std::process::id()));
        let written = fs::write(&probe, [0; 1 << 16]);
        let _ = fs::remove_file(&probe);
        written.map_err(|cause| Error::file(path, "write there", &cause))
    }

    /// Creates `out` (which with `resume` may be there), or the next free `runs/TASK-N`.
    pub(crate) fn create(out: Option<&Path>, task: &str, resume: bool) -> Result<RunFolder> {
        if let Some(path) = out {
            RunFolder::check(out, resume)?;
            fs::create_dir_all(path).map_err(|cause| Error::file(path, "create", &cause))?;
            return Ok(RunFolder { path: path.to_path_buf(), writes: true });
        }
        let runs = Path::new(RUNS);
        fs::create_dir_all(runs).map_err(|cause| Error::file(runs, "create", &cause))?;
        let mut number = 1u64;
        loop {
            let path = runs.join(format!("{task}-{number}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(RunFolder { path, writes: true }),
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(cause) => return Err(Error::file(&path, "create", &cause)),
            }
        }
    }

    /// A folder in which another process writes.
    pub(crate) fn of_another(path: PathBuf) -> RunFolder {
        RunFolder { path, writes: false }
    }

    /// Whether a step of a run is saved in a folder.
    pub(crate) fn has_steps(path: &Path) -> bool {
        path.join(LAST).exists()
    }

    /// The folder of a model that this one is compared with.
    pub(crate) fn inner(&self, name: &str) -> Result<RunFolder> {
        let path = self.path.join(BASELINES).join(name);
        if self.writes {
            fs::create_dir_all(&path).map_err(|cause| Error::file(&path, "create", &cause))?;
        }
        Ok(RunFolder { path, writes: self.writes })
    }

    /// Writes what does not change during a run. Where a run goes on, it must be what stands there.
    pub(crate) fn begin(&self, files: &[(&str, &str)]) -> Result<()> {
        for (name, contents) in files {
            let path = self.file(name);
            if self.writes
                && self.file(LAST).exists()
                && fs::read(&path).is_ok_and(|found| found != contents.as_bytes())
            {
                return Err(Error::failure(
                    format!("{}: is not what the data and options now come to", path.display()),
                    "go on with the data the run began with, or begin another in a new folder",
                ));
            }
            self.write(name, contents)?;
        }
        Ok(())
    }

    /// A run that failed before it had weights leaves nothing that could be used, so it leaves nothing.
    pub(crate) fn discard_without_weights(&self) {
        if self.writes && !self.file(MODEL).exists() {
            for name in OURS {
                let _ = fs::remove_file(self.file(name));
            }
            let _ = fs::remove_dir(&self.path);
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
        if path.join(LAST).is_file() && !path.join(MODEL).exists() {
            return Err(Error::failure(
                format!("{}: no {MODEL} yet: the run was stopped before its first epoch was done", path.display()),
                "`unspool train TASK --out RUN_DIR --resume` goes on with it",
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
        Ok(RunFolder { path: path.to_path_buf(), writes: true })
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
        if self.writes {
            let path = self.file(name);
            unspool_files::write(&path, contents).map_err(|cause| Error::file(&path, "write", &cause))?;
        }
        Ok(())
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
        let check = |path: &Path, resume| RunFolder::check(Some(path), resume).map_err(|error| error.code());
        assert_eq!(check(folder.path(), false), Ok(()));
        assert_eq!(check(&folder.path().join("new/deep"), false), Ok(()));
        fs::write(folder.path().join(CONFIG), "").unwrap();
        assert_eq!(check(folder.path(), false), Ok(()), "a folder that was only just made");
        fs::write(folder.path().join(LAST), "").unwrap();
        assert_eq!((check(folder.path(), false), check(folder.path(), true)), (Err(2), Ok(())));
        fs::remove_file(folder.path().join(LAST)).unwrap();
        fs::remove_file(folder.path().join(CONFIG)).unwrap();
        fs::write(folder.path().join("notes"), "mine").unwrap();
        assert_eq!((check(folder.path(), false), check(folder.path(), true)), (Err(2), Err(2)));
        assert_eq!(check(&folder.path().join("notes"), false), Err(1));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_run_that_left_the_finite_numbers_keeps_its_place_only_with_weights() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("run");
        for (last, stays) in [(LAST, false), (MODEL, true)] {
            let folder = RunFolder::create(Some(&path), "task", false).unwrap();
            for name in [CONFIG, SAVED, last] {
                fs::write(folder.file(name), "").unwrap();
            }
            folder.discard_without_weights();
            assert_eq!(path.exists(), stays);
        }
        assert_eq!(fs::read_dir(&path).unwrap().count(), 3);
    }
}
