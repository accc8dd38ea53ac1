#![no_main]

#[path = "../../crates/cli/tests/fuzz/predict_lines.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
