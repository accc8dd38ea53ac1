//! What is made once per recording, and what stands in the place of parameters: in any scope, at any step, in
//! recomputed segments.

use unspool_graph::{Graph, Param, Params, Var, init};

fn weights() -> (Params, Param, Param) {
    let mut params = Params::seeded(4);
    let mut scope = params.scope("rnn");
    let (w, u) = (scope.add("w", [4, 4], init::uniform(0.7)), scope.add("u", [4, 4], init::orthogonal(1.0)));
    (params, w, u)
}

fn value(v: Var<'_>) -> ndarray::ArrayD<f64> {
    v.to_f64().unwrap()
}

#[test]
fn a_cached_draw_depends_on_its_key_alone() {
    let (params, w, u) = weights();
    let make = |graph: &Graph<'_>, scope: &str, step: Option<usize>, before: usize| {
        let _scope = graph.scope(scope);
        let _step = step.map(|step| graph.at_step(step));
        let _rows = graph.name_rows([7u32, 8]);
        for _ in 0..before {
            let _ = graph.full([1], 1.0).dropout(0.5);
        }
        value(graph.cached(w, "mask", || graph.full([16], 1.0).dropout(0.5)))
    };
    let new = || Graph::new(&params).training(1, 2);
    let first = make(&new(), "a", None, 0);
    assert_eq!(first, make(&new(), "b", Some(9), 3));
    let graph = new();
    let node = graph.cached(w, "mask", || graph.full([16], 1.0).dropout(0.5));
    assert!(node.same_node(graph.cached(w, "mask", || unreachable!("it is made once"))));
    assert_ne!(first, value(graph.cached(w, "other", || graph.full([16], 1.0).dropout(0.5))));
    assert_ne!(first, value(graph.cached(u, "mask", || graph.full([16], 1.0).dropout(0.5))));
    // A draw beside it is what it is without it.
    let (with, without) = (new(), new());
    let _ = with.cached(w, "mask", || with.full([16], 1.0).dropout(0.5));
    assert_eq!(value(with.full([16], 1.0).dropout(0.5)), value(without.full([16], 1.0).dropout(0.5)));
}

#[test]
fn a_reset_forgets_what_was_cached() {
    let (params, w, _) = weights();
    let mut graph = Graph::new(&params);
    let _ = graph.cached(w, "twice", || graph.param(w) * 2.0);
    graph.reset();
    let again = graph.cached(w, "twice", || graph.param(w) * 3.0);
    assert_eq!(value(again), value(graph.param(w) * 3.0));
}

#[test]
fn the_innermost_replacement_counts_and_ends_with_its_call() {
    let (params, w, _) = weights();
    let graph = Graph::new(&params);
    let own = graph.param(w);
    let (twice, thrice) = (own * 2.0, own * 3.0);
    graph.with_parametrization(&[(w, twice)], || {
        assert!(graph.param(w).same_node(twice));
        graph.with_parametrization(&[(w, thrice)], || assert!(graph.param(w).same_node(thrice)));
        assert!(graph.param(w).same_node(twice));
    });
    assert!(graph.param(w).same_node(own));
    graph.with_parametrization(&[(w, graph.zeros([2, 2]))], || ());
    let error = graph.check().unwrap_err().to_string();
    assert!(error.contains("[2, 2] cannot stand in the place of rnn.w, whose shape is [4, 4]"), "{error}");
}

/// Gradients go through the replacing node to the raw weight, gathered over the steps, in segments as without them.
#[test]
fn a_recomputed_segment_sees_the_replacements_around_it() {
    let (params, w, u) = weights();
    for params in [params.to_f64(), params] {
        let run = |segments: bool| {
            let graph = Graph::new(&params);
            let masked = graph.param(w) * graph.param(u).tanh();
            let mut h = graph.full([3, 4], 0.3);
            graph.with_parametrization(&[(w, masked)], || {
                for _ in 0..3 {
                    h = if segments {
                        graph.recompute(move |_, inputs| (inputs[0].matmul(w) + 0.1).tanh().matmul(w).tanh(), &[h])
                    } else {
                        (h.matmul(w) + 0.1).tanh().matmul(w).tanh()
                    };
                }
            });
            let gradients = h.powi(2).sum_all().backward().unwrap();
            (value(h), [w, u].map(|p| gradients.of(p).unwrap()))
        };
        assert_eq!(run(true), run(false));
    }
}
