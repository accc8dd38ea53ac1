//! The gradient of one parameter.

use crate::{Element, buffer::Buffer, kernels::vector::sum_map};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// A parameter's gradient.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Gradient<E: Element> {
    /// Every element.
    Dense(Buffer<E>),
    /// Some rows of an embedding, in the order of their first use; all others are zero.
    Rows { rows: Vec<u32>, width: usize, values: Buffer<E> },
}

/// Shows the gradient of one parameter, as an optimizer reads it.
///
/// ```
/// use unspool_graph::{Graph, Params, ParamGrad, init};
/// let mut params = Params::seeded(0);
/// let table = params.scope("words").add("weight", [100, 2], init::normal(1.0));
/// let graph = Graph::new(&params);
/// let gradients = graph.embedding(table, &[7, 7, 3], [3], None).sum_all().backward()?;
/// match gradients.param_grad::<f32>(0) {
///     Some(ParamGrad::SparseRows { rows, width, values }) => {
///         assert_eq!((rows, width), (&[7, 3][..], 2));
///         assert_eq!(values, [2.0, 2.0, 1.0, 1.0]);
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum ParamGrad<'a, E> {
    /// All elements, row by row.
    Dense(&'a [E]),
    /// The gradient of some rows; that of all others is zero.
    SparseRows {
        /// Which rows; each at most once.
        rows: &'a [u32],
        /// Elements to a row.
        width: usize,
        /// The rows' elements, one row after the other.
        values: &'a [E],
    },
}

impl<E: Element> Gradient<E> {
    pub(crate) fn view(&self) -> ParamGrad<'_, E> {
        match self {
            Gradient::Dense(values) => ParamGrad::Dense(values),
            Gradient::Rows { rows, width, values } => ParamGrad::SparseRows { rows, width: *width, values },
        }
    }

    /// The elements that there are: all, or those of some rows.
    pub(crate) fn values(&self) -> &[E] {
        match self {
            Gradient::Dense(values) | Gradient::Rows { values, .. } => values,
        }
    }

    pub(crate) fn values_mut(&mut self) -> &mut [E] {
        match self {
            Gradient::Dense(values) | Gradient::Rows { values, .. } => values,
        }
    }

    /// Σ x² in double precision, whichever the model's: 20 million single ones would lose what clipping needs. Threads
    /// share pieces of a fixed size, whose sums are added in their order.
    pub(crate) fn square_sum(&self) -> f64 {
        let piece = |values: &[E]| {
            E::vectorize(
                #[inline(always)]
                || {
                    sum_map(
                        values,
                        #[inline(always)]
                        |x| x.to_f64() * x.to_f64(),
                    )
                },
            )
        };
        let all = self.values();
        if all.len() <= PIECE {
            return piece(all);
        }
        all.par_chunks(PIECE).map(piece).collect::<Vec<f64>>().iter().sum()
    }

    pub(crate) fn scale(&mut self, factor: f64) {
        let factor = E::from_f64(factor);
        E::vectorize(
            #[inline(always)]
            || self.values_mut().iter_mut().for_each(|x| *x *= factor),
        );
    }

    /// Every element, of which there are so many; zeros where there was none.
    pub(crate) fn into_dense(self, elements: usize) -> Buffer<E> {
        match self {
            Gradient::Dense(values) => values,
            Gradient::Rows { rows, width, values } => {
                let mut out = Buffer::from(vec![E::ZERO; elements]);
                add_rows(&mut out, &rows, width, &values);
                out
            }
        }
    }

    /// Σ x·y in double precision, where both are of a parameter of so many elements.
    pub(crate) fn dot(&self, other: &Gradient<E>, elements: usize) -> f64 {
        let dense = |gradient: &Gradient<E>| gradient.clone().into_dense(elements);
        let sum = |a: &[E], b: &[E]| a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum();
        match (self, other) {
            (Gradient::Dense(a), Gradient::Dense(b)) => sum(a, b),
            (a, b) => sum(&dense(a), &dense(b)),
        }
    }

    /// Adds another's, of a parameter of so many elements.
    pub(crate) fn add(&mut self, other: &Gradient<E>, elements: usize) {
        match (&mut *self, other) {
            (Gradient::Dense(a), Gradient::Dense(b)) => add_all(a, b),
            (Gradient::Dense(a), Gradient::Rows { rows, width, values }) => add_rows(a, rows, *width, values),
            (Gradient::Rows { rows, width, values }, Gradient::Rows { rows: others, values: more, .. }) => {
                let mut known: BTreeMap<u32, usize> = rows.iter().enumerate().map(|(i, &r)| (r, i)).collect();
                for (&row, more) in others.iter().zip(more.chunks_exact((*width).max(1))) {
                    match known.get(&row) {
                        Some(&at) => add_rows(values, &[at as u32], *width, more),
                        None => {
                            known.insert(row, rows.len());
                            rows.push(row);
                            values.extend_from_slice(more);
                        }
                    }
                }
            }
            (Gradient::Rows { .. }, Gradient::Dense(_)) => {
                let mut dense = Gradient::Dense(self.clone().into_dense(elements));
                dense.add(other, elements);
                *self = dense;
            }
        }
    }
}

/// How many elements one thread adds at a time.
const PIECE: usize = 1 << 16;

/// a ← a + b, element by element, shared out over threads where there are many.
fn add_all<E: Element>(a: &mut [E], b: &[E]) {
    let piece = |a: &mut [E], b: &[E]| {
        E::vectorize(
            #[inline(always)]
            || a.iter_mut().zip(b).for_each(|(a, &b)| *a += b),
        )
    };
    if a.len() <= PIECE {
        return piece(a, b);
    }
    a.par_chunks_mut(PIECE).zip(b.par_chunks(PIECE)).for_each(|(a, b)| piece(a, b));
}

/// Adds each of `values`' rows to the row of `a` that has its number.
fn add_rows<E: Element>(a: &mut [E], rows: &[u32], width: usize, values: &[E]) {
    for (&row, values) in rows.iter().zip(values.chunks_exact(width.max(1))) {
        let at = row as usize * width;
        a[at..at + width].iter_mut().zip(values).for_each(|(a, &b)| *a += b);
    }
}
