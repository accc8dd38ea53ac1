//! One-to-one: a picture in, a class out, and no sequence anywhere.

use super::{ConvEncoder, ConvEncoderConfig, config};
use crate::{
    graph::{Params, Var},
    nn::{Linear, Result},
};
use serde::{Deserialize, Serialize};

/// Holds the sizes of an [`ImageClassifier`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageClassifierConfig {
    /// The convolutions that look at the picture.
    pub eye: ConvEncoderConfig,
    /// How many classes there are.
    pub classes: usize,
}

impl ImageClassifierConfig {
    /// Checks that every size is from 1 to 65536, and the dropout from 0 up, less than 1.
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        self.eye.check()?;
        config::check(&[("classes", self.classes)], self.eye.dropout)
    }
}

/// Classifies pictures: a [`ConvEncoder`] and a readout, logits = W·dropout(features) + b.
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::models::{ConvEncoderConfig, ImageClassifier, ImageClassifierConfig};
/// let eye = ConvEncoderConfig { height: 8, width: 8, channels: 4, features: 16, dropout: 0.0 };
/// let mut params = Params::seeded(0);
/// let model = ImageClassifier::new(&mut params, &ImageClassifierConfig { eye, classes: 10 });
/// let graph = Graph::new(&params);
/// assert_eq!(*model.logits(graph.zeros([5, 8, 8])).shape()?, [5, 10]);
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageClassifier {
    eye: ConvEncoder,
    readout: Linear,
    dropout: f64,
}

impl ImageClassifier {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &ImageClassifierConfig) -> ImageClassifier {
        let ConvEncoderConfig { features, dropout, .. } = config.eye;
        ImageClassifier {
            eye: ConvEncoder::new(params.scope("eye"), &config.eye),
            readout: Linear::new(params.scope("readout"), features, config.classes),
            dropout,
        }
    }

    /// Returns the logits of each picture: `[batch, height, width] -> [batch, classes]`.
    #[track_caller]
    pub fn logits<'g>(&self, pictures: Var<'g>) -> Var<'g> {
        self.readout.apply(self.eye.look(pictures).dropout(self.dropout))
    }

    /// Returns Σ of the cross-entropy over the pictures `[batch, height, width]`.
    #[track_caller]
    pub fn loss<'g>(&self, pictures: Var<'g>, classes: &[u32]) -> Var<'g> {
        self.logits(pictures).cross_entropy(classes).sum_all()
    }
}
