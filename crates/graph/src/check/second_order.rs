//! Second derivatives: H·v against differences of gradients, and the symmetry of H.

use super::{
    CheckCounts, Culprit, Disagreement, Failure, Model, STEP,
    point::{Point, Run, agree, apart, unit, unsure, weights, wrong},
    worst::Worst,
};
use crate::{Result, RngKey, Var};
use ndarray::ArrayD;

/// Numbers for each leaf.
type Leaves = Vec<ArrayD<f64>>;

/// Σ w (y + y²/2) over the elements of a node: a function of it that is not linear, so that the second derivatives of
/// all that the node was made from count, and how they take a gradient that changes.
fn bent<'g>(node: Var<'g>) -> Result<Var<'g>> {
    let weights = node.graph().input(weights(&node.to_f64()?));
    Ok(((node * node * 0.5 + node) * weights).sum_all())
}

fn gradients(point: &Point, run: &Run<'_>, node: Var<'_>) -> Result<Leaves> {
    let gradients = bent(node)?.backward()?;
    (0..point.leaves()).map(|leaf| run.gradient(point, &gradients, leaf)).collect()
}

fn hessian_vector(point: &Point, run: &Run<'_>, node: Var<'_>, u: &[ArrayD<f64>]) -> Result<Leaves> {
    let along = bent(node)?.hessian_vector(&run.tangents(point, u))?;
    (0..point.leaves()).map(|leaf| run.gradient(point, &along, leaf)).collect()
}

/// The function's gradients where the leaves have moved by `step` along `u`.
fn moved(point: &Point, model: Model<'_>, u: &[ArrayD<f64>], step: f64) -> Result<Leaves> {
    let moved = point.moved(u, step)?;
    let graph = moved.graph();
    let run = moved.record(&graph, model);
    gradients(&moved, &run, run.out)
}

/// (a − b) / 2h.
fn slopes(above: &Leaves, below: &Leaves, step: f64) -> Leaves {
    above.iter().zip(below).map(|(above, below)| (above - below) / (2.0 * step)).collect()
}

/// ⟨a, b⟩, and the sum of its terms' sizes.
fn dot(a: &Leaves, b: &Leaves) -> (f64, f64) {
    let terms = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| a * b);
    terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()))
}

/// Holds H·v against differences of gradients in a random direction of all leaves, wherever those at h and h/2 agree,
/// and ⟨u, H·v⟩ against ⟨v, H·u⟩.
pub(super) fn hold(point: &Point, model: Model<'_>) -> std::result::Result<CheckCounts, Failure> {
    let [u, v] = [unit(point.direction(RngKey::seed(4))?), unit(point.direction(RngKey::seed(5))?)];
    let graph = point.graph();
    let run = point.record(&graph, model);
    let (h_u, h_v) = (hessian_vector(point, &run, run.out, &u)?, hessian_vector(point, &run, run.out, &v)?);
    let estimate = |step: f64| -> Result<Leaves> {
        Ok(slopes(&moved(point, model, &v, step)?, &moved(point, model, &v, -step)?, step))
    };
    let (whole, half) = (estimate(STEP)?, estimate(STEP / 2.0)?);
    let (mut judged, mut worst) = (CheckCounts::default(), Worst::default());
    for leaf in 0..point.leaves() {
        let each = h_v[leaf].iter().zip(&whole[leaf]).zip(&half[leaf]).enumerate();
        for (index, ((&analytic, &whole), &numeric)) in each {
            if unsure(analytic, whole, numeric) {
                judged.unjudged += 1;
                continue;
            }
            judged.right += 1;
            worst.add(point, (leaf, index), (analytic, numeric), || run.entered(point, leaf));
        }
    }
    if let Some(disagreement) = worst.found() {
        let culprit = culprit(point, model, &v);
        return Err(Failure::SecondOrder(Box::new(Disagreement { culprit, ..disagreement })));
    }
    let ((one, size), (other, _)) = (dot(&u, &h_v), dot(&v, &h_u));
    if !agree(one, other, size) {
        return Err(Failure::Asymmetric { one, other, culprit: culprit(point, model, &v) });
    }
    Ok(judged)
}

/// The first node on the tape whose own second derivatives disagree.
fn culprit(point: &Point, model: Model<'_>, v: &Leaves) -> Option<Culprit> {
    let search = || -> Result<Option<Culprit>> {
        let (above, below) = (point.moved(v, STEP)?, point.moved(v, -STEP)?);
        let (graph, graph_above, graph_below) = (point.graph(), above.graph(), below.graph());
        let run = point.record(&graph, model);
        let (run_above, run_below) = (above.record(&graph_above, model), below.record(&graph_below, model));
        let nodes = run.nodes().zip(run_above.nodes().zip(run_below.nodes()));
        for (node, (above_node, below_node)) in nodes.collect::<Vec<_>>() {
            let exact = hessian_vector(point, &run, node, v)?;
            let above = gradients(&above, &run_above, above_node)?;
            let numeric = slopes(&above, &gradients(&below, &run_below, below_node)?, STEP);
            let mut pairs = exact.iter().flatten().zip(numeric.iter().flatten());
            if pairs.any(|(&exact, &numeric)| wrong(apart(exact, numeric))) {
                return Ok(Some(Culprit { operation: run.operation(node), place: node.place() }));
            }
        }
        Ok(None)
    };
    search().ok().flatten()
}
