//! Which operation is wrong: the first node on the tape whose own gradient disagrees with its differences or its
//! tangent.
//!
//! Nodes are in the order in which they ran, so all that the first wrong one was made from is right: the mistake is its
//! own. The whole tape's differences come from two runs; each node then costs a backward pass, which is paid only by a
//! check that has failed.

use super::{
    Culprit, Model, STEP,
    point::{Point, Run, agree, apart, weights, wrong},
};
use crate::{Error, Result, RngKey};
use ndarray::ArrayD;

/// The culprit, if there is one that can be told: a function that is not the same twice, or an error on the way, has
/// none.
pub(super) fn find(point: &Point, model: Model<'_>) -> Option<Culprit> {
    search(point, model).ok().flatten()
}

fn search(point: &Point, model: Model<'_>) -> Result<Option<Culprit>> {
    let u = point.direction(RngKey::seed(3))?;
    let (above, below) = (point.moved(&u, STEP)?, point.moved(&u, -STEP)?);
    let (above, below) = (values(&above, model)?, values(&below, model)?);
    let graph = point.graph();
    let run = point.record(&graph, model);
    for (i, node) in run.nodes().enumerate() {
        let (Some(above), Some(below)) = (above.get(i), below.get(i)) else { return Ok(None) };
        if above.shape() != below.shape() || *node.shape()? != *above.shape() {
            return Ok(None);
        }
        let v = weights(above);
        let numeric: f64 = above.iter().zip(below).zip(&v).map(|((a, b), v)| (a - b) / (2.0 * STEP) * v).sum();
        let (reverse, size) = run.reverse(point, node, &v, &u)?;
        let forward = match graph.jvp(node, &run.tangents(point, &u)) {
            Ok(tangent) => tangent.to_f64().iter().zip(&v).map(|(t, v)| t * v).sum(),
            // What has no forward mode is compared with the differences alone.
            Err(Error::NoForwardMode { .. }) => reverse,
            Err(error) => return Err(error),
        };
        if wrong(apart(reverse, numeric)) || !agree(forward, reverse, size) {
            return Ok(Some(Culprit { operation: run.operation(node), place: node.place() }));
        }
    }
    Ok(None)
}

/// The values of all nodes.
fn values(point: &Point, model: Model<'_>) -> Result<Vec<ArrayD<f64>>> {
    let graph = point.graph();
    let run: Run<'_> = point.record(&graph, model);
    run.out.shape()?;
    run.nodes().map(|node| node.to_f64()).collect()
}
