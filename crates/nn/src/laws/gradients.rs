//! The laws that ask whether gradients are the true ones.

use super::{
    Case, CellUnderTest,
    batch::Batch,
    outcome::{Found, Run, Setting, gradient, same, text},
};
use crate::{Cell, Sequence, State, leaves, state_to_tensors};
use ndarray::{ArrayD, Axis};
use unspool_graph::{
    Graph, Params, Var,
    check::{self, CheckCounts},
};

/// Truncated back-propagation whose window is the length or more gives the same bits as one recording of all, and the
/// true slope along a random direction: a cell that cuts its own state is truncated whatever the window is.
pub(super) fn truncation<S: CellUnderTest>(setting: &Setting<'_, S>) -> Result<CheckCounts, String> {
    let Setting { subject, cell, batch, .. } = setting;
    for params in &setting.precisions() {
        let full = setting.run_in(params, batch, false)?;
        for beyond in [0, 1 + setting.case.at] {
            // A window of a stream: its state comes detached from the recording before.
            let window = batch.padded(beyond, 0.0);
            let before = setting.graph(params, &window, false);
            let free: Vec<Var<'_>> = window.free.iter().map(|f| before.input(f)).collect();
            let start = subject.start(cell, &before, window.lengths.len(), &free);
            let starts_from_parameters = reads_parameters(params, &start).map_err(text)?;
            let carried = state_to_tensors(&start).map_err(text)?;
            let graph = setting.graph(params, &window, false);
            let xs = graph.input(&window.xs).watch();
            let start = cell.state_from_tensors(&graph, &carried);
            let read = Sequence::pack(xs, &window.lengths);
            let (ys, last) = subject.run(cell, &read, start.clone(), setting.direction());
            let ys = ys.padded();
            let truncated = Run::<S> { xs, free: vec![], start, ys, last, changes: setting.changes.clone() }
                .outcome(params, &window)?
                .cut(batch.time());
            full.values_alike(same, &truncated)?;
            same("gradient of the inputs", &full.to_xs, &truncated.to_xs)?;
            if !starts_from_parameters {
                full.parameters_alike(same, &truncated)?;
            }
        }
    }
    let inputs = inputs(batch);
    let inputs: Vec<(&str, ArrayD<f64>)> = inputs.iter().map(|(name, x)| (name.as_str(), x.clone())).collect();
    check::direction(&setting.params, &inputs, |graph, inputs| whole(setting, graph, inputs), setting.case.seed)
        .map_err(text)
}

/// Whether a state is made from parameters, whose gradients a detached one does not carry.
fn reads_parameters<'g>(params: &Params, state: &impl State<'g>) -> unspool_graph::Result<bool> {
    for leaf in leaves(state) {
        let gradients = leaf.sum_all().backward()?;
        if params.iter().any(|p| gradients.of(p).is_some()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Gradients of parameters, inputs and initial states against central differences and forward mode, through the whole
/// run.
pub(super) fn right<S: CellUnderTest>(setting: &Setting<'_, S>) -> Result<CheckCounts, String> {
    let inputs = inputs(&setting.batch);
    let inputs: Vec<(&str, ArrayD<f64>)> = inputs.iter().map(|(name, x)| (name.as_str(), x.clone())).collect();
    let judged = check::composition(&setting.params, &inputs, |graph, inputs| whole(setting, graph, inputs));
    let judged = judged.map_err(text)?;
    if judged.unjudged > judged.right / 10 { Err(format!("too little can be said: {judged}")) } else { Ok(judged) }
}

/// Second derivatives by parameters, inputs and initial states against differences of gradients, through the whole run.
pub(super) fn second_order<S: CellUnderTest>(setting: &Setting<'_, S>) -> Result<CheckCounts, String> {
    let inputs = inputs(&setting.batch);
    let inputs: Vec<(&str, ArrayD<f64>)> = inputs.iter().map(|(name, x)| (name.as_str(), x.clone())).collect();
    let judged = check::second_order(&setting.params, &inputs, |graph, inputs| whole(setting, graph, inputs));
    let judged = judged.map_err(text)?;
    if judged.unjudged > judged.right / 10 { Err(format!("too little can be said: {judged}")) } else { Ok(judged) }
}

/// What a run reads beside its parameters.
fn inputs(batch: &Batch) -> Vec<(String, ArrayD<f64>)> {
    let free = batch.free.iter().enumerate().map(|(i, f)| (format!("initial state, leaf {i}"), f.clone()));
    [("inputs".to_string(), batch.xs.clone())].into_iter().chain(free).collect()
}

/// All outputs and the changed leaves of the last state in a row.
fn whole<'g, S: CellUnderTest>(setting: &Setting<'_, S>, graph: &'g Graph<'g>, inputs: &[Var<'g>]) -> Var<'g> {
    let [xs, free @ ..] = inputs else { return graph.inert() };
    let lengths = &setting.batch.lengths;
    let start = setting.subject.start(&setting.cell, graph, lengths.len(), free);
    let read = Sequence::pack(*xs, lengths);
    let (ys, last) = setting.subject.run(&setting.cell, &read, start.clone(), setting.direction());
    let ys = ys.padded();
    let run = Run::<S> { xs: *xs, free: vec![], start, ys, last, changes: setting.changes.clone() };
    let parts: Vec<Var<'g>> = run
        .changed()
        .into_iter()
        .map(|(_, leaf)| leaf)
        .chain([ys])
        .map(|v| v.reshape([v.known_shape().map_or(0, |shape| shape.elements())]))
        .collect();
    graph.concat(&parts, 0)
}

/// How many sets of parameters may be tried until a row's state is seen: ReLU may silence all of one.
const TRIES: u64 = 8;

/// Every row's outputs depend on its initial state, and each leaf that steps change matters to the outputs or the last
/// state. An empty row has no outputs to depend on anything.
pub(super) fn start<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    let Case { lengths, seed, .. } = setting.case;
    // The outputs first, then each leaf.
    let mut reached: Vec<Vec<bool>> = vec![];
    for attempt in 0..TRIES {
        let setting = Setting::seeded(setting.subject, setting.case, seed.wrapping_add(attempt))?;
        let (params, batch) = (setting.params.to_f64(), &setting.batch);
        let graph = setting.graph(&params, batch, false);
        let run = setting.record(&graph, batch);
        let rows = |of: Var<'_>, leaves: &[Var<'_>]| -> Result<Vec<bool>, String> {
            let gradients = of.backward().map_err(text)?;
            let mut any = vec![false; lengths.len()];
            for &leaf in leaves {
                let gradient = gradient(&gradients, leaf)?;
                any.iter_mut()
                    .zip(gradient.axis_iter(Axis(0)))
                    .for_each(|(any, row)| *any |= row.iter().any(|&g| g != 0.0));
            }
            Ok(any)
        };
        let seen = rows(run.seen(batch)?, &run.free)?;
        if let Some(b) = (0..lengths.len()).find(|&b| lengths[b] == 0 && seen[b]) {
            return Err(format!("row {b} is empty, yet its initial state has a gradient from the outputs"));
        }
        let changed: Vec<usize> = run.changed().into_iter().map(|(i, _)| i).collect();
        let loss = run.loss(batch)?;
        let own =
            run.free.iter().enumerate().map(|(i, &leaf)| {
                if changed.contains(&i) { rows(loss, &[leaf]) } else { Ok(vec![true; lengths.len()]) }
            });
        let now: Vec<Vec<bool>> = [Ok(seen)].into_iter().chain(own).collect::<Result<_, _>>()?;
        if reached.is_empty() {
            reached = now;
        } else {
            reached.iter_mut().flatten().zip(now.into_iter().flatten()).for_each(|(any, now)| *any |= now);
        }
        if missing(&reached, lengths).is_none() {
            return Ok(());
        }
    }
    missing(&reached, lengths).map_or(Ok(()), Err)
}

/// The first real row, and the first of its leaves, that nothing depends on.
fn missing(reached: &[Vec<bool>], lengths: &[usize]) -> Option<String> {
    let row = |rows: &[bool]| (0..lengths.len()).find(|&b| lengths[b] > 0 && !rows[b]);
    let (outputs, own) = reached.split_first()?;
    if let Some(b) = row(outputs) {
        return Some(format!("row {b}, of length {}: its outputs do not depend on its initial state", lengths[b]));
    }
    let (i, b) = own.iter().enumerate().find_map(|(i, rows)| Some((i, row(rows)?)))?;
    Some(format!("row {b}, of length {}: nothing depends on leaf {i} of its initial state", lengths[b]))
}
