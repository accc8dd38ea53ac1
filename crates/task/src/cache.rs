//! Prepared data in the user's cache directory, from one training to the next.
//!
//! A large corpus takes minutes to read and to tokenize. What comes out is kept under a key of all that it depends on:
//! the contents of the data, the options of its preparation, and the program itself, so that a program that was changed
//! never takes what another one prepared for its own. A cache that cannot be read or written is no error: the data is
//! prepared anew.

use crate::{checksum::Checksum, error::Result, processes, say};
use etcetera::BaseStrategy;
use serde::{Serialize, de::DeserializeOwned};
use std::{
    env, fs,
    io::{self, BufReader, Read, Seek, Write},
    path::{Path, PathBuf},
    sync::{Once, OnceLock},
    time::{Duration, Instant, SystemTime},
};
use xxhash_rust::xxh3::Xxh3;

/// What takes less time to prepare is not kept.
const WORTH_KEEPING: Duration = Duration::from_millis(300);

/// Less data is not looked for: it is prepared in less time than the checksum of the program takes.
const WORTH_LOOKING: u64 = 1_000_000;

/// The folder of this program within the user's cache directory.
const FOLDER: &str = "unspool";

/// The ending of a file in the cache. Nothing else there is touched.
const ENDING: &str = "prepared";

/// The cache, or none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    /// None where nothing is kept.
    folder: Option<PathBuf>,
    /// Bytes of all files together.
    limit: u64,
    worth_keeping: Duration,
}

impl Cache {
    /// The user's cache, of at most so many megabytes; 0 keeps and reads nothing.
    pub(crate) fn of_user(megabytes: u64) -> Cache {
        let folder = etcetera::choose_base_strategy().ok().map(|user| user.cache_dir().join(FOLDER));
        Cache {
            folder: folder.filter(|_| megabytes > 0),
            limit: megabytes.saturating_mul(1_000_000),
            worth_keeping: WORTH_KEEPING,
        }
    }

    /// A cache in a folder, for tests: whatever is prepared is kept.
    #[cfg(test)]
    pub(crate) fn at(folder: &Path, limit: u64) -> Cache {
        Cache { folder: Some(folder.to_owned()), limit, worth_keeping: Duration::ZERO }
    }

    /// Returns what is kept under a key, or makes it, and keeps it if that took a while.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn get_or_make<P>(&self, key: &[&str], make: impl FnOnce() -> Result<P>) -> Result<P>
    where
        P: Serialize + DeserializeOwned,
    {
        let Some(folder) = &self.folder else { return make() };
        let Some(program) = program() else { return make() };
        let key = key.iter().fold(Checksum::default().add(program.as_bytes()), |sum, part| sum.add(part.as_bytes()));
        let path = folder.join(format!("{}.{ENDING}", key.text()));
        if let Ok(found) = read(&path) {
            return Ok(found);
        }
        let began = Instant::now();
        let made = make()?;
        if began.elapsed() >= self.worth_keeping {
            // A full disk is no reason to end a training.
            let _ = fs::create_dir_all(folder).and_then(|()| write(&path, &made)).and_then(|()| self.make_room(folder));
        }
        Ok(made)
    }

    /// Removes the files that were not used for the longest time, until the others are small enough.
    fn make_room(&self, folder: &Path) -> io::Result<()> {
        let mut files = vec![];
        for entry in fs::read_dir(folder)?.flatten() {
            let path = entry.path();
            let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
            if let Some(found) = entry.metadata().ok().filter(|found| is_ours && found.is_file()) {
                files.push((found.modified()?, found.len(), path));
            }
        }
        files.sort();
        let mut all: u64 = files.iter().map(|(_, length, _)| length).sum();
        for (_, length, path) in files {
            if all <= self.limit {
                break;
            }
            fs::remove_file(path)?;
            all -= length;
        }
        Ok(())
    }
}

/// A cache for what is prepared of some data.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataCache {
    cache: Cache,
    key: Vec<String>,
}

impl DataCache {
    /// For data of this checksum and so many bytes.
    pub(crate) fn new(cache: Cache, data: String, bytes: u64) -> DataCache {
        let cache = if bytes < WORTH_LOOKING { Cache::default() } else { cache };
        DataCache { cache, key: vec![data] }
    }

    /// For what depends on more than the data.
    pub(crate) fn with(&self, more: &[&str]) -> DataCache {
        let more = more.iter().map(|&part| part.to_owned());
        DataCache { cache: self.cache.clone(), key: self.key.iter().cloned().chain(more).collect() }
    }

    /// As [`Cache::get_or_make`].
    pub(crate) fn get_or_make<P>(&self, what: &[&str], make: impl FnOnce() -> Result<P>) -> Result<P>
    where
        P: Serialize + DeserializeOwned,
    {
        let key: Vec<&str> = self.key.iter().map(String::as_str).chain(what.iter().copied()).collect();
        self.cache.get_or_make(&key, make)
    }
}

/// The checksum of the program that runs, if its file can be read.
fn program() -> Option<&'static str> {
    static PROGRAM: OnceLock<Option<String>> = OnceLock::new();
    let read = || {
        let path = env::current_exe().ok()?;
        Some(Checksum::default().add_file(&path).ok()?.text())
    };
    PROGRAM.get_or_init(read).as_deref()
}

/// Writes a value, and the checksum of its bytes at the end.
fn write(path: &Path, value: &impl Serialize) -> io::Result<()> {
    unspool_files::replace(path, |out| {
        let mut out = Summed { inner: out, sum: Xxh3::new() };
        postcard::to_io(value, &mut out).map_err(io::Error::other)?;
        let sum = out.sum.digest128();
        out.inner.write_all(&sum.to_le_bytes())
    })
}

/// Reads a value, if all of it is as it was written.
fn read<P: DeserializeOwned>(path: &Path) -> io::Result<P> {
    const SUM: u64 = 16;
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len().checked_sub(SUM).ok_or(io::ErrorKind::InvalidData)?;
    // First all of it is checked: what was not written here must not be unpacked.
    let mut sum = Summed { inner: io::sink(), sum: Xxh3::new() };
    io::copy(&mut Read::by_ref(&mut file).take(length), &mut sum)?;
    let mut written = [0; SUM as usize];
    file.read_exact(&mut written)?;
    if u128::from_le_bytes(written) != sum.sum.digest128() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    file.rewind()?;
    // Strings and bytes pass through it. What is not used of it takes no memory.
    let mut scratch = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    let reader = BufReader::with_capacity(1 << 16, file.take(length));
    let (value, _) = postcard::from_io((reader, &mut scratch)).map_err(io::Error::other)?;
    // What is used is not removed soon.
    let _ = fs::File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
    // It is said once, whatever is read.
    static SAID: Once = Once::new();
    if processes::speaks() {
        let folder = path.parent().unwrap_or(path).display();
        SAID.call_once(|| say::line(&format!("what an earlier training has prepared is read from {folder}")));
    }
    Ok(value)
}

/// Computes the checksum of the bytes that pass by.
struct Summed<W> {
    inner: W,
    sum: Xxh3,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::Packed;
    use std::cell::Cell;

    /// Gets or makes text, and counts how often it is made.
    struct Case {
        cache: Cache,
        made: Cell<usize>,
    }

    impl Case {
        fn new(folder: &Path, limit: u64) -> Case {
            Case { cache: Cache::at(folder, limit), made: Cell::new(0) }
        }

        fn get(&self, key: &str) -> (String, usize) {
            let make = || {
                self.made.set(self.made.get() + 1);
                Ok(key.repeat(1000))
            };
            (self.cache.get_or_make(&["text", key], make).unwrap(), self.made.get())
        }
    }

    fn files(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn what_was_prepared_is_prepared_once_for_each_key() {
        let folder = tempfile::tempdir().unwrap();
        let case = Case::new(folder.path(), 1 << 20);
        assert_eq!(case.get("a"), ("a".repeat(1000), 1));
        assert_eq!(case.get("b").1, 2);
        assert_eq!(case.get("a"), ("a".repeat(1000), 2));
        // Where a key's parts end counts.
        let other = case.cache.get_or_make(&["texta", ""], || Ok("other".to_owned())).unwrap();
        assert_eq!(other, "other");
    }

    #[test]
    fn a_damaged_file_is_prepared_anew() {
        let folder = tempfile::tempdir().unwrap();
        let case = Case::new(folder.path(), 1 << 20);
        case.get("a");
        let path = &files(folder.path())[0];
        let whole = fs::read(path).unwrap();
        for damaged in [vec![], whole[..500].to_vec(), [&whole[..500], b"x", &whole[501..]].concat()] {
            fs::write(path, damaged).unwrap();
            let before = case.made.get();
            assert_eq!(case.get("a"), ("a".repeat(1000), before + 1));
        }
    }

    #[test]
    fn the_least_recently_used_goes_when_there_is_no_room() {
        let folder = tempfile::tempdir().unwrap();
        let case = Case::new(folder.path(), 2500);
        fs::write(folder.path().join("notes.txt"), vec![0; 5000]).unwrap();
        let pause = || std::thread::sleep(Duration::from_millis(20));
        for key in ["a", "b", "a", "c"] {
            case.get(key);
            pause();
        }
        // `a` was used after `b`, so `b` went.
        assert_eq!(case.made.get(), 3);
        assert_eq!((case.get("a").1, case.get("b").1), (3, 4));
        assert!(folder.path().join("notes.txt").exists());
    }

    #[test]
    fn nothing_is_kept_where_there_is_no_room_at_all_or_no_folder_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let none = Cache::of_user(0);
        assert_eq!(none.get_or_make(&["a"], || Ok(1)).unwrap(), 1);
        assert!(none.folder.is_none());
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let case = Case::new(&file.join("below"), 1 << 20);
        assert_eq!((case.get("a").1, case.get("a").1), (1, 2));
    }

    #[test]
    fn rows_and_texts_longer_than_a_buffer_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path(), 1 << 20);
        let mut rows = Packed::<String>::default();
        (0..2000).for_each(|n| rows.push(&Packed::pack(&"row ".repeat(n % 90)).unwrap()));
        let value = (rows, "json".repeat(20_000), vec![1.5f64, -0.0]);
        let back = |make: bool| {
            let made = cache.get_or_make(&["rows"], || match make {
                true => Ok((0u8, Packed::<String>::default(), String::new(), vec![0.0])),
                false => unreachable!("it is kept"),
            });
            made.unwrap()
        };
        write(&folder.path().join("x"), &value).unwrap();
        let (found, text, numbers): (Packed<String>, String, Vec<f64>) = read(&folder.path().join("x")).unwrap();
        let all = |rows: &Packed<String>| (0..2000).map(|n| rows.bytes(n).unwrap().to_vec()).collect::<Vec<_>>();
        assert_eq!((all(&found), text), (all(&value.0), value.1));
        assert_eq!(numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), [1.5f64.to_bits(), (-0.0f64).to_bits()]);
        back(true);
        assert_eq!(back(false).3, [0.0]);
    }
}
