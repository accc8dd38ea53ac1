//! A cell around which its input goes too.

use crate::{Cell, Sequence};
use unspool_graph::{Graph, Var};

/// Adds a cell's input to its output, y' = y + x (He and others 2016; for recurrent stacks Wu and others 2016). Both
/// have the same size. Deep stacks learn with it: `Stack::new(cells.map(Residual::new))`.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Residual};
/// let mut params = Params::seeded(0);
/// let gru = Gru::new(params.scope("rnn"), 4, 4);
/// let cell = Residual::new(gru.clone());
/// let graph = Graph::new(&params);
/// let x = graph.full([2, 4], 1.0);
/// let (y, _) = cell.step(x, cell.initial_state(&graph, 2));
/// let (plain, _) = gru.step(x, gru.initial_state(&graph, 2));
/// assert_eq!(y.value()?, (plain + x).value()?);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Residual<C> {
    cell: C,
}

impl<C> Residual<C> {
    /// Wraps a cell whose inputs and outputs have the same size.
    pub fn new(cell: C) -> Residual<C> {
        Residual { cell }
    }
}

impl<C: Cell> Cell for Residual<C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        self.cell.initial_state(graph, batch)
    }

    fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        let (y, state) = self.cell.step(x, state);
        (y + x, state)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cell.project(xs)
    }

    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        let (y, state) = self.cell.step_projected(x, projected, state);
        (y + x, state)
    }
    fn scan<'g>(&self, xs: &Sequence<'g>, state: &C::State<'g>) -> Option<(Sequence<'g>, C::State<'g>)> {
        let (ys, last) = self.cell.scan(xs, state)?;
        Some((ys.zip(xs, |y, x| y + x), last))
    }
}
