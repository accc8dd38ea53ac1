//! The elementwise kinds: y = f(x), and y = f(a, b) with NumPy's broadcasting.

use crate::{
    Activation, Element, Gated, GradSink, OpContext, Operation, Shape, Show, Var, View, kernels::sum, shape::Broadcast,
};
use std::panic::Location;

/// The mathematics of y = f(x), one element.
pub(crate) trait Unary: Send + Sync + 'static {
    const NAME: &'static str;
    /// Which squashing function it is, for counts of saturated elements.
    const SQUASH: Option<Activation> = None;
    fn value<E: Element>(&self, x: E) -> E;
    /// dy/dx, from the input and the output.
    fn derivative<E: Element>(&self, x: E, y: E) -> E;
}

/// y = f(x), elementwise.
pub(crate) struct Map<U>(pub(crate) U);

impl<U: Unary> Operation for Map<U> {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        U::NAME
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let x = inputs[0].data();
        E::vectorize(
            #[inline(always)]
            || output.iter_mut().zip(x).for_each(|(y, &x)| *y = self.0.value(x)),
        )
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, y, g) = (ctx.inputs[0].data(), ctx.output.data(), gradient.data());
        into.update(0, |slot, fresh| {
            E::vectorize(
                #[inline(always)]
                || {
                    let each = slot.iter_mut().zip(x).zip(y).zip(g);
                    if fresh {
                        each.for_each(|(((slot, &x), &y), &g)| *slot = g * self.0.derivative(x, y));
                    } else {
                        each.for_each(|(((slot, &x), &y), &g)| *slot += g * self.0.derivative(x, y));
                    }
                },
            )
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        let each = output.iter_mut().zip(ctx.inputs[0].data()).zip(ctx.output.data()).zip(v.data());
        each.for_each(|(((out, &x), &y), &v)| *out = v * self.0.derivative(x, y));
    }
}

impl<U: Unary> Gated for Map<U> {
    fn gates<E: Element>(&self, ctx: &OpContext<'_, E, ()>, show: &mut Show<'_, E>) {
        if let Some(squash) = U::SQUASH {
            show(U::NAME, squash, ctx.output.data());
        }
    }
}

/// The mathematics of y = f(a, b), one element.
pub(crate) trait Binary: Send + Sync + 'static {
    const NAME: &'static str;
    fn value<E: Element>(&self, a: E, b: E) -> E;
    /// ∂y/∂a.
    fn by_first<E: Element>(&self, a: E, b: E, y: E) -> E;
    /// ∂y/∂b.
    fn by_second<E: Element>(&self, a: E, b: E, y: E) -> E;
}

/// y = f(a, b), elementwise, shapes broadcast.
pub(crate) struct Zip<B> {
    f: B,
    /// What both shapes broadcast to.
    wide: Shape,
}

impl<B: Binary> Zip<B> {
    pub(crate) fn plan(f: B, inputs: &[Shape]) -> Result<Self, String> {
        let wide = inputs[0].broadcast(&inputs[1]);
        let wide = wide.ok_or_else(|| "do not fit: counted from the last, axes must agree or be 1".to_string())?;
        Ok(Zip { f, wide })
    }

    /// Adds g · ∂y/∂(one operand) to that operand's gradient, summed over the axes along which it was repeated.
    #[inline(always)]
    fn pass<E: Element>(
        first: bool,
        ctx: &OpContext<'_, E, ()>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
        derivative: impl Fn(E, E, E) -> E,
    ) {
        let (a, b) = (ctx.inputs[0], ctx.inputs[1]);
        let (y, g, wide) = (ctx.output.data(), gradient.data(), gradient.shape());
        let own = if first { a } else { b };
        let (ad, bd) = (a.data(), b.data());
        if a.shape() == b.shape() {
            return into.update(usize::from(!first), |slot, fresh| {
                E::vectorize(
                    #[inline(always)]
                    || {
                        let each = slot.iter_mut().zip(g).zip(ad.iter().zip(bd).zip(y));
                        if fresh {
                            each.for_each(|((slot, &g), ((&a, &b), &y))| *slot = g * derivative(a, b, y));
                        } else {
                            each.for_each(|((slot, &g), ((&a, &b), &y))| *slot += g * derivative(a, b, y));
                        }
                    },
                )
            });
        }
        let other = if first { b } else { a };
        if other.shape() == wide && is_row_of(&own.shape(), &wide) {
            return Self::pass_rows(first, ctx, gradient, into, derivative);
        }
        let runs = Broadcast::new(&wide, a.shape().strides_in(&wide), b.shape().strides_in(&wide));
        let whole = own.shape() == wide;
        into.update(usize::from(!first), |slot, fresh| {
            if fresh && !whole {
                slot.fill(E::ZERO);
            }
            let write = fresh && whole;
            let mut terms = vec![];
            E::vectorize(
                #[inline(always)]
                || {
                    runs.each(
                        #[inline(always)]
                        |at, n, (ao, asp), (bo, bsp)| {
                            let (at_own, step) = if first { (ao, asp) } else { (bo, bsp) };
                            terms.resize(n, E::ZERO);
                            let each = terms.iter_mut().zip(g[at..at + n].iter().zip(&y[at..at + n]));
                            match (asp, bsp) {
                                (1, 0) => {
                                    let (a, b) = (&ad[ao..ao + n], bd[bo]);
                                    each.zip(a).for_each(|((t, (&g, &y)), &a)| *t = g * derivative(a, b, y));
                                }
                                (0, 1) => {
                                    let (a, b) = (ad[ao], &bd[bo..bo + n]);
                                    each.zip(b).for_each(|((t, (&g, &y)), &b)| *t = g * derivative(a, b, y));
                                }
                                // At least one of them has every element of a run, so both have.
                                _ => {
                                    let both = ad[ao..ao + n].iter().zip(&bd[bo..bo + n]);
                                    each.zip(both).for_each(|((t, (&g, &y)), (&a, &b))| *t = g * derivative(a, b, y));
                                }
                            }
                            if step == 0 {
                                // Repeated along the run: the sum's order depends on the length alone.
                                slot[at_own] += sum(&terms);
                            } else if write {
                                slot[at_own..at_own + n].copy_from_slice(&terms);
                            } else {
                                slot[at_own..at_own + n].iter_mut().zip(&terms).for_each(|(slot, &t)| *slot += t);
                            }
                        },
                    )
                },
            );
        });
    }

    /// The same for an operand that stood beside every row of the other: a bias, a gain. Its gradient's rows are
    /// gathered over steps.
    #[inline(always)]
    fn pass_rows<E: Element>(
        first: bool,
        ctx: &OpContext<'_, E, ()>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
        derivative: impl Fn(E, E, E) -> E,
    ) {
        let (own, other) = if first { (ctx.inputs[0], ctx.inputs[1]) } else { (ctx.inputs[1], ctx.inputs[0]) };
        let (own, other, y, g) = (own.data(), other.data(), ctx.output.data(), gradient.data());
        let (i, width) = (usize::from(!first), own.len());
        // As many rows at a time as stay near the processor.
        let many = (PIECE / width).max(1) * width;
        let mut terms = into.buffer(many.min(g.len()));
        for from in (0..g.len()).step_by(many) {
            let to = g.len().min(from + many);
            let (g, y, other) = (&g[from..to], &y[from..to], &other[from..to]);
            let terms = &mut terms[..to - from];
            E::vectorize(
                #[inline(always)]
                || {
                    let rows = g.chunks_exact(width).zip(y.chunks_exact(width)).zip(other.chunks_exact(width));
                    for (terms, ((g, y), other)) in terms.chunks_exact_mut(width).zip(rows) {
                        let each = terms.iter_mut().zip(g.iter().zip(y)).zip(own.iter().zip(other));
                        if first {
                            each.for_each(|((t, (&g, &y)), (&own, &other))| *t = g * derivative(own, other, y));
                        } else {
                            each.for_each(|((t, (&g, &y)), (&own, &other))| *t = g * derivative(other, own, y));
                        }
                    }
                },
            );
            into.row_sum(i, terms);
        }
    }
}

/// How many terms of rows are worked out before they are summed.
const PIECE: usize = 4096;

/// Whether a tensor of shape `own` is one row, of two elements or more, that is repeated to fill `wide`.
fn is_row_of(own: &Shape, wide: &Shape) -> bool {
    let row = own.iter().position(|&n| n != 1).map_or(&[][..], |first| &own[first..]);
    !row.is_empty() && wide.ends_with(row) && wide.elements() > own.elements()
}

impl<B: Binary> Operation for Zip<B> {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        B::NAME
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Ok(self.wide)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let (a, b) = (inputs[0].data(), inputs[1].data());
        if inputs[0].shape() == inputs[1].shape() {
            return E::vectorize(
                #[inline(always)]
                || output.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = self.f.value(a, b)),
            );
        }
        if output.is_empty() {
            return;
        }
        let wide = &self.wide;
        let runs = Broadcast::new(wide, inputs[0].shape().strides_in(wide), inputs[1].shape().strides_in(wide));
        E::vectorize(
            #[inline(always)]
            || {
                runs.each(
                    #[inline(always)]
                    |at, n, (ao, asp), (bo, bsp)| {
                        let out = &mut output[at..at + n];
                        match (asp, bsp) {
                            (1, 0) => {
                                let (a, b) = (&a[ao..ao + n], b[bo]);
                                out.iter_mut().zip(a).for_each(|(y, &a)| *y = self.f.value(a, b));
                            }
                            (0, 1) => {
                                let (a, b) = (a[ao], &b[bo..bo + n]);
                                out.iter_mut().zip(b).for_each(|(y, &b)| *y = self.f.value(a, b));
                            }
                            // At least one of them has every element of a run, so both have.
                            _ => {
                                let (a, b) = (&a[ao..ao + n], &b[bo..bo + n]);
                                out.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = self.f.value(a, b));
                            }
                        }
                    },
                )
            },
        )
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        if gradient.data().is_empty() {
            // No term: what is repeated zero times gets the sum of nothing.
            (0..2).for_each(|i| into.accumulate(i, |_| {}));
            return;
        }
        if into.wants(0) {
            Self::pass(
                true,
                ctx,
                gradient,
                into,
                #[inline(always)]
                |a, b, y| self.f.by_first(a, b, y),
            );
        }
        if into.wants(1) {
            Self::pass(
                false,
                ctx,
                gradient,
                into,
                #[inline(always)]
                |a, b, y| self.f.by_second(a, b, y),
            );
        }
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if output.is_empty() {
            return;
        }
        let (a, b, wide) = (ctx.inputs[0], ctx.inputs[1], ctx.output.shape());
        let runs = Broadcast::new(&wide, a.shape().strides_in(&wide), b.shape().strides_in(&wide));
        runs.each(|at, n, (ao, asp), (bo, bsp)| {
            for i in 0..n {
                let (ai, bi) = (ao + i * asp, bo + i * bsp);
                let (x, y, out) = (a.data()[ai], b.data()[bi], ctx.output.data()[at + i]);
                if let Some(v) = tangents[0] {
                    output[at + i] += v.data()[ai] * self.f.by_first(x, y, out);
                }
                if let Some(v) = tangents[1] {
                    output[at + i] += v.data()[bi] * self.f.by_second(x, y, out);
                }
            }
        });
    }
}

impl<'g> Var<'g> {
    pub(crate) fn map(self, f: impl Unary, line: &'static Location<'static>) -> Var<'g> {
        self.graph.apply_gated_at(Map(f), &[self], line)
    }
}
