//! Any bytes as a wav file: refused, or a sound whose samples are numbers.

#[path = "../../src/data/wav.rs"]
mod wav;

/// Reads the bytes.
pub(crate) fn run(data: &[u8]) {
    match wav::read(data) {
        Ok(sound) => {
            assert!(sound.rate > 0);
            assert!(sound.samples.len() <= data.len(), "no more samples than bytes");
            assert!(sound.samples.iter().all(|sample| sample.is_finite()));
        }
        Err(fault) => assert!(!fault.to_string().is_empty() && !fault.hint().is_empty()),
    }
}
