//! The command line: `train` and `draw` for each task, and the other commands.

use crate::{
    any_task::AnyTask,
    commands::{EvaluateOptions, GenerateOptions, PredictOptions, QuantizeOptions},
    score::ScoreOptions,
    tokenize::TokenizeOptions,
};
use clap::{ArgMatches, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;

/// Train recurrent models on sequences, on the processors of this machine, and use them.
#[derive(Parser)]
#[command(name = "unspool", version, arg_required_else_help = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands beside `train` and `draw`, which come from the tasks.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Predict with a trained model: read lines from standard input, write one prediction per line.
    ///
    /// A blank line gives a blank line, for every task.
    Predict(PredictOptions),
    /// Evaluate a trained model on a file, and write the scores as a line of JSON.
    Evaluate(EvaluateOptions),
    /// Round a trained model's weights to 8-bit integers: a quarter of the size, and faster to decode with.
    Quantize(QuantizeOptions),
    /// Generate text with a trained language model.
    Generate(GenerateOptions),
    /// Score translations or tags against references; the scores equal those of sacrebleu and seqeval.
    Score {
        #[command(subcommand)]
        score: ScoreOptions,
    },
    /// Train a tokenizer, or convert text to token ids and back.
    Tokenize {
        #[command(subcommand)]
        action: TokenizeOptions,
    },
}

/// The whole command line.
pub(crate) fn command(tasks: &[&'static dyn AnyTask]) -> Clap {
    let train = Clap::new("train")
        .about("Train a model: write a run folder, and the scores as a line of JSON")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(tasks.iter().map(|task| task.train_command()));
    let draw = Clap::new("draw")
        .about("Draw the recorded graph of one training step")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands(tasks.iter().map(|task| task.draw_command()));
    Options::command().subcommands([train, draw])
}

/// What the command line asks for.
pub(crate) enum Asked {
    /// To train the task of this name.
    Train(String, ArgMatches),
    /// To draw the graph of the task of this name.
    Draw(String, ArgMatches),
    /// Anything else.
    Other(Command),
}

/// Reads a command line, whose first word is the name of the program.
pub(crate) fn read(
    tasks: &[&'static dyn AnyTask],
    words: impl IntoIterator<Item = OsString>,
) -> std::result::Result<Asked, clap::Error> {
    let matches = command(tasks).try_get_matches_from(words)?;
    let task = |matches: &ArgMatches| matches.subcommand().map(|(task, options)| (task.to_owned(), options.clone()));
    match matches.subcommand() {
        Some(("train", matches)) if let Some((task, options)) = task(matches) => {
            return Ok(Asked::Train(task, options));
        }
        Some(("draw", matches)) if let Some((task, options)) = task(matches) => return Ok(Asked::Draw(task, options)),
        _ => {}
    }
    Ok(Asked::Other(Options::from_arg_matches(&matches)?.command))
}

/// Whether some task may have an option of this name.
pub(crate) fn of_another_task(tasks: &[&'static dyn AnyTask], name: &str) -> bool {
    tasks.iter().any(|task| task.has_option(name))
}
