//! The best sequence of tags (Viterbi 1967).

use super::{Crf, Scores};
use crate::{Error, Result, Sequence, log_sum_exp::log_add, parallel_map};

/// Holds the best tags of an example and their probability.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, crf::Crf};
/// let mut params = Params::seeded(0);
/// let crf = Crf::new(params.scope("crf"), 3);
/// let graph = Graph::new(&params);
/// let emissions = Sequence::full(graph.input(ndarray::array![[[0.0f32, 3.0, 0.0], [2.0, 0.0, 0.0]]]));
/// let best = &crf.decode(&emissions)?[0];
/// assert_eq!(best.tags, [1, 0]);
/// let loss = crf.losses(&emissions, &ndarray::array![[1, 0]]).to_f64()?[[0]];
/// assert!((best.log_prob + loss).abs() < 1e-6);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Path {
    /// A tag for each real step.
    pub tags: Vec<u32>,
    /// ln P of each tag given the emissions and the tags before it.
    pub log_probs: Vec<f64>,
    /// Their sum: ln P of all tags.
    pub log_prob: f64,
}

impl Crf {
    /// Returns the most probable tags of each example that [`allow`](Crf::allow) permits, for its real steps. Of
    /// equally probable tags the smallest are taken.
    ///
    /// # Errors
    /// The first error of the recording; [`Error::Decoding`] for emissions that are NaN, and where no sequence of tags
    /// is allowed or has a finite score.
    pub fn decode(&self, emissions: &Sequence<'_>) -> Result<Vec<Path>> {
        let graph = emissions.graph();
        let values = emissions.padded().to_f64()?;
        if values.ndim() != 3 || values.shape()[2] != self.tags {
            let why = format!("emissions are {:?}, but must be [batch, time, {}]", values.shape(), self.tags);
            return Err(Error::Decoding { why });
        }
        let [transitions, start, end] = self.params().map(|param| graph.param(param).to_f64());
        let [transitions, start, end] =
            [transitions?, start?, end?].map(|values| values.into_iter().collect::<Vec<_>>());
        let size: usize = values.shape()[1..].iter().product();
        let values: Vec<f64> = values.into_iter().collect();
        let rows = emissions.lengths().iter().copied().enumerate().collect();
        let found = parallel_map(rows, |(row, length): (usize, usize)| {
            let emissions = &values[row * size..][..size];
            let scores = Scores { emissions, transitions: &transitions, start: &start, end: &end, length };
            self.best(&scores).ok_or_else(|| Error::Decoding {
                why: format!(
                    "no sequence of tags is allowed for example {row} with {length} steps, or its emissions are not \
                     finite"
                ),
            })
        });
        found.into_iter().collect()
    }

    fn best(&self, scores: &Scores<'_, f64>) -> Option<Path> {
        let (tags, length) = (scores.tags(), scores.length);
        let allows = |from: Option<usize>, to: Option<usize>| {
            let place = |tag: Option<usize>| tag.unwrap_or(tags);
            self.allowed.as_ref().is_none_or(|allowed| allowed[[place(from), place(to)]])
        };
        let Some(last) = length.checked_sub(1) else {
            return Some(Path { tags: vec![], log_probs: vec![], log_prob: 0.0 });
        };
        // The best score of the tags up to each step that end with a tag, and the tag before it: `[time, tag]`.
        let mut best = vec![f64::NEG_INFINITY; tags];
        let mut came_from = vec![0; length * tags];
        for step in 0..length {
            let before = std::mem::replace(&mut best, vec![f64::NEG_INFINITY; tags]);
            for tag in 0..tags {
                let came = if step == 0 {
                    if allows(None, Some(tag)) { scores.start[tag] } else { f64::NEG_INFINITY }
                } else {
                    let from = (0..tags).filter(|from| allows(Some(*from), Some(tag)));
                    let (score, from) = greatest(from.map(|from| (before[from] + scores.transition(from, tag), from)))?;
                    came_from[step * tags + tag] = from;
                    score
                };
                best[tag] = came + scores.emission(step, tag);
                if best[tag].is_nan() {
                    return None;
                }
            }
        }
        let ends = (0..tags).filter(|tag| allows(Some(*tag), None)).map(|tag| (best[tag] + scores.end[tag], tag));
        let (score, mut tag) = greatest(ends)?;
        if !score.is_finite() {
            return None;
        }
        let mut path = vec![tag; length];
        for step in (1..=last).rev() {
            tag = came_from[step * tags + tag];
            path[step - 1] = tag;
        }
        let log_probs = log_probs(scores, &path);
        let log_prob = log_probs.iter().sum();
        Some(Path { tags: path.into_iter().map(|tag| tag as u32).collect(), log_probs, log_prob })
    }
}

/// The first of the greatest scores, −∞ with tag 0 of none; nothing where one is NaN.
fn greatest(scores: impl Iterator<Item = (f64, usize)>) -> Option<(f64, usize)> {
    let mut best = (f64::NEG_INFINITY, 0);
    for (score, tag) in scores {
        if score.is_nan() {
            return None;
        }
        if score > best.0 {
            best = (score, tag);
        }
    }
    Some(best)
}

/// ln P of each tag of a path given the tags before it, by the backward variables.
fn log_probs(scores: &Scores<'_, f64>, path: &[usize]) -> Vec<f64> {
    let tags = scores.tags();
    let mut log_probs = vec![0.0; path.len()];
    let mut after = vec![];
    for step in (0..path.len()).rev() {
        let betas = scores.betas(step, &after, |_| 0..tags);
        // ln Σ over this step's tags of what may follow the tag before.
        let from = step.checked_sub(1).map(|before| path[before]);
        let came = |tag: usize| from.map_or(scores.start[tag], |from| scores.transition(from, tag));
        let score = |tag: usize| came(tag) + scores.emission(step, tag) + betas[tag];
        log_probs[step] = score(path[step]) - log_add((0..tags).map(score));
        after = betas;
    }
    log_probs
}
