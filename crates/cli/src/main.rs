//! The program `unspool`: trains ready tasks on data inside or outside it, and uses what was trained.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    unspool_task::main(&unspool_cli::TASKS)
}
