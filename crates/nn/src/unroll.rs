//! Running any cell over a padded batch: each row within its own length, padding left out.
//!
//! Rows are sorted by length, longest first, so that the rows still running at a step are the first ones: a step computes on
//! them alone. The inputs of all steps are gathered once, step after step, without padding; direction in time is nothing but
//! another order of that gathering.

use crate::cell::{Cell, State, leaves, move_rows};
use std::sync::Arc;
use unspool_graph::{Error, Graph, Var};

/// The direction in which a sequence is read.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Direction, Elman, unroll_directed};
/// let mut params = Params::seeded(1);
/// let cell = Elman::new(params.scope("rnn"), 3, 4);
/// let graph = Graph::new(&params);
/// let (xs, lengths) = (graph.full([2, 5, 3], 1.0), [5, 2]);
/// let (ys, last) = unroll_directed(&cell, xs, &lengths, cell.initial_state(&graph, 2), Direction::Backward);
/// // The state after reading backwards stands at each row's first step.
/// assert_eq!(ys.index(1, 0).value()?, last.value()?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first step to the last.
    Forward,
    /// From each row's own last step to the first; outputs still stand at the step they belong to.
    Backward,
}

/// Marks a place without a source, in [`Graph::arrange_rows`].
pub(crate) const HOLE: u32 = u32::MAX;

/// Where the rows of a padded batch go.
struct Plan {
    /// The batch's rows, longest first.
    order: Vec<u32>,
    sorted: bool,
    /// How many rows run at each step.
    running: Vec<usize>,
    /// For each step and running row: its place b·T + t in the batch.
    places: Arc<[u32]>,
    /// For each place of the batch: its row among all steps' outputs.
    back: Arc<[u32]>,
}

impl Plan {
    fn new(lengths: &[usize], time: usize, direction: Direction) -> Plan {
        let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(lengths[row as usize]));
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let running: Vec<usize> = (0..longest).map(|t| lengths.iter().filter(|&&length| length > t).count()).collect();
        let (mut places, mut back) = (Vec::with_capacity(running.iter().sum()), vec![HOLE; lengths.len() * time]);
        for (t, &count) in running.iter().enumerate() {
            for &row in &order[..count] {
                let step = match direction {
                    Direction::Forward => t,
                    Direction::Backward => lengths[row as usize] - 1 - t,
                };
                let place = row as usize * time + step;
                back[place] = places.len() as u32;
                places.push(place as u32);
            }
        }
        let sorted = order.iter().enumerate().all(|(i, &row)| i as u32 == row);
        Plan { order, sorted, running, places: places.into(), back: back.into() }
    }
}

/// Runs `cell` over a padded batch, forward in time.
///
/// More in [chapter 3](https://github.com/unspool/unspool/blob/main/docs/03-recurrence.md) of the tutorial.
///
/// - `xs`: `[batch, time, feature]`, `lengths[b]` real steps in row b, the rest padding, which is never looked at.
/// - `state`: the state before the first step; [`Cell::initial_state`], or one [attached](Cell::attach).
/// - Returns the outputs `[batch, time, output]`, zero beyond each row's length, and the state of each row after its own last step.
///
/// No gradient comes from padding, and more of it changes no bit. A row of length 0 keeps its initial state.
///
/// # Errors
/// Kept in the graph: `lengths` that do not fit `xs`, no real step at all, a state whose leaves do not have `batch` rows.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 3, 4);
/// let graph = Graph::new(&params);
/// let xs = graph.full([2, 6, 3], 1.0);
/// let (ys, last) = unroll(&cell, xs, &[6, 2], cell.initial_state(&graph, 2));
/// assert_eq!(ys.index(0, 1).index(0, 1).value()?, last.index(0, 1).value()?); // row 1 ended after two steps
/// assert_eq!(ys.index(0, 1).index(0, 2).value()?.to_f64().sum(), 0.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn unroll<'g, C: Cell>(cell: &C, xs: Var<'g>, lengths: &[usize], state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
    unroll_directed(cell, xs, lengths, state, Direction::Forward)
}

/// As [`unroll`], in either direction.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Direction, Gru, unroll, unroll_directed};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 1, 4);
/// let graph = Graph::new(&params);
/// let (xs, first) = (graph.input(ndarray::array![[[1.0f32], [2.0], [3.0]]]), cell.initial_state(&graph, 1));
/// let (_, backward) = unroll_directed(&cell, xs, &[3], first, Direction::Backward);
/// assert_eq!(backward.value()?, unroll(&cell, xs.flip(1), &[3], first).1.value()?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn unroll_directed<'g, C: Cell>(
    cell: &C,
    xs: Var<'g>,
    lengths: &[usize],
    state: C::State<'g>,
    direction: Direction,
) -> (Var<'g>, C::State<'g>) {
    let graph = xs.graph();
    let _scope = graph.layer("unroll");
    if let Err(why) = fits(xs, lengths, &state) {
        if let Some(why) = why {
            graph.fail(Error::Argument { operation: "unroll", why, at: graph.place() });
        }
        return (graph.inert(), state);
    }
    let time = xs.known_shape().map_or(0, |shape| shape[1]);
    let plan = Plan::new(lengths, time, direction);
    let rows_before = graph.rows();
    let known = rows_before.clone().filter(|known| known.len() == lengths.len());
    let rows: Vec<u32> =
        plan.order.iter().map(|&row| known.as_ref().map_or(row, |known| known[row as usize])).collect();

    let inputs = cell.inputs(xs.gather_places(plan.places.clone()));
    let first = if plan.sorted { state.clone() } else { move_rows(&state, |leaf| leaf.rows(&plan.order)) };
    let start = leaves(&first);
    let mut now = first;
    let mut ended: Vec<(usize, Vec<Var<'g>>)> = vec![];
    let (mut outputs, mut at, mut count) = (Vec::with_capacity(plan.running.len()), 0, lengths.len());
    for (t, &running) in plan.running.iter().enumerate() {
        graph.at_step(Some(t));
        if running < count {
            ended.push((running, leaves(&now).iter().map(|leaf| leaf.slice(0, running..count)).collect()));
            now = move_rows(&now, |leaf| leaf.slice(0, 0..running));
        }
        if running != count || t == 0 {
            graph.set_rows(Some(rows[..running].into()));
            count = running;
        }
        let (y, next) = cell.step(inputs.slice(0, at..at + running), now);
        outputs.push(y);
        now = next;
        graph.carry(&leaves(&now));
        at += running;
        if graph.check().is_err() {
            graph.set_rows(rows_before);
            return (graph.inert(), state);
        }
    }
    graph.at_step(None);
    graph.set_rows(rows_before);
    let outputs = graph.arrange_rows(&outputs, plan.back.clone(), [lengths.len(), time]);
    let last = gather_last(graph, &plan, &state, &start, &now, count, ended);
    (outputs, last)
}

/// The last state of every row, in the batch's own order. A leaf that no step has changed is handed on as it came.
fn gather_last<'g, S: State<'g>>(
    graph: &'g Graph<'g>,
    plan: &Plan,
    given: &S,
    start: &[Var<'g>],
    now: &S,
    running: usize,
    ended: Vec<(usize, Vec<Var<'g>>)>,
) -> S {
    let mut place = vec![0u32; plan.order.len()];
    plan.order.iter().enumerate().for_each(|(i, &row)| place[row as usize] = i as u32);
    let place: Arc<[u32]> = place.into();
    let (given_leaves, now_leaves) = (leaves(given), leaves(now));
    let last = (0..now_leaves.len()).map(|i| {
        let untouched = now_leaves[i].same_node(start[i]);
        if untouched {
            return given_leaves[i];
        }
        // Sorted rows in order: those that ran to the end, then the groups that ended, the last to end first.
        let mut parts = Vec::with_capacity(ended.len() + 1);
        if running > 0 {
            parts.push(now_leaves[i]);
        }
        parts.extend(ended.iter().rev().map(|(_, group)| group[i]));
        match (&parts[..], plan.sorted) {
            ([only], true) => *only,
            _ => graph.arrange_rows(&parts, place.clone(), [place.len()]),
        }
    });
    now.rebuild(&mut last.collect::<Vec<_>>().into_iter())
}

/// `Err(None)` where something failed before.
pub(crate) fn fits<'g, S: State<'g>>(xs: Var<'g>, lengths: &[usize], state: &S) -> Result<(), Option<String>> {
    let shape = xs.known_shape().ok_or(None)?;
    if shape.len() < 2 || shape[0] != lengths.len() {
        return Err(Some(format!(
            "{} lengths were given for inputs of shape {shape}: [batch, time, …]",
            lengths.len()
        )));
    }
    if let Some(&bad) = lengths.iter().find(|&&length| length > shape[1]) {
        return Err(Some(format!("a length of {bad} does not fit inputs of shape {shape}: [batch, time, …]")));
    }
    if lengths.iter().all(|&length| length == 0) {
        return Err(Some("there is no real step in the batch".into()));
    }
    for leaf in leaves(state) {
        let leaf = leaf.known_shape().ok_or(None)?;
        if leaf.first() != Some(&lengths.len()) {
            return Err(Some(format!("a state of shape {leaf} does not have the batch's {} rows", lengths.len())));
        }
    }
    Ok(())
}

/// Two cells over the same batch, one in each direction; outputs side by side.
///
/// More in [chapter 6](https://github.com/unspool/unspool/blob/main/docs/06-aligned.md) of the tutorial.
///
/// Returns `[batch, time, output of forward + output of backward]`, and both last states: the backward cell's is that after
/// each row's first step.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Lstm, bidirectional};
/// let mut params = Params::seeded(1);
/// let (there, back) = (Gru::new(params.scope("there"), 3, 4), Lstm::new(params.scope("back"), 3, 5));
/// let graph = Graph::new(&params);
/// let first = (there.initial_state(&graph, 2), back.initial_state(&graph, 2));
/// let (ys, (_, last)) = bidirectional((&there, &back), graph.full([2, 6, 3], 1.0), &[6, 4], first);
/// assert_eq!(*ys.shape()?, [2, 6, 9]);
/// assert_eq!(ys.index(1, 0).slice(-1, 4..9).value()?, last.h.value()?); // the way back ends at the first step
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn bidirectional<'g, F: Cell, B: Cell>(
    (forward, backward): (&F, &B),
    xs: Var<'g>,
    lengths: &[usize],
    (f_state, b_state): (F::State<'g>, B::State<'g>),
) -> (Var<'g>, (F::State<'g>, B::State<'g>)) {
    let graph = xs.graph();
    let _scope = graph.layer("bidirectional");
    let (fs, f_last) = {
        let _scope = graph.scope("forward");
        unroll_directed(forward, xs, lengths, f_state, Direction::Forward)
    };
    let (bs, b_last) = {
        let _scope = graph.scope("backward");
        unroll_directed(backward, xs, lengths, b_state, Direction::Backward)
    };
    (graph.concat(&[fs, bs], -1), (f_last, b_last))
}
