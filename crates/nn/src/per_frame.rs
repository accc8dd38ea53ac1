//! One network for every frame of a sequence.

use crate::unroll::HOLE;
use std::sync::Arc;
use unspool_graph::{Draw, Var};

/// Applies `network` to each real step by itself, all of them at once: `[batch, time, …]` is folded into rows `[Σ lengths, …]`, padding
/// left out, and what the network makes of the rows, `[Σ lengths, …]`, goes back to `[batch, time, …]`, zero beyond each row's length.
///
/// More in [chapter 6](https://github.com/unspool/unspool/blob/main/docs/06-aligned.md) of the tutorial.
///
/// The network's parameters are shared across time: a convolution a frame, a readout a step. One step's draws, as those of dropout,
/// belong to its row and its time, so more padding changes none.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Linear, per_frame};
/// let mut params = Params::seeded(0);
/// let layer = Linear::new(params.scope("frame"), 12, 8);
/// let graph = Graph::new(&params);
/// let frames = graph.zeros([2, 5, 3, 4]);                          // [batch, time, height, width]
/// let ys = per_frame(frames, &[5, 2], |frames| layer.apply(frames.reshape([7, 12])).relu());
/// assert_eq!(*ys.shape()?, [2, 5, 8]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// # Errors
/// Kept in the graph: lengths that do not fit `xs`, and a network that gives another number of rows than it was given.
#[track_caller]
pub fn per_frame<'g>(xs: Var<'g>, lengths: &[usize], network: impl FnOnce(Var<'g>) -> Var<'g>) -> Var<'g> {
    let graph = xs.graph();
    let _scope = graph.layer("per_frame");
    let rows = xs.real_rows(lengths);
    let Some(time) = xs.known_shape().filter(|_| rows.known_shape().is_some()).map(|shape| shape[1]) else {
        return graph.inert();
    };
    let before = graph.rows();
    let example = |b: usize| before.as_ref().and_then(|rows| rows.get(b).copied()).unwrap_or(b as u32);
    let frame = |(b, &length): (usize, &usize)| {
        let key = Draw::seed(u64::from(example(b)));
        (0..length as u64).map(move |t| key.bits(t) as u32)
    };
    graph.set_rows(Some(lengths.iter().enumerate().flat_map(frame).collect()));
    let ys = network(rows);
    graph.set_rows(before);
    graph.arrange_rows(&[ys], places(lengths, time), [lengths.len(), time])
}

/// For each place (b, t) of a padded batch its row among the real ones, example by example, or a hole.
pub(crate) fn places(lengths: &[usize], time: usize) -> Arc<[u32]> {
    let mut row = 0..;
    let place = |length: usize, t: usize| if t < length { row.next().unwrap_or(HOLE) } else { HOLE };
    let mut place = place;
    let mut all = Vec::with_capacity(lengths.len() * time);
    for &length in lengths {
        all.extend((0..time).map(|t| place(length, t)));
    }
    all.into()
}
