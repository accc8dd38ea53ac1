//! The program as its users meet it: commands, files, exit codes.

mod common;

use common::{fault, killed_until_it_ends, refuses, run, succeeds, without_metadata};
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

/// Translations of a tiny language, in a folder of its own.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let numbers = ["ett", "två", "tre", "fyra", "fem", "sex"];
    let words = ["one", "two", "three", "four", "five", "six"];
    let things = [("hus", "houses"), ("båtar", "boats"), ("stenar", "stones"), ("träd", "trees")];
    let mut pairs = "swedish\tenglish\n".to_owned();
    let mut reviews = "document\tlabel\n".to_owned();
    for i in 0..numbers.len() {
        for j in 0..numbers.len() {
            let (swedish, english) = things[(i + j) % things.len()];
            pairs += &format!("{} och {} {swedish}\t{} and {} {english}\n", numbers[i], numbers[j], words[i], words[j]);
            let (mood, label) = [("bra", "positive"), ("dålig", "negative"), ("sådär", "neutral")][(i + j) % 3];
            reviews += &format!("{mood} film {} {}\t{label}\n", numbers[i], numbers[j]);
        }
    }
    fs::write(folder.path().join("pairs.tsv"), pairs).unwrap();
    fs::write(folder.path().join("reviews.tsv"), reviews).unwrap();
    folder
}

fn train<'a>(task: &'a str, data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["train", task, "--data", data, "--out", out, "--epochs", "1"];
    arguments.extend(more);
    arguments
}

/// What equal trainings leave equal. `report.html`, `times.toml` and `training.log` say how long it took, `run.lock`
/// which process trains.
const FILES: [&str; 8] = [
    "README.md",
    "config.json",
    "config.toml",
    "curve.svg",
    "metrics.csv",
    "model.safetensors",
    "tokenizer.json",
    "training.safetensors",
];

/// Asserts the line of JSON and a whole run folder.
fn whole_run(stdout: &str, folder: &Path, task: &str, metric: &str) {
    let last: serde_json::Value = serde_json::from_str(stdout.lines().last().unwrap()).unwrap();
    assert_eq!(stdout.lines().count(), 1);
    assert_eq!((last["task"].as_str(), last["epochs"].as_u64(), last["seed"].as_u64()), (Some(task), Some(1), Some(1)));
    assert!(last["parameters"].as_u64().unwrap() > 1000);
    assert!(last["seconds"].as_f64().unwrap() > 0.0 && last["evaluation_seconds"].as_f64().unwrap() > 0.0);
    assert!(last["dev"][metric].is_f64() && last["dev"]["loss"].is_f64() && last["test"][metric].is_f64());
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names.retain(|name| !["report.html", "times.toml", "training.log", "run.lock"].contains(&name.as_str()));
    assert_eq!(names, FILES);
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains(&format!("{metric} on test")) && page.contains("<svg") && page.ends_with("</html>\n"));
    assert!(page.contains("Gradient norm through time") && page.contains("Examples of the test part"));
    let outside = ["src=", "href=", "url(", "@import", "<script", "<link", "NaN"];
    assert!(outside.iter().all(|word| !page.contains(word)), "it needs nothing from outside");
    let metrics = fs::read_to_string(folder.join("metrics.csv")).unwrap();
    assert!(metrics.starts_with(&format!("epoch,train_loss,dev_loss,dev_{metric}\n1,")), "{metrics}");
}

#[test]
fn a_translator_is_trained_and_translates() {
    let folder = folder();
    let at = folder.path();
    let stdout = succeeds(at, &train("translation", "pairs.tsv", "run", &["--threads", "1"]), b"");
    whole_run(&stdout, &at.join("run"), "translation", "bleu");
    succeeds(at, &train("translation", "pairs.tsv", "again", &["--threads", "2"]), b"");
    for name in FILES {
        assert!(
            fs::read(at.join("run").join(name)).unwrap() == fs::read(at.join("again").join(name)).unwrap(),
            "{name}"
        );
    }
    let translations = succeeds(at, &["predict", "--model", "run"], "två och tre båtar\n\nfem hus\n".as_bytes());
    assert_eq!(translations.lines().count(), 3);
    assert_eq!(translations.lines().nth(1), Some(""));

    let stdout =
        succeeds(at, &["train", "translation", "--data", "pairs.tsv", "--source", "english", "--epochs", "1"], b"");
    whole_run(&stdout, &at.join("runs/translation-1"), "translation", "bleu");
    let saved = fs::read_to_string(at.join("runs/translation-1/config.json")).unwrap();
    assert!(saved.contains("\"columns\": [\n    \"english\",\n    \"swedish\"\n  ]"), "{saved}");
}

#[test]
fn a_classifier_is_trained_and_labels() {
    let folder = folder();
    let at = folder.path();
    let files = ["--threads", "1"];
    let stdout = succeeds(at, &train("sentiment", "reviews.tsv,reviews.tsv,reviews.tsv", "run", &files), b"");
    whole_run(&stdout, &at.join("run"), "sentiment", "accuracy");
    succeeds(at, &train("sentiment", "reviews.tsv,reviews.tsv,reviews.tsv", "again", &["--threads", "2"]), b"");
    for name in FILES {
        assert!(
            fs::read(at.join("run").join(name)).unwrap() == fs::read(at.join("again").join(name)).unwrap(),
            "{name}"
        );
    }
    let labels = succeeds(at, &["predict", "--model", "run"], "bra film\n\nen ny 漢字 rad".as_bytes());
    assert_eq!(labels.lines().count(), 3);
    assert_eq!(labels.lines().nth(1), Some(""));
    for line in labels.lines().filter(|line| !line.is_empty()) {
        let (label, probability) = line.split_once('\t').unwrap();
        assert!(["negative", "neutral", "positive"].contains(&label));
        assert!((1.0 / 3.0 - 1e-3..=1.0).contains(&probability.parse::<f64>().unwrap()), "{line}");
    }
}

/// What is trained on is gone through several times, and a pipe can be read only once.
#[test]
#[cfg(unix)]
fn a_pipe_is_as_good_as_a_file() {
    let folder = folder();
    let at = folder.path();
    for (task, file) in [("sentiment", "reviews.tsv"), ("translation", "pairs.tsv")] {
        let runs = ["file", "pipe"].map(|kind| format!("{task}-{kind}"));
        for (run, train_part) in runs.iter().zip([file, "/dev/stdin"]) {
            let data = format!("{train_part},{file},{file}");
            succeeds(at, &train(task, &data, run, &[]), &fs::read(at.join(file)).unwrap());
        }
        for name in ["model.safetensors", "tokenizer.json", "metrics.csv"] {
            let [of_file, of_pipe] = runs.each_ref().map(|run| fs::read(at.join(run).join(name)).unwrap());
            assert!(of_file == of_pipe, "{task}: {name}");
        }
    }
}

#[test]
fn a_step_is_drawn_and_its_lines_have_their_costs() {
    let folder = folder();
    let at = folder.path();
    for (file, more, begins) in [
        ("step.svg", &["--rolled", "--steps", "4"][..], "<svg"),
        ("step.dot", &["--nodes"], "digraph"),
        ("step.txt", &[], ""),
    ] {
        let mut arguments = vec!["draw", "sentiment", "--data", "reviews.tsv", "--out", file];
        arguments.extend(more);
        succeeds(at, &arguments, b"");
        let drawn = fs::read_to_string(at.join(file)).unwrap();
        assert!(drawn.starts_with(begins) && drawn.len() > 100, "{file}");
    }
    let again = ["draw", "sentiment", "--data", "reviews.tsv", "--out", "step.txt"];
    refuses(at, &again, 2, "step.txt: exists already");
    succeeds(at, &[&again[..], &["--overwrite"]].concat(), b"");
    refuses(at, &["draw", "sentiment", "--data", "reviews.tsv", "--out", "step.gif"], 2, "must end in .svg");
    refuses(at, &["draw", "sentiment", "--data", "none.tsv"], 1, "none.tsv");
    let output = run(at, &train("sentiment", "reviews.tsv", "run", &["--profile"]), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("classifier.rs:") && (said.contains("matmul") || said.contains("linear")), "{said}");
}

#[test]
fn a_speller_is_trained_and_puts_spaces_between_the_same_characters() {
    let folder = folder();
    let at = folder.path();
    let files = "reviews.tsv,reviews.tsv,reviews.tsv";
    let arguments = ["train", "spacing", "--data", files, "--out", "run", "--epochs", "40", "--batch-rows", "6"];
    let stdout = succeeds(at, &arguments, b"");
    let last: serde_json::Value = serde_json::from_str(stdout.trim()).unwrap();
    assert!(last["test"]["f1"].as_f64().unwrap() > 0.9, "{stdout}");
    let spaced = succeeds(at, &["predict", "--model", "run"], "brafilmtvåtre\n\n漢 字rad".as_bytes());
    let lines: Vec<&str> = spaced.lines().collect();
    assert_eq!(lines[..2], ["bra film två tre", ""]);
    assert_eq!(lines[2].replace(' ', ""), "漢字rad");
}

#[test]
fn runs_without_a_place_take_the_next_free_one_and_no_run_is_overwritten() {
    let folder = folder();
    let at = folder.path();
    let arguments = ["train", "sentiment", "--data", "reviews.tsv", "--epochs", "1"];
    succeeds(at, &arguments, b"");
    succeeds(at, &arguments, b"");
    assert!(at.join("runs/sentiment-2/model.safetensors").exists());
    refuses(at, &train("sentiment", "reviews.tsv", "runs/sentiment-1", &[]), 2, "holds a run already");
    refuses(at, &train("sentiment", "reviews.tsv", ".", &[]), 2, "is not empty");
}

#[test]
fn wrong_data_is_refused_and_nothing_is_created() {
    let folder = folder();
    let at = folder.path();
    for (name, contents) in [
        ("short.tsv", b"swedish\tenglish\nHej\tHi\nHej\n".as_slice()),
        ("bytes.tsv", b"swedish\tenglish\nHej\tHi\nHej\t\xff\n"),
        ("empty.tsv", b""),
        ("header.tsv", b"swedish\tenglish\n"),
        ("few.tsv", b"swedish\tenglish\nHej\tHi\n"),
        ("one-label.tsv", b"document\tlabel\na\t1\nb\t1\n"),
        ("mixed.tsv", b"document\tlabel\na\t1\nb\tgood\n"),
        ("other-label.tsv", b"document\tlabel\na\t2\n"),
        ("labels.tsv", b"document\tlabel\na\t1\nb\t0\n"),
    ] {
        fs::write(at.join(name), contents).unwrap();
    }
    let cases: [(&str, &str, i32, &str); 12] = [
        ("translation", "missing.tsv", 1, "missing.tsv: no such file"),
        ("translation", "missing.tsv,pairs.tsv,pairs.tsv", 1, "missing.tsv: cannot read"),
        ("translation", "pairs.tsv,pairs.tsv", 2, "not 2"),
        ("translation", "short.tsv", 1, "short.tsv:3: 1 column "),
        ("translation", "bytes.tsv", 1, "bytes.tsv:3: not UTF-8"),
        ("translation", "empty.tsv", 1, "empty.tsv: empty"),
        ("translation", "pairs.tsv,header.tsv,pairs.tsv", 1, "header.tsv: no data rows"),
        ("translation", "few.tsv", 1, "few.tsv: 1 row is too few"),
        ("translation", "reviews.tsv", 1, "no column `swedish`"),
        ("sentiment", "one-label.tsv,labels.tsv,labels.tsv", 1, "every label is `1`"),
        ("sentiment", "mixed.tsv,labels.tsv,labels.tsv", 1, "mixed.tsv:3: label `good`"),
        ("sentiment", "labels.tsv,other-label.tsv,labels.tsv", 1, "other-label.tsv: no row has one of the labels"),
    ];
    for (task, data, code, saying) in &cases {
        refuses(at, &train(task, data, "new/run", &[]), *code, saying);
    }
    refuses(at, &train("sentiment", "pairs.tsv", "run", &["--text", "english", "--label", "english"]), 2, "both name");
}

#[test]
fn wrong_commands_are_misuse() {
    let folder = folder();
    let at = folder.path();
    refuses(at, &["train", "cooking"], 2, "cooking");
    refuses(at, &["predict"], 2, "--model");
    refuses(at, &train("translation", "pairs.tsv", "run", &["--speed", "9"]), 2, "--speed");
    refuses(at, &train("translation", "pairs.tsv", "run", &["--threads", "0"]), 2, "--threads");
    refuses(at, &train("translation", "pairs.tsv", "run", &["--learning-rate", "NaN"]), 2, "--learning-rate");
    refuses(at, &["train", "sentiment", "--epochs", "0"], 2, "--epochs");
    refuses(at, &["train", "spacing", "--vocabulary", "300"], 2, "--vocabulary is not an option of this task");
    refuses(at, &["train", "sentiment", "--precision", "f16"], 2, "--precision");
    refuses(at, &train("translation", "pairs.tsv", "pairs.tsv/run", &[]), 1, "pairs.tsv/run");
    refuses(at, &train("translation", "pairs.tsv", "pairs.tsv", &[]), 1, "pairs.tsv");
    for task in ["translation", "sentiment"] {
        let help = succeeds(at, &["train", task, "--help"], b"");
        for option in ["--epochs", "--seed", "--out", "--threads", "--data", "--learning-rate", "--max-length"] {
            assert!(help.contains(option), "{option}");
        }
        assert!(help.matches("[default: ").count() >= 8, "{help}");
    }
}

#[test]
fn a_damaged_run_folder_is_refused() {
    let folder = folder();
    let at = folder.path();
    succeeds(at, &train("sentiment", "reviews.tsv", "run", &[]), b"");
    let predict = ["predict", "--model", "run"];
    let config = fs::read_to_string(at.join("run/config.json")).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(config.contains(from), "{config}");
        fs::write(at.join("run/config.json"), config.replace(from, to)).unwrap();
    };
    changed("\"hidden_size\": 128", "\"hidden_size\": 64");
    refuses(at, &predict, 1, "hidden_size is 64 where it was 128");
    changed("\"hidden_size\": 128", "\"size\": 128");
    refuses(at, &predict, 1, "hidden_size is missing where it was 128");
    changed("sentiment", "cooking");
    refuses(at, &predict, 1, "cooking");
    fs::write(at.join("run/config.json"), [0xff]).unwrap();
    refuses(at, &predict, 1, "config.json");
    fs::write(at.join("run/config.json"), &config).unwrap();
    succeeds(at, &predict, b"bra\n");

    let output = run(at, &predict, b"bra\n\xff\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains(":2: not UTF-8"));
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);

    let weights = fs::read(at.join("run/model.safetensors")).unwrap();
    fs::write(at.join("run/model.safetensors"), &weights[..weights.len() / 2]).unwrap();
    refuses(at, &predict, 1, "model.safetensors");
    // Weights from elsewhere say nothing of the model: its sizes are held against theirs.
    fs::write(at.join("run/model.safetensors"), without_metadata(&weights)).unwrap();
    succeeds(at, &predict, b"bra\n");
    changed("\"hidden_size\": 128", "\"hidden_size\": 64");
    refuses(at, &predict, 1, "encoder.weight_ih_l0 is [384, 128], the model's is [192, 128]");
    changed("\"hidden_size\": 128", "\"hidden_size\": 99999999999");
    refuses(at, &predict, 1, "hidden_size is 99999999999");
    changed("\"hidden_size\": 128", "\"size\": 128");
    refuses(at, &predict, 1, "hidden_size");
    changed("\"layers\": 1", "\"layers\": 0");
    refuses(at, &predict, 1, "layers is 0");
    fs::write(at.join("run/config.json"), &config).unwrap();
    fs::rename(at.join("run/tokenizer.json"), at.join("tokenizer.json")).unwrap();
    refuses(at, &predict, 1, "there is no tokenizer");
    for name in ["config.json", "model.safetensors"] {
        fs::remove_file(at.join("run").join(name)).unwrap();
        refuses(at, &predict, 1, name);
    }
    refuses(at, &["predict", "--model", "nowhere"], 1, "nowhere: no such folder");
}

#[test]
fn options_come_from_a_file_and_the_command_line_comes_first() {
    let folder = folder();
    let at = folder.path();
    fs::write(
        at.join("options.toml"),
        "task = \"sentiment\"\nepochs = 9\nhidden-size = 12\nlearning-rate = 0.001\ndata = \"reviews.tsv\"\n",
    )
    .unwrap();
    let train = ["train", "sentiment", "--config", "options.toml", "--epochs", "1", "--out"];
    succeeds(at, &[&train[..], &["run"]].concat(), b"");
    let config = fs::read_to_string(at.join("run/config.toml")).unwrap();
    for line in ["task = \"sentiment\"", "epochs = 1", "hidden-size = 12", "learning-rate = 0.001", "max-length = 140"]
    {
        assert!(config.contains(line), "{line}: {config}");
    }
    // The run folder holds the options that give the same run again.
    succeeds(at, &["train", "sentiment", "--config", "run/config.toml", "--out", "again"], b"");
    for name in FILES {
        assert!(
            fs::read(at.join("run").join(name)).unwrap() == fs::read(at.join("again").join(name)).unwrap(),
            "{name}"
        );
    }

    for (text, saying) in [
        ("hiden = 12", "options.toml:1:1: `hiden` is not an option of sentiment"),
        ("hidden-size = 0", "options.toml:1:1: hidden-size: `0` is not from 1 to 16384"),
        ("hidden-size = \"big\"", "hidden-size: `big` is not"),
        ("data = 7", "`data` is not an option"),
        ("task = \"translation\"", "it is for translation"),
    ] {
        fs::write(at.join("options.toml"), text).unwrap();
        refuses(at, &[&train[..], &["new"]].concat(), 2, saying);
    }
    fs::write(at.join("options.toml"), "no toml").unwrap();
    refuses(at, &[&train[..], &["new"]].concat(), 2, "options.toml:1:4: not a configuration");
    fs::remove_file(at.join("options.toml")).unwrap();
    refuses(at, &[&train[..], &["new"]].concat(), 1, "options.toml: cannot read");
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bits() {
    let folder = folder();
    let at = folder.path();
    let train = |out: &'static str, threads: &'static str| {
        [
            "train",
            "sentiment",
            "--data",
            "reviews.tsv",
            "--epochs",
            "3",
            "--batch-rows",
            "4",
            "--out",
            out,
            "--threads",
            threads,
        ]
    };
    succeeds(at, &train("whole", "1"), b"");
    let stopped = &train("stopped", "1")[..10];
    let mut resumed = killed_until_it_ends(at, stopped, Duration::from_millis(40));
    for name in FILES {
        let [whole, stopped] = ["whole", "stopped"].map(|run| fs::read(at.join(run).join(name)).unwrap());
        assert!(whole == stopped, "{name}");
    }
    // One that is at its end already says the same again.
    let again = run(at, &[&train("stopped", "2")[..], &["--resume"]].concat(), b"");
    resumed |= String::from_utf8_lossy(&again.stderr).contains("resumed at step ");
    assert!(again.status.success() && resumed);

    refuses(at, &["train", "sentiment", "--resume"], 2, "--resume without --out");
    refuses(at, &["train", "translation", "--out", "whole", "--resume"], 2, "it is for sentiment");
    refuses(
        at,
        &["train", "sentiment", "--out", "whole", "--resume", "--epochs", "9"],
        2,
        "--epochs is 9, but the run in",
    );
}

#[test]
fn a_folder_that_was_only_just_made_is_as_good_as_a_new_one() {
    let folder = folder();
    let at = folder.path();
    // What was begun goes on with its options.
    for (out, more, hidden) in [("half", &[][..], 128), ("other", &["--resume"], 8)] {
        // Ended as soon as its options are written.
        fault(at, &train("sentiment", "reviews.tsv", out, &["--hidden-size", "8"]), "rename: OUT/config.toml", out);
        assert!(!at.join(out).join("training.safetensors").exists());
        succeeds(at, &train("sentiment", "reviews.tsv", out, more), b"");
        let config = fs::read_to_string(at.join(out).join("config.toml")).unwrap();
        assert!(config.contains(&format!("hidden-size = {hidden}\n")), "{config}");
    }
}
