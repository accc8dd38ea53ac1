//! From frames to labels.

use super::{log_add, log_sum_exp};
use ndarray::ArrayView2;
use std::collections::BTreeMap;
use unspool_graph::Element;

/// Labels, and the logarithm of their probability.
///
/// ```
/// use unspool_nn::ctc::prefix_beam;
/// let found = prefix_beam(ndarray::array![[1.0, 0.0], [0.0, 1.0]].view(), 0, 8);
/// let total: f64 = found.iter().map(|hypothesis| hypothesis.log_probability.exp()).sum();
/// assert!((total - 1.0).abs() < 1e-9); // a beam that is wide enough has seen everything
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Hypothesis {
    /// Without blanks.
    pub labels: Vec<u32>,
    /// ln p of all paths for them that the beam has seen.
    pub log_probability: f64,
}

/// The labels of the most probable path: the best class of each frame, repeats merged, blanks dropped. `logits: [time, class]`, the real
/// frames of one row; of equal classes the first is taken.
///
/// ```
/// use unspool_nn::ctc::greedy;
/// let frames = ndarray::array![[0.0, 5.0], [0.0, 5.0], [5.0, 0.0], [0.0, 5.0]]; // 1, 1, blank, 1
/// assert_eq!(greedy(frames.view(), 0), [1, 1]);
/// ```
pub fn greedy<E: Element>(logits: ArrayView2<'_, E>, blank: u32) -> Vec<u32> {
    let best = logits.rows().into_iter().map(|frame| {
        let top = frame.iter().enumerate().fold(None, |top: Option<(usize, E)>, (k, &x)| match top {
            Some((_, most)) if x <= most => top,
            _ => Some((k, x)),
        });
        top.map_or(blank, |(k, _)| k as u32)
    });
    let mut labels = vec![];
    let mut before = blank;
    for label in best {
        if label != before && label != blank {
            labels.push(label);
        }
        before = label;
    }
    labels
}

/// The most probable labels, best first, by a search that adds the paths of equal labels and keeps the `width` best prefixes after
/// each frame (Hannun and others 2014, algorithm 1, without a language model). `logits: [time, class]`, the real frames of one row.
///
/// A width of all prefixes there are gives exact probabilities.
///
/// ```
/// use unspool_nn::ctc::{greedy, prefix_beam};
/// // Each frame holds the blank (0.6) likelier than the label (0.4); and yet the label's three paths together are likelier than no label.
/// let frames = ndarray::array![[0.6f64.ln(), 0.4f64.ln()], [0.6f64.ln(), 0.4f64.ln()]];
/// assert!(greedy(frames.view(), 0).is_empty());
/// let best = &prefix_beam(frames.view(), 0, 8)[0];
/// assert_eq!(best.labels, [1]);
/// assert!((best.log_probability.exp() - 0.64).abs() < 1e-9);
/// ```
pub fn prefix_beam<E: Element>(logits: ArrayView2<'_, E>, blank: u32, width: usize) -> Vec<Hypothesis> {
    // Of each prefix: ln p of its paths that end in a blank, and of those that end in its last label.
    let mut beam: Vec<(Vec<u32>, [f64; 2])> = vec![(vec![], [0.0, f64::NEG_INFINITY])];
    for frame in logits.rows() {
        let frame: Vec<E> = frame.iter().copied().collect();
        let normaliser = log_sum_exp(&frame);
        let log_p: Vec<f64> = frame.iter().map(|x| x.to_f64() - normaliser).collect();
        let mut next: BTreeMap<Vec<u32>, [f64; 2]> = BTreeMap::new();
        let mut add = |prefix: Vec<u32>, place: usize, more: f64| {
            if more > f64::NEG_INFINITY {
                let kept = next.entry(prefix).or_insert([f64::NEG_INFINITY; 2]);
                kept[place] = log_add([kept[place], more]);
            }
        };
        for (prefix, [in_blank, in_label]) in beam {
            let both = log_add([in_blank, in_label]);
            for (class, &p) in log_p.iter().enumerate() {
                let class = class as u32;
                if class == blank {
                    add(prefix.clone(), 0, both + p);
                } else if prefix.last() == Some(&class) {
                    // The same label again: without a blank between it is merged, after one it is a new one.
                    add(prefix.clone(), 1, in_label + p);
                    add(longer(&prefix, class), 1, in_blank + p);
                } else {
                    add(longer(&prefix, class), 1, both + p);
                }
            }
        }
        beam = next.into_iter().collect();
        // Stable, so that equals stand in the order of their labels.
        beam.sort_by(|a, b| log_add(b.1).total_cmp(&log_add(a.1)));
        beam.truncate(width.max(1));
    }
    beam.into_iter().map(|(labels, both)| Hypothesis { labels, log_probability: log_add(both) }).collect()
}

fn longer(prefix: &[u32], label: u32) -> Vec<u32> {
    [prefix, &[label]].concat()
}
