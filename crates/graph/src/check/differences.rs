//! Gradients against central differences.

use super::{
    CheckCounts, Disagreement, Failure, Model, STEP, culprit,
    point::{Point, apart, unit, unsure, weigh, weights, wrong},
    worst::Worst,
};
use crate::{Place, Result, RngKey};
use ndarray::ArrayD;

/// The gradient of the weighted output with respect to one leaf, and where it entered.
struct Slope {
    gradient: ArrayD<f64>,
    entered: Option<Place>,
}

fn slopes(point: &Point, model: Model<'_>) -> Result<Vec<Slope>> {
    let graph = point.graph();
    let run = point.record(&graph, model);
    let gradients = run.out.vjp(weights(&run.out.to_f64()?))?;
    (0..point.leaves())
        .map(|leaf| Ok(Slope { gradient: run.gradient(point, &gradients, leaf)?, entered: run.entered(point, leaf) }))
        .collect()
}

/// One coordinate that can be moved.
struct Coordinate<'a> {
    moving: &'a mut Point,
    model: Model<'a>,
    leaf: usize,
    index: usize,
    start: &'a ArrayD<f64>,
}

impl Coordinate<'_> {
    fn at(&mut self, by: f64) -> Result<f64> {
        let mut moved = self.start.clone();
        if let Some(x) = moved.iter_mut().nth(self.index) {
            *x += by;
        }
        self.moving.set(self.leaf, moved)?;
        Ok(weigh(&self.moving.value(self.model)?))
    }

    /// (f(x + step) − f(x − step)) / 2·step
    fn slope(&mut self, step: f64) -> Result<f64> {
        Ok((self.at(step)? - self.at(-step)?) / (2.0 * step))
    }
}

/// Calls `each` for every coordinate of every leaf, with its gradient.
fn coordinates(
    point: &Point,
    model: Model<'_>,
    mut each: impl FnMut(&mut Coordinate<'_>, f64, &Slope) -> Result<()>,
) -> Result<()> {
    let mut moving = point.clone();
    for (leaf, slope) in slopes(point, model)?.iter().enumerate() {
        let start = point.leaf(leaf)?;
        for (index, &analytic) in slope.gradient.iter().enumerate() {
            each(&mut Coordinate { moving: &mut moving, model, leaf, index, start: &start }, analytic, slope)?;
        }
        moving.set(leaf, start)?;
    }
    Ok(())
}

/// A failure if the worst is too bad.
fn verdict(worst: Worst, point: &Point, model: Model<'_>) -> std::result::Result<(), Failure> {
    worst.found().map_or(Ok(()), |disagreement| {
        let culprit = culprit::find(point, model);
        Err(Failure::Gradient(Box::new(Disagreement { culprit, ..disagreement })))
    })
}

/// Every coordinate must agree.
pub(super) fn every(point: &Point, model: Model<'_>) -> std::result::Result<(), Failure> {
    let mut worst = Worst::default();
    coordinates(point, model, |at, analytic, slope| {
        let numeric = at.slope(STEP)?;
        worst.add(point, (at.leaf, at.index), (analytic, numeric), || slope.entered.clone());
        Ok(())
    })?;
    verdict(worst, point, model)
}

/// Every coordinate whose differences at h and h/2 agree with each other must agree with the gradient too. Where they
/// do, the differences' own error, which falls with the square of the step, is at most a third of the tolerance at h/2.
pub(super) fn where_they_agree(point: &Point, model: Model<'_>) -> std::result::Result<CheckCounts, Failure> {
    let (mut worst, mut judged) = (Worst::default(), CheckCounts::default());
    coordinates(point, model, |at, analytic, slope| {
        let (whole, half) = (at.slope(STEP)?, at.slope(STEP / 2.0)?);
        if unsure(analytic, whole, half) {
            judged.unjudged += 1;
        } else {
            judged.right += 1;
            worst.add(point, (at.leaf, at.index), (analytic, half), || slope.entered.clone());
        }
        Ok(())
    })?;
    verdict(worst, point, model).map(|()| judged)
}

/// The slope along one random direction of length 1 must agree, if its differences at h and h/2 do.
pub(super) fn along(point: &Point, model: Model<'_>, seed: u64) -> std::result::Result<CheckCounts, Failure> {
    let direction = unit(point.direction(RngKey::seed(seed).fold_in_str("direction"))?);
    let analytic: f64 =
        slopes(point, model)?.iter().zip(&direction).map(|(slope, u)| (&slope.gradient * u).sum()).sum();
    let at = |step: f64| -> Result<f64> { Ok(weigh(&point.moved(&direction, step)?.value(model)?)) };
    let slope = |step: f64| -> Result<f64> { Ok((at(step)? - at(-step)?) / (2.0 * step)) };
    let (whole, numeric) = (slope(STEP)?, slope(STEP / 2.0)?);
    if unsure(analytic, whole, numeric) {
        return Ok(CheckCounts { unjudged: 1, ..CheckCounts::default() });
    }
    if !wrong(apart(analytic, numeric)) {
        return Ok(CheckCounts { right: 1, ..CheckCounts::default() });
    }
    let (parameter, culprit) = ("a random direction".to_string(), culprit::find(point, model));
    Err(Failure::Gradient(Box::new(Disagreement { parameter, index: 0, analytic, numeric, entered: None, culprit })))
}
