//! The rows of one part of the data, of which a process holds some.
//!
//! Row `i` is made (read, tokenized) by process `i % ranks` alone. Of a part that is scored every process is then
//! given all rows. Of the train part each keeps its own, and before an epoch is given those of others that it trains
//! on, which it drops before the next. One process makes all rows and gives away none.

use crate::{
    error::{Error, Result},
    processes::{in_order, packed, unpacked, unreadable},
};
use rayon::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;
use unspool::nn::exchange::Exchange;

/// Rows that are made at a time, or that one process gives another: no more are in memory twice.
const AT_A_TIME: usize = 4096;

/// The rows of a part.
pub(crate) struct Rows<T> {
    /// Rows `first`, `first + step`, and so on.
    own: Vec<T>,
    first: usize,
    step: usize,
    /// What other processes have given for this epoch.
    given: BTreeMap<usize, T>,
    /// Of all rows.
    lengths: Vec<(usize, usize)>,
}

impl<T: Serialize + DeserializeOwned + Send + Sync> Rows<T> {
    /// Goes through all rows, and makes those that are this process's, on all threads.
    ///
    /// # Errors
    /// What is wrong with a row, also with one of another process; what goes wrong with making one.
    pub(crate) fn new<R: Send>(
        exchange: &dyn Exchange,
        is_scored: bool,
        rows: impl IntoIterator<Item = Result<R>>,
        make: impl Fn(usize, R) -> Result<T> + Sync,
        lengths_of: impl Fn(&T) -> (usize, usize),
    ) -> Result<Rows<T>> {
        let (mut first, mut step) = (exchange.rank(), exchange.ranks().max(1));
        let (mut own, mut count) = (vec![], 0);
        let mut rows = rows.into_iter().fuse();
        loop {
            let (mut some, mut error) = (vec![], None);
            let before = count;
            for row in rows.by_ref() {
                match row {
                    Ok(row) if count % step == first => some.push((count, row)),
                    Ok(_) => {}
                    Err(found) => error = Some(found),
                }
                count += 1;
                if error.is_some() || some.len() == AT_A_TIME {
                    break;
                }
            }
            let made: Vec<Result<T>> = some.into_par_iter().map(|(number, row)| make(number, row)).collect();
            own.extend(made.into_iter().collect::<Result<Vec<T>>>()?);
            match error {
                Some(error) => return Err(error),
                None if count == before => break,
                None => {}
            }
        }
        if is_scored {
            own = in_order(exchange, count, own)?;
            (first, step) = (0, 1);
        }
        let lengths = own.iter().map(lengths_of).collect();
        let lengths = if step == 1 { lengths } else { in_order(exchange, count, lengths)? };
        Ok(Rows { own, first, step, given: BTreeMap::new(), lengths })
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
            let give = |to| packed(&self.chosen(&between(to, rank).collect::<Vec<_>>())?);
            let messages = (0..step).map(give).collect::<Result<Vec<_>>>()?;
            let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
            exchange.all_to_all(&messages, &mut received)?;
            for (from, message) in received.iter().enumerate() {
                let (numbers, rows) = (between(rank, from), unpacked::<Vec<T>>(message)?);
                if numbers.clone().count() != rows.len() {
                    return Err(unreadable());
                }
                self.given.extend(numbers.zip(rows));
            }
        }
        Ok(())
    }

    /// A row, if it is here.
    fn get(&self, row: usize) -> Option<&T> {
        match row.checked_sub(self.first) {
            Some(behind) if behind % self.step == 0 => self.own.get(behind / self.step),
            _ => self.given.get(&row),
        }
    }

    /// These rows, for a batch.
    ///
    /// # Errors
    /// One is not here.
    pub(crate) fn chosen(&self, rows: &[usize]) -> Result<Vec<&T>> {
        let missing = |row| Error::failure(format!("row {row} is needed, and not in this process"), "");
        rows.iter().map(|row| self.get(*row).ok_or_else(|| missing(row))).collect()
    }

    /// The rows that this process made, in order; of a part that is scored, all.
    pub(crate) fn into_owned(self) -> Vec<T> {
        self.own
    }

    /// The lengths of all rows.
    pub(crate) fn lengths(&self) -> &[(usize, usize)] {
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

    fn rows(exchange: &ThreadExchange, is_scored: bool, made: &[AtomicUsize]) -> Rows<Vec<u32>> {
        let make = |_, number: usize| {
            made[number].fetch_add(1, Ordering::Relaxed);
            Ok(row(number))
        };
        Rows::new(exchange, is_scored, (0..COUNT).map(Ok), make, |row| (0, row.len())).unwrap()
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
                let mut rows = rows(exchange, false, &made);
                assert_eq!(rows.lengths(), (0..COUNT).map(|number| (0, number % 5)).collect::<Vec<_>>());
                let own = rows.own.len();
                for epoch in 0..3 {
                    let needed = needed(ranks, epoch);
                    rows.fetch(&needed, exchange).unwrap();
                    let mine = &needed[exchange.rank()];
                    let found = rows.chosen(mine).unwrap();
                    assert!(mine.iter().zip(found).all(|(number, found)| *found == row(*number)));
                    let foreign = mine.iter().filter(|number| *number % ranks != exchange.rank()).count();
                    let here = (0..COUNT).filter(|number| rows.get(*number).is_some()).count();
                    assert_eq!((here, rows.own.len()), (own + foreign, own));
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
        let all = run_ranks(3, |exchange| rows(exchange, true, &made).into_owned());
        let alone: Vec<Vec<u32>> = (0..COUNT).map(row).collect();
        assert!(all.iter().all(|rows| *rows == alone));
        assert!(made.iter().all(|times| times.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn a_row_that_was_not_asked_for_is_missed_and_processes_that_ask_otherwise_are_told() {
        let made: Vec<AtomicUsize> = (0..COUNT).map(|_| AtomicUsize::new(0)).collect();
        let errors = run_ranks(2, |exchange| {
            let mut rows = rows(exchange, false, &made);
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
        let wrong = run_ranks(2, |exchange| {
            let shift = usize::from(exchange.rank() == 1);
            let make = |_, number: usize| Ok(row((number + shift) % COUNT));
            let mut rows = Rows::new(exchange, false, (0..COUNT).map(Ok), make, |row| (0, row.len())).unwrap();
            rows.fetch(&[vec![11], vec![]], exchange).unwrap();
            rows.get(11).is_some_and(|found| *found != row(11))
        });
        assert_eq!(wrong, [true, true]);
    }
}
