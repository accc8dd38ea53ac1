//! The numbers of all parameters in one precision, and what recordings over them share.

use crate::{Element, Float, buffer::Pool, element::Family, view::Packs};
use std::sync::Arc;

/// The arrays of a store in one precision.
pub(crate) struct Arrays<E: Element> {
    pub(crate) values: Vec<Vec<E>>,
    /// The panels of parameters that are multiplied by, and the scales of those that are
    /// [quantized](crate::Params::quantize): all graphs over the same parameters share them, and they go when a value
    /// changes.
    pub(crate) panels: Vec<Packs<E>>,
    /// Memory that one recording leaves for the next. A copy of the store shares it.
    pub(crate) pool: Arc<Pool<E>>,
}

/// [`Arrays`] in either precision.
#[derive(Clone, Copy)]
pub(crate) struct Stored;

impl Family for Stored {
    type Of<E: Float> = Arrays<E>;
}

impl<E: Element> Arrays<E> {
    pub(crate) fn new(values: Vec<Vec<E>>) -> Self {
        let panels = values.iter().map(|_| Packs::default()).collect();
        Arrays { values, panels, pool: Arc::default() }
    }

    pub(crate) fn push(&mut self, values: Vec<E>) {
        self.values.push(values);
        self.panels.push(Packs::default());
    }

    /// All arrays for writing. Their panels are forgotten, and none of them is quantized any more.
    pub(crate) fn for_writing(&mut self) -> &mut [Vec<E>] {
        self.panels.iter_mut().for_each(|panels| *panels = Packs::default());
        &mut self.values
    }

    /// One array for writing, of which the same is true.
    pub(crate) fn one_for_writing(&mut self, index: usize) -> &mut [E] {
        self.panels[index] = Packs::default();
        &mut self.values[index]
    }

    /// The same numbers in another precision, rounded where that is the smaller one.
    pub(crate) fn convert<F: Element>(&self) -> Arrays<F> {
        let array = |values: &Vec<E>| values.iter().map(|x| F::from_f64(x.to_f64())).collect();
        Arrays::new(self.values.iter().map(array).collect())
    }
}

impl<E: Element> Clone for Arrays<E> {
    /// A copy lays out panels of its own when it needs them.
    fn clone(&self) -> Self {
        let panels = self.panels.iter().map(Packs::unmade).collect();
        Arrays { values: self.values.clone(), panels, pool: self.pool.clone() }
    }
}

impl<E: Element> std::fmt::Debug for Arrays<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.values.fmt(f)
    }
}
