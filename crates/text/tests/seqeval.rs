//! Spans and their scores equal those of seqeval, in its default mode and in its strict mode. `fixtures/make_spans.py`
//! made the numbers.

use serde_json::Value;
use std::collections::BTreeMap;
use unspool_text::score::{Span, SpanCounts, SpanScores, TagScheme};

const FIXTURES: &str = include_str!("fixtures/spans.json");

fn strings(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

#[test]
fn every_span_and_every_score_equals_that_of_seqeval() {
    let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
    assert_eq!(fixtures["version"], "1.2.2");
    let (mut sequences, mut invalid) = (BTreeMap::<_, usize>::new(), 0);
    for mode in fixtures["modes"].as_array().unwrap() {
        let scheme: Option<TagScheme> = mode["scheme"].as_str().map(|name| name.parse().unwrap());
        let tags_of = |letters: &str| -> Vec<String> {
            letters.chars().map(|letter| mode["tags"][letter.to_string()].as_str().unwrap().to_owned()).collect()
        };
        for corpus in mode["corpora"].as_array().unwrap() {
            for side in ["predicted", "right"] {
                for (letters, wanted) in strings(&corpus[side]).zip(strings(&corpus[format!("{side}_spans")])) {
                    let tags = tags_of(letters);
                    let found = scheme.map_or_else(|| Span::of_tags(&tags), |scheme| scheme.spans(&tags)).unwrap();
                    let found: Vec<String> =
                        found.iter().map(|span| format!("{}:{}-{}", span.label, span.start, span.end)).collect();
                    assert_eq!(found.join(" "), wanted, "{scheme:?} {tags:?}");
                    *sequences.entry(mode["scheme"].as_str()).or_default() += 1;
                    invalid += usize::from(scheme.is_some_and(|scheme| scheme.first_invalid(&tags).is_some()));
                }
            }
            let [predicted, right] = ["predicted", "right"].map(|side| strings(&corpus[side]).map(tags_of).collect());
            let (predicted, right): (Vec<_>, Vec<_>) = (predicted, right);
            let mut counts = SpanCounts::default();
            for sentence in &SpanCounts::of_sentences(&predicted, &right, scheme).unwrap() {
                counts += sentence;
            }
            let averages = [
                ("micro avg", counts.micro()),
                ("macro avg", counts.macro_average()),
                ("weighted avg", counts.weighted_average()),
            ];
            let found: BTreeMap<&str, SpanScores> = counts.by_label().chain(averages).collect();
            assert_eq!(found.len(), corpus["scores"].as_object().unwrap().len());
            for (label, scores) in found {
                let SpanScores { precision, recall, f1, support, .. } = scores;
                for (place, found) in [precision, recall, f1, support as f64].into_iter().enumerate() {
                    let wanted = corpus["scores"][label][place].as_f64().unwrap();
                    assert!((found - wanted).abs() <= 1e-12, "{found}, not {wanted}: {scheme:?} {label}");
                }
            }
            assert_eq!(counts.to_string(), corpus["report"].as_str().unwrap());
        }
    }
    assert!(sequences.len() == 7 && sequences.values().all(|count| *count == 2000), "{sequences:?}");
    assert!(invalid > 5000, "{invalid} of the sequences are invalid in their scheme");
}
