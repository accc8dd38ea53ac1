//! The linear recurrent unit: a diagonal state space over complex numbers.

use super::parts::{Feedthrough, in_each_row, multiply_complex};
use crate::{Cell, Sequence, scan::linear_recurrence_complex};
use unspool_graph::{Graph, Param, RngKey, Scope, Shape, Var, init};

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
    b: [Param; 2],
    c: [Param; 2],
    d: Feedthrough,
    state_size: usize,
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
        let deviation = |from: usize| 1.0 / (from.max(1) as f64).sqrt();
        let from_input = deviation(input_size.saturating_mul(2));
        let b = ["b_re", "b_im"].map(|name| scope.add(name, [size, input_size], init::normal(from_input)));
        let c = ["c_re", "c_im"].map(|name| scope.add(name, [hidden_size, size], init::normal(deviation(size))));
        let d = Feedthrough::new(&mut scope, input_size, hidden_size);
        Lru { nu_log, theta_log, gamma_log, b, c, d, state_size: size }
    }

    /// λ, `[2 · state]`.
    fn lambda<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        let radius = (-graph.param(self.nu_log).exp()).exp();
        let phase = graph.param(self.theta_log).exp();
        graph.concat(&[radius * phase.cos(), radius * phase.sin()], 0)
    }

    /// exp(γ) ∘ (B u).
    fn input<'g>(&self, u: Var<'g>) -> Var<'g> {
        let graph = u.graph();
        let gamma = graph.param(self.gamma_log).exp();
        let b = graph.concat(&self.b.map(|part| graph.param(part)), 0);
        u.linear(b, None::<Param>) * graph.concat(&[gamma, gamma], 0)
    }

    /// Re(C s) + D ∘ u.
    fn output<'g>(&self, s: Var<'g>, u: Var<'g>) -> Var<'g> {
        let graph = u.graph();
        let [re, im] = self.c.map(|part| graph.param(part));
        s.linear(graph.concat(&[re, -im], 1), None::<Param>) + self.d.apply(u)
    }
}

/// A number in (0, 1), whose logarithm is finite.
fn open(uniform: f64) -> f64 {
    uniform.clamp(1e-6, 1.0 - 1e-6)
}

impl Cell for Lru {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.state_size.saturating_mul(2)])
    }

    fn step<'g>(&self, u: Var<'g>, s: Var<'g>) -> (Var<'g>, Var<'g>) {
        let s = multiply_complex(self.lambda(u.graph()), s) + self.input(u);
        (self.output(s, u), s)
    }

    fn scan<'g>(&self, us: &Sequence<'g>, s: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
        let lambda = us.map(|u| in_each_row(self.lambda(u.graph()), u));
        let (states, last) = linear_recurrence_complex(&lambda, &us.map(|u| self.input(u)), *s);
        Some((states.zip(us, |s, u| self.output(s, u)), last))
    }
}
