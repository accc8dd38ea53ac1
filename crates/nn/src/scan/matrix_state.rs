//! Recurrences whose state is a matrix per head: linear attention and the delta rule, in chunks.

use super::chunk::Chunk;
use crate::{Layout, Sequence, parallel_map};
use unspool_graph::{Buffer, Element, GradSink, OpContext, Operation, Shape, Var, View};

/// As many steps are computed at once, counted from each example's first step.
const CHUNK: usize = 64;

/// Computes linear attention with decay for every step of every example, as one node. Per head
///
/// - S_t = α_t S_{t−1} + v_t k_tᵀ
/// - o_t = S_t q_t
///
/// This is the recurrence of linear attention (Katharopoulos and others 2020, α = 1), RetNet (Sun and others 2023, a
/// constant α per head), Mamba-2's core (Dao and Gu 2024) and mLSTM (Beck and others 2024); a normalizer is one more
/// element of v that is always 1.
///
/// - `q`, `k`: `[.., head, key]`, `v`: `[.., head, value]`, `log_alpha`: `[.., head]`, ln α_t, not above 0; all over
///   the same steps. `s0 [batch, head, value, key]`, in the order of the batch.
/// - Returns the outputs `[.., head, value]` and each example's state after its own last step, of the shape of `s0`. An
///   example of length 0 keeps its `s0`.
///
/// # Time and memory
///
/// Chunks of 64 steps are computed by matrix products, forward and backward, on several threads; the bits do not depend
/// on their number. Beside its operands and its result the node keeps the state at the start of each chunk: for T steps
/// `T / 64 · head · value · key` numbers per example, where steps by hand keep 64 times as many, several times over.
/// The backward pass computes the inside of each chunk again. Values agree with the steps up to rounding.
///
/// # Errors
/// The graph records an error for lengths that differ and shapes that do not fit.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, scan::linear_attention};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let of = |shape: &[usize], x| Sequence::pack(graph.full([&[2, 100], shape].concat(), x), &[100, 30]);
/// let (q, k, v, log_alpha) = (of(&[4, 8], 0.1), of(&[4, 8], 0.2), of(&[4, 16], 0.3), of(&[4], -0.01));
/// let (ys, last) = linear_attention(&q, &k, &v, &log_alpha, graph.zeros([2, 4, 16, 8]));
/// assert_eq!(*ys.padded().shape()?, [2, 100, 4, 16]);
/// assert_eq!(*last.shape()?, [2, 4, 16, 8]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[track_caller]
pub fn linear_attention<'g>(
    q: &Sequence<'g>,
    k: &Sequence<'g>,
    v: &Sequence<'g>,
    log_alpha: &Sequence<'g>,
    s0: Var<'g>,
) -> (Sequence<'g>, Var<'g>) {
    matrix_recurrence("linear_attention", [q, k, v, log_alpha], None, s0)
}

/// Computes the gated delta rule for every step of every example, as one node. Per head
///
/// - S_t = α_t S_{t−1} (1 − β_t k_t k_tᵀ) + β_t v_t k_tᵀ
/// - o_t = S_t q_t
///
/// Each step first takes out of the state what it holds for the key k_t, and then writes v_t (Yang, Kautz and
/// Hatamizadeh 2025, "Gated Delta Networks: Improving Mamba2 with Delta Rule", equation 10). With α = 1 it is DeltaNet
/// (Schlag, Irie and Schmidhuber 2021; Yang and others 2024). Keys should have the norm 1, and β lie between 0 and 1
/// (or 2): then a step never makes the state grow.
///
/// `beta` is `[.., head]`; all else, the time, and the memory are as in [`linear_attention`].
///
/// # Errors
/// The graph records an error for lengths that differ and shapes that do not fit.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, scan::gated_delta_rule};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let of = |shape: &[usize], x| Sequence::full(graph.full([&[1, 2], shape].concat(), x));
/// // With β = 1, a second write to the same key replaces the first.
/// let (key, value, log_alpha, beta) = (of(&[1, 1], 1.0), of(&[1, 1], 3.0), of(&[1], 0.0), of(&[1], 1.0));
/// let (ys, _) = gated_delta_rule(&key, &key, &value, &log_alpha, &beta, graph.zeros([1, 1, 1, 1]));
/// assert_eq!(ys.rows().value()?.to_f64().into_raw_vec_and_offset().0, [3.0, 3.0]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[track_caller]
pub fn gated_delta_rule<'g>(
    q: &Sequence<'g>,
    k: &Sequence<'g>,
    v: &Sequence<'g>,
    log_alpha: &Sequence<'g>,
    beta: &Sequence<'g>,
    s0: Var<'g>,
) -> (Sequence<'g>, Var<'g>) {
    matrix_recurrence("gated_delta_rule", [q, k, v, log_alpha], Some(beta), s0)
}

#[track_caller]
fn matrix_recurrence<'g>(
    name: &'static str,
    [q, k, v, log_alpha]: [&Sequence<'g>; 4],
    beta: Option<&Sequence<'g>>,
    s0: Var<'g>,
) -> (Sequence<'g>, Var<'g>) {
    let (graph, layout) = (q.graph(), q.layout().clone());
    let over_the_same_steps = |other: &Sequence<'g>| q.zip(other, |_, other| other).rows();
    let mut inputs = vec![q.rows()];
    inputs.extend([k, v, log_alpha].map(over_the_same_steps));
    inputs.push(s0);
    inputs.extend(beta.map(over_the_same_steps));
    let both = graph.apply(MatrixRecurrence { name, layout }, &inputs);
    let (Some(v_shape), Some(shape), Some(all)) = (v.rows().known_shape(), s0.known_shape(), both.known_shape()) else {
        return (q.map(|_| graph.inert()), graph.inert());
    };
    let outputs = v_shape.elements();
    let last = both.slice(0, outputs..all.elements()).reshape(&*shape);
    (q.map(|_| both.slice(0, 0..outputs).reshape(&*v_shape)), last)
}

/// One step by elementary operations: `q`, `k` `[batch, head, key]`, `v [batch, head, value]`, `log_alpha` and `beta`
/// `[batch, head]`, `s [batch, head, value, key]`. Returns the output and the next state.
#[track_caller]
pub(crate) fn matrix_step<'g>(
    [q, k, v, log_alpha]: [Var<'g>; 4],
    beta: Option<Var<'g>>,
    s: Var<'g>,
) -> (Var<'g>, Var<'g>) {
    let decayed = s * log_alpha.exp().unsqueeze(-1).unsqueeze(-1);
    let written = match beta {
        None => v,
        Some(beta) => (v - decayed.matmul(k.unsqueeze(-1)).squeeze(-1)) * beta.unsqueeze(-1),
    };
    let s = decayed + written.unsqueeze(-1) * k.unsqueeze(-2);
    (s.matmul(q.unsqueeze(-1)).squeeze(-1), s)
}

/// The outputs, and after them the last states, both in the order in which they are returned.
struct MatrixRecurrence {
    name: &'static str,
    layout: Layout,
}

/// The places of the operands among the inputs.
const Q: usize = 0;
const K: usize = 1;
const V: usize = 2;
const LOG_ALPHA: usize = 3;
const STATE: usize = 4;
const BETA: usize = 5;

#[derive(Clone, Copy)]
struct Sizes {
    heads: usize,
    key: usize,
    value: usize,
}

impl Sizes {
    fn of<E: Element>(inputs: &[View<'_, E>]) -> Sizes {
        let (q, v) = (inputs[Q].shape(), inputs[V].shape());
        Sizes { heads: q[1], key: q[2], value: v[2] }
    }

    /// How many numbers a head's state has.
    fn state(self) -> usize {
        self.key * self.value
    }
}

/// One head of one example.
#[derive(Clone, Copy)]
struct Head {
    example: usize,
    /// Among the examples, longest first.
    place: usize,
    head: usize,
    length: usize,
}

impl MatrixRecurrence {
    /// Every head of every example that has a step, longest example first.
    fn heads(&self, heads: usize) -> Vec<Head> {
        let mut all: Vec<Head> = vec![];
        for (example, (&place, &length)) in self.layout.place().iter().zip(self.layout.lengths()).enumerate() {
            all.extend((0..heads).map(|head| Head { example, place: place as usize, head, length }));
        }
        all.retain(|head| head.length > 0);
        all.sort_by_key(|head| (head.place, head.head));
        all
    }

    /// The part of a head in row `t` of an array `[step, head, width]`.
    fn at(&self, head: &Head, heads: usize, t: usize, width: usize) -> std::ops::Range<usize> {
        let first = ((self.layout.start(t) + head.place) * heads + head.head) * width;
        first..first + width
    }

    /// The rows of a head for these steps.
    fn gather<E: Element>(
        &self,
        from: &[E],
        head: &Head,
        steps: std::ops::Range<usize>,
        (heads, width): (usize, usize),
    ) -> Vec<E> {
        let mut rows = Vec::with_capacity(steps.len() * width);
        steps.for_each(|t| rows.extend_from_slice(&from[self.at(head, heads, t, width)]));
        rows
    }

    /// Adds the rows of a head, from its first step on.
    fn scatter<E: Element>(&self, rows: &[E], head: &Head, heads: usize, to: &mut [E]) {
        let width = rows.len() / head.length;
        for (t, row) in rows.chunks_exact(width.max(1)).enumerate() {
            to[self.at(head, heads, t, width)].iter_mut().zip(row).for_each(|(to, &x)| *to += x);
        }
    }

    fn chunk<E: Element>(&self, inputs: &[View<'_, E>], head: &Head, first: usize) -> Chunk<E> {
        let Sizes { heads, key, value } = Sizes::of(inputs);
        let steps = first..(first + CHUNK).min(head.length);
        let rows = |i: usize, width: usize| self.gather(inputs[i].data(), head, steps.clone(), (heads, width));
        Chunk {
            steps: steps.len(),
            key,
            value,
            q: rows(Q, key),
            k: rows(K, key),
            v: rows(V, value),
            log_alpha: rows(LOG_ALPHA, 1),
            beta: inputs.get(BETA).map(|_| rows(BETA, 1)),
        }
    }
}

/// The part of a head in an array `[batch, head, …]`, of `width` numbers per head.
fn of_head(head: &Head, heads: usize, width: usize) -> std::ops::Range<usize> {
    let first = (head.example * heads + head.head) * width;
    first..first + width
}

impl Operation for MatrixRecurrence {
    /// The state at the start of each chunk, head by head in the order of [`heads`](MatrixRecurrence::heads).
    type Saved<E: Element> = Buffer<E>;

    fn name(&self) -> &'static str {
        self.name
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (rows, batch) = (self.layout.rows(), self.layout.batch());
        let form = || {
            Err(format!(
                "must be q and k [{rows} real steps, head, key], v [{rows}, head, value], gates [{rows}, head] and the \
                 state [{batch}, head, value, key]"
            ))
        };
        let [q, k, v, log_alpha, state, beta @ ..] = inputs else { return form() };
        let ([_, heads, key], [_, _, value]) = (&**q, &**v) else { return form() };
        let fits = q == k
            && **q == [rows, *heads, *key]
            && **v == [rows, *heads, *value]
            && **log_alpha == [rows, *heads]
            && beta.iter().all(|beta| beta == log_alpha)
            && **state == [batch, *heads, *value, *key];
        if !fits {
            return form();
        }
        if heads * key * value == 0 {
            return Err("must have at least one head, and keys and values of at least one element".into());
        }
        let elements = v.elements().checked_add(state.elements()).and_then(|all| Shape::new(&[all]));
        elements.ok_or_else(|| "would get more elements than a tensor can have".into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Buffer<E> {
        let sizes = Sizes::of(inputs);
        let heads = self.heads(sizes.heads);
        let (outputs, last) = output.split_at_mut(inputs[V].data().len());
        outputs.fill(E::ZERO);
        last.copy_from_slice(inputs[STATE].data());
        let kept = |head: &Head| head.length.div_ceil(CHUNK) * sizes.state();
        let mut saved = inputs[Q].buffer(heads.iter().map(kept).sum());
        let mut rest = &mut saved[..];
        let mut work = Vec::with_capacity(heads.len());
        for head in &heads {
            let (starts, after) = rest.split_at_mut(kept(head));
            work.push((head, starts));
            rest = after;
        }
        let run = |(head, starts): (&Head, &mut [E])| {
            let mut state = inputs[STATE].data()[of_head(head, sizes.heads, sizes.state())].to_vec();
            let mut rows = vec![E::ZERO; head.length * sizes.value];
            let chunks = starts.chunks_exact_mut(sizes.state()).zip(rows.chunks_mut(CHUNK * sizes.value));
            for (i, (start, rows)) in chunks.enumerate() {
                start.copy_from_slice(&state);
                self.chunk(inputs, head, i * CHUNK).forward(&mut state, rows);
            }
            (rows, state)
        };
        let ran: Vec<(Vec<E>, Vec<E>)> = parallel_map(work, run);
        for (head, (rows, state)) in heads.iter().zip(ran) {
            self.scatter(&rows, head, sizes.heads, outputs);
            last[of_head(head, sizes.heads, sizes.state())].copy_from_slice(&state);
        }
        saved
    }

    fn backward<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Buffer<E>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        let (sizes, inputs) = (Sizes::of(ctx.inputs), ctx.inputs);
        let heads = self.heads(sizes.heads);
        let (to_outputs, to_last) = gradient.data().split_at(inputs[V].data().len());
        let mut starts = &ctx.saved[..];
        let mut work = Vec::with_capacity(heads.len());
        for head in &heads {
            let (own, after) = starts.split_at(head.length.div_ceil(CHUNK) * sizes.state());
            work.push((head, own));
            starts = after;
        }
        // The gradients of a head's operands, each from its first step on, and of its first state.
        let run = |(head, starts): (&Head, &[E])| {
            let mut to_state = to_last[of_head(head, sizes.heads, sizes.state())].to_vec();
            let mut all: [Vec<E>; 5] = Default::default();
            let widths = [sizes.key, sizes.key, sizes.value, 1, usize::from(inputs.len() > BETA)];
            all.iter_mut().zip(widths).for_each(|(all, width)| all.resize(head.length * width, E::ZERO));
            for (i, start) in starts.chunks_exact(sizes.state()).enumerate().rev() {
                let chunk = self.chunk(inputs, head, i * CHUNK);
                let first = i * CHUNK;
                let steps = first..first + chunk.steps;
                let to_rows = self.gather(to_outputs, head, steps.clone(), (sizes.heads, sizes.value));
                let slopes = chunk.backward(start, &to_rows, &mut to_state);
                let parts = [slopes.q, slopes.k, slopes.v, slopes.log_alpha, slopes.beta];
                for ((all, part), width) in all.iter_mut().zip(parts).zip(widths) {
                    all[steps.start * width..steps.end * width].copy_from_slice(&part);
                }
            }
            (all, to_state)
        };
        let ran: Vec<([Vec<E>; 5], Vec<E>)> = parallel_map(work, run);
        for (operand, input) in [Q, K, V, LOG_ALPHA, BETA].into_iter().enumerate().take(inputs.len() - 1) {
            into.accumulate(input, |to| {
                for (head, (slopes, _)) in heads.iter().zip(&ran) {
                    self.scatter(&slopes[operand], head, sizes.heads, to);
                }
            });
        }
        into.accumulate(STATE, |to| {
            let mut own = to_last.to_vec();
            for (head, (_, slope)) in heads.iter().zip(&ran) {
                own[of_head(head, sizes.heads, sizes.state())].copy_from_slice(slope);
            }
            to.iter_mut().zip(own).for_each(|(to, x)| *to += x);
        });
    }

    /// Step by step, each state beside its tangent.
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (sizes, inputs) = (Sizes::of(ctx.inputs), ctx.inputs);
        let Sizes { heads, key, value } = sizes;
        let (outputs, last) = output.split_at_mut(inputs[V].data().len());
        let states = 0..inputs[STATE].data().len();
        let tangent = |i: usize, at: std::ops::Range<usize>| -> Vec<E> {
            tangents.get(i).copied().flatten().map_or(vec![E::ZERO; at.len()], |v| v.data()[at].to_vec())
        };
        last.copy_from_slice(&tangent(STATE, states));
        for head in self.heads(heads) {
            let own = of_head(&head, heads, sizes.state());
            let (mut s, mut ds) = (inputs[STATE].data()[own.clone()].to_vec(), last[own.clone()].to_vec());
            for t in 0..head.length {
                let both = |i: usize, width: usize| {
                    let at = self.at(&head, heads, t, width);
                    (&inputs[i].data()[at.clone()], tangent(i, at))
                };
                let ((q, dq), (k, dk), (v, dv)) = (both(Q, key), both(K, key), both(V, value));
                let (log_alpha, dlog_alpha) = both(LOG_ALPHA, 1);
                let beta = inputs.get(BETA).map(|_| both(BETA, 1));
                let alpha = log_alpha[0].exp();
                let out = &mut outputs[self.at(&head, heads, t, value)];
                for (row, (s, ds)) in s.chunks_exact_mut(key).zip(ds.chunks_exact_mut(key)).enumerate() {
                    for (s, ds) in s.iter_mut().zip(&mut *ds) {
                        *ds = alpha * (*ds + dlog_alpha[0] * *s);
                        *s *= alpha;
                    }
                    let dot = |x: &[E], y: &[E]| -> E { x.iter().zip(y).map(|(&x, &y)| x * y).sum() };
                    let (mut u, mut du) = (v[row], dv[row]);
                    if let Some((beta, dbeta)) = &beta {
                        let (error, slope) = (u - dot(s, k), du - dot(ds, k) - dot(s, &dk));
                        (u, du) = (beta[0] * error, dbeta[0] * error + beta[0] * slope);
                    }
                    for i in 0..key {
                        s[i] += u * k[i];
                        ds[i] += du * k[i] + u * dk[i];
                    }
                    out[row] = dot(ds, q) + dot(s, &dq);
                }
            }
            last[own].copy_from_slice(&ds);
        }
    }
}
