//! What a cheap method comes to on the test part.

use crate::error::Result;
use std::time::Instant;

/// Holds what a cheap method comes to on the test part: its score, how it was set, and how long it took.
///
/// ```
/// use unspool_task::Baseline;
/// let found = Baseline::timed(|| Ok(Baseline::new("naive_bayes", 0.84).settings("α = 0.5, chosen on dev")))?;
/// assert_eq!((found.name(), found.score()), ("naive_bayes", Some(0.84)));
/// assert_eq!(Baseline::left_out("ridge", "the series is too short").score(), None);
/// # Ok::<(), unspool_task::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    name: &'static str,
    score: Option<f64>,
    about: String,
    seconds: f64,
}

impl Baseline {
    /// Names a method, with its value of the task's metric. In lines for people an underscore in the name is a space.
    pub fn new(name: &'static str, score: f64) -> Baseline {
        Baseline { name, score: Some(score), about: String::new(), seconds: 0.0 }
    }

    /// Names a method that is not computed for this data, and says why.
    pub fn left_out(name: &'static str, reason: impl Into<String>) -> Baseline {
        Baseline { name, score: None, about: reason.into(), seconds: 0.0 }
    }

    /// Says how the method was set.
    #[must_use]
    pub fn settings(self, settings: impl Into<String>) -> Baseline {
        Baseline { about: settings.into(), ..self }
    }

    /// Computes a baseline, and notes the seconds that this takes.
    ///
    /// # Errors
    /// Those of `compute`.
    pub fn timed(compute: impl FnOnce() -> Result<Baseline>) -> Result<Baseline> {
        let began = Instant::now();
        let found = compute()?;
        Ok(Baseline { seconds: began.elapsed().as_secs_f64(), ..found })
    }

    /// Returns the name, as it stands in the line of JSON.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the value of the task's metric; none where the method was left out.
    pub fn score(&self) -> Option<f64> {
        self.score
    }

    /// The settings, or why the method was left out.
    pub(crate) fn about(&self) -> &str {
        &self.about
    }

    /// How long it took.
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }

    /// The name for people.
    pub(crate) fn title(&self) -> String {
        self.name.replace('_', " ")
    }
}
