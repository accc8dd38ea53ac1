//! What can go wrong in a recording, with the line of the user's code where it did.

use crate::Shape;
use std::{fmt, panic::Location};

/// Says where in a model something happened: the user's line, the scopes around it and the time step.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let _scope = graph.scope("encoder");
/// let _step = graph.at_step(2);
/// let place = graph.zeros([1]).place();
/// assert_eq!((place.scope.as_str(), place.step), ("encoder", Some(2)));
/// assert!(place.to_string().ends_with(", in encoder, time step 2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The line that called the operation, or the layer around it: the outermost one known, which is the user's own.
    pub line: &'static Location<'static>,
    /// The line inside the layer, where `line` is the call of a layer.
    pub inner: Option<&'static Location<'static>>,
    /// The scopes around it, outermost first, joined by `/`; empty outside of all.
    pub scope: String,
    /// The time step, where the operation ran inside an unrolled recurrence.
    pub step: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}:{}", self.line.file(), self.line.line())?;
        match (self.scope.as_str(), self.step) {
            ("", None) => {}
            ("", Some(step)) => write!(f, ", time step {step}")?,
            (scope, None) => write!(f, ", in {scope}")?,
            (scope, Some(step)) => write!(f, ", in {scope}, time step {step}")?,
        }
        match self.inner {
            Some(inner) => write!(f, " ({}:{})", inner.file(), inner.line()),
            None => Ok(()),
        }
    }
}

/// Lists the errors of this crate. A graph keeps its first one; what follows it is inert.
///
/// ```
/// use unspool_graph::{Error, Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let sum = graph.zeros([2, 3]) + graph.zeros([4]);
/// let _inert = sum.tanh().matmul(sum); // nothing of this runs, and the first error stays
/// match graph.check() {
///     Err(Error::Shape { operation, shapes, at, .. }) => {
///         assert_eq!((operation, shapes.len()), ("add", 2));
///         assert!(at.line.line() > 0);
///     }
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operands' shapes do not fit the operation.
    #[error("{operation}: {} {why} ({at})", list(.shapes))]
    #[non_exhaustive]
    Shape {
        /// The operation's name.
        operation: &'static str,
        /// The operands' shapes, in order.
        shapes: Vec<Shape>,
        /// What does not fit, and what would.
        why: String,
        /// Where.
        at: Place,
    },
    /// An argument that is no tensor (an axis, an index, a probability) is out of range.
    #[error("{operation}: {why} ({at})")]
    #[non_exhaustive]
    Argument {
        /// The operation's name.
        operation: &'static str,
        /// What is wrong with it, and what would be right.
        why: String,
        /// Where.
        at: Place,
    },
    /// A `Var` of one graph was used on another.
    #[error(
        "{operation}: an operand belongs to another graph; bring its value over with `detach()` and `input()` ({at})"
    )]
    #[non_exhaustive]
    ForeignGraph {
        /// The operation's name.
        operation: &'static str,
        /// Where.
        at: Place,
    },
    /// A `Param` of one store was used on a graph over another.
    #[error("a parameter of another `Params` is used here; a graph reads the store it was made with ({at})")]
    #[non_exhaustive]
    ForeignParam {
        /// Where.
        at: Place,
    },
    /// `backward()` was asked of something that is no single number.
    #[error(
        "backward: a loss is a single number, this has shape {shape}; take its `sum()` or `mean()`, or give a \
         cotangent with `vjp` ({at})"
    )]
    #[non_exhaustive]
    NotScalar {
        /// The shape it has.
        shape: Shape,
        /// Where.
        at: Place,
    },
    /// `item()` was asked of something with more or fewer elements than one.
    #[error("item: one element is needed, this has shape {shape}; `value` returns all of them ({at})")]
    #[non_exhaustive]
    NotOneElement {
        /// The shape it has.
        shape: Shape,
        /// Where.
        at: Place,
    },
    /// A tangent was asked of something that was made by an operation without forward mode.
    #[error("jvp: {operation} has no forward mode: its `Operation::jvp` is not written ({at})")]
    #[non_exhaustive]
    NoForwardMode {
        /// The operation's name.
        operation: &'static str,
        /// Where.
        at: Place,
    },
    /// An operation's backward gave a gradient whose shape is not its input's.
    #[error("{operation}: its backward gave {got} gradient elements for input {input}, which has {expected} ({at})")]
    #[non_exhaustive]
    Gradient {
        /// The operation's name.
        operation: &'static str,
        /// Which input.
        input: usize,
        /// How many elements the input has.
        expected: usize,
        /// How many the gradient had.
        got: usize,
        /// Where.
        at: Place,
    },
    /// A value or a gradient is infinite or not a number.
    #[error("{what} is not finite: {detail} ({at})")]
    #[non_exhaustive]
    NotFinite {
        /// The operation, and whether its value or its gradient.
        what: String,
        /// Its inputs' ranges, or what else is known.
        detail: String,
        /// Where.
        at: Place,
    },
    /// The norm of the gradients is infinite or not a number, so they cannot be clipped to a length.
    #[error("the norm of the gradients is {norm}; find the first bad node with `Graph::detect_anomaly()`")]
    NormNotFinite {
        /// The norm.
        norm: f64,
    },
    /// A limit on gradients is negative or not a number.
    #[error("{what}: the limit {limit} is not a number from 0 on")]
    #[non_exhaustive]
    Limit {
        /// The method.
        what: &'static str,
        /// The limit it was given.
        limit: f64,
    },
    /// Parameters got no gradient, or one that is all zero or not finite.
    #[error("gradients are missing or bad:\n{report}")]
    #[non_exhaustive]
    Unreached {
        /// The report, a line for each finding.
        report: String,
    },
    /// Two parameters of one name.
    #[error("the parameter name {name:?} is taken; give each layer a scope of its own")]
    #[non_exhaustive]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A parameter with no elements or too many axes, or whose values do not fill its shape.
    #[error("parameter {name:?} cannot be made with shape {shape:?}: {why}")]
    #[non_exhaustive]
    ParamShape {
        /// The name.
        name: String,
        /// The sizes asked for.
        shape: Vec<usize>,
        /// What is wrong.
        why: &'static str,
    },
    /// A parameter whose values cannot be 8-bit integers with a scale for each row.
    #[error("parameter {name:?} cannot be quantized: {why}")]
    #[non_exhaustive]
    Quantize {
        /// The name.
        name: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Gradients, values or handles of one store met another store or precision.
    #[error("{what} of another store or precision")]
    Foreign {
        /// What it is.
        what: &'static str,
    },
}

fn list(shapes: &[Shape]) -> String {
    shapes.iter().map(Shape::to_string).collect::<Vec<_>>().join(" × ")
}

/// Holds a result of this crate.
///
/// ```
/// use unspool_graph::{Graph, Result};
/// fn mean(graph: &Graph<'_>) -> Result<f64> {
///     graph.input(vec![1.0f32, 2.0]).mean(&[]).item()
/// }
/// assert_eq!(mean(&Graph::new(&unspool_graph::Params::seeded(0))), Ok(1.5));
/// ```
pub type Result<T> = std::result::Result<T, Error>;
