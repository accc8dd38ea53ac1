//! Sizes that no memory can hold are errors of the graph and not overflows.

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
