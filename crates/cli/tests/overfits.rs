//! Recipes as a library user runs them: in this process, on twenty rows that are train, dev and test part at once. A
//! recipe whose model, loss and score belong together learns them by heart.

use std::{fs, path::Path};

const WORDS: [&str; 5] = ["one", "two", "three", "four", "five"];

/// Twenty rows of four or five words each, as `row` writes them. BLEU counts four words in a row.
fn twenty(row: impl Fn(&[&str]) -> String) -> String {
    let words = |i: usize| [i, i / 5 + 2 * i + 1, i / 4, 3 * i, i * i + i / 5].map(|number| WORDS[number % 5]);
    (0..20).map(|i| row(&words(i)[..4 + i % 2])).collect()
}

/// Trains on these contents, and returns the last epoch's score on the same rows.
fn learned(task: &str, contents: &str, options: &[&str]) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("rows"), contents).unwrap();
    let (data, out) = (vec![path("rows"); 3].join(","), path("run"));
    let words = ["unspool", "train", task, "--data", &data, "--out", &out, "--seed", "1"];
    unspool_task::run(&unspool_cli::TASKS, words.iter().chain(options).map(Into::into)).unwrap();
    let metrics = fs::read_to_string(Path::new(&out).join("metrics.csv")).unwrap();
    metrics.lines().last().unwrap().rsplit(',').next().unwrap().parse().unwrap()
}

#[test]
fn twenty_translations_are_learned() {
    let pairs = twenty(|words| {
        let back: Vec<&str> = words.iter().rev().copied().collect();
        format!("{}\t{}\n", words.join(" "), back.join(" "))
    });
    let pairs = format!("swedish\tenglish\n{pairs}");
    let bleu = |options: [&str; 4]| {
        let sizes = ["--hidden-size", "64", "--vocabulary", "300", "--batch-tokens", "60"];
        learned("translation", &pairs, &[&sizes[..], &options].concat())
    };
    let [recurrent, transformer, unlearned] = [("recurrent", "60"), ("transformer", "150"), ("recurrent", "1")]
        .map(|(arch, epochs)| bleu(["--arch", arch, "--epochs", epochs]));
    assert!(recurrent > 90.0 && transformer > 90.0, "{recurrent} {transformer}");
    // A model that has learned nothing has another score.
    assert!(unlearned < 20.0, "{unlearned}");
}

#[test]
fn twenty_labels_are_learned() {
    let rows = twenty(|words| format!("{}\t{}\n", words.join(" "), words[0].len()));
    let sizes = ["--tokens", "words", "--hidden-size", "32", "--epochs", "40", "--batch-rows", "4"];
    let accuracy = learned("sentiment", &format!("document\tlabel\n{rows}"), &sizes);
    assert!(accuracy > 0.9, "{accuracy}");
}

#[test]
fn the_spaces_of_twenty_texts_are_learned() {
    let rows = twenty(|words| format!("{}\n", words.join(" ")));
    let f1 = learned(
        "spacing",
        &format!("document\n{rows}"),
        &["--hidden-size", "16", "--epochs", "40", "--batch-rows", "4"],
    );
    assert!(f1 > 0.9, "{f1}");
}

#[test]
fn the_tags_of_twenty_sentences_are_learned() {
    let rows = twenty(|words| {
        let line = |word: &&str| format!("{word}\t{}\n", word.len());
        words.iter().map(line).collect::<String>() + "\n"
    });
    let accuracy = learned("tagging", &rows, &["--hidden-size", "16", "--epochs", "20", "--batch-rows", "4"]);
    assert!(accuracy > 0.95, "{accuracy}");
}

#[test]
fn twenty_lines_are_learned() {
    let text = twenty(|words| words.join(" ") + "\n");
    let sizes = ["--hidden-size", "64", "--layers", "1", "--window", "16", "--bptt-streams", "2", "--epochs", "40"];
    let nats = learned("language-model", &text, &sizes);
    assert!(nats < 0.5, "{nats}");
}
