//! Forecasts of a series: the last value, the last season, drift, and a ridge regression on what was before.

use super::{Best, interrupted, stop};
use crate::series::{Change, Scale, Series, Window, change_of_sums, changes, during, moments, rmse};
use ndarray::{Array2, ArrayView2, Axis};
use unspool_baselines::{Lags, Ridge};
use unspool_task::{Baseline, Result, check_signals};

/// Seasons over which drift is averaged: a window knows four.
const SEASONS: usize = 3;

/// Contexts of ridge regression in seasons, and the largest in steps.
const CONTEXTS: [usize; 6] = [1, 2, 3, 4, 7, 14];
const LONGEST: usize = 512;

/// Strengths of ridge regression, as shares of the variance of what it reads.
const PENALTIES: [f64; 7] = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// Products of numbers, at most, that a fit takes, and that the choice of its settings takes: a few seconds.
const MOST_PRODUCTS: usize = 4_000_000_000;

/// Fewer forecasts than this to fit to are too few, and so are fewer than the steps of the context.
const LEAST: usize = 10;

/// All baselines of forecasts. The growth of a season is that of the last one, or the mean of the last three (drift).
pub(crate) fn baselines(scale: &Scale, train: &Series, dev: &[Window], test: &[Window]) -> Result<Vec<Baseline>> {
    let (season, change) = (scale.season, scale.change);
    let last_season = |known: ArrayView2<'_, f64>| vec![0.0; known.ncols()];
    let last_change = |known: ArrayView2<'_, f64>| change_of_sums(known, season, change);
    let drift = |known: ArrayView2<'_, f64>| {
        let from = known.nrows().saturating_sub((SEASONS + 1) * season);
        moments(changes(during(known, from..known.nrows()), season, change).view()).0
    };
    let averaged = format!("mean change of {SEASONS} seasons");
    Ok(vec![
        Baseline::new("last_value", error(test, |window| repeated(window.last(1), window.coming.nrows()))?),
        Baseline::new("last_season", scale.error_of(test, last_season)?),
        Baseline::new("last_season_change", scale.error_of(test, last_change)?),
        Baseline::new("drift", scale.error_of(test, drift)?).settings(averaged),
        Baseline::timed(|| ridge(scale, train, dev, test))?,
    ])
}

/// The root of the mean squared error of forecasts.
fn error<'a>(windows: impl IntoIterator<Item = &'a Window>, forecast: impl Fn(&Window) -> Array2<f64>) -> Result<f64> {
    let mut squares = vec![];
    for window in windows {
        check_signals()?;
        squares.extend((forecast(window) - &window.coming).into_iter().map(|error| error * error));
    }
    Ok(rmse(squares.into_iter()))
}

fn repeated(step: ArrayView2<'_, f64>, steps: usize) -> Array2<f64> {
    Array2::from_shape_fn((steps, step.ncols()), |(_, column)| step[[0, column]])
}

/// What a ridge regression reads and forecasts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reads {
    /// Values, or their logarithms where the model reads growth.
    Values,
    /// Changes over a season.
    Changes,
}

/// Ridge regression of each column. What it reads, its context and its penalty are chosen on the dev part, for all
/// columns together.
fn ridge(scale: &Scale, train: &Series, dev: &[Window], test: &[Window]) -> Result<Baseline> {
    let horizon = test.first().map_or(1, |window| window.coming.nrows());
    let end = train.origins.last().map_or(0, |origin| origin + horizon);
    let mut contexts: Vec<usize> = CONTEXTS.map(|seasons| (seasons * scale.season).min(LONGEST)).to_vec();
    contexts.dedup();
    let mut best = Best::new();
    for reads in [Reads::Values, Reads::Changes] {
        let linear = Linear::new(scale, train, reads, horizon);
        let columns = linear.columns.len().max(1);
        for &context in &contexts {
            // A forecast reads the last number and `context` before it.
            let origins: Vec<usize> = (context + 1..=end.saturating_sub(horizon + linear.before)).collect();
            if origins.len() < LEAST.max(context) {
                break;
            }
            let each = columns * context * (context + horizon);
            let origins: Vec<usize> = thinned(&origins, MOST_PRODUCTS / each.max(1)).copied().collect();
            let lags = |column: &Vec<f64>| {
                Lags::new(&column[..end - linear.before], &origins, context, horizon, &stop).map_err(interrupted)
            };
            let lags = linear.columns.iter().map(lags).collect::<Result<Vec<Lags>>>()?;
            let each = columns * context * horizon * PENALTIES.len() * CONTEXTS.len();
            let scored: Vec<&Window> = thinned(dev, MOST_PRODUCTS / 4 / each.max(1)).collect();
            for penalty in PENALTIES {
                let Some(ridges) = lags.iter().map(|lags| lags.solve(penalty)).collect::<Option<Vec<Ridge>>>() else {
                    continue;
                };
                let found = error(scored.iter().copied(), |window| linear.forecast(&ridges, window))?;
                best.offer(-found, || (reads, context, penalty, ridges));
            }
        }
    }
    let Some((reads, context, penalty, ridges)) = best.into_inner() else {
        return Ok(Baseline::left_out("ridge", format!("fewer than {LEAST} forecasts to fit to")));
    };
    let linear = Linear::new(scale, train, reads, horizon);
    let found = error(test, |window| linear.forecast(&ridges, window))?;
    let what = if reads == Reads::Values { "steps" } else { "changes over a season" };
    Ok(Baseline::new("ridge", found).settings(format!("{context} {what} of context, strength {penalty:e}")))
}

/// The numbers that ridge regressions read and forecast.
struct Linear<'a> {
    scale: &'a Scale,
    reads: Reads,
    horizon: usize,
    columns: Vec<Vec<f64>>,
    /// Steps of the series before the first of these numbers.
    before: usize,
}

impl Linear<'_> {
    fn new<'a>(scale: &'a Scale, series: &Series, reads: Reads, horizon: usize) -> Linear<'a> {
        let values = series.values.view();
        let (numbers, before) = match (reads, scale.change) {
            (Reads::Changes, change) => (changes(values, scale.season, change), scale.season),
            (Reads::Values, Change::Growth) => (values.mapv(f64::ln), 0),
            (Reads::Values, Change::Difference) => (values.to_owned(), 0),
        };
        let columns = numbers.axis_iter(Axis(1)).map(|column| column.to_vec()).collect();
        Linear { scale, reads, horizon, columns, before }
    }

    /// The values of a forecast, `[step, column]`.
    fn forecast(&self, ridges: &[Ridge], window: &Window) -> Array2<f64> {
        let known = self.columns.iter().map(|column| &column[..window.origin - self.before]);
        let made: Vec<Vec<f64>> = ridges.iter().zip(known).map(|(ridge, known)| ridge.forecast(known)).collect();
        let made = Array2::from_shape_fn((self.horizon, self.columns.len()), |(step, column)| made[column][step]);
        match (self.reads, self.scale.change) {
            (Reads::Changes, _) => self.scale.ahead(window.last(self.scale.season), made.view()),
            (Reads::Values, Change::Growth) => made.mapv(f64::exp),
            (Reads::Values, Change::Difference) => made,
        }
    }
}

/// At most so many items, but at least one, at even distances.
fn thinned<T>(items: &[T], most: usize) -> impl Iterator<Item = &T> {
    items.iter().step_by(items.len().div_ceil(most.max(1)).max(1))
}
