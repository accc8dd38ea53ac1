//! An LSTM with layer normalization inside.

use crate::{Cell, LayerNorm, LstmState, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// Computes an LSTM with layer normalization (Ba, Kiros and Hinton 2016, "Layer normalization", supplement, equations
/// 20 to 22). Both products and the memory that is read are normalized, each with a scale and a shift of its own:
///
/// - (i, f, g, o) = LN(W_ih x) + LN(W_hh h) + b
/// - c' = σ(f) ∘ c + σ(i) ∘ tanh(g),  h' = σ(o) ∘ tanh(LN(c'))
///
/// Parameters `weight_ih [4·hidden, input]`, `weight_hh [4·hidden, hidden]`, `bias [4·hidden]`, rows in the order i, f,
/// g, o, uniform in ±1/√hidden; `norm_ih`, `norm_hh` and `norm_c`, each a [`LayerNorm`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, cells::LayerNormLstm};
/// let mut params = Params::seeded(1);
/// let cell = LayerNormLstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let step = |scale: f64| {
///     let x = graph.input(ndarray::array![[1.0f32, -2.0, 0.5]]) * scale;
///     cell.step(x, cell.initial_state(&graph, 1)).0
/// };
/// // The scale of an input does not matter.
/// assert!((step(10.0) - step(1000.0)).abs().max(&[]).item()? < 1e-4);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerNormLstm {
    weight_ih: Param,
    weight_hh: Param,
    bias: Param,
    norm_ih: LayerNorm,
    norm_hh: LayerNorm,
    norm_c: LayerNorm,
    hidden_size: usize,
}

impl LayerNormLstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> LayerNormLstm {
        let (rows, bound) = (hidden_size.saturating_mul(4), uniform_bound(hidden_size));
        LayerNormLstm {
            weight_ih: scope.add("weight_ih", [rows, input_size], init::uniform(bound)),
            weight_hh: scope.add("weight_hh", [rows, hidden_size], init::uniform(bound)),
            bias: scope.add("bias", [rows], init::uniform(bound)),
            norm_ih: LayerNorm::new(scope.scope("norm_ih"), rows),
            norm_hh: LayerNorm::new(scope.scope("norm_hh"), rows),
            norm_c: LayerNorm::new(scope.scope("norm_c"), hidden_size),
            hidden_size,
        }
    }
}

impl Cell for LayerNormLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: graph.zeros([batch, self.hidden_size]), c: graph.zeros([batch, self.hidden_size]) }
    }
    fn step<'g>(&self, x: Var<'g>, state: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    /// The product, its normalization and the bias, for all steps at once.
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.norm_ih.apply(xs.linear(self.weight_ih, None::<Param>)) + self.bias
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        LstmState { h, c }: LstmState<'g>,
    ) -> (Var<'g>, LstmState<'g>) {
        let [i, f, g, o] = (x + self.norm_hh.apply(h.linear(self.weight_hh, None::<Param>))).chunk(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * self.norm_c.apply(c).tanh();
        (h, LstmState { h, c })
    }
}
