//! Small data and options for every task.
#![allow(dead_code)] // Not every test uses both.

use std::{fmt::Write, fs, path::Path};

/// The sizes of a small model of reviews.
pub(crate) const REVIEWS: [&str; 3] = ["--hidden-size=4", "--bigram-buckets=16", "--ngram-buckets=16"];

/// Writes small data of every kind to a folder.
pub(crate) fn write_data(at: &Path) {
    let write = |name: &str, text: String| fs::write(at.join(name), text).unwrap();
    let row = |digit: usize| {
        let ink = |pixel: usize| if (pixel + digit).is_multiple_of(7) { "16," } else { "0," };
        format!("{}{digit}\n", (0..64).map(ink).collect::<String>())
    };
    write("digits.csv", (0..40).map(|i| row(i % 10)).collect());
    write("text.txt", "to be, or not to be: that is the question.\n".repeat(20));
    let (mut table, mut tags) = ("swedish\tenglish\tdocument\tlabel\n".to_owned(), String::new());
    for i in 0..40 {
        let (word, label) = [("bra", "good"), ("dålig", "bad")][i % 2];
        let long = "och mer ".repeat(i % 4);
        writeln!(table, "{long}{word} film {i}\t{label} film {i}\t영화 {word} {long}{i}\t{label}").unwrap();
        writeln!(tags, "{}the\tDET\nfilm{i}\tNOUN\n", "very\tADV\n".repeat(i % 3)).unwrap();
    }
    write("rows.tsv", table);
    write("tags.tsv", tags);
    let month = |i: usize| format!("{i},{}\n", 100.0 + (i as f64 / 2.0).sin() * 20.0);
    write("series.csv", format!("month,value\n{}", (0..90).map(month).collect::<String>()));
    fs::create_dir(at.join("sounds")).unwrap();
    for (digit, take) in (0..3).flat_map(|digit| (4..10).map(move |take| (digit, take))) {
        write_tone(&at.join(format!("sounds/{digit}_ann_{take}.wav")), f64::from(300 + 200 * digit + 7 * take));
    }
}

/// Writes a fifth of a second of a sine of so many hertz.
fn write_tone(path: &Path, frequency: f64) {
    let format =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = hound::WavWriter::create(path, format).unwrap();
    for i in 0..1600 {
        let phase = f64::from(i) * frequency * std::f64::consts::TAU / 8000.0;
        wav.write_sample((8000.0 * phase.sin()) as i16).unwrap();
    }
    wav.finalize().unwrap();
}

/// Returns the options of a task, small ones, that differ from its defaults.
pub(crate) fn options(task: &str) -> (Option<&'static str>, &'static [&'static str]) {
    match task {
        "translation" => (Some("rows.tsv"), &["--vocabulary=300", "--batch-tokens=60"]),
        "sentiment" => (Some("rows.tsv"), &["--vocabulary=300", "--batch-rows=8", "--ngram-buckets=1024"]),
        "digits" => (Some("digits.csv"), &["--batch-rows=8"]),
        "captioning" => (Some("digits.csv"), &["--pictures=24", "--batch-rows=16", "--cell=lstm"]),
        "clips" => (Some("digits.csv"), &["--films=80", "--batch-rows=4"]),
        "frames" => (Some("digits.csv"), &["--films=40", "--batch-rows=2"]),
        "mnist1d" => (None, &["--signals=40", "--batch-rows=16"]),
        "forecast" => (Some("series.csv"), &[]),
        "speech" => (Some("sounds"), &["--strings=16", "--batch-rows=8", "--layers=2"]),
        "adding" => (None, &["--sequences=32", "--length=30", "--batch-rows=16"]),
        "copy" => (None, &["--sequences=32", "--length=30", "--batch-rows=16", "--cell=lstm", "--layers=2"]),
        "parity" | "modular" | "permutations" | "recall" | "selective-copy" => {
            (None, &["--sequences=32", "--length=30", "--batch-rows=16"])
        }
        "spacing" => (Some("rows.tsv"), &["--batch-rows=8"]),
        "tagging" => (Some("tags.tsv"), &["--batch-rows=8"]),
        "language-model" => (Some("text.txt"), &["--bptt-streams=8", "--window=10"]),
        _ => panic!("no options are listed for {task}"),
    }
}
