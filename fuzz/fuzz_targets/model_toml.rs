#![no_main]

#[path = "../../crates/cli/tests/fuzz/model_toml.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
