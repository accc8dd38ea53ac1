//! Tasks: what is trained on what, and the program that trains them.
//!
//! A [`Task`] says what its options, examples, model, loss and scores are. Everything else is here, for every task: the
//! command line, the training loop, checkpoints and resuming, the run folder, the report, predictions, processes.
//! [`main`](main()) is a whole program of the tasks that it is given.
#![forbid(unsafe_code)]
// A stream that cannot be written must not end the program: see `say` and `lines`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod any_task;
mod begun;
mod checksum;
mod config;
mod data;
mod entry;
mod error;
mod evaluate;
#[cfg(feature = "faults")]
mod faults;
mod figure;
mod generate;
mod identity;
mod json;
pub mod limits;
mod lines;
mod lock;
mod look;
mod misuse;
pub mod number;
mod opt;
mod options;
mod overwrite;
mod parts;
mod predict;
mod processes;
mod progress;
mod report;
mod restore;
mod rows;
mod run;
mod say;
mod score;
mod shell;
mod shown;
mod signals;
mod synthetic;
mod task;
#[doc(hidden)]
pub mod testing;
mod testing_hooks;
mod threads;
mod tokenize;
mod train;
mod unknown_labels;
mod watch;

pub use data::{Columns, Data, DataSet, Recording, Stream, Table};
pub use entry::{Entry, task};
pub use error::{Error, Result};
pub use opt::{Arch, Kind, Opt, by_name};
pub use parts::{Parts, Purpose};
pub use processes::{all_gather, broadcast};
pub use rows::{Example, Rows};
pub use synthetic::{Rng, Synthetic, by_number};
pub use task::{
    Ask, Attention, ClassCounts, Curves, Figure, Generate, Metric, Prediction, Prepared, Recipe, Score, Search,
    TABLE_HELP, Task, check_sizes, check_tokenizer, encode, first_field, gradients, labels_loss, one_token_each,
    trained,
};
pub use unknown_labels::{UnknownLabels, count_of_known, cross_entropy_of_known, some, with_unknown};

use any_task::AnyTask;
use options::{Asked, Command};
use std::{env, process::ExitCode};

/// Runs the program of these tasks: reads the command line, does what it asks for, and returns the exit code.
pub fn main(tasks: &[Entry]) -> ExitCode {
    #[cfg(feature = "faults")]
    let _watching = faults::from_environment();
    let tasks: Vec<&'static dyn AnyTask> = tasks.iter().map(|entry| entry.0).collect();
    match run(&tasks) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if processes::speaks() {
                error.say();
            }
            ExitCode::from(error.code())
        }
    }
}

fn run(tasks: &[&'static dyn AnyTask]) -> Result<()> {
    match options::read(tasks, env::args_os()) {
        Err(error) => misuse::refused(tasks, &error, env::args_os()),
        Ok(Asked::Train(task, matches)) => {
            processes::run_ranks(|exchange| named(tasks, &task)?.train(&matches, exchange))
        }
        Ok(Asked::Draw(task, matches)) => named(tasks, &task)?.draw(&matches),
        Ok(Asked::Other(Command::Score { score })) => score.run(),
        Ok(Asked::Other(Command::Tokenize { action })) => action.run(),
        Ok(Asked::Other(Command::Predict(options))) => {
            threads::set(options.threads.count)?;
            let folder = run::RunFolder::open(&options.model)?;
            restore::task_of(&folder, tasks)?.predict(&folder, &options)
        }
        Ok(Asked::Other(Command::Evaluate(options))) => {
            threads::set(options.threads.count)?;
            let folder = run::RunFolder::open(&options.model)?;
            restore::task_of(&folder, tasks)?.evaluate(&folder, &options)
        }
        Ok(Asked::Other(Command::Generate(options))) => {
            let folder = run::RunFolder::open(&options.model)?;
            restore::task_of(&folder, tasks)?.generate(&folder, &options)
        }
    }
}

fn named(tasks: &[&'static dyn AnyTask], name: &str) -> Result<&'static dyn AnyTask> {
    let found = tasks.iter().copied().find(|task| task.name() == name);
    found.ok_or_else(|| Error::misuse(format!("there is no task {name}"), "see `--help`"))
}
