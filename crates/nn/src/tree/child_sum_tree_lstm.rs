//! The Tree-LSTM for any number of children, whose order does not matter.

use super::{TreeCell, weights::TreeLstmWeights};
use crate::LstmState;
use unspool_graph::{Graph, Param, Scope, Var};

/// Computes a child-sum Tree-LSTM (Tai, Socher and Manning 2015, "Improved semantic representations from
/// tree-structured long short-term memory networks", equations 2 to 8). With the children's states h_k and c_k:
///
/// - h̃ = Σ h_k
/// - i, o = σ(W_i· x + U_· h̃ + b_·),  u = tanh(W_iu x + U_u h̃ + b_u)
/// - f_k = σ(W_if x + U_f h_k + b_f), a forget gate for each child
/// - c = i ∘ u + Σ f_k ∘ c_k,  h = o ∘ tanh(c)
///
/// A node may have any number of children, and their order does not matter, as in dependency trees. With one child each
/// it is an LSTM.
///
/// Parameters `weight_ih [3·hidden, input]`, `weight_hh [3·hidden, hidden]` and `bias [3·hidden]`, rows in the order i,
/// o, u; `weight_if [hidden, input]`, `weight_hf [hidden, hidden]` and `bias_f [hidden]` of the forget gates; all
/// uniform in ±1/√hidden.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::tree::{self, ChildSumTreeLstm, Forest};
/// let mut params = Params::seeded(1);
/// let cell = ChildSumTreeLstm::new(params.scope("tree"), 1, 8);
/// let graph = Graph::new(&params);
/// let xs = graph.input(ndarray::array![[0.0f32], [1.0], [2.0], [3.0]]);
/// let root = |children: Vec<usize>| -> Result<_, unspool_nn::Error> {
///     let forest = Forest::from_children(&[children, vec![], vec![], vec![]])?;
///     Ok(tree::unroll(&cell, &forest, xs).roots.h)
/// };
/// let difference = root(vec![1, 2, 3])? - root(vec![3, 1, 2])?;
/// assert!(difference.abs().max(&[]).item()? < 1e-6); // up to rounding, as sums have an order
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ChildSumTreeLstm {
    weights: TreeLstmWeights,
}

impl ChildSumTreeLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> ChildSumTreeLstm {
        let forget = [hidden_size, hidden_size];
        ChildSumTreeLstm { weights: TreeLstmWeights::new(scope, input_size, hidden_size, hidden_size, forget) }
    }
}

impl TreeCell for ChildSumTreeLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> LstmState<'g> {
        self.weights.zeros(graph, rows)
    }
    fn nodes<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> LstmState<'g> {
        let gates = h.sum(&[1]).linear(self.weights.weight_hh, None::<Param>);
        let forget = h.linear(self.weights.weight_hf, None::<Param>);
        self.weights.nodes(x, gates, forget, c)
    }
    fn leaf_nodes<'g>(&self, x: Var<'g>) -> LstmState<'g> {
        self.weights.leaf_nodes(x)
    }
}
