//! Configuration files: TOML whose errors name the line and the column.

use super::{
    error::{Error, Result},
    limits,
};
use std::{collections::BTreeMap, path::Path};
use toml::{Spanned, Value};

/// A key with its value.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) value: Value,
    /// The file, line and column of the key, for messages.
    pub(crate) place: String,
}

/// Reads a file. Its keys come in the order of the file.
pub(crate) fn read(path: &Path) -> Result<Vec<Entry>> {
    let hint = "a configuration has lines such as `epochs = 3`; `--help` lists the options";
    let bytes = limits::read(path, limits::CONFIG)?.ok_or_else(|| {
        let message = format!("{}: not a configuration: more than {} bytes", path.display(), limits::CONFIG);
        Error::failure(message, hint)
    })?;
    let text = String::from_utf8(bytes).map_err(|cause| {
        Error::failure(format!("{}: not a configuration: {}", path.display(), cause.utf8_error()), "save it as UTF-8")
    })?;
    entries(&path.display().to_string(), &text).map_err(|message| Error::failure(message, hint))
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

#[cfg(test)]
mod tests {
    use super::*;

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
