//! A recurrence that is a stable differential equation.

use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes an antisymmetric recurrent network (Chang, Chen, Haber and Chi 2019, "AntisymmetricRNN: a dynamical system
/// view on recurrent neural networks", section 3), a step of Euler's method along a differential equation:
///
/// - h' = h + ε tanh((W − Wᵀ − γ I) h + V x + b)
///
/// The eigenvalues of an antisymmetric matrix are imaginary, so that the state neither explodes nor dies out; γ > 0
/// damps what the discrete step would let grow.
///
/// Parameters `weight_ih [hidden, input]`, which is V, `weight_hh [hidden, hidden]`, which is W, and `bias [hidden]`,
/// uniform in ±1/√hidden. W − Wᵀ − γ I is made once per recording.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::AntisymmetricRnn, unroll};
/// let mut params = Params::seeded(1);
/// let cell = AntisymmetricRnn::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.last().value()?, last.shape()?.to_vec()), (last.value()?, vec![2, 8]));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AntisymmetricRnn {
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    hidden_size: usize,
    config: AntisymmetricRnnConfig,
}

/// Holds the constants of an [`AntisymmetricRnn`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, cells::{AntisymmetricRnn, AntisymmetricRnnConfig}};
/// let mut params = Params::seeded(1);
/// let still = AntisymmetricRnnConfig { epsilon: 0.0, gamma: 0.0 };
/// let cell = AntisymmetricRnn::with_config(params.scope("rnn"), 3, 8, still);
/// let graph = Graph::new(&params);
/// let h = graph.full([2, 8], 0.5);
/// assert_eq!(cell.step(graph.full([2, 3], 1.0), h).0.value()?, h.value()?); // a step of no length
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AntisymmetricRnnConfig {
    /// The length of a step, ε.
    pub epsilon: f64,
    /// The strength of the damping, γ.
    pub gamma: f64,
}

impl Default for AntisymmetricRnnConfig {
    /// ε = 0.1 and γ = 0.01.
    fn default() -> AntisymmetricRnnConfig {
        AntisymmetricRnnConfig { epsilon: 0.1, gamma: 0.01 }
    }
}

impl AntisymmetricRnn {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> AntisymmetricRnn {
        AntisymmetricRnn::with_config(scope, input_size, hidden_size, AntisymmetricRnnConfig::default())
    }

    /// Adds a cell with these constants.
    pub fn with_config(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        config: AntisymmetricRnnConfig,
    ) -> AntisymmetricRnn {
        let bound = uniform_bound(hidden_size);
        AntisymmetricRnn {
            weight_ih: scope.add("weight_ih", [hidden_size, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [hidden_size, hidden_size], init::uniform(bound)),
            bias: scope.add("bias", [hidden_size], init::uniform(bound)),
            hidden_size,
            config,
        }
    }

    /// W − Wᵀ − γ I.
    fn antisymmetric<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        graph.cached(self.weight_hh, "antisymmetric", || {
            let (w, size) = (graph.param(self.weight_hh), self.hidden_size);
            let Some(shape) = w.known_shape() else { return w };
            let eye = |i: usize| if i / size == i % size { self.config.gamma } else { 0.0 };
            let damping: Vec<f64> = (0..shape.elements()).map(eye).collect();
            w - w.transpose(0, 1) - graph.input(damping).reshape(&*shape)
        })
    }
}

impl Cell for AntisymmetricRnn {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.project(x), h)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, Some(self.bias))
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let slope = (x + h.linear(self.antisymmetric(h.graph()), None::<Param>)).tanh();
        let h = h + slope * self.config.epsilon;
        (h, h)
    }
}
