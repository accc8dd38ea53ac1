//! A kind of cell that is chosen when the program runs, as by an option or a configuration.

use crate::{Cell, Error, Gru, Lstm, LstmState, Nonlinearity, Rnn, RnnConfig};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use unspool_graph::{Graph, Param, Params, Scope, Var};

/// Lists the built-in cells by name.
///
/// ```
/// use unspool_nn::CellKind;
/// assert_eq!("lstm".parse::<CellKind>()?, CellKind::Lstm);
/// assert_eq!(CellKind::Relu.to_string(), "relu");
/// let error = "lsmt".parse::<CellKind>().unwrap_err();
/// assert_eq!(error.to_string(), "there is no cell \"lsmt\": it must be one of rnn, relu, lstm, gru");
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CellKind {
    /// `rnn`: [`Rnn`] with tanh.
    Rnn,
    /// `relu`: [`Rnn`] with ReLU.
    Relu,
    /// `lstm`: [`Lstm`].
    Lstm,
    /// `gru`: [`Gru`].
    Gru,
}

impl CellKind {
    /// Lists every kind, in the order of the names in errors.
    pub const ALL: [CellKind; 4] = [CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru];

    /// Returns the name, as it stands in options and configurations.
    pub fn name(self) -> &'static str {
        match self {
            CellKind::Rnn => "rnn",
            CellKind::Relu => "relu",
            CellKind::Lstm => "lstm",
            CellKind::Gru => "gru",
        }
    }

    /// Builds a cell of this kind for inputs of `input_size` and states of `hidden_size` elements.
    pub fn build(self, scope: Scope<'_>, input_size: usize, hidden_size: usize) -> AnyCell {
        match self {
            CellKind::Rnn => AnyCell::Rnn(Rnn::new(scope, input_size, hidden_size)),
            CellKind::Relu => {
                let config = RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() };
                AnyCell::Rnn(Rnn::with_config(scope, input_size, hidden_size, config))
            }
            CellKind::Lstm => AnyCell::Lstm(Lstm::new(scope, input_size, hidden_size)),
            CellKind::Gru => AnyCell::Gru(Gru::new(scope, input_size, hidden_size)),
        }
    }
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CellKind {
    type Err = Error;
    fn from_str(name: &str) -> Result<CellKind, Error> {
        let known = || CellKind::ALL.map(CellKind::name).join(", ");
        let found = CellKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::UnknownName { what: "cell", name: name.into(), known: known() })
    }
}

/// Holds one of the built-in cells, chosen at run time. It runs as fast as the cell inside.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, CellKind, Sequence, unroll};
/// for kind in CellKind::ALL {
///     let mut params = Params::seeded(1);
///     let cell = kind.build(params.scope("rnn"), 3, 8);
///     let graph = Graph::new(&params);
///     let xs = Sequence::pack(graph.zeros([2, 5, 3]), &[5, 2]);
///     let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
///     assert_eq!(*ys.padded().shape()?, [2, 5, 8]);
///     assert_eq!(*last.h.shape()?, [2, 8]);
/// }
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum AnyCell {
    /// The plain cell, with tanh or ReLU.
    Rnn(Rnn),
    /// Long short-term memory.
    Lstm(Lstm),
    /// The gated recurrent unit.
    Gru(Gru),
}

crate::state! {
    /// Holds the state of any built-in cell.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Cell, CellKind};
    /// let mut params = Params::seeded(1);
    /// let (lstm, gru) = (CellKind::Lstm.build(params.scope("a"), 3, 4), CellKind::Gru.build(params.scope("b"), 3, 4));
    /// let graph = Graph::new(&params);
    /// assert!(lstm.initial_state(&graph, 2).c.is_some() && gru.initial_state(&graph, 2).c.is_none());
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct AnyState<'g> {
        /// The hidden vector, which is also the output: `[batch, hidden]`.
        pub h: Var<'g>,
        /// An LSTM's memory: `[batch, hidden]`.
        pub c: Option<Var<'g>>,
    }
}

impl AnyCell {
    /// Returns the recurrent weight W_hh, for [`WeightDrop`](crate::WeightDrop) and its like.
    pub fn weight_hh(&self) -> Param {
        match self {
            AnyCell::Rnn(cell) => cell.weight_hh(),
            AnyCell::Lstm(cell) => cell.weight_hh(),
            AnyCell::Gru(cell) => cell.weight_hh(),
        }
    }

    /// Sets the biases so that the gates remember for 1 to `max_length` steps at first, some elements for short and
    /// some for long (chrono initialization: Tallec and Ollivier 2018, "Can recurrent neural networks warp time?"): b =
    /// ln(u), where u goes in even steps from 1 to `max_length` − 1 over the elements, while the paper draws it. An
    /// LSTM's forget gate has bias b and its input gate −b; a GRU's z, which keeps, has b. A plain cell has no gates
    /// and is left as it is, and so is a cell without biases.
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::CellKind;
    /// let mut params = Params::seeded(0);
    /// CellKind::Gru.build(params.scope("rnn"), 3, 2).init_chrono(&mut params, 100)?;
    /// let bias = params.value(params.find("rnn.bias_ih_l0").unwrap())?.to_f64();
    /// assert!((bias[[2]].exp() - 1.0).abs() < 1e-5 && (bias[[3]].exp() - 99.0).abs() < 1e-3); // z of both elements
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// Parameters of another store.
    pub fn init_chrono(&self, params: &mut Params, max_length: usize) -> Result<(), unspool_graph::Error> {
        // The gate's place among those of the layout, and the sign of its bias.
        let (weights, gates): (_, &[(usize, f64)]) = match self {
            AnyCell::Rnn(_) => return Ok(()),
            AnyCell::Lstm(cell) => (cell.weights(), &[(0, -1.0), (1, 1.0)]),
            AnyCell::Gru(cell) => (cell.weights(), &[(1, 1.0)]),
        };
        let (hidden, most) = (weights.hidden_size, max_length.saturating_sub(1).max(1) as f64);
        let memory = |element: usize| 1.0 + (most - 1.0) * element as f64 / (hidden.max(2) - 1) as f64;
        for (bias, share) in [(weights.bias_ih, 1.0), (weights.bias_hh, 0.0)] {
            let Some(bias) = bias else { continue };
            let mut all = params.value(bias)?.to_f64();
            for &(gate, sign) in gates {
                for element in 0..hidden {
                    all[gate * hidden + element] = share * sign * memory(element).ln();
                }
            }
            params.set(bias, all)?;
        }
        Ok(())
    }
}

impl Cell for AnyCell {
    type State<'g> = AnyState<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> AnyState<'g> {
        match self {
            AnyCell::Rnn(cell) => AnyState { h: cell.initial_state(graph, batch), c: None },
            AnyCell::Gru(cell) => AnyState { h: cell.initial_state(graph, batch), c: None },
            AnyCell::Lstm(cell) => {
                let LstmState { h, c } = cell.initial_state(graph, batch);
                AnyState { h, c: Some(c) }
            }
        }
    }

    fn step<'g>(&self, x: Var<'g>, state: AnyState<'g>) -> (Var<'g>, AnyState<'g>) {
        self.step_projected(x, self.project(x), state)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        match self {
            AnyCell::Rnn(cell) => cell.project(xs),
            AnyCell::Gru(cell) => cell.project(xs),
            AnyCell::Lstm(cell) => cell.project(xs),
        }
    }

    fn step_projected<'g>(
        &self,
        x: Var<'g>,
        projected: Var<'g>,
        AnyState { h, c }: AnyState<'g>,
    ) -> (Var<'g>, AnyState<'g>) {
        let (h, c) = match (self, c) {
            (AnyCell::Rnn(cell), _) => (cell.step_projected(x, projected, h).1, None),
            (AnyCell::Gru(cell), _) => (cell.step_projected(x, projected, h).1, None),
            (AnyCell::Lstm(cell), Some(c)) => {
                let (_, LstmState { h, c }) = cell.step_projected(x, projected, LstmState { h, c });
                (h, Some(c))
            }
            (AnyCell::Lstm(_), None) => {
                let graph = x.graph();
                graph.fail(graph.error("lstm", "the state has no memory c: it is that of another kind of cell"));
                (graph.inert(), None)
            }
        };
        (h, AnyState { h, c })
    }
}
