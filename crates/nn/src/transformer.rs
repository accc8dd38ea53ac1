//! The Transformer (Vaswani and others 2017): layers of attention over whole sequences, and the same layers token by token.
//!
//! [`TransformerLayer`] is PyTorch's `nn.TransformerEncoderLayer` or `nn.TransformerDecoderLayer`, by name, layout and number.
//! [`TransformerEncoder`] reads sequences: for tagging, classification, and as the encoder of a translator. [`TransformerDecoder`] writes
//! tokens: over an encoder's memory it translates, without one it is a language model. It is a [`Cell`], so all that trains and
//! decodes recurrent decoders works on it; its state is the cache of keys and values of what was written.
//!
//! Everything but attention itself runs on the real places alone, so padding costs nothing and reaches nothing.

use crate::{
    Cell, Decoder, Embedding, LayerNorm, Linear, MultiheadAttention,
    attention::{Shown, padding_bias, spread},
};
use ndarray::{Array2, ArrayView2};
use unspool_graph::{Error, Graph, Param, Scope, Var, init};

/// The sizes of a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TransformerConfig {
    /// Elements of a vector: PyTorch's `d_model`.
    pub size: usize,
    /// How many heads an attention has; they divide the size.
    pub heads: usize,
    /// Elements between the two affine maps: `dim_feedforward`.
    pub feedforward: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
    /// Whether a sublayer reads normalised vectors (pre-norm, which trains more easily), or its sum is normalised (post-norm).
    pub norm_first: bool,
    /// Whether maps and normalisations have biases, which PyTorch's `bias=False` leaves out everywhere.
    pub bias: bool,
}

impl TransformerConfig {
    fn attention(&self, scope: Scope<'_>) -> MultiheadAttention {
        let make = if self.bias { MultiheadAttention::new } else { MultiheadAttention::without_bias };
        make(scope, self.size, self.heads).dropout(self.dropout)
    }

    fn linear(&self, scope: Scope<'_>, from: usize, to: usize) -> Linear {
        if self.bias { Linear::new(scope, from, to) } else { Linear::without_bias(scope, from, to) }
    }

    fn norm(&self, scope: Scope<'_>) -> LayerNorm {
        if self.bias { LayerNorm::new(scope, self.size) } else { LayerNorm::without_bias(scope, self.size) }
    }
}

/// Self-attention, attention to a memory if it is a decoder's, and two affine maps with a ReLU between them, each added to what it read.
///
/// Parameters as PyTorch's: `self_attn.*`, `multihead_attn.*` (a decoder's), `linear1.*`, `linear2.*`, `norm1.*`, `norm2.*`, `norm3.*` (a
/// decoder's).
#[derive(Clone, Debug)]
pub struct TransformerLayer {
    self_attn: MultiheadAttention,
    cross: Option<(MultiheadAttention, LayerNorm)>,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    last_norm: LayerNorm,
    config: TransformerConfig,
}

/// An attended memory, as one layer sees it: keys, values, and what of them may be looked at.
type Cross<'a, 'g> = ([Var<'g>; 2], Shown<'a, 'g>);

impl TransformerLayer {
    /// Without a memory: `nn.TransformerEncoderLayer`.
    pub fn encoder(scope: Scope<'_>, config: TransformerConfig) -> TransformerLayer {
        TransformerLayer::new(scope, config, false)
    }

    /// With a memory: `nn.TransformerDecoderLayer`.
    pub fn decoder(scope: Scope<'_>, config: TransformerConfig) -> TransformerLayer {
        TransformerLayer::new(scope, config, true)
    }

    fn new(mut scope: Scope<'_>, config: TransformerConfig, attends: bool) -> TransformerLayer {
        let self_attn = config.attention(scope.scope("self_attn"));
        let multihead_attn = attends.then(|| config.attention(scope.scope("multihead_attn")));
        let linear1 = config.linear(scope.scope("linear1"), config.size, config.feedforward);
        let linear2 = config.linear(scope.scope("linear2"), config.feedforward, config.size);
        let mut norm = |name: &str| config.norm(scope.scope(name));
        let (norm1, norm2) = (norm("norm1"), norm("norm2"));
        let (cross, last_norm) = match multihead_attn {
            Some(attention) => (Some((attention, norm2)), norm("norm3")),
            None => (None, norm2),
        };
        TransformerLayer { self_attn, cross, linear1, linear2, norm1, last_norm, config }
    }

    /// `xs [batch, time, size]`, of which `lengths` are real, to as many vectors, 0 at padding. A decoder's layer attends to `memory`,
    /// `[batch, source, size]` with its lengths. `causal` lets place t look at places up to t alone.
    ///
    /// # Errors
    /// Kept in the graph: a memory for a layer that attends to none, or none for one that does.
    #[track_caller]
    pub fn apply<'g>(
        &self,
        (xs, lengths): (Var<'g>, &[usize]),
        memory: Option<(Var<'g>, &[usize])>,
        causal: bool,
    ) -> Var<'g> {
        let graph = xs.graph();
        let _scope = graph.layer("transformer_layer");
        let axis1 = |x: Var<'g>| x.known_shape().and_then(|shape| shape.get(1).copied()).unwrap_or(0);
        let time = axis1(xs);
        let cross = memory.and_then(|(memory, lengths)| {
            let both = self.memory(memory.real_rows(lengths), lengths, axis1(memory))?;
            Some((both, Shown::Lengths(lengths, false)))
        });
        if cross.is_some() != self.cross.is_some() || cross.is_some() != memory.is_some() {
            let why = "a decoder's layer attends to a memory, an encoder's to none".into();
            graph.fail(Error::Argument { operation: "transformer_layer", why, at: graph.place() });
            return graph.inert();
        }
        spread(self.on_rows(xs.real_rows(lengths), lengths, time, cross, causal), lengths, time)
    }

    /// Keys and values of a memory's real rows, in heads; `None` if the layer attends to none.
    fn memory<'g>(&self, rows: Var<'g>, lengths: &[usize], source: usize) -> Option<[Var<'g>; 2]> {
        let (attention, _) = self.cross.as_ref()?;
        Some(attention.memory(rows, lengths, source))
    }

    /// All places at once: `[Σ lengths, size] -> [Σ lengths, size]`.
    fn on_rows<'g>(
        &self,
        rows: Var<'g>,
        lengths: &[usize],
        time: usize,
        cross: Option<Cross<'_, 'g>>,
        causal: bool,
    ) -> Var<'g> {
        let to_self = |x: Var<'g>| {
            let [q, k, v] = self.self_attn.all(x).map(|x| spread(x, lengths, time));
            let (context, _) =
                self.self_attn.attend(q, self.self_attn.in_heads([k, v]), Shown::Lengths(lengths, causal));
            self.self_attn.output(context.real_rows(lengths))
        };
        let to_memory = |attention: &MultiheadAttention, x: Var<'g>, (memory, shown): Cross<'_, 'g>| {
            let (context, _) = attention.attend(spread(attention.query(x), lengths, time), memory, shown);
            attention.output(context.real_rows(lengths))
        };
        let dropout = |x: Var<'g>| dropout_of_rows(x, lengths, self.config.dropout);
        self.sublayers(rows, dropout, to_self, |attention, x| cross.map(|cross| to_memory(attention, x, cross)))
    }

    /// One place more: rows `[batch, size]` after those whose keys and values are cached. Returns also the longer cache, and where
    /// in the memory each row looked, `[batch, source]`, the mean over the heads.
    fn one_more<'g>(
        &self,
        rows: Var<'g>,
        cache: [Var<'g>; 2],
        cross: Option<([Var<'g>; 2], Var<'g>)>,
    ) -> (Var<'g>, [Var<'g>; 2], Option<Var<'g>>) {
        let (mut longer, mut looked) = (cache, None);
        let to_self = |x: Var<'g>| {
            let [q, k, v] = self.self_attn.all(x).map(|x| x.unsqueeze(1));
            longer = [append(cache[0], k), append(cache[1], v)];
            let (context, _) = self.self_attn.attend(q, self.self_attn.in_heads(longer), Shown::All);
            self.self_attn.output(context.squeeze(1))
        };
        let to_memory = |attention: &MultiheadAttention, x: Var<'g>| {
            let (memory, padding) = cross?;
            let (context, weights) = attention.attend_once(x, memory, padding);
            looked = Some(weights);
            Some(context)
        };
        let rows = self.sublayers(rows, |x| x.dropout(self.config.dropout), to_self, to_memory);
        (rows, longer, looked)
    }

    fn sublayers<'g>(
        &self,
        mut x: Var<'g>,
        dropout: impl Fn(Var<'g>) -> Var<'g>,
        to_self: impl FnOnce(Var<'g>) -> Var<'g>,
        to_memory: impl FnOnce(&MultiheadAttention, Var<'g>) -> Option<Var<'g>>,
    ) -> Var<'g> {
        let graph = x.graph();
        x = self.added(x, &self.norm1, |x| dropout(to_self(x)));
        if let Some((attention, norm)) = &self.cross {
            x = self.added(x, norm, |x| dropout(to_memory(attention, x).unwrap_or_else(|| graph.inert())));
        }
        let between = |x: Var<'g>| dropout(self.linear1.apply(x).relu());
        self.added(x, &self.last_norm, |x| dropout(self.linear2.apply(between(x))))
    }

    /// x + f(norm(x)), or norm(x + f(x)).
    fn added<'g>(&self, x: Var<'g>, norm: &LayerNorm, f: impl FnOnce(Var<'g>) -> Var<'g>) -> Var<'g> {
        if self.config.norm_first { x + f(norm.apply(x)) } else { norm.apply(x + f(x)) }
    }
}

/// Dropout of a batch's real places, `[Σ lengths, size]`. What is drawn belongs to example and place, whichever others stand in the
/// batch or shard.
#[track_caller]
fn dropout_of_rows<'g>(rows: Var<'g>, lengths: &[usize], probability: f64) -> Var<'g> {
    let graph = rows.graph();
    let examples = graph.rows();
    let name = |b: usize| examples.as_ref().and_then(|rows| rows.get(b).copied()).unwrap_or(b as u32);
    let place = |(b, &length): (usize, &usize)| (0..length as u32).map(move |t| (b, t));
    let places = lengths.iter().enumerate().flat_map(place).map(|(b, t)| name(b) << 16 ^ t).collect();
    graph.set_rows(Some(places));
    let dropped = rows.dropout(probability);
    graph.set_rows(examples);
    dropped
}

/// `[batch, time, size]` and one place more.
fn append<'g>(cache: Var<'g>, one: Var<'g>) -> Var<'g> {
    match cache.known_shape() {
        Some(shape) if shape.get(1) == Some(&0) => one,
        _ => cache.graph().concat(&[cache, one], 1),
    }
}

/// What is added to vectors so that they tell their place.
#[derive(Clone, Copy, Debug)]
pub enum Positions {
    /// sin(p / 10000^{2i/size}) at element 2i and the cosine at 2i + 1 (Vaswani and others 2017, section 3.5): any length, no parameters.
    Sinusoidal,
    /// A learned vector for each place up to a greatest one: `[places, size]`.
    Learned(Param),
}

impl Positions {
    /// Learned vectors for `longest` places; parameter `weight`, normal with deviation 0.02.
    pub fn learned(mut scope: Scope<'_>, longest: usize, size: usize) -> Positions {
        Positions::Learned(scope.add("weight", [longest, size], init::normal(0.02)))
    }

    /// The vectors of these places, `[places, size]`. A learned table has an end; a place beyond it is an error of the graph.
    #[track_caller]
    pub fn of<'g>(&self, graph: &'g Graph<'g>, places: &[u32], size: usize) -> Var<'g> {
        match self {
            Positions::Learned(table) => graph.embedding(*table, places, [places.len()], None),
            Positions::Sinusoidal => graph.input(Array2::from_shape_fn((places.len(), size), |(row, j)| {
                let angle = f64::from(places[row]) / 10000f64.powf((j / 2 * 2) as f64 / size as f64);
                if j % 2 == 0 { angle.sin() } else { angle.cos() }
            })),
        }
    }

    /// The vectors of the real places of a batch, example by example: `[Σ lengths, size]`.
    fn of_rows<'g>(&self, graph: &'g Graph<'g>, lengths: &[usize], size: usize) -> Var<'g> {
        let places: Vec<u32> = lengths.iter().flat_map(|&n| 0..n as u32).collect();
        self.of(graph, &places, size)
    }
}

/// Layers that read whole sequences, both ways. Parameters `layers.0.*`, `layers.1.*`, …, and with pre-norm `norm.*`: those of PyTorch's
/// `nn.TransformerEncoder`.
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    layers: Vec<TransformerLayer>,
    norm: Option<LayerNorm>,
    positions: Positions,
    config: TransformerConfig,
}

impl TransformerEncoder {
    /// `layers` layers.
    pub fn new(
        mut scope: Scope<'_>,
        layers: usize,
        positions: Positions,
        config: TransformerConfig,
    ) -> TransformerEncoder {
        let layer = |i| TransformerLayer::encoder(scope.scope(format!("layers.{i}")), config);
        let layers = (0..layers).map(layer).collect();
        let norm = config.norm_first.then(|| config.norm(scope.scope("norm")));
        TransformerEncoder { layers, norm, positions, config }
    }

    /// `xs [batch, time, size]`, of which `lengths` are real, to as many vectors, 0 at padding.
    #[track_caller]
    pub fn apply<'g>(&self, xs: Var<'g>, lengths: &[usize]) -> Var<'g> {
        let graph = xs.graph();
        let _scope = graph.layer("transformer_encoder");
        let time = xs.known_shape().and_then(|shape| shape.get(1).copied()).unwrap_or(0);
        let placed = xs.real_rows(lengths) + self.positions.of_rows(graph, lengths, self.config.size);
        let first = dropout_of_rows(placed, lengths, self.config.dropout);
        let rows = self.layers.iter().enumerate().fold(first, |rows, (i, layer)| {
            let _scope = graph.scope(&format!("layers.{i}"));
            layer.on_rows(rows, lengths, time, None, false)
        });
        spread(self.norm.map_or(rows, |norm| norm.apply(rows)), lengths, time)
    }
}

/// Layers that write tokens one after another, each looking at those before it, and at a memory if they are a translator's.
///
/// The table of token vectors is also the output layer (Press and Wolf 2017). Parameters `layers.0.*`, …, `norm.*` with pre-norm, and
/// `output.bias [vocabulary]`, unless there are no biases.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, DecoderSteps, Embedding, Positions, TransformerConfig, TransformerDecoder, decoding::Decoding};
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
    /// What a [`TransformerDecoder`] has written, as its layers see it, and what it looks at.
    pub struct TransformerState<'g> {
        /// Keys and values of each layer, `[batch, written, size]`.
        caches: Vec<[Var<'g>; 2]>,
        /// Keys and values of the memory for each layer, `[batch, heads, size / heads, source]` and `[batch, heads, source, size / heads]`.
        memories: Vec<[Var<'g>; 2]>,
        /// 0 at the memory's real places, −∞ at its padding: `[batch, source]`.
        padding: Option<Var<'g>>,
        /// Where the last layer looked at last: `[batch, source]`.
        looked: Option<Var<'g>>,
    }
}

impl TransformerDecoder {
    /// Layers that look at a memory; `embedding` is the table of token vectors, `[vocabulary, size]`.
    pub fn new(
        scope: Scope<'_>,
        layers: usize,
        embedding: Embedding,
        positions: Positions,
        config: TransformerConfig,
    ) -> TransformerDecoder {
        TransformerDecoder::of(scope, layers, embedding, positions, config, TransformerLayer::decoder)
    }

    /// Layers without a memory: a language model.
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

    /// Nothing written yet, and `memory [batch, source, size]` to look at, of which `lengths` are real.
    #[track_caller]
    pub fn start<'g>(&self, memory: Var<'g>, lengths: &[usize]) -> TransformerState<'g> {
        let graph = memory.graph();
        let _scope = graph.layer("transformer_decoder");
        let source = memory.known_shape().and_then(|shape| shape.get(1).copied()).unwrap_or(0);
        let rows = memory.real_rows(lengths);
        let memories = self.layers.iter().filter_map(|layer| layer.memory(rows, lengths, source)).collect();
        let (padding, looked) = (padding_bias(graph, lengths, source), graph.zeros([lengths.len(), source]));
        let caches = self.empty(graph, lengths.len());
        TransformerState { caches, memories, padding: Some(padding), looked: Some(looked) }
    }

    fn empty<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Vec<[Var<'g>; 2]> {
        let none = graph.zeros([batch, 0, self.config.size]);
        vec![[none; 2]; self.layers.len()]
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

    /// Nothing written; where there is a memory, an empty one: a translation begins with [`start`](TransformerDecoder::start).
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
        let place = first.and_then(|shape| shape.get(1).copied()).unwrap_or(0) as u32;
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
    fn embed<'g>(&self, graph: &'g Graph<'g>, ids: ArrayView2<'_, u32>) -> Var<'g> {
        self.embedding.apply(graph, ids) * (self.config.size as f64).sqrt()
    }

    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        outputs.linear(self.embedding.weight, self.output_bias)
    }

    fn attention<'g>(&self, _: &'g Graph<'g>, state: &TransformerState<'g>) -> Option<Var<'g>> {
        state.looked
    }

    /// All places at once, each looking at those before it. The state must be a first one.
    fn outputs<'g>(&self, xs: Var<'g>, lengths: &[usize], state: TransformerState<'g>) -> Var<'g> {
        let graph = xs.graph();
        let _scope = graph.layer("transformer_decoder");
        let written = |[keys, _]: &[Var<'g>; 2]| keys.known_shape().is_none_or(|shape| shape.get(1) != Some(&0));
        if state.caches.iter().any(written) {
            let why = "all places at once need a state in which nothing is written yet".into();
            graph.fail(Error::Argument { operation: "transformer_decoder", why, at: graph.place() });
            return graph.inert();
        }
        let time = xs.known_shape().and_then(|shape| shape.get(1).copied()).unwrap_or(0);
        let placed = xs.real_rows(lengths) + self.positions.of_rows(graph, lengths, self.config.size);
        let first = dropout_of_rows(placed, lengths, self.config.dropout);
        let rows = self.layers.iter().enumerate().fold(first, |rows, (i, layer)| {
            let _scope = graph.scope(&format!("layers.{i}"));
            let cross = Self::cross(&state, i).map(|(memory, padding)| (memory, Shown::Bias(padding)));
            layer.on_rows(rows, lengths, time, cross, true)
        });
        spread(self.finish(rows), lengths, time)
    }
}
