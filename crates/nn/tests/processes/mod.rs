//! Processes played by threads of one: each hands the others bytes, through channels.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use unspool_nn::{Error, exchange::Exchange};

pub(crate) struct Played {
    rank: usize,
    /// A channel to each and from each. A process that has gone leaves its ends, and so nobody waits for it.
    ends: Mutex<Vec<(Sender<Vec<u8>>, Receiver<Vec<u8>>)>>,
    ranks: usize,
}

/// So many of them.
pub(crate) fn processes(ranks: usize) -> Vec<Played> {
    let mut ends: Vec<Vec<(Option<Sender<_>>, Option<Receiver<_>>)>> =
        (0..ranks).map(|_| (0..ranks).map(|_| (None, None)).collect()).collect();
    for from in 0..ranks {
        for to in 0..ranks {
            let (sender, receiver) = channel();
            ends[from][to].0 = Some(sender);
            ends[to][from].1 = Some(receiver);
        }
    }
    let whole = |ends: Vec<_>| ends.into_iter().filter_map(|(to, from)| Some((to?, from?))).collect();
    ends.into_iter().enumerate().map(|(rank, ends)| Played { rank, ends: Mutex::new(whole(ends)), ranks }).collect()
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
    fn all_to_all(&self, messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Error> {
        let gone = |rank: usize| Error::Exchange { why: format!("process {rank} has gone") };
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for (rank, ((to, _), message)) in ends.iter().zip(messages).enumerate() {
            to.send(message).map_err(|_| gone(rank))?;
        }
        ends.iter().enumerate().map(|(rank, (_, from))| from.recv().map_err(|_| gone(rank))).collect()
    }
    fn all_gather(&self, message: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        self.all_to_all(vec![message; self.ranks])
    }
}
