//! Processes that `mpirun` or a batch system has started, on one machine or many (feature `mpi`).
//!
//! ```no_run
//! use unspool_graph::Params;
//! use unspool_nn::{Adam, Error, Linear, exchange::{Reduce, sharded_over}, mpi};
//!
//! fn main() -> Result<(), Error> {
//!     mpi::run(|exchange| {
//!         let mut params = Params::seeded(7);
//!         let layer = Linear::new(params.scope("layer"), 2, 1);
//!         let shards = [vec![1.0f32, 2.0], vec![3.0, 4.0]]; // the same in every process: each works on its own of them
//!         let (_, gradients) = sharded_over(exchange, Reduce::Exact, &params, None, &shards, |graph, shard| {
//!             layer.apply(graph.input(shard.clone()).reshape([1, 2])).powi(2).sum_all()
//!         })?;
//!         Adam::new().step(&mut params, &gradients, 0.01)?;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! A [`Trainer`](crate::Trainer) takes `exchange` by [`Trainer::exchange`](crate::Trainer::exchange).
//!
//! The program is then started as `mpirun -n 4 --bind-to none program`; started by itself it is one process. It needs an MPI library, and to build it
//! libclang too (Debian: `apt-get install --no-install-recommends openmpi-bin libopenmpi-dev libclang-dev`).

use crate::{Error, Result, exchange::Exchange};
use mpi::{
    Threading,
    datatype::{Partition, PartitionMut},
    topology::SimpleCommunicator,
    traits::{Communicator, CommunicatorCollectives},
};
use std::{
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The most bytes that go from or to a process in one call: MPI counts in 32 bits.
const MOST: usize = 1 << 30;

/// One of the processes that were started together.
#[derive(Debug)]
pub struct Mpi {
    rank: usize,
    ranks: usize,
    host: String,
    /// Calls are made one at a time.
    turn: Mutex<()>,
}

/// Does the work with the processes that were started together. Where it fails, or panics, in one of several, the others would wait
/// for that one without end: so a line on standard error names the process and its machine, and all are ended, with exit code 1.
///
/// # Errors
/// The work's, if there is one process; and as its error [`Error::Exchange`], where the MPI library cannot be used.
pub fn run<T, E: Display + From<Error>>(work: impl FnOnce(&Mpi) -> Result<T, E>) -> Result<T, E> {
    let unusable = |why: &str| Error::Exchange { why: format!("the MPI library cannot be used: {why}") };
    let (universe, threading) =
        mpi::initialize_with_threading(Threading::Serialized).ok_or_else(|| unusable("it is in use already"))?;
    if threading < Threading::Serialized {
        return Err(unusable("it does not allow for threads").into());
    }
    let world = universe.world();
    let (rank, ranks) = (world.rank() as usize, world.size() as usize);
    let host = mpi::environment::processor_name().unwrap_or_else(|_| "an unnamed machine".into());
    let own = Mpi { rank, ranks, host, turn: Mutex::default() };
    match catch_unwind(AssertUnwindSafe(|| work(&own))) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if ranks == 1 => Err(error),
        Ok(Err(error)) => own.end_all(&error),
        Err(panic) if ranks == 1 => resume_unwind(panic),
        Err(_) => own.end_all(&"it has panicked"),
    }
}

impl Mpi {
    fn end_all(&self, why: &dyn Display) -> ! {
        // What went wrong may have gone wrong in all of them: then the first one says it, and nobody else has time to.
        std::thread::sleep(Duration::from_millis(100) * self.rank.min(20) as u32);
        eprintln!("error: process {} of {} on {}: {why}", self.rank, self.ranks, self.host);
        SimpleCommunicator::world().abort(1)
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exchange for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn ranks(&self) -> usize {
        self.ranks
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    fn all_to_all(&self, mut messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        let _turn = self.turn();
        let world = SimpleCommunicator::world();
        messages.resize_with(self.ranks, Vec::new);
        let own: Vec<u64> = messages.iter().map(|message| message.len() as u64).collect();
        // All lengths between all, so that all know how many calls it will take.
        let mut lengths = vec![0; self.ranks * self.ranks];
        world.all_gather_into(&own[..], &mut lengths[..]);
        let mut received = vec![vec![]; self.ranks];
        for from in pieces(lengths.iter().copied().max().unwrap_or(0), self.ranks) {
            let piece = |length: usize| from.start.min(length)..from.end.min(length);
            let sent: Vec<&[u8]> = messages.iter().map(|message| &message[piece(message.len())]).collect();
            let to_come = lengths.chunks(self.ranks).map(|of| piece(of[self.rank] as usize).len());
            let (counts, places) = layout(sent.iter().map(|piece| piece.len()));
            let (came_counts, came_places) = layout(to_come);
            let sent = [&sent[..], &[SPARE]].concat().concat();
            let mut came = room(&came_counts);
            let partition = Partition::new(&sent[..], counts, places);
            let mut came_partition = PartitionMut::new(&mut came[..], &came_counts[..], &came_places[..]);
            world.all_to_all_varcount_into(&partition, &mut came_partition);
            split(&came, &came_counts, &mut received);
        }
        Ok(received)
    }

    fn all_gather(&self, message: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let _turn = self.turn();
        let world = SimpleCommunicator::world();
        let mut lengths = vec![0u64; self.ranks];
        world.all_gather_into(&(message.len() as u64), &mut lengths[..]);
        let mut received = vec![vec![]; self.ranks];
        for from in pieces(lengths.iter().copied().max().unwrap_or(0), self.ranks) {
            let piece = |length: usize| from.start.min(length)..from.end.min(length);
            let (counts, places) = layout(lengths.iter().map(|&length| piece(length as usize).len()));
            let own = [&message[piece(message.len())], SPARE].concat();
            let mut came = room(&counts);
            let mut partition = PartitionMut::new(&mut came[..], &counts[..], &places[..]);
            world.all_gather_varcount_into(&own[..own.len() - 1], &mut partition);
            split(&came, &counts, &mut received);
        }
        Ok(received)
    }
}

/// Stands behind what is sent and what comes, since neither may be empty: the address of an empty list is 1, and this is how Open MPI
/// is told that a call works in place.
const SPARE: &[u8] = &[0];

/// Room for what comes from each.
fn room(counts: &[i32]) -> Vec<u8> {
    vec![0; counts.iter().map(|&count| count as usize).sum::<usize>() + SPARE.len()]
}

/// The pieces in which messages go of which the longest has this length.
fn pieces(longest: u64, ranks: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let piece = MOST / ranks;
    (0..(longest as usize).div_ceil(piece)).map(move |number| number * piece..(number + 1) * piece)
}

/// Lengths, and where each begins.
fn layout(lengths: impl Iterator<Item = usize>) -> (Vec<i32>, Vec<i32>) {
    let mut end = 0;
    lengths
        .map(|length| {
            let start = end;
            end += length as i32;
            (length as i32, start)
        })
        .unzip()
}

/// What came from each, behind what came before.
fn split(mut came: &[u8], counts: &[i32], received: &mut [Vec<u8>]) {
    for (&count, message) in counts.iter().zip(received) {
        let (own, rest) = came.split_at(count as usize);
        message.extend_from_slice(own);
        came = rest;
    }
}
