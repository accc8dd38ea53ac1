//! Lines of UTF-8 with their numbers, under every format.

use std::io::{self, BufRead, Cursor};

use super::Source;
use crate::error::{Error, Place};

/// U+FEFF in UTF-8, which some programs write in front of a text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads the lines of a source, without their ends (`\n` or `\r\n`) and without a byte order mark.
///
/// A source that has no `\n` at all, but `\r`, has the line ends of the classic Mac OS: its lines end with `\r`. Such a
/// source may be as long as a line; a longer one is [`Error::LineEnds`].
///
/// A line that is too long or not UTF-8 is an error; the next call continues after it. A source that can no longer be
/// read gives one error and then ends.
///
/// ```
/// use unspool_text::{Error, Lines, Source};
/// // Another form of file: a number and a name.
/// let mut lines = Lines::open(Source::bytes("t", "\u{feff}1 one\r\n2 two\nthree\n".as_bytes()))?;
/// let mut named = Vec::new();
/// while let Some(line) = lines.next_line() {
///     let found = line?.split_once(' ').map(|(number, name)| (number.to_owned(), name.to_owned()));
///     named.push(found.ok_or(Error::Columns { place: lines.place(), found: 1, expected: 2 }));
/// }
/// assert_eq!(named[1].as_ref().unwrap().1, "two");
/// assert_eq!(named[2].as_ref().unwrap_err().to_string(), "t:3: 1 column where there should be 2");
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub struct Lines {
    file: String,
    reader: Box<dyn BufRead + Send>,
    limit: usize,
    /// What ends a line.
    end: u8,
    line: u64,
    buffer: Vec<u8>,
    ended: bool,
}

/// What was read up to the next line's end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// A line with its end.
    Line,
    /// What follows the last end.
    Rest,
    /// A line over the limit, which was read past and kept up to the limit.
    TooLong,
}

impl Lines {
    /// Opens a source.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn open(source: Source) -> Result<Self, Error> {
        let (file, limit) = (source.name().to_owned(), source.line_limit());
        let reader = source.into_reader()?;
        Ok(Lines { file, reader, limit, end: b'\n', line: 0, buffer: Vec::new(), ended: false })
    }

    /// Returns the source's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the place of the line returned last, counted from 1.
    pub fn place(&self) -> Place {
        Place::new(&self.file, self.line)
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the next line, borrowed until the one after it.
    pub fn next_line(&mut self) -> Option<Result<&str, Error>> {
        if self.ended {
            return None;
        }
        let mut filled = self.fill();
        if self.line == 0 && matches!(filled, Ok(Some(Filled::Rest))) && self.has_bare_returns() {
            // All of the source is here, and has no line feed.
            self.reader = Box::new(Cursor::new(std::mem::take(&mut self.buffer)));
            self.end = b'\r';
            filled = self.fill();
        }
        let filled = match filled {
            Ok(None) => {
                self.ended = true;
                return None;
            }
            Ok(Some(filled)) => filled,
            Err(cause) => {
                self.ended = true;
                return Some(Err(Error::reading(&self.file, cause)));
            }
        };
        self.line += 1;
        if filled == Filled::TooLong {
            let only_returns = self.line == 1 && self.has_bare_returns();
            self.ended |= only_returns;
            return Some(Err(match only_returns {
                true => Error::LineEnds { file: self.file.clone(), limit: self.limit },
                false => Error::TooLong { place: self.place(), limit: self.limit },
            }));
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        let marked = self.line == 1 && self.buffer.starts_with(BYTE_ORDER_MARK);
        let start = if marked { BYTE_ORDER_MARK.len() } else { 0 };
        match std::str::from_utf8(&self.buffer[start..]) {
            Ok(line) => Some(Ok(line)),
            Err(error) => {
                let at = start + error.valid_up_to();
                Some(Err(Error::NotUtf8 {
                    place: Place::new(&self.file, self.line),
                    byte: at + 1,
                    value: self.buffer[at],
                }))
            }
        }
    }

    /// Whether a carriage return stands before the end of what was read.
    fn has_bare_returns(&self) -> bool {
        self.buffer.iter().rev().skip(1).any(|byte| *byte == b'\r')
    }

    /// Reads up to the next line's end.
    fn fill(&mut self) -> io::Result<Option<Filled>> {
        self.buffer.clear();
        let (mut any, mut whole) = (false, true);
        loop {
            let ready = match self.reader.fill_buf() {
                Ok(ready) => ready,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if ready.is_empty() {
                return Ok(any.then_some(if whole { Filled::Rest } else { Filled::TooLong }));
            }
            any = true;
            let end = ready.iter().position(|byte| *byte == self.end);
            let part = &ready[..end.unwrap_or(ready.len())];
            // One byte more than the limit, for the `\r` of `\r\n`.
            let most = self.limit + usize::from(part.is_empty() || part.last() == Some(&b'\r'));
            let fits = whole && self.buffer.len() + part.len() <= most;
            // What does not fit is kept up to the limit, to see what it has for ends of lines.
            if whole {
                self.buffer.extend_from_slice(
                    &part[..if fits { part.len() } else { self.limit.saturating_sub(self.buffer.len()) }],
                );
            }
            whole = fits;
            let used = part.len() + usize::from(end.is_some());
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(if whole { Filled::Line } else { Filled::TooLong }));
            }
        }
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("file", &self.file).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Iterator for Lines {
    type Item = Result<String, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.next_line()?.map(str::to_owned))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write;

    fn lines(bytes: impl Into<Vec<u8>>) -> Lines {
        Lines::open(Source::bytes("t", bytes.into())).unwrap()
    }

    fn short(bytes: impl Into<Vec<u8>>, limit: usize) -> Lines {
        Lines::open(Source::bytes("t", bytes.into()).max_line_length(limit)).unwrap()
    }

    fn shown(lines: Lines) -> Vec<Result<String, String>> {
        lines.map(|line| line.map_err(|error| error.to_string())).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    proptest! {
        #[test]
        fn lines_are_those_that_were_written_gzip_or_not(
            texts in prop::collection::vec("[^\n\r\u{feff}]{0,12}", 0..8),
            ends in prop::bool::ANY, packed in prop::bool::ANY,
        ) {
            let end = if ends { "\r\n" } else { "\n" };
            let file: String = texts.iter().map(|text| format!("{text}{end}")).collect();
            let bytes = if packed { gzip(file.as_bytes()) } else { file.into_bytes() };
            prop_assert_eq!(lines(bytes).collect::<Result<Vec<_>, _>>().unwrap(), texts);
        }

        #[test]
        fn any_bytes_give_lines_or_errors(bytes in prop::collection::vec(prop::num::u8::ANY, 0..300)) {
            let count = short(bytes.clone(), 20).count();
            prop_assert!(count <= bytes.len() + 1);
        }
    }

    #[test]
    fn a_last_line_needs_no_end_and_a_mark_in_front_is_left_out() {
        assert_eq!(shown(lines("\u{feff}a\nb")), [Ok("a".into()), Ok("b".into())]);
        assert_eq!(shown(lines("")), []);
    }

    #[test]
    fn a_bad_line_is_named_and_the_next_is_read() {
        let found = shown(short(b"ok\n\xff\nlonger\nok\n".as_slice(), 4));
        let utf8 = "t:2: not UTF-8 at byte 1 of the line (0xff)";
        let long = "t:3: longer than the 4 bytes allowed";
        assert_eq!(found, [Ok("ok".into()), Err(utf8.into()), Err(long.into()), Ok("ok".into())]);
    }

    #[test]
    fn lines_of_the_classic_mac_os_are_lines_where_there_is_no_line_feed() {
        assert_eq!(shown(lines("\u{feff}a\rb\r\rc")), [Ok("a".into()), Ok("b".into()), Ok("".into()), Ok("c".into())]);
        assert_eq!(shown(lines("a\rb\r")), [Ok("a".into()), Ok("b".into())]);
        // A carriage return within a line is a character like others, and one at the end of all belongs to an end.
        assert_eq!(shown(lines("a\rb\nc\rd")), [Ok("a\rb".into()), Ok("c\rd".into())]);
        assert_eq!(shown(lines("a\r")), [Ok("a".into())]);
        let named = "t: no line feed in the first 8 bytes, but carriage returns (line ends of the classic Mac OS)";
        assert_eq!(shown(short("a\rb\r".repeat(90_000), 8)), [Err(named.into())]);
    }

    #[test]
    fn members_of_gzip_follow_each_other_and_damage_is_an_error() {
        let mut twice = gzip(b"a\n");
        twice.extend(gzip(b"b\n"));
        assert_eq!(shown(lines(twice.clone())), [Ok("a".into()), Ok("b".into())]);
        twice.truncate(twice.len() - 6);
        let found = shown(lines(twice));
        assert!(found.last().unwrap().as_ref().unwrap_err().starts_with("t: cannot read: "), "{found:?}");
    }
}
