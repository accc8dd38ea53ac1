//! The minimal gated recurrent unit, whose gate does not see the state.

use super::diagonal::{Diagonal, diagonal_cell};
use super::parts::linear;
use crate::Linear;
use unspool_graph::{Scope, Var};

/// Computes minGRU (Feng and others 2024, "Were RNNs All We Needed?", section 3.1), a gated recurrent unit whose gate
/// and candidate depend on the input alone, so that it needs no loop:
///
/// - z = σ(W_z x + b_z)
/// - h' = (1 − z) ∘ h + z ∘ g(W_h x + b_h)
///
/// Parameters `weight_z`, `weight_h` `[hidden, input]`, `bias_z`, `bias_h` `[hidden]`, uniform in ±1/√input. The state
/// is h itself. The paper's logarithms of states, which its parallel form needs, do not occur.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::MinGru, unroll};
/// let mut params = Params::seeded(1);
/// let cell = MinGru::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MinGru {
    gate: Linear,
    hidden: Linear,
    candidate: Candidate,
    hidden_size: usize,
}

/// Names the function g of the candidate state in [`MinGru`] and [`MinLstm`](super::MinLstm).
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::cells::Candidate;
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let y = Candidate::Positive.apply(graph.input(vec![-1.0f32, 0.0, 2.0])).value()?.to_f64();
/// assert!((y[[0]] - 0.2689).abs() < 1e-4 && (y[[1]], y[[2]]) == (0.5, 2.5));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Candidate {
    /// g(x) = x.
    #[default]
    Identity,
    /// g(x) = x + ½ for x ≥ 0 and σ(x) otherwise, always positive (appendix B.3 of the paper).
    Positive,
}

impl Candidate {
    /// Applies the function, elementwise.
    #[track_caller]
    pub fn apply<'g>(self, x: Var<'g>) -> Var<'g> {
        match self {
            Candidate::Identity => x,
            Candidate::Positive => x.ge(0.0).where_(x + 0.5, x.sigmoid()),
        }
    }
}

/// Holds the options of a [`MinGru`].
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{Candidate, MinGru, MinGruConfig};
/// let mut params = Params::seeded(1);
/// let config = MinGruConfig { candidate: Candidate::Positive };
/// MinGru::with_config(params.scope("rnn"), 3, 8, config);
/// assert_eq!(*params.shape(params.find("rnn.weight_z").unwrap()), [8, 3]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MinGruConfig {
    /// The function of the candidate state.
    pub candidate: Candidate,
}

impl MinGru {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MinGru {
        MinGru::with_config(scope, input_size, hidden_size, MinGruConfig::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        MinGruConfig { candidate }: MinGruConfig,
    ) -> MinGru {
        MinGru {
            gate: linear(&mut scope, "z", input_size, hidden_size),
            hidden: linear(&mut scope, "h", input_size, hidden_size),
            candidate,
            hidden_size,
        }
    }
}

impl Diagonal for MinGru {
    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn coefficients<'g>(&self, x: Var<'g>) -> (Var<'g>, Var<'g>) {
        let z = self.gate.apply(x).sigmoid();
        (1.0 - z, z * self.candidate.apply(self.hidden.apply(x)))
    }
}

diagonal_cell!(MinGru);
