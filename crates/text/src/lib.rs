//! From text files to padded batches to scores.
//!
//! This crate is everything between a text file and a recurrent model, and nothing of the model: it gives `ndarray`
//! arrays that any framework takes. In reading order:
//!
//! - [`Source`] and [`Tsv`]: rows of a file, gzip or not, with errors that name the line; [`Split`] by a hash.
//! - [`Tokenizer`], [`Vocabulary`], [`LabelSet`]: text and labels as ids.
//! - [`Padded`], [`TeacherForcing`], [`Labelled`]: ids as `[batch, time]` arrays with lengths.
//! - [`Buckets`]: which rows go together, anew in each epoch, and where to resume.
//! - [`score`]: BLEU as sacrebleu computes it, accuracy.
//!
//! Nothing a file can contain makes this crate panic, and no result depends on the order of a hash map, a thread or
//! a clock.

#![forbid(unsafe_code)]

mod ahead;
mod batch;
mod bucket;
mod dataset;
mod error;
mod label;
mod random;
pub mod score;
mod stream;
mod tagging;
mod teacher_forcing;
mod tokenizer;
mod vocabulary;
mod window;

pub use ahead::Ahead;
pub use batch::{Labelled, Padded, Truncated, truncate};
pub use bucket::{BatchSize, Buckets, Epochs, Position};
pub use dataset::{
    Column, Conll, Csv, JsonLines, LONGEST_LINE, Lines, Parallel, Part, Row, Sentence, SkipBadLines, Skipping, Source,
    Split, Table, Tsv, read_text,
};
pub use error::{Error, Place};
pub use label::LabelSet;
pub use stream::{StreamPosition, Streams, Window, Windowed};
pub use tagging::{Aligned, TagAt, Tagged};
pub use teacher_forcing::{Feed, TeacherForcing};
pub use tokenizer::{LARGEST_TOKENIZER_FILE, Normalization, TokenKind, Tokenizer, TokenizerOptions};
pub use vocabulary::{Coverage, Specials, Vocabulary};
pub use window::Windows;
