//! The one trait of recurrence, and what a cell hands from step to step.

mod any_cell;
mod gru;
mod lstm;
mod rnn;
mod weights;

pub use any_cell::{AnyCell, AnyState, CellKind};
pub use gru::{Gru, GruConfig, gru_gates};
pub use lstm::{Lstm, LstmConfig, LstmState};
pub use rnn::{Nonlinearity, Rnn, RnnConfig};
pub use weights::RecurrentInit;

use crate::Sequence;
use unspool_graph::{Graph, Result, Tensor, Var};

/// Describes the state that a cell passes from step to step. Everything that is done to a state (keeping ended rows,
/// detaching and carrying, reordering for a beam, measuring its gradient) is done to its leaves. Axis 0 of each leaf is
/// the batch.
///
/// A `Var` is a state, and so are tuples, arrays and `Vec`s of states. Your own struct becomes one by
/// [`state!`](crate::state).
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{State, leaves};
/// let params = Params::seeded(1);
/// let graph = Graph::new(&params);
/// let state = [(graph.zeros([2, 4]), graph.zeros([2, 4]))]; // one layer's h and c
/// let next = state.rebuild(&mut leaves(&state).into_iter().map(|leaf| leaf + 1.0));
/// assert_eq!(next[0].1.to_f64()?.sum(), 8.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait State<'g>: Clone {
    /// Adds this state's leaves to `out`, always in the same order.
    fn leaves(&self, out: &mut Vec<Var<'g>>);
    /// Returns the same structure with other leaves, taken in the order of [`leaves`](State::leaves).
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self;
}

impl<'g> State<'g> for Var<'g> {
    fn leaves(&self, out: &mut Vec<Var<'g>>) {
        out.push(*self);
    }
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self {
        // Too few leaves leave the old one in place, whose graph will say what is wrong.
        leaves.next().unwrap_or(*self)
    }
}

/// A cell without memory.
impl<'g> State<'g> for () {
    fn leaves(&self, _: &mut Vec<Var<'g>>) {}
    fn rebuild(&self, _: &mut dyn Iterator<Item = Var<'g>>) -> Self {}
}

/// What some of a kind carry and others do not, such as the memory that an LSTM has beside its hidden vector.
impl<'g, S: State<'g>> State<'g> for Option<S> {
    fn leaves(&self, out: &mut Vec<Var<'g>>) {
        self.iter().for_each(|s| s.leaves(out));
    }
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self {
        self.as_ref().map(|s| s.rebuild(leaves))
    }
}

impl<'g, S: State<'g>> State<'g> for Vec<S> {
    fn leaves(&self, out: &mut Vec<Var<'g>>) {
        self.iter().for_each(|s| s.leaves(out));
    }
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self {
        self.iter().map(|s| s.rebuild(leaves)).collect()
    }
}

impl<'g, S: State<'g>, const N: usize> State<'g> for [S; N] {
    fn leaves(&self, out: &mut Vec<Var<'g>>) {
        self.iter().for_each(|s| s.leaves(out));
    }
    fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self {
        self.each_ref().map(|s| s.rebuild(leaves))
    }
}

macro_rules! tuple {
    ($($name:ident $index:tt),+) => {
        impl<'g, $($name: State<'g>),+> State<'g> for ($($name,)+) {
            fn leaves(&self, out: &mut Vec<Var<'g>>) {
                $(self.$index.leaves(out);)+
            }
            fn rebuild(&self, leaves: &mut dyn Iterator<Item = Var<'g>>) -> Self {
                ($(self.$index.rebuild(leaves),)+)
            }
        }
    };
}
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);

/// Declares a struct that is a [`State`]: every field is a state, and so is every type parameter.
///
/// ```
/// use unspool_graph::Var;
/// unspool_nn::state! {
///     /// A hidden vector, and how often it was written.
///     #[derive(Debug)]
///     struct Memory<'g> { hidden: Var<'g>, writes: Var<'g> }
/// }
/// unspool_nn::state! {
///     /// The state of a cell that wraps another one.
///     struct Wrapped<'g, S> { inner: S, trace: Var<'g> }
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! state {
    ($(#[$attribute:meta])* $visibility:vis struct $name:ident<$life:lifetime $(, $inner:ident)*> {
        $($(#[$field_attribute:meta])* $field_visibility:vis $field:ident: $type:ty),+ $(,)?
    }) => {
        $(#[$attribute])*
        #[derive(Clone)]
        $visibility struct $name<$life $(, $inner)*> { $($(#[$field_attribute])* $field_visibility $field: $type),+ }
        impl<$life $(, $inner: $crate::State<$life>)*> $crate::State<$life> for $name<$life $(, $inner)*> {
            fn leaves(&self, out: &mut Vec<$crate::graph::Var<$life>>) {
                $($crate::State::leaves(&self.$field, out);)+
            }
            fn rebuild(&self, leaves: &mut dyn Iterator<Item = $crate::graph::Var<$life>>) -> Self {
                $name { $($field: $crate::State::rebuild(&self.$field, leaves)),+ }
            }
        }
    };
}

/// Runs one step of a recurrence. **A cell is plain data** (parameters and sizes). Whatever belongs to one recording is
/// state, such as an attended memory or a dropout mask that is held for a whole sequence. So a cell works on any
/// recording and any thread.
///
/// More in [chapter 15](https://github.com/unspool/unspool/blob/main/docs/15-own-cell.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Param, Params, Scope, Var, init};
/// use unspool_nn::{Cell, Sequence, unroll};
///
/// /// h' = tanh(x·W_xh + h·W_hh + b)
/// #[derive(Clone)]
/// struct MyCell { w_xh: Param, w_hh: Param, bias: Param, hidden_size: usize }
///
/// impl MyCell {
///     fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Self {
///         MyCell {
///             w_xh: scope.add("w_xh", [input_size, hidden_size], init::uniform(0.3)),
///             w_hh: scope.add("w_hh", [hidden_size, hidden_size], init::orthogonal(1.0)),
///             bias: scope.add("bias", [hidden_size], init::zeros()),
///             hidden_size,
///         }
///     }
/// }
///
/// impl Cell for MyCell {
///     type State<'g> = Var<'g>;
///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
///         graph.zeros([batch, self.hidden_size])
///     }
///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
///         let h = (x.matmul(self.w_xh) + h.matmul(self.w_hh) + self.bias).tanh();
///         (h, h)
///     }
/// }
///
/// let mut params = Params::seeded(1);
/// let cell = MyCell::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);          // [batch, time, feature] and lengths
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!(*hs.padded().shape()?, [2, 5, 8]);
/// assert_eq!(*last.shape()?, [2, 8]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no cell",
    label = "this cannot be unrolled",
    note = "the methods of a cell name the lifetime of the graph that they are called on: \
            `fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>)`, \
            while the type that implements `Cell` holds parameters and sizes, and has no lifetime"
)]
pub trait Cell {
    /// Is the type of the state that is passed from step to step.
    type State<'g>: State<'g>;

    /// Returns the state before the first step, of `batch` rows.
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g>;

    /// Takes one step: from the input `[batch, feature]` and the state to the output `[batch, output]` and the next
    /// state.
    ///
    /// This is the method that a cell must have, and the one to call in your own loop, as in decoding.
    /// [`unroll`](crate::unroll()) runs it over a whole sequence.
    fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>);

    /// Computes what depends on the inputs alone, such as their product with a weight, for all steps at once:
    /// `[rows, feature]` to `[rows, …]`, each row by itself. [`unroll`](crate::unroll()) calls it once, and
    /// [`step_projected`](Cell::step_projected) at each step with the rows of that step.
    ///
    /// This is an optimization: a cell without it is complete. A cell that has it has
    /// [`step_projected`](Cell::step_projected) too, and its `step` is one line:
    /// `self.step_projected(x, self.project(x), state)`. The laws check that both ways agree.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, Scope, Var};
    /// use unspool_nn::{Cell, Linear, Sequence, unroll};
    ///
    /// /// h' = tanh(W x + b + U h)
    /// struct Plain { input: Linear, hidden: Linear }
    ///
    /// impl Cell for Plain {
    ///     type State<'g> = Var<'g>;
    ///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> { graph.zeros([batch, 4]) }
    ///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
    ///         self.step_projected(x, self.project(x), h)
    ///     }
    ///     fn project<'g>(&self, xs: Var<'g>) -> Var<'g> { self.input.apply(xs) }
    ///     fn step_projected<'g>(&self, _: Var<'g>, projected: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
    ///         let h = (projected + self.hidden.apply(h)).tanh();
    ///         (h, h)
    ///     }
    /// }
    /// let mut params = Params::seeded(1);
    /// let (input, hidden) = (Linear::new(params.scope("input"), 3, 4), Linear::new(params.scope("hidden"), 4, 4));
    /// let cell = Plain { input, hidden };
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::full(graph.full([2, 5, 3], 1.0));
    /// let (_, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
    /// assert_eq!(*last.shape()?, [2, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs
    }

    /// Takes one step from an input whose [projection](Cell::project) is known: `x` are rows of the input, as in
    /// [`step`](Cell::step), and `projected` are the same rows of the projection.
    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        let _ = projected;
        self.step(x, state)
    }

    /// Runs the cell over a whole sequence at once, from the state before the first step, if it can: a cell whose
    /// steps are [linear in the state](crate::scan) needs no loop of recorded steps. [`unroll`](crate::unroll()) asks
    /// for it first, and takes steps where it returns `None`, which is the default.
    ///
    /// - `state` and the returned state have their rows in the order of the batch; the returned one is each example's
    ///   after its own last step, so that an example of length 0 keeps what it had.
    /// - The outputs are those that [`step`](Cell::step) returns at each step, up to rounding. The laws check that.
    ///
    /// A scan has no time steps: an error or a profile names the sequence, and
    /// [`record_grad_norms`](Graph::record_grad_norms) sees no states between the steps. Where these are wanted,
    /// [`Stepwise`](crate::Stepwise) runs the same cell by its steps.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, Var};
    /// use unspool_nn::{Cell, Linear, Sequence, scan::linear_recurrence, unroll};
    ///
    /// /// h' = f ∘ h + (1 − f) ∘ W x,  f = σ(V x)
    /// struct Leaky { forget: Linear, input: Linear }
    ///
    /// impl Leaky {
    ///     /// The coefficients of h' = a ∘ h + b.
    ///     fn coefficients<'g>(&self, x: Var<'g>) -> (Var<'g>, Var<'g>) {
    ///         let f = self.forget.apply(x).sigmoid();
    ///         (f, (1.0 - f) * self.input.apply(x))
    ///     }
    /// }
    ///
    /// impl Cell for Leaky {
    ///     type State<'g> = Var<'g>;
    ///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> { graph.zeros([batch, 4]) }
    ///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
    ///         let (a, b) = self.coefficients(x);
    ///         let h = a * h + b;
    ///         (h, h)
    ///     }
    ///     fn scan<'g>(&self, xs: &Sequence<'g>, h: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
    ///         let (a, b) = self.coefficients(xs.rows());
    ///         Some(linear_recurrence(&xs.map(|_| a), &xs.map(|_| b), *h))
    ///     }
    /// }
    /// let mut params = Params::seeded(1);
    /// let (forget, input) = (Linear::new(params.scope("forget"), 3, 4), Linear::new(params.scope("input"), 3, 4));
    /// let cell = Leaky { forget, input };
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.full([2, 500, 3], 1.0), &[500, 2]);
    /// let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
    /// assert_eq!(*hs.padded().shape()?, [2, 500, 4]);
    /// assert!(graph.len() < 30);                                            // nodes, for 500 steps
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    fn scan<'g>(&self, xs: &Sequence<'g>, state: &Self::State<'g>) -> Option<(Sequence<'g>, Self::State<'g>)> {
        let _ = (xs, state);
        None
    }

    /// Returns whether the cell is diagonal: its state is one leaf `[batch, n]`, each of the n units reads of the state
    /// before nothing but its own element, so that ∂s'/∂s has nothing off its diagonal, and row r of every parameter
    /// that the state depends on is read by unit r mod n alone. [`Rtrl::diagonal`](crate::Rtrl::diagonal) then carries
    /// one number per parameter. The laws check what a cell says here; by default it says no.
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::{Cell, Gru, cells::{IndRnn, MinGru}};
    /// let mut params = Params::seeded(1);
    /// assert!(IndRnn::new(params.scope("a"), 3, 4).is_diagonal());
    /// assert!(MinGru::new(params.scope("b"), 3, 4).is_diagonal());
    /// assert!(!Gru::new(params.scope("c"), 3, 4).is_diagonal());
    /// ```
    fn is_diagonal(&self) -> bool {
        false
    }

    /// Returns the state that [`state_to_tensors`] took apart, on another recording.
    ///
    /// # Errors
    /// The graph records an error for more or fewer arrays than a state of this cell has leaves.
    #[track_caller]
    fn state_from_tensors<'g>(&self, graph: &'g Graph<'g>, carried: &[Tensor]) -> Self::State<'g> {
        state_from_tensors(graph, carried, |batch| self.initial_state(graph, batch))
    }
}

/// Copies a state's leaves out as plain arrays, to be carried into another recording: no gradient can pass, which is
/// truncated back-propagation, guaranteed by the type.
///
/// More in [chapter 4](https://github.com/unspool/unspool/blob/main/docs/04-unrolling.md) of the tutorial.
///
/// # Errors
/// The graph's first error.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, state_to_tensors};
/// let mut params = Params::seeded(1);
/// let cell = Lstm::new(params.scope("rnn"), 3, 4);
/// let carried = {
///     let graph = Graph::new(&params);
///     let (_, state) = cell.step(graph.full([2, 3], 1.0), cell.initial_state(&graph, 2));
///     state_to_tensors(&state)? // h and c as arrays, which outlive the graph
/// };
/// let graph = Graph::new(&params);
/// assert_eq!(cell.state_from_tensors(&graph, &carried).c.value()?, carried[1]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn state_to_tensors<'g, S: State<'g>>(state: &S) -> Result<Vec<Tensor>> {
    leaves(state).into_iter().map(Var::to_tensor).collect()
}

/// The carried leaves in the structure that `like` gives for a number of rows.
#[track_caller]
pub(crate) fn state_from_tensors<'g, S: State<'g>>(
    graph: &'g Graph<'g>,
    carried: &[Tensor],
    like: impl FnOnce(usize) -> S,
) -> S {
    let like = like(carried.first().and_then(|leaf| leaf.shape().first().copied()).unwrap_or(0));
    let expected = leaves(&like).len();
    if expected != carried.len() {
        let why = format!("{} arrays were carried for a state of {expected} leaves", carried.len());
        graph.fail(graph.error("state_from_tensors", why));
        return like;
    }
    like.rebuild(&mut carried.iter().map(|t| graph.input(t)))
}

/// Returns the leaves of a state, in order.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::leaves;
/// let params = Params::seeded(1);
/// let graph = Graph::new(&params);
/// let state = (graph.zeros([2, 4]), vec![graph.zeros([2, 3]); 2]);
/// assert_eq!(leaves(&state).len(), 3);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn leaves<'g, S: State<'g>>(state: &S) -> Vec<Var<'g>> {
    let mut out = vec![];
    state.leaves(&mut out);
    out
}

/// As [`map_state`], for what moves rows about: leaves that are one node, such as keys and values of one memory, stay
/// one. That spares work, and what flows back to them is added up in the same order whether rows were moved or not.
pub(crate) fn move_rows<'g, S: State<'g>>(state: &S, mut f: impl FnMut(Var<'g>) -> Var<'g>) -> S {
    let mut moved: Vec<(Var<'g>, Var<'g>)> = vec![];
    map_state(state, |leaf| match moved.iter().find(|(from, _)| from.same_node(leaf)) {
        Some(&(_, to)) => to,
        None => {
            moved.push((leaf, f(leaf)));
            moved[moved.len() - 1].1
        }
    })
}

/// Returns the state with each leaf replaced by `f` of that leaf.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::map_state;
/// let params = Params::seeded(1);
/// let graph = Graph::new(&params);
/// let state = (graph.full([3, 4], 1.0), graph.full([3, 2], 2.0));
/// let (h, c) = map_state(&state, |leaf| leaf.index_select(&[2, 0])); // rows reordered, as by a beam
/// assert_eq!((h.shape()?.to_vec(), c.shape()?.to_vec()), (vec![2, 4], vec![2, 2]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub fn map_state<'g, S: State<'g>>(state: &S, f: impl FnMut(Var<'g>) -> Var<'g>) -> S {
    state.rebuild(&mut leaves(state).into_iter().map(f))
}
