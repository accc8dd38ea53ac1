//! Tasks: which model is trained on which data, and the program that trains them.
//!
//! A [`Task`] says what its options, examples, model, loss and scores are. The crate does everything else for every
//! task: the command line, the training loop, checkpoints and resuming, the run folder, the report, predictions,
//! processes. [`main`](main()) is a whole program for the tasks that it is given.
#![forbid(unsafe_code)]
// A stream that cannot be written must not end the program: see `say` and `lines`.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod any_task;
mod baseline;
mod batch;
mod begun;
mod cache;
mod card;
mod checksum;
mod chosen;
mod commands;
mod commented;
mod compared;
mod config;
mod curvature;
mod data;
mod decoding;
mod documents;
mod draw;
mod draw_options;
mod entry;
mod error;
mod evaluate;
mod examples;
#[cfg(feature = "faults")]
mod faults;
mod figure;
mod figures;
mod format;
mod generate;
mod gradients;
mod groups;
mod identity;
mod json;
mod kept;
mod labels;
pub mod limits;
mod lines;
mod list;
mod lock;
mod log;
mod look;
mod manual;
mod markdown;
mod misuse;
mod number;
mod objective;
mod options;
mod overwrite;
mod packed;
mod page;
mod parts;
mod predict;
mod processes;
mod progress;
mod quantize;
mod report;
mod restore;
mod rows;
mod run;
mod say;
mod score;
mod serve;
mod served;
mod shell;
mod shown;
mod signals;
mod source;
pub mod spans;
mod stage;
mod task;
mod task_options;
#[doc(hidden)]
pub mod testing;
mod testing_hooks;
mod texts;
mod threads;
mod tokenize;
mod train;
mod training;
mod watch;

pub use baseline::Baseline;
pub use batch::{Batch, Targets};
pub use data::{Data, DataSet, Recording, Stream, Table, TableRows};
pub use decoding::{Candidates, Decoder, DecodingOptions};
pub use draw::{Draw, Rng};
pub use entry::{Entry, task};
pub use error::{Error, Result};
pub use figures::{Attention, ClassCounts, Curves, Figure};
pub use gradients::gradients;
pub use groups::{
    ArchOptions, DirectionOptions, EmbeddingOptions, PairOptions, PairTokenOptions, ReaderOptions, RecurrentOptions,
    SearchOptions, TextOptions, TokenOptions, choice, count, share,
};
pub use labels::{Labels, MostFrequent, with_unknown};
pub use parts::Parts;
pub use signals::check_signals;
pub use source::{Drawn, Kind, Source, by_number};
pub use task::{Baselines, Contributions, Digits, Learned, Metric, SavedModel, Score, Search, Shown, Spec, Task};
pub use texts::{PairTokenizers, check_tokenizer, decode_line, encode, encode_prefix, one_token_each, parts_of};
pub use unspool_serve::{Alternative, Continuation, Input};

use any_task::AnyTask;
use options::{Asked, Command};
use std::{env, ffi::OsString, process::ExitCode};

/// Runs the program of these tasks: reads the command line, does what it asks for, and returns the exit code.
pub fn main(tasks: &[Entry]) -> ExitCode {
    #[cfg(feature = "faults")]
    let _watching = faults::from_environment();
    match run(tasks, env::args_os()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if processes::speaks() {
                error.say();
            }
            ExitCode::from(error.code())
        }
    }
}

/// Does what a command line of the program asks for; its first word is the name of the program.
///
/// # Errors
/// The command line is wrong, or what it asks for does not work: [`Error::code`] is the exit code.
pub fn run(tasks: &[Entry], words: impl IntoIterator<Item = OsString>) -> Result<()> {
    let tasks: Vec<&'static dyn AnyTask> = tasks.iter().map(|entry| entry.0).collect();
    let (tasks, words): (&[&'static dyn AnyTask], Vec<OsString>) = (&tasks, words.into_iter().collect());
    let (level, asked) = match options::read(tasks, words.clone()) {
        Ok(read) => read,
        Err(error) => return misuse::refused(tasks, &error, words.into_iter()),
    };
    say::set_level(level);
    match asked {
        Asked::Train(task, matches) => processes::run_ranks(|exchange| named(tasks, &task)?.train(&matches, exchange)),
        Asked::Draw(task, matches) => named(tasks, &task)?.draw(&matches),
        Asked::Other(command) => other(tasks, command),
    }
}

/// Does what a command asks for that comes from no task.
fn other(tasks: &[&'static dyn AnyTask], command: Command) -> Result<()> {
    match command {
        Command::Score { score } => score.run(),
        Command::Tokenize { action } => action.run(),
        Command::List(options) => options.run(tasks),
        Command::Completions(options) => options.run(options::command(tasks)),
        Command::Man(options) => options.run(options::command(tasks)),
        Command::Predict(options) => {
            let options = options.with_file();
            threads::set(options.threads.count)?;
            let folder = run::RunFolder::open(&options.model[0])?;
            restore::task_of(&folder, tasks)?.predict(&folder, &options)
        }
        Command::Evaluate(options) => {
            threads::set(options.threads.count)?;
            let folder = run::RunFolder::open(&options.model[0])?;
            restore::task_of(&folder, tasks)?.evaluate(&folder, &options)
        }
        Command::Quantize(options) => {
            let folder = run::RunFolder::open(&options.model)?;
            quantize::quantize(restore::task_of(&folder, tasks)?, &folder, &options)
        }
        Command::Serve(options) => {
            threads::set(options.threads.count)?;
            serve::serve(tasks, &options)
        }
        Command::Generate(options) => {
            threads::set(options.threads.count)?;
            let folder = run::RunFolder::open(&options.model[0])?;
            restore::task_of(&folder, tasks)?.generate(&folder, &options)
        }
    }
}

fn named(tasks: &[&'static dyn AnyTask], name: &str) -> Result<&'static dyn AnyTask> {
    let found = tasks.iter().copied().find(|task| task.name() == name);
    found.ok_or_else(|| Error::misuse(format!("there is no task {name}"), "see `--help`"))
}
