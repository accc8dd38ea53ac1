#![no_main]

#[path = "../../crates/task/tests/fuzz/wav.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
