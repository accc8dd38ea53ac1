#![no_main]

#[path = "../../crates/cli/tests/fuzz/command_line.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
