//! From a picture to a vector: what the models that look at pictures begin with.

use super::config;
use crate::{
    graph::{Scope, Var},
    nn::{Conv2d, Linear, Result},
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`ConvEncoder`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvEncoderConfig {
    /// Rows of a picture, at least 4.
    pub height: usize,
    /// Columns of a picture, at least 4.
    pub width: usize,
    /// Channels of the first convolution; the second has twice as many.
    pub channels: usize,
    /// Size of the vector.
    pub features: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
}

impl ConvEncoderConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[("height", self.height), ("width", self.width), ("channels", self.channels), ("features", self.features)],
            self.dropout,
        )
    }
}

/// Two 3×3 convolutions, and a layer over what they found anywhere and where they found it:
///
/// - c₁ = max over 2×2 of relu(conv(picture)), c₂ = relu(conv(c₁))
/// - found = (max over 2×2 of c₂, max over all of c₂), features = relu(W·dropout(found) + b)
///
/// The greatest over all places says of a shape that it is there, wherever that is: it is learned once, and not once
/// per place.
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{ConvEncoder, ConvEncoderConfig}};
/// let config = ConvEncoderConfig { height: 8, width: 12, channels: 2, features: 16, dropout: 0.0 };
/// let mut params = Params::seeded(0);
/// let eye = ConvEncoder::new(params.scope("eye"), &config);
/// let graph = Graph::new(&params);
/// assert_eq!(*eye.look(graph.zeros([5, 8, 12])).shape()?, [5, 16]);
/// assert_eq!(*eye.look(graph.zeros([2, 7, 8, 12])).shape()?, [2, 7, 16]);
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConvEncoder {
    first: Conv2d,
    second: Conv2d,
    readout: Linear,
    dropout: f64,
}

impl ConvEncoder {
    /// Adds the parameters.
    pub fn new(mut scope: Scope<'_>, config: &ConvEncoderConfig) -> ConvEncoder {
        let ConvEncoderConfig { height, width, channels, features, dropout } = *config;
        let found = 2 * channels * ((height / 4) * (width / 4) + 1);
        ConvEncoder {
            first: Conv2d::new(scope.scope("first"), 1, channels, [3, 3]).padding([1, 1]),
            second: Conv2d::new(scope.scope("second"), channels, 2 * channels, [3, 3]).padding([1, 1]),
            readout: Linear::new(scope.scope("readout"), found, features),
            dropout,
        }
    }

    /// `[.., height, width] -> [.., features]`: each picture by itself, whatever axes come before.
    #[track_caller]
    pub fn look<'g>(&self, pictures: Var<'g>) -> Var<'g> {
        let graph = pictures.graph();
        let _scope = graph.layer("eye");
        let edges = self.first.apply(pictures.unsqueeze(-3)).relu().max_pool2d([2, 2], [2, 2]);
        let shapes = self.second.apply(edges).relu();
        let places = shapes.max_pool2d([2, 2], [2, 2]);
        let Some(shape) = places.known_shape() else { return graph.inert() };
        let (leading, plane) = shape.split_at(shape.len() - 3);
        let places = places.reshape([leading, &[plane.iter().product()]].concat());
        let found = graph.concat(&[places, shapes.max(&[-1, -2])], -1);
        self.readout.apply(found.dropout(self.dropout)).relu()
    }
}
