#![no_main]

#[path = "../../crates/graph/tests/fuzz/program.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
