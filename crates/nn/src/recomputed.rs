//! Long sequences in little memory: an unrolling in segments whose inside is forgotten and recorded again for backward.

use crate::{
    cell::{Cell, State, leaves},
    unroll::{fits, unroll},
};
use unspool_graph::{Error, Graph, Var};

/// As [`unroll`], in segments of `every` steps of which only the outputs and the states between them are kept:
/// [`Graph::recompute`] records a segment's inside again when backward comes to it.
///
/// With `every` about √time the inside of one segment is as large as all that is kept between segments, and memory grows with
/// √time beside inputs and outputs, for one more forward pass. Values are those of [`unroll`]; gradients are summed in another
/// order than there, and in the same, to the bit, as when each segment were unrolled without recomputing.
///
/// The cell is cloned into the segments; inside of them its state has the structure of [`Cell::initial_state`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, unroll_recomputed};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = graph.full([2, 100, 3], 0.1);                                 // [batch, time, feature]
/// let (hs, last) = unroll_recomputed(&cell, xs, &[100, 40], cell.initial_state(&graph, 2), 10);
/// assert_eq!(*hs.shape()?, [2, 100, 8]);
/// assert!(last.sum_all().backward()?.report().is_clean());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// # Errors
/// Those of [`unroll`], and an `every` of 0; kept in the graph.
#[track_caller]
pub fn unroll_recomputed<'g, C>(
    cell: &C,
    xs: Var<'g>,
    lengths: &[usize],
    state: C::State<'g>,
    every: usize,
) -> (Var<'g>, C::State<'g>)
where
    C: Cell + Clone + Send + Sync + 'static,
{
    let graph = xs.graph();
    let _scope = graph.layer("unroll_recomputed");
    let fits = match every {
        0 => Err(Some("segments of 0 steps never end".to_string())),
        _ => fits(xs, lengths, &state),
    };
    if let Err(why) = fits {
        if let Some(why) = why {
            graph.fail(Error::Argument { operation: "unroll_recomputed", why, at: graph.place() });
        }
        return (graph.inert(), state);
    }
    let (batch, time) = (lengths.len(), xs.known_shape().map_or(0, |shape| shape[1]));
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let (mut now, mut outputs, mut done) = (state.clone(), vec![], 0);
    while done < longest {
        let steps = every.min(time - done);
        let part: Vec<usize> = lengths.iter().map(|&length| length.saturating_sub(done).min(steps)).collect();
        let before = leaves(&now);
        let inputs: Vec<Var<'g>> = [xs.slice(1, done..done + steps)].into_iter().chain(before.clone()).collect();
        let cell = cell.clone();
        let joined = graph.recompute(move |graph, inputs| segment(graph, &cell, inputs, &part), &inputs);
        let Some(all) = joined.known_shape() else { return (graph.inert(), state) };
        // Taken apart as it was joined: outputs, then leaf after leaf.
        let kept: usize = before.iter().filter_map(|leaf| leaf.known_shape()).map(|shape| shape.elements()).sum();
        let width = (all.elements() - kept) / (batch * steps);
        let mut at = batch * steps * width;
        outputs.push(joined.slice(0, 0..at).reshape([batch, steps, width]));
        let after = before.iter().map(|leaf| {
            let Some(shape) = leaf.known_shape() else { return graph.inert() };
            at += shape.elements();
            joined.slice(0, at - shape.elements()..at).reshape(&*shape)
        });
        now = now.rebuild(&mut after.collect::<Vec<_>>().into_iter());
        done += steps;
    }
    let outputs = graph.concat(&outputs, 1);
    (if done < time { outputs.pad(1, 0, time - done) } else { outputs }, now)
}

/// One segment: from its inputs and the state's leaves to its outputs and the leaves after it, joined into one row of numbers.
fn segment<'s, C: Cell>(graph: &'s Graph<'s>, cell: &C, inputs: &[Var<'s>], lengths: &[usize]) -> Var<'s> {
    let [xs, before @ ..] = inputs else { return graph.inert() };
    let state = cell.initial_state(graph, lengths.len()).rebuild(&mut before.iter().copied());
    let (ys, last) = unroll(cell, *xs, lengths, state);
    let parts = [ys].into_iter().chain(leaves(&last));
    let flat: Vec<Var<'s>> = parts.map(|v| v.reshape([v.known_shape().map_or(0, |shape| shape.elements())])).collect();
    graph.concat(&flat, 0)
}
