//! Processes that `mpirun` or a batch system has started, on one machine or many (feature `mpi`).
//!
//! ```no_run
//! use unspool_graph::Params;
//! use unspool_nn::{Adam, Error, Linear, exchange::{Reduce, Reducer}, mpi};
//!
//! fn main() -> Result<(), Error> {
//!     mpi::run(|exchange| {
//!         let mut params = Params::seeded(7);
//!         let layer = Linear::new(params.scope("layer"), 2, 1);
//!         // The same in every process: each works on its own part of the shards.
//!         let shards = [vec![1.0f32, 2.0], vec![3.0, 4.0]];
//!         let mut reducer = Reducer::new(exchange, Reduce::Exact);
//!         let (_, gradients) = reducer.sharded(&params, None, &shards, |graph, shard| {
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
//! The program is then started as `mpirun -n 4 --bind-to none program`; started by itself it is one process. It needs
//! an MPI library, and to build it libclang too (Debian:
//! `apt-get install --no-install-recommends openmpi-bin libopenmpi-dev libclang-dev`).

use crate::{Error, Result, exchange::Exchange};
use mpi::{
    Threading,
    collective::SystemOperation,
    datatype::Equivalence,
    request::{Request, scope},
    topology::SimpleCommunicator,
    traits::{Communicator, CommunicatorCollectives, Destination, Source},
};
use std::{
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use unspool_graph::Elements;

/// The most bytes that go in one call: MPI counts in 32 bits.
const MOST: usize = 1 << 30;

/// Messages up to this length all go at once.
const SHORT: usize = 1 << 16;

/// The most numbers that are added up in one call, so that the room for their sums is small.
const NUMBERS: usize = 1 << 22;

/// Connects the processes that `mpirun` started together.
#[derive(Debug)]
pub struct Mpi {
    rank: usize,
    ranks: usize,
    host: String,
    /// Calls are made one at a time.
    turn: Mutex<Room>,
}

/// Where sums are written.
#[derive(Debug, Default)]
struct Room {
    single: Vec<f32>,
    double: Vec<f64>,
}

/// Runs `work` in each of the processes that were started together. If it fails or panics in one of them, the others
/// would wait for that one forever: so a line on standard error names the process and its machine, and all are ended,
/// with exit code 1.
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
        let line = format!("error: process {} of {} on {}: {why}\n", self.rank, self.ranks, self.host);
        // Not `eprintln!`: it panics where it cannot write, and the other processes would wait for ever.
        let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
        SimpleCommunicator::world().abort(1)
    }

    fn turn(&self) -> MutexGuard<'_, Room> {
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

    fn all_to_all(&self, messages: &[&[u8]], received: &mut [Vec<u8>]) -> Result<()> {
        if [messages.len(), received.len()] != [self.ranks; 2] {
            let why =
                format!("{} messages, and room for {}, of {} processes", messages.len(), received.len(), self.ranks);
            return Err(Error::Exchange { why });
        }
        let _turn = self.turn();
        let world = SimpleCommunicator::world();
        let own: Vec<u64> = messages.iter().map(|message| message.len() as u64).collect();
        let mut lengths = vec![0u64; self.ranks];
        world.all_to_all_into(&own[..], &mut lengths[..]);
        received.iter_mut().zip(lengths).for_each(|(message, length)| message.resize(length as usize, 0));
        let are_short = messages.iter().all(|message| message.len() <= SHORT);
        let mut rooms: Vec<_> = received.iter_mut().map(Some).collect();
        scope(|scope| {
            let from = |turn: usize| (self.rank + self.ranks - turn) % self.ranks;
            let mut coming = vec![];
            for turn in 1..self.ranks {
                let room = rooms[from(turn)].take().into_iter().flat_map(|room| room.chunks_mut(MOST));
                let process = world.process_at_rank(from(turn) as i32);
                coming.push(room.map(|piece| process.immediate_receive_into(scope, piece)).collect::<Vec<_>>());
            }
            // Long messages go by turns: in each, one leaves and one comes, and no link has to carry two at a time.
            let (mut going, mut to_come) = (vec![], vec![]);
            for (turn, coming) in (1..).zip(coming) {
                let to = (self.rank + turn) % self.ranks;
                let process = world.process_at_rank(to as i32);
                going.extend(messages[to].chunks(MOST).map(|piece| process.immediate_send(scope, piece)));
                to_come.extend(coming);
                if !are_short || turn + 1 == self.ranks {
                    going.drain(..).for_each(Request::wait_without_status);
                    to_come.drain(..).for_each(Request::wait_without_status);
                }
            }
        });
        received[self.rank].copy_from_slice(messages[self.rank]);
        Ok(())
    }

    fn all_reduce(&self, numbers: Elements<'_>) -> Result<()> {
        let mut room = self.turn();
        match numbers {
            Elements::F32(numbers) => add_up(numbers, &mut room.single),
            Elements::F64(numbers) => add_up(numbers, &mut room.double),
        }
        Ok(())
    }
}

/// Adds up, piece by piece, in the order that the message library likes best.
fn add_up<N: Equivalence + Copy + Default>(numbers: &mut [N], room: &mut Vec<N>) {
    room.resize(NUMBERS.min(numbers.len()).max(room.len()), N::default());
    for piece in numbers.chunks_mut(NUMBERS) {
        let sums = &mut room[..piece.len()];
        SimpleCommunicator::world().all_reduce_into(&piece[..], &mut sums[..], SystemOperation::sum());
        piece.copy_from_slice(sums);
    }
}
