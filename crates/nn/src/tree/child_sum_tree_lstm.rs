//! The Tree-LSTM for any number of children, whose order does not matter.

use super::TreeCell;
use crate::LstmState;
use unspool_graph::{Graph, Param, Scope, Var, init};

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
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    weight_if: Param,
    weight_hf: Param,
    bias_f: Param,
    hidden_size: usize,
}

impl ChildSumTreeLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> ChildSumTreeLstm {
        let (three, bound) = (hidden_size.saturating_mul(3), bound(hidden_size));
        ChildSumTreeLstm {
            weight_ih: scope.add("weight_ih", [three, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [three, hidden_size], init::uniform(bound)),
            bias: scope.add("bias", [three], init::uniform(bound)),
            weight_if: scope.add("weight_if", [hidden_size, input_size], init::uniform(bound)),
            weight_hf: scope.add("weight_hf", [hidden_size, hidden_size], init::uniform(bound)),
            bias_f: scope.add("bias_f", [hidden_size], init::uniform(bound)),
            hidden_size,
        }
    }
}

impl TreeCell for ChildSumTreeLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> LstmState<'g> {
        let zeros = graph.zeros([rows, self.hidden_size]);
        LstmState { h: zeros, c: zeros }
    }
    fn nodes<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> LstmState<'g> {
        let (of_input, of_sum) =
            (x.linear(self.weight_ih, Some(self.bias)), h.sum(&[1]).linear(self.weight_hh, None::<Param>));
        let [i, o, u] = (of_input + of_sum).chunk(-1);
        let of_input = x.linear(self.weight_if, Some(self.bias_f)).unsqueeze(1);
        let f = (of_input + h.linear(self.weight_hf, None::<Param>)).sigmoid(); // [node, child, hidden]
        let c = i.sigmoid() * u.tanh() + (f * c).sum(&[1]);
        LstmState { h: o.sigmoid() * c.tanh(), c }
    }
    fn leaf_nodes<'g>(&self, x: Var<'g>) -> LstmState<'g> {
        let [i, o, u] = x.linear(self.weight_ih, Some(self.bias)).chunk(-1);
        let c = i.sigmoid() * u.tanh();
        LstmState { h: o.sigmoid() * c.tanh(), c }
    }
}

/// The bound of a recurrent layer's first values in PyTorch: 1/√hidden.
pub(super) fn bound(hidden_size: usize) -> f64 {
    1.0 / (hidden_size.max(1) as f64).sqrt()
}
