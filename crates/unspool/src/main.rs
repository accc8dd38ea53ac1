//! The program `unspool`: trains ready tasks on data inside or outside it, and uses what was trained.
#![forbid(unsafe_code)]
// A stream that cannot be written must not end the program: see `program::say` and `program::lines`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod program;
mod tasks;

/// The body of a fuzz target, which the tests replay.
#[cfg(test)]
#[path = "../tests/fuzz/model_toml.rs"]
mod model_toml;

fn main() -> std::process::ExitCode {
    program::main()
}
