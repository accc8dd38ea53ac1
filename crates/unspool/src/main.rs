//! The program `unspool`: trains ready tasks on data inside or outside it, and uses what was trained.
#![forbid(unsafe_code)]

mod program;
mod tasks;

fn main() -> std::process::ExitCode {
    program::main()
}
