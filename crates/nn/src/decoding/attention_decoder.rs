//! A recurrent decoder that attends: any cell, any score, input feeding, and the bridge from an encoder to its first
//! state.

use crate::{Attention, AttentionMemory, Cell, Decoder, Embedding, Linear, Sequence, State, leaves};
use ndarray::aview1;
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Decodes over a memory with any cell (Luong, Pham and Manning 2015, sections 3.1 and 3.3):
///
/// - h, state = cell(\[y ; f\], state), where y is the last token's vector and f that of the step
///   before (input feeding)
/// - context, weights = attention(h, memory)
/// - f = tanh(W \[context ; h\]); logits = E f + b, where E is the table of token vectors (Press and Wolf 2017)
///
/// Parameters: the cell's and the attention's under their own scopes, `combine.weight`, and `output.bias [vocabulary]`.
///
/// More in [chapter 12](https://github.com/unspool/unspool/blob/main/docs/12-attention.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{
///     Attention, AttentionDecoder, Bridge, DecoderSteps, Embedding, Lstm, Recurrent, RecurrentConfig,
///     decoding::{Beam, Decoding},
/// };
///
/// let mut params = Params::seeded(1);
/// let table = Embedding::normal(params.scope("embedding"), 20, 6, 0.4);
/// let config = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.1 };
/// let encoder = Recurrent::new(params.scope("encoder"), Lstm::new, 6, 8, config);
/// let bridge = Bridge::projected(params.scope("bridge"), 16, &[8, 8]);
/// let attention = Attention::general(params.scope("attention"), 8, 16);
/// let decoder = AttentionDecoder::new(params.scope("decoder"), Lstm::new, table, attention, 16, 8);
///
/// let (source, lengths) = (ndarray::array![[5, 6, 7], [8, 9, 0]], [3, 2]);
/// let mut steps = DecoderSteps::new(&params, &decoder, 2, |graph| {
///     let xs = table.sequence(graph, &source, &lengths);
///     let (memory, _) = encoder.unroll(&xs, encoder.initial_state(graph, 2));
///     decoder.start(&bridge, &[encoder.last(&memory)], &memory)
/// })?;
/// let found = Decoding::new(1, 2, 9).beam(&mut steps, &Beam::new(3))?;
/// assert_eq!(found[1][0].attention.as_ref().unwrap()[[0, 2]], 0.0);               // padding is not looked at
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AttentionDecoder<C> {
    cell: C,
    embedding: Embedding,
    attention: Attention,
    combine: Linear,
    output_bias: Param,
    dropout: f64,
    /// Elements of a token's vector, and of a place of the memory.
    sizes: (usize, usize),
}

crate::state! {
    /// Holds the state of an [`AttentionDecoder`] around a cell with states `S`.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Attention, AttentionDecoder, Bridge, Cell, Embedding, Gru, Sequence};
    /// let mut params = Params::seeded(1);
    /// let table = Embedding::new(params.scope("embedding"), 20, 6);
    /// let decoder = AttentionDecoder::new(params.scope("decoder"), Gru::new, table, Attention::dot(), 8, 8);
    /// let graph = Graph::new(&params);
    /// let memory = Sequence::pack(graph.full([2, 3, 8], 1.0), &[3, 2]);
    /// let first = decoder.start(&Bridge::Zero, &[], &memory);
    /// let (_, next) = decoder.step(graph.zeros([2, 6]), first);
    /// assert_eq!((*next.cell.shape()?).to_vec(), [2, 8]);
    /// assert_eq!(next.weights.sum(&[-1]).to_f64()?.sum(), 2.0); // one distribution over the memory per row
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct AttentionDecoderState<'g, S> {
        /// The state of the cell.
        pub cell: S,
        /// f, which the next step reads beside its token: `[batch, width]`.
        pub feed: Var<'g>,
        /// The attention weights of the last step: `[batch, source]`.
        pub weights: Var<'g>,
        /// The memory, which no step changes.
        pub memory: AttentionMemory<'g>,
    }
}

impl<C: Cell> AttentionDecoder<C> {
    /// Adds a decoder. `cell` makes its cell from a scope and sizes, as `Lstm::new` does; the cell's output has
    /// `hidden_size` elements, and so has the query of `attention`. `embedding` is the table of token vectors,
    /// `memory_size` the number of elements per place of the memory.
    pub fn new(
        mut scope: Scope<'_>,
        cell: impl FnOnce(Scope<'_>, usize, usize) -> C,
        embedding: Embedding,
        attention: Attention,
        memory_size: usize,
        hidden_size: usize,
    ) -> AttentionDecoder<C> {
        let table = scope.params().shape(embedding.weight);
        let (vocabulary, width) = (table.first().copied().unwrap_or(0), table.last_axis());
        let context_size = attention.context_size(memory_size);
        AttentionDecoder {
            cell: cell(scope.scope("cell"), 2 * width, hidden_size),
            embedding,
            attention,
            combine: Linear::without_bias(scope.scope("combine"), context_size + hidden_size, width),
            output_bias: scope.scope("output").add("bias", [vocabulary], init::zeros()),
            dropout: 0.0,
            sizes: (width, memory_size),
        }
    }

    /// Sets the probability of dropout, in training, of the tokens' vectors and of the vector that is fed to the next
    /// step.
    pub fn dropout(mut self, probability: f64) -> Self {
        self.dropout = probability;
        self
    }

    /// Returns the first state: the cell's, which `bridge` makes of the encoder's last state, and the memory.
    #[track_caller]
    pub fn start<'g>(
        &self,
        bridge: &Bridge,
        last: &[Var<'g>],
        memory: &Sequence<'g>,
    ) -> AttentionDecoderState<'g, C::State<'g>> {
        let graph = memory.graph();
        let _scope = graph.layer("attention_decoder");
        let cell = bridge.apply(graph, self.cell.initial_state(graph, memory.batch()), last);
        self.with_memory(cell, memory)
    }

    fn with_memory<'g>(&self, cell: C::State<'g>, memory: &Sequence<'g>) -> AttentionDecoderState<'g, C::State<'g>> {
        let (graph, batch) = (memory.graph(), memory.batch());
        let weights = graph.zeros([batch, memory.layout().time()]);
        let feed = graph.zeros([batch, self.sizes.0]);
        AttentionDecoderState { cell, feed, weights, memory: self.attention.memory(memory) }
    }
}

impl<C: Cell> Cell for AttentionDecoder<C> {
    type State<'g> = AttentionDecoderState<'g, C::State<'g>>;

    /// Over an empty memory: a decoder begins with [`start`](AttentionDecoder::start).
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        let memory = Sequence::full(graph.zeros([batch, 1, self.sizes.1]));
        self.with_memory(self.cell.initial_state(graph, batch), &memory)
    }

    fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let (graph, memory) = (x.graph(), state.memory);
        let (h, cell) = self.cell.step(graph.concat(&[x.dropout(self.dropout), state.feed], -1), state.cell);
        let (context, weights) = self.attention.attend(h, &memory);
        let feed = self.combine.apply(graph.concat(&[context, h], -1)).tanh().dropout(self.dropout);
        (feed, AttentionDecoderState { cell, feed, weights, memory })
    }
}

impl<C: Cell> Decoder for AttentionDecoder<C> {
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        self.embedding.apply(graph, aview1(tokens))
    }

    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        outputs.linear(self.embedding.weight, Some(self.output_bias))
    }

    fn attention<'g>(&self, _: &'g Graph<'g>, state: &Self::State<'g>) -> Option<Var<'g>> {
        Some(state.weights)
    }
}

/// Maps an encoder's last state to a decoder's first one.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Bridge, Cell, Lstm};
/// let mut params = Params::seeded(1);
/// let bridge = Bridge::projected(params.scope("bridge"), 6, &[4, 4]); // an LSTM's h and c
/// let cell = Lstm::new(params.scope("decoder"), 3, 4);
/// let graph = Graph::new(&params);
/// let first = bridge.apply(&graph, cell.initial_state(&graph, 2), &[graph.full([2, 6], 1.0)]);
/// assert_eq!((first.h.shape()?.to_vec(), first.c.shape()?.to_vec()), (vec![2, 4], vec![2, 4]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Bridge {
    /// Not at all: the decoder begins with its own initial state.
    Zero,
    /// The encoder's last state as it is, leaf by leaf: both have leaves of the same shapes.
    Last,
    /// Each leaf of the decoder's state is tanh(W x + b) of all that is given, side by side; one map per leaf.
    Projected(Vec<Linear>),
}

impl Bridge {
    /// Adds an affine map and a tanh from `input_size` elements to each leaf: `[hidden]` for a GRU, `[hidden, hidden]`
    /// for an LSTM. Parameters `0.weight`, `0.bias`, `1.weight`, ….
    pub fn projected(mut scope: Scope<'_>, input_size: usize, leaf_sizes: &[usize]) -> Bridge {
        let map = |(i, &size): (usize, &usize)| Linear::new(scope.scope(i.to_string()), input_size, size);
        Bridge::Projected(leaf_sizes.iter().enumerate().map(map).collect())
    }

    /// Returns the decoder's first state, with the structure of `initial`, from `last`, the encoder's last leaves:
    /// `[batch, …]` each.
    ///
    /// # Errors
    /// The graph records an error for a leaf without a counterpart, or of another shape.
    #[track_caller]
    pub fn apply<'g, S: State<'g>>(&self, graph: &'g Graph<'g>, initial: S, last: &[Var<'g>]) -> S {
        let own = leaves(&initial);
        let given: Vec<Var<'g>> = match self {
            Bridge::Zero => return initial,
            Bridge::Last => last.to_vec(),
            Bridge::Projected(maps) => {
                let all = graph.concat(last, -1);
                maps.iter().map(|map| map.apply(all).tanh()).collect()
            }
        };
        let shapes = |all: &[Var<'g>]| all.iter().map(|leaf| leaf.known_shape()).collect::<Vec<_>>();
        if graph.check().is_ok() && shapes(&own) != shapes(&given) {
            let list = |all: &[Var<'g>]| {
                all.iter().map(|v| v.known_shape().map_or("?".into(), |s| s.to_string())).collect::<Vec<_>>().join(", ")
            };
            let why = format!("the decoder's state has leaves {}, the bridge gives {}", list(&own), list(&given));
            graph.fail(graph.error("bridge", why));
        }
        initial.rebuild(&mut given.into_iter())
    }
}
