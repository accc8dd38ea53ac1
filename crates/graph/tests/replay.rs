//! Inputs that fuzzing has gathered, run once each, and random ones. The bodies are those of the fuzz targets.

use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

#[path = "fuzz/genome.rs"]
mod genome;
#[path = "fuzz/program.rs"]
mod program;

/// The inputs of a target's corpus.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(target);
    let mut inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(!inputs.is_empty(), "no inputs in {}", folder.display());
    inputs.iter().map(|input| std::fs::read(input).unwrap()).collect()
}

#[test]
fn every_program_of_the_corpus_gives_gradients_or_an_error() {
    corpus("program").iter().for_each(|input| program::run(input));
}

#[test]
fn every_genome_of_the_corpus_has_the_same_gradients_in_single_precision() {
    let inputs = corpus("genome");
    let judged = inputs.iter().filter(|input| genome::run(input)).count();
    assert!(judged * 10 > inputs.len() * 9, "only {judged} of {} could be judged", inputs.len());
}

static JUDGED: AtomicUsize = AtomicUsize::new(0);
static RUN: AtomicUsize = AtomicUsize::new(0);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_program_gives_gradients_or_an_error(data in proptest::collection::vec(any::<u8>(), 0..372)) {
        program::run(&data);
    }

    fn any_genome_has_the_same_gradients_in_single_precision(data in proptest::collection::vec(any::<u8>(), 0..125)) {
        RUN.fetch_add(1, Relaxed);
        JUDGED.fetch_add(usize::from(genome::run(&data)), Relaxed);
    }
}

#[test]
fn any_genome_has_the_same_gradients_in_single_precision_and_nearly_all_can_be_judged() {
    any_genome_has_the_same_gradients_in_single_precision();
    let (judged, run) = (JUDGED.load(Relaxed), RUN.load(Relaxed));
    assert!(judged * 10 > run * 9, "only {judged} of {run} could be judged");
}
