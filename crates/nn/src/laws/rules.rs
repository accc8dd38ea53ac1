//! The laws that compare a run with another run of the same cell.

use super::{
    CellUnderTest,
    batch::Batch,
    outcome::{Found, Outcome, Run, Setting, all, arrays, near, same, text},
};
use crate::{Cell, Direction, Sequence, leaves, map_state, state_to_tensors};
use ndarray::{ArrayD, Axis, IxDyn};
use unspool_graph::{Precision, Tensor, Var};

/// A sequence cut anywhere, the state carried, is the whole: values to the bit (or [to rounding](Setting::alike)),
/// gradients to rounding with both parts on one recording.
pub(super) fn split<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    let Setting { subject, cell, batch, .. } = setting;
    // Inside, where there is an inside: at an end nothing is cut.
    let time = batch.time();
    let at = if time < 2 { time } else { 1 + setting.case.at % (time - 1) };
    let parts = [batch.steps(0, at), batch.steps(at, time)];
    // In the order of reading.
    let order = if setting.direction() == Direction::Forward { [0, 1] } else { [1, 0] };
    for params in &setting.precisions() {
        let whole = setting.run_in(params, batch, false)?;
        let mut carried: Option<Vec<Tensor>> = None;
        let none =
            |steps: usize| ArrayD::zeros(IxDyn(&[&[batch.lengths.len(), steps], &whole.ys.shape()[2..]].concat()));
        let mut ys = [none(at), none(time - at)];
        for which in order.into_iter().filter(|&which| parts[which].is_real()) {
            let part = &parts[which];
            let graph = setting.graph(params, part, false);
            let free: Vec<Var<'_>> = part.free.iter().map(|f| graph.input(f)).collect();
            let start = match carried.take() {
                None => subject.start(cell, &graph, part.lengths.len(), &free),
                Some(carried) => cell.state_from_tensors(&graph, &carried),
            };
            let xs = part.sequence(graph.input(&part.xs));
            let (y, last) = subject.run(cell, &xs, start, setting.direction());
            ys[which] = y.padded().value().map_err(text)?.to_f64();
            carried = Some(state_to_tensors(&last).map_err(text)?);
        }
        let joined = ndarray::concatenate(Axis(1), &[ys[0].view(), ys[1].view()]).map_err(text)?;
        let alike = setting.alike(params.precision());
        alike("outputs", &whole.ys, &joined)?;
        let last: Vec<ArrayD<f64>> = carried.unwrap_or_default().iter().map(Tensor::to_f64).collect();
        all(alike, "last state", &whole.last, &last)?;
    }
    let params = setting.params.to_f64();
    let whole = setting.run_in(&params, batch, false)?;
    let chained = chained(setting, &params, &parts, order, &whole)?;
    whole.parameters_alike(near, &chained)?;
    whole.inputs_alike(near, &chained)
}

/// Both parts on one recording.
fn chained<S: CellUnderTest>(
    setting: &Setting<'_, S>,
    params: &unspool_graph::Params,
    parts: &[Batch; 2],
    order: [usize; 2],
    whole: &Outcome,
) -> Result<Outcome, String> {
    let (batch, at) = (&setting.batch, parts[0].time());
    let graph = setting.graph(params, batch, false);
    let xs = graph.input(&batch.xs).watch();
    let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f).watch()).collect();
    let start = setting.subject.start(&setting.cell, &graph, batch.lengths.len(), &free);
    let mut last = start.clone();
    let none = |steps: usize| graph.zeros([&[batch.lengths.len(), steps], &whole.ys.shape()[2..]].concat());
    let mut ys = [none(at), none(batch.time() - at)];
    for which in order.into_iter().filter(|&which| parts[which].is_real()) {
        let (range, lengths) = (if which == 0 { 0..at } else { at..batch.time() }, &parts[which].lengths);
        let part = Sequence::pack(xs.slice(1, range), lengths);
        let (y, next) = setting.subject.run(&setting.cell, &part, last, setting.direction());
        (ys[which], last) = (y.padded(), next);
    }
    Run::<S> { xs, free, start, ys: graph.concat(&ys, 1), last, changes: setting.changes.clone() }
        .outcome(params, batch)
}

/// More padding, whatever is in it, changes no bit; no gradient comes from it.
pub(super) fn padding<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    let (batch, more) = (&setting.batch, 1 + setting.case.at);
    for params in &setting.precisions() {
        let plain = setting.run(params, &batch.padded(0, 0.0))?;
        beyond_is_zero(batch, &plain)?;
        for (more, filler) in [(0, 1e30), (0, f64::NAN), (more, 0.0), (more, f64::NAN), (more, f64::INFINITY)] {
            let other = setting.run(params, &batch.padded(more, filler))?;
            beyond_is_zero(batch, &other)?;
            let other = other.cut(batch.time());
            plain.values_alike(same, &other)?;
            plain.parameters_alike(same, &other)?;
            plain.inputs_alike(same, &other)?;
        }
    }
    Ok(())
}

fn beyond_is_zero(batch: &Batch, outcome: &Outcome) -> Found {
    for (what, x) in [("outputs", &outcome.ys), ("gradient of the inputs", &outcome.to_xs)] {
        for (b, &length) in batch.lengths.iter().enumerate() {
            let row = x.index_axis(Axis(0), b);
            if row.slice_axis(Axis(0), (length..).into()).iter().any(|&x| x != 0.0) {
                return Err(format!("{what}: not zero beyond the length {length} of row {b}"));
            }
        }
    }
    Ok(())
}

/// The rows of a batch in another order give the same results in that order; parameters' gradients to rounding.
pub(super) fn order<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    let (batch, case) = (&setting.batch, setting.case);
    // Rotated, and for some seeds reversed too: with two rows or more, never in their own order.
    let mut order: Vec<usize> = (0..batch.lengths.len()).collect();
    if order.len() > 1 {
        let by = 1 + case.at % (order.len() - 1);
        order.rotate_left(by);
    }
    if order.len() > 2 && case.seed % 2 == 1 {
        order.reverse();
    }
    for params in &setting.precisions() {
        let moved = setting.run(params, batch)?.index_select(&order);
        let other = setting.run(params, &batch.index_select(&order))?;
        moved.values_alike(same, &other)?;
        moved.inputs_alike(same, &other)?;
        if params.precision() == Precision::F64 {
            moved.parameters_alike(near, &other)?;
        }
    }
    Ok(())
}

/// A row in a batch is what it is alone, cut to its length; an empty row keeps its initial state.
pub(super) fn alone<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    let batch = &setting.batch;
    for params in &setting.precisions() {
        let together = setting.run(params, batch)?;
        for (b, &length) in batch.lengths.iter().enumerate() {
            let row = together.index_select(&[b]).cut(length);
            if length == 0 {
                let graph = setting.graph(params, batch, setting.case.training);
                let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f)).collect();
                let start = setting.subject.start(&setting.cell, &graph, batch.lengths.len(), &free);
                let kept: Vec<_> = arrays(&leaves(&start))?.iter().map(|x| x.select(Axis(0), &[b])).collect();
                all(same, "an empty row's state", &kept, &row.last)?;
                continue;
            }
            let alone = setting.run(params, &batch.index_select(&[b]).steps(0, length))?;
            alone.values_alike(same, &row)?;
            alone.inputs_alike(same, &row)?;
        }
    }
    Ok(())
}

/// A row taken step by step by hand is the row of an unrolling forward: the input's projection is what the step itself
/// computes.
pub(super) fn step<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    let Setting { subject, cell, batch, .. } = setting;
    for params in &setting.precisions() {
        let graph = setting.graph(params, batch, false);
        let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f)).collect();
        let start = subject.start(cell, &graph, batch.lengths.len(), &free);
        let xs = graph.input(&batch.xs);
        let (ys, _) = subject.run(cell, &batch.sequence(xs), start.clone(), Direction::Forward);
        let ys = ys.padded();
        for (b, &length) in batch.lengths.iter().enumerate() {
            let _row = graph.name_rows([batch.who[b]]);
            let mut state = map_state(&start, |leaf| leaf.index_select(&[b as u32]));
            for t in 0..length {
                let _step = graph.at_step(t);
                let row = |all: Var<'_>| all.slice(0, b..b + 1).index(1, t).value().map_err(text);
                let (y, next) = cell.step(xs.slice(0, b..b + 1).index(1, t), state);
                state = next;
                setting.alike(params.precision())(
                    &format!("output of row {b} at step {t}"),
                    &row(ys)?.to_f64(),
                    &y.value().map_err(text)?.to_f64(),
                )?;
            }
        }
    }
    Ok(())
}

/// Two cells with the same parameters are the same function, with the same gradients.
pub(super) fn equal<A: CellUnderTest, B: CellUnderTest>(a: &Setting<'_, A>, b: &Setting<'_, B>) -> Found {
    let names = |params: &unspool_graph::Params| params.iter().map(|p| params.name(p).to_string()).collect::<Vec<_>>();
    if names(&a.params) != names(&b.params) {
        return Err(format!("their parameters are {:?} and {:?}", names(&a.params), names(&b.params)));
    }
    let (one, other) = (a.run(&a.params.to_f64(), &a.batch)?, b.run(&b.params.to_f64(), &a.batch)?);
    one.values_alike(near, &other)?;
    one.parameters_alike(near, &other)?;
    one.inputs_alike(near, &other)
}
