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

use crate::{Cell, Sequence, leaves, map_state, unroll};
use ndarray::{Array2, Array3, Axis, Slice};
use std::cell::RefCell;
use unspool_graph::{Graph, Result, Tensor, Var};

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
    let size = first.nrows();
    let mut axes = Array2::<f64>::eye(size);
    let mut growth = vec![0.0; size];
    for jacobian in jacobians {
        axes = jacobian.dot(&axes);
        let whole: Vec<f64> = (0..size).map(|i| norm(axes.column(i))).collect();
        // Modified Gram–Schmidt. What is left of an axis after its part along the others is taken away may be rounding
        // error alone: then the axis is lost.
        for i in 0..size {
            let left = norm(axes.column(i));
            let norm = if left <= 4.0 * f64::EPSILON * whole[i] { 0.0 } else { left };
            growth[i] += norm.ln();
            if norm > 0.0 {
                axes.column_mut(i).mapv_inplace(|x| x / norm);
            } else {
                axes.column_mut(i).fill(0.0);
            }
            let own = axes.column(i).to_owned();
            for j in i + 1..size {
                let along = own.dot(&axes.column(j));
                axes.column_mut(j).scaled_add(-along, &own);
            }
        }
    }
    growth.iter_mut().for_each(|growth| *growth /= jacobians.len() as f64);
    growth.sort_by(|a, b| b.total_cmp(a));
    growth
}

/// The root of the sum of squares.
fn norm<'a>(elements: impl IntoIterator<Item = &'a f64>) -> f64 {
    elements.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}
