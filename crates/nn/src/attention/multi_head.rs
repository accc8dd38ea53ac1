//! Scaled dot-product attention in several heads.

use crate::{Layout, Linear, Sequence, sizes::uniform_bound};
use unspool_graph::{Param, Scope, Var, init};

/// Computes multi-head attention (Vaswani and others 2017, section 3.2); each head has its own projections:
///
/// softmax(Q Kᵀ / √(size / heads)) V
///
/// and of all heads, side by side, an affine map. Parameters as those of PyTorch's `nn.MultiheadAttention`:
/// `in_proj_weight [3·size, size]` and `in_proj_bias [3·size]` with rows in the order query, key, value, and
/// `out_proj.weight`, `out_proj.bias`. Over a memory of [another size](MultiheadAttention::over) there are
/// `q_proj_weight [size, size]`, `k_proj_weight` and `v_proj_weight [size, memory]` in `in_proj_weight`'s place.
///
/// More in [chapter 13](https://github.com/unspool/unspool/blob/main/docs/13-self-attention.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{MultiheadAttention, Sequence};
/// let mut params = Params::seeded(1);
/// let attention = MultiheadAttention::new(params.scope("self_attn"), 8, 2).dropout(0.1);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 8], 1.0), &[5, 3]);
/// let (ys, weights) = attention.apply(&xs, &xs, true); // to itself, and only backward
/// assert_eq!(*ys.padded().shape()?, [2, 5, 8]);
/// assert_eq!(weights.to_f64()?[[0, 1, 0, 4]], 0.0); // [batch, heads, time, source]
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MultiheadAttention {
    in_proj: Projection,
    in_proj_bias: Option<Param>,
    out_proj: Linear,
    size: usize,
    heads: usize,
    dropout: f64,
}

/// The weights of query, key and value.
#[derive(Clone, Debug)]
enum Projection {
    /// Stacked: one product makes all three.
    Packed(Param),
    Apart([Param; 3]),
}

impl MultiheadAttention {
    /// Adds a layer for vectors of `size` elements, which `heads` must divide. `in_proj_weight` is Xavier-uniform, and
    /// biases are 0.
    pub fn new(scope: Scope<'_>, size: usize, heads: usize) -> MultiheadAttention {
        MultiheadAttention::build(scope, [size, size], heads, true)
    }

    /// Adds a layer without biases: PyTorch's `bias=False`.
    pub fn without_bias(scope: Scope<'_>, size: usize, heads: usize) -> MultiheadAttention {
        MultiheadAttention::build(scope, [size, size], heads, false)
    }

    /// Adds a layer for queries of `size` elements and a memory of `memory_size` elements per place: PyTorch's `kdim`
    /// and `vdim`. Contexts have `size` elements.
    pub fn over(scope: Scope<'_>, size: usize, memory_size: usize, heads: usize) -> MultiheadAttention {
        MultiheadAttention::build(scope, [size, memory_size], heads, true)
    }

    fn build(mut scope: Scope<'_>, [size, memory]: [usize; 2], heads: usize, biased: bool) -> MultiheadAttention {
        if heads == 0 || !size.is_multiple_of(heads) {
            scope.refuse("in_proj_weight", &[size.saturating_mul(3), size], "the number of heads must divide the size");
        }
        let in_proj = if memory == size {
            Projection::Packed(scope.add("in_proj_weight", [size.saturating_mul(3), size], init::xavier_uniform()))
        } else {
            let weights = [("q_proj_weight", size), ("k_proj_weight", memory), ("v_proj_weight", memory)];
            Projection::Apart(weights.map(|(name, from)| scope.add(name, [size, from], init::xavier_uniform())))
        };
        let in_proj_bias = biased.then(|| scope.add("in_proj_bias", [size.saturating_mul(3)], init::zeros()));
        let mut out = scope.scope("out_proj");
        let weight = out.add("weight", [size, size], init::uniform(uniform_bound(size)));
        let out_proj = Linear { weight, bias: biased.then(|| out.add("bias", [size], init::zeros())) };
        MultiheadAttention { in_proj, in_proj_bias, out_proj, size, heads: heads.max(1), dropout: 0.0 }
    }

    /// Sets the probability with which a weight is dropped in training.
    pub fn dropout(mut self, probability: f64) -> MultiheadAttention {
        self.dropout = probability;
        self
    }

    /// Returns the contexts and the weights `[batch, heads, time, source]` for the queries of `xs` over `memory`, which
    /// may be `xs` itself. `causal` lets place t look at places up to t alone.
    #[track_caller]
    pub fn apply<'g>(&self, xs: &Sequence<'g>, memory: &Sequence<'g>, causal: bool) -> (Sequence<'g>, Var<'g>) {
        let graph = xs.graph();
        let _scope = graph.layer("multihead_attention");
        let query = xs.map(|rows| self.query(rows)).padded();
        let keys_and_values = self.memory(memory);
        let (context, weights) = {
            let _examples = xs.layout().name_examples(graph);
            self.attend(query, keys_and_values, AttentionMask::Real(memory.layout(), causal))
        };
        (Sequence::pack(context, xs.layout()).map(|rows| self.output(rows)), weights)
    }

    /// Queries of rows: `[rows, size] -> [rows, size]`.
    #[track_caller]
    pub(crate) fn query<'g>(&self, rows: Var<'g>) -> Var<'g> {
        self.project(rows, 0, 1)
    }

    /// Keys and values of a memory, [in heads](MultiheadAttention::in_heads).
    #[track_caller]
    pub(crate) fn memory<'g>(&self, memory: &Sequence<'g>) -> [Var<'g>; 2] {
        let rows = memory.rows();
        let both = match self.in_proj {
            Projection::Packed(_) => self.project(rows, 1, 3).chunk(-1),
            Projection::Apart(_) => [self.project(rows, 1, 2), self.project(rows, 2, 3)],
        };
        self.in_heads(both.map(|rows| memory.with_rows(rows).padded()))
    }

    /// Queries, keys and values of rows that look at each other.
    #[track_caller]
    pub(crate) fn all<'g>(&self, rows: Var<'g>) -> [Var<'g>; 3] {
        self.project(rows, 0, 3).chunk(-1)
    }

    /// Keys and values `[batch, source, size]` in the order in which they are looked at:
    /// `[batch, heads, size / heads, source]` and `[batch, heads, source, size / heads]`.
    #[track_caller]
    pub(crate) fn in_heads<'g>(&self, [keys, values]: [Var<'g>; 2]) -> [Var<'g>; 2] {
        [by_head(keys, self.heads).permute(&[0, 2, 3, 1]), split_heads(values, self.heads)]
    }

    /// One query per row, `[batch, size]`: the context `[batch, size]`, and the weights `[batch, source]`, the mean
    /// over the heads.
    #[track_caller]
    pub(crate) fn attend_once<'g>(&self, query: Var<'g>, memory: [Var<'g>; 2], padding: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (context, weights) = self.attend(self.query(query).unsqueeze(1), memory, AttentionMask::Bias(padding));
        (self.output(context.squeeze(1)), weights.mean(&[1]).squeeze(1))
    }

    /// Elements of a query and of a context.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The last affine map, `[rows, size] -> [rows, size]`.
    #[track_caller]
    pub(crate) fn output<'g>(&self, rows: Var<'g>) -> Var<'g> {
        self.out_proj.apply(rows)
    }

    /// The projections `from..to` of query, key and value, side by side; apart, one of them.
    fn project<'g>(&self, rows: Var<'g>, from: usize, to: usize) -> Var<'g> {
        let graph = rows.graph();
        let part = |p: Param| {
            let whole = graph.param(p);
            if (from, to) == (0, 3) { whole } else { whole.slice(0, from * self.size..to * self.size) }
        };
        let weight = match self.in_proj {
            Projection::Packed(weight) => part(weight),
            Projection::Apart(weights) => graph.param(weights[from]),
        };
        rows.linear(weight, self.in_proj_bias.map(part))
    }

    /// `query [batch, time, size]` over keys and values [in heads](MultiheadAttention::in_heads) to the heads'
    /// contexts, side by side, `[batch, time, size]`, and weights `[batch, heads, time, source]`.
    #[track_caller]
    pub(crate) fn attend<'g>(
        &self,
        query: Var<'g>,
        [keys, values]: [Var<'g>; 2],
        shown: AttentionMask<'_, 'g>,
    ) -> (Var<'g>, Var<'g>) {
        let graph = query.graph();
        let (Some(shape), Some(source)) = (query.known_shape(), keys.known_shape()) else {
            return (graph.inert(), graph.inert());
        };
        let (batch, time, places, heads) = (shape[0], shape[1], source.last_axis(), self.heads);
        let scores = split_heads(query, heads).matmul(keys) * (1.0 / (self.size as f64 / heads as f64).sqrt());
        let weights = match shown {
            AttentionMask::All => scores.softmax(),
            AttentionMask::Bias(bias) => (scores + bias.reshape([batch, 1, 1, places])).softmax(),
            AttentionMask::Real(layout, causal) => {
                let mut mask = Vec::with_capacity(batch * heads * time * places);
                for &length in layout.lengths() {
                    for t in (0..heads).flat_map(|_| 0..time) {
                        mask.extend((0..places).map(|s| s < length && (!causal || s <= t)));
                    }
                }
                scores.masked_softmax(mask)
            }
        };
        let context = weights.dropout(self.dropout).matmul(values).permute(&[0, 2, 1, 3]);
        (context.reshape([batch, time, self.size]), weights)
    }
}

/// Which places of a memory may be looked at.
#[derive(Clone, Copy)]
pub(crate) enum AttentionMask<'a, 'g> {
    /// All of them.
    All,
    /// Those where this, `[batch, source]`, is 0 and not −∞.
    Bias(Var<'g>),
    /// The real places; if causal, none later than the query's own.
    Real(&'a Layout, bool),
}

/// Splits each vector into the parts of the heads: `[batch, time, size] -> [batch, heads, time, size / heads]`.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::attention::split_heads;
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// assert_eq!(*split_heads(graph.zeros([2, 5, 8]), 4).shape()?, [2, 4, 5, 2]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn split_heads<'g>(x: Var<'g>, heads: usize) -> Var<'g> {
    by_head(x, heads).permute(&[0, 2, 1, 3])
}

/// `[batch, time, size] -> [batch, time, heads, size / heads]`.
#[track_caller]
fn by_head<'g>(x: Var<'g>, heads: usize) -> Var<'g> {
    x.graph().layer_fn("split_heads", |graph| {
        let shape = x.shape()?;
        match *shape {
            [batch, time, size] if heads > 0 && size.is_multiple_of(heads) => {
                Ok(x.reshape([batch, time, heads, size / heads]))
            }
            _ => Err(graph.error("split_heads", format!("{shape} is not [batch, time, size] for {heads} heads"))),
        }
    })
}
