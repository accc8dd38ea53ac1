//! Unrolling in recomputed segments: the same values as in one piece, the same bits as in segments that are kept.

use ndarray::{Array3, ArrayD};
use unspool_graph::{Graph, Params, Scope, Tensor, Var};
use unspool_nn::{Cell, Elman, Gru, Linear, Lstm, State, leaves, unroll, unroll_recomputed};

const LENGTHS: [usize; 4] = [23, 4, 0, 17];
const TIME: usize = 25;

enum How {
    Whole,
    Kept(usize),
    Recomputed(usize),
}

/// Outputs, last state, and the gradients of all parameters and of the inputs.
fn run<C: Cell + Clone + Send + Sync + 'static>(params: &Params, cell: &C, how: How) -> Vec<ArrayD<f64>> {
    let graph = Graph::new(params).training(1, 2);
    let readout = Linear { weight: params.iter().last().unwrap(), bias: None };
    let xs = Array3::from_shape_fn((LENGTHS.len(), TIME, 3), |(b, t, i)| ((b * 31 + t * 7 + i * 3) as f64).sin());
    let xs = graph.input(xs).watch();
    let start = cell.initial_state(&graph, LENGTHS.len());
    let start = start.rebuild(&mut leaves(&start).into_iter().map(|leaf| leaf + 0.1).collect::<Vec<_>>().into_iter());
    let (hs, last) = match how {
        How::Whole => unroll(cell, xs, &LENGTHS, start),
        How::Recomputed(every) => unroll_recomputed(cell, xs, &LENGTHS, start, every),
        How::Kept(every) => {
            let (mut now, mut all) = (start, vec![]);
            for from in (0..23).step_by(every) {
                let to = TIME.min(from + every);
                let part = LENGTHS.map(|length| length.saturating_sub(from).min(to - from));
                let (hs, next) = unroll(cell, xs.slice(1, from..to), &part, now);
                all.push(hs);
                now = next;
            }
            let hs = graph.concat(&all, 1);
            let done = hs.shape().unwrap()[1];
            (hs.pad(1, 0, TIME - done), now)
        }
    };
    let state = leaves(&last).into_iter().fold(graph.zeros([]), |sum, leaf| sum + (leaf * leaf * 0.7).sum_all());
    let loss = readout.apply(hs).powi(2).sum_all() + state;
    let gradients = loss.backward().unwrap();
    let value = |v: Var<'_>| v.value().unwrap();
    let mut out: Vec<Tensor> = vec![value(hs), gradients.of(xs).unwrap()];
    out.extend(leaves(&last).into_iter().map(value));
    out.extend(params.iter().map(|p| gradients.of(p).unwrap()));
    out.into_iter().map(|t| t.to_f64()).collect()
}

fn holds<C: Cell + Clone + Send + Sync + 'static>(params: Params, cell: C) {
    let (double, single) = (params.to_f64(), params.to_f32());
    let whole = run(&double, &cell, How::Whole);
    for every in [1, 5, 12, 40] {
        for (a, b) in whole.iter().zip(run(&double, &cell, How::Recomputed(every))) {
            assert!((a - &b).iter().all(|d| d.abs() < 1e-12), "segments of {every}");
        }
        assert!(
            run(&single, &cell, How::Kept(every)) == run(&single, &cell, How::Recomputed(every)),
            "segments of {every}"
        );
    }
}

#[test]
fn segments_give_the_values_of_the_whole_and_the_bits_of_kept_segments() {
    fn with<C>(make: impl FnOnce(Scope<'_>, usize, usize) -> C) -> (Params, C) {
        let mut params = Params::seeded(4);
        let cell = make(params.scope("rnn"), 3, 6);
        Linear::without_bias(params.scope("readout"), 6, 2);
        (params, cell)
    }
    let (params, cell) = with(Lstm::new);
    holds(params, cell);
    let (params, cell) = with(Gru::new);
    holds(params, cell);
    let (params, cell) = with(Elman::new);
    holds(params, cell);
}

#[test]
fn wrong_arguments_are_errors_with_the_callers_line() {
    let mut params = Params::seeded(4);
    let cell = Gru::new(params.scope("rnn"), 3, 6);
    for (lengths, every, text) in
        [(vec![2], 0, "segments of 0 steps"), (vec![9], 2, "a length of 9"), (vec![0], 2, "no real step")]
    {
        let graph = Graph::new(&params);
        let line = line!() + 1;
        let (hs, _) = unroll_recomputed(&cell, graph.zeros([1, 4, 3]), &lengths, cell.initial_state(&graph, 1), every);
        let error = hs.value().unwrap_err().to_string();
        assert!(error.contains(text) && error.contains(&format!("recomputed.rs:{line}")), "{error}");
    }
    // An error inside of a segment too: the inputs are too wide for the cell.
    let graph = Graph::new(&params);
    let line = line!() + 1;
    let (hs, _) = unroll_recomputed(&cell, graph.zeros([1, 4, 5]), &[4], cell.initial_state(&graph, 1), 2);
    let error = hs.value().unwrap_err().to_string();
    assert!(error.contains("5 ≠ 3") && error.contains(&format!("recomputed.rs:{line}")), "{error}");
}
