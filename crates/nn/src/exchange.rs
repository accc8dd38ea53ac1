//! Between processes: how the gradients of a batch that several of them worked on become one sum, with the same bits for any
//! number of them.
//!
//! The shards of a batch are numbered over the whole batch, and process `rank` works on those whose number leaves `rank` when divided
//! by the number of processes. An [`Exchange`] hands bytes around; all else is built on that. [`OneProcess`] is what a training has
//! unless told. With the feature `mpi`, `mpi::run` gives one to each process that `mpirun` has started, on one machine or many.
//!
//! A sum of floating-point numbers depends on the order of adding, and the usual all-reduce of a message library promises none. So
//! each process is sent its [`Share`] of the gradients of every shard, adds the shards in the order of their numbers, and all give
//! each other what they have added.

use crate::{Error, Result, sharded::shard_gradients};
use rayon::prelude::*;
use unspool_graph::{Gradients, Graph, Params, Share, Var};

/// What one shard of a batch, or several together, gave: sums, not means.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// use unspool_nn::exchange::Sums;
/// let mut params = Params::seeded(7);
/// let w = params.scope("m").add("w", [1], init::constant(2.0));
/// let mut total = Sums::none(&params);
/// for shard in [1.0, 3.0] {
///     let graph = Graph::new(&params);
///     let loss = (graph.param(w) * shard).sum_all();
///     total.add(&Sums { loss: loss.item()?, weight: 1.0, gradients: loss.backward()? })?;
/// }
/// assert_eq!((total.loss, total.weight, total.gradients.of(w).unwrap().to_f64()[[0]]), (8.0, 2.0, 4.0));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sums {
    /// Σ loss.
    pub loss: f64,
    /// What the loss is a sum over: tokens, or rows.
    pub weight: f64,
    /// ∂ Σ loss / ∂ parameters.
    pub gradients: Gradients,
}

impl Sums {
    /// Nothing, to add to.
    pub fn none(params: &Params) -> Sums {
        Sums { loss: 0.0, weight: 0.0, gradients: Gradients::none(params) }
    }

    /// Adds another's.
    ///
    /// # Errors
    /// Gradients of another store.
    pub fn add(&mut self, other: &Sums) -> Result<()> {
        self.loss += other.loss;
        self.weight += other.weight;
        Ok(self.gradients.add(&other.gradients)?)
    }
}

/// In which order gradients are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduce {
    /// Shard by shard: any number of processes gives the same bits. Each sends the gradients of all its shards.
    #[default]
    Exact,
    /// Each process adds up its own shards, and then these sums are added. Less is sent where a process has several shards, and the
    /// bits depend on the number of processes.
    Fast,
}

/// The processes that train one model together: a way to hand bytes around. Each of them makes the same calls in the same order.
///
/// ```
/// use unspool_nn::exchange::{Exchange, OneProcess};
/// let one = OneProcess;
/// assert_eq!(one.of_first(vec![7])?, [7]);
/// one.agree(&[("the vocabulary", "1000".into())])?;
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait Exchange: Sync {
    /// Which process this is, from 0.
    fn rank(&self) -> usize;

    /// How many there are.
    fn ranks(&self) -> usize;

    /// The machine it runs on, for messages.
    fn host(&self) -> String;

    /// Sends message `i` to process `i`; returns what each has sent here, by its rank. Messages may be of any length.
    ///
    /// # Errors
    /// [`Error::Exchange`] where a process cannot be reached.
    fn all_to_all(&self, messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>>;

    /// Sends a message to all; returns what each has sent, by its rank.
    ///
    /// # Errors
    /// [`Error::Exchange`] where a process cannot be reached.
    fn all_gather(&self, message: Vec<u8>) -> Result<Vec<Vec<u8>>>;

    /// The message that process 0 has, in every process.
    ///
    /// # Errors
    /// As [`all_gather`](Exchange::all_gather).
    fn of_first(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let message = if self.rank() == 0 { message } else { vec![] };
        self.all_gather(message)?.into_iter().next().ok_or_else(|| unreadable("the first process"))
    }

    /// Makes sure that all processes have the same facts, by name: the data's checksum, an option's value. To be asked before work
    /// begins, since processes that differ would train nobody knows what.
    ///
    /// # Errors
    /// [`Error::Disagree`], the same in every process: the first fact in which some process differs from process 0.
    fn agree(&self, facts: &[(&str, String)]) -> Result<()> {
        let own = serde_json::json!((self.host(), facts)).to_string();
        let all = self.all_gather(own.into_bytes())?;
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

    /// The sum over all `shards` shards of a batch; the same in every process. `own` are this process's: numbers `rank`,
    /// `rank + ranks`, and so on, in this order.
    ///
    /// # Errors
    /// [`Error::Exchange`] where a process cannot be reached, or hands in another number of shards than are its own.
    fn sum(&self, params: &Params, reduce: Reduce, shards: usize, own: Vec<Sums>) -> Result<Sums> {
        let (rank, ranks) = (self.rank(), self.ranks().max(1));
        let expected = shards.saturating_sub(rank).div_ceil(ranks);
        if own.len() != expected {
            let why = format!("process {rank} of {ranks} has {expected} of {shards} shards, not {}", own.len());
            return Err(Error::Exchange { why });
        }
        if shards == 0 {
            return Ok(Sums::none(params));
        }
        if ranks == 1 {
            return added(params, own);
        }
        let (shards, own) = match reduce {
            Reduce::Exact => (shards, own),
            Reduce::Fast if own.is_empty() => (shards.min(ranks), own),
            Reduce::Fast => (shards.min(ranks), vec![added(params, own)?]),
        };
        let (mut own, mut total) = (own.into_iter(), None::<SumShare>);
        // One shard of each process at a time: these have consecutive numbers, and no more than they are in memory twice.
        for round in 0..shards.div_ceil(ranks) {
            let messages = match own.next() {
                Some(sums) => {
                    let number = (round * ranks + rank) as u32;
                    (0..ranks).into_par_iter().map(|part| SumShare::of(&sums, number, part, ranks).to_bytes()).collect()
                }
                None => vec![vec![]; ranks],
            };
            for message in self.all_to_all(messages)?.iter().filter(|message| !message.is_empty()) {
                let share = SumShare::from_bytes(params, rank, ranks, message)?;
                match &mut total {
                    Some(total) => total.add(share)?,
                    None => total = Some(share),
                }
            }
        }
        let message = total.map_or_else(Vec::new, |total| total.to_bytes());
        let all = self.all_gather(message)?;
        let read = |(part, bytes): (usize, &Vec<u8>)| SumShare::from_bytes(params, part, ranks, bytes);
        let all = all.par_iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
        let Some(SumShare { loss, weight, .. }) = all.first() else { return Err(unreadable("a process")) };
        let (loss, weight) = (*loss, *weight);
        let shares: Vec<Share> = all.into_iter().map(|sum| sum.share).collect();
        Ok(Sums { loss, weight, gradients: Share::join(params, &shares)? })
    }
}

/// [`sharded`](crate::sharded()) over several processes: each works on its own of the shards, and all have the sum. For a training
/// loop of your own; the cut into shards must depend on neither processes nor threads, and there should be as many as processes or
/// more.
///
/// # Errors
/// As [`sharded`](crate::sharded()), and where a process cannot be reached.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Linear, exchange::{Exchange, OneProcess, Reduce, sharded_over}};
/// let mut params = Params::seeded(0);
/// let layer = Linear::new(params.scope("layer"), 2, 1);
/// let shards = [vec![1.0f32, 2.0], vec![3.0, 4.0]];
/// let all = |exchange: &dyn Exchange| {
///     sharded_over(exchange, Reduce::Exact, &params, None, &shards, |graph, shard| {
///         layer.apply(graph.input(shard.clone()).reshape([1, 2])).powi(2).sum_all()
///     })
/// };
/// let (sum, gradients) = all(&OneProcess)?;
/// assert!(sum > 0.0 && gradients.norm() > 0.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn sharded_over<S: Sync>(
    exchange: &dyn Exchange,
    reduce: Reduce,
    params: &Params,
    training: Option<(u64, u64)>,
    shards: &[S],
    loss: impl for<'g> Fn(&'g Graph<'g>, &S) -> Var<'g> + Sync,
) -> Result<(f64, Gradients)> {
    let own: Vec<_> = own(exchange, shards.len()).collect();
    let one = |number: usize| -> Result<Sums> {
        let (loss, gradients) = shard_gradients(params, training, number, |graph| loss(graph, &shards[number]))?;
        Ok(Sums { loss, weight: 0.0, gradients })
    };
    let own = own.into_par_iter().map(one).collect::<Vec<_>>().into_iter().collect::<Result<_>>()?;
    let sums = exchange.sum(params, reduce, shards.len(), own)?;
    Ok((sums.loss, sums.gradients))
}

/// The numbers of the shards, or of anything else that is shared out, that are this process's: `rank`, `rank + ranks`, and so on.
///
/// ```
/// use unspool_nn::exchange::{OneProcess, own};
/// assert_eq!(own(&OneProcess, 3).collect::<Vec<_>>(), [0, 1, 2]);
/// ```
pub fn own(exchange: &dyn Exchange, shards: usize) -> impl Iterator<Item = usize> + use<> {
    (exchange.rank()..shards).step_by(exchange.ranks().max(1))
}

/// One process: all shards are its own.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::exchange::{Exchange, OneProcess, Reduce, Sums};
/// let params = Params::seeded(7);
/// let shard = |loss| Sums { loss, weight: 1.0, ..Sums::none(&params) };
/// let total = OneProcess.sum(&params, Reduce::Exact, 2, vec![shard(1.0), shard(2.0)])?;
/// assert_eq!((OneProcess.ranks(), total.loss, total.weight), (1, 3.0, 2.0));
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
    fn all_to_all(&self, messages: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
        Ok(messages)
    }
    fn all_gather(&self, message: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        Ok(vec![message])
    }
}

fn added(params: &Params, all: Vec<Sums>) -> Result<Sums> {
    let mut all = all.into_iter();
    let Some(mut total) = all.next() else { return Ok(Sums::none(params)) };
    all.try_for_each(|sums| total.add(&sums))?;
    Ok(total)
}

fn unreadable(whose: &str) -> Error {
    Error::Exchange { why: format!("what {whose} has sent cannot be read: all must run the same program") }
}

/// A share of some gradients, with what they are the gradients of.
struct SumShare {
    loss: f64,
    weight: f64,
    share: Share,
}

impl SumShare {
    fn of(sums: &Sums, number: u32, part: usize, parts: usize) -> SumShare {
        SumShare { loss: sums.loss, weight: sums.weight, share: Share::of(&sums.gradients, number, part, parts) }
    }
    fn add(&mut self, other: SumShare) -> Result<()> {
        self.loss += other.loss;
        self.weight += other.weight;
        Ok(self.share.add(other.share)?)
    }
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.share.to_bytes();
        bytes.extend(self.loss.to_le_bytes());
        bytes.extend(self.weight.to_le_bytes());
        bytes
    }
    fn from_bytes(params: &Params, part: usize, parts: usize, bytes: &[u8]) -> Result<SumShare> {
        let (share, sums) = bytes.split_last_chunk::<16>().ok_or_else(|| unreadable("a process"))?;
        let [loss, weight] = [0, 8].map(|at| f64::from_le_bytes(std::array::from_fn(|i| sums[at + i])));
        Ok(SumShare { loss, weight, share: Share::from_bytes(params, part, parts, share)? })
    }
}
