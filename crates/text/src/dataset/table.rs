//! Tables: records of fields under a header.

use super::ending::Ending;
use super::lines::Lines;
use super::row::{Column, Columns, Row};
use super::source::Source;
use crate::error::{Error, Place};

/// Holds one record, before columns are chosen.
#[derive(Debug)]
pub struct Record {
    pub(crate) line: u64,
    pub(crate) hash: u64,
    pub(crate) fields: Vec<String>,
}

/// Defines how a table's file is cut into records: the difference between [`Tsv`](super::Tsv) and [`Csv`](super::Csv).
pub trait Format {
    /// Separates two fields.
    const SEPARATOR: char;

    /// Returns the next record, from one line or, where fields are quoted, from several.
    fn next_record(lines: &mut Lines) -> Option<Result<Record, Error>>;
}

/// Reads the rows of a table, one at a time. See [`Tsv`](super::Tsv) and [`Csv`](super::Csv) for the two kinds.
///
/// A row with too few or too many columns, a wanted field that is empty, a line that is not UTF-8 or too long is an
/// error that names the line, and the next call continues after it; a table without rows is an error at its end.
///
/// ```
/// use unspool_text::{Csv, Source, Tsv};
/// let tabs = Tsv::open(Source::bytes("t.tsv", b"a\tb\n1\t\n".as_slice()))?;
/// let commas = Csv::without_header(Source::bytes("t.csv", b"1,2\n3,4\n".as_slice()))?;
/// assert_eq!(tabs.header(), ["a", "b"]);
/// assert_eq!(&tabs.allow_empty().next().unwrap()?[1], "");
/// assert_eq!(&commas.columns([2])?.last().unwrap()?[0], "4");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Debug)]
pub struct Table<F> {
    lines: Lines,
    columns: Columns,
    /// The first row of a table without a header, read to count its columns.
    waiting: Option<Record>,
    ending: Ending,
    format: std::marker::PhantomData<fn() -> F>,
}

impl<F: Format> Table<F> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::NoHeader`], or an error in the header line.
    pub fn open(source: Source) -> Result<Self, Error> {
        let mut lines = Lines::open(source)?;
        let header = match F::next_record(&mut lines) {
            None => return Err(Error::NoHeader { file: lines.file().to_owned() }),
            Some(record) => record?,
        };
        let columns = Columns::of_header(Place::new(lines.file(), header.line), header.fields, F::SEPARATOR);
        Ok(Self::new(lines, columns, None))
    }

    /// Opens a table without a header: the first line is data, and columns go by number.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::NoRows`], or an error in the first line.
    pub fn without_header(source: Source) -> Result<Self, Error> {
        let mut lines = Lines::open(source)?;
        let first = match F::next_record(&mut lines) {
            None => return Err(Error::NoRows { file: lines.file().to_owned() }),
            Some(record) => record?,
        };
        let columns = Columns::numbered(lines.file(), first.fields.len(), F::SEPARATOR);
        Ok(Self::new(lines, columns, Some(first)))
    }

    fn new(lines: Lines, columns: Columns, waiting: Option<Record>) -> Self {
        Table { lines, columns, waiting, ending: Ending::default(), format: std::marker::PhantomData }
    }

    /// Chooses the columns that a row has, and their order; without this call a row has all columns.
    ///
    /// Blanks around a name do not count, in the header or here. Columns that are not chosen may be empty, unnamed, or
    /// have the same name.
    ///
    /// # Errors
    /// [`Error::NoColumn`]; [`Error::OtherSeparator`] where the header is one of another form of table;
    /// [`Error::HeaderTwice`] for a name that two columns have.
    pub fn columns<C: Into<Column>>(mut self, columns: impl IntoIterator<Item = C>) -> Result<Self, Error> {
        self.columns.choose(columns.into_iter().map(Into::into))?;
        Ok(self)
    }

    /// Lets wanted fields be empty.
    #[must_use]
    pub fn allow_empty(mut self) -> Self {
        self.columns.allow_empty = true;
        self
    }

    /// Returns the names of all columns without the blanks around them, or their numbers where there is no header.
    pub fn header(&self) -> &[String] {
        &self.columns.names
    }

    /// Returns the source's name.
    pub fn file(&self) -> &str {
        self.lines.file()
    }
}

impl<F: Format> Iterator for Table<F> {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ending.is_over() {
            return None;
        }
        let record = self.waiting.take().map(Ok).or_else(|| F::next_record(&mut self.lines));
        let row = record.map(|record| record.and_then(|record| self.columns.row(self.lines.file(), record)));
        self.ending.pass(row, self.lines.file())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tsv;
    use super::*;

    fn open(table: &'static str) -> Tsv {
        Tsv::open(Source::bytes("t.tsv", table.as_bytes())).unwrap()
    }

    fn message<T>(result: Result<T, Error>) -> String {
        result.err().unwrap().to_string()
    }

    #[test]
    fn columns_are_found_by_name_or_number() {
        let rows: Vec<_> = open("a\tb\tc\n1\t2\t3\n").columns([Column::from("c"), Column::from(1)]).unwrap().collect();
        assert_eq!(rows[0].as_ref().unwrap().fields, ["3", "1"]);
        assert_eq!(message(open("a\tb\n1\t2\n").columns(["c"])), "t.tsv: no column `c`; there are: a, b");
        assert_eq!(message(open("a\tb\n1\t2\n").columns([3])), "t.tsv: no column number 3; there are: a, b");
    }

    #[test]
    fn without_a_header_columns_have_numbers_only() {
        let table = || Tsv::without_header(Source::bytes("t", b"x\ty\nz\tw\n".as_slice())).unwrap();
        let rows = table().columns([2]).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!((&rows[0][0], &rows[1][0], rows[1].line), ("y", "w", 2));
        assert_eq!(message(table().columns(["1"])), "t: no column `1`; there are: 1, 2");
    }

    #[test]
    fn each_bad_row_is_named_and_the_next_is_read() {
        let found: Vec<_> = open("a\tb\n1\n1\t2\t3\n\t2\n1\t2\n").map(|row| row.map_err(|e| e.to_string())).collect();
        assert_eq!(found[0].as_ref().unwrap_err(), "t.tsv:2: 1 column where there should be 2");
        assert_eq!(found[1].as_ref().unwrap_err(), "t.tsv:3: 3 columns where there should be 2");
        assert_eq!(found[2].as_ref().unwrap_err(), "t.tsv:4: column `a` is empty");
        assert_eq!(found[3].as_ref().unwrap().fields, ["1", "2"]);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn an_empty_file_has_no_header_and_a_lone_header_no_rows() {
        assert_eq!(
            message(Tsv::open(Source::bytes("t", b"".as_slice()))),
            "t: empty, but its first line must name the columns"
        );
        assert_eq!(message(open("a\tb\n").collect::<Result<Vec<_>, _>>()), "t.tsv: no data rows");
    }

    #[test]
    fn columns_that_nobody_asks_for_may_be_blank_repeated_or_empty() {
        let table = || open("\t a\tb \tb\t\t\n1\t2\t3\t\t\t\n");
        assert_eq!(table().header(), ["", "a", "b", "b", "", ""]);
        for asked in ["a", " a "] {
            assert_eq!(&table().columns([asked]).unwrap().next().unwrap().unwrap()[0], "2");
        }
        assert_eq!(message(table().columns(["b"])), "t.tsv:1: the header names column `b` twice");
        assert_eq!(message(table().columns([""])), "t.tsv:1: the header names column `` twice");
        assert_eq!(message(table().columns([4]).unwrap().next().unwrap()), "t.tsv:2: column `b` is empty");
    }

    #[test]
    fn a_table_of_another_form_is_called_what_it_is() {
        let commas = open("document,label\ngood,1\n").columns(["label"]);
        let wanted = "t.tsv: no column `label`: the header has commas where tabs separate the columns";
        assert_eq!(message(commas), wanted);
        let semicolons = Source::bytes("t.csv", b"a;b\n1;2\n".as_slice());
        let found = super::super::Csv::open(semicolons).unwrap().columns(["b"]);
        assert_eq!(message(found), "t.csv: no column `b`: the header has semicolons where commas separate the columns");
        assert!(open("a,b\n1\n").columns(["a,b"]).is_ok(), "a comma in a name is a character like others");
    }
}
