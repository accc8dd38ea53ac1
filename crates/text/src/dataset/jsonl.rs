//! JSON lines: one value per line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::ending::Ending;
use super::lines::Lines;
use super::row::{Column, Row};
use super::source::Source;
use super::split::hash_line;
use crate::error::{Error, Place};

/// Reads the rows of a file with one JSON object (columns by name) or array (columns by number) per line.
///
/// Texts arrive as they are, numbers and booleans as JSON writes them, whole numbers with all their digits; other keys
/// may hold anything.
///
/// ```
/// use unspool_text::{JsonLines, Source};
///
/// let lines = r#"{"text": "Bra!", "stars": 5, "more": {}}"#;
/// let mut rows = JsonLines::open(Source::bytes("t.jsonl", lines.as_bytes()), ["stars", "text"])?;
/// assert_eq!(rows.next().unwrap()?.fields, ["5", "Bra!"]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Debug)]
pub struct JsonLines {
    lines: Lines,
    columns: Vec<Column>,
    allow_empty: bool,
    ending: Ending,
}

impl JsonLines {
    /// Opens a source and chooses the columns of a row.
    ///
    /// # Errors
    /// [`Error::Unreadable`].
    pub fn open<C: Into<Column>>(source: Source, columns: impl IntoIterator<Item = C>) -> Result<Self, Error> {
        let columns = columns.into_iter().map(Into::into).collect();
        Ok(JsonLines { lines: Lines::open(source)?, columns, allow_empty: false, ending: Ending::default() })
    }

    /// Lets wanted fields be empty, null or missing; the last two arrive as empty.
    #[must_use]
    pub fn allow_empty(mut self) -> Self {
        self.allow_empty = true;
        self
    }

    /// Returns the source's name.
    pub fn file(&self) -> &str {
        self.lines.file()
    }
}

fn row(columns: &[Column], allow_empty: bool, place: Place, line: &str) -> Result<Row, Error> {
    let value: Value = match serde_json::from_str(line) {
        Ok(value) => value,
        Err(error) => return Err(Error::NotJson { place, reason: error.to_string() }),
    };
    let mut fields = Vec::with_capacity(columns.len());
    for column in columns {
        let found = match column {
            Column::Name(name) => value.get(name.as_str()),
            Column::Number(number) => number.checked_sub(1).and_then(|index| value.get(index)),
        };
        let field = match found {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => match long_integer(column, number, line) {
                Some(digits) => digits,
                None => number.to_string(),
            },
            Some(Value::Bool(value)) => value.to_string(),
            Some(Value::Null) => String::new(),
            None if allow_empty => String::new(),
            None => return Err(Error::NotJson { place, reason: format!("there is no column {column}") }),
            Some(Value::Array(_) | Value::Object(_)) => {
                return Err(Error::NotJson { place, reason: format!("column {column} is neither text nor a number") });
            }
        };
        if !allow_empty && field.trim().is_empty() {
            return Err(Error::EmptyField { place, column: format!("column {column}") });
        }
        fields.push(field);
    }
    Ok(Row { line: place.line, fields, hash: hash_line(line) })
}

/// The digits of a whole number beyond 64 bits, which a `Value` would round: an id must stay what it is.
fn long_integer(column: &Column, number: &Number, line: &str) -> Option<String> {
    number.as_f64().filter(|value| number.is_f64() && value.abs() >= i64::MAX as f64)?;
    let digits = match column {
        Column::Name(name) => {
            serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(line).ok()?.get(name.as_str())?.get()
        }
        Column::Number(number) => serde_json::from_str::<Vec<&RawValue>>(line).ok()?.get(number - 1)?.get(),
    };
    let whole = digits.strip_prefix('-').unwrap_or(digits).bytes().all(|byte| byte.is_ascii_digit());
    whole.then(|| digits.to_owned())
}

impl Iterator for JsonLines {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ending.is_over() {
            return None;
        }
        let place = Place::new(self.lines.file(), self.lines.place().line + 1);
        let line = self.lines.next_line();
        let row = line.map(|line| line.and_then(|line| row(&self.columns, self.allow_empty, place, line)));
        self.ending.pass(row, self.lines.file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows<C: Into<Column>>(
        lines: &'static str,
        columns: impl IntoIterator<Item = C>,
    ) -> Vec<Result<Vec<String>, String>> {
        let rows = JsonLines::open(Source::bytes("t", lines.as_bytes()), columns).unwrap();
        rows.map(|row| row.map(|row| row.fields).map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn arrays_have_numbered_columns() {
        assert_eq!(rows("[\"a\", true]\n[1.5, null]\n", [2, 1])[0], Ok(vec!["true".into(), "a".into()]));
        assert_eq!(rows("[\"a\"]\n", [1]), [Ok(vec!["a".into()])]);
    }

    #[test]
    fn whole_numbers_keep_their_digits_however_many() {
        let long = "12345678901234567890123";
        let lines: &'static str = format!("{{\"a\": {long}, \"b\": -{long}, \"c\": 18446744073709551615}}\n").leak();
        assert_eq!(
            rows(lines, ["a", "b", "c"]),
            [Ok([long, &format!("-{long}"), "18446744073709551615"].map(str::to_owned).to_vec())]
        );
        let lines: &'static str = format!("[{long}, 1e300, 2.5]\n").leak();
        assert_eq!(rows(lines, [1, 2, 3]), [Ok(vec![long.into(), "1e+300".into(), "2.5".into()])]);
    }

    #[test]
    fn each_bad_line_is_named_and_the_next_is_read() {
        let found =
            rows("{\"a\": 1\n\n{\"b\": 1}\n{\"a\": []}\n{\"a\": \" \"}\n{\"a\": null}\n{\"a\": \"ok\"}\n", ["a"]);
        let expected = [
            Err("t:1: EOF while parsing an object at line 1 column 7"),
            Err("t:2: EOF while parsing a value at line 1 column 0"),
            Err("t:3: there is no column `a`"),
            Err("t:4: column `a` is neither text nor a number"),
            Err("t:5: column `a` is empty"),
            Err("t:6: column `a` is empty"),
            Ok(vec!["ok".to_owned()]),
        ];
        assert_eq!(found, expected.map(|row| row.map_err(str::to_owned)));
        assert_eq!(rows("", ["a"]), [Err("t: no data rows".into())]);
    }

    #[test]
    fn deep_nesting_is_an_error_and_not_a_deep_stack() {
        let deep: &'static str = "[".repeat(100_000).leak();
        assert!(rows(deep, [1])[0].as_ref().unwrap_err().contains("recursion limit"));
    }
}
