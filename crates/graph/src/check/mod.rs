//! Checking gradients against finite differences, for users' operations and models as for this crate's own.
//!
//! More in [chapter 16](https://github.com/unspool/unspool/blob/main/docs/16-own-operation.md) of the tutorial.
//!
//! The function under test is run in double precision; each coordinate of each parameter and input is moved by ±h, and
//! the slope (f(x + h) − f(x − h)) / 2h must agree with the gradient: |analytic − numeric| ≤ 1e-6 · max(1, |analytic|)
//! at h = 1e-4. Apart from that, forward-mode and reverse-mode derivatives are compared with each other, ⟨v, J·u⟩ =
//! ⟨Jᵀ·v, u⟩, where no step size blurs anything.
//!
//! | what is checked | by |
//! | --- | --- |
//! | an operation, as a function of tensors | [`function`] |
//! | a model: parameters, inputs, initial states | [`model`]; [`parameters`] where there is nothing else |
//! | a model with too many parameters to move each | [`direction`] |
//! | a long composition, whose differences need not be exact enough | [`composition`] |
//! | forward mode against reverse mode alone | [`adjoint`] |
//! | second derivatives | [`second_order`] |
//!
//! A [`Failure`] names the worst element with both numbers and, where it can be told, the operation that is wrong and
//! the line that recorded it: the first one on the tape whose own gradient disagrees.
//!
//! ```
//! use ndarray::array;
//! use unspool_graph::{Params, check, init};
//!
//! let mut params = Params::seeded(1);
//! let w = params.scope("rnn").add("w_hh", [2, 2], init::uniform(1.0));
//! let (x, h0) = (array![[0.5, -1.0]].into_dyn(), array![[0.1, 0.2]].into_dyn());
//! check::model(&params, &[("x", x), ("h0", h0)], |_, inputs| {
//!     let (x, mut h) = (inputs[0], inputs[1]);
//!     for _ in 0..3 {
//!         h = (x + h.matmul(w)).tanh();
//!     }
//!     h
//! })?;
//!
//! // A path that was cut: differences see what the backward walk does not.
//! let wrong = check::parameters(&params, |graph| graph.param(w).tanh().detach() * w);
//! let message = wrong.unwrap_err().to_string();
//! assert!(message.contains("rnn.w_hh[") && message.contains("goes wrong at detach"), "{message}");
//! # Ok::<(), check::Failure>(())
//! ```
//!
//! With the feature `proptest`, `check::strategy` has random shapes, values, lengths and whole random graphs.

mod adjoint;
mod constants;
mod culprit;
mod differences;
#[cfg(feature = "proptest")]
mod genome;
mod overwriting;
mod point;
mod second_order;
#[cfg(feature = "proptest")]
pub mod strategy;
mod worst;

#[cfg(feature = "proptest")]
pub use genome::{Gene, Genome, Program};

use crate::{Error, Graph, Param, Params, Place, Var, init};
use ndarray::ArrayD;
use point::Point;
use std::{fmt, ops::AddAssign, panic::Location};

/// Sets the step of the finite differences.
pub const STEP: f64 = 1e-4;
/// Limits how far gradient and differences may be apart, relative to the greater of 1 and the gradient.
pub const TOLERANCE: f64 = 1e-6;
/// Limits how far forward and reverse mode may be apart, relative to the greater of 1 and the sum of what is added up.
pub const ADJOINT_TOLERANCE: f64 = 1e-10;

/// Describes the worst coordinate found: where it is, both numbers, and what made it.
///
/// ```
/// use unspool_graph::check::{self, Failure};
/// let x = ndarray::array![1.0, 2.0].into_dyn();
/// let Err(Failure::Gradient(found)) = check::function(&[x], |_, x| x[0] * x[0].detach()) else { panic!() };
/// assert!((found.analytic - found.numeric / 2.0).abs() < 1e-6); // x · x, one factor of which was cut
/// assert_eq!(found.culprit.unwrap().operation, "detach");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Disagreement {
    /// The parameter's or input's name; `a random direction` where not one coordinate was moved but all.
    pub parameter: String,
    /// The coordinate within it, row by row.
    pub index: usize,
    /// What the backward walk says.
    pub analytic: f64,
    /// What the finite differences say.
    pub numeric: f64,
    /// Where the parameter or input entered the recording; `None` if it never did.
    pub entered: Option<Place>,
    /// The operation at which it goes wrong, if one could be told.
    pub culprit: Option<Culprit>,
}

/// Names the first operation on the tape whose own gradient disagrees: everything it was made from is right.
///
/// ```
/// use unspool_graph::check::{self, Failure};
/// let x = ndarray::array![1.0].into_dyn();
/// let wrong = check::function(&[x], |graph, x| {
///     let _scope = graph.scope("decoder");
///     (x[0].tanh() * x[0].detach()).exp()
/// });
/// let Err(Failure::Gradient(found)) = wrong else { panic!() };
/// let culprit = found.culprit.unwrap();
/// assert_eq!((culprit.operation, culprit.place.scope.as_str()), ("detach", "decoder"));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Culprit {
    /// The operation's name.
    pub operation: &'static str,
    /// The line, scope and time step that recorded it.
    pub place: Place,
}

impl fmt::Display for Culprit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "; it goes wrong at {} ({})", self.operation, self.place)
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said("backward gives", "finite differences give"))
    }
}

impl Disagreement {
    fn of_second_order(&self) -> String {
        self.said("H·v is", "differences of gradients give")
    }

    fn said(&self, one: &str, other: &str) -> String {
        let Disagreement { parameter, index, analytic, numeric, entered, culprit } = self;
        let entered = entered.as_ref().map(|place| format!("; it enters {place}")).unwrap_or_default();
        let culprit = culprit.as_ref().map(Culprit::to_string).unwrap_or_default();
        format!("{parameter}[{index}]: {one} {analytic:e}, {other} {numeric:e}{entered}{culprit}")
    }
}

/// Says why a check did not pass.
///
/// ```
/// use unspool_graph::check::{self, Failure};
/// let x = ndarray::array![0.5, 2.0].into_dyn();
/// let wrong = check::function(&[x], |_, x| x[0] * x[0].detach()).unwrap_err();
/// assert!(matches!(wrong, Failure::Gradient(_)), "{wrong}");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The function itself failed.
    #[error(transparent)]
    Graph(#[from] Error),
    /// A gradient is wrong.
    #[error("a gradient is wrong: {0}")]
    Gradient(Box<Disagreement>),
    /// Forward mode and reverse mode contradict each other.
    #[error("⟨v, J·u⟩ = {forward:e}, but ⟨Jᵀ·v, u⟩ = {reverse:e}{}",
        .culprit.as_ref().map(Culprit::to_string).unwrap_or_default())]
    #[non_exhaustive]
    Adjoint {
        /// By forward mode.
        forward: f64,
        /// By reverse mode.
        reverse: f64,
        /// The operation at which it goes wrong, if one could be told.
        culprit: Option<Culprit>,
    },
    /// A second derivative is wrong: an operation's backward is no function of its inputs that a derivative follows, as
    /// where it reads them by [`to_f64`](crate::Element::to_f64).
    #[error("a second derivative is wrong: {}", .0.of_second_order())]
    SecondOrder(Box<Disagreement>),
    /// The second derivatives are not symmetric.
    #[error("⟨u, H·v⟩ = {one:e}, but ⟨v, H·u⟩ = {other:e}{}",
        .culprit.as_ref().map(Culprit::to_string).unwrap_or_default())]
    #[non_exhaustive]
    Asymmetric {
        /// ⟨u, H·v⟩.
        one: f64,
        /// ⟨v, H·u⟩.
        other: f64,
        /// The operation at which it goes wrong, if one could be told.
        culprit: Option<Culprit>,
    },
    /// An operation's backward replaces what had flowed to an operand from elsewhere, instead of adding to it.
    #[error(
        "an operation's backward overwrites the gradient that its operand has already, to which it must add{}",
        .culprit.as_ref().map(Culprit::to_string).unwrap_or_default()
    )]
    #[non_exhaustive]
    Overwrites {
        /// The operation, if it could be told.
        culprit: Option<Culprit>,
    },
    /// A tensor's gradient depends on whether another one wants a gradient too.
    #[error(
        "tensor {tensor}'s gradient is another where tensor {constant} is a constant: {alone:e} instead of {beside:e} \
         at [{index}]"
    )]
    #[non_exhaustive]
    Constant {
        /// Which tensor was a constant.
        constant: usize,
        /// Whose gradient changed.
        tensor: usize,
        /// The element, row by row.
        index: usize,
        /// Its gradient beside the constant.
        alone: f64,
        /// Its gradient where all tensors want one.
        beside: f64,
    },
}

/// Says what [`composition`] and [`direction`] could say: how many slopes agree with differences, and of how many it
/// could not be told.
///
/// ```
/// use unspool_graph::{Params, check, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [3], init::uniform(1.0));
/// let judged = check::composition(&params, &[], |graph, _| graph.param(w).tanh().exp())?;
/// assert_eq!((judged.right, judged.unjudged), (3, 0));
/// # Ok::<(), check::Failure>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use = "what could not be judged has not passed"]
#[non_exhaustive]
pub struct CheckCounts {
    /// Coordinates (or directions) whose gradient agrees with finite differences.
    pub right: usize,
    /// Those whose differences at h and h/2 contradict each other: nothing is known of them but the test by forward
    /// mode.
    pub unjudged: usize,
    /// Why forward mode was not compared with reverse mode, where it was not: an operation has none.
    pub skipped: Option<Error>,
}

/// Says what a check that has passed could not look at.
///
/// ```
/// use unspool_graph::{Element, GradSink, OpContext, Operation, Shape, View, check};
///
/// /// y = 2 x, without forward mode.
/// struct Twice;
///
/// impl Operation for Twice {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "twice" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
///         y.iter_mut().zip(x[0].data()).for_each(|(y, &x)| *y = x + x);
///     }
///     fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
///         into.add(0, gradient.data().iter().map(|&g| g + g).collect());
///     }
/// }
///
/// let x = ndarray::array![0.5, -1.5].into_dyn();
/// let checked = check::function(&[x.clone()], |graph, x| graph.apply(Twice, x))?;
/// let expected = "agrees with finite differences; forward mode was skipped: jvp: twice has no";
/// assert!(checked.to_string().starts_with(expected));
/// assert_eq!(check::function(&[x], |_, x| x[0] * 2.0)?.skipped, None);
/// # Ok::<(), check::Failure>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Checked {
    /// Why forward mode was not compared with reverse mode, where it was not: an operation has none.
    pub skipped: Option<Error>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("agrees with finite differences; ")?;
        match &self.skipped {
            None => f.write_str("forward mode and reverse mode agree"),
            Some(why) => write!(f, "forward mode was skipped: {why}"),
        }
    }
}

impl AddAssign for CheckCounts {
    /// Adds what another check could say; the first reason to skip forward mode stays.
    fn add_assign(&mut self, other: CheckCounts) {
        self.right += other.right;
        self.unjudged += other.unjudged;
        self.skipped = self.skipped.take().or(other.skipped);
    }
}

impl fmt::Display for CheckCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CheckCounts { right, unjudged, skipped } = self;
        write!(f, "{right} coordinates agree with finite differences; {unjudged} could not be judged")?;
        skipped.as_ref().map_or(Ok(()), |why| write!(f, "; forward mode was skipped: {why}"))
    }
}

/// A function of inputs on a graph, behind a pointer, so that the checks are compiled once and not again for every
/// closure.
type Model<'a> = &'a dyn for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>;

/// Checks every coordinate of every parameter of `model`, a function of a graph to a tensor of any shape; what is
/// compared is the gradient of a fixed random weighting of its elements. Runs in double precision whatever `params` is
/// in.
///
/// ```
/// use unspool_graph::{Params, check, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [3, 2], init::uniform(1.0));
/// check::parameters(&params, |graph| graph.full([4, 3], 0.5).matmul(w).tanh())?;
/// # Ok::<(), check::Failure>(())
/// ```
pub fn parameters(params: &Params, model: impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>) -> Result<(), Failure> {
    differences::every(&Point::new(params, &[])?, &|graph, _| model(graph))
}

/// Checks every coordinate of every parameter and of every input of `model`, by finite differences and by forward mode.
/// An initial state is an input. See the example [above](self).
///
/// - `inputs`: names and values, any shapes; they come to `model` in this order.
///
/// ```
/// use unspool_graph::{Params, check, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [2, 2], init::uniform(1.0));
/// let x = ndarray::array![[0.5, -1.0]].into_dyn();
/// check::model(&params, &[("x", x)], |_, inputs| inputs[0].matmul(w).tanh())?;
/// # Ok::<(), check::Failure>(())
/// ```
pub fn model(
    params: &Params,
    inputs: &[(&str, ArrayD<f64>)],
    model: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
) -> Result<Checked, Failure> {
    let point = Point::new(params, inputs)?;
    differences::every(&point, &model)?;
    Ok(Checked { skipped: skipped(adjoint::hold(&point, &model))? })
}

/// What was skipped for want of a forward mode; any other failure stays one.
fn skipped(outcome: Result<(), Failure>) -> Result<Option<Error>, Failure> {
    match outcome {
        Ok(()) => Ok(None),
        Err(Failure::Graph(why @ Error::NoForwardMode { .. })) => Ok(Some(why)),
        Err(failure) => Err(failure),
    }
}

/// Checks as [`model`] does, for a model with too many parameters to move each: all are moved at once along a random
/// direction of length 1, another for each `seed`. It costs four more runs, and a mistake in one coordinate of many may
/// stay below the tolerance. In a large model a kink is nearly always within a step: as in [`composition`], the slope
/// is judged where the estimates at h and h/2 agree.
///
/// ```
/// use unspool_graph::{Params, check, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [200, 200], init::uniform(0.1));
/// for seed in 0..3 {
///     let judged = check::direction(&params, &[], |graph, _| graph.full([1, 200], 0.5).matmul(w).tanh(), seed)?;
///     assert_eq!(judged.unjudged, 0);
/// }
/// # Ok::<(), check::Failure>(())
/// ```
pub fn direction(
    params: &Params,
    inputs: &[(&str, ArrayD<f64>)],
    model: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
    seed: u64,
) -> Result<CheckCounts, Failure> {
    let point = Point::new(params, inputs)?;
    let skipped = skipped(adjoint::hold(&point, &model))?;
    Ok(CheckCounts { skipped, ..differences::along(&point, &model, seed)? })
}

/// Checks as [`model`] does, for a long composition. There the third derivatives can be so large that a right gradient
/// misses its differences by more than the tolerance, and a kink can lie within a step. So forward mode is compared
/// with reverse mode, and a coordinate is judged by differences only where the estimates at h and at h/2 agree with
/// each other. The others are counted in [`CheckCounts`].
///
/// ```
/// use unspool_graph::{Params, check, init};
/// let mut params = Params::seeded(1);
/// // The second coordinate is at ReLU's kink, where no slope is right.
/// let w = params.scope("m").add("w", [2], init::values(vec![0.5, 1e-5]));
/// let judged = check::composition(&params, &[], |graph, _| graph.param(w).relu())?;
/// assert_eq!((judged.right, judged.unjudged), (1, 1));
/// # Ok::<(), check::Failure>(())
/// ```
pub fn composition(
    params: &Params,
    inputs: &[(&str, ArrayD<f64>)],
    model: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
) -> Result<CheckCounts, Failure> {
    let point = Point::new(params, inputs)?;
    let skipped = skipped(adjoint::hold(&point, &model))?;
    Ok(CheckCounts { skipped, ..differences::where_they_agree(&point, &model)? })
}

/// Holds forward mode against reverse mode for `model` in a random direction: ⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩ to a relative 1e-10.
///
/// ```
/// use unspool_graph::{Params, check, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [3, 3], init::uniform(1.0));
/// check::adjoint(&params, |graph| graph.param(w).matmul(w).softmax())?;
/// # Ok::<(), check::Failure>(())
/// ```
pub fn adjoint(params: &Params, model: impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>) -> Result<(), Failure> {
    adjoint::hold(&Point::new(params, &[])?, &|graph, _| model(graph))
}

/// Checks the second derivatives of `model`, a function to a tensor of any shape y: of Σ w (y + y²/2) with fixed
/// weights w, [`hessian_vector`](Var::hessian_vector) in a random direction of all parameters and inputs must agree
/// with differences of gradients, and ⟨u, H·v⟩ must be ⟨v, H·u⟩ to a relative 1e-10. As in [`composition`], an element
/// is judged where the differences at h and h/2 agree.
///
/// ```
/// use unspool_graph::{Element, GradSink, OpContext, Operation, Params, Shape, View, check};
///
/// /// y = x³, whose backward reads x in a way that no derivative follows.
/// struct Cube;
///
/// impl Operation for Cube {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "cube" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
///         y.iter_mut().zip(x[0].data()).for_each(|(y, &x)| *y = x * x * x);
///     }
///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, g: View<'_, E>, into: &mut GradSink<'_, E>) {
///         let slope = ctx.inputs[0].data().iter().map(|x| E::from_f64(3.0 * x.to_f64() * x.to_f64()));
///         into.add(0, slope.zip(g.data()).map(|(slope, &g)| slope * g).collect());
///     }
/// }
///
/// let (params, x) = (Params::seeded(0), ndarray::array![0.5, 2.0].into_dyn());
/// let right = check::second_order(&params, &[("x", x.clone())], |_, x| x[0].powi(3))?;
/// assert_eq!((right.right, right.unjudged), (2, 0));
/// assert!(check::function(&[x.clone()], |graph, x| graph.apply(Cube, x)).is_ok()); // its gradient is right
/// let wrong = check::second_order(&params, &[("x", x)], |graph, x| graph.apply(Cube, x)).unwrap_err().to_string();
/// assert!(wrong.starts_with("a second derivative is wrong: x[") && wrong.contains("goes wrong at cube"), "{wrong}");
/// # Ok::<(), check::Failure>(())
/// ```
pub fn second_order(
    params: &Params,
    inputs: &[(&str, ArrayD<f64>)],
    model: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
) -> Result<CheckCounts, Failure> {
    second_order::hold(&Point::new(params, inputs)?, &model)
}

/// Checks an operation as a function of tensors: each becomes a parameter, and both [`parameters`] and [`adjoint`] must
/// pass. Then every value is used once more elsewhere, to whose gradient the operation's backward must add; and each
/// tensor in turn becomes a constant, which must leave the others' gradients as they were.
///
/// ```
/// use ndarray::array;
/// use unspool_graph::check;
/// let (x, y) = (array![0.5, -1.5].into_dyn(), array![[2.0], [0.25]].into_dyn());
/// check::function(&[x, y], |_, inputs| inputs[0] * inputs[1])?;
/// # Ok::<(), check::Failure>(())
/// ```
#[track_caller]
pub fn function(
    inputs: &[ArrayD<f64>],
    f: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
) -> Result<Checked, Failure> {
    let mut params = Params::seeded(0).to_f64();
    let mut scope = params.scope("input");
    let handles: Vec<Param> = inputs
        .iter()
        .enumerate()
        .map(|(i, x)| scope.add_sized(i.to_string(), x.shape(), init::values(x.iter().copied().collect())))
        .collect();
    let point = Point::new(&params, &[])?;
    let line = Location::caller();
    let model: Model<'_> = &|graph, _| f(graph, &handles.iter().map(|&p| graph.own_param(p, line)).collect::<Vec<_>>());
    differences::every(&point, model)?;
    let skipped = skipped(adjoint::hold(&point, model).and_then(|()| overwriting::hold(&point, model)))?;
    constants::hold(&point, &handles, inputs, &f)?;
    Ok(Checked { skipped })
}
