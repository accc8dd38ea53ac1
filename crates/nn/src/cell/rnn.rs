//! The plain recurrent cell, its step in one pass over memory.

use super::weights::{RecurrentInit, RecurrentWeights, Sizes};
use crate::Cell;
use unspool_graph::{
    Activation, Element, Gated, GradSink, Graph, OpContext, Operation, Param, Scope, Shape, Show, Var, View,
};

/// Computes h' = f(x·W_ihᵀ + b_ih + h·W_hhᵀ + b_hh), where f is tanh or ReLU (Elman 1990). Names and layouts are those
/// of PyTorch's `nn.RNN`; the textbook's W_xh is `weight_ih_l0`ᵀ, and its W_hh is `weight_hh_l0`ᵀ.
///
/// More in [chapter 3](https://github.com/unspool/unspool/blob/main/docs/03-recurrence.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Rnn, Sequence, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Rnn::new(params.scope("rnn"), 3, 8);
/// assert!(params.find("rnn.weight_hh_l0").is_some());
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rnn {
    weights: RecurrentWeights,
    nonlinearity: Nonlinearity,
}

/// Holds the options of an [`Rnn`] cell. The defaults are those of PyTorch's `nn.RNN`.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Rnn, RnnConfig, Nonlinearity, RecurrentInit};
/// let mut params = Params::seeded(1);
/// let (nonlinearity, recurrent_init) = (Nonlinearity::Relu, RecurrentInit::Identity);
/// let irnn = RnnConfig { nonlinearity, recurrent_init, ..RnnConfig::default() };
/// let cell = Rnn::with_config(params.scope("rnn"), 1, 8, irnn);
/// let graph = Graph::new(&params);
/// let (h, _) = cell.step(graph.full([2, 1], 1.0), cell.initial_state(&graph, 2));
/// assert!(h.to_f64()?.iter().all(|&h| h >= 0.0));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RnnConfig {
    /// The function f.
    pub nonlinearity: Nonlinearity,
    /// Whether there are biases: PyTorch's `bias`.
    pub bias: bool,
    /// The first values of W_hh.
    pub recurrent_init: RecurrentInit,
}

impl Default for RnnConfig {
    fn default() -> RnnConfig {
        RnnConfig { nonlinearity: Nonlinearity::Tanh, bias: true, recurrent_init: RecurrentInit::Uniform }
    }
}

/// Names the function f of an [`Rnn`] cell, as PyTorch does.
///
/// ```
/// use unspool_nn::{RnnConfig, Nonlinearity};
/// assert_eq!(RnnConfig::default().nonlinearity, Nonlinearity::Tanh);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Nonlinearity {
    /// tanh
    #[default]
    Tanh,
    /// max(x, 0)
    Relu,
}

impl Rnn {
    /// Adds a cell with tanh and biases, all parameters uniform in ±1/√hidden.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Rnn {
        Rnn::with_config(scope, input_size, hidden_size, RnnConfig::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(scope: Scope<'_>, input_size: usize, hidden_size: usize, config: RnnConfig) -> Rnn {
        let RnnConfig { nonlinearity, bias, recurrent_init } = config;
        let sizes = Sizes { gates: 1, input: input_size, hidden: hidden_size, state: hidden_size };
        Rnn { weights: RecurrentWeights::new(scope, sizes, bias, recurrent_init, |_, _| ()), nonlinearity }
    }

    /// Returns the recurrent weight W_hh, for [`WeightDrop`](crate::WeightDrop) and its like.
    pub fn weight_hh(&self) -> Param {
        self.weights.weight_hh
    }
}

impl Cell for Rnn {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.weights.zeros(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.project(x), h)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.weights.of_input(xs)
    }
    fn step_projected<'g>(&self, _: Var<'g>, projected: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let operation = RnnStep { relu: self.nonlinearity == Nonlinearity::Relu };
        let h = h.graph().apply_gated(operation, &[projected, self.weights.of_state(h)]);
        (h, h)
    }
}

/// h' = f(x + u) of the products x = W_ih x + b_ih and u = W_hh h + b_hh, with tanh or ReLU as f. Nothing is kept: both
/// derivatives follow from h'.
///
/// With d = ∂L/∂h':  ∂L/∂x = ∂L/∂u = d(1 − h'²), or d where h' > 0 and else 0.
struct RnnStep {
    relu: bool,
}

impl RnnStep {
    /// `to` = `d` · f', elementwise; `y` is f's value.
    fn times_derivative<E: Element>(&self, to: &mut [E], y: &[E], d: &[E]) {
        let each = to.iter_mut().zip(y).zip(d);
        E::vectorize(
            #[inline(always)]
            || match self.relu {
                true => each.for_each(|((to, &y), &d)| *to = if y > E::ZERO { d } else { E::ZERO }),
                false => each.for_each(|((to, &y), &d)| *to = d * (E::ONE - y * y)),
            },
        );
    }
}

impl Operation for RnnStep {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "rnn_step"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs {
            [x, u] if x == u && x.len() == 2 => Ok(*x),
            _ => Err("must be x [batch, hidden] and u of the same shape".into()),
        }
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let each = output.iter_mut().zip(inputs[0].data()).zip(inputs[1].data());
        E::vectorize(
            #[inline(always)]
            || match self.relu {
                // Not-a-number is not less than 0, and stays.
                true => each.for_each(|((y, &x), &u)| *y = if x + u < E::ZERO { E::ZERO } else { x + u }),
                false => each.for_each(|((y, &x), &u)| *y = (x + u).tanh()),
            },
        );
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let mut to_sum = into.buffer(gradient.data().len());
        self.times_derivative(&mut to_sum, ctx.output.data(), gradient.data());
        into.add_slice(0, &to_sum);
        into.add_slice(1, &to_sum);
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let mut sum = vec![E::ZERO; output.len()];
        for v in tangents.iter().flatten() {
            sum.iter_mut().zip(v.data()).for_each(|(sum, &v)| *sum += v);
        }
        self.times_derivative(output, ctx.output.data(), &sum);
    }
}

impl Gated for RnnStep {
    fn gates<E: Element>(&self, ctx: &OpContext<'_, E, ()>, show: &mut Show<'_, E>) {
        if !self.relu {
            show("tanh", Activation::Tanh, ctx.output.data());
        }
    }
}
