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
    } else if wanted["metric"] == "TER" {
        arguments.push("ter".into());
        for name in ["normalized", "no_punct", "asian_support", "case_sensitive"] {
            if wanted[name] == true {
                arguments.push(format!("--{}", name.replace('_', "-")));
            }
        }
        // A process a score: with one option at most, or all of them.
        return (arguments.len() <= 3 || arguments.len() == 6).then_some(arguments);
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

#[test]
fn a_score_is_compared_with_a_baseline_by_the_paired_bootstrap() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let lines = |end: &str| (0..30).map(|i| format!("line {i} of the text {end}\n")).collect::<String>();
    for (name, end) in [("reference", "ends here"), ("baseline", "stops"), ("system", "ends here")] {
        fs::write(at.join(name), lines(end)).unwrap();
    }
    for (metric, better) in [("bleu", 1.0), ("chrf", 1.0), ("ter", -1.0)] {
        let arguments = ["score", metric, "--reference", "reference", "system", "--baseline", "baseline"];
        let text = succeeds(at, &arguments, b"");
        let mut told = text.lines();
        assert!(told.next().unwrap().contains("version:2.6.0"), "{text}");
        assert!(told.next().unwrap().starts_with("baseline "), "{text}");
        assert_eq!(told.next(), None);
        let json = |seed| -> Value {
            let more = ["--format", "json", "--samples", "200", "--seed", seed];
            serde_json::from_str(&succeeds(at, &[&arguments[..], &more].concat(), b"")).unwrap()
        };
        let found = json("7");
        let number = |key: &str| found[key].as_f64().unwrap();
        assert!((number("score") - number("baseline") - number("difference")).abs() < 1e-9);
        assert!(better * number("difference") > 0.0 && number("p_value") < 0.05, "{found}");
        assert!(better * found["interval"][0].as_f64().unwrap() > 0.0, "{found}");
        assert_eq!(found, json("7"));
    }
    // A system is no better than itself.
    let itself = ["score", "ter", "--reference", "reference", "system", "--baseline", "system", "--format", "json"];
    let itself: Value = serde_json::from_str(&succeeds(at, &itself, b"")).unwrap();
    assert_eq!((&itself["difference"], &itself["p_value"]), (&0.0.into(), &1.0.into()));
    fs::write(at.join("short"), "line\n").unwrap();
    let short = ["score", "chrf", "--reference", "reference", "system", "--baseline", "short"];
    refuses(at, &short, 1, "short: 1 lines, but system has 30");
}

#[test]
fn spans_of_tags_are_scored_as_seqeval_does_and_wrong_tags_are_named_with_their_lines() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("right"), "B-PER I-PER O\nO B-LOC\n").unwrap();
    fs::write(at.join("found"), "Tom/B-PER Hill/I-PER sleeps/O\nin/O Rome/I-LOC\n").unwrap();
    let spans = |more: &[&str]| {
        let arguments = ["score", "spans", "--reference", "right", "found", "--format", "json"];
        let out = run(at, &[&arguments[..], more].concat(), b"");
        let (text, said) = (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap());
        (serde_json::from_str::<Value>(&text).unwrap(), said)
    };
    // In the default mode the I-LOC begins a span; in the strict mode it is none.
    let (found, said) = spans(&[]);
    assert_eq!((&found["score"], said.as_str()), (&1.0.into(), ""));
    assert_eq!(found["signature"], "mode:default|seqeval:1.2.2");
    let (found, said) = spans(&["--scheme", "iob2", "--baseline", "found"]);
    assert!((found["score"].as_f64().unwrap() - 2.0 / 3.0).abs() < 1e-12, "{found}");
    assert_eq!((&found["labels"]["LOC"]["recall"], &found["p_value"]), (&0.0.into(), &1.0.into()));
    assert_eq!(said, "found:2: word 2: `I-LOC` may not follow `O` in iob2; 1 sentence with invalid tags\n");
    let report = succeeds(at, &["score", "spans", "--reference", "right", "found"], b"");
    assert!(report.contains("precision    recall  f1-score   support") && report.contains("weighted avg"), "{report}");

    fs::write(at.join("nouns"), "B-PER I-PER O\nNOUN VERB\n").unwrap();
    fs::write(at.join("less"), "B-PER I-PER O\nO\n").unwrap();
    refuses(at, &["score", "spans", "--reference", "right", "nouns"], 1, "nouns:2: word 1: `NOUN` is not a tag");
    refuses(at, &["score", "spans", "--reference", "nouns", "right"], 1, "nouns:2: word 1: `NOUN` is not a tag");
    refuses(at, &["score", "spans", "--reference", "right", "less"], 1, "less:2: 1 tag, but 2 in right");
    refuses(at, &["score", "spans", "--reference", "right", "--scheme", "bio", "found"], 2, "--scheme");
}
