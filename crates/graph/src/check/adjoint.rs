//! Forward mode against reverse mode: ⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩.

use super::{
    ADJOINT_TOLERANCE, Failure, Model, culprit,
    point::{Point, weights},
};
use crate::RngKey;

/// Holds one against the other in a random direction of all leaves.
pub(super) fn hold(point: &Point, model: Model<'_>) -> Result<(), Failure> {
    let graph = point.graph();
    let run = point.record(&graph, model);
    let v = weights(&run.out.value()?.to_f64());
    let u = point.direction(RngKey::seed(2))?;
    let (reverse, size) = run.reverse(point, run.out, &v, &u)?;
    let tangent = graph.jvp(run.out, &run.tangents(point, &u))?.to_f64();
    let forward: f64 = tangent.iter().zip(&v).map(|(t, v)| t * v).sum();
    if agree(forward, reverse, size) {
        return Ok(());
    }
    Err(Failure::Adjoint { forward, reverse, culprit: culprit::find(point, model) })
}

/// Whether they are the same to rounding, where `size` is the sum of the terms' sizes.
pub(super) fn agree(forward: f64, reverse: f64, size: f64) -> bool {
    (forward - reverse).abs() <= ADJOINT_TOLERANCE * size.max(1.0)
}
