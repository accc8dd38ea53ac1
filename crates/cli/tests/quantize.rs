//! `quantize` makes a folder that is used like any other, with a smaller model.

mod common;

use common::{refuses, succeeds};
use std::fs;

#[test]
fn a_quantized_model_answers_nearly_the_same_and_is_a_quarter_of_the_size() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut rows = "document\tlabel\n".to_owned();
    for row in 0..60 {
        rows += &format!("{} film {row}\t{}\n", ["bra", "mycket dålig"][row % 2], ["good", "bad"][row % 2]);
    }
    fs::write(at.join("rows.tsv"), rows).unwrap();
    let sizes = ["--epochs", "1", "--hidden-size", "64", "--bigram-buckets", "64", "--ngram-buckets", "64"];
    succeeds(at, &[&["train", "sentiment", "--data", "rows.tsv", "--out", "run"], &sizes[..]].concat(), b"");
    // Refused before anything is written.
    refuses(at, &["quantize", "nowhere"], 1, "nowhere: no such folder");
    refuses(at, &["quantize", "run", "--out", "run"], 2, "holds a run");
    fs::write(at.join("notes"), "mine").unwrap();
    refuses(at, &["quantize", "run", "--out", "notes"], 1, "notes");

    let line: serde_json::Value = serde_json::from_str(&succeeds(at, &["quantize", "run/"], b"")).unwrap();
    assert_eq!(line["model"], "run-int8");
    let text = succeeds(at, &["quantize", "run", "--out", "again", "--format", "text"], b"");
    assert!(text.lines().any(|line| line.split_whitespace().eq(["model", "again"])), "{text}");
    let size = |folder: &str| fs::metadata(at.join(folder).join("model.safetensors")).unwrap().len();
    assert_eq!(line["bytes"].as_u64(), Some(size("run-int8")));
    assert!(size("run-int8") * 10 < size("run") * 3, "{line}");

    let predict = |model: &str| {
        let answer = succeeds(at, &["predict", "--model", model, "--best", "2"], "en bra film\n".as_bytes());
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        answer
    };
    let (before, after) = (predict("run").to_string(), predict("run-int8").to_string());
    let numbers = |text: &str| -> Vec<f64> {
        text.split(|c: char| !"0123456789.-e".contains(c)).filter_map(|word| word.parse().ok()).collect()
    };
    let (a, b) = (numbers(&before), numbers(&after));
    assert!(!a.is_empty() && a.len() == b.len() && before != after, "{before} {after}");
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 0.02), "{before} {after}");

    let scores = succeeds(at, &["evaluate", "--model", "run-int8", "--data", "rows.tsv"], b"");
    assert!(scores.contains("accuracy"), "{scores}");
    // It is for use: there is no step from which a training could go on.
    let on = ["train", "sentiment", "--data", "rows.tsv", "--out", "run-int8", "--resume"];
    refuses(at, &[&on[..], &sizes].concat(), 1, "training.safetensors");
    // A damaged file is found.
    let path = at.join("run-int8/model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    refuses(at, &["predict", "--model", "run-int8"], 1, "checksum");
}
