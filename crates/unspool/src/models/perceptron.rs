//! One-to-one: a vector in, a class out, and no sequence anywhere.

use super::config;
use crate::{
    graph::{Params, Var},
    nn::{Linear, Result},
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`Perceptron`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerceptronConfig {
    /// Size of the input.
    pub input_size: usize,
    /// Size of each hidden layer.
    pub hidden_size: usize,
    /// Number of hidden layers.
    pub layers: usize,
    /// Number of classes.
    pub classes: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
}

impl PerceptronConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("input_size", self.input_size),
                ("hidden_size", self.hidden_size),
                ("layers", self.layers),
                ("classes", self.classes),
            ],
            self.dropout,
        )
    }
}

/// A multilayer perceptron: hᵢ = dropout(relu(Wᵢ hᵢ₋₁ + bᵢ)), logits = W h + b.
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{Perceptron, PerceptronConfig}};
/// let config = PerceptronConfig { input_size: 64, hidden_size: 32, layers: 2, classes: 10, dropout: 0.0 };
/// let mut params = Params::seeded(0);
/// let model = Perceptron::new(&mut params, &config);
/// let graph = Graph::new(&params);
/// assert_eq!(*model.logits(graph.zeros([5, 64])).shape()?, [5, 10]);
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Perceptron {
    hidden: Vec<Linear>,
    readout: Linear,
    dropout: f64,
}

impl Perceptron {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &PerceptronConfig) -> Perceptron {
        let PerceptronConfig { input_size, hidden_size, layers, classes, dropout } = *config;
        let width = |layer: usize| if layer == 0 { input_size } else { hidden_size };
        let hidden = (0..layers)
            .map(|layer| Linear::new(params.scope(format!("hidden.{layer}")), width(layer), hidden_size))
            .collect();
        Perceptron { hidden, readout: Linear::new(params.scope("readout"), width(layers), classes), dropout }
    }

    /// `[batch, input] -> [batch, classes]`.
    #[track_caller]
    pub fn logits<'g>(&self, x: Var<'g>) -> Var<'g> {
        let h = self.hidden.iter().fold(x, |h, layer| layer.apply(h).relu().dropout(self.dropout));
        self.readout.apply(h)
    }

    /// Returns Σ of the cross-entropy over the rows of `[batch, input]`.
    #[track_caller]
    pub fn loss<'g>(&self, x: Var<'g>, classes: &[u32]) -> Var<'g> {
        self.logits(x).cross_entropy(classes).sum_all()
    }
}
