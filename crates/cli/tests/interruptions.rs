//! What comes from outside while the program works: streams that close, disks that fill up, signals.
#![cfg(unix)]

mod common;

use common::succeeds;
use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_unspool");

/// Pairs of sentences, as many rows of each as there are tests and epochs to be stopped in.
fn pairs(at: &Path, rows: usize) {
    let words = ["ett", "två", "tre", "fyra", "fem", "sex", "sju"];
    let row = |i: usize| format!("{} {} {}\tpair {i}\n", words[i % 7], words[i / 7 % 7], words[i / 49 % 7]);
    let text: String = (0..rows).map(row).collect();
    fs::write(at.join("pairs.tsv"), format!("swedish\tenglish\n{text}")).unwrap();
}

fn start(at: &Path, program: &str, arguments: &[&str]) -> (Child, BufReader<ChildStderr>) {
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(at)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stderr.take().unwrap());
    (child, said)
}

/// Reads on to the line that contains this; gives that line.
fn wait_for(said: &mut impl BufRead, wanted: &str) -> String {
    let mut all = String::new();
    loop {
        let from = all.len();
        assert!(said.read_line(&mut all).unwrap() > 0, "no {wanted:?} in: {all}");
        if all[from..].contains(wanted) {
            return all[from..].to_owned();
        }
    }
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The exit code, and the rest of what was said.
fn end(mut child: Child, mut said: BufReader<ChildStderr>) -> (Option<i32>, String, String) {
    let (mut rest, mut out) = (String::new(), String::new());
    said.read_to_string(&mut rest).unwrap();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    (child.wait().unwrap().code(), rest, out)
}

/// The command that the message names, for a shell.
fn resuming(said: &str) -> String {
    let command = said.lines().find_map(|line| line.strip_prefix("hint: `")?.strip_suffix("` resumes the training"));
    format!("exec {}", command.unwrap_or_else(|| panic!("no command in: {said}")).replacen("unspool", PROGRAM, 1))
}

/// Whether those who started this test ignore a signal, so that the program does, too.
fn is_ignored(signal: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| (mask >> (signal - 1)) & 1 == 1)
}

#[test]
fn a_training_goes_on_where_standard_error_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["train", "forecast", "--epochs", "3"];
    let spawn = |stderr: Stdio, arguments: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(at).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        command.spawn().unwrap()
    };
    // A pipe whose reader has left before the first line.
    let mut child = spawn(Stdio::piped(), &arguments);
    drop(child.stderr.take());
    let mut outputs = vec![child.wait_with_output().unwrap()];
    if cfg!(target_os = "linux") {
        let full = || File::create("/dev/full").unwrap().into();
        outputs.push(spawn(full(), &arguments).wait_with_output().unwrap());
        for (arguments, code) in [(&["predict", "--model", "none"][..], 1), (&["predict"], 2), (&[], 2)] {
            assert_eq!(spawn(full(), arguments).wait().unwrap().code(), Some(code), "{arguments:?}");
        }
    }
    for (number, output) in (1..).zip(outputs) {
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
        assert!(at.join(format!("runs/forecast-{number}/report.html")).exists());
    }
}

#[test]
fn a_polite_signal_saves_the_step_and_names_the_command_that_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    pairs(at, 400);
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        // Where there is no /proc, SIGHUP is left alone.
        if is_ignored(number) || signal == "HUP" && !cfg!(target_os = "linux") {
            continue;
        }
        let out = format!("it's {signal}");
        let (child, mut said) = start(
            at,
            PROGRAM,
            &[
                "train",
                "translation",
                "--data",
                "pairs.tsv",
                "--out",
                &out,
                "--hidden-size",
                "16",
                "--vocabulary",
                "300",
                "--batch-tokens",
                "100",
                "--epochs",
                "500",
            ],
        );
        // A plain line comes with the first step.
        let line = wait_for(&mut said, "step 1/");
        assert!(line.contains("% of epoch 1, loss ") && line.contains(" tokens/s, about "), "{line}");
        send(signal, &child);
        let (found, rest, out) = end(child, said);
        assert_eq!(found, Some(128 + number as i32), "{rest}");
        assert!(out.is_empty() && rest.contains("stopped at step "), "{rest}");
        assert!(rest.contains(&format!("--out 'it'\\''s {signal}' --resume")), "{rest}");
        let (mut child, mut said) = start(at, "sh", &["-c", &resuming(&rest)]);
        wait_for(&mut said, "resumed at step ");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (child, mut said) =
        start(at, "nohup", &[PROGRAM, "train", "forecast", "--out", "run", "--epochs", "60", "--hidden-size", "32"]);
    wait_for(&mut said, "step 1/");
    send("HUP", &child);
    let (code, said, out) = end(child, said);
    assert_eq!((code, out.lines().count()), (Some(0), 1), "{said}");
}

#[test]
fn a_signal_in_the_last_evaluation_or_in_a_comparison_ends_it_and_the_run_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // The last evaluation searches with a beam, and takes longer than the training.
    pairs(at, 3000);
    fs::write(at.join("few.tsv"), "swedish\tenglish\nett\tpair\n").unwrap();
    let data = "few.tsv,few.tsv,pairs.tsv";
    let arguments = ["train", "translation", "--data", data, "--out", "last", "--hidden-size", "256", "--epochs", "1"];
    let (child, mut said) = start(at, PROGRAM, &[&arguments[..], &["--vocabulary", "300"]].concat());
    wait_for(&mut said, "epoch 1/1: ");
    send("TERM", &child);
    let (code, rest, out) = end(child, said);
    assert_eq!(code, Some(143), "{rest}");
    assert!(out.is_empty() && rest.contains("stopped at step 1") && rest.contains("--out last --resume"), "{rest}");

    let arguments = [
        "train",
        "adding",
        "--out",
        "two",
        "--compare",
        "rnn",
        "--epochs",
        "60",
        "--sequences",
        "64",
        "--length",
        "24",
    ];
    let (child, mut said) =
        start(at, PROGRAM, &[&arguments[..], &["--hidden-size", "4", "--batch-rows", "8"]].concat());
    wait_for(&mut said, "rnn: ");
    send("TERM", &child);
    let (code, rest, _) = end(child, said);
    assert_eq!(code, Some(143), "{rest}");
    let resumed = Command::new("sh").args(["-c", &resuming(&rest)]).current_dir(at).output().unwrap();
    let line: serde_json::Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert!(resumed.status.success() && line["baselines"]["rnn"].is_f64(), "{line}");
    assert!(at.join("two/report.html").exists() && !at.join("two/baselines/rnn/report.html").exists());
}

#[test]
fn a_file_beside_the_weights_that_cannot_be_written_is_told_at_the_end_and_written_when_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let arguments = ["train", "forecast", "--out", "run", "--epochs", "600", "--hidden-size", "32"];
    let (child, mut said) = start(at, PROGRAM, &arguments);
    wait_for(&mut said, "step 1/");
    // A folder in the place of the file: writing it fails, as it does on a full disk.
    let place = at.join("run/metrics.csv");
    while fs::create_dir_all(place.join("in the way")).is_err() {
        let _ = fs::remove_file(&place);
    }
    let (code, rest, out) = end(child, said);
    assert_eq!(code, Some(1), "{rest}");
    assert!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["test"]["rmse"].is_f64());
    assert!(rest.contains("error: ") && rest.contains("metrics.csv"), "{rest}");
    assert!(rest.contains("unspool train forecast --out run --resume"), "{rest}");
    assert!(at.join("run/report.html").exists() && at.join("run/curve.svg").exists());
    fs::remove_dir_all(&place).unwrap();
    succeeds(at, &["train", "forecast", "--out", "run", "--resume"], b"");
    assert_eq!(fs::read_to_string(place).unwrap().lines().count(), 601);
}

/// A model that answers has nothing to save: it ends at once, and what it has answered is whole.
#[test]
fn a_signal_ends_a_prediction_at_once() {
    use std::os::unix::process::ExitStatusExt;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    succeeds(at, &["train", "copy", "--out", "run", "--epochs", "1", "--sequences", "32", "--length", "24"], b"");
    let mut child = Command::new(PROGRAM)
        .args(["predict", "--model", "run"])
        .current_dir(at)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap());
    std::io::Write::write_all(&mut input, b"3141527006\n").unwrap();
    let mut answer = String::new();
    answers.read_line(&mut answer).unwrap();
    assert_eq!(answer.len(), 11, "an answer comes with its line: {answer:?}");
    send("TERM", &child);
    assert_eq!(child.wait().unwrap().signal(), Some(15));
}
