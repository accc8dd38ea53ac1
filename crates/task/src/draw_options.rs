//! The options of `draw`: those of a task, and what the drawing shall be.

use crate::{any_task::AnyTask, limits, task_options};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use std::path::PathBuf;

fn path(name: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(value).value_parser(value_parser!(PathBuf)).help(help)
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

/// The command that draws a task.
pub(crate) fn draw_command(task: &dyn AnyTask) -> Command {
    let file = "Output file, whose name ends in .svg, .dot (for Graphviz), or .txt [default: TASK.svg, which is then \
         not overwritten]";
    task_options::drawn(task)
        .arg(path(OUT, "FILE", file))
        .arg(switch(ROLLED, "Draw each recurrence rolled up, as one cell with its loop, beside its unrolling"))
        .arg(switch(OVERWRITE, "Overwrite an existing file"))
        .arg(switch(NODES, "Draw a box per operation instead of a box per cell"))
        .arg(
            Arg::new(STEPS)
                .long(STEPS)
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=i64::from(limits::DRAWN_STEPS)))
                .help(format!(
                    "Approximate number of time steps of the drawn examples [default: 8] [from 1 to {}]",
                    limits::DRAWN_STEPS
                )),
        )
}

const OUT: &str = "out";
const ROLLED: &str = "rolled";
const NODES: &str = "nodes";
const OVERWRITE: &str = "overwrite";
const STEPS: &str = "steps";

/// How a graph shall be drawn.
pub(crate) struct DrawOptions {
    pub(crate) file: PathBuf,
    pub(crate) rolled: bool,
    pub(crate) nodes: bool,
    pub(crate) overwrite: bool,
    pub(crate) steps: usize,
}

impl DrawOptions {
    /// From the command line.
    pub(crate) fn new(task: &str, matches: &ArgMatches) -> DrawOptions {
        DrawOptions {
            file: matches.get_one::<PathBuf>(OUT).cloned().unwrap_or_else(|| format!("{task}.svg").into()),
            rolled: matches.get_flag(ROLLED),
            nodes: matches.get_flag(NODES),
            overwrite: matches.get_flag(OVERWRITE),
            steps: matches.get_one::<u16>(STEPS).copied().unwrap_or(8).into(),
        }
    }
}
