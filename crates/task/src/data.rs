//! Where a training's rows come from: data inside the program, three files, or one that is split. All of it is read and
//! checked here, before anything is created.

mod sound;
mod stream;
mod tables;
mod wav;

pub use stream::Stream;
pub(crate) use tables::Columns;
pub use tables::TableRows;

use super::{
    checksum::Checksum,
    error::{Error, Result},
    limits,
};
use crate::{
    cache::{Cache, DataCache},
    lines::InputLimits,
    parts::Parts,
    processes::broadcast,
    signals,
    stage::Stage,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{path::Path, sync::OnceLock};
use tables::{
    BadLines, Origin, documents, is_named_table, is_pipe, is_table, language, parallel, parallel_sentences, sentences,
};
use unspool::{
    nn::exchange::{Exchange, OneProcess},
    text::{Csv, Row, Sentence, read_text},
};

/// A data set compiled into a program.
#[derive(Clone, Copy, Debug)]
pub struct DataSet {
    /// What `--data` calls it.
    pub name: &'static str,
    /// The SPDX identifier of its license, or what stands in its place, such as `public domain`.
    pub license: &'static str,
    /// The columns that a task reads unless told otherwise; empty where there is no header.
    pub columns: [&'static str; 2],
    /// The names and bytes of one file, or of train, dev and test.
    pub files: &'static [(&'static str, &'static [u8])],
}

/// All rows of a file, and where they are from.
pub struct Table {
    /// The file's name, for messages.
    pub file: String,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// All rows, if they fit in memory with room to spare.
    fn of(rows: Csv) -> Result<Table> {
        let file = rows.file().to_owned();
        let (mut all, mut fields, mut bytes) = (vec![], 0, 0);
        for row in rows {
            let row = row?;
            fields += row.fields.len();
            bytes += row.fields.iter().map(String::len).sum::<usize>();
            if fields > limits::TABLE_FIELDS || bytes > limits::TABLE_BYTES {
                let most = format!("{} fields or {} bytes", limits::TABLE_FIELDS, limits::TABLE_BYTES);
                let what = format!("{file}:{}: the table is too large: it has more than {most}", row.line);
                return Err(Error::failure(what, "give fewer rows or columns"));
            }
            all.push(row);
        }
        Ok(Table { file, rows: all })
    }
}

/// A sound.
pub struct Recording {
    /// The file's name, with the folders above it within the set.
    pub name: String,
    /// What is said, where a list beside the sounds says so.
    pub transcript: Option<String>,
    /// Samples a second.
    pub rate: u32,
    /// From −1 to 1.
    pub samples: Vec<f32>,
}

impl Recording {
    /// One wav file.
    pub fn read(path: &str) -> Result<Recording> {
        sound::one(Path::new(path))
    }

    /// Reads the bytes of a wav file, which messages call `name`.
    ///
    /// ```
    /// let error = unspool_task::Recording::of_wav("upload", b"RIFF").err();
    /// assert!(error.is_some_and(|error| error.to_string().starts_with("upload: ")));
    /// ```
    ///
    /// # Errors
    /// They are no wav file, or one with a sample that is no number.
    pub fn of_wav(name: &str, bytes: &[u8]) -> Result<Recording> {
        sound::recording(name, bytes)
    }
}

/// What the key of prepared data says where bad lines are left out.
const SKIPPED: &str = "bad lines are left out";

/// What `--data` names: files, or a data set inside the program. A task asks for it in the form it needs.
pub struct Data<'a> {
    names: Vec<String>,
    sets: &'static [DataSet],
    columns: Option<Columns>,
    exchange: &'a dyn Exchange,
    limits: InputLimits,
    bad_lines: BadLines,
    cache: Cache,
    /// Of the contents, once somebody has asked for it, and how many bytes they have.
    checksum: OnceLock<Option<(String, u64)>>,
}

impl<'a> Data<'a> {
    /// Opens the values of `--data` as a program of one process does, for the tests of a task.
    pub fn open(values: &[&str], sets: &'static [DataSet]) -> Data<'static> {
        let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
        Data::new(&values, sets, None, &OneProcess)
    }

    /// Names the values of `--data`, of which each is a file or one of these sets, for processes that read it together.
    pub(crate) fn new(
        values: &[String],
        sets: &'static [DataSet],
        columns: Option<Columns>,
        exchange: &'a dyn Exchange,
    ) -> Data<'a> {
        let (limits, bad_lines, cache, checksum) = Default::default();
        Data { names: names(values), sets, columns, exchange, limits, bad_lines, cache, checksum }
    }

    /// Leaves out lines that cannot be read, or does not.
    pub(crate) fn skip_bad_lines(self, are_skipped: bool) -> Data<'a> {
        Data { bad_lines: BadLines::skipped(are_skipped), ..self }
    }

    /// Sets how much of a file is taken.
    pub(crate) fn limits(self, limits: InputLimits) -> Data<'a> {
        Data { limits, ..self }
    }

    /// Keeps what is prepared of the data.
    pub(crate) fn cache(self, cache: Cache) -> Data<'a> {
        Data { cache, ..self }
    }

    /// Prepares something of the data in the first of the processes that read it, and returns it in all of them. What
    /// took a while is kept from one training to the next, as long as the data, the `options` and the program are the
    /// same.
    ///
    /// # Errors
    /// Those of `make`; another process cannot be reached.
    pub fn prepare<P: Serialize + DeserializeOwned>(
        &self,
        options: &[&str],
        make: impl FnOnce() -> Result<P>,
    ) -> Result<P> {
        // What the names of files and columns say of the contents is no part of these.
        let columns = self.document_columns()?.join("\t");
        let how = [columns.as_str(), if self.bad_lines.are_skipped() { SKIPPED } else { "" }];
        let how: Vec<&str> = how.iter().chain(options).copied().collect();
        broadcast(self.exchange, || {
            self.data_cache()?.with(&["prepare"]).get_or_make(&how, || {
                let _stage = Stage::new("preparing the data");
                make()
            })
        })
    }

    /// Where what is prepared of this data is kept.
    pub(crate) fn data_cache(&self) -> Result<DataCache> {
        let found = self.contents()?;
        Ok(found
            .map_or_else(DataCache::default, |(checksum, bytes)| DataCache::new(self.cache.clone(), checksum, bytes)))
    }

    /// What errors call it.
    pub fn name(&self) -> String {
        self.names.join(", ")
    }

    /// Whether it is a data set inside the program, of which a model may have seen the train part.
    pub fn is_embedded(&self) -> bool {
        self.embedded().is_some()
    }

    /// The checksum of its contents, part by part, wherever the files are: data that has the same one is taken for the
    /// same. None where there is no data.
    pub(crate) fn checksum(&self) -> Result<Option<String>> {
        Ok(self.contents()?.map(|(checksum, _)| checksum))
    }

    /// The checksum, and how many bytes the contents have.
    fn contents(&self) -> Result<Option<(String, u64)>> {
        if let Some(found) = self.checksum.get() {
            return Ok(found.clone());
        }
        let found = self.sum()?.map(|sum| (sum.text(), sum.bytes));
        Ok(self.checksum.get_or_init(|| found).clone())
    }

    fn sum(&self) -> Result<Option<Checksum>> {
        if let Some(set) = self.embedded() {
            let parts = set.files.iter().fold(Checksum::default(), |sum, (_, bytes)| sum.add(bytes));
            return Ok(Some(parts));
        }
        let mut sum = Checksum::default();
        for name in self.files()? {
            let path = Path::new(&name);
            let failed = |cause: std::io::Error| Error::file(path, "read", &cause);
            sum = if is_pipe(&name) {
                sum.add(&tables::of_pipe(&name)?)
            } else if path.is_dir() {
                // The names within a set of recordings say what they are.
                sound::files(path)?.iter().try_fold(sum, |sum, file| {
                    let name = file.file_name().unwrap_or_default().to_string_lossy();
                    sum.add(name.as_bytes()).add_file(file).map_err(|cause| Error::file(file, "read", &cause))
                })?
            } else {
                // One name alone that is no file may have been meant for a data set: the error says which there are.
                self.file(&name)?;
                sum.add_file(path).map_err(failed)?
            };
        }
        Ok((!self.names.is_empty()).then_some(sum))
    }

    /// The files that are named, or the three in the folder that is.
    fn files(&self) -> Result<Vec<String>> {
        match self.names.as_slice() {
            [name] if Path::new(name).is_dir() && sound::files(Path::new(name)).is_ok() => Ok(vec![name.clone()]),
            names => Ok(self.folder()?.unwrap_or_else(|| names.to_vec())),
        }
    }

    fn embedded(&self) -> Option<&'static DataSet> {
        match self.names.as_slice() {
            [name] => self.sets.iter().find(|set| set.name == name),
            _ => None,
        }
    }

    /// Two columns in three parts, and the columns' names: of three TSV files (train, dev, test) or a folder with them,
    /// of one that is split by a hash of the line, or of six files of plain text, two for each part, in which lines
    /// belong together.
    pub fn splits(&self) -> Result<Parts<TableRows>> {
        let (set, columns) = (self.embedded(), self.columns()?);
        let chosen = columns.choose(set.map(|set| set.columns))?;
        let parts = |[train, dev, test]: [Stream<Row>; 3]| Parts { train, dev, test };
        let rows = |origin| columns.rows(origin, &chosen, self.bad_lines.clone());
        let in_folder = self.folder()?;
        let found = match (set, in_folder.as_deref().unwrap_or(&self.names)) {
            (Some(DataSet { files: [train, dev, test], .. }), _) => {
                parts([train, dev, test].map(|part| rows(Origin::inside(*part))))
            }
            (Some(set), _) => return Err(set.other_kind("a table of rows in three parts")),
            (None, [one]) => rows(self.file(one)?).split(|row| row.hash),
            (None, [train, dev, test]) => parts([train, dev, test].map(|path| rows(Origin::path(path, self.limits)))),
            (None, [a, b, c, d, e, f]) => {
                let names = [language(a), language(b)];
                parts([[a, b], [c, d], [e, f]].map(|pair| self.parallel(pair).named(&names)))
            }
            (None, others) => {
                return Err(Error::misuse(
                    format!("--data takes one file or set, or three files (train, dev, test), not {}", others.len()),
                    "give --data FILE, --data NAME, or --data TRAIN DEV TEST",
                ));
            }
        };
        let Parts { train, dev, test } = self.begun(found)?;
        let cache = self.data_cache()?;
        let rows = |rows| TableRows::new(rows, cache.clone());
        Ok(Parts { train: rows(train), dev: rows(dev), test: rows(test) })
    }

    /// Parts that can be gone through again and again, of files that begin as they should: a column that is missing in
    /// the last of them is told before anything is learned from the first.
    fn begun<R: 'static>(&self, parts: Parts<Stream<R>>) -> Result<Parts<Stream<R>>> {
        if self.exchange.ranks() > 1
            && let Some(name) = self.names.iter().find(|name| is_pipe(name))
        {
            let message = format!("{name}: no file, which several processes could read alike");
            return Err(Error::failure(message, "write it to a file, and give that"));
        }
        [&parts.train, &parts.dev, &parts.test].iter().try_for_each(|part| part.rows().map(drop))?;
        // A signal ends what goes through the rows, such as a baseline. Several processes go on to a place where all of
        // them stop.
        let part = |part: Stream<R>| part.checked(signals::check_signals);
        Ok(Parts { train: part(parts.train), dev: part(parts.dev), test: part(parts.test) })
    }

    /// All rows of one file, two columns by name; of a set in the program, its test part. Two files of plain text are
    /// two columns.
    pub fn table(&self) -> Result<TableRows> {
        let columns = self.columns()?;
        let rows_of = |origin| Ok(columns.rows(origin, &columns.choose(None)?, self.bad_lines.clone()));
        let rows = match (self.embedded(), self.names.as_slice()) {
            (Some(DataSet { files: [_, _, test], .. }), _) => rows_of(Origin::inside(*test)),
            (Some(set), _) => Err(set.other_kind("a table of rows in three parts")),
            (None, [one]) => rows_of(self.file(one)?),
            // Plain text has no columns to choose, and its files may have one ending.
            (None, [first, second]) => Ok(self.parallel([first, second])),
            (None, others) => Err(others_than_one(others.len())),
        };
        Ok(TableRows::new(rows?, DataCache::default()))
    }

    fn parallel(&self, files: [&String; 2]) -> Stream<Row> {
        parallel(files, self.limits, self.bad_lines.clone())
    }

    fn columns(&self) -> Result<&Columns> {
        self.columns.as_ref().ok_or_else(|| Error::failure("no columns are named", "give `Spec::table` their names"))
    }

    /// All rows and columns of one file of comma-separated values without a header.
    pub fn csv(&self) -> Result<Table> {
        let rows = Csv::without_header(self.one()?.open()?)?;
        Table::of(rows)
    }

    /// Goes through some columns of one file of comma-separated values under a header: those whose places `choose`
    /// finds among their names. Fields may be empty; the other columns are not looked at. `each` is given the file's
    /// name.
    ///
    /// # Errors
    /// The file cannot be read, or has other columns; the first error of `each`.
    pub fn csv_columns(
        &self,
        choose: impl FnOnce(&str, &[String]) -> Result<Vec<usize>>,
        mut each: impl FnMut(&str, Row) -> Result<()>,
    ) -> Result<()> {
        let rows = Csv::open(self.one()?.open()?)?.allow_empty();
        let file = rows.file().to_owned();
        let chosen = choose(&file, rows.header())?;
        for row in rows.columns(chosen.iter().map(|place| place + 1))? {
            signals::check_signals()?;
            each(&file, row?)?;
        }
        Ok(())
    }

    /// Reads one file as one text, at most `limit` bytes. A table is read as its documents: see [`Data::texts`].
    ///
    /// # Errors
    /// The file cannot be read, or has more.
    pub fn text(&self, limit: usize) -> Result<String> {
        self.text_of(self.one()?, limit)
    }

    /// Reads three files of plain text (train, dev, test) or a folder with them, or one of which the last tenth is the
    /// test part and the fiftieth before it dev; at most `limit` bytes a file.
    ///
    /// A file whose name ends in `.tsv`, `.csv` or `.jsonl` is a table with a document per row, each of which is
    /// followed by a blank line. One such file is divided by a hash of its lines, as a table of rows is.
    ///
    /// # Errors
    /// A file cannot be read, or has more.
    pub fn texts(&self, limit: usize) -> Result<[String; 3]> {
        let in_folder = self.folder()?;
        if let [train, dev, test] = in_folder.as_deref().unwrap_or(&self.names) {
            let read = |path: &String| self.text_of(self.file(path)?, limit);
            return Ok([read(train)?, read(dev)?, read(test)?]);
        }
        let origin = self.one()?;
        if let Some(columns) = self.columns.as_ref().filter(|_| is_table(origin.name())) {
            let rows = columns.rows(origin, &columns.choose(None)?, self.bad_lines.clone());
            let Parts { train, dev, test } = rows.split(|row| row.hash);
            return Ok([documents(&train, limit)?, documents(&dev, limit)?, documents(&test, limit)?]);
        }
        let mut train = self.text(limit)?;
        let characters = train.chars().count();
        let place =
            |fiftieth: usize| train.char_indices().nth(characters * fiftieth / 50).map_or(train.len(), |at| at.0);
        let (dev, test) = (place(44), place(45));
        let test = train.split_off(test);
        let dev = train.split_off(dev);
        Ok([train, dev, test])
    }

    fn text_of(&self, origin: Origin, limit: usize) -> Result<String> {
        match self.columns.as_ref().filter(|_| is_table(origin.name())) {
            Some(columns) => documents(&columns.rows(origin, &columns.choose(None)?, self.bad_lines.clone()), limit),
            None => Ok(read_text(origin.open()?, limit)?),
        }
    }

    /// Returns the name of the column whose documents [`Data::texts`] reads; none where the files are plain text.
    ///
    /// # Errors
    /// The folder that is named cannot be read.
    pub fn document_columns(&self) -> Result<Vec<String>> {
        let in_folder = self.folder()?;
        let has_table = in_folder.as_deref().unwrap_or(&self.names).iter().any(|name| is_table(name));
        let columns = self.columns.as_ref().filter(|_| has_table && !self.is_embedded());
        Ok(columns.map(|columns| columns.choose(None)).transpose()?.map_or_else(Vec::new, |[name, _]| vec![name]))
    }

    /// Sentences of words and tags in three parts: of three files, or of one that is split by a hash of the sentence. A
    /// file has a word per line (CoNLL, CoNLL-U, or `form<TAB>tag`), with columns that are chosen by number from 1, or
    /// a sentence per row (CSV, JSON lines), with columns that are chosen by name; so has a file whose name ends in
    /// `.tsv`, where a column is chosen by name. Six files of plain text are two for each part, with the words of a
    /// sentence per line and its tags.
    pub fn sentences(&self, columns: [Option<&str>; 2]) -> Result<Parts<Stream<Sentence>>> {
        let in_folder = self.folder()?;
        let read = |path: &String| sentences(self.file(path)?, columns, self.bad_lines.clone());
        let parts = match in_folder.as_deref().unwrap_or(&self.names) {
            [one] => read(one)?.split(|sentence| sentence.hash),
            [train, dev, test] => Parts { train: read(train)?, dev: read(dev)?, test: read(test)? },
            [a, b, c, d, e, f] => {
                let [train, dev, test] =
                    [[a, b], [c, d], [e, f]].map(|pair| parallel_sentences(pair, self.limits, self.bad_lines.clone()));
                Parts { train, dev, test }
            }
            others => {
                return Err(Error::misuse(
                    format!("--data takes one file or three (train, dev, test), not {}", others.len()),
                    "give --data FILE, or --data TRAIN DEV TEST",
                ));
            }
        };
        self.begun(parts)
    }

    /// The files train, dev and test of the folder that is named, if one is: the one of each whose name has that word
    /// in it.
    fn folder(&self) -> Result<Option<Vec<String>>> {
        let [folder] = self.names.as_slice() else { return Ok(None) };
        let folder = Path::new(folder);
        if self.is_embedded() || !folder.is_dir() {
            return Ok(None);
        }
        let entries = std::fs::read_dir(folder).map_err(|cause| Error::file(folder, "read", &cause))?;
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        paths.sort();
        let find = |part: &str| {
            let named =
                |path: &&std::path::PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().contains(part));
            match paths.iter().filter(named).collect::<Vec<_>>().as_slice() {
                [path] => Ok(path.display().to_string()),
                found => Err(Error::failure(
                    format!("{}: {} files whose name has `{part}` in it", folder.display(), found.len()),
                    "a folder holds one file each for train, dev and test; or name them: --data TRAIN DEV TEST",
                )),
            }
        };
        ["train", "dev", "test"].into_iter().map(find).collect::<Result<_>>().map(Some)
    }

    /// All sentences of one file, as [`Data::sentences`], where columns are chosen as they were in training. A file of
    /// the other kind has its usual columns.
    pub fn all_sentences(&self, columns: &[String]) -> Result<Stream<Sentence>> {
        if let [words, tags] = self.names.as_slice() {
            return Ok(parallel_sentences([words, tags], self.limits, self.bad_lines.clone()));
        }
        let origin = self.one()?;
        let by_name = columns.iter().any(|column| column.parse::<usize>().is_err());
        let is_named = is_named_table(origin.name()) || by_name && tables::has_header(&origin, columns)?;
        let fits = |column: &&String| column.parse::<usize>().is_err() == is_named;
        let chosen = [0, 1].map(|i| columns.get(i).filter(fits).map(String::as_str));
        sentences(origin, chosen, self.bad_lines.clone())
    }

    /// Sounds: the wav files of a folder, or of a set in the program, by their names. A file `transcripts.tsv` in the
    /// folder says what is said: `file<TAB>transcript` a line, under a header.
    pub fn recordings(&self) -> Result<Vec<Recording>> {
        match (self.embedded(), self.names.as_slice()) {
            (Some(DataSet { files: [(file, bytes)], .. }), _) if file.ends_with(".tar.gz") => {
                sound::packed(file, bytes)
            }
            (Some(set), _) => Err(set.other_kind("a set of recordings")),
            (None, [one]) => sound::folder(Path::new(one)),
            (None, others) => Err(others_than_one(others.len())),
        }
    }

    /// The one file that is named.
    fn one(&self) -> Result<Origin> {
        match (self.embedded(), self.names.as_slice()) {
            (Some(DataSet { files: [file], .. }), _) => Ok(Origin::inside(*file)),
            (Some(set), _) => Err(set.other_kind("one file")),
            (None, [one]) => self.file(one),
            (None, others) => Err(others_than_one(others.len())),
        }
    }

    fn file(&self, path: &str) -> Result<Origin> {
        if self.names.len() == 1 && !Path::new(path).exists() {
            let sets: Vec<&str> = self.sets.iter().map(|set| set.name).collect();
            return Err(match sets.as_slice() {
                [] => Error::failure(format!("{path}: no such file"), "give --data the name of a file"),
                _ => Error::failure(
                    format!("{path}: no such file, and no data set of that name"),
                    format!("data sets for this task inside the program: {}", sets.join(", ")),
                ),
            });
        }
        if Path::new(path).is_dir() {
            return Err(Error::failure(format!("{path}: it is a folder"), "give the file in it"));
        }
        Ok(Origin::path(path, self.limits))
    }
}

/// All bytes of a file, if there are no more than so many; a device can go on without end.
fn read_bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    limits::read(path, most)?.ok_or_else(|| {
        Error::failure(format!("{}: larger than the {most} bytes allowed", path.display()), "give less of it")
    })
}

impl DataSet {
    fn other_kind(&self, wanted: &str) -> Error {
        Error::misuse(format!("the data set {} is not {wanted}", self.name), "see --data in this task's --help")
    }
}

fn others_than_one(count: usize) -> Error {
    Error::misuse(format!("--data takes one file here, not {count}"), "give --data FILE")
}

/// Three files may also be given as one value with commas between.
fn names(data: &[String]) -> Vec<String> {
    match data {
        [one] if one.contains(',') && !Path::new(one).exists() => one.split(',').map(str::to_owned).collect(),
        _ => data.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(name: &str) -> Data<'static> {
        Data::open(&[name], &[])
    }

    #[test]
    fn data_is_known_by_its_contents_and_not_by_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let sum = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| path(name)).collect();
            Data::new(&names, &[], None, &OneProcess).checksum().unwrap()
        };
        std::fs::write(path("a.tsv"), "a\tb\n1\t2\n").unwrap();
        std::fs::create_dir(path("deep")).unwrap();
        std::fs::copy(path("a.tsv"), path("deep/x-train.tsv")).unwrap();
        std::fs::write(path("b.tsv"), "a\tb\n1\t3\n").unwrap();
        assert_eq!(sum(&["a.tsv"]), sum(&["deep/x-train.tsv"]));
        assert_ne!(sum(&["a.tsv"]), sum(&["b.tsv"]));
        assert_ne!(sum(&["a.tsv", "b.tsv"]), sum(&["b.tsv", "a.tsv"]));
        // Of a folder with three parts only they count.
        std::fs::copy(path("b.tsv"), path("deep/dev.tsv")).unwrap();
        std::fs::copy(path("b.tsv"), path("deep/test.tsv")).unwrap();
        std::fs::write(path("deep/README"), "notes").unwrap();
        assert_eq!(sum(&["deep"]), sum(&["a.tsv", "b.tsv", "b.tsv"]));
        // Of recordings the names count, and what is said.
        std::fs::create_dir_all(path("sounds")).unwrap();
        std::fs::write(path("sounds/1.wav"), "one").unwrap();
        let one = sum(&["sounds"]);
        std::fs::write(path("sounds/README"), "notes").unwrap();
        assert_eq!(sum(&["sounds"]), one);
        std::fs::write(path("sounds/transcripts.tsv"), "file\ttranscript\n1.wav\tone\n").unwrap();
        let with_text = sum(&["sounds"]);
        std::fs::rename(path("sounds/1.wav"), path("sounds/2.wav")).unwrap();
        assert!(one != with_text && with_text != sum(&["sounds"]));
        assert_eq!(Data::open(&[], &[]).checksum().unwrap(), None);
        assert!(data("missing.tsv").checksum().unwrap_err().to_string().starts_with("missing.tsv: no such file"));
    }

    #[test]
    fn what_gives_bytes_without_end_is_read_up_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ten");
        std::fs::write(&path, [7; 10]).unwrap();
        assert_eq!(read_bytes(&path, 10).unwrap(), [7; 10]);
        assert!(read_bytes(&path, 9).unwrap_err().to_string().ends_with("ten: larger than the 9 bytes allowed"));
        #[cfg(unix)]
        assert!(read_bytes(Path::new("/dev/zero"), 1000).is_err());
    }

    #[test]
    fn a_folder_of_sounds_has_transcripts_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 8000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(folder.path().join("a.wav"), spec).unwrap();
        [0i16, 16384, -32768].into_iter().for_each(|x| wav.write_sample(x).unwrap());
        wav.finalize().unwrap();
        let path = folder.path().to_str().unwrap();
        let found = data(path).recordings().unwrap();
        assert_eq!((found[0].samples.as_slice(), found[0].transcript.as_deref()), ([0.0, 0.5, -1.0].as_slice(), None));
        std::fs::write(folder.path().join("transcripts.tsv"), "file\ttranscript\na.wav\tone\n").unwrap();
        assert_eq!(data(path).recordings().unwrap()[0].transcript.as_deref(), Some("one"));
        std::fs::write(folder.path().join("b.wav"), "no sound").unwrap();
        assert!(data(path).recordings().err().unwrap().to_string().contains("b.wav: not a wav file"));
    }
}
