//! A random case: shapes of rank 0 to 5, values away from kinks, and all choices that an operation needs.

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use unspool_graph::{Graph, Params, RngKey, Var, check};

/// A random shape and the random choices that go with it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) shape: Vec<usize>,
    pub(crate) seed: u64,
}

pub(crate) fn case() -> impl Strategy<Value = Case> {
    (prop::collection::vec(1..=3usize, 0..=5), any::<u64>()).prop_map(|(shape, seed)| Case { shape, seed })
}

impl Case {
    pub(crate) fn key(&self, what: &str) -> RngKey {
        RngKey::seed(self.seed).fold_in_str(what)
    }
    pub(crate) fn below(&self, what: &str, n: usize) -> usize {
        (self.key(what).bits(0) % n as u64) as usize
    }
    /// At least this many axes.
    pub(crate) fn axes(mut self, least: usize) -> Case {
        while self.shape.len() < least {
            self.shape.push(2);
        }
        self
    }
    /// At most this many axes.
    pub(crate) fn most(mut self, most: usize) -> Case {
        self.shape.truncate(most);
        self
    }
    pub(crate) fn rank(&self) -> usize {
        self.shape.len()
    }
    /// Any axis, counted from the front or from the end.
    pub(crate) fn axis(&self) -> isize {
        let axis = self.below("axis", self.rank()) as isize;
        if self.below("sign", 2) == 0 { axis } else { axis - self.rank() as isize }
    }
    pub(crate) fn size(&self) -> usize {
        self.shape[self.axis().rem_euclid(self.rank() as isize) as usize]
    }
    pub(crate) fn with(&self, axis: isize, size: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[axis.rem_euclid(self.rank() as isize) as usize] = size;
        shape
    }
    /// Some of the axes; all where none are named.
    pub(crate) fn some_axes(&self) -> Vec<isize> {
        let key = self.key("axes");
        (0..self.rank()).filter(|&i| key.bits(i as u64).is_multiple_of(2)).map(|i| i as isize).collect()
    }
    pub(crate) fn order(&self, n: usize) -> Vec<usize> {
        let (key, mut order) = (self.key("order"), (0..n).collect::<Vec<_>>());
        order.sort_by_key(|&i| key.bits(i as u64));
        order
    }
    /// A shape that broadcasts to this one.
    pub(crate) fn narrow(&self) -> Vec<usize> {
        let (key, from) = (self.key("narrow"), self.below("lead", self.rank() + 1));
        (from..self.rank()).map(|i| if key.bits(i as u64).is_multiple_of(2) { 1 } else { self.shape[i] }).collect()
    }
    pub(crate) fn numbers(&self, n: usize, below: usize) -> Vec<u32> {
        let key = self.key("numbers");
        (0..n as u64).map(|i| (key.bits(i) % below as u64) as u32).collect()
    }
    pub(crate) fn flags(&self, n: usize) -> Vec<bool> {
        self.numbers(n, 3).iter().map(|&x| x > 0).collect()
    }
    /// ±[0.5, 1.5).
    pub(crate) fn away(&self, shape: &[usize]) -> ArrayD<f64> {
        let (mut i, key) = (0, self.key("away"));
        self.positive(shape).mapv(|x| {
            i += 1;
            if key.bits(i).is_multiple_of(2) { x } else { -x }
        })
    }
    /// [0.5, 1.5).
    pub(crate) fn positive(&self, shape: &[usize]) -> ArrayD<f64> {
        let (mut i, key) = (0, self.key(&format!("positive {shape:?}")));
        ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
            i += 1;
            0.5 + key.uniform(i)
        })
    }
    /// In an order of their own, 0.5 apart, from `start` on.
    pub(crate) fn distinct(&self, shape: &[usize], start: f64) -> ArrayD<f64> {
        let order = self.order(shape.iter().product());
        let values =
            order.iter().map(|&i| start + 0.5 * (i as f64 - order.len() as f64 / 2.0).rem_euclid(8.0)).collect();
        ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
    }
    /// An operand, sometimes without any element left along one axis, and as any kind of node.
    pub(crate) fn thin<'g>(&self, x: Var<'g>) -> Var<'g> {
        if self.below("empty", 6) == 0 && self.rank() > 0 { x.slice(self.axis(), 0..0) } else { self.made(x) }
    }
    /// The same values as another kind of node: the parameter itself, one that was computed, reversed or transposed
    /// there and back, or a view into the middle of another.
    pub(crate) fn made<'g>(&self, x: Var<'g>) -> Var<'g> {
        let rank = x.known_shape().map_or(0, |shape| shape.len());
        let (a, b) = (self.below("a", rank.max(1)) as isize, self.below("b", rank.max(1)) as isize);
        match self.below("made", 6) {
            1 => x * 1.0,
            2 if rank > 0 => x.flip(a).flip(a),
            3 if rank > 0 => x.transpose(a, b).transpose(a, b),
            4 if rank > 0 => {
                let size = x.known_shape().map_or(0, |shape| shape[0]);
                x.graph().concat(&[x * 2.0, x, x * 3.0], 0).slice(0, size..2 * size)
            }
            _ => x,
        }
    }
    /// As [`Case::thin`], but with the last axis left as it is.
    pub(crate) fn thin_front<'g>(&self, x: Var<'g>) -> Var<'g> {
        let rank = x.known_shape().map_or(0, |s| s.len());
        if self.below("thin", 5) == 0 && rank > 1 { x.slice(0, 0..0) } else { self.made(x) }
    }
    /// No two alike, a tenth apart at least.
    pub(crate) fn apart(&self, shape: &[usize]) -> ArrayD<f64> {
        let order = self.order(shape.iter().product());
        let values =
            order.iter().map(|&i| 0.5 * (i as f64 - order.len() as f64 / 2.0) / (1.0 + order.len() as f64 / 16.0));
        ArrayD::from_shape_vec(IxDyn(shape), values.collect()).unwrap()
    }
}

/// Values of a shape.
pub(crate) type Values = fn(&Case, &[usize]) -> ArrayD<f64>;

/// All checks hold for a function of these tensors.
pub(crate) fn right(
    inputs: &[ArrayD<f64>],
    f: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
) -> Result<(), TestCaseError> {
    let checked = check::function(inputs, &f).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    // An operation of this crate has a forward mode, and second derivatives.
    prop_assert_eq!(checked.skipped, None);
    let named: Vec<(&str, ArrayD<f64>)> = inputs.iter().map(|x| ("x", x.clone())).collect();
    let judged = check::second_order(&Params::seeded(0), &named, &f);
    let judged = judged.map_err(|failure| TestCaseError::fail(failure.to_string()))?;
    // Differences of a long product may be unsure of an element or two.
    prop_assert!(judged.unjudged <= judged.right, "{}", judged);
    Ok(())
}
