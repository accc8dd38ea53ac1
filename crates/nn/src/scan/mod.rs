//! Recurrences whose steps are linear in the state, computed over a whole packed sequence as one node.
//!
//! An [unrolled](crate::unroll()) cell records several nodes per time step. Where the new state is a linear function of
//! the old one, and its coefficients depend on the inputs alone, the coefficients of all steps can be computed at once,
//! and what remains is a loop over plain memory. [`Cell::scan`](crate::Cell::scan) is where a cell says so.
//!
//! # Why a loop, not a tree
//!
//! More in [chapter 18](https://github.com/unspool/unspool/blob/main/docs/18-scan.md) of the tutorial.
//!
//! A parallel prefix scan ("associative scan") combines steps pairwise in a tree: about twice the arithmetic and
//! several passes over memory, in exchange for a depth of log T. That is a good trade for a GPU, whose thousands of
//! lanes would otherwise wait for one another. A CPU core has 8 or 16 lanes, and `batch · feature` independent elements
//! fill them at every step; the loop reads each coefficient once, keeps the state in the nearest cache, and is limited
//! by memory bandwidth alone. A tree could only be slower. The loop has a second advantage: it rounds as the steps do,
//! so its values have the bits of an unrolled cell, and a sequence that is cut anywhere, with its state carried, has
//! the bits of the whole. Several cores are used by [sharding](crate::sharded()) the batch.
//!
//! A matrix-valued state is different: there each step does so much arithmetic that products of
//! [chunks](linear_attention) of steps pay off.
//!
//! # Reading backward
//!
//! Reverse the coefficients and the result: `linear_recurrence(&a.reverse(), &b.reverse(), h0).0.reverse()`.

mod chunk;
mod linear_recurrence;
mod matrix_state;
mod max_plus;

pub use linear_recurrence::{linear_recurrence, linear_recurrence_complex};
pub(crate) use matrix_state::matrix_step;
pub use matrix_state::{gated_delta_rule, linear_attention};
pub(crate) use max_plus::max_plus_recurrence;

use crate::{Layout, Sequence};
use std::ops::Range;
use unspool_graph::{Buffer, Element, Var, View};

/// Returns each example's state after its own last step, `[batch, …]`, where `states` has the state after each step.
/// An example without steps keeps its `first`.
#[track_caller]
pub(crate) fn last_state<'g>(states: &Sequence<'g>, first: Var<'g>) -> Var<'g> {
    let (graph, layout) = (states.graph(), states.layout());
    let last = |(example, &length): (usize, &usize)| match length.checked_sub(1).and_then(|t| layout.row(example, t)) {
        Some(row) => row as u32,
        None => (layout.rows() + example) as u32,
    };
    if layout.lengths().contains(&0) {
        let sources = layout.lengths().iter().enumerate().map(last).collect();
        return graph.gather_rows(&[states.rows(), first], sources, [layout.batch()]);
    }
    states.last()
}

/// Returns the sequence one step later: at each example's first step its row of `first [batch, …]`, and at the others
/// the row of the step before.
#[track_caller]
pub(crate) fn previous<'g>(xs: &Sequence<'g>, first: Var<'g>) -> Sequence<'g> {
    let layout = xs.layout();
    let before = |(example, t): (usize, usize)| match t.checked_sub(1).and_then(|t| layout.row(example, t)) {
        Some(row) => row as u32,
        None => (layout.rows() + example) as u32,
    };
    let sources = layout.steps().map(before).collect();
    xs.map(|rows| rows.graph().gather_rows(&[rows, first], sources, [layout.rows()]))
}

/// The elements of step `t` among packed rows of `width` elements: those of the examples that still run, which are the
/// first of the step before.
fn at_step(layout: &Layout, t: usize, width: usize) -> Range<usize> {
    let start = layout.start(t);
    start * width..(start + layout.running()[t]) * width
}

/// The states before the first step, `[batch, width]`, in the order of the packed rows.
fn in_packed_order<E: Element>(layout: &Layout, h0: View<'_, E>, width: usize) -> Buffer<E> {
    let mut first = h0.buffer(h0.data().len());
    for (row, &place) in h0.data().chunks_exact(width).zip(layout.place().iter()) {
        first[place as usize * width..][..width].copy_from_slice(row);
    }
    first
}
