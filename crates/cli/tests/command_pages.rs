//! The pages of `docs/commands` are those that the definitions of the commands make, and the examples in the help of
//! every task work as they are typed.

mod common;
mod small;

use common::succeeds;
use std::{collections::BTreeMap, fs, path::Path};

#[test]
fn the_pages_are_made_from_the_definitions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands");
    if !folder.exists() {
        return; // A package has no pages.
    }
    let made: BTreeMap<String, String> =
        unspool_task::testing::command_pages(&unspool_cli::TASKS).into_iter().collect();
    let there = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let there: BTreeMap<String, String> =
        there.map(|name| (name.clone(), fs::read_to_string(folder.join(&name)).unwrap())).collect();
    assert!(made.keys().eq(there.keys()), "{:?} {:?}", made.keys(), there.keys());
    for (name, text) in &made {
        assert!(there[name] == *text, "{name}: make it anew: cargo run -p unspool-cli --example command_pages");
    }
}

#[test]
fn every_example_of_every_task_works_as_it_is_typed() {
    let folder = tempfile::tempdir().unwrap();
    small::write_data(folder.path());
    for task in unspool_cli::TASKS.iter().map(|task| task.name()) {
        let at = folder.path().join(task);
        fs::create_dir(&at).unwrap();
        let help = succeeds(&at, &["train", task, "--help"], b"");
        let (_, examples) = help.split_once("Examples:").unwrap();
        let examples: Vec<&str> = examples.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        assert!(examples.len() >= 2, "{task}: {help}");
        for example in examples {
            let words: Vec<&str> = example.split(' ').collect();
            assert_eq!(words[..3], ["unspool", "train", task], "{example}");
            let (data, more) = small::options(task);
            let data = data.map(|data| format!("--data={}", folder.path().join(data).display()));
            let mut typed: Vec<&str> =
                words[1..].iter().copied().filter(|word| !["--data", "FILE"].contains(word)).collect();
            typed.extend(data.as_deref());
            typed.extend(more);
            typed.extend(["--epochs=1"]);
            if task != "digits" || !typed.contains(&"--print-config") {
                typed.push("--hidden-size=8");
            }
            succeeds(&at, &typed, b"");
        }
        assert!(at.join("runs/slow/model.safetensors").exists(), "{task}");
    }
}
