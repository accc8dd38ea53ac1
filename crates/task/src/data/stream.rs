//! Rows that pass by. A file is read anew each time that somebody goes through it, and nothing of it is kept here.

use super::super::error::{Error, Result};
use crate::parts::Parts;
use std::{collections::BTreeSet, sync::Arc};
use unspool::text::{Part, Split};

/// Rows or sentences, up to the first error.
pub(crate) type Passing<R> = Box<dyn Iterator<Item = Result<R>>>;

/// The rows of a file, or those of one part of it.
pub struct Stream<R> {
    /// The file's name, for messages.
    pub file: String,
    /// The names of its columns, where they have names.
    pub columns: Vec<String>,
    open: Arc<dyn Fn() -> Result<Passing<R>> + Send + Sync>,
    /// What the split into three parts goes by, if the file is split.
    hash: Option<fn(&R) -> u64>,
    /// The part that this is, if it is not all of the file.
    part: Option<Part>,
}

impl<R> std::fmt::Debug for Stream<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("file", &self.file).finish_non_exhaustive()
    }
}

impl<R: 'static> Stream<R> {
    pub(super) fn new(file: String, open: impl Fn() -> Result<Passing<R>> + Send + Sync + 'static) -> Stream<R> {
        Stream { file, columns: vec![], open: Arc::new(open), hash: None, part: None }
    }

    /// A tenth each for dev and test, by a hash.
    pub(super) fn split(&self, hash: fn(&R) -> u64) -> Parts<Stream<R>> {
        let part = |part| Stream { hash: Some(hash), part: Some(part), ..self.whole() };
        Parts { train: part(Part::Train), dev: part(Part::Dev), test: part(Part::Test) }
    }

    /// All rows of the file, in the order of its lines.
    pub fn whole(&self) -> Stream<R> {
        Stream {
            file: self.file.clone(),
            columns: self.columns.clone(),
            open: self.open.clone(),
            hash: self.hash,
            part: None,
        }
    }

    /// The same with names for its columns.
    pub(super) fn named(self, columns: &[String]) -> Stream<R> {
        Stream { columns: columns.to_vec(), ..self }
    }

    /// The same, but each pass over the rows ends where `check` gives an error.
    pub(super) fn checked(self, check: fn() -> Result<()>) -> Stream<R> {
        let open = self.open.clone();
        let rows = move || Ok(Box::new(open()?.map(move |row| check().and(row))) as Passing<R>);
        Stream { open: Arc::new(rows), ..self }
    }

    /// Goes through the rows.
    ///
    /// # Errors
    /// The beginning of the file is wrong. A wrong row is an error among the rows; one after the last if the file is
    /// too small to be split.
    pub fn rows(&self) -> Result<Passing<R>> {
        let rows = (self.open)()?;
        match self.hash {
            None => Ok(rows),
            Some(hash) => of_part(self.file.clone(), rows, hash, self.part),
        }
    }

    /// Goes through the rows with something that knows no errors.
    ///
    /// # Errors
    /// As [`Stream::rows`], and the first wrong row, whatever was made of those before it.
    pub fn read<T>(&self, take: impl FnOnce(&mut dyn Iterator<Item = R>) -> T) -> Result<T> {
        let (mut rows, mut error) = (self.rows()?, None);
        let taken = take(&mut std::iter::from_fn(|| rows.next()?.map_err(|found| error = Some(found)).ok()).fuse());
        error.map_or(Ok(taken), Err)
    }
}

/// The rows of one part, or of all.
fn of_part<R: 'static>(
    file: String,
    mut rows: Passing<R>,
    hash: fn(&R) -> u64,
    part: Option<Part>,
) -> Result<Passing<R>> {
    let share = Split::new(0.1, 0.1)?;
    let (mut counts, mut different) = ([0u64; 3], BTreeSet::new());
    let next = move || {
        loop {
            let row = match rows.next() {
                Some(Ok(row)) => row,
                Some(Err(error)) => return Some(Err(error)),
                None => break,
            };
            let hash = hash(&row);
            let found = share.part(hash);
            counts[place(found)] += 1;
            // How many are different is asked only where a part has none: few then.
            if counts.contains(&0) {
                different.insert(hash);
            }
            if part.is_none_or(|part| part == found) {
                return Some(Ok(row));
            }
        }
        let none = counts.iter().position(|count| *count == 0)?;
        let (total, purpose) = (counts.iter().sum::<u64>(), ["train on", "choose by", "test on"][none]);
        let rows = if total == 1 {
            "1 row is".to_owned()
        } else {
            format!("{total} rows ({} different) are", different.len())
        };
        // It is said once.
        counts = [1; 3];
        Some(Err(Error::failure(
            format!("{file}: {rows} too few to split by a hash of the line: none are left to {purpose}"),
            "add rows, or give three files: --data TRAIN DEV TEST",
        )))
    };
    Ok(Box::new(std::iter::from_fn(next)))
}

fn place(part: Part) -> usize {
    match part {
        Part::Train => 0,
        Part::Dev => 1,
        Part::Test => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Numbers as rows, which are their own hashes, spread over all.
    fn stream(count: u64, wrong: Option<u64>) -> (Stream<u64>, Arc<AtomicUsize>) {
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = opened.clone();
        let open = move || -> Result<Passing<u64>> {
            counter.fetch_add(1, Ordering::Relaxed);
            let row = move |n: u64| {
                if wrong == Some(n) {
                    Err(Error::failure("a wrong row", ""))
                } else {
                    Ok(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))
                }
            };
            Ok(Box::new((0..count).map(row)))
        };
        (Stream::new("numbers".into(), open), opened)
    }

    fn all(stream: &Stream<u64>) -> Vec<u64> {
        stream.read(|rows| rows.collect()).unwrap()
    }

    #[test]
    fn the_parts_are_the_file_and_each_reading_gives_the_same() {
        let (file, opened) = stream(1000, None);
        let parts = file.split(|row| *row);
        let mut together = [all(&parts.train), all(&parts.dev), all(&parts.test)];
        assert!(together[0].len() > 750 && together[1].len() > 60 && together[2].len() > 60);
        assert_eq!(all(&parts.train), together[0]);
        assert_eq!(all(&parts.dev.whole()), all(&file));
        assert_eq!(opened.load(Ordering::Relaxed), 6);
        let mut together: Vec<u64> = together.iter_mut().flat_map(std::mem::take).collect();
        let mut whole = all(&file);
        together.sort_unstable();
        whole.sort_unstable();
        assert_eq!(together, whole);
    }

    #[test]
    fn a_pass_ends_where_it_is_asked_to() {
        static LEFT: AtomicUsize = AtomicUsize::new(3);
        let (file, _) = stream(1000, None);
        let file = file.checked(|| match LEFT.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(Error::failure("asked to stop", "")),
            _ => Ok(()),
        });
        let mut seen = 0;
        let error = file.read(|rows| rows.for_each(|_| seen += 1)).unwrap_err();
        assert_eq!((seen, error.to_string().as_str()), (3, "asked to stop"));
    }

    #[test]
    fn too_few_rows_are_told_once_whatever_part_is_read() {
        let (file, _) = stream(3, None);
        let parts = file.split(|row| *row);
        for part in [&parts.train, &parts.dev, &parts.test, &parts.train.whole()] {
            let errors: Vec<String> =
                part.rows().unwrap().filter_map(|row| row.err().map(|error| error.to_string())).collect();
            assert_eq!(errors.len(), 1);
            assert!(errors[0].starts_with("numbers: 3 rows (3 different) are too few to split"), "{}", errors[0]);
        }
    }

    #[test]
    fn one_row_is_one_row() {
        let (file, _) = stream(1, None);
        let told = file.split(|row| *row).train.read(|rows| rows.count()).unwrap_err().to_string();
        assert!(told.starts_with("numbers: 1 row is too few to split"), "{told}");
    }

    #[test]
    fn a_wrong_row_is_an_error_whatever_was_made_of_those_before() {
        let (file, _) = stream(9, Some(4));
        let mut seen = 0;
        let read = file.read(|rows| seen = rows.count());
        assert_eq!((seen, read.unwrap_err().to_string()), (4, "a wrong row".to_owned()));
        // What is not asked for is not read.
        assert_eq!(file.read(|rows| rows.take(2).count()).unwrap(), 2);
    }
}
