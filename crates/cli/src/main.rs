//! The program `unspool`: trains built-in tasks on data inside or outside it, and uses the trained models.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    unspool_task::main(&unspool_cli::TASKS)
}
