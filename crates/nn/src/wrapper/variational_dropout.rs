//! Dropout whose mask is held for a whole sequence.

use crate::{Cell, Sequence, State, leaves};
use unspool_graph::{Graph, Var};

/// Applies variational dropout (Gal and Ghahramani 2016): one mask for the recurrent connections and one for the
/// outputs, **the same at every step of a sequence**. In evaluation it is the cell it wraps.
///
/// - h ∘ m_h is what the cell reads of its state's first leaf; built-in cells have their hidden vector there, an LSTM's
///   memory is untouched.
/// - y ∘ m_y is the output, which must be as wide as that leaf, as that of the built-in cells is.
///
/// The masks belong to one recording, so they are state: drawn with the initial state, for each example its own,
/// sorted, cut and carried on with it. What a cell reads is masked by the layer below, or for the lowest by
/// [`locked_dropout`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, Sequence, VariationalDropout, locked_dropout, unroll};
/// let mut params = Params::seeded(0);
/// let cell = VariationalDropout::new(Lstm::new(params.scope("rnn"), 3, 8), 0.25, 0.5);
/// let graph = Graph::new(&params).training(1, 0);
/// let xs = locked_dropout(&Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]), 0.1);
/// let (ys, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// let ys = ys.padded().to_f64()?;
/// for j in 0..8 {
///     assert_eq!(ys[[0, 0, j]] == 0.0, ys[[0, 4, j]] == 0.0); // dropped at one step, dropped at all
/// }
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct VariationalDropout<C> {
    cell: C,
    hidden: f64,
    output: f64,
}

impl<C> VariationalDropout<C> {
    /// Wraps `cell`, with the probabilities that an element of the recurrent connections and of the outputs is dropped;
    /// 0 for no mask.
    pub fn new(cell: C, hidden: f64, output: f64) -> VariationalDropout<C> {
        VariationalDropout { cell, hidden, output }
    }
}

impl<C: Cell> Cell for VariationalDropout<C> {
    /// The cell's state; the masks of the recurrent connections and of the outputs.
    type State<'g> = (C::State<'g>, [Option<Var<'g>>; 2]);

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        let state = self.cell.initial_state(graph, batch);
        let shape = leaves(&state).first().and_then(|leaf| leaf.known_shape());
        let masks = [self.hidden, self.output].map(|p| {
            let drawn = graph.is_training() && p != 0.0;
            shape.filter(|_| drawn).map(|shape| graph.full(&*shape, 1.0).dropout(p))
        });
        (state, masks)
    }

    fn step<'g>(&self, x: Var<'g>, (state, masks): Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let (y, state) = self.cell.step(x, read(state, masks[0]));
        (written(y, masks[1]), (state, masks))
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cell.project(xs)
    }

    fn step_projected<'g>(
        &self,
        x: Var<'g>,
        projected: Var<'g>,
        (state, masks): Self::State<'g>,
    ) -> (Var<'g>, Self::State<'g>) {
        let (y, state) = self.cell.step_projected(x, projected, read(state, masks[0]));
        (written(y, masks[1]), (state, masks))
    }
}

/// The state as the cell reads it: its first leaf masked.
fn read<'g, S: State<'g>>(state: S, mask: Option<Var<'g>>) -> S {
    let Some(mask) = mask else { return state };
    let mut all = leaves(&state);
    all.iter_mut().take(1).for_each(|h| *h *= mask);
    state.rebuild(&mut all.into_iter())
}

fn written<'g>(y: Var<'g>, mask: Option<Var<'g>>) -> Var<'g> {
    mask.map_or(y, |mask| y * mask)
}

/// Drops out with one mask for all steps of an example (Merity, Keskar and Socher 2018).
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, locked_dropout};
/// let params = Params::seeded(1);
/// let graph = Graph::new(&params).training(7, 0);
/// let ys = locked_dropout(&Sequence::full(graph.full([1, 3, 8], 1.0)), 0.5).padded().to_f64()?;
/// assert!((1..3).all(|t| (0..8).all(|j| ys[[0, t, j]] == ys[[0, 0, j]]))); // one mask for all steps
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn locked_dropout<'g>(xs: &Sequence<'g>, p: f64) -> Sequence<'g> {
    let graph = xs.graph();
    let _scope = graph.layer("locked_dropout");
    let layout = xs.layout();
    match xs.rows().known_shape() {
        Some(shape) if graph.is_training() && !shape.is_empty() => {
            let masks = {
                let _names = layout.name_examples(graph);
                let mut sizes = shape.to_vec();
                sizes[0] = layout.batch();
                graph.full(sizes, 1.0).dropout(p)
            };
            let examples: Vec<u32> = layout.steps().map(|(example, _)| example as u32).collect();
            xs.with_rows(xs.rows() * masks.index_select(&examples))
        }
        _ => xs.clone(),
    }
}
