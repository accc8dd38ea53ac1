//! Checking gradients against finite differences, for users' operations and models as for this crate's own.
//!
//! The function under test is run in double precision; each coordinate of each parameter and input is moved by ±h, and the slope
//! (f(x + h) − f(x − h)) / 2h must agree with the gradient: |analytic − numeric| ≤ 1e-6 · max(1, |analytic|) at h = 1e-4. Apart from
//! that, forward-mode and reverse-mode derivatives are held against each other, ⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩, where no step size blurs anything.

use crate::{Draw, Graph, Param, Params, Tensor, Var, init};
use ndarray::ArrayD;

/// The step of the finite differences.
pub const STEP: f64 = 1e-4;
/// How far the two may differ, relative to the greater of 1 and the gradient.
pub const TOLERANCE: f64 = 1e-6;

/// The worst coordinate found: where it is, and both numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// The parameter's name.
    pub parameter: String,
    /// The coordinate within it, row by row.
    pub index: usize,
    /// What the backward walk says.
    pub analytic: f64,
    /// What the finite differences say.
    pub numeric: f64,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Disagreement { parameter, index, analytic, numeric } = self;
        write!(f, "{parameter}[{index}]: backward gives {analytic:e}, finite differences give {numeric:e}")
    }
}

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The function itself failed.
    #[error(transparent)]
    Graph(#[from] crate::Error),
    /// A gradient is wrong.
    #[error("a gradient is wrong: {0}")]
    Gradient(Disagreement),
    /// Forward mode and reverse mode contradict each other.
    #[error("⟨v, J·u⟩ = {forward:e}, but ⟨Jᵀ·v, u⟩ = {reverse:e}")]
    Adjoint {
        /// By forward mode.
        forward: f64,
        /// By reverse mode.
        reverse: f64,
    },
}

/// Checks every coordinate of every parameter of `model`, a function of a graph to a tensor of any shape; what is compared is the
/// gradient of a fixed random weighting of its elements. Runs in double precision whatever `params` is in.
///
/// ```
/// use unspool_graph::{Params, check, init};
/// let mut params = Params::seeded(1);
/// let w = params.scope("m").add("w", [3, 2], init::uniform(1.0));
/// check::parameters(&params, |graph| graph.full([4, 3], 0.5).matmul(w).tanh())?;
/// # Ok::<(), check::Failure>(())
/// ```
pub fn parameters(params: &Params, model: impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>) -> Result<(), Failure> {
    differences(params, &model)
}

/// A model behind a pointer, so that the checks are compiled once and not again for every closure.
type Model<'a> = &'a dyn for<'g> Fn(&'g Graph<'g>) -> Var<'g>;

fn differences(params: &Params, model: Model<'_>) -> Result<(), Failure> {
    let mut params = params.to_f64();
    params.check_all()?;
    let value = |params: &Params| -> Result<f64, crate::Error> {
        let graph = Graph::new(params);
        let out = model(&graph).value()?.to_f64();
        Ok(weigh(&out))
    };
    let gradients = {
        let graph = Graph::new(&params);
        let out = model(&graph);
        out.vjp(weights(&out.value()?.to_f64()))?
    };
    let mut worst: Option<(f64, Disagreement)> = None;
    for p in params.iter().collect::<Vec<_>>() {
        let start = params.value(p)?.to_f64();
        let analytic = gradients.of(p).map_or_else(|| ArrayD::zeros(start.raw_dim()), |g| g.to_f64());
        for (index, &analytic) in analytic.iter().enumerate() {
            let mut at = |by: f64| {
                let mut moved = start.clone();
                if let Some(x) = moved.iter_mut().nth(index) {
                    *x += by;
                }
                params.set(p, moved)?;
                value(&params)
            };
            let numeric = (at(STEP)? - at(-STEP)?) / (2.0 * STEP);
            let off = (analytic - numeric).abs() / analytic.abs().max(1.0);
            if worst.as_ref().is_none_or(|(known, _)| off > *known || (off.is_nan() && !known.is_nan())) {
                let parameter = params.name(p).to_string();
                worst = Some((off, Disagreement { parameter, index, analytic, numeric }));
            }
        }
        params.set(p, start)?;
    }
    match worst {
        Some((off, disagreement)) if off > TOLERANCE || off.is_nan() => Err(Failure::Gradient(disagreement)),
        _ => Ok(()),
    }
}

/// Holds forward mode against reverse mode for `model` in a random direction: ⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩ to a relative 1e-10.
pub fn adjoint(params: &Params, model: impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>) -> Result<(), Failure> {
    products(params, &model)
}

fn products(params: &Params, model: Model<'_>) -> Result<(), Failure> {
    let params = params.to_f64();
    let graph = Graph::new(&params);
    let out = model(&graph);
    let cotangent = weights(&out.value()?.to_f64());
    let gradients = out.vjp(&cotangent)?;
    let key = Draw::seed(2);
    let leaves: Vec<(Param, Tensor)> = params
        .iter()
        .map(|p| (p, Tensor::from(random(&params.shape(p), key.word(params.index(p).unwrap_or(0) as u64)))))
        .collect();
    let tangent = graph.jvp(out, &leaves)?.to_f64();
    let forward: f64 = tangent.iter().zip(&cotangent).map(|(t, v)| t * v).sum();
    let mut size = 1.0;
    let mut reverse = 0.0;
    for (p, u) in &leaves {
        if let Some(g) = gradients.of(*p) {
            for (g, u) in g.to_f64().iter().zip(&u.to_f64()) {
                reverse += g * u;
                size += (g * u).abs();
            }
        }
    }
    if (forward - reverse).abs() <= 1e-10 * size { Ok(()) } else { Err(Failure::Adjoint { forward, reverse }) }
}

/// Checks an operation as a function of tensors: each becomes a parameter, and both [`parameters`] and [`adjoint`] must pass.
pub fn function(
    inputs: &[ArrayD<f64>],
    f: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
) -> Result<(), Failure> {
    let mut params = Params::seeded(0).to_f64();
    let handles: Vec<Param> = inputs
        .iter()
        .enumerate()
        .map(|(i, x)| {
            params.scope("input").add_sized(i.to_string(), x.shape(), init::values(x.iter().copied().collect()))
        })
        .collect();
    both(&params, &handles, &f)
}

/// A function of tensors behind a pointer.
type Function<'a> = &'a dyn for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>;

fn both(params: &Params, handles: &[Param], f: Function<'_>) -> Result<(), Failure> {
    fn run<'g>(graph: &'g Graph<'g>, handles: &[Param], f: Function<'_>) -> Var<'g> {
        let vars: Vec<Var<'g>> = handles.iter().map(|&p| graph.param(p)).collect();
        f(graph, &vars)
    }
    differences(params, &|graph| run(graph, handles, f))?;
    products(params, &|graph| run(graph, handles, f))
}

/// Fixed weights for the elements of an output, so that no two elements' errors cancel.
fn weights(out: &ArrayD<f64>) -> ArrayD<f64> {
    let key = Draw::seed(1);
    let mut i = 0;
    out.mapv(|_| {
        i += 1;
        key.uniform(i) + 0.5
    })
}

fn weigh(out: &ArrayD<f64>) -> f64 {
    out.iter().zip(&weights(out)).map(|(x, w)| x * w).sum()
}

fn random(shape: &[usize], key: Draw) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::zeros(shape).mapv(|_: f64| {
        i += 1;
        2.0 * key.uniform(i) - 1.0
    })
}
