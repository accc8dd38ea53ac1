//! Forward mode against reverse mode: ⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩.

use super::{
    Failure, Model, culprit,
    point::{Point, agree, weights},
};
use crate::RngKey;

/// Holds one against the other in a random direction of all leaves.
pub(super) fn hold(point: &Point, model: Model<'_>) -> Result<(), Failure> {
    let graph = point.graph();
    let run = point.record(&graph, model);
    let v = weights(&run.out.to_f64()?);
    let u = point.direction(RngKey::seed(2))?;
    let (reverse, size) = run.reverse(point, run.out, &v, &u)?;
    let tangent = graph.jvp(run.out, &run.tangents(point, &u))?.to_f64();
    let forward: f64 = tangent.iter().zip(&v).map(|(t, v)| t * v).sum();
    if agree(forward, reverse, size) {
        return Ok(());
    }
    Err(Failure::Adjoint { forward, reverse, culprit: culprit::find(point, model) })
}
