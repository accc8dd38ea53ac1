//! The inputs that fuzzing has gathered, run once each. The bodies in `fuzz/` are those of the fuzz targets.

use std::path::Path;

#[path = "fuzz/formats.rs"]
mod formats;
#[path = "fuzz/scores.rs"]
mod scores;
#[path = "fuzz/tokenizer_file.rs"]
mod tokenizer_file;

fn replay(corpus: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(corpus);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs in {}", folder.display());
    for input in inputs {
        run(&std::fs::read(&input).unwrap());
    }
}

#[test]
fn every_tokenizer_file_of_the_corpus_is_refused_or_works() {
    replay("tokenizer_file", tokenizer_file::run);
}

#[test]
fn every_data_file_of_the_corpus_gives_rows_or_errors() {
    replay("formats", formats::run);
}

#[test]
fn every_text_of_the_corpus_scores_within_bounds() {
    replay("scores", scores::run);
}
