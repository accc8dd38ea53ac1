//! Processes played by threads of one: each hands the others bytes, through channels.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use unspool_nn::{Error, exchange::Exchange};

type Message = Vec<u8>;
/// To each and from each.
type Ends = (Vec<Sender<Message>>, Vec<Receiver<Message>>);

pub(crate) struct Played {
    rank: usize,
    /// Locked since a channel is one thread's. A process that has gone leaves its ends, and so nobody waits for it.
    ends: Mutex<Ends>,
    ranks: usize,
}

/// So many of them.
fn processes(ranks: usize) -> Vec<Played> {
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
    ends.map(|(rank, ends)| Played { rank, ends: Mutex::new(ends), ranks }).collect()
}

/// What each process makes of it, by rank.
pub(crate) fn together<T: Send>(ranks: usize, work: impl Fn(&Played) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = processes(ranks).into_iter().map(|one| scope.spawn(move || work(&one))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

impl Exchange for Played {
    fn rank(&self) -> usize {
        self.rank
    }
    fn ranks(&self) -> usize {
        self.ranks
    }
    fn host(&self) -> String {
        format!("thread-{}", self.rank)
    }
    fn all_to_all(&self, messages: &[&[u8]], received: &mut [Vec<u8>]) -> Result<(), Error> {
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
