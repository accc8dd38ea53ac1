//! What an operation's backward hands its operands' gradients to.

use crate::{Element, buffer::Buffer, grad_store::GradStore};
use std::fmt;

/// Takes the gradients of an operation's operands: what [`Operation::backward`](crate::Operation::backward) writes to.
///
/// ```
/// use unspool_graph::{Element, Graph, GradSink, OpContext, Operation, Params, Shape, View};
///
/// /// y = a · b, elementwise, for equal shapes.
/// struct Times;
///
/// impl Operation for Times {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "times" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
///         (0..y.len()).for_each(|i| y[i] = x[0].data()[i] * x[1].data()[i]);
///     }
///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
///         let (a, b, g) = (ctx.inputs[0].data(), ctx.inputs[1].data(), gradient.data());
///         into.accumulate(0, |to_a| (0..g.len()).for_each(|i| to_a[i] += g[i] * b[i])); // where it lies
///         if into.wants(1) {
///             into.add(1, (0..g.len()).map(|i| g[i] * a[i]).collect());                // or all at once
///         }
///     }
///     fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, v: &[Option<View<'_, E>>], y: &mut [E]) {
///         let tangent = |k: usize, i: usize| v[k].map_or(E::ZERO, |v| v.data()[i]);
///         let (a, b) = (ctx.inputs[0].data(), ctx.inputs[1].data());
///         (0..y.len()).for_each(|i| y[i] = tangent(0, i) * b[i] + a[i] * tangent(1, i));
///     }
/// }
///
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let (a, constant) = (graph.input(vec![3.0f32]).watch(), graph.input(vec![4.0f32]));
/// let gradients = graph.apply(Times, &[a, constant]).sum_all().backward()?;
/// assert_eq!(gradients.of(a).unwrap().to_f64()[[0]], 4.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub struct GradSink<'a, E: Element> {
    pub(crate) store: GradStore<'a, E>,
    /// Of the node that the walk is at.
    pub(crate) operands: &'a [u32],
    /// The first gradient of a wrong size: input, elements got, elements expected.
    pub(crate) wrong: Option<(usize, usize, usize)>,
    /// Whether a gradient was changed on its way by what has no derivative.
    pub(crate) changed: bool,
}

impl<E: Element> fmt::Debug for GradSink<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GradSink to {} operands", self.operands.len())
    }
}

impl<E: Element> GradSink<'_, E> {
    /// Returns whether operand `i` leads to anything that wants a gradient. If not, what is added for it is ignored.
    pub fn wants(&self, i: usize) -> bool {
        self.store.wants(self.operands[i])
    }

    /// Returns room for `len` elements of any contents, from the recording's memory.
    pub fn buffer(&self, len: usize) -> Buffer<E> {
        self.store.tape().pool.take(len)
    }

    /// Adds a gradient for operand `i`: its elements, row by row.
    pub fn add(&mut self, i: usize, gradient: Vec<E>) {
        self.add_slice(i, &gradient);
    }

    /// Adds a gradient for operand `i` as [`add`](GradSink::add) does, from where it lies.
    pub fn add_slice(&mut self, i: usize, gradient: &[E]) {
        let expected = self.store.tape().nodes[self.operands[i] as usize].shape.elements();
        if gradient.len() != expected {
            self.wrong.get_or_insert((i, gradient.len(), expected));
        } else if self.wants(i) {
            self.store.add(self.operands[i], gradient);
        }
    }

    /// Lets `write` work on the gradient of operand `i` in place. Its second argument says whether the elements are
    /// undefined (all must be written) or hold what came before (to be added to). Nothing is called where no gradient
    /// is wanted.
    pub fn update(&mut self, i: usize, write: impl FnOnce(&mut [E], bool)) {
        if self.wants(i) {
            let (elements, fresh) = self.store.dense(self.operands[i]);
            write(elements, fresh);
        }
    }

    /// Lets `add` work on the gradient of operand `i` as [`update`](GradSink::update) does, but on elements that are
    /// defined in any case: zeros at first.
    pub fn accumulate(&mut self, i: usize, add: impl FnOnce(&mut [E])) {
        if self.wants(i) {
            add(self.store.defined(self.operands[i]));
        }
    }

    /// Adds `left`ᵀ·`right` to the gradient of operand `i`; see [`GradStore::add_outer`].
    pub(crate) fn outer(&mut self, i: usize, left: &[E], right: &[E], widths: (usize, usize), gradient_left: bool) {
        if self.wants(i) && widths.0 > 0 && widths.1 > 0 {
            self.store.add_outer(self.operands[i], (left, right), widths, gradient_left);
        }
    }

    /// Makes the gradient of operand `i` zero, which is not the same as none, if it is a product over no rows.
    pub(crate) fn accumulate_nothing_if_empty(&mut self, i: usize, rows: usize) {
        if rows == 0 {
            self.accumulate(i, |_| {});
        }
    }

    /// Adds the sum of `gradient`'s rows to the gradient of operand `i`; see [`GradStore::add_row_sum`].
    pub(crate) fn row_sum(&mut self, i: usize, gradient: &[E]) {
        if self.wants(i) {
            self.store.add_row_sum(self.operands[i], gradient);
        }
    }

    /// Adds row `j` of `gradient` to row `ids[j]` of operand `i`'s gradient; see [`GradStore::add_rows`].
    pub(crate) fn scatter_rows(&mut self, i: usize, ids: &[u32], width: usize, gradient: &[E]) {
        if self.wants(i) {
            self.store.add_rows(self.operands[i], ids, width, gradient);
        }
    }
}
