//! `predict` answers many lines at a time, and one as soon as it is there.

mod common;

use common::{run, succeeds};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

/// A model of reviews.
fn model(at: &Path) {
    let mut rows = "document\tlabel\n".to_owned();
    for row in 0..60 {
        rows += &format!("{} film {row}\t{}\n", ["bra", "mycket dålig"][row % 2], ["good", "bad"][row % 2]);
    }
    fs::write(at.join("rows.tsv"), rows).unwrap();
    let arguments = ["train", "sentiment", "--data", "rows.tsv", "--out", "run", "--epochs", "1", "--hidden-size", "8"];
    succeeds(at, &[&arguments[..], &["--bigram-buckets", "64", "--ngram-buckets", "64"]].concat(), b"");
}

#[test]
fn many_lines_have_the_answers_of_each_alone_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    model(at);
    let line = |n: usize| match n % 7 {
        0 => String::new(),
        n => "en ganska bra film ".repeat(n),
    };
    let lines: Vec<String> = (0..700).map(line).collect();
    let predict = |input: &str, threads: &str| {
        succeeds(at, &["predict", "--model", "run", "--best", "2", "--threads", threads], input.as_bytes())
    };
    let together = predict(&(lines.join("\n") + "\n"), "2");
    assert_eq!(predict(&(lines.join("\n") + "\n"), "1"), together);
    let together: Vec<&str> = together.lines().collect();
    assert_eq!(together.len(), lines.len());
    for (line, answer) in lines.iter().zip(&together).take(7) {
        assert_eq!(predict(&format!("{line}\n"), "1").trim_end(), *answer);
    }
    // The lines before one that cannot be read are answered.
    let output =
        run(at, &["predict", "--model", "run", "--max-line", "100"], ("bra\n".repeat(3) + &"x".repeat(200)).as_bytes());
    assert_eq!((output.status.code(), output.stdout.iter().filter(|byte| **byte == b'\n').count()), (Some(1), 3));
}

#[test]
fn a_line_is_answered_before_the_next_one_comes() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    model(at);
    let mut child = Command::new(env!("CARGO_BIN_EXE_unspool"))
        .args(["predict", "--model", "run"])
        .current_dir(at)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for line in ["bra\n", "mycket dålig\n"] {
        input.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert!(answer.contains('\t'), "{answer}");
    }
    drop(input);
    assert!(child.wait().unwrap().success());
}
