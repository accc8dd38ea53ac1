//! The Tree-LSTM for a fixed number of places, each with weights of its own.

use super::{TreeCell, weights::TreeLstmWeights};
use crate::LstmState;
use unspool_graph::{Graph, Param, Scope, Var};

/// Computes an N-ary Tree-LSTM (Tai, Socher and Manning 2015, "Improved semantic representations from tree-structured
/// long short-term memory networks", equations 9 to 14). With the states h_l and c_l of the children at the places
/// l = 1 … N:
///
/// - i, o = σ(W_i· x + Σ U_·l h_l + b_·),  u = tanh(W_iu x + Σ U_ul h_l + b_u)
/// - f_k = σ(W_if x + Σ U_fkl h_l + b_f), a forget gate for each child that sees them all
/// - c = i ∘ u + Σ f_l ∘ c_l,  h = o ∘ tanh(c)
///
/// A node has at most N children, and each place has its own weights, as in binary constituency trees. A place without
/// a child has zeros in it. With N = 1 it is an LSTM.
///
/// Parameters `weight_ih [3·hidden, input]`, `weight_hh [3·hidden, N·hidden]` and `bias [3·hidden]`, rows in the order
/// i, o, u; `weight_if [hidden, input]`, `weight_hf [N·hidden, N·hidden]`, rows in the order f_1 … f_N, and
/// `bias_f [hidden]` of the forget gates; all uniform in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::tree::{self, Forest, NaryTreeLstm};
/// let mut params = Params::seeded(1);
/// let cell = NaryTreeLstm::new(params.scope("tree"), 1, 8, 2);
/// let graph = Graph::new(&params);
/// let xs = graph.input(ndarray::array![[0.0f32], [1.0], [2.0]]);
/// let root = |children: Vec<usize>| -> Result<_, unspool_nn::Error> {
///     let forest = Forest::from_children(&[children, vec![], vec![]])?;
///     Ok(tree::unroll(&cell, &forest, xs).roots.h.value()?)
/// };
/// assert_ne!(root(vec![1, 2])?, root(vec![2, 1])?); // left and right are told apart
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NaryTreeLstm {
    weights: TreeLstmWeights,
    places: usize,
}

impl NaryTreeLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements, with N = `places` for children. No
    /// place at all is the store's error.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize, places: usize) -> NaryTreeLstm {
        let children = hidden_size.saturating_mul(places);
        let weights = TreeLstmWeights::new(scope, input_size, hidden_size, children, [children, children]);
        NaryTreeLstm { weights, places }
    }
}

impl TreeCell for NaryTreeLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> LstmState<'g> {
        self.weights.zeros(graph, rows)
    }
    fn places(&self) -> Option<usize> {
        Some(self.places)
    }
    fn nodes<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> LstmState<'g> {
        let Some(places) = h.known_shape() else { return LstmState { h, c } }; // [node, child, hidden]
        let all = h.reshape([places[0], places[1] * places[2]]); // the children of a node side by side
        let gates = all.linear(self.weights.weight_hh, None::<Param>);
        let forget = all.linear(self.weights.weight_hf, None::<Param>).reshape(&*places);
        self.weights.nodes(x, gates, forget, c)
    }
    fn leaf_nodes<'g>(&self, x: Var<'g>) -> LstmState<'g> {
        self.weights.leaf_nodes(x)
    }
}
