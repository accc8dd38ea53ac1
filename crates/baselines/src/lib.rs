//! Cheap methods that a trained network has to beat.
//!
//! A network is worth its training only if it does better than methods that take seconds. The methods here are
//! standard, small, and strong enough to be taken seriously:
//!
//! | method | models that it is compared with |
//! | --- | --- |
//! | [`NaiveBayes`], [`LogisticRegression`] | classifiers and taggers of text, on hashed [`features`] |
//! | [`KneserNey`] | language models |
//! | [`Lags`] | forecasts of a series |
//! | [`NearestNeighbor`] | classifiers of pictures and other vectors |
//! | [`TranslationMemory`] | translators |
//!
//! The settings of a method are chosen by the caller's score on the dev part. Results are the same bits in every
//! run and for any number of threads: everything is computed on one thread, and no number depends on the order of a
//! hash map. A long computation asks the caller from time to time whether to stop, and then returns [`Interrupted`].
//! [`Sample`] keeps data sets of any size within a limit.
#![forbid(unsafe_code)]

mod examples;
pub mod features;
mod kneser_ney;
mod logistic_regression;
mod naive_bayes;
mod nearest_neighbor;
mod ridge;
mod sample;
mod translation_memory;

pub use examples::Examples;
pub use kneser_ney::KneserNey;
pub use logistic_regression::{LogisticRegression, Scaling};
pub use naive_bayes::NaiveBayes;
pub use nearest_neighbor::NearestNeighbor;
pub use ridge::{Lags, Ridge};
pub use sample::Sample;
pub use translation_memory::TranslationMemory;

/// Reports that a method ended early because its caller asked it to.
///
/// ```
/// use unspool_baselines::{Interrupted, KneserNey};
/// let stop = || true;
/// assert_eq!(KneserNey::fit(&[0, 1, 0, 1], 2, 3, &stop).err(), Some(Interrupted));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the computation was interrupted")]
pub struct Interrupted;

/// Returns an error if the caller asks to stop.
fn check(stop: &dyn Fn() -> bool) -> Result<(), Interrupted> {
    if stop() { Err(Interrupted) } else { Ok(()) }
}

/// Asks once in 256 rows whether to stop: a row takes microseconds.
fn check_at(row: usize, stop: &dyn Fn() -> bool) -> Result<(), Interrupted> {
    if row.is_multiple_of(256) { check(stop) } else { Ok(()) }
}
