//! Where a training's rows come from: data inside the program, three files, or one that is split. All of it is read and checked
//! here, before anything is created.

use super::error::{Error, Result};
use std::{collections::BTreeSet, path::Path};
use unspool::text::{Part, Row, Source, Split, Tsv};

/// A data set compiled into the program.
struct Embedded {
    name: &'static str,
    /// The columns that a task reads unless told otherwise.
    columns: [&'static str; 2],
    files: [(&'static str, &'static [u8]); 3],
}

macro_rules! embedded {
    ($name:literal, $columns:expr) => {
        Embedded {
            name: $name,
            columns: $columns,
            files: [
                (concat!($name, ".train.tsv.gz"), include_bytes!(concat!("../../data/", $name, ".train.tsv.gz"))),
                (concat!($name, ".dev.tsv.gz"), include_bytes!(concat!("../../data/", $name, ".dev.tsv.gz"))),
                (concat!($name, ".test.tsv.gz"), include_bytes!(concat!("../../data/", $name, ".test.tsv.gz"))),
            ],
        }
    };
}

static EMBEDDED: [Embedded; 3] = [
    embedded!("tatoeba-eng-swe", ["swedish", "english"]),
    embedded!("tatoeba-eng-kor", ["korean", "english"]),
    embedded!("nsmc-sample", ["document", "label"]),
];

/// One part of a data set: its rows, with the two chosen columns, and where they are from.
pub(crate) struct Table {
    /// The file's name, for messages.
    pub(crate) file: String,
    /// The rows; `row[0]` is the first chosen column.
    pub(crate) rows: Vec<Row>,
}

/// The parts of a data set.
pub(crate) struct Splits {
    /// To learn from.
    pub(crate) train: Table,
    /// To choose by.
    pub(crate) dev: Table,
    /// To report on.
    pub(crate) test: Table,
    /// The names of the chosen columns.
    pub(crate) columns: [String; 2],
}

/// What `--data` and the column options ask for.
pub(crate) struct Wanted<'a> {
    /// The values of `--data`.
    pub(crate) data: &'a [String],
    /// The options that choose the two columns, with what was given.
    pub(crate) columns: [(&'static str, Option<&'a str>); 2],
    /// The columns of a user's file, where none are given.
    pub(crate) usual: [&'static str; 2],
}

/// Reads all parts.
pub(crate) fn read(wanted: &Wanted<'_>) -> Result<Splits> {
    let names = names(wanted.data);
    let set = match names.as_slice() {
        [name] => EMBEDDED.iter().find(|set| set.name == name),
        _ => None,
    };
    let columns = columns(wanted, set.map_or(wanted.usual, |set| set.columns))?;
    let hint = |error: unspool::text::Error| {
        let no_column = matches!(error, unspool::text::Error::NoColumn { .. });
        let [(first, _), (second, _)] = wanted.columns;
        let error = Error::from(error);
        if no_column { error.hint(format!("choose the columns by name with {first} and {second}")) } else { error }
    };
    let table = |source: Source| -> std::result::Result<Table, unspool::text::Error> {
        let file = source.name().to_owned();
        let rows = Tsv::open(source)?
            .columns(columns.each_ref().map(String::as_str))?
            .collect::<std::result::Result<_, _>>()?;
        Ok(Table { file, rows })
    };
    let parts = match (set, names.as_slice()) {
        (Some(set), _) => set.files.map(|(file, bytes)| table(Source::bytes(file, bytes)).map_err(hint)),
        (None, [one]) => {
            if !Path::new(one).exists() {
                let sets: Vec<&str> = EMBEDDED.iter().map(|set| set.name).collect();
                return Err(Error::failure(
                    format!("{one}: no such file, and no data set of that name"),
                    format!("data sets inside the program: {}", sets.join(", ")),
                ));
            }
            split(table(Source::file(one)?).map_err(hint)?)?.map(Ok)
        }
        (None, [train, dev, test]) => [train, dev, test].map(|path| Source::file(path).and_then(&table).map_err(hint)),
        (None, others) => {
            return Err(Error::misuse(
                format!("--data takes one file or set, or three files (train, dev, test), not {}", others.len()),
                "give --data FILE, --data NAME, or --data TRAIN DEV TEST",
            ));
        }
    };
    let [train, dev, test] = parts;
    Ok(Splits { train: train?, dev: dev?, test: test?, columns })
}

/// Three files may also be given as one value with commas between.
fn names(data: &[String]) -> Vec<String> {
    match data {
        [one] if one.contains(',') && !Path::new(one).exists() => one.split(',').map(str::to_owned).collect(),
        _ => data.to_vec(),
    }
}

fn columns(wanted: &Wanted<'_>, usual: [&'static str; 2]) -> Result<[String; 2]> {
    let [(first_option, first), (second_option, second)] = wanted.columns;
    let chosen = match (first, second) {
        (Some(a), Some(b)) => [a, b],
        // One name alone turns the usual direction round, where it is the other side's.
        (Some(a), None) => [a, if a == usual[1] { usual[0] } else { usual[1] }],
        (None, Some(b)) => [if b == usual[0] { usual[1] } else { usual[0] }, b],
        (None, None) => usual,
    };
    if chosen[0] == chosen[1] {
        return Err(Error::misuse(
            format!("{first_option} and {second_option} both name the column {}", chosen[0]),
            "name two different columns",
        ));
    }
    Ok(chosen.map(str::to_owned))
}

/// A tenth each for dev and test, by a hash of each line.
fn split(whole: Table) -> Result<[Table; 3]> {
    let share = Split::new(0.1, 0.1)?;
    let total = whole.rows.len();
    let distinct: BTreeSet<u64> = whole.rows.iter().map(|row| row.hash).collect();
    let part = || Table { file: whole.file.clone(), rows: vec![] };
    let mut parts = [part(), part(), part()];
    for row in whole.rows {
        let place = match share.part(row.hash) {
            Part::Train => 0,
            Part::Dev => 1,
            Part::Test => 2,
        };
        parts[place].rows.push(row);
    }
    match parts.iter().zip(["train on", "choose by", "test on"]).find(|(part, _)| part.rows.is_empty()) {
        None => Ok(parts),
        Some((part, purpose)) => Err(Error::failure(
            format!(
                "{}: {total} rows ({} different) are too few to split by a hash of the line: none are left to {purpose}",
                part.file,
                distinct.len()
            ),
            "add rows, or give three files: --data TRAIN DEV TEST",
        )),
    }
}
