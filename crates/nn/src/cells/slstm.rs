//! The LSTM with exponential gates and a normalizer.

use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes an sLSTM (Beck and others 2024, "xLSTM: extended long short-term memory", equations 8 to 17): an LSTM whose
/// input gate is an exponential, with a normalizer n beside its memory c, and a stabilizer m that keeps every
/// exponential at 1 or below:
///
/// - (ĩ, f̃, z̃, õ) = W x + R h + b,  z = tanh(z̃),  o = σ(õ),  log i = ĩ,  log f = f̃ or log σ(f̃)
/// - m' = max(log f + m, ĩ),  i' = exp(ĩ − m'),  f' = exp(log f + m − m')
/// - c' = f' c + i' z,  n' = f' n + i',  h' = o ∘ c'/n'
///
/// h does not depend on m, which only scales c and n: the cell is the one without m, computed without overflow. Where n
/// is 0, as at first, the memory is empty and has no scale: there m' = ĩ, as in the authors' code. So n is at least 1
/// after the first step, whatever the gates are.
///
/// Parameters `weight_ih [4·hidden, input]`, which is W, `weight_hh [4·hidden, hidden/heads]`, which is R without its
/// zeros, and `bias [4·hidden]`, rows in the order i, f, z, o, uniform in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::Slstm, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Slstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::full(graph.full([2, 50, 3], 500.0)); // far beyond what exp can bear
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert!(hs.rows().value()?.to_f64().iter().all(|h| h.abs() <= 1.0));
/// assert!(last.n.value()?.to_f64().iter().all(|&n| n >= 1.0));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Slstm {
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    hidden_size: usize,
    config: SlstmConfig,
}

/// Holds the options of an [`Slstm`].
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{ForgetGate, Slstm, SlstmConfig};
/// let mut params = Params::seeded(1);
/// Slstm::with_config(params.scope("rnn"), 3, 8, SlstmConfig { heads: 4, forget: ForgetGate::Exp });
/// assert_eq!(*params.shape(params.find("rnn.weight_hh").unwrap()), [32, 2]); // each unit sees its head of two
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlstmConfig {
    /// Into how many heads of equal size the units are divided: within a head they see each other's h, between heads
    /// they do not. It divides the hidden size.
    pub heads: usize,
    /// The function of the forget gate.
    pub forget: ForgetGate,
}

impl Default for SlstmConfig {
    /// One head, and a forget gate that is a sigmoid.
    fn default() -> SlstmConfig {
        SlstmConfig { heads: 1, forget: ForgetGate::Sigmoid }
    }
}

/// Names the function of an [`Slstm`]'s forget gate; the paper allows both.
///
/// ```
/// use unspool_nn::cells::{ForgetGate, SlstmConfig};
/// assert_eq!(SlstmConfig::default().forget, ForgetGate::Sigmoid);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForgetGate {
    /// f = exp(f̃)
    Exp,
    /// f = σ(f̃)
    #[default]
    Sigmoid,
}

crate::state! {
    /// Holds the state of an [`Slstm`], at first all zeros.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Cell, cells::{Slstm, SlstmState}};
    /// let mut params = Params::seeded(1);
    /// let cell = Slstm::new(params.scope("rnn"), 3, 8);
    /// let graph = Graph::new(&params);
    /// let SlstmState { h, c, n, m } = cell.step(graph.full([2, 3], 1.0), cell.initial_state(&graph, 2)).1;
    /// assert!([h, c, n, m].iter().all(|leaf| leaf.shape().is_ok_and(|shape| *shape == [2, 8])));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct SlstmState<'g> {
        /// The hidden vector, which is also the output: `[batch, hidden]`.
        pub h: Var<'g>,
        /// The memory, divided by exp(m): `[batch, hidden]`.
        pub c: Var<'g>,
        /// The normalizer, divided by exp(m); 0 is an empty memory: `[batch, hidden]`.
        pub n: Var<'g>,
        /// The stabilizer: `[batch, hidden]`.
        pub m: Var<'g>,
    }
}

impl Slstm {
    /// Adds a cell of one head with a sigmoid as its forget gate.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Slstm {
        Slstm::with_config(scope, input_size, hidden_size, SlstmConfig::default())
    }

    /// Adds a cell with these options. Heads that do not divide the hidden size are the store's error.
    pub fn with_config(mut scope: Scope<'_>, input_size: usize, hidden_size: usize, config: SlstmConfig) -> Slstm {
        if config.heads == 0 || !hidden_size.is_multiple_of(config.heads) {
            scope.refuse("heads", &[config.heads, hidden_size], "the heads must divide the hidden size");
        }
        let (rows, bound) = (hidden_size.saturating_mul(4), uniform_bound(hidden_size));
        let head_size = hidden_size / config.heads.max(1);
        Slstm {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [rows, head_size], init::uniform(bound)),
            bias: scope.add("bias", [rows], init::uniform(bound)),
            hidden_size,
            config,
        }
    }

    /// R h: `[batch, hidden] -> [batch, 4·hidden]`.
    fn of_state<'g>(&self, h: Var<'g>) -> Var<'g> {
        let (graph, heads) = (h.graph(), self.config.heads);
        if heads == 1 {
            return h.linear(self.weight_hh, None::<Param>);
        }
        let (size, batch) = (self.hidden_size / heads, h.known_shape().map_or(0, |shape| shape[0]));
        let weight = graph.param(self.weight_hh).reshape([4, heads, size, size]);
        graph
            .einsum("bhi,ghoi->bgho", h.reshape([batch, heads, size]), weight)
            .reshape([batch, self.hidden_size.saturating_mul(4)])
    }
}

impl Cell for Slstm {
    type State<'g> = SlstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> SlstmState<'g> {
        let zeros = || graph.zeros([batch, self.hidden_size]);
        SlstmState { h: zeros(), c: zeros(), n: zeros(), m: zeros() }
    }
    fn step<'g>(&self, x: Var<'g>, state: SlstmState<'g>) -> (Var<'g>, SlstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, Some(self.bias))
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        SlstmState { h, c, n, m }: SlstmState<'g>,
    ) -> (Var<'g>, SlstmState<'g>) {
        let [i, f, z, o] = (x + self.of_state(h)).chunk(-1);
        let log_f = match self.config.forget {
            ForgetGate::Exp => f,
            ForgetGate::Sigmoid => f.log_sigmoid(),
        };
        // An empty memory takes the scale of what is written.
        let kept = n.eq(0.0).where_(i, log_f + m);
        let m = kept.maximum(i);
        let (i, f) = ((i - m).exp(), (kept - m).exp());
        let c = f * c + i * z.tanh();
        let n = f * n + i;
        let h = o.sigmoid() * (c / n);
        (h, SlstmState { h, c, n, m })
    }
}
