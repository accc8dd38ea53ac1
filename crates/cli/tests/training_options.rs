//! Options of a training: what each of them changes, and that equal trainings stay equal.

mod common;
mod small;

use common::{refuses, run, succeeds};
use serde_json::Value;
use std::{fs, path::Path};
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    small::write_data(folder.path());
    folder
}

/// The words of a small training of reviews.
fn words<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let sizes = [&small::REVIEWS[..], &["--embedding-size", "6", "--batch-rows", "8"]].concat();
    let data: &[&str] = if more.contains(&"--data") { &[] } else { &["--data", "rows.tsv"] };
    let epochs: &[&str] = if more.contains(&"--epochs") { &[] } else { &["--epochs", "2"] };
    [&["train", "sentiment", "--out", out], data, epochs, &sizes[..], more].concat()
}

fn train(at: &Path, out: &str, more: &[&str]) -> (Value, String) {
    let output = run(at, &words(out, more), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{more:?}: {said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

fn weights(at: &Path, run: &str) -> Vec<u8> {
    fs::read(at.join(run).join("model.safetensors")).unwrap()
}

/// The bytes of each tensor of a file of weights, by its name.
fn tensors(file: &[u8]) -> std::collections::BTreeMap<String, Vec<u8>> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let tensors = header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__");
    let bytes = |tensor: &Value| {
        let at = |i: usize| 8 + length + tensor["data_offsets"][i].as_u64().unwrap() as usize;
        file[at(0)..at(1)].to_vec()
    };
    tensors.map(|(name, tensor)| (name.clone(), bytes(tensor))).collect()
}

#[test]
fn every_option_of_the_optimizer_changes_the_weights() {
    let folder = folder();
    let at = folder.path();
    train(at, "usual", &[]);
    // What is the default changes nothing.
    for (number, same) in [
        &["--optimizer", "adam", "--weight-decay", "0", "--clip-norm", "1", "--schedule", "linear"][..],
        &["--accumulate", "1", "--average", "0.998", "--dropout", "0.5"],
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("same-{number}");
        train(at, &out, same);
        assert!(weights(at, &out) == weights(at, "usual"), "{same:?}");
    }
    let mut all = vec![weights(at, "usual")];
    for (number, other) in [
        &["--optimizer", "adamw", "--weight-decay", "0.1"][..],
        &["--optimizer", "sgd"],
        &["--optimizer", "rmsprop"],
        &["--optimizer", "adagrad"],
        &["--weight-decay", "0.1"],
        &["--clip-norm", "0.01"],
        &["--schedule", "cosine"],
        &["--schedule", "constant"],
        &["--schedule", "inverse-square-root"],
        &["--schedule", "one-cycle"],
        &["--warm-up", "0"],
        &["--accumulate", "2"],
        &["--average", "0"],
        &["--dropout", "0"],
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("other-{number}");
        train(at, &out, other);
        assert!(!all.contains(&weights(at, &out)), "{other:?} changes nothing");
        all.push(weights(at, &out));
    }
}

#[test]
fn batches_that_are_summed_are_one_batch_of_all_of_them() {
    let folder = folder();
    let at = folder.path();
    // Batches of different numbers of rows: the mean is over all rows, not over the means of each. An epoch is a step
    // of all rows, whatever they are cut into.
    let options = |rows: &str, accumulate: &str| {
        let options = ["--precision=f64", "--dropout=0", "--shards=1", "--optimizer=sgd", "--schedule=constant"];
        let more = [format!("--batch-rows={rows}"), format!("--accumulate={accumulate}"), "--epochs=3".into()];
        let data = format!("--data={}", at.join("rows.tsv").display());
        ["sentiment", "--average=0"]
            .iter()
            .chain(&options)
            .chain(&small::REVIEWS)
            .map(|word| (*word).to_owned())
            .chain(more)
            .chain([data])
            .collect()
    };
    let task = unspool_cli::TASKS.iter().find(|task| task.name() == "sentiment").unwrap();
    let losses = |rows: &str, accumulate: &str| -> Vec<f64> {
        let words: Vec<String> = options(rows, accumulate);
        unspool_task::testing::step_losses(task, &words, 3).unwrap()
    };
    let whole = losses("1000", "1");
    assert!(whole[2] < whole[0], "{whole:?}");
    for (rows, accumulate) in [("5", "1000"), ("7", "1000")] {
        let parts = losses(rows, accumulate);
        let close = whole.iter().zip(&parts).all(|(a, b)| (a - b).abs() < 1e-12 * a.abs());
        assert!(close && parts.len() == 3, "{whole:?} {parts:?}");
    }
    // The control: smaller steps are other steps.
    assert!((losses("5", "1")[1] - whole[1]).abs() > 1e-9);
}

#[test]
fn a_state_that_is_carried_is_not_accumulated_over() {
    let folder = folder();
    let at = folder.path();
    let sizes = ["--hidden-size", "4", "--window", "8", "--bptt-streams", "2", "--epochs", "1"];
    let arguments = [&["train", "language-model", "--data", "text.txt", "--accumulate", "2"], &sizes[..]].concat();
    refuses(at, &arguments, 2, "carries a state from batch to batch");
}

#[test]
fn evaluations_come_every_so_many_steps_and_patience_ends_a_training() {
    let folder = folder();
    let at = folder.path();
    let (_, said) = train(at, "often", &["--evaluate-every", "1", "--epochs", "1"]);
    let metrics = fs::read_to_string(at.join("often/metrics.csv")).unwrap();
    let epochs: Vec<f64> =
        metrics.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(epochs.len() > 2 && epochs.is_sorted() && epochs[0] < 1.0 && *epochs.last().unwrap() == 1.0, "{metrics}");
    assert!(said.contains(&format!("epoch {:.2}", epochs[0])) || said.contains("epoch 0."), "{said}");
    // A rate so small that nothing gets better.
    let stuck = ["--learning-rate", "1e-12", "--average", "0", "--epochs", "50", "--patience", "2"];
    let (line, _) = train(at, "stuck", &stuck);
    let metrics = fs::read_to_string(at.join("stuck/metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 4, "{metrics}");
    assert_eq!(line["dev"]["epoch"].as_u64(), Some(3), "of equal evaluations the last is the best: {line}");
}

#[test]
fn a_report_is_there_while_a_training_goes_on() {
    let folder = folder();
    let at = folder.path();
    // The disk is full for what comes last: the page of the evaluations before stays.
    fs::create_dir_all(at.join("run")).unwrap();
    train(at, "run", &["--epochs", "3"]);
    let page = fs::read_to_string(at.join("run/report.html")).unwrap();
    assert!(page.contains("accuracy on test") && !page.contains("http-equiv=\"refresh\""), "{page}");
    let operations = common::operations(at, &words("again", &["--epochs", "2"]));
    let written = operations.iter().filter(|line| line.as_str() == "rename: again/report.html").count();
    assert!(written >= 2, "{written} times");
}

#[test]
fn a_model_is_tuned_further_from_the_weights_of_another_run() {
    let folder = folder();
    let at = folder.path();
    train(at, "first", &["--vocabulary", "40"]);
    let tiny = ["--learning-rate", "1e-12", "--average", "0", "--epochs", "1", "--init-from", "first"];
    // Other texts, with other characters: the vocabulary stays that of the first run.
    let rows = fs::read_to_string(at.join("rows.tsv")).unwrap().replace("film", "ＺＺ");
    fs::write(at.join("other.tsv"), rows).unwrap();
    train(at, "second", &[&tiny[..], &["--data", "other.tsv"]].concat());
    let read = |run: &str, name: &str| fs::read_to_string(at.join(run).join(name)).unwrap();
    assert_eq!(read("second", "tokenizer.json"), read("first", "tokenizer.json"));
    assert!(read("second", "config.toml").contains("vocabulary = 40"), "{}", read("second", "config.toml"));
    let close = |a: &[u8], b: &[u8]| {
        let number = |four: &[u8]| f32::from_le_bytes(four.try_into().unwrap());
        a.len() == b.len() && a.chunks(4).zip(b.chunks(4)).all(|(a, b)| (number(a) - number(b)).abs() < 1e-5)
    };
    let (first, second) = (tensors(&weights(at, "first")), tensors(&weights(at, "second")));
    assert!(first.len() > 5 && first.keys().eq(second.keys()));
    assert!(first.iter().all(|(name, bytes)| close(bytes, &second[name])), "the weights are those of the first run");
    // The control: without it they are others.
    train(at, "fresh", &["--vocabulary", "40", "--learning-rate", "1e-12", "--average", "0", "--epochs", "1"]);
    let fresh = tensors(&weights(at, "fresh"));
    assert!(!first.iter().all(|(name, bytes)| close(bytes, &fresh[name])));
    // A language model reads its text with the tokenizer of the first run.
    let sizes = ["--hidden-size", "4", "--layers", "1", "--window", "8", "--bptt-streams", "2", "--epochs", "1"];
    succeeds(at, &[&["train", "language-model", "--data", "text.txt", "--out", "text"], &sizes[..]].concat(), b"");
    fs::write(at.join("upper.txt"), "TO BE OR NOT TO BE\n".repeat(60)).unwrap();
    let tuned =
        ["train", "language-model", "--data", "upper.txt", "--out", "tuned", "--init-from", "text", "--epochs", "1"];
    succeeds(at, &tuned, b"");
    assert_eq!(read("tuned", "tokenizer.json"), read("text", "tokenizer.json"));
    // Options of the model that are not those of the run, runs of other tasks, and what is no run.
    let other = |more: &[&'static str]| [&["train", "sentiment", "--data", "rows.tsv", "--out", "new"], more].concat();
    refuses(
        at,
        &other(&["--init-from", "first", "--hidden-size", "5"]),
        2,
        "--hidden-size is 5, but the run in first has 4",
    );
    refuses(at, &other(&["--init-from", "text"]), 2, "it is for language-model");
    refuses(at, &other(&["--init-from", "none"]), 1, "none: no such folder");
}

#[test]
fn parameters_that_are_frozen_keep_their_values() {
    let folder = folder();
    let at = folder.path();
    train(at, "first", &["--average", "0"]);
    train(at, "second", &["--average", "0", "--init-from", "first", "--freeze", "embedding*", "--freeze", "*bias*"]);
    let (first, second) = (tensors(&weights(at, "first")), tensors(&weights(at, "second")));
    // No training changes the ratios of n-grams, which are counted.
    let is_frozen = |name: &str| name.starts_with("embedding") || name.contains("bias") || name == "ngrams.ratio";
    assert!(
        first.keys().any(|name| is_frozen(name)) && first.keys().any(|name| !is_frozen(name)),
        "{:?}",
        first.keys()
    );
    for (name, bytes) in &first {
        assert_eq!(second[name] == *bytes, is_frozen(name), "{name}");
    }
    let arguments = words("third", &["--freeze", "embeding*"]);
    refuses(at, &arguments, 2, "--freeze: the group \"embeding*\" matches the name of no parameter");
    // A configuration keeps all patterns, and a run is resumed with them.
    let config = fs::read_to_string(at.join("second/config.toml")).unwrap();
    assert!(config.contains("freeze = [\"embedding*\", \"*bias*\"]"), "{config}");
    let before = weights(at, "second");
    succeeds(at, &["train", "sentiment", "--data", "rows.tsv", "--out", "second", "--resume"], b"");
    assert!(weights(at, "second") == before);
}

#[test]
fn tables_are_read_in_every_format_to_the_same_weights() {
    let folder = folder();
    let at = folder.path();
    let table = fs::read_to_string(at.join("rows.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split('\t').collect()).collect();
    let csv = rows.iter().map(|row| row.iter().map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(",") + "\n");
    fs::write(at.join("rows.csv"), csv.collect::<String>()).unwrap();
    let object = |row: &Vec<&str>| {
        let fields = rows[0].iter().zip(row).map(|(name, cell)| ((*name).to_owned(), Value::from(*cell)));
        format!("{}\n", Value::Object(fields.collect()))
    };
    fs::write(at.join("rows.jsonl"), rows[1..].iter().map(object).collect::<String>()).unwrap();
    let column = |name: &str| {
        let place = rows[0].iter().position(|known| *known == name).unwrap();
        rows[1..].iter().map(|row| format!("{}\n", row[place])).collect::<String>()
    };
    fs::write(at.join("rows.text"), column("document")).unwrap();
    fs::write(at.join("rows.label"), column("label")).unwrap();
    for (out, file) in [("tsv", "rows.tsv"), ("csv", "rows.csv"), ("jsonl", "rows.jsonl")] {
        train(at, out, &["--data", file, file, file]);
        assert!(tensors(&weights(at, out)) == tensors(&weights(at, "tsv")), "{file}");
    }
    let pair = ["rows.text", "rows.label"];
    train(at, "parallel", &[&["--data"][..], &pair, &pair, &pair].concat());
    assert!(tensors(&weights(at, "parallel")) == tensors(&weights(at, "tsv")));
    let scores = |file: &str| {
        let line = succeeds(at, &["evaluate", "--model", "tsv", "--data", file], b"");
        let line: Value = serde_json::from_str(&line).unwrap();
        (line["accuracy"].clone(), line["loss"].clone())
    };
    assert_eq!((scores("rows.csv"), scores("rows.jsonl")), (scores("rows.tsv"), scores("rows.tsv")));
    refuses(at, &words("new", &["--data", "rows.csv", "--text", "review"]), 1, "no column `review`");
}

#[test]
fn bad_lines_are_left_out_and_counted_where_that_is_asked_for() {
    let folder = folder();
    let at = folder.path();
    let table = fs::read_to_string(at.join("rows.tsv")).unwrap();
    let mut lines: Vec<&str> = table.lines().collect();
    lines.insert(5, "only one column");
    lines.insert(9, "two\tcolumns");
    fs::write(at.join("bad.tsv"), lines.join("\n") + "\n").unwrap();
    refuses(at, &words("run", &["--data", "bad.tsv", "bad.tsv", "bad.tsv"]), 1, "bad.tsv:6: 1 column");
    let (_, said) = train(at, "bad", &["--data", "bad.tsv", "bad.tsv", "bad.tsv", "--skip-bad-lines"]);
    assert!(said.contains("2 bad lines skipped; the first: bad.tsv:6: 1 column"), "{said}");
    train(at, "good", &["--data", "rows.tsv", "rows.tsv", "rows.tsv"]);
    assert!(tensors(&weights(at, "bad")) == tensors(&weights(at, "good")));
}

#[test]
fn a_tokenizer_of_ones_own_is_used_and_texts_are_put_in_lowercase() {
    let folder = folder();
    let at = folder.path();
    succeeds(at, &["tokenize", "train", "text.txt", "--out", "own.json", "--vocabulary", "290"], b"");
    train(at, "own", &["--tokenizer", "own.json"]);
    let read = |name: &str| fs::read_to_string(at.join(name)).unwrap();
    let json = |name: &str| -> Value { serde_json::from_str(&read(name)).unwrap() };
    assert_eq!(json("own/tokenizer.json"), json("own.json"));
    refuses(at, &words("new", &["--tokenizer", "none.json"]), 1, "none.json");
    train(at, "lower", &["--lowercase"]);
    let answers = succeeds(at, &["predict", "--model", "lower"], "BRA FILM\nbra film\n".as_bytes());
    let answers: Vec<&str> = answers.lines().collect();
    assert_eq!(answers[0], answers[1]);
}

#[test]
fn the_search_of_a_translator_has_its_beam_and_penalty() {
    let folder = folder();
    let at = folder.path();
    let sizes = ["--hidden-size", "8", "--vocabulary", "300", "--batch-tokens", "60", "--epochs", "2"];
    let train = |out: &str, more: &[&str]| {
        let words = [&["train", "translation", "--data", "rows.tsv", "--out", out], &sizes[..], more].concat();
        succeeds(at, &words, b"");
    };
    train("usual", &[]);
    train("wide", &["--beam-size", "7", "--length-penalty", "0.6", "--label-smoothing", "0.2"]);
    let saved = fs::read_to_string(at.join("wide/config.json")).unwrap();
    for wanted in ["\"beam_size\": 7", "\"length_penalty\": \"0.6\"", "\"label_smoothing\": 0.2"] {
        assert!(saved.contains(wanted), "{wanted}: {saved}");
    }
    assert!(weights(at, "usual") != weights(at, "wide"));
    assert_eq!(succeeds(at, &["predict", "--model", "wide"], "bra film\n".as_bytes()).lines().count(), 1);
    for (option, value) in [("--beam-size", "0"), ("--length-penalty", "often"), ("--label-smoothing", "1")] {
        refuses(at, &["train", "translation", option, value], 2, option);
    }
    // The embedding has the size that was asked for.
    train("small", &["--embedding-size", "5"]);
    let table = &tensors(&weights(at, "small"))["embedding.weight"];
    assert_eq!(table.len() * 192, tensors(&weights(at, "usual"))["embedding.weight"].len() * 5);
}

#[test]
fn words_begin_with_the_vectors_of_a_file() {
    let folder = folder();
    let at = folder.path();
    fs::write(at.join("vectors.txt"), "영화 1 2 3 4 5 6\nnowhere 1 1 1 1 1 1\nbra -1 -2 -3 -4 -5 -6\n").unwrap();
    let tiny = ["--tokens", "words", "--learning-rate", "1e-12", "--average", "0", "--epochs", "1"];
    let (_, said) = train(at, "run", &[&tiny[..], &["--vectors", "vectors.txt"]].concat());
    assert!(said.contains("2 of ") && said.contains(" tokens begin with a vector of vectors.txt"), "{said}");
    let table = &tensors(&weights(at, "run"))["embedding.weight"];
    let numbers: Vec<f32> = table.chunks(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    let has = |sign: f32| numbers.chunks(6).any(|row| (1..).zip(row).all(|(i, x)| (x - sign * i as f32).abs() < 1e-4));
    assert!(has(1.0) && has(-1.0));
    refuses(at, &words("new", &[&tiny[..], &["--vectors", "none.txt"]].concat()), 1, "none.txt: cannot read");
    fs::write(at.join("narrow.txt"), "film 1 2\n").unwrap();
    refuses(at, &words("new", &[&tiny[..], &["--vectors", "narrow.txt"]].concat()), 1, "narrow.txt");
    fs::write(at.join("other.txt"), "nowhere 1 2 3 4 5 6\n").unwrap();
    refuses(at, &words("new", &[&tiny[..], &["--vectors", "other.txt"]].concat()), 1, "none of its 1 words is a token");
    refuses(at, &["train", "digits", "--vectors", "vectors.txt", "--hidden-size", "4"], 2, "no table of token vectors");
}

#[test]
fn of_averaged_and_last_weights_the_better_are_kept_and_both_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let sizes = ["--hidden-size", "4", "--sequences", "64", "--length", "24", "--epochs", "4"];
    // An average that forgets little lags behind; one over steps that are too large is better than the last of them.
    let slow = ["--learning-rate", "0.02", "--average", "0.9999", "--batch-rows", "8"];
    let fast = ["--learning-rate", "0.5", "--average", "0.9", "--batch-rows", "4", "--schedule", "constant"];
    for (out, more) in [("slow", &slow[..]), ("fast", &fast)] {
        let output = run(at, &[&["train", "adding", "--out", out], &sizes[..], more].concat(), b"");
        let said = String::from_utf8(output.stderr).unwrap();
        let line: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|why| panic!("{why}: {said}"));
        let told = said.lines().find(|line| line.contains("with averaged weights")).unwrap();
        let scores: Vec<f64> = told.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [averaged, last] = scores[..] else { panic!("{told}") };
        let kept = line["dev"]["mse"].as_f64().unwrap();
        assert!((kept - averaged.min(last)).abs() < 1e-6, "{told}: {kept}");
        assert!(if out == "slow" { last < averaged } else { averaged < last }, "{out}: {told}");
        // What is kept is what is used, also after the end of the run was resumed.
        let before = weights(at, out);
        let line = succeeds(at, &["train", "adding", "--out", out, "--resume"], b"");
        let line: Value = serde_json::from_str(&line).unwrap();
        assert!(line["dev"]["mse"].as_f64() == Some(kept) && weights(at, out) == before);
    }
}
