//! Cells of the gallery: outputs, the last state and all gradients, unrolled and step by step.

use crate::{
    Outcome,
    case::{Case, to},
};
use unspool_graph::{Graph, Params, Precision, Scope, Var};
use unspool_nn::{Cell, Sequence, State, leaves, map_state, unroll};

/// A cell whose first leaf of the state is the `h0` and `hn` of the file.
pub(crate) fn gallery<C: Cell>(
    case: &Case,
    precision: Precision,
    tolerance: f64,
    make: impl Fn(Scope<'_>, usize, usize) -> C,
) -> Outcome {
    let mut params = Params::seeded(0);
    let cell = make(params.scope(""), case.usize("input_size")?, case.usize("hidden_size")?);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let lengths: Vec<usize> = case.get("input.lengths")?.iter().map(|&x| x as usize).collect();
    for by_steps in [false, true] {
        let graph = Graph::new(&params);
        let (x, h0) = (graph.input(case.get("input.x")?).watch(), graph.input(case.get("input.h0")?).watch());
        let state = cell.initial_state(&graph, lengths.len());
        let rest: Vec<Var<'_>> = leaves(&state).into_iter().skip(1).collect();
        let state = state.rebuild(&mut [h0].into_iter().chain(rest));
        let (ys, last) = if by_steps {
            steps(&cell, x, state, &lengths)
        } else {
            let (ys, last) = unroll(&cell, &Sequence::pack(x, &lengths), state);
            (ys.padded(), last)
        };
        case.compare_all(&[("y", ys), ("hn", leaves(&last)[0])], &[("x", x), ("h0", h0)], &named, tolerance)?;
    }
    Ok(())
}

/// Steps by hand over the whole batch; a row that has ended keeps its state, and its outputs are zero.
fn steps<'g, C: Cell>(cell: &C, x: Var<'g>, mut state: C::State<'g>, lengths: &[usize]) -> (Var<'g>, C::State<'g>) {
    let graph = x.graph();
    let time = lengths.iter().copied().max().unwrap_or(0);
    let mut ys = vec![];
    for t in 0..time {
        let _step = graph.at_step(t);
        let runs: Vec<f64> = lengths.iter().map(|&length| f64::from(u8::from(t < length))).collect();
        let runs = graph.input(runs).unsqueeze(1);
        let (y, next) = cell.step(x.index(1, t), state.clone());
        ys.push(runs.where_(y, 0.0));
        let mut before = leaves(&state).into_iter();
        state = map_state(&next, |leaf| before.next().map_or(leaf, |before| runs.where_(leaf, before)));
    }
    (graph.stack(&ys, 1), state)
}
