//! Long short-term memory, its gates in one pass over memory.

use super::weights::{RecurrentInit, RecurrentWeights, Sizes};
use crate::{Cell, sizes::uniform_bound};
use unspool_graph::{
    Activation, Buffer, Element, Gated, GradSink, Graph, OpContext, Operation, Param, Scope, Shape, Show, Var, View,
    init, reference_mode,
};

/// Computes a long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers and others 2000),
/// as PyTorch's `nn.LSTM` does:
///
/// - i, f, o = σ(W_i· x + b_i· + W_h· h + b_h·), g = tanh(W_ig x + b_ig + W_hg h + b_hg)
/// - c' = f ∘ c + i ∘ g,  h' = o ∘ tanh(c')
///
/// Parameters `weight_ih_l0 [4·hidden, input]`, `weight_hh_l0 [4·hidden, hidden]`, `bias_ih_l0`, `bias_hh_l0`, rows in
/// the order i, f, g, o, all uniform in ±1/√hidden.
///
/// More in [chapter 10](https://github.com/unspool/unspool/blob/main/docs/10-gates.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, Sequence, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Lstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.c.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lstm {
    weights: RecurrentWeights,
    projection: Option<Projection>,
}

#[derive(Clone, Copy, Debug)]
struct Projection {
    weight_hr: Param,
    size: usize,
}

crate::state! {
    /// Holds the state of an [`Lstm`]: h and c.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Cell, Lstm, LstmState};
    /// let mut params = Params::seeded(1);
    /// let cell = Lstm::new(params.scope("rnn"), 3, 4);
    /// let graph = Graph::new(&params);
    /// let remembered = LstmState { h: graph.zeros([2, 4]), c: graph.full([2, 4], 5.0) }; // another first state
    /// let (_, next) = cell.step(graph.zeros([2, 3]), remembered);
    /// assert!(next.c.to_f64()?.iter().all(|&c| c > 1.0));
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    #[derive(Debug)]
    pub struct LstmState<'g> {
        /// The hidden vector, which is also the output: `[batch, hidden]`, or `[batch, projection]`.
        pub h: Var<'g>,
        /// The cell's memory: `[batch, hidden]`.
        pub c: Var<'g>,
    }
}

/// Holds the options of an [`Lstm`]. The defaults are those of PyTorch's `nn.LSTM`.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, LstmConfig};
/// let mut params = Params::seeded(0);
/// let config = LstmConfig { projection: Some(2), forget_bias: Some(1.0), ..LstmConfig::default() };
/// let cell = Lstm::with_config(params.scope("rnn"), 3, 8, config);
/// let bias = params.value(params.find("rnn.bias_ih_l0").unwrap())?.to_f64();
/// assert!((8..16).all(|forget| bias[[forget]] == 1.0));
/// let graph = Graph::new(&params);
/// let (h, state) = cell.step(graph.full([2, 3], 1.0), cell.initial_state(&graph, 2));
/// assert_eq!((h.shape()?.to_vec(), state.c.shape()?.to_vec()), (vec![2, 2], vec![2, 8]));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LstmConfig {
    /// Whether there are biases: PyTorch's `bias`.
    pub bias: bool,
    /// The size that the hidden vector is projected to (Sak, Senior and Beaufays 2014, PyTorch's `proj_size`): h' =
    /// W_hr (o ∘ tanh(c')) with `weight_hr_l0 [projection, hidden]`, and `weight_hh_l0` is `[4·hidden, projection]`.
    /// What the large product reads is then narrower than the memory.
    pub projection: Option<usize>,
    /// The first values of W_hh.
    pub recurrent_init: RecurrentInit,
    /// The first bias of the forget gate (the sum of both biases, of which PyTorch's layout has two). With 1 or more
    /// the cell begins by remembering (Gers and others 2000; Józefowicz, Zaremba and Sutskever 2015). A cell without
    /// biases has none.
    pub forget_bias: Option<f64>,
}

impl Default for LstmConfig {
    fn default() -> LstmConfig {
        LstmConfig { bias: true, projection: None, recurrent_init: RecurrentInit::Uniform, forget_bias: None }
    }
}

impl Lstm {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Lstm {
        Lstm::with_config(scope, input_size, hidden_size, LstmConfig::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(scope: Scope<'_>, input_size: usize, hidden_size: usize, config: LstmConfig) -> Lstm {
        let LstmConfig { bias, projection, recurrent_init, forget_bias } = config;
        let mut scope = scope.ending("_l0");
        let state = projection.unwrap_or(hidden_size);
        let sizes = Sizes { gates: 4, input: input_size, hidden: hidden_size, state };
        let weights = RecurrentWeights::new(scope.scope(""), sizes, bias, recurrent_init, |name, values| {
            if let Some(forget) = forget_bias {
                values[hidden_size..2 * hidden_size].fill(if name == "bias_ih" { forget } else { 0.0 });
            }
        });
        let projection = projection.map(|size| {
            let weight_hr = scope.add("weight_hr", [size, hidden_size], init::uniform(uniform_bound(hidden_size)));
            Projection { weight_hr, size }
        });
        Lstm { weights, projection }
    }

    /// Returns the recurrent weight W_hh, for [`WeightDrop`](crate::WeightDrop) and its like.
    pub fn weight_hh(&self) -> Param {
        self.weights.weight_hh
    }

    pub(crate) fn weights(&self) -> &RecurrentWeights {
        &self.weights
    }
}

impl Cell for Lstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        let c = self.weights.zeros(graph, batch);
        LstmState { h: self.projection.map_or(c, |p| graph.zeros([batch, p.size])), c }
    }
    fn step<'g>(&self, x: Var<'g>, state: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.weights.of_input(xs)
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        projected: Var<'g>,
        LstmState { h, c }: LstmState<'g>,
    ) -> (Var<'g>, LstmState<'g>) {
        let (h, c) = gates(projected, self.weights.of_state(h), c);
        let h = self.projection.map_or(h, |p| h.linear(p.weight_hr, None::<Param>));
        (h, LstmState { h, c })
    }
}

/// (h', c') of a step from its products x = W_i x + b_i and u = W_h h + b_h, both `[batch, 4·hidden]`, and c.
#[track_caller]
fn gates<'g>(x: Var<'g>, u: Var<'g>, c: Var<'g>) -> (Var<'g>, Var<'g>) {
    if reference_mode() {
        let [i, f, g, o] = (x + u).chunk(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        return (o.sigmoid() * c.tanh(), c);
    }
    let both = x.graph().apply_gated(LstmGates, &[x, u, c]);
    (both.index(0, 0), both.index(0, 1))
}

/// (h', c') as one tensor `[2, batch, hidden]`, whose halves are views.
///
/// With d_h, d_c the gradients of both and t = tanh c':  D = d_c + d_h·o·(1 − t²);  a_i = D·g·i(1 − i);  a_f = D·c·f(1
/// − f); a_g = D·i·(1 − g²);  a_o = d_h·t·o(1 − o);  ∂L/∂c = D·f.
struct LstmGates;

impl Operation for LstmGates {
    /// i, f, g, o of each row, side by side, and then tanh c' of all.
    type Saved<E: Element> = Buffer<E>;

    fn name(&self) -> &'static str {
        "lstm_gates"
    }

    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String> {
        let [x, u, c] = inputs else { return Err("needs x, u and c".into()) };
        if c.len() == 2 && x == u && **x == [c[0], 4 * c[1]] {
            return Ok(Shape::from([2, c[0], c[1]]));
        }
        Err("must be x [batch, 4·hidden], u of the same shape and c [batch, hidden]".into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Buffer<E> {
        let ([x, u, c], width) = ([inputs[0].data(), inputs[1].data(), inputs[2].data()], inputs[2].shape()[1]);
        let mut saved = inputs[0].buffer(5 * c.len());
        let (gates, tanh) = saved.split_at_mut(4 * c.len());
        let (hs, cs) = output.split_at_mut(c.len());
        for row in 0..c.len() / width.max(1) {
            let (x, u) = (&x[row * 4 * width..][..4 * width], &u[row * 4 * width..][..4 * width]);
            let gates = &mut gates[row * 4 * width..][..4 * width];
            let span = row * width..(row + 1) * width;
            let (c, t, h_next, c_next) =
                (&c[span.clone()], &mut tanh[span.clone()], &mut hs[span.clone()], &mut cs[span]);
            E::vectorize(
                #[inline(always)]
                || {
                    let each = gates.iter_mut().zip(x).zip(u);
                    each.take(2 * width).for_each(|((s, &x), &u)| *s = (x + u).sigmoid());
                    let each = gates[2 * width..].iter_mut().zip(&x[2 * width..]).zip(&u[2 * width..]);
                    each.take(width).for_each(|((s, &x), &u)| *s = (x + u).tanh());
                    let each = gates[3 * width..].iter_mut().zip(&x[3 * width..]).zip(&u[3 * width..]);
                    each.for_each(|((s, &x), &u)| *s = (x + u).sigmoid());
                    let (i, rest) = gates.split_at(width);
                    let (f, rest) = rest.split_at(width);
                    let (g, o) = rest.split_at(width);
                    for j in 0..width {
                        c_next[j] = f[j] * c[j] + i[j] * g[j];
                    }
                    for j in 0..width {
                        t[j] = c_next[j].tanh();
                        h_next[j] = o[j] * t[j];
                    }
                },
            );
        }
        saved
    }

    fn backward<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Buffer<E>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        let (c, width) = (ctx.inputs[2].data(), ctx.inputs[2].shape()[1]);
        let (gates, tanh) = ctx.saved.split_at(4 * c.len());
        let (d_h, d_c) = gradient.data().split_at(c.len());
        let (mut to_gates, mut to_c) = (into.buffer(4 * c.len()), into.buffer(c.len()));
        for row in 0..c.len() / width.max(1) {
            let s = &gates[row * 4 * width..][..4 * width];
            let (i, f, g, o) = (&s[..width], &s[width..2 * width], &s[2 * width..3 * width], &s[3 * width..]);
            let span = row * width..(row + 1) * width;
            let (c, t, d_h, d_c) = (&c[span.clone()], &tanh[span.clone()], &d_h[span.clone()], &d_c[span.clone()]);
            let (a_i, rest) = to_gates[row * 4 * width..][..4 * width].split_at_mut(width);
            let (a_f, rest) = rest.split_at_mut(width);
            let (a_g, a_o) = rest.split_at_mut(width);
            let to_c = &mut to_c[span];
            E::vectorize(
                #[inline(always)]
                || {
                    for j in 0..width {
                        let d = d_c[j] + d_h[j] * o[j] * (E::ONE - t[j] * t[j]);
                        a_i[j] = d * g[j] * i[j] * (E::ONE - i[j]);
                        a_f[j] = d * c[j] * f[j] * (E::ONE - f[j]);
                        a_g[j] = d * i[j] * (E::ONE - g[j] * g[j]);
                        a_o[j] = d_h[j] * t[j] * o[j] * (E::ONE - o[j]);
                        to_c[j] = d * f[j];
                    }
                },
            );
        }
        into.add_slice(0, &to_gates);
        into.add_slice(1, &to_gates);
        into.add_slice(2, &to_c);
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (c, width) = (ctx.inputs[2].data(), ctx.inputs[2].shape()[1]);
        let (gates, tanh) = ctx.saved.split_at(4 * c.len());
        let (hs, cs) = output.split_at_mut(c.len());
        let at = |i: usize, place: usize| tangents[i].map_or(E::ZERO, |v| v.data()[place]);
        for k in 0..c.len() {
            let gate = |n: usize| k / width * 4 * width + n * width + k % width;
            let (i, f, g, o) = (gates[gate(0)], gates[gate(1)], gates[gate(2)], gates[gate(3)]);
            let sum = |n: usize| at(0, gate(n)) + at(1, gate(n));
            let (di, df) = (sum(0) * i * (E::ONE - i), sum(1) * f * (E::ONE - f));
            let (dg, d_o) = (sum(2) * (E::ONE - g * g), sum(3) * o * (E::ONE - o));
            cs[k] = df * c[k] + f * at(2, k) + di * g + i * dg;
            hs[k] = d_o * tanh[k] + o * (E::ONE - tanh[k] * tanh[k]) * cs[k];
        }
    }
}

impl Gated for LstmGates {
    fn gates<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, show: &mut Show<'_, E>) {
        let width = ctx.inputs[2].shape()[1].max(1);
        let (gates, tanh) = ctx.saved.split_at(4 * ctx.inputs[2].data().len());
        let kinds = [
            ("i", Activation::Sigmoid),
            ("f", Activation::Sigmoid),
            ("g", Activation::Tanh),
            ("o", Activation::Sigmoid),
        ];
        for (part, (gate, squash)) in gates.chunks_exact(width).zip(kinds.into_iter().cycle()) {
            show(gate, squash, part);
        }
        show("tanh c", Activation::Tanh, tanh);
    }
}
