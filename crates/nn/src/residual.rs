//! A cell around which its input goes too.

use crate::Cell;
use unspool_graph::{Graph, Var};

/// y' = y + x: the cell's output and its input (He and others 2016; for recurrent stacks Wu and others 2016). Both have `size` elements. Deep
/// stacks learn with it: `Stack::new(cells.map(|cell| Residual::new(cell, size)))`.
///
/// What the cell computes for all steps at once it still does: its inputs go beside the plain ones.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Residual};
/// let mut params = Params::seeded(0);
/// let gru = Gru::new(params.scope("rnn"), 4, 4);
/// let cell = Residual::new(gru.clone(), 4);
/// let graph = Graph::new(&params);
/// let x = graph.full([2, 4], 1.0);
/// let (y, _) = cell.advance(x, cell.initial_state(&graph, 2));
/// let (plain, _) = gru.advance(x, gru.initial_state(&graph, 2));
/// assert_eq!(y.value()?, (plain + x).value()?);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Residual<C> {
    cell: C,
    size: usize,
}

impl<C> Residual<C> {
    /// Around a cell whose inputs and outputs have `size` elements.
    pub fn new(cell: C, size: usize) -> Residual<C> {
        Residual { cell, size }
    }
}

impl<C: Cell> Cell for Residual<C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        self.cell.initial_state(graph, batch)
    }

    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.graph().concat(&[self.cell.inputs(xs), xs], -1)
    }

    fn step<'g>(&self, both: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        let width = both.known_shape().map_or(0, |shape| shape.last_axis());
        let cut = width.saturating_sub(self.size);
        let (y, state) = self.cell.step(both.slice(-1, 0..cut), state);
        (y + both.slice(-1, cut..width), state)
    }
}
