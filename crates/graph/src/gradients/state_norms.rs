//! Norms of gradients along the states that a recurrence hands from step to step.

/// Holds ‖∂loss/∂h_t‖ along one recurrence; see [`Gradients::through_time`](crate::Gradients::through_time).
///
/// More in [chapter 9](https://github.com/unspool/unspool/blob/main/docs/09-vanishing.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params).record_grad_norms();
/// let mut h = graph.full([1], 1.0).watch();
/// for t in 0..3 {
///     let _step = graph.at_step(t);
///     h = h * 0.5;
///     graph.carry(&[h]);
/// }
/// let gradients = h.sum_all().backward()?;
/// let norms = &gradients.through_time()[0];
/// assert_eq!((norms.leaf, &norms.norms[..]), (0, &[(0, 0.25), (1, 0.5), (2, 1.0)][..]));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StateNorms {
    /// The scopes around the recurrence, outermost first, joined by `/`.
    pub scope: String,
    /// Which leaf of the state: an LSTM's h is 0 and its c is 1.
    pub leaf: usize,
    /// Time step and Euclidean norm over all rows and elements, in the order the steps ran; zero where the loss does
    /// not depend on that state. A direction against time counts its own steps.
    pub norms: Vec<(usize, f64)>,
}
