//! Linear attention as a cell, with or without RetNet's decay.

use super::parts::{Heads, in_each_row, linear_without_bias};
use crate::{Cell, Linear, Sequence, scan};
use unspool_graph::{Graph, Scope, Var};

/// Computes linear attention with a constant decay per head (Katharopoulos and others 2020, "Transformers are RNNs",
/// without its feature map and normalizer; with decay the retention of Sun and others 2023, "Retentive Network",
/// equations 5 and 6, without its rotation). Per head
///
/// - q = W_q x, k = W_k x / √d, v = W_v x
/// - S' = α S + v kᵀ,  y = S' q
///
/// where d is the size of a key. Parameters `weight_q`, `weight_k` `[heads · key, input]` and `weight_v
/// [hidden, input]`, uniform in ±1/√input. The state is S, `[batch, head, value, key]`; the outputs of the heads are
/// side by side.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::LinearAttention, unroll};
/// let mut params = Params::seeded(1);
/// let cell = LinearAttention::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((ys.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 1, 8, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LinearAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    heads: Heads,
    decay: bool,
}

/// Holds the options of a [`LinearAttention`] cell.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{LinearAttention, LinearAttentionConfig};
/// let mut params = Params::seeded(1);
/// let config = LinearAttentionConfig { heads: 4, key_size: Some(8), decay: false };
/// LinearAttention::with_config(params.scope("rnn"), 3, 64, config);
/// assert_eq!(*params.shape(params.find("rnn.weight_k").unwrap()), [32, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearAttentionConfig {
    /// The number of heads, which divides `hidden_size`.
    pub heads: usize,
    /// The size of a head's keys; if there is none, that of its values, `hidden_size / heads`.
    pub key_size: Option<usize>,
    /// Whether head h = 0, 1, … forgets with α = 1 − 2^(−5−h), as in RetNet; else α = 1, and nothing is forgotten.
    pub decay: bool,
}

impl Default for LinearAttentionConfig {
    fn default() -> LinearAttentionConfig {
        LinearAttentionConfig { heads: 1, key_size: None, decay: true }
    }
}

impl LinearAttention {
    /// Adds a cell for inputs of `input_size` and outputs of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> LinearAttention {
        LinearAttention::with_config(scope, input_size, hidden_size, LinearAttentionConfig::default())
    }

    /// Adds a cell with these options.
    ///
    /// # Errors
    /// The parameters record an error for a number of heads that does not divide `hidden_size`.
    pub fn with_config(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        config: LinearAttentionConfig,
    ) -> LinearAttention {
        let heads = Heads::new(&mut scope, hidden_size, config.heads, config.key_size);
        let [query, key] = ["q", "k"].map(|name| linear_without_bias(&mut scope, name, input_size, heads.keys()));
        let value = linear_without_bias(&mut scope, "v", input_size, hidden_size);
        LinearAttention { query, key, value, heads, decay: config.decay }
    }

    /// Queries, keys and values `[rows, head, size]`, and ln α `[rows, head]`.
    fn operands<'g>(&self, x: Var<'g>) -> [Var<'g>; 4] {
        let (graph, heads) = (x.graph(), self.heads);
        let q = heads.split(self.query.apply(x), heads.key);
        let k = heads.split(self.key.apply(x) / (heads.key as f64).sqrt(), heads.key);
        let v = heads.split(self.value.apply(x), heads.value);
        let alpha = |head: usize| if self.decay { 1.0 - 0.5f64.powi(5 + head as i32) } else { 1.0 };
        let log_alpha: Vec<f64> = (0..heads.count).map(|head| alpha(head).ln()).collect();
        [q, k, v, in_each_row(graph.input(log_alpha), x)]
    }
}

impl Cell for LinearAttention {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.heads.count, self.heads.value, self.heads.key])
    }

    fn step<'g>(&self, x: Var<'g>, s: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (y, s) = scan::matrix_step(self.operands(x), None, s);
        (self.heads.join(y), s)
    }

    fn scan<'g>(&self, xs: &Sequence<'g>, s: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
        let [q, k, v, log_alpha] = self.operands(xs.rows()).map(|rows| xs.map(|_| rows));
        let (ys, last) = scan::linear_attention(&q, &k, &v, &log_alpha, *s);
        Some((ys.map(|y| self.heads.join(y)), last))
    }
}
