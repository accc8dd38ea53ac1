//! A series several steps ahead: a recurrence that is fed its own last value. One column, or many that are forecast
//! together.
//!
//! What is predicted is the change over the season before, as growth ln(y_t / y_{t−season}) or as a difference y_t −
//! y_{t−season}, normalised to mean 0 and deviation 1 over the train part. So a model that knows nothing says "as last
//! season, with the usual change", and from there it learns. How long and how fast was chosen on the airline's months
//! to 1956, 1957 and 1958, the last two years of each being the test.
//!
//! Of n steps and f forecasts of h steps in the test part: those start at n − f·h, n − (f−1)·h, …, n − h. What comes
//! before is all that is fitted and chosen on: forecasts for dev end in the last f·h steps of it, those to train on end
//! before these.

use super::{
    series::{self, Change, Series, changes, during, moments, number, read, rmse, text},
    *,
};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use unspool::nn::{AnyCell, CellKind, Layout, Linear, Recurrent, RecurrentConfig, Sequence};

/// A forecaster.
pub(crate) struct Forecast {
    saved: Saved,
    memory: Recurrent<AnyCell>,
    readout: Linear,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    columns: Option<String>,
    change: Change,
    season: usize,
    context: usize,
    horizon: usize,
    forecasts: usize,
    batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cell: CellKind::Gru,
            layers: 1,
            hidden_size: 16,
            columns: None,
            change: Change::Growth,
            season: 12,
            context: 12,
            horizon: 12,
            forecasts: 2,
            batch_rows: 16,
        }
    }
}

/// What a prediction needs beside the weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    columns: Vec<String>,
    change: Change,
    season: usize,
    context: usize,
    horizon: usize,
    /// Of each column's changes over the train part, and of its values.
    mean: Vec<f64>,
    deviation: Vec<f64>,
    value_deviation: Vec<f64>,
}

/// Normalised changes: what is known, `[batch, context, column]`, and what comes, `[batch, horizon, column]`.
pub(crate) struct Batch {
    known: Array3<f32>,
    coming: Array3<f32>,
    /// The last season known of each row, `[season, column]`, for the way back to values.
    last: Vec<Array2<f64>>,
}

/// The origins of the three parts: see the head of this file.
fn parts(values: Array2<f64>, settings: &Settings) -> Result<Parts<Series>> {
    let Settings { season, context, horizon, forecasts, .. } = *settings;
    let (count, first, held_out) = (values.nrows(), season + context, forecasts * horizon);
    let least = first + horizon + 2 * held_out;
    if count < least {
        return Err(Error::failure(
            format!("{count} steps are too few: there must be {least}"),
            format!(
                "a season ({season}), a context ({context}) and a forecast ({horizon}) to train on, and {forecasts} forecasts \
                 each for dev and for the test"
            ),
        ));
    }
    let (test, dev) = (count - held_out, count - 2 * held_out);
    let of = |origins: Vec<usize>| Series { values: values.clone(), origins, note: None };
    Ok(Parts {
        train: of((first..=dev - horizon).collect()),
        dev: of((dev..=test - horizon).collect()),
        test: of((test..count).step_by(horizon).collect()),
    })
}

impl Saved {
    /// Values `[steps, column]` from the last season known and the changes over it.
    fn ahead(&self, last: ArrayView2<'_, f64>, changes: ArrayView2<'_, f64>) -> Array2<f64> {
        let mut values = Array2::zeros(changes.dim());
        for ((t, k), change) in changes.indexed_iter() {
            let before = if t < self.season { last[[t, k]] } else { values[[t - self.season, k]] };
            values[[t, k]] = self.change.after(before, *change);
        }
        values
    }

    fn arrays<'a>(&self, rows: impl Iterator<Item = (ArrayView2<'a, f64>, usize)>, horizon: usize) -> Batch {
        let (mut known, mut coming, mut last) = (vec![], vec![], vec![]);
        for (values, origin) in rows {
            let seen = during(values, origin - self.context - self.season..origin + horizon);
            let mut normal = changes(seen, self.season, self.change);
            normal.indexed_iter_mut().for_each(|((_, k), x)| *x = (*x - self.mean[k]) / self.deviation[k]);
            let part = |from: usize, steps: usize| {
                Array2::from_shape_fn((steps, normal.ncols()), |(t, k)| normal[[from + t, k]] as f32)
            };
            known.push(part(0, self.context));
            coming.push(part(self.context, horizon));
            last.push(during(values, origin - self.season..origin).to_owned());
        }
        let stack = |rows: Vec<Array2<f32>>| {
            let mut all = Array3::zeros((rows.len(), rows.first().map_or(0, Array2::nrows), self.columns.len()));
            all.outer_iter_mut().zip(rows).for_each(|(mut place, row)| place.assign(&row));
            all
        };
        Batch { known: stack(known), coming: stack(coming), last }
    }

    /// The error of a rule, known values to the change that is expected of each column, over all forecasts.
    fn error_of(&self, series: &Series, rule: impl Fn(ArrayView2<'_, f64>) -> Vec<f64>) -> f64 {
        let squares = series.origins.iter().enumerate().flat_map(|(row, &origin)| {
            let known = during(series.values.view(), 0..origin);
            let rule = rule(known);
            let change = Array2::from_shape_fn((self.horizon, rule.len()), |(_, k)| rule[k]);
            let made = self.ahead(during(known, origin - self.season..origin), change.view());
            (made - series.coming(row, self.horizon)).into_iter().map(|error| error * error)
        });
        rmse(squares)
    }
}

impl Forecast {
    /// Normalised changes `[batch, horizon, column]`: reads what is known, then its own last value.
    fn roll<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        let rows = batch.last.len();
        let one = Layout::new(&vec![1; rows]);
        let read = |xs: &Sequence<'g>, states| {
            let (hs, states) = self.memory.unroll(xs, states);
            (self.readout.apply(hs.last()), states)
        };
        let first = self.memory.initial_state(graph, rows);
        let (mut next, mut states) = read(&Sequence::full(graph.input(&batch.known)), first);
        let mut made = vec![next];
        for _ in 1..self.saved.horizon {
            (next, states) = read(&Sequence::from_rows(next, &one), states);
            made.push(next);
        }
        graph.stack(&made, 1)
    }
}

const fn steps(name: &'static str, help: &'static str) -> Opt {
    Opt { name, value: "STEPS", kind: Kind::Count(1..=limits::LENGTH as u64), help }
}

impl Task for Forecast {
    const NAME: &'static str = "forecast";
    const ABOUT: &'static str = "Forecast a series of one or several columns by several steps";
    const METRIC: Metric = Metric { name: "rmse", digits: 2, less_is_better: true };
    const UNIT: &'static str = "steps";
    const DATA_HELP: &'static str = "CSV file with a header line that names its columns and a line per time step, in the order of time. One file, \
         whose end is the test part and the dev part before it";
    const DATA: &'static str = "airline-passengers";
    const SETS: &'static [DataSet] = &[data::AIRLINE];
    const OPTIONS: &'static [Opt] = &[
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt {
            name: "columns",
            value: "NAMES",
            kind: Kind::Text,
            help: "Columns to forecast, separated by commas; quote a name with a comma (\"Sales, EUR\") [default: the last]",
        },
        Opt {
            name: "change",
            value: "growth|difference",
            kind: Kind::Choice(&["growth", "difference"]),
            help: "What is predicted: growth over the season before (for positive numbers), or the difference from it",
        },
        steps("season", "Length of a season: a change is measured over this many steps"),
        steps("context", "Changes that are read before each forecast"),
        steps("horizon", "Steps per forecast"),
        Opt {
            name: "forecasts",
            value: "N",
            kind: Kind::Count(1..=limits::LENGTH as u64),
            help: "Consecutive forecasts in the test part, at the end of the series; the dev part before it has as many steps",
        },
        Opt::batch_rows("FORECASTS", "Forecasts per batch"),
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Series;
    type Batch = Batch;
    type Answer = Array2<f64>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(40, 1e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let Settings { cell, layers, hidden_size, change, season, context, horizon, .. } = *settings;
        let named = |header: &[String]| series::columns(settings.columns.as_deref(), header);
        let series::Read { values, names: columns, unsorted } = read(data, named, change)?;
        let mut parts = parts(values, settings)?;
        parts.train.note = unsorted;
        let seen = during(parts.train.values.view(), 0..parts.dev.origins[0]);
        let (mean, deviation) = moments(changes(seen, season, change).view());
        let (_, value_deviation) = moments(seen);
        let saved = Saved {
            cell,
            layers,
            hidden_size,
            columns,
            change,
            season,
            context,
            horizon,
            mean,
            deviation,
            value_deviation,
        };
        Ok(Prepared { saved, tokenizer: None, parts })
    }

    fn restore(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Forecast> {
        let columns = saved.columns.len();
        check_sizes(
            &[
                ("layers", saved.layers),
                ("hidden_size", saved.hidden_size),
                ("columns", columns),
                ("season", saved.season),
                ("context", saved.context),
                ("horizon", saved.horizon),
            ],
            0.0,
        )?;
        let scales = [&saved.deviation, &saved.value_deviation];
        let whole = saved.mean.len() == columns && saved.mean.iter().all(|mean| mean.is_finite());
        if !whole || scales.iter().any(|all| all.len() != columns || !all.iter().all(|x| x.is_finite() && *x > 0.0)) {
            return Err(Error::failure(
                "mean and deviation are not a number for each column",
                "they must be as the training wrote them",
            ));
        }
        let (kind, layers) = (saved.cell, RecurrentConfig { layers: saved.layers, ..RecurrentConfig::default() });
        let make = |scope: unspool::graph::Scope<'_>, input, hidden| kind.build(scope, input, hidden);
        let memory = Recurrent::new(params.scope("memory"), make, columns, saved.hidden_size, layers);
        let readout = Linear::new(params.scope("readout"), saved.hidden_size, columns);
        params.check()?;
        // It begins with the usual change.
        params.set(readout.weight, Array2::<f32>::zeros((columns, saved.hidden_size)))?;
        Ok(Forecast { saved, memory, readout })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    /// Forecasts one after the other up to the end of a file, as many as there is room for.
    fn examples(&self, data: &Data) -> Result<Series> {
        let Saved { season, context, horizon, change, .. } = self.saved;
        let series::Read { values, unsorted, .. } = read(data, |_| Ok(self.saved.columns.clone()), change)?;
        let count = values.nrows();
        let first = season + context;
        let forecasts = count.saturating_sub(first) / horizon;
        if forecasts == 0 {
            let least = first + horizon;
            return Err(Error::failure(
                format!("{count} steps are too few: there must be {least}"),
                format!("a season ({season}), a context ({context}) and a forecast ({horizon})"),
            ));
        }
        let origins = (count - forecasts * horizon..count).step_by(horizon).collect();
        Ok(Series { values, origins, note: unsorted })
    }

    fn lengths(&self, series: &Series) -> Vec<(usize, usize)> {
        vec![(0, 1); series.origins.len()]
    }

    fn batch(&self, series: &Series, rows: &[usize], _draw: Option<RngKey>) -> Result<Batch> {
        Ok(self.saved.arrays(rows.iter().map(|row| (series.values.view(), series.origins[*row])), self.saved.horizon))
    }

    fn weight(&self, batch: &Batch) -> usize {
        batch.coming.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.last.len() * (self.saved.context + self.saved.horizon - 1)
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        (self.roll(graph, batch) - graph.input(&batch.coming)).powi(2).sum_all()
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Search) -> Result<Vec<Array2<f64>>> {
        let made = self.roll(&Graph::inference(params), batch).value()?.to_f64();
        let shape = (self.saved.horizon, self.saved.columns.len());
        let value = |row: usize| {
            let Saved { mean, deviation, .. } = &self.saved;
            let changes = Array2::from_shape_fn(shape, |(t, k)| made[[row, t, k]] * deviation[k] + mean[k]);
            self.saved.ahead(batch.last[row].view(), changes.view())
        };
        Ok((0..batch.last.len()).map(value).collect())
    }

    /// Over all columns; of many also the error in each column's deviations, squared and averaged.
    fn score(&self, series: &Series, answers: &[Array2<f64>]) -> Result<Score> {
        let horizon = self.saved.horizon;
        let errors: Vec<Array2<f64>> =
            answers.iter().enumerate().map(|(row, made)| made - &series.coming(row, horizon)).collect();
        let value = rmse(errors.iter().flatten().map(|error| error * error));
        let scaled = |((_, k), error): ((usize, usize), &f64)| (error / self.saved.value_deviation[k]).powi(2);
        let standardised = rmse(errors.iter().flat_map(|errors| errors.indexed_iter().map(scaled))).powi(2);
        Ok(Score { value, signature: None, more: vec![("mse_standardised", standardised)] })
    }

    fn notes(&self, parts: &Parts<Series>) -> Vec<String> {
        parts.train.note.iter().cloned().collect()
    }

    /// As last season; with last season's change (of its sum); with the mean change of the last three seasons.
    fn baselines(&self, parts: &Parts<Series>, _exchange: &dyn Exchange) -> Result<Vec<(&'static str, f64)>> {
        let Saved { season, change, .. } = self.saved;
        let last_season = |known: ArrayView2<'_, f64>| vec![0.0; known.ncols()];
        let last_change = |known: ArrayView2<'_, f64>| -> Vec<f64> {
            let mean = |from: usize| {
                let of = during(known, known.nrows() - from..known.nrows() - from + season);
                of.mean_axis(Axis(0)).unwrap_or_default()
            };
            let before = mean((2 * season).min(known.nrows()));
            before.iter().zip(&mean(season)).map(|(before, last)| change.between(*before, *last)).collect()
        };
        let drift = |known: ArrayView2<'_, f64>| {
            let from = known.nrows().saturating_sub(4 * season);
            moments(changes(during(known, from..known.nrows()), season, change).view()).0
        };
        Ok(vec![
            ("last_season", self.saved.error_of(&parts.test, last_season)),
            ("last_season_change", self.saved.error_of(&parts.test, last_change)),
            ("drift", self.saved.error_of(&parts.test, drift)),
        ])
    }

    fn row(&self, series: &Series, number: usize, answer: &Array2<f64>) -> Vec<(&'static str, String)> {
        let origin = series.origins[number];
        let last = during(series.values.view(), origin - self.saved.season..origin);
        let coming = series.coming(number, self.saved.horizon);
        let text = |values| text(values, |value| number::significant(value, 4));
        vec![("last season", text(last)), ("observed", text(coming)), ("model", text(answer.view()))]
    }

    /// The first column, from three seasons before the first forecast on.
    fn figures(&self, _params: &Params, test: &Series, answers: &[Array2<f64>]) -> Result<Vec<Figure>> {
        const MOST: usize = 5;
        let line = |values: ArrayView2<'_, f64>, from: usize| -> Vec<(f64, f64)> {
            values.column(0).iter().enumerate().map(|(t, y)| ((from + t) as f64, *y)).collect()
        };
        let shown = test.origins.iter().zip(answers).take(MOST);
        let first = test.origins.first().map_or(0, |origin| origin.saturating_sub(3 * self.saved.season));
        let last = shown.clone().next_back().map_or(0, |(origin, _)| origin + self.saved.horizon);
        let mut lines = vec![(self.saved.columns[0].clone(), line(during(test.values.view(), first..last), first))];
        lines
            .extend(shown.map(|(origin, made)| (format!("forecast after {origin} steps"), line(made.view(), *origin))));
        let (title, x, y) = ("Forecasts and what came".into(), "step".into(), self.saved.columns[0].clone());
        Ok(vec![Figure::Curves(Curves { title, x, y, log_y: false, lines })])
    }

    /// A line is the known values, the latest last: steps with spaces between, of many columns each step's with commas
    /// between.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let Saved { season, context, ref columns, .. } = self.saved;
        let steps: Vec<Vec<&str>> = line.split_whitespace().map(|step| step.split(',').collect()).collect();
        let hint = format!("a line is {} steps or more, each {}", season + context, columns.join(","));
        if steps.len() < season + context || steps.iter().any(|step| step.len() != columns.len()) {
            return Err(Error::failure(
                format!("{} steps of {} columns cannot be read", steps.len(), columns.len()),
                hint,
            ));
        }
        let mut values = Array2::zeros((steps.len(), columns.len()));
        for (value, text) in values.iter_mut().zip(steps.concat()) {
            *value = number(text, self.saved.change)?;
        }
        let batch = self.saved.arrays(std::iter::once((values.view(), values.nrows())), 0);
        let made = self.answers(params, &batch, Search::Full)?;
        let digits = |value| if ask.exact { number::all(value) } else { number::significant(value, 6) };
        Ok(Prediction { line: made.iter().map(|made| text(made.view(), digits)).collect(), ..Prediction::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::nn::exchange::OneProcess;

    fn airline() -> Prepared<Forecast> {
        Forecast::prepare(
            &Settings::default(),
            &Data::new(&["airline-passengers".to_owned()], &[data::AIRLINE], &OneProcess),
            1,
        )
        .unwrap()
    }

    #[test]
    fn nothing_after_december_1958_is_fitted_or_chosen_on() {
        let Prepared { saved, parts, .. } = airline();
        assert_eq!((parts.test.values.dim(), saved.columns), ((144, 1), vec!["Passengers".to_owned()]));
        let ends = |series: &Series| series.origins.iter().map(|origin| origin + 12).max();
        assert_eq!((ends(&parts.train), ends(&parts.dev)), (Some(96), Some(120)));
        assert_eq!((parts.dev.origins[0], parts.test.origins), (96, vec![120, 132]));
        // Nor is anything normalised by it.
        let growth = |t: usize| (parts.dev.values[[t, 0]] / parts.dev.values[[t - 12, 0]]).ln();
        assert!((saved.mean[0] - (12..96).map(growth).sum::<f64>() / 84.0).abs() < 1e-12);
    }

    #[test]
    fn baselines_are_the_known_ones_and_changes_go_back_to_values() {
        let Prepared { saved, parts, .. } = airline();
        let model = Forecast::restore(saved, None, &mut Params::seeded(1)).unwrap();
        let found: Vec<String> = model
            .baselines(&parts, &OneProcess)
            .unwrap()
            .iter()
            .map(|(name, error)| format!("{name} {error:.1}"))
            .collect();
        assert_eq!(found, ["last_season 50.0", "last_season_change 28.6", "drift 16.9"]);
        for change in [Change::Growth, Change::Difference] {
            let saved = Saved { change, season: 4, ..model.saved.clone() };
            let known = during(parts.test.values.view(), 100..120);
            let back = saved.ahead(during(known, 0..4), changes(known, 4, change).view());
            assert!((back - during(known, 4..20)).iter().all(|error| error.abs() < 1e-9));
        }
    }

    #[test]
    fn it_begins_with_the_usual_growth() {
        let Prepared { saved, parts, .. } = airline();
        let mut params = Params::seeded(1);
        let model = Forecast::restore(saved, None, &mut params).unwrap();
        let bias = model.readout.bias.unwrap();
        params.set(bias, ndarray::Array1::<f32>::zeros(1)).unwrap();
        let batch = model.batch(&parts.test, &[0, 1], None).unwrap();
        let answers = model.answers(&params, &batch, Search::Full).unwrap();
        let usual = model.saved.error_of(&parts.test, |_| model.saved.mean.clone());
        assert!((model.score(&parts.test, &answers).unwrap().value - usual).abs() < 1e-3);
    }

    #[test]
    fn too_short_series_are_refused() {
        let settings = Settings::default();
        assert!(parts(Array2::ones((84, 1)), &settings).is_ok());
        let error = parts(Array2::ones((83, 1)), &settings).err().unwrap();
        assert!(error.to_string().contains("there must be 84"), "{error}");
    }

    #[test]
    fn many_columns_are_forecast_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.csv");
        let line = |t: usize| format!("{t},{},{}\n", (t % 4) as f64 - 1.5, 10 * (t % 3));
        std::fs::write(&path, format!("step,a,b\n{}", (0..60).map(line).collect::<String>())).unwrap();
        let data = Data::new(&[path.to_str().unwrap().to_owned()], &[], &OneProcess);
        let columns = Some("b, a".to_owned());
        let settings =
            Settings { columns, change: Change::Difference, season: 4, context: 3, horizon: 5, ..Settings::default() };
        let Prepared { saved, parts, .. } = Forecast::prepare(&settings, &data, 1).unwrap();
        assert_eq!(saved.columns, ["b", "a"]);
        let mut params = Params::seeded(1);
        let model = Forecast::restore(saved, None, &mut params).unwrap();
        let batch = model.batch(&parts.dev, &[0, 3], None).unwrap();
        assert_eq!((batch.known.dim(), batch.coming.dim()), ((2, 3, 2), (2, 5, 2)));
        let answers = model.answers(&params, &batch, Search::Full).unwrap();
        assert_eq!((answers.len(), answers[0].dim()), (2, (5, 2)));
        let known = "1,-1 2,3 0,0 4,4 5,5 6,6 7,7";
        let ask = Ask { best: 1, attention: false, exact: false };
        assert_eq!(model.predict(&params, known, &ask).unwrap().line.split([' ', ',']).count(), 10);
        assert!(model.predict(&params, &known[5..], &ask).is_err() && model.predict(&params, "1 2", &ask).is_err());
        // Beyond a season ahead, its own values are what it goes on from.
        assert_eq!(model.examples(&data).unwrap().origins, (10..60).step_by(5).collect::<Vec<_>>());
    }
}
