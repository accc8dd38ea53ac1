//! The pages of `docs`: formulas that can be typeset, code that is that of an example, and English.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: impl AsRef<Path>) -> String {
    let file = root().join(file);
    fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()))
}

/// The pages that readers see, by name.
fn pages() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_string(), read(&path)))
        .collect();
    pages.extend(["README.md", "CONTRIBUTING.md"].map(|file| (format!("../{file}"), read(file))));
    pages.sort();
    assert!(pages.len() > 30);
    pages
}

/// The lines of a page outside of its fenced blocks, with their numbers.
fn prose(text: &str) -> Vec<(usize, &str)> {
    let mut open = false;
    let mut outside = |line: &&str| {
        let fence = line.starts_with("```");
        open ^= fence;
        !open && !fence
    };
    let lines: Vec<&str> = text.lines().collect();
    (1..).zip(lines).filter(|(_, line)| outside(line)).collect()
}

#[test]
fn every_formula_can_be_typeset() {
    let mut formulas = 0;
    for (file, text) in pages().into_iter().filter(|(file, _)| !file.starts_with("..")) {
        let typeset = xtask::math::typeset(&text).unwrap_or_else(|why| panic!("docs/{file}: {why}"));
        // A browser would guess what tags that are not well-formed mean.
        for rest in typeset.split("<math").skip(1) {
            let inside = rest.split("</math>").next().unwrap_or_default();
            let formula = format!("<math{}</math>", inside.replace("&nbsp;", "&#160;"));
            roxmltree::Document::parse(&formula).unwrap_or_else(|why| panic!("docs/{file}: {why}: {formula}"));
            formulas += 1;
        }
    }
    assert!(formulas > 200, "{formulas}");
}

#[test]
fn the_page_of_an_own_task_shows_the_example() {
    let (page, example) = (read("docs/own-task.md"), read("crates/task/examples/own_task.rs"));
    let blocks: Vec<&str> = page.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5);
    for block in blocks {
        assert!(example.contains(block), "crates/task/examples/own_task.rs does not hold\n{block}");
    }
}

/// Phrases that are translated word by word, and what to write.
const BANNED: [(&str, &str); 26] = [
    ("comes to", "reaches, is"),
    ("come to naught", "fail"),
    ("to be had", "possible"),
    ("that can be had", "possible"),
    ("who says", "a model that says"),
    ("whoever", "anyone who"),
    ("faultless", "without a mistake"),
    ("hold it against", "compare it with"),
    ("held against", "compared with"),
    ("to no use", "without success"),
    ("worth while", "worthwhile"),
    ("there and back", "forward and backward"),
    ("at the last:", "last"),
    ("turned round", "reversed"),
    ("neighbour", "neighbor"),
    ("normalised", "normalized"),
    ("colour", "color"),
    ("centred", "centered"),
    ("practise", "practice"),
    ("behind it,", "after it"),
    ("behind them", "after them"),
    ("the walk back", "the backward pass"),
    ("stands beside", "is beside"),
    ("stand beside", "are beside"),
    ("stands in the", "is in the"),
    ("nobody knows what", "what is not known"),
];

/// The banned phrases in numbered lines of a file.
fn banned<'a>(file: &str, lines: impl IntoIterator<Item = (usize, &'a str)>) -> Vec<String> {
    let mut found = vec![];
    for (number, line) in lines {
        let line = line.to_lowercase();
        let banned = BANNED.iter().filter(|(phrase, _)| line.contains(phrase));
        found.extend(banned.map(|(phrase, better)| format!("{file}:{number}: {phrase:?}: write {better}")));
    }
    found
}

#[test]
fn pages_avoid_phrases_that_are_no_english() {
    let mut found = vec![];
    for (file, text) in pages() {
        if !file.ends_with("CONTRIBUTING.md") {
            found.extend(banned(&format!("docs/{file}"), prose(&text))); // its style sheet names them
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The files of code below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_documentation_of_the_libraries_avoids_them_too() {
    let mut found = vec![];
    for library in ["graph", "nn", "unspool", "baselines", "files"] {
        let mut files = vec![];
        sources(&root().join("crates").join(library).join("src"), &mut files);
        assert!(!files.is_empty());
        for path in files {
            let text = fs::read_to_string(&path).unwrap();
            let lines = (1..).zip(text.lines()).filter(|(_, line)| line.trim_start().starts_with("//"));
            found.extend(banned(&path.display().to_string(), lines));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(banned("x", [(3, "/// The text behind it, and a colour.")]).len(), 2);
}
