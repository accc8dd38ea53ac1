//! What stands beside the tutorial: every link of every page leads somewhere, and every command of the README works. A
//! package holds no README of the workspace; there is then nothing to ask.

mod common;

use common::succeeds;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
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
        "docs/commands",
        "benches",
        "fuzz",
        "crates/files",
        "crates/baselines",
        "crates/graph",
        "crates/nn",
        "crates/text",
        "crates/unspool",
        "crates/serve",
        "crates/task",
        "crates/cli",
        "crates/cli/data",
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

/// The commands of a page: lines of its console blocks after `$ `, and indented lines that begin with a program's name.
fn commands(page: &str) -> Vec<&str> {
    let (mut console, mut found) = (false, vec![]);
    for line in page.lines() {
        if line.starts_with("```") {
            console = line == "```console";
        }
        let typed = if console { line.strip_prefix("$ ") } else { line.strip_prefix("    ") };
        let typed = typed.map(|line| line.split(" # ").next().unwrap_or_default().trim());
        let known = ["cargo ", "echo ", "unspool train ", "unspool predict "];
        found.extend(typed.filter(|line| console || known.iter().any(|name| line.starts_with(name))));
    }
    found
}

/// A tiny data set for every task that a page trains: translations of a tiny language, reviews, pictures, a text.
fn tiny_data(at: &Path) {
    let (numbers, words) = (["ett", "två", "tre", "fyra", "fem"], ["one", "two", "three", "four", "five"]);
    let (mut pairs, mut reviews) = ("swedish\tenglish\n".to_owned(), "document\tlabel\n".to_owned());
    for i in 0..25 {
        let (a, b) = (i / 5, i % 5);
        pairs += &format!("{} och {} hus\t{} and {} houses\n", numbers[a], numbers[b], words[a], words[b]);
        let (kind, label) = [("bra", "positive"), ("dålig", "negative")][i % 2];
        reviews += &format!("{kind} film {} {}\t{label}\n", numbers[a], numbers[b]);
    }
    fs::write(at.join("translation.tsv"), pairs).unwrap();
    fs::write(at.join("sentiment.tsv"), reviews).unwrap();
    let row = |digit: usize| {
        let ink = |pixel: usize| if (pixel + digit).is_multiple_of(7) { "16," } else { "0," };
        format!("{}{digit}\n", (0..64).map(ink).collect::<String>())
    };
    let digits: String = (0..40).map(|i| row(i % 10)).collect();
    fs::write(at.join("reviews.txt"), "bra film\ndålig film\n").unwrap();
    fs::write(at.join("reference.txt"), "One and two houses.\nFive houses!\n").unwrap();
    fs::write(at.join("hypothesis.txt"), "One and two houses.\nFour houses!\n").unwrap();
    fs::write(at.join("corpus.txt"), "to be, or not to be\n".repeat(9)).unwrap();
    for task in ["digits", "captioning"] {
        fs::write(at.join(format!("{task}.csv")), &digits).unwrap();
    }
    fs::write(at.join("language-model.txt"), "to be, or not to be: that is the question.\n".repeat(60)).unwrap();
}

/// Runs what is typed to the program: a training on the tiny data set of its task and for one epoch, all else as it
/// stands.
fn program_runs(at: &Path, arguments: &[&str], input: &str) {
    let mut arguments = arguments.to_vec();
    let data = ["tsv", "csv", "txt"].iter().map(|end| format!("{}.{end}", arguments.get(1).unwrap_or(&"")));
    let data = data.filter(|file| at.join(file).exists()).collect::<Vec<_>>();
    if ["train", "draw"].contains(&arguments[0]) && !arguments.contains(&"--help") {
        assert!(!data.is_empty(), "there is no tiny data set for {arguments:?}");
        arguments.extend(["--data", &data[0]]);
        if arguments[0] == "train" && !arguments.contains(&"--epochs") {
            arguments.extend(["--epochs", "1"]);
        }
    }
    if arguments[0] == "serve" {
        return serves(at, &arguments);
    }
    let said = succeeds(at, &arguments, input.as_bytes());
    let answers = arguments[0] == "predict" && !arguments.iter().any(|word| word.ends_with(".txt"));
    assert!(!answers || said.lines().count() == input.lines().count(), "{arguments:?}: {said}");
}

/// A server that is started as it is typed, on a free port, prints its address.
fn serves(at: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unspool"));
    command.args(arguments).args(if arguments.contains(&"--port") { &[][..] } else { &["--port", "0"] });
    let mut server = command.current_dir(at).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(line.starts_with("http://127.0.0.1:") && line.ends_with("/\n"), "{arguments:?}: {line:?}");
}

/// Examples, tests, benches, binaries and manifests that a command of cargo names are there.
fn cargo_knows(words: &[&str], place: &str) {
    let root = workspace();
    let crates = [
        "crates/files",
        "crates/baselines",
        "crates/graph",
        "crates/nn",
        "crates/text",
        "crates/unspool",
        "crates/serve",
        "crates/task",
        "crates/cli",
        "benches",
    ]
    .map(|of| root.join(of));
    for pair in words.windows(2) {
        let folder = match pair[0] {
            "--example" => "examples",
            "--test" => "tests",
            "--bench" => "benches",
            "--bin" if words.contains(&"--manifest-path") => continue,
            "--bin" => "src/bin",
            "--manifest-path" => {
                assert!(root.join(pair[1]).exists(), "{place}: there is no {}", pair[1]);
                continue;
            }
            "-p" => {
                let names = [
                    "unspool",
                    "unspool-files",
                    "unspool-nn",
                    "unspool-graph",
                    "unspool-text",
                    "unspool-serve",
                    "unspool-task",
                    "unspool-cli",
                    "unspool-benches",
                    "xtask",
                ];
                assert!(names.contains(&pair[1]), "{place}: there is no package {}", pair[1]);
                continue;
            }
            _ => continue,
        };
        let there = crates.iter().map(|of| of.join(folder)).any(|folder| {
            folder.join(format!("{}.rs", pair[1])).exists() || folder.join(pair[1]).join("main.rs").exists()
        });
        assert!(there || pair[1] == "NAME", "{place}: there is no {} {}", &pair[0][2..], pair[1]);
    }
}

/// What the pages tell their readers to type is typed here, where it is the program's: trainings on a tiny data set for
/// one epoch, all else as it stands. What else there is of cargo's names what exists, or is a line of
/// `scripts/check.sh`.
#[test]
fn every_command_of_every_page_works() {
    let ci = fs::read_to_string(workspace().join("scripts/check.sh")).unwrap_or_default();
    let mut typed = 0;
    for page in pages() {
        let (text, place) = (fs::read_to_string(&page).unwrap(), page.display().to_string());
        let folder = tempfile::tempdir().unwrap();
        tiny_data(folder.path());
        let mut last = String::new();
        for command in commands(&text) {
            let (input, command) = match command.split_once(" | ") {
                Some((echo, cargo)) => (echo.trim_start_matches("echo ").trim_matches('"').to_owned() + "\n", cargo),
                None => (String::new(), command),
            };
            let place = format!("{place}: {command}");
            let words: Vec<&str> = command.split_whitespace().collect();
            let arguments = match words[..] {
                ["unspool", ..] => &words[1..],
                ["cargo", "run", "--", ..] => &words[3..],
                ["cargo", "run", "--release", "--", ..] => &words[4..],
                ["cargo", "run" | "bench" | "test" | "build", ..] => {
                    cargo_knows(&words, &place);
                    let plain = words.iter().any(|word| ["-p", "--manifest-path"].contains(word));
                    assert!(plain || ci.contains(command), "{place}: neither a package's nor one of scripts/check.sh");
                    typed += 1;
                    continue;
                }
                _ => panic!("{place}: what is that?"),
            };
            let run = format!("runs/{last}-1");
            let arguments: Vec<&str> = arguments
                .iter()
                .map(|&word| match word {
                    "NAME" | "TASK" => "sentiment",
                    "RUN_DIR" => run.as_str(),
                    word => word,
                })
                .collect();
            let input =
                if arguments[0] == "predict" && input.is_empty() { "bra film".to_owned() + "\n" } else { input };
            program_runs(folder.path(), &arguments, &input);
            if arguments[0] == "train" {
                last = arguments[1].to_owned();
            }
            typed += 1;
        }
        for name in text.split("--example ").skip(1).filter_map(|part| part.split(['`', '\n', ' ']).next()) {
            cargo_knows(&["--example", name], &place);
        }
    }
    assert!(typed > 20 || pages().is_empty(), "{typed} commands");
}

/// The documentation of the crates below cannot name the tutorial's modules, so it leads to the chapter's file, where
/// the manifest says that the code is; and from every chapter something leads back.
#[test]
fn items_lead_back_to_their_chapters() {
    let root = workspace();
    if pages().is_empty() {
        return;
    }
    let host = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/");
    let mut led_to = std::collections::BTreeSet::new();
    let mut folders = ["graph", "nn", "text"].map(|name| root.join("crates").join(name).join("src")).to_vec();
    while let Some(folder) = folders.pop() {
        for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if file.is_dir() {
                folders.push(file);
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            for to in text.split(host).skip(1).filter_map(|rest| rest.split(')').next()) {
                assert!(root.join(to).exists(), "{}: {to} is not there", file.display());
                led_to.insert(to.to_owned());
            }
        }
    }
    for number in 1..=19 {
        let chapter = format!("docs/{number:02}-");
        assert!(led_to.iter().any(|to| to.starts_with(&chapter)), "no item leads to chapter {number}");
    }
}
