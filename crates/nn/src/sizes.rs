//! What follows from sizes: whether memory can hold an array, and how large its first values are.

use unspool_graph::Graph;

/// Returns the number of elements of an array of these sizes. Where it is more than any memory can hold, the graph
/// keeps an error of `operation` and `None` is returned.
#[track_caller]
pub(crate) fn elements(graph: &Graph<'_>, operation: &'static str, sizes: &[usize]) -> Option<usize> {
    let elements = sizes.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
    let elements = elements.filter(|&all| all <= isize::MAX as usize / size_of::<f64>());
    if elements.is_none() {
        graph.fail(graph.error(operation, format!("an array of {sizes:?} is larger than any memory")));
    }
    elements
}

/// Returns 1/√n, within which PyTorch draws the first values of weights that read n elements, or in a recurrence make
/// n. Of no element at all it is that of one: the store says what is wrong.
pub(crate) fn uniform_bound(n: usize) -> f64 {
    1.0 / (n.max(1) as f64).sqrt()
}
