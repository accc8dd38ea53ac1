//! What `predict` can be asked of a translator beyond its best translation.

mod common;

use common::{refuses, succeeds};
use serde_json::Value;
use std::{fs, path::Path};
use tempfile::TempDir;

const PAIRS: [(&str, &str); 6] = [
    ("ett hus", "one house"),
    ("två hus", "two houses"),
    ("tre träd", "three trees"),
    ("ett träd", "one tree"),
    ("två båtar", "two boats"),
    ("en båt", "one boat"),
];

/// A folder with the runs of two translators over the same tokens, and of one over others.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows = |pairs: &[(&str, &str)]| {
        let rows = pairs.iter().cycle().take(48).map(|(swedish, english)| format!("{swedish}\t{english}\n"));
        format!("swedish\tenglish\n{}", rows.collect::<String>())
    };
    fs::write(at.join("pairs.tsv"), rows(&PAIRS)).unwrap();
    fs::write(at.join("others.tsv"), rows(&[("en röd katt", "a red cat"), ("en blå hund", "a blue dog")])).unwrap();
    let train = |data: &str, seed: &str, out: &str| {
        let data = format!("--data={data},{data},{data}");
        let sizes = ["--hidden-size", "24", "--batch-tokens", "60", "--learning-rate", "0.01", "--epochs", "50"];
        let arguments = ["train", "translation", &data, "--seed", seed, "--out", out];
        succeeds(at, &[&arguments[..], &sizes].concat(), b"");
    };
    train("pairs.tsv", "1", "one");
    train("pairs.tsv", "2", "two");
    train("others.tsv", "1", "other");
    folder
}

fn sources() -> String {
    PAIRS.iter().map(|(swedish, _)| format!("{swedish}\n")).collect()
}

fn predict(at: &Path, input: &str, more: &[&str]) -> String {
    succeeds(at, &[&["predict", "--model", "one"], more].concat(), input.as_bytes())
}

/// The texts and scores of each line.
fn best(text: &str) -> Vec<Vec<(String, f64)>> {
    let line = |line: &str| -> Vec<(String, f64)> {
        let line: Value = serde_json::from_str(line).unwrap();
        let best = line["best"].as_array().unwrap().iter();
        best.map(|one| (one["text"].as_str().unwrap().to_owned(), one["score"].as_f64().unwrap())).collect()
    };
    text.lines().map(line).collect()
}

#[test]
fn a_translator_decodes_as_it_is_asked_to() {
    let folder = folder();
    let at = folder.path();
    let sources = sources();
    let plain = predict(at, &sources, &[]);
    assert_eq!(plain.lines().next(), Some("one house"), "{plain}");

    // An ensemble of a model with itself is that model, down to the scores; with another model it is neither.
    let alone = best(&predict(at, &sources, &["--best", "3"]));
    let twice = best(&predict(at, &sources, &["--model", "one", "--best", "3"]));
    // Folders may stand one after the other, and the input after them.
    fs::write(at.join("sources.txt"), &sources).unwrap();
    let listed = succeeds(at, &["predict", "--best", "3", "--model", "one", "one", "sources.txt"], b"");
    assert_eq!(best(&listed), twice);
    assert_eq!(succeeds(at, &["predict", "--model", "one", "sources.txt"], b""), plain);
    let both = best(&predict(at, &sources, &["--model", "two", "--best", "3"]));
    for (alone, twice) in alone.iter().flatten().zip(twice.iter().flatten()) {
        assert_eq!(alone.0, twice.0);
        assert!((alone.1 - twice.1).abs() < 1e-9, "{alone:?} {twice:?}");
    }
    assert!(alone.iter().flatten().zip(both.iter().flatten()).any(|(alone, both)| (alone.1 - both.1).abs() > 1e-6));
    let other = ["predict", "--model", "one", "--model", "other"];
    refuses(at, &other, 1, "one and other have different vocabularies");
    refuses(at, &["predict", "--model", "one", "two", "other"], 1, "one and other have different vocabularies");
    refuses(at, &["predict", "--model", "one", "nowhere", "two"], 1, "nowhere: no such folder");

    // An ensemble is evaluated as a whole: of a model with itself all scores are those of the model.
    let evaluate = |models: &[&str]| -> Value {
        let line = succeeds(at, &[&["evaluate", "--data", "pairs.tsv", "--model"], models].concat(), b"");
        serde_json::from_str(&line).unwrap()
    };
    let (alone, twice, both) = (evaluate(&["one"]), evaluate(&["one", "one"]), evaluate(&["one", "two"]));
    for score in ["bleu", "bleu_greedy"] {
        assert_eq!(alone[score], twice[score]);
        assert!(both[score].is_f64(), "{both}");
    }
    assert!(alone["loss"].is_f64() && twice.get("loss").is_none(), "{twice}");
    refuses(at, &["evaluate", "--data", "pairs.tsv", "--model", "one", "other"], 1, "one and other have different");

    // A banned word is not written, nor a token a second time.
    let banned = predict(at, &sources, &["--ban", "house", "--ban", "one"]);
    let has = |text: &str, word: &str| text.split_whitespace().any(|one| one == word);
    assert!(has(&plain, "house") && !has(&banned, "house") && !has(&banned, "one"), "{banned}");
    let once = predict(at, &sources, &["--no-repeat-ngram", "1"]);
    for line in once.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        // A word is one token at the beginning and another one after a space.
        assert!(words.iter().all(|word| words.iter().filter(|other| *other == word).count() <= 2), "{line}");
    }

    // A required word is written somewhere.
    let required = predict(at, &sources, &["--require", "boats"]);
    assert!(required.lines().all(|line| line.contains("boats")), "{required}");

    // A forced beginning, and other words at its end.
    let forced = predict(at, "ett hus\ttwo\n", &["--prefix"]);
    assert!(forced.starts_with("two"), "{forced}");
    let others = best(&predict(at, "ett hus\tone\nett hus\n", &["--prefix", "--alternatives", "--best", "3"]));
    assert_eq!(others.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3]);
    assert!(others[0].iter().all(|(text, _)| text.starts_with("one")), "{others:?}");
    assert_eq!(others[0][0].0, "one house");
    assert!(others[1][0].0 != others[1][1].0 && others[1][1].0 != others[1][2].0, "{others:?}");

    // A reference that is right is more probable than a wrong one.
    let scored = predict(at, "ett hus\tone house\nett hus\tthree trees\n\n", &["--score"]);
    let scores: Vec<f64> = scored.lines().take(2).map(|line| line.parse().unwrap()).collect();
    assert!(scores[0] < 0.0 && scores[0] > scores[1] + 1.0, "{scored}");
    assert_eq!(scored.lines().nth(2), Some(""));

    // Each written word is aligned with a word of the source.
    let aligned = predict(at, &sources, &["--alignment"]);
    for ((line, plain), (source, _)) in aligned.lines().zip(plain.lines()).zip(PAIRS) {
        let (text, pairs) = line.split_once(" ||| ").unwrap();
        assert_eq!(text, plain);
        for (target, pair) in pairs.split(' ').enumerate() {
            let (from, to) = pair.split_once('-').unwrap();
            assert!(from.parse::<usize>().unwrap() < source.split(' ').count(), "{line}");
            assert_eq!(to.parse::<usize>().unwrap(), target, "{line}");
        }
        assert_eq!(pairs.split(' ').count(), text.split_whitespace().count(), "{line}");
    }
    assert_eq!(predict(at, &sources, &["--coverage-penalty", "0.2"]).lines().count(), PAIRS.len());
}

#[test]
fn a_language_model_writes_and_is_scored_together_with_others() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("text.txt"), "to be, or not to be: that is the question.\n".repeat(20)).unwrap();
    fs::write(at.join("other.txt"), "zwei und drei\n".repeat(60)).unwrap();
    let train = |data: &str, seed: &str, out: &str| {
        let sizes = ["--hidden-size", "8", "--layers", "1", "--window", "8", "--bptt-streams", "2", "--epochs", "1"];
        let arguments = ["train", "language-model", "--data", data, "--seed", seed, "--out", out];
        succeeds(at, &[&arguments[..], &sizes].concat(), b"");
    };
    train("text.txt", "1", "one");
    train("text.txt", "2", "two");
    train("other.txt", "1", "other");
    let generate = |models: &[&str], more: &[&str]| {
        succeeds(at, &[&["generate", "--length", "40", "--model"], models, &["--prompt", "to"], more].concat(), b"")
    };
    let alone = generate(&["one"], &[]);
    assert_eq!(generate(&["one", "one"], &[]), alone);
    assert_ne!(generate(&["one", "two"], &[]), alone);
    let evaluate = |models: &[&str]| -> Value {
        let line = succeeds(at, &[&["evaluate", "--data", "text.txt", "--model"], models].concat(), b"");
        serde_json::from_str(&line).unwrap()
    };
    let nats = |models: &[&str]| evaluate(models)["nats"].as_f64().unwrap();
    assert_eq!(nats(&["one", "one"]), nats(&["one"]));
    // The mean of probabilities is at least as good as the mean of the models (Jensen).
    assert!(nats(&["one", "two"]) <= (nats(&["one"]) + nats(&["two"])) / 2.0);
    let next = |models: &[&str]| {
        let arguments = [&["predict", "--best", "3", "--model"], models].concat();
        best(&succeeds(at, &arguments, b"to be\n")).remove(0)
    };
    assert_eq!(next(&["one", "one"]), next(&["one"]));
    let mean = next(&["one", "two"]);
    assert!(mean.windows(2).all(|pair| pair[0].1 >= pair[1].1) && mean != next(&["one"]), "{mean:?}");
    refuses(at, &["generate", "--model", "one", "other"], 1, "one and other have different vocabularies");
    refuses(at, &["predict", "--model", "one", "--ban", "be"], 2, "does not search");
}

#[test]
fn no_translation_is_shorter_than_the_minimum() {
    let folder = folder();
    let at = folder.path();
    let sizes =
        ["--hidden-size", "8", "--batch-tokens", "60", "--epochs", "1", "--data", "pairs.tsv,pairs.tsv,pairs.tsv"];
    let train = |out: &str, least: &str| {
        succeeds(at, &[&["train", "translation", "--out", out, "--min-length", least], &sizes[..]].concat(), b"");
    };
    train("short", "0");
    // More than the usual greatest length, which is then the least.
    train("long", "40");
    let tokens = |model: &str| -> Vec<usize> {
        let found = succeeds(at, &["predict", "--model", model], sources().as_bytes());
        let ids = succeeds(at, &["tokenize", "encode", "--tokenizer", model], found.as_bytes());
        ids.lines().map(|line| line.split_whitespace().count()).collect()
    };
    let config = fs::read_to_string(at.join("long/config.json")).unwrap();
    assert!(config.contains("\"min_length\": 40"), "{config}");
    let (short, long) = (tokens("short"), tokens("long"));
    assert!(short.iter().all(|count| *count < 30), "{short:?}");
    // What is read again may have fewer tokens, as bytes that make no character.
    assert!(long.iter().all(|count| *count > 30), "{long:?}");
    refuses(at, &["train", "translation", "--min-length", "10001"], 2, "--min-length");
}

#[test]
fn a_file_is_translated_document_by_document() {
    let folder = folder();
    let at = folder.path();
    let text = "\nett hus\ntvå hus\n\n \ntre träd\n";
    let lines = predict(at, text, &["--documents"]);
    assert_eq!(lines, predict(at, text, &[]));
    assert_eq!(lines.lines().map(str::is_empty).collect::<Vec<_>>(), [true, false, false, true, true, false]);
    // In JSON a document is an object, whose lines are those that they are by themselves.
    let objects = predict(at, text, &["--documents", "--format", "json"]);
    let objects: Vec<Value> = objects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<_> = objects.iter().map(|object| object["document"].as_u64().unwrap()).collect();
    let counts: Vec<_> = objects.iter().map(|object| object["lines"].as_array().unwrap().len()).collect();
    assert_eq!((numbers, counts), (vec![1, 2], vec![2, 1]));
    let alone = predict(at, "tre träd\n", &["--format", "json"]);
    assert_eq!(objects[1]["lines"][0], serde_json::from_str::<Value>(&alone).unwrap());
    // Nothing crosses a blank line: what stands in other documents changes nothing.
    let second = predict(at, "tre träd\n", &["--documents", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&second).unwrap()["lines"], objects[1]["lines"]);
    // The documents before a line that cannot be read are answered, and its own up to it.
    let bad = format!("ett hus\n\ntvå hus\n{}\n", "x".repeat(200));
    let output = common::run(at, &["predict", "--model", "one", "--documents", "--max-line", "100"], bad.as_bytes());
    assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap().lines().count()), (Some(1), 3));
    assert_eq!(predict(at, "", &["--documents"]), "");
}

#[test]
fn minimum_bayes_risk_chooses_what_agrees_with_most_candidates_whatever_else_is_translated() {
    let folder = folder();
    let at = folder.path();
    let sources = sources();
    for more in [&["--mbr", "chrf"][..], &["--mbr", "bleu", "--sample", "--candidates", "8", "--seed", "3"]] {
        let together = predict(at, &sources, &[more, &["--best", "2"]].concat());
        for (found, (source, _)) in best(&together).iter().zip(PAIRS) {
            assert!(found.windows(2).all(|pair| pair[0].1 >= pair[1].1 && pair[0].0 != pair[1].0), "{found:?}");
            assert!(found.iter().all(|(_, score)| (0.0..=100.0 + 1e-9).contains(score)), "{found:?}");
            let alone = best(&predict(at, &format!("{source}\n"), &[more, &["--best", "2"]].concat()));
            assert_eq!(alone[0], *found);
        }
    }
    refuses(at, &["predict", "--model", "one", "--sample"], 2, "--mbr");
    refuses(at, &["predict", "--model", "one", "--mbr", "rouge"], 2, "rouge");
    refuses(at, &["predict", "--model", "one", "--mbr", "chrf", "--candidates", "1"], 2, "1");
    refuses(at, &["predict", "--model", "one", "--ban", ""], 2, "--ban \"\": there is no text");
}

#[test]
fn options_of_decoding_are_refused_by_models_that_do_not_search() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let mut reviews = "document\tlabel\n".to_owned();
    for row in 0..24 {
        reviews += &format!("film {row}\t{}\n", row % 2);
    }
    fs::write(at.join("reviews.tsv"), reviews).unwrap();
    let sizes = ["--hidden-size", "4", "--epochs", "1", "--out", "run"];
    let train = ["train", "sentiment", "--data", "reviews.tsv,reviews.tsv,reviews.tsv"];
    succeeds(at, &[&train[..], &sizes].concat(), b"");
    for more in [&["--no-repeat-ngram", "2"][..], &["--model", "run"], &["--score"], &["--alignment"]] {
        let arguments = [&["predict", "--model", "run"], more].concat();
        refuses(at, &arguments, 2, "a model of sentiment is used alone");
    }
}
