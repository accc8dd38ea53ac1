//! The inputs that fuzzing starts from, run once each. The bodies in `fuzz/` are those of the fuzz targets.

use std::{collections::BTreeMap, path::Path};
use unspool::nn::checkpoint;

#[path = "fuzz/checkpoint.rs"]
mod checkpoint_body;
#[path = "fuzz/wav.rs"]
mod wav_body;

fn inputs(corpus: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(corpus);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "no inputs in {}", folder.display());
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn every_wav_file_of_the_corpus_is_a_sound_or_an_error() {
    inputs("wav").iter().for_each(|input| wav_body::run(input));
}

#[test]
fn every_checkpoint_of_the_corpus_is_loaded_whole_or_not_at_all() {
    let taken = inputs("checkpoint").iter().filter(|input| checkpoint_body::run(input)).count();
    assert!(taken > 0, "a corpus that is all refused says little");
}

#[test]
fn a_checkpoint_with_a_changed_weight_or_a_missing_byte_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint::save(&path, &checkpoint_body::model(), &BTreeMap::new()).unwrap();
    let whole = std::fs::read(&path).unwrap();
    assert!(checkpoint_body::run(&whole));
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1 << (at % 8);
        // A header may lose its checksum's name and be that of another program's file; weights are what was saved.
        assert!(!checkpoint_body::run(&changed) || at < header, "byte {at}");
        assert!(!checkpoint_body::run(&whole[..at]), "{at} bytes");
    }
}
