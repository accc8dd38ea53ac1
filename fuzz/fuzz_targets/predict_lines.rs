#![no_main]

#[path = "../../crates/cli/tests/fuzz/predict_lines.rs"]
mod body;

// The models are made before the first input, whose time is measured.
libfuzzer_sys::fuzz_target!(init: body::run(b""), |data: &[u8]| body::run(data));
