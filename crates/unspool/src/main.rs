//! The program `unspool`: trains ready tasks on data inside or outside it, and uses what was trained.
#![forbid(unsafe_code)]

mod program;
#[allow(dead_code, unused_imports)] // Not all of what a task may give is looked at yet.
mod tasks;

fn main() -> std::process::ExitCode {
    program::main()
}
