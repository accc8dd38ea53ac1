//! Bytes with a name.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::Error;

/// The first two bytes of a gzip stream (RFC 1952).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Where text comes from, with the name that errors give it. Gzip is recognised by its first two bytes.
///
/// ```
/// use std::io::Read;
/// use unspool_text::{Lines, Source};
/// let read = |source| Lines::open(source)?.collect::<Result<Vec<_>, _>>();
/// assert_eq!(read(Source::bytes("two lines", b"a\nb\n".as_slice()))?, ["a", "b"]);
/// assert_eq!(read(Source::reader("anything", "x\n".as_bytes().chain("y".as_bytes())))?, ["x", "y"]);
/// assert!(Source::file("no/such/file").is_err());
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub struct Source {
    name: String,
    reader: Box<dyn Read + Send>,
}

impl Source {
    /// A file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], also for a directory.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let name = path.as_ref().display().to_string();
        let file = unspool_files::open(path).map_err(|cause| Error::Unreadable { file: name.clone(), cause })?;
        Ok(Source { name, reader: Box::new(file) })
    }

    /// Bytes in memory, or compiled in with `include_bytes!`.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Source { name: name.into(), reader: Box::new(Cursor::new(bytes.into())) }
    }

    /// Any reader.
    pub fn reader(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Source { name: name.into(), reader: Box::new(reader) }
    }

    /// Standard input.
    pub fn stdin() -> Self {
        Source { name: "standard input".into(), reader: Box::new(io::stdin()) }
    }

    /// The name in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes, decompressed.
    pub(crate) fn into_reader(self) -> Result<Box<dyn BufRead + Send>, Error> {
        let mut reader = self.reader;
        let mut first = Vec::with_capacity(2);
        for magic in MAGIC {
            // The second byte only behind the right first one: a person who types an empty line is not made to wait.
            let read = reader.by_ref().take(1).read_to_end(&mut first);
            read.map_err(|cause| Error::Unreadable { file: self.name.clone(), cause })?;
            if first.last() != Some(&magic) {
                break;
            }
        }
        let packed = first == MAGIC;
        let whole = BufReader::with_capacity(1 << 16, Cursor::new(first).chain(reader));
        Ok(if packed {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(whole)))
        } else {
            Box::new(whole)
        })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}
