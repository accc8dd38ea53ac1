//! Learning rates as plain functions of the step, which counts from 0.
//!
//! ```
//! use unspool_nn::schedule;
//! let rate = |step| schedule::linear_with_warm_up(step, 100, 1000, 1e-3, 0.0);
//! assert!(rate(0) < rate(50) && rate(50) < rate(99) && rate(99) > rate(500));
//! ```

/// Rises linearly from `peak` / `warm_up` to `peak` over `warm_up` steps, then falls linearly to `last` · `peak` at
/// step `total`, where it stays.
///
/// ```
/// use unspool_nn::schedule::linear_with_warm_up;
/// let rate = |step| linear_with_warm_up(step, 10, 110, 1.0, 0.1);
/// assert_eq!((rate(0), rate(9), rate(500)), (0.1, 1.0, 0.1));
/// assert!((rate(60) - 0.55).abs() < 1e-12);
/// ```
pub fn linear_with_warm_up(step: u64, warm_up: u64, total: u64, peak: f64, last: f64) -> f64 {
    if step < warm_up {
        return peak * (step + 1) as f64 / warm_up as f64;
    }
    let done = (step - warm_up) as f64 / total.saturating_sub(warm_up).max(1) as f64;
    peak * (last + (1.0 - last) * (1.0 - done.min(1.0)))
}

/// Rises linearly over `warm_up` steps to `peak`, then falls with the inverse square root of the step (Vaswani and
/// others 2017, 5.3).
///
/// ```
/// use unspool_nn::schedule::inverse_square_root;
/// let rate = |step| inverse_square_root(step, 4, 1.0);
/// assert_eq!((rate(0), rate(3), rate(15)), (0.25, 1.0, 0.5));
/// ```
pub fn inverse_square_root(step: u64, warm_up: u64, peak: f64) -> f64 {
    let (at, warm_up) = ((step + 1) as f64, warm_up.max(1) as f64);
    peak * (at / warm_up).min((warm_up / at).sqrt())
}

/// Falls from `peak` to `last` · `peak` along half a cosine over `total` steps (Loshchilov and Hutter 2017).
///
/// ```
/// use unspool_nn::schedule::cosine;
/// let rate = |step| cosine(step, 100, 1.0, 0.1);
/// assert!((rate(0) - 1.0).abs() < 1e-12 && (rate(50) - 0.55).abs() < 1e-12 && (rate(500) - 0.1).abs() < 1e-12);
/// ```
pub fn cosine(step: u64, total: u64, peak: f64, last: f64) -> f64 {
    let done = (step as f64 / total.max(1) as f64).min(1.0);
    peak * (last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
}

/// Returns `rate` at every step.
///
/// ```
/// use unspool_nn::schedule::constant;
/// assert_eq!((constant(0, 0.01), constant(1000, 0.01)), (0.01, 0.01));
/// ```
pub fn constant(_step: u64, rate: f64) -> f64 {
    rate
}

/// Returns `first` · `factor`ⁿ, where n counts whole runs of `every` steps (PyTorch's `StepLR`). Runs of 0 steps have
/// no meaning: the rate is then NaN, which every optimizer refuses.
///
/// ```
/// use unspool_nn::schedule::step_wise;
/// let rate = |step| step_wise(step, 10, 1.0, 0.5);
/// assert_eq!((rate(9), rate(10), rate(25)), (1.0, 0.5, 0.25));
/// assert!(step_wise(3, 0, 1.0, 0.5).is_nan());
/// ```
pub fn step_wise(step: u64, every: u64, first: f64, factor: f64) -> f64 {
    step.checked_div(every).map_or(f64::NAN, |runs| first * factor.powf(runs as f64))
}

/// Returns `first` · `factor`^step (PyTorch's `ExponentialLR`).
///
/// ```
/// use unspool_nn::schedule::exponential;
/// assert_eq!((exponential(0, 0.8, 0.5), exponential(2, 0.8, 0.5)), (0.8, 0.2));
/// ```
pub fn exponential(step: u64, first: f64, factor: f64) -> f64 {
    first * factor.powf(step as f64)
}

/// Rises along half a cosine from `peak` / 25 over the first `warm_up` of `total` steps, then falls along another to
/// `peak` / 250,000 at the last step (Smith and Topin 2019; PyTorch's `OneCycleLR` with its default factors).
///
/// ```
/// use unspool_nn::schedule::one_cycle;
/// let rate = |step| one_cycle(step, 30, 100, 1.0);
/// assert!((rate(0) - 0.04).abs() < 1e-12 && (rate(29) - 1.0).abs() < 1e-12 && (rate(99) - 4e-6).abs() < 1e-12);
/// ```
pub fn one_cycle(step: u64, warm_up: u64, total: u64, peak: f64) -> f64 {
    let (first, last) = (peak / 25.0, peak / 25.0 / 1e4);
    let top = warm_up.max(1) - 1;
    let between = |from: f64, to: f64, done: f64| to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
    if step < top {
        return between(first, peak, step as f64 / top as f64);
    }
    let rest = (total.max(1) - 1).saturating_sub(top).max(1);
    between(peak, last, ((step - top) as f64 / rest as f64).min(1.0))
}

/// Lowers a rate when a score (more is better) no longer grows, as PyTorch's `ReduceLROnPlateau` with a threshold of 0:
/// a function of the scores so far, so that nothing needs to be saved.
///
/// ```
/// use unspool_nn::schedule::OnPlateau;
/// let plateau = OnPlateau { factor: 0.5, patience: 1, least: 0.1 };
/// assert_eq!(plateau.factor([1.0, 2.0, 1.5]), 1.0);
/// assert_eq!(plateau.factor([1.0, 2.0, 1.5, 1.5]), 0.5);
/// assert_eq!(plateau.factor([1.0, 2.0, 1.5, 1.5, 1.5, 1.5, 3.0]), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnPlateau {
    /// The factor by which the rate is multiplied each time.
    pub factor: f64,
    /// How many scores in a row may be no better than the best before one more lowers the rate.
    pub patience: u64,
    /// The factors together are never less.
    pub least: f64,
}

impl OnPlateau {
    /// Returns the factor for the rate after these scores.
    pub fn factor(&self, scores: impl IntoIterator<Item = f64>) -> f64 {
        let mut lowered = Lowered::default();
        scores.into_iter().for_each(|score| lowered.after(self, score));
        lowered.factor
    }

    /// Returns what is wrong with the settings.
    pub(crate) fn check(&self) -> Result<(), String> {
        let OnPlateau { factor, least, .. } = *self;
        if !(factor > 0.0 && factor <= 1.0) {
            return Err(format!("the factor on a plateau is {factor}; it must be greater than 0 and at most 1"));
        }
        if !(0.0..=1.0).contains(&least) {
            return Err(format!("the least factor on a plateau is {least}; it must be from 0 to 1"));
        }
        Ok(())
    }
}

/// What [`OnPlateau`] has made of the scores so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lowered {
    pub(crate) factor: f64,
    top: f64,
    bad: u64,
}

impl Default for Lowered {
    fn default() -> Lowered {
        Lowered { factor: 1.0, top: f64::NEG_INFINITY, bad: 0 }
    }
}

impl Lowered {
    pub(crate) fn after(&mut self, plateau: &OnPlateau, score: f64) {
        self.bad = if score > self.top { 0 } else { self.bad + 1 };
        self.top = self.top.max(score);
        if self.bad > plateau.patience {
            (self.factor, self.bad) = ((self.factor * plateau.factor).max(plateau.least), 0);
        }
    }
}
