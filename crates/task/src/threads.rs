//! How many threads share the work.

use crate::{
    error::{Error, Result},
    limits,
};
use clap::{ArgMatches, Args, value_parser};

/// The option's name.
pub(crate) const THREADS: &str = "threads";

#[derive(Args)]
pub(crate) struct Threads {
    #[arg(
        id = THREADS,
        long = THREADS,
        value_name = "N",
        value_parser = value_parser!(u16).range(1..=i64::from(limits::THREADS)),
        help = format!(
            "Number of threads; the results do not depend on it [default: one per core] [from 1 to {}]",
            limits::THREADS
        )
    )]
    pub(crate) count: Option<u16>,
}

/// Sets as many threads as a command line of a task says.
pub(crate) fn set_chosen(matches: &ArgMatches) -> Result<()> {
    set(matches.try_get_one::<u16>(THREADS).ok().flatten().copied())
}

/// Sets how many threads share the work; results do not depend on it.
pub(crate) fn set(count: Option<u16>) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(count))
        .build_global()
        .map_err(|cause| Error::failure(format!("cannot start {count} threads: {cause}"), "use fewer --threads"))
}
