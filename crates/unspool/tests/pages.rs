//! What stands beside the tutorial: every link of every page leads somewhere, and every command of the README works. A package holds
//! no README of the workspace; there is then nothing to ask.

mod common;

use common::succeeds;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All pages in Markdown outside of build folders, if this is the workspace and no package.
fn pages() -> Vec<PathBuf> {
    let root = workspace();
    if !root.join("README.md").exists() || !root.join("crates/graph").exists() {
        return vec![];
    }
    let in_folder = |folder: PathBuf| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|end| end == "md")).collect::<Vec<_>>()
    };
    let folders = [
        "",
        "docs",
        "benches",
        "fuzz",
        "crates/graph",
        "crates/nn",
        "crates/text",
        "crates/unspool",
        "crates/unspool/data",
    ];
    folders.iter().flat_map(|folder| in_folder(root.join(folder))).collect()
}

/// A page without its fenced blocks.
fn prose(page: &Path) -> String {
    let (text, mut open) = (fs::read_to_string(page).unwrap(), false);
    let keep = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        open ^= fence;
        !open && !fence
    };
    text.lines().filter(keep).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_link_of_every_page_leads_to_a_file() {
    let mut seen = 0;
    for page in pages() {
        let text = prose(&page);
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(to, _)| to);
        let defined = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once(']')?.1.strip_prefix(": "));
        for to in inline.chain(defined) {
            // Names of items are rustdoc's to check, and so are figures as data.
            if to.contains("://") || to.contains("::") || to.starts_with('<') || to.starts_with('#') {
                continue;
            }
            let file = to.split('#').next().unwrap_or_default();
            assert!(page.parent().unwrap().join(file).exists(), "{}: {to} is not there", page.display());
            seen += 1;
        }
    }
    assert!(seen > 100 || pages().is_empty(), "{seen} links were seen");
}

/// The commands of the README: indented lines that begin with a program's name, without their comments.
fn commands(readme: &str) -> Vec<&str> {
    let indented = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let known = indented.filter(|line| ["cargo ", "echo "].iter().any(|name| line.starts_with(name)));
    known.map(|line| line.split(" # ").next().unwrap_or_default().trim()).collect()
}

/// Translations of a tiny language, and reviews.
fn tiny_data(at: &Path) {
    let (numbers, words) = (["ett", "två", "tre", "fyra", "fem"], ["one", "two", "three", "four", "five"]);
    let (mut pairs, mut reviews) = ("swedish\tenglish\n".to_owned(), "document\tlabel\n".to_owned());
    for i in 0..25 {
        let (a, b) = (i / 5, i % 5);
        pairs += &format!("{} och {} hus\t{} and {} houses\n", numbers[a], numbers[b], words[a], words[b]);
        reviews += &format!("{} film {}\t{}\n", ["bra", "dålig"][i % 2], numbers[a], ["positive", "negative"][i % 2]);
    }
    fs::write(at.join("translation.tsv"), pairs).unwrap();
    fs::write(at.join("sentiment.tsv"), reviews).unwrap();
}

/// What the README tells its readers to type is typed here: trainings on a tiny data set for one epoch, all else as it stands, or it is
/// what `.ci/run` does, or names an example that is there.
#[test]
fn every_command_of_the_readme_works() {
    let root = workspace();
    if pages().is_empty() {
        return;
    }
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let ci = fs::read_to_string(root.join(".ci/run")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    tiny_data(folder.path());
    let commands = commands(&readme);
    assert!(commands.len() >= 3, "{commands:?}");
    for command in commands {
        let (input, cargo) = match command.split_once(" | ") {
            Some((echo, cargo)) => (echo.trim_start_matches("echo ").trim_matches('"').to_owned() + "\n", cargo),
            None => (String::new(), command),
        };
        let words: Vec<&str> = cargo.split_whitespace().collect();
        match words[..] {
            ["cargo", "run", "--release", "--", "train", task, ..]
                if folder.path().join(format!("{task}.tsv")).exists() =>
            {
                let data = format!("{task}.tsv");
                let mut arguments = words[4..].to_vec();
                arguments.extend(["--data", &data, "--epochs", "1"]);
                succeeds(folder.path(), &arguments, b"");
            }
            ["cargo", "run", "--release", "--", "train", task, ..] => {
                succeeds(folder.path(), &["train", task, "--help"], b"");
            }
            ["cargo", "run", "--release", "--", ..] => {
                let said = succeeds(folder.path(), &words[4..], input.as_bytes());
                assert_eq!(said.lines().count(), input.lines().count(), "{command}: {said}");
            }
            ["cargo", "run", .., "--example", _] => {} // below
            _ => assert!(ci.contains(command), "{command}: neither the program's nor one of .ci/run"),
        }
    }
    let example = |part: &str| part.split(['`', '\n', ' ']).next().map(str::to_owned);
    for name in readme.split("--example ").skip(1).filter_map(example).filter(|name| name != "NAME") {
        let there = ["crates/nn", "crates/graph", "crates/unspool"].iter().any(|of| {
            let examples = root.join(of).join("examples");
            examples.join(format!("{name}.rs")).exists() || examples.join(&name).join("main.rs").exists()
        });
        assert!(there, "there is no example {name}");
    }
}

/// Each crate's package holds what its docs and its program read, and is small enough for the registry: 10 MB, even before it is packed.
#[test]
fn every_crate_packages() {
    if pages().is_empty() {
        return;
    }
    let needs: [(&str, &[&str]); 4] = [
        ("graph", &["src/lib.rs", "README.md"]),
        ("nn", &["src/lib.rs", "README.md", "examples/custom_cell.rs"]),
        ("text", &["src/lib.rs", "README.md"]),
        (
            "unspool",
            &[
                "src/lib.rs",
                "src/main.rs",
                "README.md",
                "data/LICENSES.md",
                "data/tatoeba-eng-swe.train.tsv.gz",
                "docs/00-preface.md",
                "docs/16-own-operation.md",
                "docs/cookbook.md",
                "docs/links.md",
                "docs/figures/embedded.md",
            ],
        ),
    ];
    for (name, needs) in needs {
        let folder = workspace().join("crates").join(name);
        let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
        let arguments = ["package", "--list", "--allow-dirty", "--offline"];
        let output = std::process::Command::new(cargo).args(arguments).current_dir(&folder).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let files = String::from_utf8(output.stdout).unwrap();
        for file in needs {
            assert!(files.lines().any(|listed| listed == *file), "{file} is not in the package of {name}");
        }
        // What cargo makes itself is in no folder.
        let size: u64 =
            files.lines().filter_map(|file| fs::metadata(folder.join(file)).ok()).map(|file| file.len()).sum();
        assert!(size < 10_000_000, "{name}: {size} bytes");
    }
}
