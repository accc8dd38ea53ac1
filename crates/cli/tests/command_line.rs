//! Commands beside training, and the options that all commands have: lists, completions, manual pages, formats, how
//! much is said, colors, and configurations that are printed.

mod common;
mod small;

use common::{refuses, run, succeeds};
use serde_json::Value;
use std::{fs, path::Path, process::Command};

fn json(text: &str) -> Value {
    serde_json::from_str(text.trim()).unwrap_or_else(|why| panic!("{why}: {text}"))
}

/// What was said on standard error by a run that succeeds.
fn said(at: &Path, arguments: &[&str]) -> String {
    let output = run(at, arguments, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    said
}

/// A small training of reviews in `run`.
fn trained(at: &Path, more: &[&str]) -> String {
    small::write_data(at);
    let sizes = [&["--data", "rows.tsv", "--epochs", "2"], &small::REVIEWS[..]].concat();
    said(at, &[&["train", "sentiment", "--out", "run"], &sizes[..], more].concat())
}

#[test]
fn lists_have_every_task_cell_and_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let all = json(&succeeds(at, &["list", "--format", "json"], b""));
    let names = |what: &str| -> Vec<String> {
        let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
        all[what].as_array().unwrap().iter().map(name).collect()
    };
    let tasks: Vec<String> = unspool_cli::TASKS.iter().map(|task| task.name().to_owned()).collect();
    assert_eq!(names("tasks"), tasks);
    assert!(names("cells").contains(&"gru".to_owned()) && names("cells").len() > 10);
    assert_eq!(names("data").iter().filter(|name| *name == "nsmc-sample").count(), 1);
    // Three gates of 128 units, each with two matrices and two biases.
    let gru = all["cells"].as_array().unwrap().iter().find(|cell| cell["name"] == "gru").unwrap();
    assert_eq!(gru["parameters"], 3 * (2 * 128 * 128 + 2 * 128));
    let text = succeeds(at, &["list", "cells"], b"");
    assert!(text.starts_with("Cells, and their parameters") && !text.contains("sentiment"), "{text}");
    assert!(succeeds(at, &["list"], b"").contains("  sentiment"));
    refuses(at, &["list", "models"], 2, "models");
}

#[test]
fn shells_and_manual_pages_know_every_command_and_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = succeeds(at, &["completions", shell], b"");
        for word in ["predict", "language-model", "learning-rate"] {
            assert!(script.contains(word), "{shell} does not know {word}");
        }
        // The other two complete no values.
        let has_values = ["bash", "zsh", "fish"].contains(&shell);
        assert_eq!(script.contains("transformer"), has_values, "{shell}");
    }
    refuses(at, &["completions", "cmd"], 2, "cmd");
    let page = succeeds(at, &["man"], b"");
    assert!(page.contains(".TH unspool 1") && page.contains("unspool\\-train"), "{page}");
    let page = succeeds(at, &["man", "train", "sentiment"], b"");
    for word in ["\\-\\-learning\\-rate", "Classify texts", "\\-\\-quiet"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    refuses(at, &["man", "cook"], 2, "there is no command cook");
}

#[test]
fn short_help_has_a_line_for_each_option_and_long_help_says_more() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let short = succeeds(at, &["train", "translation", "-h"], b"");
    let long = succeeds(at, &["train", "translation", "--help"], b"");
    for heading in ["Model:", "Data:", "Training:", "Run:", "Messages:"] {
        assert_eq!(short.matches(&format!("\n{heading}\n")).count(), 1, "{heading}: {short}");
    }
    // Lines are broken where the terminal ends.
    let words = |help: &str| help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words(&short).contains("[possible values: recurrent, transformer]"), "{short}");
    let more = "inverse-square-root` falls with";
    assert!(words(&long).contains(more) && !words(&short).contains(more), "{short}");
    assert!(long.contains("Examples:") && short.lines().count() < long.lines().count());
}

#[test]
fn every_command_writes_text_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    small::write_data(at);
    let sizes = [&["--data", "rows.tsv", "--epochs", "1"], &small::REVIEWS[..]].concat();
    let text = succeeds(at, &[&["train", "sentiment", "--out", "run", "--format", "text"], &sizes[..]].concat(), b"");
    assert!(text.lines().any(|line| line.starts_with("test accuracy  ")), "{text}");
    let evaluate = ["evaluate", "--model", "run", "--data", "rows.tsv"];
    assert_eq!(json(&succeeds(at, &evaluate, b""))["rows"], 40);
    let text = succeeds(at, &[&evaluate[..], &["--format", "text"]].concat(), b"");
    assert!(text.lines().any(|line| line.split_whitespace().eq(["rows", "40"])), "{text}");

    fs::write(at.join("lines.txt"), "bra film\n\ndålig film\n").unwrap();
    let predict = |more: &[&str]| succeeds(at, &[&["predict", "-m", "run", "lines.txt"], more].concat(), b"");
    let plain = predict(&[]);
    assert_eq!(plain.lines().count(), 3);
    assert_eq!(plain, succeeds(at, &["predict", "-m", "run"], &fs::read(at.join("lines.txt")).unwrap()));
    let lines: Vec<Value> = predict(&["--format", "json"]).lines().map(json).collect();
    assert_eq!((lines.len(), lines[0]["best"].as_array().unwrap().len()), (3, 1));
    assert_eq!(predict(&["--best", "2"]), predict(&["--best", "2", "--format", "json"]));
    // In text each of the best answers has the number of its line.
    let ranked = predict(&["--best", "2", "--format", "text"]);
    let numbers: Vec<&str> = ranked.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(numbers, ["1", "1", "3", "3"], "{ranked}");
    let first: Vec<&str> = ranked.lines().next().unwrap().split('\t').collect();
    assert_eq!(first[2], lines[0]["best"][0]["text"].as_str().unwrap());
    refuses(
        at,
        &["predict", "-m", "run", "--attention", "--format", "text"],
        2,
        "attention weights are written in JSON",
    );
    refuses(at, &["predict", "-m", "run", "missing.txt"], 1, "missing.txt");

    let tokenizer = ["--tokenizer", "run"];
    let ids = succeeds(at, &[&["tokenize", "encode", "lines.txt", "--format", "json"], &tokenizer[..]].concat(), b"");
    let ids: Vec<Value> = ids.lines().map(json).collect();
    assert!(ids.len() == 3 && ids[0].as_array().unwrap().len() == 8 && ids[1] == Value::Array(vec![]), "{ids:?}");
    let sizes = ["--hidden-size", "4", "--layers", "1", "--window", "8", "--bptt-streams", "2", "--epochs", "1"];
    let data = ["train", "language-model", "--data", "text.txt", "--out", "text"];
    succeeds(at, &[&data[..], &sizes].concat(), b"");
    let generate = ["generate", "-m", "text", "--prompt", "to be", "--length", "9"];
    let text = succeeds(at, &generate, b"");
    let object = json(&succeeds(at, &[&generate[..], &["--format", "json", "--threads", "1"]].concat(), b""));
    assert_eq!(format!("{}\n", object["text"].as_str().unwrap()), text);
    assert_eq!(object["prompt"], "to be");
}

#[test]
fn a_quiet_program_says_errors_alone_and_the_log_has_all() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    assert_eq!(trained(at, &["--quiet"]), "");
    let log = fs::read_to_string(at.join("run/training.log")).unwrap();
    let lines: Vec<(&str, &str)> = log.lines().map(|line| line.split_once(' ').unwrap()).collect();
    assert!(lines[0].1.starts_with("unspool ") && lines[0].1.contains("train sentiment --out run"), "{log}");
    assert!(lines.iter().all(|(time, _)| time.len() == 20 && time.ends_with('Z')), "{log}");
    for wanted in ["epoch 1/2: train loss", "epoch 2/2: train loss", "run folder: run; "] {
        assert_eq!(lines.iter().filter(|(_, line)| line.starts_with(wanted)).count(), 1, "{wanted}: {log}");
    }
    // A run that is resumed goes on in its log.
    said(at, &["train", "sentiment", "--data", "rows.tsv", "--out", "run", "--resume", "-q"]);
    let more = fs::read_to_string(at.join("run/training.log")).unwrap();
    assert!(more.starts_with(&log) && more[log.len()..].contains("resumed at step"), "{more}");
    let output = run(at, &["-q", "predict", "--model", "none"], b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.starts_with("error: none: no such folder"), "{said}");
    refuses(at, &["-q", "-v", "list"], 2, "cannot be used with");
}

#[test]
fn a_verbose_program_names_the_files_that_it_writes_and_the_rate_of_a_step() {
    let folder = tempfile::tempdir().unwrap();
    let said = trained(folder.path(), &["-v"]);
    for wanted in ["wrote run/metrics.csv", "learning rate ", "gradient norm "] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn colors_are_where_they_are_asked_for_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let error = |variables: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unspool"));
        command.args(["predict", "--model", "none"]).current_dir(folder.path());
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        let output = command.envs(variables.iter().copied()).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    let plain = error(&[]);
    assert!(plain.starts_with("error: none: no such folder\nhint: "), "{plain}");
    assert_eq!(error(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), plain);
    assert_eq!(error(&[("CLICOLOR", "0")]), plain);
    assert_eq!(error(&[("CLICOLOR_FORCE", "0")]), plain);
    let colored = error(&[("CLICOLOR_FORCE", "1")]);
    assert!(colored.contains("\u{1b}[") && colored.contains("none: no such folder"), "{colored:?}");
}

#[test]
fn a_printed_configuration_is_read_back_and_says_what_each_option_means() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for task in unspool_cli::TASKS.iter().map(|task| task.name()) {
        let printed = succeeds(at, &["train", task, "--print-config"], b"");
        fs::write(at.join("config.toml"), &printed).unwrap();
        assert_eq!(succeeds(at, &["train", task, "--config", "config.toml", "--print-config"], b""), printed, "{task}");
        let help = succeeds(at, &["train", task, "--help"], b"");
        let settings = printed.lines().filter_map(|line| line.trim_start_matches("# ").split_once(" = "));
        let names: Vec<&str> = settings.map(|(name, _)| name).filter(|name| !name.contains(' ')).collect();
        assert!(names.len() > 15 && names.contains(&"learning-rate") && names.contains(&"patience"), "{printed}");
        for name in names.iter().filter(|name| **name != "task") {
            assert!(help.contains(&format!("--{name}")), "{task}: {name}");
        }
    }
    assert!(at.join("config.toml").exists() && !at.join("runs").exists(), "nothing is trained");
    // What is given stands in the place of the default.
    let printed = succeeds(at, &["train", "sentiment", "--print-config", "--hidden-size", "7", "--freeze", "a*"], b"");
    assert!(printed.contains("\nhidden-size = 7\n") && printed.contains("\nfreeze = [\"a*\"]\n"), "{printed}");
    // A wrong value is told with its line.
    fs::write(at.join("wrong.toml"), printed.replace("cell = \"gru\"", "cell = \"gro\"")).unwrap();
    let line = 1 + printed.lines().position(|line| line == "cell = \"gru\"").unwrap();
    let saying = format!("wrong.toml:{line}:1: cell: `gro` is not one of rnn");
    refuses(at, &["train", "sentiment", "--config", "wrong.toml"], 2, &saying);
}

#[test]
fn a_run_folder_has_a_card_with_scores_license_and_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    trained(at, &["--seed", "3"]);
    let card = fs::read_to_string(at.join("run/README.md")).unwrap();
    for wanted in [
        "---\nlibrary_name: unspool\ntags:\n- sentiment\nmetrics:\n- accuracy\n---\n",
        "    unspool train sentiment --data rows.tsv --bigram-buckets=16 --ngram-buckets=16 --hidden-size=4 --epochs=2 \
         --seed=3\n",
        "| accuracy | ",
        "`rows.tsv`: ",
        "decides who may use the model",
    ] {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
        let found = card.contains(wanted) || card.lines().any(|line| words(line) == words(wanted));
        assert!(found, "{wanted:?}: {card}");
    }
    // The command trains the same weights again.
    let command = card.lines().find_map(|line| line.strip_prefix("    unspool ")).unwrap();
    let again: Vec<&str> = command.split(' ').chain(["--out", "again"]).collect();
    said(at, &again);
    let weights = |run: &str| fs::read(at.join(run).join("model.safetensors")).unwrap();
    assert!(weights("run") == weights("again"));
    assert_eq!(fs::read_to_string(at.join("again/README.md")).unwrap(), card);
    // The data sets inside the program have licenses.
    said(at, &["train", "digits", "--epochs", "1", "--hidden-size", "4", "--out", "digits"]);
    let card = fs::read_to_string(at.join("digits/README.md")).unwrap();
    assert!(card.starts_with("---\nlicense: cc-by-4.0\n") && card.contains("data set `digits` (CC-BY-4.0)"), "{card}");
}
