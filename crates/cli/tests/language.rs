//! The tasks over text that other tests do not train: a language model that writes, a tagger; and what can be chosen of
//! a model.

mod common;

use common::{killed_until_it_ends, refuses, run, succeeds};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

/// A text with a rhythm, and tagged sentences in two forms.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = "She sells sea shells.\nBy the sea shore.\n".repeat(40);
    fs::write(folder.path().join("text.txt"), text).unwrap();
    let (mut columns, mut conllu) = (String::new(), String::new());
    for i in 0..40 {
        let words = [("the", "DET"), (["dog", "cat", "bird"][i % 3], "NOUN"), (["Barks", "sings"][i % 2], "VERB")];
        conllu += &format!("# text = {i}\n");
        for (number, (word, tag)) in words.iter().enumerate() {
            columns += &format!("{word}\t{tag}\n");
            conllu += &format!("{}\t{word}\t_\t{tag}\t_\t_\t_\t_\t_\t_\n", number + 1);
        }
        columns += "\n";
        conllu += "\n";
    }
    fs::write(folder.path().join("tags.tsv"), columns).unwrap();
    fs::create_dir(folder.path().join("ud")).unwrap();
    for part in ["train", "dev", "test"] {
        fs::write(folder.path().join(format!("ud/x-ud-{part}.conllu")), &conllu).unwrap();
    }
    folder
}

const LANGUAGE: [&str; 11] = [
    "train",
    "language-model",
    "--data",
    "text.txt",
    "--hidden-size",
    "24",
    "--bptt-streams",
    "17",
    "--window",
    "12",
    "--out",
];

fn report(stdout: &str) -> Value {
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    serde_json::from_str(stdout.trim()).unwrap()
}

fn same_files(at: &Path, one: &str, other: &str) {
    for entry in fs::read_dir(at.join(one)).unwrap() {
        let name = entry.unwrap().file_name();
        // They say how long it took, and which process trained.
        if ["report.html", "times.toml", "run.lock", "training.log"].iter().any(|other| name == *other) {
            continue;
        }
        let [a, b] = [one, other].map(|run| fs::read(at.join(run).join(&name)).unwrap());
        assert!(a == b, "{name:?}");
    }
}

#[test]
fn a_language_model_learns_and_writes() {
    let folder = folder();
    let at = folder.path();
    let trained = report(&succeeds(at, &[&LANGUAGE[..], &["run", "--epochs", "20"]].concat(), b""));
    let test = &trained["test"];
    let nats = test["nats"].as_f64().unwrap();
    assert!(nats < 1.5, "{trained}");
    assert!((test["bits_per_character"].as_f64().unwrap() - nats / 2f64.ln()).abs() < 1e-9);
    // Every token is a character.
    assert!((test["perplexity"].as_f64().unwrap() - nats.exp()).abs() < 1e-6);
    assert!(fs::read_to_string(at.join("run/samples.txt")).unwrap().starts_with("at temperature 0.5:\n"));

    let generate = |more: &[&str]| {
        let prompt = ["generate", "--model", "run", "--prompt", "She sells", "--length", "30"];
        succeeds(at, &[&prompt[..], more].concat(), b"")
    };
    let greedy = generate(&["--temperature", "0"]);
    assert!(greedy.starts_with("She sells"), "{greedy}");
    assert_eq!(greedy.trim_end_matches('\n').chars().count(), "She sells".len() + 30, "{greedy:?}");
    assert_eq!(greedy, generate(&["--temperature", "0.7", "--top-k", "1", "--seed", "9"]));
    assert_eq!(generate(&["--seed", "3"]), generate(&["--seed", "3"]));
    assert_ne!(generate(&["--seed", "3", "--temperature", "2"]), generate(&["--seed", "4", "--temperature", "2"]));
    let nothing = ["generate", "--model", "run", "--prompt", "She sells", "--length", "0"];
    assert_eq!(succeeds(at, &nothing, b""), "She sells\n");
    assert_eq!(succeeds(at, &["generate", "--model", "run", "--length", "9"], b"").chars().count(), 10);
    for (option, value) in [("--temperature", "-1"), ("--top-k", "0"), ("--top-p", "0"), ("--top-p", "1.5")] {
        refuses(at, &["generate", "--model", "run", option, value], 2, option);
    }

    let next = succeeds(at, &["predict", "--model", "run", "--best", "2"], b"She sells sea shell\n");
    let next: Value = serde_json::from_str(&next).unwrap();
    assert_eq!(next["input"], "She sells sea shell");
    assert_eq!(next["best"].as_array().unwrap().len(), 2);
    assert!(next["best"][0]["score"].as_f64().unwrap() >= next["best"][1]["score"].as_f64().unwrap());

    let scored = report(&succeeds(at, &["evaluate", "--model", "run", "--data", "text.txt"], b""));
    assert!(scored["nats"].as_f64().unwrap() < 1.5 && scored["perplexity"].is_f64(), "{scored}");
}

#[test]
fn a_state_that_is_carried_survives_a_stop_at_any_number_of_threads() {
    let folder = folder();
    let at = folder.path();
    let options = ["--layers", "1"];
    succeeds(at, &[&LANGUAGE[..], &["whole", "--epochs", "3", "--threads", "1"], &options[..]].concat(), b"");
    let stopped = [&LANGUAGE[..], &["stopped", "--epochs", "3"], &options[..]].concat();
    let mut resumed = killed_until_it_ends(at, &stopped, Duration::from_millis(60));
    let again = run(at, &[&LANGUAGE[..], &["stopped", "--epochs", "3", "--resume"], &options[..]].concat(), b"");
    resumed |= String::from_utf8_lossy(&again.stderr).contains("resumed at step ");
    assert!(resumed && again.status.success());
    same_files(at, "whole", "stopped");
}

#[test]
fn language_models_of_other_tokens_and_of_attention_are_trained() {
    let folder = folder();
    let at = folder.path();
    for (out, options) in [
        ("bpe", &["--tokens", "bpe", "--vocabulary", "280"][..]),
        ("words", &["--tokens", "words"]),
        ("lstm", &["--cell", "lstm", "--layers", "1"]),
        ("transformer", &["--arch", "transformer", "--layers", "1"]),
    ] {
        let trained = report(&succeeds(at, &[&LANGUAGE[..], &[out], options, &["--epochs", "1"]].concat(), b""));
        assert!(trained["test"]["nats"].is_f64());
        // Longer than the window that a Transformer has.
        let written = succeeds(at, &["generate", "--model", out, "--prompt", "By the sea", "--length", "40"], b"");
        assert!(written.starts_with("By the sea"), "{written}");
    }
    fs::write(at.join("empty.txt"), "").unwrap();
    fs::write(at.join("bytes.txt"), b"ab\xff").unwrap();
    let train = |data| ["train", "language-model", "--data", data, "--out", "new"];
    refuses(at, &train("empty.txt"), 1, "");
    refuses(at, &train("bytes.txt"), 1, "bytes.txt");
    refuses(at, &train("missing.txt"), 1, "missing.txt: no such file");
}

#[test]
fn a_tagger_is_trained_from_columns_or_a_folder_of_conllu_and_tags() {
    let folder = folder();
    let at = folder.path();
    let train = |data, out, more: &[&'static str]| {
        let common = ["train", "tagging", "--data", data, "--out", out, "--epochs", "12", "--hidden-size", "16"];
        report(&succeeds(at, &[&common[..], more].concat(), b""))
    };
    let trained = train("ud", "run", &[]);
    assert!(trained["test"]["accuracy"].as_f64().unwrap() > 0.95, "{trained}");
    assert_eq!(trained["baselines"]["most_frequent_tag"], 1.0);
    assert_eq!(succeeds(at, &["predict", "--model", "run"], b"the cat sings\n\n"), "the/DET cat/NOUN sings/VERB\n\n");
    let scored = report(&succeeds(at, &["evaluate", "--model", "run", "--data", "ud/x-ud-dev.conllu"], b""));
    assert_eq!((scored["rows"].as_u64(), scored["accuracy"].is_f64()), (Some(40), true));
    train("tags.tsv,tags.tsv,tags.tsv", "columns", &["--arch", "transformer", "--cell", "gru"]);

    fs::write(at.join("bad.tsv"), "the\tDET\ndog\n").unwrap();
    fs::write(at.join("new-tags.tsv"), "the\tY\ndog\tX\n").unwrap();
    let wrong = |data| ["train", "tagging", "--out", "new", "--data", data];
    refuses(at, &wrong("bad.tsv"), 1, "bad.tsv:2: 1 column where there should be 2");
    refuses(at, &wrong("tags.tsv,new-tags.tsv,tags.tsv"), 1, "no row has one of the labels of the train part");
    refuses(at, &wrong("."), 1, "files whose name has `train` in it");
    refuses(at, &["train", "tagging", "--out", "new"], 2, "--data is missing");
}

#[test]
fn a_tagger_of_spans_scores_them_and_writes_only_tags_that_may_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // A title makes one span of itself and the name behind it.
    let mut file = String::new();
    for i in 0..60 {
        let name = ["Ada", "Bob", "Eva"][i % 3];
        file += &match i % 4 {
            0 => format!("{name}\tB-PER\nsings\tO\n\n"),
            1 => format!("Dr\tB-PER\n{name}\tI-PER\nruns\tO\n\n"),
            2 => format!("see\tO\nDr\tB-PER\n{name}\tI-PER\n\n"),
            _ => "they\tO\nrun\tO\n\n".to_owned(),
        };
    }
    fs::write(at.join("names.conll"), &file).unwrap();
    let common = ["train", "tagging", "--data", "names.conll,names.conll,names.conll", "--hidden-size", "8"];
    for output in ["softmax", "crf"] {
        let more = ["--output", output, "--epochs", "40", "--out", output];
        let trained = report(&succeeds(at, &[&common[..], &more].concat(), b""));
        assert!(trained["test"]["span_f1"].as_f64().unwrap() > 0.9, "{output}: {trained}");
        let scored = report(&succeeds(at, &["evaluate", "--model", output, "--data", "names.conll"], b""));
        assert_eq!(scored["span_f1"], trained["test"]["span_f1"]);
    }
    let found = succeeds(at, &["predict", "--model", "crf"], b"see Dr Bob\n\nAda sings\n");
    assert_eq!(found, "see/O Dr/B-PER Bob/I-PER\n\nAda/B-PER sings/O\n");
    // Whatever the words are, a span of the CRF begins with a B-.
    let words = "Bob Bob Dr Dr sings they Eva Dr run\n".repeat(3);
    let tags = succeeds(at, &["predict", "--model", "crf"], words.as_bytes());
    fs::write(at.join("tags"), &tags).unwrap();
    let strict = ["score", "spans", "--reference", "tags", "--scheme", "iob2", "tags"];
    let out = run(at, &strict, b"");
    assert!(out.status.success() && out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));

    // What does not follow the scheme is trained on all the same, and told.
    fs::write(at.join("some.conll"), file + "no\tO\nBob\tI-PER\n").unwrap();
    let more = ["train", "tagging", "--data", "some.conll,names.conll,names.conll", "--epochs", "1", "--out", "some"];
    let out = run(at, &more, b"");
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{said}");
    let told = "1 sentence has tags that are not; the first at some.conll:211: word 2, `I-PER` after `O`";
    assert!(said.contains(&format!("the tags are iob2, but {told}")), "{said}");
    refuses(at, &[&common[..], &["--output", "hmm", "--out", "no"]].concat(), 2, "--output");
}

#[test]
fn cells_layers_attention_and_teaching_can_be_chosen() {
    let folder = folder();
    let at = folder.path();
    let mut pairs = "swedish\tenglish\n".to_owned();
    let mut reviews = "document\tlabel\n".to_owned();
    for (i, (swedish, english)) in [("ett hus", "one house"), ("två båtar", "two boats"), ("tre träd", "three trees")]
        .iter()
        .cycle()
        .take(12)
        .enumerate()
    {
        pairs += &format!("{swedish}\t{english}\n");
        reviews += &format!("{swedish} {i}\t{}\n", i % 2);
    }
    fs::write(at.join("pairs.tsv"), pairs).unwrap();
    fs::write(at.join("reviews.tsv"), reviews).unwrap();
    let train = |task, file: &str, out, more: &[&'static str]| {
        let data = [file; 3].join(",");
        let common = ["train", task, "--data", &data, "--out", out, "--epochs", "1", "--hidden-size", "16"];
        report(&succeeds(at, &[&common[..], more].concat(), b""))
    };
    let beside = train("translation", "pairs.tsv", "attention", &["--compare", "without_attention", "--cell", "lstm"]);
    assert!(beside["baselines"]["without_attention"].is_f64(), "{beside}");
    train("translation", "pairs.tsv", "transformer", &["--arch", "transformer", "--layers", "1"]);
    train("translation", "pairs.tsv", "own", &["--teacher-forcing", "never", "--layers", "2"]);
    train("translation", "pairs.tsv", "scheduled", &["--teacher-forcing", "scheduled", "--attention", "none"]);
    for (model, attends) in [("attention", true), ("transformer", true), ("own", true), ("scheduled", false)] {
        let out = succeeds(at, &["predict", "--model", model, "--best", "3", "--attention"], "två båtar\n".as_bytes());
        let line: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(line["best"].as_array().unwrap().len(), 3, "{line}");
        let rows = line["attention"]["weights"].as_array().map_or(0, Vec::len);
        assert_eq!(rows > 0, attends, "{model}: {line}");
    }
    let scored = report(&succeeds(at, &["evaluate", "--model", "attention", "--data", "pairs.tsv"], b""));
    assert!(scored["bleu"].is_f64() && scored["signature"].as_str().unwrap().contains("tok:13a"), "{scored}");
    refuses(at, &["evaluate", "--model", "attention", "--data", "reviews.tsv"], 1, "no column `swedish`");

    train("sentiment", "reviews.tsv", "mood", &["--cell", "rnn", "--layers", "2", "--bidirectional=false"]);
    train("sentiment", "reviews.tsv", "words", &["--tokens", "words", "--cell", "lstm"]);
    let scored = report(&succeeds(at, &["evaluate", "--model", "mood", "--data", "reviews.tsv"], b""));
    assert_eq!(scored["rows"], 12);
}
