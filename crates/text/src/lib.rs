//! From text files to padded batches to scores.
//!
//! This crate is everything between a text file and a recurrent model, but nothing of the model: it returns `ndarray`
//! arrays, which any framework can take.
//!
//! ```
//! use unspool_text::{BatchSize, Buckets, Error, Padded, Row, Source, TeacherForcing, TokenKind, Tokenizer,
//!                    TokenizerOptions, Tsv, score::{Bleu, CorpusMetric}};
//!
//! // Rows of a file, by the names of its columns.
//! let table = "english\tswedish\nHelp!\tHjälp!\nI know.\tJag vet.\nI know Tom.\tJag känner Tom.\n";
//! let rows = Tsv::open(Source::bytes("pairs.tsv", table.as_bytes()))?.columns(["swedish", "english"])?;
//! let rows: Vec<Row> = rows.collect::<Result<_, _>>()?;
//!
//! // Text as ids.
//! let options = TokenizerOptions { vocabulary_size: 280, ..Default::default() };
//! let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, rows.iter().flat_map(|row| &row.fields), &options)?;
//! let sources = tokenizer.encode_all(rows.iter().map(|row| &row[0]))?;
//! let targets = tokenizer.encode_all(rows.iter().map(|row| &row[1]))?;
//!
//! // Batches of similar lengths, at most 64 tokens each, in another order in every epoch.
//! let lengths = sources.iter().zip(&targets).map(|(source, target)| (source.len(), target.len() + 1));
//! let buckets = Buckets::pairs(lengths, BatchSize::Tokens(64), 7)?;
//! for batch in buckets.epoch(0) {
//!     let pick = |from: &[Vec<u32>]| batch.iter().map(|row| from[*row].clone()).collect::<Vec<_>>();
//!     let source = Padded::new(&pick(&sources), tokenizer.specials().pad);
//!     let target = TeacherForcing::new(&pick(&targets), tokenizer.specials());
//!     assert_eq!(source.ids.nrows(), target.input.nrows());
//! }
//!
//! // Scores that can be compared with published ones.
//! let bleu = Bleu::default().score(&["I know Tim.", "Help!"], &[&["I know Tom.", "Help!"]])?;
//! assert_eq!(bleu.signature, "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0");
//! # Ok::<(), Error>(())
//! ```
//!
//! # The few main types, in reading order
//!
//! - [`Source`] is bytes with a name. [`Tsv`], [`Csv`], [`JsonLines`], [`Parallel`] and [`Conll`] are rows of them,
//!   with errors that name the line ([`SkipBadLines`] leaves such lines out); [`Split`] divides by a hash of the line.
//! - [`Tokenizer`], [`Vocabulary`] and [`LabelSet`] turn text and labels into ids.
//! - [`Padded`], [`TeacherForcing`], [`Labelled`] and [`Tagged`] are ids as `[batch, time]` arrays, for
//!   many-to-many, one-to-many, many-to-one and aligned tags; [`BpttStreams`] is one long text for truncated
//!   back-propagation. [`truncate`] is the only function that shortens them, and counts what it cuts.
//! - [`Buckets`] (in memory) and [`StreamingBatches`] (streamed) say which rows go together in each epoch, and
//!   where to resume; [`Prefetch`] does the work on another thread.
//! - [`score`]: BLEU, chrF and TER as sacrebleu computes them, F1 of spans as seqeval does, perplexity, error rates,
//!   and whether a difference counts.
//!
//! # How do I …
//!
//! … **leave bad lines out**, and know how many? Ask for it; otherwise the first one is an error:
//!
//! ```
//! use unspool_text::{SkipBadLines, Source, Tsv};
//! let open = || Tsv::open(Source::bytes("t.tsv", "a\tb\n1\t2\nonly one\n3\t4\n".as_bytes()));
//! let why = open()?.collect::<Result<Vec<_>, _>>().unwrap_err().to_string();
//! assert!(why.starts_with("t.tsv:3"), "{why}");
//! let mut rows = open()?.skip_bad_lines();
//! assert_eq!((rows.by_ref().filter(|row| row.is_ok()).count(), rows.skipped()), (2, 1));
//! # Ok::<(), unspool_text::Error>(())
//! ```
//!
//! … **make one vocabulary of words**, without a tokenizer?
//!
//! ```
//! use unspool_text::Vocabulary;
//! let words: Vec<&str> = "to be or not to be, to sleep".split(' ').collect();
//! let vocabulary = Vocabulary::count(&words, 1, 100)?;
//! assert_eq!(vocabulary.token(4), Some("to")); // after the four special tokens, the most frequent one first
//! assert_eq!(vocabulary.id_or_unknown("whale"), 1);
//! # Ok::<(), unspool_text::Error>(())
//! ```
//!
//! … **split a file** into parts that stay the same when lines are added?
//!
//! ```
//! use unspool_text::{Part, Source, Split, Tsv};
//! let dev_of = |table: String| -> Result<Vec<String>, unspool_text::Error> {
//!     let (split, rows) = (Split::new(0.1, 0.1)?, Tsv::without_header(Source::bytes("t", table.into_bytes()))?);
//!     let rows = rows.collect::<Result<Vec<_>, _>>()?;
//!     Ok(rows.iter().filter(|row| split.part(row.hash) == Part::Dev).map(|row| row[0].to_string()).collect())
//! };
//! let lines: Vec<String> = (0..100).map(|n| format!("{n}\tx{n}\n")).collect();
//! let (all, fewer) = (dev_of(lines.concat())?, dev_of(lines[1..].concat())?);
//! assert!(fewer.iter().all(|line| all.contains(line)));                    // no line has moved
//! # Ok::<(), unspool_text::Error>(())
//! ```
//!
//! … read a file format of my own, write a metric? See [`Lines`] and [`score::Hits`], and the cookbook of the crate
//! `unspool`, `unspool::cookbook`.
//!
//! Nothing a file can contain makes this crate panic, and no result depends on the order of a hash map, a thread or
//! a clock.

#![forbid(unsafe_code)]
// Without the feature, links to what it adds lead nowhere.
#![cfg_attr(not(feature = "tokenizer"), allow(rustdoc::broken_intra_doc_links))]
#![warn(missing_debug_implementations)]

mod batch;
mod bptt_streams;
mod bucket;
mod character_class;
mod dataset;
mod error;
mod label;
mod named;
mod prefetch;
mod random;
pub mod score;
mod streaming_batches;
#[cfg(feature = "tokenizer")]
mod tagging;
mod teacher_forcing;
mod token_ids;
#[cfg(feature = "tokenizer")]
mod tokenizer;
mod vocabulary;

pub use batch::{Labelled, Padded, Truncated, truncate};
pub use bptt_streams::{BpttPosition, BpttStreams, BpttWindow, BpttWindows};
pub use bucket::{BatchSize, Buckets, Epochs, Position};
pub use dataset::{
    Column, Conll, Csv, JsonLines, Lines, MAX_GZIP_RATIO, MAX_LINE_LENGTH, Parallel, Part, Row, Sentence, SkipBadLines,
    Skipping, Source, Split, Table, Tsv, read_text,
};
pub use error::{Error, Place, Unpacking};
pub use label::LabelSet;
pub use prefetch::Prefetch;
pub use streaming_batches::StreamingBatches;
#[cfg(feature = "tokenizer")]
pub use tagging::{Aligned, TagAt, Tagged};
pub use teacher_forcing::{DecoderInput, TeacherForcing};
pub use token_ids::TokenIds;
#[cfg(feature = "tokenizer")]
pub use tokenizer::{DecodeStream, LARGEST_TOKENIZER_FILE, Normalization, TokenKind, Tokenizer, TokenizerOptions};
pub use vocabulary::{Coverage, Specials, Vocabulary};
