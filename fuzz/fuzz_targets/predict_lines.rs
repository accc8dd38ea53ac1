#![no_main]
// The program, whose parts a target cannot name otherwise.
#![allow(dead_code)]

#[path = "../../crates/unspool/tests/fuzz/predict_lines.rs"]
mod body;
#[path = "../../crates/unspool/src/program/mod.rs"]
mod program;
#[path = "../../crates/unspool/src/tasks/mod.rs"]
mod tasks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
