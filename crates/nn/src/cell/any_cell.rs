//! A kind of cell that is chosen when the program runs, as by an option or a configuration.

use crate::{Cell, Error, Gru, Lstm, Nonlinearity, Result, Rnn, RnnConfig, Sequence, State, cells};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use unspool_graph::{Graph, Param, Params, Scope, Var};

/// Makes [`CellKind`], [`AnyCell`] and [`AnyState`] of a list of cells. A line is the kind, its name in options and
/// configurations, the cell's type, and what makes it, where that is not the type's `new`.
macro_rules! any_cell {
    ($($kind:ident = $name:literal, $cell:ty $(, $new:expr)?;)+) => {
        /// Lists the cells that can be chosen by name.
        ///
        /// ```
        /// use unspool_nn::CellKind;
        /// assert_eq!("lstm".parse::<CellKind>()?, CellKind::Lstm);
        /// assert_eq!(CellKind::Relu.to_string(), "relu");
        /// let error = "lsmt".parse::<CellKind>().unwrap_err().to_string();
        /// assert!(error.starts_with("there is no cell \"lsmt\": it must be one of rnn, relu, lstm, gru"), "{error}");
        /// # Ok::<(), unspool_nn::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum CellKind {
            $(
                #[doc = concat!("`", $name, "`: [`", stringify!($cell), "`].")]
                #[serde(rename = $name)]
                $kind,
            )+
        }

        impl CellKind {
            /// Lists every kind, in the order of the names in errors.
            pub const ALL: [CellKind; [$($name),+].len()] = [$(CellKind::$kind),+];

            /// Returns the name, as used in options and configurations.
            pub fn name(self) -> &'static str {
                match self {
                    $(CellKind::$kind => $name,)+
                }
            }

            /// Builds a cell of this kind with its default options, for inputs of `input_size` and outputs of
            /// `hidden_size` elements.
            pub fn build(self, scope: Scope<'_>, input_size: usize, hidden_size: usize) -> AnyCell {
                match self {
                    $(CellKind::$kind => {
                        AnyCell::$kind(any_cell!(@new $cell $(, $new)?)(scope, input_size, hidden_size))
                    })+
                }
            }
        }

        /// Holds a cell that was chosen by name, of any [`CellKind`]. It runs as fast as the cell inside.
        ///
        /// ```
        /// use unspool_graph::{Graph, Params};
        /// use unspool_nn::{Cell, CellKind, Sequence, leaves, unroll};
        /// for kind in CellKind::ALL {
        ///     let mut params = Params::seeded(1);
        ///     let cell = kind.build(params.scope("rnn"), 3, 8);
        ///     let graph = Graph::new(&params);
        ///     let xs = Sequence::pack(graph.zeros([2, 5, 3]), &[5, 2]);
        ///     let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
        ///     assert_eq!(*ys.padded().shape()?, [2, 5, 8]);
        ///     assert_eq!(cell.kind(), kind);
        /// }
        /// # Ok::<(), unspool_graph::Error>(())
        /// ```
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum AnyCell {
            $(
                #[doc = concat!("A cell of the kind `", $name, "`.")]
                $kind($cell),
            )+
        }

        /// Holds the state of an [`AnyCell`], which is that of the cell inside.
        ///
        /// ```
        /// use unspool_graph::{Graph, Params};
        /// use unspool_nn::{AnyState, Cell, CellKind, leaves};
        /// let mut params = Params::seeded(1);
        /// let lstm = CellKind::Lstm.build(params.scope("rnn"), 3, 4);
        /// let graph = Graph::new(&params);
        /// let state = lstm.initial_state(&graph, 2);
        /// assert_eq!(leaves(&state).len(), 2);
        /// assert!(matches!(state, AnyState::Lstm(inner) if *inner.c.shape()? == [2, 4]));
        /// # Ok::<(), unspool_nn::Error>(())
        /// ```
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub enum AnyState<'g> {
            $(
                #[doc = concat!("The state of a cell of the kind `", $name, "`.")]
                $kind(<$cell as Cell>::State<'g>),
            )+
        }

        impl AnyCell {
            /// Returns the kind of the cell inside.
            pub fn kind(&self) -> CellKind {
                match self {
                    $(AnyCell::$kind(_) => CellKind::$kind,)+
                }
            }
        }

        impl<'g> State<'g> for AnyState<'g> {
            fn leaves(&self, out: &mut Vec<Var<'g>>) {
                match self {
                    $(AnyState::$kind(state) => state.leaves(out),)+
                }
            }
            fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self {
                match self {
                    $(AnyState::$kind(state) => AnyState::$kind(state.rebuild(leaves)),)+
                }
            }
        }

        impl Cell for AnyCell {
            type State<'g> = AnyState<'g>;

            fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> AnyState<'g> {
                match self {
                    $(AnyCell::$kind(cell) => AnyState::$kind(cell.initial_state(graph, batch)),)+
                }
            }

            fn step<'g>(&self, x: Var<'g>, state: AnyState<'g>) -> (Var<'g>, AnyState<'g>) {
                match (self, state) {
                    $((AnyCell::$kind(cell), AnyState::$kind(state)) => {
                        let (y, state) = cell.step(x, state);
                        (y, AnyState::$kind(state))
                    })+
                    (_, state) => self.refuse(x, state),
                }
            }

            fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
                match self {
                    $(AnyCell::$kind(cell) => cell.project(xs),)+
                }
            }

            fn step_projected<'g>(
                &self,
                x: Var<'g>,
                projected: Var<'g>,
                state: AnyState<'g>,
            ) -> (Var<'g>, AnyState<'g>) {
                match (self, state) {
                    $((AnyCell::$kind(cell), AnyState::$kind(state)) => {
                        let (y, state) = cell.step_projected(x, projected, state);
                        (y, AnyState::$kind(state))
                    })+
                    (_, state) => self.refuse(x, state),
                }
            }

            fn scan<'g>(&self, xs: &Sequence<'g>, state: &AnyState<'g>) -> Option<(Sequence<'g>, AnyState<'g>)> {
                match (self, state) {
                    $((AnyCell::$kind(cell), AnyState::$kind(state)) => {
                        let (ys, state) = cell.scan(xs, state)?;
                        Some((ys, AnyState::$kind(state)))
                    })+
                    // The first step says what is wrong.
                    _ => None,
                }
            }

            fn is_diagonal(&self) -> bool {
                match self {
                    $(AnyCell::$kind(cell) => cell.is_diagonal(),)+
                }
            }
        }
    };
    (@new $cell:ty) => { <$cell>::new };
    (@new $cell:ty, $new:expr) => { $new };
}

any_cell! {
    Rnn = "rnn", Rnn;
    Relu = "relu", Rnn, rnn_with_relu;
    Lstm = "lstm", Lstm;
    Gru = "gru", Gru;
    AntisymmetricRnn = "antisymmetric-rnn", cells::AntisymmetricRnn;
    ClockworkRnn = "clockwork-rnn", cells::ClockworkRnn;
    CoRnn = "co-rnn", cells::CoRnn;
    CoupledLstm = "coupled-lstm", cells::CoupledLstm;
    FastGrnn = "fast-grnn", cells::FastGrnn;
    GatedDeltaNet = "gated-delta-net", cells::GatedDeltaNet;
    Hgrn = "hgrn", cells::Hgrn;
    IndRnn = "ind-rnn", cells::IndRnn;
    LayerNormLstm = "layer-norm-lstm", cells::LayerNormLstm;
    Lem = "lem", cells::Lem;
    LinearAttention = "linear-attention", cells::LinearAttention;
    Lru = "lru", cells::Lru;
    MinGru = "min-gru", cells::MinGru;
    MinLstm = "min-lstm", cells::MinLstm;
    MinimalGatedUnit = "minimal-gated-unit", cells::MinimalGatedUnit;
    Mlstm = "mlstm", cells::Mlstm;
    MultiplicativeLstm = "multiplicative-lstm", cells::MultiplicativeLstm;
    PeepholeLstm = "peephole-lstm", cells::PeepholeLstm;
    Qrnn = "qrnn", cells::Qrnn;
    RgLru = "rg-lru", cells::RgLru;
    S5 = "s5", cells::S5;
    Slstm = "slstm", cells::Slstm;
    Sru = "sru", cells::Sru;
}

fn rnn_with_relu(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Rnn {
    let config = RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() };
    Rnn::with_config(scope, input_size, hidden_size, config)
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for CellKind {
    type Err = Error;
    fn from_str(name: &str) -> Result<CellKind> {
        let known = || CellKind::ALL.map(CellKind::name).join(", ");
        let found = CellKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| Error::UnknownName { what: "cell", name: name.into(), known: known() })
    }
}

impl AnyCell {
    /// Returns the recurrent weight W_hh, for [`WeightDrop`](crate::WeightDrop) and its like.
    ///
    /// # Errors
    /// A cell other than an [`Rnn`], an [`Lstm`] or a [`Gru`]: others have several such weights, or none. Find them by
    /// their names, as with [`Params::find`].
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::CellKind;
    /// let mut params = Params::seeded(0);
    /// let weight = CellKind::Gru.build(params.scope("rnn"), 3, 2).weight_hh()?;
    /// assert_eq!(*params.shape(weight), [6, 2]);
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn weight_hh(&self) -> Result<Param> {
        match self {
            AnyCell::Rnn(cell) | AnyCell::Relu(cell) => Ok(cell.weight_hh()),
            AnyCell::Lstm(cell) => Ok(cell.weight_hh()),
            AnyCell::Gru(cell) => Ok(cell.weight_hh()),
            other => Err(other.lacks("weight_hh", "rnn, relu, lstm and gru")),
        }
    }

    /// Sets the biases so that the gates remember for 1 to `max_length` steps at first, some elements for short and
    /// some for long (chrono initialization: Tallec and Ollivier 2018, "Can recurrent neural networks warp time?"): b =
    /// ln(u), where u goes in even steps from 1 to `max_length` − 1 over the elements, while the paper draws it. An
    /// LSTM's forget gate has bias b and its input gate −b; a GRU's z, which keeps, has b. A cell without
    /// biases is left as it is.
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::CellKind;
    /// let mut params = Params::seeded(0);
    /// CellKind::Gru.build(params.scope("rnn"), 3, 2).init_chrono(&mut params, 100)?;
    /// let bias = params.value(params.find("rnn.bias_ih_l0").unwrap())?.to_f64();
    /// assert!((bias[[2]].exp() - 1.0).abs() < 1e-5 && (bias[[3]].exp() - 99.0).abs() < 1e-3); // z of both elements
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// A cell other than an [`Lstm`] or a [`Gru`], and parameters of another store.
    pub fn init_chrono(&self, params: &mut Params, max_length: usize) -> Result<()> {
        // The gate's place among those of the layout, and the sign of its bias.
        let (weights, gates): (_, &[(usize, f64)]) = match self {
            AnyCell::Lstm(cell) => (cell.weights(), &[(0, -1.0), (1, 1.0)]),
            AnyCell::Gru(cell) => (cell.weights(), &[(1, 1.0)]),
            other => return Err(other.lacks("init_chrono", "lstm and gru")),
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

    fn lacks(&self, what: &'static str, others: &'static str) -> Error {
        Error::CellLacks { kind: self.kind(), what, others }
    }

    /// What a step gives from the state of another kind of cell.
    #[track_caller]
    fn refuse<'g>(&self, x: Var<'g>, state: AnyState<'g>) -> (Var<'g>, AnyState<'g>) {
        let graph = x.graph();
        graph.fail(graph.error(self.kind().name(), "the state is that of another kind of cell"));
        (graph.inert(), state)
    }
}
