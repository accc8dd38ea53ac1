//! The elementwise linear recurrence, over real and over complex numbers.

use super::{at_step, in_packed_order, last_state};
use crate::{Layout, Sequence};
use unspool_graph::{Element, GradSink, OpContext, Operation, Shape, Var, View};

/// Computes h_t = a_t ∘ h_{t−1} + b_t for every step of every example, as one node.
///
/// - `a`, `b`: `[.., feature]` over the same steps; `h0 [batch, feature]`, in the order of the batch.
/// - Returns the states h_t, `[.., feature]`, and each example's state after its own last step, `[batch, feature]`. An
///   example of length 0 keeps its `h0`.
///
/// Work and memory are linear in the number of steps, forward and backward; beside its operands and its result the
/// operation keeps nothing. Gates are best made by a sigmoid, or by the exponential of a number that is not positive:
/// where |a| > 1 at many steps the states grow without bound, whatever computes them.
///
/// # Errors
/// The graph records an error for lengths that differ and shapes that do not fit.
///
/// ```
/// use ndarray::array;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, scan::linear_recurrence};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let of = |x| Sequence::pack(graph.full([2, 3, 1], x), &[3, 2]);
/// let (hs, last) = linear_recurrence(&of(0.5), &of(1.0), graph.zeros([2, 1]));
/// assert_eq!(hs.padded().value()?, array![[[1.0f32], [1.5], [1.75]], [[1.0], [1.5], [0.0]]].into());
/// assert_eq!(last.value()?, array![[1.75f32], [1.5]].into());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[track_caller]
pub fn linear_recurrence<'g>(a: &Sequence<'g>, b: &Sequence<'g>, h0: Var<'g>) -> (Sequence<'g>, Var<'g>) {
    recurrence(Numbers::Real, a, b, h0)
}

/// Computes h_t = a_t ∘ h_{t−1} + b_t as [`linear_recurrence`] does, over complex numbers: the first half of the last
/// axis holds the real parts, the second half the imaginary ones, in the coefficients, the states and `h0` alike.
///
/// The product of such a state with the weight `[Re C, −Im C]` is Re(C h).
///
/// # Errors
/// The graph records an error for lengths that differ and shapes that do not fit, such as a last axis of odd size.
///
/// ```
/// use ndarray::array;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, scan::linear_recurrence_complex};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// // A quarter turn per step: multiplication by i.
/// let a = Sequence::full(graph.input(array![[[0.0f32, 1.0], [0.0, 1.0], [0.0, 1.0]]]));
/// let b = Sequence::full(graph.zeros([1, 3, 2]));
/// let (hs, _) = linear_recurrence_complex(&a, &b, graph.input(array![[1.0f32, 0.0]]));
/// assert_eq!(hs.padded().value()?, array![[[0.0f32, 1.0], [-1.0, 0.0], [0.0, -1.0]]].into());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[track_caller]
pub fn linear_recurrence_complex<'g>(a: &Sequence<'g>, b: &Sequence<'g>, h0: Var<'g>) -> (Sequence<'g>, Var<'g>) {
    recurrence(Numbers::Complex, a, b, h0)
}

#[track_caller]
fn recurrence<'g>(numbers: Numbers, a: &Sequence<'g>, b: &Sequence<'g>, h0: Var<'g>) -> (Sequence<'g>, Var<'g>) {
    let operation = LinearRecurrence { numbers, layout: a.layout().clone() };
    let states = a.zip(b, |a, b| a.graph().apply(operation, &[a, b, h0]));
    let last = last_state(&states, h0);
    (states, last)
}

/// h_t = a_t ∘ h_{t−1} + b_t.
///
/// With δ_t = ∂L/∂h_t + ā_{t+1} ∘ δ_{t+1}:  ∂L/∂b_t = δ_t;  ∂L/∂a_t = h̄_{t−1} ∘ δ_t;  ∂L/∂h_0 = ā_1 ∘ δ_1, where x̄ is
/// the complex conjugate.
struct LinearRecurrence {
    numbers: Numbers,
    layout: Layout,
}

/// What a row holds.
#[derive(Clone, Copy, PartialEq)]
enum Numbers {
    Real,
    /// Real parts, then imaginary parts.
    Complex,
}

impl Numbers {
    /// to += x ∘ y, over rows of `width` elements.
    #[inline(always)]
    fn multiply_add<E: Element>(self, x: &[E], y: &[E], to: &mut [E], width: usize) {
        match self {
            Numbers::Real => to.iter_mut().zip(x).zip(y).for_each(|((to, &x), &y)| *to += x * y),
            Numbers::Complex => multiply_add_complex(E::ONE, x, y, to, width),
        }
    }

    /// to += x̄ ∘ y, over rows of `width` elements.
    #[inline(always)]
    fn conjugate_multiply_add<E: Element>(self, x: &[E], y: &[E], to: &mut [E], width: usize) {
        match self {
            Numbers::Real => self.multiply_add(x, y, to, width),
            Numbers::Complex => multiply_add_complex(-E::ONE, x, y, to, width),
        }
    }
}

/// to += x ∘ y, the imaginary part of x being multiplied by `sign`.
#[inline(always)]
fn multiply_add_complex<E: Element>(sign: E, x: &[E], y: &[E], to: &mut [E], width: usize) {
    let rows = x.chunks_exact(width).zip(y.chunks_exact(width)).zip(to.chunks_exact_mut(width));
    for ((x, y), to) in rows {
        let ((x_re, x_im), (y_re, y_im)) = (x.split_at(width / 2), y.split_at(width / 2));
        let (to_re, to_im) = to.split_at_mut(width / 2);
        for i in 0..width / 2 {
            let im = sign * x_im[i];
            to_re[i] += x_re[i] * y_re[i] - im * y_im[i];
            to_im[i] += x_re[i] * y_im[i] + im * y_re[i];
        }
    }
}

impl LinearRecurrence {
    /// Goes on from the step before: `to` holds what is added at each step, and then the states.
    fn run<E: Element>(&self, a: &[E], first: &[E], to: &mut [E], width: usize) {
        for t in 0..self.layout.running().len() {
            let at = at_step(&self.layout, t, width);
            let (done, now) = to.split_at_mut(at.start);
            let before = if t == 0 { first } else { &done[at_step(&self.layout, t - 1, width)] };
            let now = &mut now[..at.len()];
            E::vectorize(
                #[inline(always)]
                || self.numbers.multiply_add(&a[at.clone()], &before[..at.len()], now, width),
            );
        }
    }
}

impl Operation for LinearRecurrence {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "linear_recurrence"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [a, b, h0] = inputs else { return Err("needs a, b and h0".into()) };
        let (rows, batch) = (self.layout.rows(), self.layout.batch());
        if a.len() != 2 || a != b || a[0] != rows || **h0 != [batch, a[1]] {
            return Err(format!("must be a and b of one shape [{rows} real steps, feature] and h0 [{batch}, feature]"));
        }
        if self.numbers == Numbers::Complex && !a[1].is_multiple_of(2) {
            return Err("must have as many imaginary parts as real parts: a last axis of even size".into());
        }
        Ok(*b)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let [a, b, h0] = [inputs[0], inputs[1], inputs[2]];
        let width = h0.shape()[1];
        if output.is_empty() {
            return;
        }
        output.copy_from_slice(b.data());
        self.run(a.data(), &in_packed_order(&self.layout, h0, width), output, width);
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (a, h0, states) = (ctx.inputs[0].data(), ctx.inputs[2], ctx.output.data());
        let (width, steps) = (h0.shape()[1], self.layout.running().len());
        if states.is_empty() {
            return;
        }
        let mut delta = into.buffer(states.len());
        delta.copy_from_slice(gradient.data());
        for t in (1..steps).rev() {
            let (before, now) = (at_step(&self.layout, t - 1, width), at_step(&self.layout, t, width));
            let (to, from) = delta.split_at_mut(now.start);
            E::vectorize(
                #[inline(always)]
                || {
                    let to = &mut to[before.start..before.start + now.len()];
                    self.numbers.conjugate_multiply_add(&a[now.clone()], &from[..now.len()], to, width);
                },
            );
        }
        into.add_slice(1, &delta);
        if into.wants(0) {
            let first = in_packed_order(&self.layout, h0, width);
            into.accumulate(0, |to_a| {
                for t in 0..steps {
                    let now = at_step(&self.layout, t, width);
                    let before = if t == 0 {
                        &first[..now.len()]
                    } else {
                        &states[at_step(&self.layout, t - 1, width)][..now.len()]
                    };
                    let (delta, to) = (&delta[now.clone()], &mut to_a[now]);
                    E::vectorize(
                        #[inline(always)]
                        || self.numbers.conjugate_multiply_add(before, delta, to, width),
                    );
                }
            });
        }
        into.accumulate(2, |to_h0| {
            for (to, &place) in to_h0.chunks_exact_mut(width).zip(self.layout.place().iter()) {
                // An example without steps has its state from nowhere else.
                let at = place as usize * width..(place as usize + 1) * width;
                if at.end <= at_step(&self.layout, 0, width).end {
                    self.numbers.conjugate_multiply_add(&a[at.clone()], &delta[at], to, width);
                }
            }
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (a, h0) = (ctx.inputs[0].data(), ctx.inputs[2]);
        let width = h0.shape()[1];
        if output.is_empty() {
            return;
        }
        if let Some(to_b) = tangents[1] {
            output.copy_from_slice(to_b.data());
        }
        // Added at step t: db_t + da_t ∘ h_{t−1}.
        if let Some(to_a) = tangents[0] {
            let first = in_packed_order(&self.layout, h0, width);
            for t in 0..self.layout.running().len() {
                let now = at_step(&self.layout, t, width);
                let before = if t == 0 { &first[..] } else { &ctx.output.data()[at_step(&self.layout, t - 1, width)] };
                let tangent = &to_a.data()[now.clone()];
                self.numbers.multiply_add(tangent, &before[..now.len()], &mut output[now], width);
            }
        }
        let first = tangents[2]
            .map_or_else(|| vec![E::ZERO; h0.data().len()].into(), |h0| in_packed_order(&self.layout, h0, width));
        self.run(a, &first, output, width);
    }
}
