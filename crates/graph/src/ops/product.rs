//! Matrix products: `matmul`, batched and not, and `linear` with PyTorch's layout of weights.

use crate::{
    Element, GradSink, OpContext, Operand, Operation, Shape, Var, View,
    element::Start,
    kernels::{Matrix, product},
    shape::Broadcast,
};
use std::panic::Location;

/// C = A·B for `[…, m, k]` and `[…, k, n]`; leading axes broadcast, a missing one is added for a vector.
///
/// ∂L/∂A = ∂L/∂C·Bᵀ,  ∂L/∂B = Aᵀ·∂L/∂C
struct Matmul {
    /// The shapes of A and B, and of C.
    inputs: [Shape; 2],
    output: Shape,
    /// What the leading axes broadcast to; no axes where one matrix stands on the right.
    batch: Shape,
    /// The sizes of each product.
    m: usize,
    k: usize,
    n: usize,
}

impl Matmul {
    fn plan(inputs: &[Shape]) -> Result<Matmul, String> {
        let &[a, b] = inputs else { return Err("needs two operands".into()) };
        let ([a_lead @ .., m, k], [b_lead @ .., kb, n]) = (&*a, &*b) else {
            return Err("must have two axes or more".into());
        };
        if k != kb {
            return Err(format!("do not fit: {k} ≠ {kb}"));
        }
        let too_many = || "would get more axes or elements than a tensor can have".to_string();
        let (inputs, k, n) = ([a, b], *k, *n);
        // One matrix for all of a batch is one large product.
        if b_lead.is_empty() {
            let output = a.with(a.len() - 1, n).ok_or_else(too_many)?;
            return Ok(Matmul { inputs, output, batch: Shape::from([]), m: a.rows(), k, n });
        }
        let batch = Shape::new(a_lead).zip(Shape::new(b_lead)).and_then(|(a, b)| a.broadcast(&b));
        let batch = batch.ok_or("have batch axes that do not fit")?;
        let sizes: Vec<usize> = batch.iter().copied().chain([*m, n]).collect();
        Ok(Matmul { inputs, output: Shape::new(&sizes).ok_or_else(too_many)?, batch, m: *m, k, n })
    }

    /// Whether one matrix stands on the right: most often a parameter, and at every time step the same.
    fn one_matrix(&self) -> bool {
        self.inputs[1].len() == 2
    }

    /// Calls `f(i, offset in A, offset in B)` for each product of the batch.
    fn each(&self, mut f: impl FnMut(usize, usize, usize)) {
        if self.batch.is_empty() {
            return f(0, 0, 0);
        }
        if self.batch.elements() == 0 {
            return;
        }
        let lead = |s: &Shape, size: usize| {
            let lead = Shape::new(&s[..s.len() - 2]).unwrap_or(self.batch);
            lead.strides_in(&self.batch).map(|stride| stride * size)
        };
        let (a, b) = (lead(&self.inputs[0], self.m * self.k), lead(&self.inputs[1], self.k * self.n));
        Broadcast::new(&self.batch, a, b).each(|at, len, (a, a_step), (b, b_step)| {
            (0..len).for_each(|i| f(at + i, a + i * a_step, b + i * b_step));
        });
    }

    fn multiply<E: Element>(&self, a: &[E], b: &[E], output: &mut [E], accumulate: bool) {
        let &Matmul { m, k, n, .. } = self;
        self.each(|i, at, bt| {
            let (a, b) = (Matrix::rows(&a[at..at + m * k], k), Matrix::rows(&b[bt..bt + k * n], n));
            product((m, k, n), a, b, &mut output[i * m * n..(i + 1) * m * n], accumulate);
        });
    }
}

impl Operation for Matmul {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "matmul"
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Ok(self.output)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let &Matmul { m, k, n, .. } = self;
        if self.one_matrix() {
            return inputs[1].multiply(m, Matrix::rows(inputs[0].data(), k), (k, n, false), output, Start::Zero);
        }
        // The matrices of one row of the batch, such as all heads of one attended memory, lie together.
        let (a, width) = (inputs[0].data(), inputs[1].shape().iter().skip(1).product::<usize>().max(1));
        self.each(|i, at, bt| {
            let b = &inputs[1].row(bt / width)[bt % width..][..k * n];
            let (a, b) = (Matrix::rows(&a[at..at + m * k], k), Matrix::rows(b, n));
            product((m, k, n), a, b, &mut output[i * m * n..(i + 1) * m * n], false);
        });
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (a, b, g) = (ctx.inputs[0], ctx.inputs[1], gradient.data());
        let &Matmul { m, k, n, .. } = self;
        if self.one_matrix() {
            into.update(0, |slot, fresh| {
                b.multiply(m, Matrix::rows(g, n), (k, n, true), slot, Start::new(!fresh));
            });
            into.accumulate_nothing_if_empty(1, m);
            return into.outer(1, a.data(), g, (k, n), false);
        }
        into.accumulate(0, |slot| {
            self.each(|i, at, bt| {
                let (g, b) = (Matrix::rows(&g[i * m * n..], n), Matrix::transposed(&b.data()[bt..bt + k * n], n));
                product((m, n, k), g, b, &mut slot[at..at + m * k], true);
            });
        });
        into.accumulate(1, |slot| {
            self.each(|i, at, bt| {
                let (a, g) = (Matrix::transposed(&a.data()[at..at + m * k], k), Matrix::rows(&g[i * m * n..], n));
                product((k, m, n), a, g, &mut slot[bt..bt + k * n], true);
            });
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            self.multiply(v.data(), ctx.inputs[1].data(), output, true);
        }
        if let Some(v) = tangents[1] {
            self.multiply(ctx.inputs[0].data(), v.data(), output, true);
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
        let start = inputs.get(2).map_or(Start::Zero, |b| Start::Row(b.data()));
        w.multiply(m, Matrix::rows(x.data(), k), (n, k, true), output, start);
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, w, g) = (ctx.inputs[0], ctx.inputs[1], gradient.data());
        let (m, n, k) = (x.shape().rows(), w.shape()[0], w.shape()[1]);
        into.update(0, |slot, fresh| {
            w.multiply(m, Matrix::rows(g, n), (n, k, false), slot, Start::new(!fresh));
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
            for row in output.chunks_exact_mut(n.max(1)) {
                E::vectorize(
                    #[inline(always)]
                    || row.iter_mut().zip(b.data()).for_each(|(y, &b)| *y += b),
                );
            }
        }
    }
}

impl<'g> Var<'g> {
    /// Returns the matrix product: `[…, m, k] · […, k, n] -> […, m, n]`. Leading axes broadcast; a vector on the left
    /// is a row and on the right a column, whose axis is gone from the result.
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
            return self.graph.apply_planned("matmul", &[self, right], line, Matmul::plan);
        }
        let (row, column) = (a.len() == 1, b.len() == 1);
        let left = if row { self.unsqueeze_at(0, line) } else { self };
        let other = if column { right.unsqueeze_at(b.len(), line) } else { right };
        let mut out = self.graph.apply_planned("matmul", &[left, other], line, Matmul::plan);
        if row {
            out = out.squeeze_at(-2, line);
        }
        if column { out.squeeze_at(-1, line) } else { out }
    }

    /// Returns y = x·Wᵀ + b: `x [.., in]`, `weight [out, in]`, `bias [out]`, `-> [.., out]`.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0]]);
    /// let weight = graph.input(array![[1.0f32, 0.0], [1.0, 1.0], [0.0, -1.0]]);
    /// let bias = graph.input(array![0.5f32, 0.0, 0.0]);
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
