//! The worst of the numbers that a check has compared.

use super::{
    Disagreement,
    point::{Point, apart, wrong},
};
use crate::Place;

/// The pair of numbers that are furthest apart, and how far: a NaN is further than any number.
#[derive(Default)]
pub(super) struct Worst(Option<(f64, Disagreement)>);

impl Worst {
    /// Compares the numbers of an element of a leaf, which entered the recording at `entered`.
    pub(super) fn add(
        &mut self,
        point: &Point,
        (leaf, index): (usize, usize),
        (analytic, numeric): (f64, f64),
        entered: impl FnOnce() -> Option<Place>,
    ) {
        let off = apart(analytic, numeric);
        if self.0.as_ref().is_none_or(|(known, _)| off > *known || (off.is_nan() && !known.is_nan())) {
            let (parameter, entered) = (point.name(leaf).to_string(), entered());
            self.0 = Some((off, Disagreement { parameter, index, analytic, numeric, entered, culprit: None }));
        }
    }

    /// The worst pair, if its numbers are too far apart.
    pub(super) fn found(self) -> Option<Disagreement> {
        self.0.filter(|(off, _)| wrong(*off)).map(|(_, disagreement)| disagreement)
    }
}
