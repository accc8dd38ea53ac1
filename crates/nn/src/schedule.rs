//! Learning rates as plain functions of the step, which counts from 0.

/// Rises linearly from `peak` / `warm_up` to `peak` over `warm_up` steps, then falls linearly to `last` · `peak` at step `total`,
/// where it stays.
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

/// Rises linearly over `warm_up` steps to `peak`, then falls with the inverse square root of the step (Vaswani and others 2017, 5.3).
pub fn inverse_square_root(step: u64, warm_up: u64, peak: f64) -> f64 {
    let (at, warm_up) = ((step + 1) as f64, warm_up.max(1) as f64);
    peak * (at / warm_up).min((warm_up / at).sqrt())
}

/// Falls from `peak` to `last` · `peak` along half a cosine over `total` steps (Loshchilov and Hutter 2017).
pub fn cosine(step: u64, total: u64, peak: f64, last: f64) -> f64 {
    let done = (step as f64 / total.max(1) as f64).min(1.0);
    peak * (last + (1.0 - last) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
}
