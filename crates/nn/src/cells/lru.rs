//! The linear recurrent unit: a diagonal state space over complex numbers.

use super::state_space::StateSpace;
use crate::{Cell, Sequence, sizes::uniform_bound};
use unspool_graph::{Graph, Param, RngKey, Scope, Shape, Var};

/// Computes the linear recurrent unit (Orvieto and others 2023, "Resurrecting Recurrent Neural Networks for Long
/// Sequences", section 3 and appendix A), a complex diagonal recurrence that cannot become unstable:
///
/// - λ = exp(−exp(ν) + i exp(θ)), so that |λ| < 1
/// - s' = λ ∘ s + exp(γ) ∘ (B u)
/// - y = Re(C s') + D ∘ u
///
/// Parameters `nu_log`, `theta_log`, `gamma_log` `[state]` (ν, θ and γ), `b_re`, `b_im` `[state, input]`, `c_re`,
/// `c_im` `[hidden, state]` and `d [hidden]`; where inputs have another size than outputs, `d [hidden, input]`
/// multiplies them. At first λ is uniform in a ring, and exp(γ) = √(1 − |λ|²).
///
/// The state `[batch, 2 · state]` has the real parts of s first, and then the imaginary ones.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::Lru, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Lru::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((ys.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 16]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lru {
    nu_log: Param,
    theta_log: Param,
    gamma_log: Param,
    space: StateSpace,
}

/// Holds the options of an [`Lru`].
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::cells::{Lru, LruConfig};
/// let mut params = Params::seeded(1);
/// let config = LruConfig { state_size: Some(32), min_radius: 0.9, max_radius: 0.999, ..LruConfig::default() };
/// Lru::with_config(params.scope("rnn"), 3, 8, config); // for long memories
/// assert_eq!(*params.shape(params.find("rnn.c_re").unwrap()), [8, 32]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LruConfig {
    /// The number of complex elements of the state; `hidden_size` if there is none.
    pub state_size: Option<usize>,
    /// The least absolute value of λ at first: the paper's r_min.
    pub min_radius: f64,
    /// The greatest absolute value of λ at first: the paper's r_max.
    pub max_radius: f64,
    /// The greatest phase of λ at first, in radians.
    pub max_phase: f64,
}

impl Default for LruConfig {
    fn default() -> LruConfig {
        LruConfig { state_size: None, min_radius: 0.0, max_radius: 1.0, max_phase: std::f64::consts::TAU }
    }
}

impl Lru {
    /// Adds a cell for inputs of `input_size` and outputs of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Lru {
        Lru::with_config(scope, input_size, hidden_size, LruConfig::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(mut scope: Scope<'_>, input_size: usize, hidden_size: usize, config: LruConfig) -> Lru {
        let size = config.state_size.unwrap_or(hidden_size);
        let [low, high] = [config.min_radius, config.max_radius].map(|radius| radius * radius);
        // ln |λ| of each element: |λ|² is uniform, which makes λ uniform in its ring.
        let mut log_radii: Vec<f64> = vec![];
        let nu_log = scope.add("nu_log", [size], |shape: &Shape, draw: RngKey| {
            let squares = (0..shape.elements()).map(|i| low + (high - low) * open(draw.uniform(i as u64)));
            log_radii = squares.map(|square| 0.5 * square.ln()).collect();
            log_radii.iter().map(|log_radius| (-log_radius).ln()).collect()
        });
        let theta_log = scope.add("theta_log", [size], |shape: &Shape, draw: RngKey| {
            (0..shape.elements()).map(|i| (config.max_phase * open(draw.uniform(i as u64))).ln()).collect()
        });
        let gamma_log = scope.add("gamma_log", [size], |_: &Shape, _: RngKey| {
            log_radii.iter().map(|log_radius| 0.5 * (-(2.0 * log_radius).exp_m1()).ln()).collect()
        });
        let deviations = [uniform_bound(input_size.saturating_mul(2)), uniform_bound(size)];
        let space = StateSpace::new(&mut scope, [input_size, size, hidden_size], deviations, 1.0);
        Lru { nu_log, theta_log, gamma_log, space }
    }

    /// λ, `[2 · state]`.
    fn lambda<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        graph.cached(self.nu_log, "lambda", || {
            let radius = (-graph.param(self.nu_log).exp()).exp();
            let phase = graph.param(self.theta_log).exp();
            graph.concat(&[radius * phase.cos(), radius * phase.sin()], 0)
        })
    }

    /// exp(γ) ∘ (B u).
    fn input<'g>(&self, u: Var<'g>) -> Var<'g> {
        let graph = u.graph();
        let gamma = graph.cached(self.gamma_log, "gamma", || {
            let gamma = graph.param(self.gamma_log).exp();
            graph.concat(&[gamma, gamma], 0)
        });
        self.space.of_input(u) * gamma
    }
}

/// A number in (0, 1), whose logarithm is finite.
fn open(uniform: f64) -> f64 {
    uniform.clamp(1e-6, 1.0 - 1e-6)
}

impl Cell for Lru {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.space.zeros(graph, batch)
    }

    fn step<'g>(&self, u: Var<'g>, s: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.space.step(self.lambda(u.graph()), self.input(u), u, s)
    }

    fn scan<'g>(&self, us: &Sequence<'g>, s: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
        Some(self.space.scan(self.lambda(us.graph()), self.input(us.rows()), us, *s))
    }
}
