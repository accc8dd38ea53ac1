//! Changing parameters by their gradients.
//!
//! [`Optimizer`] is what a training loop needs of one. [`Elementwise`] is one for every [`Rule`], the formula for one element:
//! [`Sgd`], [`Adam`], [`AdamW`], [`RmsProp`] and [`Adagrad`] have PyTorch's arithmetic and differ only in their rule. A [`Group`]
//! gives the parameters of some names another rate, another decay, or none at all.
//!
//! A step with clipping goes over memory twice: once for the gradients' norm, and once for the update, which takes the factor
//! along. Both are split over threads in pieces of a fixed size, so that any number of threads gives the same bits.
//!
//! ```
//! use unspool_graph::{Graph, Params, init};
//! use unspool_nn::optimizer::{AdamW, Group, Optimizer};
//! let mut params = Params::seeded(0);
//! let mut layer = params.scope("layer");
//! let (w, b) = (layer.add("weight", [2, 2], init::normal(1.0)), layer.add("bias", [2], init::zeros()));
//! let mut adam = AdamW::new().weight_decay(0.1).group(Group::named("*bias").weight_decay(0.0));
//! let graph = Graph::new(&params);
//! let loss = (graph.full([4, 2], 1.0).matmul(w) + b).powi(2).sum_all();
//! let gradients = loss.backward()?;
//! let norm = adam.clipped_step(&mut params, &gradients, 1e-3, 4.0, 1.0)?; // the mean over 4 rows, shortened to norm 1
//! assert!(norm > 0.0);
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod average;
mod elementwise;
mod group;
mod rules;

pub use average::Averaged;
pub use elementwise::{Elementwise, Rule, Step, Update};
pub use group::Group;
pub use rules::{Adagrad, AdagradRule, Adam, AdamRule, AdamW, RmsProp, RmsPropRule, Sgd, SgdRule};

use crate::{Error, Result};
use unspool_graph::{Gradients, Params};

/// What changes parameters by their gradients, and can be saved and resumed.
///
/// What can be saved and resumed:
///
/// ```
/// use unspool_graph::{Gradients, Params, init};
/// use unspool_nn::optimizer::{Adam, Optimizer};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2], init::constant(1.0));
/// let mut gradients = Gradients::none(&params);
/// gradients.set(&params, w, vec![1.0f32, -2.0])?;
/// let mut first = Adam::new();
/// first.update(&mut params, &gradients, 0.1, 1.0)?;
///
/// let mut resumed = Adam::new();
/// resumed.restore(first.steps(), first.state().into_iter().cloned().collect());
/// let mut copy = params.clone();
/// first.update(&mut params, &gradients, 0.1, 1.0)?;
/// resumed.update(&mut copy, &gradients, 0.1, 1.0)?;
/// assert_eq!(params.value(w)?, copy.value(w)?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait Optimizer: Send {
    /// One step of size `rate` along `factor` · gradients. A parameter without a gradient stays as it is.
    ///
    /// # Errors
    /// Gradients of another store or precision; a store whose parameters have changed since the first step.
    fn update(&mut self, params: &mut Params, gradients: &Gradients, rate: f64, factor: f64) -> Result<()>;

    /// How many steps have been taken.
    fn steps(&self) -> u64;

    /// What the names of its arrays are, one array for each parameter and name.
    fn slots(&self) -> &'static [&'static str];

    /// Its arrays, in the order of [`slots`](Optimizer::slots); none before the first step.
    fn state(&self) -> Vec<&Params>;

    /// Goes on from another's [`steps`](Optimizer::steps) and [`state`](Optimizer::state), to the same bits.
    fn restore(&mut self, steps: u64, state: Vec<Params>);

    /// [`update`](Optimizer::update) along the mean of gradients that are a sum over `count`, shortened to `max_norm` where it is
    /// longer (Pascanu, Mikolov and Bengio 2013). Returns the norm of the mean before.
    ///
    /// # Errors
    /// As [`update`](Optimizer::update), and if the norm is not a finite number: nothing would be right then.
    fn clipped_step(
        &mut self,
        params: &mut Params,
        gradients: &Gradients,
        rate: f64,
        count: f64,
        max_norm: f64,
    ) -> Result<f64> {
        let norm = gradients.norm() / count;
        if !norm.is_finite() {
            return Err(Error::Graph(unspool_graph::Error::NormNotFinite { norm }));
        }
        // PyTorch's rule, with its small number against division by zero.
        let shorter = if norm > max_norm { max_norm / (norm + 1e-6) } else { 1.0 };
        self.update(params, gradients, rate, shorter / count)?;
        Ok(norm)
    }
}
