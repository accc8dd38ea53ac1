#![no_main]

#[path = "../../crates/text/tests/fuzz/tokenizer_file.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
