//! Long short-term memory, its gates in one pass over memory.

use crate::{
    Cell,
    weights::{RecurrentWeights, bound},
};
use std::panic::Location;
use unspool_graph::{
    Buffer, Element, Error, Graph, Inflow, Operation, Param, Params, Place, Ran, Result, Scope, Shape, Squash, Var,
    View, init, reference_mode, vectorize,
};

/// Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers and others 2000), as PyTorch's `nn.LSTM`:
///
/// More in [chapter 10](https://github.com/unspool/unspool/blob/main/docs/10-gates.md) of the tutorial.
///
/// - i, f, o = σ(W_i· x + b_i· + W_h· h + b_h·), g = tanh(W_ig x + b_ig + W_hg h + b_hg)
/// - c' = f ∘ c + i ∘ g,  h' = o ∘ tanh(c')
///
/// Parameters `weight_ih_l0 [4·hidden, input]`, `weight_hh_l0 [4·hidden, hidden]`, `bias_ih_l0`, `bias_hh_l0`, rows in the order i, f, g, o,
/// all uniform in ±1/√hidden.
///
/// With a projection (Sak, Senior and Beaufays 2014, PyTorch's `proj_size`) h' = W_hr (o ∘ tanh(c')), `weight_hr_l0 [projection, hidden]`, and
/// `weight_hh_l0` is `[4·hidden, projection]`: the state that the large product reads is narrower than the memory.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Lstm, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Lstm::new(params.scope("rnn"), 3, 8);
/// let narrow = Lstm::projected(params.scope("narrow"), 3, 8, 2);
/// let graph = Graph::new(&params);
/// let (hs, last) = unroll(&cell, graph.full([2, 5, 3], 1.0), &[5, 2], cell.initial_state(&graph, 2));
/// assert_eq!((hs.shape()?.to_vec(), last.c.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// let (h, state) = narrow.advance(graph.full([2, 3], 1.0), narrow.initial_state(&graph, 2));
/// assert_eq!((h.shape()?.to_vec(), state.c.shape()?.to_vec()), (vec![2, 2], vec![2, 8]));
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
    /// What an LSTM carries.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Cell, Lstm, LstmState};
    /// let mut params = Params::seeded(1);
    /// let cell = Lstm::new(params.scope("rnn"), 3, 4);
    /// let graph = Graph::new(&params);
    /// let remembered = LstmState { h: graph.zeros([2, 4]), c: graph.full([2, 4], 5.0) }; // a first state of one's own
    /// let (_, next) = cell.advance(graph.zeros([2, 3]), remembered);
    /// assert!(next.c.value()?.to_f64().iter().all(|&c| c > 1.0));
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

impl Lstm {
    /// A cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Lstm {
        Lstm { weights: RecurrentWeights::new(scope, 4, input_size, hidden_size), projection: None }
    }

    /// Without the biases: PyTorch's `bias=False`.
    pub fn without_bias(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Lstm {
        Lstm { weights: RecurrentWeights::without_bias(scope, 4, input_size, hidden_size), projection: None }
    }

    /// A cell with a memory of `hidden_size` elements, whose hidden vector is projected to `size`.
    pub fn projected(scope: Scope<'_>, input_size: usize, hidden_size: usize, size: usize) -> Lstm {
        Lstm::with_projection(scope, [4, input_size, hidden_size, size], Some(bound(hidden_size)))
    }

    /// The projected cell without the biases.
    pub fn projected_without_bias(scope: Scope<'_>, input_size: usize, hidden_size: usize, size: usize) -> Lstm {
        Lstm::with_projection(scope, [4, input_size, hidden_size, size], None)
    }

    fn with_projection(scope: Scope<'_>, sizes: [usize; 4], bias: Option<f64>) -> Lstm {
        let [_, _, hidden_size, size] = sizes;
        let (mut scope, bound) = (scope.ending("_l0"), bound(hidden_size));
        let weights = RecurrentWeights::build(scope.scope(""), sizes, init::uniform(bound), bias);
        let weight_hr = scope.add("weight_hr", [size, hidden_size], init::uniform(bound));
        Lstm { weights, projection: Some(Projection { weight_hr, size }) }
    }

    /// Sets the forget gate's bias to `value` (the sum of both biases, of which PyTorch's layout has two). With 1 or more the cell
    /// begins by remembering (Gers and others 2000; Józefowicz, Zaremba and Sutskever 2015).
    ///
    /// ```
    /// use unspool_graph::Params;
    /// use unspool_nn::Lstm;
    /// let mut params = Params::seeded(0);
    /// let cell = Lstm::new(params.scope("rnn"), 3, 2);
    /// cell.forget_bias(&mut params, 1.0)?;
    /// let bias = params.find("rnn.bias_ih_l0").unwrap();
    /// assert_eq!(params.value(bias)?.to_f64().as_slice().unwrap()[2..4], [1.0, 1.0]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// Parameters of another store; a cell [without biases](Lstm::without_bias).
    #[track_caller]
    pub fn forget_bias(&self, params: &mut Params, value: f64) -> Result<()> {
        let forget = self.weights.hidden_size..2 * self.weights.hidden_size;
        let (Some(bias_ih), Some(bias_hh)) = (self.weights.bias_ih, self.weights.bias_hh) else {
            let why = "the cell was made without biases".to_string();
            let at = Place { line: Location::caller(), inner: None, scope: String::new(), step: None };
            return Err(Error::Argument { operation: "forget_bias", why, at });
        };
        for (bias, value) in [(bias_ih, value), (bias_hh, 0.0)] {
            let mut all = params.value(bias)?.to_f64();
            all.slice_axis_mut(ndarray::Axis(0), forget.clone().into()).fill(value);
            params.set(bias, all)?;
        }
        Ok(())
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
    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.weights.of_input(xs)
    }
    fn step<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        let (h, c) = gates(x, self.weights.of_state(h), c);
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
    let both = x.graph().apply(LstmGates, &[x, u, c]);
    (both.index(0, 0), both.index(0, 1))
}

/// (h', c') as one tensor `[2, batch, hidden]`, whose halves are views.
///
/// With d_h, d_c the gradients of both and t = tanh c':  D = d_c + d_h·o·(1 − t²);  a_i = D·g·i(1 − i);  a_f = D·c·f(1 − f);
/// a_g = D·i·(1 − g²);  a_o = d_h·t·o(1 − o);  ∂L/∂c = D·f.
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
            vectorize(
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

    fn backward<E: Element>(&self, ran: &Ran<'_, E, Buffer<E>>, gradient: View<'_, E>, into: &mut Inflow<'_, E>) {
        let (c, width) = (ran.inputs[2].data(), ran.inputs[2].shape()[1]);
        let (gates, tanh) = ran.saved.split_at(4 * c.len());
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
            vectorize(
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

    fn gates<E: Element>(&self, ran: &Ran<'_, E, Buffer<E>>, show: &mut dyn FnMut(&'static str, Squash, &[E])) {
        let width = ran.inputs[2].shape()[1].max(1);
        let (gates, tanh) = ran.saved.split_at(4 * ran.inputs[2].data().len());
        let kinds = [("i", Squash::Sigmoid), ("f", Squash::Sigmoid), ("g", Squash::Tanh), ("o", Squash::Sigmoid)];
        for (part, (gate, squash)) in gates.chunks_exact(width).zip(kinds.into_iter().cycle()) {
            show(gate, squash, part);
        }
        show("tanh c", Squash::Tanh, tanh);
    }

    fn jvp<E: Element>(&self, ran: &Ran<'_, E, Buffer<E>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (c, width) = (ran.inputs[2].data(), ran.inputs[2].shape()[1]);
        let (gates, tanh) = ran.saved.split_at(4 * c.len());
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
