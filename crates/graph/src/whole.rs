//! Gradients that have every element, apart from those that have some rows alone: what a message library can add up.

use crate::{
    Gradients, Precision,
    gradients::{Dense, Gradient},
};

/// Elements in one of the two precisions, to be changed in place: of [`Gradients::elements_mut`].
///
/// ```
/// use unspool_graph::{Elements, Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let table = params.scope("m").add("table", [3, 2], init::constant(1.0));
/// let w = params.scope("m").add("w", [2], init::constant(1.0));
/// let graph = Graph::new(&params);
/// let mut rows = (graph.embedding(table, &[2], [1], None) * w).sum_all().backward()?;
/// let mut whole = rows.split_off_dense(&rows.is_dense());
/// assert!(rows.of(w).is_none() && whole.of(table).is_none());
/// for elements in whole.elements_mut() {
///     if let Elements::F32(elements) = elements {
///         elements.fill(7.0);
///     }
/// }
/// whole.add(&rows)?;
/// assert_eq!((whole.of(w).unwrap().to_f64()[[1]], whole.of(table).unwrap().to_f64()[[2, 1]]), (7.0, 1.0));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Debug)]
pub enum Elements<'a> {
    /// Of a model in single precision.
    F32(&'a mut [f32]),
    /// Of a model in double precision.
    F64(&'a mut [f64]),
}

impl Gradients {
    /// Of each parameter, whether its gradient has every element: not where it has none, or some rows of an embedding
    /// alone.
    pub fn is_dense(&self) -> Vec<bool> {
        self.entries.iter().map(|entry| matches!(entry, Some(Gradient::Dense(_)))).collect()
    }

    /// Takes out those for which `which` is true, each with every element: zeros where there was none. The others are
    /// left.
    pub fn split_off_dense(&mut self, which: &[bool]) -> Gradients {
        let precision = self.precision;
        let none = || match precision {
            Precision::F32 => Dense::F32(vec![].into()),
            Precision::F64 => Dense::F64(vec![].into()),
        };
        let taken = self.entries.iter_mut().zip(&self.shapes).zip(which.iter().chain(std::iter::repeat(&false)));
        let taken = taken.map(|((entry, shape), which)| {
            which.then(|| {
                let entry = entry.take().map(|entry| entry.into_dense(shape.elements()));
                Gradient::Dense(entry.unwrap_or_else(|| none().zeros(shape.elements())))
            })
        });
        let entries = taken.collect();
        Gradients {
            entries,
            shapes: self.shapes.clone(),
            names: self.names.clone(),
            frozen: self.frozen.clone(),
            origins: self.origins.clone(),
            graph: None,
            watched: vec![],
            exits: vec![],
            norms: vec![],
            through_time: vec![],
            precision,
        }
    }

    /// The elements of each parameter's gradient that has every one, in the parameters' order.
    pub fn elements_mut(&mut self) -> impl Iterator<Item = Elements<'_>> {
        self.entries.iter_mut().flatten().filter_map(|entry| match entry {
            Gradient::Dense(Dense::F32(values)) => Some(Elements::F32(values)),
            Gradient::Dense(Dense::F64(values)) => Some(Elements::F64(values)),
            Gradient::Rows { .. } => None,
        })
    }
}
