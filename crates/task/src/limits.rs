//! The largest sizes that the program takes, each in one place. Options, their help, and the checks of what a run
//! folder holds use these.

use super::error::{Error, Result};
use std::{io::Read, path::Path};

/// A size of a model: elements of a layer, tokens of a vocabulary, classes. A model is built, and asks for memory,
/// before its weights are read.
pub const SIZE: usize = 1 << 16;
/// Elements of a recurrent state.
pub const HIDDEN_SIZE: usize = 1 << 14;
/// Recurrent layers.
pub const LAYERS: usize = 32;
/// Tokens of a text, or time steps of a season, context, or forecast.
pub const LENGTH: usize = 10_000;
/// Training epochs.
pub const EPOCHS: u64 = 1_000_000;
/// Examples in a batch.
pub const BATCH_ROWS: usize = 1_000_000;
/// Parts of a batch.
pub const SHARDS: u64 = 1024;
/// Threads.
pub const THREADS: u16 = 1024;
/// Time steps of a drawn graph.
pub const DRAWN_STEPS: u16 = 1000;
/// The temperature of sampling.
pub const TEMPERATURE: f64 = 1000.0;
/// Answers to a line.
pub const BEST: u16 = 1000;
/// Bytes of a line that a model answers, unless `--max-line` says otherwise: a recurrence keeps some kilobytes for
/// each.
pub const ANSWERED_LINE: u32 = 1 << 16;
/// Lines of a document that is answered as a whole.
pub const DOCUMENT_LINES: usize = 1 << 16;
/// What `--max-line` may say.
pub const LONGEST_LINE: u32 = 1 << 30;
/// Megabytes of prepared data that are kept for the next training, unless `--cache-size` says otherwise.
pub const CACHE: u64 = 4000;
/// Bytes of a configuration file: labels may be many.
pub const CONFIG: u64 = 16 << 20;
/// Bytes of a text that is read as a whole.
pub const TEXT: usize = 1 << 30;
/// Bytes that are read from what is no file, such as a pipe: they are kept in memory.
pub const PIPE: u64 = 1 << 30;
/// Bytes of a sound: three hours of a studio's recording.
pub const SOUND: u64 = 1 << 30;
/// Fields of a table that is held in memory, and their bytes.
pub const TABLE_FIELDS: usize = 10_000_000;
/// Bytes of a table that is held in memory.
pub const TABLE_BYTES: usize = 1 << 28;
/// Seconds of a sound that a model hears at once; a longer one is cut where it is quiet.
pub const HEARD_AT_ONCE: usize = 60;

/// Checks a size that was read from a file: it is from 1 to [`SIZE`].
///
/// # Errors
/// It is not.
pub fn check(name: &str, size: usize) -> Result<()> {
    match (1..=SIZE).contains(&size) {
        true => Ok(()),
        false => Err(Error::failure(format!("{name} is {size}"), format!("it must be from 1 to {SIZE}"))),
    }
}

/// Reads a file of at most so many bytes; returns nothing for a larger one. A device has no size and no end, so the
/// limit is kept while reading.
pub(crate) fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let failed = |cause: std::io::Error| Error::file(path, "read", &cause);
    let mut bytes = vec![];
    unspool_files::open(path).map_err(failed)?.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok((bytes.len() as u64 <= most).then_some(bytes))
}
