//! The law of gradients that are carried forward in time.

use super::{
    CellUnderTest,
    outcome::{Found, Setting, near_in_another_order, text},
};
use crate::{Cell, Direction, Rtrl, dynamics::state_jacobian};
use ndarray::{ArrayD, Axis, IxDyn};
use unspool_graph::{Param, Params};

/// The gradients of Σ weight · output by the parameters, step by step and added up, are those of one backward pass over
/// the unrolled batch. Steps after a row's own last one have weights of zero.
pub(super) fn equals_back_propagation<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    let Setting { subject, cell, batch, .. } = setting;
    let params = &setting.params.to_f64();
    if !batch.is_real() {
        return Ok(());
    }
    let (weights, back) = {
        let graph = setting.graph(params, batch, false);
        let xs = graph.input(&batch.xs);
        let start = setting.start(&graph);
        let (ys, _) = subject.run(cell, &batch.sequence(xs), start, Direction::Forward);
        let ys = ys.padded();
        let weights = batch.weights(&ys.shape().map_err(text)?, 300);
        let gradients = (ys * graph.input(&weights)).sum_all().backward().map_err(text)?;
        let of = |p| gradients.of(p).map_or_else(|| zeros(params, p), |gradient| gradient.to_f64());
        (weights, params.iter().map(of).collect::<Vec<_>>())
    };
    let forms: &[bool] = if cell.is_diagonal() { &[false, true] } else { &[false] };
    for &diagonal in forms {
        let begun = Rtrl::begin::<S::Cell>(params, diagonal, |graph| setting.start(graph));
        let mut rtrl = begun.map_err(text)?;
        let mut carried: Vec<ArrayD<f64>> = params.iter().map(|p| zeros(params, p)).collect();
        for t in 0..batch.lengths.iter().max().copied().unwrap_or(0) {
            let mut weights = weights.index_axis(Axis(1), t).to_owned();
            for (b, &length) in batch.lengths.iter().enumerate() {
                if t >= length {
                    weights.index_axis_mut(Axis(0), b).fill(0.0);
                }
            }
            let x = batch.xs.index_axis(Axis(1), t).to_owned();
            let (_, gradients) =
                rtrl.step(cell, params, x, |y| (y * y.graph().input(&weights)).sum_all()).map_err(text)?;
            for (sum, p) in carried.iter_mut().zip(params.iter()) {
                if let Some(gradient) = gradients.of(p) {
                    *sum += &gradient.to_f64();
                }
            }
        }
        for ((p, carried), back) in params.iter().zip(&carried).zip(&back) {
            let form = if diagonal { "as of a diagonal cell" } else { "of any cell" };
            let what = format!("gradient of {}, carried forward {form}", params.name(p));
            near_in_another_order(&what, back, carried)?;
        }
    }
    if cell.is_diagonal() { is_diagonal(setting, params) } else { Ok(()) }
}

/// A step's state Jacobian has nothing off its diagonal.
fn is_diagonal<S: CellUnderTest>(setting: &Setting<'_, S>, params: &Params) -> Found {
    let graph = setting.graph(params, &setting.batch, false);
    let x = graph.input(setting.batch.xs.index_axis(Axis(1), 0).to_owned());
    let (jacobian, _) = state_jacobian(&setting.cell, x, setting.start(&graph)).map_err(text)?;
    match jacobian.indexed_iter().find(|((_, i, j), slope)| i != j && **slope != 0.0) {
        Some(((b, i, j), slope)) => {
            Err(format!("the cell says it is diagonal, yet unit {i} of row {b} has slope {slope} by unit {j}"))
        }
        None => Ok(()),
    }
}

fn zeros(params: &Params, p: Param) -> ArrayD<f64> {
    ArrayD::zeros(IxDyn(&params.shape(p)))
}
