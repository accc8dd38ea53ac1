//! Any cell through `unroll`: gradients through time, and the gates inside fused operations.

use unspool_graph::{Graph, Params, Topology, Var};
use unspool_nn::{
    Attending, Attention, Cell, CellKind, Gru, InitialState, Lstm, LstmConfig, Nonlinearity, Recurrent,
    RecurrentConfig, Residual, Rnn, RnnConfig, Sequence, VariationalDropout, Zoneout, unroll,
};

/// The cells whose gates are fused operations.
const BUILT_IN: [CellKind; 4] = [CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru];

fn inputs<'g>(graph: &'g Graph<'g>, scale: f64) -> Var<'g> {
    let xs = ndarray::Array3::from_shape_fn((2, 5, 3), |(b, t, j)| ((b + 2 * t + 3 * j) % 5) as f32 - 2.0);
    graph.input(xs) * scale
}

#[test]
fn every_leaf_of_a_fused_cell_has_its_norms_and_they_are_the_initial_states_where_nothing_else_stands_between() {
    let mut params = Params::seeded(3).to_f64();
    let cell = Lstm::new(params.scope("rnn"), 3, 4);
    let graph = Graph::new(&params).record_grad_norms();
    let lengths = [5, 3];
    let (hs, _) = unroll(&cell, &Sequence::pack(inputs(&graph, 1.0), &lengths), cell.initial_state(&graph, 2));
    let gradients = hs.rows().sum_all().backward().unwrap();
    let series = gradients.through_time();
    let leaves: Vec<_> = series.iter().map(|s| (s.scope.as_str(), s.leaf, s.norms.len())).collect();
    assert_eq!(leaves, [("unroll", 0, 5), ("unroll", 1, 5)]);
    // At the last step one row runs, and nothing but the sum reads its h: a gradient of four ones.
    assert!((series[0].norms[4].1 - 2.0).abs() < 1e-12, "{series:?}");
    // Nothing reads its c.
    assert_eq!(series[1].norms[4].1, 0.0);
    assert!(series.iter().all(|s| s.norms[..4].iter().all(|&(_, norm)| norm > 0.0)), "{series:?}");
}

#[test]
fn gates_inside_fused_cells_are_counted_by_name_and_step() {
    let mut params = Params::seeded(3);
    let (lstm, gru) = (Lstm::new(params.scope("lstm"), 3, 4), Gru::new(params.scope("gru"), 3, 4));
    let (rnn, relu) = (
        Rnn::new(params.scope("rnn"), 3, 4),
        Rnn::with_config(
            params.scope("relu"),
            3,
            4,
            RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() },
        ),
    );
    let shares = |scale: f64| {
        let graph = Graph::new(&params);
        let xs = inputs(&graph, scale);
        unroll(&lstm, &Sequence::pack(xs, &[5, 3]), lstm.initial_state(&graph, 2)).0.padded().shape().unwrap();
        unroll(&gru, &Sequence::pack(xs, &[5, 3]), gru.initial_state(&graph, 2)).0.padded().shape().unwrap();
        unroll(&rnn, &Sequence::pack(xs, &[5, 3]), rnn.initial_state(&graph, 2)).0.padded().shape().unwrap();
        unroll(&relu, &Sequence::pack(xs, &[5, 3]), relu.initial_state(&graph, 2)).0.padded().shape().unwrap();
        graph.saturation(0.9)
    };
    let wide = shares(100.0);
    let names: Vec<_> = wide.iter().take(5).map(|s| (s.gate, s.at.step, s.elements)).collect();
    assert_eq!(names, ["i", "f", "g", "o", "tanh c"].map(|gate| (gate, Some(0), 8)));
    assert_eq!(wide.iter().filter(|s| s.gate == "r").map(|s| s.elements).collect::<Vec<_>>(), [8, 8, 8, 4, 4]);
    // The plain cell's tanh is one, its ReLU does not saturate.
    assert_eq!(wide.iter().filter(|s| s.gate == "tanh").map(|s| s.elements).collect::<Vec<_>>(), [8, 8, 8, 4, 4]);
    let mean = |all: &[unspool_graph::Saturation]| all.iter().map(|s| s.share()).sum::<f64>() / all.len() as f64;
    assert!(mean(&wide) > 0.5 && mean(&shares(0.01)) == 0.0);
}

/// How many products read this parameter, and how many rows they have together.
fn products(topology: &Topology, name: &str) -> (usize, usize) {
    let mut rows = vec![];
    for node in topology.node_indices().filter(|&node| topology[node].param.as_deref() == Some(name)) {
        let users = topology.neighbors(node).filter(|&user| topology[user].operation == "linear");
        rows.extend(users.map(|user| topology[user].shape[0]));
    }
    (rows.len(), rows.iter().sum())
}

/// `unroll` multiplies the inputs of all steps by the input weight at once, real places alone; the recurrent weight's
/// product is one a step.
#[test]
fn the_input_product_over_all_steps_is_one() {
    let lengths = [5, 3];
    fn topology<C: Cell>(params: &Params, cell: &C, lengths: &[usize]) -> Topology {
        let graph = Graph::new(params);
        unroll(cell, &Sequence::pack(inputs(&graph, 1.0), lengths), cell.initial_state(&graph, 2))
            .0
            .padded()
            .shape()
            .unwrap();
        graph.topology()
    }
    fn one<C: Cell>(make: impl Fn(unspool_graph::Scope<'_>) -> C, lengths: &[usize]) {
        let mut params = Params::seeded(3);
        let cell = make(params.scope("rnn"));
        let topology = topology(&params, &cell, lengths);
        assert_eq!(products(&topology, "rnn.weight_ih_l0"), (1, 8));
        assert_eq!(products(&topology, "rnn.weight_hh_l0"), (5, 8));
    }
    for kind in BUILT_IN {
        one(|scope| kind.build(scope, 3, 4), &lengths);
    }
    one(|scope| Rnn::with_config(scope, 3, 4, RnnConfig { bias: false, ..RnnConfig::default() }), &lengths);
    one(|scope| Lstm::with_config(scope, 3, 4, LstmConfig { projection: Some(2), ..LstmConfig::default() }), &lengths);
    // Wrappers hand it through.
    one(|scope| Zoneout::new(Lstm::new(scope, 3, 4), &[0.1, 0.1]), &lengths);
    one(|scope| Residual::new(Gru::new(scope, 3, 3)), &lengths);
    one(|scope| InitialState::random(Gru::new(scope, 3, 4), 0.5), &lengths);
    one(|scope| VariationalDropout::new(Gru::new(scope, 3, 4), 0.5, 0.5), &lengths);
    // What reads a context beside its input can only do so step by step: a product each.
    let mut params = Params::seeded(3);
    let cell = Attending::new(Gru::new(params.scope("looks"), 3 + 4, 4), Attention::dot(), 4);
    assert_eq!(products(&topology(&params, &cell, &lengths), "looks.weight_ih_l0"), (5, 8));

    // A module has one for each layer and direction.
    let layers = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.0 };
    let rnn = Recurrent::new(params.scope("module"), Lstm::new, 3, 4, layers);
    let graph = Graph::new(&params);
    rnn.unroll(&Sequence::pack(inputs(&graph, 1.0), &lengths), rnn.initial_state(&graph, 2))
        .0
        .padded()
        .shape()
        .unwrap();
    let topology = graph.topology();
    for ending in ["l0", "l0_reverse", "l1", "l1_reverse"] {
        assert_eq!(products(&topology, &format!("module.weight_ih_{ending}")), (1, 8), "{ending}");
    }
}
