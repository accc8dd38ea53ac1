//! The rows of one part of the data, of which a process holds some.
//!
//! Row `i` is made (read, tokenized) by process `i % ranks` alone. Of a part that is scored every process is then
//! given all rows. Of the train part each keeps its own, packed, and before an epoch is given those of others that it
//! trains on, which it drops before the next. One process makes all rows and gives away none.

use crate::{
    error::{Error, Result},
    packed::Packed,
    processes::{in_order, packed, unpacked, unreadable},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::{ByteBuf, Bytes};
use std::collections::BTreeMap;
use unspool::nn::{exchange::Exchange, parallel_map};

/// Rows that are made at a time, or that one process gives another: no more are in memory twice.
const AT_A_TIME: usize = 4096;

/// The lengths of an example's input and output: see [`Task::lengths`](crate::Task::lengths).
type Lengths = (usize, usize);

/// What a process makes of the rows that are its own.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct Made<T> {
    own: Packed<T>,
    /// Of each of them.
    lengths: Vec<Lengths>,
    /// How many sequences were cut, and to which length.
    pub(crate) cut: (usize, usize),
    /// Of all rows, those of other processes too.
    count: usize,
}

/// A row as an example.
pub(crate) struct MadeRow<T> {
    pub(crate) example: T,
    pub(crate) lengths: Lengths,
    /// How many of its sequences were cut, and to which length.
    pub(crate) cut: (usize, usize),
}

impl<T: Serialize + DeserializeOwned + Send + Sync> Made<T> {
    /// Goes through all rows, and makes those that are this process's, on all threads.
    ///
    /// # Errors
    /// What is wrong with a row, also with one of another process; what goes wrong with making one.
    pub(crate) fn new<R: Send>(
        exchange: &dyn Exchange,
        rows: impl IntoIterator<Item = Result<R>>,
        make: impl Fn(usize, R) -> Result<MadeRow<T>> + Sync,
    ) -> Result<Made<T>> {
        let (first, step) = (exchange.rank(), exchange.ranks().max(1));
        let mut all = Made { own: Packed::default(), lengths: vec![], cut: (0, 0), count: 0 };
        let mut rows = rows.into_iter().fuse();
        loop {
            let (mut some, mut error) = (vec![], None);
            let before = all.count;
            for row in rows.by_ref() {
                match row {
                    Ok(row) if all.count % step == first => some.push((all.count, row)),
                    Ok(_) => {}
                    Err(found) => error = Some(found),
                }
                all.count += 1;
                if error.is_some() || some.len() == AT_A_TIME {
                    break;
                }
            }
            let pack = |(number, row)| -> Result<MadeRow<Vec<u8>>> {
                let MadeRow { example, lengths, cut } = make(number, row)?;
                Ok(MadeRow { example: Packed::pack(&example)?, lengths, cut })
            };
            for row in parallel_map(some, pack) {
                let MadeRow { example, lengths, cut: (count, length) } = row?;
                all.own.push(&example);
                all.lengths.push(lengths);
                all.cut = (all.cut.0 + count, all.cut.1.max(length));
            }
            match error {
                Some(error) => return Err(error),
                None if all.count == before => break,
                None => {}
            }
        }
        all.own.shrink();
        all.lengths.shrink_to_fit();
        Ok(all)
    }

    /// All examples with their lengths, those of all processes, in every process.
    ///
    /// # Errors
    /// A process cannot be reached, or has other rows than it should.
    pub(crate) fn into_scored(self, exchange: &dyn Exchange) -> Result<(Vec<T>, Vec<Lengths>)> {
        let own: Vec<ByteBuf> = self.own.iter().map(ByteBuf::from).collect();
        let examples = in_order(exchange, self.count, own)?;
        let examples = examples.into_iter().map(|bytes| Packed::unpack(&bytes)).collect::<Result<Vec<T>>>()?;
        Ok((examples, in_order(exchange, self.count, self.lengths)?))
    }
}

/// The rows of the train part.
pub(crate) struct Rows<T> {
    /// Rows `first`, `first + step`, and so on.
    own: Packed<T>,
    first: usize,
    step: usize,
    /// What other processes have given for this epoch, packed.
    given: BTreeMap<usize, ByteBuf>,
    /// Of all rows.
    lengths: Vec<Lengths>,
}

impl<T: Serialize + DeserializeOwned + Send + Sync> Rows<T> {
    /// Takes what this process has made, and learns the lengths of the others' rows.
    ///
    /// # Errors
    /// A process cannot be reached, or has other rows than it should.
    pub(crate) fn new(made: Made<T>, exchange: &dyn Exchange) -> Result<Rows<T>> {
        let (first, step) = (exchange.rank(), exchange.ranks().max(1));
        let lengths = in_order(exchange, made.count, made.lengths)?;
        Ok(Rows { own: made.own, first, step, given: BTreeMap::new(), lengths })
    }

    /// Gives other processes those of its rows that they train on in an epoch, `needed[rank]`, and is given what this
    /// one needs. All processes call it, with the same numbers.
    ///
    /// # Errors
    /// A process cannot be reached, or has other rows than it should.
    pub(crate) fn fetch(&mut self, needed: &[Vec<usize>], exchange: &dyn Exchange) -> Result<()> {
        self.given.clear();
        if self.step == 1 {
            return Ok(());
        }
        let mut received = vec![vec![]; self.step];
        let rounds = needed.iter().map(|rows| rows.len().div_ceil(AT_A_TIME)).max().unwrap_or(0);
        for round in 0..rounds {
            // Of what one needs in this round, that which another has.
            let (rank, step) = (self.first, self.step);
            let between = |to: usize, from: usize| {
                let rows = needed.get(to).and_then(|rows| rows.chunks(AT_A_TIME).nth(round)).unwrap_or_default();
                rows.iter().copied().filter(move |row| to != from && row % step == from)
            };
            let give = |to| {
                let rows = between(to, rank).map(|row| Ok(Bytes::new(self.bytes(row)?)));
                packed(&rows.collect::<Result<Vec<&Bytes>>>()?)
            };
            let messages = (0..step).map(give).collect::<Result<Vec<_>>>()?;
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            exchange.all_to_all(&messages, &mut received)?;
            for (from, message) in received.iter().enumerate() {
                let (numbers, rows) = (between(rank, from), unpacked::<Vec<ByteBuf>>(message)?);
                if numbers.clone().count() != rows.len() {
                    return Err(unreadable());
                }
                self.given.extend(numbers.zip(rows));
            }
        }
        Ok(())
    }

    /// A row as it is packed.
    fn bytes(&self, row: usize) -> Result<&[u8]> {
        let found = match row.checked_sub(self.first) {
            Some(behind) if behind % self.step == 0 => self.own.bytes(behind / self.step),
            _ => self.given.get(&row).map(|bytes| bytes.as_slice()),
        };
        found.ok_or_else(|| Error::failure(format!("row {row} is needed, but is not in this process"), ""))
    }

    /// These rows, for a batch.
    ///
    /// # Errors
    /// One is not here.
    pub(crate) fn chosen(&self, rows: &[usize]) -> Result<Vec<T>> {
        rows.iter().map(|row| Packed::unpack(self.bytes(*row)?)).collect()
    }

    /// The lengths of all rows.
    pub(crate) fn lengths(&self) -> &[Lengths] {
        &self.lengths
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use unspool::nn::exchange::{ThreadExchange, run_ranks};

    const COUNT: usize = 10_007;

    fn row(number: usize) -> Vec<u32> {
        vec![number as u32; number % 5]
    }

    /// Makes a row of each number, shifted by so many.
    fn made(exchange: &ThreadExchange, shift: usize, times: &[AtomicUsize]) -> Made<Vec<u32>> {
        let make = |_, number: usize| {
            times[number].fetch_add(1, Ordering::Relaxed);
            let example = row((number + shift) % COUNT);
            Ok(MadeRow { lengths: (0, example.len()), example, cut: (usize::from(number < 3), number) })
        };
        Made::new(exchange, (0..COUNT).map(Ok), make).unwrap()
    }

    fn rows(exchange: &ThreadExchange, times: &[AtomicUsize]) -> Rows<Vec<u32>> {
        Rows::new(made(exchange, 0, times), exchange).unwrap()
    }

    /// Three epochs' needs of so many processes: every row is somebody's, in another order each time.
    fn needed(ranks: usize, epoch: usize) -> Vec<Vec<usize>> {
        let order: Vec<usize> = (0..COUNT).map(|row| (row * 5_003 + epoch * 77) % COUNT).collect();
        let shards: Vec<&[usize]> = order.chunks(7).collect();
        (0..ranks)
            .map(|rank| shards[rank..].iter().step_by(ranks).flat_map(|rows| rows.iter().copied()).collect())
            .collect()
    }

    #[test]
    fn each_row_is_made_once_and_all_get_those_they_need_and_hold_no_others() {
        for ranks in 1..=4 {
            let made: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
            let held = run_ranks(ranks, |exchange| {
                let mut rows = rows(exchange, &made);
                assert_eq!(rows.lengths(), (0..COUNT).map(|number| (0, number % 5)).collect::<Vec<_>>());
                let own = rows.own.iter().count();
                for epoch in 0..3 {
                    let needed = needed(ranks, epoch);
                    rows.fetch(&needed, exchange).unwrap();
                    let mine = &needed[exchange.rank()];
                    let found = rows.chosen(mine).unwrap();
                    assert!(mine.iter().zip(found).all(|(number, found)| found == row(*number)));
                    let foreign = mine.iter().filter(|number| *number % ranks != exchange.rank()).count();
                    let here = (0..COUNT).filter(|number| rows.bytes(*number).is_ok()).count();
                    assert_eq!((here, rows.own.iter().count()), (own + foreign, own));
                }
                own
            });
            assert_eq!(held.iter().sum::<usize>(), COUNT);
            assert!(made.iter().all(|times| times.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn of_a_part_that_is_scored_all_have_all_rows_and_each_was_made_once() {
        let made: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
        let all = run_ranks(3, |exchange| self::made(exchange, 0, &made).into_scored(exchange).unwrap());
        let alone: Vec<Vec<u32>> = (0..COUNT).map(row).collect();
        let lengths: Vec<Lengths> = alone.iter().map(|row| (0, row.len())).collect();
        assert!(all.iter().all(|(rows, found)| *rows == alone && *found == lengths));
        assert!(made.iter().all(|times| times.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_row_that_was_not_asked_for_is_missed_and_processes_that_ask_otherwise_are_told() {
        let made: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
        let errors = run_ranks(2, |exchange| {
            let mut rows = rows(exchange, &made);
            rows.fetch(&[vec![1, 2], vec![2, 3]], exchange).unwrap();
            assert!(rows.chosen(&[1, 2]).is_ok() && rows.chosen(&[4, 5]).is_err());
            // The first process thinks that the second needs nothing.
            let needed = if exchange.rank() == 0 { [vec![1], vec![]] } else { [vec![1], vec![2]] };
            rows.fetch(&needed, exchange).err().map(|error| error.code())
        });
        assert_eq!(errors, [None, Some(1)]);
    }

    /// The negative control: a process that makes another's rows gives wrong ones away.
    #[test]
    fn rows_of_a_wrong_owner_are_found_out() {
        let times: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
        let wrong = run_ranks(2, |exchange| {
            let shift = usize::from(exchange.rank() == 1);
            let mut rows = Rows::new(made(exchange, shift, &times), exchange).unwrap();
            rows.fetch(&[vec![11], vec![]], exchange).unwrap();
            // The second one has given the first one row 12 for row 11.
            rows.chosen(&[11]).is_ok_and(|found| found[0] != row(11))
        });
        assert_eq!(wrong, [true, true]);
    }
}
