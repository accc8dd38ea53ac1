//! Every operation of this crate has a case here, at which its gradients are their finite differences' slopes and its
//! forward mode is the adjoint of its backward. The last test reads the source and fails where an operation has none.

use ndarray::{ArrayD, IxDyn};
use unspool_graph::{Graph, Params, RngKey, Var, check};
use unspool_nn::{
    Attention, Cell, Gru, Lstm, Nonlinearity, Pooling, Rnn, RnnConfig, Sequence,
    cells::{Mlstm, RgLru},
    crf::Crf,
    ctc::Ctc,
    loss::{self, LossReduction},
    scan::{gated_delta_rule, linear_attention, linear_recurrence, linear_recurrence_complex},
    unroll,
};

fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let (draw, mut i) = (RngKey::seed(seed), 0);
    ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
        i += 1;
        draw.normal(i)
    })
}

const LENGTHS: [usize; 3] = [3, 1, 2];

/// A model of one input `[3, 3, 4]`: `[batch, time, feature]` of `LENGTHS`.
type Run = Box<dyn for<'g> Fn(&'g Graph<'g>, Var<'g>) -> Var<'g>>;

/// What makes a model's parameters and the model.
type Make = fn(&mut Params) -> Run;

/// The operations, and a model that records them.
const CASES: [(&[&str], Make); 17] = [
    (&["rnn_step"], |params| {
        let cell = Rnn::new(params.scope("rnn"), 4, 3);
        Box::new(move |graph, xs| unroll(&cell, &Sequence::pack(xs, &LENGTHS), cell.initial_state(graph, 3)).0.padded())
    }),
    (&["rnn_step"], |params| {
        let cell = Rnn::with_config(
            params.scope("rnn"),
            4,
            3,
            RnnConfig { nonlinearity: Nonlinearity::Relu, ..RnnConfig::default() },
        );
        Box::new(move |graph, xs| unroll(&cell, &Sequence::pack(xs, &LENGTHS), cell.initial_state(graph, 3)).0.padded())
    }),
    (&["lstm_gates"], |params| {
        let cell = Lstm::new(params.scope("lstm"), 4, 3);
        Box::new(move |graph, xs| {
            let start = cell.initial_state(graph, 3);
            let (hs, last) = unroll(&cell, &Sequence::pack(xs, &LENGTHS), start);
            let hs = hs.padded();
            hs.sum(&[1]) + last.c.tanh()
        })
    }),
    (&["gru_gates"], |params| {
        let cell = Gru::new(params.scope("gru"), 4, 3);
        Box::new(move |graph, xs| unroll(&cell, &Sequence::pack(xs, &LENGTHS), cell.initial_state(graph, 3)).0.padded())
    }),
    (&["additive_score", "weighted_sum"], |params| {
        let attention = Attention::additive(params.scope("attention"), 4, 4, 3);
        Box::new(move |graph, xs| {
            let (context, weights) =
                attention.attend(xs.index(1, 0) * 0.5, &attention.memory(&Sequence::pack(xs, &LENGTHS)));
            graph.concat(&[context, weights], -1)
        })
    }),
    (&["segment_sum"], |_| Box::new(|_, xs| Pooling::Mean.apply(&Sequence::pack(xs, &LENGTHS)).tanh())),
    (&["segment_max"], |_| Box::new(|_, xs| Pooling::Max.apply(&Sequence::pack(xs, &LENGTHS)).tanh())),
    (&["ctc"], |_| Box::new(|_, xs| Ctc::new().losses(&Sequence::pack(xs, &LENGTHS), &[vec![1, 2], vec![3], vec![2]]))),
    (&["crf"], |params| {
        let crf = Crf::new(params.scope("crf"), 4);
        let tags = ndarray::array![[1, 0, 3], [4, 9, 9], [2, 2, 9]];
        Box::new(move |_, xs| crf.losses(&Sequence::pack(xs, &LENGTHS), &tags))
    }),
    (&["squared_error", "absolute_error"], |_| {
        Box::new(|_, xs| {
            let target = random(&[3, 3, 4], 8);
            let real = Sequence::pack(xs, &LENGTHS);
            loss::squared_error(real, &target, LossReduction::all())
                + loss::absolute_error(xs, &target, LossReduction::all())
        })
    }),
    (&["huber", "binary_cross_entropy"], |_| {
        Box::new(|_, xs| {
            let target = random(&[3, 3, 4], 8);
            let share = target.mapv(|t| 1.0 / (1.0 + (-t).exp()));
            let real = Sequence::pack(xs, &LENGTHS);
            let huber = loss::huber(&real, &target, 0.7, LossReduction::all());
            huber + loss::binary_cross_entropy(&real, &share, LossReduction::all().sum())
        })
    }),
    // Coefficients and first states from the same numbers, so that all three operands have a gradient.
    (&["linear_recurrence"], |_| Box::new(|_, xs| recurrence(xs, linear_recurrence))),
    (&["linear_recurrence"], |_| Box::new(|_, xs| recurrence(xs, linear_recurrence_complex))),
    (&["linear_attention"], |_| Box::new(|_, xs| matrix_recurrence(xs, false))),
    (&["gated_delta_rule"], |_| Box::new(|_, xs| matrix_recurrence(xs, true))),
    (&["max_plus_recurrence"], |params| {
        let cell = Mlstm::new(params.scope("rnn"), 4, 2);
        Box::new(move |graph, xs| unroll(&cell, &Sequence::pack(xs, &LENGTHS), cell.initial_state(graph, 3)).0.padded())
    }),
    (&["bounded_sqrt"], |params| {
        let cell = RgLru::new(params.scope("rnn"), 4, 3);
        Box::new(move |graph, xs| unroll(&cell, &Sequence::pack(xs, &LENGTHS), cell.initial_state(graph, 3)).0.padded())
    }),
];

type Recurrence = for<'g> fn(&Sequence<'g>, &Sequence<'g>, Var<'g>) -> (Sequence<'g>, Var<'g>);

fn recurrence<'g>(xs: Var<'g>, run: Recurrence) -> Var<'g> {
    let (a, b) = (Sequence::pack(xs.tanh(), &[3, 0, 2]), Sequence::pack(xs.sin(), &[3, 0, 2]));
    let (hs, last) = run(&a, &b, xs.index(1, 2));
    hs.padded().sum(&[1]) + last.tanh()
}

/// A state that is a matrix, over more than a chunk: the steps of each example, again and again. All operands are made
/// from the same numbers, the keys small, so that the state stays in range.
fn matrix_recurrence<'g>(xs: Var<'g>, delta: bool) -> Var<'g> {
    let (graph, time) = (xs.graph(), 70);
    let long = graph.concat(&vec![xs; time / 3 + 1], 1).slice(1, 0..time).reshape([3, time, 2, 2]);
    let over = |x: Var<'g>| Sequence::pack(x, &[time, 0, 65]);
    let (q, k, v) = (over(long.sin()), over(long.tanh() * 0.5), over(long.cos()));
    let log_alpha = over((long.index(-1, 0) + 2.0).log_sigmoid());
    let s0 = (xs.index(1, 2) * 0.5).reshape([3, 2, 2, 1]) * xs.index(1, 0).reshape([3, 2, 1, 2]);
    let (ys, last) = match delta {
        false => linear_attention(&q, &k, &v, &log_alpha, s0),
        true => gated_delta_rule(&q, &k, &v, &log_alpha, &over(long.index(-1, 1).sigmoid()), s0),
    };
    graph.concat(&[ys.padded().mean(&[1]).reshape([3, 4]), last.reshape([3, 8])], -1)
}

#[test]
fn gradients_agree_with_finite_differences_and_tangents_with_gradients() {
    for (names, make) in CASES {
        let mut params = Params::seeded(7);
        let run = make(&mut params);
        let checked = check::model(&params, &[("xs", random(&[3, 3, 4], 1))], |graph, inputs| run(graph, inputs[0]))
            .unwrap_or_else(|failure| panic!("{names:?}: {failure}"));
        // Every operation of this crate has a forward mode.
        assert_eq!(checked.skipped, None, "{names:?}");
        let graph = Graph::new(&params);
        let _ = run(&graph, graph.input(random(&[3, 3, 4], 1)));
        let topology = graph.topology();
        for name in names {
            assert!(topology.node_weights().any(|node| node.operation == *name), "{name} was not recorded");
        }
    }
}

/// The text of every source file under `folder`.
fn sources(folder: &std::path::Path, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { sources(&path, into) } else { into.push(std::fs::read_to_string(path).unwrap()) }
    }
}

#[test]
fn every_operation_of_this_crate_has_a_case_here() {
    let mut files = vec![];
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let covered: Vec<&str> = CASES.iter().flat_map(|(names, _)| names.iter().copied()).collect();
    let (mut operations, mut missing) = (0, vec![]);
    for source in files.iter().filter(|source| source.contains("Operation for ")) {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let quoted = |text: &str| text.split('"').nth(1).map(str::to_string);
        for body in source.split("Operation for ").skip(1) {
            operations += 1;
            let name = body.split_once("fn name(&self) -> &'static str {").map_or("", |(_, rest)| rest);
            let names: Vec<String> = match name.split('}').next().unwrap_or_default().trim() {
                // One loop over several functions: each has its name.
                "K::NAME" => source.split("const NAME: &'static str = ").skip(1).filter_map(quoted).collect(),
                // What only refuses has no value.
                "self.name" => vec![],
                own => vec![quoted(own).expect("a name in quotes")],
            };
            missing.extend(names.into_iter().filter(|name| !covered.contains(&name.as_str())));
        }
    }
    assert!(operations >= 9, "only {operations} operations were found in the source");
    assert!(missing.is_empty(), "no gradient case for {missing:?}");
}
