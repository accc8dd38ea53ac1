//! The command line: `train` and `draw` for each task, and the other commands.

use crate::{
    any_task::AnyTask,
    commands::{EvaluateOptions, GenerateOptions, PredictOptions, QuantizeOptions, ServeOptions},
    draw_options::draw_command,
    list::ListOptions,
    manual::{CompletionsOptions, ManOptions},
    say::Level,
    score::ScoreOptions,
    task_options::{has, train_command},
    tokenize::TokenizeOptions,
};
use clap::{ArgMatches, Args, Command as Clap, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;

/// Train recurrent models on sequences, on the processors of this machine, and use them.
#[derive(Parser)]
#[command(
    name = "unspool",
    version,
    arg_required_else_help = true,
    after_help = "`unspool COMMAND --help` describes a command, and `unspool COMMAND -h` says the same in brief.",
    after_long_help = "Standard output has results alone; everything else is said on standard error. The exit code \
                       is 0 for success, 2 for a wrong command line or --config file, 1 for any other failure, and 128 \
                       plus its number after a signal. Colors are left out where NO_COLOR is set or CLICOLOR is 0, and \
                       where standard error is no terminal unless CLICOLOR_FORCE is set.\n\nExamples:\n  \
                       unspool list\n  \
                       unspool train sentiment\n  \
                       echo \"bra film\" | unspool predict --model runs/sentiment-1"
)]
pub(crate) struct Options {
    #[command(flatten)]
    verbosity: Verbosity,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// How much is said on standard error.
#[derive(Args)]
struct Verbosity {
    /// Say nothing on standard error but errors and warnings
    #[arg(long, short, global = true, conflicts_with = "verbose", help_heading = "Messages")]
    quiet: bool,
    /// Say more: every epoch, the learning rate and the norm of the gradient about once per second, files written
    #[arg(long, short, global = true, help_heading = "Messages")]
    verbose: bool,
}

impl Verbosity {
    fn level(&self) -> Level {
        match self {
            Verbosity { quiet: true, .. } => Level::Quiet,
            Verbosity { verbose: true, .. } => Level::Verbose,
            _ => Level::Usual,
        }
    }
}

/// The commands beside `train` and `draw`, which come from the tasks.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Predict with a trained model: read lines, write one prediction per line
    ///
    /// A blank line gives a blank line, for every task.
    #[command(after_long_help = "Examples:\n  \
                                 unspool train sentiment\n  \
                                 echo \"bra film\" | unspool predict --model runs/sentiment-1\n  \
                                 unspool predict --model runs/sentiment-1 --best 2 reviews.txt\n  \
                                 unspool predict --model runs/sentiment-1 --format json reviews.txt")]
    Predict(PredictOptions),
    /// Evaluate a trained model on a file, and write the scores
    #[command(after_long_help = "Examples:\n  \
                                 unspool train sentiment\n  \
                                 unspool evaluate --model runs/sentiment-1 --data sentiment.tsv --format text")]
    Evaluate(EvaluateOptions),
    /// Round a trained model's weights to 8-bit integers: a quarter of the size, and faster to decode with
    #[command(after_long_help = "Examples:\n  unspool train sentiment\n  unspool quantize runs/sentiment-1")]
    Quantize(QuantizeOptions),
    /// Generate text with a trained language model
    #[command(after_long_help = "Examples:\n  \
                                 unspool train language-model\n  \
                                 unspool generate --model runs/language-model-1 --prompt ROMEO: --length 200\n  \
                                 unspool generate --model runs/language-model-1 --temperature 0.5 --format json")]
    Generate(GenerateOptions),
    /// Serve trained models over HTTP: a page for trying them, and a JSON API
    ///
    /// The first line of standard output is the address. Waiting requests are answered as one batch. A run folder whose
    /// training is still running shows its learning curve as it grows, and answers as soon as there are weights. On
    /// Ctrl-C or SIGTERM the server answers the running requests and ends; a second signal ends it at once.
    #[command(after_long_help = "Examples:\n  \
                                 unspool train sentiment\n  \
                                 unspool serve --model runs/sentiment-1\n  \
                                 unspool serve --model runs/sentiment-1 --port 0")]
    Serve(ServeOptions),
    /// Score translations or tags against references; the scores equal those of sacrebleu and seqeval
    #[command(after_long_help = "Examples:\n  \
                                 unspool score bleu --reference reference.txt hypothesis.txt\n  \
                                 unspool score chrf --reference reference.txt --format json hypothesis.txt")]
    Score {
        #[command(subcommand)]
        score: ScoreOptions,
    },
    /// Train a tokenizer, or convert text to token ids and back
    #[command(after_long_help = "Examples:\n  \
                                 unspool tokenize train corpus.txt --out tokenizer.json --vocabulary 300\n  \
                                 echo \"to be\" | unspool tokenize encode --tokenizer tokenizer.json\n  \
                                 echo \"87 74\" | unspool tokenize decode --tokenizer tokenizer.json")]
    Tokenize {
        #[command(subcommand)]
        action: TokenizeOptions,
    },
    /// List tasks, recurrent cells, and built-in data sets
    #[command(after_long_help = "Examples:\n  unspool list\n  unspool list cells --format json")]
    List(ListOptions),
    /// Write a script that completes commands and options in a shell
    #[command(after_long_help = "Examples:\n  unspool completions bash")]
    Completions(CompletionsOptions),
    /// Write the manual page of the program or of a command, in roff
    #[command(after_long_help = "Examples:\n  unspool man\n  unspool man train sentiment")]
    Man(ManOptions),
}

/// The whole command line.
pub(crate) fn command(tasks: &[&'static dyn AnyTask]) -> Clap {
    let train = Clap::new("train")
        .about("Train a model: write a run folder, and the scores")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("TASK")
        .subcommand_help_heading("Tasks")
        .after_long_help("Examples:\n  unspool train sentiment\n  unspool train sentiment --help")
        .subcommands(tasks.iter().map(|task| train_command(*task)));
    let draw = Clap::new("draw")
        .about("Draw the recorded graph of one training step")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand_value_name("TASK")
        .subcommand_help_heading("Tasks")
        .after_long_help("Examples:\n  unspool draw sentiment --rolled --steps 4")
        .subcommands(tasks.iter().map(|task| draw_command(*task)));
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

/// Reads a command line, whose first word is the name of the program: how much to say, and what to do.
pub(crate) fn read(
    tasks: &[&'static dyn AnyTask],
    words: impl IntoIterator<Item = OsString>,
) -> std::result::Result<(Level, Asked), clap::Error> {
    let matches = command(tasks).try_get_matches_from(words)?;
    let level = Verbosity::from_arg_matches(&matches)?.level();
    let task = |matches: &ArgMatches| matches.subcommand().map(|(task, options)| (task.to_owned(), options.clone()));
    let asked = match matches.subcommand() {
        Some(("train", matches)) => task(matches).map(|(task, options)| Asked::Train(task, options)),
        Some(("draw", matches)) => task(matches).map(|(task, options)| Asked::Draw(task, options)),
        _ => None,
    };
    Ok((
        level,
        asked.map_or_else(|| Ok(Asked::Other(Options::from_arg_matches(&matches)?.command)), Ok::<_, clap::Error>)?,
    ))
}

/// Whether some task may have an option of this name.
pub(crate) fn of_another_task(tasks: &[&'static dyn AnyTask], name: &str) -> bool {
    tasks.iter().any(|task| has(*task, name))
}
