//! Parallel text, and plain text as its simplest case: line n of each file belongs together.

use super::ending::Ending;
use super::lines::{BYTE_ORDER_MARK, Lines};
use super::row::Row;
use super::source::Source;
use super::split::hash_line;
use crate::error::{Error, Place};

/// Reads rows made of the same line of several files: a sentence and its translations.
///
/// ```
/// use unspool_text::{Parallel, Source};
///
/// let german = Source::bytes("train.de", b"Hallo!\nJa.\n".as_slice());
/// let english = Source::bytes("train.en", b"Hello!\nYes.\n".as_slice());
/// let rows = Parallel::open([german, english])?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(rows[1].fields, ["Ja.", "Yes."]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// A line that is bad in one file is left out in all, so the others stay aligned. Files of different lengths are an
/// error at the end of the shorter.
#[derive(Debug)]
pub struct Parallel {
    files: Vec<Lines>,
    allow_empty: bool,
    ending: Ending,
}

impl Parallel {
    /// Opens the files, in the order of a row's fields.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn open(sources: impl IntoIterator<Item = Source>) -> Result<Self, Error> {
        let files = sources.into_iter().map(Lines::open).collect::<Result<_, _>>()?;
        Ok(Parallel { files, allow_empty: false, ending: Ending::default() })
    }

    /// Opens one file of plain text, a row per line.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn plain(source: Source) -> Result<Self, Error> {
        Self::open([source])
    }

    /// Lets lines be empty.
    #[must_use]
    pub fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    fn row(&mut self) -> Option<Result<Row, Error>> {
        let mut fields = Vec::with_capacity(self.files.len());
        let mut fault = None;
        let mut first_ended = None;
        let mut first_alive = None;
        let mut number = 0;
        for (index, lines) in self.files.iter_mut().enumerate() {
            let Some(line) = lines.next_line().map(|line| line.map(str::to_owned)) else {
                first_ended = first_ended.or(Some(index));
                continue;
            };
            first_alive = first_alive.or(Some(index));
            number = lines.place().line;
            match line {
                Ok(line) if line.trim().is_empty() && !self.allow_empty => {
                    fault = fault.or(Some(Error::EmptyField { place: lines.place(), column: "the line".into() }));
                }
                Ok(line) => fields.push(line),
                Err(error) => fault = fault.or(Some(error)),
            }
        }
        match (first_ended, first_alive) {
            (Some(shorter), Some(longer)) => {
                self.ending.end();
                let [shorter, longer] = [shorter, longer].map(|index| self.files[index].file().to_owned());
                Some(Err(Error::Uneven { shorter, longer, lines: number - 1 }))
            }
            (_, None) => None,
            (None, Some(_)) => Some(match fault {
                Some(error) => Err(error),
                None => Ok(Row { line: number, hash: hash_line(&fields.join("\t")), fields }),
            }),
        }
    }
}

impl Iterator for Parallel {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ending.is_over() {
            return None;
        }
        let row = self.row();
        // After a read error the file has ended; going on would only say that the others have not.
        if matches!(&row, Some(Err(error)) if !error.is_bad_line()) {
            self.ending.end();
        }
        self.ending.pass(row, self.files.first().map_or("no file", Lines::file))
    }
}

/// Reads the whole text of a source into memory, without a byte order mark: for language models over one long text.
///
/// ```
/// let text = unspool_text::read_text(unspool_text::Source::bytes("t", b"a\nb\n".as_slice()), 1 << 20)?;
/// assert_eq!(text, "a\nb\n");
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unreadable`], [`Error::FileTooLarge`] over `limit` bytes, [`Error::NotUtf8`] with its line.
pub fn read_text(source: Source, limit: usize) -> Result<String, Error> {
    let file = source.name().to_owned();
    let mut bytes = Vec::new();
    let read = std::io::Read::read_to_end(
        &mut std::io::Read::take(source.into_reader()?, (limit as u64).saturating_add(1)),
        &mut bytes,
    );
    read.map_err(|cause| Error::reading(&file, cause))?;
    if bytes.len() > limit {
        return Err(Error::FileTooLarge { file, limit });
    }
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = &bytes[..at];
        let line = before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        Error::NotUtf8 { place: Place::new(file, line), byte: at - start + 1, value: bytes[at] }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(files: &[&'static [u8]]) -> Vec<Result<Vec<String>, String>> {
        let sources = files.iter().enumerate().map(|(n, bytes)| Source::bytes(format!("f{n}"), *bytes));
        let rows = Parallel::open(sources).unwrap();
        rows.map(|row| row.map(|row| row.fields).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn a_bad_line_in_one_file_keeps_the_others_aligned() {
        let found = rows(&[b"a\n\xff\nc\nd\n", b"1\n2\n\n4\n"]);
        assert_eq!(found[0], Ok(vec!["a".into(), "1".into()]));
        assert_eq!(found[1], Err("f0:2: not UTF-8 at byte 1 of the line (0xff)".into()));
        assert_eq!(found[2], Err("f1:3: the line is empty".into()));
        assert_eq!(found[3], Ok(vec!["d".into(), "4".into()]));
    }

    #[test]
    fn files_of_different_lengths_are_an_error_at_the_end_of_the_shorter() {
        let found = rows(&[b"a\nb\nc\n", b"1\n2\n"]);
        let message = "f0 has more lines than f1, which ends after 2: parallel files must be equally long";
        assert_eq!(found[2..], [Err(message.into())]);
        assert_eq!(rows(&[b"", b""]), [Err("f0: no data rows".into())]);
        assert_eq!(rows(&[]), [Err("no file: no data rows".into())]);
    }

    #[test]
    fn whole_texts_name_the_line_of_a_wrong_byte_and_keep_to_their_limit() {
        let read = |bytes: &'static [u8], limit| read_text(Source::bytes("t", bytes), limit).map_err(|e| e.to_string());
        assert_eq!(read(b"a\nb\xff", 9), Err("t:2: not UTF-8 at byte 2 of the line (0xff)".into()));
        assert_eq!(read(b"abc", 2), Err("t: larger than the 2 bytes allowed".into()));
        assert_eq!(read(b"abc", 3), Ok("abc".into()));
        assert_eq!(read("\u{feff}abc\u{feff}".as_bytes(), 9), Ok("abc\u{feff}".into()));
    }
}
