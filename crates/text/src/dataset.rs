//! Text files as streams of rows.
//!
//! A [`Source`] is bytes with a name: a file, standard input, or data compiled in. Gzip is recognized. A reader
//! ([`Tsv`], and its siblings for the other formats) turns a source into rows, one at a time, in bounded memory. A line
//! that cannot be used is an [`Error`](crate::Error) with file and line; the stream continues after it, so
//! [`SkipBadLines`] can leave such lines out and count them.

mod conll;
mod csv;
mod ending;
mod jsonl;
mod lines;
mod parallel;
mod row;
mod skip;
mod source;
mod split;
mod table;
mod tsv;

pub use conll::{Conll, Sentence};
pub use csv::Csv;
pub use jsonl::JsonLines;
pub use lines::Lines;
pub use parallel::{Parallel, read_text};
pub use row::{Column, Row};
pub use skip::{SkipBadLines, Skipping};
pub use source::{MAX_GZIP_RATIO, MAX_LINE_LENGTH, Source};
pub use split::{Part, Split};
pub use table::Table;
pub use tsv::Tsv;
