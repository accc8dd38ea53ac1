//! Files as streams of rows: tables of which two columns are read, parallel texts, sentences of columns.

use super::{
    super::{
        error::{Error, Result},
        limits,
    },
    Stream, read_bytes,
    stream::Passing,
};
use crate::{
    cache::DataCache,
    lines::InputLimits,
    number::counted,
    processes, say,
    stage::{Stage, Watched},
};
use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    ops::Deref,
    path::Path,
    sync::{Arc, Mutex, Once, PoisonError},
};
use unspool::text::{
    self, Conll, Csv, JsonLines, LabelSet, Parallel, Row, Sentence, SkipBadLines, Skipping, Source, TokenKind,
    Tokenizer, TokenizerOptions, Tsv,
};

/// Where bytes are, to be read as often as need be, and how much of them is taken.
#[derive(Clone)]
pub(super) struct Origin {
    place: Place,
    limits: InputLimits,
}

#[derive(Clone)]
enum Place {
    /// A file.
    File(String),
    /// What can be read only once, such as a pipe: it is kept then.
    Pipe(String),
    /// Bytes in the program, by name.
    Inside(&'static str, &'static [u8]),
}

impl Origin {
    pub(super) fn path(path: &str, limits: InputLimits) -> Origin {
        let path = path.to_owned();
        Origin { place: if is_pipe(&path) { Place::Pipe(path) } else { Place::File(path) }, limits }
    }

    pub(super) fn inside((name, bytes): (&'static str, &'static [u8])) -> Origin {
        Origin { place: Place::Inside(name, bytes), limits: InputLimits::default() }
    }

    pub(super) fn name(&self) -> &str {
        match &self.place {
            Place::File(path) | Place::Pipe(path) => path,
            Place::Inside(name, _) => name,
        }
    }

    /// Opens it. Whoever reads it sees how far that is, if it takes a while.
    pub(super) fn open(&self) -> Result<Source> {
        Ok(self.limits.of(match &self.place {
            Place::File(path) => {
                let file = unspool_files::open(path).map_err(|cause| Error::file(Path::new(path), "read", &cause))?;
                let length = fs::metadata(path).map_or(0, |found| found.len());
                Source::reader(path, Watched::new(file, path, length))
            }
            Place::Pipe(path) => Source::reader(path, Cursor::new(of_pipe(path)?)),
            Place::Inside(name, bytes) => Source::bytes(*name, *bytes),
        }))
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

/// The rows of a table, of which some columns are read.
#[derive(Debug)]
pub struct TableRows {
    rows: Stream<Row>,
    cache: DataCache,
}

impl Deref for TableRows {
    type Target = Stream<Row>;
    fn deref(&self) -> &Stream<Row> {
        &self.rows
    }
}

impl TableRows {
    pub(super) fn new(rows: Stream<Row>, cache: DataCache) -> TableRows {
        TableRows { rows, cache }
    }

    /// Trains a tokenizer on the first so many columns, or takes the one that an earlier training has kept.
    ///
    /// # Errors
    /// A row cannot be read; the texts cannot be tokenized so.
    pub fn tokenizer(&self, columns: usize, kind: TokenKind, options: &TokenizerOptions) -> Result<Tokenizer> {
        let (names, how) = (self.columns.join("\t"), format!("{columns} {kind:?} {options:?}"));
        let json = self.cache.get_or_make(&["tokenizer", &names, &how], || {
            let _stage = Stage::new("training the tokenizer");
            let texts = |row: Row| row.fields.into_iter().take(columns);
            Ok(self.read(|rows| Tokenizer::train(kind, rows.flat_map(texts), options))??.to_json()?)
        })?;
        Ok(Tokenizer::from_json("the tokenizer", &json)?)
    }

    /// Collects the labels of a column.
    ///
    /// # Errors
    /// A row cannot be read; the labels are none, such as one alone.
    pub fn labels(&self, column: usize) -> Result<LabelSet> {
        let (names, place) = (self.columns.join("\t"), column.to_string());
        self.cache.get_or_make(&["labels", &names, &place], || {
            let label = |row: Row| (row.line, row[column].to_owned());
            Ok(self.read(|rows| LabelSet::collect(&self.file, rows.map(label)))??)
        })
    }
}

/// Two columns of a table: the options that choose them with what was given, and the columns of a user's file where
/// none are. A task that reads one column names it twice, with one option.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    options: [(&'static str, Option<String>); 2],
    usual: [String; 2],
    skip_bad_lines: bool,
}

impl Columns {
    /// Columns by their options and usual names.
    pub(crate) fn new(
        columns: &[(&'static str, &'static str)],
        given: impl Fn(&str) -> Option<String>,
    ) -> Option<Columns> {
        let (first, second) = (columns.first()?, columns.last()?);
        let options = [first, second].map(|(option, _)| (*option, given(option)));
        Some(Columns { options, usual: [first, second].map(|(_, usual)| (*usual).to_owned()), skip_bad_lines: false })
    }

    /// The same, of a file whose bad lines are left out, or are not.
    pub(crate) fn skip_bad_lines(self, skip_bad_lines: bool) -> Columns {
        Columns { skip_bad_lines, ..self }
    }

    /// The columns that a model was trained on.
    pub(crate) fn known(columns: &[(&'static str, &'static str)], names: &[String]) -> Option<Columns> {
        let options = [columns.first()?, columns.last()?].map(|(option, _)| (*option, None));
        Some(Columns { options, usual: [names.first()?.clone(), names.last()?.clone()], skip_bad_lines: false })
    }

    /// The two columns of a table, in the format that the name of the file says.
    pub(super) fn rows(&self, origin: Origin, chosen: &[String; 2]) -> Stream<Row> {
        let ([first, second], chosen) = (self.options.each_ref().map(|(option, _)| *option), chosen.clone());
        let (names, skips) = (chosen.clone(), self.skip_bad_lines);
        let hint = move |error: text::Error| {
            let no_column = matches!(error, text::Error::NoColumn { .. });
            let error = Error::from(error);
            if no_column {
                error.hint(format!("choose the columns by name with --{first} and --{second}"))
            } else {
                error
            }
        };
        let told = Arc::new(Once::new());
        Stream::new(origin.name().to_owned(), move || {
            let rows = table(origin.open()?, &chosen).map_err(hint)?;
            let told = told.clone();
            let rows: Passing<Row> = match skips {
                false => Box::new(rows.map(|row| Ok(row?))),
                true => Box::new(Skipped { rows: rows.skip_bad_lines(), told }.map(|row| Ok(row?))),
            };
            Ok(rows)
        })
        .named(&names)
    }

    /// The names of the two columns, given those of a set inside the program.
    pub(super) fn choose(&self, of_set: Option<[&str; 2]>) -> Result<[String; 2]> {
        let [(first_option, first), (second_option, second)] = &self.options;
        let usual = of_set.unwrap_or(self.usual.each_ref().map(String::as_str));
        let chosen = match (first.as_deref(), second.as_deref()) {
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

/// Rows up to the first error of reading; a bad line is an error among them.
type Rows = Box<dyn Iterator<Item = std::result::Result<Row, text::Error>>>;

/// Two columns of a table: JSON lines or comma-separated values where the name of the file says so, else tab-separated
/// values.
fn table(source: Source, columns: &[String; 2]) -> std::result::Result<Rows, text::Error> {
    let columns = columns.each_ref().map(String::as_str);
    let name = source.name().to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    Ok(match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "jsonl" | "ndjson" | "json" => Box::new(JsonLines::open(source, columns)?),
        "csv" => Box::new(Csv::open(source)?.columns(columns)?),
        _ => Box::new(Tsv::open(source)?.columns(columns)?),
    })
}

/// Rows without the bad lines, whose number is told once, at the end of the first pass.
struct Skipped {
    rows: Skipping<Rows>,
    told: Arc<Once>,
}

impl Iterator for Skipped {
    type Item = std::result::Result<Row, text::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.rows.next();
        let (skipped, reasons) = (self.rows.skipped(), self.rows.reasons());
        if let (None, Some(first), true) = (&next, reasons.first(), processes::speaks()) {
            self.told.call_once(|| say::line(&format!("{} skipped; the first: {first}", counted(skipped, "bad line"))));
        }
        next
    }
}

/// What a file of one language's lines is called by: `train.de.gz` is `de`.
pub(super) fn language(path: &str) -> String {
    let path = path.strip_suffix(".gz").unwrap_or(path);
    let extension = Path::new(path).extension();
    extension.map_or_else(|| path.to_owned(), |extension| extension.to_string_lossy().into_owned())
}

/// Two files of plain text as two columns.
pub(super) fn parallel(files: [&String; 2], limits: InputLimits) -> Stream<Row> {
    let origins = files.map(|path| Origin::path(path, limits));
    Stream::new(files[0].clone(), move || {
        let [first, second] = &origins;
        let rows = Parallel::open([first.open()?, second.open()?])?;
        Ok(Box::new(rows.map(|row| Ok(row?))))
    })
}

/// The sentences of a file, so many columns of them, by number from 1.
pub(super) fn sentences(origin: Origin, columns: &[usize]) -> Stream<Sentence> {
    let columns = columns.to_vec();
    let names: Vec<String> = columns.iter().map(usize::to_string).collect();
    Stream::new(origin.name().to_owned(), move || {
        let sentences = Conll::open(origin.open()?, columns.iter().copied())?;
        Ok(Box::new(sentences.map(|sentence| Ok(sentence?))))
    })
    .named(&names)
}
