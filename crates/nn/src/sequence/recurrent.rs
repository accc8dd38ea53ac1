//! The recurrent module: layers of cells, in one direction or both, over whole padded sequences.

use crate::{AnyCell, Cell, CellKind, Sequence, Stack, State, bidirectional, cell, leaves, unroll};
use unspool_graph::{Graph, Scope, Tensor, Var};

/// Says how a [`Recurrent`] module is built up.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Gru, Recurrent, RecurrentConfig, Sequence};
/// let mut params = Params::seeded(7);
/// let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::default() };
/// let rnn = Recurrent::new(params.scope("tagger"), Gru::new, 3, 8, config);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.zeros([2, 5, 3]), &[5, 2]);
/// let (ys, _) = rnn.unroll(&xs, rnn.initial_state(&graph, 2));
/// assert_eq!(*ys.padded().shape()?, [2, 5, 16]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecurrentConfig {
    /// How many layers, at least one.
    pub layers: usize,
    /// Whether each layer has a second cell, which reads from each row's last step to its first.
    pub bidirectional: bool,
    /// The probability of [dropout](Var::dropout) between the layers, in training: on what every layer but the lowest
    /// reads.
    pub dropout: f64,
}

/// One layer, forward in time, without dropout.
impl Default for RecurrentConfig {
    fn default() -> RecurrentConfig {
        RecurrentConfig { layers: 1, bidirectional: false, dropout: 0.0 }
    }
}

/// Stacks layers of one kind of cell over a padded batch, each row within its own length: PyTorch's `nn.RNN`, `nn.LSTM`
/// and `nn.GRU`, for any cell, a user's own too.
///
/// More in [chapter 6](https://github.com/unspool/unspool/blob/main/docs/06-aligned.md) of the tutorial.
///
/// Parameters are told apart by the ending `_l0`, `_l0_reverse`, `_l1`, …, so a built-in cell's have PyTorch's names:
/// `weight_ih_l0`, `weight_hh_l1_reverse`.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Lstm, Recurrent, RecurrentConfig, Sequence};
///
/// let mut params = Params::seeded(7);
/// let config = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.2 };
/// let rnn = Recurrent::new(params.scope("encoder"), Lstm::new, 3, 8, config);
/// assert!(params.find("encoder.weight_hh_l1_reverse").is_some());
///
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);        // [batch, time, feature] and lengths
/// let (ys, last) = rnn.unroll(&xs, rnn.initial_state(&graph, 2));
/// assert_eq!(*ys.padded().shape()?, [2, 5, 16]);                       // both directions side by side
/// assert_eq!(last.len(), 4);                                           // layers · directions
/// assert_eq!(*rnn.last(&ys).shape()?, [2, 16]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// [`Recurrent::of`] takes a [kind of cell](crate::CellKind) that is chosen at run time.
///
/// # The final states
///
/// A module's states are one list, in the order of PyTorch's `h_n`: layer by layer, the forward cell before the
/// backward cell. Each is the state of each row at the end of **that cell's own reading**. With two layers, both
/// directions, and a row of length 4 in a batch of 6 steps (`·` is padding, which no cell reads):
///
/// ```text
///   step            0    1    2    3    4    5
///
///   layer 1  ◀──  [3]◀──□◀───□◀───□    ·    ·      states[3]: backward, after the row's first step
///            ──▶    □───▶□───▶□──▶[2]   ·    ·      states[2]: forward, after the row's last real step
///                   ▲    ▲    ▲    ▲
///   layer 0  ◀──  [1]◀──□◀───□◀───□    ·    ·      states[1]: backward
///            ──▶    □───▶□───▶□──▶[0]   ·    ·      states[0]: forward
///                   ▲    ▲    ▲    ▲
///   xs             x0   x1   x2   x3    ·    ·
///
///   h_n = [ [0], [1], [2], [3] ]      [layers · directions, batch, hidden]
/// ```
///
/// So for a row of length n the outputs hold what the top layer wrote at the end of its reading at two different steps:
/// the forward half of the output at step n − 1 is of `[2]`, the backward half of the output **at step 0** is of `[3]`.
/// [`last`](Recurrent::last) puts these two side by side; the whole output at step n − 1 would have the backward cell's
/// first step, which has seen one input only.
#[derive(Clone, Debug)]
pub struct Recurrent<C> {
    forward: Stack<C>,
    /// One cell a layer, or none.
    backward: Vec<C>,
}

impl RecurrentConfig {
    /// Returns the number of elements of an output, given that of a state: twice as many if both directions are read.
    ///
    /// ```
    /// use unspool_nn::{RecurrentConfig};
    /// let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::default() };
    /// assert_eq!(config.output_size(8), 16);
    /// ```
    pub fn output_size(&self, hidden_size: usize) -> usize {
        if self.bidirectional { 2 * hidden_size } else { hidden_size }
    }
}

impl Recurrent<AnyCell> {
    /// Makes each layer of cells of one kind, chosen at run time, from inputs of `input_size` to states of
    /// `hidden_size` elements.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{CellKind, Recurrent, RecurrentConfig, Sequence};
    /// let mut params = Params::seeded(1);
    /// let rnn = Recurrent::of(CellKind::Gru, params.scope("rnn"), 3, 8, RecurrentConfig::default());
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.zeros([2, 5, 3]), &[5, 2]);
    /// let (hs, _) = rnn.unroll(&xs, rnn.initial_state(&graph, 2));
    /// assert_eq!(*hs.padded().shape()?, [2, 5, 8]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn of(
        kind: CellKind,
        scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        config: RecurrentConfig,
    ) -> Recurrent<AnyCell> {
        Recurrent::new(scope, |scope, input, hidden| kind.build(scope, input, hidden), input_size, hidden_size, config)
    }
}

impl<C: Cell> Recurrent<C> {
    /// Adds the layers. `make` makes each cell from its scope, the size of its inputs and that of its outputs:
    /// `Lstm::new`. The lowest layer reads `input_size` elements, those above it the output below, `output_size`
    /// elements per direction.
    ///
    /// No layer at all is the store's error.
    pub fn new(
        mut scope: Scope<'_>,
        mut make: impl FnMut(Scope<'_>, usize, usize) -> C,
        input_size: usize,
        output_size: usize,
        config: RecurrentConfig,
    ) -> Recurrent<C> {
        if config.layers == 0 {
            scope.refuse("layers", &[0], "a recurrent module has at least one layer");
        }
        let (mut forward, mut backward) = (vec![], vec![]);
        let mut width = input_size;
        for layer in 0..config.layers {
            forward.push(make(scope.scope("").ending(format!("_l{layer}")), width, output_size));
            if config.bidirectional {
                backward.push(make(scope.scope("").ending(format!("_l{layer}_reverse")), width, output_size));
            }
            width = if config.bidirectional { 2 * output_size } else { output_size };
        }
        Recurrent { forward: Stack::new(forward).dropout(config.dropout), backward }
    }

    /// Returns the cells, in the order of the states.
    pub fn cells(&self) -> impl Iterator<Item = &C> {
        let layer = |(layer, cell)| [Some(cell), self.backward.get(layer)];
        self.forward.cells.iter().enumerate().flat_map(layer).flatten()
    }

    /// Returns the layers as one cell that can be stepped, as decoding needs; `None` if both directions are read. Its
    /// states are those of this layer.
    pub fn stack(&self) -> Option<&Stack<C>> {
        self.backward.is_empty().then_some(&self.forward)
    }

    /// Returns each cell's initial state.
    pub fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Vec<C::State<'g>> {
        self.cells().map(|cell| cell.initial_state(graph, batch)).collect()
    }

    /// Runs all layers over a sequence, from the states before the first step.
    ///
    /// Returns the top layer's outputs, `[.., directions · output]`, and each example's
    /// [final states](Recurrent#the-final-states). As with [`unroll`](crate::unroll()), padding is never looked at and
    /// gets no gradient.
    ///
    /// # Errors
    /// The graph records the errors of [`unroll`](crate::unroll()), and another number of states than there are cells.
    #[track_caller]
    pub fn unroll<'g>(&self, xs: &Sequence<'g>, states: Vec<C::State<'g>>) -> (Sequence<'g>, Vec<C::State<'g>>) {
        let graph = xs.graph();
        let _scope = graph.layer("recurrent");
        let cells = self.forward.cells.len() + self.backward.len();
        if states.len() != cells {
            graph.fail(graph.error("recurrent", format!("{} states were given for {cells} cells", states.len())));
            return (xs.with_rows(graph.inert()), states);
        }
        let (mut ys, mut states, mut last) = (xs.clone(), states.into_iter(), Vec::with_capacity(cells));
        for (layer, forward) in self.forward.cells.iter().enumerate() {
            let _scope = graph.scope(&format!("l{layer}"));
            if layer > 0 {
                ys = ys.map(|rows| rows.dropout(self.forward.dropout));
            }
            let Some(state) = states.next() else { break };
            match self.backward.get(layer).and_then(|cell| Some((cell, states.next()?))) {
                None => {
                    let (outputs, end) = unroll(forward, &ys, state);
                    ys = outputs;
                    last.push(end);
                }
                Some((backward, b_state)) => {
                    let (outputs, (f_end, b_end)) = bidirectional((forward, backward), &ys, (state, b_state));
                    ys = outputs;
                    last.extend([f_end, b_end]);
                }
            }
        }
        (ys, last)
    }

    /// Returns the last output of each direction of the top layer, `[batch, directions · output]`, of the `outputs`
    /// that [`unroll`](Recurrent::unroll) returned: the forward half at each example's last step beside the backward
    /// half at its first step, where the backward cell ends. It is the input of a classifier, or of a decoder's first
    /// state, and every cell has it, whatever its state is made of. Zeros for an example of length 0.
    #[track_caller]
    pub fn last<'g>(&self, outputs: &Sequence<'g>) -> Var<'g> {
        let end = outputs.last();
        let Some(shape) = end.known_shape().filter(|_| !self.backward.is_empty()) else { return end };
        let (half, all) = (shape.last_axis() / 2, shape.last_axis());
        end.graph().concat(&[end.slice(-1, 0..half), outputs.first().slice(-1, half..all)], -1)
    }

    /// Returns the states that [`state_to_tensors`](crate::state_to_tensors) took apart, on another recording.
    ///
    /// # Errors
    /// The graph records an error for more or fewer arrays than the states have leaves.
    #[track_caller]
    pub fn state_from_tensors<'g>(&self, graph: &'g Graph<'g>, carried: &[Tensor]) -> Vec<C::State<'g>> {
        cell::state_from_tensors(graph, carried, |batch| self.initial_state(graph, batch))
    }

    /// Returns the states from PyTorch's `h_0` (and `c_0`), which stack the states' leaves:
    /// `[layers · directions, batch, …]`.
    #[track_caller]
    pub fn states_from<'g>(&self, graph: &'g Graph<'g>, stacked: &[Var<'g>]) -> Vec<C::State<'g>> {
        let batch = stacked.first().and_then(|leaf| leaf.known_shape()?.get(1).copied()).unwrap_or(0);
        let states = self.initial_state(graph, batch).into_iter().enumerate();
        states.map(|(i, state)| state.rebuild(&mut stacked.iter().map(|leaf| leaf.index(0, i)))).collect()
    }

    /// Returns PyTorch's `h_n` (and `c_n`) from the states: each leaf of all states stacked,
    /// `[layers · directions, batch, …]`.
    #[track_caller]
    pub fn stacked<'g>(&self, states: &[C::State<'g>]) -> Vec<Var<'g>> {
        let all: Vec<Vec<Var<'g>>> = states.iter().map(leaves).collect();
        let leaf = |k: usize| all.iter().filter_map(|leaves| leaves.get(k).copied()).collect::<Vec<_>>();
        let stack = |k: usize| leaf(k).first().map(|first| first.graph().stack(&leaf(k), 0));
        (0..all.first().map_or(0, Vec::len)).filter_map(stack).collect()
    }
}
