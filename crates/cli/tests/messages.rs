//! What the program says and shows: characters from files, numbers, help, hints.

mod common;

use common::{refuses, run, succeeds};
use std::{fs, path::Path, process::Command};

/// Characters that command a terminal or change how others are shown, and none of which a reader sees.
const HIDDEN: [char; 6] = ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\u{200b}', '\u{2028}'];

fn hides(text: &str) -> Option<char> {
    HIDDEN.into_iter().find(|c| text.contains(*c))
}

/// Texts and labels with characters that nobody sees.
fn hostile(at: &Path) {
    let row = |i: usize| {
        let (word, label) = [("bra\u{1b}[2J", "good\u{202e}\u{7}"), ("dålig\u{9b}", "bad\u{200b}\u{2028}")][i % 2];
        format!("{word} film \u{1b}]0;title\u{7} {i}\t{label}\n")
    };
    fs::write(at.join("rows.tsv"), format!("document\tlabel\n{}", (0..60).map(row).collect::<String>())).unwrap();
}

#[test]
fn characters_that_nobody_sees_are_shown_as_codes_and_answers_keep_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    hostile(at);
    let output = run(at, &["train", "sentiment", "--data", "rows.tsv", "--out", "run", "--epochs", "1"], b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("good\\u{202e}\\u{7}"), "{said}");
    assert_eq!(hides(&said), None, "{said:?}");
    let page = fs::read_to_string(at.join("run/report.html")).unwrap();
    assert!(page.contains("bad\\u{200b}\\u{2028}") && hides(&page).is_none());
    // A program that reads the answers is given them as they are.
    let answer = succeeds(at, &["predict", "--model", "run"], "bra\n".as_bytes());
    assert!(answer.starts_with("good\u{202e}\u{7}\t") || answer.starts_with("bad\u{200b}\u{2028}\t"), "{answer:?}");

    fs::write(at.join("columns.tsv"), "a\u{1b}[31m\tb\u{202e}\r\nx\ty\n").unwrap();
    fs::write(at.join("config.toml"), "\"\\u001b[2J\" = 1\n").unwrap();
    fs::write(at.join("old-mac.tsv"), "document\tlabel\rx\t1\ry\t2\r").unwrap();
    for arguments in [
        &["train", "sentiment", "--data", "columns.tsv"][..],
        &["train", "sentiment", "--config", "config.toml"],
        &["train", "sentiment", "--data", "no\u{1b}such\u{202e}file"],
        &["train", "sentiment", "--data", "old-mac.tsv"],
        &["train", "sent\u{1b}iment"],
    ] {
        let said = String::from_utf8(run(at, arguments, b"").stderr).unwrap();
        assert!(said.starts_with("error: ") && hides(&said).is_none() && !said.contains('\r'), "{said:?}");
        assert!(said.contains("\\u{") || !arguments.concat().contains("such"), "{said}");
    }
}

#[test]
fn small_and_large_numbers_keep_their_digits() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (name, scale) in [("small", 0.0023), ("large", 2.3e80)] {
        let value = |i: usize| scale * (1.0 + 0.1 * (i as f64 * 0.52).sin() + 0.001 * i as f64);
        let rows: String = (0..120).map(|i| format!("{i},{:?}\n", value(i))).collect();
        fs::write(at.join(format!("{name}.csv")), format!("month,rate\n{rows}")).unwrap();
        let data = format!("{name}.csv");
        let output = run(at, &["train", "forecast", "--data", &data, "--out", name, "--epochs", "2"], b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let known: Vec<String> = (0..24).map(|i| format!("{:?}", value(i))).collect();
        let input = known.join(" ") + "\n";
        let answer = succeeds(at, &["predict", "--model", name], input.as_bytes());
        let numbers: Vec<f64> = answer.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert_eq!(numbers.len(), 12);
        assert!(numbers.iter().all(|x| (0.5..2.0).contains(&(x / scale))), "{answer}");
        assert!(answer.len() < 12 * 16 && !said.contains("rmse 0.00,"), "{answer}{said}");
        // JSON has all digits: they are read back to the numbers that the line rounds.
        let line = succeeds(at, &["predict", "--model", name, "--best", "1"], input.as_bytes());
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let exact: Vec<&str> = line["best"][0]["text"].as_str().unwrap().split(' ').collect();
        assert!(exact.iter().any(|word| word.len() > 12), "{exact:?}");
        for (exact, rounded) in exact.iter().zip(numbers) {
            assert!((exact.parse::<f64>().unwrap() / rounded - 1.0).abs() < 1e-5);
        }
        let page = fs::read_to_string(at.join(name).join("report.html")).unwrap();
        assert!(!page.contains("<td>0 0 0") && page.len() < 100_000);
        assert!(page.contains("largest Hessian eigenvalue"));
    }
}

#[test]
fn a_blank_line_has_a_blank_answer_and_a_cut_line_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    hostile(at);
    let arguments = ["train", "sentiment", "--data", "rows.tsv", "--out", "run", "--epochs", "1", "--max-length", "5"];
    succeeds(at, &arguments, b"");
    succeeds(at, &["train", "forecast", "--out", "series", "--epochs", "1"], b"");
    succeeds(at, &["train", "copy", "--out", "copy", "--epochs", "1", "--sequences", "32", "--length", "24"], b"");
    for model in ["run", "series", "copy"] {
        assert_eq!(succeeds(at, &["predict", "--model", model], b"\n \t\n"), "\n\n");
        let line = succeeds(at, &["predict", "--model", model, "--best", "2"], b" \n");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line, serde_json::json!({ "input": " ", "best": [] }));
    }
    let predict = |arguments: &[&str], input: &str| {
        let output = run(at, &[&["predict", "--model", "run"][..], arguments].concat(), input.as_bytes());
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, answers, said) = predict(&[], "bra\nen lång film\n\nen annan lång film\n");
    assert_eq!((answers.lines().count(), said.as_str()), (4, "2 lines cut to the first 5 tokens\n"));
    assert_eq!(predict(&[], "en lång film\n").2, "1 line cut to the first 5 tokens\n");
    // A line that would need much memory is refused, unless it is asked for.
    let long = "x".repeat(70_000) + "\n";
    let (code, _, said) = predict(&[], &long);
    assert!(code == Some(1) && said.contains("65536 bytes") && said.contains("--max-line"), "{said}");
    assert_eq!(predict(&["--max-line", "100000"], &long).0, Some(0));
}

#[test]
fn help_says_what_can_be_done_and_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let help = succeeds(at, &["--help"], b"");
    assert!(help.starts_with("Train recurrent models on sequences"), "{help}");
    assert_eq!(succeeds(at, &["help"], b""), help);
    assert_eq!(succeeds(at, &["help", "score"], b""), succeeds(at, &["score", "--help"], b""));
    // Without a command there is the help, and the exit code of misuse.
    for arguments in [&[][..], &["train"], &["draw"], &["score"]] {
        let output = run(at, arguments, b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        assert!(said.contains("Usage: unspool") && (said.contains("Commands:") || said.contains("Tasks:")), "{said}");
    }
    let squeezed = |help: String| help.split_whitespace().collect::<Vec<_>>().join(" ");
    let help = squeezed(succeeds(at, &["train", "sentiment", "--help"], b""));
    for wanted in [
        "Training epochs [from 1 to 1000000] [default: 4]",
        "Peak learning rate [from 1e-12 to 10] [default: 0.002]",
        "[default: 200, but at most a tenth of all steps] [from 0 to 1000000000]",
        "falls linearly to 0.05 of the peak at the last step",
        "[from 1 to 65536] [default: 16384]",
        "TSV file with a header line",
    ] {
        assert!(help.contains(wanted), "{wanted}: {help}");
    }
    assert!(!squeezed(succeeds(at, &["train", "adding", "--help"], b"")).contains("--data"));
    // What each task says of its data.
    for task in
        ["translation", "sentiment", "spacing", "language-model", "digits", "captioning", "clips", "frames", "forecast"]
    {
        let help = squeezed(succeeds(at, &["train", task, "--help"], b""));
        let data = help.split("--data").nth(1).and_then(|rest| rest.split(" --").next()).unwrap();
        let names_format = ["TSV", "CSV", "plain text"].iter().any(|form| data.contains(form));
        assert!(names_format && data.contains("built-in data set"), "{task}: {data}");
    }
    let help = succeeds(at, &["draw", "sentiment", "--help"], b"");
    assert!(help.contains("--seed") && !help.contains("--epochs") && !help.contains("--learning-rate"), "{help}");
    // What the help offers is taken: it is not refused once the data was read.
    let arguments = ["train", "sentiment", "--data", "none.tsv", "--bigram-buckets"];
    refuses(at, &[&arguments[..], &["65537"]].concat(), 2, "`65537` is not from 1 to 65536");
    refuses(at, &[&arguments[..], &["65536"]].concat(), 1, "none.tsv");
}

#[test]
fn a_wrong_configuration_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (text, code, saying) in [
        ("epochs = 1\nhidden-size = = 3\n", 2, "c.toml:2:15: not a configuration: "),
        ("epochs = 1\n\n  hiden = 3\n", 2, "c.toml:3:3: `hiden` is not an option of sentiment"),
        ("epochs = 1\nhidden-size = 0\n", 2, "c.toml:2:1: hidden-size: `0` is not from 1 to 16384"),
        ("epochs = 1\ntask = \"copy\"\n", 2, "c.toml:2:1: it is for copy"),
    ] {
        fs::write(at.join("c.toml"), text).unwrap();
        refuses(at, &["train", "sentiment", "--config", "c.toml"], code, saying);
        let hint = String::from_utf8(run(at, &["train", "sentiment", "--config", "c.toml"], b"").stderr).unwrap();
        assert!(!hint.contains("as the training wrote it"), "{hint}");
    }
    // The same in the folder of a run is damage, and not what the command line says.
    let reviews: String = (0..40).map(|i| format!("film {i}\t{}\n", i % 2)).collect();
    fs::write(at.join("reviews.tsv"), format!("document\tlabel\n{reviews}")).unwrap();
    let train = ["train", "sentiment", "--data", "reviews.tsv", "--epochs", "1", "--hidden-size", "4"];
    succeeds(at, &[&train[..], &["--bigram-buckets", "16", "--ngram-buckets", "16", "--out", "run"]].concat(), b"");
    for text in ["epochs = = 1\n", "hiden = 3\n", "hidden-size = 0\n"] {
        fs::write(at.join("run/config.toml"), text).unwrap();
        refuses(at, &["train", "sentiment", "--out", "run", "--resume"], 1, "run/config.toml:1:");
    }
}

#[test]
fn a_file_is_overwritten_only_when_the_command_line_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for name in ["tokenizer.json", "copy.svg"] {
        fs::write(at.join(name), "mine").unwrap();
    }
    fs::write(at.join("text"), "a b c a b c\n").unwrap();
    refuses(at, &["tokenize", "train", "text"], 2, "tokenizer.json: exists already");
    refuses(at, &["draw", "copy"], 2, "copy.svg: exists already");
    succeeds(at, &["tokenize", "train", "text", "--overwrite"], b"");
    succeeds(at, &["draw", "copy", "--length", "24", "--overwrite"], b"");
}

#[test]
fn a_number_of_a_process_in_the_environment_alone_hides_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for (name, value) in [("PMI_RANK", "3"), ("OMPI_COMM_WORLD_RANK", "1")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unspool"));
        command.args(["predict", "--model", "none"]).current_dir(folder.path());
        for sizes in [false, true] {
            let size = if name == "PMI_RANK" { "PMI_SIZE" } else { "OMPI_COMM_WORLD_SIZE" };
            let output = command.env(name, value).envs(sizes.then_some((size, "4"))).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.code() == Some(1) && said.contains("none: no such folder"), "{name}: {said:?}");
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_name_that_is_not_utf8_is_named() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let folder = tempfile::tempdir().unwrap();
    let name = OsStr::from_bytes(b"caf\xe9.tsv");
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unspool"));
        command.current_dir(folder.path());
        command
    };
    let output = program().args(["train", "sentiment", "--data"]).arg(name).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("caf\u{fffd}.tsv` is not UTF-8"), "{said}");
    // Names that no run has to keep may be any.
    let out = OsStr::from_bytes(b"caf\xe9");
    let train = ["train", "copy", "--epochs", "1", "--sequences", "32", "--length", "24", "--out"];
    assert!(program().args(train).arg(out).output().unwrap().status.success());
    assert!(program().args(["predict", "--model"]).arg(out).output().unwrap().status.success());
}
