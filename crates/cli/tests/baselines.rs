//! Cheap methods stand beside each model, and where one does better the program says so: on its way, in the line of
//! JSON, and in the report.

mod common;

use common::run;
use serde_json::Value;
use std::{fmt::Write, fs, path::Path};

/// Trains a model that learns next to nothing; gives the line of JSON and what is said on the way.
fn train(at: &Path, task: &str, more: &[&str]) -> (Value, String) {
    let arguments = ["train", task, "--out", task, "--epochs", "1", "--learning-rate", "1e-9", "--threads", "2"];
    let output = run(at, &[&arguments[..], more].concat(), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{task}: {said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

/// Trains, and asserts that the model is said to do worse than these baselines everywhere.
fn does_worse(at: &Path, task: &str, more: &[&str], than: &[&str]) -> Value {
    let (line, said) = train(at, task, more);
    let worse: Vec<&str> = line["worse_than"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let told = said.lines().find(|line| line.starts_with("the model (")).unwrap_or_else(|| panic!("{task}: {said}"));
    let (_, told_than) = told.split_once(") does worse than ").unwrap();
    let page = fs::read_to_string(at.join(task).join("report.html")).unwrap();
    assert!(page.contains(&format!("<th>worse than</th><td>{told_than}</td>")), "{task}: {page}");
    for name in than {
        let title = name.replace('_', " ");
        assert!(worse.contains(name), "{task}: {line}");
        assert!(line["baselines"][name].is_f64(), "{task}: {line}");
        assert!(told_than.contains(&format!("{title} (")), "{task}: {told}");
        assert!(said.contains(&format!("for comparison, {title}: ")), "{task}: {said}");
    }
    line
}

fn write(at: &Path, name: &str, text: &str) {
    fs::write(at.join(name), text).unwrap();
}

#[test]
fn three_classes_of_texts_are_learned_and_compared() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let words = [("negative", "dull dire bleak"), ("neutral", "plain usual so-so"), ("positive", "superb bright fun")];
    let mut reviews = "document\tlabel\n".to_owned();
    for i in 0..600 {
        let (label, words) = words[i % 3];
        let word = words.split(' ').nth(i / 3 % 3).unwrap();
        writeln!(reviews, "film {} was {word} {}\t{label}", i % 7, i * i % 89).unwrap();
    }
    write(at, "reviews.tsv", &reviews);
    let sizes = ["--data", "reviews.tsv", "--hidden-size", "8"];
    let line = does_worse(at, "sentiment", &sizes, &["naive_bayes", "logistic_regression_on_characters"]);
    assert_eq!(line["baselines"]["logistic_regression_on_characters"], 1.0);
    assert!(line["baselines"]["most_frequent_label"].as_f64().unwrap() < 0.6, "{line}");

    // A model that learns is not said to do worse.
    let sizes = ["--data", "reviews.tsv", "--hidden-size", "24", "--batch-rows", "8", "--epochs", "6"];
    let output = run(at, &[&["train", "sentiment", "--out", "learned"], &sizes[..]].concat(), b"");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((line["test"]["accuracy"].as_f64(), line["worse_than"].is_null()), (Some(1.0), true), "{line}");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("does worse than"));
    let said =
        run(at, &["predict", "--model", "learned"], b"film 3 was so-so 8\nfilm 3 was fun 8\nfilm 3 was dire 8\n");
    let said = String::from_utf8(said.stdout).unwrap();
    let labels: Vec<&str> = said.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(labels, ["neutral", "positive", "negative"]);
}

#[test]
fn baselines_of_text_stand_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (mut pairs, mut tags, mut spaced) = ("swedish\tenglish\n".to_owned(), String::new(), "document\n".to_owned());
    for i in 0..90 {
        let (noun, swedish) = [("cat", "katten"), ("dog", "hunden"), ("bird", "fågeln")][i % 3];
        let (verb, other) = [("sleeps", "sover"), ("sings", "sjunger")][i % 2];
        writeln!(pairs, "nu {other} {swedish} {}\tnow the {noun} {verb} here", i % 4).unwrap();
        writeln!(tags, "the\tDET\n{noun}\tNOUN\n{verb}\tVERB\n").unwrap();
        writeln!(spaced, "the {noun} {verb} {i}").unwrap();
    }
    write(at, "pairs.tsv", &pairs);
    write(at, "tags.tsv", &tags);
    write(at, "spaced.tsv", &spaced);
    write(at, "text.txt", &"She sells sea shells.\nBy the sea shore.\n".repeat(40));
    let data = |name: &str| [name; 3].join(",");
    let line =
        does_worse(at, "translation", &["--data", &data("pairs.tsv"), "--hidden-size", "8"], &["translation_memory"]);
    assert!(line["baselines"]["translation_memory"].as_f64().unwrap() > 99.0, "{line}");
    let than = ["most_frequent_tag", "logistic_regression_on_words"];
    does_worse(at, "tagging", &["--data", &data("tags.tsv"), "--hidden-size", "4"], &than);
    let spacing = ["--data", &data("spaced.tsv"), "--hidden-size", "4"];
    does_worse(at, "spacing", &spacing, &["logistic_regression_on_characters"]);
    let line = does_worse(at, "language-model", &["--data", "text.txt", "--hidden-size", "4"], &["kneser_ney"]);
    assert!(line["baselines"]["kneser_ney"].as_f64().unwrap() < 0.2, "{line}");
}

#[test]
fn baselines_of_pictures_and_films_stand_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let picture = |row: usize| {
        let digit = row % 10;
        let level = |pixel: usize| if pixel / 6 == digit { 9 + (row + pixel) % 7 } else { (row * pixel) % 3 };
        let levels: Vec<String> = (0..64).map(|pixel| level(pixel).to_string()).collect();
        format!("{},{digit}\n", levels.join(","))
    };
    // The rows are divided by their last digits: each part has all classes.
    write(at, "digits.csv", &(0..110).map(|row| picture(row / 10 + row % 10)).collect::<String>());
    let digits = ["--data", "digits.csv", "--hidden-size", "8"];
    does_worse(at, "digits", &digits, &["nearest_neighbor"]);
    does_worse(at, "captioning", &[&digits[..], &["--pictures", "20"]].concat(), &["nearest_neighbor"]);
    does_worse(at, "clips", &[&digits[..], &["--films", "20"]].concat(), &["nearest_neighbor"]);
    does_worse(at, "frames", &[&digits[..], &["--films", "20"]].concat(), &["nearest_neighbor"]);
}

#[test]
fn baselines_of_series_and_sums_stand_beside_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // A wave that doubles in four years: the same change each year, which a model must learn.
    let value = |t: usize| (10.0 + [0.0, 5.0, 2.0, 7.0][t % 4]) * 2f64.powf(t as f64 / 16.0);
    let rows: String = (0..80).map(|t| format!("{t},{},{}\n", value(t), value(t + 1))).collect();
    write(at, "two.csv", &format!("step,a,b\n{rows}"));
    let sizes = ["--data", "two.csv", "--season", "4", "--context", "4", "--horizon", "4", "--hidden-size", "4"];
    let sizes = [&sizes[..], &["--columns", "a,b"]].concat();
    let line = does_worse(at, "forecast", &sizes, &["last_season_change", "drift"]);
    let rmse = |name: &str| line["baselines"][name].as_f64().unwrap();
    assert!(rmse("drift") < 1e-6 && rmse("ridge") < 0.1 * rmse("last_season"), "{line}");
    assert!(rmse("last_season") < rmse("last_value"), "{line}");
    // Too few steps to fit a regression to: it says so.
    let rows: String = (0..22).map(|t| format!("{t},{}\n", value(t))).collect();
    write(at, "short.csv", &format!("step,a\n{rows}"));
    let sizes = ["--data", "short.csv", "--season", "4", "--context", "2", "--horizon", "3", "--out", "short"];
    let output = run(at, &[&["train", "forecast", "--epochs", "1"], &sizes[..]].concat(), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("for comparison, ridge: left out: fewer than 10 forecasts to fit to"), "{said}");
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(line["baselines"]["drift"].is_f64() && line["baselines"]["ridge"].is_null(), "{line}");
    let sums = ["--sequences", "16", "--hidden-size", "4", "--length", "30", "--batch-rows", "8"];
    does_worse(at, "adding", &sums, &["always_1"]);
}
