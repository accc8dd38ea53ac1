//! The Transformer (Vaswani and others 2017): layers of attention over whole sequences, and the same layers token by
//! token.
//!
//! [`TransformerLayer`] is PyTorch's `nn.TransformerEncoderLayer` or `nn.TransformerDecoderLayer`, by name, layout and
//! number. [`TransformerEncoder`] reads sequences: for tagging, classification, and as the encoder of a translator.
//! [`TransformerDecoder`] writes tokens: over an encoder's memory it translates, without one it is a language model. It
//! is a [`Cell`](crate::Cell), so all that trains and decodes recurrent decoders works on it; its state is the cache of
//! keys and values of what was written.
//!
//! Everything but attention itself runs on the real places alone, so padding costs nothing and reaches nothing.

mod decoder;
mod encoder;
mod positions;

pub use decoder::{TransformerDecoder, TransformerState};
pub use encoder::TransformerEncoder;
pub use positions::Positions;

use crate::{LayerNorm, Linear, MultiheadAttention, Sequence, attention::AttentionMask};
use unspool_graph::{Scope, Var};

/// Holds the sizes and options of a layer.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Positions, TransformerConfig, TransformerEncoder};
/// let mut params = Params::seeded(1);
/// let (size, heads, feedforward) = (8, 2, 32); // 512, 8 and 2,048 in the base model of Vaswani and others (2017)
/// let config = TransformerConfig { size, heads, feedforward, dropout: 0.1, norm_first: false, bias: true };
/// let _encoder = TransformerEncoder::new(params.scope("encoder"), 2, Positions::Sinusoidal, config);
/// let weight = params.find("encoder.layers.1.linear1.weight").unwrap();
/// assert_eq!(params.shape(weight), [feedforward, size]);
/// ```
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
    /// Whether a sublayer reads normalized vectors (pre-norm, which trains more easily), or its sum is normalized
    /// (post-norm).
    pub norm_first: bool,
    /// Whether maps and normalizations have biases, which PyTorch's `bias=False` leaves out everywhere.
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

/// Computes self-attention, in a decoder attention to a memory, and two affine maps with a ReLU between them, each
/// added to what it read.
///
/// More in [chapter 13](https://github.com/unspool/unspool/blob/main/docs/13-self-attention.md) of the tutorial.
///
/// Parameters as PyTorch's: `self_attn.*`, `multihead_attn.*` (a decoder's), `linear1.*`, `linear2.*`, `norm1.*`,
/// `norm2.*`, `norm3.*` (a decoder's).
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, TransformerConfig, TransformerLayer};
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.1, norm_first: true, bias: true };
/// let reader = TransformerLayer::encoder(params.scope("reader"), config);
/// let writer = TransformerLayer::decoder(params.scope("writer"), config);
/// let graph = Graph::new(&params);
/// let memory = reader.apply(&Sequence::pack(graph.full([2, 5, 8], 1.0), &[5, 3]), None, false);
/// let ys = writer.apply(&Sequence::full(graph.full([2, 4, 8], 1.0)), Some(&memory), true);
/// assert_eq!(*ys.padded().shape()?, [2, 4, 8]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
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
type Cross<'a, 'g> = ([Var<'g>; 2], AttentionMask<'a, 'g>);

impl TransformerLayer {
    /// Adds a layer without a memory: `nn.TransformerEncoderLayer`.
    pub fn encoder(scope: Scope<'_>, config: TransformerConfig) -> TransformerLayer {
        TransformerLayer::new(scope, config, false)
    }

    /// Adds a layer with a memory: `nn.TransformerDecoderLayer`.
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

    /// Reads sequences of vectors of `size` elements and gives as many vectors. A decoder's layer attends to `memory`.
    /// `causal` lets place t look at places up to t alone.
    ///
    /// # Errors
    /// The graph records an error for a memory for a layer that attends to none, or none for one that does.
    #[track_caller]
    pub fn apply<'g>(&self, xs: &Sequence<'g>, memory: Option<&Sequence<'g>>, causal: bool) -> Sequence<'g> {
        let graph = xs.graph();
        let _scope = graph.layer("transformer_layer");
        if memory.is_some() != self.cross.is_some() {
            let why = "a decoder's layer attends to a memory, an encoder's to none";
            graph.fail(graph.error("transformer_layer", why));
            return xs.with_rows(graph.inert());
        }
        let cross = memory.and_then(|memory| Some((self.memory(memory)?, AttentionMask::Real(memory.layout(), false))));
        self.on_steps(xs, cross, causal)
    }

    /// Keys and values of a memory, in heads; `None` if the layer attends to none.
    fn memory<'g>(&self, memory: &Sequence<'g>) -> Option<[Var<'g>; 2]> {
        let (attention, _) = self.cross.as_ref()?;
        Some(attention.memory(memory))
    }

    /// All places at once.
    fn on_steps<'g>(&self, xs: &Sequence<'g>, cross: Option<Cross<'_, 'g>>, causal: bool) -> Sequence<'g> {
        let graph = xs.graph();
        let examples = xs.layout().names(graph);
        let named = || examples.clone().map(|names| graph.name_rows(names));
        let padded = |rows: Var<'g>| xs.with_rows(rows).padded();
        let packed = |context: Var<'g>| Sequence::pack(context, xs.layout()).rows();
        let to_self = |x: Var<'g>| {
            let [q, k, v] = self.self_attn.all(x).map(padded);
            let memory = self.self_attn.in_heads([k, v]);
            let (context, _) = {
                let _examples = named();
                self.self_attn.attend(q, memory, AttentionMask::Real(xs.layout(), causal))
            };
            self.self_attn.output(packed(context))
        };
        let to_memory = |attention: &MultiheadAttention, x: Var<'g>, (memory, shown): Cross<'_, 'g>| {
            let query = padded(attention.query(x));
            let (context, _) = {
                let _examples = named();
                attention.attend(query, memory, shown)
            };
            attention.output(packed(context))
        };
        xs.map(|rows| self.sublayers(rows, to_self, |attention, x| cross.map(|cross| to_memory(attention, x, cross))))
    }

    /// One place more: rows `[batch, size]` after those whose keys and values are cached
    /// [in heads](MultiheadAttention::in_heads), so that nothing but the new place is permuted. Returns also the longer
    /// cache, and where in the memory each row looked, `[batch, source]`, the mean over the heads.
    fn one_more<'g>(
        &self,
        rows: Var<'g>,
        cache: [Var<'g>; 2],
        cross: Option<([Var<'g>; 2], Var<'g>)>,
    ) -> (Var<'g>, [Var<'g>; 2], Option<Var<'g>>) {
        let (mut longer, mut looked) = (cache, None);
        let to_self = |x: Var<'g>| {
            let [q, k, v] = self.self_attn.all(x).map(|x| x.unsqueeze(1));
            let [k, v] = self.self_attn.in_heads([k, v]);
            longer = [append(cache[0], k, 3), append(cache[1], v, 2)];
            let (context, _) = self.self_attn.attend(q, longer, AttentionMask::All);
            self.self_attn.output(context.squeeze(1))
        };
        let to_memory = |attention: &MultiheadAttention, x: Var<'g>| {
            let (memory, padding) = cross?;
            let (context, weights) = attention.attend_once(x, memory, padding);
            looked = Some(weights);
            Some(context)
        };
        let rows = self.sublayers(rows, to_self, to_memory);
        (rows, longer, looked)
    }

    fn sublayers<'g>(
        &self,
        mut x: Var<'g>,
        to_self: impl FnOnce(Var<'g>) -> Var<'g>,
        to_memory: impl FnOnce(&MultiheadAttention, Var<'g>) -> Option<Var<'g>>,
    ) -> Var<'g> {
        let graph = x.graph();
        let dropout = |x: Var<'g>| x.dropout(self.config.dropout);
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

/// Adds one place to a cache, along this axis.
fn append<'g>(cache: Var<'g>, one: Var<'g>, axis: usize) -> Var<'g> {
    match cache.known_shape() {
        Some(shape) if shape.get(axis) == Some(&0) => one,
        _ => cache.graph().concat(&[cache, one], axis as isize),
    }
}
