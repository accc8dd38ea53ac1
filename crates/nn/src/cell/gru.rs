//! The gated recurrent unit, its gates in one pass over memory.

use super::weights::{RecurrentInit, RecurrentWeights, Sizes};
use crate::Cell;
use unspool_graph::{
    Activation, Buffer, Element, Gated, GradSink, Graph, OpContext, Operation, Param, Scope, Shape, Show, Var, View,
    reference_mode,
};

/// Computes a gated recurrent unit (Cho and others 2014) that resets after the product, as PyTorch's `nn.GRU` does,
/// with its names and layouts:
///
/// - r = σ(W_ir x + b_ir + W_hr h + b_hr), z = σ(W_iz x + b_iz + W_hz h + b_hz)
/// - n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn))
/// - h' = (1 − z) ∘ n + z ∘ h
///
/// Parameters `weight_ih_l0 [3·hidden, input]`, `weight_hh_l0 [3·hidden, hidden]`, `bias_ih_l0`, `bias_hh_l0`, rows in
/// the order r, z, n, all uniform in ±1/√hidden.
///
/// More in [chapter 10](https://github.com/unspool/unspool/blob/main/docs/10-gates.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Sequence, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 3, 8);
/// assert_eq!(*params.shape(params.find("rnn.weight_ih_l0").unwrap()), [24, 3]);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gru {
    weights: RecurrentWeights,
    reset_after: bool,
}

/// Holds the options of a [`Gru`]. The defaults are those of PyTorch's `nn.GRU`.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::{Gru, GruConfig};
/// let mut params = Params::seeded(1);
/// let first_paper = GruConfig { reset_after: false, ..GruConfig::default() };
/// Gru::with_config(params.scope("rnn"), 3, 8, first_paper);
/// Gru::with_config(params.scope("plain"), 3, 8, GruConfig { bias: false, ..GruConfig::default() });
/// assert!(params.find("rnn.bias_hh_l0").is_some() && params.find("plain.bias_hh_l0").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GruConfig {
    /// Whether there are biases: PyTorch's `bias`.
    pub bias: bool,
    /// Whether r is applied after the product with W_hn (Keras's `reset_after`). The form of the first paper applies it
    /// before: n = tanh(W_in x + b_in + W_hn (r ∘ h) + b_hn), everything else being the same; it needs two products one
    /// after the other.
    pub reset_after: bool,
    /// The first values of W_hh.
    pub recurrent_init: RecurrentInit,
}

impl Default for GruConfig {
    fn default() -> GruConfig {
        GruConfig { bias: true, reset_after: true, recurrent_init: RecurrentInit::Uniform }
    }
}

impl Gru {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Gru {
        Gru::with_config(scope, input_size, hidden_size, GruConfig::default())
    }

    /// Adds a cell with these options.
    pub fn with_config(scope: Scope<'_>, input_size: usize, hidden_size: usize, config: GruConfig) -> Gru {
        let GruConfig { bias, reset_after, recurrent_init } = config;
        let sizes = Sizes { gates: 3, input: input_size, hidden: hidden_size, state: hidden_size };
        Gru { weights: RecurrentWeights::new(scope, sizes, bias, recurrent_init, |_, _| ()), reset_after }
    }

    /// Returns the recurrent weight W_hh, for [`WeightDrop`](crate::WeightDrop) and its like.
    pub fn weight_hh(&self) -> Param {
        self.weights.weight_hh
    }

    /// r and z first, then n from the state that r has reset.
    fn step_reset_before<'g>(&self, x: Var<'g>, h: Var<'g>) -> Var<'g> {
        let (graph, hidden) = (x.graph(), self.weights.hidden_size);
        let weight = graph.param(self.weights.weight_hh);
        let bias = self.weights.bias_hh.map(|bias| graph.param(bias));
        let product = |h: Var<'g>, rows: std::ops::Range<usize>| {
            h.linear(weight.slice(0, rows.clone()), bias.map(|bias| bias.slice(0, rows)))
        };
        let [r, z] = (x.slice(-1, 0..2 * hidden) + product(h, 0..2 * hidden)).sigmoid().chunk(-1);
        let n = (x.slice(-1, 2 * hidden..3 * hidden) + product(r * h, 2 * hidden..3 * hidden)).tanh();
        n + z * (h - n)
    }

    pub(crate) fn weights(&self) -> &RecurrentWeights {
        &self.weights
    }
}

impl Cell for Gru {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.weights.zeros(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.project(x), h)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.weights.of_input(xs)
    }
    fn step_projected<'g>(&self, _: Var<'g>, projected: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let h = match self.reset_after {
            true => gru_gates(projected, self.weights.of_state(h), h),
            false => self.step_reset_before(projected, h),
        };
        (h, h)
    }
}

/// Computes h' of a gated recurrent unit from its products: `x` = W_i x + b_i and `u` = W_h h + b_h, both
/// `[batch, 3·hidden]` in the order r, z, n, and `h [batch, hidden]`. It is for cells that make their products in
/// another way.
///
/// A GRU whose hidden product is low-rank:
///
/// ```
/// use unspool_graph::{Graph, Param, Params, Var, init};
/// use unspool_nn::gru_gates;
/// let mut params = Params::seeded(1);
/// let mut rnn = params.scope("rnn");
/// let (down, up) = (rnn.add("down", [8, 2], init::normal(0.3)), rnn.add("up", [2, 24], init::normal(0.3)));
/// let graph = Graph::new(&params);
/// let (x, h) = (graph.full([4, 24], 0.1), graph.full([4, 8], 0.5));
/// assert_eq!(*gru_gates(x, h.matmul(down).matmul(up), h).shape()?, [4, 8]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[track_caller]
pub fn gru_gates<'g>(x: Var<'g>, u: Var<'g>, h: Var<'g>) -> Var<'g> {
    if reference_mode() {
        return plain_gates(x, u, h);
    }
    h.graph().apply_gated(GruGates, &[x, u, h])
}

/// [`gru_gates`] by elementary operations, in the [reference mode](unspool_graph::reference_mode).
#[track_caller]
fn plain_gates<'g>(x: Var<'g>, u: Var<'g>, h: Var<'g>) -> Var<'g> {
    let [[x_r, x_z, x_n], [u_r, u_z, u_n]] = [x, u].map(|gates| gates.chunk::<3>(-1));
    let (r, z) = ((x_r + u_r).sigmoid(), (x_z + u_z).sigmoid());
    let n = (x_n + r * u_n).tanh();
    n + z * (h - n)
}

/// r = σ(x_r + u_r), z = σ(x_z + u_z), n = tanh(x_n + r·u_n), h' = n + z·(h − n).
///
/// With d = ∂L/∂h':  ∂L/∂n = d(1 − z), a_n = ∂L/∂n·(1 − n²);  a_z = d(h − n)·z(1 − z);  a_r = a_n·u_n·r(1 − r);  ∂L/∂h
/// = d·z; ∂L/∂x = (a_r, a_z, a_n);  ∂L/∂u = (a_r, a_z, a_n·r).
struct GruGates;

impl Operation for GruGates {
    /// r, z, n of each row, side by side.
    type Saved<E: Element> = Buffer<E>;

    fn name(&self) -> &'static str {
        "gru_gates"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x, u, h] = inputs else { return Err("needs x, u and h".into()) };
        let fits = h.len() == 2 && x == u && **x == [h[0], 3 * h[1]];
        if fits {
            Ok(*h)
        } else {
            Err("must be x [batch, 3·hidden], u of the same shape and h [batch, hidden]".into())
        }
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Buffer<E> {
        let ([x, u, h], width) = ([inputs[0].data(), inputs[1].data(), inputs[2].data()], inputs[2].shape()[1]);
        let mut saved = inputs[0].buffer(x.len());
        for row in 0..h.len() / width.max(1) {
            let (x, u) = (&x[row * 3 * width..][..3 * width], &u[row * 3 * width..][..3 * width]);
            let (h, out) = (&h[row * width..][..width], &mut output[row * width..][..width]);
            let (rz, n) = saved[row * 3 * width..][..3 * width].split_at_mut(2 * width);
            E::vectorize(
                #[inline(always)]
                || {
                    rz.iter_mut().zip(x).zip(u).for_each(|((s, &x), &u)| *s = (x + u).sigmoid());
                    let (r, z) = rz.split_at(width);
                    let (x, u) = (&x[2 * width..], &u[2 * width..]);
                    n.iter_mut().zip(x).zip(u).zip(r).for_each(|(((n, &x), &u), &r)| *n = (x + r * u).tanh());
                    out.iter_mut().zip(&*n).zip(z).zip(h).for_each(|(((o, &n), &z), &h)| *o = n + z * (h - n));
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
        let (u, h, width) = (ctx.inputs[1].data(), ctx.inputs[2].data(), gradient.shape()[1]);
        let d = gradient.data();
        let rows = h.len() / width.max(1);
        let (mut to_x, mut to_u) = (into.buffer(3 * h.len()), into.buffer(3 * h.len()));
        for row in 0..rows {
            let s = &ctx.saved[row * 3 * width..][..3 * width];
            let (r, z, n) = (&s[..width], &s[width..2 * width], &s[2 * width..]);
            let u = &u[row * 3 * width + 2 * width..][..width];
            let (h, d) = (&h[row * width..][..width], &d[row * width..][..width]);
            let (x_r, rest) = to_x[row * 3 * width..][..3 * width].split_at_mut(width);
            let (x_z, x_n) = rest.split_at_mut(width);
            let (u_r, rest) = to_u[row * 3 * width..][..3 * width].split_at_mut(width);
            let (u_z, u_n) = rest.split_at_mut(width);
            E::vectorize(
                #[inline(always)]
                || {
                    for j in 0..width {
                        let a_n = d[j] * (E::ONE - z[j]) * (E::ONE - n[j] * n[j]);
                        let a_z = d[j] * (h[j] - n[j]) * z[j] * (E::ONE - z[j]);
                        let a_r = a_n * u[j] * r[j] * (E::ONE - r[j]);
                        (x_r[j], x_z[j], x_n[j]) = (a_r, a_z, a_n);
                        (u_r[j], u_z[j], u_n[j]) = (a_r, a_z, a_n * r[j]);
                    }
                },
            );
        }
        into.add_slice(0, &to_x);
        into.add_slice(1, &to_u);
        into.accumulate(2, |slot| {
            for (row, slot) in slot.chunks_exact_mut(width.max(1)).enumerate() {
                let (z, d) = (&ctx.saved[row * 3 * width + width..][..width], &d[row * width..][..width]);
                E::vectorize(
                    #[inline(always)]
                    || slot.iter_mut().zip(z).zip(d).for_each(|((s, &z), &d)| *s += z * d),
                );
            }
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (u, h, width) = (ctx.inputs[1].data(), ctx.inputs[2].data(), ctx.output.shape()[1]);
        let at = |i: usize, place: usize| tangents[i].map_or(E::ZERO, |v| v.data()[place]);
        for (i, out) in output.iter_mut().enumerate() {
            let (row, j) = (i / width, i % width);
            let gate = |k: usize| row * 3 * width + k * width + j;
            let (r, z, n) = (ctx.saved[gate(0)], ctx.saved[gate(1)], ctx.saved[gate(2)]);
            let dr = (at(0, gate(0)) + at(1, gate(0))) * r * (E::ONE - r);
            let dz = (at(0, gate(1)) + at(1, gate(1))) * z * (E::ONE - z);
            let dn = (at(0, gate(2)) + dr * u[gate(2)] + r * at(1, gate(2))) * (E::ONE - n * n);
            *out = dn + dz * (h[i] - n) + z * (at(2, i) - dn);
        }
    }
}

impl Gated for GruGates {
    fn gates<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, show: &mut Show<'_, E>) {
        let width = ctx.inputs[2].shape()[1].max(1);
        let kinds = [("r", Activation::Sigmoid), ("z", Activation::Sigmoid), ("n", Activation::Tanh)];
        for (part, (gate, squash)) in ctx.saved.chunks_exact(width).zip(kinds.into_iter().cycle()) {
            show(gate, squash, part);
        }
    }
}
