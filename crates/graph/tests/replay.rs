//! Programs that fuzzing has gathered, run once each, and random ones. The body is that of the fuzz target.

use proptest::prelude::*;

#[path = "fuzz/program.rs"]
mod program;

#[test]
fn every_program_of_the_corpus_gives_gradients_or_an_error() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/program");
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs in {}", folder.display());
    for input in inputs {
        program::run(&std::fs::read(&input).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_program_gives_gradients_or_an_error(data in proptest::collection::vec(any::<u8>(), 0..372)) {
        program::run(&data);
    }
}
