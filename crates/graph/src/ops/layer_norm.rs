//! Layer normalization over the last axis.

use crate::{Buffer, Element, GradSink, OpContext, Operand, Operation, Shape, Var, View};
use std::panic::Location;

/// y = (x − mean) / √(variance + ε) along the last axis (Ba, Kiros and Hinton 2016); the variance is the population's.
///
/// With n = y and r = 1/√(variance + ε):  ∂L/∂x = r · ( g − mean(g) − n · mean(g · n) ),  g = ∂L/∂y
struct Normalise {
    epsilon: f64,
}

fn mean<E: Element>(n: usize, f: impl Fn(usize) -> E) -> E {
    crate::kernels::vector::sum_of(n, f) * E::from_f64(1.0 / n as f64)
}

impl Normalise {
    /// r · ( v − mean(v) − n · mean(v · n) ): the gradient's rule and the tangent's, which are the same, since the
    /// Jacobian is symmetric.
    fn project<E: Element>(y: &[E], v: &[E], r: E, mut put: impl FnMut(usize, E)) {
        let (average, along) = (mean(y.len(), |j| v[j]), mean(y.len(), |j| v[j] * y[j]));
        (0..y.len()).for_each(|j| put(j, r * (v[j] - average - y[j] * along)));
    }
}

impl Operation for Normalise {
    /// 1/√(variance + ε) of each row.
    type Saved<E: Element> = Buffer<E>;
    fn name(&self) -> &'static str {
        "layer_norm"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if inputs[0].is_empty() { Err("needs an axis to go over".into()) } else { Ok(inputs[0]) }
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Buffer<E> {
        let width = inputs[0].shape().last_axis().max(1);
        let mut scales = inputs[0].buffer(output.len() / width);
        let rows = output.chunks_exact_mut(width).zip(inputs[0].data().chunks_exact(width));
        for ((y, x), scale) in rows.zip(&mut scales[..]) {
            let centre = mean(width, |j| x[j]);
            let variance = mean(width, |j| (x[j] - centre) * (x[j] - centre));
            let r = E::ONE / (variance + E::from_f64(self.epsilon)).sqrt();
            y.iter_mut().zip(x).for_each(|(y, &x)| *y = (x - centre) * r);
            *scale = r;
        }
        scales
    }
    fn backward<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Buffer<E>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        let width = gradient.shape().last_axis().max(1);
        into.accumulate(0, |slot| {
            let rows = slot.chunks_exact_mut(width).zip(ctx.output.data().chunks_exact(width));
            for (((slot, y), g), &r) in rows.zip(gradient.data().chunks_exact(width)).zip(&ctx.saved[..]) {
                Self::project(y, g, r, |j, value| slot[j] += value);
            }
        });
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (Some(v), width) = (tangents[0], ctx.output.shape().last_axis().max(1)) else { return };
        let rows = output.chunks_exact_mut(width).zip(ctx.output.data().chunks_exact(width));
        for (((out, y), v), &r) in rows.zip(v.data().chunks_exact(width)).zip(&ctx.saved[..]) {
            Self::project(y, v, r, |j, value| out[j] = value);
        }
    }
}

impl<'g> Var<'g> {
    /// Returns (x − mean) / √(variance + `epsilon`) · `weight` + `bias` along the last axis; weight and bias have that
    /// axis's size.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let (weight, bias) = (graph.full([2], 2.0), graph.input(array![0.0f32, 5.0]));
    /// let y = graph.input(array![[1.0f32, 3.0], [-20.0, 20.0]]).layer_norm(weight, bias, 0.0);
    /// assert_eq!(y.value()?, array![[-2.0f32, 7.0], [-2.0, 7.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn layer_norm(self, weight: impl Operand<'g>, bias: impl Operand<'g>, epsilon: f64) -> Var<'g> {
        self.normalise(epsilon, Location::caller()) * weight + bias
    }

    fn normalise(self, epsilon: f64, line: &'static Location<'static>) -> Var<'g> {
        self.graph.apply_at(Normalise { epsilon }, &[self], line)
    }
}
