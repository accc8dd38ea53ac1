//! The dynamics of every recurrence that some code runs, found on the side.

use super::{Ball, krylov_radius};
use crate::{Cell, Sequence, State, leaves};
use ndarray::{Array2, Axis, Slice};
use std::cell::RefCell;
use unspool_graph::{Graph, Params, Result, Tensor, Var};

/// Says how much [`record_dynamics`] looks at.
///
/// ```
/// use unspool_nn::dynamics::DynamicsLimits;
/// assert_eq!(DynamicsLimits::default(), DynamicsLimits { steps: 50, state_size: 512, exponents: 8 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicsLimits {
    /// The first steps of an example that are looked at.
    pub steps: usize,
    /// The most elements of a state. A recurrence with a larger state is named and not looked at: a Jacobian has the
    /// square of that many elements.
    pub state_size: usize,
    /// The most Lyapunov exponents, the largest ones.
    pub exponents: usize,
}

/// Looks at 50 steps and 8 exponents of states of up to 512 elements.
impl Default for DynamicsLimits {
    fn default() -> DynamicsLimits {
        DynamicsLimits { steps: 50, state_size: 512, exponents: 8 }
    }
}

/// Holds what [`record_dynamics`] found about one recurrence, from the longest example of its batch.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, Sequence, dynamics::{DynamicsLimits, record_dynamics}, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Lstm::new(params.scope("rnn"), 3, 4);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 9, 3], 1.0), &[5, 9]);
/// let limits = DynamicsLimits { steps: 6, ..DynamicsLimits::default() };
/// let (_, found) = record_dynamics(limits, || unroll(&cell, &xs, cell.initial_state(&graph, 2)));
/// let run = &found?[0];
/// assert_eq!((run.length, run.spectral_radii.len(), run.state_size), (9, 6, 8)); // h and c
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct RunDynamics {
    /// The scopes around the recurrence, outermost first, joined by `/`.
    pub scope: String,
    /// The number of steps of the example.
    pub length: usize,
    /// The number of elements of the part of the state that a step changes.
    pub state_size: usize,
    /// The spectral radius of ∂s_t/∂s_{t−1} at the time steps t that were looked at; none where the state is too large.
    /// Of a state of more than 32 elements it is that of a projection of the Jacobian on 32 vectors (Arnoldi 1951),
    /// which is mostly a few percent too small.
    pub spectral_radii: Vec<(usize, f64)>,
    /// The largest Lyapunov exponents over these steps, largest first, in nats per step. Where they are not all, they
    /// are found from random first axes, which turn to the directions that grow most as the run goes on.
    pub lyapunov_exponents: Vec<f64>,
}

/// Vectors of the space in which the spectral radius of a large Jacobian is found.
const KRYLOV: usize = 32;

struct Recorder {
    limits: DynamicsLimits,
    found: Result<Vec<RunDynamics>>,
}

thread_local! {
    static RECORDER: RefCell<Option<Recorder>> = const { RefCell::new(None) };
}

/// Restores what was recorded before, also where the code that is looked at panics.
struct Restored(Option<Recorder>);

impl Drop for Restored {
    fn drop(&mut self) {
        RECORDER.with(|recorder| recorder.replace(self.0.take()));
    }
}

/// Runs `f` and returns its result, and the dynamics of each recurrence of at least two steps that `f` unrolls on this
/// thread, in their order: of the longest example of each batch the spectral radius of the state Jacobian
/// ∂s_t/∂s_{t−1} at each step, and the largest Lyapunov exponents. It works for every cell and every model, since it
/// needs no access to the cells: what they unroll is observed.
///
/// The steps are taken again on recordings of their own, as in evaluation (without dropout), and leave nothing in that
/// of `f` but copies of the numbers that go in. A Jacobian of n elements squared takes one step of n rows and its
/// backward pass. Within `state_size`, the time is that of about `steps · state_size` steps of one row, and the memory
/// that of two Jacobians and one step of `state_size` rows.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Recurrent, RecurrentConfig, Gru, Sequence, dynamics::{DynamicsLimits, record_dynamics}};
/// let mut params = Params::seeded(1);
/// let layers = RecurrentConfig { layers: 2, ..RecurrentConfig::default() };
/// let rnn = Recurrent::new(params.scope("rnn"), Gru::new, 3, 8, layers);
/// let graph = Graph::new(&params);
/// let xs = Sequence::full(graph.full([1, 20, 3], 0.1));
/// let (_, found) = record_dynamics(DynamicsLimits::default(), || rnn.unroll(&xs, rnn.initial_state(&graph, 1)));
/// let found = found?;
/// assert_eq!((found.len(), found[1].spectral_radii.len()), (2, 20));                // a run per layer
/// // Small random weights: whatever the state was, it is forgotten.
/// assert!(found.iter().all(|run| run.spectral_radii.iter().all(|(_, radius)| *radius < 1.0)));
/// assert!(found.iter().all(|run| run.lyapunov_exponents[0] < 0.0));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// # Errors
/// In the second value: the first error of a recording.
pub fn record_dynamics<R>(limits: DynamicsLimits, f: impl FnOnce() -> R) -> (R, Result<Vec<RunDynamics>>) {
    let recorder = Recorder { limits, found: Ok(vec![]) };
    let before = Restored(RECORDER.with(|known| known.replace(Some(recorder))));
    let result = f();
    let recorder = RECORDER.with(|known| known.borrow_mut().take());
    drop(before);
    (result, recorder.map_or(Ok(vec![]), |recorder| recorder.found))
}

/// Looks at a recurrence that is about to run, if that was asked for. What its steps unroll themselves is not looked
/// at.
pub(crate) fn observe<'g, C: Cell>(cell: &C, xs: &Sequence<'g>, state: &C::State<'g>, first: usize) {
    let Some(mut recorder) = RECORDER.with(|known| known.borrow_mut().take()) else { return };
    if xs.layout().running().len() > 1
        && let Ok(found) = &mut recorder.found
    {
        match look(cell, xs, state, first, recorder.limits) {
            Ok(run) => found.push(run),
            Err(error) => recorder.found = Err(error),
        }
    }
    RECORDER.with(|known| known.replace(Some(recorder)));
}

fn look<'g, C: Cell>(
    cell: &C,
    xs: &Sequence<'g>,
    state: &C::State<'g>,
    first: usize,
    limits: DynamicsLimits,
) -> Result<RunDynamics> {
    let (graph, layout) = (xs.graph(), xs.layout());
    let example = layout.order().map_or(0, |order| order[0]);
    let length = layout.running().len();
    // The longest example is the first one that is packed at each step.
    let input = |rows: Var<'g>, t: usize| rows.slice(0, layout.start(t)..layout.start(t) + 1).to_tensor();
    let mut at = Point {
        step: first,
        x: input(xs.rows(), 0)?,
        beside: vec![],
        state: leaves(state).iter().map(|leaf| leaf.index_select(&[example]).to_tensor()).collect::<Result<_>>()?,
    };
    let mut run = RunDynamics {
        scope: graph.place().scope,
        length,
        state_size: 0,
        spectral_radii: vec![],
        lyapunov_exponents: vec![],
    };
    let mut ball = None;
    let mut moving = vec![];
    for t in 0..length.min(limits.steps) {
        at.step = first + t;
        at.x = input(xs.rows(), t)?;
        at.beside =
            xs.beside().iter().map(|(name, rows)| Ok((name.clone(), input(*rows, t)?))).collect::<Result<_>>()?;
        if t == 0 {
            moving = at.moving(cell, graph.params())?;
            let widths = moving.iter().map(|&leaf| at.width(leaf));
            run.state_size = widths.fold(0, |sum: usize, width| sum.saturating_add(width));
            if run.state_size > limits.state_size {
                break;
            }
        }
        let jacobian = at.advance(cell, graph.params(), &moving, run.state_size)?;
        run.spectral_radii.push((at.step, krylov_radius(&jacobian, KRYLOV)));
        ball.get_or_insert_with(|| Ball::new(run.state_size, limits.exponents)).push(&jacobian);
    }
    run.lyapunov_exponents = ball.map_or(vec![], |ball| ball.exponents());
    Ok(run)
}

/// Where one example is: the numbers that go into its next step, each with a batch axis of 1.
struct Point {
    step: usize,
    x: Tensor,
    beside: Vec<(String, Tensor)>,
    state: Vec<Tensor>,
}

impl Point {
    /// Elements of a leaf.
    fn width(&self, leaf: usize) -> usize {
        self.state[leaf].shape().iter().product()
    }

    /// The leaves that a step changes. The others, such as a memory that is attended to, are constants of the run.
    fn moving<C: Cell>(&self, cell: &C, params: &Params) -> Result<Vec<usize>> {
        let graph = Graph::new(params);
        let (before, after) = self.take_step(cell, &graph, 1, &[]);
        let after = leaves(&after);
        after.iter().try_for_each(|leaf| leaf.shape().map(drop))?;
        Ok((0..before.len().min(after.len())).filter(|&leaf| !before[leaf].same_node(after[leaf])).collect())
    }

    /// Takes the step with `rows` equal rows. Returns the leaves that went in, some of them watched, and the state
    /// after.
    fn take_step<'a, C: Cell>(
        &self,
        cell: &C,
        graph: &'a Graph<'a>,
        rows: usize,
        watched: &[usize],
    ) -> (Vec<Var<'a>>, C::State<'a>) {
        let all = vec![0u32; rows];
        let wide = |row: &Tensor| graph.input(row).index_select(&all);
        let _step = graph.at_step(self.step);
        let _beside: Vec<_> = self.beside.iter().map(|(name, row)| graph.provide(name, wide(row))).collect();
        let enter = |(i, leaf)| if watched.contains(&i) { wide(leaf).watch() } else { wide(leaf) };
        let before: Vec<Var<'a>> = self.state.iter().enumerate().map(enter).collect();
        let state = cell.initial_state(graph, rows).rebuild(&mut before.iter().copied());
        let (_, after) = cell.step(wide(&self.x), state);
        (before, after)
    }

    /// Takes a step and returns its Jacobian over the leaves that move, `[out, in]`.
    ///
    /// A step treats the rows of a batch alike and apart. So n equal rows give all n rows of the Jacobian in one
    /// backward pass: from row i of the batch the gradient of element i of the next state is taken.
    fn advance<C: Cell>(&mut self, cell: &C, params: &Params, moving: &[usize], size: usize) -> Result<Array2<f64>> {
        let graph = Graph::new(params);
        let (before, after) = self.take_step(cell, &graph, size, moving);
        let after = leaves(&after);
        let (mut chosen, mut offset) = (vec![], 0);
        for &leaf in moving {
            let width = self.width(leaf);
            let mut own = Array2::<f64>::zeros((size, width));
            (0..width).for_each(|element| own[[offset + element, element]] = 1.0);
            let shape = after[leaf].shape()?;
            chosen.push((after[leaf] * graph.input(own).reshape(&*shape)).sum_all());
            offset += width;
        }
        let mut jacobian = Array2::zeros((size, size));
        if let Some(sum) = chosen.into_iter().reduce(|sum, one| sum + one) {
            let (gradients, mut offset) = (sum.backward()?, 0);
            for &leaf in moving {
                let width = self.width(leaf);
                if let Some(gradient) = gradients.of(before[leaf]) {
                    let gradient = gradient.to_f64();
                    let mut columns = jacobian.slice_axis_mut(Axis(1), Slice::from(offset..offset + width));
                    columns.iter_mut().zip(gradient.iter()).for_each(|(to, &x)| *to = x);
                }
                offset += width;
            }
        }
        for &leaf in moving {
            self.state[leaf] = after[leaf].slice(0, 0..1).to_tensor()?;
        }
        Ok(jacobian)
    }
}
