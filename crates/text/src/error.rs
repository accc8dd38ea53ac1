//! What can go wrong, where, and what would be right.

use std::fmt;
use std::io;

/// Names a place in the data: a file (or the caller's name for embedded data) and a line, counted from 1.
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
    /// Names a line of a source.
    pub fn new(file: impl Into<String>, line: u64) -> Self {
        Place { file: file.into(), line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// Says what is wrong with a gzip stream.
///
/// ```
/// use unspool_text::{Error, Lines, Source, Unpacking};
/// let cut: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0x4b];
/// let found = Lines::open(Source::bytes("t.gz", cut))?.next().unwrap();
/// assert!(matches!(found, Err(Error::Unpacking { reason: Unpacking::Truncated, .. })));
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unpacking {
    /// The stream ends in the middle.
    #[error("the file is truncated: its gzip stream ends in the middle")]
    Truncated,
    /// The stream is not what it claims: a wrong checksum, or no deflate data.
    #[error("the file is damaged: its gzip stream cannot be unpacked")]
    Damaged,
    /// The stream unpacks to much more than text of its size does.
    #[error("its gzip stream unpacks to more than {ratio} times its size")]
    Expanding {
        /// How many times its size is allowed: see [`Source::max_gzip_ratio`](crate::Source::max_gzip_ratio).
        ratio: u64,
    },
}

/// Describes what went wrong in this crate. Every message names the place, what is wrong there, and what would be
/// right.
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
    /// A gzip stream that is cut off, damaged, or expands beyond what text does.
    #[error("{file}: cannot read: {reason}")]
    Unpacking {
        /// The name of the source.
        file: String,
        /// What is wrong with the stream.
        reason: Unpacking,
    },
    /// A file could not be written.
    #[error("{file}: cannot write: {cause}")]
    Unwritable {
        /// The path.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// No line at all, not even a header.
    #[error("{file}: empty, but its first line must name the columns")]
    NoHeader {
        /// The name of the source.
        file: String,
    },
    /// A column that was asked for by a name that the header has twice.
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
    /// A wanted column is missing.
    #[error("{file}: no column {column}; there are: {found}")]
    NoColumn {
        /// The name of the source.
        file: String,
        /// What was asked for.
        column: String,
        /// The columns that are there.
        found: String,
    },
    /// A wanted column is missing, and another character than expected separates the header's fields.
    #[error("{file}: no column {column}: the header has {found} where {expected} separate the columns")]
    OtherSeparator {
        /// The name of the source.
        file: String,
        /// What was asked for.
        column: String,
        /// What the header has between its names: tabs, commas or semicolons.
        found: &'static str,
        /// What this format has between them.
        expected: &'static str,
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
    /// A row whose sentence has more words or fewer than it has tags.
    #[error("{place}: {found} tag{} for {expected} word{}", plural(.found), plural(.expected))]
    Tags {
        /// The row.
        place: Place,
        /// How many tags it has.
        found: usize,
        /// How many words.
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
    #[error("{place}: longer than the {limit} bytes allowed")]
    TooLong {
        /// Where the line begins.
        place: Place,
        /// The limit in bytes.
        limit: usize,
    },
    /// A file over the limit for a line that has carriage returns and no line feed.
    #[error("{file}: no line feed in the first {limit} bytes, but carriage returns (line ends of the classic Mac OS)")]
    LineEnds {
        /// The name of the source.
        file: String,
        /// The limit for a line, in bytes.
        limit: usize,
    },
    /// A quoted CSV field that does not close, or continues after its closing quote.
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
    #[error("{longer} has more lines than {shorter}, which ends after {lines}: parallel files must be equally long")]
    Uneven {
        /// The file that ended.
        shorter: String,
        /// The longer file.
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
    /// A saved list of labels that no data set can have.
    #[error("the labels {reason}")]
    LabelList {
        /// What is wrong with them.
        reason: String,
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
    /// A token occurs twice in a list that is to become a vocabulary.
    #[error("token `{token}` occurs twice in the vocabulary")]
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
    /// Merges are to be left out of a tokenizer that has none.
    #[error("{file}: the tokens are not made by merging byte pairs, so that no merge can be left out")]
    NoMerges {
        /// The name of the tokenizer's file; `trained` for a tokenizer that comes from no file.
        file: String,
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
    #[error("{file}: the tokenizer failed to {doing}: {reason}")]
    Library {
        /// The name of the tokenizer's file; `trained` for a tokenizer that comes from no file.
        file: String,
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
    /// A tag that does not mark spans.
    #[error("sentence {sentence}, word {word}: `{tag}` is not a tag; expected {expected}")]
    Tag {
        /// The sentence, counted from 1.
        sentence: usize,
        /// The word, counted from 1.
        word: usize,
        /// The tag.
        tag: String,
        /// What is allowed.
        expected: &'static str,
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
    Prefetch {
        /// The panic's message.
        reason: String,
    },
}

impl Error {
    /// The error of a reader: a fault of the gzip stream by its own name, anything else as the system says it.
    pub(crate) fn reading(file: &str, cause: io::Error) -> Self {
        let file = file.to_owned();
        match cause.get_ref().and_then(|inner| inner.downcast_ref::<Unpacking>()) {
            Some(reason) => Error::Unpacking { file, reason: *reason },
            None => Error::Unreadable { file, cause },
        }
    }

    /// Returns whether a single line of the data is wrong, so that it makes sense to continue with the next.
    pub fn is_bad_line(&self) -> bool {
        matches!(
            self,
            Error::Columns { .. }
                | Error::Tags { .. }
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
