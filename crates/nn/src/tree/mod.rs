//! Recurrence over trees: a node's state is made of its input and of its children's states, from the leaves to the
//! root.
//!
//! Each example of a batch has a graph of its own here. A [`TreeCell`] is the equations of one node, for a batch of
//! nodes; a [`Forest`] says which node is whose child; and [`unroll`] runs all trees together, level by level: the
//! nodes of one height, of whatever tree, are the rows of one step. [`ChildSumTreeLstm`] and [`NaryTreeLstm`] are
//! ready.
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::tree::{self, ChildSumTreeLstm, Forest};
//! let mut params = Params::seeded(1);
//! let cell = ChildSumTreeLstm::new(params.scope("tree"), 3, 8);
//! // Two trees, whose nodes are numbered together: 0 has the children 1 and 2, and 3 has the child 4.
//! let forest = Forest::from_parents(&[None, Some(0), Some(0), None, Some(3)])?;
//! let graph = Graph::new(&params);
//! let xs = graph.full([5, 3], 0.5);                            // [node, feature]
//! let states = tree::unroll(&cell, &forest, xs);
//! assert_eq!(*states.nodes.h.shape()?, [5, 8]);                // in the order of the nodes
//! assert_eq!(*states.roots.h.shape()?, [2, 8]);                // a row for each tree
//! # Ok::<(), unspool_nn::Error>(())
//! ```
//!
//! A cell of your own is its equations and nothing else:
//!
//! ```
//! use unspool_graph::{Graph, Params, Scope, Var};
//! use unspool_nn::{Linear, tree::{self, Forest, TreeCell}};
//!
//! /// h = tanh(W x + b + U max h_k), the maximum over the children and 0
//! struct MaxTree { input: Linear, hidden: Linear }
//!
//! impl TreeCell for MaxTree {
//!     type State<'g> = Var<'g>;
//!     fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> Var<'g> { graph.zeros([rows, 4]) }
//!     fn nodes<'g>(&self, xs: Var<'g>, children: Var<'g>) -> Var<'g> {
//!         (self.input.apply(xs) + self.hidden.apply(children.max(&[1]).maximum(0.0))).tanh()
//!     }
//! }
//! let mut params = Params::seeded(1);
//! let (input, hidden) = (Linear::new(params.scope("input"), 3, 4), Linear::new(params.scope("hidden"), 4, 4));
//! let cell = MaxTree { input, hidden };
//! let graph = Graph::new(&params);
//! let forest = Forest::from_children(&[vec![1, 2], vec![], vec![]])?;
//! assert_eq!(*tree::unroll(&cell, &forest, graph.zeros([3, 3])).roots.shape()?, [1, 4]);
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod child_sum_tree_lstm;
mod forest;
mod nary_tree_lstm;
mod weights;

pub use child_sum_tree_lstm::ChildSumTreeLstm;
pub use forest::Forest;
pub use nary_tree_lstm::NaryTreeLstm;

use crate::{State, leaves, map_state, sizes};
use std::sync::Arc;
use unspool_graph::{Graph, Result, Var};

/// Computes the nodes of trees. Like a [`Cell`](crate::Cell) it is plain data, parameters and sizes; see the
/// [module](self) for one of your own.
///
/// ```
/// use unspool_graph::{Graph, Params, Var};
/// use unspool_nn::tree::{self, Forest, TreeCell};
/// /// How many nodes a tree has: 1 and those of its children.
/// struct Count;
/// impl TreeCell for Count {
///     type State<'g> = Var<'g>;
///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> Var<'g> { graph.zeros([rows, 1]) }
///     fn nodes<'g>(&self, xs: Var<'g>, children: Var<'g>) -> Var<'g> { xs + children.sum(&[1]) }
/// }
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let forest = Forest::from_parents(&[Some(2), Some(2), Some(3), None])?;
/// let states = tree::unroll(&Count, &forest, graph.full([4, 1], 1.0));
/// assert_eq!(states.nodes.value()?, ndarray::array![[1.0f32], [1.0], [3.0], [4.0]].into());
/// # Ok::<(), unspool_nn::Error>(())
/// ```
pub trait TreeCell {
    /// Is what a node hands to its parent.
    type State<'g>: State<'g>;

    /// Returns the state of a child that is not there, `rows` times: in most equations zeros, which add nothing to a
    /// sum. Where the number of [places](TreeCell::places) is open it must be neutral like that, as it depends on other
    /// nodes how many such children a node has.
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> Self::State<'g>;

    /// Computes the states of some nodes, `[node, …]`, from their inputs `[node, feature]` and their children's states:
    /// leaves `[node, child, …]`. Where a node has fewer children than there are places, the others hold the [initial
    /// state](TreeCell::initial_state). Each node is computed by itself: the contents of other rows must not matter.
    fn nodes<'g>(&self, xs: Var<'g>, children: Self::State<'g>) -> Self::State<'g>;

    /// Computes the states of nodes that have no children: what [`nodes`](TreeCell::nodes) gives where every place
    /// holds the initial state.
    ///
    /// This is an optimization: a cell without it is complete. More than half of the nodes of most trees are leaves,
    /// and where the initial state is zeros, products with it can be spared.
    fn leaf_nodes<'g>(&self, xs: Var<'g>) -> Self::State<'g> {
        let (graph, nodes) = (xs.graph(), xs.known_shape().map_or(0, |shape| shape[0]));
        let places = self.places().unwrap_or(1);
        let beside = |leaf: Var<'g>| {
            let row = leaf.known_shape().map_or(vec![], |shape| shape.get(1..).unwrap_or_default().to_vec());
            leaf.reshape([&[nodes, places], &row[..]].concat())
        };
        self.nodes(xs, map_state(&self.initial_state(graph, nodes.saturating_mul(places)), beside))
    }

    /// Returns how many places for children there are, for equations in which each place has its own weights; `None` if
    /// any number will do. Then there are as many places, at least one, as a node of the level has children at most.
    fn places(&self) -> Option<usize> {
        None
    }
}

/// Holds the states that [`unroll`] returns.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::tree::{self, Forest, NaryTreeLstm};
/// let mut params = Params::seeded(1);
/// let cell = NaryTreeLstm::new(params.scope("tree"), 3, 8, 2);
/// let graph = Graph::new(&params);
/// let forest = Forest::from_children(&[vec![], vec![0, 2], vec![]])?;
/// let states = tree::unroll(&cell, &forest, graph.full([3, 3], 0.5));
/// assert_eq!(states.nodes.h.index_select(&[1]).value()?, states.roots.h.value()?);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TreeStates<S> {
    /// The states of all nodes, in the order of their numbers: leaves `[node, …]`.
    pub nodes: S,
    /// The states of the roots, in the order of their numbers: leaves `[tree, …]`.
    pub roots: S,
}

/// Runs a cell over all trees of a forest together, from the leaves to the roots; `xs [node, feature]` are the inputs
/// of all nodes, in the order of their numbers.
///
/// The nodes of one height are the rows of one step, so a forest takes as many steps as its highest tree has levels,
/// however many trees there are. Each step is a time step for errors and random draws. Trees may be as deep as memory
/// allows. A level has room for its nodes times the most children that one of them has.
///
/// # Errors
/// The graph records an error for another number of rows than of nodes, more children than the cell has
/// [places](TreeCell::places), a state that does not have a row for each node.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::tree::{self, Forest, NaryTreeLstm};
/// let mut params = Params::seeded(1);
/// let cell = NaryTreeLstm::new(params.scope("tree"), 3, 8, 2);
/// let graph = Graph::new(&params);
/// let binary = Forest::from_children(&[vec![1, 2], vec![], vec![]])?;
/// assert_eq!(*tree::unroll(&cell, &binary, graph.zeros([3, 3])).roots.c.shape()?, [1, 8]);
/// let wide = Forest::from_children(&[vec![1, 2, 3], vec![], vec![], vec![]])?;
/// let error = tree::unroll(&cell, &wide, graph.zeros([4, 3])).roots.c.value().unwrap_err();
/// assert!(error.to_string().starts_with("tree: node 0 has 3 children, and the cell has places for 2"));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn unroll<'g, C: TreeCell>(cell: &C, forest: &Forest, xs: Var<'g>) -> TreeStates<C::State<'g>> {
    let graph = xs.graph();
    let _scope = graph.layer("tree");
    run(cell, forest, xs).unwrap_or_else(|error| {
        graph.fail(error);
        let inert = map_state(&cell.initial_state(graph, 1), |_| graph.inert());
        TreeStates { nodes: inert.clone(), roots: inert }
    })
}

#[track_caller]
fn run<'g, C: TreeCell>(cell: &C, forest: &Forest, xs: Var<'g>) -> Result<TreeStates<C::State<'g>>> {
    let graph = xs.graph();
    let rows = xs.shape()?.first().copied().unwrap_or(0);
    if rows != forest.node_count() {
        return Err(graph.error("tree", format!("{rows} rows of inputs were given for {} nodes", forest.node_count())));
    }
    let by_level: Vec<u32> = forest.levels().iter().flatten().copied().collect();
    let xs = xs.index_select(&by_level);

    let initial = cell.initial_state(graph, 1);
    let mut done =
        Done { graph, parts: vec![leaves(&initial)], like: initial, places: vec![NONE; forest.node_count()] };
    let mut start = 0;
    for (level, nodes) in forest.levels().iter().enumerate() {
        let _step = graph.at_step(level);
        let widest = nodes.iter().map(|&node| (forest.children(node as usize).len(), node)).max_by_key(|&(n, _)| n);
        let (most, node) = widest.unwrap_or((0, 0));
        let places = cell.places().unwrap_or(most.max(1));
        if most > places {
            let why = format!("node {node} has {most} children, and the cell has places for {places}");
            return Err(graph.error("tree", why));
        }
        if sizes::elements(graph, "tree", &[nodes.len(), places]).is_none() {
            return graph.check().map(|()| done.states(forest));
        }
        let xs = xs.slice(0, start..start + nodes.len());
        let state = if most == 0 {
            cell.leaf_nodes(xs)
        } else {
            let from = nodes.iter().flat_map(|&node| {
                let own = forest.children(node as usize).iter().map(|&child| done.places[child as usize]);
                own.chain(std::iter::repeat(NONE)).take(places)
            });
            cell.nodes(xs, done.gather(&from.collect::<Vec<Place>>(), &[nodes.len(), places]))
        };
        let state = leaves(&state);
        for leaf in &state {
            let shape = leaf.shape()?;
            if shape.first() != Some(&nodes.len()) {
                let why = format!("the cell's state has a leaf of shape {shape} for {} nodes", nodes.len());
                return Err(graph.error("tree", why));
            }
        }
        for (row, &node) in nodes.iter().enumerate() {
            done.places[node as usize] = Place { part: level as u32 + 1, row: row as u32 };
        }
        done.parts.push(state);
        start += nodes.len();
    }
    Ok(done.states(forest))
}

/// Where the state of a node is: in which part, and in which of its rows.
#[derive(Clone, Copy)]
struct Place {
    part: u32,
    row: u32,
}

/// The one row of part 0: the initial state.
const NONE: Place = Place { part: 0, row: 0 };

/// The states so far.
struct Done<'g, S> {
    graph: &'g Graph<'g>,
    /// The leaves of the initial state, and of the states of each level.
    parts: Vec<Vec<Var<'g>>>,
    like: S,
    /// By node.
    places: Vec<Place>,
}

impl<'g, S: State<'g>> Done<'g, S> {
    /// The states at some places, with the axes `leading`, from the parts that have them and no other: in a deep tree
    /// there are many.
    #[track_caller]
    fn gather(&self, places: &[Place], leading: &[usize]) -> S {
        let mut used: Vec<u32> = places.iter().map(|place| place.part).collect();
        used.sort_unstable();
        used.dedup();
        let rows = |part: &u32| match self.parts[*part as usize].first().and_then(|leaf| leaf.known_shape()) {
            Some(shape) => shape.first().copied().unwrap_or(0) as u32,
            None => 0,
        };
        let begins: Vec<u32> =
            used.iter().map(rows).scan(0, |next, n| Some(std::mem::replace(next, *next + n))).collect();
        let source = |place: &Place| begins[used.partition_point(|&part| part < place.part)] + place.row;
        let sources: Arc<[u32]> = places.iter().map(source).collect();
        let leaf = |k: usize| -> Var<'g> {
            let parts: Vec<Var<'g>> =
                used.iter().filter_map(|&part| self.parts[part as usize].get(k).copied()).collect();
            self.graph.gather_rows(&parts, sources.clone(), leading)
        };
        self.like.rebuild(&mut (0..self.parts[0].len()).map(leaf))
    }

    #[track_caller]
    fn states(&self, forest: &Forest) -> TreeStates<S> {
        let roots: Vec<Place> = forest.roots().iter().map(|&root| self.places[root as usize]).collect();
        TreeStates {
            nodes: self.gather(&self.places, &[self.places.len()]),
            roots: self.gather(&roots, &[roots.len()]),
        }
    }
}
