//! From frames to labels.

use crate::{
    Error, Result,
    log_sum_exp::{log_add, log_sum_exp},
};
use ndarray::{ArrayView1, ArrayView2};
use std::collections::HashMap;
use unspool_graph::Element;

/// Holds a labeling and the logarithm of its probability.
///
/// ```
/// use unspool_nn::ctc::prefix_beam;
/// let found = prefix_beam(ndarray::array![[1.0, 0.0], [0.0, 1.0]].view(), 0, 8)?;
/// let total: f64 = found.iter().map(|hypothesis| hypothesis.log_probability.exp()).sum();
/// assert!((total - 1.0).abs() < 1e-9); // a beam that is wide enough has seen everything
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// The labels, without blanks.
    pub labels: Vec<u32>,
    /// ln p of all paths for them that the beam has seen.
    pub log_probability: f64,
}

/// Returns the labels of the most probable path: the best class of each frame, repeats merged, blanks dropped.
///
/// `logits` are `[time, class]`, the real frames of one row. Of equal classes the first is taken.
///
/// # Errors
/// As [`prefix_beam`].
///
/// ```
/// use unspool_nn::ctc::greedy;
/// let frames = ndarray::array![[0.0, 5.0], [0.0, 5.0], [5.0, 0.0], [0.0, 5.0]]; // 1, 1, blank, 1
/// assert_eq!(greedy(frames.view(), 0)?, [1, 1]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn greedy<E: Element>(logits: ArrayView2<'_, E>, blank: u32) -> Result<Vec<u32>> {
    check_blank(logits.ncols(), blank)?;
    let (mut labels, mut before) = (vec![], blank);
    for (t, frame) in logits.rows().into_iter().enumerate() {
        normalizer(frame, t)?;
        let best = (1..frame.len()).fold(0, |best, k| if frame[k] > frame[best] { k } else { best }) as u32;
        if best != before && best != blank {
            labels.push(best);
        }
        before = best;
    }
    Ok(labels)
}

/// Returns the most probable labels, best first, and at least one hypothesis.
///
/// The search adds the probabilities of all paths for the same labels, and keeps the `width` best prefixes after each
/// frame (Hannun and others 2014, algorithm 1, without a language model). `logits` are `[time, class]`, the real frames
/// of one row. A width of all prefixes that there are gives exact probabilities. Of equal prefixes the one that extends
/// a better prefix comes first, then the one with the smaller label. The time and the memory grow linearly with the
/// number of frames.
///
/// # Errors
/// [`Error::Decoding`] for a frame whose logits have no softmax, because one is NaN or +∞ or all are −∞; for a blank
/// that is no class; and for a width of 0.
///
/// ```
/// use unspool_nn::ctc::{greedy, prefix_beam};
/// // In each frame the blank (0.6) is likelier than the label (0.4); yet the three paths for the label together are
/// // likelier than no label.
/// let frames = ndarray::array![[0.6f64.ln(), 0.4f64.ln()], [0.6f64.ln(), 0.4f64.ln()]];
/// assert!(greedy(frames.view(), 0)?.is_empty());
/// let best = &prefix_beam(frames.view(), 0, 8)?[0];
/// assert_eq!(best.labels, [1]);
/// assert!((best.log_probability.exp() - 0.64).abs() < 1e-9);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn prefix_beam<E: Element>(logits: ArrayView2<'_, E>, blank: u32, width: usize) -> Result<Vec<Hypothesis>> {
    check_blank(logits.ncols(), blank)?;
    if width == 0 {
        return Err(Error::Decoding { why: "a beam of width 0 keeps nothing; the width must be at least 1".into() });
    }
    let mut prefixes = Prefixes::default();
    let mut beam = vec![Kept { prefix: ROOT, in_blank: 0.0, in_label: f64::NEG_INFINITY }];
    for (t, frame) in logits.rows().into_iter().enumerate() {
        let normalizer = normalizer(frame, t)?;
        let log_p: Vec<f64> = frame.iter().map(|x| x.to_f64() - normalizer).collect();
        let mut next = Candidates::default();
        for &Kept { prefix, in_blank, in_label } in &beam {
            let both = log_add([in_blank, in_label]);
            for (label, &p) in (0..).zip(&log_p) {
                if label == blank {
                    next.add_blank(prefix, both + p);
                } else if prefixes.last(prefix) == Some(label) {
                    // The same label again: without a blank between it is merged, after one it is a new label.
                    next.add_label(prefix, in_label + p);
                    next.add_longer(&prefixes, prefix, label, in_blank + p);
                } else {
                    next.add_longer(&prefixes, prefix, label, both + p);
                }
            }
        }
        beam = next.best(width, &mut prefixes);
    }
    let hypothesis = |kept: &Kept| Hypothesis { labels: prefixes.labels(kept.prefix), log_probability: kept.total() };
    Ok(beam.iter().map(hypothesis).collect())
}

fn check_blank(classes: usize, blank: u32) -> Result<()> {
    if (blank as usize) < classes {
        return Ok(());
    }
    let why =
        format!("the frames have {classes} classes, so {blank} cannot be the blank; it must be less than {classes}");
    Err(Error::Decoding { why })
}

/// Returns ln Σ eˣ of frame `t`, which is finite: then at least one class has a probability greater than 0, so a beam
/// never becomes empty.
fn normalizer<E: Element>(frame: ArrayView1<'_, E>, t: usize) -> Result<f64> {
    let sum = log_sum_exp(&frame.to_vec()).to_f64();
    if sum.is_finite() {
        return Ok(sum);
    }
    let why = format!("the logits of frame {t} have no softmax: a logit must be finite or −∞, and one at least finite");
    Err(Error::Decoding { why })
}

/// The number of a prefix in [`Prefixes`].
type Prefix = u32;

/// The prefix without labels.
const ROOT: Prefix = 0;

/// All prefixes that were ever in the beam, as a tree: each is another one and a label. So a frame adds at most `width`
/// of them, and copies none.
#[derive(Default)]
struct Prefixes {
    /// The parent and the last label of each but the root, from 1.
    nodes: Vec<(Prefix, u32)>,
    numbers: HashMap<(Prefix, u32), Prefix>,
}

impl Prefixes {
    fn last(&self, prefix: Prefix) -> Option<u32> {
        self.node(prefix).map(|(_, label)| label)
    }

    fn node(&self, prefix: Prefix) -> Option<(Prefix, u32)> {
        (prefix as usize).checked_sub(1).map(|at| self.nodes[at])
    }

    fn longer(&mut self, parent: Prefix, label: u32) -> Prefix {
        *self.numbers.entry((parent, label)).or_insert_with(|| {
            self.nodes.push((parent, label));
            self.nodes.len() as Prefix
        })
    }

    fn labels(&self, prefix: Prefix) -> Vec<u32> {
        let up = |at: &(Prefix, u32)| self.node(at.0);
        let mut labels: Vec<u32> = std::iter::successors(self.node(prefix), up).map(|(_, label)| label).collect();
        labels.reverse();
        labels
    }
}

/// A prefix in the beam.
struct Kept {
    prefix: Prefix,
    /// ln p of its paths that end in a blank.
    in_blank: f64,
    /// ln p of its paths that end in its last label.
    in_label: f64,
}

impl Kept {
    fn total(&self) -> f64 {
        log_add([self.in_blank, self.in_label])
    }
}

/// A prefix that the next beam may keep.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name {
    /// One that was in a beam before.
    Known(Prefix),
    /// One that was not: it becomes a node of the tree only if it is kept.
    Longer(Prefix, u32),
}

/// The prefixes of the next beam, in the order in which they were found.
#[derive(Default)]
struct Candidates {
    found: Vec<(Name, f64, f64)>,
    places: HashMap<Name, usize>,
}

impl Candidates {
    fn add_blank(&mut self, prefix: Prefix, log_p: f64) {
        self.add(Name::Known(prefix), log_p, f64::NEG_INFINITY);
    }

    fn add_label(&mut self, prefix: Prefix, log_p: f64) {
        self.add(Name::Known(prefix), f64::NEG_INFINITY, log_p);
    }

    fn add_longer(&mut self, prefixes: &Prefixes, parent: Prefix, label: u32, log_p: f64) {
        let known = prefixes.numbers.get(&(parent, label));
        let name = known.map_or(Name::Longer(parent, label), |&prefix| Name::Known(prefix));
        self.add(name, f64::NEG_INFINITY, log_p);
    }

    fn add(&mut self, name: Name, in_blank: f64, in_label: f64) {
        if in_blank == f64::NEG_INFINITY && in_label == f64::NEG_INFINITY {
            return;
        }
        let place = *self.places.entry(name).or_insert(self.found.len());
        match self.found.get_mut(place) {
            Some((_, blank, label)) => {
                *blank = log_add([*blank, in_blank]);
                *label = log_add([*label, in_label]);
            }
            None => self.found.push((name, in_blank, in_label)),
        }
    }

    fn best(self, width: usize, prefixes: &mut Prefixes) -> Vec<Kept> {
        let mut order: Vec<(f64, usize)> =
            self.found.iter().enumerate().map(|(i, (_, blank, label))| (log_add([*blank, *label]), i)).collect();
        // Stable: equals stay in the order in which they were found.
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        order.truncate(width);
        let keep = |(_, i): (f64, usize)| {
            let (name, in_blank, in_label) = self.found[i];
            let prefix = match name {
                Name::Known(prefix) => prefix,
                Name::Longer(parent, label) => prefixes.longer(parent, label),
            };
            Kept { prefix, in_blank, in_label }
        };
        order.into_iter().map(keep).collect()
    }
}
