//! The machine fails, or the process is killed, at each operation on a file of a short training: what was saved stays
//! whole, the error is one line, and `--resume` comes to the same bits as a training that nothing disturbed.

mod common;
mod small;

use common::{faulty, operations, run, succeeds};
use std::{
    fs,
    path::Path,
    process::Output,
    sync::atomic::{AtomicUsize, Ordering},
};
use tempfile::TempDir;

/// What equal trainings leave equal.
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

/// No space left, an error of the disk, no permission.
const ERRORS: [&str; 3] = ["28", "5", "13"];

/// Some reviews, and a training on them that nothing disturbed, in `whole`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let row = |i: usize| format!("{} film {i}\t{}\n", ["bra", "dålig"][i % 2], i % 2);
    let rows: String = (0..12).map(row).collect();
    fs::write(folder.path().join("rows.tsv"), format!("document\tlabel\n{rows}")).unwrap();
    succeeds(folder.path(), &train("whole", &[]), b"");
    folder
}

fn train<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let sizes = [&small::REVIEWS[..], &["--vocabulary", "270", "--epochs", "2", "--threads", "1"]].concat();
    let files = ["train", "sentiment", "--data", "rows.tsv,rows.tsv,rows.tsv", "--out", out];
    [&files[..], &sizes, more].concat()
}

/// Does something for each number up to `count`, on two threads.
fn each(count: usize, with: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < count) {
                    with(number);
                }
            });
        }
    });
}

/// One clear line and at most one hint, and nothing half-written; or the training went on, because it did not need that
/// file.
fn ended_well(at: &Path, out: &str, output: &Output, what: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    let count = |start: &str| said.lines().filter(|line| line.starts_with(start)).count();
    match output.status.code() {
        Some(0) => assert_eq!(count("error: "), 0, "{what}: {said}"),
        Some(1) => assert!(count("error: ") == 1 && count("hint: ") <= 1, "{what}: {said}"),
        other => panic!("{what}: exit code {other:?}: {said}"),
    }
    assert!(!said.contains("panicked"), "{what}: {said}");
    let names = fs::read_dir(at.join(out)).into_iter().flatten().map(|entry| entry.unwrap().path());
    assert_eq!(names.filter(|path| unspool_files::is_temporary(path)).count(), 0, "{what}");
}

/// Goes on, and comes to the bits of `whole`.
fn goes_on(at: &Path, out: &str, what: &str) {
    let output = run(at, &train(out, &["--resume"]), b"");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
    for name in FILES {
        let [whole, other] = ["whole", out].map(|run| fs::read(at.join(run).join(name)).unwrap());
        assert!(whole == other, "{what}: {name}");
    }
    let names = fs::read_dir(at.join(out)).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(
        names.filter(|path| unspool_files::is_temporary(path)).count(),
        0,
        "{what}: what was half-written stays"
    );
}

#[test]
fn all_that_a_training_does_with_files_can_fail_in_tests() {
    let folder = folder();
    let operations = operations(folder.path(), &train("run", &[]));
    let is_done = |line: &str| assert!(operations.iter().any(|done| done == line), "{line}: {operations:#?}");
    for line in ["create folder: run", "create: run/run.lock", "open: rows.tsv", "read: rows.tsv", "sync folder: run"] {
        is_done(line);
    }
    for name in FILES.iter().chain(&["report.html", "times.toml"]) {
        for operation in ["create", "write", "sync", "rename"] {
            is_done(&format!("{operation}: run/{name}"));
        }
    }
}

#[test]
fn an_error_of_the_system_at_any_operation_loses_nothing() {
    let folder = folder();
    let at = folder.path();
    let operations = operations(at, &train("run", &[]));
    each(operations.len(), |number| {
        let (out, what) = (format!("run-{number}"), format!("{}: {}", number + 1, operations[number]));
        let output = faulty(at, &train(&out, &[]), &format!("{}:{}", number + 1, ERRORS[number % 3]));
        ended_well(at, &out, &output, &what);
        goes_on(at, &out, &what);
        fs::remove_dir_all(at.join(&out)).unwrap();
    });
}

#[test]
fn a_kill_at_any_operation_loses_nothing() {
    let folder = folder();
    let at = folder.path();
    let operations = operations(at, &train("run", &[]));
    each(operations.len(), |number| {
        let (out, what) = (format!("run-{number}"), format!("{}: {}", number + 1, operations[number]));
        faulty(at, &train(&out, &[]), &format!("{}:abort", number + 1));
        goes_on(at, &out, &what);
        fs::remove_dir_all(at.join(&out)).unwrap();
    });
}

#[test]
fn an_error_or_a_kill_while_a_training_goes_on_loses_nothing() {
    let folder = folder();
    let at = folder.path();
    // Stopped between the two checkpoints: the weights of the best epoch are newer than the last step.
    let all = operations(at, &train("run", &[]));
    let saved = all.iter().rposition(|line| line == "create: run/training.safetensors").unwrap();
    let begun = |out: &str| {
        let output = faulty(at, &train(out, &[]), &format!("{}:abort", saved + 1));
        let both = ["training.safetensors", "model.safetensors"].map(|name| at.join(out).join(name).exists());
        assert!(!output.status.success() && both == [true, true]);
    };
    begun("again");
    let operations = operations(at, &train("again", &["--resume"]));
    each(2 * operations.len(), |number| {
        let (out, which) = (format!("run-{number}"), number / 2);
        let what = format!("{}: {}", which + 1, operations[which]);
        begun(&out);
        let fault = if number % 2 == 0 { "abort" } else { ERRORS[which % 3] };
        let output = faulty(at, &train(&out, &["--resume"]), &format!("{}:{fault}", which + 1));
        if fault != "abort" {
            ended_well(at, &out, &output, &what);
        }
        goes_on(at, &out, &what);
        fs::remove_dir_all(at.join(&out)).unwrap();
    });
}
