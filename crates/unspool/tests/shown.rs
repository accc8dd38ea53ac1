//! Every public item at the top level of a module (function, struct, enum, trait, type alias) is used in an example of
//! the docs. A function needs an example in its own docs. Another item may be used in the docs of any item of its
//! crate, since a type is often shown best by the function that makes it. Methods, fields and constants are not looked
//! at.
//!
//! A published package holds one crate alone; there is then nothing to look at.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The sources of a crate's library, each with its module's name.
fn sources(root: &Path) -> Vec<(String, String)> {
    let (mut folders, mut found) = (vec![root.to_path_buf()], vec![]);
    while let Some(folder) = folders.pop() {
        let entries: BTreeSet<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        for path in entries {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            match (path.is_dir(), name.as_str()) {
                (_, "tasks" | "program" | "main") => {} // the program's, which nobody can name
                (true, _) => folders.push(path),
                (false, "mod") => {
                    let module = path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
                    found.push((module, fs::read_to_string(path).unwrap()));
                }
                (false, _) => found.push((name, fs::read_to_string(path).unwrap())),
            }
        }
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The lines of all examples in a source's docs.
fn examples(source: &str) -> Vec<&str> {
    let docs = source.lines().map(str::trim).filter_map(|l| l.strip_prefix("///").or(l.strip_prefix("//!")));
    let mut open = false;
    docs.filter(|line| {
        let fence = line.trim().starts_with("```");
        open ^= fence;
        open && !fence
    })
    .collect()
}

/// The public items of a source: kind, name, and whether their own docs have an example.
fn items(source: &str) -> Vec<(&str, &str, bool)> {
    let lines: Vec<&str> = source.lines().collect();
    let item = |(at, line): (usize, &&'_ str)| -> Option<(usize, String, String)> {
        let mut words = line.strip_prefix("pub ")?.split_whitespace();
        let (kind, name) = (words.next()?, words.next()?);
        let name = self::words(name).next()?;
        ["fn", "struct", "enum", "trait", "type"].contains(&kind).then(|| (at, kind.to_owned(), name.to_owned()))
    };
    let found: Vec<(usize, String, String)> = lines.iter().enumerate().filter_map(item).collect();
    found
        .into_iter()
        .filter_map(|(at, kind, name)| {
            let above = lines[..at].iter().rev().take_while(|line| !line.is_empty() && !line.starts_with('}'));
            let docs: Vec<&&str> = above.filter(|line| line.starts_with("///") || line.starts_with("#[")).collect();
            let hidden = docs.iter().any(|line| line.contains("doc(hidden)"));
            let own = docs.iter().any(|line| line.trim_start_matches("///").trim().starts_with("```"));
            let line = lines[at];
            let find = |word: &str| line.find(word).map(|from| &line[from..from + word.len()]);
            (!hidden).then_some((find(&kind)?, find(&name)?, own))
        })
        .collect()
}

/// Types that an example gets from a function, and uses without naming them.
const MADE_ELSEWHERE: [&str; 2] = ["Program", "CellUnderTest"];

#[test]
fn every_public_item_is_shown_at_work() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !crates.join("graph/src").exists() {
        return;
    }
    let mut seen = 0;
    for name in ["graph", "nn", "text", "unspool"] {
        let sources = sources(&crates.join(name).join("src"));
        let shown: BTreeSet<&str> = sources.iter().flat_map(|(_, text)| examples(text)).flat_map(words).collect();
        let uses = sources.iter().flat_map(|(_, text)| text.split("pub use ").skip(1));
        let exported: BTreeSet<&str> = uses.filter_map(|rest| rest.split(';').next()).flat_map(words).collect();
        let public = |module: &str| {
            module == "lib" || sources.iter().any(|(_, text)| text.contains(&format!("\npub mod {module};")))
        };
        for (module, text) in &sources {
            for (kind, item, own) in items(text) {
                // An example of the module `mpi` could only run under `mpirun`.
                if (public(module) || exported.contains(item)) && !MADE_ELSEWHERE.contains(&item) && module != "mpi" {
                    seen += 1;
                    let elsewhere = kind != "fn" && shown.contains(item);
                    assert!(own || elsewhere, "{name}: the docs of the {kind} {item} in {module} show no example");
                }
            }
        }
    }
    assert!(seen > 200, "{seen} items were seen");
}
