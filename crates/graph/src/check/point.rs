//! Where a function is checked: the values of all it reads, in double precision, and what it gives there.

use super::Model;
use crate::{
    Gradients, Graph, Param, Params, Place, Result, RngKey, Tensor, Var, element::typed, recording::Recording,
    tape::NONE,
};
use ndarray::ArrayD;

/// Parameters and inputs, together the *leaves*: first every parameter, then every input.
#[derive(Clone)]
pub(super) struct Point {
    params: Params,
    inputs: Vec<(String, ArrayD<f64>)>,
}

/// A recording of the function at a point.
pub(super) struct Run<'g> {
    graph: &'g Graph<'g>,
    inputs: Vec<Var<'g>>,
    pub(super) out: Var<'g>,
}

impl Point {
    pub(super) fn new(params: &Params, inputs: &[(&str, ArrayD<f64>)]) -> Result<Point> {
        params.check()?;
        let inputs = inputs.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        Ok(Point { params: params.to_f64(), inputs })
    }

    pub(super) fn graph(&self) -> Graph<'_> {
        Graph::new(&self.params)
    }

    pub(super) fn record<'g>(&self, graph: &'g Graph<'g>, model: Model<'_>) -> Run<'g> {
        let inputs: Vec<Var<'g>> = self.inputs.iter().map(|(_, value)| graph.input(value).watch()).collect();
        let out = model(graph, &inputs);
        Run { graph, inputs, out }
    }

    /// The function's value.
    pub(super) fn value(&self, model: Model<'_>) -> Result<ArrayD<f64>> {
        let graph = self.graph();
        self.record(&graph, model).out.to_f64()
    }

    pub(super) fn leaves(&self) -> usize {
        self.params.len() + self.inputs.len()
    }

    fn param(&self, leaf: usize) -> Option<Param> {
        self.params.iter().nth(leaf)
    }

    pub(super) fn name(&self, leaf: usize) -> &str {
        match self.param(leaf) {
            Some(p) => self.params.name(p),
            None => &self.inputs[leaf - self.params.len()].0,
        }
    }

    pub(super) fn leaf(&self, leaf: usize) -> Result<ArrayD<f64>> {
        match self.param(leaf) {
            Some(p) => Ok(self.params.value(p)?.to_f64()),
            None => Ok(self.inputs[leaf - self.params.len()].1.clone()),
        }
    }

    pub(super) fn set(&mut self, leaf: usize, value: ArrayD<f64>) -> Result<()> {
        match self.param(leaf) {
            Some(p) => self.params.set(p, value)?,
            None => {
                let at = leaf - self.params.len();
                self.inputs[at].1 = value;
            }
        }
        Ok(())
    }

    /// Where all leaves have moved by `step` along `direction`.
    pub(super) fn moved(&self, direction: &[ArrayD<f64>], step: f64) -> Result<Point> {
        let mut moved = self.clone();
        for (leaf, u) in direction.iter().enumerate() {
            moved.set(leaf, self.leaf(leaf)? + u * step)?;
        }
        Ok(moved)
    }

    /// A number in [−1, 1) for each element of each leaf.
    pub(super) fn direction(&self, key: RngKey) -> Result<Vec<ArrayD<f64>>> {
        (0..self.leaves())
            .map(|leaf| {
                let (key, mut i) = (key.fold_in(leaf as u64), 0);
                Ok(self.leaf(leaf)?.mapv(|_| {
                    i += 1;
                    2.0 * key.uniform(i) - 1.0
                }))
            })
            .collect()
    }
}

/// A direction of length 1.
pub(super) fn unit(mut direction: Vec<ArrayD<f64>>) -> Vec<ArrayD<f64>> {
    let length = direction.iter().flatten().map(|u| u * u).sum::<f64>().sqrt();
    direction.iter_mut().for_each(|u| *u /= length.max(f64::MIN_POSITIVE));
    direction
}

impl Run<'_> {
    /// The gradient of a leaf, zeros if it has none.
    pub(super) fn gradient(&self, point: &Point, gradients: &Gradients, leaf: usize) -> Result<ArrayD<f64>> {
        let found = match point.param(leaf) {
            Some(p) => gradients.of(p),
            None => gradients.of(self.inputs[leaf - point.params.len()]),
        };
        found.map_or_else(|| Ok(ArrayD::zeros(point.leaf(leaf)?.raw_dim())), |g| Ok(g.to_f64()))
    }

    /// Where a leaf entered the recording. An input is entered by the check itself.
    pub(super) fn entered(&self, point: &Point, leaf: usize) -> Option<Place> {
        let p = point.param(leaf)?;
        let id = typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => tape.entered[p.index as usize]);
        (id != NONE).then(|| Var { graph: self.graph, id }.place())
    }

    /// What the leaves move with, for forward mode.
    pub(super) fn tangents(&self, point: &Point, direction: &[ArrayD<f64>]) -> Vec<(Var<'_>, Tensor)> {
        let node = |leaf: usize| match point.param(leaf) {
            Some(p) => self.graph.param(p),
            None => self.inputs[leaf - point.params.len()],
        };
        direction.iter().enumerate().map(|(leaf, u)| (node(leaf), Tensor::from(u))).collect()
    }

    /// ⟨Jᵀ·v, u⟩ for a cotangent of `of`, and the sum of its terms' sizes.
    pub(super) fn reverse(&self, point: &Point, of: Var<'_>, v: &ArrayD<f64>, u: &[ArrayD<f64>]) -> Result<(f64, f64)> {
        let gradients = of.vjp(v)?;
        let (mut sum, mut size) = (0.0, 0.0);
        for (leaf, u) in u.iter().enumerate() {
            for (g, u) in self.gradient(point, &gradients, leaf)?.iter().zip(u) {
                sum += g * u;
                size += (g * u).abs();
            }
        }
        Ok((sum, size))
    }

    /// All nodes up to the result.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Var<'_>> {
        (0..=self.out.id).map(|id| Var { graph: self.graph, id })
    }

    /// What a node is called: its operation, or how it came in.
    pub(super) fn operation(&self, node: Var<'_>) -> &'static str {
        typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => tape.nodes[node.id as usize].name)
    }
}

/// Fixed weights for the elements of an output, so that no two elements' errors cancel.
pub(super) fn weights(out: &ArrayD<f64>) -> ArrayD<f64> {
    let key = RngKey::seed(1);
    let mut i = 0;
    out.mapv(|_| {
        i += 1;
        key.uniform(i) + 0.5
    })
}

/// The weighted sum of an output's elements, of which the slopes are taken.
pub(super) fn weigh(out: &ArrayD<f64>) -> f64 {
    out.iter().zip(&weights(out)).map(|(x, w)| x * w).sum()
}

/// How far two slopes are apart, relative to the greater of 1 and the first; not a number if either is.
pub(super) fn apart(analytic: f64, numeric: f64) -> f64 {
    (analytic - numeric).abs() / analytic.abs().max(1.0)
}

/// Whether what [`apart`] gives is too much, which a NaN is.
pub(super) fn wrong(apart: f64) -> bool {
    apart.is_nan() || apart > super::TOLERANCE
}

/// Whether differences at h and h/2 contradict each other. A gradient that is not a number is wrong whatever they are.
pub(super) fn unsure(analytic: f64, whole: f64, half: f64) -> bool {
    analytic.is_finite() && wrong(apart(half, whole))
}

/// Whether two products that should be equal, such as one of forward mode and one of reverse mode, are so to rounding,
/// where `size` is the sum of the terms' sizes.
pub(super) fn agree(forward: f64, reverse: f64, size: f64) -> bool {
    (forward - reverse).abs() <= super::ADJOINT_TOLERANCE * size.max(1.0)
}
