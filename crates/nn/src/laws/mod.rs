//! The laws of recurrence, as one call for any cell: what must hold of every cell that is run over padded batches,
//! whatever it computes. It needs the feature `proptest`.
//!
//! More in [chapter 15](https://github.com/unspool/unspool/blob/main/docs/15-own-cell.md) of the tutorial.
//!
//! | law | what must hold |
//! | --- | --- |
//! | [`Split`](Law::Split) | a sequence cut anywhere equals the whole: values to the bit, gradients to rounding |
//! | [`Padding`](Law::Padding) | more padding, whatever is in it, changes no bit of a value or a gradient |
//! | [`Order`](Law::Order) | rows in another order give the same bits in that order |
//! | [`Alone`](Law::Alone) | a row among others has the bits that it has alone |
//! | [`Truncation`](Law::Truncation) | a window of at least the length gives the full gradient, and no step detaches |
//! | [`Start`](Law::Start) | outputs depend on the initial state, in each row and by each leaf that the cell changes |
//! | [`Step`](Law::Step) | a step by hand is a step of an unrolling, [projected](crate::Cell::project) or not |
//! | [`Scan`](Law::Scan) | a [scan](crate::Cell::scan) equals its steps, from any initial state |
//! | [`RealTime`](Law::RealTime) | gradients [carried forward](crate::Rtrl) are those of back-propagation |
//! | [`Gradients`](Law::Gradients) | the gradients of everything agree with finite differences and with forward mode |
//! | [`SecondOrder`](Law::SecondOrder) | second derivatives agree with differences of gradients, and are symmetric |
//!
//! Where a cell has a [scan](crate::Cell::scan), `Split` and `Step` compare values to rounding, as a scan may add in
//! another order than steps do.
//!
//! Each law is asked of random batches of unequal lengths, empty rows among them, in both directions; a law that is
//! broken comes back as a [`Violation`] with the smallest batch that shows it. The batches are the same at every call;
//! to look further, set `PROPTEST_CASES=1000` in the environment: then a thousand new batches are tried for each law.
//! With a cell of your own:
//!
//! ```
//! use unspool_graph::{Graph, Param, Scope, Var, init};
//! use unspool_nn::{Cell, laws};
//!
//! /// h' = f ∘ h + (1 − f) ∘ tanh(x·W + f ∘ h·U),  f = σ(x·V): a minimal gated unit.
//! struct Minimal { w: Param, u: Param, v: Param, hidden_size: usize }
//!
//! impl Minimal {
//!     fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Minimal {
//!         Minimal {
//!             w: scope.add("w", [input_size, hidden_size], init::uniform(0.8)),
//!             u: scope.add("u", [hidden_size, hidden_size], init::orthogonal(1.0)),
//!             v: scope.add("v", [input_size, hidden_size], init::uniform(0.8)),
//!             hidden_size,
//!         }
//!     }
//! }
//!
//! impl Cell for Minimal {
//!     type State<'g> = Var<'g>;
//!     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
//!         graph.zeros([batch, self.hidden_size])
//!     }
//!     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
//!         let f = x.matmul(self.v).sigmoid();
//!         let h = f * h + (1.0 - f) * (x.matmul(self.w) + (f * h).matmul(self.u)).tanh();
//!         (h, h)
//!     }
//! }
//!
//! // Nothing else is needed in the test of your cell:
//! let judged = laws::check(&laws::cell(3, |scope| Minimal::new(scope, 3, 4)))?;
//! println!("{judged}");
//! # Ok::<(), laws::Violation>(())
//! ```
//!
//! A cell that looks at other rows of its batch, as batch normalization does, is found by a batch of two:
//!
//! ```
//! # use unspool_graph::{Graph, Var};
//! # use unspool_nn::{Cell, Rnn, laws};
//! struct Nosy(Rnn);
//!
//! impl Cell for Nosy {
//!     type State<'g> = Var<'g>;
//!     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
//!         self.0.initial_state(graph, batch)
//!     }
//!     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
//!         self.0.step(x, h - h.mean(&[0]))
//!     }
//! }
//!
//! let nosy = laws::cell(3, |scope| Nosy(Rnn::new(scope, 3, 4)));
//! let broken = laws::check_law(laws::Law::Alone, &nosy).unwrap_err();
//! assert_eq!(broken.case.lengths.len(), 2);
//! ```

mod batch;
mod case;
mod gradients;
mod outcome;
mod real_time;
mod rules;
mod scan;

pub use case::Case;

use crate::{Cell, Direction, Sequence, State, leaves, unroll_directed};
use batch::random;
use case::{cases, search};
use ndarray::ArrayD;
use outcome::Setting;
use std::{cell::RefCell, fmt};
use unspool_graph::{Graph, Params, RngKey, Scope, Var, check::CheckCounts};

/// Describes what is tested: how a cell is made, how its initial state is made from free arrays, and how it is run.
///
/// For most cells [`cell`] is one. Implement it where an initial state has parts that are no free numbers (a mask of
/// −∞, say), or where something else than [`unroll_directed`] runs the cell.
pub trait CellUnderTest {
    /// Is the cell under test.
    type Cell: Cell;

    /// Returns the size of the inputs' last axis.
    fn input_size(&self) -> usize;

    /// Makes the cell; its parameters are new for each batch.
    fn make(&self, scope: Scope<'_>) -> Self::Cell;

    /// Returns arrays whose axis 0 is the batch, from which [`start`](CellUnderTest::start) makes a state. By default
    /// these are random numbers in [−1, 1) in the shapes of the initial state's leaves.
    fn free(&self, cell: &Self::Cell, params: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        let graph = Graph::new(params);
        let leaves = leaves(&cell.initial_state(&graph, batch));
        let shapes = leaves.iter().filter_map(|leaf| leaf.known_shape());
        shapes.enumerate().map(|(i, shape)| random(&shape, draw.fold_in(i as u64))).collect()
    }

    /// Returns the state before the first step, of `batch` rows. By default this is the initial state with `free` as
    /// its leaves.
    fn start<'g>(
        &self,
        cell: &Self::Cell,
        graph: &'g Graph<'g>,
        batch: usize,
        free: &[Var<'g>],
    ) -> <Self::Cell as Cell>::State<'g> {
        cell.initial_state(graph, batch).rebuild(&mut free.iter().copied())
    }

    /// Runs it over `xs [batch, time, input_size]`.
    fn run<'g>(
        &self,
        cell: &Self::Cell,
        xs: &Sequence<'g>,
        state: <Self::Cell as Cell>::State<'g>,
        direction: Direction,
    ) -> (Sequence<'g>, <Self::Cell as Cell>::State<'g>) {
        unroll_directed(cell, xs, state, direction)
    }
}

/// A cell that is made by a function of where its parameters go.
struct Made<F> {
    input_size: usize,
    make: F,
}

impl<C: Cell, F: Fn(Scope<'_>) -> C> CellUnderTest for Made<F> {
    type Cell = C;
    fn input_size(&self) -> usize {
        self.input_size
    }
    fn make(&self, scope: Scope<'_>) -> C {
        (self.make)(scope)
    }
}

/// Makes a cell for inputs of `input_size` elements a subject for the laws. Small sizes are best: each of its numbers
/// is moved.
///
/// ```
/// use unspool_nn::{Gru, laws::{self, Law}};
/// let subject = laws::cell(2, |scope| Gru::new(scope, 2, 3));
/// assert!(laws::check_law(Law::Padding, &subject).is_ok());
/// ```
pub fn cell<C: Cell>(input_size: usize, make: impl Fn(Scope<'_>) -> C) -> impl CellUnderTest<Cell = C> {
    Made { input_size, make }
}

/// Names a law of recurrence; see the [table](self).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Law {
    /// A sequence cut anywhere, the state carried, is the whole. Asked in evaluation, as random draws know their time
    /// step.
    Split,
    /// Padding changes nothing.
    Padding,
    /// Permuting the rows permutes the results.
    Order,
    /// A row is what it is alone.
    Alone,
    /// Truncation at or beyond the length is full back-propagation through time.
    Truncation,
    /// The outputs depend on the initial state.
    Start,
    /// A step by hand is a step of an unrolling forward. Asked in evaluation, of what has a step.
    Step,
    /// A scan equals its steps. Asked in evaluation, of cells that have a scan.
    Scan,
    /// Real-time recurrent learning gives the gradients of back-propagation through time to 1e-10; for a cell that says
    /// it is diagonal, in both forms. Asked in evaluation, forward, of what has a step.
    RealTime,
    /// Every gradient is right.
    Gradients,
    /// Every second derivative is right.
    SecondOrder,
    /// Two subjects are the same function; only [`equal`] asks it.
    Equality,
}

impl Law {
    /// Lists the laws that [`check`] tests.
    pub const ALL: [Law; 11] = [
        Law::Split,
        Law::Padding,
        Law::Order,
        Law::Alone,
        Law::Truncation,
        Law::Start,
        Law::Step,
        Law::Scan,
        Law::RealTime,
        Law::Gradients,
        Law::SecondOrder,
    ];
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Law::Split => "a sequence cut anywhere, its state carried, is the whole",
            Law::Padding => "padding changes nothing",
            Law::Order => "rows in another order give the same in that order",
            Law::Alone => "a row among others is what it is alone",
            Law::Truncation => "truncation at or beyond the length is full back-propagation through time",
            Law::Start => "the outputs depend on the initial state",
            Law::Step => "a step by hand is a step of an unrolling",
            Law::Scan => "a scan equals its steps",
            Law::RealTime => "gradients carried forward are those of back-propagation through time",
            Law::Gradients => "every gradient is right",
            Law::SecondOrder => "every second derivative is right",
            Law::Equality => "both are the same function",
        })
    }
}

/// Reports a law that does not hold, and the smallest batch found that shows it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("this law is broken: {law}\n{why}\nthe smallest batch that shows it: {case:?}")]
#[non_exhaustive]
pub struct Violation {
    /// The law.
    pub law: Law,
    /// What was found: the first number that differs, both its values.
    pub why: String,
    /// The batch.
    pub case: Case,
}

/// Asks all laws of a subject: the tests of a cell in one call. Gives how many coordinates' gradients were compared
/// with finite differences and how many could not be judged; see [`composition`](unspool_graph::check::composition).
///
/// # Errors
/// The first law that is broken.
///
/// ```
/// use unspool_nn::{Rnn, laws};
/// let judged = laws::check(&laws::cell(2, |scope| Rnn::new(scope, 2, 2)))?;
/// assert!(judged.right > 0);
/// # Ok::<(), laws::Violation>(())
/// ```
pub fn check<S: CellUnderTest>(subject: &S) -> Result<CheckCounts, Violation> {
    let mut judged = CheckCounts::default();
    for law in Law::ALL {
        judged += check_law(law, subject)?;
    }
    Ok(judged)
}

/// Asks one law.
///
/// # Errors
/// It is broken.
///
/// ```
/// use unspool_graph::{Graph, Scope, Var};
/// use unspool_nn::{Cell, Rnn, laws::{self, Law}};
///
/// /// It reads the other rows of its batch, which no cell may.
/// struct Nosy(Rnn);
///
/// impl Cell for Nosy {
///     type State<'g> = Var<'g>;
///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
///         self.0.initial_state(graph, batch)
///     }
///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) { self.0.step(x, h - h.mean(&[0])) }
/// }
///
/// let subject = laws::cell(2, |scope: Scope<'_>| Nosy(Rnn::new(scope, 2, 2)));
/// let broken = laws::check_law(Law::Alone, &subject).unwrap_err();
/// assert_eq!(broken.case.lengths.len(), 2); // the smallest batch that shows it
/// ```
pub fn check_law<S: CellUnderTest>(law: Law, subject: &S) -> Result<CheckCounts, Violation> {
    let total = RefCell::new(CheckCounts::default());
    // Every coordinate is moved for the gradients, and every element of a state is walked back from for their forward
    // form: fewer batches, and smaller ones.
    let (count, most) = match law {
        Law::Gradients | Law::RealTime | Law::SecondOrder => (8, 3),
        _ => (24, 5),
    };
    search(count, cases(most), |case| {
        *total.borrow_mut() += check_case(law, subject, case)?;
        Ok(())
    })
    .map_err(|(why, case)| Violation { law, why, case })?;
    Ok(total.into_inner())
}

/// Asks one law of one batch, for a property test of your own.
///
/// # Errors
/// What was found.
///
/// ```
/// use unspool_nn::{Gru, laws::{self, Case, Law}};
/// let case = Case { lengths: vec![3, 1], padding: 2, at: 1, backward: false, training: false, seed: 7 };
/// assert_eq!(case.time(), 5);
/// assert!(laws::check_case(Law::Split, &laws::cell(2, |scope| Gru::new(scope, 2, 3)), &case).is_ok());
/// ```
pub fn check_case<S: CellUnderTest>(law: Law, subject: &S, case: &Case) -> Result<CheckCounts, String> {
    let setting = Setting::new(subject, case)?;
    match law {
        Law::Split => rules::split(&setting),
        Law::Padding => rules::padding(&setting),
        Law::Order => rules::order(&setting),
        Law::Alone => rules::alone(&setting),
        Law::Start => gradients::start(&setting),
        Law::Step => rules::step(&setting),
        Law::Scan => scan::equals_steps(&setting),
        Law::RealTime => real_time::equals_back_propagation(&setting),
        Law::Truncation => return gradients::truncation(&setting),
        Law::Gradients => return gradients::right(&setting),
        Law::SecondOrder => return gradients::second_order(&setting),
        Law::Equality => Ok(()),
    }?;
    Ok(CheckCounts::default())
}

/// Checks that two cells whose parameters have the same names are the same function with the same gradients, up to
/// rounding in double precision: for example a fused form and its formula.
///
/// # Errors
/// They differ.
///
/// ```
/// use unspool_nn::{Rnn, RnnConfig, Nonlinearity, laws};
/// let tanh = laws::cell(2, |scope| Rnn::new(scope, 2, 3));
/// let config = RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() };
/// let relu = laws::cell(2, |scope| Rnn::with_config(scope, 2, 3, config));
/// assert!(laws::equal(&tanh, &tanh).is_ok() && laws::equal(&tanh, &relu).is_err());
/// ```
pub fn equal<A: CellUnderTest, B: CellUnderTest>(a: &A, b: &B) -> Result<(), Violation> {
    search(24, cases(5), |case| rules::equal(&Setting::new(a, case)?, &Setting::new(b, case)?))
        .map_err(|(why, case)| Violation { law: Law::Equality, why, case })
}
