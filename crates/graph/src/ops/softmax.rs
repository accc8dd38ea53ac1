//! Softmax and log-softmax over the last axis, with a mask of what takes part.

use crate::{
    Element, GradSink, OpContext, Operation, Shape, Var, View,
    kernels::{
        sum,
        vector::{LANES, sum_map, sum_of},
    },
};
use ndarray::{ArrayBase, Data, Dimension};
use std::{panic::Location, sync::Arc};

/// Says which elements of a tensor take part in [`Var::masked_softmax`].
///
/// A list of flags has one for every element, row by row. An array of flags broadcasts to the tensor: one `[time,
/// time]` serves all heads of all examples.
///
/// ```
/// use ndarray::array;
/// use unspool_graph::{Graph, Mask, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let causal = Mask::from(array![[true, false], [true, true]]); // [time, time]
/// let weights = graph.zeros([3, 2, 2]).masked_softmax(causal);   // [head, time, time]
/// assert_eq!(weights.index(0, 2).value()?, array![[1.0f32, 0.0], [0.5, 0.5]].into());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mask {
    flags: Arc<[bool]>,
    /// The flags' shape, if they have one of their own.
    shape: Option<Vec<usize>>,
}

impl Mask {
    /// Whether it fits a tensor, or why not.
    fn check(&self, shape: &Shape) -> Result<(), String> {
        match &self.shape {
            None if self.flags.len() == shape.elements() => Ok(()),
            None => Err(format!("has {} elements, but the mask has {}", shape.elements(), self.flags.len())),
            Some(own) => match Shape::new(own).and_then(|own| own.broadcast(shape)) {
                Some(wide) if wide == *shape => Ok(()),
                _ => Err(format!("is not what a mask of shape {own:?} can be repeated to")),
            },
        }
    }

    /// The flags of row `row` of a tensor of this shape: where they begin, and how far apart they are.
    fn row(&self, shape: &Shape, row: usize) -> (usize, usize) {
        let Some(own) = self.shape.as_deref().and_then(Shape::new) else { return (row * shape.last_axis(), 1) };
        let (strides, mut left, mut at) = (own.strides_in(shape), row, 0);
        for axis in (0..shape.len() - 1).rev() {
            at += left % shape[axis] * strides[axis];
            left /= shape[axis];
        }
        (at, strides[shape.len() - 1])
    }
}

impl From<Arc<[bool]>> for Mask {
    fn from(flags: Arc<[bool]>) -> Mask {
        Mask { flags, shape: None }
    }
}

impl From<Vec<bool>> for Mask {
    fn from(flags: Vec<bool>) -> Mask {
        Mask { flags: flags.into(), shape: None }
    }
}

impl<const N: usize> From<[bool; N]> for Mask {
    fn from(flags: [bool; N]) -> Mask {
        Mask { flags: flags.into(), shape: None }
    }
}

impl<S: Data<Elem = bool>, D: Dimension> From<ArrayBase<S, D, bool>> for Mask {
    fn from(flags: ArrayBase<S, D, bool>) -> Mask {
        Mask { flags: flags.iter().copied().collect(), shape: Some(flags.shape().to_vec()) }
    }
}

/// What takes part in a softmax: all of a tensor where there is no mask.
struct Shown(Option<Mask>);

impl Shown {
    /// Sets what does not take part in row `row` of a tensor of this shape. All else runs over whole rows, in vectors.
    fn hide<E: Element>(&self, shape: Shape, row: usize, elements: &mut [E], value: E) {
        let Some(mask) = &self.0 else { return };
        let (at, step) = mask.row(&shape, row);
        let hidden = elements.iter_mut().enumerate().filter(|(j, _)| !mask.flags[at + j * step]);
        hidden.for_each(|(_, element)| *element = value);
    }
}

/// y_j = e^{x_j} / Σ_k e^{x_k} over what the mask shows; 0 elsewhere, and in a row that is masked whole or −∞
/// throughout.
///
/// ∂L/∂x_j = y_j (∂L/∂y_j − Σ_k y_k ∂L/∂y_k)
struct Softmax(Shown);

/// y_j = x_j − ln Σ_k e^{x_k} over what the mask shows; 0 elsewhere.
///
/// ∂L/∂x_j = ∂L/∂y_j − e^{y_j} Σ_k ∂L/∂y_k
struct LogSoftmax(Shown);

/// The greatest element of a row, in lanes that are compared side by side; 0 where it is −∞, which cannot be
/// subtracted.
#[inline(always)]
fn greatest<E: Element>(x: &[E]) -> E {
    let least = E::from_f64(f64::NEG_INFINITY);
    let mut lanes = [least; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        lanes.iter_mut().zip(chunk).for_each(|(top, &x)| *top = top.maximum(x));
    }
    lanes.iter_mut().zip(rest).for_each(|(top, &x)| *top = top.maximum(x));
    let top = lanes.into_iter().fold(least, E::maximum);
    if top == least { E::ZERO } else { top }
}

fn check(inputs: &[Shape], shown: &Shown) -> Result<Shape, String> {
    if inputs[0].is_empty() {
        return Err("needs an axis to go over".into());
    }
    shown.0.as_ref().map_or(Ok(()), |mask| mask.check(&inputs[0]))?;
    Ok(inputs[0])
}

impl Operation for Softmax {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "softmax"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        check(inputs, &self.0)
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let width = inputs[0].shape().last_axis().max(1);
        let rows = output.chunks_exact_mut(width).zip(inputs[0].data().chunks_exact(width));
        for (row, (y, x)) in rows.enumerate() {
            y.copy_from_slice(x);
            self.0.hide(inputs[0].shape(), row, y, E::from_f64(f64::NEG_INFINITY));
            E::vectorize(
                #[inline(always)]
                || {
                    let top = greatest(y);
                    y.iter_mut().for_each(|y| *y = (*y - top).exp());
                    let all = sum(y);
                    let scale = if all == E::ZERO { E::ZERO } else { E::ONE / all };
                    y.iter_mut().for_each(|y| *y *= scale);
                },
            );
        }
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let width = gradient.shape().last_axis().max(1);
        into.accumulate(0, |slot| {
            let rows = slot.chunks_exact_mut(width).zip(ctx.output.data().chunks_exact(width));
            for ((slot, y), g) in rows.zip(gradient.data().chunks_exact(width)) {
                E::vectorize(
                    #[inline(always)]
                    || {
                        // What has no share takes no part, so that a gradient which is not finite there stays there.
                        let along = sum_of(
                            y.len(),
                            #[inline(always)]
                            |j| if y[j] == E::ZERO { E::ZERO } else { y[j] * g[j] },
                        );
                        let each = slot.iter_mut().zip(y).zip(g);
                        each.for_each(|((s, &y), &g)| *s += if y == E::ZERO { E::ZERO } else { y * (g - along) });
                    },
                );
            }
        });
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (Some(v), width) = (tangents[0], ctx.output.shape().last_axis().max(1)) else { return };
        let rows = output.chunks_exact_mut(width).zip(ctx.output.data().chunks_exact(width));
        for ((out, y), v) in rows.zip(v.data().chunks_exact(width)) {
            // As in backward: what has no share takes no part.
            let along = sum_of(y.len(), |j| if y[j] == E::ZERO { E::ZERO } else { y[j] * v[j] });
            let each = out.iter_mut().zip(y).zip(v);
            each.for_each(|((o, &y), &v)| *o = if y == E::ZERO { E::ZERO } else { y * (v - along) });
        }
    }
}

impl Operation for LogSoftmax {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "log_softmax"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        check(inputs, &self.0)
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let width = inputs[0].shape().last_axis().max(1);
        let rows = output.chunks_exact_mut(width).zip(inputs[0].data().chunks_exact(width));
        for (row, (y, x)) in rows.enumerate() {
            y.copy_from_slice(x);
            self.0.hide(inputs[0].shape(), row, y, E::from_f64(f64::NEG_INFINITY));
            E::vectorize(
                #[inline(always)]
                || {
                    let top = greatest(y);
                    let total = sum_map(
                        y,
                        #[inline(always)]
                        |y| (y - top).exp(),
                    );
                    let normaliser = top + total.ln();
                    y.iter_mut().for_each(|y| *y -= normaliser);
                },
            );
            self.0.hide(inputs[0].shape(), row, y, E::ZERO);
        }
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (shape, width) = (gradient.shape(), gradient.shape().last_axis().max(1));
        let mut own = into.buffer(width);
        into.accumulate(0, |slot| {
            let rows = slot.chunks_exact_mut(width).zip(ctx.output.data().chunks_exact(width));
            for (row, ((slot, y), g)) in rows.zip(gradient.data().chunks_exact(width)).enumerate() {
                own.copy_from_slice(g);
                self.0.hide(shape, row, &mut own, E::ZERO);
                E::vectorize(
                    #[inline(always)]
                    || {
                        let total = sum(&own);
                        own.iter_mut().zip(y).for_each(|(own, &y)| *own -= y.exp() * total);
                    },
                );
                self.0.hide(shape, row, &mut own, E::ZERO);
                slot.iter_mut().zip(&own[..]).for_each(|(s, &own)| *s += own);
            }
        });
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        let (shape, width) = (v.shape(), v.shape().last_axis().max(1));
        let rows = output.chunks_exact_mut(width).zip(ctx.output.data().chunks_exact(width));
        for (row, ((out, y), v)) in rows.zip(v.data().chunks_exact(width)).enumerate() {
            out.iter_mut().zip(y).zip(v).for_each(|((out, &y), &v)| *out = y.exp() * v);
            self.0.hide(shape, row, out, E::ZERO);
            let along = sum(out);
            out.iter_mut().zip(v).for_each(|(out, &v)| *out = v - along);
            self.0.hide(shape, row, out, E::ZERO);
        }
    }
}

impl<'g> Var<'g> {
    /// Returns y_j = e^{x_j} / Σ_k e^{x_k} along the last axis; safe for large x.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![[0.0f32, 0.0], [1000.0, 0.0]]).softmax();
    /// assert_eq!(y.value()?, array![[0.5f32, 0.5], [1.0, 0.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(self) -> Var<'g> {
        self.softmax_at(None, Location::caller())
    }
    /// Returns the softmax over the elements whose flag in `mask` is set, row by row; the others are 0. A row masked
    /// whole is 0 everywhere and gets no gradient. `mask` is a list with a flag for every element, or an array that
    /// broadcasts: see [`Mask`].
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.zeros([2, 3]).masked_softmax([true, true, false, false, false, false]);
    /// assert_eq!(y.value()?, array![[0.5f32, 0.5, 0.0], [0.0, 0.0, 0.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_softmax(self, mask: impl Into<Mask>) -> Var<'g> {
        self.softmax_at(Some(mask.into()), Location::caller())
    }

    fn softmax_at(self, mask: Option<Mask>, line: &'static Location<'static>) -> Var<'g> {
        self.graph.apply_at(Softmax(Shown(mask)), &[self], line)
    }

    /// Returns y_j = x_j − ln Σ_k e^{x_k} along the last axis; safe for large x.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![[1000.0f32, 0.0]]).log_softmax();
    /// assert_eq!(y.value()?, array![[0.0f32, -1000.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn log_softmax(self) -> Var<'g> {
        self.log_softmax_at(None, Location::caller())
    }
    /// Returns the log-softmax over the elements whose flag in `mask` is set; the others are 0 and get no gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.zeros([1, 3]).masked_log_softmax([true, true, false]).to_f64()?;
    /// assert!((y[[0, 0]] + 2f64.ln()).abs() < 1e-6 && y[[0, 2]] == 0.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_log_softmax(self, mask: impl Into<Mask>) -> Var<'g> {
        self.log_softmax_at(Some(mask.into()), Location::caller())
    }

    fn log_softmax_at(self, mask: Option<Mask>, line: &'static Location<'static>) -> Var<'g> {
        self.graph.apply_at(LogSoftmax(Shown(mask)), &[self], line)
    }
}
