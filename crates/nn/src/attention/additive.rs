//! Additive attention, and the weighted sum of a memory's places.

use crate::{Linear, Sequence, sizes::uniform_bound};
use unspool_graph::{Element, GradSink, OpContext, Operation, Param, Scope, Shape, Var, View, init, lane_sum};

/// Computes additive attention (Bahdanau, Cho and Bengio 2015, appendix A.1.2):
///
/// e_s = vᵀ tanh(W_q·query + b + W_k·memory_s),  a = softmax(e) over the source's real places,  context = Σ_s a_s ·
/// memory_s
///
/// The keys W_k·memory are made once per sequence by [`keys`](AdditiveAttention::keys) and carried as state.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, attention::{AdditiveAttention, padding_bias}};
/// let mut params = Params::seeded(1);
/// let attention = AdditiveAttention::new(params.scope("attention"), 6, 4, 5);
/// let graph = Graph::new(&params);
/// let memory = Sequence::pack(graph.full([2, 3, 4], 1.0), &[3, 1]);
/// let (keys, bias) = (attention.keys(&memory), padding_bias(&graph, memory.layout()));
/// let (context, weights) = attention.attend(graph.full([2, 6], 0.5), keys, memory.padded(), bias);
/// assert_eq!(*context.shape()?, [2, 4]);
/// let weights = weights.to_f64()?;
/// assert_eq!([weights[[1, 0]], weights[[1, 1]], weights[[1, 2]]], [1.0, 0.0, 0.0]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AdditiveAttention {
    query: Linear,
    key: Linear,
    score: Param,
}

impl AdditiveAttention {
    /// Adds a layer for queries of `query_size` elements and a memory of `memory_size` elements per place, compared in
    /// `attention_size` dimensions.
    pub fn new(mut scope: Scope<'_>, query_size: usize, memory_size: usize, attention_size: usize) -> Self {
        AdditiveAttention {
            query: Linear::new(scope.scope("query"), query_size, attention_size),
            key: Linear::without_bias(scope.scope("key"), memory_size, attention_size),
            score: scope.add("score.weight", [attention_size], init::uniform(uniform_bound(attention_size))),
        }
    }

    /// Returns W_k·memory at the real places, and 0 at padding: `[batch, source, attention]`.
    #[track_caller]
    pub fn keys<'g>(&self, memory: &Sequence<'g>) -> Var<'g> {
        memory.map(|rows| self.key.apply(rows)).padded()
    }

    /// Returns the context `[batch, memory]` and the weights `[batch, source]` for `query [batch, query]`.
    /// `bias [batch, source]` is 0 at real places and −∞ at padding; see [`padding_bias`](super::padding_bias).
    #[track_caller]
    pub fn attend<'g>(&self, query: Var<'g>, keys: Var<'g>, memory: Var<'g>, bias: Var<'g>) -> (Var<'g>, Var<'g>) {
        let graph = query.graph();
        let _scope = graph.layer("attention");
        let scores = graph.apply(AdditiveScore, &[keys, self.query.apply(query), graph.param(self.score)]);
        let weights = (scores + bias).softmax();
        (weighted_sum(weights, memory), weights)
    }
}

/// y[b, j] = Σ_s w[b, s] · m[b, s, j]: `[batch, source], [batch, source, memory] -> [batch, memory]`.
#[track_caller]
pub(crate) fn weighted_sum<'g>(weights: Var<'g>, memory: Var<'g>) -> Var<'g> {
    weights.graph().apply(WeightedSum, &[weights, memory])
}

/// e[b, s] = Σ_j v_j · tanh(k[b, s, j] + q[b, j]), without keeping the tanh.
///
/// With t the tanh and g = ∂L/∂e:  ∂L/∂k = g·v_j·(1 − t²);  ∂L/∂q = Σ_s of that;  ∂L/∂v_j = Σ_{b, s} g·t
struct AdditiveScore;

impl Operation for AdditiveScore {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "additive_score"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [k, q, v] = inputs else { return Err("needs keys, query and v".into()) };
        let fits = k.len() == 3 && **q == [k[0], k[2]] && **v == [k[2]];
        if fits { Ok(Shape::from([k[0], k[1]])) } else { Err("must be keys [b, s, j], query [b, j], v [j]".into()) }
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let (shape, v) = (inputs[0].shape(), inputs[2].data());
        let (places, width) = (shape[1].max(1), shape[2]);
        let mut terms = vec![E::ZERO; width];
        for (row, output) in output.chunks_exact_mut(places).enumerate() {
            let (keys, q) = (inputs[0].row(row), inputs[1].row(row));
            for (place, out) in output.iter_mut().enumerate() {
                let k = &keys[place * width..][..width];
                E::vectorize(
                    #[inline(always)]
                    || {
                        terms.iter_mut().zip(k).zip(q).zip(v).for_each(|(((t, &k), &q), &v)| *t = v * (k + q).tanh());
                        *out = lane_sum(&terms);
                    },
                );
            }
        }
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let ([k, q, v], shape) =
            ([ctx.inputs[0], ctx.inputs[1], ctx.inputs[2]].map(|x| x.data()), ctx.inputs[0].shape());
        let (places, width, g) = (shape[1], shape[2], gradient.data());
        let mut to_query = vec![E::ZERO; q.len()];
        let mut to_v = vec![E::ZERO; width];
        let mut pass = |to_keys: &mut [E]| {
            for (i, &g) in g.iter().enumerate().filter(|(_, g)| **g != E::ZERO) {
                let (k, row) = (&k[i * width..][..width], i / places * width..i / places * width + width);
                let (slot, q, to_query) = (&mut to_keys[i * width..][..width], &q[row.clone()], &mut to_query[row]);
                E::vectorize(
                    #[inline(always)]
                    || {
                        let values = k.iter().zip(q).zip(v);
                        let slots = slot.iter_mut().zip(to_query).zip(to_v.iter_mut());
                        for (((&k, &q), &v), ((slot, to_query), to_v)) in values.zip(slots) {
                            let t = (k + q).tanh();
                            let d = g * v * (E::ONE - t * t);
                            *slot += d;
                            *to_query += d;
                            *to_v += g * t;
                        }
                    },
                );
            }
        };
        // Keys that want no gradient, such as those of a detached memory, have nowhere to add it; query and v have
        // theirs all the same.
        let mut passed = false;
        into.accumulate(0, |slot| {
            pass(slot);
            passed = true;
        });
        if !passed {
            pass(&mut vec![E::ZERO; k.len()]);
        }
        into.add(1, to_query);
        into.add(2, to_v);
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let ([k, q, v], shape) =
            ([ctx.inputs[0], ctx.inputs[1], ctx.inputs[2]].map(|x| x.data()), ctx.inputs[0].shape());
        let (places, width) = (shape[1], shape[2]);
        let at = |i: usize, place: usize| tangents[i].map_or(E::ZERO, |v| v.data()[place]);
        for (i, out) in output.iter_mut().enumerate() {
            for (j, &v) in v.iter().enumerate() {
                let (ki, qi) = (i * width + j, i / places * width + j);
                let t = (k[ki] + q[qi]).tanh();
                *out += at(2, j) * t + v * (E::ONE - t * t) * (at(0, ki) + at(1, qi));
            }
        }
    }
}

/// y[b, j] = Σ_s w[b, s] · m[b, s, j]. Places of weight 0, such as padding, are left out.
///
/// ∂L/∂w[b, s] = Σ_j g[b, j]·m[b, s, j];  ∂L/∂m[b, s, j] = w[b, s]·g[b, j]
struct WeightedSum;

impl WeightedSum {
    fn add_up<E: Element>(weights: View<'_, E>, memory: View<'_, E>, output: &mut [E]) {
        let width = memory.shape()[2];
        for row in 0..memory.shape()[0] {
            let (memory, out) = (memory.row(row), &mut output[row * width..][..width]);
            for (place, &w) in weights.row(row).iter().enumerate().filter(|(_, w)| **w != E::ZERO) {
                let m = &memory[place * width..][..width];
                E::vectorize(
                    #[inline(always)]
                    || out.iter_mut().zip(m).for_each(|(y, &m)| *y += w * m),
                );
            }
        }
    }
}

impl Operation for WeightedSum {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "weighted_sum"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [w, m] = inputs else { return Err("needs weights and memory".into()) };
        let fits = m.len() == 3 && **w == m[..2];
        if fits { Ok(Shape::from([m[0], m[2]])) } else { Err("must be weights [b, s] and memory [b, s, j]".into()) }
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.fill(E::ZERO);
        Self::add_up(inputs[0], inputs[1], output);
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (w, m, shape, g) = (ctx.inputs[0].data(), ctx.inputs[1].data(), ctx.inputs[1].shape(), gradient.data());
        let (places, width) = (shape[1], shape[2]);
        into.accumulate(0, |slot| {
            let mut terms = vec![E::ZERO; width];
            for (i, slot) in slot.iter_mut().enumerate() {
                let (m, g) = (&m[i * width..][..width], &g[i / places * width..][..width]);
                E::vectorize(
                    #[inline(always)]
                    || {
                        terms.iter_mut().zip(m).zip(g).for_each(|((t, &m), &g)| *t = m * g);
                        *slot += lane_sum(&terms);
                    },
                );
            }
        });
        into.accumulate(1, |slot| {
            for (i, &w) in w.iter().enumerate().filter(|(_, w)| **w != E::ZERO) {
                let (slot, g) = (&mut slot[i * width..][..width], &g[i / places * width..][..width]);
                E::vectorize(
                    #[inline(always)]
                    || slot.iter_mut().zip(g).for_each(|(s, &g)| *s += w * g),
                );
            }
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            Self::add_up(v, ctx.inputs[1], output);
        }
        if let Some(v) = tangents[1] {
            Self::add_up(ctx.inputs[0], v, output);
        }
    }
}
