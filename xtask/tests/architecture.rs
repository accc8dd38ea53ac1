//! `docs/architecture.md` and its picture say what the code says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use xtask::{history, imports, picture};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"))
}

#[test]
fn the_picture_is_drawn_from_the_code() {
    let days = history::parse(&read("docs/history.csv")).unwrap();
    let svg = picture::draw(&imports::read(&root()).unwrap(), &days);
    assert!(svg == read("docs/architecture.svg"), "draw it anew: cargo run -p xtask -- architecture");
}

#[test]
fn a_crate_uses_only_those_below_it() {
    let below = [
        ("files", vec![]),
        ("baselines", vec![]),
        ("graph", vec![]),
        ("nn", vec!["files", "graph"]),
        ("text", vec!["files"]),
        ("unspool", vec!["graph", "nn", "text"]),
        ("serve", vec![]),
        ("task", vec!["files", "unspool", "serve"]),
        ("cli", vec!["baselines", "unspool", "task"]),
    ];
    for (of, (name, below)) in imports::read(&root()).unwrap().iter().zip(below) {
        assert_eq!((of.name, &of.uses), (name, &BTreeSet::from_iter(below)));
    }
}

#[test]
fn no_files_of_the_core_use_each_other_in_a_circle() {
    let mut graph = imports::read(&root()).unwrap().into_iter().find(|of| of.name == "graph").unwrap();
    assert_eq!(imports::circles(&graph), Vec::<Vec<&str>>::new());
    // A circle would be found.
    let place = |module: &str| graph.modules.iter().position(|known| known == module).unwrap();
    let back = (place("tape"), place("backward"));
    graph.imports.insert(back);
    assert!(imports::circles(&graph)[0].contains(&"grad_store"));
}

#[test]
fn no_files_of_the_runner_or_the_program_use_each_other_in_a_circle() {
    for of in imports::read(&root()).unwrap().iter().filter(|of| ["serve", "task", "cli"].contains(&of.name)) {
        assert_eq!(imports::circles(of), Vec::<Vec<&str>>::new(), "crates/{}", of.name);
    }
}

#[test]
fn a_crate_without_an_import_has_no_arrow() {
    let crates = imports::read(&root()).unwrap();
    let arrows = |crates: &[imports::Crate]| picture::draw(crates, &[]).matches("<path ").count();
    let mut cut = crates.clone();
    cut.iter_mut().for_each(|of| of.imports.clear());
    assert!(arrows(&crates) > 50 && arrows(&cut) == 0);
}

#[test]
fn the_history_is_that_of_git() {
    let git = |arguments: &[&str]| history::git(&root(), arguments);
    // A package or an archive has no history, a shallow clone only its end.
    if git(&["rev-parse", "--is-shallow-repository"]).ok().as_deref() != Some("false\n") {
        return;
    }
    let said = history::parse(&read("docs/history.csv")).unwrap();
    let known: BTreeMap<String, _> =
        history::of_git(&root()).unwrap().into_iter().map(|day| (day.date.clone(), day)).collect();
    for day in &said {
        assert_eq!(known.get(&day.date), Some(day), "read it anew: cargo run -p xtask -- history");
    }
}

/// Names in the first column of the tables below a heading.
fn listed(page: &str, heading: &str) -> Vec<String> {
    let section = page.split("\n## ").find_map(|section| section.strip_prefix(heading)?.strip_prefix('\n'));
    let section = section.unwrap_or_else(|| panic!("there is no heading {heading:?}"));
    let cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    cells.flat_map(|(cell, _)| cell.split(", ").map(|name| name.trim_matches('`').to_string())).collect()
}

/// What a folder holds, with `/` after the names of folders.
fn held(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap());
    let name = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() { name + "/" } else { name }
    };
    entries.map(name).collect()
}

/// What git tracks at the root, in the same form; nothing where there is no git.
fn tracked() -> BTreeSet<String> {
    let files = history::git(&root(), &["ls-files"]).unwrap_or_default();
    files.lines().map(|file| file.split_once('/').map_or(file.into(), |(folder, _)| format!("{folder}/"))).collect()
}

#[test]
fn the_page_lists_every_file_and_folder_once() {
    let page = read("docs/architecture.md");
    let sources = ["files", "baselines", "graph", "nn", "text", "unspool", "serve", "task", "cli"]
        .map(|name| (name, held(&format!("crates/{name}/src"))));
    let repository = Some(("The repository", tracked())).filter(|(_, files)| !files.is_empty());
    for (heading, mut held) in repository.into_iter().chain(sources) {
        let names = listed(&page, heading);
        let once: BTreeSet<String> = names.iter().cloned().collect();
        assert_eq!(names.len(), once.len(), "{heading}: a name is listed twice: {names:?}");
        held.remove("lib.rs");
        let missing: Vec<_> = held.difference(&once).collect();
        let gone: Vec<_> = once.difference(&held).collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "docs/architecture.md, {heading}: does not list {missing:?}; lists {gone:?}, which are not there"
        );
    }
}
