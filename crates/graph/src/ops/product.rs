//! Matrix products: `matmul`, batched and not, and `linear` with PyTorch's layout of weights.

use crate::{
    Element, GradSink, OpContext, Operand, Operation, Shape, Var, View,
    kernels::{Matrix, dispatch, product},
    shape::Broadcast,
};
use std::panic::Location;

/// A product's sizes: how often, and m, k, n of each.
struct Plan {
    batch: Shape,
    m: usize,
    k: usize,
    n: usize,
}

/// C = A·B for `[…, m, k]` and `[…, k, n]`; leading axes broadcast, a missing one is added for a vector.
///
/// ∂L/∂A = ∂L/∂C·Bᵀ,  ∂L/∂B = Aᵀ·∂L/∂C
struct Matmul;

impl Matmul {
    fn plan(inputs: &[Shape]) -> Result<Plan, String> {
        let [a, b] = inputs else { return Err("needs two operands".into()) };
        if a.len() < 2 || b.len() < 2 {
            return Err("must have two axes or more".into());
        }
        let (m, k, kb, n) = (a[a.len() - 2], a[a.len() - 1], b[b.len() - 2], b[b.len() - 1]);
        if k != kb {
            return Err(format!("do not fit: {k} ≠ {kb}"));
        }
        // One matrix for all of a batch is one large product.
        if b.len() == 2 {
            return Ok(Plan { batch: Shape::from([]), m: a.rows(), k, n });
        }
        let lead = |s: &Shape| Shape::new(&s[..s.len() - 2]);
        let batch = lead(a).zip(lead(b)).and_then(|(x, y)| x.broadcast(&y)).ok_or("have batch axes that do not fit")?;
        Ok(Plan { batch, m, k, n })
    }

    /// Calls `f(i, offset in A, offset in B)` for each product of the batch.
    fn each(inputs: &[Shape], plan: &Plan, mut f: impl FnMut(usize, usize, usize)) {
        if plan.batch.is_empty() {
            return f(0, 0, 0);
        }
        if plan.batch.elements() == 0 {
            return;
        }
        let lead = |s: &Shape, size: usize| {
            let lead = Shape::new(&s[..s.len() - 2]).unwrap_or(plan.batch);
            lead.strides_in(&plan.batch).map(|stride| stride * size)
        };
        let (a, b) = (lead(&inputs[0], plan.m * plan.k), lead(&inputs[1], plan.k * plan.n));
        Broadcast::new(&plan.batch, a, b).each(|at, len, (a, a_step), (b, b_step)| {
            (0..len).for_each(|i| f(at + i, a + i * a_step, b + i * b_step));
        });
    }

    fn forward_into<E: Element>(inputs: &[Shape], a: &[E], b: &[E], output: &mut [E], accumulate: bool) {
        let Ok(plan) = Self::plan(inputs) else { unreachable!("`shape` has accepted these operands") };
        let Plan { m, k, n, .. } = plan;
        Self::each(inputs, &plan, |i, at, bt| {
            let (a, b) = (Matrix::rows(&a[at..at + m * k], k), Matrix::rows(&b[bt..bt + k * n], n));
            product((m, k, n), a, b, &mut output[i * m * n..(i + 1) * m * n], accumulate);
        });
    }
}

fn shapes_of<E: Element>(inputs: &[View<'_, E>]) -> [Shape; 2] {
    [inputs[0].shape(), inputs[1].shape()]
}

impl Operation for Matmul {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "matmul"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let plan = Self::plan(inputs)?;
        if inputs[1].len() == 2 {
            return inputs[0]
                .with(inputs[0].len() - 1, plan.n)
                .ok_or_else(|| "would get more axes or elements than a tensor can have".into());
        }
        let sizes: Vec<usize> = plan.batch.iter().copied().chain([plan.m, plan.n]).collect();
        Shape::new(&sizes).ok_or_else(|| "would get more axes or elements than a tensor can have".into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let shapes = shapes_of(inputs);
        match Self::plan(&shapes) {
            // One matrix for all rows: most often a parameter, and at every time step the same.
            Ok(Plan { m, k, n, .. }) if shapes[1].len() == 2 => {
                inputs[1].multiply(m, Matrix::rows(inputs[0].data(), k), (k, n, false), output, false);
            }
            _ => Self::forward_into(&shapes, inputs[0].data(), inputs[1].data(), output, false),
        }
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let shapes = shapes_of(ctx.inputs);
        let Ok(plan) = Self::plan(&shapes) else { unreachable!("`shape` has accepted these operands") };
        let (Plan { m, k, n, .. }, a, b, g) = (&plan, ctx.inputs[0], ctx.inputs[1], gradient.data());
        let (m, k, n) = (*m, *k, *n);
        if plan.batch.is_empty() && shapes[1].len() == 2 {
            into.update(0, |slot, fresh| {
                b.multiply(m, Matrix::rows(g, n), (k, n, true), slot, !fresh);
            });
            into.accumulate_nothing_if_empty(1, m);
            return into.outer(1, a.data(), g, (k, n), false);
        }
        into.accumulate(0, |slot| {
            Self::each(&shapes, &plan, |i, at, bt| {
                let (g, b) = (Matrix::rows(&g[i * m * n..], n), Matrix::transposed(&b.data()[bt..bt + k * n], n));
                product((m, n, k), g, b, &mut slot[at..at + m * k], true);
            });
        });
        into.accumulate(1, |slot| {
            Self::each(&shapes, &plan, |i, at, bt| {
                let (a, g) = (Matrix::transposed(&a.data()[at..at + m * k], k), Matrix::rows(&g[i * m * n..], n));
                product((k, m, n), a, g, &mut slot[bt..bt + k * n], true);
            });
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let shapes = shapes_of(ctx.inputs);
        if let Some(v) = tangents[0] {
            Self::forward_into(&shapes, v.data(), ctx.inputs[1].data(), output, true);
        }
        if let Some(v) = tangents[1] {
            Self::forward_into(&shapes, ctx.inputs[0].data(), v.data(), output, true);
        }
    }
}

/// y = x·Wᵀ + b with W `[out, in]`: PyTorch's layout. One operation, since the sum costs no pass of its own.
struct Linear;

impl Operation for Linear {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "linear"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let (x, w) = (inputs[0], inputs[1]);
        if x.is_empty() || w.len() != 2 {
            return Err("must be x [.., in] and W [out, in]".into());
        }
        if x.last_axis() != w[1] {
            return Err(format!("do not fit: {} ≠ {} (W is [out, in])", x.last_axis(), w[1]));
        }
        if inputs.get(2).is_some_and(|b| **b != [w[0]]) {
            return Err(format!("do not fit: the bias must be [{}]", w[0]));
        }
        x.with(x.len() - 1, w[0]).ok_or_else(|| "would get more axes or elements than a tensor can have".into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let (x, w) = (inputs[0], inputs[1]);
        let (m, n, k) = (x.shape().rows(), w.shape()[0], w.shape()[1]);
        if let Some(b) = inputs.get(2).filter(|_| n > 0) {
            output.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(b.data()));
        }
        w.multiply(m, Matrix::rows(x.data(), k), (n, k, true), output, inputs.len() == 3);
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, w, g) = (ctx.inputs[0], ctx.inputs[1], gradient.data());
        let (m, n, k) = (x.shape().rows(), w.shape()[0], w.shape()[1]);
        into.update(0, |slot, fresh| {
            w.multiply(m, Matrix::rows(g, n), (n, k, false), slot, !fresh);
        });
        into.accumulate_nothing_if_empty(1, m);
        into.outer(1, g, x.data(), (n, k), true);
        if ctx.inputs.len() == 3 {
            into.row_sum(2, g);
        }
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (x, w) = (ctx.inputs[0], ctx.inputs[1]);
        let (m, n, k) = (x.shape().rows(), w.shape()[0], w.shape()[1]);
        for (x, w) in [(tangents[0], Some(w)), (Some(x), tangents[1])] {
            if let (Some(x), Some(w)) = (x, w) {
                product((m, k, n), Matrix::rows(x.data(), k), Matrix::transposed(w.data(), k), output, true);
            }
        }
        if let Some(Some(b)) = tangents.get(2) {
            dispatch(|| {
                output
                    .chunks_exact_mut(n.max(1))
                    .for_each(|row| row.iter_mut().zip(b.data()).for_each(|(y, &b)| *y += b))
            });
        }
    }
}

impl<'g> Var<'g> {
    /// The matrix product: `[…, m, k] · […, k, n] -> […, m, n]`. Leading axes broadcast; a vector on the left is a row
    /// and on the right a column, whose axis is gone from the result.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let a = graph.input(array![[1.0f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(a.matmul(a).value()?, array![[7.0f32, 10.0], [15.0, 22.0]].into());
    /// assert_eq!(*graph.zeros([5, 2, 3]).matmul(graph.zeros([3, 4])).shape()?, [5, 2, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn matmul(self, right: impl Operand<'g>) -> Var<'g> {
        self.product(right.on(self.graph), Location::caller())
    }

    fn product(self, right: Var<'g>, line: &'static Location<'static>) -> Var<'g> {
        let (Some(a), Some(b)) = (self.known_shape(), right.known_shape()) else { return self.graph.inert() };
        if (a.len() != 1 && b.len() != 1) || !self.graph.usable("matmul", &[self, right], line) {
            return self.graph.apply_at(Matmul, &[self, right], line);
        }
        let (row, column) = (a.len() == 1, b.len() == 1);
        let left = if row { self.unsqueeze_at(0, line) } else { self };
        let other = if column { right.unsqueeze_at(b.len(), line) } else { right };
        let mut out = self.graph.apply_at(Matmul, &[left, other], line);
        if row {
            out = out.squeeze_at(-2, line);
        }
        if column { out.squeeze_at(-1, line) } else { out }
    }

    /// y = x·Wᵀ + b: `x [.., in]`, `weight [out, in]`, `bias [out]`, `-> [.., out]`.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0]]);
    /// let (weight, bias) = (graph.input(array![[1.0f32, 0.0], [1.0, 1.0], [0.0, -1.0]]), graph.input(array![0.5f32, 0.0, 0.0]));
    /// assert_eq!(x.linear(weight, Some(bias)).value()?, array![[1.5f32, 3.0, -2.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn linear(self, weight: impl Operand<'g>, bias: Option<impl Operand<'g>>) -> Var<'g> {
        let (line, weight) = (Location::caller(), weight.on(self.graph));
        match bias {
            Some(bias) => self.linear_of(&[self, weight, bias.on(self.graph)], line),
            None => self.linear_of(&[self, weight], line),
        }
    }

    fn linear_of(self, operands: &[Var<'g>], line: &'static Location<'static>) -> Var<'g> {
        self.graph.apply_at(Linear, operands, line)
    }
}
