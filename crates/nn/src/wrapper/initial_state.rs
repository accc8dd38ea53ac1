//! How a sequence begins: a state that is learned, or drawn at random.

use crate::{Cell, Sequence, State, leaves};
use unspool_graph::{Graph, Param, RngKey, Scope, Var, init};

/// Gives a cell another initial state; in everything else it is the cell it wraps.
///
/// More in [chapter 3](https://github.com/unspool/unspool/blob/main/docs/03-recurrence.md) of the tutorial.
///
/// A cell's own initial state is mostly zeros. [`learned`](InitialState::learned) makes it a parameter, the same for
/// every row; [`random`](InitialState::random) adds noise to it in training. One that is given, as a decoder's by an
/// encoder, needs no wrapper: it is the state that [`unroll`](crate::unroll()) is called with.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, InitialState, Lstm, Sequence, unroll};
/// let mut params = Params::seeded(0);
/// let cell = Lstm::new(params.scope("rnn"), 3, 4);
/// let cell = InitialState::learned(params.scope("start"), cell);
/// let (h, c) = (params.find("start.state0").unwrap(), params.find("start.state1").unwrap());
///
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (ys, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// let gradients = ys.rows().sum_all().backward()?;
/// assert!(gradients.of(h).is_some() && gradients.of(c).is_some());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InitialState<C> {
    cell: C,
    start: Start,
}

#[derive(Clone, Debug)]
enum Start {
    /// A parameter for each leaf, without its batch axis.
    Learned(Vec<Param>),
    /// The deviation of the noise.
    Random(f64),
}

impl<C: Cell> InitialState<C> {
    /// Learns the initial state: each leaf of the state is a parameter, `state0`, `state1`, …, of a row's shape, at
    /// first zeros. For an LSTM these are h and c.
    pub fn learned(mut scope: Scope<'_>, cell: C) -> InitialState<C> {
        let shapes: Vec<Vec<usize>> = {
            let graph = Graph::new(scope.params());
            let shapes = leaves(&cell.initial_state(&graph, 1)).into_iter().filter_map(Var::known_shape);
            shapes.map(|shape| shape.get(1..).unwrap_or_default().to_vec()).collect()
        };
        let add = |(i, shape): (usize, Vec<usize>)| scope.add_sized(format!("state{i}"), &shape, init::zeros());
        InitialState { cell, start: Start::Learned(shapes.into_iter().enumerate().map(add).collect()) }
    }

    /// Adds normal noise of this standard deviation to the cell's initial state in training, drawn anew for each
    /// example (Zimmermann, Tietz and Grothmann 2012, on noisy initial states); in evaluation the state is the cell's
    /// own.
    pub fn random(cell: C, deviation: f64) -> InitialState<C> {
        InitialState { cell, start: Start::Random(deviation) }
    }
}

impl<C: Cell> Cell for InitialState<C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        let own = self.cell.initial_state(graph, batch);
        match &self.start {
            Start::Learned(params) => {
                let wide = leaves(&own).into_iter().zip(params).map(|(leaf, &p)| {
                    let shape = leaf.known_shape().map_or(vec![], |shape| shape.to_vec());
                    graph.param(p).expand(shape)
                });
                own.rebuild(&mut wide.collect::<Vec<_>>().into_iter())
            }
            Start::Random(deviation) => crate::map_state(&own, |leaf| match graph.next_rng_key() {
                Some(key) => leaf + noise(leaf, key) * *deviation,
                None => leaf,
            }),
        }
    }

    fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step(x, state)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cell.project(xs)
    }

    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step_projected(x, projected, state)
    }

    fn scan<'g>(&self, xs: &Sequence<'g>, state: &C::State<'g>) -> Option<(Sequence<'g>, C::State<'g>)> {
        self.cell.scan(xs, state)
    }
}

/// Normal numbers of the shape of `like`, each row's own, wherever in a batch or a shard it stands.
fn noise<'g>(like: Var<'g>, key: RngKey) -> Var<'g> {
    let graph = like.graph();
    let Some(shape) = like.known_shape() else { return graph.inert() };
    let rows = shape.first().copied().unwrap_or(1);
    let width = shape.elements() / rows.max(1);
    let named = graph.row_ids().filter(|names| names.len() == rows);
    let row = |b: usize| named.as_ref().map_or((key.fold_in(b as u64), 0), |names| names.row_key(key, b, width));
    let one = |i: usize| {
        let (key, first) = row(i / width.max(1));
        key.normal(first + (i % width.max(1)) as u64)
    };
    graph.input((0..shape.elements()).map(one).collect::<Vec<f64>>()).reshape(&*shape)
}
