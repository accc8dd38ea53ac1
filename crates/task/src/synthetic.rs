//! Examples that are put together when they are needed: anew in each epoch of training, the same ones in evaluation.

use crate::parts::Parts;
use unspool::{graph::RngKey, text::Part};

/// How many are put together of what is for dev or test.
const HELD_OUT: usize = 1000;

/// Examples that are put together of `S`, or of nothing but random numbers. What one part is made of is in no other.
pub struct Synthetic<S> {
    /// What they are made of.
    pub source: Vec<S>,
    /// How many there are.
    pub count: usize,
    part: Part,
}

impl<S> Synthetic<S> {
    /// Three parts of examples, `train` of them in an epoch of training.
    pub fn parts(of: Parts<Vec<S>>, train: usize) -> Parts<Synthetic<S>> {
        let held_out = |source, part| Synthetic { source, count: HELD_OUT.min(train), part };
        Parts {
            train: Synthetic { source: of.train, count: train, part: Part::Train },
            dev: held_out(of.dev, Part::Dev),
            test: held_out(of.test, Part::Test),
        }
    }

    /// Three parts whose examples are what they are made of.
    pub fn as_they_are(of: Parts<Vec<S>>) -> Parts<Synthetic<S>> {
        let Parts { train, dev, test } = of;
        let whole = Synthetic::whole;
        Parts { train: whole(train, Part::Train), dev: whole(dev, Part::Dev), test: whole(test, Part::Test) }
    }

    /// A part whose examples are what it is made of.
    pub fn whole(source: Vec<S>, part: Part) -> Synthetic<S> {
        Synthetic { count: source.len(), source, part }
    }

    /// Examples to score a trained model on.
    pub fn to_score(source: Vec<S>) -> Synthetic<S> {
        Synthetic { source, count: HELD_OUT, part: Part::Test }
    }

    /// The examples of these numbers; `draw` is the epoch's key in training.
    pub fn each<T>(&self, rows: &[usize], draw: Option<RngKey>, make: impl Fn(&[S], &mut Rng) -> T) -> Vec<T> {
        let key = draw.unwrap_or(RngKey::seed(0).fold_in(self.part as u64));
        rows.iter().map(|&row| make(&self.source, &mut Rng::new(key.fold_in(row as u64)))).collect()
    }

    /// One example of evaluation.
    pub fn one<T>(&self, row: usize, make: impl Fn(&[S], &mut Rng) -> T) -> T {
        make(&self.source, &mut Rng::new(RngKey::seed(0).fold_in(self.part as u64).fold_in(row as u64)))
    }

    /// All examples of evaluation.
    pub fn all<T>(&self, make: impl Fn(&[S], &mut Rng) -> T) -> Vec<T> {
        (0..self.count).map(|row| self.one(row, &make)).collect()
    }
}

/// Which part a row of a file is in, by its number from 0: 4 modulo 5 is for the test, 3 modulo 10 for dev, the rest to
/// train on.
pub fn by_number<S>(rows: Vec<S>) -> Parts<Vec<S>> {
    let mut parts = Parts { train: vec![], dev: vec![], test: vec![] };
    for (number, row) in rows.into_iter().enumerate() {
        match number % 10 {
            4 | 9 => parts.test.push(row),
            3 => parts.dev.push(row),
            _ => parts.train.push(row),
        }
    }
    parts
}

/// One random number after another, from a key.
pub struct Rng {
    key: RngKey,
    thrown: u64,
}

impl Rng {
    /// Begins with a key.
    pub fn new(key: RngKey) -> Rng {
        Rng { key, thrown: 0 }
    }
    fn throw(&mut self) -> u64 {
        self.thrown += 1;
        self.thrown
    }
    /// Uniform from `low` to `high`, both included.
    pub fn between(&mut self, low: isize, high: isize) -> isize {
        low + (self.uniform() * (high - low + 1) as f64) as isize
    }
    /// Uniform from 0 up, less than 1.
    pub fn uniform(&mut self) -> f64 {
        self.key.uniform(self.throw())
    }
    /// Normal with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        self.key.normal(self.throw())
    }
    /// One of several.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.between(0, items.len() as isize - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_anew_in_each_epoch_and_the_same_in_evaluation() {
        let source = || (0..10).collect::<Vec<u32>>();
        let parts = Synthetic::parts(Parts { train: source(), dev: source(), test: source() }, 50);
        let make = |numbers: &[u32], dice: &mut Rng| *dice.choose(numbers);
        let rows: Vec<usize> = (0..50).collect();
        let epoch = |epoch| parts.train.each(&rows, Some(RngKey::seed(1).fold_in(epoch)), make);
        assert_eq!(epoch(0), epoch(0));
        assert_ne!(epoch(0), epoch(1));
        assert_eq!(parts.dev.each(&rows, None, make), parts.dev.all(make));
        assert_ne!(parts.dev.all(make), parts.test.all(make));
        assert_eq!(parts.test.all(make), Synthetic { count: 50, ..Synthetic::to_score(source()) }.all(make));
        assert_eq!((parts.dev.all(make).iter().min(), parts.dev.all(make).iter().max()), (Some(&0), Some(&9)));
    }

    #[test]
    fn the_test_part_is_every_fifth_row_and_no_row_is_in_two_parts() {
        let parts = by_number((0..24).collect());
        assert_eq!(parts.test, [4, 9, 14, 19]);
        assert_eq!(parts.dev, [3, 13, 23]);
        let mut all = [parts.train, parts.dev, parts.test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..24).collect::<Vec<_>>());
    }
}
