//! The LSTM with a matrix memory.

use super::parts::{Heads, linear, linear_without_bias};
use crate::{Cell, Linear, Sequence, scan};
use unspool_graph::{Graph, RngKey, Scope, Shape, Var};

/// Computes mLSTM, the LSTM of xLSTM with a matrix memory (Beck and others 2024, "xLSTM: Extended Long Short-Term
/// Memory", equations 19–27). Per head
///
/// - q = W_q x + b_q, k = (W_k x + b_k) / √d, v = W_v x + b_v
/// - i = exp(W_i x + b_i), f = σ(W_f x + b_f), o = σ(W_o x + b_o)
/// - C' = f C + i v kᵀ, n' = f n + i k
/// - h = o ∘ C' q / max(|n' · q|, 1)
///
/// where d is the size of a key. The input gate is an exponential, so C and n are kept divided by exp(m), with the
/// stabilizer of equation 15, m' = max(ln f + m, ln i): then nothing overflows in single precision for any gate, and
/// the result is the same.
///
/// Parameters `weight_q`, `weight_k` `[heads · key, input]`, `weight_v`, `weight_o` `[hidden, input]`, `weight_i`,
/// `weight_f` `[heads, input]`, and their biases; at first `bias_f` goes from 3 to 6 over the heads, and `bias_i` is 0.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::Mlstm, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Mlstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.c.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 1, 9, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mlstm {
    query: Linear,
    key: Linear,
    value: Linear,
    input: Linear,
    forget: Linear,
    output: Linear,
    heads: Heads,
}

crate::state! {
    /// Holds the state of an [`Mlstm`] cell. The memory of the equations is C = `c` · exp(`m`).
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Cell, cells::Mlstm};
    /// let mut params = Params::seeded(1);
    /// let cell = Mlstm::new(params.scope("rnn"), 3, 8);
    /// let graph = Graph::new(&params);
    /// let (_, state) = cell.step(graph.full([2, 3], 0.5), cell.initial_state(&graph, 2));
    /// assert_eq!(*state.m.shape()?, [2, 1]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct MlstmState<'g> {
        /// C, and in its last row n, both divided by exp(m): `[batch, head, value + 1, key]`.
        pub c: Var<'g>,
        /// The stabilizer, `[batch, head]`.
        pub m: Var<'g>,
    }
}

/// Holds the options of an [`Mlstm`] cell.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{Mlstm, MlstmConfig};
/// let mut params = Params::seeded(1);
/// Mlstm::with_config(params.scope("rnn"), 3, 64, MlstmConfig { heads: 4, key_size: Some(8) });
/// assert_eq!(*params.shape(params.find("rnn.weight_k").unwrap()), [32, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MlstmConfig {
    /// The number of heads, which divides `hidden_size`.
    pub heads: usize,
    /// The size of a head's keys; if there is none, that of its values, `hidden_size / heads`.
    pub key_size: Option<usize>,
}

impl Default for MlstmConfig {
    fn default() -> MlstmConfig {
        MlstmConfig { heads: 1, key_size: None }
    }
}

impl Mlstm {
    /// Adds a cell for inputs of `input_size` and outputs of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Mlstm {
        Mlstm::with_config(scope, input_size, hidden_size, MlstmConfig::default())
    }

    /// Adds a cell with these options.
    ///
    /// # Errors
    /// The parameters record an error for a number of heads that does not divide `hidden_size`.
    pub fn with_config(mut scope: Scope<'_>, input_size: usize, hidden_size: usize, config: MlstmConfig) -> Mlstm {
        let heads = Heads::new(&mut scope, hidden_size, config.heads, config.key_size);
        let [query, key] = ["q", "k"].map(|name| linear(&mut scope, name, input_size, heads.keys()));
        let [value, output] = ["v", "o"].map(|name| linear(&mut scope, name, input_size, hidden_size));
        // The forget gates remember for longer from head to head.
        let remember = |head: usize, count: usize| 3.0 + 3.0 * head as f64 / (count.max(2) - 1) as f64;
        let [input, forget] = [("i", 0.0), ("f", 1.0)].map(|(name, share)| {
            let weight = linear_without_bias(&mut scope, name, input_size, heads.count).weight;
            let bias = scope.add(format!("bias_{name}"), [heads.count], move |shape: &Shape, _: RngKey| {
                (0..shape.elements()).map(|head| share * remember(head, shape.elements())).collect()
            });
            Linear { weight, bias: Some(bias) }
        });
        Mlstm { query, key, value, input, forget, output, heads }
    }

    /// Queries, keys, and values followed by a 1 `[rows, head, size]`; ln i and ln f, `[rows, head]`.
    fn operands<'g>(&self, x: Var<'g>) -> ([Var<'g>; 3], Var<'g>, Var<'g>) {
        let heads = self.heads;
        let q = heads.split(self.query.apply(x), heads.key);
        let k = heads.split(self.key.apply(x) / (heads.key as f64).sqrt(), heads.key);
        let v = heads.split(self.value.apply(x), heads.value);
        let rows = x.known_shape().map_or(0, |shape| shape[0]);
        let v = x.graph().concat(&[v, x.graph().full([rows, heads.count, 1], 1.0)], -1);
        ([q, k, v], self.input.apply(x), self.forget.apply(x).log_sigmoid())
    }

    /// o ∘ C q / max(|n · q|, 1), from `[C; n] q`, which is divided by exp(m).
    fn output<'g>(&self, read: Var<'g>, m: Var<'g>, x: Var<'g>) -> Var<'g> {
        let value = self.heads.value;
        // Where m < −80 the result is nothing in single precision either way, and exp(−m) would overflow.
        let one = (-m).minimum(80.0).exp().unsqueeze(-1);
        let normalizer = read.slice(-1, value..value.saturating_add(1)).abs().maximum(one);
        self.output.apply(x).sigmoid() * self.heads.join(read.slice(-1, 0..value) / normalizer)
    }
}

impl Cell for Mlstm {
    type State<'g> = MlstmState<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> MlstmState<'g> {
        let Heads { count, key, value } = self.heads;
        MlstmState { c: graph.zeros([batch, count, value.saturating_add(1), key]), m: graph.zeros([batch, count]) }
    }

    fn step<'g>(&self, x: Var<'g>, MlstmState { c, m: before }: MlstmState<'g>) -> (Var<'g>, MlstmState<'g>) {
        let ([q, k, v], log_i, log_f) = self.operands(x);
        let m = (log_f + before).maximum(log_i);
        let v = v * (log_i - m).exp().unsqueeze(-1);
        let (read, c) = scan::matrix_step([q, k, v, log_f + before - m], None, c);
        (self.output(read, m, x), MlstmState { c, m })
    }

    fn scan<'g>(&self, xs: &Sequence<'g>, state: &MlstmState<'g>) -> Option<(Sequence<'g>, MlstmState<'g>)> {
        let ([q, k, v], log_i, log_f) = self.operands(xs.rows());
        let over = |rows: Var<'g>| xs.map(|_| rows);
        let (ms, m) = scan::max_plus_recurrence(&over(log_f), &over(log_i), state.m);
        let before = scan::previous(&ms, state.m).rows();
        let v = v * (log_i - ms.rows()).exp().unsqueeze(-1);
        let log_alpha = over(log_f + before - ms.rows());
        let (reads, c) = scan::linear_attention(&over(q), &over(k), &over(v), &log_alpha, state.c);
        let hs = reads.map(|read| self.output(read, ms.rows(), xs.rows()));
        Some((hs, MlstmState { c, m }))
    }
}
