//! Running any cell over a sequence: each example within its own length, padding left out.
//!
//! The rows of a [`Sequence`] are packed longest example first, so that those still running at a step are the first
//! ones: a step computes on them alone, on a slice, which is a view. Reading backward is reading the reversed sequence.

use crate::{
    Sequence,
    cell::{Cell, State, leaves, move_rows},
    dynamics,
};
use unspool_graph::{Graph, Result, Var};

/// Names the direction in which a sequence is read.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Direction, Rnn, Sequence, unroll_directed};
/// let mut params = Params::seeded(1);
/// let cell = Rnn::new(params.scope("rnn"), 3, 4);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, last) = unroll_directed(&cell, &xs, cell.initial_state(&graph, 2), Direction::Backward);
/// // The state after reading backward is at each example's first step.
/// assert_eq!(ys.padded().index(1, 0).value()?, last.value()?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From each example's own last step to the first; outputs are still at the step they belong to.
    Backward,
}

/// Runs `cell` over a sequence, forward in time.
///
/// More in [chapter 3](https://github.com/unspool/unspool/blob/main/docs/03-recurrence.md) of the tutorial.
///
/// - `state`: the state before the first step; [`Cell::initial_state`], or one [attached](Cell::state_from_tensors).
/// - Returns the outputs, one per real step, and the state of each example after its own last step.
///
/// No gradient comes from padding, and more of it changes no bit. An example of length 0 keeps its initial state. A
/// cell that has a [scan](Cell::scan) is run by it.
///
/// # Errors
/// The graph records an error for no real step at all, a state whose leaves do not have one row per example, a leaf of
/// the state that changes its shape, an output that does not have one row per running example.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Sequence, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 3, 4);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 6, 3], 1.0), &[6, 2]);
/// let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!(ys.last().value()?, last.value()?); // example 1 ended after two steps
/// assert_eq!(*ys.padded().shape()?, [2, 6, 4]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn unroll<'g, C: Cell>(cell: &C, xs: &Sequence<'g>, state: C::State<'g>) -> (Sequence<'g>, C::State<'g>) {
    unroll_directed(cell, xs, state, Direction::Forward)
}

/// Runs `cell` over a sequence as [`unroll`] does, in either direction.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Direction, Gru, Sequence, unroll, unroll_directed};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 1, 4);
/// let graph = Graph::new(&params);
/// let xs = Sequence::full(graph.input(ndarray::array![[[1.0f32], [2.0], [3.0]]]));
/// let first = cell.initial_state(&graph, 1);
/// let (_, backward) = unroll_directed(&cell, &xs, first, Direction::Backward);
/// assert_eq!(backward.value()?, unroll(&cell, &xs.reverse(), first).1.value()?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn unroll_directed<'g, C: Cell>(
    cell: &C,
    xs: &Sequence<'g>,
    state: C::State<'g>,
    direction: Direction,
) -> (Sequence<'g>, C::State<'g>) {
    let graph = xs.graph();
    let _scope = graph.layer("unroll");
    let read = match direction {
        Direction::Forward => run(cell, xs, &state, 0),
        Direction::Backward => run(cell, &xs.reverse(), &state, 0).map(|(ys, last)| (ys.reverse(), last)),
    };
    read.unwrap_or_else(|error| {
        graph.fail(error);
        (xs.with_rows(graph.inert()), state)
    })
}

/// Runs the cell over the packed rows, at once where it has a [scan](Cell::scan) and else step by step; the first step
/// is time step `first`.
///
/// The packed rows of step t are those of the examples that still run, longest first, so a step works on one slice of
/// the inputs, and the state only ever loses rows at its end:
///
/// ```text
/// lengths 3, 1, 2 are packed in the order 0, 2, 1:   step 0: 0 2 1    step 1: 0 2    step 2: 0
/// ```
pub(crate) fn run<'g, C: Cell>(
    cell: &C,
    xs: &Sequence<'g>,
    state: &C::State<'g>,
    first: usize,
) -> Result<(Sequence<'g>, C::State<'g>)> {
    let (graph, layout) = (xs.graph(), xs.layout());
    check(xs, state)?;
    dynamics::observe(cell, xs, state, first);
    if let Some((ys, last)) = cell.scan(xs, state) {
        scanned(xs, state, &ys, &last)?;
        return Ok((xs.with_rows(ys.rows()), last));
    }
    let projected = xs.map(|rows| cell.project(rows)).rows();
    let names = layout.sorted_names(graph);
    let mut now = match layout.order() {
        Some(order) => move_rows(state, |leaf| leaf.index_select(order)),
        None => state.clone(),
    };
    let start = leaves(&now);
    let naming = graph.name_rows(names.clone());
    // `ended` collects the last states of the examples that end, group by group; `count` examples are still running.
    let (mut outputs, mut ended, mut count) = (Vec::with_capacity(layout.running().len()), vec![], layout.batch());
    for (t, &running) in layout.running().iter().enumerate() {
        let _step = graph.at_step(first + t);
        if running < count {
            ended.push(leaves(&now).iter().map(|leaf| leaf.slice(0, running..count)).collect::<Vec<_>>());
            now = move_rows(&now, |leaf| leaf.slice(0, 0..running));
            naming.rename(names.first(running));
            count = running;
        }
        let at = layout.start(t)..layout.start(t) + running;
        let _beside: Vec<_> =
            xs.beside().iter().map(|(name, rows)| graph.provide(name, rows.slice(0, at.clone()))).collect();
        let before = leaves(&now);
        // A cell without a projection returns its input from `project`: then `step` is all there is to run.
        let x = xs.rows().slice(0, at.clone());
        let (y, next) = if projected.same_node(xs.rows()) {
            cell.step(x, now)
        } else {
            cell.step_projected(x, projected.slice(0, at), now)
        };
        let after = leaves(&next);
        unchanged_shapes(graph, y, running, &before, &after)?;
        outputs.push(y);
        now = next;
        graph.carry(&after);
    }
    drop(naming);
    let outputs = xs.with_rows(joined(graph, &outputs));
    let last = gather_last(xs, state, &start, &now, &ended, count);
    Ok((outputs, last))
}

/// Concatenates the outputs of all steps.
///
/// The outputs of a single step are copied to a new node too, although they need no concatenation. The last output of a
/// cell such as an RNN is also its state; without the copy, the gradients of the two would be added in another order
/// for one step than for several, and a row would not have the same bits alone and in a batch.
fn joined<'g>(graph: &'g Graph<'g>, outputs: &[Var<'g>]) -> Var<'g> {
    let rows = graph.concat(outputs, 0);
    match rows.known_shape() {
        Some(shape) if outputs.len() == 1 => graph.gather_rows(&[rows], (0..shape[0] as u32).collect(), [shape[0]]),
        _ => rows,
    }
}

/// Returns the last state of every example, in the order of the batch. A leaf that no step has changed, such as an
/// attended memory, is returned as it was given: that costs nothing.
fn gather_last<'g, S: State<'g>>(
    xs: &Sequence<'g>,
    given: &S,
    start: &[Var<'g>],
    now: &S,
    ended: &[Vec<Var<'g>>],
    running: usize,
) -> S {
    let (graph, layout) = (xs.graph(), xs.layout());
    let (given, now_leaves) = (leaves(given), leaves(now));
    let last = (0..now_leaves.len()).map(|i| {
        let untouched = start.get(i).is_some_and(|start| now_leaves[i].same_node(*start));
        if untouched {
            return given[i];
        }
        // In packed order, longest first: the examples that ran to the end, then the groups that ended, the group that
        // ended last coming first. `place` maps the batch's order to this one.
        let own = (running > 0).then_some(now_leaves[i]);
        let parts: Vec<Var<'g>> = own.into_iter().chain(ended.iter().rev().map(|group| group[i])).collect();
        match (&parts[..], layout.order()) {
            ([only], None) => *only,
            _ => graph.gather_rows(&parts, layout.place(), [layout.batch()]),
        }
    });
    now.rebuild(&mut last.collect::<Vec<_>>().into_iter())
}

/// Returns an error if the sequence cannot be unrolled from this state.
pub(crate) fn check<'g, S: State<'g>>(xs: &Sequence<'g>, state: &S) -> Result<()> {
    let graph = xs.graph();
    xs.known()?;
    if xs.layout().rows() == 0 {
        return Err(graph.error("unroll", "there is no real step in the batch"));
    }
    for leaf in leaves(state) {
        let (leaf, batch) = (leaf.shape()?, xs.batch());
        if leaf.first() != Some(&batch) {
            let why = format!("a state of shape {leaf} does not have the batch's {batch} rows");
            return Err(graph.error("unroll", why));
        }
    }
    Ok(())
}

/// Returns an error unless a step returned an output and a state for the rows it was given, and a state of the same
/// shape.
fn unchanged_shapes<'g>(
    graph: &Graph<'g>,
    output: Var<'g>,
    rows: usize,
    before: &[Var<'g>],
    after: &[Var<'g>],
) -> Result<()> {
    let output = output.shape()?;
    if output.first() != Some(&rows) {
        return Err(graph.error("unroll", format!("the cell's output has shape {output}, for a step of {rows} rows")));
    }
    if before.len() != after.len() {
        let why = format!("the state went in with {} leaves and came out with {}", before.len(), after.len());
        return Err(graph.error("unroll", why));
    }
    for (leaf, (before, after)) in before.iter().zip(after).enumerate() {
        let (before, after) = (before.shape()?, after.shape()?);
        if before != after {
            let why = format!("leaf {leaf} of the state went in as {before} and came out as {after}");
            return Err(graph.error("unroll", why));
        }
    }
    Ok(())
}

/// Returns an error unless a scan returned an output for each of the steps, and a state of the same shape.
fn scanned<'g, S: State<'g>>(xs: &Sequence<'g>, before: &S, outputs: &Sequence<'g>, after: &S) -> Result<()> {
    let graph = xs.graph();
    if !outputs.layout().matches(xs.layout()) {
        return Err(graph.error("unroll", "the cell's scan returned outputs over other steps than it was given"));
    }
    unchanged_shapes(graph, outputs.rows(), xs.layout().rows(), &leaves(before), &leaves(after))
}

/// Runs two cells over the same sequence, one in each direction, and puts their outputs side by side.
///
/// More in [chapter 6](https://github.com/unspool/unspool/blob/main/docs/06-aligned.md) of the tutorial.
///
/// Returns the outputs, `[.., output of forward + output of backward]`, and both last states: the backward cell's is
/// that after each example's first step.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Lstm, Sequence, bidirectional};
/// let mut params = Params::seeded(1);
/// let (there, back) = (Gru::new(params.scope("there"), 3, 4), Lstm::new(params.scope("back"), 3, 5));
/// let graph = Graph::new(&params);
/// let first = (there.initial_state(&graph, 2), back.initial_state(&graph, 2));
/// let xs = Sequence::pack(graph.full([2, 6, 3], 1.0), &[6, 4]);
/// let (ys, (_, last)) = bidirectional((&there, &back), &xs, first);
/// let ys = ys.padded();
/// assert_eq!(*ys.shape()?, [2, 6, 9]);
/// assert_eq!(ys.index(1, 0).slice(-1, 4..9).value()?, last.h.value()?); // the way back ends at the first step
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn bidirectional<'g, F: Cell, B: Cell>(
    (forward, backward): (&F, &B),
    xs: &Sequence<'g>,
    (f_state, b_state): (F::State<'g>, B::State<'g>),
) -> (Sequence<'g>, (F::State<'g>, B::State<'g>)) {
    let graph = xs.graph();
    let _scope = graph.layer("bidirectional");
    let (fs, f_last) = {
        let _scope = graph.scope("forward");
        unroll_directed(forward, xs, f_state, Direction::Forward)
    };
    let (bs, b_last) = {
        let _scope = graph.scope("backward");
        unroll_directed(backward, xs, b_state, Direction::Backward)
    };
    (fs.concat(&bs), (f_last, b_last))
}
