//! What holds of the repository as a whole: no file of one kind of system, licenses in every package, scripts that
//! exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use xtask::history::git;

const PACKAGES: [(&str, &str); 8] = [
    ("baselines", "unspool-baselines"),
    ("graph", "unspool-graph"),
    ("nn", "unspool-nn"),
    ("text", "unspool-text"),
    ("unspool", "unspool"),
    ("serve", "unspool-serve"),
    ("task", "unspool-task"),
    ("cli", "unspool-cli"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|why| panic!("{file}: {why}"))
}

/// What git tracks, with the mode of each file; nothing where there is no git.
fn tracked() -> Vec<(String, String)> {
    let listed = git(&root(), &["ls-files", "--stage"]).unwrap_or_default();
    // 100644 HASH 0<tab>FILE
    let line = |line: &str| {
        let (head, file) = line.split_once('\t')?;
        Some((head.split(' ').next()?.to_string(), file.to_string()))
    };
    listed.lines().filter_map(line).collect()
}

/// On Windows git writes a symbolic link as a text file, unless the user has the right to make links.
#[test]
fn no_symbolic_link_is_tracked() {
    let links: Vec<_> = tracked().into_iter().filter(|(mode, _)| mode == "120000").collect();
    assert!(links.is_empty(), "{links:?}");
}

/// Windows and macOS do not tell `A.rs` from `a.rs`, and Windows refuses some names and characters.
#[test]
fn every_path_can_be_checked_out_on_every_system() {
    let mut seen = BTreeSet::new();
    for (_, file) in tracked() {
        assert!(seen.insert(file.to_lowercase()), "{file} differs from another file only in case");
        for part in file.split('/') {
            let stem = part.split('.').next().unwrap_or_default().to_lowercase();
            let reserved = ["con", "prn", "aux", "nul"].contains(&&*stem)
                || ["com", "lpt"].iter().any(|port| stem.strip_prefix(port).is_some_and(|n| n.len() == 1));
            let odd = part.contains(['<', '>', ':', '"', '\\', '|', '?', '*']) || part.ends_with(['.', ' ']);
            assert!(!reserved && !odd, "Windows has no file {file}");
        }
    }
}

#[test]
fn every_package_carries_the_licenses() {
    for (folder, _) in PACKAGES {
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(read(license) == read(&format!("crates/{folder}/{license}")), "crates/{folder}/{license} differs");
        }
    }
}

#[test]
fn the_license_of_the_program_names_the_terms_of_its_data() {
    let manifest = read("crates/cli/Cargo.toml");
    let license = manifest.lines().find(|line| line.starts_with("license = ")).unwrap();
    let rows = read("crates/cli/data/LICENSES.md");
    let terms: Vec<&str> = rows.lines().skip(4).filter_map(|row| row.trim_matches('|').rsplit(" | ").next()).collect();
    let known = [
        ("CC BY 2.0", "CC-BY-2.0"),
        ("CC BY 4.0", "CC-BY-4.0"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("CC0 1.0", "CC0-1.0"),
    ];
    for terms in terms.iter().filter(|terms| terms.contains("CC")) {
        let (_, spdx) = known.iter().find(|(name, _)| terms.contains(name)).unwrap_or_else(|| panic!("{terms}?"));
        assert!(license.contains(spdx), "{license} does not say {spdx}, the terms of some data");
    }
    let said = known.iter().filter(|(name, _)| terms.iter().any(|terms| terms.contains(name))).count();
    assert_eq!(license.matches("CC").count(), said, "{license} names terms that no data has");
}

/// Data of others keeps its terms, so a package of pure code must leave it out.
#[test]
fn the_other_packages_carry_no_data_of_others() {
    let manifest = read("crates/text/Cargo.toml");
    assert!(
        manifest.contains("exclude = [\"/tests/fixtures\", \"/tests/sacrebleu.rs\", \"/tests/seqeval.rs\"]"),
        "the fixture is from Tatoeba"
    );
    for folder in ["baselines", "graph", "nn", "text", "unspool", "serve", "task"] {
        assert!(read(&format!("crates/{folder}/Cargo.toml")).contains("license.workspace = true"), "{folder}");
    }
}

#[test]
fn every_manifest_says_what_a_registry_shows() {
    for (folder, name) in PACKAGES {
        let manifest = read(&format!("crates/{folder}/Cargo.toml"));
        let documentation = format!("documentation = \"https://docs.rs/{name}\"");
        for line in [
            "description = \"",
            "repository.workspace = true",
            "homepage.workspace = true",
            "rust-version.workspace = true",
            "keywords.workspace = true",
            "categories = [\"",
            "readme = \"README.md\"",
            "[package.metadata.docs.rs]",
            &documentation,
        ] {
            assert!(
                manifest.lines().any(|found| found.starts_with(line)),
                "crates/{folder}/Cargo.toml has no {line:?}"
            );
        }
    }
}

/// rustfmt leaves strings, macros and examples in docs as they are, however long.
#[test]
fn no_line_of_code_has_more_than_120_columns() {
    let files = tracked().into_iter().map(|(_, file)| file).filter(|file| file.ends_with(".rs"));
    let long = files.flat_map(|file| {
        let text = read(&file);
        let long = text.lines().zip(1..).filter(|(line, _)| line.chars().count() > 120);
        long.map(|(_, number)| format!("{file}:{number}")).collect::<Vec<_>>()
    });
    let long: Vec<String> = long.collect();
    assert!(long.is_empty(), "longer than 120 columns: {}", long.join(", "));
}

/// Scripts that a text names: `scripts/NAME.sh`.
fn scripts(text: &str) -> BTreeSet<String> {
    let ends = |rest: &str| rest.find(".sh").map(|end| format!("scripts/{}.sh", &rest[..end]));
    let named = text.split("scripts/").skip(1).filter_map(ends);
    named.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || "-/.".contains(c))).collect()
}

#[test]
fn every_step_of_a_workflow_and_every_recipe_is_a_script_that_exists() {
    let mut named = scripts(&(read("justfile") + &read(".ci/run") + &read("RELEASING.md") + &read("CONTRIBUTING.md")));
    for workflow in ["ci", "docs", "release", "scheduled"] {
        named.extend(scripts(&read(&format!(".github/workflows/{workflow}.yml"))));
    }
    assert!(named.len() > 10, "{named:?}");
    let modes = tracked();
    for script in &named {
        assert!(read(script).starts_with("#!"), "{script}");
        assert!(
            modes.is_empty() || modes.contains(&("100755".into(), script.clone())),
            "git: {script} is not executable"
        );
    }
}

#[test]
fn every_page_is_in_the_contents_of_the_book() {
    let contents = read("docs/SUMMARY.md");
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if file.ends_with(".md") && !["SUMMARY.md", "README.md", "links.md"].contains(&&*file) {
            assert_eq!(contents.matches(&format!("({file})")).count(), 1, "docs/SUMMARY.md and {file}");
        }
    }
}

/// Each public item's line, name and first line of documentation.
fn documented(code: &str) -> Vec<(usize, String, String)> {
    let (mut doc, mut found) = (None, vec![]);
    for (number, line) in code.lines().enumerate() {
        let line = line.trim_start();
        if let Some(text) = line.strip_prefix("///") {
            doc = doc.or(Some((number + 1, text.trim().to_string())));
            continue;
        }
        // Attributes stand between the documentation and its item.
        if line.starts_with("#[") || line.starts_with(")]") || line.starts_with("message") || line.starts_with("note") {
            continue;
        }
        if let (Some((number, text)), Some(item)) = (doc.take(), line.strip_prefix("pub ")) {
            let words: Vec<&str> = item.split_whitespace().collect();
            let kinds = ["fn", "struct", "enum", "trait", "type", "const", "mod"];
            if kinds.contains(words.first().unwrap_or(&"")) {
                found.push((number, words.get(1).unwrap_or(&"").to_string(), text));
            }
        }
    }
    found
}

/// Whether a text begins with a verb in the third person: "Returns", "Runs".
fn begins_with_a_verb(text: &str) -> bool {
    let word: String = text.chars().take_while(|c| c.is_alphabetic()).collect();
    let no_verbs = ["This", "Its", "Gradients", "Parameters", "Values", "Elements", "Errors", "Findings", "As"];
    word.starts_with(char::is_uppercase) && word.ends_with('s') && !no_verbs.contains(&word.as_str())
}

/// In a list of items each first line stands alone, and says what its item does.
#[test]
fn the_documentation_of_the_core_begins_with_a_verb() {
    assert!(begins_with_a_verb("Returns the norm.") && !begins_with_a_verb("The norm."));
    assert_eq!(documented("/// The norm.\n#[inline]\npub fn norm() {}"), [(1, "norm()".into(), "The norm.".into())]);
    let sources = tracked().into_iter().map(|(_, file)| file);
    for file in sources.filter(|file| file.starts_with("crates/graph/src/") && file.ends_with(".rs")) {
        for (line, name, text) in documented(&read(&file)) {
            assert!(begins_with_a_verb(&text), "{file}:{line}: {name}: {text}");
        }
    }
}
