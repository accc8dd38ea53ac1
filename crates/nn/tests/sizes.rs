//! Sizes near the greatest number are errors that name the operation: no panic, no endless allocation.

use unspool_graph::{Graph, Params, Var};
use unspool_nn::{
    Cell, CellKind, Gru, InitialState, Layout, Positions, TransformerConfig, TransformerEncoder,
    attention::padding_bias,
    repeated,
    tree::{self, Forest, NaryTreeLstm},
    zero_filled,
};

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
        let graph = Graph::new(&params);
        refused("repeated", size, repeated(graph.full([2, 3], 1.0), size).rows());
        let graph = Graph::new(&params);
        refused("zero_filled", size, zero_filled(graph.full([2, 3], 1.0), size).rows());
    }
}

#[test]
fn a_state_of_more_rows_than_memory_holds_is_an_error() {
    let mut params = Params::seeded(0);
    let gru = Gru::new(params.scope("gru"), 3, 4);
    let learned = InitialState::learned(params.scope("learned"), gru.clone());
    for size in [MAX, MAX / 2, 1 << 62, 1 << 61] {
        let graph = Graph::new(&params);
        for state in [gru.initial_state(&graph, size), learned.initial_state(&graph, size)] {
            assert!(state.value().unwrap_err().to_string().contains("more axes or elements"), "{size}");
        }
    }
}

#[test]
fn layers_wider_than_memory_holds_are_errors() {
    for feedforward in [MAX, MAX / 2, 1 << 62, 1 << 40] {
        let mut params = Params::seeded(0);
        let config = TransformerConfig { size: 8, heads: 2, feedforward, dropout: 0.0, norm_first: true, bias: true };
        let _encoder = TransformerEncoder::new(params.scope("encoder"), 1, Positions::Sinusoidal, config);
        let error = params.check().unwrap_err().to_string();
        assert!(error.contains("linear1"), "{feedforward}: {error}");
    }
}

#[test]
fn cells_larger_than_memory_holds_are_errors() {
    for kind in CellKind::ALL {
        for (input_size, hidden_size) in [(3, MAX), (3, MAX / 2), (3, 1 << 62), (3, 1 << 40), (1 << 62, 4), (3, 0)] {
            let mut params = Params::seeded(0);
            let cell = kind.build(params.scope("rnn"), input_size, hidden_size);
            assert!(params.check().is_err(), "{kind} of {hidden_size}");
            let graph = Graph::new(&params);
            let (y, _) = cell.step(graph.zeros([2, 3]), cell.initial_state(&graph, 2));
            let error = y.value().unwrap_err().to_string();
            assert!(error.contains("rnn."), "{kind} of {hidden_size}: {error}");
        }
    }
    for places in [MAX, MAX / 3, 1 << 61, 0] {
        let mut params = Params::seeded(0);
        let cell = NaryTreeLstm::new(params.scope("tree"), 3, 4, places);
        let graph = Graph::new(&params);
        let forest = Forest::from_parents(&[None, Some(0)]).unwrap();
        let error = tree::unroll(&cell, &forest, graph.zeros([2, 3])).roots.h.value().unwrap_err().to_string();
        assert!(error.contains("tree.weight_hh"), "{places}: {error}");
    }
}
