//! Optimizations change what a task learns by rounding alone: losses of a short training with and without them stay
//! together.

mod common;

use common::succeeds;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// The greatest relative difference of a loss after about twenty steps in single precision.
const BOUND: f64 = 2e-3;

/// Returns the losses on the train part and on the dev part after each epoch.
fn losses(at: &Path, run: &str) -> Vec<f64> {
    let metrics = fs::read_to_string(at.join(run).join("metrics.csv")).unwrap();
    let rows = metrics.lines().skip(1).flat_map(|row| row.split(',').skip(1).take(2));
    rows.map(|number| number.parse().unwrap()).collect()
}

#[test]
fn a_short_training_of_every_kind_of_task_is_that_of_the_plain_computation() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let row = |digit: usize| {
        let ink = |pixel: usize| if (pixel + digit).is_multiple_of(7) { "16," } else { "0," };
        format!("{}{digit}\n", (0..64).map(ink).collect::<String>())
    };
    fs::write(at.join("digits.csv"), (0..40).map(|i| row(i % 10)).collect::<String>()).unwrap();
    fs::write(at.join("text.txt"), "to be, or not to be: that is the question.\n".repeat(20)).unwrap();
    let review = |i: usize| format!("{} film {i}\t{}\n", ["bra", "dålig"][i % 2], ["good", "bad"][i % 2]);
    fs::write(at.join("reviews.tsv"), format!("text\tlabel\n{}", (0..40).map(review).collect::<String>())).unwrap();
    let pair = |i: usize| format!("{} och {i} hus\t{} and {i} houses\n", ["ett", "två"][i % 2], ["one", "two"][i % 2]);
    fs::write(at.join("pairs.tsv"), format!("swedish\tenglish\n{}", (0..40).map(pair).collect::<String>())).unwrap();
    let month = |i: usize| format!("{i},{}\n", 100.0 + (i as f64 / 2.0).sin() * 20.0);
    fs::write(at.join("series.csv"), format!("month,value\n{}", (0..90).map(month).collect::<String>())).unwrap();
    for (task, data, more) in [
        ("digits", "digits.csv", &[][..]),
        ("captioning", "digits.csv", &["--pictures", "24", "--cell", "lstm"]),
        ("frames", "digits.csv", &["--films", "12"]),
        ("sentiment", "reviews.tsv", &["--vocabulary", "300", "--text", "text", "--label", "label"]),
        ("translation", "pairs.tsv", &["--vocabulary", "300"]),
        ("language-model", "text.txt", &["--bptt-streams", "8", "--window", "10"]),
        ("forecast", "series.csv", &[]),
    ] {
        let arguments = |out: &'static str| {
            let all =
                ["train", task, "--data", data, "--epochs", "3", "--hidden-size", "12", "--threads", "1", "--out", out];
            [&all[..], more].concat()
        };
        succeeds(at, &arguments("fast"), b"");
        let mut plain = Command::new(env!("CARGO_BIN_EXE_unspool"));
        plain.args(arguments("plain")).current_dir(at).env("UNSPOOL_REFERENCE_MODE", "1");
        let done = plain.stdin(Stdio::null()).output().unwrap();
        assert!(done.status.success(), "{task}: {}", String::from_utf8_lossy(&done.stderr));
        let (fast, plain) = (losses(at, "fast"), losses(at, "plain"));
        assert_eq!((fast.len(), plain.len()), (6, 6), "{task}");
        let agree = |(a, b): (&f64, &f64)| (a - b).abs() <= BOUND * b.abs() + 2e-6;
        assert!(fast.iter().zip(&plain).all(agree), "{task}\nfast  {fast:?}\nplain {plain:?}");
        fs::remove_dir_all(at.join("fast")).unwrap();
        fs::remove_dir_all(at.join("plain")).unwrap();
    }
}
