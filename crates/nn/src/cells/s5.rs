//! S5: a diagonal state space with many inputs and outputs.

use super::state_space::{StateSpace, multiply_complex};
use crate::{Cell, Sequence};
use unspool_graph::{Graph, Param, RngKey, Scope, Shape, Var, init};

/// Computes S5 (Smith, Warrington and Linderman 2023, "Simplified State Space Layers for Sequence Modeling", section 3
/// and appendix C), a linear differential equation ds/dt = Λ s + B u, y = C s + D u with a complex diagonal Λ, all
/// inputs and outputs sharing one state, read at steps of a learned length Δ (zero-order hold):
///
/// - Λ = −exp(a) + i ω,  Λ̄ = exp(Λ Δ),  Δ = exp(δ)
/// - s' = Λ̄ ∘ s + Λ⁻¹ (Λ̄ − 1) ∘ (B u)
/// - y = 2 Re(C s') + D ∘ u
///
/// The state's elements stand for conjugate pairs, hence the factor 2. Parameters `log_a_real`, `a_imag`, `log_dt`
/// `[state]` (a, ω and δ), `b_re`, `b_im` `[state, input]`, `c_re`, `c_im` `[hidden, state]` and `d [hidden]`; where
/// inputs have another size than outputs, `d [hidden, input]` multiplies them. At first Λ = −½ + iπn (S4D-Lin: Gu and
/// others 2022, "On the Parameterization and Initialization of Diagonal State Space Models", section 4.3), and Δ is
/// uniform in its logarithm.
///
/// The state `[batch, 2 · state]` has the real parts of s first, and then the imaginary ones.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::S5, unroll};
/// let mut params = Params::seeded(1);
/// let cell = S5::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((ys.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 16]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct S5 {
    log_a_real: Param,
    a_imag: Param,
    log_dt: Param,
    space: StateSpace,
}

/// Holds the options of an [`S5`] cell.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{S5, S5Config};
/// let mut params = Params::seeded(1);
/// S5::with_config(params.scope("rnn"), 3, 8, S5Config { state_size: Some(32), ..S5Config::default() });
/// assert_eq!(*params.shape(params.find("rnn.c_re").unwrap()), [8, 32]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct S5Config {
    /// The number of complex elements of the state; `hidden_size` if there is none.
    pub state_size: Option<usize>,
    /// The least length of a step at first.
    pub min_dt: f64,
    /// The greatest length of a step at first.
    pub max_dt: f64,
}

impl Default for S5Config {
    fn default() -> S5Config {
        S5Config { state_size: None, min_dt: 0.001, max_dt: 0.1 }
    }
}

impl S5 {
    /// Adds a cell for inputs of `input_size` and outputs of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> S5 {
        S5::with_config(scope, input_size, hidden_size, S5Config::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(mut scope: Scope<'_>, input_size: usize, hidden_size: usize, config: S5Config) -> S5 {
        let size = config.state_size.unwrap_or(hidden_size);
        let log_a_real = scope.add("log_a_real", [size], init::constant(0.5f64.ln()));
        let a_imag = scope.add("a_imag", [size], |shape: &Shape, _: RngKey| {
            (0..shape.elements()).map(|n| std::f64::consts::PI * n as f64).collect()
        });
        let [low, high] = [config.min_dt, config.max_dt].map(f64::ln);
        let log_dt = scope.add("log_dt", [size], |shape: &Shape, draw: RngKey| {
            (0..shape.elements()).map(|i| low + (high - low) * draw.uniform(i as u64)).collect()
        });
        let deviations = [input_size, size].map(|from| (0.5 / from.max(1) as f64).sqrt());
        // Each element stands for a pair of conjugates, which add up to twice its real part.
        let space = StateSpace::new(&mut scope, [input_size, size, hidden_size], deviations, 2.0);
        S5 { log_a_real, a_imag, log_dt, space }
    }

    /// Λ̄ and Λ⁻¹ (Λ̄ − 1), each `[2 · state]`.
    fn discretized<'g>(&self, graph: &'g Graph<'g>) -> [Var<'g>; 2] {
        let both = graph.cached(self.log_dt, "discretized", || {
            let (re, im) = (-graph.param(self.log_a_real).exp(), graph.param(self.a_imag));
            let dt = graph.param(self.log_dt).exp();
            let (decay, turn) = (re * dt, im * dt);
            // Λ̄ − 1 = eˣ⁺ⁱʸ − 1 without the loss of digits near 0, where cos y − 1 = −2 sin²(y/2).
            let half = (turn * 0.5).sin();
            let (less_re, less_im) = (decay.expm1() * turn.cos() - half * half * 2.0, decay.exp() * turn.sin());
            let norm = re * re + im * im;
            let inverse = graph.concat(&[re / norm, -im / norm], 0);
            let scale = multiply_complex(inverse, graph.concat(&[less_re, less_im], 0));
            graph.concat(&[decay.exp() * turn.cos(), less_im, scale], 0)
        });
        both.chunk(0)
    }
}

impl Cell for S5 {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.space.zeros(graph, batch)
    }

    fn step<'g>(&self, u: Var<'g>, s: Var<'g>) -> (Var<'g>, Var<'g>) {
        let [lambda, scale] = self.discretized(u.graph());
        self.space.step(lambda, multiply_complex(scale, self.space.of_input(u)), u, s)
    }

    fn scan<'g>(&self, us: &Sequence<'g>, s: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
        let [lambda, scale] = self.discretized(us.graph());
        Some(self.space.scan(lambda, multiply_complex(scale, self.space.of_input(us.rows())), us, *s))
    }
}
