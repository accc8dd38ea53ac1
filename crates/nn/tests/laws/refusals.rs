//! What does not fit is refused.

use crate::{HIDDEN, INPUT};
use unspool_graph::{Graph, Params};
use unspool_nn::{Gru, Sequence, unroll};

/// What does not fit is an error with the caller's line, and no panic.
#[test]
fn what_does_not_fit_is_an_error() {
    let mut params = Params::seeded(0);
    let cell = Gru::new(params.scope("cell"), INPUT, HIDDEN);
    for (lengths, rows) in [(&[2, 1][..], 3), (&[2][..], 1), (&[6, 1][..], 2), (&[0, 0][..], 2), (&[2, 1, 1][..], 2)] {
        let graph = Graph::new(&params);
        let (ys, _) = unroll(&cell, &Sequence::pack(graph.zeros([2, 5, INPUT]), lengths), graph.zeros([rows, HIDDEN]));
        let ys = ys.padded();
        let error = ys.value().unwrap_err().to_string();
        assert!((error.starts_with("pack") || error.starts_with("unroll")) && error.contains("refusals.rs"), "{error}");
    }
}
