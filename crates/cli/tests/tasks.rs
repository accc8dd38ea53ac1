//! Tasks through the program: tiny data, one epoch, predictions; and files that are wrong.

mod common;

use common::{refuses, succeeds};
use std::{fs, path::Path};

/// Trains for an epoch; gives the line of JSON.
fn train(at: &Path, task: &str, more: &[&str]) -> serde_json::Value {
    let arguments = [&["train", task, "--out", task, "--epochs", "1", "--threads", "2"], more].concat();
    let stdout = succeeds(at, &arguments, b"");
    let line: serde_json::Value = serde_json::from_str(stdout.trim()).unwrap();
    assert_eq!((line["task"].as_str(), line["epochs"].as_u64()), (Some(task), Some(1)), "{line}");
    assert!(line["per_second"].as_object().unwrap().values().all(|speed| speed.as_f64().unwrap() > 0.0), "{line}");
    line
}

/// The lines that a trained model gives.
fn predict(at: &Path, task: &str, input: &str) -> Vec<String> {
    let stdout = succeeds(at, &["predict", "--model", task], input.as_bytes());
    stdout.lines().map(str::to_owned).collect()
}

/// Twenty pictures whose digit can be told by where the ink is.
fn digits(at: &Path) -> &'static str {
    let line = |row: usize| {
        let digit = row % 10;
        let level = |pixel: usize| if pixel / 6 == digit { 9 + (row + pixel) % 7 } else { (row * pixel) % 3 };
        let levels: Vec<String> = (0..64).map(|pixel| level(pixel).to_string()).collect();
        format!("{},{digit}\n", levels.join(","))
    };
    fs::write(at.join("few.csv"), (0..20).map(line).collect::<String>()).unwrap();
    "few.csv"
}

fn levels(count: usize) -> String {
    vec!["7"; count].join(",")
}

#[test]
fn pictures_are_told_apart_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let data = digits(at);

    let line = train(at, "digits", &["--data", data, "--hidden-size", "8"]);
    assert!((0.0..=1.0).contains(&line["test"]["accuracy"].as_f64().unwrap()), "{line}");
    let answers = predict(at, "digits", &format!("{}\n{}", levels(64), fs::read_to_string(at.join(data)).unwrap()));
    assert_eq!(answers.len(), 21);
    assert!(answers[0].split_once('\t').unwrap().0.parse::<u8>().unwrap() < 10, "{answers:?}");

    let sizes = ["--data", data, "--pictures", "24", "--hidden-size", "8", "--cell", "lstm", "--layers", "2"];
    let line = train(at, "captioning", &[&sizes[..], &["--compare", "zero_filled"]].concat());
    assert!(line["test"]["exact"].is_f64() && line["baselines"]["zero_filled"].is_f64(), "{line}");
    let captions = predict(at, "captioning", &format!("{}\n{}\n", levels(64), levels(8 * 24)));
    assert!(captions.len() == 2 && captions.iter().all(|caption| caption.split(' ').count() <= 5), "{captions:?}");
}

#[test]
fn films_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let data = digits(at);
    let sizes = ["--data", data, "--films", "12", "--hidden-size", "4"];
    let line = train(at, "clips", &[&sizes[..], &["--cell", "rnn", "--bidirectional"]].concat());
    assert!(line["test"]["digit"].is_f64() && line["test"]["direction"].is_f64(), "{line}");
    assert!(predict(at, "clips", &levels(3 * 12 * 16))[0].contains(' '));

    let line = train(at, "frames", &[&sizes[..], &["--compare", "memoryless"]].concat());
    assert!(line["test"]["accuracy"].is_f64() && line["baselines"]["memoryless"].is_f64(), "{line}");
    assert_eq!(predict(at, "frames", &levels(3 * 12 * 16))[0].split(' ').count(), 3);
}

/// The name of a cell is an option, and what a model was trained with is in its folder.
#[test]
fn a_cell_of_the_gallery_is_trained_and_loaded_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let data = digits(at);
    let sizes = ["--data", data, "--hidden-size", "8", "--layers", "2"];
    for cell in ["slstm", "clockwork-rnn"] {
        let line = train(at, "captioning", &[&sizes[..], &["--pictures", "24", "--cell", cell]].concat());
        assert!(line["test"]["exact"].is_f64(), "{cell}: {line}");
        assert_eq!(predict(at, "captioning", &levels(8 * 24)).len(), 1);
        fs::remove_dir_all(at.join("captioning")).unwrap();
    }
    let line = train(at, "clips", &[&sizes[..], &["--films", "12", "--cell", "layer-norm-lstm"]].concat());
    assert!(line["test"]["digit"].is_f64(), "{line}");
    assert!(predict(at, "clips", &levels(3 * 12 * 16))[0].contains(' '));
    let unknown = ["train", "adding", "--cell", "slstn"];
    refuses(at, &unknown, 2, "`slstn` is not one of rnn, relu, lstm, gru, antisymmetric-rnn");
}

#[test]
fn pictures_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("dark.csv"), format!("{},3\n{},17,3\n", levels(64), levels(63))).unwrap();
    fs::write(at.join("two.csv"), format!("{0},3\n{0},4\n", levels(64))).unwrap();
    fs::write(at.join("narrow.csv"), "1,2,3\n").unwrap();
    fs::write(at.join("empty.csv"), "").unwrap();
    for task in ["digits", "captioning", "clips", "frames"] {
        let train = |data| ["train", task, "--data", data];
        refuses(at, &train("dark.csv"), 1, "dark.csv:2: \"17\" is not a gray level");
        refuses(at, &train("two.csv"), 1, "too few digits");
        refuses(at, &train("narrow.csv"), 1, "narrow.csv:1: 3 columns where there should be 65");
        refuses(at, &train("empty.csv"), 1, "");
        refuses(at, &train("airline-passengers"), 1, "");
    }
}

#[test]
fn series_are_forecast() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let line = |t: usize| format!("{t},{},{}\n", 10 + t % 4 + t / 3, 5 + t % 3);
    fs::write(at.join("two.csv"), format!("step,a,b\n{}", (0..60).map(line).collect::<String>())).unwrap();
    let sizes = ["--season", "4", "--context", "3", "--horizon", "5", "--hidden-size", "4"];
    let line = train(at, "forecast", &[&sizes[..], &["--data", "two.csv", "--columns", "a,b"]].concat());
    for name in ["last_season", "last_season_change", "drift"] {
        assert!(line["baselines"][name].as_f64().unwrap() > 0.0, "{line}");
    }
    assert!(line["test"]["rmse"].is_f64() && line["test"]["mse_standardized"].is_f64(), "{line}");
    let made = predict(at, "forecast", "1,2 3,4 5,6 7,8 9,10 11,12 13,14\n");
    let numbers: Vec<f64> = made[0].split([' ', ',']).map(|y| y.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 10);

    fs::write(at.join("cold.csv"), "step,a\n1,5\n2,-5\n3,6\n").unwrap();
    fs::write(at.join("short.csv"), "step,a\n1,5\n2,5\n3,6\n").unwrap();
    fs::write(at.join("word.csv"), "step,a\n1,5\n2,five\n").unwrap();
    let train = |data| ["train", "forecast", "--data", data];
    refuses(at, &train("cold.csv"), 1, "cold.csv:3: `-5` is not positive");
    refuses(at, &train("short.csv"), 1, "3 steps are too few: there must be 60");
    refuses(at, &train("word.csv"), 1, "word.csv:3: `five` is not a number");
    refuses(at, &[&train("two.csv")[..], &["--columns", "a,c"]].concat(), 1, "two.csv: no column `c`");
}

/// A sound for each digit: its own frequency, half a second at 8 kHz.
fn tone(path: &Path, digit: u32, seconds: f64) {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut wav = hound::WavWriter::create(path, spec).unwrap();
    for i in 0..(8000.0 * seconds) as u32 {
        let phase = f64::from(i) * f64::from(300 + 200 * digit) * std::f64::consts::TAU / 8000.0;
        wav.write_sample((8000.0 * phase.sin()) as i16).unwrap();
    }
    wav.finalize().unwrap();
}

#[test]
fn speech_is_recognized() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("sounds")).unwrap();
    for (digit, take) in (0..3).flat_map(|digit| (4..8).map(move |take| (digit, take))) {
        tone(&at.join(format!("sounds/{digit}_ann_{take}.wav")), digit, 0.2);
    }
    let sizes = ["--strings", "16", "--hidden-size", "6", "--layers", "1", "--batch-rows", "8"];
    let line = train(at, "speech", &[&sizes[..], &["--data", "sounds"]].concat());
    assert!(line["test"]["error"].is_f64() && line["per_second"]["frames"].is_f64(), "{line}");
    let said = predict(at, "speech", "sounds/0_ann_4.wav\nsounds/2_ann_4.wav\n");
    assert!(said.len() == 2 && said.concat().chars().all(|c| "012".contains(c)), "{said:?}");

    // Sounds with transcripts are taken as they are.
    fs::create_dir(at.join("said")).unwrap();
    let mut list = "file\ttranscript\n".to_owned();
    for number in 0..10 {
        tone(&at.join(format!("said/{number}.wav")), number, 0.3);
        list += &format!("{number}.wav\t{}\n", ["yes", "no", "oh  no"][number as usize % 3]);
    }
    fs::write(at.join("said/transcripts.tsv"), list).unwrap();
    let words = ["train", "speech", "--data", "said", "--epochs", "1", "--hidden-size", "4", "--out", "words"];
    succeeds(at, &words, b"");
    let saved = fs::read_to_string(at.join("words/config.json")).unwrap();
    assert!(saved.contains("\"characters\": \" ehnosy\"") && saved.contains("\"joined\": false"), "{saved}");

    let train = |data| ["train", "speech", "--data", data];
    fs::create_dir(at.join("silent")).unwrap();
    refuses(at, &train("silent"), 1, "silent: no wav files");
    fs::write(at.join("silent/0_ann_1.wav"), "no sound").unwrap();
    refuses(at, &train("silent"), 1, "0_ann_1.wav: not a wav file");
    tone(&at.join("silent/0_ann_1.wav"), 0, 0.2);
    refuses(at, &train("silent"), 1, "no sound is left to train on");
    tone(&at.join("silent/hello.wav"), 0, 0.2);
    refuses(at, &train("silent"), 1, "hello.wav: no transcript says what is spoken there");
    refuses(at, &[&train("sounds")[..], &["--leave-out", "bob"]].concat(), 1, "there is no speaker bob");
}

#[test]
fn long_memory_is_trained_on_what_is_made_on_the_fly() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let sizes = ["--sequences", "16", "--hidden-size", "4", "--length", "30", "--batch-rows", "8", "--compare", "rnn"];
    let line = train(at, "adding", &sizes);
    assert!(line["test"]["mse"].is_f64() && line["baselines"]["rnn"].is_f64(), "{line}");
    assert!(line["baselines"]["always_1"].as_f64().unwrap() > 0.05, "{line}");
    assert!(predict(at, "adding", "0.5* 0.1 0.25*\n")[0].parse::<f64>().is_ok());

    let line = train(at, "copy", &[&sizes[..], &["--cell", "lstm", "--layers", "2"]].concat());
    assert!(line["test"]["accuracy"].is_f64() && line["test"]["mse"].is_f64(), "{line}");
    assert_eq!((line["baselines"]["chance"].as_f64(), line["baselines"]["rnn"].is_f64()), (Some(0.125), true));
    assert_eq!(predict(at, "copy", "3141527006\n")[0].len(), 10);
    refuses(at, &["train", "adding", "--data", "x.csv"], 2, "--data");
    refuses(at, &["train", "copy", "--length", "20"], 2, "--length");
    // No other model is trained unless that is asked for.
    let arguments = [&["train", "adding", "--out", "alone", "--epochs", "1"], &sizes[..8]].concat();
    assert!(!succeeds(at, &arguments, b"").contains("rnn") && !at.join("alone/baselines").exists());
    refuses(at, &["train", "adding", "--compare", "lstm"], 2, "--compare lstm");
    refuses(at, &["train", "adding", "--cell", "rnn", "--compare", "rnn"], 2, "the model itself");
}

#[test]
fn tasks_that_tell_cells_apart_report_longer_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let sizes = ["--sequences", "16", "--hidden-size", "4", "--length", "16", "--batch-rows", "8"];
    let line = train(at, "recall", &[&sizes[..], &["--cell", "gated-delta-net"]].concat());
    for name in ["accuracy", "length_x2", "length_x4", "length_x8"] {
        assert!((0.0..=1.0).contains(&line["test"][name].as_f64().unwrap()), "{name}: {line}");
    }
    assert_eq!(line["baselines"]["chance"].as_f64(), Some(0.125));
    let page = fs::read_to_string(at.join("recall/report.html")).unwrap();
    assert!(page.contains("length_x8") && page.contains("Longer than in training"));
    // What the recurrence does to its state is seen, also where the cell runs as a scan, and what is left out is said.
    assert!(page.contains("Spectral radius of the state Jacobian through time"), "{page}");
    assert!(page.contains("Lyapunov exponents, the same example") && page.contains("largest exponents were computed"));
    assert_eq!(predict(at, "recall", "12:3 17:0 12:8\n").len(), 1);
    let wide = ["--sequences", "16", "--hidden-size", "520", "--length", "16", "--cell", "rnn"];
    train(at, "parity", &wide);
    let page = fs::read_to_string(at.join("parity/report.html")).unwrap();
    assert!(page.contains("Left out: recurrent/l0/unroll, whose state has 520 elements, more than 512."), "{page}");
    refuses(at, &["train", "parity", "--length", "15"], 2, "`15` is not from 16 to 4096");
}
