#![no_main]

#[path = "../../crates/graph/tests/fuzz/genome.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    body::run(data);
});
