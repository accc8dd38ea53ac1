//! Random material for property tests, as strategies of [proptest](https://docs.rs/proptest): shapes, values, lengths
//! and whole graphs. It stands behind the feature `proptest`.
//!
//! ```
//! use proptest::prelude::*;
//! use unspool_graph::check::{self, strategy};
//!
//! proptest!(strategy::config(16), |(
//!     (a, b) in strategy::partners().prop_flat_map(|(a, b)| (strategy::values(a), strategy::positive(b)))
//! )| {
//!     // An operation that broadcasts is right for any two shapes that fit.
//!     check::function(&[a, b], |_, x| x[0] / x[1]).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
//! });
//! ```
//!
//! A graph of random operations, in which yours may stand too, since every value passes by:
//!
//! ```
//! use proptest::prelude::*;
//! use unspool_graph::check::{self, strategy};
//!
//! proptest!(strategy::config(16), |(
//!     genome in strategy::genomes(30)
//! )| {
//!     let program = genome.program();
//!     check::adjoint(program.params(), |graph| program.run(graph))
//!         .map_err(|failure| TestCaseError::fail(format!("{failure}\n{program}")))?;
//! });
//! ```

use super::{Gene, Genome};
use ndarray::{ArrayD, IxDyn};
use proptest::test_runner::FileFailurePersistence;
use proptest::{collection::vec, prelude::*};
use std::ops::RangeInclusive;

/// Returns the settings of a property test over `cases` random cases. `PROPTEST_CASES=N` in the environment asks for N
/// of them, to look further than usual. A case that fails is kept in a file beside the test,
/// `NAME.proptest-regressions`, and comes first from then on.
///
/// ```
/// use proptest::prelude::*;
/// use unspool_graph::check::strategy;
/// proptest!(strategy::config(16), |(x in 0..9usize)| {
///     prop_assert!(x < 9);
/// });
/// ```
pub fn config(cases: u32) -> ProptestConfig {
    let asked = ProptestConfig::default(); // it reads the environment
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { cases };
    let kept = FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { cases, failure_persistence: Some(Box::new(kept)), ..asked }
}

/// Shapes of rank 0 to 5 with sizes from 0 to 3: empty tensors and axes of size 1 are among them. They shrink to
/// rank 0.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::check::strategy;
/// let tree = strategy::shapes().new_tree(&mut TestRunner::deterministic())?;
/// assert!(tree.current().len() <= 5);
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn shapes() -> impl Strategy<Value = Vec<usize>> {
    // Sizes of 0 are rarer, as one of them empties the whole.
    vec(prop_oneof![6 => 1..=3usize, 1 => Just(0)], 0..=5)
}

/// Draws [`shapes`] with at least one element: what a parameter can have.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::check::strategy;
/// let tree = strategy::full_shapes().new_tree(&mut TestRunner::deterministic())?;
/// assert!(tree.current().iter().all(|&size| size > 0));
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn full_shapes() -> impl Strategy<Value = Vec<usize>> {
    vec(1..=3usize, 0..=5)
}

/// Draws two shapes with at least one element each that broadcast with one another; either may be the narrower one, at
/// any axis.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::check::strategy;
/// let tree = strategy::partners().new_tree(&mut TestRunner::deterministic())?;
/// let fits = |a: &[usize], b: &[usize]| a.iter().rev().zip(b.iter().rev()).all(|(a, b)| a == b || *a == 1 || *b == 1);
/// let (a, b) = tree.current();
/// assert!(fits(&a, &b));
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn partners() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    let axis = (1..=3usize, 0..3u8);
    (vec(axis, 0..=5), 0..=5usize, any::<bool>()).prop_map(|(axes, missing, swap)| {
        let side = |narrow: u8| axes.iter().map(move |&(n, who)| if who == narrow { 1 } else { n });
        let (a, b): (Vec<usize>, Vec<usize>) = (side(1).collect(), side(2).skip(missing.min(axes.len())).collect());
        if swap { (b, a) } else { (a, b) }
    })
}

/// Draws values in ±[0.5, 1.5): away from 0, where many operations have a kink or a pole.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::check::strategy;
/// let tree = strategy::values(vec![2, 3]).new_tree(&mut TestRunner::deterministic())?;
/// assert!(tree.current().iter().all(|x| x.abs() >= 0.5));
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn values(shape: Vec<usize>) -> impl Strategy<Value = ArrayD<f64>> {
    array(shape, prop_oneof![0.5..1.5, -1.5..-0.5])
}

/// Draws values in [0.5, 1.5): for logarithms, roots and powers.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::check::strategy;
/// let tree = strategy::positive(vec![2, 3]).new_tree(&mut TestRunner::deterministic())?;
/// assert!(tree.current().iter().all(|&x| x >= 0.5));
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn positive(shape: Vec<usize>) -> impl Strategy<Value = ArrayD<f64>> {
    array(shape, 0.5..1.5)
}

/// Numbers at least 0.25 apart, in any order, around 0: no two tie, for maxima and the like.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::check::strategy;
/// let tree = strategy::distinct(vec![4]).new_tree(&mut TestRunner::deterministic())?;
/// let mut all = tree.current().into_raw_vec_and_offset().0;
/// all.sort_by(f64::total_cmp);
/// assert!(all.windows(2).all(|pair| pair[1] - pair[0] >= 0.25 - 1e-12));
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn distinct(shape: Vec<usize>) -> impl Strategy<Value = ArrayD<f64>> {
    let count = shape.iter().product::<usize>();
    let ranks = Just((0..count).collect::<Vec<_>>()).prop_shuffle();
    (ranks, vec(0.0..0.25, count)).prop_map(move |(ranks, extra)| {
        let value = |(&rank, extra): (&usize, f64)| 0.5 * (rank as f64 - count as f64 / 2.0) + extra;
        fill(&shape, ranks.iter().zip(extra).map(value).collect())
    })
}

/// Draws the lengths of a batch's rows, each at most `longest`; empty rows are among them, but not all rows are empty.
/// They shrink to one row of length 1.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::check::strategy;
/// let tree = strategy::lengths(1..=4, 6).new_tree(&mut TestRunner::deterministic())?;
/// let lengths = tree.current();
/// assert!(lengths.iter().any(|&length| length > 0) && lengths.iter().all(|&length| length <= 6));
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn lengths(batch: RangeInclusive<usize>, longest: usize) -> impl Strategy<Value = Vec<usize>> {
    vec(0..=longest, batch).prop_map(|mut lengths| {
        if lengths.iter().all(|&length| length == 0) {
            lengths.iter_mut().take(1).for_each(|length| *length = 1);
        }
        lengths
    })
}

/// Draws whole random graphs of up to `most` operations on one to three parameters. They shrink to few operations on
/// small values.
///
/// ```
/// use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
/// use unspool_graph::{Graph, check::strategy};
/// let program = strategy::genomes(10).new_tree(&mut TestRunner::deterministic())?.current().program();
/// let graph = Graph::new(program.params());
/// assert!(program.run(&graph).shape().is_ok());
/// # Ok::<(), proptest::test_runner::Reason>(())
/// ```
pub fn genomes(most: usize) -> impl Strategy<Value = Genome> {
    let gene = any::<[u8; 4]>().prop_map(|[operation, a, b, c]| Gene { operation, a, b, c });
    (vec(any::<u8>(), 1..=3), any::<u8>(), vec(gene, 0..=most)).prop_map(|(leaves, seed, genes)| Genome {
        leaves,
        seed,
        genes,
    })
}

fn array(shape: Vec<usize>, element: impl Strategy<Value = f64>) -> impl Strategy<Value = ArrayD<f64>> {
    vec(element, shape.iter().product::<usize>()).prop_map(move |values| fill(&shape, values))
}

/// The strategies give as many values as the shape has places.
fn fill(shape: &[usize], values: Vec<f64>) -> ArrayD<f64> {
    let mut values = values.into_iter();
    ArrayD::from_shape_simple_fn(IxDyn(shape), || values.next().unwrap_or(0.0))
}
