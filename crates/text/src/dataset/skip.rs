//! Leaving bad lines out, and counting them.

use crate::error::Error;

/// How many of the first reasons are kept word for word.
const REASONS: usize = 10;

/// Leaves out the bad lines of a stream of rows, instead of ending the run.
///
/// ```
/// use unspool_text::{LabelSet, SkipBadLines, Source, Tsv};
/// let table = Source::bytes("t.tsv", b"text\tlabel\nbra\tpos\nonly one\nusel\tneg\n".as_slice());
/// let labels = Tsv::open(table)?.columns(["label"])?.skip_bad_lines();
/// let labels = labels.map(|row| row.map(|row| row[0].to_owned())).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(labels, ["pos", "neg"]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub trait SkipBadLines<T>: Iterator<Item = Result<T, Error>> + Sized {
    /// Leaves out and counts what [`Error::is_bad_line`]; other errors come through.
    ///
    /// ```
    /// use unspool_text::{SkipBadLines, Source, Tsv};
    ///
    /// let table = Source::bytes("t.tsv", b"a\tb\n1\t2\nbroken\n3\t4\n".as_slice());
    /// let mut rows = Tsv::open(table)?.skip_bad_lines();
    /// assert_eq!(rows.by_ref().collect::<Result<Vec<_>, _>>()?.len(), 2);
    /// assert_eq!(rows.skipped(), 1);
    /// assert_eq!(rows.reasons(), ["t.tsv:3: 1 column where there should be 2"]);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    fn skip_bad_lines(self) -> Skipping<Self> {
        Skipping { rows: self, skipped: 0, reasons: Vec::new() }
    }
}

impl<T, I: Iterator<Item = Result<T, Error>>> SkipBadLines<T> for I {}

/// Iterates over a stream without its bad lines.
///
/// ```
/// use unspool_text::{Lines, SkipBadLines, Source};
/// let mut lines = Lines::open(Source::bytes("t", b"good\n\xff\n".as_slice()))?.skip_bad_lines();
/// assert_eq!(lines.by_ref().count(), 1);
/// assert_eq!(lines.skipped(), 1);
/// assert_eq!(lines.reasons(), ["t:2: not UTF-8 at byte 1 of the line (0xff)"]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Debug)]
pub struct Skipping<I> {
    rows: I,
    skipped: u64,
    reasons: Vec<String>,
}

impl<I> Skipping<I> {
    /// Returns the number of lines left out so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the reasons for the first ten of them.
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl<T, I: Iterator<Item = Result<T, Error>>> Iterator for Skipping<I> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.rows.next()? {
                Err(error) if error.is_bad_line() => {
                    self.skipped += 1;
                    if self.reasons.len() < REASONS {
                        self.reasons.push(error.to_string());
                    }
                }
                row => return Some(row),
            }
        }
    }
}
