//! Columns of words, as in the CoNLL shared tasks: one word per line, and a blank line between sentences.

use super::ending::Ending;
use super::lines::Lines;
use super::row::Column;
use super::source::Source;
use super::split::hash_line;
use crate::error::{Error, Place};

/// Holds a sentence, column by column.
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
    /// The chosen columns: `columns[c][w]` is the entry of column c for word w.
    pub columns: Vec<Vec<String>>,
    /// A hash of its lines, which [`Split`](super::Split) uses.
    pub hash: u64,
}

/// Reads the sentences of a file of columns, separated by tabs or, if its first word's line has no tab, by spaces.
///
/// In files with tabs, lines without one that begin with `#` are comments. In CoNLL-U (ten columns between tabs, the
/// first of which numbers the words), lines numbered `1-2` or `1.1` are left out: the words of which `1-2` consists
/// have lines of their own, and `1.1` is not in the text. A column that was not chosen may be empty.
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
/// A sentence with a bad line in it is one error, at that line, and the stream continues with the next sentence.
#[derive(Debug)]
pub struct Conll {
    lines: Lines,
    chosen: Vec<usize>,
    /// The separator and the number of columns, known from the first word on.
    shape: Option<(Separator, usize)>,
    /// Whether the file is CoNLL-U, known from the first sentence on.
    numbered: Option<bool>,
    ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    Tab,
    Spaces,
}

impl Separator {
    fn fields(self, line: &str) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Separator::Tab => Box::new(line.split('\t')),
            Separator::Spaces => Box::new(line.split_whitespace()),
        }
    }
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
        Ok(Conll { lines: Lines::open(source)?, chosen, shape: None, numbered: None, ending: Ending::default() })
    }

    /// Returns the source's name.
    pub fn file(&self) -> &str {
        self.lines.file()
    }

    /// Reads to the next blank line; `None` at the end of the file.
    fn sentence(&mut self) -> Option<Result<Sentence, Error>> {
        let (mut words, mut begins) = (Words::default(), 0);
        let mut fault: Option<Error> = None;
        let limit = self.lines.limit().saturating_mul(64);
        loop {
            let place = Place::new(self.lines.file(), self.lines.place().line + 1);
            let line = match self.lines.next_line() {
                None if begins == 0 && fault.is_none() => return None,
                None => break,
                Some(Ok(line)) if line.trim().is_empty() => {
                    if begins == 0 && fault.is_none() {
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
            if begins == 0 {
                begins = place.line;
            }
            let separator = self.shape.map_or(if tab { Separator::Tab } else { Separator::Spaces }, |shape| shape.0);
            let found = separator.fields(line).count();
            let expected = self.shape.get_or_insert((separator, found)).1;
            if found != expected {
                fault = Some(Error::Columns { place, found, expected });
                continue;
            }
            if words.raw.len() + line.len() > limit {
                fault = Some(Error::TooLong { place, limit });
                continue;
            }
            words.push(place.line, line);
        }
        Some(match (fault, self.shape) {
            (None, Some((separator, expected))) => self.chosen_of(&words, begins, separator, expected),
            (fault, _) => Err(fault?),
        })
    }

    /// The chosen columns of the words of a sentence.
    fn chosen_of(
        &mut self,
        words: &Words,
        begins: u64,
        separator: Separator,
        expected: usize,
    ) -> Result<Sentence, Error> {
        if let Some(column) = self.chosen.iter().find(|column| **column >= expected) {
            self.ending.end();
            let (file, column) = (self.lines.file().to_owned(), format!("number {}", column + 1));
            return Err(Error::NoColumn { file, column, found: expected.to_string() });
        }
        let numbered = *self.numbered.get_or_insert_with(|| is_conllu(words.lines().map(|(_, line)| line)));
        let mut columns = vec![Vec::new(); self.chosen.len()];
        for (number, line) in words.lines() {
            let fields: Vec<&str> = separator.fields(line).collect();
            if numbered && id_of(fields[0]).is_some_and(|id| id != Id::Word) {
                continue;
            }
            for (&column, words) in self.chosen.iter().zip(&mut columns) {
                if fields[column].trim().is_empty() {
                    let column = format!("column {}", column + 1);
                    return Err(Error::EmptyField { place: Place::new(self.lines.file(), number), column });
                }
                words.push(fields[column].to_owned());
            }
        }
        Ok(Sentence { line: begins, columns, hash: hash_line(&words.raw) })
    }

    /// Tells whether a file is CoNLL-U by the words of its first sentences: most have ten fields between tabs, the
    /// first of which is an id (`7`, `7-8` or `7.1`). What the other fields hold does not matter.
    ///
    /// ```
    /// use unspool_text::{Conll, Source};
    /// let is_conllu = |line: &'static str| Conll::is_conllu(Source::bytes("t", line.as_bytes()));
    /// assert!(is_conllu("1\tDogs\tdog\tNOUN\t_\t_\t0\troot\t_\t\n")?);      // an empty cell
    /// assert!(!is_conllu("Dogs\tdog\tNOUN\tx\tx\tx\tx\tx\tx\tx\n")?);          // ten columns that begin with the word
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Unreadable`]. A line that cannot be read is left out.
    pub fn is_conllu(source: Source) -> Result<bool, Error> {
        let mut lines = Lines::open(source)?;
        let mut sample = Vec::new();
        while let Some(line) = lines.next_line().filter(|_| sample.len() < SAMPLE) {
            match line {
                Ok(line) if line.trim().is_empty() || line.starts_with('#') && !line.contains('\t') => {}
                Ok(line) => sample.push(line.to_owned()),
                Err(error) if error.is_bad_line() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(is_conllu(sample.iter().map(String::as_str)))
    }
}

/// Lines by which a file's form is told.
const SAMPLE: usize = 1000;

/// The columns of CoNLL-U.
const COLUMNS: usize = 10;

/// Whether most lines have the ten columns of CoNLL-U, with an id in the first.
fn is_conllu<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let (mut numbered, mut all) = (0, 0);
    for line in lines {
        let mut fields = line.split('\t');
        let has_id = fields.next().is_some_and(|first| id_of(first).is_some());
        numbered += usize::from(has_id && fields.count() == COLUMNS - 1);
        all += 1;
    }
    2 * numbered > all
}

/// What the first column of CoNLL-U says of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    /// `7`
    Word,
    /// `7-8`: a form of several words, which have lines of their own.
    Range,
    /// `7.1`: a word that is not written.
    Empty,
}

fn id_of(field: &str) -> Option<Id> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let two = |(first, second)| number(first) && number(second);
    match field {
        field if number(field) => Some(Id::Word),
        field if field.split_once('-').is_some_and(two) => Some(Id::Range),
        field if field.split_once('.').is_some_and(two) => Some(Id::Empty),
        _ => None,
    }
}

/// The lines of a sentence's words, one after the other.
#[derive(Default)]
struct Words {
    raw: String,
    numbers: Vec<u64>,
}

impl Words {
    fn push(&mut self, number: u64, line: &str) {
        self.raw.push_str(line);
        self.raw.push('\n');
        self.numbers.push(number);
    }

    fn lines(&self) -> impl Iterator<Item = (u64, &str)> {
        self.numbers.iter().copied().zip(self.raw.split_terminator('\n'))
    }
}

impl Iterator for Conll {
    type Item = Result<Sentence, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ending.is_over() {
            return None;
        }
        let sentence = self.sentence();
        self.ending.pass(sentence, self.lines.file())
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
    fn ten_columns_that_begin_with_the_word_keep_all_their_words() {
        let line = |form: &str, tag: &str| format!("{form}\t{tag}{}\n", "\tx".repeat(8));
        let file: &'static str =
            [line("bull-dog", "NOUN"), line("1-2", "NUM"), line(".", "PUNCT"), line("3", "NUM")].concat().leak();
        let words = ["bull-dog", "1-2", ".", "3"];
        assert_eq!(read(file, &[1, 2])[0].as_ref().unwrap(), &[words, ["NOUN", "NUM", "PUNCT", "NUM"]]);
        assert!(!Conll::is_conllu(Source::bytes("t", file.as_bytes())).unwrap());
    }

    #[test]
    fn an_empty_cell_or_a_short_line_does_not_make_conllu_another_format() {
        let line =
            |id: &str, form: &str, tag: &str, last: &str| format!("{id}\t{form}\t_\t{tag}\t_\t_\t_\t_\t_\t{last}\n");
        let words = [line("1-2", "du", "_", ""), line("1", "de", "ADP", ""), line("2", "le", "DET", "_")].concat();
        let file: &'static str = format!("{words}\n3\tbroken\n").leak();
        assert!(Conll::is_conllu(Source::bytes("t", file.as_bytes())).unwrap());
        let found = read(file, &[2, 4]);
        assert_eq!(found[0].as_ref().unwrap(), &[["de", "le"], ["ADP", "DET"]]);
        assert_eq!(found[1].as_ref().unwrap_err(), "t:5: 2 columns where there should be 10");
        assert_eq!(read(file, &[2, 10])[0].as_ref().unwrap_err(), "t:2: column 10 is empty");
        for (field, id) in [
            ("12", Some(Id::Word)),
            ("1-2", Some(Id::Range)),
            ("0.1", Some(Id::Empty)),
            ("1-", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(id_of(field), id, "{field}");
        }
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
