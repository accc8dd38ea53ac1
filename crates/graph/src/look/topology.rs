//! The recording as a `petgraph` graph.

use crate::{Graph, Shape, Var, element::typed, error::Place, recording::Recording};
use petgraph::graph::{DiGraph, NodeIndex};

/// Describes a node of a recording, as [`Graph::topology`] shows it.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2, 2], init::identity());
/// let graph = Graph::new(&params);
/// let y = graph.zeros([1, 2]).matmul(w);
/// let topology = graph.topology();
/// let product = &topology[y.vertex()];
/// assert_eq!((product.operation, &*product.shape, product.wants_gradient), ("matmul", &[1, 2][..], true));
/// assert!(topology.node_weights().any(|vertex| vertex.param.as_deref() == Some("m.w")));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Vertex {
    /// The operation's name; `input` and `param` for what enters, the movement's name for a view into another node.
    pub operation: &'static str,
    /// The sizes of its axes.
    pub shape: Shape,
    /// The scopes around it, the time step, and the line that recorded it.
    pub place: Place,
    /// The full name, where the node is a parameter.
    pub param: Option<String>,
    /// Whether a gradient is asked of it, or of anything it was made from.
    pub wants_gradient: bool,
    /// The scope's number: two scopes of one name that were opened on two lines are two.
    pub(crate) scope: u32,
}

/// Shows a recording as a directed graph: an edge leads from each operand to the node it went into, and says its
/// position there.
///
/// More in [chapter 1](https://github.com/unspool/unspool/blob/main/docs/01-sequence-and-graph.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params, Topology, petgraph::algo::is_cyclic_directed};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let x = graph.zeros([2]);
/// let _ = x * x;
/// let topology: Topology = graph.topology();
/// assert_eq!((topology.node_count(), topology.edge_count()), (2, 2));
/// assert!(!is_cyclic_directed(&topology));
/// ```
pub type Topology = DiGraph<Vertex, usize>;

impl Graph<'_> {
    /// Returns the recording as a `petgraph` graph, on which all of petgraph's algorithms run. Node i of it is the ith
    /// recorded node, and that order is a topological one.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init, petgraph::algo::has_path_connecting};
    /// let mut params = Params::seeded(0);
    /// let mut m = params.scope("m");
    /// let (used, unused) = (m.add("used", [2], init::zeros()), m.add("unused", [2], init::zeros()));
    /// let graph = Graph::new(&params);
    /// let loss = graph.param(used).sum_all();
    /// let other = graph.param(unused).exp();
    /// let topology = graph.topology();
    /// let depends = |on| has_path_connecting(&topology, graph.param(on).vertex(), loss.vertex(), None);
    /// assert!(depends(used) && !depends(unused));
    /// assert_eq!(topology[other.vertex()].operation, "exp");
    /// ```
    pub fn topology(&self) -> Topology {
        typed!(&*self.recording.borrow(), Recording { tape, .. } => {
            let edges = tape.nodes.iter().map(|node| node.operands.as_slice().len()).sum();
            let mut topology = Topology::with_capacity(tape.nodes.len(), edges);
            for node in &tape.nodes {
                let param = match node.value {
                    crate::tape::Value::Param(index) => self.params.iter().nth(index as usize),
                    _ => None,
                };
                topology.add_node(Vertex {
                    operation: node.name,
                    shape: node.shape,
                    place: self.place_of(node.mark),
                    param: param.map(|p| self.params.name(p).to_string()),
                    wants_gradient: node.wants,
                    scope: node.mark.scope,
                });
            }
            for (id, node) in tape.nodes.iter().enumerate() {
                for (position, &operand) in node.operands.as_slice().iter().enumerate() {
                    topology.add_edge(NodeIndex::new(operand as usize), NodeIndex::new(id), position);
                }
            }
            topology
        })
    }
}

impl Var<'_> {
    /// Returns its node in [`Graph::topology`]; `NodeIndex::end()` where it has no value.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.zeros([1]).exp();
    /// assert_eq!(graph.topology()[y.vertex()].operation, "exp");
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn vertex(self) -> NodeIndex {
        NodeIndex::new(self.id as usize)
    }
}
