//! Files as they come: cut, marked, with columns that nobody asked for, with labels and numbers that do not fit.

mod common;

use common::{refuses, run, succeeds};
use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use std::{fs, io::Write, path::Path};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    folder
}

/// Trains a small model for an epoch; gives the line of JSON and what was said.
fn train(at: &Path, arguments: &[&str]) -> (Value, String) {
    let output = run(at, &[&["train"], arguments, &["--epochs", "1", "--hidden-size", "4"]].concat(), b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

/// Words of CoNLL-U with their tags, in sentences of three; `last` is what the last column of the first word holds.
fn conllu(tags: &[&str], last: &str) -> String {
    let word = |(number, tag): (usize, &&str)| {
        let (id, end) = (number % 3 + 1, if number % 3 == 2 { "\n\n" } else { "\n" });
        let last = if number == 0 { last } else { "_" };
        format!("{id}\tword{}\t_\t{tag}\t_\t_\t_\t_\t_\t{last}{end}", number % 5)
    };
    tags.iter().enumerate().map(word).collect()
}

fn reviews(labels: &[&str]) -> String {
    let row = |(number, label): (usize, &&str)| format!("bra film {number}\t{label}\n");
    format!("document\tlabel\n{}", labels.iter().enumerate().map(row).collect::<String>())
}

#[test]
fn conllu_with_an_empty_cell_is_conllu() {
    let tags = ["NOUN", "VERB", "DET"].repeat(8);
    let folder = folder(&[
        ("train.conllu", &conllu(&tags, "")),
        ("dev.conllu", &conllu(&tags, "_")),
        ("test.conllu", &conllu(&tags, "_")),
    ]);
    train(folder.path(), &["tagging", "--data", ".", "--out", "run"]);
    let saved = fs::read_to_string(folder.path().join("run/config.json")).unwrap();
    assert!(saved.contains("\"word_columns\": [\n    \"2\",\n    \"4\"\n  ]"), "{saved}");
    assert!(saved.contains("\"VERB\""), "{saved}");
}

#[test]
fn tags_that_the_train_part_lacks_count_as_wrong_and_are_told() {
    let tags = ["NOUN", "VERB", "DET"].repeat(8);
    let mut rare = tags.clone();
    (rare[4], rare[7], rare[8]) = ("INTJ", "X", "INTJ");
    let files = [
        ("train.conllu", &conllu(&tags, "_")[..]),
        ("dev.conllu", &conllu(&rare, "_")[..]),
        ("test.conllu", &conllu(&rare[..12], "_")[..]),
    ];
    let folder = folder(&files);
    let at = folder.path();
    let (report, said) = train(at, &["tagging", "--data", "train.conllu", "dev.conllu", "test.conllu", "--out", "run"]);
    assert!(said.contains("counted as wrong: 3 labels of dev, such as `INTJ`, `X`"), "{said}");
    assert_eq!((&report["dev"]["unknown_labels"], &report["test"]["unknown_labels"]), (&3.0.into(), &3.0.into()));
    assert!(report["test"]["accuracy"].as_f64().unwrap() <= 0.75 && report["test"]["loss"].is_f64(), "{report}");
    let page = fs::read_to_string(at.join("run/report.html")).unwrap();
    assert!(page.contains("(not in train)") && page.contains("/INTJ"));
    let scored = succeeds(at, &["evaluate", "--model", "run", "--data", "dev.conllu"], b"");
    assert!(scored.contains("\"unknown_labels\":3.0"), "{scored}");
    // One file that is divided may leave a tag to dev and test alone.
    let mut once: Vec<String> = tags.repeat(6).iter().map(|tag| (*tag).to_owned()).collect();
    (0..once.len()).step_by(3).for_each(|word| once[word] = format!("ONCE{word}"));
    let once: Vec<&str> = once.iter().map(String::as_str).collect();
    fs::write(at.join("all.conllu"), conllu(&once, "_").replace("word0", "some")).unwrap();
    train(at, &["tagging", "--data", "all.conllu", "--out", "one"]);
}

#[test]
fn labels_that_the_train_part_lacks_count_as_wrong_and_are_told() {
    let labels = ["good", "bad"].repeat(10);
    let mut rare = labels.clone();
    rare[3] = "odd";
    let folder =
        folder(&[("train.tsv", &reviews(&labels)), ("dev.tsv", &reviews(&rare)), ("test.tsv", &reviews(&labels))]);
    let at = folder.path();
    let (report, said) =
        train(at, &["sentiment", "--data", ".", "--out", "run", "--bigram-buckets", "16", "--ngram-buckets", "16"]);
    assert!(said.contains("counted as wrong: 1 label of dev, such as `odd`"), "{said}");
    assert_eq!((&report["dev"]["unknown_labels"], report["test"].get("unknown_labels")), (&1.0.into(), None));
    fs::write(at.join("other.tsv"), reviews(&["1", "0"])).unwrap();
    let evaluate = ["evaluate", "--model", "run", "--data", "other.tsv"];
    refuses(at, &evaluate, 1, "other.tsv: no row has one of the labels of the train part; the first has `1`");
}

#[test]
fn six_plain_files_with_one_ending_are_trained_on_and_scored() {
    let lines = |word: &str| (0..12).map(|n| format!("{word} {n}\n")).collect::<String>();
    let mut files = vec![];
    for part in ["train", "dev", "test"] {
        files.push((format!("{part}.sv.txt"), lines("hund")));
        files.push((format!("{part}.en.txt"), lines("dog")));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let folder = folder(&files);
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    let model = ["--vocabulary", "300", "--layers", "1", "--out", "run"];
    train(folder.path(), &[&["translation", "--data"], &names[..], &model[..]].concat());
    let scored = succeeds(folder.path(), &[&["evaluate", "--model", "run", "--data"], &names[4..]].concat(), b"");
    assert!(scored.contains("\"rows\":12"), "{scored}");
}

#[test]
fn columns_that_nobody_asked_for_may_hold_anything() {
    let series = |header: &str, row: &dyn Fn(usize) -> String| {
        format!(
            "{header}\n{}",
            (0..90).map(|t| format!("19{}-{:02},{}\n", 50 + t / 12, t % 12 + 1, row(t))).collect::<String>()
        )
    };
    let value = |t: usize| (100 + t + 7 * (t % 12)).to_string();
    let files = [
        ("note.csv", series("Month,Note,Value", &|t| format!("{},{}", if t == 5 { "strike" } else { "" }, value(t)))),
        ("unnamed.csv", series("Month,Value,,", &|t| format!("{},,", value(t)))),
        ("twice.csv", series("Month,note,note,Value", &|t| format!("a,b,{}", value(t)))),
        ("spaces.csv", series("Month, Value ", &|t| format!(" {}", value(t)))),
        ("comma.csv", series("Month,\"Sales, EUR\"", &value)),
        ("mark.csv", series("\u{feff}Month,Value", &value)),
        ("mac.csv", series("Month,Value", &value).replace('\n', "\r")),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = folder(&files);
    let mut scores = vec![];
    for (name, _) in &files {
        scores.push(train(folder.path(), &["forecast", "--data", name, "--out", &name[..3]]).0["test"].clone());
    }
    // It is the same series each time.
    assert!(scores.windows(2).all(|two| two[0] == two[1]), "{scores:?}");
    for (number, asked) in ["Sales, EUR", "\"Sales, EUR\""].iter().enumerate() {
        let out = number.to_string();
        train(folder.path(), &["forecast", "--data", "comma.csv", "--columns", asked, "--out", &out]);
        let scored = succeeds(folder.path(), &["evaluate", "--model", &out, "--data", "comma.csv"], b"");
        assert!(scored.contains("rmse"), "{scored}");
    }
    let refused = ["train", "forecast", "--columns", "note", "--data", "twice.csv"];
    refuses(folder.path(), &refused, 1, "twice.csv: two columns are called `note`");
}

#[test]
fn numbers_and_dates_of_a_series_are_checked_where_they_stand() {
    let rows = |value: &dyn Fn(usize) -> String| {
        let row = |t: usize| format!("19{}-{:02},{}\n", 50 + t / 12, t % 12 + 1, value(t));
        format!("Month,Value\n{}", (0..90).map(row).collect::<String>())
    };
    let with = |text: &'static str| rows(&|t| if t == 80 { text.to_owned() } else { (100 + t).to_string() });
    let mut unsorted: Vec<String> = rows(&|t| (100 + t).to_string()).lines().map(|line| format!("{line}\n")).collect();
    unsorted.swap(9, 10);
    let files = [
        ("huge.csv", with("1e308")),
        ("minus.csv", with("-1e308")),
        ("empty.csv", with("")),
        ("unsorted.csv", unsorted.concat()),
    ];
    let folder = folder(&files.each_ref().map(|(name, text)| (*name, text.as_str())));
    let at = folder.path();
    let refused = |file, what| refuses(at, &["train", "forecast", "--change", "difference", "--data", file], 1, what);
    refused("huge.csv", "huge.csv:82: `1e308` is too large");
    refused("minus.csv", "minus.csv:82: `-1e308` is too large");
    refused("empty.csv", "empty.csv:82: column `Value` is empty");
    let (_, said) = train(at, &["forecast", "--data", "unsorted.csv", "--out", "run"]);
    assert!(said.contains("unsorted.csv:11: 1950-09 is before 1950-10"), "{said}");
}

#[test]
fn packed_files_that_are_cut_and_tables_of_another_form_are_called_what_they_are() {
    let table = reviews(&["good", "bad"].repeat(200));
    let mut encoder = GzEncoder::new(vec![], Compression::fast());
    encoder.write_all(table.as_bytes()).unwrap();
    let packed = encoder.finish().unwrap();
    let commas = table.replace('\t', ",");
    let folder =
        folder(&[("commas.tsv", &commas), ("header.tsv", "document\tlabel\n"), ("header.csv", "Month,Value\n")]);
    let at = folder.path();
    fs::write(at.join("cut.tsv.gz"), &packed[..packed.len() / 2]).unwrap();
    let sentiment = |file| ["train", "sentiment", "--data", file];
    refuses(at, &sentiment("cut.tsv.gz"), 1, "cut.tsv.gz: cannot read: the file is truncated");
    refuses(at, &sentiment("commas.tsv"), 1, "the header has commas where tabs separate the columns");
    refuses(at, &sentiment("header.tsv"), 1, "header.tsv: ");
    let said = String::from_utf8(run(at, &["train", "forecast", "--data", "header.csv"], b"").stderr).unwrap();
    assert!(said.contains("header.csv: no data rows") && !said.contains("tab"), "{said}");
}

#[test]
fn a_byte_order_mark_is_no_character_of_a_text() {
    let text = "\u{feff}".to_owned() + &"the quick brown fox jumps. ".repeat(60);
    let folder = folder(&[("text.txt", &text)]);
    let small = ["--layers", "1", "--window", "16", "--bptt-streams", "4", "--out", "run"];
    train(folder.path(), &[&["language-model", "--data", "text.txt"], &small[..]].concat());
    let tokenizer = fs::read_to_string(folder.path().join("run/tokenizer.json")).unwrap();
    assert!(!tokenizer.contains('\u{feff}') && tokenizer.contains("NFC"), "{tokenizer}");
}

#[test]
fn text_is_written_in_whole_characters() {
    let text = "샀쉀쑀윀셀 싀잀삀씀.\n".repeat(60);
    let folder = folder(&[("train.txt", &text), ("dev.txt", &text[..330]), ("test.txt", &text[..330])]);
    let at = folder.path();
    let small = [
        "--tokens",
        "bpe",
        "--vocabulary",
        "268",
        "--layers",
        "1",
        "--window",
        "16",
        "--bptt-streams",
        "4",
        "--out",
        "run",
    ];
    train(at, &[&["language-model", "--data", "."], &small[..]].concat());
    let page = fs::read_to_string(at.join("run/report.html")).unwrap();
    assert!(page.contains("샀쉀쑀윀셀"), "{page}");
    let next = succeeds(at, &["predict", "--model", "run", "--best", "300"], "샀쉀쑀\n".as_bytes());
    assert!(next.contains("<0xEC>") && !next.contains('\u{fffd}'), "{next}");
    // As the end of a line is a token of the train part, a text without a prompt goes on from there.
    let saved = fs::read_to_string(at.join("run/config.json")).unwrap();
    let line_end = succeeds(at, &["tokenize", "encode", "--tokenizer", "run"], "x\n".as_bytes());
    assert!(saved.contains("\"begin\": ") && !line_end.is_empty(), "{saved}");
    let written = succeeds(at, &["generate", "--model", "run", "--length", "30", "--temperature", "0"], b"");
    assert!(!written.is_empty());
}

/// A float wav of a tenth of a second.
fn wav(path: &Path, sample: f32) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for i in 0..1600 {
        wav.write_sample(if i == 400 { sample } else { (i as f32 / 3.0).sin() }).unwrap();
    }
    wav.finalize().unwrap();
}

#[test]
fn sounds_are_checked_where_they_are_read_and_loud_ones_are_heard() {
    let list = |more: &str| {
        let row = |number: usize| format!("{number}.wav\t{}\n", ["yes", "no"][number % 2]);
        format!("file\ttranscript\n{}{more}", (0..10).map(row).collect::<String>())
    };
    let folder = folder(&[("said/transcripts.tsv", &list(""))]);
    let at = folder.path();
    (0..10).for_each(|number| wav(&at.join(format!("said/{number}.wav")), 0.5));
    wav(&at.join("said/3.wav"), 4e9);
    let speech = ["train", "speech", "--data", "said"];
    let (report, _) = train(at, &["speech", "--data", "said", "--layers", "1", "--out", "run"]);
    assert!(report["test"]["loss"].is_f64(), "{report}");
    for (sample, shown) in [(f32::NAN, "NaN"), (f32::NEG_INFINITY, "-inf"), (1e30, "1000000000000000000000000000000")] {
        wav(&at.join("said/9.wav"), sample);
        let what = format!("9.wav: sample 401 (at 0.050 s) is {shown}");
        refuses(at, &speech, 1, &what);
        refuses(at, &["evaluate", "--model", "run", "--data", "said"], 1, &what);
        let predicted = run(at, &["predict", "--model", "run"], b"said/9.wav\n");
        assert_eq!(predicted.status.code(), Some(1));
        assert!(String::from_utf8(predicted.stderr).unwrap().contains(&what));
    }
    wav(&at.join("said/9.wav"), 0.5);
    fs::write(at.join("said/transcripts.tsv"), list("3.wav\tno\n")).unwrap();
    refuses(at, &speech, 1, "transcripts.tsv:12: an earlier line has a transcript of `3.wav`");
    fs::write(at.join("said/transcripts.tsv"), list("30.wav\tno\n")).unwrap();
    refuses(at, &speech, 1, "transcripts.tsv:12: there is no wav file `30.wav` beside it");
}

/// Sentences of a table, whose words stand in one column and whose tags in another.
fn sentences(kind: &str, [words, tags]: [&str; 2], bad: Option<&str>) -> String {
    let row = |number: usize| {
        let text = format!("the film{} runs", number % 7);
        match kind {
            "csv" => format!("{number},{text},DET NOUN VERB\n"),
            _ => format!("{{\"{tags}\": \"DET NOUN VERB\", \"{words}\": \"{text}\"}}\n"),
        }
    };
    let mut rows: Vec<String> = (0..24).map(row).collect();
    bad.into_iter().for_each(|bad| rows.insert(3, format!("{bad}\n")));
    let header = if kind == "csv" { format!("id,{words},{tags}\n") } else { String::new() };
    header + &rows.concat()
}

#[test]
fn sentences_are_read_from_tables_with_columns_by_name() {
    let usual = ["words", "tags"];
    let plain = "the\tDET\nfilm1\tNOUN\nruns\tVERB\n\n".repeat(8);
    let folder = folder(&[
        ("usual.csv", &sentences("csv", usual, None)),
        ("usual.jsonl", &sentences("jsonl", usual, None)),
        ("named.csv", &sentences("csv", ["tokens", "pos"], None)),
        ("bad.csv", &sentences("csv", usual, Some("9,one two three,DET NOUN"))),
        ("bad.jsonl", &sentences("jsonl", usual, Some("{\"words\": \"a\"}"))),
        ("plain.tsv", &plain),
        ("plain.conll", &plain),
    ]);
    let at = folder.path();
    let weights = |out: &str| fs::read(at.join(out).join("model.safetensors")).unwrap();
    let parts = |file: &str| format!("--data={file},{file},{file}");
    let tag =
        |file: &str, out: &str, more: &[&str]| train(at, &[&["tagging", &parts(file), "--out", out], more].concat()).1;
    tag("usual.csv", "csv", &[]);
    tag("usual.jsonl", "jsonl", &[]);
    tag("named.csv", "named", &["--word-column", "tokens", "--tag-column", "pos"]);
    let length = |bytes: Vec<u8>| bytes.len();
    assert_eq!(length(weights("csv")), length(weights("jsonl")));
    let answer = |out: &str| succeeds(at, &["predict", "--model", out], b"the film1 runs\n");
    assert_eq!((answer("csv"), answer("csv")), (answer("jsonl"), answer("named")));
    let saved = fs::read_to_string(at.join("named/config.json")).unwrap();
    assert!(saved.contains("\"tokens\"") && saved.contains("\"pos\""), "{saved}");
    // A model is scored on the columns that it was trained on, and on a file of the other kind.
    let scored = |out: &str, file: &str| {
        let line = succeeds(at, &["evaluate", "--model", out, "--data", file], b"");
        serde_json::from_str::<Value>(&line).unwrap()["rows"].as_u64().unwrap()
    };
    assert_eq!((scored("named", "named.csv"), scored("named", "plain.tsv"), scored("csv", "usual.jsonl")), (24, 8, 24));
    refuses(at, &["evaluate", "--model", "named", "--data", "usual.csv"], 1, "no column `tokens`");
    // A sentence with too few tags is a bad line.
    refuses(at, &["train", "tagging", &parts("bad.csv"), "--out", "new"], 1, "bad.csv:5: 2 tags for 3 words");
    refuses(at, &["evaluate", "--model", "csv", "--data", "bad.csv"], 1, "bad.csv:5: 2 tags for 3 words");
    let said = tag("bad.csv", "skipped", &["--skip-bad-lines"]);
    assert!(said.contains("1 bad line skipped; the first: bad.csv:5: 2 tags for 3 words"), "{said}");
    let output = run(at, &["evaluate", "--model", "csv", "--data", "bad.jsonl", "--skip-bad-lines"], b"");
    let (line, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(said.contains("1 bad line skipped; the first: bad.jsonl:4: there is no column `tags`"), "{said}");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["rows"], 24);
    // Two files of plain text are words and tags.
    fs::write(at.join("a.words"), "the film1 runs\n".repeat(24)).unwrap();
    fs::write(at.join("a.tags"), "DET NOUN VERB\n".repeat(24)).unwrap();
    let pair = ["a.words", "a.tags"];
    train(at, &[&["tagging", "--out", "pair", "--data"], &pair[..], &pair, &pair].concat());
    let line = succeeds(at, &[&["evaluate", "--model", "csv", "--data"], &pair[..]].concat(), b"");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["rows"], 24);
    fs::write(at.join("b.tags"), "DET NOUN VERB\n".repeat(23) + "DET\n").unwrap();
    let uneven = ["train", "tagging", "--data", "a.words", "b.tags", "a.words", "a.tags", "a.words", "a.tags"];
    refuses(at, &uneven, 1, "b.tags:24: 1 tag for 3 words");
    // Columns of a file with a word per line have numbers; one that ends in .tsv has names where one is chosen.
    let arguments =
        |file: &str| ["train", "tagging", &parts(file), "--word-column", "words", "--out", "new"].map(String::from);
    let refused = |file: &str, code: i32, saying: &str| {
        refuses(at, &arguments(file).each_ref().map(String::as_str), code, saying);
    };
    refused("plain.conll", 2, "plain.conll: a file with a word per line has columns with numbers, not `words`");
    refused("plain.tsv", 1, "plain.tsv: no column `words`; there are: the, DET");
}

#[test]
fn bad_lines_of_parallel_files_and_in_an_evaluation_are_left_out_and_counted() {
    let lines = |word: &str, bad: &str| {
        let mut lines: Vec<String> = (0..30).map(|row| format!("{word} {row}\n")).collect();
        lines.insert(4, format!("{bad}\n"));
        lines.concat()
    };
    let table = format!("document\tlabel\n{}one\n", "bra film\tgood\nd\u{e5}lig film\tbad\n".repeat(15));
    let folder = folder(&[("a.sv", &lines("hus", "tomt")), ("a.en", &lines("house", " ")), ("rows.tsv", &table)]);
    let at = folder.path();
    let pairs = ["a.sv", "a.en", "a.sv", "a.en", "a.sv", "a.en"];
    let sizes = ["--out", "run", "--batch-tokens", "60", "--skip-bad-lines"];
    refuses(at, &[&["train", "translation", "--data"], &pairs[..]].concat(), 1, "a.en:5: the line is empty");
    let (_, said) = train(at, &[&["translation", "--data"], &pairs[..], &sizes].concat());
    assert!(said.contains("1 bad line skipped; the first: a.en:5: the line is empty"), "{said}");
    assert!(said.contains("30 rows in train"), "{said}");
    let evaluate = ["evaluate", "--model", "run", "--data", "a.sv", "a.en"];
    refuses(at, &evaluate, 1, "a.en:5: the line is empty");
    let line = succeeds(at, &[&evaluate[..], &["--skip-bad-lines"]].concat(), b"");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["rows"], 30);
    let small = ["--bigram-buckets", "16", "--ngram-buckets", "16", "--skip-bad-lines", "--out", "reviews"];
    train(at, &[&["sentiment", "--data", "rows.tsv,rows.tsv,rows.tsv"], &small[..]].concat());
    refuses(at, &["evaluate", "--model", "reviews", "--data", "rows.tsv"], 1, "rows.tsv:32: 1 column");
    let line = succeeds(at, &["evaluate", "--model", "reviews", "--data", "rows.tsv", "--skip-bad-lines"], b"");
    assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["rows"], 30);
}

/// Rows of three columns as TSV, CSV and JSON lines, under names that no task expects.
fn tables(at: &Path, columns: [&str; 3], rows: &[[String; 3]]) {
    let tsv: String = rows.iter().map(|row| row.join("\t") + "\n").collect();
    let csv: String = rows.iter().map(|[a, b, c]| format!("\"{a}\",\"{b}\",\"{c}\"\n")).collect();
    let object =
        |row: &[String; 3]| -> Value { columns.iter().zip(row).map(|(name, text)| (*name, &**text)).collect() };
    fs::write(at.join("data.tsv"), columns.join("\t") + "\n" + &tsv).unwrap();
    fs::write(at.join("data.csv"), columns.join(",") + "\n" + &csv).unwrap();
    fs::write(at.join("data.jsonl"), rows.iter().map(|row| format!("{}\n", object(row))).collect::<String>()).unwrap();
}

#[test]
fn every_task_of_text_reads_tsv_csv_and_json_lines_with_columns_chosen_by_name() {
    let row = |n: usize| {
        let (film, word) = (["bra", "lång"][n % 2], ["good", "long"][n % 2]);
        [format!("en {film} film nr{n}"), format!("one {word} film no{n}"), format!("A {} C {}", film.len(), n % 2)]
    };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    tables(at, ["mine", "yours", "ours"], &(0..60).map(row).collect::<Vec<_>>());
    let two = |first: &'static str, second: &'static str| vec![first, "mine", second, "yours"];
    let tasks = [
        ("translation", two("--source", "--target"), vec!["--vocabulary", "300", "--layers", "1"]),
        (
            "sentiment",
            vec!["--text", "mine", "--label", "ours"],
            vec!["--bigram-buckets", "16", "--ngram-buckets", "16"],
        ),
        ("spacing", vec!["--text", "mine"], vec!["--bigram-buckets", "16"]),
        ("tagging", two("--word-column", "--tag-column"), vec![]),
        ("language-model", vec!["--text", "mine"], vec!["--layers", "1", "--bptt-streams", "4", "--window", "8"]),
    ];
    for (task, columns, model) in &tasks {
        let mut scores = vec![];
        for file in ["data.tsv", "data.csv", "data.jsonl"] {
            let out = format!("{task}-{}", &file[5..]);
            let arguments = [&[*task, "--data", file, "--out", &out], &columns[..], &model[..]].concat();
            let (report, _) = train(at, &arguments);
            let evaluated = succeeds(at, &["evaluate", "--model", &out, "--data", file], b"");
            let mut evaluated: Value = serde_json::from_str(&evaluated).unwrap();
            let of_file = ["data", "seconds"];
            evaluated.as_object_mut().unwrap().retain(|name, _| !of_file.contains(&name.as_str()));
            scores.push((report["test"].clone(), evaluated));
        }
        // The parts are divided by what stands in a line, which differs; all of the rows are the same.
        let rows: Vec<&Value> = scores.iter().map(|(_, evaluated)| &evaluated["rows"]).collect();
        assert!(rows.windows(2).all(|two| two[0] == two[1]), "{task}: {scores:?}");
        // A column that is not there is told with the option that chooses another one.
        let other = [&["train", *task, "--data", "data.csv", columns[0], "theirs"], &columns[2..]].concat();
        let output = run(at, &other, b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains("theirs"), "{task}: {said}");
    }
}

#[test]
fn the_documents_of_a_table_are_one_text_with_a_blank_line_after_each() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows = |from: usize| (from..from + 30).map(|n| [format!("a line {n}"), "x".into(), String::new()]);
    for (part, from) in [("train", 0), ("dev", 30), ("test", 60)] {
        let rows: Vec<[String; 3]> = rows(from).collect();
        let table: String = rows.iter().map(|[text, other, _]| format!("{other}\t{text}\n")).collect();
        fs::write(at.join(format!("{part}.tsv")), format!("other\ttext\n{table}")).unwrap();
        let plain: String = rows.iter().map(|[text, ..]| format!("{text}\n\n")).collect();
        fs::write(at.join(format!("{part}.txt")), plain).unwrap();
    }
    let model = ["--layers", "1", "--bptt-streams", "4", "--window", "8", "--out"];
    let trained = |ending: &str, out: &str| {
        let names = ["train", "dev", "test"].map(|part| format!("{part}.{ending}"));
        let names = names.each_ref().map(String::as_str);
        train(at, &[&["language-model", "--data"], &names[..], &model, &[out]].concat()).0
    };
    let (table, plain) = (trained("tsv", "table"), trained("txt", "plain"));
    assert_eq!((&table["dev"], &table["test"]), (&plain["dev"], &plain["test"]));
    let weights = |run: &str| fs::read(at.join(run).join("model.safetensors")).unwrap();
    let values = |bytes: Vec<u8>| bytes[8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize..].to_vec();
    assert!(values(weights("table")) == values(weights("plain")));
    // A model of either is scored on the other; a line without a document is left out where that is asked for.
    let nats = |run: &str, data: &str, more: &[&str]| -> Value {
        let line = succeeds(at, &[&["evaluate", "--model", run, "--data", data], more].concat(), b"");
        serde_json::from_str::<Value>(&line).unwrap()["nats"].clone()
    };
    assert_eq!(nats("table", "test.txt", &[]), nats("plain", "test.tsv", &[]));
    let broken = fs::read_to_string(at.join("test.tsv")).unwrap() + "no document\n";
    fs::write(at.join("broken.tsv"), broken).unwrap();
    refuses(at, &["evaluate", "--model", "table", "--data", "broken.tsv"], 1, "broken.tsv:32: ");
    assert_eq!(nats("table", "broken.tsv", &["--skip-bad-lines"]), nats("table", "test.tsv", &[]));
    refuses(at, &["train", "language-model", "--data", "test.tsv", "--text", "none"], 1, "no column `none`");
}
