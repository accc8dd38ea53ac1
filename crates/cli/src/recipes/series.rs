//! A series of numbers in columns: read from a file, as changes over a season and back.

use super::{Data, Error, Result};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use unspool::text::{Csv, Source};

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
    /// What is to be said of the file.
    pub(super) note: Option<String>,
}

impl Series {
    /// What comes after a row's origin.
    pub(super) fn coming(&self, row: usize, horizon: usize) -> ArrayView2<'_, f64> {
        during(self.values.view(), self.origins[row]..self.origins[row] + horizon)
    }
}

/// What is read of a file.
pub(super) struct Read {
    /// `[time, column]`
    pub(super) values: Array2<f64>,
    /// The columns' names.
    pub(super) names: Vec<String>,
    /// Where the file's dates go back, if they do.
    pub(super) unsorted: Option<String>,
}

/// The columns of a file, by the names that `choose` finds among all names.
///
/// The first column that is not among them is looked at for dates, as ISO 8601 writes them: `1949-01`, `1949-01-31`.
pub(super) fn read(data: &Data, choose: impl FnOnce(&[String]) -> Result<Vec<String>>, change: Change) -> Result<Read> {
    let mut names = vec![];
    let table = data.csv_columns(|file, header| {
        names = choose(header)?;
        let hint = || format!("its columns are {}", header.join(", "));
        let place = |name: &String| {
            let mut places = (0..header.len()).filter(|place| header[*place] == *name);
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (None, _) => Err(Error::failure(format!("{file}: no column `{name}`"), hint())),
                (Some(_), Some(_)) => Err(Error::failure(
                    format!("{file}: two columns are called `{name}`"),
                    "give each column that is used a name of its own",
                )),
            }
        };
        let mut places = names.iter().map(place).collect::<Result<Vec<_>>>()?;
        places.extend((0..header.len()).find(|place| !places.contains(place)));
        Ok(places)
    })?;
    let mut values = Array2::zeros((table.rows.len(), names.len()));
    for (row, mut into) in table.rows.iter().zip(values.rows_mut()) {
        for ((text, value), name) in row.fields.iter().zip(&mut into).zip(&names) {
            let place = format!("{}:{}", table.file, row.line);
            if text.trim().is_empty() {
                let what = format!("{place}: column `{name}` is empty");
                return Err(Error::failure(what, "a series has a number at each step"));
            }
            *value = number(text, change).map_err(|error| error.at(&place))?;
        }
    }
    let dates = table.rows.iter().map(|row| (row.line, row.fields.get(names.len()).map_or("", |date| date.trim())));
    let unsorted = goes_back(dates).map(|(line, date, before)| {
        format!(
            "{}:{line}: {date} is before {before}, the date of the line above; steps are read in the order of the lines, \
             so sort them by date",
            table.file
        )
    });
    Ok(Read { values, names, unsorted })
}

/// The columns that an option names: with commas between, a name that has a comma in double quotes. Without it the last
/// one that has a name.
pub(super) fn columns(option: Option<&str>, header: &[String]) -> Result<Vec<String>> {
    let Some(option) = option else {
        return Ok(header.iter().rev().find(|name| !name.is_empty()).into_iter().cloned().collect());
    };
    if header.iter().any(|name| name == option.trim()) {
        return Ok(vec![option.trim().to_owned()]);
    }
    let names = Csv::without_header(Source::bytes("--columns", option.as_bytes().to_vec()))?.allow_empty().next();
    let names = names.transpose()?.map_or(vec![], |row| row.fields);
    Ok(names.iter().map(|name| name.trim().to_owned()).collect())
}

/// The first line whose date is before that of the line above, with both; none if there is a line without a date.
fn goes_back<'a>(dates: impl Iterator<Item = (u64, &'a str)>) -> Option<(u64, &'a str, &'a str)> {
    let (mut before, mut found) = ("", None);
    for (line, date) in dates {
        if !is_date(date) {
            return None;
        }
        if date < before && found.is_none() {
            found = Some((line, date, before));
        }
        before = date;
    }
    found
}

/// A year, a month, and what may follow: such texts stand in the order of their times.
fn is_date(text: &str) -> bool {
    let shape: String = text.chars().take(7).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ["0000-00", "0000/00", "0000.00"].contains(&shape.as_str())
}

/// The largest value of a series, and for growth one over the smallest: sums of squares of larger ones would be no
/// numbers.
const LARGEST: f64 = 1e100;

pub(super) fn number(text: &str, change: Change) -> Result<f64> {
    let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    match (value, change) {
        (None, _) => Err(Error::failure(format!("`{text}` is no number"), "a series has a number at each step")),
        (Some(value), _) if value.abs() > LARGEST => Err(Error::failure(
            format!("`{text}` is too large: the squares of such values add up to no number"),
            format!("values may reach {LARGEST:e}; write them in a larger unit"),
        )),
        (Some(value), Change::Growth) if value <= 0.0 => Err(Error::failure(
            format!("`{text}` is not positive, and so has no growth"),
            "--change difference is for a series of any numbers",
        )),
        (Some(value), Change::Growth) if value < 1.0 / LARGEST => Err(Error::failure(
            format!("`{text}` is too small: the growth from such a value is no number"),
            format!("values may be as small as {:e}; write them in a smaller unit", 1.0 / LARGEST),
        )),
        (Some(value), _) => Ok(value),
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
pub(super) fn text(values: ArrayView2<'_, f64>, number: impl Fn(f64) -> String) -> String {
    let step = |row: ArrayView1<'_, f64>| row.iter().map(|y| number(*y)).collect::<Vec<_>>().join(",");
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
            ("1e308", Change::Difference, false),
            ("-1e101", Change::Difference, false),
            ("1e-101", Change::Growth, false),
            ("1e-101", Change::Difference, true),
            ("", Change::Growth, false),
            ("1,5", Change::Growth, false),
        ] {
            assert_eq!(number(text, change).is_ok(), right, "{text}");
        }
    }

    #[test]
    fn columns_are_named_with_commas_between_and_quotes_around_a_comma() {
        let header = ["Month", "Sales, EUR", "Units", "", "say \"hi\""].map(str::to_owned);
        let found = |option| columns(option, &header).unwrap();
        assert_eq!(found(None), ["say \"hi\""]);
        assert_eq!(columns(None, &header[..4]).unwrap(), ["Units"]);
        assert_eq!(found(Some(" Units, Month")), ["Units", "Month"]);
        assert_eq!(found(Some("Sales, EUR")), ["Sales, EUR"]);
        assert_eq!(found(Some("Units,\"Sales, EUR\"")), ["Units", "Sales, EUR"]);
        assert!(columns(Some("\"Sales"), &header).is_err());
    }

    #[test]
    fn dates_that_go_back_are_found_and_what_is_no_date_is_not_looked_at() {
        let back = |dates: &[&'static str]| goes_back((2..).zip(dates.iter().copied()));
        assert_eq!(back(&["1949-01", "1949-03", "1949-02", "1948-01"]), Some((4, "1949-02", "1949-03")));
        assert_eq!(back(&["1949-01-31", "1949-01-31", "1950-01-01"]), None);
        assert_eq!(back(&["9", "10", "1"]), None);
        assert_eq!(back(&["1949-02", "1949-01", "total"]), None);
    }
}
