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
    ops::{Deref, Range},
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

    /// Trains a tokenizer on some columns, by their places, or takes the one that an earlier training has kept.
    ///
    /// # Errors
    /// A row cannot be read; the texts cannot be tokenized so.
    pub fn tokenizer(&self, columns: Range<usize>, kind: TokenKind, options: &TokenizerOptions) -> Result<Tokenizer> {
        let (names, how) = (self.columns.join("\t"), format!("{columns:?} {kind:?} {options:?}"));
        let json = self.cache.get_or_make(&["tokenizer", &names, &how], || {
            let _stage = Stage::new("training the tokenizer");
            let texts = |row: Row| row.fields.into_iter().skip(columns.start).take(columns.len());
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
}

impl Columns {
    /// Columns by their options and usual names.
    pub(crate) fn new(
        columns: &[(&'static str, &'static str)],
        given: impl Fn(&str) -> Option<String>,
    ) -> Option<Columns> {
        let (first, second) = (columns.first()?, columns.last()?);
        let options = [first, second].map(|(option, _)| (*option, given(option)));
        Some(Columns { options, usual: [first, second].map(|(_, usual)| (*usual).to_owned()) })
    }

    /// The columns that a model was trained on.
    pub(crate) fn known(columns: &[(&'static str, &'static str)], names: &[String]) -> Option<Columns> {
        let options = [columns.first()?, columns.last()?].map(|(option, _)| (*option, None));
        Some(Columns { options, usual: [names.first()?.clone(), names.last()?.clone()] })
    }

    /// The two columns of a table, in the format that the name of the file says.
    pub(super) fn rows(&self, origin: Origin, chosen: &[String; 2], bad_lines: BadLines) -> Stream<Row> {
        let ([first, second], chosen) = (self.options.each_ref().map(|(option, _)| *option), chosen.clone());
        let names = chosen.clone();
        let hint = move |error: text::Error| {
            let no_column = matches!(error, text::Error::NoColumn { .. });
            let error = Error::from(error);
            match no_column {
                true if first == second => error.hint(format!("choose the column by name with --{first}")),
                true => error.hint(format!("choose the columns by name with --{first} and --{second}")),
                false => error,
            }
        };
        Stream::new(origin.name().to_owned(), move || Ok(bad_lines.of(table(origin.open()?, &chosen).map_err(hint)?)))
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
type Rows<R> = Box<dyn Iterator<Item = std::result::Result<R, text::Error>>>;

/// Two columns of a table: JSON lines or comma-separated values where the name of the file says so, else tab-separated
/// values.
fn table(source: Source, columns: &[String; 2]) -> std::result::Result<Rows<Row>, text::Error> {
    let columns = columns.each_ref().map(String::as_str);
    Ok(match ending(source.name()).as_str() {
        "jsonl" | "ndjson" | "json" => Box::new(JsonLines::open(source, columns)?),
        "csv" => Box::new(Csv::open(source)?.columns(columns)?),
        _ => Box::new(Tsv::open(source)?.columns(columns)?),
    })
}

/// The ending of a file's name, in small letters and without `.gz`.
fn ending(name: &str) -> String {
    let name = name.to_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map_or_else(String::new, |(_, ending)| ending.to_owned())
}

/// Whether the name of a file says that it is a table with named columns: CSV, or JSON lines.
pub(super) fn is_named_table(name: &str) -> bool {
    ["jsonl", "ndjson", "json", "csv"].contains(&ending(name).as_str())
}

/// Whether the name of a file says that it is a table at all: TSV, CSV, or JSON lines.
pub(super) fn is_table(name: &str) -> bool {
    is_named_table(name) || ending(name) == "tsv"
}

/// Whether it is a file of tab-separated values whose header has all of these columns.
pub(super) fn has_header(origin: &Origin, columns: &[String]) -> Result<bool> {
    let is_tsv = ending(origin.name()) == "tsv";
    Ok(is_tsv && Tsv::open(origin.open()?).and_then(|rows| rows.columns(columns.iter().map(String::as_str))).is_ok())
}

/// The documents of a table as one text, at most `limit` bytes, with a blank line after each.
pub(super) fn documents(rows: &Stream<Row>, limit: usize) -> Result<String> {
    let mut text = String::new();
    for row in rows.rows()? {
        text.push_str(row?[0].trim_end_matches(['\r', '\n']));
        text.push_str("\n\n");
        if text.len() > limit {
            return Err(text::Error::FileTooLarge { file: rows.file.clone(), limit }.into());
        }
    }
    Ok(text)
}

/// What is done with lines that cannot be read: they are left out, or the first of them is an error.
#[derive(Clone, Debug, Default)]
pub(super) struct BadLines {
    /// Where they are left out: whether their number was told.
    left_out: Option<Arc<Once>>,
}

impl BadLines {
    /// Whether they are left out.
    pub(super) fn are_skipped(&self) -> bool {
        self.left_out.is_some()
    }

    /// Leaves them out, or does not.
    pub(super) fn skipped(are_skipped: bool) -> BadLines {
        BadLines { left_out: are_skipped.then(|| Arc::new(Once::new())) }
    }

    /// Goes through the rows of a file.
    fn of<R: 'static>(&self, rows: Rows<R>) -> Passing<R> {
        match &self.left_out {
            None => Box::new(rows.map(|row| Ok(row?))),
            Some(told) => Box::new(Skipped { rows: rows.skip_bad_lines(), told: told.clone() }.map(|row| Ok(row?))),
        }
    }
}

/// Rows without the bad lines, whose number is told once, at the end of the first pass.
struct Skipped<R> {
    rows: Skipping<Rows<R>>,
    told: Arc<Once>,
}

impl<R> Iterator for Skipped<R> {
    type Item = std::result::Result<R, text::Error>;

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
pub(super) fn parallel(files: [&String; 2], limits: InputLimits, bad_lines: BadLines) -> Stream<Row> {
    let origins = files.map(|path| Origin::path(path, limits));
    Stream::new(files[0].clone(), move || {
        let [first, second] = &origins;
        Ok(bad_lines.of(Box::new(Parallel::open([first.open()?, second.open()?])?)))
    })
}

/// Two columns of sentences, words and tags, as they are chosen: of a file with a word per line by number from 1, or of
/// a table with a sentence per row by name. Tab-separated values are such a table where a name is chosen.
pub(super) fn sentences(origin: Origin, chosen: [Option<&str>; 2], bad_lines: BadLines) -> Result<Stream<Sentence>> {
    let name = origin.name().to_owned();
    let by_name = chosen.iter().flatten().any(|column| column.parse::<usize>().is_err());
    if is_named_table(&name) || by_name && ending(&name) == "tsv" {
        let columns = [0, 1].map(|i| chosen[i].unwrap_or(["words", "tags"][i]).to_owned());
        let names = columns.clone();
        let rows = move || {
            Ok(bad_lines
                .of(Box::new(Tables { rows: table(origin.open()?, &columns)?, file: origin.name().to_owned() })))
        };
        return Ok(Stream::new(name, rows).named(&names));
    }
    let usual = if Conll::is_conllu(origin.open()?)? { [2, 4] } else { [1, 2] };
    let columns = [0, 1].map(|i| match chosen[i] {
        None => Ok(usual[i]),
        Some(text) => text.parse().ok().filter(|number| (1..=MOST_COLUMNS).contains(number)).ok_or_else(|| {
            let message = format!("{name}: a file with a word per line has columns with numbers, not `{text}`");
            Error::misuse(message, "columns have names in CSV files, JSON lines and files that end in .tsv")
        }),
    });
    let [words, tags] = columns;
    let columns = [words?, tags?];
    let rows = move || Ok(bad_lines.of(Box::new(Conll::open(origin.open()?, columns)?)));
    Ok(Stream::new(name, rows).named(&columns.map(|column| column.to_string())))
}

/// The sentences of two files of plain text: the words of a line with spaces between them, and as many tags in the line
/// of the other.
pub(super) fn parallel_sentences(files: [&String; 2], limits: InputLimits, bad_lines: BadLines) -> Stream<Sentence> {
    let origins = files.map(|path| Origin::path(path, limits));
    Stream::new(files[0].clone(), move || {
        let [words, tags] = &origins;
        let rows = Box::new(Parallel::open([words.open()?, tags.open()?])?);
        Ok(bad_lines.of(Box::new(Tables { rows, file: tags.name().to_owned() })))
    })
}

/// Columns of a file with a word per line, at most.
const MOST_COLUMNS: usize = 1000;

/// Sentences of a table: the words of a row with spaces between them, and as many tags.
struct Tables {
    rows: Rows<Row>,
    file: String,
}

impl Iterator for Tables {
    type Item = std::result::Result<Sentence, text::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let sentence = |Row { line, fields, hash }: Row| {
            let columns: Vec<Vec<String>> =
                fields.iter().map(|text| text.split_whitespace().map(str::to_owned).collect()).collect();
            match (columns[0].len(), columns[1].len()) {
                (words, tags) if words == tags => Ok(Sentence { line, columns, hash }),
                (expected, found) => {
                    Err(text::Error::Tags { place: text::Place::new(&self.file, line), expected, found })
                }
            }
        };
        Some(self.rows.next()?.and_then(sentence))
    }
}
