//! Processes played by threads of this one, which hand each other bytes through channels.

use std::sync::{
    Mutex, PoisonError,
    mpsc::{Receiver, Sender, channel},
};
use unspool::nn::{Error, exchange::Exchange};

type Message = Vec<u8>;
/// To each and from each.
type Ends = (Vec<Sender<Message>>, Vec<Receiver<Message>>);

/// One of them.
pub(crate) struct Played {
    rank: usize,
    ranks: usize,
    /// Locked since a channel is one thread's.
    ends: Mutex<Ends>,
}

/// What each of so many processes makes of it, by rank.
pub(crate) fn together<T: Send>(ranks: usize, work: impl Fn(&Played) -> T + Sync) -> Vec<T> {
    let mut to: Vec<Vec<Sender<Message>>> = (0..ranks).map(|_| vec![]).collect();
    let mut from: Vec<Vec<Receiver<Message>>> = (0..ranks).map(|_| vec![]).collect();
    for to in &mut to {
        for from in &mut from {
            let (sender, receiver) = channel();
            to.push(sender);
            from.push(receiver);
        }
    }
    let ends = to.into_iter().zip(from).map(Mutex::new).enumerate();
    std::thread::scope(|scope| {
        let work = &work;
        let start = |(rank, ends)| scope.spawn(move || work(&Played { rank, ranks, ends }));
        let threads: Vec<_> = ends.map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
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
        "here".into()
    }
    fn all_to_all(&self, messages: &[&[u8]], received: &mut [Message]) -> Result<(), Error> {
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
