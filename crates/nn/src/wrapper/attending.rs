//! A cell that looks at a memory before each step.

use crate::{Attention, Cell, Sequence, attention::AttentionMemory, leaves};
use unspool_graph::{Graph, Var};

/// Wraps any cell with [`Attention`] over a memory (Bahdanau, Cho and Bengio 2015): at each step the first leaf of the
/// state, the hidden vector of the built-in cells, is the query; the cell reads its input and the context side by side,
/// and the output is the cell's output and the context.
///
/// c_t = attend(h_{t−1}, memory),  (y_t, s_t) = cell(\[x_t ; c_t\], s_{t−1}),  output \[y_t ; c_t\]
///
/// The memory belongs to one recording, so it is state, made by [`start`](Attending::start). For decoders from tokens
/// to tokens there is [`AttentionDecoder`](crate::AttentionDecoder).
///
/// More in [chapter 12](https://github.com/unspool/unspool/blob/main/docs/12-attention.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Attending, Attention, Cell, Gru, Sequence, unroll};
/// let (input, memory, hidden) = (3, 6, 8);
/// let mut params = Params::seeded(0);
/// let attention = Attention::general(params.scope("attention"), hidden, memory);
/// let cell = Attending::new(Gru::new(params.scope("rnn"), input + memory, hidden), attention, memory);
///
/// let graph = Graph::new(&params);
/// let source = Sequence::pack(graph.full([2, 7, memory], 1.0), &[7, 4]); // what an encoder wrote
/// let state = cell.start(graph.zeros([2, hidden]), &source);
/// let (ys, _) = unroll(&cell, &Sequence::pack(graph.zeros([2, 5, input]), &[5, 2]), state);
/// assert_eq!(*ys.padded().shape()?, [2, 5, hidden + memory]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attending<C> {
    cell: C,
    attention: Attention,
    memory_size: usize,
}

impl<C: Cell> Attending<C> {
    /// Wraps a cell that reads the inputs and a context side by side. The context has `memory_size` elements, or with
    /// [several heads](Attention::multi_head) as many as the query.
    pub fn new(cell: C, attention: Attention, memory_size: usize) -> Attending<C> {
        Attending { cell, attention, memory_size }
    }

    /// Returns the state before the first step, from the inner cell's and a memory with at least one place per example.
    #[track_caller]
    pub fn start<'g>(&self, inner: C::State<'g>, memory: &Sequence<'g>) -> (C::State<'g>, AttentionMemory<'g>) {
        (inner, self.attention.memory(memory))
    }
}

impl<C: Cell> Cell for Attending<C> {
    /// The inner cell's state, and the memory, which is handed on as it is: that costs nothing.
    type State<'g> = (C::State<'g>, AttentionMemory<'g>);

    /// With a memory of one empty place: [`start`](Attending::start) gives it a real one.
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        let memory = Sequence::full(graph.zeros([batch, 1, self.memory_size]));
        self.start(self.cell.initial_state(graph, batch), &memory)
    }

    fn step<'g>(&self, x: Var<'g>, (inner, memory): Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let graph = x.graph();
        let query = leaves(&inner).first().copied().unwrap_or(graph.inert());
        let (context, _) = self.attention.attend(query, &memory);
        let (y, inner) = self.cell.step(graph.concat(&[x, context], -1), inner);
        (graph.concat(&[y, context], -1), (inner, memory))
    }
}
