//! A row of fields, and how columns are chosen.

use std::ops::Index;

use super::table::Record;
use crate::error::{Error, Place};

/// Holds the chosen fields of one row.
///
/// ```
/// use unspool_text::{Source, Tsv};
/// let table = Source::bytes("t.tsv", b"id\tswedish\tenglish\n7\tHej!\tHello!\n".as_slice());
/// let row = Tsv::open(table)?.columns(["english", "swedish"])?.next().unwrap()?;
/// assert_eq!((row.line, &row[0], &row[1]), (2, "Hello!", "Hej!"));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line of the file the row begins in, counted from 1.
    pub line: u64,
    /// The fields, in the order the columns were chosen.
    pub fields: Vec<String>,
    /// A hash of the whole line, chosen or not, which [`Split`](super::Split) uses.
    pub hash: u64,
}

impl Index<usize> for Row {
    type Output = str;

    fn index(&self, column: usize) -> &str {
        &self.fields[column]
    }
}

/// Names a column, by its name in the header or by its number, counted from 1 as `cut -f` counts.
///
/// ```
/// use unspool_text::{Column, Source, Tsv};
/// let table = || Tsv::open(Source::bytes("t.tsv", b"swedish\tenglish\nHej!\tHello!\n".as_slice()));
/// for column in [Column::from("english"), Column::from(2)] {
///     assert_eq!(&table()?.columns([column])?.next().unwrap()?[0], "Hello!");
/// }
/// let why = table()?.columns(["german"]).unwrap_err().to_string();
/// assert_eq!(why, "t.tsv: no column `german`; there are: swedish, english");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// The name in the header.
    Name(String),
    /// The place, from 1.
    Number(usize),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Column::Name(name.to_owned())
    }
}

impl From<&String> for Column {
    fn from(name: &String) -> Self {
        Column::Name(name.clone())
    }
}

impl From<String> for Column {
    fn from(name: String) -> Self {
        Column::Name(name)
    }
}

impl From<usize> for Column {
    fn from(number: usize) -> Self {
        Column::Number(number)
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Column::Name(name) => write!(f, "`{name}`"),
            Column::Number(number) => write!(f, "number {number}"),
        }
    }
}

/// The header of a table and which of its columns are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Columns {
    /// Where the header stands.
    place: Place,
    /// Names without the blanks around them, or numbers where the table has no header.
    pub(crate) names: Vec<String>,
    named: bool,
    separator: char,
    chosen: Vec<usize>,
    pub(crate) allow_empty: bool,
}

impl Columns {
    /// The columns of a header line; all of them are wanted at first. Names that nobody asks for may be blank or
    /// repeated.
    pub(crate) fn of_header(place: Place, names: Vec<String>, separator: char) -> Self {
        let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
        let chosen = (0..names.len()).collect();
        Columns { place, names, named: true, separator, chosen, allow_empty: false }
    }

    /// As many columns as the first row has, by number only.
    pub(crate) fn numbered(file: &str, count: usize, separator: char) -> Self {
        let names = (1..=count).map(|number| number.to_string()).collect();
        let (place, chosen) = (Place::new(file, 0), (0..count).collect());
        Columns { place, names, named: false, separator, chosen, allow_empty: false }
    }

    pub(crate) fn choose(&mut self, columns: impl IntoIterator<Item = Column>) -> Result<(), Error> {
        self.chosen = columns.into_iter().map(|column| self.find(&column)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn find(&self, column: &Column) -> Result<usize, Error> {
        let found = match column {
            Column::Name(name) if self.named => {
                let name = name.trim();
                let mut places =
                    self.names.iter().enumerate().filter(|(_, known)| *known == name).map(|(place, _)| place);
                let first = places.next();
                if places.next().is_some() {
                    return Err(Error::HeaderTwice { place: self.place.clone(), column: name.to_owned() });
                }
                first
            }
            Column::Name(_) => None,
            Column::Number(number) => number.checked_sub(1).filter(|index| *index < self.names.len()),
        };
        found.ok_or_else(|| self.no_column(column))
    }

    fn no_column(&self, column: &Column) -> Error {
        let (file, column) = (self.place.file.clone(), column.to_string());
        let called = |separator| match separator {
            '\t' => "tabs",
            ',' => "commas",
            _ => "semicolons",
        };
        // A header in one piece that another separator would cut is a table of another form.
        let other =
            [',', '\t', ';'].into_iter().find(|other| *other != self.separator && self.names[0].contains(*other));
        match other.filter(|_| self.named && self.names.len() == 1) {
            Some(other) => {
                Error::OtherSeparator { file, column, found: called(other), expected: called(self.separator) }
            }
            None => Error::NoColumn { file, column, found: self.names.join(", ") },
        }
    }

    /// The wanted fields of a record.
    pub(crate) fn row(&self, file: &str, record: Record) -> Result<Row, Error> {
        let Record { line, hash, mut fields } = record;
        if fields.len() != self.names.len() {
            let place = Place::new(file, line);
            return Err(Error::Columns { place, found: fields.len(), expected: self.names.len() });
        }
        for &column in &self.chosen {
            if !self.allow_empty && fields[column].trim().is_empty() {
                let name = &self.names[column];
                let column = if self.named { format!("column `{name}`") } else { format!("column {name}") };
                return Err(Error::EmptyField { place: Place::new(file, line), column });
            }
        }
        let all = self.chosen.len() == fields.len() && self.chosen.is_sorted();
        if !all || self.chosen.windows(2).any(|two| two[0] == two[1]) {
            fields = self.chosen.iter().map(|column| fields[*column].clone()).collect();
        }
        Ok(Row { line, fields, hash })
    }
}
