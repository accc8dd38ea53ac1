//! `unspool score` against what sacrebleu printed.

mod common;

use common::{refuses, run, succeeds};
use serde_json::Value;
use std::{fs, path::Path};

const FIXTURES: &str = include_str!("../../text/tests/fixtures/scores.json");

/// Writes texts as a file, if each is one line.
fn write(at: &Path, name: &str, texts: &Value) -> bool {
    let lines: Vec<&str> = texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
    let one_line_each = lines.iter().all(|line| !line.contains(['\n', '\r']) && !line.starts_with('\u{feff}'));
    fs::write(at.join(name), lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    one_line_each && !lines.is_empty()
}

/// The arguments for the settings of a fixture, if the program has them.
fn arguments(wanted: &Value) -> Option<Vec<String>> {
    let mut arguments: Vec<String> = vec!["score".into()];
    let usual: &[(&str, Value)] = if wanted["metric"] == "BLEU" {
        arguments.extend(["bleu".into(), "--tokenize".into(), wanted["tokenize"].as_str().unwrap().into()]);
        &[("smooth", "exp".into()), ("effective_order", false.into())]
    } else {
        arguments.extend(["chrf".into(), "--word-order".into(), wanted["word_order"].to_string()]);
        &[("char_order", 6.into()), ("beta", 2.into()), ("whitespace", false.into())]
    };
    if wanted["lowercase"] == true {
        arguments.push("--lowercase".into());
    }
    usual.iter().all(|(name, value)| wanted[*name] == *value).then_some(arguments)
}

#[test]
fn lines_and_scores_are_those_of_sacrebleu() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
    let mut compared = 0;
    for case in fixtures["cases"].as_array().unwrap() {
        let mut files = vec![];
        let mut fits = write(at, "hypothesis", &case["hypotheses"]);
        for (i, reference) in case["references"].as_array().unwrap().iter().enumerate() {
            fits &= write(at, &format!("reference{i}"), reference);
            files.extend(["--reference".to_owned(), format!("reference{i}")]);
        }
        // A process a score: one of each kind is enough for each text.
        let mut kinds = std::collections::BTreeSet::new();
        for wanted in case["scores"].as_array().unwrap().iter().filter(|_| fits) {
            let Some(arguments) = arguments(wanted).filter(|arguments| kinds.insert(arguments.clone())) else {
                continue;
            };
            let arguments: Vec<&str> = arguments.iter().chain(&files).map(String::as_str).collect();
            let text = succeeds(at, &[&arguments[..], &["hypothesis"]].concat(), b"");
            assert_eq!(text.trim_end(), wanted["text"].as_str().unwrap(), "{}", case["name"]);
            if compared % 7 == 0 {
                let input = fs::read(at.join("hypothesis")).unwrap();
                let json = succeeds(at, &[&arguments[..], &["--format", "json"]].concat(), &input);
                let json: Value = serde_json::from_str(&json).unwrap();
                assert!((json["score"].as_f64().unwrap() - wanted["score"].as_f64().unwrap()).abs() <= 1e-9);
                assert_eq!(json["signature"], wanted["signature"]);
                assert!(wanted["text"].as_str().unwrap().starts_with(json["name"].as_str().unwrap()));
            }
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn what_cannot_be_scored_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("two"), "one\ntwo\n").unwrap();
    fs::write(at.join("bytes"), b"one\n\xff\n").unwrap();
    refuses(at, &["score", "bleu", "--reference", "nowhere", "two"], 1, "nowhere: cannot read");
    refuses(at, &["score", "bleu", "--reference", "two", "bytes"], 1, "bytes:2: not UTF-8");
    refuses(at, &["score", "chrf", "--reference", "two"], 1, "two: 2 lines, but standard input has 0");
    refuses(at, &["score", "bleu", "--reference", "/dev/null"], 1, "nothing to score");
    refuses(at, &["score", "bleu", "two"], 2, "--reference");
    refuses(at, &["score", "rouge", "--reference", "two"], 2, "rouge");
    refuses(at, &["score", "bleu", "--reference", "two", "--tokenize", "zh", "two"], 2, "--tokenize");
    refuses(at, &["score", "bleu", "--reference", "two", "--word-order", "2", "two"], 2, "--word-order");
    refuses(at, &["score", "chrf", "--reference", "two", "--word-order", "-1", "two"], 2, "-1");
    refuses(at, &["score", "chrf", "--reference", "two", "--word-order", "many", "two"], 2, "--word-order");
    refuses(at, &["score", "chrf", "--reference", "two", "--format", "xml", "two"], 2, "--format");
    let folder_given = run(at, &["score", "bleu", "--reference", ".", "two"], b"");
    assert_eq!(folder_given.status.code(), Some(1));
}
