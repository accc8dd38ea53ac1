//! Some examples as arrays.

use crate::labels::Labels;
use ndarray::{Array2, Array3};
use unspool::{
    models::TokenWindows,
    text::{Padded, TeacherForcing},
};

/// Some examples as arrays, which say how many losses they have.
///
/// A pair of inputs and right answers is one. A batch of your own says it itself:
///
/// ```
/// use unspool_task::Batch;
/// struct Frames { lengths: Vec<usize>, labels: Vec<u32> }
/// impl Batch for Frames {
///     fn loss_count(&self) -> usize { self.labels.len() }
///     fn units(&self) -> Option<usize> { Some(self.lengths.iter().sum()) }
/// }
/// let batch = Frames { lengths: vec![5, 3], labels: vec![0, 1] };
/// assert_eq!((batch.loss_count(), batch.units()), (2, Some(8)));
/// assert_eq!((ndarray::array![[0.5], [0.25]], vec![0, 1]).loss_count(), 2);
/// ```
pub trait Batch: Send + Sync {
    /// Returns what the loss is a sum over: target tokens, examples, frames.
    fn loss_count(&self) -> usize;

    /// Returns how much of [`Spec::unit`](crate::Spec::unit) the batch has, where the
    /// [lengths](crate::Task::lengths) of its examples do not say it.
    fn units(&self) -> Option<usize> {
        None
    }
}

/// Inputs, and what is right for each loss, such as a class.
impl<X: Send + Sync, Y: Send + Sync> Batch for (X, Vec<Y>) {
    fn loss_count(&self) -> usize {
        self.1.len()
    }
}

/// Inputs, and labels of which some may be none of the model's.
impl<X: Send + Sync> Batch for (X, Targets) {
    fn loss_count(&self) -> usize {
        self.1.known
    }
}

/// Inputs, and right numbers.
impl<X: Send + Sync> Batch for (X, Array2<f32>) {
    fn loss_count(&self) -> usize {
        self.1.len()
    }
}

/// Pictures, and what is written of them.
impl Batch for (Array3<f32>, TeacherForcing) {
    fn loss_count(&self) -> usize {
        self.1.tokens()
    }
    fn units(&self) -> Option<usize> {
        Some(self.1.tokens())
    }
}

/// Texts, and what is written of them.
impl Batch for (Padded, TeacherForcing) {
    fn loss_count(&self) -> usize {
        self.1.tokens()
    }
}

impl Batch for TokenWindows {
    fn loss_count(&self) -> usize {
        self.targets.len()
    }
}

/// The labels of some examples, one after the other. One that the train part does not have costs nothing.
///
/// ```
/// use unspool::text::LabelSet;
/// use unspool_task::{Batch, Labels, Targets};
/// let set = LabelSet::collect("file", [(1, "bad"), (2, "good")])?;
/// let targets = Targets::new(&[&Labels::new(&set, ["good", "so-so"]), &Labels::new(&set, ["bad"])]);
/// assert_eq!(targets.ids, [1, 2, 0]);
/// assert_eq!(((), targets).loss_count(), 2);
/// # Ok::<(), unspool::text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// The ids; a label that the train part does not have has the number of its labels.
    pub ids: Vec<u32>,
    known: usize,
}

impl Targets {
    /// Joins the labels of examples.
    pub fn new(labels: &[&Labels]) -> Targets {
        let ids = labels.iter().flat_map(|labels| labels.ids()).copied().collect();
        Targets { ids, known: labels.iter().map(|labels| labels.known()).sum() }
    }
}
