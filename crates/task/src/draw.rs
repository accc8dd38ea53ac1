//! Which example it is, and the random numbers that it is made with.

use std::cell::Cell;
use unspool::{graph::RngKey, text::Part};

/// Examples of a part whose texts are shown, at most.
pub(crate) const SHOWN: usize = 20;

/// Which example of which part is made, and what it is made with.
#[derive(Debug)]
pub struct Draw {
    number: usize,
    key: RngKey,
    training: bool,
    cut: Cell<(usize, usize)>,
}

impl Draw {
    /// Draws an example of the train part, in an epoch of this key.
    pub fn training(number: usize, key: RngKey) -> Draw {
        Draw { number, key, training: true, cut: Cell::default() }
    }

    /// Draws an example of a part that is scored: the same in every evaluation.
    pub fn scored(number: usize, part: Part) -> Draw {
        Draw { number, key: RngKey::seed(0).fold_in(part as u64), training: false, cut: Cell::default() }
    }

    /// Returns the number of the example within its part.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns whether the model learns from it.
    pub fn is_training(&self) -> bool {
        self.training
    }

    /// Returns the random numbers of this example; in training they are others in each epoch.
    pub fn rng(&self) -> Rng {
        Rng::new(self.key.fold_in(self.number as u64))
    }

    /// Returns the key of the epoch, or of the part that is scored.
    pub fn key(&self) -> RngKey {
        self.key
    }

    /// Returns a text that is only shown. It is kept for the examples that may be shown, the first ones of a part that
    /// is scored.
    pub fn shown(&self, text: &str) -> String {
        if self.number < SHOWN { self.scored_with(text) } else { String::new() }
    }

    /// Returns a text that an example is scored with: that of an example that the model learns from is not kept.
    pub fn scored_with(&self, text: &str) -> String {
        if self.training { String::new() } else { text.to_owned() }
    }

    /// Cuts ids to a maximum length. The runner says how many were cut.
    pub fn cut(&self, mut ids: Vec<u32>, max_length: usize) -> Vec<u32> {
        if ids.len() > max_length {
            self.cut.set((self.cut.get().0 + 1, max_length));
            ids.truncate(max_length);
        }
        ids
    }

    /// How often something was cut, and to which length.
    pub(crate) fn was_cut(&self) -> (usize, usize) {
        self.cut.get()
    }
}

/// One random number after another, from a key.
#[derive(Clone, Copy, Debug)]
pub struct Rng {
    key: RngKey,
    drawn: u64,
}

impl Rng {
    /// Begins with a key.
    pub fn new(key: RngKey) -> Rng {
        Rng { key, drawn: 0 }
    }

    fn next(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// Draws uniformly from `low` to `high`, both included.
    pub fn between(&mut self, low: isize, high: isize) -> isize {
        low + (self.uniform() * (high - low + 1) as f64) as isize
    }

    /// Draws uniformly from 0 up, less than 1.
    pub fn uniform(&mut self) -> f64 {
        let number = self.next();
        self.key.uniform(number)
    }

    /// Draws from the normal distribution with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        let number = self.next();
        self.key.normal(number)
    }

    /// Draws one of several.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.between(0, items.len() as isize - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_others_in_each_epoch_and_the_same_in_evaluation() {
        let draws = |draw: &dyn Fn(usize) -> Draw| (0..50).map(|n| draw(n).rng().between(0, 9)).collect::<Vec<_>>();
        let epoch = |epoch| draws(&|n| Draw::training(n, RngKey::seed(1).fold_in(epoch)));
        let scored = |part| draws(&|n| Draw::scored(n, part));
        assert_eq!(epoch(0), epoch(0));
        assert_ne!(epoch(0), epoch(1));
        assert_eq!(scored(Part::Dev), scored(Part::Dev));
        assert_ne!(scored(Part::Dev), scored(Part::Test));
        assert_eq!((epoch(0).iter().min(), epoch(0).iter().max()), (Some(&0), Some(&9)));
    }

    #[test]
    fn what_is_cut_is_counted() {
        let draw = Draw::scored(0, Part::Dev);
        assert_eq!((draw.cut(vec![1, 2], 2), draw.was_cut()), (vec![1, 2], (0, 0)));
        assert_eq!((draw.cut(vec![1, 2, 3], 2), draw.was_cut()), (vec![1, 2], (1, 2)));
        assert_eq!((draw.shown("text"), Draw::training(0, draw.key()).shown("text")), ("text".into(), String::new()));
        let later = Draw::scored(SHOWN, Part::Dev);
        assert_eq!((later.shown("text"), later.scored_with("text")), (String::new(), "text".into()));
    }
}
