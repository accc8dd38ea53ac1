#![no_main]
// All of the program is here, and a part of it is used.
#![allow(dead_code, unused_imports)]

#[path = "../../crates/unspool/tests/fuzz/model_toml.rs"]
mod body;
#[path = "../../crates/unspool/src/program/mod.rs"]
mod program;
#[path = "../../crates/unspool/src/tasks/mod.rs"]
mod tasks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
