//! A state that now and then stays as it was.

use crate::{Cell, State, leaves};
use unspool_graph::{Graph, Var};

/// Applies zoneout (Krueger and others 2017): in training each element of the state keeps its last value with a
/// probability, instead of being dropped; in evaluation the state is the mean of that: s' = p · s + (1 − p) · s̃, where
/// s̃ is the state that the cell computed.
///
/// Where the output is one of the state's leaves, as the hidden vector of built-in cells is, it stays that leaf.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, Sequence, Zoneout, unroll};
/// let mut params = Params::seeded(0);
/// let cell = Zoneout::new(Lstm::new(params.scope("rnn"), 3, 8), &[0.05, 0.5]); // h, c
/// let graph = Graph::new(&params).training(1, 0);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!(*ys.padded().shape()?, [2, 5, 8]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Zoneout<C> {
    cell: C,
    rates: Vec<f64>,
}

impl<C> Zoneout<C> {
    /// Wraps `cell`, with a probability for each leaf of its state, in their order.
    ///
    /// # Errors
    /// Kept in the graph by [`Cell::initial_state`] and [`Cell::step`], in training and in evaluation: a probability
    /// outside [0, 1), and another number of probabilities than the state has leaves.
    pub fn new(cell: C, rates: &[f64]) -> Zoneout<C> {
        Zoneout { cell, rates: rates.to_vec() }
    }

    #[track_caller]
    fn check(&self, graph: &Graph<'_>, leaves: usize) {
        let why = match self.rates.iter().find(|rate| !(0.0..1.0).contains(*rate)) {
            Some(rate) => format!("the probability {rate} is not in [0, 1)"),
            None if self.rates.len() != leaves => {
                let rates = self.rates.len();
                let leaves = if leaves == 1 { "1 leaf".into() } else { format!("{leaves} leaves") };
                format!("there are {rates} probabilities for {leaves} of the state: one for each is needed, 0 for none")
            }
            None => return,
        };
        graph.fail(graph.error("zoneout", why));
    }
}

impl<C: Cell> Cell for Zoneout<C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        let state = self.cell.initial_state(graph, batch);
        self.check(graph, leaves(&state).len());
        state
    }

    fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        let before = leaves(&state);
        self.check(x.graph(), before.len());
        self.keep_back(&before, self.cell.step(x, state))
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cell.project(xs)
    }

    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        let before = leaves(&state);
        self.check(x.graph(), before.len());
        self.keep_back(&before, self.cell.step_projected(x, projected, state))
    }
}

impl<C: Cell> Zoneout<C> {
    /// What the cell gave, with some of the state as it was before.
    fn keep_back<'g>(&self, before: &[Var<'g>], (mut y, next): (Var<'g>, C::State<'g>)) -> (Var<'g>, C::State<'g>) {
        let mut after = leaves(&next);
        for ((new, &old), &rate) in after.iter_mut().zip(before).zip(&self.rates) {
            if rate == 0.0 || new.same_node(old) {
                continue; // an attended memory or a mask is no memory that could be kept back
            }
            let kept = mix(old, *new, rate);
            if y.same_node(*new) {
                y = kept;
            }
            *new = kept;
        }
        (y, next.rebuild(&mut after.into_iter()))
    }
}

fn mix<'g>(old: Var<'g>, new: Var<'g>, rate: f64) -> Var<'g> {
    let graph = new.graph();
    match new.known_shape() {
        Some(shape) if graph.is_training() => graph.full(&*shape, 1.0).dropout(rate).where_(new, old),
        _ => new + (old - new) * rate,
    }
}
