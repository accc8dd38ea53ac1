//! How a state acts on the next one: the Jacobians of a recurrence, their spectral radius, and Lyapunov exponents.
//!
//! A gradient that flows back over k steps is multiplied by k state Jacobians J_t = ∂s_t/∂s_{t−1}, so they say whether
//! it vanishes or explodes (Pascanu, Mikolov and Bengio 2013, section 2). A spectral radius below 1 at every step means
//! that it fades; the largest Lyapunov exponent is the rate, per step, at which a small change of the state grows along
//! a run (Engelken, Wolf and Abbott 2023).
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Cell, Rnn, Sequence, dynamics::{lyapunov_exponents, spectral_radius, state_jacobians}};
//! let mut params = Params::seeded(1);
//! let cell = Rnn::new(params.scope("rnn"), 3, 8);
//! let graph = Graph::new(&params);
//! let xs = Sequence::pack(graph.full([2, 20, 3], 0.1), &[20, 5]);
//! let jacobians = state_jacobians(&cell, &xs, cell.initial_state(&graph, 2))?;
//! assert_eq!((jacobians[0].len(), jacobians[1].len(), jacobians[0][0].dim()), (20, 5, (8, 8)));
//! // Small random weights: whatever the state was, it is forgotten.
//! assert!(jacobians[0].iter().all(|jacobian| spectral_radius(jacobian) < 1.0));
//! assert!(lyapunov_exponents(&jacobians[0])[0] < 0.0);
//! # Ok::<(), unspool_graph::Error>(())
//! ```

mod record;

pub(crate) use record::observe;
pub use record::{DynamicsLimits, RunDynamics, record_dynamics};

use crate::{Cell, Sequence, leaves, map_state, unroll};
use ndarray::{Array2, Array3, Axis, Slice};
use std::cell::RefCell;
use unspool_graph::{Graph, Result, RngKey, Tensor, Var};

/// Returns ∂s'/∂s of one step from the input `x [batch, feature]` and the state s, `[batch, out, in]` in double
/// precision, and the state s' detached from what came before. The axes `out` and `in` hold the elements of all
/// [`leaves`] of the state, one leaf after the other: for an LSTM h, then c.
///
/// It takes one backward pass per element of the state, for all rows of the batch at once.
///
/// ```
/// use ndarray::array;
/// use unspool_graph::{Graph, Params, Var};
/// use unspool_nn::{Cell, dynamics::state_jacobian};
/// /// h' = x·h
/// struct Scaled;
/// impl Cell for Scaled {
///     type State<'g> = Var<'g>;
///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> { graph.full([batch, 2], 1.0) }
///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) { (x * h, x * h) }
/// }
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let (jacobian, next) = state_jacobian(&Scaled, graph.input(array![[3.0f32]]), Scaled.initial_state(&graph, 1))?;
/// assert_eq!(jacobian, array![[[3.0, 0.0], [0.0, 3.0]]]);
/// assert_eq!(next.to_f64()?, array![[3.0, 3.0]].into_dyn());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// # Errors
/// The graph's first error: rows that do not fit, a graph made for [inference](Graph::inference).
#[track_caller]
pub fn state_jacobian<'g, C: Cell>(cell: &C, x: Var<'g>, state: C::State<'g>) -> Result<(Array3<f64>, C::State<'g>)> {
    let before = map_state(&state, |leaf| leaf.detach().watch());
    let (_, after) = cell.step(x.detach(), before.clone());
    let (inputs, outputs) = (leaves(&before), leaves(&after));
    let widths = |all: &[Var<'g>]| -> Result<Vec<usize>> {
        all.iter().map(|leaf| Ok(leaf.shape()?[1..].iter().product())).collect()
    };
    let (from, to) = (widths(&inputs)?, widths(&outputs)?);
    let batch = x.shape()?[0];
    let mut jacobian = Array3::zeros((batch, to.iter().sum(), from.iter().sum()));
    let mut row = 0;
    for (output, &width) in outputs.iter().zip(&to) {
        for element in 0..width {
            // The same element of every row of the batch: rows do not depend on each other.
            let mut cotangent = Array2::<f64>::zeros((batch, width));
            cotangent.column_mut(element).fill(1.0);
            let shape = output.shape()?;
            let gradients = output.vjp(reshaped(cotangent, &shape))?;
            let mut column = 0;
            for (&input, &width) in inputs.iter().zip(&from) {
                if let Some(gradient) = gradients.of(input) {
                    let gradient = gradient.to_f64();
                    let flat = gradient.to_shape((batch, width)).map(|flat| flat.into_owned()).unwrap_or_default();
                    let mut rows = jacobian.index_axis_mut(Axis(1), row);
                    rows.slice_axis_mut(Axis(1), Slice::from(column..column + width)).assign(&flat);
                }
                column += width;
            }
            row += 1;
        }
    }
    Ok((jacobian, map_state(&after, Var::detach)))
}

/// Gives an array of as many elements the shape of a leaf.
fn reshaped(array: Array2<f64>, shape: &[usize]) -> Tensor {
    array.into_dyn().into_shape_with_order(shape).unwrap_or_default().into()
}

/// Returns the state Jacobians of every step of a sequence, for each example: `[state, state]` at each of its own
/// steps, in time. See [`state_jacobian`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Sequence, dynamics::state_jacobians};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 3, 4);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 6, 3], 0.5), &[6, 2]);
/// let jacobians = state_jacobians(&cell, &xs, cell.initial_state(&graph, 2))?;
/// assert_eq!((jacobians[0].len(), jacobians[1].len(), jacobians[1][0].dim()), (6, 2, (4, 4)));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// # Errors
/// The graph's first error.
#[track_caller]
pub fn state_jacobians<'g, C: Cell>(cell: &C, xs: &Sequence<'g>, state: C::State<'g>) -> Result<Vec<Vec<Array2<f64>>>> {
    let observed = Observed { cell, found: RefCell::default() };
    let (outputs, _) = unroll(&observed, xs, state);
    outputs.rows().shape()?;
    let layout = xs.layout();
    let mut all: Vec<Vec<Array2<f64>>> = layout.lengths().iter().map(|&length| Vec::with_capacity(length)).collect();
    for jacobians in observed.found.into_inner() {
        // The rows are the examples that still run, longest first.
        for (row, jacobian) in jacobians.axis_iter(Axis(0)).enumerate() {
            let example = layout.order().map_or(row, |order| order[row] as usize);
            all[example].push(jacobian.to_owned());
        }
    }
    Ok(all)
}

/// A cell whose steps leave their Jacobians behind.
struct Observed<'a, C> {
    cell: &'a C,
    found: RefCell<Vec<Array3<f64>>>,
}

impl<C: Cell> Cell for Observed<'_, C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        self.cell.initial_state(graph, batch)
    }

    fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        match state_jacobian(self.cell, x, state.clone()) {
            Ok((jacobian, next)) => {
                self.found.borrow_mut().push(jacobian);
                (x, next)
            }
            Err(error) => {
                x.graph().fail(error);
                (x.graph().inert(), state)
            }
        }
    }
}

/// Returns the spectral radius ρ(J) of a square matrix, the largest absolute value of its eigenvalues, by Gelfand's
/// formula ρ(J) = lim ‖Jᵏ‖^{1/k}, where k doubles at each squaring. NaN where the matrix has an element that is not
/// finite.
///
/// ```
/// use ndarray::array;
/// use unspool_nn::dynamics::spectral_radius;
/// // A rotation that shrinks: its eigenvalues are 0.6 ± 0.3i.
/// let radius = spectral_radius(&array![[0.6, -0.3], [0.3, 0.6]]);
/// assert!((radius - 0.45f64.sqrt()).abs() < 1e-14);
/// // Its norm is 100, but what it does to a state fades at the second step.
/// assert_eq!(spectral_radius(&array![[0.0, 100.0], [0.0, 0.0]]), 0.0);
/// ```
pub fn spectral_radius(jacobian: &Array2<f64>) -> f64 {
    // J^(2^i) = e^(2^i · log) · power, where power has norm 1.
    let (mut power, mut log) = (jacobian.clone(), 0.0);
    let mut share = 1.0;
    for _ in 0..60 {
        let norm = norm(&power);
        if norm == 0.0 || norm.is_nan() {
            return norm;
        }
        log += share * norm.ln();
        power /= norm;
        power = power.dot(&power);
        share /= 2.0;
    }
    log.exp()
}

/// Returns the Lyapunov exponents of a run, largest first, in nats per step: the mean growth of the axes of a small
/// ball of states, from the QR decompositions of J_t Q_{t−1} (Benettin and others 1980). The first axes are the unit
/// vectors; the exponents of a run of a few steps depend on that, those of a long one do not.
///
/// An axis that is lost altogether has exponent −∞. A run of no steps has no exponents.
///
/// ```
/// use ndarray::array;
/// use unspool_nn::dynamics::lyapunov_exponents;
/// let steps = vec![array![[2.0, 1.0], [0.0, 0.5]]; 100];
/// let exponents = lyapunov_exponents(&steps);
/// assert!((exponents[0] - 2f64.ln()).abs() < 1e-12 && (exponents[1] + 2f64.ln()).abs() < 1e-12);
/// ```
pub fn lyapunov_exponents(jacobians: &[Array2<f64>]) -> Vec<f64> {
    let Some(first) = jacobians.first() else { return vec![] };
    let mut ball = Ball::new(first.nrows(), first.nrows());
    jacobians.iter().for_each(|jacobian| ball.push(jacobian));
    ball.exponents()
}

/// The axes of a small ball of states, moved along a run, and how much each has grown.
struct Ball {
    axes: Array2<f64>,
    growth: Vec<f64>,
    steps: usize,
}

impl Ball {
    /// Some axes of a ball in so many dimensions: the unit vectors, or where there are fewer, random ones, which have a
    /// part along every direction. The unit vectors of some elements might never leave these.
    fn new(size: usize, count: usize) -> Ball {
        let count = count.min(size);
        let mut axes = Array2::eye(size);
        if count < size {
            let key = RngKey::seed(1);
            axes = Array2::from_shape_fn((size, count), |(i, j)| key.normal((i * count + j) as u64));
            orthonormalize(&mut axes);
        }
        Ball { growth: vec![0.0; count], axes, steps: 0 }
    }

    /// Takes a step.
    fn push(&mut self, jacobian: &Array2<f64>) {
        self.axes = jacobian.dot(&self.axes);
        let lengths = orthonormalize(&mut self.axes);
        self.growth.iter_mut().zip(lengths).for_each(|(growth, length)| *growth += length.ln());
        self.steps += 1;
    }

    /// The mean growth of each axis in nats per step, largest first; nothing before the first step.
    fn exponents(&self) -> Vec<f64> {
        let steps = self.steps as f64;
        let mut all: Vec<f64> = self.growth.iter().filter(|_| self.steps > 0).map(|growth| growth / steps).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        all
    }
}

/// Makes columns orthonormal by modified Gram–Schmidt, and returns the length of each before it was divided by that.
/// What is left of a column after its part along the others is taken away may be rounding error alone: then it is lost,
/// all zeros.
fn orthonormalize(axes: &mut Array2<f64>) -> Vec<f64> {
    let mut lengths: Vec<f64> = axes.columns().into_iter().map(norm).collect();
    for i in 0..lengths.len() {
        let left = norm(axes.column(i));
        lengths[i] = if left <= 4.0 * f64::EPSILON * lengths[i] { 0.0 } else { left };
        if lengths[i] > 0.0 {
            axes.column_mut(i).mapv_inplace(|x| x / lengths[i]);
        } else {
            axes.column_mut(i).fill(0.0);
        }
        let own = axes.column(i).to_owned();
        for j in i + 1..lengths.len() {
            let along = own.dot(&axes.column(j));
            axes.column_mut(j).scaled_add(-along, &own);
        }
    }
    lengths
}

/// Returns the spectral radius of a large matrix as that of its projection on the Krylov space of `dimension` vectors,
/// by Arnoldi's iteration, which finds the outermost eigenvalues first. It is exact where the matrix is not larger than
/// that; else it is mostly too small, by a few percent for a matrix of random numbers.
fn krylov_radius(matrix: &Array2<f64>, dimension: usize) -> f64 {
    let size = matrix.nrows();
    if size <= dimension {
        return spectral_radius(matrix);
    }
    if matrix.iter().any(|x| !x.is_finite()) {
        return f64::NAN;
    }
    let mut space = Array2::<f64>::zeros((dimension + 1, size)); // a vector a row
    let mut projected = Array2::<f64>::zeros((dimension + 1, dimension));
    let key = RngKey::seed(0);
    space.row_mut(0).iter_mut().zip(0..).for_each(|(x, i)| *x = key.normal(i));
    let first = norm(space.row(0));
    space.row_mut(0).mapv_inplace(|x| x / first);
    let mut found = dimension;
    for j in 0..dimension {
        let mut next = matrix.dot(&space.row(j));
        let whole = norm(&next);
        // Twice is enough for orthogonality to the last digits.
        for i in (0..=j).chain(0..=j) {
            let along = space.row(i).dot(&next);
            projected[[i, j]] += along;
            next.scaled_add(-along, &space.row(i));
        }
        let left = norm(&next);
        if left <= 1e-14 * whole {
            found = j + 1;
            break;
        }
        projected[[j + 1, j]] = left;
        space.row_mut(j + 1).assign(&(next / left));
    }
    spectral_radius(&Array2::from_shape_fn((found, found), |(i, j)| projected[[i, j]]))
}

/// The root of the sum of squares.
fn norm<'a>(elements: impl IntoIterator<Item = &'a f64>) -> f64 {
    elements.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix with known eigenvalues, in coordinates that are not orthogonal.
    fn mixed(eigenvalues: &[f64], seed: u64) -> Array2<f64> {
        let (size, key) = (eigenvalues.len(), RngKey::seed(seed));
        let strict = |i: usize, j: usize| 0.3 * key.normal((i * size + j) as u64) / (size as f64).sqrt();
        Array2::from_shape_fn((size, size), |(i, j)| match i.cmp(&j) {
            std::cmp::Ordering::Equal => eigenvalues[i],
            std::cmp::Ordering::Less => strict(i, j),
            std::cmp::Ordering::Greater => 0.0,
        })
    }

    #[test]
    fn a_projection_has_the_spectral_radius_of_the_whole() {
        let eigenvalues: Vec<f64> =
            (0..60).map(|i| 0.95 * 0.9f64.powi(i) * if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let matrix = mixed(&eigenvalues, 3);
        assert!((spectral_radius(&matrix) - 0.95).abs() < 1e-9);
        assert!((krylov_radius(&matrix, 32) - 0.95).abs() < 1e-6, "{}", krylov_radius(&matrix, 32));
        assert_eq!(krylov_radius(&Array2::zeros((60, 60)), 32), 0.0);
        assert!(krylov_radius(&Array2::from_elem((60, 60), f64::NAN), 32).is_nan());
        // A few random numbers: what is found lies inside of the circle of eigenvalues, and near it.
        let random =
            Array2::from_shape_fn((200, 200), |(i, j)| RngKey::seed(5).normal((200 * i + j) as u64) / 200f64.sqrt());
        let (whole, part) = (spectral_radius(&random), krylov_radius(&random, 32));
        assert!((0.85..1.001).contains(&(part / whole)), "{part} of {whole}");
    }

    #[test]
    fn the_leading_exponents_are_the_first_of_all() {
        // Those of elements 2 and 3: the axes must not stay with the first elements.
        let (small, steps) = (Array2::from_diag(&ndarray::array![0.2, 0.5, 0.9, 1.1]), 2000);
        let mut ball = Ball::new(4, 2);
        assert!(ball.exponents().is_empty());
        (0..steps).for_each(|_| ball.push(&small));
        for (leading, wanted) in ball.exponents().iter().zip([1.1f64.ln(), 0.9f64.ln()]) {
            assert!((leading - wanted).abs() < 5.0 / f64::from(steps), "{leading} {wanted}");
        }
    }
}
