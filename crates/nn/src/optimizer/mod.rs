//! Changing parameters by their gradients.
//!
//! [`Optimizer`] is what a training loop needs of one. [`ElementwiseOptimizer`] is one for every [`UpdateRule`], the
//! formula for one element: [`Sgd`], [`Adam`], [`AdamW`], [`RmsProp`] and [`Adagrad`] have PyTorch's arithmetic and
//! differ only in their rule. A [`Group`] gives the parameters of some names another rate, another decay, or none at
//! all.
//!
//! A step goes over memory twice: once for the norm of the gradients, which is also the check that they are finite, and
//! once for the update, which takes the factor of clipping along. So the check costs one pass over the gradients. Both
//! passes are split over threads in pieces of a fixed size, so that any number of threads gives the same bits.
//!
//! Settings without a meaning (a negative rate, a β of 1, NaN) are errors of the first step.
//!
//! ```
//! use unspool_graph::{Graph, Params, init};
//! use unspool_nn::optimizer::{AdamW, Group, StepParams};
//! let mut params = Params::seeded(0);
//! let mut layer = params.scope("layer");
//! let (w, b) = (layer.add("weight", [2, 2], init::normal(1.0)), layer.add("bias", [2], init::zeros()));
//! let mut adam = AdamW::new().weight_decay(0.1).group(Group::named("*bias").weight_decay(0.0));
//! let graph = Graph::new(&params);
//! let loss = (graph.full([4, 2], 1.0).matmul(w) + b).powi(2).sum_all();
//! let gradients = loss.backward()?;
//! // The gradient of the mean over 4 rows, shortened to norm 1.
//! let step = StepParams { count: 4.0, max_norm: 1.0, ..StepParams::new(1e-3) };
//! let norm = adam.step(&mut params, &gradients, step)?;
//! assert!(norm > 0.0);
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod average;
mod elementwise;
mod group;
mod rules;
mod step;

pub use average::Averaged;
pub use elementwise::{ElementwiseOptimizer, Update, UpdateParams, UpdateRule};
pub use group::Group;
pub use rules::{Adagrad, AdagradRule, Adam, AdamRule, AdamW, Coupled, Decoupled, RmsProp, RmsPropRule, Sgd, SgdRule};
pub use step::{GradientScale, StepParams};

use crate::Result;
use unspool_graph::{Gradients, Params};

/// Changes parameters by their gradients; can be saved and resumed.
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::optimizer::{Adam, Optimizer, StepParams};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2], init::constant(1.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![1.0f32, -2.0])?;
/// let mut first = Adam::new();
/// first.update(&mut params, &gradients, StepParams::new(0.1))?;
///
/// let mut resumed = Adam::new();
/// resumed.restore(first.steps(), first.state().into_iter().cloned().collect());
/// let mut copy = params.clone();
/// first.update(&mut params, &gradients, StepParams::new(0.1))?;
/// resumed.update(&mut copy, &gradients, StepParams::new(0.1))?;
/// assert_eq!(params.value(w)?, copy.value(w)?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait Optimizer: Send {
    /// Makes one step along the mean of gradients that are a sum over `step.count`, shortened to `step.max_norm` where
    /// it is longer. Returns the norm of the mean before. A parameter without a gradient stays as it is. An optimizer
    /// of your own takes the factor of the gradients from [`StepParams::gradient_scale`].
    ///
    /// # Errors
    /// [`Error::Foreign`](crate::Error::Foreign) for gradients of another store or precision, and for a store whose
    /// parameters have changed since the first step; [`Error::Optimizer`](crate::Error::Optimizer) for a setting
    /// without a meaning; and the errors of [`StepParams::gradient_scale`], among them gradients that are not finite.
    /// The parameters are then as they were.
    fn update(&mut self, params: &mut Params, gradients: &Gradients, step: StepParams) -> Result<f64>;

    /// Returns how many steps have been taken.
    fn steps(&self) -> u64;

    /// Returns the names of its arrays: one array for each parameter and name.
    fn state_names(&self) -> &'static [&'static str];

    /// Returns its arrays, in the order of [`state_names`](Optimizer::state_names); none before the first step.
    fn state(&self) -> Vec<&Params>;

    /// Goes on from another's [`steps`](Optimizer::steps) and [`state`](Optimizer::state), to the same bits.
    fn restore(&mut self, steps: u64, state: Vec<Params>);
}

/// Returns the error of a setting that is negative or not finite.
fn not_negative(name: &str, value: f64) -> Result<(), String> {
    if value.is_finite() && value >= 0.0 {
        return Ok(());
    }
    Err(format!("the {name} is {value}; it must be a finite number of at least 0"))
}

/// Returns the error of a decay rate outside [0, 1).
fn fraction(name: &str, value: f64) -> Result<(), String> {
    if (0.0..1.0).contains(&value) {
        return Ok(());
    }
    Err(format!("the {name} is {value}; it must be at least 0 and less than 1"))
}
