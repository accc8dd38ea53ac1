//! The tasks of the program `unspool`, and the data inside it.
#![forbid(unsafe_code)]
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod baselines;
mod data;
mod films;
mod log_mel;
mod long_text;
mod memory;
mod pictures;
mod problems;
mod recipes;
mod series;
mod signals;
mod spaces;
mod tagged;
mod utterances;
mod writing;

use problems::{Modular, Parity, Permutations, Recall, SelectiveCopy};
use recipes::abilities::Ability;
use unspool_task::{Entry, task};

/// The tasks, in the order of the program's help.
pub static TASKS: [Entry; 19] = [
    task::<recipes::translation::Translation>(),
    task::<recipes::sentiment::Sentiment>(),
    task::<recipes::digits::Digits>(),
    task::<recipes::captioning::Captioning>(),
    task::<recipes::clips::Clips>(),
    task::<recipes::frames::Frames>(),
    task::<recipes::mnist1d::Mnist1d>(),
    task::<recipes::forecast::Forecast>(),
    task::<recipes::speech::Speech>(),
    task::<recipes::adding::Adding>(),
    task::<recipes::copy::Copying>(),
    task::<Ability<Parity>>(),
    task::<Ability<Modular>>(),
    task::<Ability<Permutations>>(),
    task::<Ability<Recall>>(),
    task::<Ability<SelectiveCopy>>(),
    task::<recipes::spacing::Spacing>(),
    task::<recipes::tagging::Tagging>(),
    task::<recipes::language_model::NextToken>(),
];
