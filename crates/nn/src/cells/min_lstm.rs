//! The minimal LSTM, whose gates do not see the state.

use super::{
    Candidate,
    diagonal::{Diagonal, diagonal_cell},
    parts::linear,
};
use crate::Linear;
use unspool_graph::{Scope, Var};

/// Computes minLSTM (Feng and others 2024, "Were RNNs All We Needed?", section 3.2), an LSTM whose gates and candidate
/// depend on the input alone; the two gates are scaled to the sum 1, so that the state keeps its scale over time:
///
/// - f = σ(W_f x + b_f), i = σ(W_i x + b_i)
/// - h' = f/(f + i) ∘ h + i/(f + i) ∘ g(W_h x + b_h)
///
/// Parameters `weight_f`, `weight_i`, `weight_h` `[hidden, input]` and `bias_f`, `bias_i`, `bias_h` `[hidden]`, uniform
/// in ±1/√input. The shares of the gates are σ(ln f − ln i) and σ(ln i − ln f), which also holds where both gates are
/// too small for their sum.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::MinLstm, unroll};
/// let mut params = Params::seeded(1);
/// let cell = MinLstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MinLstm {
    forget: Linear,
    input: Linear,
    hidden: Linear,
    candidate: Candidate,
    hidden_size: usize,
}

/// Holds the options of a [`MinLstm`].
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{Candidate, MinLstm, MinLstmConfig};
/// let mut params = Params::seeded(1);
/// let config = MinLstmConfig { candidate: Candidate::Positive };
/// MinLstm::with_config(params.scope("rnn"), 3, 8, config);
/// assert_eq!(*params.shape(params.find("rnn.weight_f").unwrap()), [8, 3]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinLstmConfig {
    /// The function of the candidate state.
    pub candidate: Candidate,
}

impl MinLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MinLstm {
        MinLstm::with_config(scope, input_size, hidden_size, MinLstmConfig::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        MinLstmConfig { candidate }: MinLstmConfig,
    ) -> MinLstm {
        let [forget, input, hidden] = ["f", "i", "h"].map(|name| linear(&mut scope, name, input_size, hidden_size));
        MinLstm { forget, input, hidden, candidate, hidden_size }
    }
}

impl Diagonal for MinLstm {
    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn coefficients<'g>(&self, x: Var<'g>) -> (Var<'g>, Var<'g>) {
        let odds = self.forget.apply(x).log_sigmoid() - self.input.apply(x).log_sigmoid();
        (odds.sigmoid(), (-odds).sigmoid() * self.candidate.apply(self.hidden.apply(x)))
    }
}

diagonal_cell!(MinLstm);
