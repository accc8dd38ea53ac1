//! Bytes with a name.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::GzDecoder;

use crate::error::{Error, Unpacking};

/// The first two bytes of a gzip stream (RFC 1952).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Limits the length of a line in bytes, unless a [`Source`] is told otherwise: 1 MiB.
///
/// ```
/// use unspool_text::{Lines, MAX_LINE_LENGTH, Source};
/// let long = || Source::bytes("t", "x".repeat(MAX_LINE_LENGTH + 1).into_bytes());
/// assert!(Lines::open(long())?.next().unwrap().is_err());
/// assert!(Lines::open(long().max_line_length(2 * MAX_LINE_LENGTH))?.next().unwrap().is_ok());
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub const MAX_LINE_LENGTH: usize = 1 << 20;

/// Limits how many times its size a gzip stream may unpack to, unless a [`Source`] is told otherwise. Text shrinks to a
/// third or a tenth of its size, a log to a thirtieth; deflate can reach a thousand, but only in a stream that was made
/// to fill memory.
///
/// ```
/// use unspool_text::{Lines, MAX_GZIP_RATIO, Source};
/// let source = Source::bytes("t", b"text".as_slice()).max_gzip_ratio(10 * MAX_GZIP_RATIO);
/// assert_eq!(Lines::open(source)?.count(), 1);
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub const MAX_GZIP_RATIO: u64 = 100;

/// This many unpacked bytes are allowed whatever the ratio: a small file of one repeated line is nothing to worry
/// about.
const UNPACKED_AT_ANY_RATIO: u64 = 64 << 20;

/// The most bytes that one gzip stream may unpack to.
const LARGEST_UNPACKED: u64 = 1 << 40;

/// Names a source of text, and the name that errors give it. Gzip is recognized by its first two bytes.
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
    max_line_length: usize,
    max_gzip_ratio: u64,
}

impl Source {
    fn new(name: String, reader: Box<dyn Read + Send>) -> Source {
        Source { name, reader, max_line_length: MAX_LINE_LENGTH, max_gzip_ratio: MAX_GZIP_RATIO }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Unreadable`], also for a directory.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, Error> {
        let name = path.as_ref().display().to_string();
        let file = unspool_files::open(path).map_err(|cause| Error::Unreadable { file: name.clone(), cause })?;
        Ok(Source::new(name, Box::new(file)))
    }

    /// Reads bytes in memory, or compiled in with `include_bytes!`.
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>) -> Self {
        Source::new(name.into(), Box::new(Cursor::new(bytes.into())))
    }

    /// Reads from any reader.
    pub fn reader(name: impl Into<String>, reader: impl Read + Send + 'static) -> Self {
        Source::new(name.into(), Box::new(reader))
    }

    /// Reads standard input.
    pub fn stdin() -> Self {
        Source::new("standard input".into(), Box::new(io::stdin()))
    }

    /// Sets another limit for the length of a line, in bytes, than [`MAX_LINE_LENGTH`]. A record of several lines is as
    /// long as a line at most; a sentence of [`Conll`](super::Conll), 64 times as long.
    #[must_use]
    pub fn max_line_length(self, bytes: usize) -> Source {
        Source { max_line_length: bytes, ..self }
    }

    /// Sets another limit than [`MAX_GZIP_RATIO`] for how many times its size a gzip stream may unpack to.
    #[must_use]
    pub fn max_gzip_ratio(self, ratio: u64) -> Source {
        Source { max_gzip_ratio: ratio, ..self }
    }

    pub(crate) fn line_limit(&self) -> usize {
        self.max_line_length
    }

    /// Returns the name in errors.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes, decompressed.
    pub(crate) fn into_reader(self) -> Result<Box<dyn BufRead + Send>, Error> {
        let mut reader = self.reader;
        let mut first = Vec::with_capacity(2);
        for magic in MAGIC {
            // The second byte only after the right first one: a person who types an empty line is not made to wait.
            let read = reader.by_ref().take(1).read_to_end(&mut first);
            read.map_err(|cause| Error::reading(&self.name, cause))?;
            if first.last() != Some(&magic) {
                break;
            }
        }
        let packed = first == MAGIC;
        let whole = Cursor::new(first).chain(reader);
        let buffered = 1 << 16;
        Ok(if packed {
            Box::new(BufReader::with_capacity(buffered, Unpacked::new(Box::new(whole), self.max_gzip_ratio)))
        } else {
            Box::new(BufReader::with_capacity(buffered, whole))
        })
    }
}

/// Counts the bytes that are read through it.
struct Counted {
    reader: Box<dyn Read + Send>,
    count: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.count += read as u64;
        Ok(read)
    }
}

/// Gzip members, one after the other, that are unpacked as they are read, up to the limits above. Zeros after a member
/// are padding, as tapes and archives have it.
struct Unpacked {
    /// `None` after the last member.
    member: Option<GzDecoder<BufReader<Counted>>>,
    given: u64,
    max_ratio: u64,
}

impl Unpacked {
    fn new(reader: Box<dyn Read + Send>, max_ratio: u64) -> Unpacked {
        let packed = BufReader::with_capacity(1 << 16, Counted { reader, count: 0 });
        Unpacked { member: Some(GzDecoder::new(packed)), given: 0, max_ratio }
    }

    /// Goes on to the next member.
    fn next_member(&mut self) -> io::Result<()> {
        let Some(member) = self.member.take() else { return Ok(()) };
        let mut packed = member.into_inner();
        loop {
            let ready = packed.fill_buf()?;
            let zeros = ready.iter().take_while(|byte| **byte == 0).count();
            if zeros == 0 {
                // A member begins with 1f 8b.
                if ready.first().is_some_and(|byte| *byte != 0x1f) {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, Unpacking::Damaged));
                }
                self.member = (!ready.is_empty()).then(|| GzDecoder::new(packed));
                return Ok(());
            }
            packed.consume(zeros);
        }
    }
}

impl Read for Unpacked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(member) = &mut self.member {
            let read = member.read(buffer).map_err(|cause| match cause.kind() {
                io::ErrorKind::UnexpectedEof => io::Error::new(cause.kind(), Unpacking::Truncated),
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                    io::Error::new(cause.kind(), Unpacking::Damaged)
                }
                _ => cause,
            })?;
            self.given += read as u64;
            let packed = member.get_ref().get_ref().count;
            let allowed = self.max_ratio.saturating_mul(packed).saturating_add(UNPACKED_AT_ANY_RATIO);
            if self.given > allowed.min(LARGEST_UNPACKED) {
                return Err(io::Error::other(Unpacking::Expanding { ratio: self.max_ratio }));
            }
            if read > 0 {
                return Ok(read);
            }
            self.next_member()?;
        }
        Ok(0)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::{Write, copy, repeat, sink};

    fn packed(bytes: u64) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        copy(&mut repeat(b'a').take(bytes), &mut encoder).unwrap();
        encoder.write_all(b"\n").unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(bytes: Vec<u8>) -> Result<u64, String> {
        let mut reader = Source::bytes("t.gz", bytes).into_reader().unwrap();
        copy(&mut reader, &mut sink()).map_err(|cause| Error::reading("t.gz", cause).to_string())
    }

    #[test]
    fn a_stream_that_expands_a_thousandfold_is_refused_and_a_small_one_is_not() {
        assert_eq!(unpack(packed(1 << 20)), Ok((1 << 20) + 1));
        let expanding = "t.gz: cannot read: its gzip stream unpacks to more than 100 times its size";
        assert_eq!(unpack(packed(100 << 20)), Err(expanding.into()));
        // Somebody who knows the file can allow it.
        let allowed = Source::bytes("t.gz", packed(100 << 20)).max_gzip_ratio(2000);
        assert_eq!(copy(&mut allowed.into_reader().unwrap(), &mut sink()).unwrap(), (100 << 20) + 1);
    }

    #[test]
    fn cut_and_changed_streams_are_told_apart() {
        let whole = packed(1000);
        for length in [3, 12, whole.len() - 9, whole.len() - 1] {
            let found = unpack(whole[..length].to_vec()).unwrap_err();
            assert_eq!(
                found, "t.gz: cannot read: the file is truncated: its gzip stream ends in the middle",
                "{length}"
            );
        }
        let mut changed = whole.clone();
        let checksum = whole.len() - 8;
        changed[checksum] ^= 1;
        assert!(unpack(changed).unwrap_err().contains("damaged"));
        // Zeros after the stream are padding; anything else is not.
        assert_eq!(unpack([&whole[..], &[0; 700]].concat()), Ok(1001));
        assert_eq!(unpack([&whole[..], &[0; 7], &whole[..]].concat()), Ok(2002));
        assert!(unpack([&whole[..], b"more"].concat()).unwrap_err().contains("damaged"));
        // What is not gzip has errors of its own, whatever their kind.
        let broken = io::Error::new(io::ErrorKind::UnexpectedEof, "the line is dead");
        assert_eq!(Error::reading("t", broken).to_string(), "t: cannot read: the line is dead");
    }
}
