//! Long sequences in little memory: an unrolling in segments whose inside is forgotten and recorded again for backward.

use super::unroll::{check, run};
use crate::{
    Layout, Sequence,
    cell::{Cell, State, leaves, move_rows},
};
use unspool_graph::{Graph, Result, Var};

/// Runs a cell over a sequence as [`unroll`](crate::unroll()) does, in segments of `every` steps, of which only the
/// outputs and the states between them are kept: [`Graph::recompute`] records the inside of a segment again when the
/// backward pass reaches it.
///
/// With `every` about √time the inside of one segment is as large as all that is kept between segments, and memory
/// grows with √time beside inputs and outputs, for one more forward pass. Values and random draws are those of
/// [`unroll`](crate::unroll()); gradients are summed in another order than there, and in the same, to the bit, as when
/// each segment were unrolled without recomputing.
///
/// The cell is cloned into the segments; inside of them its state has the structure of [`Cell::initial_state`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Sequence, unroll_recomputed};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 100, 3], 0.1), &[100, 40]);       // [batch, time, feature]
/// let (hs, last) = unroll_recomputed(&cell, &xs, cell.initial_state(&graph, 2), 10);
/// assert_eq!(*hs.padded().shape()?, [2, 100, 8]);
/// assert!(last.sum_all().backward()?.report().is_clean());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// # Errors
/// The graph records the errors of [`unroll`](crate::unroll()), and an `every` of 0.
#[track_caller]
pub fn unroll_recomputed<'g, C>(
    cell: &C,
    xs: &Sequence<'g>,
    state: C::State<'g>,
    every: usize,
) -> (Sequence<'g>, C::State<'g>)
where
    C: Cell + Clone + Send + Sync + 'static,
{
    let graph = xs.graph();
    // The scope of an unrolling, in which the same numbers are drawn.
    let _scope = graph.layer("unroll");
    segments(cell, xs, &state, every).unwrap_or_else(|error| {
        graph.fail(error);
        (xs.with_rows(graph.inert()), state)
    })
}

fn segments<'g, C>(
    cell: &C,
    xs: &Sequence<'g>,
    state: &C::State<'g>,
    every: usize,
) -> Result<(Sequence<'g>, C::State<'g>)>
where
    C: Cell + Clone + Send + Sync + 'static,
{
    let (graph, layout) = (xs.graph(), xs.layout());
    if every == 0 {
        return Err(graph.error("unroll_recomputed", "segments of 0 steps never end"));
    }
    check(xs, state)?;
    // In the order of the packed rows, so that the steps of a segment are a slice of them.
    let _names = graph.name_rows(layout.sorted_names(graph));
    let sorted = layout.in_order();
    let mut now = match layout.order() {
        Some(order) => move_rows(state, |leaf| leaf.index_select(order)),
        None => state.clone(),
    };
    let (mut outputs, mut done) = (vec![], 0);
    while done < sorted.running().len() {
        let part = xs.with_layout(&sorted).steps(done, done + every);
        let before = leaves(&now);
        let beside = part.beside().iter().map(|(_, rows)| *rows);
        let inputs: Vec<Var<'g>> = [part.rows()].into_iter().chain(beside).chain(before.clone()).collect();
        let names: Vec<String> = part.beside().iter().map(|(name, _)| name.clone()).collect();
        let (cell, within, first) = (cell.clone(), part.layout().clone(), done);
        let joined = graph.recompute(move |graph, all| segment(graph, &cell, all, &within, &names, first), &inputs);
        // Taken apart as it was joined: outputs, then leaf after leaf.
        let mut leaves = vec![];
        let mut end = joined.shape()?.elements();
        for leaf in before.iter().rev() {
            let shape = leaf.shape()?;
            leaves.push(joined.slice(0, end - shape.elements()..end).reshape(&*shape));
            end -= shape.elements();
        }
        let rows = part.layout().rows();
        outputs.push(joined.slice(0, 0..end).reshape([rows, end / rows.max(1)]));
        now = now.rebuild(&mut leaves.into_iter().rev());
        done += every;
    }
    let outputs = xs.with_rows(graph.concat(&outputs, 0));
    let place = layout.place();
    let last = match layout.order() {
        Some(_) => move_rows(&now, |leaf| leaf.index_select(&place)),
        None => now,
    };
    Ok((outputs, last))
}

/// One segment: from its rows, what is beside them, and the state's leaves to its outputs and the leaves after it,
/// joined into one row of numbers.
fn segment<'s, C: Cell>(
    graph: &'s Graph<'s>,
    cell: &C,
    inputs: &[Var<'s>],
    layout: &Layout,
    beside: &[String],
    first: usize,
) -> Var<'s> {
    let [rows, others @ ..] = inputs else { return graph.inert() };
    let (given, before) = others.split_at(beside.len());
    let beside = beside.iter().cloned().zip(given.iter().copied()).collect();
    let xs = Sequence::new(*rows, layout.clone()).with_beside(beside);
    let state = cell.initial_state(graph, layout.batch()).rebuild(&mut before.iter().copied());
    let joined = run(cell, &xs, &state, first).and_then(|(ys, last)| {
        let parts = [ys.rows()].into_iter().chain(leaves(&last));
        let flat = parts.map(|v| Ok(v.reshape([v.shape()?.elements()]))).collect::<Result<Vec<Var<'s>>>>()?;
        Ok(graph.concat(&flat, 0))
    });
    joined.unwrap_or_else(|error| {
        graph.fail(error);
        graph.inert()
    })
}
