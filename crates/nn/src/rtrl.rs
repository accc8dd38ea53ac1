//! Real-time recurrent learning: the gradient of a recurrence carried forward in time, in the memory of one step.

use crate::{Cell, Error, Result, State, leaves};
use ndarray::{ArrayD, Axis, IxDyn};
use unspool_graph::{Gradients, Graph, Param, Params, Tensor, Var};

/// Computes the gradient of a recurrence as it runs, without going back in time: real-time recurrent learning (RTRL;
/// Williams and Zipser 1989, "A learning algorithm for continually running fully recurrent neural networks"). For a
/// state s_t = f(x_t, s_{t−1}, θ) it carries the influence matrix J_t = ds_t/dθ beside the state, and each step's loss
/// L_t has its whole gradient at once:
///
/// - dL_t/dθ = ∂L_t/∂θ + (∂L_t/∂s_{t−1}) J_{t−1}
/// - J_t = (∂s_t/∂s_{t−1}) J_{t−1} + ∂s_t/∂θ
///
/// The sum of these gradients over the steps is that of back-propagation through time over the whole sequence, to
/// rounding; `laws` check it for every cell. Nothing of the past is kept, so a stream may be endless,
/// and the parameters may change after each step. The influence is then that of the parameters as they were, which is
/// near the true one while they change slowly.
///
/// | | memory, in numbers | time of a step |
/// | --- | --- | --- |
/// | [`Rtrl::new`], any cell | batch · S · P | batch · S backward passes of a step, and batch · S² · P products |
/// | [`Rtrl::diagonal`] | batch · P | batch backward passes of a step |
/// | back-propagation through T steps | T · one step | T backward passes of a step |
///
/// S is the number of elements of all [`leaves`] of the state of an example, and P that of the parameters which the
/// state depends on; those that only an output or a loss reads cost nothing here. So the first form is for small
/// states, and the second for [diagonal](Cell::is_diagonal) cells of any size (Mozer 1989, "A focused backpropagation
/// algorithm for temporal pattern recognition"; Zucchet and others 2023, "Online learning of long-range dependencies").
///
/// Steps are taken as in evaluation, without dropout, and a cell reads its input and its state alone, without [inputs
/// beside them](crate::Sequence::with_input). The influence is computed in double precision.
///
/// ```
/// use ndarray::Array2;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Rtrl, Sequence, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 1, 4);
/// let params = params.to_f64();
/// let weight = params.find("rnn.weight_hh_l0").unwrap();
///
/// let mut rtrl = Rtrl::new(&cell, &params, 1)?;
/// let mut carried = ndarray::ArrayD::<f64>::zeros(ndarray::IxDyn(&params.shape(weight)));
/// for t in 0..20 {
///     let x = Array2::from_elem((1, 1), (t as f64).sin()); // [batch, feature]
///     let (_, gradients) = rtrl.step(&cell, &params, x, |h| h.powi(2).sum_all())?;
///     if let Some(gradient) = gradients.of(weight) {
///         carried = carried + gradient.to_f64();
///     }
/// }
///
/// let graph = Graph::new(&params);
/// let xs = graph.input(ndarray::Array3::from_shape_fn((1, 20, 1), |(_, t, _)| (t as f64).sin()));
/// let (hs, _) = unroll(&cell, &Sequence::full(xs), cell.initial_state(&graph, 1));
/// let back = hs.rows().powi(2).sum_all().backward()?.of(weight).unwrap().to_f64();
/// assert!((&carried - &back).iter().all(|difference| difference.abs() < 1e-12));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rtrl {
    /// The state's leaves, `[batch, …]` each.
    state: Vec<Tensor>,
    /// The parameters that the state depends on, in the order of the influence's columns.
    columns: Vec<Columns>,
    influence: Influence,
    time: usize,
}

/// The elements of a parameter.
#[derive(Clone, Copy, Debug)]
struct Columns {
    param: Param,
    from: usize,
    len: usize,
}

/// The influence of the parameters on the state of each example. A row may be shorter than the columns are: what is
/// missing is zero.
#[derive(Clone, Debug)]
enum Influence {
    /// A row for each element of the state.
    Full(Vec<Vec<Vec<f64>>>),
    /// The one row in which each column has something, of a state of so many units.
    Diagonal { rows: Vec<Vec<f64>>, units: usize },
}

impl Rtrl {
    /// Begins with the cell's initial state, for `batch` examples side by side. Any cell will do.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn new<C: Cell>(cell: &C, params: &Params, batch: usize) -> Result<Rtrl> {
        Rtrl::from_state(cell, params, |graph| cell.initial_state(graph, batch))
    }

    /// Begins with another state than the cell's initial one, such as what an encoder made: `state` records it. Where
    /// it depends on parameters, their influence on it is carried on.
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::{Rnn, Rtrl};
    /// let mut params = Params::seeded(1);
    /// let cell = Rnn::new(params.scope("rnn"), 3, 4);
    /// let rtrl = Rtrl::from_state(&cell, &params, |graph| graph.full([2, 4], 0.5))?;
    /// assert_eq!(rtrl.state()[0].shape(), [2, 4]);
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn from_state<C: Cell>(
        _cell: &C,
        params: &Params,
        state: impl for<'g> FnOnce(&'g Graph<'g>) -> C::State<'g>,
    ) -> Result<Rtrl> {
        Rtrl::begin::<C>(params, false, state)
    }

    /// Begins with the initial state of a [diagonal](Cell::is_diagonal) cell, whose influence has one number per
    /// parameter.
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::{Gru, Rtrl, cells::MinGru};
    /// let mut params = Params::seeded(1);
    /// let min_gru = MinGru::new(params.scope("min_gru"), 3, 64);
    /// let mut rtrl = Rtrl::diagonal(&min_gru, &params, 1)?;
    /// rtrl.step(&min_gru, &params, ndarray::array![[0.1f32, 0.2, 0.3]], |h| h.sum_all())?;
    /// assert_eq!(rtrl.elements(), 2 * (64 * 3 + 64)); // the weights and biases of a gate and a candidate
    ///
    /// let gru = Gru::new(params.scope("gru"), 3, 64);
    /// let error = Rtrl::diagonal(&gru, &params, 1).unwrap_err().to_string();
    /// assert_eq!(error, "the cell is not diagonal; `Rtrl::new` takes any cell");
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// A cell that does not say that it is diagonal, a state of several leaves, and the first error of a recording.
    pub fn diagonal<C: Cell>(cell: &C, params: &Params, batch: usize) -> Result<Rtrl> {
        if !cell.is_diagonal() {
            return Err(refusal("the cell is not diagonal"));
        }
        Rtrl::begin::<C>(params, true, |graph| cell.initial_state(graph, batch))
    }

    pub(crate) fn begin<C: Cell>(
        params: &Params,
        diagonal: bool,
        state: impl for<'g> FnOnce(&'g Graph<'g>) -> C::State<'g>,
    ) -> Result<Rtrl> {
        let graph = Graph::new(params);
        let first = leaves(&state(&graph));
        let state = first.iter().map(|leaf| leaf.to_tensor()).collect::<unspool_graph::Result<Vec<_>>>()?;
        let batch = state.first().and_then(|leaf| leaf.shape().first().copied()).unwrap_or(0);
        let mut rtrl = Rtrl { state, columns: vec![], influence: Influence::Full(vec![]), time: 0 };
        if diagonal {
            let (1, &[_, units]) = (rtrl.state.len(), rtrl.state[0].shape()) else {
                return Err(refusal("the state of a diagonal cell is one leaf, [batch, unit]"));
            };
            let mut rows = Vec::with_capacity(batch);
            for b in 0..batch {
                let ones = chosen(&first[0], b, |_| true)?;
                rows.push(rtrl.direct(params, &first[0].vjp(ones)?)?);
            }
            rtrl.influence = Influence::Diagonal { rows, units };
            rtrl.check_units(params)?;
            return Ok(rtrl);
        }
        let mut all = Vec::with_capacity(batch);
        for b in 0..batch {
            let mut rows = vec![];
            for leaf in &first {
                for element in 0..width(&leaf.shape()?) {
                    let unit = chosen(leaf, b, |at| at == element)?;
                    rows.push(rtrl.direct(params, &leaf.vjp(unit)?)?);
                }
            }
            all.push(rows);
        }
        rtrl.influence = Influence::Full(all);
        Ok(rtrl)
    }

    /// Takes a step from the input `x [batch, feature]`. `loss` makes this step's loss, a single number, of the cell's
    /// output `[batch, output]`; it may read parameters of its own, such as a readout's, and enter targets by
    /// `h.graph().input(…)`. Returns the loss and its gradients, through all steps so far.
    ///
    /// # Errors
    /// The first error of a recording, which may be that of `loss`.
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::{Linear, Lstm, Rtrl, Sgd, optimizer::Optimizer};
    /// let mut params = Params::seeded(1);
    /// let cell = Lstm::new(params.scope("rnn"), 1, 4);
    /// let readout = Linear::new(params.scope("readout"), 4, 1);
    /// let mut rtrl = Rtrl::new(&cell, &params, 1)?;
    /// let mut sgd = Sgd::new();
    /// let mut losses = vec![];
    /// for t in 0..200 {
    ///     let x = ndarray::array![[f32::from(t % 2 == 0)]]; // the next one is the other one
    ///     let (loss, gradients) = rtrl.step(&cell, &params, x.clone(), |h| {
    ///         (readout.apply(h) - h.graph().input(1.0 - x)).powi(2).sum_all()
    ///     })?;
    ///     sgd.step(&mut params, &gradients, 0.1)?;
    ///     losses.push(loss);
    /// }
    /// assert!(losses[199] < 0.1 * losses[1]);
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn step<C: Cell>(
        &mut self,
        cell: &C,
        params: &Params,
        x: impl Into<Tensor>,
        loss: impl for<'g> FnOnce(Var<'g>) -> Var<'g>,
    ) -> Result<(f64, Gradients)> {
        let x: Tensor = x.into();
        let graph = Graph::new(params);
        let (before, y, after) = self.take_step(cell, &graph, graph.input(&x), &self.state);
        let after = leaves(&after);
        if after.len() != before.len() {
            let why = format!("the state went in with {} leaves and came out with {}", before.len(), after.len());
            return Err(graph.error("rtrl", why).into());
        }
        let next = after.iter().map(|leaf| leaf.to_tensor()).collect::<unspool_graph::Result<Vec<_>>>()?;
        let loss = loss(y);
        let mut gradients = loss.backward()?;
        self.add_past(params, &before, &mut gradients)?;
        self.carry(cell, params, &x)?;
        self.state = next;
        self.time += 1;
        Ok((loss.item()?, gradients))
    }

    /// Returns the leaves of the state after the steps so far, `[batch, …]` each, as
    /// [`state_to_tensors`](crate::state_to_tensors) does.
    pub fn state(&self) -> &[Tensor] {
        &self.state
    }

    /// Returns how many numbers the influence has: the memory that is carried from step to step, beside the state. It
    /// does not grow after the first step.
    pub fn elements(&self) -> usize {
        match &self.influence {
            Influence::Full(all) => all.iter().flatten().map(Vec::len).sum(),
            Influence::Diagonal { rows, .. } => rows.iter().map(Vec::len).sum(),
        }
    }

    /// Records a step. Returns the leaves that went in, which are watched, the output, and the state.
    fn take_step<'g, C: Cell>(
        &self,
        cell: &C,
        graph: &'g Graph<'g>,
        x: Var<'g>,
        state: &[Tensor],
    ) -> (Vec<Var<'g>>, Var<'g>, C::State<'g>) {
        let batch = state.first().and_then(|leaf| leaf.shape().first().copied()).unwrap_or(0);
        let before: Vec<Var<'g>> = state.iter().map(|leaf| graph.input(leaf).watch()).collect();
        let entered = cell.initial_state(graph, batch).rebuild(&mut before.iter().copied());
        let _step = graph.at_step(self.time);
        let (y, after) = cell.step(x, entered);
        (before, y, after)
    }

    /// Adds (∂L/∂s_{t−1}) J_{t−1} to the gradients of a step's loss.
    fn add_past(&self, params: &Params, before: &[Var<'_>], gradients: &mut Gradients) -> Result<()> {
        let mut past = vec![0.0; self.columns.iter().map(|columns| columns.len).sum()];
        let to_state: Vec<Option<ArrayD<f64>>> =
            before.iter().map(|&leaf| gradients.of(leaf).map(|gradient| gradient.to_f64())).collect();
        match &self.influence {
            Influence::Full(all) => {
                for (b, rows) in all.iter().enumerate() {
                    let mut rows = rows.iter();
                    for (gradient, leaf) in to_state.iter().zip(&self.state) {
                        let own = rows.by_ref().take(width(leaf.shape()));
                        let Some(gradient) = gradient else {
                            own.for_each(drop);
                            continue;
                        };
                        own.zip(gradient.index_axis(Axis(0), b)).for_each(|(row, &by)| add(&mut past, by, row));
                    }
                }
            }
            Influence::Diagonal { rows, units } => {
                for (b, row) in rows.iter().enumerate() {
                    let Some(Some(gradient)) = to_state.first() else { continue };
                    let gradient: Vec<f64> = gradient.index_axis(Axis(0), b).iter().copied().collect();
                    self.each_unit(params, *units, |at, unit| {
                        if let Some(influence) = row.get(at) {
                            past[at] += gradient[unit] * influence;
                        }
                    });
                }
            }
        }
        for &Columns { param, from, len } in &self.columns {
            let own = past[from..from + len].to_vec();
            let mut sum = ArrayD::from_shape_vec(IxDyn(&params.shape(param)), own).unwrap_or_default();
            if let Some(direct) = gradients.of(param) {
                sum += &direct.to_f64();
            }
            gradients.set(params, param, sum)?;
        }
        Ok(())
    }

    /// J_t = (∂s_t/∂s_{t−1}) J_{t−1} + ∂s_t/∂θ, example by example: the gradients of a row of a batch come added to
    /// those of the others.
    fn carry<C: Cell>(&mut self, cell: &C, params: &Params, x: &Tensor) -> Result<()> {
        let mut influence = std::mem::replace(&mut self.influence, Influence::Full(vec![]));
        let batch = match &influence {
            Influence::Full(all) => all.len(),
            Influence::Diagonal { rows, .. } => rows.len(),
        };
        for b in 0..batch {
            let graph = Graph::new(params);
            let row = |tensor: &Tensor| Tensor::from(tensor.to_f64().select(Axis(0), &[b]));
            let state: Vec<Tensor> = self.state.iter().map(row).collect();
            let (before, _, after) = self.take_step(cell, &graph, graph.input(row(x)), &state);
            let after = leaves(&after);
            match &mut influence {
                Influence::Full(all) => {
                    let mut next = Vec::with_capacity(all[b].len());
                    for leaf in &after {
                        for element in 0..width(&leaf.shape()?) {
                            let gradients = leaf.vjp(chosen(leaf, 0, |at| at == element)?)?;
                            let mut sum = self.direct(params, &gradients)?;
                            let mut rows = all[b].iter();
                            for &input in &before {
                                let own = rows.by_ref().take(width(&input.shape()?));
                                let Some(by) = gradients.of(input) else {
                                    own.for_each(drop);
                                    continue;
                                };
                                own.zip(&by.to_f64()).for_each(|(row, &by)| add(&mut sum, by, row));
                            }
                            next.push(sum);
                        }
                    }
                    all[b] = next;
                }
                Influence::Diagonal { rows, units } => {
                    let gradients = after[0].vjp(chosen(&after[0], 0, |_| true)?)?;
                    let mut sum = self.direct(params, &gradients)?;
                    let slopes: Vec<f64> = gradients
                        .of(before[0])
                        .map_or(vec![0.0; *units], |slopes| slopes.to_f64().iter().copied().collect());
                    self.each_unit(params, *units, |at, unit| {
                        if let Some(influence) = rows[b].get(at) {
                            sum[at] += slopes[unit] * influence;
                        }
                    });
                    rows[b] = sum;
                }
            }
        }
        let diagonal = matches!(influence, Influence::Diagonal { .. });
        self.influence = influence;
        if diagonal { self.check_units(params) } else { Ok(()) }
    }

    /// The gradients by the parameters as one row of the influence, which gets columns for parameters that it did not
    /// have.
    fn direct(&mut self, params: &Params, gradients: &Gradients) -> Result<Vec<f64>> {
        let mut all: usize = self.columns.iter().map(|columns| columns.len).sum();
        let mut row = vec![0.0; all];
        for param in params.iter() {
            let Some(gradient) = gradients.of(param) else { continue };
            let gradient = gradient.to_f64();
            let known = self.columns.iter().find(|columns| columns.param == param).copied();
            let Columns { from, len, .. } = known.unwrap_or_else(|| {
                let new = Columns { param, from: all, len: gradient.len() };
                self.columns.push(new);
                all += new.len;
                new
            });
            row.resize(all, 0.0);
            row[from..from + len].iter_mut().zip(&gradient).for_each(|(to, &x)| *to = x);
        }
        Ok(row)
    }

    /// Goes over the columns of the influence of a diagonal cell, with the unit that each belongs to.
    fn each_unit(&self, params: &Params, units: usize, mut f: impl FnMut(usize, usize)) {
        for &Columns { param, from, len } in &self.columns {
            let per_row = len / params.shape(param)[0].max(1);
            (0..len).for_each(|at| f(from + at, (at / per_row.max(1)) % units));
        }
    }

    /// Refuses parameters whose rows cannot belong to units in turn.
    fn check_units(&self, params: &Params) -> Result<()> {
        let Influence::Diagonal { units, .. } = self.influence else { return Ok(()) };
        for columns in &self.columns {
            let shape = params.shape(columns.param);
            if units == 0 || shape.first().is_none_or(|rows| rows % units != 0) {
                let name = params.name(columns.param);
                return Err(refusal(&format!("{name} {shape} has not a row, or several, for each of {units} units")));
            }
        }
        Ok(())
    }
}

fn refusal(what: &str) -> Error {
    Error::Config { what: what.into(), right: "`Rtrl::new` takes any cell".into() }
}

/// Elements of a row of a batch.
fn width(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}

/// to += by · row
fn add(to: &mut [f64], by: f64, row: &[f64]) {
    if by != 0.0 {
        to.iter_mut().zip(row).for_each(|(to, &x)| *to += by * x);
    }
}

/// A cotangent that is 1 at some elements of one row of a batch, and 0 elsewhere.
fn chosen(leaf: &Var<'_>, row: usize, is_chosen: impl Fn(usize) -> bool) -> Result<Tensor> {
    let shape = leaf.shape()?;
    let mut all = ArrayD::<f64>::zeros(IxDyn(&shape));
    let mut own = all.index_axis_mut(Axis(0), row);
    own.iter_mut().enumerate().filter(|(at, _)| is_chosen(*at)).for_each(|(_, one)| *one = 1.0);
    Ok(all.into())
}
