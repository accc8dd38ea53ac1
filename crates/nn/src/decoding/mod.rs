//! Writing tokens one after another with any step function: greedily, by a beam, at random, or along a given target.
//!
//! More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
//!
//! A search knows nothing of models. It asks a [`StepFunction`] for the log-probabilities of the next tokens of some
//! rows, where each row continues one of the step before. A row is a sentence, or one of a sentence's hypotheses; rows
//! that have ended are not asked for again. [`DecoderSteps`](crate::DecoderSteps) makes a step function of a
//! [`Decoder`](crate::Decoder) and its parameters, [`Ensemble`] one of several.
//!
//! ```
//! use ndarray::Array2;
//! use unspool_nn::{Result, decoding::{Beam, Decoding, Prediction, StepFunction}};
//!
//! /// After token k the next one is k + 1 with probability ¾, else the end, 0.
//! struct Counter;
//!
//! impl StepFunction for Counter {
//!     fn sentences(&self) -> usize { 2 }
//!     fn step(&mut self, _parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
//!         let log_probs = Array2::from_shape_fn((tokens.len(), 9), |(row, token)| match token as u32 {
//!             0 => 0.25_f64.ln(),
//!             token if token == (tokens[row] + 1) % 9 => 0.75_f64.ln(),
//!             _ => f64::NEG_INFINITY,
//!         });
//!         Ok(Prediction { log_probs, attention: None })
//!     }
//! }
//!
//! let decoding = Decoding::new(3, 0, 4);
//! assert_eq!(decoding.greedy(&mut Counter)?[0].tokens, [4, 5, 6, 7]);
//! let found = decoding.beam(&mut Counter, &Beam::new(3).best(2))?;
//! assert_eq!(found[1][0].tokens, [4, 5, 6, 7]);       // 0.75⁴ is more than 0.25
//! assert!(found[1][1].tokens.is_empty() && found[1][1].ended);
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod alternatives;
pub(crate) mod attention_decoder;
mod beam;
pub(crate) mod decoder;
mod ensemble;
mod one_by_one;
mod required;
pub(crate) mod scheduled_sampling;
pub(crate) mod token_model;

pub use beam::{Beam, LengthPenalty};
pub use ensemble::Ensemble;
pub use one_by_one::Sampling;

use crate::{Error, Result};
use ndarray::Array2;

/// Predicts the next tokens for a search, with one model or several.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// ```
/// use ndarray::Array2;
/// use unspool_nn::{Result, decoding::{Decoding, Prediction, StepFunction}};
/// /// Any source of log-probabilities: here a table of which token follows which, and how often it was asked.
/// struct Bigrams { table: Array2<f64>, asked: usize }
/// impl StepFunction for Bigrams {
///     fn sentences(&self) -> usize { 1 }
///     fn step(&mut self, _parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
///         self.asked += 1;
///         let row = |(row, next): (usize, usize)| self.table[[tokens[row] as usize, next]].ln();
///         let log_probs = Array2::from_shape_fn((tokens.len(), self.table.ncols()), row);
///         Ok(Prediction { log_probs, attention: None })
///     }
/// }
/// let mut model = Bigrams { table: ndarray::array![[0.1, 0.9, 0.0], [0.2, 0.0, 0.8], [0.7, 0.3, 0.0]], asked: 0 };
/// assert_eq!(Decoding::endless(0, 4).greedy(&mut model)?[0].tokens, [1, 2, 0, 1]);
/// assert_eq!(model.asked, 4);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait StepFunction {
    /// Returns how many sentences are written at once.
    fn sentences(&self) -> usize;

    /// Goes back to the beginning of all sentences. Every search calls it before its first step, so that two searches
    /// with one step function do not run into each other. A step function that keeps a state from step to step resets
    /// it here.
    ///
    /// # Errors
    /// Whatever keeps the model from beginning.
    fn begin(&mut self) -> Result<()> {
        Ok(())
    }

    /// Returns the next tokens' log-probabilities. Row i continues row `parents[i]` of the call before with the token
    /// `tokens[i]`; in the first call `parents[i]` is a sentence. A parent may go on in several rows, or in none.
    ///
    /// # Errors
    /// Whatever keeps the model from answering.
    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction>;
}

impl<S: StepFunction + ?Sized> StepFunction for Box<S> {
    fn sentences(&self) -> usize {
        (**self).sentences()
    }
    fn begin(&mut self) -> Result<()> {
        (**self).begin()
    }
    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        (**self).step(parents, tokens)
    }
}

/// Holds a model's prediction of the next tokens.
///
/// ```
/// use unspool_nn::{Result, decoding::{Decoding, Prediction, StepFunction}};
/// /// Of two tokens the second is the more probable one, and it came from the first place of the source.
/// struct Fixed;
/// impl StepFunction for Fixed {
///     fn sentences(&self) -> usize { 1 }
///     fn step(&mut self, _: &[u32], _: &[u32]) -> Result<Prediction> {
///         let log_probs = ndarray::array![[0.25f64.ln(), 0.75f64.ln()]]; // one row, two tokens
///         Ok(Prediction { log_probs, attention: Some(ndarray::array![[0.9, 0.1]]) })
///     }
/// }
/// let written = &Decoding::endless(0, 1).greedy(&mut Fixed)?[0];
/// assert_eq!((&written.tokens[..], written.log_prob), (&[1][..], 0.75f64.ln()));
/// assert_eq!(written.attention, Some(ndarray::array![[0.9, 0.1]]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prediction {
    /// ln P(token | what was written): `[rows, vocabulary]`.
    pub log_probs: Array2<f64>,
    /// Where in the source the model looked: `[rows, source]`.
    pub attention: Option<Array2<f64>>,
}

/// Holds a candidate output of a search and its score.
///
/// ```
/// use ndarray::Array2;
/// use unspool_nn::{Result, decoding::{Beam, Decoding, Prediction, StepFunction}};
/// /// The end with probability ¼, else token 1.
/// struct Even;
/// impl StepFunction for Even {
///     fn sentences(&self) -> usize { 1 }
///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
///         let log_probs = Array2::from_shape_fn((tokens.len(), 2), |(_, k)| [0.25f64, 0.75][k].ln());
///         Ok(Prediction { log_probs, attention: None })
///     }
/// }
/// let best = Decoding::new(1, 0, 2).beam(&mut Even, &Beam::new(2))?[0].remove(0);
/// assert_eq!((best.tokens.len(), best.ended, best.log_probs.len()), (2, false, 2)); // cut at the greatest length
/// assert!((best.log_prob - best.log_probs.iter().sum::<f64>()).abs() < 1e-12);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The tokens, without those of beginning and end.
    pub tokens: Vec<u32>,
    /// Whether the end token was written; if not, the hypothesis was cut at the greatest length.
    pub ended: bool,
    /// ln P of each token, and of the end token where it was written.
    pub log_probs: Vec<f64>,
    /// Their sum.
    pub log_prob: f64,
    /// What hypotheses are ranked by: `log_prob` over the length penalty.
    pub score: f64,
    /// Where the model looked when it wrote each of them: `[tokens (and the end), source]`.
    pub attention: Option<Array2<f64>>,
}

/// Holds the rules of any way of decoding: where to begin and end, how long to go on, and what is allowed.
///
/// Banned tokens and an end that would come too early have probability 0; the others' probabilities stay as they are.
///
/// ```
/// use ndarray::Array2;
/// use unspool_nn::{Result, decoding::{Decoding, Prediction, Sampling, StepFunction}};
/// /// All of nine tokens alike, the end, 0, among them.
/// struct Dice;
/// impl StepFunction for Dice {
///     fn sentences(&self) -> usize { 2 }
///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
///         Ok(Prediction { log_probs: Array2::from_elem((tokens.len(), 9), (1.0f64 / 9.0).ln()), attention: None })
///     }
/// }
/// let rules = Decoding::new(1, 0, 20).min_length(3).max_lengths([5, 9]);
/// let rules = rules.banned([vec![2]]).prefixes([vec![7, 7], vec![]]);
/// let written = rules.sample(&mut Dice, &Sampling::new(7))?;
/// assert_eq!(written[0].tokens[..2], [7, 7]);
/// assert!(written.iter().all(|h| h.tokens.len() >= 3 && !h.tokens.contains(&2)));
/// let two_and_the_end = rules.score(&mut Dice, &[vec![4], vec![5, 6]])?[1].log_prob;
/// assert!((two_and_the_end + 3.0 * 9f64.ln()).abs() < 1e-9);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoding {
    begin: u32,
    end: Option<u32>,
    min_length: usize,
    max_length: usize,
    max_lengths: Vec<usize>,
    prefixes: Vec<Vec<u32>>,
    banned: Vec<Vec<u32>>,
    no_repeat_ngram: usize,
    required: Vec<Vec<Vec<u32>>>,
}

impl Decoding {
    /// Begins at the token `begin` and ends at the token `end`, or after `max_length` tokens, the end included.
    pub fn new(begin: u32, end: u32, max_length: usize) -> Decoding {
        Decoding { end: Some(end), ..Decoding::endless(begin, max_length) }
    }

    /// Begins at the token `begin` and always writes `max_length` tokens.
    pub fn endless(begin: u32, max_length: usize) -> Decoding {
        Decoding {
            begin,
            end: None,
            min_length: 0,
            max_length,
            max_lengths: vec![],
            prefixes: vec![],
            banned: vec![],
            no_repeat_ngram: 0,
            required: vec![],
        }
    }

    /// Forbids the end before this many tokens.
    pub fn min_length(mut self, tokens: usize) -> Decoding {
        self.min_length = tokens;
        self
    }

    /// Sets a maximum length for each sentence, so that the output for one does not depend on the others in the batch.
    pub fn max_lengths(mut self, tokens: impl Into<Vec<usize>>) -> Decoding {
        self.max_lengths = tokens.into();
        self
    }

    /// Forces each sentence to begin with these tokens, even banned ones; one list per sentence. Their probabilities
    /// count.
    pub fn prefixes(mut self, tokens: impl Into<Vec<Vec<u32>>>) -> Decoding {
        self.prefixes = tokens.into();
        self
    }

    /// Bans sequences of tokens, such as words that are cut into several, beside those that are banned already: none of
    /// them is written as a whole. A sequence of one token bans that token, and an empty one bans nothing.
    ///
    /// ```
    /// use unspool_nn::{Result, decoding::{Decoding, Prediction, StepFunction}};
    /// /// Token 1, less often token 2, whatever was written before.
    /// struct Coin;
    /// impl StepFunction for Coin {
    ///     fn sentences(&self) -> usize { 1 }
    ///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
    ///         let p = |token: usize| [0.0f64, 0.7, 0.3][token].ln();
    ///         let log_probs = ndarray::Array2::from_shape_fn((tokens.len(), 3), |(_, token)| p(token));
    ///         Ok(Prediction { log_probs, attention: None })
    ///     }
    /// }
    /// let rules = Decoding::endless(0, 4);
    /// let written = |rules: &Decoding| Ok::<_, unspool_nn::Error>(rules.greedy(&mut Coin)?[0].tokens.clone());
    /// assert_eq!(written(&rules.clone().banned([vec![1, 1]]))?, [1, 2, 1, 2]);
    /// assert_eq!(written(&rules.clone().banned([vec![1]]))?, [2, 2, 2, 2]);
    /// assert_eq!(written(&rules.no_repeat_ngram(2))?, [1, 1, 2, 1]);           // 1 1, 1 2, 2 1
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn banned(mut self, sequences: impl IntoIterator<Item = Vec<u32>>) -> Decoding {
        self.banned.extend(sequences);
        self
    }

    /// Forbids to write any `n` tokens in a row a second time; 0 allows all. Prefixes are written as they are, and
    /// count among what was written.
    ///
    /// ```
    /// use unspool_nn::{Result, decoding::{Decoding, Prediction, StepFunction}};
    /// /// Token 1, less often token 2, whatever was written before.
    /// struct Coin;
    /// impl StepFunction for Coin {
    ///     fn sentences(&self) -> usize { 1 }
    ///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
    ///         let p = |token: usize| [0.0f64, 0.7, 0.3][token].ln();
    ///         let log_probs = ndarray::Array2::from_shape_fn((tokens.len(), 3), |(_, token)| p(token));
    ///         Ok(Prediction { log_probs, attention: None })
    ///     }
    /// }
    /// // After 1 and 2 nothing is left that was not written.
    /// assert_eq!(Decoding::endless(0, 4).no_repeat_ngram(1).greedy(&mut Coin)?[0].tokens, [1, 2]);
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn no_repeat_ngram(mut self, n: usize) -> Decoding {
        self.no_repeat_ngram = n;
        self
    }

    /// Returns the maximum length of a sentence.
    ///
    /// ```
    /// use unspool_nn::decoding::Decoding;
    /// let rules = Decoding::new(1, 0, 20).max_lengths([5, 9]);
    /// assert_eq!((rules.max_length_of(1), Decoding::endless(1, 7).max_length_of(1)), (9, 7));
    /// ```
    pub fn max_length_of(&self, sentence: usize) -> usize {
        self.max_lengths.get(sentence).copied().unwrap_or(self.max_length)
    }

    /// Checks that the rules are about all sentences, and goes back to their beginning.
    fn start(&self, model: &mut impl StepFunction) -> Result<()> {
        let sentences = model.sentences();
        let lists = [
            ("greatest lengths", self.max_lengths.len()),
            ("prefixes", self.prefixes.len()),
            ("lists of required sequences", self.required.len()),
        ];
        for (what, given) in lists {
            if given != 0 && given != sentences {
                let why = format!("{given} {what} for {sentences} sentences; give one for each, or none");
                return Err(Error::Decoding { why });
            }
        }
        match (0..sentences).find(|&s| self.end.is_some() && self.min_length > self.max_length_of(s)) {
            Some(s) => {
                let (least, most) = (self.min_length, self.max_length_of(s));
                let why = format!("sentence {s} must have at least {least} tokens and at most {most}");
                Err(Error::Decoding { why })
            }
            None => model.begin(),
        }
    }

    /// The model's answer for `parents.len()` rows, checked.
    fn ask(&self, model: &mut impl StepFunction, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        let mut prediction = model.step(parents, tokens)?;
        let rows = prediction.log_probs.nrows();
        if rows != parents.len() || prediction.attention.as_ref().is_some_and(|a| a.nrows() != rows) {
            let why = format!("the step function gave {rows} rows for {}", parents.len());
            return Err(Error::Decoding { why });
        }
        if !prediction.log_probs.is_standard_layout() {
            prediction.log_probs = prediction.log_probs.as_standard_layout().into_owned();
        }
        Ok(prediction)
    }

    /// Applies the rules to the log-probabilities of the token that follows `written` others in a sentence. `history`
    /// gives those others, and is only called where a rule needs them.
    fn restrict(
        &self,
        sentence: usize,
        written: usize,
        history: impl FnOnce() -> Vec<u32>,
        log_probs: &mut [f64],
    ) -> Result<()> {
        let size = log_probs.len();
        let known = |token: u32| match token as usize {
            id if id < size => Ok(id),
            id => Err(Error::Decoding { why: format!("token {id} is not among the vocabulary's {size}") }),
        };
        // Counted, not searched for: that runs in vectors.
        if log_probs.iter().filter(|x| x.is_nan()).count() > 0 {
            let why = format!("a log-probability is not a number (sentence {sentence}, token {written})");
            return Err(Error::Decoding { why });
        }
        if let Some(&forced) = self.prefixes.get(sentence).and_then(|prefix| prefix.get(written)) {
            let forced = known(forced)?;
            (0..size).filter(|&id| id != forced).for_each(|id| log_probs[id] = f64::NEG_INFINITY);
            return Ok(());
        }
        // Whether a token may be written at all does not depend on what was written before.
        for sequence in &self.banned {
            if let [token] = sequence[..] {
                log_probs[known(token)?] = f64::NEG_INFINITY;
            }
        }
        if let Some(end) = self.end.filter(|_| written < self.min_length) {
            log_probs[known(end)?] = f64::NEG_INFINITY;
        }
        let required = self.required_of(sentence);
        let has_sequences = self.banned.iter().any(|sequence| sequence.len() > 1);
        if self.no_repeat_ngram > 0 || has_sequences || !required.is_empty() {
            let history = history();
            if let Some(end) = self.end.filter(|_| !required::progress(required, &history).next.is_empty()) {
                log_probs[known(end)?] = f64::NEG_INFINITY;
            }
            for sequence in &self.banned {
                if let Some((&last, _)) = sequence.split_last().filter(|(_, before)| history.ends_with(before)) {
                    log_probs[known(last)?] = f64::NEG_INFINITY;
                }
            }
            if let Some(start) =
                (history.len() + 1).checked_sub(self.no_repeat_ngram).filter(|_| self.no_repeat_ngram > 0)
            {
                let last = &history[start..];
                for ngram in history.windows(self.no_repeat_ngram).filter(|ngram| ngram.starts_with(last)) {
                    log_probs[known(ngram[last.len()])?] = f64::NEG_INFINITY;
                }
            }
        }
        Ok(())
    }
}
