//! Operands that want no gradient: what flows to the others must be the same beside them.

use super::{
    Failure, Model,
    point::{Point, weights},
};
use crate::{Param, Result, Var};
use ndarray::ArrayD;

/// Holds the gradients of all tensors against those with each of them as a constant.
pub(super) fn hold(
    point: &Point,
    handles: &[Param],
    values: &[ArrayD<f64>],
    f: Model<'_>,
) -> std::result::Result<(), Failure> {
    let gradients = |constant: Option<usize>| -> Result<Vec<ArrayD<f64>>> {
        let graph = point.graph();
        let tensors = handles.iter().zip(values).enumerate();
        let tensors: Vec<Var<'_>> =
            tensors.map(|(i, (&p, x))| if constant == Some(i) { graph.input(x) } else { graph.param(p) }).collect();
        let out = f(&graph, &tensors);
        let gradients = out.vjp(weights(&out.to_f64()?))?;
        let of = |(&p, x): (&Param, &ArrayD<f64>)| {
            gradients.of(p).map_or_else(|| ArrayD::zeros(x.raw_dim()), |gradient| gradient.to_f64())
        };
        Ok(handles.iter().zip(values).map(of).collect())
    };
    let all = gradients(None)?;
    for constant in 0..handles.len() {
        let others = gradients(Some(constant))?;
        for (tensor, (beside, alone)) in all.iter().zip(&others).enumerate().filter(|(i, _)| *i != constant) {
            for (index, (&beside, &alone)) in beside.iter().zip(alone).enumerate() {
                // Not a number is what the other checks find.
                if (beside - alone).abs() > super::ADJOINT_TOLERANCE * beside.abs().max(1.0) {
                    return Err(Failure::Constant { constant, tensor, index, alone, beside });
                }
            }
        }
    }
    Ok(())
}
