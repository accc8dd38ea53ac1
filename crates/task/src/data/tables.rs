//! Files as streams of rows: tables of which two columns are read, parallel texts, sentences of columns.

use super::{
    super::{
        error::{Error, Result},
        limits,
    },
    Stream, read_bytes,
};
use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use unspool::text::{Conll, Parallel, Row, Sentence, Source, Tsv};

/// Where bytes are, to be read as often as need be.
#[derive(Clone)]
pub(super) enum Origin {
    /// A file.
    File(String),
    /// What can be read only once, such as a pipe: it is kept then.
    Pipe(String),
    /// Bytes in the program, by name.
    Inside(&'static str, &'static [u8]),
}

impl Origin {
    pub(super) fn path(path: &str) -> Origin {
        if is_pipe(path) { Origin::Pipe(path.to_owned()) } else { Origin::File(path.to_owned()) }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Origin::File(path) | Origin::Pipe(path) => path,
            Origin::Inside(name, _) => name,
        }
    }

    pub(super) fn open(&self) -> Result<Source> {
        match self {
            Origin::File(path) => Ok(Source::file(path)?),
            Origin::Pipe(path) => Ok(Source::reader(path, Cursor::new(of_pipe(path)?))),
            Origin::Inside(name, bytes) => Ok(Source::bytes(*name, *bytes)),
        }
    }
}

/// What came out of a pipe. Nobody in this process can read it a second time, so it is kept.
pub(super) fn of_pipe(path: &str) -> Result<Arc<[u8]>> {
    static READ: Mutex<BTreeMap<String, Arc<[u8]>>> = Mutex::new(BTreeMap::new());
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = read.get(path) {
        return Ok(bytes.clone());
    }
    let bytes = read_bytes(Path::new(path), limits::PIPE)?;
    Ok(read.entry(path.to_owned()).or_insert(bytes.into()).clone())
}

/// Whether it is there, and neither file nor folder.
pub(super) fn is_pipe(path: &str) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Two columns of a table: the options that choose them with what was given, and the columns of a user's file where
/// none are. A task that reads one column names it twice, with one option.
pub struct Columns<'a> {
    /// The options that choose them, and what was given.
    pub options: [(&'static str, Option<&'a str>); 2],
    /// The columns of a file where nothing was given.
    pub usual: [&'a str; 2],
}

impl Columns<'_> {
    /// The two columns of a file.
    pub(super) fn tsv(&self, origin: Origin, chosen: &[String; 2]) -> Stream<Row> {
        let ([(first, _), (second, _)], chosen) = (self.options, chosen.clone());
        let hint = move |error: unspool::text::Error| {
            let no_column = matches!(error, unspool::text::Error::NoColumn { .. });
            let error = Error::from(error);
            if no_column {
                error.hint(format!("choose the columns by name with --{first} and --{second}"))
            } else {
                error
            }
        };
        Stream::new(origin.name().to_owned(), move || {
            let rows = Tsv::open(origin.open()?).and_then(|table| table.columns(chosen.each_ref().map(String::as_str)));
            Ok(Box::new(rows.map_err(hint)?.map(|row| Ok(row?))))
        })
    }

    /// The names of the two columns.
    pub(super) fn choose(&self, usual: [&str; 2]) -> Result<[String; 2]> {
        let [(first_option, first), (second_option, second)] = self.options;
        let chosen = match (first, second) {
            (Some(a), Some(b)) => [a, b],
            // One name alone turns the usual direction round, where it is the other side's.
            (Some(a), None) => [a, if a == usual[1] { usual[0] } else { usual[1] }],
            (None, Some(b)) => [if b == usual[0] { usual[1] } else { usual[0] }, b],
            (None, None) => usual,
        };
        if chosen[0] == chosen[1] && first_option != second_option {
            return Err(Error::misuse(
                format!("--{first_option} and --{second_option} both name the column {}", chosen[0]),
                "name two different columns",
            ));
        }
        Ok(chosen.map(str::to_owned))
    }
}

/// What a file of one language's lines is called by: `train.de.gz` is `de`.
pub(super) fn language(path: &str) -> String {
    let path = path.strip_suffix(".gz").unwrap_or(path);
    let extension = Path::new(path).extension();
    extension.map_or_else(|| path.to_owned(), |extension| extension.to_string_lossy().into_owned())
}

/// Two files of plain text as two columns.
pub(super) fn parallel(files: [&String; 2]) -> Stream<Row> {
    let origins = files.map(|path| Origin::path(path));
    Stream::new(files[0].clone(), move || {
        let [first, second] = &origins;
        let rows = Parallel::open([first.open()?, second.open()?])?;
        Ok(Box::new(rows.map(|row| Ok(row?))))
    })
}

/// The sentences of a file, so many columns of them, by number from 1.
pub(super) fn sentences(origin: Origin, columns: &[usize]) -> Stream<Sentence> {
    let columns = columns.to_vec();
    Stream::new(origin.name().to_owned(), move || {
        let sentences = Conll::open(origin.open()?, columns.iter().copied())?;
        Ok(Box::new(sentences.map(|sentence| Ok(sentence?))))
    })
}
