//! The Tree-LSTM for a fixed number of places, each with weights of its own.

use super::{TreeCell, child_sum_tree_lstm::bound};
use crate::LstmState;
use unspool_graph::{Graph, Param, Scope, Var, init};

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
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    weight_if: Param,
    weight_hf: Param,
    bias_f: Param,
    hidden_size: usize,
    places: usize,
}

impl NaryTreeLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements, with N = `places` for children. No
    /// place at all is the store's error.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize, places: usize) -> NaryTreeLstm {
        let (three, bound) = (hidden_size.saturating_mul(3), bound(hidden_size));
        let children = hidden_size.saturating_mul(places);
        NaryTreeLstm {
            weight_ih: scope.add("weight_ih", [three, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [three, children], init::uniform(bound)),
            bias: scope.add("bias", [three], init::uniform(bound)),
            weight_if: scope.add("weight_if", [hidden_size, input_size], init::uniform(bound)),
            weight_hf: scope.add("weight_hf", [children, children], init::uniform(bound)),
            bias_f: scope.add("bias_f", [hidden_size], init::uniform(bound)),
            hidden_size,
            places,
        }
    }
}

impl TreeCell for NaryTreeLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> LstmState<'g> {
        let zeros = graph.zeros([rows, self.hidden_size]);
        LstmState { h: zeros, c: zeros }
    }
    fn places(&self) -> Option<usize> {
        Some(self.places)
    }
    fn nodes<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> LstmState<'g> {
        let Some(places) = h.known_shape() else { return LstmState { h, c } }; // [node, child, hidden]
        let all = h.reshape([places[0], places[1] * places[2]]); // the children of a node side by side
        let of_children = all.linear(self.weight_hh, None::<Param>);
        let [i, o, u] = (x.linear(self.weight_ih, Some(self.bias)) + of_children).chunk(-1);
        let of_input = x.linear(self.weight_if, Some(self.bias_f)).unsqueeze(1);
        let f = (of_input + all.linear(self.weight_hf, None::<Param>).reshape(&*places)).sigmoid();
        let c = i.sigmoid() * u.tanh() + (f * c).sum(&[1]);
        LstmState { h: o.sigmoid() * c.tanh(), c }
    }
    fn leaf_nodes<'g>(&self, x: Var<'g>) -> LstmState<'g> {
        let [i, o, u] = x.linear(self.weight_ih, Some(self.bias)).chunk(-1);
        let c = i.sigmoid() * u.tanh();
        LstmState { h: o.sigmoid() * c.tanh(), c }
    }
}
