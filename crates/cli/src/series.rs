//! A series of numbers in columns: read from a file, as changes over a season and back.

use clap::Args;
use ndarray::{ArcArray2, Array2, Array3, ArrayD, ArrayView1, ArrayView2, Axis, Ix3, concatenate};
use serde::{Deserialize, Serialize};
use std::{cell::RefCell, ops::Range};
use unspool::text::{Csv, Source};
use unspool_task::{
    Curves, Data, Drawn, Error, Figure, Parts, RecurrentOptions, Result, check_signals, choice, count, limits,
};

/// What is forecast of a series, and from what.
#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) recurrent: RecurrentOptions,
    /// Columns to forecast, separated by commas; quote a name with a comma ("Sales, EUR") [default: the last]
    #[arg(long, value_name = "NAMES")]
    pub(crate) columns: Option<String>,
    /// What is predicted: growth over the season before (for positive numbers), or the difference from it
    #[arg(long, value_name = "KIND", default_value = "growth",
          value_parser = choice(&["growth", "difference"]))]
    pub(crate) change: String,
    /// Length of a season: a change is measured over this many steps [from 1 to 10000]
    #[arg(long, value_name = "STEPS", default_value = "12", value_parser = count(1..=limits::LENGTH))]
    pub(crate) season: usize,
    /// Changes that are read before each forecast [from 1 to 10000]
    #[arg(long, value_name = "STEPS", default_value = "12", value_parser = count(1..=limits::LENGTH))]
    pub(crate) context: usize,
    /// Steps per forecast [from 1 to 10000]
    #[arg(long, value_name = "STEPS", default_value = "12", value_parser = count(1..=limits::LENGTH))]
    pub(crate) horizon: usize,
    /// Consecutive forecasts in the test part, at the end of the series, by default those of its last tenth; the dev
    /// part before it is equally long [from 1 to 10000]
    #[arg(long, value_name = "N", value_parser = count(1..=limits::LENGTH))]
    pub(crate) forecasts: Option<usize>,
}

/// How a value differs from the one a season before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Growth,
    Difference,
}

impl Change {
    /// Of this name.
    pub(crate) fn of(name: &str) -> Change {
        if name == "difference" { Change::Difference } else { Change::Growth }
    }

    pub(crate) fn between(self, before: f64, now: f64) -> f64 {
        match self {
            Change::Growth => (now / before).ln(),
            Change::Difference => now - before,
        }
    }
    pub(crate) fn after(self, before: f64, change: f64) -> f64 {
        match self {
            Change::Growth => before * change.exp(),
            Change::Difference => before + change,
        }
    }
}

/// Forecasts of the dev part, at most: they are made after each epoch.
const DEV_FORECASTS: usize = 2000;

/// A series, and how many of its steps are known before each forecast.
#[derive(Clone)]
pub(crate) struct Series {
    /// `[time, column]`, shared by the three parts.
    pub(crate) values: ArcArray2<f64>,
    /// The columns' names.
    pub(crate) names: Vec<String>,
    pub(crate) origins: Vec<usize>,
    /// What is to be said of the file, such as that its dates go back.
    pub(crate) note: Option<String>,
}

impl Series {
    /// The three parts, in order of time: train, then dev and test with `forecasts` forecasts each, or as many as a
    /// tenth of the series has. `first` steps are known before any forecast; `needed` says of what they are.
    pub(crate) fn parts(
        self,
        first: usize,
        horizon: usize,
        forecasts: Option<usize>,
        needed: impl Fn(usize) -> String,
    ) -> Result<Parts<Drawn<Series>>> {
        let count = self.values.nrows();
        let forecasts = forecasts.unwrap_or_else(|| count.div_ceil(10).div_ceil(horizon));
        let held_out = forecasts * horizon;
        let least = first + horizon + 2 * held_out;
        if count < least {
            return Err(Error::failure(format!("{count} steps are too few: there must be {least}"), needed(forecasts)));
        }
        let (test, dev) = (count - held_out, count - 2 * held_out);
        let every = (test - horizon + 1 - dev).div_ceil(DEV_FORECASTS);
        Ok(Parts {
            train: self.at((first..=dev - horizon).collect()),
            dev: self.at((dev..=test - horizon).step_by(every).collect()),
            test: self.at((test..count).step_by(horizon).collect()),
        })
    }

    /// Forecasts one after the other up to the end, as many as there is room for.
    pub(crate) fn into_scored(
        self,
        first: usize,
        horizon: usize,
        needed: impl Fn() -> String,
    ) -> Result<Drawn<Series>> {
        let count = self.values.nrows();
        let forecasts = count.saturating_sub(first) / horizon;
        if forecasts == 0 {
            let least = first + horizon;
            return Err(Error::failure(format!("{count} steps are too few: there must be {least}"), needed()));
        }
        Ok(self.at((count - forecasts * horizon..count).step_by(horizon).collect()))
    }

    fn at(&self, origins: Vec<usize>) -> Drawn<Series> {
        let lengths = vec![(0, 1); origins.len()];
        Drawn::new(Series { origins, ..self.clone() }, lengths)
    }
}

/// How values become what a model reads, and back.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scale {
    pub(crate) change: Change,
    pub(crate) season: usize,
    /// Of each column's changes over the train part, and of its values.
    pub(crate) mean: Vec<f64>,
    pub(crate) deviation: Vec<f64>,
    pub(crate) value_deviation: Vec<f64>,
}

impl Scale {
    /// Finds the scale of the values that are seen in training.
    pub(crate) fn fit(seen: ArrayView2<'_, f64>, season: usize, change: Change) -> Scale {
        let (mean, deviation) = moments(changes(seen, season, change).view());
        Scale { change, season, mean, deviation, value_deviation: moments(seen).1 }
    }

    /// Checks that there is a number for each column.
    pub(crate) fn check(&self, columns: usize) -> Result<()> {
        let whole = self.mean.len() == columns && self.mean.iter().all(|mean| mean.is_finite());
        let positive = |all: &Vec<f64>| all.len() == columns && all.iter().all(|x| x.is_finite() && *x > 0.0);
        match whole && positive(&self.deviation) && positive(&self.value_deviation) {
            true => Ok(()),
            false => Err(Error::failure(
                "mean and deviation are not a number for each column",
                "they must be as the training wrote them",
            )),
        }
    }

    /// Normalized changes of values, from the second season on.
    fn normal(&self, values: ArrayView2<'_, f64>) -> Array2<f32> {
        let mut normal = changes(values, self.season, self.change);
        normal.indexed_iter_mut().for_each(|((_, k), x)| *x = (*x - self.mean[k]) / self.deviation[k]);
        normal.mapv(|x| x as f32)
    }

    /// Windows as arrays, which read `context` changes before each forecast.
    pub(crate) fn batch(&self, windows: &[&Window], context: usize) -> Result<Batch> {
        let normal = |window: &&Window| {
            let all = concatenate(Axis(0), &[window.last(context + self.season), window.coming.view()]);
            all.map(|all| self.normal(all.view())).map_err(|cause| Error::failure(cause.to_string(), ""))
        };
        let rows = windows.iter().map(normal).collect::<Result<Vec<Array2<f32>>>>()?;
        let part = |from: usize, until: usize| {
            let shape = (rows.len(), until - from, self.mean.len());
            Array3::from_shape_fn(shape, |(row, t, k)| rows[row][[from + t, k]])
        };
        let end = rows.first().map_or(context, Array2::nrows);
        let last = windows.iter().map(|window| window.last(self.season).to_owned()).collect();
        Ok(Batch { known: part(0, context), coming: part(context, end), last })
    }

    /// Values `[steps, column]` of each row from the last season known and normalized changes `[row, steps, column]`.
    pub(crate) fn values(&self, last: &[Array2<f64>], normal: ArrayD<f64>) -> Result<Vec<Array2<f64>>> {
        let normal = normal.into_dimensionality::<Ix3>().map_err(|cause| Error::failure(cause.to_string(), ""))?;
        let value = |(last, normal): (&Array2<f64>, ArrayView2<'_, f64>)| {
            let change = |(t, k)| normal[[t, k]] * self.deviation[k] + self.mean[k];
            self.ahead(last.view(), Array2::from_shape_fn(normal.dim(), change).view())
        };
        Ok(last.iter().zip(normal.outer_iter()).map(value).collect())
    }

    /// The error of a rule, known values to the change that is expected of each column, over all forecasts.
    pub(crate) fn error_of(&self, windows: &[Window], rule: impl Fn(ArrayView2<'_, f64>) -> Vec<f64>) -> Result<f64> {
        let mut squares = vec![];
        for window in windows {
            check_signals()?;
            let rule = rule(window.known.view());
            let change = Array2::from_shape_fn((window.coming.nrows(), rule.len()), |(_, k)| rule[k]);
            let errors = self.ahead(window.last(self.season), change.view()) - &window.coming;
            squares.extend(errors.into_iter().map(|error| error * error));
        }
        Ok(rmse(squares.into_iter()))
    }

    /// Values `[steps, column]` from the last season known and the changes over it.
    pub(crate) fn ahead(&self, last: ArrayView2<'_, f64>, changes: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut values = Array2::zeros(changes.dim());
        for ((t, k), change) in changes.indexed_iter() {
            let before = if t < self.season { last[[t, k]] } else { values[[t - self.season, k]] };
            values[[t, k]] = self.change.after(before, *change);
        }
        values
    }
}

/// The values before a forecast, as many as anything is said of, and those that come.
#[derive(Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) known: Array2<f64>,
    pub(crate) coming: Array2<f64>,
    pub(crate) origin: usize,
}

impl Window {
    /// Of a series the forecast of this number, `horizon` steps from its origin, and up to `before` steps before it.
    pub(crate) fn new(series: &Series, number: usize, before: usize, horizon: usize) -> Window {
        let (values, origin) = (series.values.view(), series.origins[number]);
        let coming = during(values, origin..origin + horizon).to_owned();
        Window { known: during(values, origin.saturating_sub(before)..origin).to_owned(), coming, origin }
    }

    /// A window of which nothing is known that comes.
    pub(crate) fn asked(known: Array2<f64>) -> Window {
        Window { coming: Array2::zeros((0, known.ncols())), origin: known.nrows(), known }
    }

    /// The last steps known.
    pub(crate) fn last(&self, steps: usize) -> ArrayView2<'_, f64> {
        during(self.known.view(), self.known.nrows() - steps..self.known.nrows())
    }
}

/// Normalized changes: what is known, `[batch, context, column]`, and what comes, `[batch, horizon, column]`.
pub(crate) struct Batch {
    pub(crate) known: Array3<f32>,
    pub(crate) coming: Array3<f32>,
    /// The last season known of each row, `[season, column]`, for the way back to values.
    pub(crate) last: Vec<Array2<f64>>,
}

impl unspool_task::Batch for Batch {
    fn loss_count(&self) -> usize {
        self.coming.len()
    }
    fn units(&self) -> Option<usize> {
        Some(self.last.len() * (self.known.dim().1 + self.coming.dim().1 - 1))
    }
}

/// The columns of a file, by the names that `choose` finds among all names.
///
/// The first column that is not among them is looked at for dates, as ISO 8601 writes them: `1949-01`, `1949-01-31`.
pub(crate) fn read(
    data: &Data,
    choose: impl FnOnce(&[String]) -> Result<Vec<String>>,
    change: Change,
) -> Result<Series> {
    let chosen = RefCell::new(vec![]);
    let find = |file: &str, header: &[String]| {
        let names = choose(header)?;
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
        chosen.replace(names);
        Ok(places)
    };
    let (mut values, mut dates) = (vec![], Dates::default());
    data.csv_columns(find, |file, row| {
        let place = format!("{file}:{}", row.line);
        let names = chosen.borrow();
        let (fields, date) = row.fields.split_at(names.len().min(row.fields.len()));
        for (text, name) in fields.iter().zip(names.iter()) {
            if text.trim().is_empty() {
                let what = format!("{place}: column `{name}` is empty");
                return Err(Error::failure(what, "a series has a number at each step"));
            }
            values.push(number(text, change).map_err(|error| error.at(&place))?);
        }
        dates.add(&place, date.first().map_or("", |date| date.trim()));
        Ok(())
    })?;
    let names = chosen.into_inner();
    let steps = values.len() / names.len().max(1);
    let values = ArcArray2::from_shape_vec((steps, names.len()), values)
        .map_err(|cause| Error::failure(cause.to_string(), ""))?;
    Ok(Series { values, names, origins: vec![], note: dates.note() })
}

/// The columns that an option names: with commas between, a name that has a comma in double quotes. Without it the last
/// one that has a name.
pub(crate) fn columns(option: Option<&str>, header: &[String]) -> Result<Vec<String>> {
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

/// Looks at dates that pass by, whether one is before that of the line above.
#[derive(Default)]
struct Dates {
    before: String,
    note: Option<String>,
    /// There is a line without a date.
    missing: bool,
}

impl Dates {
    fn add(&mut self, place: &str, date: &str) {
        self.missing |= !is_date(date);
        if *date < *self.before && self.note.is_none() {
            self.note = Some(format!(
                "{place}: {date} is before {}, the date of the line above; steps are read in the order of the lines, \
                 so sort them by date",
                self.before
            ));
        }
        date.clone_into(&mut self.before);
    }

    fn note(self) -> Option<String> {
        self.note.filter(|_| !self.missing)
    }
}

/// A year, a month, and what may follow: such texts stand in the order of their times.
fn is_date(text: &str) -> bool {
    let shape: String = text.chars().take(7).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ["0000-00", "0000/00", "0000.00"].contains(&shape.as_str())
}

/// The largest value of a series, and for growth one over the smallest: sums of squares of larger ones would be no
/// numbers.
const LARGEST: f64 = 1e100;

pub(crate) fn number(text: &str, change: Change) -> Result<f64> {
    let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    match (value, change) {
        (None, _) => Err(Error::failure(format!("`{text}` is not a number"), "a series has a number at each step")),
        (Some(value), _) if value.abs() > LARGEST => Err(Error::failure(
            format!("`{text}` is too large: the squares of such values add up to no number"),
            format!("values may reach {LARGEST:e}; write them in a larger unit"),
        )),
        (Some(value), Change::Growth) if value <= 0.0 => Err(Error::failure(
            format!("`{text}` is not positive, and so has no growth"),
            "--change difference is for a series of any numbers",
        )),
        (Some(value), Change::Growth) if value < 1.0 / LARGEST => Err(Error::failure(
            format!("`{text}` is too small: the growth from such a value is not a finite number"),
            format!("values may be as small as {:e}; write them in a smaller unit", 1.0 / LARGEST),
        )),
        (Some(value), _) => Ok(value),
    }
}

/// Some steps of a series.
pub(crate) fn during(values: ArrayView2<'_, f64>, steps: Range<usize>) -> ArrayView2<'_, f64> {
    values.slice_axis_move(Axis(0), steps.into())
}

/// Mean and deviation of each column.
pub(crate) fn moments(values: ArrayView2<'_, f64>) -> (Vec<f64>, Vec<f64>) {
    let mean = values.mean_axis(Axis(0)).unwrap_or_default();
    (mean.to_vec(), values.std_axis(Axis(0), 0.0).iter().map(|deviation| deviation.max(1e-6)).collect())
}

/// Changes from step `season` on, `[time − season, column]`.
pub(crate) fn changes(values: ArrayView2<'_, f64>, season: usize, change: Change) -> Array2<f64> {
    let later = during(values, season..values.nrows());
    Array2::from_shape_fn(later.dim(), |(t, k)| change.between(values[[t, k]], later[[t, k]]))
}

pub(crate) fn rmse(squares: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = squares.fold((0.0, 0.0), |(count, sum), square| (count + 1.0, sum + square));
    (sum / f64::max(count, 1.0)).sqrt()
}

/// Steps with spaces between, columns with commas.
pub(crate) fn text(values: ArrayView2<'_, f64>, number: impl Fn(f64) -> String) -> String {
    let step = |row: ArrayView1<'_, f64>| row.iter().map(|y| number(*y)).collect::<Vec<_>>().join(",");
    values.rows().into_iter().map(step).collect::<Vec<_>>().join(" ")
}

/// The values of a line: steps with spaces between, of many columns each step's with commas between.
pub(crate) fn parse(line: &str, columns: &[String], least: usize, change: Change) -> Result<Array2<f64>> {
    let steps: Vec<Vec<&str>> = line.split_whitespace().map(|step| step.split(',').collect()).collect();
    if steps.len() < least || steps.iter().any(|step| step.len() != columns.len()) {
        return Err(Error::failure(
            format!("{} steps of {} columns cannot be read", steps.len(), columns.len()),
            format!("a line is {least} steps or more, each {}", columns.join(",")),
        ));
    }
    let mut values = Array2::zeros((steps.len(), columns.len()));
    for (value, text) in values.iter_mut().zip(steps.concat()) {
        *value = number(text, change)?;
    }
    Ok(values)
}

/// The change of each column's sum over the last season.
pub(crate) fn change_of_sums(known: ArrayView2<'_, f64>, season: usize, change: Change) -> Vec<f64> {
    let mean = |from: usize| {
        let of = during(known, known.nrows() - from..known.nrows() - from + season);
        of.mean_axis(Axis(0)).unwrap_or_default()
    };
    let before = mean((2 * season).min(known.nrows()));
    before.iter().zip(&mean(season)).map(|(before, last)| change.between(*before, *last)).collect()
}

/// The first column of some forecasts with what came, and the last `before` steps known at first.
pub(crate) fn curves(name: &str, before: usize, windows: &[Window], forecasts: &[Array2<f64>]) -> Figure {
    const MOST: usize = 5;
    let line = |values: ArrayView2<'_, f64>, from: usize| -> Vec<(f64, f64)> {
        values.column(0).iter().enumerate().map(|(t, y)| ((from + t) as f64, *y)).collect()
    };
    let (mut observed, mut made_lines) = (vec![], vec![]);
    for (Window { known, coming, origin }, made) in windows.iter().zip(forecasts).take(MOST) {
        if observed.is_empty() {
            let steps = before.min(known.nrows());
            observed = line(during(known.view(), known.nrows() - steps..known.nrows()), *origin - steps);
        }
        observed.extend(line(coming.view(), *origin));
        made_lines.push((format!("forecast after {origin} steps"), line(made.view(), *origin)));
    }
    let lines = std::iter::once((name.to_owned(), observed)).chain(made_lines).collect();
    let (title, x, y) = ("Forecasts and what came".into(), "step".into(), name.to_owned());
    Figure::Curves(Curves { title, x, y, log_y: false, lines, note: String::new() })
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
    fn a_long_series_is_split_by_proportion_and_a_short_one_into_whole_forecasts() {
        let split = |count: usize, horizon: usize| {
            let (values, names) = (ArcArray2::zeros((count, 1)), vec!["x".to_owned()]);
            let series = Series { values, names, origins: vec![], note: None };
            let parts = series.parts(24, horizon, None, |_| String::new()).unwrap();
            [parts.train, parts.dev, parts.test].map(|part| part.material().origins.clone())
        };
        let [train, dev, test] = split(100_000, 24);
        assert_eq!((train[0], train[train.len() - 1], dev[0], test[0]), (24, 79_992 - 8 - 24, 79_984, 89_992));
        assert!(dev.len() > 1500 && dev.len() <= DEV_FORECASTS && dev[dev.len() - 1] <= 89_992 - 24);
        assert_eq!(test.len(), 417);
        let [_, dev, test] = split(144, 12);
        assert_eq!((dev.len(), test), (13, vec![120, 132]));
    }

    #[test]
    fn dates_that_go_back_are_found_and_what_is_no_date_is_not_looked_at() {
        let back = |all: &[&str]| {
            let mut dates = Dates::default();
            all.iter().enumerate().for_each(|(row, date)| dates.add(&format!("t:{}", row + 2), date));
            dates.note()
        };
        let found = back(&["1949-01", "1949-03", "1949-02", "1948-01"]).unwrap();
        assert!(found.starts_with("t:4: 1949-02 is before 1949-03, the date of the line above"), "{found}");
        assert_eq!(back(&["1949-01-31", "1949-01-31", "1950-01-01"]), None);
        assert_eq!(back(&["9", "10", "1"]), None);
        assert_eq!(back(&["1949-02", "1949-01", "total"]), None);
    }
}
