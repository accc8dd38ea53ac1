//! The movement kind: an output whose every element is an element of an input, or zero.
//!
//! An instance is one index map, told as runs. Forward copies along it, the tangent too; the adjoint scatters back
//! along it.

use crate::{Element, GradSink, Graph, OpContext, Operation, Shape, Var, View};
use std::panic::Location;

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

/// A movement as an operation, planned for its inputs.
struct Move<M> {
    movement: M,
    inputs: Box<[Shape]>,
    output: Shape,
}

impl<M: Movement> Move<M> {
    fn copy<'a, E: Element>(&self, data: impl Fn(usize) -> Option<&'a [E]>, out: &mut [E]) {
        self.movement.runs(&self.inputs, &self.output, &mut |run| {
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
        self.movement.name()
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Ok(self.output)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        if !self.movement.covers() {
            output.fill(E::ZERO);
        }
        self.copy(|i| Some(inputs[i].data()), output);
    }

    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let Move { movement, inputs, output } = self;
        let g = gradient.data();
        if inputs.len() > FEW {
            // All at first, so that an input in no run has a gradient too, which is zero.
            (0..inputs.len()).for_each(|i| into.accumulate(i, |_| {}));
            return movement.runs(inputs, output, &mut |run| {
                into.accumulate(run.input, |slot| scatter(slot, g, &run));
            });
        }
        for i in 0..inputs.len() {
            into.accumulate(i, |slot| {
                E::vectorize(
                    #[inline(always)]
                    || {
                        movement.runs(inputs, output, &mut |run| {
                            if run.input == i {
                                scatter(slot, g, &run);
                            }
                        })
                    },
                )
            });
        }
    }

    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        self.copy(|i| tangents[i].map(|v| v.data()), output);
    }
}

impl<'g> Graph<'g> {
    /// Records a movement.
    pub(crate) fn move_at(
        &'g self,
        movement: impl Movement,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
    ) -> Var<'g> {
        self.apply_planned(movement.name(), inputs, line, |shapes| {
            let output = movement.shape(shapes)?;
            Ok(Move { movement, inputs: shapes.into(), output })
        })
    }
}
