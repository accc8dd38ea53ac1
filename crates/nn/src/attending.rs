//! A cell that looks at a memory before each step.

use crate::{AdditiveAttention, Cell, State, attention::padding_bias, leaves};
use unspool_graph::{Graph, Var};

/// Attention over a memory around any cell (Bahdanau, Cho and Bengio 2015): at each step the state's first leaf, for built-in cells the hidden
/// vector, is the query; the cell reads its input and the context side by side, and the output is the cell's and the context side by side.
///
/// c_t = attend(h_{t−1}, memory),  (y_t, s_t) = cell([x_t; c_t], s_{t−1}),  output [y_t; c_t]
///
/// The memory belongs to one recording, so it is state, made by [`start`](Attending::start).
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{AdditiveAttention, Attending, Cell, Gru, unroll};
/// let (input, memory, hidden) = (3, 6, 8);
/// let mut params = Params::seeded(0);
/// let attention = AdditiveAttention::new(params.scope("attention"), hidden, memory, 5);
/// let cell = Attending::new(Gru::new(params.scope("rnn"), input + memory, hidden), attention, memory);
///
/// let graph = Graph::new(&params);
/// let source = graph.full([2, 7, memory], 1.0);                          // what an encoder wrote: [batch, source, memory]
/// let state = cell.start(cell.cell().initial_state(&graph, 2), source, &[7, 4]);
/// let (ys, last) = unroll(&cell, graph.zeros([2, 5, input]), &[5, 2], state);
/// assert_eq!(*ys.shape()?, [2, 5, hidden + memory]);
/// assert_eq!(last.weights.value()?.to_f64()[[1, 6]], 0.0);               // padding is not looked at
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attending<C> {
    cell: C,
    attention: AdditiveAttention,
    memory_size: usize,
}

/// What an [`Attending`] cell carries. The memory is handed on as it is, which costs nothing.
#[derive(Clone, Debug)]
pub struct AttendingState<'g, S> {
    /// The state of the cell inside.
    pub inner: S,
    /// Where the last step looked: `[batch, source]`; zeros before the first.
    pub weights: Var<'g>,
    /// `[batch, source, memory]`.
    pub memory: Var<'g>,
    /// The memory as the attention compares it: `[batch, source, attention]`.
    pub keys: Var<'g>,
    /// 0 at the source's real places, −∞ at its padding: `[batch, source]`.
    pub padding: Var<'g>,
}

impl<'g, S: State<'g>> State<'g> for AttendingState<'g, S> {
    fn leaves(&self, out: &mut Vec<Var<'g>>) {
        self.inner.leaves(out);
        out.extend([self.weights, self.memory, self.keys, self.padding]);
    }
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self {
        AttendingState {
            inner: self.inner.rebuild(leaves),
            weights: self.weights.rebuild(leaves),
            memory: self.memory.rebuild(leaves),
            keys: self.keys.rebuild(leaves),
            padding: self.padding.rebuild(leaves),
        }
    }
}

impl<C: Cell> Attending<C> {
    /// Around a cell that reads `memory_size` elements more than the inputs have.
    pub fn new(cell: C, attention: AdditiveAttention, memory_size: usize) -> Attending<C> {
        Attending { cell, attention, memory_size }
    }

    /// The cell inside.
    pub fn cell(&self) -> &C {
        &self.cell
    }

    /// The state before the first step, from the inner cell's and `memory [batch, source, memory]`, row b of which has `lengths[b]` real
    /// places, one at least.
    #[track_caller]
    pub fn start<'g>(
        &self,
        inner: C::State<'g>,
        memory: Var<'g>,
        lengths: &[usize],
    ) -> AttendingState<'g, C::State<'g>> {
        let graph = memory.graph();
        let source = memory.known_shape().and_then(|shape| shape.get(1).copied()).unwrap_or(0);
        let weights = graph.zeros([lengths.len(), source]);
        let (keys, padding) = (self.attention.keys(memory, lengths), padding_bias(graph, lengths, source));
        AttendingState { inner, weights, memory, keys, padding }
    }
}

impl<C: Cell> Cell for Attending<C> {
    type State<'g> = AttendingState<'g, C::State<'g>>;

    /// With a memory of one empty place: [`start`](Attending::start) gives it a real one.
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        let memory = graph.zeros([batch, 1, self.memory_size]);
        self.start(self.cell.initial_state(graph, batch), memory, &vec![1; batch])
    }

    fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let graph = x.graph();
        let query = leaves(&state.inner).first().copied().unwrap_or(graph.inert());
        let (context, weights) = self.attention.attend(query, state.keys, state.memory, state.padding);
        let (y, inner) = self.cell.advance(graph.concat(&[x, context], -1), state.inner);
        (graph.concat(&[y, context], -1), AttendingState { inner, weights, ..state })
    }
}
