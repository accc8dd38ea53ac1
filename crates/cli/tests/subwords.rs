//! How texts are cut: byte pairs that drop out in training, and a vocabulary for each side of a translation.

mod common;
mod small;

use common::{killed_until_it_ends, refuses, run, succeeds};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    small::write_data(folder.path());
    folder
}

/// The words of a small training of a translator, all of whose parts are the same rows.
fn words<'a>(out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let train = ["train", "translation", "--data", "rows.tsv,rows.tsv,rows.tsv", "--out", out];
    let sizes = ["--hidden-size", "8", "--embedding-size", "8", "--batch-tokens", "60"];
    let usual = |option: &'static str, value: &'static str| match more.contains(&option) {
        true => vec![],
        false => vec![option, value],
    };
    [&train[..], &sizes, &usual("--epochs", "1"), &usual("--vocabulary", "330"), more].concat()
}

fn train(at: &Path, out: &str, more: &[&str]) -> Value {
    serde_json::from_str(&succeeds(at, &words(out, more), b"")).unwrap()
}

fn weights(at: &Path, out: &str) -> Vec<u8> {
    fs::read(at.join(out).join("model.safetensors")).unwrap()
}

fn json(at: &Path, path: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(at.join(path)).unwrap()).unwrap()
}

#[test]
fn byte_pairs_drop_out_in_training_and_nowhere_else() {
    let folder = folder();
    let at = folder.path();
    // So small a rate of learning that the weights stay as they are: what is scored shows how it is cut.
    let still = ["--learning-rate", "1e-12", "--dropout", "0", "--label-smoothing", "0"];
    let plain = train(at, "plain", &still);
    let none = train(at, "none", &[&still[..], &["--bpe-dropout", "0"]].concat());
    let half = train(at, "half", &[&still[..], &["--bpe-dropout", "0.5"]].concat());
    let all = train(at, "all", &[&still[..], &["--bpe-dropout", "1"]].concat());
    let number = |line: &Value, part: &str, name: &str| line[part][name].as_f64().unwrap();
    assert!(weights(at, "none") == weights(at, "plain"), "a rate of 0 is no dropout");
    for part in ["dev", "test"] {
        assert_eq!(none[part]["loss"], plain[part]["loss"]);
        for dropped in [&half, &all] {
            let (a, b) = (number(dropped, part, "loss"), number(&plain, part, "loss"));
            assert!((a - b).abs() < 1e-5 * b, "{part}: {a} {b}");
        }
    }
    // The control: what is learned from is cut otherwise.
    let of_training = |out: &str| {
        let metrics = fs::read_to_string(at.join(out).join("metrics.csv")).unwrap();
        let place = metrics.lines().next().unwrap().split(',').position(|name| name == "train_loss").unwrap();
        metrics.lines().nth(1).unwrap().split(',').nth(place).unwrap().parse::<f64>().unwrap()
    };
    assert!((of_training("half") - of_training("plain")).abs() > 1e-6);
    assert!((of_training("all") - of_training("half")).abs() > 1e-6);
    let predict = |out: &str| succeeds(at, &["predict", "--model", out, "--best", "2"], "bra film 3\n".as_bytes());
    assert_eq!(predict("half"), predict("half"));
    let evaluate = |out: &str| {
        let mut line: Value =
            serde_json::from_str(&succeeds(at, &["evaluate", "--model", out, "--data", "rows.tsv"], b"")).unwrap();
        line.as_object_mut().unwrap().remove("seconds");
        line
    };
    assert_eq!(evaluate("half"), evaluate("half"));
    // A run folder says what it was trained with.
    assert!(fs::read_to_string(at.join("half/config.toml")).unwrap().contains("bpe-dropout = 0.5"));
}

#[test]
fn a_training_with_dropout_is_a_function_of_its_seed_and_is_resumed_in_the_middle_of_an_epoch() {
    let folder = folder();
    let at = folder.path();
    let rates = ["--bpe-dropout", "0.3", "--epochs", "3", "--evaluate-every", "2"];
    train(at, "one", &rates);
    train(at, "two", &[&rates[..], &["--threads", "1"]].concat());
    assert!(weights(at, "one") == weights(at, "two"));
    train(at, "other", &[&rates[..], &["--seed", "2"]].concat());
    assert!(weights(at, "one") != weights(at, "other"));
    killed_until_it_ends(at, &words("killed", &rates), Duration::from_millis(60));
    assert!(weights(at, "one") == weights(at, "killed"));
    // Every process makes the pieces of its rows, whoever has read them.
    let data = format!("--data={}", at.join("rows.tsv").display());
    let words = ["translation", "--hidden-size=4", "--batch-tokens=40", "--bpe-dropout=0.3", &data].map(str::to_owned);
    let task = unspool_cli::TASKS.iter().find(|task| task.name() == "translation").unwrap();
    let alone = unspool_task::testing::losses(task, &words, 1);
    assert_eq!(unspool_task::testing::losses(task, &words, 2), alone);
    let mut without = words.to_vec();
    without.remove(3);
    assert_ne!(unspool_task::testing::losses(task, &without, 1), alone);
}

#[test]
fn dropout_is_for_rows_of_texts_whose_tokens_are_byte_pairs() {
    let folder = folder();
    let at = folder.path();
    let sentiment = [&["train", "sentiment", "--data", "rows.tsv"], &small::REVIEWS[..]].concat();
    let with = |more: &[&'static str]| [&sentiment[..], &["--epochs", "1", "--bpe-dropout", "0.1"], more].concat();
    succeeds(at, &with(&["--out", "run", "--tokens", "bpe", "--vocabulary", "300"]), b"");
    refuses(at, &with(&["--out", "new"]), 2, "no merge can be left out");
    refuses(at, &with(&["--out", "new", "--tokens", "words"]), 2, "--bpe-dropout 0.1: ");
    let language = ["train", "language-model", "--data", "text.txt", "--bpe-dropout", "0.1", "--tokens", "bpe"];
    refuses(at, &language, 2, "language-model does not read its examples as rows of text");
    refuses(at, &["train", "digits", "--data", "digits.csv", "--bpe-dropout", "0.1"], 2, "digits does not read");
    refuses(at, &["train", "translation", "--bpe-dropout", "1.5"], 2, "`1.5` is not from 0 to 1");
    let help = |task: &str| succeeds(at, &["train", task, "--help"], b"");
    assert!(help("translation").contains("--bpe-dropout") && help("sentiment").contains("--bpe-dropout"));
    assert!(!help("digits").contains("--bpe-dropout") && !help("language-model").contains("--bpe-dropout"));
}

#[test]
fn source_and_target_have_a_vocabulary_each_where_that_is_asked_for() {
    let folder = folder();
    let at = folder.path();
    train(at, "shared", &[]);
    assert!(!at.join("shared/source_tokenizer.json").exists());
    let pairs = ["--separate-vocabularies", "--tokens", "words", "--vocabulary", "400"];
    for arch in ["recurrent", "transformer"] {
        train(at, arch, &[&pairs[..], &["--arch", arch]].concat());
        let tokens = |name: &str| json(at, &format!("{arch}/{name}"))["model"]["vocab"].clone();
        let (source, target) = (tokens("source_tokenizer.json"), tokens("tokenizer.json"));
        assert!(source.get(" bra").is_some() && target.get(" bra").is_none());
        assert!(target.get(" good").is_some() && source.get(" good").is_none());
        let model = &json(at, &format!("{arch}/config.json"))["model"][arch];
        assert_eq!(model["source_vocabulary_size"].as_u64(), Some(source.as_object().unwrap().len() as u64));
        assert_eq!(model["vocabulary_size"].as_u64(), Some(target.as_object().unwrap().len() as u64));
        // All that uses a run has both.
        let more = ["--best", "2", "--attention"];
        let line: Value = serde_json::from_str(&succeeds(
            at,
            &[&["predict", "--model", arch][..], &more].concat(),
            "bra film\n".as_bytes(),
        ))
        .unwrap();
        // In the words of the source, not those of the target.
        assert_eq!(line["attention"]["columns"], serde_json::json!(["bra", " film"]), "{line}");
        succeeds(at, &["evaluate", "--model", arch, "--data", "rows.tsv"], b"");
        succeeds(at, &["quantize", arch], b"");
        let small = format!("{arch}-int8");
        assert_eq!(
            json(at, &format!("{small}/source_tokenizer.json")),
            json(at, &format!("{arch}/source_tokenizer.json"))
        );
        succeeds(at, &["predict", "--model", &small], "bra film 3\n".as_bytes());
        let card = fs::read_to_string(at.join(arch).join("README.md")).unwrap();
        assert!(card.contains("source_tokenizer.json"), "{card}");
    }
    // An ensemble asks for both vocabularies to be the same.
    train(at, "two", &[&pairs[..], &["--seed", "2"]].concat());
    succeeds(at, &["predict", "--model", "recurrent", "two"], "bra film 3\n".as_bytes());
    refuses(at, &["predict", "--model", "recurrent", "shared"], 1, "recurrent and shared have different vocabularies");
    // Fine-tuning keeps them, and so does resuming.
    train(at, "tuned", &["--init-from", "recurrent", "--vocabulary", "400", "--learning-rate", "1e-12"]);
    assert_eq!(json(at, "tuned/source_tokenizer.json"), json(at, "recurrent/source_tokenizer.json"));
    let before = weights(at, "two");
    succeeds(at, &["train", "translation", "--out", "two", "--resume"], b"");
    assert!(weights(at, "two") == before);
    // A tokenizer of another run does not belong to the weights.
    fs::copy(at.join("recurrent/tokenizer.json"), at.join("recurrent/source_tokenizer.json")).unwrap();
    refuses(at, &["predict", "--model", "recurrent"], 1, "source_tokenizer.json: does not belong to");
}

#[test]
fn tokenizers_of_ones_own_are_used_for_each_side() {
    let folder = folder();
    let at = folder.path();
    let lines = |column: usize| {
        let table = fs::read_to_string(at.join("rows.tsv")).unwrap();
        table.lines().skip(1).map(|row| format!("{}\n", row.split('\t').nth(column).unwrap())).collect::<String>()
    };
    for (name, column) in [("swedish", 0), ("english", 1)] {
        let out = format!("{name}.json");
        let arguments = ["tokenize", "train", "--out", &out, "--vocabulary", "266"];
        succeeds(at, &arguments, lines(column).as_bytes());
    }
    train(at, "own", &["--source-tokenizer", "swedish.json", "--tokenizer", "english.json", "--bpe-dropout", "0.1"]);
    assert_eq!(json(at, "own/source_tokenizer.json"), json(at, "swedish.json"));
    assert_eq!(json(at, "own/tokenizer.json"), json(at, "english.json"));
    // Where one is given, the other is trained.
    train(at, "half", &["--source-tokenizer", "swedish.json"]);
    assert_eq!(json(at, "half/source_tokenizer.json"), json(at, "swedish.json"));
    assert_ne!(json(at, "half/tokenizer.json"), json(at, "english.json"));
    let output = run(at, &words("new", &["--source-tokenizer", "none.json"]), b"");
    assert_eq!(output.status.code(), Some(1));
}
