//! One-to-many: a sequence out of one input.
//!
//! A recurrence needs an input at every step. Where there is one for all of them, it is given at the first step
//! ([`zero_filled`]) or at each ([`repeated`]), or each step reads what the one before gave ([`feed_back`]).

use crate::{Cell, Layout, Sequence, sizes::elements};
use unspool_graph::{Result, Var};

/// Gives the input at the first step and zeros after it: `[batch, …]` to sequences of `time` steps.
///
/// ```
/// # use unspool_graph::{Graph, Params};
/// # use unspool_nn::zero_filled;
/// # let params = Params::seeded(0);
/// # let graph = Graph::new(&params);
/// let xs = zero_filled(graph.full([2, 1], 7.0), 3).padded();
/// assert_eq!(xs.to_f64()?.into_raw_vec_and_offset().0, [7.0, 0.0, 0.0, 7.0, 0.0, 0.0]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[track_caller]
pub fn zero_filled(x: Var<'_>, time: usize) -> Sequence<'_> {
    let _scope = x.graph().layer("zero_filled");
    let Some(batch) = rows_over("zero_filled", x, time) else { return nothing(x) };
    Sequence::new(
        x.pad(0, 0, batch * time.saturating_sub(1)).slice(0, 0..batch * time),
        Layout::new(&vec![time; batch]),
    )
}

/// Gives the input at every step, as a context that stays: `[batch, …]` to sequences of `time` steps.
///
/// ```
/// # use unspool_graph::{Graph, Params};
/// # use unspool_nn::repeated;
/// # let params = Params::seeded(0);
/// # let graph = Graph::new(&params);
/// let xs = repeated(graph.full([2, 1], 7.0), 3).padded();
/// assert_eq!(xs.to_f64()?.into_raw_vec_and_offset().0, [7.0; 6]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[track_caller]
pub fn repeated(x: Var<'_>, time: usize) -> Sequence<'_> {
    let graph = x.graph();
    let _scope = graph.layer("repeated");
    let Some(batch) = rows_over("repeated", x, time) else { return nothing(x) };
    let rows = graph.layer_fn("rows", |_| {
        let shape = x.shape()?;
        let wide =
            shape.insert(0, time).ok_or_else(|| graph.error("repeated", format!("{shape} has too many axes")))?;
        let sizes: Vec<usize> = [time * batch].into_iter().chain(shape.iter().skip(1).copied()).collect();
        Ok(x.unsqueeze(0).expand(&*wide).reshape(sizes))
    });
    Sequence::new(rows, Layout::new(&vec![time; batch]))
}

/// Returns the rows of a batch, if memory can hold as much as they are over `time` steps; else that is the graph's
/// error.
#[track_caller]
fn rows_over(operation: &'static str, x: Var<'_>, time: usize) -> Option<usize> {
    let shape = x.known_shape()?;
    let sizes: Vec<usize> = [time].into_iter().chain(shape.iter().copied()).collect();
    // A layout has a number per step, whatever the batch.
    elements(x.graph(), operation, &sizes).and_then(|_| elements(x.graph(), operation, &[time]))?;
    Some(shape.first().copied().unwrap_or(0))
}

fn nothing(x: Var<'_>) -> Sequence<'_> {
    Sequence::new(x.graph().inert(), Layout::new(&[]))
}

/// Runs a cell whose input at each step is made from the output of the step before. `read` turns a cell's output into
/// what is kept of it and the next step's input: a vector that is fed back as it is, or a token's vector.
///
/// Returns what was kept at each of `steps` steps, and the last state. It is differentiable where `read` is: a model
/// can be trained on its own outputs. Text is rather written by a decoder that stops at an end token and keeps one step
/// in memory.
///
/// ```
/// use ndarray::aview1;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Embedding, Gru, Linear, feed_back};
/// let mut params = Params::seeded(0);
/// let embedding = Embedding::new(params.scope("embedding"), 10, 4);
/// let cell = Gru::new(params.scope("rnn"), 4, 8);
/// let readout = Linear::new(params.scope("readout"), 8, 10);
/// let graph = Graph::new(&params);
/// let first = embedding.apply(&graph, aview1(&[1, 2]));
/// let (logits, _) = feed_back(&cell, first, 6, cell.initial_state(&graph, 2), |h| {
///     let logits = readout.apply(h);
///     Ok((logits, embedding.apply(&graph, aview1(&logits.argmax()?))))
/// });
/// assert_eq!(*logits.padded().shape()?, [2, 6, 10]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// # Errors
/// The graph records an error for what `read` returns as an error, and no step at all.
#[track_caller]
pub fn feed_back<'g, C: Cell>(
    cell: &C,
    first: Var<'g>,
    steps: usize,
    mut state: C::State<'g>,
    mut read: impl FnMut(Var<'g>) -> Result<(Var<'g>, Var<'g>)>,
) -> (Sequence<'g>, C::State<'g>) {
    let graph = first.graph();
    let _scope = graph.layer("feed_back");
    let batch = first.known_shape().and_then(|shape| shape.first().copied()).unwrap_or(0);
    let (mut x, mut kept) = (first, vec![]);
    for t in 0..steps {
        let _step = graph.at_step(t);
        let (h, next) = cell.step(x, state);
        state = next;
        match graph.check().and_then(|()| read(h)) {
            Ok((y, next)) => {
                kept.push(y);
                x = next;
            }
            Err(error) => {
                graph.fail(error);
                return (nothing(first), state);
            }
        }
    }
    (Sequence::new(graph.concat(&kept, 0), Layout::new(&vec![steps; batch])), state)
}
