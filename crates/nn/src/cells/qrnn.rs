//! The quasi-recurrent neural network: a convolution, and a recurrence without weights.

use super::parts::linear;
use crate::{
    Cell, Linear, Sequence,
    scan::{last_state, linear_recurrence, previous},
};
use unspool_graph::{Graph, Scope, Var};

/// Computes a quasi-recurrent neural network with fo-pooling (Bradbury and others 2017, "Quasi-Recurrent Neural
/// Networks", equations 2, 3 and 5) over windows of two inputs:
///
/// - z = tanh(W_z \[x₋; x\] + b_z), f = σ(W_f \[x₋; x\] + b_f), o = σ(W_o \[x₋; x\] + b_o)
/// - c' = f ∘ c + (1 − f) ∘ z,  h = o ∘ c'
///
/// where x₋ is the input of the step before. Parameters `weight_z`, `weight_f`, `weight_o` `[hidden, 2 · input]` and
/// their biases, uniform in ±1/√(2 · input).
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::Qrnn, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Qrnn::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.c.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Qrnn {
    candidate: Linear,
    forget: Linear,
    output: Linear,
    input_size: usize,
    hidden_size: usize,
}

crate::state! {
    /// Holds the state of a [`Qrnn`].
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Cell, cells::Qrnn};
    /// let mut params = Params::seeded(1);
    /// let cell = Qrnn::new(params.scope("rnn"), 3, 8);
    /// let graph = Graph::new(&params);
    /// let x = graph.full([2, 3], 0.5);
    /// let (_, state) = cell.step(x, cell.initial_state(&graph, 2));
    /// assert_eq!(state.x.value()?, x.value()?);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct QrnnState<'g> {
        /// The pooled features, `[batch, hidden]`.
        pub c: Var<'g>,
        /// The input of the step before, `[batch, input]`; zeros before the first step.
        pub x: Var<'g>,
    }
}

impl Qrnn {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Qrnn {
        let [candidate, forget, output] =
            ["z", "f", "o"].map(|name| linear(&mut scope, name, input_size.saturating_mul(2), hidden_size));
        Qrnn { candidate, forget, output, input_size, hidden_size }
    }

    /// The coefficients of c' = a ∘ c + b for a window of inputs.
    fn coefficients<'g>(&self, window: Var<'g>) -> (Var<'g>, Var<'g>) {
        let f = self.forget.apply(window).sigmoid();
        (f, (1.0 - f) * self.candidate.apply(window).tanh())
    }

    fn output<'g>(&self, c: Var<'g>, window: Var<'g>) -> Var<'g> {
        self.output.apply(window).sigmoid() * c
    }
}

impl Cell for Qrnn {
    type State<'g> = QrnnState<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> QrnnState<'g> {
        QrnnState { c: graph.zeros([batch, self.hidden_size]), x: graph.zeros([batch, self.input_size]) }
    }

    fn step<'g>(&self, x: Var<'g>, QrnnState { c, x: before }: QrnnState<'g>) -> (Var<'g>, QrnnState<'g>) {
        let window = x.graph().concat(&[before, x], -1);
        let (a, b) = self.coefficients(window);
        let c = a * c + b;
        (self.output(c, window), QrnnState { c, x })
    }

    fn scan<'g>(&self, xs: &Sequence<'g>, state: &QrnnState<'g>) -> Option<(Sequence<'g>, QrnnState<'g>)> {
        let windows = previous(xs, state.x).concat(xs);
        let (a, b) = self.coefficients(windows.rows());
        let (cs, c) = linear_recurrence(&xs.map(|_| a), &xs.map(|_| b), state.c);
        let hs = cs.zip(&windows, |c, window| self.output(c, window));
        Some((hs, QrnnState { c, x: last_state(xs, state.x) }))
    }
}
