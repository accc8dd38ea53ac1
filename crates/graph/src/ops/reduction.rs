//! Reductions over any axes: sum, mean, max, min, logsumexp, norm; and the running sum.

use super::arithmetic::Difference;
use crate::{
    Element, GradSink, OpContext, Operation, Precision, Shape, Var, View,
    kernels::vector::{LANES, sum_map},
    shape::{Broadcast, MAX_RANK},
    tape::NONE,
};
use std::panic::Location;

/// Which axes go.
#[derive(Clone, Copy)]
struct Axes([bool; MAX_RANK]);

impl Axes {
    /// The shape with size 1 along the axes that go.
    fn kept(&self, shape: &Shape) -> Shape {
        (0..shape.len()).filter(|&i| self.0[i]).fold(*shape, |s, axis| s.resized(axis, 1))
    }
    /// Calls `run(offset, length, (offset in the result, step))` over the input.
    fn each(&self, shape: &Shape, mut run: impl FnMut(usize, usize, (usize, usize))) {
        if shape.elements() == 0 {
            return;
        }
        let strides = self.kept(shape).strides_in(shape);
        Broadcast::new(shape, shape.strides(), strides).each(|at, n, _, out| run(at, n, out));
    }
}

/// How many terms of one sum are added one after the other. A longer chain would lose what single precision has: each
/// block is summed by itself, and the blocks' sums are added.
const BLOCK: usize = 512;

/// Writes Σ f(x) over some axes.
fn sum_over<E: Element>(axes: &Axes, shape: &Shape, x: &[E], f: impl Fn(E) -> E, output: &mut [E]) {
    output.fill(E::ZERO);
    let add = |to: &mut [E], x: &[E], step: usize| {
        E::vectorize(
            #[inline(always)]
            || {
                if step == 0 {
                    to[0] += sum_map(x, &f);
                } else {
                    to.iter_mut().zip(x).for_each(|(y, &x)| *y += f(x));
                }
            },
        )
    };
    if shape.elements() / output.len().max(1) <= BLOCK {
        return axes.each(shape, |at, n, (to, step)| add(&mut output[to..][..1.max(n * step)], &x[at..at + n], step));
    }
    // The sum of the block at hand and how many terms it has, for each element of the output.
    let (mut block, mut terms) = (vec![E::ZERO; output.len()], vec![0; output.len()]);
    axes.each(shape, |at, n, (to, step)| {
        let (width, piece) = if step == 0 { (1, BLOCK * LANES) } else { (n, n) };
        for x in x[at..at + n].chunks(piece) {
            let block = &mut block[to..to + width];
            add(block, x, step);
            terms[to] += 1;
            if terms[to] == BLOCK {
                output[to..to + width].iter_mut().zip(block).for_each(|(y, b)| *y += std::mem::take(b));
                terms[to] = 0;
            }
        }
    });
    output.iter_mut().zip(&block).for_each(|(y, &b)| *y += b);
}

/// y = scale · Σ x over some axes, which stay with size 1.  ∂L/∂x = scale · ∂L/∂y, repeated.
struct SumOver {
    name: &'static str,
    axes: Axes,
    mean: bool,
}

impl SumOver {
    fn scale<E: Element>(&self, shape: &Shape) -> E {
        let count = shape.elements() / self.axes.kept(shape).elements().max(1);
        E::from_f64(if self.mean { 1.0 / count as f64 } else { 1.0 })
    }
    fn add_up<E: Element>(&self, shape: &Shape, x: &[E], output: &mut [E]) {
        sum_over(
            &self.axes,
            shape,
            x,
            #[inline(always)]
            |x| x,
            output,
        );
        let scale = self.scale::<E>(shape);
        if self.mean {
            output.iter_mut().for_each(|y| *y *= scale);
        }
    }
}

impl Operation for SumOver {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        self.name
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if self.mean && inputs[0].elements() == 0 {
            return Err("has no elements to take the mean of".into());
        }
        Ok(self.axes.kept(&inputs[0]))
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        self.add_up(&inputs[0].shape(), inputs[0].data(), output);
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let shape = ctx.inputs[0].shape();
        let (g, scale) = (gradient.data(), self.scale::<E>(&shape));
        into.update(0, |slot, fresh| {
            self.axes.each(&shape, |at, n, (from, step)| {
                let slot = &mut slot[at..at + n];
                let term = |i: usize| g[from + i * step] * scale;
                if fresh {
                    slot.iter_mut().enumerate().for_each(|(i, s)| *s = term(i));
                } else {
                    slot.iter_mut().enumerate().for_each(|(i, s)| *s += term(i));
                }
            });
        });
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            self.add_up(&ctx.inputs[0].shape(), v.data(), output);
        }
    }
}

/// The greatest (or, with `least`, the least) element over some axes. Its gradient goes to the first element that has
/// the value.
struct Extreme {
    axes: Axes,
    least: bool,
}

impl Operation for Extreme {
    /// Where each result came from.
    type Saved<E: Element> = Vec<u32>;
    fn name(&self) -> &'static str {
        if self.least { "min" } else { "max" }
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let kept = self.axes.kept(&inputs[0]);
        if inputs[0].elements() == 0 && kept.elements() > 0 {
            return Err("has no elements to choose from".into());
        }
        Ok(kept)
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Vec<u32> {
        let x = inputs[0].data();
        let mut place = vec![NONE; output.len()];
        self.axes.each(&inputs[0].shape(), |at, n, (to, step)| {
            for i in at..at + n {
                let to = to + (i - at) * step;
                let better = match place[to] {
                    NONE => true,
                    known => {
                        let best = x[known as usize];
                        // Not-a-number wins, so that it is not hidden.
                        let greater = if self.least { x[i] < best } else { x[i] > best };
                        greater || (x[i].partial_cmp(&x[i]).is_none() && best.partial_cmp(&best).is_some())
                    }
                };
                if better {
                    (place[to], output[to]) = (i as u32, x[i]);
                }
            }
        });
        place
    }
    fn backward<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Vec<u32>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        let g = gradient.data();
        into.accumulate(0, |slot| ctx.saved.iter().zip(g).for_each(|(&i, &g)| slot[i as usize] += g));
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Vec<u32>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            output.iter_mut().zip(ctx.saved).for_each(|(y, &i)| *y = v.data()[i as usize]);
        }
    }
}

/// A reduction whose gradient is ∂L/∂x = ∂L/∂y · d(x, y), element by element.
trait Weighed {
    const NAME: &'static str;
    fn axes(&self) -> &Axes;
    fn reduce<E: Element>(&self, shape: &Shape, x: &[E], output: &mut [E]);
    /// ∂y/∂x.
    fn derivative<E: Element>(x: E, y: E) -> E;
}

/// y = √ Σ x²;  ∂y/∂x = x / y, 0 where y is 0
struct Norm(Axes);

impl Weighed for Norm {
    const NAME: &'static str = "norm";
    fn axes(&self) -> &Axes {
        &self.0
    }
    fn reduce<E: Element>(&self, shape: &Shape, x: &[E], output: &mut [E]) {
        sum_over(
            &self.0,
            shape,
            x,
            #[inline(always)]
            |x| x * x,
            output,
        );
        output.iter_mut().for_each(|y| *y = y.sqrt());
        // Where the squares are too large or too small for a number, they are taken of the elements' shares in the
        // greatest one.
        let least = E::from_f64(if E::PRECISION == Precision::F32 { 1e-15 } else { 1e-140 });
        let lost = |y: E| !(y > least && y.is_finite());
        if !output.iter().any(|&y| lost(y)) {
            return;
        }
        let (mut top, mut again) = (vec![E::ZERO; output.len()], vec![E::ZERO; output.len()]);
        self.0.each(shape, |at, n, (to, step)| {
            (0..n).for_each(|i| top[to + i * step] = top[to + i * step].maximum(x[at + i].abs()));
        });
        self.0.each(shape, |at, n, (to, step)| {
            for i in 0..n {
                let share = x[at + i] / top[to + i * step];
                again[to + i * step] += share * share;
            }
        });
        for ((y, &top), &again) in output.iter_mut().zip(&top).zip(&again).filter(|((y, _), _)| lost(**y)) {
            *y = if top == E::ZERO || !top.is_finite() { top } else { top * again.sqrt() };
        }
    }
    fn derivative<E: Element>(x: E, y: E) -> E {
        if y == E::ZERO { E::ZERO } else { x / y }
    }
}

/// y = ln Σ eˣ = m + ln Σ eˣ⁻ᵐ with the greatest x as m;  ∂y/∂x = eˣ⁻ʸ, which is no number where the greatest x is
/// infinite
struct LogSumExp(Axes);

impl Weighed for LogSumExp {
    const NAME: &'static str = "logsumexp";
    fn axes(&self) -> &Axes {
        &self.0
    }
    fn reduce<E: Element>(&self, shape: &Shape, x: &[E], output: &mut [E]) {
        let mut top = vec![E::from_f64(f64::NEG_INFINITY); output.len()];
        self.0.each(shape, |at, n, (to, step)| {
            (0..n).for_each(|i| top[to + i * step] = top[to + i * step].maximum(x[at + i]))
        });
        // An infinite greatest element is the result by itself; subtracting it would give not-a-number.
        let base = |m: E| if m.is_finite() { m } else { E::ZERO };
        output.fill(E::ZERO);
        self.0.each(shape, |at, n, (to, step)| {
            (0..n).for_each(|i| output[to + i * step] += (x[at + i] - base(top[to + i * step])).exp());
        });
        output.iter_mut().zip(&top).for_each(|(y, &m)| *y = if m.is_finite() { m + y.ln() } else { m });
    }
    fn derivative<E: Element>(x: E, y: E) -> E {
        (x - y).exp()
    }
}

/// A weighed reduction as an operation.
struct Reduce<W>(W);

impl<W: Weighed + Send + Sync + 'static> Operation for Reduce<W> {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        W::NAME
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(self.0.axes().kept(&inputs[0]))
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        self.0.reduce(&inputs[0].shape(), inputs[0].data(), output);
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, y, g) = (ctx.inputs[0].data(), ctx.output.data(), gradient.data());
        into.accumulate(0, |slot| {
            self.0.axes().each(&ctx.inputs[0].shape(), |at, n, (from, step)| {
                for i in 0..n {
                    slot[at + i] += g[from + i * step] * W::derivative(x[at + i], y[from + i * step]);
                }
            });
        });
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (Some(v), x, y) = (tangents[0], ctx.inputs[0].data(), ctx.output.data()) else { return };
        self.0.axes().each(&ctx.inputs[0].shape(), |at, n, (to, step)| {
            for i in 0..n {
                output[to + i * step] += v.data()[at + i] * W::derivative(x[at + i], y[to + i * step]);
            }
        });
    }
}

/// y = Σ x over one axis up to and with each place: y_i = x_0 + … + x_i.  ∂L/∂x_i = Σ_{j ≥ i} ∂L/∂y_j
struct RunningSum(usize);

impl RunningSum {
    fn add_up<E: Element>(&self, shape: &Shape, x: &[E], out: &mut [E]) {
        let inner: usize = shape[self.0 + 1..].iter().product();
        out.copy_from_slice(x);
        for block in out.chunks_exact_mut((shape[self.0] * inner).max(1)) {
            for i in inner..block.len() {
                let before = block[i - inner];
                block[i] += before;
            }
        }
    }
}

impl Operation for RunningSum {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        self.add_up(&inputs[0].shape(), inputs[0].data(), output);
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let shape = gradient.shape();
        let inner: usize = shape[self.0 + 1..].iter().product();
        let mut sums = gradient.data().to_vec();
        for block in sums.chunks_exact_mut((shape[self.0] * inner).max(1)) {
            for i in (0..block.len() - inner).rev() {
                let behind = block[i + inner];
                block[i] += behind;
            }
        }
        into.add(0, sums);
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            self.add_up(&ctx.output.shape(), v.data(), output);
        }
    }
}

impl<'g> Var<'g> {
    /// Runs a reduction over `axes` (all where empty) and takes those axes away.
    fn reduce<O: Operation>(
        self,
        name: &'static str,
        axes: &[isize],
        line: &'static Location<'static>,
        make: impl FnOnce(Axes) -> O,
    ) -> Var<'g> {
        let (Some(shape), Some(gone)) = (self.known_shape(), self.axes(name, axes, line)) else {
            return self.graph.inert();
        };
        let kept = self.graph.apply_at(make(gone), &[self], line);
        let sizes: Vec<usize> = (0..shape.len()).filter(|&i| !gone.0[i]).map(|i| shape[i]).collect();
        match (kept.known_shape(), Shape::new(&sizes)) {
            (Some(full), Some(sizes)) if full != sizes => self.graph.view(kept, 0, sizes, "squeeze", line),
            _ => kept,
        }
    }

    fn axes(self, name: &'static str, axes: &[isize], line: &'static Location<'static>) -> Option<Axes> {
        let mut gone = Axes([axes.is_empty(); MAX_RANK]);
        for &axis in axes {
            gone.0[self.axis(name, axis, line)?] = true;
        }
        Some(gone)
    }

    /// x − mean(x) over some axes, and √(n − correction) for the n elements of each mean.
    fn centred(
        self,
        name: &'static str,
        axes: &[isize],
        correction: usize,
        line: &'static Location<'static>,
    ) -> Option<(Var<'g>, f64)> {
        let (shape, gone) = (self.known_shape()?, self.axes(name, axes, line)?);
        let count = shape.elements() / gone.kept(&shape).elements().max(1);
        if count <= correction {
            let why = format!("{count} elements of {shape} with a correction of {correction} have no deviation");
            let _ = self.refuse(name, why, line);
            return None;
        }
        let mean = self.graph.apply_at(SumOver { name: "mean", axes: gone, mean: true }, &[self], line);
        Some((Difference::record(self, mean, line), ((count - correction) as f64).sqrt()))
    }

    /// Returns the variance over `axes`, which go away: Σ (x − mean)² / (n − `correction`) over n elements. A
    /// correction of 1 gives the unbiased estimate (PyTorch's default), 0 the population's.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 3.0], [5.0, 5.0]]);
    /// assert_eq!(x.var(&[1], 1).value()?, array![2.0f32, 0.0].into());
    /// assert_eq!(x.var(&[1], 0).value()?, array![1.0f32, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn var(self, axes: &[isize], correction: usize) -> Var<'g> {
        let Some((centred, root)) = self.centred("var", axes, correction, Location::caller()) else {
            return self.graph.inert();
        };
        (centred * centred).sum(axes) / (root * root)
    }

    /// Returns the standard deviation over `axes`, the root of [`var`](Var::var); its gradient is 0 where it is 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 1.0, 3.0, 3.0], [5.0, 5.0, 5.0, 5.0]]).watch();
    /// let y = x.std(&[1], 0);
    /// assert_eq!(y.value()?, array![1.0f32, 0.0].into());
    /// let slopes = array![[-0.25f32, -0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 0.0]];
    /// assert_eq!(y.sum_all().backward()?.of(x).unwrap(), slopes.into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn std(self, axes: &[isize], correction: usize) -> Var<'g> {
        let Some((centred, root)) = self.centred("std", axes, correction, Location::caller()) else {
            return self.graph.inert();
        };
        centred.norm(axes) / root
    }

    /// Returns Σ x over `axes`, which go away; from the end where negative. Over all of them for `&[]`.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum(&[0]).value()?, array![4.0f32, 6.0].into());
    /// assert_eq!(x.sum(&[-1]).value()?, array![3.0f32, 7.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sum(self, axes: &[isize]) -> Var<'g> {
        self.reduce("sum", axes, Location::caller(), |axes| SumOver { name: "sum", axes, mean: false })
    }
    /// Returns Σ x over everything: a single number.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.full([2, 3], 0.5).sum_all().item()?, 3.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sum_all(self) -> Var<'g> {
        self.sum(&[])
    }
    /// Returns the mean over `axes`, which go away. Over all of them for `&[]`.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.mean(&[0]).value()?, array![2.0f32, 3.0].into());
    /// assert_eq!(x.mean(&[]).item()?, 2.5);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn mean(self, axes: &[isize]) -> Var<'g> {
        self.reduce("mean", axes, Location::caller(), |axes| SumOver { name: "mean", axes, mean: true })
    }
    /// Returns the greatest element over `axes`, which go away. The first of equals gets the gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 5.0], [3.0, 4.0]]);
    /// assert_eq!(x.max(&[1]).value()?, array![5.0f32, 4.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn max(self, axes: &[isize]) -> Var<'g> {
        self.reduce("max", axes, Location::caller(), |axes| Extreme { axes, least: false })
    }
    /// Returns the least element over `axes`, which go away. The first of equals gets the gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 5.0], [3.0, 4.0]]);
    /// assert_eq!(x.min(&[1]).value()?, array![1.0f32, 3.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn min(self, axes: &[isize]) -> Var<'g> {
        self.reduce("min", axes, Location::caller(), |axes| Extreme { axes, least: true })
    }
    /// Returns √ Σ x² over `axes`, which go away; its gradient at 0 is 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[3.0f32, 4.0], [0.0, 0.0]]);
    /// assert_eq!(x.norm(&[1]).value()?, array![5.0f32, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn norm(self, axes: &[isize]) -> Var<'g> {
        self.reduce("norm", axes, Location::caller(), |axes| Reduce(Norm(axes)))
    }
    /// Returns ln Σ eˣ over `axes`, which go away; safe for large x, and −∞ over nothing.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1000.0f32, 1000.0]]);
    /// assert!((x.logsumexp(&[1]).item()? - 1000.0 - 2f64.ln()).abs() < 1e-3);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp(self, axes: &[isize]) -> Var<'g> {
        self.reduce("logsumexp", axes, Location::caller(), |axes| Reduce(LogSumExp(axes)))
    }
    /// Returns the same value as a constant: no gradient flows back through it. The [report](crate::Gradients::report)
    /// names it only where a parameter is left without any gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![3.0f32]).watch();
    /// let gradients = (x * x.detach()).sum_all().backward()?; // one of the two factors
    /// assert_eq!(gradients.of(x).unwrap(), array![3.0f32].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn detach(self) -> Var<'g> {
        self.graph.apply_at(Constant, &[self], Location::caller())
    }
    /// Returns the running sum along one axis.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.cumsum(0).value()?, array![1.0f32, 3.0, 6.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(self, axis: isize) -> Var<'g> {
        let line = Location::caller();
        match self.axis("cumsum", axis, line) {
            Some(axis) => self.graph.apply_at(RunningSum(axis), &[self], line),
            None => self.graph.inert(),
        }
    }
}

/// y = x, without gradient.
struct Constant;

impl Operation for Constant {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "detach"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.copy_from_slice(inputs[0].data());
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, _: View<'_, E>, _: &mut GradSink<'_, E>) {}
    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, _: &[Option<View<'_, E>>], _: &mut [E]) {}
    fn differentiable(&self) -> bool {
        false
    }
}
