//! What a step is told: the learning rate, what the gradients are a sum over, and how long they may be.

use super::not_negative;
use crate::{Error, Result};
use unspool_graph::{Gradients, Precision};

/// Holds the numbers of one step of an [`Optimizer`](super::Optimizer).
///
/// ```
/// use unspool_nn::optimizer::StepParams;
/// let step = StepParams { max_norm: 1.0, ..StepParams::new(1e-3) };
/// assert_eq!((step.rate, step.count, step.max_norm), (1e-3, 1.0, 1.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepParams {
    /// The learning rate: finite, and at least 0.
    pub rate: f64,
    /// What the gradients are a sum over, such as rows or tokens: the step follows the mean. Greater than 0; 1 unless
    /// told.
    pub count: f64,
    /// The norm to which the mean is shortened where it is longer (Pascanu, Mikolov and Bengio 2013). Greater than 0;
    /// by default ∞, which is no limit.
    pub max_norm: f64,
}

/// Holds the result of [`StepParams::gradient_scale`].
///
/// ```
/// use unspool_graph::{Gradients, Params, Precision, init};
/// use unspool_nn::optimizer::StepParams;
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2], init::zeros());
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![6.0f32, 8.0])?;
/// let step = StepParams { count: 2.0, max_norm: 1.0, ..StepParams::new(0.1) };
/// let scale = step.gradient_scale(&gradients, Precision::F32)?;
/// assert_eq!(scale.norm, 5.0);
/// assert!((scale.factor * 10.0 - 1.0).abs() < 1e-6); // 10 becomes 1
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientScale {
    /// The norm of the mean gradient, before it is shortened.
    pub norm: f64,
    /// The factor that makes of the gradients, which are a sum, the shortened mean.
    pub factor: f64,
}

impl StepParams {
    /// Creates the numbers of a step at this learning rate, for gradients that are a mean already, without clipping.
    pub fn new(rate: f64) -> StepParams {
        StepParams { rate, count: 1.0, max_norm: f64::INFINITY }
    }

    /// Returns the norm of the mean gradient, and the factor by which the gradients of a step are multiplied. Goes over
    /// all gradients once.
    ///
    /// # Errors
    /// [`Error::Optimizer`] for a rate that is negative, or not finite in the precision of the parameters; for a count
    /// or a greatest norm that is not greater than 0. [`unspool_graph::Error::NormNotFinite`] for gradients with NaN or
    /// infinite elements.
    ///
    /// See [`GradientScale`].
    pub fn gradient_scale(&self, gradients: &Gradients, precision: Precision) -> Result<GradientScale> {
        let StepParams { rate, count, max_norm } = *self;
        let refuse = |why| Err(Error::Optimizer { why });
        if let Err(why) = not_negative("learning rate", rate) {
            return refuse(why);
        }
        if precision == Precision::F32 && (rate as f32).is_infinite() {
            return refuse(format!("the learning rate is {rate}; it must be finite in single precision"));
        }
        if !(count.is_finite() && count > 0.0) {
            return refuse(format!(
                "the gradients are a sum over {count}; the count must be finite and greater than 0"
            ));
        }
        if max_norm.is_nan() || max_norm <= 0.0 {
            return refuse(format!("the greatest norm is {max_norm}; it must be greater than 0"));
        }
        let norm = gradients.norm() / count;
        if !norm.is_finite() {
            return Err(Error::Graph(unspool_graph::Error::NormNotFinite { norm }));
        }
        // PyTorch's rule, with its small number against division by zero.
        let shorter = if norm > max_norm { max_norm / (norm + 1e-6) } else { 1.0 };
        Ok(GradientScale { norm, factor: shorter / count })
    }
}

impl From<f64> for StepParams {
    fn from(rate: f64) -> StepParams {
        StepParams::new(rate)
    }
}
