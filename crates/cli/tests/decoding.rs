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
    let both = best(&predict(at, &sources, &["--model", "two", "--best", "3"]));
    for (alone, twice) in alone.iter().flatten().zip(twice.iter().flatten()) {
        assert_eq!(alone.0, twice.0);
        assert!((alone.1 - twice.1).abs() < 1e-9, "{alone:?} {twice:?}");
    }
    assert!(alone.iter().flatten().zip(both.iter().flatten()).any(|(alone, both)| (alone.1 - both.1).abs() > 1e-6));
    let other = ["predict", "--model", "one", "--model", "other"];
    refuses(at, &other, 1, "one and other have different vocabularies");

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
