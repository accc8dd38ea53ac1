//! The hierarchically gated recurrent network's recurrence.

use super::diagonal::{Diagonal, diagonal_cell};
use super::parts::linear;
use crate::Linear;
use unspool_graph::{Scope, Var};

/// Computes the gated linear recurrence of HGRN (Qin, Yang and Zhong 2023, "Hierarchically Gated Recurrent Neural
/// Network for Sequence Modeling", section 3.2), over real numbers, without the block's normalization and projection:
///
/// - c = SiLU(W_c x + b_c), μ = σ(W_f x + b_f), g = σ(W_g x + b_g)
/// - f = γ + (1 − γ) ∘ μ
/// - h' = f ∘ h + (1 − f) ∘ c,  y = g ∘ h'
///
/// The lower bound γ of the forget gate is what makes the network hierarchical: it grows from layer to layer, so that
/// upper layers remember longer. Parameters `weight_c`, `weight_f`, `weight_g` `[hidden, input]` and their biases,
/// uniform in ±1/√input.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::Hgrn, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Hgrn::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((ys.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Hgrn {
    candidate: Linear,
    forget: Linear,
    output: Linear,
    lower_bound: f64,
    hidden_size: usize,
}

/// Holds the options of an [`Hgrn`].
///
/// Three layers whose upper ones forget more slowly:
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Stack, cells::{Hgrn, HgrnConfig}};
/// let mut params = Params::seeded(1);
/// let stack = Stack::new([0.0, 0.5, 0.9].map(|lower_bound| {
///     Hgrn::with_config(params.scope(format!("layer{lower_bound}")), 8, 8, HgrnConfig { lower_bound })
/// }));
/// assert_eq!(stack.cells().len(), 3);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HgrnConfig {
    /// The lower bound γ of the forget gate, from 0 to 1.
    pub lower_bound: f64,
}

impl Hgrn {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Hgrn {
        Hgrn::with_config(scope, input_size, hidden_size, HgrnConfig::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        HgrnConfig { lower_bound }: HgrnConfig,
    ) -> Hgrn {
        let [candidate, forget, output] = ["c", "f", "g"].map(|name| linear(&mut scope, name, input_size, hidden_size));
        Hgrn { candidate, forget, output, lower_bound, hidden_size }
    }
}

impl Diagonal for Hgrn {
    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn coefficients<'g>(&self, x: Var<'g>) -> (Var<'g>, Var<'g>) {
        let f = self.forget.apply(x).sigmoid() * (1.0 - self.lower_bound) + self.lower_bound;
        (f, (1.0 - f) * self.candidate.apply(x).silu())
    }

    fn output<'g>(&self, h: Var<'g>, x: Var<'g>) -> Var<'g> {
        self.output.apply(x).sigmoid() * h
    }
}

diagonal_cell!(Hgrn);
