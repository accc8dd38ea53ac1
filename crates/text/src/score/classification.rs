//! Scores of classifiers and taggers.

use std::collections::BTreeMap;

use ndarray::Array2;

use super::check_counts;
use crate::error::Error;

/// Returns the share of predictions that are right.
///
/// ```
/// assert_eq!(unspool_text::score::accuracy(&[1, 0, 1, 1], &[1, 0, 0, 1])?, 0.75);
/// # Ok::<(), unspool_text::Error>(())
/// ```
///
/// # Errors
/// [`Error::NothingToScore`]; [`Error::Count`] when there is not one label per prediction.
pub fn accuracy<L: PartialEq>(predictions: &[L], labels: &[L]) -> Result<f64, Error> {
    check_counts(predictions.len(), [labels.len()])?;
    let right = predictions.iter().zip(labels).filter(|(prediction, label)| prediction == label).count();
    Ok(right as f64 / labels.len() as f64)
}

/// Counts which class was predicted for which, and computes the scores that follow from it.
///
/// Only pairs that occur are kept, so memory grows with the number of examples and not with the number of classes. A
/// ratio of 0 to 0 is 0: a class that was never predicted has a precision of 0.
///
/// ```
/// use unspool_text::score::Confusion;
///
/// let confusion = Confusion::new(&[0, 1, 1, 2, 1], &[0, 1, 2, 2, 1], 3)?;
/// assert_eq!(confusion.matrix(&[0, 1, 2]), ndarray::array![[1, 0, 0], [0, 2, 0], [0, 1, 1]]);
/// assert_eq!((confusion.precision(1), confusion.recall(1), confusion.f1(1)), (2.0 / 3.0, 1.0, 0.8));
/// assert_eq!(confusion.accuracy(), 0.8);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// By label and prediction.
    counts: BTreeMap<(u32, u32), u64>,
    /// Right, predicted and present, of each class that occurs.
    totals: BTreeMap<u32, [u64; 3]>,
}

impl Confusion {
    /// Counts predictions and labels, both class ids below `classes`.
    ///
    /// # Errors
    /// [`Error::NothingToScore`], [`Error::Count`], [`Error::IdOutOfVocabulary`] for an id that is no class.
    pub fn new(predictions: &[u32], labels: &[u32], classes: usize) -> Result<Self, Error> {
        check_counts(predictions.len(), [labels.len()])?;
        if let Some(&id) = predictions.iter().chain(labels).find(|id| **id as usize >= classes) {
            return Err(Error::IdOutOfVocabulary { id, size: classes });
        }
        let (mut counts, mut totals) = (BTreeMap::new(), BTreeMap::<u32, [u64; 3]>::new());
        for (&prediction, &label) in predictions.iter().zip(labels) {
            *counts.entry((label, prediction)).or_default() += 1;
            totals.entry(label).or_default()[2] += 1;
            totals.entry(prediction).or_default()[1] += 1;
            totals.entry(label).or_default()[0] += u64::from(label == prediction);
        }
        Ok(Confusion { classes, counts, totals })
    }

    /// Returns how often `label` was taken for `prediction`.
    ///
    /// ```
    /// let confusion = unspool_text::score::Confusion::new(&[1, 1, 0], &[0, 0, 0], 2)?;
    /// assert_eq!((confusion.count(0, 1), confusion.count(1, 0)), (2, 0));
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    pub fn count(&self, label: u32, prediction: u32) -> u64 {
        self.counts.get(&(label, prediction)).copied().unwrap_or(0)
    }

    /// Returns the counts among these classes as a matrix `[label, prediction]`, in their order, like the `labels` of
    /// scikit-learn's `confusion_matrix`.
    ///
    /// ```
    /// let confusion = unspool_text::score::Confusion::new(&[7, 7, 900, 3], &[7, 900, 900, 900], 1000)?;
    /// let most = confusion.most_frequent(2);
    /// assert_eq!((most.as_slice(), confusion.matrix(&most)), ([900, 7].as_slice(), ndarray::array![[1, 1], [0, 1]]));
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    pub fn matrix(&self, classes: &[u32]) -> Array2<u64> {
        Array2::from_shape_fn((classes.len(), classes.len()), |(row, column)| self.count(classes[row], classes[column]))
    }

    /// Returns the classes that occur as labels or as predictions, at most `count` of them, the most frequent labels
    /// first; of equally frequent ones the smaller id first.
    ///
    /// ```
    /// let confusion = unspool_text::score::Confusion::new(&[0, 1, 1], &[2, 1, 2], 9)?;
    /// assert_eq!(confusion.most_frequent(9), [2, 1, 0]);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    pub fn most_frequent(&self, count: usize) -> Vec<u32> {
        let mut classes: Vec<u32> = self.totals.keys().copied().collect();
        classes.sort_by_key(|class| std::cmp::Reverse(self.totals[class][2]));
        classes.truncate(count);
        classes
    }

    /// Returns the number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the share of the predictions of `class` that are right; 0 if there are none.
    pub fn precision(&self, class: usize) -> f64 {
        let [right, predicted, _] = self.totals(class);
        ratio(right, predicted)
    }

    /// Returns the share of the examples of `class` that were predicted as such.
    pub fn recall(&self, class: usize) -> f64 {
        let [right, _, present] = self.totals(class);
        ratio(right, present)
    }

    /// Returns 2 · precision · recall / (precision + recall).
    pub fn f1(&self, class: usize) -> f64 {
        let [right, predicted, present] = self.totals(class);
        ratio(2 * right, predicted + present)
    }

    /// Returns the number of examples whose label is `class`.
    pub fn support(&self, class: usize) -> u64 {
        self.totals(class)[2]
    }

    /// Returns the share of predictions that are right; with one label each, micro precision, recall and F1 are the
    /// same.
    pub fn accuracy(&self) -> f64 {
        let sum = |which: usize| self.totals.values().map(|totals| totals[which]).sum();
        ratio(sum(0), sum(2))
    }

    /// Returns F1 over all decisions at once, which equals [`Confusion::accuracy`].
    pub fn micro_f1(&self) -> f64 {
        self.accuracy()
    }

    /// Returns the mean F1 of the classes that occur, as label or as prediction.
    pub fn macro_f1(&self) -> f64 {
        self.mean(Self::f1)
    }

    /// Returns the mean precision of the classes that occur.
    pub fn macro_precision(&self) -> f64 {
        self.mean(Self::precision)
    }

    /// Returns the mean recall of the classes that occur.
    pub fn macro_recall(&self) -> f64 {
        self.mean(Self::recall)
    }

    fn mean(&self, score: impl Fn(&Self, usize) -> f64) -> f64 {
        let sum: f64 = self.totals.keys().map(|class| score(self, *class as usize)).sum();
        if self.totals.is_empty() { 0.0 } else { sum / self.totals.len() as f64 }
    }

    /// Right, predicted, present.
    fn totals(&self, class: usize) -> [u64; 3] {
        let found = u32::try_from(class).ok().and_then(|class| self.totals.get(&class));
        found.copied().unwrap_or([0; 3])
    }
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn f1_is_the_harmonic_mean_and_accuracy_that_of_the_lists(
            pairs in prop::collection::vec((0u32..4, 0u32..4), 1..40),
        ) {
            let (predictions, labels): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
            let confusion = Confusion::new(&predictions, &labels, 4).unwrap();
            prop_assert_eq!(confusion.accuracy(), accuracy(&predictions, &labels).unwrap());
            for class in 0..4 {
                let (p, r) = (confusion.precision(class), confusion.recall(class));
                let mean = if p + r == 0.0 { 0.0 } else { 2.0 * p * r / (p + r) };
                prop_assert!((confusion.f1(class) - mean).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_class_never_seen_is_left_out_of_the_mean() {
        // scikit-learn: f1_score([0, 2, 2], [0, 2, 0], average="macro") = 0.6666…
        let confusion = Confusion::new(&[0, 2, 0], &[0, 2, 2], 4).unwrap();
        assert!((confusion.macro_f1() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!((confusion.f1(3), confusion.support(3), confusion.f1(9)), (0.0, 0, 0.0));
    }

    #[test]
    fn the_means_are_those_of_scikit_learn() {
        // y_true = [0, 1, 2, 0, 1, 2] and y_pred = [0, 2, 1, 0, 0, 1], the example of its documentation.
        let confusion = Confusion::new(&[0, 2, 1, 0, 0, 1], &[0, 1, 2, 0, 1, 2], 3).unwrap();
        let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-12, "{found}, not {wanted}");
        close(confusion.macro_precision(), 2.0 / 9.0);
        close(confusion.macro_recall(), 1.0 / 3.0);
        close(confusion.macro_f1(), 4.0 / 15.0);
        close(confusion.micro_f1(), 1.0 / 3.0);
        let matrix = ndarray::array![[2, 0, 0], [1, 0, 1], [0, 2, 0]];
        assert_eq!(confusion.matrix(&[0, 1, 2]), matrix);
        assert_eq!([0, 1, 2].map(|class| confusion.support(class)), [2, 2, 2]);
    }

    #[test]
    fn classes_without_an_example_take_no_memory() {
        let confusion = Confusion::new(&[5, u32::MAX, 5], &[5, 5, 7], usize::MAX).unwrap();
        assert_eq!((confusion.classes(), confusion.accuracy(), confusion.support(5)), (usize::MAX, 1.0 / 3.0, 2));
        assert_eq!(confusion.most_frequent(usize::MAX), [5, 7, u32::MAX]);
        assert_eq!((confusion.f1(usize::MAX), confusion.count(5, u32::MAX)), (0.0, 1));
    }

    #[test]
    fn an_id_that_is_no_class_is_an_error() {
        assert_eq!(Confusion::new(&[2], &[0], 2).unwrap_err().to_string(), "id 2 is outside the vocabulary of 2");
        assert_eq!(Confusion::new(&[], &[], 2).unwrap_err().to_string(), "nothing to score");
    }
}
