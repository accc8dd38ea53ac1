//! The inputs that fuzzing has gathered, run once each, and random ones beside them. The bodies in `tests/fuzz` are
//! those of the fuzz targets.

use proptest::prelude::*;
use std::path::Path;

#[path = "fuzz/command_line.rs"]
mod command_line;
#[path = "fuzz/model_toml.rs"]
mod model_toml;
#[path = "fuzz/predict_lines.rs"]
mod predict_lines;

fn replay(corpus: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(corpus);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs in {}", folder.display());
    for input in inputs {
        run(&std::fs::read(&input).unwrap());
    }
}

/// Words of command lines and lines, in any order, with any bytes between.
fn pieces(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(words).prop_map(|word| word.as_bytes().to_vec());
    let bytes = prop::collection::vec(any::<u8>(), 0..4);
    let text = ".{0,6}".prop_map(String::into_bytes);
    prop::collection::vec(prop_oneof![4 => word, 1 => bytes, 1 => text], 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn every_command_line_of_the_corpus_is_a_command_or_misuse() {
    replay("command_line", command_line::run);
}

#[test]
fn every_model_toml_of_the_corpus_is_refused_or_read() {
    replay("model_toml", model_toml::run);
}

#[test]
fn every_line_of_the_corpus_has_one_answer_or_an_error() {
    replay("predict_lines", predict_lines::run);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_words_are_a_command_or_misuse(words in pieces(&[
        "\0", "\0", "\0", "train", "draw", "sentiment", "copy", "predict", "--model", "--data", "--epochs", "=", "3",
        "-1", "1e9", "--help", "score", "bleu", "--reference", "tokenize", "encode", "generate", "--temperature",
        "nan", "--", "-", "--learning-rate", "--bidirectional", "help", "\u{1b}[2J", "--best", "65536",
    ])) {
        command_line::run(&words);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    #[test]
    fn any_line_has_one_answer_or_an_error(lines in pieces(&[
        "\n", " ", "bra film", "영화", "1 2 3 4", "1e308 ", "-0 ", "0.3* ", "3141527006", "16,", "NaN ", "\u{1b}",
        "\r", "<eos>", "e\u{301}", "👩\u{200d}👧", "\u{feff}", "\u{202e}", "112 118 132 129",
    ])) {
        predict_lines::run(&lines);
    }
}
