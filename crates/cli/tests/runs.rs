//! A run is what it was trained on, its folder is its own, and one process at a time trains in it.

mod common;

use common::{listing, refuses, run, succeeds, without_metadata};
use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;

/// Rows for a translation and a classification, a text, and a series.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (mut rows, mut series) = ("swedish\tenglish\tdocument\tlabel\n".to_owned(), "month,value\n".to_owned());
    for i in 0..60 {
        let (swedish, english) = [("hus", "house"), ("båt", "boat"), ("sten", "stone")][i % 3];
        rows += &format!("{swedish} {i}\t{english} {i}\t{swedish} film {i}\t{}\n", i % 2);
        series += &format!("{i},{}\n", 100 + (i * 7) % 12);
    }
    fs::write(folder.path().join("rows.tsv"), rows).unwrap();
    fs::write(folder.path().join("series.csv"), series).unwrap();
    let text: String = (0..20).map(|i| format!("She sells {i} sea shells.\nBy the sea shore.\n")).collect();
    fs::write(folder.path().join("text.txt"), text).unwrap();
    folder
}

/// Tasks of which each reads data of another form, and small models of theirs.
const TASKS: [(&str, &str, &[&str]); 4] = [
    ("translation", "rows.tsv", &["--hidden-size", "8", "--vocabulary", "300", "--epochs", "1"]),
    (
        "sentiment",
        "rows.tsv",
        &[
            "--hidden-size",
            "8",
            "--vocabulary",
            "300",
            "--bigram-buckets",
            "16",
            "--ngram-buckets",
            "16",
            "--epochs",
            "1",
        ],
    ),
    ("language-model", "text.txt", &["--hidden-size", "8", "--bptt-streams", "4", "--window", "8", "--epochs", "1"]),
    (
        "forecast",
        "series.csv",
        &["--hidden-size", "8", "--context", "12", "--horizon", "2", "--season", "3", "--epochs", "1"],
    ),
];

fn train<'a>(task: &'a str, data: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["train", task, "--data", data, "--out", out][..], more].concat()
}

/// Letters are exchanged for others: all sizes stay as they were.
fn changed(at: &Path, data: &str) {
    let text = fs::read_to_string(at.join(data)).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let rows = if data.ends_with(".csv") { rows.replace("101", "102") } else { rows.replace('s', "z") };
    fs::write(at.join(data), format!("{header}\n{rows}")).unwrap();
}

#[test]
fn a_run_does_not_go_on_with_other_data_of_the_same_sizes() {
    for (task, data, sizes) in TASKS {
        let folder = folder();
        let at = folder.path();
        succeeds(at, &train(task, data, "run", sizes), b"");
        let original = fs::read(at.join(data)).unwrap();
        changed(at, data);
        refuses(at, &train(task, data, "run", &["--resume"]), 1, "the checksum of the data is");
        // The same rows in another order are other data.
        let text = String::from_utf8(original).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines[1..].reverse();
        fs::write(at.join(data), lines.join("\n") + "\n").unwrap();
        refuses(at, &train(task, data, "run", &["--resume"]), 1, "this run began with something else");
    }
}

#[test]
fn a_run_goes_on_with_the_same_data_from_another_place() {
    let folder = folder();
    let at = folder.path();
    let (task, data, sizes) = TASKS[1];
    succeeds(at, &train(task, data, "run", sizes), b"");
    let config = fs::read(at.join("run/config.toml")).unwrap();
    fs::create_dir(at.join("elsewhere")).unwrap();
    fs::rename(at.join(data), at.join("elsewhere/other-name.tsv")).unwrap();
    let absolute = at.join("elsewhere/other-name.tsv");
    for (from, out, data) in
        [(at, "run", absolute.to_str().unwrap()), (&at.join("elsewhere"), "../run", "other-name.tsv")]
    {
        let output = run(from, &train(task, data, out, &["--resume"]), b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && said.contains("resumed at step"), "{said}");
    }
    assert_eq!(fs::read(at.join("run/config.toml")).unwrap(), config);
    // Other options are another run, also where somebody has written them into its folder.
    let text = String::from_utf8(config).unwrap().replace("learning-rate = 0.00", "learning-rate = 0.01");
    fs::write(at.join("run/config.toml"), text).unwrap();
    refuses(at, &train(task, absolute.to_str().unwrap(), "run", &["--resume"]), 1, "learning-rate is 0.01");
}

#[test]
fn a_finished_run_tells_again_how_long_it_took() {
    let folder = folder();
    let at = folder.path();
    let (task, data, sizes) = TASKS[1];
    let numbers = |stdout: &str| {
        let line: serde_json::Value = serde_json::from_str(stdout.trim()).unwrap();
        (line["seconds"].as_f64().unwrap(), line["per_second"]["tokens"].as_f64().unwrap())
    };
    let (seconds, speed) = numbers(&succeeds(at, &train(task, data, "run", sizes), b""));
    let (again, speed_again) = numbers(&succeeds(at, &train(task, data, "run", &["--resume"]), b""));
    assert!(seconds > 0.0 && (again - seconds).abs() <= 1e-3 * seconds, "{seconds} {again}");
    assert!((speed_again - speed).abs() <= 1e-2 * speed, "{speed} {speed_again}");
}

#[test]
fn files_of_two_runs_are_not_used_together() {
    let folder = folder();
    let at = folder.path();
    let (task, data, sizes) = TASKS[1];
    succeeds(at, &train(task, data, "run", sizes), b"");
    let own = |name: &str| fs::read(at.join("run").join(name)).unwrap();
    let (model, tokenizer, weights) = (own("config.json"), own("tokenizer.json"), own("model.safetensors"));
    changed(at, data);
    succeeds(at, &train(task, data, "other", sizes), b"");
    let predict = ["predict", "--model", "run"];
    let evaluate = ["evaluate", "--model", "run", "--data", data];
    let resume = train(task, data, "run", &["--resume"]);

    fs::copy(at.join("other/tokenizer.json"), at.join("run/tokenizer.json")).unwrap();
    for command in [&predict[..], &evaluate, &resume] {
        refuses(at, command, 1, "tokenizer.json: does not belong to the ");
    }
    fs::write(at.join("run/tokenizer.json"), &tokenizer).unwrap();
    let labels = String::from_utf8(model.clone()).unwrap().replace("\"0\"", "\"1\"");
    fs::write(at.join("run/config.json"), labels).unwrap();
    for command in [&predict[..], &evaluate, &resume] {
        refuses(at, command, 1, "labels is [\"1\", \"1\"] where it was [\"0\", \"1\"]");
    }
    fs::write(at.join("run/config.json"), &model).unwrap();
    fs::copy(at.join("other/model.safetensors"), at.join("run/model.safetensors")).unwrap();
    for command in [&predict[..], &evaluate, &resume] {
        refuses(at, command, 1, "does not belong to the ");
    }
    fs::write(at.join("run/model.safetensors"), &weights).unwrap();
    succeeds(at, &predict, b"hus film\n");
    // Without the last step there is nothing to go on from, and the best weights are not begun anew.
    fs::remove_file(at.join("run/training.safetensors")).unwrap();
    refuses(at, &resume, 1, "holds model.safetensors but no training.safetensors");
}

#[test]
fn sizes_that_the_weights_do_not_have_are_refused_before_memory_is_asked_for() {
    for (task, data, sizes) in TASKS {
        let folder = folder();
        let at = folder.path();
        succeeds(at, &train(task, data, "run", sizes), b"");
        let model = fs::read_to_string(at.join("run/config.json")).unwrap();
        let weights = fs::read(at.join("run/model.safetensors")).unwrap();
        let keys = ["hidden_size", "layers", "embedding_size"];
        let lines = model.lines().map(|line| line.trim().trim_end_matches(','));
        let is_size = |line: &&str| keys.iter().any(|key| line.starts_with(&format!("\"{key}\": ")));
        let sizes: Vec<&str> = lines.filter(is_size).collect();
        assert!(sizes.len() >= 2, "{model}");
        for size in sizes {
            let key = size.split('"').nth(1).unwrap();
            let huge = format!("\"{key}\": 65536");
            fs::write(at.join("run/config.json"), model.replace(size, &huge)).unwrap();
            let mut commands =
                vec![vec!["predict", "--model", "run"], vec!["evaluate", "--model", "run", "--data", data]];
            commands.extend((task == "language-model").then(|| vec!["generate", "--model", "run"]));
            for command in &commands {
                refuses(at, command, 1, &format!("{key} is 65536 where it was"));
                // Nor where nothing in the weights' file says what they are of.
                fs::write(at.join("run/model.safetensors"), without_metadata(&weights)).unwrap();
                refuses(at, command, 1, "its sizes are not those of model.safetensors");
                fs::write(at.join("run/model.safetensors"), &weights).unwrap();
            }
            refuses(at, &train(task, data, "run", &["--resume"]), 1, &format!("{key} is 65536 where it was"));
        }
    }
}

#[test]
fn a_folder_with_files_of_its_own_is_no_place_for_a_run() {
    let folder = folder();
    let at = folder.path();
    let (task, data, sizes) = TASKS[2];
    fs::create_dir(at.join("mine")).unwrap();
    for name in ["config.toml", "report.html", "samples.txt", "metrics.csv"] {
        fs::write(at.join("mine").join(name), "# Mine.\n").unwrap();
    }
    let diverging = ["--learning-rate", "10", "--cell", "relu"];
    let more = [sizes, &diverging, &["--config", "mine/config.toml"]].concat();
    refuses(at, &train(task, data, "mine", &more), 2, "is not empty and no run folder");
    let more = [sizes, &["--resume"]].concat();
    refuses(at, &train(task, data, "mine", &more), 2, "is not empty and no run folder");

    // A run of an older version has no lock, and its checkpoints do not say on what they were trained.
    succeeds(at, &train(task, data, "old", sizes), b"");
    fs::remove_file(at.join("old/run.lock")).unwrap();
    refuses(at, &train(task, data, "old", &["--resume"]), 2, "a run of an older version");
    succeeds(at, &["generate", "--model", "old", "--length", "3"], b"");
    succeeds(at, &["tokenize", "train", "text.txt", "--out", "t.json"], b"");
    refuses(at, &["tokenize", "train", "text.txt", "--out", "t.json"], 2, "t.json: exists already");
    succeeds(at, &["tokenize", "train", "text.txt", "--out", "t.json", "--overwrite"], b"");
}

#[test]
fn a_training_that_diverges_before_it_has_weights_leaves_nothing() {
    let folder = folder();
    let at = folder.path();
    let options = "--hidden-size 32 --layers 1 --window 64 --bptt-streams 4 --epochs 1 --learning-rate 10 --cell relu";
    let options: Vec<&str> = options.split(' ').collect();
    let before = listing(at);
    let output = run(at, &train("language-model", "text.txt", "run", &options), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && said.contains("the loss is NaN"), "{said}");
    assert!(said.ends_with("hint: try a lower --learning-rate\n"), "{said}");
    assert_eq!(listing(at), before);
}

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn no_link_is_followed_when_a_run_goes_on() {
        let folder = folder();
        let at = folder.path();
        let (task, data, sizes) = TASKS[2];
        succeeds(at, &train(task, data, "run", sizes), b"");
        fs::write(at.join("precious"), "precious").unwrap();
        for name in ["training.safetensors.tmp", "model.safetensors.tmp", ".unspool-abcdef.tmp", "report.html"] {
            let _ = fs::remove_file(at.join("run").join(name));
            symlink("../precious", at.join("run").join(name)).unwrap();
        }
        succeeds(at, &train(task, data, "run", &["--resume"]), b"");
        assert_eq!(fs::read(at.join("precious")).unwrap(), b"precious");
        // Nor is a file locked, or written into, that a link calls the run's.
        fs::remove_file(at.join("run/run.lock")).unwrap();
        symlink("../precious", at.join("run/run.lock")).unwrap();
        refuses(at, &train(task, data, "run", &["--resume"]), 2, "run");
    }

    #[test]
    fn a_link_to_nothing_is_told_before_the_data_is_read() {
        let folder = folder();
        let at = folder.path();
        symlink("nowhere", at.join("link")).unwrap();
        for out in ["link", "link/run"] {
            let output = run(at, &train("sentiment", "missing.tsv", out, &[]), b"");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && said.contains("link is a link to nothing"), "{said}");
        }
    }

    #[test]
    fn a_device_is_no_configuration() {
        let folder = folder();
        let at = folder.path();
        let (task, data, sizes) = TASKS[1];
        let device = [sizes, &["--config", "/dev/zero"]].concat();
        refuses(at, &train(task, data, "new", &device), 2, "/dev/zero: not a configuration");
        succeeds(at, &train(task, data, "run", sizes), b"");
        for name in ["config.toml", "config.json"] {
            let kept = fs::read(at.join("run").join(name)).unwrap();
            fs::remove_file(at.join("run").join(name)).unwrap();
            symlink("/dev/zero", at.join("run").join(name)).unwrap();
            let output = run(at, &train(task, data, "run", &["--resume"]), b"");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && said.contains("not a configuration"), "{said}");
            fs::remove_file(at.join("run").join(name)).unwrap();
            fs::write(at.join("run").join(name), kept).unwrap();
        }
    }
}

/// A training of the text that takes its time, once it has saved its first step.
fn training(at: &Path, more: &[&str]) -> Child {
    let (task, data, sizes) = TASKS[2];
    let options = [&sizes[..sizes.len() - 1], &["100000"], more].concat();
    let child = Command::new(env!("CARGO_BIN_EXE_unspool"))
        .args(train(task, data, "run", &options))
        .current_dir(at)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !at.join("run/model.safetensors").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_second_training_in_a_folder_is_refused_and_the_first_goes_on() {
    let folder = folder();
    let at = folder.path();
    let (task, data, _) = TASKS[2];
    let mut first = training(at, &[]);
    let who = format!("process {} on ", first.id());
    for more in [&[][..], &["--resume"]] {
        let output = run(at, &train(task, data, "run", more), b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&who) && said.contains("is training in this folder"), "{said}");
        assert_eq!(said.lines().filter(|line| line.starts_with("error: ")).count(), 1, "{said}");
    }
    assert!(first.try_wait().unwrap().is_none(), "the first training is undisturbed");
    // The lock goes with its process.
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = training(at, &["--resume"]);
    std::thread::sleep(Duration::from_millis(300));
    assert!(second.try_wait().unwrap().is_none());
    second.kill().unwrap();
    second.wait().unwrap();
    // Who only uses the model needs no lock.
    let before = listing(at);
    succeeds(at, &["generate", "--model", "run", "--length", "3"], b"");
    assert_eq!(listing(at), before);
}
