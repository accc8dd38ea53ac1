//! Configuration files: TOML whose errors name the line and the column, and whose keys are options.

use super::{
    error::{Error, Result},
    limits,
};
use clap::{Arg, ArgAction};
use serde_json::value::RawValue;
use std::{collections::BTreeMap, path::Path};
use toml::{Spanned, Table, Value};

/// A key with its value.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) value: Value,
    /// The file, line and column of the key, for messages.
    pub(crate) place: String,
}

/// Reads a file. Its keys come in the order of the file.
///
/// # Errors
/// The file cannot be read: a failure. It holds no configuration: misuse, as a wrong option is.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>> {
    let hint = "a configuration has lines such as `epochs = 3`; `--help` lists the options";
    let bytes = limits::read(path, limits::CONFIG)?.ok_or_else(|| {
        let message = format!("{}: not a configuration: more than {} bytes", path.display(), limits::CONFIG);
        Error::misuse(message, hint)
    })?;
    let text = String::from_utf8(bytes).map_err(|cause| {
        Error::misuse(format!("{}: not a configuration: {}", path.display(), cause.utf8_error()), "save it as UTF-8")
    })?;
    entries(&path.display().to_string(), &text).map_err(|message| Error::misuse(message, hint))
}

fn entries(file: &str, text: &str) -> std::result::Result<Vec<Entry>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let place = |byte: usize| {
        let before = text.get(..byte).unwrap_or(text);
        let line = before.rsplit('\n').next().unwrap_or_default();
        format!("{file}:{}:{}", before.matches('\n').count() + 1, line.chars().count() + 1)
    };
    let table: BTreeMap<Spanned<String>, Spanned<Value>> = toml::from_str(text).map_err(|cause| {
        let place = place(cause.span().map_or(0, |span| span.start));
        format!("{place}: not a configuration: {}", cause.message().replace('\n', "; "))
    })?;
    let mut entries: Vec<_> = table.into_iter().map(|(name, value)| (name.span().start, name, value)).collect();
    entries.sort_by_key(|(start, ..)| *start);
    let entry = |(start, name, value): (usize, Spanned<String>, Spanned<Value>)| Entry {
        name: name.into_inner(),
        value: value.into_inner(),
        place: place(start),
    };
    Ok(entries.into_iter().map(entry).collect())
}

/// The value of an option in a configuration file; none where nothing is given.
pub(crate) fn value_of(argument: &Arg, values: &[String]) -> Option<Value> {
    if matches!(argument.get_action(), ArgAction::Append) {
        return Some(strings(values));
    }
    // What an option is shows its default: a column that is called 007 is no number.
    let default = argument.get_default_values().first().map(|default| typed(&default.to_string_lossy()));
    let text = values.first()?;
    Some(if default.is_some_and(|default| !default.is_str()) { typed(text) } else { text.as_str().into() })
}

/// Texts as a list.
pub(crate) fn strings(values: &[String]) -> Value {
    Value::Array(values.iter().cloned().map(Value::String).collect())
}

/// A text as a truth value or a number, where it is one.
fn typed(text: &str) -> Value {
    if let Ok(value) = text.parse() {
        return Value::Boolean(value);
    }
    let number = text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Float));
    number.unwrap_or_else(|_| text.into())
}

/// The greatest depth of lists and objects within each other.
const DEEPEST: usize = 32;

/// Reads an object in JSON as a table. Numbers keep all their bits, which serde_json's own reader of numbers does not
/// promise.
pub(crate) fn json_table(text: &str) -> std::result::Result<Table, String> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|cause| cause.to_string())?;
    match json_value(raw, DEEPEST)? {
        Value::Table(table) => Ok(table),
        _ => Err("it is no object".to_owned()),
    }
}

fn json_value(raw: &RawValue, depth: usize) -> std::result::Result<Value, String> {
    let text = raw.get();
    if depth == 0 {
        return Err(format!("lists and objects are more than {DEEPEST} deep"));
    }
    let wrong = |cause: serde_json::Error| cause.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let field = |(name, raw)| Ok::<_, String>((name, json_value(raw, depth - 1)?));
            Value::Table(fields.into_iter().map(field).collect::<std::result::Result<_, _>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(wrong)?;
            let item = |raw: &RawValue| json_value(raw, depth - 1);
            Value::Array(items.into_iter().map(item).collect::<std::result::Result<_, _>>()?)
        }
        Some(b'"') => Value::String(serde_json::from_str(text).map_err(wrong)?),
        Some(b't' | b'f') => Value::Boolean(text == "true"),
        _ => {
            let number = text.parse().map(Value::Integer).or_else(|_| text.parse().map(Value::Float));
            number.map_err(|_| format!("`{text}` is no value"))?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_in_json_is_the_table_it_was_written_from_to_the_bit() {
        let numbers = [0.011_532_309_949_479_647, 1e300, -2.5e-8, 3.0, f64::MIN_POSITIVE].map(Value::Float);
        let table = Table::from_iter([
            ("numbers".to_owned(), Value::Array(numbers.to_vec())),
            ("size".to_owned(), Value::Integer(i64::MAX)),
            ("inner".to_owned(), Value::Table(Table::from_iter([("a\"\n".to_owned(), Value::Boolean(true))]))),
            ("names".to_owned(), strings(&["å".to_owned(), String::new()])),
        ]);
        assert_eq!(json_table(&serde_json::to_string_pretty(&table).unwrap()).unwrap(), table);
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["", "[]", "{", "{\"a\": null}", "{\"a\": 1} 2", "\u{0}", deep.as_str()] {
            assert!(json_table(text).is_err(), "{}", &text[..text.len().min(20)]);
        }
    }

    #[test]
    fn keys_and_faults_have_their_line_and_column() {
        let found = entries("c.toml", "\u{feff}# å\nepochs = 3\r\n  data = [\"å.tsv\"]\n").unwrap();
        let places: Vec<_> = found.iter().map(|entry| (entry.name.as_str(), entry.place.as_str())).collect();
        assert_eq!(places, [("epochs", "c.toml:2:1"), ("data", "c.toml:3:3")]);
        for (text, place) in [
            ("epochs = = 3\n", "c.toml:1:10: "),
            ("a = 1\nepochs 3", "c.toml:2:8: "),
            ("å = \"", "c.toml:1:"),
            ("a = 1\na = 2\n", "c.toml:2:1: "),
        ] {
            let message = entries("c.toml", text).err().unwrap();
            assert!(message.starts_with(place) && message.contains("not a configuration"), "{text:?}: {message}");
        }
    }

    #[test]
    fn any_bytes_are_a_configuration_or_an_error() {
        for text in ["", "\u{feff}", "a.b = 1", "[a]\nb = 1", "\r", "=", "\"\\u0000\" = 1", "a = 2024-01-01"] {
            let _ = entries("c.toml", text);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), [0xff]).unwrap();
        assert!(read(file.path()).err().unwrap().to_string().contains("invalid utf-8"));
        #[cfg(target_os = "linux")]
        assert!(read(Path::new("/dev/zero")).err().unwrap().to_string().contains("more than"));
    }
}
