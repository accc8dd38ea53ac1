//! Scores equal sacrebleu's to 1e-9, with its signatures and its text form. `fixtures/make_scores.py` made the numbers.

use serde_json::Value;
use unspool_text::score::{Bleu, Chrf, CorpusMetric, SACREBLEU, Smoothing, Ter};

const FIXTURES: &str = include_str!("fixtures/scores.json");

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn bleu(wanted: &Value) -> Bleu {
    let value = wanted["smooth_value"].as_f64();
    let smoothing = match wanted["smooth"].as_str().unwrap().parse().unwrap() {
        Smoothing::Floor(default) => Smoothing::Floor(value.unwrap_or(default)),
        Smoothing::AddK(default) => Smoothing::AddK(value.unwrap_or(default)),
        smoothing => smoothing,
    };
    Bleu {
        tokenization: wanted["tokenize"].as_str().unwrap().parse().unwrap(),
        lowercase: wanted["lowercase"].as_bool().unwrap(),
        smoothing,
        effective_order: wanted["effective_order"].as_bool().unwrap(),
    }
}

fn chrf(wanted: &Value) -> Chrf {
    let number = |key: &str| wanted[key].as_u64().unwrap();
    Chrf {
        char_order: number("char_order") as usize,
        word_order: number("word_order") as usize,
        beta: number("beta") as u32,
        lowercase: wanted["lowercase"].as_bool().unwrap(),
        whitespace: wanted["whitespace"].as_bool().unwrap(),
    }
}

fn ter(wanted: &Value) -> Ter {
    let option = |key: &str| wanted[key].as_bool().unwrap();
    Ter {
        normalized: option("normalized"),
        no_punct: option("no_punct"),
        asian_support: option("asian_support"),
        case_sensitive: option("case_sensitive"),
    }
}

#[test]
fn every_score_equals_that_of_sacrebleu() {
    let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
    assert_eq!(fixtures["version"], SACREBLEU);
    let mut compared = 0;
    for case in fixtures["cases"].as_array().unwrap() {
        let hypotheses = texts(&case["hypotheses"]);
        let references: Vec<Vec<String>> = case["references"].as_array().unwrap().iter().map(texts).collect();
        let references: Vec<&[String]> = references.iter().map(Vec::as_slice).collect();
        for wanted in case["scores"].as_array().unwrap() {
            let what = format!("{}: {}", case["name"], wanted);
            let close = |found: f64, wanted: &Value| (found - wanted.as_f64().unwrap()).abs() <= 1e-9;
            let (score, signature, text) = if wanted["metric"] == "BLEU" {
                let found = bleu(wanted).score(&hypotheses, &references).unwrap();
                for (found, wanted) in found.precisions.iter().zip(wanted["precisions"].as_array().unwrap()) {
                    assert!(close(*found, wanted), "{found} for {what}");
                }
                assert!(close(found.brevity_penalty, &wanted["bp"]), "{what}");
                (found.score, found.signature.clone(), found.to_string())
            } else if wanted["metric"] == "TER" {
                let found = ter(wanted).score(&hypotheses, &references).unwrap();
                assert_eq!(found.counts.edits, wanted["edits"].as_u64().unwrap(), "{what}");
                assert!(close(found.counts.reference_length, &wanted["reference_length"]), "{what}");
                (found.score, found.signature.clone(), found.to_string())
            } else {
                let found = chrf(wanted).score(&hypotheses, &references).unwrap();
                (found.score, found.signature.clone(), found.to_string())
            };
            assert!(close(score, &wanted["score"]), "{score} for {what}");
            assert_eq!(signature, wanted["signature"], "{what}");
            assert_eq!(text, wanted["text"], "{what}");
            compared += 1;
        }
    }
    assert!(compared > 900, "{compared}");
}
