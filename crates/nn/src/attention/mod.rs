//! Looking at a memory: which of its places matter for a query.
//!
//! More in [chapter 12](https://github.com/unspool/unspool/blob/main/docs/12-attention.md) of the tutorial.
//!
//! An attention compares a query with every real place of a memory, turns the scores into weights by a softmax and
//! returns the weighted sum of the memory, the context, and the weights themselves. What it needs of the memory is made
//! once per sequence, as an [`AttentionMemory`], and carried as state. Padding is left out of everything: its contents
//! reach neither scores nor gradients.
//!
//! | attention | score of a place m for a query q | source |
//! | --- | --- | --- |
//! | [`Attention::dot`] | q·m | Luong, Pham and Manning 2015 |
//! | [`Attention::scaled_dot`] | q·m / √size | Vaswani and others 2017 |
//! | [`Attention::general`] | (W q)·m | Luong, Pham and Manning 2015 |
//! | [`Attention::additive`] | vᵀ tanh(W_q q + b + W_k m) | Bahdanau, Cho and Bengio 2015 |
//! | [`Attention::multi_head`] | scaled dot product in each of several projections | Vaswani and others 2017 |
//!
//! [`MultiheadAttention`] is the last of these over whole sequences of queries, as in a Transformer.
//!
//! A decoder's query looks at what an encoder read:
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Attention, Sequence};
//! let params = Params::seeded(1);
//! let attention = Attention::dot();
//! let graph = Graph::new(&params);
//! let read = graph.input(ndarray::array![[[9.0f32, 0.0], [0.0, 9.0], [5.0, 5.0]]]); // [batch, source, memory]
//! let memory = attention.memory(&Sequence::pack(read, &[2]));                       // the third place is padding
//! let (context, weights) = attention.attend(graph.input(ndarray::array![[1.0f32, 0.0]]), &memory);
//! assert!(weights.to_f64()?[[0, 0]] > 0.99);
//! assert!((context.to_f64()?[[0, 0]] - 9.0).abs() < 0.1);
//! # Ok::<(), unspool_graph::Error>(())
//! ```

mod additive;
mod multi_head;

pub use additive::AdditiveAttention;
pub(crate) use multi_head::AttentionMask;
pub use multi_head::{MultiheadAttention, split_heads};

use crate::{Layout, Linear, Sequence, sizes};
use unspool_graph::{Graph, Scope, Var};

crate::state! {
    /// Holds a memory in the form in which [`Attention`] reads it. No step changes it.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Attention, Sequence};
    /// let params = Params::seeded(1);
    /// let graph = Graph::new(&params);
    /// let memory = Attention::dot().memory(&Sequence::pack(graph.full([2, 3, 4], 1.0), &[3, 1]));
    /// assert_eq!((*memory.keys.shape()?).to_vec(), [2, 3, 4]);
    /// assert_eq!(memory.padding.to_f64()?[[1, 2]], f64::NEG_INFINITY);
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct AttentionMemory<'g> {
        /// What queries are compared with, 0 at padding: `[batch, source, key]`, or in heads
        /// `[batch, heads, size / heads, source]`.
        pub keys: Var<'g>,
        /// What contexts are made of, 0 at padding: `[batch, source, memory]`, or in heads
        /// `[batch, heads, source, size / heads]`.
        pub values: Var<'g>,
        /// 0 at real places, −∞ at padding: `[batch, source]`.
        pub padding: Var<'g>,
    }
}

/// Compares one query at a time with a memory, by a score that is chosen at run time. See the [table](self).
///
/// More in [chapter 12](https://github.com/unspool/unspool/blob/main/docs/12-attention.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Attention, Sequence};
/// let mut params = Params::seeded(1);
/// let attention = Attention::general(params.scope("attention"), 6, 4);
/// let graph = Graph::new(&params);
/// let memory = attention.memory(&Sequence::pack(graph.full([2, 5, 4], 1.0), &[5, 2]));
/// let (context, weights) = attention.attend(graph.full([2, 6], 0.5), &memory);
/// assert_eq!(*context.shape()?, [2, 4]);                                          // the weights are [2, 5]
/// let weights = weights.to_f64()?;
/// assert!((weights[[1, 0]] - 0.5).abs() < 1e-6 && weights[[1, 2]] == 0.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Attention {
    score: Score,
}

#[derive(Clone, Debug)]
enum Score {
    Dot { scaled: bool },
    General(Linear),
    Additive(AdditiveAttention),
    Heads(MultiheadAttention),
}

impl Attention {
    /// Scores by the dot product q·m: query and memory have the same size. It has no parameters.
    pub fn dot() -> Attention {
        Attention { score: Score::Dot { scaled: false } }
    }
    /// Scores by q·m / √size: query and memory have the same size. It has no parameters.
    pub fn scaled_dot() -> Attention {
        Attention { score: Score::Dot { scaled: true } }
    }
    /// Scores by (W q)·m, with the parameter `weight [memory, query]`.
    pub fn general(scope: Scope<'_>, query_size: usize, memory_size: usize) -> Attention {
        Attention { score: Score::General(Linear::without_bias(scope, query_size, memory_size)) }
    }
    /// Scores by [`AdditiveAttention`] in `attention_size` dimensions.
    pub fn additive(scope: Scope<'_>, query_size: usize, memory_size: usize, attention_size: usize) -> Attention {
        Attention { score: Score::Additive(AdditiveAttention::new(scope, query_size, memory_size, attention_size)) }
    }
    /// Compares projections in each of `heads` heads, as [`MultiheadAttention::over`] does. The context has
    /// `query_size` elements, which `heads` must divide, and the weights are the mean over the heads.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Attention, Sequence};
    /// let mut params = Params::seeded(1);
    /// let attention = Attention::multi_head(params.scope("attention"), 6, 4, 3);
    /// let graph = Graph::new(&params);
    /// let memory = attention.memory(&Sequence::pack(graph.full([2, 5, 4], 1.0), &[5, 2]));
    /// let (context, weights) = attention.attend(graph.full([2, 6], 0.5), &memory);
    /// assert_eq!(*context.shape()?, [2, 6]);
    /// assert!((weights.to_f64()?[[1, 0]] - 0.5).abs() < 1e-6);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn multi_head(scope: Scope<'_>, query_size: usize, memory_size: usize, heads: usize) -> Attention {
        Attention { score: Score::Heads(MultiheadAttention::over(scope, query_size, memory_size, heads)) }
    }

    /// Elements of the context over a memory of `memory_size`: as many, but in heads those of the query.
    pub(crate) fn context_size(&self, memory_size: usize) -> usize {
        match &self.score {
            Score::Heads(heads) => heads.size(),
            _ => memory_size,
        }
    }

    /// Prepares a memory, such as an encoder's outputs, for [`attend`](Attention::attend).
    #[track_caller]
    pub fn memory<'g>(&self, memory: &Sequence<'g>) -> AttentionMemory<'g> {
        let graph = memory.graph();
        let _scope = graph.layer("attention");
        let [keys, values] = match &self.score {
            Score::Heads(heads) => heads.memory(memory),
            Score::Additive(additive) => [additive.keys(memory), memory.padded()],
            Score::Dot { .. } | Score::General(_) => [memory.padded(); 2],
        };
        AttentionMemory { keys, values, padding: padding_bias(graph, memory.layout()) }
    }

    /// Returns the context `[batch, memory]` (with several heads `[batch, query]`) and the weights `[batch, source]`
    /// for `query [batch, query]`.
    #[track_caller]
    pub fn attend<'g>(&self, query: Var<'g>, memory: &AttentionMemory<'g>) -> (Var<'g>, Var<'g>) {
        let _scope = query.graph().layer("attention");
        let AttentionMemory { keys, values, padding } = *memory;
        let query = match &self.score {
            Score::Additive(additive) => return additive.attend(query, keys, values, padding),
            Score::Heads(heads) => return heads.attend_once(query, [keys, values], padding),
            Score::General(weight) => weight.apply(query),
            Score::Dot { scaled: false } => query,
            Score::Dot { scaled: true } => {
                query * (1.0 / query.known_shape().map_or(1.0, |shape| shape.last_axis() as f64).sqrt())
            }
        };
        let scores = keys.matmul(query.unsqueeze(-1)).squeeze(-1);
        let weights = (scores + padding).softmax();
        (additive::weighted_sum(weights, values), weights)
    }
}

/// Returns 0 at each example's real places and −∞ at its padding, `[batch, time]`, to be added to scores before a
/// softmax.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Layout, attention::padding_bias};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let weights = (graph.zeros([2, 3]) + padding_bias(&graph, &Layout::new(&[3, 2]))).softmax().to_f64()?;
/// assert_eq!([weights[[1, 0]], weights[[1, 1]], weights[[1, 2]]], [0.5, 0.5, 0.0]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn padding_bias<'g>(graph: &'g Graph<'g>, layout: &Layout) -> Var<'g> {
    let (batch, time) = (layout.batch(), layout.time());
    if sizes::elements(graph, "padding_bias", &[batch, time]).is_none() {
        return graph.inert();
    }
    let bias =
        ndarray::Array2::from_shape_fn(
            (batch, time),
            |(b, s)| {
                if s < layout.lengths()[b] { 0.0f32 } else { f32::NEG_INFINITY }
            },
        );
    graph.input(bias)
}
