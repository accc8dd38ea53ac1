//! A cell that is run by its steps although it could be run at once.

use crate::Cell;
use unspool_graph::{Graph, Var};

/// Runs a cell step by step, even one that has a [scan](Cell::scan); in everything else it is the cell it wraps.
///
/// Steps show what a scan does not: the gradient's norm through time, the time step of an error, the drawing of an
/// unrolled recurrence.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, Stepwise, cells::MinGru, unroll};
/// let mut params = Params::seeded(0);
/// let cell = MinGru::new(params.scope("rnn"), 3, 4);
/// let graph = Graph::new(&params).record_grad_norms();
/// let xs = Sequence::full(graph.full([2, 10, 3], 1.0));
/// let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// let stepwise = Stepwise::new(cell);
/// let (same, _) = unroll(&stepwise, &xs, stepwise.initial_state(&graph, 2));
/// assert_eq!(hs.rows().value()?, same.rows().value()?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stepwise<C> {
    cell: C,
}

impl<C> Stepwise<C> {
    /// Wraps a cell.
    pub fn new(cell: C) -> Stepwise<C> {
        Stepwise { cell }
    }

    /// Returns the cell inside.
    pub fn cell(&self) -> &C {
        &self.cell
    }
}

impl<C: Cell> Cell for Stepwise<C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        self.cell.initial_state(graph, batch)
    }

    fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step(x, state)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cell.project(xs)
    }

    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step_projected(x, projected, state)
    }
}
