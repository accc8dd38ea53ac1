//! The movement kind: an output whose every element is an element of an input, or zero.
//!
//! An instance is one index map, told as runs. Forward copies along it, the tangent too; the adjoint scatters back
//! along it.

use crate::{Element, GradSink, OpContext, Operation, Shape, View, kernels::dispatch};

/// A stretch of the output: `len` elements from `to` on, which are elements `from`, `from + step`, … of input `input`.
pub(crate) struct Run {
    pub(crate) to: usize,
    pub(crate) input: usize,
    pub(crate) from: usize,
    pub(crate) step: isize,
    pub(crate) len: usize,
}

/// A movement: its shape rule and its index map. Output elements in no run are zero.
pub(crate) trait Movement: Send + Sync + 'static {
    fn name(&self) -> &'static str;
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String>;
    fn runs(&self, inputs: &[Shape], output: &Shape, run: &mut impl FnMut(Run));
    /// Whether the runs cover the output, so that it need not be cleared first.
    fn covers(&self) -> bool {
        true
    }
}

/// Up to so many inputs are walked through one after the other. More, such as a recurrence's outputs of all steps, are
/// walked through together: once, not once for each.
const FEW: usize = 4;

/// Adds the gradient of a stretch of the output to where it came from.
#[inline(always)]
fn scatter<E: Element>(slot: &mut [E], g: &[E], run: &Run) {
    let g = &g[run.to..run.to + run.len];
    match run.step {
        1 => slot[run.from..run.from + run.len].iter_mut().zip(g).for_each(|(s, &g)| *s += g),
        0 => slot[run.from] += crate::kernels::sum(g),
        step => {
            let mut at = run.from as isize;
            for &g in g {
                slot[at as usize] += g;
                at += step;
            }
        }
    }
}

/// A movement as an operation.
pub(crate) struct Move<M>(pub(crate) M);

impl<M: Movement> Move<M> {
    fn copy<'a, E: Element>(
        &self,
        shapes: &[Shape],
        shape: &Shape,
        data: impl Fn(usize) -> Option<&'a [E]>,
        out: &mut [E],
    ) {
        self.0.runs(shapes, shape, &mut |run| {
            let Some(x) = data(run.input) else { return };
            let out = &mut out[run.to..run.to + run.len];
            match run.step {
                1 => out.copy_from_slice(&x[run.from..run.from + run.len]),
                0 => out.fill(x[run.from]),
                step => {
                    let mut at = run.from as isize;
                    for y in out {
                        *y = x[at as usize];
                        at += step;
                    }
                }
            }
        });
    }
}

impl<M: Movement> Operation for Move<M> {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        self.0.shape(inputs)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let shapes: Vec<Shape> = inputs.iter().map(View::shape).collect();
        let Ok(shape) = self.0.shape(&shapes) else { unreachable!("`shape` has accepted these operands") };
        if !self.0.covers() {
            output.fill(E::ZERO);
        }
        self.copy(&shapes, &shape, |i| Some(inputs[i].data()), output);
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let shapes: Vec<Shape> = ctx.inputs.iter().map(View::shape).collect();
        let g = gradient.data();
        if shapes.len() > FEW {
            // All at first, so that an input in no run has a gradient too, which is zero.
            (0..shapes.len()).for_each(|i| into.accumulate(i, |_| {}));
            return self.0.runs(&shapes, &gradient.shape(), &mut |run| {
                into.accumulate(run.input, |slot| scatter(slot, g, &run));
            });
        }
        for i in 0..shapes.len() {
            into.accumulate(i, |slot| {
                dispatch(
                    #[inline(always)]
                    || {
                        self.0.runs(&shapes, &gradient.shape(), &mut |run| {
                            if run.input == i {
                                scatter(slot, g, &run);
                            }
                        })
                    },
                )
            });
        }
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let shapes: Vec<Shape> = ctx.inputs.iter().map(View::shape).collect();
        self.copy(&shapes, &ctx.output.shape(), |i| tangents[i].map(|v| v.data()), output);
    }
}
