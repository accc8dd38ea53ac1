//! The recurrence of a running maximum that decays, by which exponential gates are kept in range.

use super::{at_step, in_packed_order, last_state};
use crate::{Layout, Sequence};
use unspool_graph::{Element, GradSink, OpContext, Operation, Shape, Var, View};

/// m_t = max(a_t + m_{t−1}, b_t) for every step of every example, as one node: a linear recurrence in which + is
/// the product and the maximum is the sum. Returns every m_t and each example's last.
#[track_caller]
pub(crate) fn max_plus_recurrence<'g>(a: &Sequence<'g>, b: &Sequence<'g>, m0: Var<'g>) -> (Sequence<'g>, Var<'g>) {
    let operation = MaxPlus { layout: a.layout().clone() };
    let all = a.zip(b, |a, b| a.graph().apply(operation, &[a, b, m0]));
    let last = last_state(&all, m0);
    (all, last)
}

/// m_t = max(a_t + m_{t−1}, b_t): the gradient of m_t goes to a_t and m_{t−1}, or to b_t.
struct MaxPlus {
    layout: Layout,
}

impl MaxPlus {
    /// Calls `visit` with step, element, and the element's place among those of the step, from the first step to the
    /// last.
    fn places(&self, width: usize) -> impl DoubleEndedIterator<Item = (usize, usize, usize)> + '_ {
        let steps = 0..self.layout.running().len();
        steps.flat_map(move |t| at_step(&self.layout, t, width).enumerate().map(move |(place, at)| (t, at, place)))
    }

    /// Where the element of the step before lies.
    fn before(&self, t: usize, place: usize, width: usize) -> Option<usize> {
        Some(at_step(&self.layout, t.checked_sub(1)?, width).start + place)
    }
}

impl Operation for MaxPlus {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "max_plus_recurrence"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [a, b, m0] = inputs else { return Err("needs a, b and m0".into()) };
        if a.len() != 2 || a != b || a[0] != self.layout.rows() || **m0 != [self.layout.batch(), a[1]] {
            return Err("must be a and b [real steps, feature] and m0 [batch, feature]".into());
        }
        Ok(*a)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let (a, b, width) = (inputs[0].data(), inputs[1].data(), inputs[2].shape()[1]);
        if output.is_empty() {
            return;
        }
        let first = in_packed_order(&self.layout, inputs[2], width);
        for (t, at, place) in self.places(width) {
            let before = self.before(t, place, width).map_or(first[place], |before| output[before]);
            output[at] = (a[at] + before).maximum(b[at]);
        }
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (b, m, width) = (ctx.inputs[1].data(), ctx.output.data(), ctx.inputs[2].shape()[1]);
        if m.is_empty() {
            return;
        }
        let mut delta = into.buffer(m.len());
        delta.copy_from_slice(gradient.data());
        let mut to_first = into.buffer(ctx.inputs[2].data().len());
        to_first.fill(E::ZERO);
        let goes_to_b = |at: usize| m[at] == b[at];
        for (t, at, place) in self.places(width).rev() {
            if goes_to_b(at) {
                continue;
            }
            match self.before(t, place, width) {
                Some(before) => {
                    let own = delta[at];
                    delta[before] += own;
                }
                None => to_first[place] = delta[at],
            }
        }
        for (input, wanted) in [(0, false), (1, true)] {
            into.accumulate(input, |to| {
                let own = (0..m.len()).filter(|&at| goes_to_b(at) == wanted);
                own.for_each(|at| to[at] += delta[at]);
            });
        }
        into.accumulate(2, |to| {
            for (to, &place) in to.chunks_exact_mut(width).zip(self.layout.place().iter()) {
                let row = &to_first[place as usize * width..][..width];
                to.iter_mut().zip(row).for_each(|(to, &x)| *to += x);
            }
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (b, m, width) = (ctx.inputs[1].data(), ctx.output.data(), ctx.inputs[2].shape()[1]);
        let tangent = |i: usize, at: usize| tangents[i].map_or(E::ZERO, |v| v.data()[at]);
        let first = tangents[2].map(|m0| in_packed_order(&self.layout, m0, width.max(1)));
        for (t, at, place) in self.places(width) {
            let before = match self.before(t, place, width) {
                Some(before) => output[before],
                None => first.as_ref().map_or(E::ZERO, |first| first[place]),
            };
            output[at] = if m[at] == b[at] { tangent(1, at) } else { tangent(0, at) + before };
        }
    }
}
