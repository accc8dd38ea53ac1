//! Every word of the pages, of the documentation in the code, of help and of error messages is in a dictionary:
//! American English as Debian's package `wamerican` 2020.12.07 has it (from SCOWL; its license is beside it), and
//! `words/project.txt` for what is no common word. Code, formulas and names of identifiers are left out.

use flate2::read::GzDecoder;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Read,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The common words of English.
fn english() -> BTreeSet<String> {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../words/american-english.gz")[..]).read_to_string(&mut text).unwrap();
    text.lines().map(str::to_string).collect()
}

/// The words of this project, and the text after each, if there is any.
fn project() -> Vec<&'static str> {
    include_str!("../words/project.txt").lines().filter(|line| !line.starts_with('#')).collect()
}

/// The lines of a page that are prose.
fn of_page(text: &str) -> Vec<(usize, String)> {
    let mut open = false;
    let mut prose = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        let fence = line.trim_start().starts_with("```");
        open ^= fence;
        if !open && !fence {
            prose.push((number, line.to_string()));
        }
    }
    prose
}

/// The lines of code that are documentation, comments or messages of errors.
fn of_code(text: &str) -> Vec<(usize, String)> {
    let (mut open, mut prose) = (false, vec![]);
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        let documentation = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
        if let Some(words) = documentation {
            let fence = words.trim_start().starts_with("```");
            open ^= fence;
            if !open && !fence {
                prose.push((number, words.to_string()));
            }
            continue;
        }
        open = false;
        if let Some(words) = line.strip_prefix("//") {
            prose.push((number, words.to_string()));
        } else if let Some(message) = line.strip_prefix("#[error(\"") {
            prose.push((number, message.replace(['{', '}'], "`")));
        }
    }
    prose
}

/// The words of a line: letters between what is no letter. Code, formulas, addresses and places of links are left out.
fn words(line: &str) -> Vec<String> {
    let mut kept = String::new();
    for (place, part) in line.split('`').enumerate() {
        kept.push_str(if place % 2 == 0 { part } else { "_" });
    }
    // [text](place), [name]: place, <tag>
    let mut plain = String::new();
    for (place, part) in kept.split("](").enumerate() {
        let after = if place == 0 { part } else { part.split_once(')').map_or("", |(_, after)| after) };
        plain.push_str(after);
        plain.push(' ');
    }
    if let Some((name, _)) = plain.clone().split_once("]: ").filter(|(name, _)| name.starts_with('[')) {
        plain = name.to_string();
    }
    let mut found = vec![];
    for chunk in plain.split(|c: char| c.is_whitespace() || "()[]{},;\"“”".contains(c)) {
        let is_place = ["/", "_", "://", "=", "::", "@", "\\", "<", "#", "."].iter().any(|mark| {
            let inside = chunk.trim_end_matches(['.', ':', '?', '!', '*']);
            inside.contains(mark)
        });
        if is_place || chunk.chars().any(|c| c.is_ascii_digit()) || chunk.starts_with("--") {
            continue;
        }
        for word in chunk.split(|c: char| !c.is_alphabetic() && c != '\'' && c != '’') {
            let word = word.replace('’', "'");
            let word = word.trim_matches('\'');
            let word = word.strip_suffix("'s").unwrap_or(word);
            // Names of other scripts and identifiers are no words.
            let inner = word.chars().skip(1).any(char::is_uppercase);
            if word.chars().count() > 2 && word.is_ascii() && !inner && !word.contains('\'') {
                found.push(word.to_string());
            }
        }
    }
    found
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // Fixtures and data are texts of others, `target` is no source.
        let skipped = ["target", "data", "fixtures", "corpus", "words", "node_modules"].contains(&&*name);
        if path.is_dir() {
            if !skipped && !name.starts_with('.') && !path.join(".git").exists() {
                files(&path, found);
            }
        } else if path.extension().is_some_and(|end| end == "md" || end == "rs") {
            found.push(path);
        }
    }
}

/// Each word of the repository that no dictionary has, and where it is first.
fn unknown(known: &BTreeSet<String>) -> (BTreeMap<String, String>, BTreeSet<String>) {
    let mut all = vec![];
    for folder in ["crates", "docs", "xtask", "benches", "fuzz"] {
        files(&root().join(folder), &mut all);
    }
    let pages = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    all.extend(pages.filter(|path| path.extension().is_some_and(|end| end == "md")));
    let (mut unknown, mut seen) = (BTreeMap::new(), BTreeSet::new());
    for path in all {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
        let is_page = name.ends_with(".md");
        // Generated for rustdoc, and a copy of a page of a sister project.
        if name.ends_with("embedded.md") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines = if is_page { of_page(&text) } else { of_code(&text) };
        for (number, line) in lines {
            for word in words(&line) {
                let lower = word.to_lowercase();
                if !known.contains(&word) && !known.contains(&lower) {
                    unknown.entry(lower.clone()).or_insert_with(|| format!("{name}:{number}: {word}"));
                }
                seen.insert(lower);
            }
        }
    }
    (unknown, seen)
}

#[test]
fn every_word_is_in_a_dictionary() {
    let mut known = english();
    known.extend(project().into_iter().map(str::to_string));
    let (unknown, _) = unknown(&known);
    let lines: Vec<_> = unknown.into_values().collect();
    assert!(lines.is_empty(), "misspelled, or missing in xtask/words/project.txt:\n{}", lines.join("\n"));
}

#[test]
fn the_words_of_the_project_are_sorted_used_and_no_common_words() {
    let (project, english) = (project(), english());
    assert!(project.is_sorted(), "xtask/words/project.txt is not sorted");
    let (_, seen) = unknown(&BTreeSet::new());
    for word in project {
        assert!(!english.contains(word), "{word} is in the dictionary");
        assert!(seen.contains(word), "{word} is used nowhere");
    }
}

#[test]
fn words_are_cut_from_prose_and_not_from_code() {
    let cut = |line: &str| words(line).join(" ");
    assert_eq!(cut("The *loss* of `foo_bar`, don't: LSTM's cells."), "The loss cells");
    assert_eq!(cut("[a link](https://example.org/x) and www.example.org or src/main.rs"), "link and");
    assert_eq!(cut("[place]: ../crates/graph.rs"), "place");
    assert_eq!(cut("multi-head attention, 3rd, `--seed`, $`x_t W`$"), "multi head attention");
    assert_eq!(
        of_code("/// A doc.\n/// ```\n/// let x;\n/// ```\nlet y; // no\n// yes\n#[error(\"no {x}\")]").len(),
        3
    );
    // A negative control: words that are misspelled or British are in no dictionary.
    let english = english();
    for wrong in ["recieve", "seperate", "colour", "neighbour", "normalised", "occured", "langauge"] {
        assert!(!english.contains(wrong), "{wrong}");
    }
    assert!(english.contains("receive") && english.contains("color"));
}
