//! The folder of one training.

use super::{
    config::json_table,
    error::{Error, Result},
    identity::Identity,
    limits,
    lock::{LOCK, Lock, Mark},
    log::{self, LOG},
    say,
};
use serde::{Deserialize, Serialize};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};
use unspool::nn::{checkpoint, training};
use unspool_files::faults::{Operation, point};

/// The weights of the best epoch.
pub(crate) const MODEL: &str = training::BEST;
/// The last step, from which a training goes on.
pub(crate) const LAST: &str = training::LAST;
/// Tokenizer, in the form of Hugging Face's `tokenizers`.
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// The tokenizer of the source, where it is another one.
pub(crate) const SOURCE_TOKENIZER: &str = "source_tokenizer.json";
/// Both, of which a run has none, the first, or both.
pub(crate) const TOKENIZERS: [&str; 2] = [TOKENIZER, SOURCE_TOKENIZER];
/// The options it ran with, as `--config` reads them.
pub(crate) const CONFIG: &str = "config.toml";
/// What the model needs to know beside tokenizer and weights: task, sizes, labels.
pub(crate) const SAVED: &str = "config.json";
/// The key of the names of a table's columns in [`SAVED`].
pub(crate) const COLUMNS: &str = "columns";
/// The key of a task's name in [`SAVED`].
pub(crate) const TASK: &str = "task";
/// The key of config.json that holds the model's own configuration.
pub(crate) const MODEL_CONFIG: &str = "model";
/// A row an epoch.
pub(crate) const METRICS: &str = "metrics.csv";
/// The learning curve.
pub(crate) const CURVE: &str = "curve.svg";
/// All there is to see, as a page.
pub(crate) const REPORT: &str = "report.html";
/// What the model is and how good it is, for people who get the folder: a model card.
pub(crate) const CARD: &str = "README.md";
/// What the best weights write of themselves.
pub(crate) const SAMPLES: &str = "samples.txt";
/// How long the training took so far.
const TIMES: &str = "times.toml";

/// Folders of models that are compared with.
const BASELINES: &str = "baselines";

/// Where runs go that are given no place.
const RUNS: &str = "runs";

/// A place for a run folder: looked at before anything is read, and left as it is until [`Place::create`].
#[derive(Debug)]
pub(crate) struct Place {
    /// None for the next free folder under [`RUNS`].
    path: Option<PathBuf>,
    resume: bool,
    /// Held from the beginning where the folder is a run's already.
    lock: Option<Lock>,
    /// What the run that goes on was begun with.
    began: Option<Identity>,
}

impl Place {
    /// Checks that `--out` may become a run's folder, or with `resume` is one, whole and not in use, and that it can be
    /// written to. Leaves nothing behind.
    ///
    /// # Errors
    /// The place holds a run that is not to go on, a run that another process trains, or files that are no run's.
    pub(crate) fn find(out: Option<&Path>, resume: bool) -> Result<Place> {
        let Some(path) = out else {
            if resume {
                return Err(Error::misuse("--resume without --out", "--out RUN_DIR says which run to resume"));
            }
            check_writable(Path::new(RUNS))?;
            return Ok(Place { path: None, resume, lock: None, began: None });
        };
        let (mut lock, mut began) = (None, None);
        if is_marked(path)? {
            lock = Some(Lock::take(path)?);
            began = check_run(path, resume)?;
        }
        check_writable(path)?;
        Ok(Place { path: Some(path.to_path_buf()), resume, lock, began })
    }

    /// What the run that goes on was begun with; none where it has yet to begin.
    pub(crate) fn began(&self) -> Option<&Identity> {
        self.began.as_ref()
    }

    /// Creates the folder, or the next free `runs/TASK-N`, and takes its lock.
    pub(crate) fn create(self, task: &str) -> Result<RunFolder> {
        let Place { path, resume, lock, began } = self;
        let (path, made) = match path {
            Some(path) => create_folder(&path).map(|made| (path, made))?,
            None => (next_free(task)?, true),
        };
        let (lock, began) = match lock {
            Some(lock) => {
                remove_strays(&path);
                (lock, began)
            }
            None => {
                // Another process may have begun a run here since the place was found.
                is_marked(&path)?;
                let lock = Lock::take(&path)?;
                (lock, check_run(&path, resume)?)
            }
        };
        let writer = Writer { lock: RefCell::new(Some(lock)), began, made, resume, written: RefCell::default() };
        Ok(RunFolder { path, writer: Some(writer) })
    }
}

/// A run's own folder: without `resume` no step may be saved in it, with it what is there must belong together.
fn check_run(path: &Path, resume: bool) -> Result<Option<Identity>> {
    let (has_last, has_model) = (path.join(LAST).exists(), path.join(MODEL).exists());
    if !resume && (has_last || has_model) {
        return Err(holds_a_run(path));
    }
    if has_last {
        let began = belongs_together(path, LAST)?;
        if has_model {
            let best = Identity::of_header(&checkpoint::metadata(&path.join(MODEL))?);
            if let Some(difference) = began.difference(&best) {
                return Err(mixed(&path.join(MODEL), &difference, LAST));
            }
        }
        return Ok(Some(began));
    }
    if has_model {
        return Err(Error::failure(
            format!("{}: holds {MODEL} but no {LAST} to resume from; it is left as it is", path.display()),
            "give --out a new folder",
        ));
    }
    // A folder that was made, but in which no step was saved, is as good as a new one.
    Ok(None)
}

fn holds_a_run(path: &Path) -> Error {
    Error::misuse(
        format!("{}: holds a run already; it is left as it is", path.display()),
        "give --out a new folder, or leave it out for the next free one under runs/; --resume continues a run",
    )
}

/// Whether a folder is a run's. One that is not must be empty, but for what a training leaves that is killed while it
/// looks at the folder.
fn is_marked(path: &Path) -> Result<bool> {
    let names: Vec<String> = match fs::read_dir(path) {
        Ok(entries) => entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<std::io::Result<_>>()
            .map_err(|cause| Error::file(path, "read", &cause))?,
        Err(cause) if cause.kind() == ErrorKind::NotFound => vec![],
        Err(cause) => return Err(Error::file(path, "use as a run folder", &cause)),
    };
    let mark = Mark::of(path);
    let is_stray = |name: &String| mark == Mark::Begun && name == LOCK || unspool_files::is_temporary(name);
    if mark == Mark::Whole || names.iter().all(is_stray) {
        return Ok(mark == Mark::Whole);
    }
    let holds = |name: &str| names.iter().any(|found| found == name);
    if holds(LAST) && holds(CONFIG) {
        return Err(Error::misuse(
            format!("{}: holds a run of an older version, which did not record its data", path.display()),
            "`predict`, `evaluate` and `generate` can use it; to train, give --out a new folder",
        ));
    }
    Err(Error::misuse(
        format!("{}: is not empty and no run folder; it is left as it is", path.display()),
        "give --out a new or an empty folder, or with --resume the folder of a run",
    ))
}

/// Tries it in the folder, or in the nearest one above that is there.
fn check_writable(path: &Path) -> Result<()> {
    let there = path.ancestors().find(|above| fs::symlink_metadata(above).is_ok()).unwrap_or(Path::new("."));
    if !there.as_os_str().is_empty() && !there.exists() {
        return Err(Error::failure(
            format!("{}: cannot write there: {} is a link to nothing", path.display(), there.display()),
            "create what the link points to, or give --out another folder",
        ));
    }
    let there = if there.as_os_str().is_empty() { Path::new(".") } else { there };
    unspool_files::check_writable(there).map_err(|cause| Error::file(path, "write there", &cause))
}

/// Creates a folder, and those above it; says whether it was not there.
fn create_folder(path: &Path) -> Result<bool> {
    let create = || {
        point(Operation::CreateFolder, path)?;
        if let Some(above) = path.parent() {
            fs::create_dir_all(above)?;
        }
        match fs::create_dir(path) {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            created => created.map(|()| true),
        }
    };
    create().map_err(|cause| Error::file(path, "create", &cause))
}

fn next_free(task: &str) -> Result<PathBuf> {
    let runs = Path::new(RUNS);
    create_folder(runs)?;
    let mut number = 1u64;
    loop {
        let path = runs.join(format!("{task}-{number}"));
        match point(Operation::CreateFolder, &path).and_then(|()| fs::create_dir(&path)) {
            Ok(()) => return Ok(path),
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(cause) => return Err(Error::file(&path, "create", &cause)),
        }
    }
}

/// Removes what killed processes have left half-written in a run's folder, whose lock is held.
fn remove_strays(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if unspool_files::is_temporary(entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A folder that holds a run, or will.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    /// Of several processes one alone writes, and who uses a model does not.
    writer: Option<Writer>,
}

/// What is known of a folder by the process that writes in it.
#[derive(Debug)]
struct Writer {
    /// Held until the folder is let go, or discarded.
    lock: RefCell<Option<Lock>>,
    /// What the run that goes on was begun with.
    began: Option<Identity>,
    /// Whether the folder itself is new.
    made: bool,
    resume: bool,
    /// The files that this process has created.
    written: RefCell<BTreeSet<PathBuf>>,
}

impl RunFolder {
    /// A folder in which another process writes.
    pub(crate) fn of_another(path: PathBuf) -> RunFolder {
        RunFolder { path, writer: None }
    }

    /// Whether a step of a run is saved in a folder.
    pub(crate) fn has_steps(path: &Path) -> bool {
        path.join(LAST).exists()
    }

    /// The folder of a model that this one is compared with.
    pub(crate) fn inner(&self, name: &str) -> Result<RunFolder> {
        let path = self.path.join(BASELINES).join(name);
        let Some(writer) = &self.writer else { return Ok(RunFolder::of_another(path)) };
        Place::find(Some(&path), writer.resume)?.create(name)
    }

    /// Writes what does not change during a run. Where a run goes on, this is what it was begun with, or nothing is
    /// written.
    ///
    /// # Errors
    /// The run was begun with other data, options, or sizes.
    pub(crate) fn begin(&self, identity: &Identity, files: &[(&str, &str)]) -> Result<()> {
        let Some(writer) = &self.writer else { return Ok(()) };
        if let Some(began) = &writer.began {
            began.check(identity, &self.path)?;
        }
        for (name, contents) in files {
            // What is there has been compared with the checkpoint.
            if writer.began.is_none() || !self.file(name).exists() {
                self.write(name, contents)?;
            }
        }
        Ok(())
    }

    /// How long the run took before this process went on with it.
    pub(crate) fn times(&self) -> Times {
        let goes_on = self.writer.as_ref().is_some_and(|writer| writer.began.is_some());
        // They say nothing that the training needs, so a file that is missing or damaged does not stop it.
        let read = || read_toml(&self.file(TIMES)).ok()?.try_into().ok();
        if goes_on { read().unwrap_or_default() } else { Times::default() }
    }

    /// Notes down how long the run took.
    pub(crate) fn write_times(&self, times: &Times) -> Result<()> {
        let text =
            toml::to_string(times).map_err(|cause| Error::failure(format!("cannot write the times: {cause}"), ""))?;
        self.write(TIMES, &text)
    }

    /// Removes what this process has written of a run that failed before it had weights: nothing in it could be used.
    /// Returns whether there are weights, of this process or an earlier one.
    pub(crate) fn discard_without_weights(&self) -> bool {
        let has_weights = self.path.join(MODEL).exists();
        let Some(writer) = &self.writer else { return has_weights };
        if writer.began.is_some() || has_weights {
            return has_weights;
        }
        // The trainer has written the last step, in a folder that had none.
        log::close();
        for path in writer.written.take().iter().chain([&self.path.join(LAST), &self.path.join(LOG)]) {
            let _ = fs::remove_file(path);
        }
        if writer.made
            && let Some(lock) = writer.lock.take()
        {
            lock.discard();
            // It stays if somebody has put something into it.
            let _ = fs::remove_dir(&self.path);
        }
        false
    }

    /// Opens a folder that holds a run: all that is needed to use it is there, and belongs together.
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
                "`unspool train TASK --out RUN_DIR --resume` continues it",
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
        belongs_together(path, MODEL)?;
        Ok(RunFolder::of_another(path.to_path_buf()))
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
        let Some(writer) = &self.writer else { return Ok(()) };
        let path = self.file(name);
        unspool_files::write(&path, contents).map_err(|cause| Error::file(&path, "write", &cause))?;
        say::detail(&format!("wrote {}", path.display()));
        writer.written.borrow_mut().insert(path);
        Ok(())
    }
}

/// How long a training took so far, in all processes that have gone on with it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Times {
    pub(crate) training_seconds: f64,
    pub(crate) evaluation_seconds: f64,
    /// What the task counts: see [`Task::UNIT`](crate::Task::UNIT).
    pub(crate) tokens: u64,
}

/// Compares what stands beside a checkpoint with what its header says of it; gives what the header says. The header of
/// a file from elsewhere says nothing.
fn belongs_together(folder: &Path, name: &str) -> Result<Identity> {
    let identity = Identity::of_header(&checkpoint::metadata(&folder.join(name))?);
    let saved = folder.join(SAVED);
    if saved.exists()
        && let Some(difference) = identity.difference_of_model(&read_saved(folder)?)
    {
        return Err(mixed(&saved, &difference, name));
    }
    for (place, tokenizer) in TOKENIZERS.map(|name| folder.join(name)).iter().enumerate() {
        if tokenizer.exists()
            && let Some(difference) = identity.difference_of_tokenizer(place, tokenizer)?
        {
            return Err(mixed(tokenizer, &difference, name));
        }
    }
    Ok(identity)
}

fn mixed(path: &Path, difference: &str, checkpoint: &str) -> Error {
    Error::failure(
        format!("{}: does not belong to the {checkpoint} beside it: {difference}", path.display()),
        "the run folder must hold the files of one training, unchanged",
    )
}

/// Reads what the model needs to know from the folder of a run.
pub(crate) fn read_saved(folder: &Path) -> Result<toml::Table> {
    let path = folder.join(SAVED);
    let bad = |why: String| {
        Error::failure(format!("{}: not a configuration: {why}", path.display()), "it must be as the training wrote it")
    };
    let bytes = limits::read(&path, limits::CONFIG)?
        .ok_or_else(|| bad(format!("it has more than {} bytes", limits::CONFIG)))?;
    let text = String::from_utf8(bytes).map_err(|cause| bad(cause.to_string()))?;
    json_table(&text).map_err(bad)
}

/// What the model needs to know as the text of [`SAVED`].
pub(crate) fn saved_json(saved: &str) -> Result<String> {
    let unwritable = |cause: String| Error::failure(format!("cannot write the model's configuration: {cause}"), "");
    let table: toml::Table = saved.parse().map_err(|cause: toml::de::Error| unwritable(cause.to_string()))?;
    Ok(serde_json::to_string_pretty(&table).map_err(|cause| unwritable(cause.to_string()))? + "\n")
}

/// Reads a TOML file, or as much of it as a configuration may have.
pub(crate) fn read_toml(path: &Path) -> Result<toml::Table> {
    let bad = |why: String| {
        Error::failure(format!("{}: not a configuration: {why}", path.display()), "it must be as the training wrote it")
    };
    let bytes =
        limits::read(path, limits::CONFIG)?.ok_or_else(|| bad(format!("it has more than {} bytes", limits::CONFIG)))?;
    let text = String::from_utf8(bytes).map_err(|cause| bad(cause.to_string()))?;
    text.parse().map_err(|cause: toml::de::Error| bad(cause.message().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use unspool::graph::Params;

    fn find(path: &Path, resume: bool) -> std::result::Result<(), u8> {
        Place::find(Some(path), resume).map(drop).map_err(|error| error.code())
    }

    /// A folder with the last step of a run, and the best weights if there are any.
    fn run(path: &Path, with_model: bool) {
        let folder = Place::find(Some(path), false).unwrap().create("task").unwrap();
        folder.write(CONFIG, "").unwrap();
        folder.write(SAVED, "{\"size\": 3}").unwrap();
        let header = BTreeMap::from([("model".to_owned(), "size = 3".to_owned())]);
        for name in [LAST, MODEL].into_iter().take(1 + usize::from(with_model)) {
            checkpoint::save(&folder.file(name), &Params::seeded(0), &header).unwrap();
        }
    }

    #[test]
    fn a_folder_with_files_of_its_own_is_refused_and_nothing_in_it_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(find(path, false), Ok(()));
        assert_eq!(find(&path.join("new/deep"), false), Ok(()));
        // All of them are names of ours.
        for name in [CONFIG, REPORT, SAMPLES, METRICS, MODEL, LOCK, "training.safetensors.tmp", "notes"] {
            fs::write(path.join(name), "mine").unwrap();
            assert_eq!((find(path, false), find(path, true)), (Err(2), Err(2)), "{name}");
            assert_eq!(fs::read(path.join(name)).unwrap(), b"mine");
            assert_eq!(fs::read_dir(path).unwrap().count(), 1);
            fs::remove_file(path.join(name)).unwrap();
        }
        fs::write(path.join("notes"), "mine").unwrap();
        assert_eq!(find(&path.join("notes"), false), Err(1));
    }

    #[test]
    fn what_a_killed_process_leaves_in_an_empty_folder_does_not_block_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        fs::write(path.join(".unspool-abc123.tmp"), "").unwrap();
        assert_eq!((find(path, false), find(path, true)), (Ok(()), Ok(())));
        fs::write(path.join(LOCK), "").unwrap();
        assert_eq!((find(path, false), find(path, true)), (Ok(()), Ok(())));
        // Once the folder is a run's, it goes with the next start.
        drop(Place::find(Some(path), false).unwrap().create("task").unwrap());
        assert!(path.join(".unspool-abc123.tmp").exists());
        drop(Place::find(Some(path), false).unwrap().create("task").unwrap());
        assert!(!path.join(".unspool-abc123.tmp").exists());
    }

    #[test]
    fn a_run_is_gone_on_with_and_never_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        for with_model in [false, true] {
            let path = folder.path().join(format!("run-{with_model}"));
            run(&path, with_model);
            assert_eq!((find(&path, false), find(&path, true)), (Err(2), Ok(())));
            fs::write(path.join(SAVED), "{\"size\": 4}").unwrap();
            assert_eq!(find(&path, true), Err(1));
            fs::write(path.join(SAVED), "{ \"size\" : 3 }").unwrap();
            assert_eq!(find(&path, true), Ok(()));
            // Whose best weights are they?
            checkpoint::save(&path.join(MODEL), &Params::seeded(0), &BTreeMap::new()).unwrap();
            assert_eq!(find(&path, true), Err(1));
            fs::remove_file(path.join(LAST)).unwrap();
            assert_eq!(find(&path, true), Err(1));
        }
    }

    #[test]
    fn two_processes_do_not_have_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let (first, second) = (Place::find(Some(path), true).unwrap(), Place::find(Some(path), true).unwrap());
        let held = first.create("task").unwrap();
        assert_eq!(second.create("task").map(drop).map_err(|error| error.code()), Err(1));
        assert_eq!(find(path, true), Err(1));
        drop(held);
        assert_eq!(find(path, true), Ok(()));
    }

    #[test]
    fn a_run_that_diverged_without_weights_takes_away_what_it_wrote_and_nothing_else() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("run");
        let begin = |resume| {
            let folder = Place::find(Some(&path), resume).unwrap().create("task").unwrap();
            folder.begin(&Identity::default(), &[(CONFIG, ""), (SAVED, "{}")]).unwrap();
            folder
        };
        let step = |folder: &RunFolder, name| {
            checkpoint::save(&folder.file(name), &Params::seeded(0), &BTreeMap::new()).unwrap();
        };
        let folder = begin(false);
        step(&folder, LAST);
        folder.discard_without_weights();
        assert!(!path.exists());
        // A file that somebody has put there stays, and so does a folder that was there.
        let folder = begin(false);
        fs::write(path.join("notes"), "mine").unwrap();
        folder.discard_without_weights();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        fs::remove_file(path.join("notes")).unwrap();
        begin(false).discard_without_weights();
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1, "the mark of the folder");
        // A step of an earlier process stays.
        let folder = begin(false);
        step(&folder, LAST);
        drop(folder);
        begin(true).discard_without_weights();
        assert!(path.join(LAST).exists() && path.join(CONFIG).exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_link_to_nothing_is_no_place_and_a_device_no_configuration() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("link")).unwrap();
        for path in ["link", "link/run"] {
            let error = Place::find(Some(&folder.path().join(path)), false).unwrap_err();
            assert!(error.to_string().contains("link is a link to nothing"), "{error}");
        }
        assert!(read_toml(Path::new("/dev/zero")).unwrap_err().to_string().contains("more than 16777216 bytes"));
    }
}
