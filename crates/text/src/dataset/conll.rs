//! Columns of words, as the CoNLL shared tasks have them: a word a line, a blank line between sentences.

use super::lines::Lines;
use super::row::Column;
use super::source::Source;
use super::split::hash_line;
use crate::error::{Error, Place};

/// A sentence, column by column.
///
/// ```
/// use unspool_text::{Conll, Source};
/// let file = Source::bytes("dev.conll", b"the\tDET\ncat\tNOUN\n".as_slice());
/// let sentence = Conll::open(file, [2, 1])?.next().unwrap()?;
/// assert_eq!((sentence.line, &sentence.columns[0][1], &sentence.columns[1][1]), (1, &"NOUN".into(), &"cat".into()));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The line of its first word.
    pub line: u64,
    /// The chosen columns: `columns[c][w]` is what column c says of word w.
    pub columns: Vec<Vec<String>>,
    /// A hash of its lines: what [`Split`](super::Split) goes by.
    pub hash: u64,
}

/// The sentences of a file of columns, between tabs or, if its first word's line has no tab, between spaces.
///
/// In files with tabs, lines without one that begin with `#` are comments. In files of ten columns (CoNLL-U), words
/// numbered `1-2` or `1.1` are left out: the words they are made of, or stand for, have lines of their own.
///
/// ```
/// use unspool_text::{Conll, Source};
///
/// let file = "From\tADP\nthe\tDET\n\nPresident\tPROPN\n";
/// let sentences = Conll::open(Source::bytes("dev", file.as_bytes()), [1, 2])?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(sentences[0].columns, [["From", "the"], ["ADP", "DET"]]);
/// assert_eq!(sentences[1].line, 4);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// A sentence with a bad line in it is one error, at that line; the stream goes on with the next sentence.
#[derive(Debug)]
pub struct Conll {
    lines: Lines,
    chosen: Vec<usize>,
    /// The separator and the number of columns, known from the first word on.
    shape: Option<(Separator, usize)>,
    any: bool,
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    Tab,
    Spaces,
}

impl Conll {
    /// Opens a source and chooses columns by number, from 1.
    ///
    /// # Errors
    /// [`Error::Unreadable`]; [`Error::NoColumn`] for a column 0, or for a name: there is no header.
    pub fn open<C: Into<Column>>(source: Source, columns: impl IntoIterator<Item = C>) -> Result<Self, Error> {
        let index = |column: Column| match column {
            Column::Number(number) if number > 0 => Ok(number - 1),
            column => Err(Error::NoColumn {
                file: source.name().to_owned(),
                column: column.to_string(),
                found: "numbers from 1".into(),
            }),
        };
        let chosen = columns.into_iter().map(Into::into).map(index).collect::<Result<_, _>>()?;
        Ok(Conll { lines: Lines::open(source)?, chosen, shape: None, any: false, ended: false })
    }

    /// Another limit for a line than [`LONGEST_LINE`](super::LONGEST_LINE); a sentence may be 64 times as long.
    #[must_use]
    pub fn longest_line(mut self, bytes: usize) -> Self {
        self.lines = self.lines.longest(bytes);
        self
    }

    /// The source's name.
    pub fn file(&self) -> &str {
        self.lines.file()
    }

    /// Reads to the next blank line; `None` at the end of the file.
    fn sentence(&mut self) -> Option<Result<Sentence, Error>> {
        let mut sentence = Sentence { line: 0, columns: vec![Vec::new(); self.chosen.len()], hash: 0 };
        let mut raw = String::new();
        let mut fault: Option<Error> = None;
        let limit = self.lines.limit().saturating_mul(64);
        loop {
            let place = Place::new(self.lines.file(), self.lines.place().line + 1);
            let line = match self.lines.next_line() {
                None if sentence.line == 0 && fault.is_none() => return None,
                None => break,
                Some(Ok(line)) if line.trim().is_empty() => {
                    if sentence.line == 0 && fault.is_none() {
                        continue;
                    }
                    break;
                }
                Some(Ok(line)) => line,
                Some(Err(error)) if error.is_bad_line() => {
                    fault = fault.or(Some(error));
                    continue;
                }
                Some(Err(error)) => return Some(Err(error)),
            };
            let tab = line.contains('\t');
            if line.starts_with('#') && !tab && self.shape.is_none_or(|(separator, _)| separator == Separator::Tab) {
                continue;
            }
            if fault.is_some() {
                continue;
            }
            if sentence.line == 0 {
                sentence.line = place.line;
            }
            let separator = self.shape.map_or(if tab { Separator::Tab } else { Separator::Spaces }, |shape| shape.0);
            let fields: Vec<&str> = match separator {
                Separator::Tab => line.split('\t').collect(),
                Separator::Spaces => line.split_whitespace().collect(),
            };
            let expected = self.shape.get_or_insert((separator, fields.len())).1;
            if fields.len() != expected {
                fault = Some(Error::Columns { place, found: fields.len(), expected });
                continue;
            }
            if raw.len() + line.len() > limit {
                fault = Some(Error::TooLong { place, limit });
                continue;
            }
            raw.push_str(line);
            raw.push('\n');
            if expected == 10 && fields[0].contains(['-', '.']) {
                continue;
            }
            for (&column, words) in self.chosen.iter().zip(&mut sentence.columns) {
                match fields.get(column) {
                    None => {
                        let (file, column) = (place.file, format!("number {}", column + 1));
                        self.ended = true;
                        return Some(Err(Error::NoColumn { file, column, found: format!("{expected}") }));
                    }
                    Some(field) if field.trim().is_empty() => {
                        fault = Some(Error::EmptyField { place, column: format!("column {}", column + 1) });
                        break;
                    }
                    Some(field) => words.push((*field).to_owned()),
                }
            }
        }
        sentence.hash = hash_line(&raw);
        Some(fault.map_or(Ok(sentence), Err))
    }
}

impl Iterator for Conll {
    type Item = Result<Sentence, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let sentence = self.sentence();
        if sentence.is_none() {
            self.ended = true;
            return (!self.any).then(|| Err(Error::NoRows { file: self.lines.file().to_owned() }));
        }
        self.any = true;
        sentence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &'static str, columns: &[usize]) -> Vec<Result<Vec<Vec<String>>, String>> {
        let sentences = Conll::open(Source::bytes("t", file.as_bytes()), columns.iter().copied()).unwrap();
        sentences.map(|s| s.map(|s| s.columns).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn spaces_separate_where_there_is_no_tab_and_a_hash_is_a_word_then() {
        let found = read("EU NNP B-ORG\n# SYM O\n\n\n-DOCSTART- -X- O\n", &[1, 3]);
        assert_eq!(found[0].as_ref().unwrap(), &[["EU", "#"], ["B-ORG", "O"]]);
        assert_eq!(found[1].as_ref().unwrap(), &[["-DOCSTART-"], ["O"]]);
    }

    #[test]
    fn comments_and_multiword_tokens_of_conllu_are_left_out() {
        let line = |id: &str, form: &str, tag: &str| format!("{id}\t{form}\t_\t{tag}\t_\t_\t_\t_\t_\t_\n");
        let file = format!(
            "# text = vámonos\n{}{}{}\n",
            line("1-2", "vámonos", "_"),
            line("1", "vamos", "VERB"),
            line("2", "nos", "PRON")
        );
        assert_eq!(read(file.leak(), &[2, 4])[0].as_ref().unwrap(), &[["vamos", "nos"], ["VERB", "PRON"]]);
    }

    #[test]
    fn a_bad_line_costs_its_sentence_only() {
        let found = read("a\tX\n\nb\nc\tX\n\nd\t\n\ne\tY\n", &[1, 2]);
        assert_eq!(found[0].as_ref().unwrap(), &[["a"], ["X"]]);
        assert_eq!(found[1].as_ref().unwrap_err(), "t:3: 1 column where there should be 2");
        assert_eq!(found[2].as_ref().unwrap_err(), "t:6: column 2 is empty");
        assert_eq!(found[3].as_ref().unwrap(), &[["e"], ["Y"]]);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_column_that_no_line_has_is_named() {
        assert_eq!(read("a\tX\n", &[3]), [Err("t: no column number 3; there are: 2".into())]);
        assert!(Conll::open(Source::bytes("t", b"".as_slice()), ["form"]).is_err());
        assert_eq!(read("# only a comment\n\n", &[1]), [Err("t: no data rows".into())]);
    }
}
