//! Comma-separated values, as in RFC 4180.
//!
//! The parser is not that of the crate `csv`, which accepts a table with a quote in the wrong place as it is. Here such
//! a quote is an error with its line, and the limits on a line's length hold, as in every other format.

use super::lines::Lines;
use super::split::hash_line;
use super::table::{Format, Record, Table};
use crate::error::{Error, Place};

/// Reads the rows of a table whose fields are separated by commas. A field in double quotes may hold commas, line ends
/// (which arrive as `\n`) and, doubled, quotes; a quote within a field that does not begin with one is an ordinary
/// character.
///
/// More in [chapter 2](https://github.com/unspool/unspool/blob/main/docs/02-one-to-one.md) of the tutorial.
///
/// ```
/// use unspool_text::{Csv, Source};
///
/// let table = "text,label\n\"No, \"\"thanks\"\".\nBye\",negative\n";
/// let mut rows = Csv::open(Source::bytes("t.csv", table.as_bytes()))?;
/// assert_eq!(rows.next().unwrap()?.fields, ["No, \"thanks\".\nBye", "negative"]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
pub type Csv = Table<Quoted>;

/// Is the format of [`Csv`].
#[derive(Debug)]
pub struct Quoted;

impl Format for Quoted {
    const SEPARATOR: char = ',';

    fn next_record(lines: &mut Lines) -> Option<Result<Record, Error>> {
        let place = Place::new(lines.file(), lines.place().line + 1);
        let limit = lines.limit();
        let mut raw = String::new();
        let mut parser = Parser::default();
        loop {
            match lines.next_line() {
                None if raw.is_empty() => return None,
                None => return Some(Err(Error::Quoting { place, reason: "a quoted field is not closed" })),
                Some(Err(error)) => return Some(Err(error)),
                Some(Ok(line)) => {
                    if raw.len() + line.len() > limit {
                        return Some(Err(Error::TooLong { place, limit }));
                    }
                    if let Err(reason) = parser.line(line) {
                        return Some(Err(Error::Quoting { place, reason }));
                    }
                    raw.push_str(line);
                }
            }
            if parser.state != State::Quoted {
                break;
            }
            raw.push('\n');
        }
        Some(Ok(Record { line: place.line, hash: hash_line(&raw), fields: parser.fields }))
    }
}

#[derive(Default, PartialEq, Eq, Clone, Copy)]
enum State {
    /// Before a field's first character.
    #[default]
    Start,
    /// Within a field without quotes.
    Bare,
    /// Within quotes.
    Quoted,
    /// After a quote that closes the field, unless another follows.
    Closed,
}

#[derive(Default)]
struct Parser {
    fields: Vec<String>,
    field: String,
    state: State,
}

impl Parser {
    /// Takes one line; the record is complete unless the state is [`State::Quoted`] afterwards.
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        for character in line.chars() {
            self.state = match (self.state, character) {
                (State::Start, '"') => State::Quoted,
                (State::Quoted, '"') => State::Closed,
                (State::Closed, '"') => {
                    self.field.push('"');
                    State::Quoted
                }
                (State::Start | State::Bare | State::Closed, ',') => {
                    self.fields.push(std::mem::take(&mut self.field));
                    State::Start
                }
                (State::Closed, _) => return Err("text behind a closing quote; quotes within a field are doubled"),
                (State::Quoted, _) => {
                    self.field.push(character);
                    State::Quoted
                }
                (State::Start | State::Bare, _) => {
                    self.field.push(character);
                    State::Bare
                }
            };
        }
        if self.state == State::Quoted {
            self.field.push('\n');
        } else {
            self.fields.push(std::mem::take(&mut self.field));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;
    use proptest::prelude::*;

    fn open(table: impl Into<Vec<u8>>) -> Csv {
        Csv::open(Source::bytes("t.csv", table.into())).unwrap().allow_empty()
    }

    fn quoted(field: &str) -> String {
        format!("\"{}\"", field.replace('"', "\"\""))
    }

    proptest! {
        #[test]
        fn what_was_quoted_comes_back(rows in prop::collection::vec(["[a\",\n ]{0,6}", "[a\",\n ]{0,6}"], 1..5)) {
            let table: String = rows.iter().map(|[a, b]| format!("{},{}\n", quoted(a), quoted(b))).collect();
            let read = open(format!("x,y\n{table}"));
            let found = read.map(|row| row.map(|row| row.fields)).collect::<Result<Vec<_>, _>>();
            prop_assert_eq!(found.unwrap(), rows);
        }
    }

    #[test]
    fn bare_fields_end_at_commas_and_quotes_within_stand_for_themselves() {
        let rows = open("x,y\n5\" disk,\n").collect::<Result<Vec<_>, _>>().unwrap();
        assert_eq!(rows[0].fields, ["5\" disk", ""]);
    }

    #[test]
    fn lines_are_counted_through_quoted_ends_and_a_bad_record_is_named_by_its_first() {
        let found: Vec<_> = open("x,y\r\n\"a\r\nb\",1\r\n2\r\n\"c\"d,3\r\n4,\"e")
            .map(|row| row.map_err(|error| error.to_string()))
            .collect();
        assert_eq!(found[0].as_ref().unwrap().fields, ["a\nb", "1"]);
        assert_eq!(found[1].as_ref().unwrap_err(), "t.csv:4: 1 column where there should be 2");
        let behind = "t.csv:5: text behind a closing quote; quotes within a field are doubled";
        assert_eq!(found[2].as_ref().unwrap_err(), behind);
        assert_eq!(found[3].as_ref().unwrap_err(), "t.csv:6: a quoted field is not closed");
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_fill_the_memory() {
        let table = format!("x,y\n\"{}", "long\n".repeat(100));
        let error = Csv::open(Source::bytes("t.csv", table.into_bytes()).max_line_length(50))
            .unwrap()
            .next()
            .unwrap()
            .unwrap_err();
        assert_eq!(error.to_string(), "t.csv:2: longer than the 50 bytes allowed");
    }
}
