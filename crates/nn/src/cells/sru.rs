//! The simple recurrent unit.

use super::diagonal::{Diagonal, diagonal_cell};
use super::parts::{linear, linear_without_bias};
use crate::Linear;
use unspool_graph::{Scope, Var};

/// Computes the simple recurrent unit (Lei, Zhang and Artzi 2017, "Training RNNs as Fast as CNNs", arXiv:1709.02755v1,
/// equations 3–7, where gates depend on the input alone):
///
/// - f = σ(W_f x + b_f), r = σ(W_r x + b_r)
/// - c' = f ∘ c + (1 − f) ∘ (W x)
/// - h = r ∘ tanh(c') + (1 − r) ∘ x
///
/// The gates of later versions of the paper look at c too, which makes the step nonlinear. Parameters `weight_c` (W),
/// `weight_f`, `weight_r` `[hidden, input]`, `bias_f`, `bias_r` `[hidden]`, uniform in ±1/√input. Where inputs have
/// another size than outputs, `weight_skip [hidden, input]` maps the x that is added.
///
/// The state is c; the output is h.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::Sru, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Sru::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sru {
    candidate: Linear,
    forget: Linear,
    reset: Linear,
    skip: Option<Linear>,
    hidden_size: usize,
}

impl Sru {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Sru {
        let candidate = linear_without_bias(&mut scope, "c", input_size, hidden_size);
        let [forget, reset] = ["f", "r"].map(|name| linear(&mut scope, name, input_size, hidden_size));
        let skip =
            (input_size != hidden_size).then(|| linear_without_bias(&mut scope, "skip", input_size, hidden_size));
        Sru { candidate, forget, reset, skip, hidden_size }
    }
}

impl Diagonal for Sru {
    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn coefficients<'g>(&self, x: Var<'g>) -> (Var<'g>, Var<'g>) {
        let f = self.forget.apply(x).sigmoid();
        (f, (1.0 - f) * self.candidate.apply(x))
    }

    fn output<'g>(&self, c: Var<'g>, x: Var<'g>) -> Var<'g> {
        let r = self.reset.apply(x).sigmoid();
        r * c.tanh() + (1.0 - r) * self.skip.map_or(x, |skip| skip.apply(x))
    }
}

diagonal_cell!(Sru);
