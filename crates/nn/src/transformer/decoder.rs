//! The Transformer that writes, token by token with a cache, or all at once where the tokens are known.

use super::{Positions, TransformerConfig, TransformerLayer};
use crate::{
    Cell, Decoder, Embedding, LayerNorm, Layout, Sequence,
    attention::{AttentionMask, padding_bias},
};
use ndarray::{AsArray, Ix2, aview1};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Writes tokens one after another by layers of attention, each looking at the tokens before it and, in a translator,
/// at a memory.
///
/// More in [chapter 13](https://github.com/unspool/unspool/blob/main/docs/13-self-attention.md) of the tutorial.
///
/// The table of token vectors is also the output layer (Press and Wolf 2017). Parameters `layers.0.*`, …, `norm.*` with
/// pre-norm, and `output.bias [vocabulary]`, unless there are no biases.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{
///     Cell, DecoderSteps, Embedding, Positions, TransformerConfig, TransformerDecoder, decoding::Decoding,
/// };
///
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.1, norm_first: true, bias: true };
/// let table = Embedding::normal(params.scope("embedding"), 20, 8, 0.3);
/// let model = TransformerDecoder::language_model(params.scope("decoder"), 2, table, Positions::Sinusoidal, config);
/// let mut steps = DecoderSteps::new(&params, &model, 3, |graph| model.initial_state(graph, 3))?;
/// let written = Decoding::endless(0, 10).greedy(&mut steps)?;
/// assert_eq!((written.len(), written[0].tokens.len()), (3, 10));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TransformerDecoder {
    embedding: Embedding,
    positions: Positions,
    layers: Vec<TransformerLayer>,
    norm: Option<LayerNorm>,
    output_bias: Option<Param>,
    config: TransformerConfig,
}

crate::state! {
    /// Holds what a [`TransformerDecoder`] has written, as its layers see it, and the memory to which it attends.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{
    ///     Cell, Embedding, Positions, Sequence, TransformerConfig, TransformerDecoder, TransformerState, leaves,
    /// };
    /// let mut params = Params::seeded(1);
    /// let (size, heads, feedforward) = (8, 2, 16);
    /// let config = TransformerConfig { size, heads, feedforward, dropout: 0.0, norm_first: true, bias: true };
    /// let table = Embedding::normal(params.scope("embedding"), 20, 8, 0.3);
    /// let decoder = TransformerDecoder::new(params.scope("decoder"), 1, table, Positions::Sinusoidal, config);
    /// let graph = Graph::new(&params);
    /// let first: TransformerState<'_> = decoder.start(&Sequence::pack(graph.full([2, 5, 8], 1.0), &[5, 3]));
    /// let (_, next) = decoder.step(graph.full([2, 8], 1.0), first);
    /// assert_eq!(*leaves(&next)[0].shape()?, [2, 2, 4, 1]); // the keys of one token so far
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct TransformerState<'g> {
        /// Keys and values of what was written, for each layer: `[batch, heads, size / heads, written]` and
        /// `[batch, heads, written, size / heads]`.
        caches: Vec<[Var<'g>; 2]>,
        /// Keys and values of the memory for each layer, `[batch, heads, size / heads, source]` and
        /// `[batch, heads, source, size / heads]`.
        memories: Vec<[Var<'g>; 2]>,
        /// 0 at the memory's real places, −∞ at its padding: `[batch, source]`.
        padding: Option<Var<'g>>,
        /// Where the last layer looked at last: `[batch, source]`.
        looked: Option<Var<'g>>,
    }
}

impl TransformerDecoder {
    /// Adds layers that attend to a memory; `embedding` is the table of token vectors, `[vocabulary, size]`.
    pub fn new(
        scope: Scope<'_>,
        layers: usize,
        embedding: Embedding,
        positions: Positions,
        config: TransformerConfig,
    ) -> TransformerDecoder {
        TransformerDecoder::of(scope, layers, embedding, positions, config, TransformerLayer::decoder)
    }

    /// Adds layers without a memory: a language model.
    pub fn language_model(
        scope: Scope<'_>,
        layers: usize,
        embedding: Embedding,
        positions: Positions,
        config: TransformerConfig,
    ) -> TransformerDecoder {
        TransformerDecoder::of(scope, layers, embedding, positions, config, TransformerLayer::encoder)
    }

    fn of(
        mut scope: Scope<'_>,
        layers: usize,
        embedding: Embedding,
        positions: Positions,
        config: TransformerConfig,
        make: impl Fn(Scope<'_>, TransformerConfig) -> TransformerLayer,
    ) -> TransformerDecoder {
        let layers = (0..layers).map(|i| make(scope.scope(format!("layers.{i}")), config)).collect();
        let norm = config.norm_first.then(|| config.norm(scope.scope("norm")));
        let vocabulary = scope.params().shape(embedding.weight).first().copied().unwrap_or(0);
        let output_bias = config.bias.then(|| scope.scope("output").add("bias", [vocabulary], init::zeros()));
        TransformerDecoder { embedding, positions, layers, norm, output_bias, config }
    }

    /// Returns a state in which nothing is written yet, with a memory to look at.
    #[track_caller]
    pub fn start<'g>(&self, memory: &Sequence<'g>) -> TransformerState<'g> {
        let (graph, batch) = (memory.graph(), memory.batch());
        let _scope = graph.layer("transformer_decoder");
        let memories = self.layers.iter().filter_map(|layer| layer.memory(memory)).collect();
        let looked = graph.zeros([batch, memory.layout().time()]);
        let padding = padding_bias(graph, memory.layout());
        TransformerState { caches: self.empty(graph, batch), memories, padding: Some(padding), looked: Some(looked) }
    }

    /// Returns the decoder's vectors of the real tokens of a padded batch `[batch, time]`, for an encoder that shares
    /// its table.
    #[track_caller]
    pub fn embedded<'a, 'g>(
        &self,
        graph: &'g Graph<'g>,
        ids: impl AsArray<'a, u32, Ix2>,
        lengths: impl Into<Layout>,
    ) -> Sequence<'g> {
        let scale = (self.config.size as f64).sqrt();
        self.embedding.sequence(graph, ids, lengths).map(|rows| rows * scale)
    }

    fn empty<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Vec<[Var<'g>; 2]> {
        let (heads, each) = (self.config.heads, self.config.size / self.config.heads.max(1));
        let none = [graph.zeros([batch, heads, each, 0]), graph.zeros([batch, heads, 0, each])];
        vec![none; self.layers.len()]
    }

    /// The memory as this layer sees it, and what of it is padding.
    fn cross<'g>(state: &TransformerState<'g>, layer: usize) -> Option<([Var<'g>; 2], Var<'g>)> {
        Some((*state.memories.get(layer)?, state.padding?))
    }

    fn finish<'g>(&self, rows: Var<'g>) -> Var<'g> {
        self.norm.map_or(rows, |norm| norm.apply(rows))
    }
}

impl Cell for TransformerDecoder {
    type State<'g> = TransformerState<'g>;

    /// Nothing written; where there is a memory, an empty one: a translation begins with
    /// [`start`](TransformerDecoder::start).
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> TransformerState<'g> {
        let one = graph.zeros([batch, 1, self.config.size]);
        let cross = self.layers.iter().filter_map(|layer| layer.cross.as_ref());
        let memories: Vec<_> = cross.map(|(attention, _)| attention.in_heads([one; 2])).collect();
        let seen = (!memories.is_empty()).then(|| graph.zeros([batch, 1]));
        TransformerState { caches: self.empty(graph, batch), memories, padding: seen, looked: seen }
    }

    fn step<'g>(&self, x: Var<'g>, mut state: TransformerState<'g>) -> (Var<'g>, TransformerState<'g>) {
        let graph = x.graph();
        let _scope = graph.layer("transformer_decoder");
        let first = state.caches.first().and_then(|[keys, _]| keys.known_shape());
        let place = first.map_or(0, |shape| shape.last_axis()) as u32;
        let mut rows = (x + self.positions.of(graph, &[place], self.config.size)).dropout(self.config.dropout);
        for (i, layer) in self.layers.iter().enumerate() {
            let Some(&cache) = state.caches.get(i) else { return (graph.inert(), state) };
            let (next, longer, looked) = layer.one_more(rows, cache, Self::cross(&state, i));
            (rows, state.caches[i]) = (next, longer);
            state.looked = looked.or(state.looked);
        }
        (self.finish(rows), state)
    }
}

impl Decoder for TransformerDecoder {
    /// Scaled by √size.
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        self.embedding.apply(graph, aview1(tokens)) * (self.config.size as f64).sqrt()
    }

    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        outputs.linear(self.embedding.weight, self.output_bias)
    }

    fn attention<'g>(&self, _: &'g Graph<'g>, state: &TransformerState<'g>) -> Option<Var<'g>> {
        state.looked
    }

    /// All places at once, each looking at those before it. The state must be a first one.
    fn outputs<'g>(&self, xs: &Sequence<'g>, state: TransformerState<'g>) -> Sequence<'g> {
        let graph = xs.graph();
        let _scope = graph.layer("transformer_decoder");
        let written = |[keys, _]: &[Var<'g>; 2]| keys.known_shape().is_none_or(|shape| shape.last_axis() != 0);
        if state.caches.iter().any(written) {
            let why = "all places at once need a state in which nothing is written yet";
            graph.fail(graph.error("transformer_decoder", why));
            return xs.with_rows(graph.inert());
        }
        let first = xs.map(|rows| {
            let placed = rows + self.positions.of_steps(graph, xs.layout(), self.config.size);
            placed.dropout(self.config.dropout)
        });
        let ys = self.layers.iter().enumerate().fold(first, |ys, (i, layer)| {
            let _scope = graph.scope(&format!("layers.{i}"));
            let cross = Self::cross(&state, i).map(|(memory, padding)| (memory, AttentionMask::Bias(padding)));
            layer.on_steps(&ys, cross, true)
        });
        ys.map(|rows| self.finish(rows))
    }
}
