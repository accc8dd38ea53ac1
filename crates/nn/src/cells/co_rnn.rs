//! A network of coupled oscillators.

use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes a coupled oscillatory recurrent network (Rusch and Mishra 2021, "Coupled oscillatory recurrent neural
/// network (coRNN)", equation 3, explicit in the damping). Each unit is a driven, damped oscillator at the place y with
/// the velocity z:
///
/// - z' = z + Δt (tanh(W y + 𝒲 z + V x + b) − γ y − ε z)
/// - y' = y + Δt z'
///
/// The state is (y, z), and the output y'. Gradients neither explode nor vanish exponentially, as Δt is small.
///
/// Parameters `weight_ih [hidden, input]`, which is V, `weight_hy` and `weight_hz [hidden, hidden]`, which are W and 𝒲,
/// and `bias [hidden]`, uniform in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::{CoRnn, CoRnnConfig}, unroll};
/// let mut params = Params::seeded(1);
/// let cell = CoRnn::with_config(params.scope("rnn"), 3, 8, CoRnnConfig { dt: 0.1, gamma: 1.0, epsilon: 0.5 });
/// let graph = Graph::new(&params);
/// let xs = Sequence::full(graph.full([2, 1000, 3], 1.0));
/// let (ys, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert!(ys.rows().abs().max(&[]).item()? < 2.0); // the oscillators stay bounded
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct CoRnn {
    weight_ih: Param,
    weight_hy: Param,
    weight_hz: Param,
    bias: Param,
    hidden_size: usize,
    config: CoRnnConfig,
}

/// Holds the constants of a [`CoRnn`], which the authors choose for each task.
///
/// ```
/// use unspool_nn::cells::CoRnnConfig;
/// let slow = CoRnnConfig { dt: 0.016, ..CoRnnConfig::default() };
/// assert!(slow.dt < CoRnnConfig::default().dt && slow.gamma == CoRnnConfig::default().gamma);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoRnnConfig {
    /// The length of a step in the time of the oscillators, Δt.
    pub dt: f64,
    /// The square of their frequency, γ.
    pub gamma: f64,
    /// Their damping, ε.
    pub epsilon: f64,
}

impl Default for CoRnnConfig {
    /// The authors' constants for handwritten digits that are read pixel by pixel (sMNIST).
    fn default() -> CoRnnConfig {
        CoRnnConfig { dt: 0.042, gamma: 2.7, epsilon: 4.7 }
    }
}

impl CoRnn {
    /// Adds a cell for inputs of `input_size` and states of twice `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> CoRnn {
        CoRnn::with_config(scope, input_size, hidden_size, CoRnnConfig::default())
    }

    /// Adds a cell with these constants.
    pub fn with_config(mut scope: Scope<'_>, input_size: usize, hidden_size: usize, config: CoRnnConfig) -> CoRnn {
        let bound = uniform_bound(hidden_size);
        CoRnn {
            weight_ih: scope.add("weight_ih", [hidden_size, input_size], init::uniform(bound)),
            weight_hy: scope.add("weight_hy", [hidden_size, hidden_size], init::uniform(bound)),
            weight_hz: scope.add("weight_hz", [hidden_size, hidden_size], init::uniform(bound)),
            bias: scope.add("bias", [hidden_size], init::uniform(bound)),
            hidden_size,
            config,
        }
    }
}

impl Cell for CoRnn {
    /// y and z.
    type State<'g> = (Var<'g>, Var<'g>);
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        (graph.zeros([batch, self.hidden_size]), graph.zeros([batch, self.hidden_size]))
    }
    fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, Some(self.bias))
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, (y, z): Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let CoRnnConfig { dt, gamma, epsilon } = self.config;
        let force = (x + y.linear(self.weight_hy, None::<Param>) + z.linear(self.weight_hz, None::<Param>)).tanh();
        let z = z + (force - y * gamma - z * epsilon) * dt;
        let y = y + z * dt;
        (y, (y, z))
    }
}
