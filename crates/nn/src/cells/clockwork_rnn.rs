//! A plain cell whose units run at different speeds.

use super::gates::Gates;
use crate::Cell;
use unspool_graph::{Graph, Param, Scope, Var};

/// Computes a clockwork recurrent network (Koutník, Greff, Gomez and Schmidhuber 2014, "A clockwork RNN", equations 1
/// and 2, figure 1). The units are divided into modules. At the time step t = 0, 1, … a module runs if its period
/// divides t, and otherwise keeps its state; a module reads those with its own or a longer period:
///
/// - h' = tanh(W_ih x + (B ∘ W_hh) h + b) in the modules that run, and h in the others,
///   B_jk = 1 where period(k) ≥ period(j), and else 0
///
/// The state holds, beside h, the time step of each example modulo all periods. So a sequence that is continued from a
/// carried state goes on with its clock, and what is read backward has its first step at its own end.
///
/// Parameters `weight_ih [hidden, input]`, `weight_hh [hidden, hidden]`, `bias [hidden]`, uniform in ±1/√hidden. B ∘
/// W_hh is made once per recording.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::ClockworkRnn, unroll};
/// let mut params = Params::seeded(1);
/// let cell = ClockworkRnn::with_periods(params.scope("rnn"), 3, 4, &[1, 2]);
/// let graph = Graph::new(&params);
/// let xs = Sequence::full(graph.input(ndarray::Array3::from_shape_fn((1, 4, 3), |(_, t, _)| t as f32)));
/// let hs = unroll(&cell, &xs, cell.initial_state(&graph, 1)).0.padded();
/// let slow = |t: usize| hs.index(1, t).slice(-1, 2..4).value(); // the units of the period 2
/// assert!(slow(0)? == slow(1)? && slow(1)? != slow(2)? && slow(2)? == slow(3)?);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClockworkRnn {
    gates: Gates,
    /// The period of each module.
    periods: Vec<usize>,
    hidden_size: usize,
    /// After how many steps all periods begin together again.
    cycle: usize,
}

crate::state! {
    /// Holds the state of a [`ClockworkRnn`].
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Cell, cells::ClockworkRnn};
    /// let mut params = Params::seeded(1);
    /// let cell = ClockworkRnn::new(params.scope("rnn"), 3, 4);
    /// let graph = Graph::new(&params);
    /// let (_, state) = cell.step(graph.full([2, 3], 1.0), cell.initial_state(&graph, 2));
    /// assert_eq!(state.clock.value()?, ndarray::array![[1.0f32], [1.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct ClockworkState<'g> {
        /// The hidden vector, which is also the output: `[batch, hidden]`.
        pub h: Var<'g>,
        /// The time step, a whole number: `[batch, 1]`.
        pub clock: Var<'g>,
    }
}

impl ClockworkRnn {
    /// Adds a cell of five modules with the periods 1, 2, 4, 8 and 16.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> ClockworkRnn {
        ClockworkRnn::with_periods(scope, input_size, hidden_size, &[1, 2, 4, 8, 16])
    }

    /// Adds a cell with a module for each of these periods, of `hidden_size` units together, divided as equally as
    /// possible. No period, a period of 0, and periods whose least common multiple is above 2²⁴, beyond which single
    /// precision cannot count, are the store's error.
    pub fn with_periods(
        mut scope: Scope<'_>,
        input_size: usize,
        hidden_size: usize,
        periods: &[usize],
    ) -> ClockworkRnn {
        let common = |all: usize, &period: &usize| {
            let multiple = (all / gcd(all, period).max(1)).saturating_mul(period);
            (1..=1 << 24).contains(&multiple).then_some(multiple)
        };
        let cycle = periods.iter().try_fold(1, common).filter(|_| !periods.is_empty());
        if cycle.is_none() {
            scope.refuse("periods", periods, "needs periods from 1 whose least common multiple is at most 2^24");
        }
        ClockworkRnn {
            gates: Gates::new(&mut scope, 1, input_size, hidden_size),
            periods: periods.to_vec(),
            hidden_size,
            cycle: cycle.unwrap_or(1),
        }
    }

    fn period(&self, unit: usize) -> usize {
        self.periods.get(unit * self.periods.len() / self.hidden_size.max(1)).copied().unwrap_or(1)
    }

    /// B ∘ W_hh.
    fn weight<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        graph.cached(self.gates.weight_hh, "clockwork", || {
            let (w, size) = (graph.param(self.gates.weight_hh), self.hidden_size);
            let Some(shape) = w.known_shape() else { return w };
            let seen = |i: usize| f64::from(u8::from(self.period(i % size) >= self.period(i / size)));
            let seen: Vec<f64> = (0..shape.elements()).map(seen).collect();
            w * graph.input(seen).reshape(&*shape)
        })
    }

    /// The period of each unit, `[hidden]`.
    fn row<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        graph.cached(self.gates.bias, "periods", || match graph.param(self.gates.bias).known_shape() {
            Some(shape) => graph.input((0..shape[0]).map(|unit| self.period(unit) as f64).collect::<Vec<f64>>()),
            None => graph.inert(),
        })
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl Cell for ClockworkRnn {
    type State<'g> = ClockworkState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> ClockworkState<'g> {
        ClockworkState { h: self.gates.zeros(graph, batch), clock: graph.zeros([batch, 1]) }
    }
    fn step<'g>(&self, x: Var<'g>, state: ClockworkState<'g>) -> (Var<'g>, ClockworkState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.gates.of_input(xs)
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        ClockworkState { h, clock }: ClockworkState<'g>,
    ) -> (Var<'g>, ClockworkState<'g>) {
        let graph = x.graph();
        let rounds = clock / self.row(graph);
        let runs = rounds.eq(rounds.floor());
        let h = runs.where_((x + h.linear(self.weight(graph), None::<Param>)).tanh(), h);
        let next = clock + 1.0;
        let clock = next.lt(self.cycle as f64).where_(next, 0.0);
        (h, ClockworkState { h, clock })
    }
}
