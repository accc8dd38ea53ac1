//! The cheap methods that each task's model is compared with: `unspool-baselines` has the methods, and here is what
//! they read of a task's data. Their settings are chosen on the dev part; the test part is scored once.

mod language;
mod pictures;
mod series;
mod tasks;
mod texts;
mod translation;

use unspool_baselines::Interrupted;
use unspool_task::{Error, check_signals};

/// Features, at most, that a method is fitted to: those of an even sample of the train part. They take 128 MB.
const MOST_FEATURES: usize = 1 << 25;

/// With more classes than this, time and memory grow with their number: the sample becomes smaller.
const FEW_CLASSES: usize = 32;

/// With more classes than this, classifiers are left out.
const MOST_CLASSES: usize = 10_000;

/// Whether a signal has asked the training to stop.
fn stop() -> bool {
    check_signals().is_err()
}

/// The error of the signal that interrupted a method.
fn interrupted(cause: Interrupted) -> Error {
    check_signals().err().unwrap_or_else(|| Error::failure(cause.to_string(), ""))
}

/// Keeps the best of some settings by a score of which more is better.
struct Best<T>(Option<(f64, T)>);

impl<T> Best<T> {
    fn new() -> Best<T> {
        Best(None)
    }

    /// Takes a setting if its score is greater than those before it, and says whether it is. One that is no number
    /// never is.
    fn offer(&mut self, score: f64, setting: impl FnOnce() -> T) -> bool {
        let most = self.0.as_ref().map_or(f64::NEG_INFINITY, |(most, _)| *most);
        if score > most {
            self.0 = Some((score, setting()));
        }
        score > most
    }

    fn into_inner(self) -> Option<T> {
        self.0.map(|(_, setting)| setting)
    }
}
