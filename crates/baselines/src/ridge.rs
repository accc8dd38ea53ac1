//! Ridge regression of what comes in a series on what was before.

use crate::{Interrupted, check};
use ndarray::{Array1, Array2, Axis, linalg::general_mat_mul};

/// Rows are added to the normal equations in blocks of this many.
const BLOCK: usize = 512;

/// Holds the normal equations of a linear forecast of a series: each of the next `horizon` values, less the last known
/// one, from the last `context` differences from it.
///
/// For a forecast from time t, x_k = v_{t−1−k} − v_{t−1} with k = 1, …, context, and y_h = v_{t−1+h} − v_{t−1} with
/// h = 1, …, horizon. [`Lags::solve`] finds the weights for every strength of the penalty from one pass over the
/// series.
///
/// ```
/// use unspool_baselines::Lags;
/// // A wave with a period of 5 repeats: each value is that of five steps before.
/// let series: Vec<f64> = (0..100).map(|t| [0.0, 3.0, 1.0, 4.0, 1.0][t % 5]).collect();
/// let origins: Vec<usize> = (5..90).collect();
/// let lags = Lags::new(&series, &origins, 4, 3, &|| false)?;
/// let forecast = lags.solve(1e-9).unwrap().forecast(&series[..90]);
/// assert!(forecast.iter().zip(&series[90..]).all(|(found, right)| (found - right).abs() < 1e-6));
/// # Ok::<(), unspool_baselines::Interrupted>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lags {
    /// Σ (x − mean)(x − mean)ᵀ / rows
    gram: Array2<f64>,
    /// Σ (x − mean)(y − mean)ᵀ / rows
    cross: Array2<f64>,
    mean_x: Array1<f64>,
    mean_y: Array1<f64>,
    rows: usize,
}

impl Lags {
    /// Goes through the forecasts from some origins: at an origin t the values before t are known. Origins with fewer
    /// than `context` + 1 values before them, or fewer than `horizon` from them on, are left out.
    ///
    /// # Errors
    /// [`Interrupted`] once `stop` returns true.
    pub fn new(
        series: &[f64],
        origins: &[usize],
        context: usize,
        horizon: usize,
        stop: &dyn Fn() -> bool,
    ) -> Result<Lags, Interrupted> {
        let fits = |origin: &&usize| **origin > context && **origin + horizon <= series.len();
        let origins: Vec<usize> = origins.iter().filter(fits).copied().collect();
        let x = |origin: usize, k: usize| series[origin - 2 - k] - series[origin - 1];
        let y = |origin: usize, h: usize| series[origin + h] - series[origin - 1];
        let count = origins.len().max(1) as f64;
        let mean = |of: &dyn Fn(usize, usize) -> f64, size: usize| {
            Array1::from_shape_fn(size, |k| origins.iter().map(|origin| of(*origin, k)).sum::<f64>() / count)
        };
        let (mean_x, mean_y) = (mean(&x, context), mean(&y, horizon));
        let (mut gram, mut cross) = (Array2::zeros((context, context)), Array2::zeros((context, horizon)));
        for origins in origins.chunks(BLOCK) {
            check(stop)?;
            let xs = Array2::from_shape_fn((origins.len(), context), |(row, k)| x(origins[row], k) - mean_x[k]);
            let ys = Array2::from_shape_fn((origins.len(), horizon), |(row, h)| y(origins[row], h) - mean_y[h]);
            general_mat_mul(1.0 / count, &xs.t(), &xs, 1.0, &mut gram);
            general_mat_mul(1.0 / count, &xs.t(), &ys, 1.0, &mut cross);
        }
        Ok(Lags { gram, cross, mean_x, mean_y, rows: origins.len() })
    }

    /// Returns the number of forecasts that the normal equations are made of.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the weights W that minimize the mean of |y − W x − b|² + penalty · v · |W|², where v is the mean
    /// variance of the features: (XᵀX + λ I) W = Xᵀ Y by Cholesky's decomposition. None where the equations have no
    /// solution, as those of a constant series without a penalty.
    pub fn solve(&self, penalty: f64) -> Option<Ridge> {
        let mut gram = self.gram.clone();
        let variance = gram.diag().sum() / gram.nrows().max(1) as f64;
        gram.diag_mut().iter_mut().for_each(|x| *x += penalty * variance);
        let weights = solve(&cholesky(gram)?, self.cross.clone());
        let bias = &self.mean_y - weights.t().dot(&self.mean_x);
        let finite = weights.iter().chain(bias.iter()).all(|x| x.is_finite());
        finite.then_some(Ridge { weights, bias })
    }
}

/// L of A = L Lᵀ, for a symmetric matrix; what stands above its diagonal is A's. None where A is not positive definite.
fn cholesky(mut a: Array2<f64>) -> Option<Array2<f64>> {
    // The inner product of the first `count` numbers of two rows.
    let inner = |a: &Array2<f64>, i: usize, j: usize, count: usize| {
        a.row(i).split_at(Axis(0), count).0.dot(&a.row(j).split_at(Axis(0), count).0)
    };
    for j in 0..a.nrows() {
        let pivot = a[[j, j]] - inner(&a, j, j, j);
        if pivot.is_nan() || pivot <= 0.0 {
            return None;
        }
        a[[j, j]] = pivot.sqrt();
        for i in j + 1..a.nrows() {
            a[[i, j]] = (a[[i, j]] - inner(&a, i, j, j)) / a[[j, j]];
        }
    }
    Some(a)
}

/// X of L Lᵀ X = B, given B: forward through L Y = B, then backward through Lᵀ X = Y.
fn solve(l: &Array2<f64>, mut x: Array2<f64>) -> Array2<f64> {
    for i in 0..l.nrows() {
        let known = l.row(i).split_at(Axis(0), i).0.dot(&x.view().split_at(Axis(0), i).0);
        let row = (&x.row(i) - known) / l[[i, i]];
        x.row_mut(i).assign(&row);
    }
    for i in (0..l.nrows()).rev() {
        let known = l.column(i).split_at(Axis(0), i + 1).1.dot(&x.view().split_at(Axis(0), i + 1).1);
        let row = (&x.row(i) - known) / l[[i, i]];
        x.row_mut(i).assign(&row);
    }
    x
}

/// Forecasts a series linearly, by weights that [`Lags::solve`] found.
///
/// ```
/// use unspool_baselines::{Lags, Ridge};
/// let series: Vec<f64> = (0..50).map(|t| 3.0 * t as f64 + (t % 2) as f64).collect();
/// let lags = Lags::new(&series, &(9..40).collect::<Vec<_>>(), 2, 2, &|| false)?;
/// let ridge: Ridge = lags.solve(1e-9).unwrap();
/// assert!((ridge.forecast(&series)[1] - (3.0 * 51.0 + 1.0)).abs() < 1e-3);
/// # Ok::<(), unspool_baselines::Interrupted>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ridge {
    /// `[feature, step]`
    weights: Array2<f64>,
    bias: Array1<f64>,
}

impl Ridge {
    /// Returns the values that come after the known ones. Where fewer are known than the context, the first one stands
    /// for those before it; where none is known, they are not numbers.
    pub fn forecast(&self, known: &[f64]) -> Vec<f64> {
        let last = known.last().copied().unwrap_or(f64::NAN);
        let first = known.first().copied().unwrap_or(f64::NAN);
        let value = |k: usize| known.len().checked_sub(2 + k).map_or(first, |place| known[place]);
        let x = Array1::from_shape_fn(self.weights.nrows(), |k| value(k) - last);
        let change = self.weights.t().dot(&x) + &self.bias;
        change.iter().map(|change| last + change).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn weights_satisfy_the_normal_equations(
            series in prop::collection::vec(-3.0f64..3.0, 30..60),
            penalty in 0.001f64..2.0,
            context in 1usize..6,
        ) {
            let horizon = 3;
            let origins: Vec<usize> = (0..=series.len()).collect();
            let lags = Lags::new(&series, &origins, context, horizon, &|| false).unwrap();
            let valid: Vec<usize> = (context + 1..=series.len() - horizon).collect();
            prop_assert_eq!(lags.rows(), valid.len());
            let ridge = lags.solve(penalty).unwrap();

            // The gradient of the penalized squared error, computed anew from forecasts, is zero.
            let count = valid.len() as f64;
            let x = |t: usize, k: usize| series[t - 2 - k] - series[t - 1];
            let variance = (0..context).map(|k| {
                let mean = valid.iter().map(|t| x(*t, k)).sum::<f64>() / count;
                valid.iter().map(|t| (x(*t, k) - mean).powi(2)).sum::<f64>() / count
            }).sum::<f64>() / context as f64;
            for h in 0..horizon {
                let error = |t: usize| series[t + h] - ridge.forecast(&series[..t])[h];
                let mean = valid.iter().map(|t| error(*t)).sum::<f64>() / count;
                prop_assert!(mean.abs() < 1e-9);
                for k in 0..context {
                    let slope = valid.iter().map(|t| error(*t) * x(*t, k)).sum::<f64>() / count;
                    prop_assert!((slope - penalty * variance * ridge.weights[(k, h)]).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_solved_is_none_and_short_series_are_no_panic() {
        let lags = |series: &[f64]| Lags::new(series, &(0..20).collect::<Vec<_>>(), 3, 2, &|| false).unwrap();
        assert!(lags(&[1.0; 20]).solve(0.0).is_none());
        assert_eq!(lags(&[1.0, 2.0]).rows(), 0);
        assert!(lags(&[1.0, f64::INFINITY, 2.0, 1.0, 5.0, 1.0, 2.0, 1.0]).solve(1.0).is_none());
        let ridge = lags(&(0..20).map(|t| f64::from(t * t)).collect::<Vec<_>>()).solve(1e-3).unwrap();
        assert!(ridge.forecast(&[]).iter().all(|x| x.is_nan()));
        assert!(ridge.forecast(&[3.0]).iter().all(|x| x.is_finite()));
    }
}
