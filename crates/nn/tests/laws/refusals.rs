//! What does not fit is refused.

use crate::{HIDDEN, INPUT};
use unspool_graph::{Graph, Params, Var};
use unspool_nn::{Cell, Gru, Lstm, LstmState, Rnn, Sequence, gru_gates, unroll};

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

/// A state of another batch, or of another size, is an error with what the cell needs.
#[test]
fn a_state_that_does_not_fit_the_input_is_refused_by_every_cell() {
    let mut params = Params::seeded(0);
    let rnn = Rnn::new(params.scope("rnn"), INPUT, HIDDEN);
    let gru = Gru::new(params.scope("gru"), INPUT, HIDDEN);
    let lstm = Lstm::new(params.scope("lstm"), INPUT, HIDDEN);
    let refused = |step: &dyn for<'g> Fn(Var<'g>) -> Var<'g>, says: &str| {
        let graph = Graph::new(&params);
        let error = step(graph.zeros([2, INPUT])).value().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    };
    refused(&|x| rnn.step(x, x.graph().zeros([3, HIDDEN])).0, "must be x [batch, hidden]");
    refused(&|x| gru.step(x, x.graph().zeros([3, HIDDEN])).0, "must be x [batch, 3·hidden]");
    for h in [[3, HIDDEN], [2, HIDDEN + 1]] {
        refused(
            &|x| {
                let gates = x.graph().zeros([2, 3 * HIDDEN]);
                gru_gates(gates, gates, x.graph().zeros(h))
            },
            "u of the same shape and h [batch, hidden]",
        );
    }
    for (h, c) in [([3, HIDDEN], [3, HIDDEN]), ([2, HIDDEN], [2, HIDDEN + 1]), ([2, HIDDEN], [3, HIDDEN])] {
        refused(
            &|x| lstm.step(x, LstmState { h: x.graph().zeros(h), c: x.graph().zeros(c) }).0,
            "must be x [batch, 4·hidden]",
        );
    }
}
