//! A series of numbers in columns: read from a file, as changes over a season and back.

use super::{Data, Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// How a value differs from the one a season before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Growth,
    Difference,
}

impl Change {
    pub(super) fn between(self, before: f64, now: f64) -> f64 {
        match self {
            Change::Growth => (now / before).ln(),
            Change::Difference => now - before,
        }
    }
    pub(super) fn after(self, before: f64, change: f64) -> f64 {
        match self {
            Change::Growth => before * change.exp(),
            Change::Difference => before + change,
        }
    }
}

/// A series `[time, column]`, and how many of its steps are known before each forecast.
pub(crate) struct Series {
    pub(super) values: Array2<f64>,
    pub(super) origins: Vec<usize>,
}

impl Series {
    /// What comes after a row's origin.
    pub(super) fn coming(&self, row: usize, horizon: usize) -> ArrayView2<'_, f64> {
        during(self.values.view(), self.origins[row]..self.origins[row] + horizon)
    }
}

/// The columns of these names of a file, or the last one.
pub(super) fn read(data: &Data, names: Option<&str>, change: Change) -> Result<(Array2<f64>, Vec<String>)> {
    let table = data.csv(true)?;
    let place = |name: &str| {
        table.header.iter().position(|column| column == name).ok_or_else(|| {
            let hint = format!("its columns are {}", table.header.join(", "));
            Error::failure(format!("{}: no column `{name}`", table.file), hint)
        })
    };
    let last = table.header.last().map_or("", String::as_str);
    let names: Vec<String> = names.unwrap_or(last).split(',').map(|name| name.trim().to_owned()).collect();
    let places = names.iter().map(|name| place(name)).collect::<Result<Vec<_>>>()?;
    let mut values = Array2::zeros((table.rows.len(), names.len()));
    for (row, mut into) in table.rows.iter().zip(values.rows_mut()) {
        for (place, value) in places.iter().zip(&mut into) {
            *value = number(&row[*place], change).map_err(|e| e.at(&format!("{}:{}", table.file, row.line)))?;
        }
    }
    Ok((values, names))
}

pub(super) fn number(text: &str, change: Change) -> Result<f64> {
    let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    match (value, change) {
        (Some(value), Change::Difference) => Ok(value),
        (Some(value), Change::Growth) if value > 0.0 => Ok(value),
        (Some(_), Change::Growth) => Err(Error::failure(
            format!("`{text}` is not positive, and so has no growth"),
            "--change difference is for a series of any numbers",
        )),
        (None, _) => Err(Error::failure(format!("`{text}` is no number"), "a series has a number at each step")),
    }
}

/// Some steps of a series.
pub(super) fn during(values: ArrayView2<'_, f64>, steps: Range<usize>) -> ArrayView2<'_, f64> {
    values.slice_axis_move(Axis(0), steps.into())
}

/// Mean and deviation of each column.
pub(super) fn moments(values: ArrayView2<'_, f64>) -> (Vec<f64>, Vec<f64>) {
    let mean = values.mean_axis(Axis(0)).unwrap_or_default();
    (mean.to_vec(), values.std_axis(Axis(0), 0.0).iter().map(|deviation| deviation.max(1e-6)).collect())
}

/// Changes from step `season` on, `[time − season, column]`.
pub(super) fn changes(values: ArrayView2<'_, f64>, season: usize, change: Change) -> Array2<f64> {
    let later = during(values, season..values.nrows());
    Array2::from_shape_fn(later.dim(), |(t, k)| change.between(values[[t, k]], later[[t, k]]))
}

pub(super) fn rmse(squares: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = squares.fold((0.0, 0.0), |(count, sum), square| (count + 1.0, sum + square));
    (sum / f64::max(count, 1.0)).sqrt()
}

/// Steps with spaces between, columns with commas.
pub(super) fn text(values: ArrayView2<'_, f64>, digits: usize) -> String {
    let step = |row: ArrayView1<'_, f64>| row.iter().map(|y| format!("{y:.digits$}")).collect::<Vec<_>>().join(",");
    values.rows().into_iter().map(step).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_of_positive_numbers() {
        for (text, change, right) in [
            ("-1", Change::Growth, false),
            ("0", Change::Growth, false),
            ("-1", Change::Difference, true),
            ("NaN", Change::Difference, false),
            (" 2 ", Change::Growth, true),
        ] {
            assert_eq!(number(text, change).is_ok(), right, "{text}");
        }
    }
}
