//! Between processes: how the gradients of a batch that several of them worked on become one sum, with the same bits
//! for any number of them.
//!
//! The shards of a batch are numbered over the whole batch, and process `rank` works on those whose number leaves
//! `rank` when divided by the number of processes. An [`Exchange`] hands bytes around; all else is built on that.
//! [`OneProcess`] is the default. With the feature `mpi`, `mpi::run` gives one to each process that
//! `mpirun` has started, on one machine or many.
//!
//! A sum of floating-point numbers depends on the order of adding, and the all-reduce of a message library promises
//! none. So a [`Reducer`] sends each process its [`GradShard`] of the gradients of every
//! shard; each adds the shards in the order of their numbers, and all give each other what they have added.

mod grad_shard;
mod reducer;
mod thread_exchange;
mod wire;

pub use grad_shard::GradShard;
pub use reducer::{Reduce, Reducer, Sums};
pub use thread_exchange::{ThreadExchange, run_ranks};

use crate::{Error, Result};
use std::ops::AddAssign;
use unspool_graph::Elements;

/// Passes bytes between the processes that train one model together. All of them make the same calls in the same order.
///
/// ```
/// use unspool_nn::exchange::{Exchange, OneProcess};
/// let one = OneProcess;
/// assert_eq!(one.broadcast(vec![7])?, [7]);
/// one.ensure_equal(&[("the vocabulary", "1000".into())])?;
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait Exchange: Sync {
    /// Returns this process's number, from 0.
    fn rank(&self) -> usize;

    /// Returns the number of processes.
    fn ranks(&self) -> usize;

    /// Returns the name of the machine, for messages.
    fn host(&self) -> String;

    /// Sends message `i` to process `i`; what process `i` has sent here is written to `received[i]`, in place of what
    /// was there. There are as many of both as processes. Messages may be of any length.
    ///
    /// # Errors
    /// [`Error::Exchange`] where a process cannot be reached.
    fn all_to_all(&self, messages: &[&[u8]], received: &mut [Vec<u8>]) -> Result<()>;

    /// Adds numbers up over all processes, element by element, in an order that may depend on how many there are; all
    /// have the same sums. Each must have as many numbers.
    ///
    /// # Errors
    /// As [`all_to_all`](Exchange::all_to_all).
    fn all_reduce(&self, numbers: Elements<'_>) -> Result<()> {
        let gather = |message: Vec<u8>| self.all_gather(&message);
        match numbers {
            Elements::F32(numbers) => add_in_turn(numbers, f32::to_le_bytes, f32::from_le_bytes, gather),
            Elements::F64(numbers) => add_in_turn(numbers, f64::to_le_bytes, f64::from_le_bytes, gather),
        }
    }

    /// Sends a message to all; returns what each has sent, by its rank.
    ///
    /// # Errors
    /// As [`all_to_all`](Exchange::all_to_all).
    fn all_gather(&self, message: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut received = vec![vec![]; self.ranks()];
        self.all_to_all(&vec![message; self.ranks()], &mut received)?;
        Ok(received)
    }

    /// Returns process 0's message, in every process.
    ///
    /// # Errors
    /// As [`all_to_all`](Exchange::all_to_all).
    fn broadcast(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let message = if self.rank() == 0 { message } else { vec![] };
        self.all_gather(&message)?.into_iter().next().ok_or_else(|| unreadable("the first process"))
    }

    /// Makes sure that all processes have the same facts, by name: the data's checksum, an option's value. Call it
    /// before the work begins: processes that differ would train different models.
    ///
    /// # Errors
    /// [`Error::Disagree`], the same in every process: the first fact in which some process differs from process 0.
    fn ensure_equal(&self, facts: &[(&str, String)]) -> Result<()> {
        let own = serde_json::json!((self.host(), facts)).to_string();
        let all = self.all_gather(own.as_bytes())?;
        let read = |bytes: &Vec<u8>| serde_json::from_slice(bytes).map_err(|_| unreadable("a process"));
        let all = all.iter().map(read).collect::<Result<Vec<(String, Vec<(String, String)>)>>>()?;
        let Some(((_, first), others)) = all.split_first() else { return Ok(()) };
        let of = |facts: &[(String, String)], what: &str| {
            facts.iter().find(|(name, _)| name == what).map_or("none".to_owned(), |(_, value)| value.clone())
        };
        for (rank, (host, other)) in others.iter().enumerate() {
            let mut names = first.iter().chain(other).map(|(name, _)| name);
            if let Some(what) = names.find(|name| of(first, name) != of(other, name)) {
                return Err(Error::Disagree {
                    what: what.clone(),
                    rank: rank + 1,
                    host: host.clone(),
                    has: of(other, what),
                    first: of(first, what),
                });
            }
        }
        Ok(())
    }
}

/// Returns the numbers of the shards, or of any other items distributed over processes, that belong to this process:
/// `rank`, `rank + ranks`, and so on.
///
/// ```
/// use unspool_nn::exchange::{OneProcess, owned};
/// assert_eq!(owned(&OneProcess, 3).collect::<Vec<_>>(), [0, 1, 2]);
/// ```
pub fn owned(exchange: &dyn Exchange, shards: usize) -> impl Iterator<Item = usize> + use<> {
    (exchange.rank()..shards).step_by(exchange.ranks().max(1))
}

/// Runs a single process, to which all shards belong.
///
/// ```
/// use unspool_nn::exchange::{Exchange, OneProcess};
/// assert_eq!((OneProcess.rank(), OneProcess.ranks()), (0, 1));
/// assert_eq!(OneProcess.all_gather(b"said to itself")?, [b"said to itself"]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OneProcess;

impl Exchange for OneProcess {
    fn rank(&self) -> usize {
        0
    }
    fn ranks(&self) -> usize {
        1
    }
    fn host(&self) -> String {
        "this machine".into()
    }
    fn all_to_all(&self, messages: &[&[u8]], received: &mut [Vec<u8>]) -> Result<()> {
        received.iter_mut().zip(messages).for_each(|(received, message)| (*message).clone_into(received));
        Ok(())
    }
}

/// Every process's numbers, added in the order of ranks.
fn add_in_turn<N: Copy + Default + AddAssign, const BYTES: usize>(
    numbers: &mut [N],
    to_bytes: fn(N) -> [u8; BYTES],
    from_bytes: fn([u8; BYTES]) -> N,
    gather: impl FnOnce(Vec<u8>) -> Result<Vec<Vec<u8>>>,
) -> Result<()> {
    let all = gather(numbers.iter().copied().flat_map(to_bytes).collect())?;
    numbers.fill(N::default());
    for bytes in &all {
        let (more, rest) = bytes.as_chunks();
        if more.len() != numbers.len() || !rest.is_empty() {
            return Err(unreadable("a process"));
        }
        numbers.iter_mut().zip(more).for_each(|(sum, &more)| *sum += from_bytes(more));
    }
    Ok(())
}

fn unreadable(whose: &str) -> Error {
    Error::Exchange { why: format!("what {whose} has sent cannot be read: all must run the same program") }
}
