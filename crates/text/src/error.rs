//! What can go wrong, where, and what would be right.

use std::fmt;
use std::io;

/// Where in the data: a file (or the caller's name for embedded data) and a line, counted from 1.
///
/// ```
/// use unspool_text::Place;
/// assert_eq!(Place::new("train.tsv", 7).to_string(), "train.tsv:7");
/// assert_eq!(Place::new("train.tsv", 0).to_string(), "train.tsv");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The name of the source, as the caller gave it.
    pub file: String,
    /// The line, counted from 1 in the uncompressed text; 0 means the source as a whole.
    pub line: u64,
}

impl Place {
    /// A line of a source.
    pub fn new(file: impl Into<String>, line: u64) -> Self {
        Place { file: file.into(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// The one error of this crate. Every message names the place, the fault, and what would be right.
///
/// ```
/// use unspool_text::{Source, Tsv};
///
/// let rows = Tsv::open(Source::bytes("pairs.tsv", b"swedish\tenglish\nHej!\n".as_slice())).unwrap();
/// let error = rows.collect::<Result<Vec<_>, _>>().unwrap_err();
/// assert_eq!(error.to_string(), "pairs.tsv:2: 1 column where there should be 2");
/// assert!(error.is_bad_line());
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system, or the gzip stream, refused.
    #[error("{file}: cannot read: {cause}")]
    Unreadable {
        /// The name of the source.
        file: String,
        /// What the reader said.
        cause: io::Error,
    },
    /// A file could not be written.
    #[error("{file}: cannot write: {cause}")]
    Unwritable {
        /// The path.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// No line at all where a header must stand.
    #[error("{file}: empty, where a header line with the names of the columns must stand")]
    NoHeader {
        /// The name of the source.
        file: String,
    },
    /// A column name stands twice in the header.
    #[error("{place}: the header names column `{column}` twice")]
    HeaderTwice {
        /// The header's line.
        place: Place,
        /// The name.
        column: String,
    },
    /// A header, or nothing at all, and no data.
    #[error("{file}: no data rows")]
    NoRows {
        /// The name of the source.
        file: String,
    },
    /// A wanted column is not there.
    #[error("{file}: no column {column}; there are: {found}")]
    NoColumn {
        /// The name of the source.
        file: String,
        /// What was asked for.
        column: String,
        /// The columns that are there.
        found: String,
    },
    /// A row with too few or too many columns.
    #[error("{place}: {found} column{} where there should be {expected}", plural(.found))]
    Columns {
        /// The row.
        place: Place,
        /// How many it has.
        found: usize,
        /// How many it should have.
        expected: usize,
    },
    /// Bytes that are not UTF-8.
    #[error("{place}: not UTF-8 at byte {byte} of the line (0x{value:02x})")]
    NotUtf8 {
        /// The line.
        place: Place,
        /// Offset of the first wrong byte, counted from 1.
        byte: usize,
        /// The wrong byte.
        value: u8,
    },
    /// A wanted field with nothing in it.
    #[error("{place}: {column} is empty")]
    EmptyField {
        /// The row.
        place: Place,
        /// Which column.
        column: String,
    },
    /// A line, or a quoted record, over the limit.
    #[error("{place}: longer than {limit} bytes; raise the limit if that is right")]
    TooLong {
        /// Where the line begins.
        place: Place,
        /// The limit in bytes.
        limit: usize,
    },
    /// A quoted CSV field that does not close, or goes on after its closing quote.
    #[error("{place}: {reason}")]
    Quoting {
        /// The record's first line.
        place: Place,
        /// What is wrong.
        reason: &'static str,
    },
    /// A line that is not the JSON that was expected.
    #[error("{place}: {reason}")]
    NotJson {
        /// The line.
        place: Place,
        /// What the parser said.
        reason: String,
    },
    /// Parallel files of different lengths.
    #[error("{longer} goes on where {shorter} has ended after {lines} lines: parallel files must be equally long")]
    Uneven {
        /// The file that ended.
        shorter: String,
        /// The file that goes on.
        longer: String,
        /// Lines in the shorter.
        lines: u64,
    },
    /// A label that the label set does not have.
    #[error("{place}: label `{label}` is none of: {known}")]
    UnknownLabel {
        /// The row.
        place: Place,
        /// The label found.
        label: String,
        /// The labels known.
        known: String,
    },
    /// Names and numbers among the labels of one file.
    #[error("{place}: label `{label}` among labels like `{other}`: labels are all names or all whole numbers")]
    MixedLabels {
        /// The first row of the other kind.
        place: Place,
        /// Its label.
        label: String,
        /// A label of the kind seen before.
        other: String,
    },
    /// One class cannot be told from another.
    #[error("{file}: every label is `{label}`; a classifier needs two or more")]
    OneLabel {
        /// The name of the source.
        file: String,
        /// The one label.
        label: String,
    },
    /// The special tokens and the alphabet do not fit in the size asked for.
    #[error("a vocabulary of {asked} is too small: the special tokens and the alphabet need {least}")]
    VocabularyTooSmall {
        /// The size asked for.
        asked: usize,
        /// The least that works.
        least: usize,
    },
    /// A token stands twice in a list that is to become a vocabulary.
    #[error("token `{token}` stands twice in the vocabulary")]
    TokenTwice {
        /// The token.
        token: String,
    },
    /// A tokenizer file that cannot be used.
    #[error("{file}: not a usable tokenizer: {reason}")]
    TokenizerFile {
        /// The name of the source.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A whole file over the limit for its kind.
    #[error("{file}: larger than the {limit} bytes allowed")]
    FileTooLarge {
        /// The name of the source.
        file: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The tokenizer library returned an error or panicked.
    #[error("the tokenizer failed to {doing}: {reason}")]
    Library {
        /// What was being done.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
    /// An id that no token has.
    #[error("id {id} is outside the vocabulary of {size}")]
    IdOutOfVocabulary {
        /// The id.
        id: u32,
        /// The vocabulary's size.
        size: usize,
    },
    /// Two lists that belong together differ in length.
    #[error("{found} {what} where {expected} were expected")]
    Count {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// No hypothesis, or no prediction.
    #[error("nothing to score")]
    NothingToScore,
    /// An option outside its range.
    #[error("{option} is {found}; it must be {expected}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value given.
        found: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// A saved position that is not of this data.
    #[error("the saved position does not fit this data: {reason}")]
    Position {
        /// Why not.
        reason: String,
    },
    /// A thread that read ahead panicked.
    #[error("the thread that reads ahead panicked: {reason}")]
    Ahead {
        /// The panic's message.
        reason: String,
    },
}

impl Error {
    /// Whether one line of the data is at fault, so that going on with the next makes sense.
    pub fn is_bad_line(&self) -> bool {
        matches!(
            self,
            Error::Columns { .. }
                | Error::NotUtf8 { .. }
                | Error::EmptyField { .. }
                | Error::TooLong { .. }
                | Error::Quoting { .. }
                | Error::NotJson { .. }
                | Error::UnknownLabel { .. }
        )
    }
}

fn plural(count: &usize) -> &'static str {
    if *count == 1 { "" } else { "s" }
}
