//! How examples come: of the rows of a file, or put together of some material.

use crate::{
    data::{Data, Stream, TableRows},
    error::{Error, Result},
    parts::Parts,
};
use std::sync::Arc;
use unspool::text::Row;

/// How the examples of a part come.
pub trait Source: Send + Sync + 'static {
    /// What an example is made of.
    type Row: Send + Sync + 'static;

    /// Returns which of the two it is.
    fn kind(&self) -> Kind<'_, Self::Row>;

    /// Returns the names of the columns that are read, where they have names.
    fn columns(&self) -> &[String] {
        &[]
    }

    /// Opens the three parts of the data, where the data alone says how.
    ///
    /// # Errors
    /// It does not, or the data is not what it should be.
    fn open(data: &Data) -> Result<Parts<Self>>
    where
        Self: Sized,
    {
        Err(Error::failure(format!("{}: nothing says how it is read", data.name()), "write `Task::read`"))
    }

    /// Opens all of the data, where the data alone says how.
    ///
    /// # Errors
    /// It does not, or the data is not what it should be.
    fn open_to_score(data: &Data) -> Result<Self>
    where
        Self: Sized,
    {
        Err(Error::failure(format!("{}: nothing says how it is read", data.name()), "write `Task::read_to_score`"))
    }

    /// Returns the texts of a row, if it is nothing but texts.
    fn texts(_row: &Self::Row) -> Option<&[String]> {
        None
    }

    /// Makes a row of its texts again, where rows are nothing but texts.
    fn row_of_texts(_texts: Vec<String>) -> Option<Self::Row> {
        None
    }

    /// Makes a row of a line of text, where a line is one.
    ///
    /// # Errors
    /// It is none.
    fn row_of_line(line: &str) -> Result<Self::Row> {
        Err(Error::failure(format!("{line:?}: nothing says how a line is read"), "write `Task::read_line`"))
    }
}

/// Which kind of source it is.
#[derive(Debug)]
pub enum Kind<'a, R> {
    /// One example for each row of a file. Examples are made once and kept, and several processes share them out.
    Rows(&'a Stream<R>),
    /// Examples that are made of one material whenever they are needed.
    Drawn(&'a Drawn<R>),
}

impl<R: Send + Sync + 'static> Source for Stream<R> {
    type Row = R;
    fn kind(&self) -> Kind<'_, R> {
        Kind::Rows(self)
    }
}

impl Source for TableRows {
    type Row = Row;
    fn kind(&self) -> Kind<'_, Row> {
        Kind::Rows(self)
    }
    fn columns(&self) -> &[String] {
        &self.columns
    }
    fn open(data: &Data) -> Result<Parts<TableRows>> {
        data.splits()
    }
    fn open_to_score(data: &Data) -> Result<TableRows> {
        data.table()
    }
    fn texts(row: &Row) -> Option<&[String]> {
        Some(&row.fields)
    }
    fn row_of_texts(fields: Vec<String>) -> Option<Row> {
        Some(Row { line: 0, fields, hash: 0 })
    }
    fn row_of_line(line: &str) -> Result<Row> {
        Ok(Row { line: 0, fields: vec![line.to_owned()], hash: 0 })
    }
}

impl<S: Send + Sync + 'static> Source for Drawn<S> {
    type Row = S;
    fn kind(&self) -> Kind<'_, S> {
        Kind::Drawn(self)
    }
    fn columns(&self) -> &[String] {
        &self.columns
    }
}

/// Examples that are made of one material whenever they are needed: in training anew in each epoch.
#[derive(Debug)]
pub struct Drawn<S> {
    pub(crate) material: Arc<S>,
    /// Of each example: see [`Task::lengths`](crate::Task::lengths).
    pub(crate) lengths: Vec<(usize, usize)>,
    pub(crate) batches: Option<Vec<Vec<usize>>>,
    /// The names of the columns of the data, where it is a table.
    columns: Vec<String>,
}

impl<S> Clone for Drawn<S> {
    fn clone(&self) -> Drawn<S> {
        let Drawn { material, lengths, batches, columns } = self;
        Drawn {
            material: material.clone(),
            lengths: lengths.clone(),
            batches: batches.clone(),
            columns: columns.clone(),
        }
    }
}

impl<S> Drawn<S> {
    /// Draws one example of each of these lengths.
    pub fn new(material: S, lengths: Vec<(usize, usize)>) -> Drawn<S> {
        Drawn { material: Arc::new(material), lengths, batches: None, columns: vec![] }
    }

    /// Trains on the examples in these batches, epoch after epoch, instead of in batches of like lengths.
    #[must_use]
    pub fn in_batches(mut self, batches: Vec<Vec<usize>>) -> Drawn<S> {
        self.batches = Some(batches);
        self
    }

    /// Names the columns of the table that the material is read from.
    #[must_use]
    pub fn named(mut self, columns: Vec<String>) -> Drawn<S> {
        self.columns = columns;
        self
    }

    /// Returns the lengths of all examples: see [`Task::lengths`](crate::Task::lengths).
    pub fn lengths(&self) -> &[(usize, usize)] {
        &self.lengths
    }

    /// Returns what the examples are made of.
    pub fn material(&self) -> &S {
        &self.material
    }
}

/// How many examples are drawn of what is for dev or test.
const HELD_OUT: usize = 1000;

impl<S> Drawn<Vec<S>> {
    /// Draws examples of `length` time steps each from the items of the three parts, `train` of them in an epoch of
    /// training. What one part is made of is in no other.
    pub fn parts(items: Parts<Vec<S>>, train: usize, length: usize) -> Parts<Drawn<Vec<S>>> {
        let held_out = |items| Drawn::new(items, vec![(0, length); HELD_OUT.min(train)]);
        Parts {
            train: Drawn::new(items.train, vec![(0, length); train]),
            dev: held_out(items.dev),
            test: held_out(items.test),
        }
    }

    /// Draws examples to score a trained model on.
    pub fn to_score(items: Vec<S>, length: usize) -> Drawn<Vec<S>> {
        Drawn::new(items, vec![(0, length); HELD_OUT])
    }
}

/// Divides the rows of a file by their numbers, from 0: 4 modulo 5 is for the test, 3 modulo 10 for dev, the rest to
/// train on.
///
/// ```
/// let parts = unspool_task::by_number((0..10).collect());
/// assert_eq!((parts.train, parts.dev, parts.test), (vec![0, 1, 2, 5, 6, 7, 8], vec![3], vec![4, 9]));
/// ```
pub fn by_number<S>(rows: Vec<S>) -> Parts<Vec<S>> {
    let mut parts = Parts { train: vec![], dev: vec![], test: vec![] };
    for (number, row) in rows.into_iter().enumerate() {
        match number % 10 {
            4 | 9 => parts.test.push(row),
            3 => parts.dev.push(row),
            _ => parts.train.push(row),
        }
    }
    parts
}
