//! What the built-in cells have in common: two weights, two biases, and their products.

use crate::sizes::uniform_bound;
use unspool_graph::{Graph, Param, RngKey, Scope, Shape, Var, init};

/// `weight_ih_l0 [gates·hidden, input]`, `weight_hh_l0 [gates·hidden, state]`, `bias_ih_l0` and
/// `bias_hh_l0 [gates·hidden]`: PyTorch's names and layouts, all uniform in ±1/√hidden. In a module of several layers
/// `_l0` is another ending.
#[derive(Clone, Debug)]
pub(crate) struct RecurrentWeights {
    pub(crate) weight_ih: Param,
    pub(crate) weight_hh: Param,
    /// Both or neither.
    pub(crate) bias_ih: Option<Param>,
    pub(crate) bias_hh: Option<Param>,
    pub(crate) hidden_size: usize,
}

/// How many rows and columns the weights have.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) gates: usize,
    pub(crate) input: usize,
    pub(crate) hidden: usize,
    /// What the recurrent weight reads: `hidden`, or the size of the projection.
    pub(crate) state: usize,
}

/// Chooses the initial values of a recurrent weight.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Rnn, RnnConfig, RecurrentInit};
/// let mut params = Params::seeded(1);
/// let config = RnnConfig { recurrent_init: RecurrentInit::Identity, ..RnnConfig::default() };
/// let cell = Rnn::with_config(params.scope("rnn"), 3, 2, config);
/// assert_eq!(params.value(cell.weight_hh())?, ndarray::array![[1.0f32, 0.0], [0.0, 1.0]].into());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RecurrentInit {
    /// Uniform in ±1/√hidden, as in PyTorch.
    #[default]
    Uniform,
    /// Orthogonal, gate by gate (Saxe, McClelland and Ganguli 2014): at first it neither shrinks nor stretches what it
    /// hands on.
    Orthogonal,
    /// The identity, gate by gate, with biases of zero: with ReLU the IRNN of Le, Jaitly and Hinton (2015), which at
    /// first adds up what it reads.
    Identity,
}

impl RecurrentInit {
    fn values(self, sizes: Sizes, shape: &Shape, draw: RngKey) -> Vec<f64> {
        match self {
            RecurrentInit::Uniform => init::uniform(uniform_bound(sizes.hidden))(shape, draw),
            RecurrentInit::Orthogonal => init::orthogonal(1.0)(shape, draw),
            RecurrentInit::Identity => {
                let gate = Shape::from([sizes.hidden, sizes.state]);
                (0..sizes.gates).flat_map(|_| init::identity()(&gate, draw)).collect()
            }
        }
    }
}

impl RecurrentWeights {
    /// Adds the weights, and the biases if there are to be any; `first` may change the biases' first values, `bias_ih`
    /// before `bias_hh`.
    pub(crate) fn new(
        scope: Scope<'_>,
        sizes: Sizes,
        bias: bool,
        recurrent: RecurrentInit,
        first: impl Fn(&str, &mut [f64]),
    ) -> Self {
        let mut scope = scope.ending("_l0");
        let (rows, bound) = (sizes.gates.saturating_mul(sizes.hidden), uniform_bound(sizes.hidden));
        let weight_ih = scope.add("weight_ih", [rows, sizes.input], init::uniform(bound));
        let weight_hh =
            scope.add("weight_hh", [rows, sizes.state], |shape: &Shape, draw| recurrent.values(sizes, shape, draw));
        let bound = if recurrent == RecurrentInit::Identity { 0.0 } else { bound };
        let mut add = |name: &'static str| {
            scope.add(name, [rows], |shape: &Shape, draw| {
                let mut values = init::uniform(bound)(shape, draw);
                first(name, &mut values);
                values
            })
        };
        let bias_ih = bias.then(|| add("bias_ih"));
        let bias_hh = bias.then(|| add("bias_hh"));
        RecurrentWeights { weight_ih, weight_hh, bias_ih, bias_hh, hidden_size: sizes.hidden }
    }

    /// A state's leaf of zeros, `[batch, hidden]`.
    #[track_caller]
    pub(crate) fn zeros<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }

    /// W_ih x + b_ih: `[rows, input] -> [rows, gates·hidden]`.
    #[track_caller]
    pub(crate) fn of_input<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs.linear(self.weight_ih, self.bias_ih)
    }

    /// W_hh h + b_hh: `[batch, state] -> [batch, gates·hidden]`.
    #[track_caller]
    pub(crate) fn of_state<'g>(&self, h: Var<'g>) -> Var<'g> {
        h.linear(self.weight_hh, self.bias_hh)
    }
}
