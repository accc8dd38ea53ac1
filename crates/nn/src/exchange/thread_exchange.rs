//! Threads in place of processes, so that a test needs only one process.

use super::Exchange;
use crate::{Error, Result};
use std::{
    panic::resume_unwind,
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
};

type Message = Vec<u8>;
/// To each and from each.
type Ends = (Vec<Sender<Message>>, Vec<Receiver<Message>>);

/// Connects the threads of [`run_ranks`], each of which acts as a process: they pass each other bytes through
/// channels.
///
/// ```
/// use unspool_nn::exchange::{Exchange, ThreadExchange, run_ranks};
/// let before = |process: &ThreadExchange| {
///     process.all_gather(&[process.rank() as u8]).unwrap()[..process.rank()].concat()
/// };
/// assert_eq!(run_ranks(3, before), [vec![], vec![0], vec![0, 1]]);
/// ```
#[derive(Debug)]
pub struct ThreadExchange {
    rank: usize,
    /// Locked since a channel is one thread's. A process that has gone leaves its ends, and so nobody waits for it.
    ends: Mutex<Ends>,
    ranks: usize,
}

/// Makes the exchanges of `ranks` threads, each connected to all others.
fn processes(ranks: usize) -> Vec<ThreadExchange> {
    let mut to: Vec<Vec<Sender<Message>>> = (0..ranks).map(|_| vec![]).collect();
    let mut from: Vec<Vec<Receiver<Message>>> = (0..ranks).map(|_| vec![]).collect();
    for to in &mut to {
        for from in &mut from {
            let (sender, receiver) = channel();
            to.push(sender);
            from.push(receiver);
        }
    }
    let ends = to.into_iter().zip(from).enumerate();
    ends.map(|(rank, ends)| ThreadExchange { rank, ends: Mutex::new(ends), ranks }).collect()
}

/// Runs `work` on `ranks` threads that act as processes, and returns each one's result, by rank: for tests of a
/// training loop over several processes.
///
/// ```
/// use unspool_graph::{Params, Tensor};
/// use unspool_nn::{Linear, exchange::{Exchange, OneProcess, ThreadExchange, Reduce, Reducer, run_ranks}};
/// let mut params = Params::seeded(0);
/// let layer = Linear::new(params.scope("layer"), 2, 1);
/// let shards = [vec![1.0f32, 2.0], vec![3.0, 4.0], vec![5.0, 6.0]];
/// let gradient = |exchange: &dyn Exchange| -> Option<Tensor> {
///     let mut reducer = Reducer::new(exchange, Reduce::Exact);
///     let summed = reducer.sharded(&params, None, &shards, |graph, shard| {
///         layer.apply(graph.input(shard.clone()).reshape([1, 2])).powi(2).sum_all()
///     });
///     summed.unwrap().1.of(layer.weight)
/// };
/// let alone = gradient(&OneProcess);
/// assert!(run_ranks(2, |process: &ThreadExchange| gradient(process)).iter().all(|found| *found == alone));
/// ```
///
/// # Panics
/// Where the work does in one of them.
pub fn run_ranks<T: Send>(ranks: usize, work: impl Fn(&ThreadExchange) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = processes(ranks).into_iter().map(|one| scope.spawn(move || work(&one))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

impl Exchange for ThreadExchange {
    fn rank(&self) -> usize {
        self.rank
    }
    fn ranks(&self) -> usize {
        self.ranks
    }
    fn host(&self) -> String {
        format!("thread-{}", self.rank)
    }
    fn all_to_all(&self, messages: &[&[u8]], received: &mut [Vec<u8>]) -> Result<()> {
        let gone = |rank: usize| Error::Exchange { why: format!("process {rank} has gone") };
        let (to, from) = &*self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for (rank, (to, message)) in to.iter().zip(messages).enumerate() {
            to.send(message.to_vec()).map_err(|_| gone(rank))?;
        }
        for (rank, (from, received)) in from.iter().zip(received).enumerate() {
            *received = from.recv().map_err(|_| gone(rank))?;
        }
        Ok(())
    }
}
