//! Sizes near the greatest number are errors that name the operation: no panic, no endless allocation.

use unspool_graph::{Graph, Params, Var};
use unspool_nn::{Layout, Positions, attention::padding_bias};

const MAX: usize = usize::MAX;

fn refused(name: &str, size: usize, value: Var<'_>) {
    let error = value.value().unwrap_err().to_string();
    assert!(error.contains(name) && error.contains("larger than any memory"), "{name} of {size}: {error}");
}

#[test]
fn arrays_larger_than_any_memory_are_errors() {
    let params = Params::seeded(0);
    for size in [MAX, MAX / 2, 1 << 62, 1 << 61] {
        let graph = Graph::new(&params);
        refused("padding_bias", size, padding_bias(&graph, &Layout::new(&[1, 2]).with_time(size)));
        let graph = Graph::new(&params);
        refused("positions", size, Positions::Sinusoidal.of(&graph, &[0, 1], size));
    }
}
