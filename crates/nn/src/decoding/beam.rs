//! Beam search: the best few beginnings of every sentence, side by side.

use super::{
    Decoding, Hypothesis, Prediction, StepFunction,
    required::{in_turn, progress},
};
use crate::{Error, Result};
use ndarray::Array2;

/// Divides a hypothesis' log-probability to give its score, so that long ones are not at a disadvantage. The length
/// counts every prediction, the end's too.
///
/// ```
/// use unspool_nn::{Result, decoding::{Beam, Decoding, LengthPenalty, Prediction, StepFunction}};
/// /// Ends at once with probability 0.5, or after one token with 0.5 · 0.9.
/// struct Short;
/// impl StepFunction for Short {
///     fn sentences(&self) -> usize { 1 }
///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
///         let row = |&token: &u32| if token == 2 { [0.5f64, 0.5, 0.0] } else { [0.9, 0.1, 0.0] };
///         let rows: Vec<f64> = tokens.iter().flat_map(row).map(f64::ln).collect();
///         let log_probs = ndarray::Array2::from_shape_vec((tokens.len(), 3), rows).unwrap();
///         Ok(Prediction { log_probs, attention: None })
///     }
/// }
/// let best = |penalty| Decoding::new(2, 0, 2).beam(&mut Short, &Beam::new(4).penalty(penalty));
/// assert!(best(LengthPenalty::None)?[0][0].tokens.is_empty());      // ln 0.5 > ln 0.45
/// assert_eq!(best(LengthPenalty::Average)?[0][0].tokens, [1]);      // ln 0.5 < ½ ln 0.45
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LengthPenalty {
    /// 1: the score is the log-probability.
    None,
    /// The length: the score is the mean log-probability.
    Average,
    /// ((5 + length) / 6)^α, with α from 0 to 1 (Wu and others 2016, equation 14).
    Gnmt(f64),
}

impl LengthPenalty {
    fn check(self) -> Result<()> {
        match self {
            LengthPenalty::Gnmt(alpha) if !(alpha.is_finite() && alpha >= 0.0) => {
                let why = format!("the length penalty has α = {alpha}; it must be a finite number of at least 0");
                Err(Error::Decoding { why })
            }
            _ => Ok(()),
        }
    }
    fn score(self, log_prob: f64, length: usize) -> f64 {
        match self {
            LengthPenalty::None => log_prob,
            LengthPenalty::Average => log_prob / length.max(1) as f64,
            LengthPenalty::Gnmt(alpha) => log_prob / ((5.0 + length as f64) / 6.0).powf(alpha),
        }
    }
}

/// Holds the settings of a beam search: its width, how hypotheses are ranked, how many are wanted.
///
/// ```
/// use unspool_nn::{Result, decoding::{Beam, Decoding, Prediction, StepFunction}};
/// /// Token 1 or 2, with probabilities 0.7 and 0.3, whatever was written before.
/// struct Coin;
/// impl StepFunction for Coin {
///     fn sentences(&self) -> usize { 1 }
///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
///         let p = [0.0f64, 0.7, 0.3];
///         let log_probs = ndarray::Array2::from_shape_fn((tokens.len(), 3), |(_, token)| p[token].ln());
///         Ok(Prediction { log_probs, attention: None })
///     }
/// }
/// let found = &Decoding::endless(0, 2).beam(&mut Coin, &Beam::new(4).best(2))?[0];
/// assert_eq!((&found[0].tokens[..], &found[1].tokens[..]), (&[1, 1][..], &[1, 2][..]));
/// assert!((found[1].log_prob.exp() - 0.21).abs() < 1e-12);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Beam {
    width: usize,
    best: usize,
    penalty: LengthPenalty,
    coverage: f64,
}

impl Beam {
    /// Keeps `width` hypotheses at a time, ranks them without a length penalty, and returns the best one.
    pub fn new(width: usize) -> Beam {
        Beam { width, best: 1, penalty: LengthPenalty::None, coverage: 0.0 }
    }
    /// Keeps another number of hypotheses at a time.
    pub fn width(mut self, width: usize) -> Beam {
        self.width = width;
        self
    }
    /// Returns the `best` best hypotheses, at most as many as the width.
    pub fn best(mut self, best: usize) -> Beam {
        self.best = best;
        self
    }
    /// Ranks hypotheses with a length penalty.
    pub fn penalty(mut self, penalty: LengthPenalty) -> Beam {
        self.penalty = penalty;
        self
    }
    /// Adds β · Σ_i ln min(Σ_j attention\[j, i\], 1) to the score of a complete hypothesis, so that those are preferred
    /// which looked at all of the source (Wu and others 2016, equation 14). β is 0 (no penalty) or positive. Places
    /// that have no attention at all, such as padding, do not count; without attention there is no penalty.
    ///
    /// ```
    /// use unspool_nn::{Result, decoding::{Beam, Decoding, Prediction, StepFunction}};
    /// /// Two tokens of almost equal probability: 1 looks at one place of the source, 2 at both.
    /// struct Model;
    /// impl StepFunction for Model {
    ///     fn sentences(&self) -> usize { 1 }
    ///     fn step(&mut self, _: &[u32], tokens: &[u32]) -> Result<Prediction> {
    ///         let first = tokens[0] == 0;
    ///         let p = |token: usize| if first { [0.0f64, 0.6, 0.4][token] } else { [1.0, 0.0, 0.0][token] };
    ///         let log_probs = ndarray::Array2::from_shape_fn((tokens.len(), 3), |(_, token)| p(token).ln());
    ///         // What the token before looked at.
    ///         let looked = |&token: &u32| if token == 1 { [0.98, 0.02] } else { [0.5, 0.5] };
    ///         let attention = ndarray::Array2::from_shape_fn((tokens.len(), 2), |(row, at)| looked(&tokens[row])[at]);
    ///         Ok(Prediction { log_probs, attention: Some(attention) })
    ///     }
    /// }
    /// let rules = Decoding::new(0, 0, 2).min_length(1);
    /// let best = |beta| rules.beam(&mut Model, &Beam::new(2).coverage_penalty(beta));
    /// assert_eq!((&best(0.0)?[0][0].tokens[..], &best(2.0)?[0][0].tokens[..]), (&[1][..], &[2][..]));
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn coverage_penalty(mut self, beta: f64) -> Beam {
        self.coverage = beta;
        self
    }
}

/// A token in the tree of all that was tried.
struct Node {
    parent: Option<u32>,
    token: u32,
    log_prob: f64,
    /// Where its attention stands: the step, and the row in it.
    looked: (u32, u32),
}

/// A hypothesis that may go on.
#[derive(Clone, Copy)]
struct Live {
    node: Option<u32>,
    log_prob: f64,
    /// Its row in the step before; at first the sentence.
    row: u32,
}

/// A hypothesis that has ended or was cut.
struct Done {
    node: Option<u32>,
    ended: bool,
    log_prob: f64,
    score: f64,
}

struct Sentence {
    live: Vec<Live>,
    done: Vec<Done>,
}

impl Sentence {
    /// Ends the search as it is.
    fn cut(&mut self, score: impl Fn(Option<u32>, f64) -> f64) {
        self.done.extend(self.live.drain(..).map(|Live { node, log_prob, .. }| Done {
            node,
            ended: false,
            log_prob,
            score: score(node, log_prob),
        }));
    }
}

/// A way to go on from row `row`, the `nth` of its sentence.
#[derive(Clone, Copy)]
struct Candidate {
    total: f64,
    log_prob: f64,
    nth: u32,
    token: u32,
}

/// The `count` best candidates by total log-probability, best first; of equals the one met first.
struct Top {
    count: usize,
    candidates: Vec<Candidate>,
}

impl Top {
    /// What a candidate must exceed to be among them.
    fn bar(&self) -> f64 {
        match self.candidates.last() {
            Some(last) if self.candidates.len() == self.count => last.total,
            _ => f64::NEG_INFINITY,
        }
    }

    /// Takes in a candidate above the bar.
    fn insert(&mut self, candidate: Candidate) {
        let place = self.candidates.partition_point(|c| c.total >= candidate.total);
        if self.candidates.len() == self.count {
            self.candidates.pop();
        }
        self.candidates.insert(place, candidate);
    }
}

impl Decoding {
    /// Searches with a beam over all sentences at once: their hypotheses are rows of one step. Returns for each
    /// sentence the best hypotheses, best first, and fewer than wanted where there are no more.
    ///
    /// At each step the 2·width best continuations of a sentence are looked at. An end among the first `width` of them
    /// completes its hypothesis, the best `width` others go on. A sentence is done when none that goes on can still
    /// come among the best, or when `width` hypotheses are complete and none that goes on scores better by now. A width
    /// of 1 is greedy search; one as wide as the space is exhaustive search.
    ///
    /// # Errors
    /// As [`greedy`](Decoding::greedy); and the width is at least 1, and `best` between 1 and the width.
    pub fn beam(&self, model: &mut impl StepFunction, beam: &Beam) -> Result<Vec<Vec<Hypothesis>>> {
        let (sentences, Beam { width, best, .. }) = (model.sentences(), *beam);
        if best == 0 || best > width {
            let why =
                format!("the {best} best of a beam of {width}: the width is at least 1, best from 1 to the width");
            return Err(Error::Decoding { why });
        }
        beam.penalty.check()?;
        if !(beam.coverage.is_finite() && beam.coverage >= 0.0) {
            let why = format!("coverage penalty {}: it must be 0 or positive", beam.coverage);
            return Err(Error::Decoding { why });
        }
        self.start(model)?;
        let start = |s: usize| Sentence { live: vec![Live { node: None, log_prob: 0.0, row: s as u32 }], done: vec![] };
        let mut all: Vec<Sentence> = (0..sentences).map(start).collect();
        let none = |s: &usize| self.max_length_of(*s) == 0;
        (0..sentences).filter(none).for_each(|s| all[s].cut(|_, log_prob| beam.penalty.score(log_prob, 0)));
        let mut tree: Vec<Node> = vec![];
        let mut attention: Vec<Option<Array2<f64>>> = vec![];
        loop {
            let rows = || all.iter().flat_map(|sentence| &sentence.live);
            let parents: Vec<u32> = rows().map(|live| live.row).collect();
            if parents.is_empty() {
                break;
            }
            let last = |live: &Live| live.node.map_or(self.begin, |node| tree[node as usize].token);
            let tokens: Vec<u32> = rows().map(last).collect();
            let mut prediction = self.ask(model, &parents, &tokens)?;
            attention.push(prediction.attention.take());
            let mut row = 0;
            for (s, sentence) in all.iter_mut().enumerate().filter(|(_, sentence)| !sentence.live.is_empty()) {
                let step = Step { rules: self, beam, sentence: s, attention: &attention, row };
                row += sentence.live.len();
                step.go_on(sentence, &mut prediction, &mut tree)?;
            }
        }
        let pick = |(s, mut sentence): (usize, Sentence)| -> Vec<Hypothesis> {
            let lacks = |done: &Done| !progress(self.required_of(s), &tokens(done.node, &tree)).next.is_empty();
            sentence.done.sort_by(|a, b| b.score.total_cmp(&a.score));
            if !self.required_of(s).is_empty() {
                sentence.done.sort_by_cached_key(lacks);
            }
            sentence.done.truncate(best);
            sentence.done.iter().map(|done| hypothesis(done, &tree, &attention)).collect()
        };
        Ok(all.into_iter().enumerate().map(pick).collect())
    }
}

/// One step of one sentence.
struct Step<'a> {
    rules: &'a Decoding,
    beam: &'a Beam,
    sentence: usize,
    /// That of each step, this one the last.
    attention: &'a [Option<Array2<f64>>],
    /// The first of its rows.
    row: usize,
}

impl Step<'_> {
    /// What a hypothesis with so many predictions is ranked by.
    fn score(&self, tree: &[Node], node: Option<u32>, log_prob: f64, length: usize) -> f64 {
        let score = self.beam.penalty.score(log_prob, length);
        if self.beam.coverage == 0.0 {
            return score;
        }
        let mut sums: Vec<f64> = vec![];
        for node in path(node, tree) {
            let Some(attention) = &self.attention[node.looked.0 as usize] else { return score };
            sums.resize(attention.ncols(), 0.0);
            sums.iter_mut().zip(attention.row(node.looked.1 as usize)).for_each(|(sum, weight)| *sum += weight);
        }
        let seen = sums.iter().filter(|sum| **sum > 0.0);
        score + self.beam.coverage * seen.map(|sum| sum.min(1.0).ln()).sum::<f64>()
    }

    fn go_on(&self, sentence: &mut Sentence, prediction: &mut Prediction, tree: &mut Vec<Node>) -> Result<()> {
        let Beam { width, best, penalty, .. } = *self.beam;
        // The tokens that each of its hypotheses has, and those that it will have.
        let (written, length) = (self.attention.len() - 1, self.attention.len());
        let limit = self.rules.max_length_of(self.sentence);
        let mut top = Top { count: width.saturating_mul(2), candidates: vec![] };
        // Continuations that go on with what is required, however unlikely they are.
        let (required, mut forced) = (self.rules.required_of(self.sentence), vec![]);
        for (nth, live) in sentence.live.iter().enumerate() {
            let mut log_probs = prediction.log_probs.row_mut(self.row + nth);
            let Some(log_probs) = log_probs.as_slice_mut() else { continue };
            self.rules.restrict(self.sentence, written, || tokens(live.node, tree), log_probs)?;
            let mut bar = top.bar();
            for (token, &log_prob) in log_probs.iter().enumerate() {
                let total = live.log_prob + log_prob;
                if total > bar {
                    top.insert(Candidate { total, log_prob, nth: nth as u32, token: token as u32 });
                    bar = top.bar();
                }
            }
            if !required.is_empty() {
                for token in progress(required, &tokens(live.node, tree)).next {
                    let log_prob = log_probs.get(token as usize).copied().unwrap_or(f64::NEG_INFINITY);
                    forced.push(Candidate { total: live.log_prob + log_prob, log_prob, nth: nth as u32, token });
                }
            }
        }
        if !required.is_empty() {
            let place = |candidate: &Candidate| (candidate.nth, candidate.token);
            let is_new = |candidate: &Candidate| {
                candidate.log_prob > f64::NEG_INFINITY && !top.candidates.iter().any(|c| place(c) == place(candidate))
            };
            forced.retain(is_new);
            let mut all: Vec<Candidate> = top.candidates.into_iter().chain(forced).collect();
            all.sort_by(|a, b| b.total.total_cmp(&a.total));
            top.candidates = in_turn(all, |candidate| {
                let mut written = tokens(sentence.live[candidate.nth as usize].node, tree);
                written.push(candidate.token);
                progress(required, &written).tokens
            });
        }
        if top.candidates.is_empty() {
            // Nothing is allowed.
            sentence.cut(|node, log_prob| self.score(tree, node, log_prob, written));
            return Ok(());
        }
        let parents = std::mem::take(&mut sentence.live);
        for (rank, candidate) in top.candidates.iter().enumerate() {
            let ends = Some(candidate.token) == self.rules.end;
            if if ends { rank >= width } else { sentence.live.len() == width } {
                continue;
            }
            let row = (self.row + candidate.nth as usize) as u32;
            let (node, log_prob) = (Some(tree.len() as u32), candidate.total);
            let parent = parents[candidate.nth as usize].node;
            let looked = (written as u32, row);
            tree.push(Node { parent, token: candidate.token, log_prob: candidate.log_prob, looked });
            if ends {
                let score = self.score(tree, node, log_prob, length);
                sentence.done.push(Done { node, ended: true, log_prob, score });
            } else {
                sentence.live.push(Live { node, log_prob, row });
            }
        }
        if length == limit {
            sentence.cut(|node, log_prob| self.score(tree, node, log_prob, length));
            return Ok(());
        }
        // Log-probabilities only fall, a length penalty never ranks the longer of two hypotheses with the same one
        // lower, and a coverage penalty never raises a score: the score at the greatest length without one bounds what
        // may become of a hypothesis.
        let now = |live: &Live| penalty.score(live.log_prob, length);
        let hope = |live: &Live| penalty.score(live.log_prob, limit);
        let greatest = |score: &dyn Fn(&Live) -> f64| sentence.live.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
        let mut scores: Vec<f64> = sentence.done.iter().map(|done| done.score).collect();
        scores.sort_by(|a, b| b.total_cmp(a));
        let full = scores.len() >= width;
        if scores.get(best - 1).is_some_and(|&found| found >= greatest(&hope) || (full && found >= greatest(&now))) {
            sentence.live.clear();
        }
        Ok(())
    }
}

/// The nodes of a hypothesis, its last token first.
fn path(node: Option<u32>, tree: &[Node]) -> impl Iterator<Item = &Node> {
    std::iter::successors(node, |&node| tree[node as usize].parent).map(|node| &tree[node as usize])
}

/// The tokens of a hypothesis that goes on.
fn tokens(node: Option<u32>, tree: &[Node]) -> Vec<u32> {
    let mut tokens: Vec<u32> = path(node, tree).map(|node| node.token).collect();
    tokens.reverse();
    tokens
}

/// Reads a hypothesis back from its last token.
fn hypothesis(done: &Done, tree: &[Node], attention: &[Option<Array2<f64>>]) -> Hypothesis {
    let mut path: Vec<&Node> = path(done.node, tree).collect();
    path.reverse();
    let looked = |node: &&Node| attention[node.looked.0 as usize].as_ref().map(|a| a.row(node.looked.1 as usize));
    let seen: Option<Vec<_>> = path.iter().map(looked).collect();
    let tokens = path[..path.len() - usize::from(done.ended)].iter().map(|node| node.token).collect();
    Hypothesis {
        tokens,
        ended: done.ended,
        log_probs: path.iter().map(|node| node.log_prob).collect(),
        log_prob: done.log_prob,
        score: done.score,
        attention: seen.filter(|seen| !seen.is_empty()).and_then(|seen| ndarray::stack(ndarray::Axis(0), &seen).ok()),
    }
}
