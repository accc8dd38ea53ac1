//! The largest sizes that the program takes, each in one place.

/// Bytes of a text that is read as a whole.
pub(crate) const TEXT: usize = 1 << 30;
/// Bytes that are read from what is no file, such as a pipe: they are kept in memory.
pub(crate) const PIPE: u64 = 1 << 30;
/// Bytes of a sound: three hours of a studio's recording.
pub(crate) const SOUND: u64 = 1 << 30;
/// Fields of a table that is held in memory, and their bytes.
pub(crate) const TABLE_FIELDS: usize = 10_000_000;
pub(crate) const TABLE_BYTES: usize = 1 << 28;
/// Seconds of a sound that a model hears at once; a longer one is cut where it is quiet.
pub(crate) const HEARD_AT_ONCE: usize = 60;
