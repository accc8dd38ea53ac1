//! Depth as a cell: layers that run in step with each other.

use crate::{Cell, Sequence};
use unspool_graph::{Graph, Var};

/// Stacks cells one above the other into one cell: at each step a layer reads the output of the one below. Its state is
/// the list of theirs.
///
/// More in [chapter 3](https://github.com/unspool/unspool/blob/main/docs/03-recurrence.md) of the tutorial.
///
/// A stack can be stepped, so it decodes. Over whole sequences [`Recurrent`](crate::Recurrent) goes layer by layer,
/// which computes the inputs' product of every layer for all steps at once, and in both directions.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Stack};
/// let mut params = Params::seeded(1);
/// let layers = [(0, 3), (1, 8)].map(|(layer, input)| Gru::new(params.scope(format!("layer{layer}")), input, 8));
/// let stack = Stack::new(layers).dropout(0.2);
/// let graph = Graph::new(&params);
/// let (y, state) = stack.step(graph.zeros([2, 3]), stack.initial_state(&graph, 2));
/// assert_eq!(*y.shape()?, [2, 8]);
/// assert_eq!(state.len(), 2);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Stack<C> {
    pub(crate) cells: Vec<C>,
    pub(crate) dropout: f64,
}

impl<C> Stack<C> {
    /// Stacks cells, given from the lowest layer to the highest.
    pub fn new(cells: impl IntoIterator<Item = C>) -> Stack<C> {
        Stack { cells: cells.into_iter().collect(), dropout: 0.0 }
    }

    /// Adds [dropout](Var::dropout) between the layers, drawn anew at each step: on the inputs of every layer but the
    /// lowest.
    pub fn dropout(mut self, p: f64) -> Stack<C> {
        self.dropout = p;
        self
    }

    /// Returns the layers, from the lowest to the highest.
    pub fn cells(&self) -> &[C] {
        &self.cells
    }
}

impl<C: Cell> Cell for Stack<C> {
    type State<'g> = Vec<C::State<'g>>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        self.cells.iter().map(|cell| cell.initial_state(graph, batch)).collect()
    }

    fn step<'g>(&self, x: Var<'g>, states: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        self.step_projected(x, self.project(x), states)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cells.first().map_or(xs, |lowest| lowest.project(xs))
    }

    fn step_projected<'g>(
        &self,
        x: Var<'g>,
        projected: Var<'g>,
        states: Self::State<'g>,
    ) -> (Var<'g>, Self::State<'g>) {
        let (mut y, mut next) = (x, Vec::with_capacity(states.len()));
        for (layer, (cell, state)) in self.cells.iter().zip(states).enumerate() {
            let (output, state) = match layer {
                0 => cell.step_projected(y, projected, state),
                _ => cell.step(y.dropout(self.dropout), state),
            };
            y = output;
            next.push(state);
        }
        (y, next)
    }
    /// The layers' scans, one after the other. Dropout between them draws anew at each step, so it takes steps.
    fn scan<'g>(&self, xs: &Sequence<'g>, states: &Self::State<'g>) -> Option<(Sequence<'g>, Self::State<'g>)> {
        if self.dropout > 0.0 && xs.graph().is_training() {
            return None;
        }
        let (mut ys, mut last) = (xs.clone(), Vec::with_capacity(states.len()));
        for (cell, state) in self.cells.iter().zip(states) {
            let (outputs, state) = cell.scan(&ys, state)?;
            ys = outputs;
            last.push(state);
        }
        Some((ys, last))
    }
}
