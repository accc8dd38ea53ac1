//! From a series to what comes next: many-to-many, each step read from the one before.
//!
//! The model reads how each value differs from that of a season before. The end of the series is the test part, the dev
//! part before it is equally long, and training uses nothing of either, not even to normalize.

use super::*;
use crate::series::{self, Batch, Change, Options, Scale, Series, Window, during, rmse, text};

pub(crate) struct Forecast {
    pub(crate) saved: Saved,
    model: Forecaster,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    names: Vec<String>,
    context: usize,
    horizon: usize,
    pub(crate) scale: Scale,
    model: ForecasterConfig,
}

impl Task for Forecast {
    const SPEC: Spec = Spec::new(
        "forecast",
        "Forecast a series of one or several columns by several steps",
        Metric::less("rmse", 2),
    )
    .training(40, 1e-3, 16)
    .unit("steps")
    .data(
        "CSV file with a header line that names its columns and a line per time step, in the order of time. One file, \
         whose end is the test part and the dev part before it",
        &[crate::data::AIRLINE],
    )
    .defaults(&[("hidden-size", "16")]);

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<Series>;
    type Example = Window;
    type Batch = Batch;
    type Answer = Array2<f64>;

    fn read(options: &Options, data: &Data) -> Result<Parts<Drawn<Series>>> {
        let named = |header: &[String]| series::columns(options.columns.as_deref(), header);
        let series = series::read(data, named, Change::of(&options.change))?;
        series.parts(options.season + options.context, options.horizon, options.forecasts, |forecasts| {
            let Options { season, context, horizon, .. } = options;
            format!(
                "a season ({season}), a context ({context}) and a forecast ({horizon}) to train on, and as many \
                 forecasts for dev and for the test as --forecasts says ({forecasts})"
            )
        })
    }

    fn learn(options: &Options, train: &Drawn<Series>) -> Result<Learned<Saved>> {
        let (series, change, season) = (train.material(), Change::of(&options.change), options.season);
        let end = series.origins.last().map_or(0, |origin| origin + options.horizon);
        let seen = during(series.values.view(), 0..end);
        let scale = Scale::fit(seen, season, change);
        let RecurrentOptions { cell, layers, hidden_size } = options.recurrent;
        let (names, context, horizon) = (series.names.clone(), options.context, options.horizon);
        let model = ForecasterConfig { columns: names.len(), cell, layers, hidden_size };
        Ok(Saved { names, context, horizon, scale, model }.into())
    }

    fn build(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Forecast> {
        saved.model.check()?;
        for (name, size) in [("season", saved.scale.season), ("context", saved.context), ("horizon", saved.horizon)] {
            limits::check(name, size)?;
        }
        saved.scale.check(saved.names.len())?;
        let config = ForecasterConfig { columns: saved.names.len(), ..saved.model };
        Ok(Forecast { model: Forecaster::new(params, &config)?, saved })
    }

    /// Forecasts one after the other up to the end of a file, as many as there is room for.
    fn read_to_score(&self, data: &Data) -> Result<Drawn<Series>> {
        let Saved { names, context, horizon, scale, .. } = &self.saved;
        let series = series::read(data, |_| Ok(names.clone()), scale.change)?;
        series.into_scored(scale.season + context, *horizon, || {
            format!("a season ({}), a context ({context}) and a forecast ({horizon})", scale.season)
        })
    }

    fn example(&self, series: &Series, draw: &Draw) -> Result<Window> {
        let Saved { context, horizon, scale, .. } = &self.saved;
        let before = (context + scale.season).max(4 * scale.season);
        Ok(Window::new(series, draw.number(), before, *horizon))
    }

    /// A line is the known values, the latest last: steps with spaces between, of many columns each step's with commas
    /// between.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Window> {
        let Saved { names, context, scale, .. } = &self.saved;
        Ok(Window::asked(series::parse(line, names, scale.season + context, scale.change)?))
    }

    fn batch(&self, windows: &[&Window]) -> Result<Batch> {
        self.saved.scale.batch(windows, self.saved.context)
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.model.loss(graph.input(&batch.known), graph.input(&batch.coming))
    }

    fn answers(&self, params: &Params, batch: &Batch, _search: Search) -> Result<Vec<Array2<f64>>> {
        let Saved { horizon, scale, .. } = &self.saved;
        let graph = Graph::inference(params);
        let made = self.model.decode(graph.input(&batch.known), *horizon).to_f64()?;
        scale.values(&batch.last, made)
    }

    /// Over all columns; of many also the error in each column's deviations, squared and averaged.
    fn score(&self, windows: &[Window], answers: &[Array2<f64>]) -> Result<Score> {
        let errors: Vec<Array2<f64>> =
            windows.iter().zip(answers).map(|(window, made)| made - &window.coming).collect();
        let scaled = |((_, k), error): ((usize, usize), &f64)| (error / self.saved.scale.value_deviation[k]).powi(2);
        let standardized = rmse(errors.iter().flat_map(|errors| errors.indexed_iter().map(scaled))).powi(2);
        let value = rmse(errors.iter().flatten().map(|error| error * error));
        Ok(Score::from(value).with([("mse_standardized", standardized)]))
    }

    fn show(&self, window: &Window, answer: &Array2<f64>, digits: Digits) -> Shown {
        let known = window.last(self.saved.scale.season);
        let text = |values: ndarray::ArrayView2<'_, f64>| text(values, |value| digits.of(value));
        let given = vec![("last season", text(known)), ("observed", text(window.coming.view()))];
        Shown::answer(given, text(answer.view()))
    }

    fn notes(&self, train: &Drawn<Series>, _dev: &[Window], _test: &[Window]) -> Vec<String> {
        train.material().note.iter().cloned().collect()
    }

    fn figures(&self, _params: &Params, test: &[Window], answers: &[Array2<f64>]) -> Result<Vec<Figure>> {
        Ok(vec![series::curves(&self.saved.names[0], 3 * self.saved.scale.season, test, answers)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::changes;
    use unspool::{nn::CellKind, text::Part};
    use unspool_task::{Baseline, Baselines};

    fn options(season: usize, context: usize, horizon: usize, change: &str) -> Options {
        Options {
            recurrent: RecurrentOptions { cell: CellKind::Gru, layers: 1, hidden_size: 16 },
            columns: None,
            change: change.to_owned(),
            season,
            context,
            horizon,
            forecasts: None,
        }
    }

    fn windows(task: &Forecast, part: &Drawn<Series>) -> Vec<Window> {
        let rows = 0..part.material().origins.len();
        rows.map(|row| task.example(part.material(), &Draw::scored(row, Part::Test)).unwrap()).collect()
    }

    fn airline(params: &mut Params) -> (Forecast, Parts<Drawn<Series>>) {
        let options = options(12, 12, 12, "growth");
        let data = Data::open(&["airline-passengers"], &[crate::data::AIRLINE]);
        let parts = Forecast::read(&options, &data).unwrap();
        let learned = Forecast::learn(&options, &parts.train).unwrap();
        (Forecast::build(learned.saved, None, params).unwrap(), parts)
    }

    #[test]
    fn nothing_after_december_1958_is_fitted_or_chosen_on() {
        let (task, parts) = airline(&mut Params::seeded(1));
        let test = parts.test.material();
        assert_eq!((test.values.dim(), &test.names), ((144, 1), &vec!["Passengers".to_owned()]));
        let ends = |part: &Drawn<Series>| part.material().origins.iter().map(|origin| origin + 12).max();
        assert_eq!((ends(&parts.train), ends(&parts.dev)), (Some(96), Some(120)));
        assert_eq!((parts.dev.material().origins[0], &test.origins), (96, &vec![120, 132]));
        // Nor is anything normalized by it.
        let growth = |t: usize| (test.values[[t, 0]] / test.values[[t - 12, 0]]).ln();
        assert!((task.saved.scale.mean[0] - (12..96).map(growth).sum::<f64>() / 84.0).abs() < 1e-12);
    }

    #[test]
    fn baselines_are_the_known_ones_and_changes_go_back_to_values() {
        let (task, parts) = airline(&mut Params::seeded(1));
        let test = windows(&task, &parts.test);
        let found = task.baselines(&parts.train, &windows(&task, &parts.dev), &test).unwrap();
        let told = |one: &Baseline| format!("{} {:.1}", one.name(), one.score().unwrap());
        let told: Vec<String> = found.iter().map(told).collect();
        assert_eq!(told[..4], ["last_value 108.2", "last_season 50.0", "last_season_change 28.6", "drift 16.9"]);
        assert!(told[4].starts_with("ridge "), "{told:?}");
        for change in [Change::Growth, Change::Difference] {
            let scale = Scale { change, season: 4, ..task.saved.scale.clone() };
            let known = during(parts.test.material().values.view(), 100..120);
            let back = scale.ahead(during(known, 0..4), changes(known, 4, change).view());
            assert!((back - during(known, 4..20)).iter().all(|error| error.abs() < 1e-9));
        }
    }

    #[test]
    fn it_begins_with_the_usual_growth() {
        let mut params = Params::seeded(1);
        let (task, parts) = airline(&mut params);
        let bias = params.iter().find(|param| params.name(*param).ends_with("readout.bias")).unwrap();
        params.set(bias, ndarray::Array1::<f32>::zeros(1)).unwrap();
        let test = windows(&task, &parts.test);
        let batch = task.batch(&test.iter().collect::<Vec<_>>()).unwrap();
        let answers = task.answers(&params, &batch, Search::Full).unwrap();
        let usual = task.saved.scale.error_of(&test, |_| task.saved.scale.mean.clone()).unwrap();
        assert!((task.score(&test, &answers).unwrap().value - usual).abs() < 1e-3);
    }

    #[test]
    fn too_short_series_are_refused() {
        let of_length = |count| {
            let series =
                Series { values: ndarray::ArcArray2::ones((count, 1)), names: vec![], origins: vec![], note: None };
            series.parts(24, 12, Some(2), |_| String::new()).map(drop)
        };
        assert!(of_length(84).is_ok());
        let error = of_length(83).unwrap_err();
        assert!(error.to_string().contains("there must be 84"), "{error}");
    }

    #[test]
    fn many_columns_are_forecast_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("two.csv");
        let line = |t: usize| format!("{t},{},{}\n", (t % 4) as f64 - 1.5, 10 * (t % 3));
        std::fs::write(&path, format!("step,a,b\n{}", (0..60).map(line).collect::<String>())).unwrap();
        let data = Data::open(&[path.to_str().unwrap()], &[]);
        let options = Options { columns: Some("b, a".to_owned()), ..options(4, 3, 5, "difference") };
        let parts = Forecast::read(&options, &data).unwrap();
        let saved = Forecast::learn(&options, &parts.train).unwrap().saved;
        assert_eq!(saved.names, ["b", "a"]);
        let mut params = Params::seeded(1);
        let task = Forecast::build(saved, None, &mut params).unwrap();
        let dev = windows(&task, &parts.dev);
        let batch = task.batch(&[&dev[0], &dev[3]]).unwrap();
        assert_eq!((batch.known.dim(), batch.coming.dim()), ((2, 3, 2), (2, 5, 2)));
        let answers = task.answers(&params, &batch, Search::Full).unwrap();
        assert_eq!((answers.len(), answers[0].dim()), (2, (5, 2)));
        let draw = Draw::scored(0, Part::Test);
        let known = "1,-1 2,3 0,0 4,4 5,5 6,6 7,7";
        let asked = task.read_line(known, &draw).unwrap();
        let answer = task.answers(&params, &task.batch(&[&asked]).unwrap(), Search::Full).unwrap();
        assert_eq!(task.show(&asked, &answer[0], Digits::All).answer.split([' ', ',']).count(), 10);
        assert!(task.read_line(&known[5..], &draw).is_err() && task.read_line("1 2", &draw).is_err());
        // Beyond a season ahead, its own values are what it goes on from.
        let to_score = task.read_to_score(&data).unwrap();
        assert_eq!(to_score.material().origins, (10..60).step_by(5).collect::<Vec<_>>());
    }
}
