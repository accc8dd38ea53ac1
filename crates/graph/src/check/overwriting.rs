//! An operation's backward must add to what has flowed to its operands already, not replace it.
//!
//! In a backward pass an operand has a gradient already where it was used once more, later in the recording. So every
//! node of the function is: a multiple of its sum is added to the result, after all else. Forward mode, which has
//! nothing to add up, must agree.

use super::{
    Culprit, Failure, Model,
    point::{Point, agree, weights},
};
use crate::{Result, RngKey, Var};

/// Holds forward mode against reverse mode where every node is used once more. Both must agree already for the function
/// by itself.
pub(super) fn hold(point: &Point, model: Model<'_>) -> std::result::Result<(), Failure> {
    if agrees(point, model, None)? {
        return Ok(());
    }
    let graph = point.graph();
    let run = point.record(&graph, model);
    for node in run.nodes() {
        if !agrees(point, model, Some(node.id))? {
            let culprit = Some(Culprit { operation: run.operation(node), place: node.place() });
            return Err(Failure::Overwrites { culprit });
        }
    }
    Err(Failure::Overwrites { culprit: None })
}

/// Whether the two modes agree where the nodes up to `last` (all, without it) are used once more.
fn agrees(point: &Point, model: Model<'_>, last: Option<u32>) -> Result<bool> {
    let graph = point.graph();
    let run = point.record(&graph, &|graph, inputs| used_again(model(graph, inputs), last));
    let u = point.direction(RngKey::seed(4))?;
    let v = weights(&run.out.to_f64()?);
    let (reverse, size) = run.reverse(point, run.out, &v, &u)?;
    let tangent = graph.jvp(run.out, &run.tangents(point, &u))?.to_f64();
    let forward: f64 = tangent.iter().zip(&v).map(|(t, v)| t * v).sum();
    Ok(agree(forward, reverse, size))
}

/// Σ w · node + Σ c · (every node it was made from), the latter recorded last.
fn used_again(out: Var<'_>, last: Option<u32>) -> Var<'_> {
    let graph = out.graph();
    let top = last.unwrap_or(out.id);
    let Ok(value) = Var { graph, id: top }.value() else { return out };
    let all = graph.input(weights(&value.to_f64()));
    let mut sum = (Var { graph, id: top } * all).sum_all();
    for id in 0..top {
        let node = Var { graph, id };
        // What is infinite on purpose, such as a mask, would hide all else.
        let finite = node.value().is_ok_and(|value| value.to_f64().iter().all(|x| x.is_finite()));
        if finite {
            sum += node.sum_all() * (0.5 + RngKey::seed(5).uniform(u64::from(id)));
        }
    }
    sum
}
