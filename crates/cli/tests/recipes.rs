//! What holds of every recipe.

use std::{collections::BTreeMap, fs, path::Path};

/// The recipes without their tests, by name.
fn recipes() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/recipes");
    let read = |path: std::path::PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), text)
    };
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(read).filter(|(name, _)| name != "mod").collect()
}

#[test]
fn a_recipe_names_no_process_no_thread_no_file_and_no_parser() {
    let all = recipes();
    // One recipe is that of five tasks.
    assert_eq!(all.len() + 4, unspool_cli::TASKS.len());
    for (name, text) in all {
        let processes = ["Exchange", "exchange", "Atomic", "Mutex", "rayon", "thread"];
        let files = ["std::fs", "fs::", "File::", "std::io", "Path"];
        let parsers = ["ArgMatches", "ArgAction", "Command::", "clap::"];
        for word in [&processes[..], &files, &parsers].concat() {
            assert!(!text.contains(word), "{name} says {word}");
        }
    }
}

#[test]
fn a_recipe_is_short() {
    let lines: BTreeMap<String, usize> =
        recipes().iter().map(|(name, text)| (name.clone(), text.lines().count())).collect();
    assert!(lines["sentiment"] <= 130, "{lines:?}");
    assert!(lines["abilities"] <= 300, "{lines:?}");
    let others = lines.iter().filter(|(name, _)| *name != "abilities").map(|(_, lines)| lines);
    assert!(others.sum::<usize>() <= MOST, "{lines:?}");
}

/// Lines of all recipes of one task together. The one of five tasks has a bound of its own, so that a recipe of one
/// task cannot grow by what that one leaves over.
const MOST: usize = 2000;

#[test]
fn the_help_says_the_ranges_that_are_taken() {
    assert!(unspool_task::testing::ranges(&unspool_cli::TASKS) > 60);
}

#[test]
fn processes_that_share_out_the_rows_make_the_batches_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.tsv");
    let mut rows = "swedish\tenglish\tdocument\tlabel\n".to_owned();
    for row in 0..60 {
        let (words, label) = ("ord ".repeat(1 + row % 5), ["bra", "dålig"][row % 2]);
        rows += &format!("{words}nummer {row}\tword {row}\ten {label} film, {row}\t{label}\n");
    }
    fs::write(&path, rows).unwrap();
    let data = format!("--data={}", path.display());
    for (task, size) in
        [("translation", "--batch-tokens=40"), ("sentiment", "--batch-rows=4"), ("spacing", "--batch-rows=4")]
    {
        let entry = unspool_cli::TASKS.iter().find(|entry| entry.name() == task).unwrap();
        let words: Vec<String> = [task, "--hidden-size=4", size, &data].map(str::to_owned).to_vec();
        let alone = unspool_task::testing::losses(entry, &words, 1);
        assert!(alone.len() > 3, "{alone:?}");
        for ranks in [2, 3] {
            assert_eq!(unspool_task::testing::losses(entry, &words, ranks), alone, "{task}");
        }
    }
}
