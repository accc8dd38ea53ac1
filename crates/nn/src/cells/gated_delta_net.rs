//! The gated delta network's recurrence.

use super::parts::{Heads, linear, linear_without_bias};
use crate::{Cell, Linear, Sequence, scan};
use unspool_graph::{Graph, Param, RngKey, Scope, Shape, Var};

/// Computes the gated delta rule (Yang, Kautz and Hatamizadeh 2025, "Gated Delta Networks: Improving Mamba2 with Delta
/// Rule", equation 10 and section 3.4, without the block's convolutions and output gate). Per head
///
/// - q = l₂(SiLU(W_q x)), k = l₂(SiLU(W_k x)), v = SiLU(W_v x), where l₂ divides by the norm
/// - β = σ(W_β x), ln α = −exp(A) softplus(W_α x + b_α)
/// - S' = α S (1 − β k kᵀ) + β v kᵀ,  y = S' q
///
/// A step replaces what the state holds for the key by the share β of the new value, and α forgets everything else.
/// Parameters `weight_q`, `weight_k` `[heads · key, input]`, `weight_v [hidden, input]`, `weight_beta`, `weight_alpha`
/// `[heads, input]`, `bias_alpha` and `a_log` `[heads]`. The state is S, `[batch, head, value, key]`; the outputs of
/// the heads are side by side.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::GatedDeltaNet, unroll};
/// let mut params = Params::seeded(1);
/// let cell = GatedDeltaNet::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((ys.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 1, 8, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct GatedDeltaNet {
    query: Linear,
    key: Linear,
    value: Linear,
    beta: Linear,
    alpha: Linear,
    a_log: Param,
    heads: Heads,
}

/// Holds the options of a [`GatedDeltaNet`].
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{GatedDeltaNet, GatedDeltaNetConfig};
/// let mut params = Params::seeded(1);
/// let config = GatedDeltaNetConfig { heads: 4, key_size: Some(8) };
/// GatedDeltaNet::with_config(params.scope("rnn"), 3, 64, config);
/// assert_eq!(*params.shape(params.find("rnn.weight_k").unwrap()), [32, 3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatedDeltaNetConfig {
    /// The number of heads, which divides `hidden_size`.
    pub heads: usize,
    /// The size of a head's keys; if there is none, that of its values, `hidden_size / heads`.
    pub key_size: Option<usize>,
}

impl Default for GatedDeltaNetConfig {
    fn default() -> GatedDeltaNetConfig {
        GatedDeltaNetConfig { heads: 1, key_size: None }
    }
}

impl GatedDeltaNet {
    /// Adds a cell for inputs of `input_size` and outputs of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> GatedDeltaNet {
        GatedDeltaNet::with_config(scope, input_size, hidden_size, GatedDeltaNetConfig::default())
    }

    /// Adds a cell with these options.
    ///
    /// # Errors
    /// The parameters record an error for a number of heads that does not divide `hidden_size`.
    pub fn with_config(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        config: GatedDeltaNetConfig,
    ) -> GatedDeltaNet {
        let heads = Heads::new(&mut scope, hidden_size, config.heads, config.key_size);
        let [query, key] = ["q", "k"].map(|name| linear_without_bias(&mut scope, name, input_size, heads.keys()));
        let value = linear_without_bias(&mut scope, "v", input_size, hidden_size);
        let beta = linear_without_bias(&mut scope, "beta", input_size, heads.count);
        let alpha = linear(&mut scope, "alpha", input_size, heads.count);
        // The decay's rate exp(A) is spread evenly over 1 … 16, as in Mamba-2.
        let rate = |head: usize, count: usize| 1.0 + 15.0 * head as f64 / (count.max(2) - 1) as f64;
        let a_log = scope.add("a_log", [heads.count], |shape: &Shape, _: RngKey| {
            (0..shape.elements()).map(|head| rate(head, shape.elements()).ln()).collect()
        });
        GatedDeltaNet { query, key, value, beta, alpha, a_log, heads }
    }

    /// Queries, keys and values `[rows, head, size]`, and ln α `[rows, head]`; and β.
    fn operands<'g>(&self, x: Var<'g>) -> ([Var<'g>; 4], Var<'g>) {
        let heads = self.heads;
        let [q, k] = [self.query, self.key].map(|of| normalized(heads.split(of.apply(x).silu(), heads.key)));
        let v = heads.split(self.value.apply(x).silu(), heads.value);
        let log_alpha = -(x.graph().param(self.a_log).exp() * self.alpha.apply(x).softplus());
        ([q, k, v, log_alpha], self.beta.apply(x).sigmoid())
    }
}

/// Each vector divided by its norm; a small number keeps a vector of zeros what it is.
fn normalized<'g>(x: Var<'g>) -> Var<'g> {
    x / ((x * x).sum(&[-1]) + 1e-6).sqrt().unsqueeze(-1)
}

impl Cell for GatedDeltaNet {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.heads.count, self.heads.value, self.heads.key])
    }

    fn step<'g>(&self, x: Var<'g>, s: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (operands, beta) = self.operands(x);
        let (y, s) = scan::matrix_step(operands, Some(beta), s);
        (self.heads.join(y), s)
    }

    fn scan<'g>(&self, xs: &Sequence<'g>, s: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
        let (operands, beta) = self.operands(xs.rows());
        let [q, k, v, log_alpha] = operands.map(|rows| xs.map(|_| rows));
        let (ys, last) = scan::gated_delta_rule(&q, &k, &v, &log_alpha, &xs.map(|_| beta), *s);
        Some((ys.map(|y| self.heads.join(y)), last))
    }
}
