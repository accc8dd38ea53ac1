//! Which example it is, and the random numbers that it is made with.

use crate::error::Result;
use std::cell::Cell;
use unspool::{
    graph::RngKey,
    text::{Part, Tokenizer},
};

/// Examples of a part whose texts are shown, at most.
pub(crate) const SHOWN: usize = 20;

/// Which example of which part is made, and what it is made with.
#[derive(Debug)]
pub struct Draw {
    number: usize,
    key: RngKey,
    training: bool,
    cut: Cell<(usize, usize)>,
    bpe_dropout: f64,
    /// How many texts were encoded.
    encoded: Cell<u64>,
}

impl Draw {
    /// Draws an example of the train part, in an epoch of this key.
    pub fn training(number: usize, key: RngKey) -> Draw {
        Draw { number, key, training: true, cut: Cell::default(), bpe_dropout: 0.0, encoded: Cell::default() }
    }

    /// The same, where texts lose this share of the merges of their byte pairs. What is scored loses none.
    pub(crate) fn bpe_dropout(self, rate: f64) -> Draw {
        Draw { bpe_dropout: if self.training { rate } else { 0.0 }, ..self }
    }

    /// Draws an example of a part that is scored: the same in every evaluation.
    pub fn scored(number: usize, part: Part) -> Draw {
        let key = RngKey::seed(0).fold_in(part as u64);
        Draw { training: false, ..Draw::training(number, key) }
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

    /// Returns a text of the example as tokens. Where the model learns with BPE dropout, they are a function of the
    /// seed, the epoch, the number of the example, how many of its texts were encoded before, and the place of each
    /// word.
    ///
    /// ```
    /// use unspool::{graph::RngKey, text::{TokenKind, Tokenizer, TokenizerOptions}};
    /// use unspool_task::Draw;
    /// let options = TokenizerOptions { minimum_count: 1, ..TokenizerOptions::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, ["low lower lowest"], &options)?;
    /// let draw = Draw::training(7, RngKey::seed(1));
    /// assert_eq!(draw.encode("low lower", &tokenizer)?, tokenizer.encode("low lower")?);
    /// # Ok::<(), unspool_task::Error>(())
    /// ```
    ///
    /// # Errors
    /// The tokenizer cannot read it.
    pub fn encode(&self, text: &str, tokenizer: &Tokenizer) -> Result<Vec<u32>> {
        let nth = self.encoded.replace(self.encoded.get() + 1);
        if self.bpe_dropout == 0.0 {
            return Ok(tokenizer.encode(text)?);
        }
        let key = self.key.fold_in_str("BPE dropout").fold_in(self.number as u64).bits(0);
        Ok(tokenizer.encode_with_dropout(text, self.bpe_dropout, &[key, nth])?)
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
    use unspool::text::{TokenKind, TokenizerOptions};

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
    fn bpe_dropout_is_a_function_of_epoch_row_text_and_word_and_leaves_what_is_scored_alone() {
        let options = TokenizerOptions { minimum_count: 1, ..TokenizerOptions::default() };
        let texts = ["lower lowest newer newest"; 3];
        let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, texts, &options).unwrap();
        // A source and a target, as an example has them.
        let pair = |draw: Draw, rate: f64| {
            let draw = draw.bpe_dropout(rate);
            [texts[0], texts[0]].map(|text| draw.encode(text, &tokenizer).unwrap())
        };
        let epoch = |seed, epoch| RngKey::seed(seed).fold_in(epoch);
        let of = |seed, number, row| pair(Draw::training(row, epoch(seed, number)), 0.4);
        let plain = tokenizer.encode(texts[0]).unwrap();
        let one = of(1, 0, 5);
        // In the middle of an epoch, where a training is resumed, the pieces are the same as in the whole of it.
        let rows: Vec<_> = (0..40).map(|row| of(1, 0, row)).collect();
        assert_eq!((&rows[5], &of(1, 0, 5)), (&one, &one));
        assert!((20..40).map(|row| of(1, 0, row)).eq(rows[20..].iter().cloned()));
        for other in [of(2, 0, 5), of(1, 1, 5), of(1, 0, 6)] {
            assert_ne!(other, one);
        }
        assert_ne!(one[0], one[1], "equal texts of an example draw one by one");
        assert_eq!(pair(Draw::training(5, epoch(1, 0)), 0.0), [plain.clone(), plain.clone()]);
        for part in [Part::Dev, Part::Test] {
            assert_eq!(pair(Draw::scored(5, part), 0.4), [plain.clone(), plain.clone()]);
        }
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
