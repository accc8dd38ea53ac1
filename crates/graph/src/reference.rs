//! The switch that turns optimizations off, so that they can be compared with the plain computation.
//!
//! With it on, this crate multiplies matrices by three plain loops and keeps no packed copy of a weight, adds the
//! gradient of every step to a weight's or a bias's at once instead of gathering rows of many steps, and runs loops
//! without the processor's vectors. The gated cells of `unspool-nn` are then computed by elementary operations instead
//! of their fused ones.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

/// Returns whether optimizations are turned off: by [`set_reference_mode`], or by the environment variable
/// `UNSPOOL_REFERENCE_MODE=1`.
///
/// An operation of your own that has a plain form beside its fast one asks this.
///
/// ```standalone_crate
/// assert!(!unspool_graph::reference_mode());
/// ```
#[inline]
pub fn reference_mode() -> bool {
    state().load(Ordering::Relaxed)
}

/// Turns optimizations off for all threads of the process, or on again: a diagnostic. Results then differ by rounding
/// alone, but everything is many times slower. If they differ by more, an optimization is at fault.
///
/// Switch between recordings, not within one.
///
/// ```standalone_crate
/// use unspool_graph::{Graph, Params, set_reference_mode};
/// let params = Params::seeded(0);
/// let run = || {
///     let graph = Graph::new(&params);
///     let x = graph.full([40, 60], 0.1);
///     x.matmul(graph.full([60, 50], 0.3)).tanh().sum_all().item()
/// };
/// let fast = run()?;
/// set_reference_mode(true);
/// assert!((fast - run()?).abs() < 1e-5 * fast);
/// set_reference_mode(false);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub fn set_reference_mode(on: bool) {
    state().store(on, Ordering::Relaxed);
}

fn state() -> &'static AtomicBool {
    static ON: OnceLock<AtomicBool> = OnceLock::new();
    ON.get_or_init(|| AtomicBool::new(std::env::var_os("UNSPOOL_REFERENCE_MODE").is_some_and(|value| value == "1")))
}
