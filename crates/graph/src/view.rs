//! A value of a recording as an operation reads it.

use crate::{
    Element, Float, Shape,
    buffer::{Buffer, Pool},
    element::Start,
    kernels::{Matrix, Packed, worth_keeping},
};
use ndarray::{ArrayViewD, IxDyn};
use std::{
    fmt,
    sync::{Arc, OnceLock},
};

/// Shows a value on the tape as an operation reads it: its elements, row by row without gaps, and its shape.
///
/// ```
/// use unspool_graph::{Element, Graph, GradSink, Operation, Params, OpContext, Shape, View};
///
/// /// y = Σ x, a number.
/// struct Total;
///
/// impl Operation for Total {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "total" }
///     fn shape(&self, _: &[Shape]) -> Result<Shape, String> { Ok(Shape::from([])) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
///         assert_eq!(x[0].array().shape(), &*x[0].shape()); // as an `ndarray` view
///         y[0] = x[0].data().iter().copied().sum();         // or element by element
///     }
///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
///         into.add(0, vec![gradient.data()[0]; ctx.inputs[0].data().len()]);
///     }
///     fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, v: &[Option<View<'_, E>>], y: &mut [E]) {
///         y[0] = v[0].map_or(E::ZERO, |v| v.data().iter().copied().sum());
///     }
/// }
///
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// assert_eq!(graph.apply(Total, &[graph.full([2, 3], 0.5)]).item()?, 3.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct View<'a, E: Element> {
    /// The elements, or those of the value whose rows these are.
    data: &'a [E],
    pub(crate) shape: Shape,
    /// Where the panels of this value stay, and the pool they come from; none where none are kept.
    pub(crate) packs: Option<(&'a dyn Panels<E>, &'a Arc<Pool<E>>)>,
    rows: Option<&'a SelectedRows<E>>,
}

/// Rows of another value, which are copied when somebody needs them side by side, and not before.
#[derive(Debug)]
pub(crate) struct SelectedRows<E: Element> {
    pub(crate) ids: Arc<[u32]>,
    pub(crate) copied: OnceLock<Buffer<E>>,
}

/// What multiplies by a matrix that stays.
pub(crate) trait Panels<E: Element>: Sync {
    /// C = A·B, begun at `start`, for the sizes `(m, k, n)`, where B is the matrix that stays, as it is or transposed.
    fn multiply(
        &self,
        pool: &Arc<Pool<E>>,
        sizes: (usize, usize, usize),
        a: Matrix<'_, E>,
        b: (Matrix<'_, E>, bool),
        c: &mut [E],
        start: Start<'_, E>,
    );
}

/// A matrix in panels, as it is and transposed, each made when first multiplied by.
#[derive(Debug, Default)]
pub(crate) struct Packs<E: Element>(OnceLock<Box<Made<E>>>);

/// Both panels, and what they are made of if the matrix is [quantized](crate::Params::quantize).
#[derive(Debug)]
struct Made<E: Element> {
    /// A scale for each row.
    scales: Option<Vec<E>>,
    packed: [OnceLock<Packed<E>>; 2],
}

impl<E: Element> Packs<E> {
    /// Panels of integers, for a matrix whose rows are integers times these scales.
    pub(crate) fn of_int8(scales: Vec<E>) -> Self {
        Packs(OnceLock::from(Box::new(Made { scales: Some(scales), packed: Default::default() })))
    }

    /// The scales of a quantized matrix.
    pub(crate) fn scales(&self) -> Option<&[E]> {
        self.0.get()?.scales.as_deref()
    }

    /// The same with panels of its own, which are not made yet.
    pub(crate) fn unmade(&self) -> Self {
        self.scales().map_or_else(Packs::default, |scales| Packs::of_int8(scales.to_vec()))
    }

    /// How many elements the panels hold.
    pub(crate) fn elements(&self) -> usize {
        self.0.get().into_iter().flat_map(|made| &made.packed).filter_map(OnceLock::get).map(Packed::elements).sum()
    }
}

impl<E: Float> Panels<E> for Packs<E> {
    fn multiply(
        &self,
        pool: &Arc<Pool<E>>,
        (m, k, n): (usize, usize, usize),
        a: Matrix<'_, E>,
        (b, transposed): (Matrix<'_, E>, bool),
        c: &mut [E],
        start: Start<'_, E>,
    ) {
        let made = self.0.get_or_init(|| Box::new(Made { scales: None, packed: Default::default() }));
        let packed = made.packed[usize::from(transposed)].get_or_init(|| match &made.scales {
            Some(scales) => Packed::int8((k, n), b, scales, transposed),
            None => Packed::new((k, n), b, |len| pool.take(len)),
        });
        E::product_by(m, a.parts(), packed, c, start);
    }
}

impl<E: Element> fmt::Debug for View<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.shape)
    }
}

impl<'a, E: Element> View<'a, E> {
    pub(crate) fn new(data: &'a [E], shape: Shape) -> Self {
        View { data, shape, packs: None, rows: None }
    }
    /// The rows of `of` that `rows` names.
    pub(crate) fn of_rows(of: View<'a, E>, rows: &'a SelectedRows<E>, shape: Shape) -> Self {
        View { rows: Some(rows), ..View::new(of.data(), shape) }
    }
    /// The same, with where its panels stay, and the pool they come from.
    pub(crate) fn with_packs(self, packs: (&'a dyn Panels<E>, &'a Arc<Pool<E>>)) -> Self {
        View { packs: Some(packs), ..self }
    }
    /// Returns the elements, row by row.
    pub fn data(&self) -> &'a [E] {
        let Some(rows) = self.rows else { return self.data };
        rows.copied.get_or_init(|| {
            let (mut all, width) = (self.buffer(self.shape.elements()), self.row_len());
            for (i, row) in all.chunks_exact_mut(width.max(1)).enumerate() {
                row.copy_from_slice(self.row(i));
            }
            all
        })
    }
    /// Returns the elements of place `i` of the first axis, wherever they lie. An operation that goes through a batch
    /// by its rows spares a decoder the copies of a memory that several of them share.
    ///
    /// # Panics
    /// If there is no such place.
    ///
    /// ```
    /// use unspool_graph::{Element, Graph, GradSink, Operation, Params, OpContext, Shape, View};
    ///
    /// /// y[b] = Σ of row b.
    /// struct RowSum;
    ///
    /// impl Operation for RowSum {
    ///     type Saved<E: Element> = ();
    ///     fn name(&self) -> &'static str { "row_sum" }
    ///     fn shape(&self, x: &[Shape]) -> Result<Shape, String> { Ok(Shape::from([x[0][0]])) }
    ///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
    ///         y.iter_mut().enumerate().for_each(|(b, y)| *y = x[0].row(b).iter().copied().sum());
    ///     }
    ///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, g: View<'_, E>, into: &mut GradSink<'_, E>) {
    ///         let width = ctx.inputs[0].shape()[1];
    ///         into.add(0, g.data().iter().flat_map(|&g| std::iter::repeat_n(g, width)).collect());
    ///     }
    /// }
    ///
    /// let params = Params::seeded(0);
    /// let graph = Graph::inference(&params);
    /// let memory = graph.input(ndarray::array![[1.0f32, 2.0], [3.0, 4.0]]);
    /// let shared = memory.index_select(&[1, 1, 0]);                        // of which nothing is copied here
    /// assert_eq!(graph.apply(RowSum, &[shared]).value()?, ndarray::array![7.0f32, 7.0, 3.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn row(&self, i: usize) -> &'a [E] {
        let (at, width) = (self.rows.map_or(i, |rows| rows.ids[i] as usize), self.row_len());
        &self.data[at * width..][..width]
    }
    fn row_len(&self) -> usize {
        self.shape.iter().skip(1).product()
    }
    /// Returns the sizes of the axes.
    pub fn shape(&self) -> Shape {
        self.shape
    }
    /// Returns room for `len` elements of any contents, from the recording's memory: for what forward keeps, so that a
    /// training loop in its steady state asks the allocator for nothing large.
    pub fn buffer(&self, len: usize) -> Buffer<E> {
        self.packs.map_or_else(|| vec![E::ZERO; len].into(), |(_, pool)| pool.take(len))
    }
    /// Returns the value as an `ndarray` view.
    pub fn array(&self) -> ArrayViewD<'a, E> {
        // The elements of a value always fill its shape.
        ArrayViewD::from_shape(IxDyn(&self.shape), self.data()).expect("a value fills its shape")
    }
    /// C = A·B, begun at `start`, for A `[m, …]` and this value as B, whose panels are made at most once for a value
    /// that stays.
    ///
    /// `rows` and `columns` are the sizes in which it lies; `transposed` multiplies by its transpose.
    pub(crate) fn multiply(
        &self,
        m: usize,
        a: Matrix<'_, E>,
        (rows, columns, transposed): (usize, usize, bool),
        c: &mut [E],
        start: Start<'_, E>,
    ) {
        let (k, n, b) = if transposed {
            (columns, rows, Matrix::transposed(self.data(), columns))
        } else {
            (rows, columns, Matrix::rows(self.data(), columns))
        };
        let Some((packs, pool)) = self.packs.filter(|_| worth_keeping((m, k, n))) else {
            return E::product((m, k, n), a.parts(), b.parts(), c, start);
        };
        packs.multiply(pool, (m, k, n), a, (b, transposed), c, start);
    }
}
