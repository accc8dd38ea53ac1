//! One-to-one: a handwritten digit in, its class out. A plain network, where no sequence is.

use super::{
    Rng,
    pictures::{self, Digit, NAMES, Picture, SIDE, art, overlay},
    *,
};
use ndarray::Array3;
use unspool::{
    models::{Perceptron, PerceptronConfig},
    text::score::accuracy,
};

/// In an epoch of training each digit is seen so often, each time moved by a pixel or not.
const TIMES: usize = 5;

/// A classifier of pictures.
pub(crate) struct Digits {
    saved: PerceptronConfig,
    model: Perceptron,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    layers: usize,
    hidden_size: usize,
    batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { layers: 2, hidden_size: 256, batch_rows: 32 }
    }
}

/// Digits, each of which stands for `times` examples.
pub(crate) struct Written {
    digits: Vec<Digit>,
    times: usize,
}

impl Written {
    fn classes(&self) -> Vec<u32> {
        self.digits.iter().map(|digit| digit.value).collect()
    }
}

/// The picture moved by up to a pixel in each direction.
fn moved(picture: &Picture, draw: RngKey) -> Picture {
    let mut dice = Rng::new(draw);
    let mut canvas = Picture::zeros(picture.dim());
    overlay(&mut canvas.view_mut(), picture, dice.between(-1, 1), dice.between(-1, 1));
    canvas
}

impl Digits {
    /// For each picture the likeliest classes with their probabilities.
    fn classify(&self, params: &Params, pictures: &Array3<f32>, best: usize) -> Result<Vec<Vec<(u32, f64)>>> {
        let graph = Graph::inference(params);
        Ok(self.logits(&graph, pictures).softmax().top_k(best)?)
    }

    fn logits<'g>(&self, graph: &'g Graph<'g>, pictures: &Array3<f32>) -> Var<'g> {
        self.model.logits(graph.input(pictures).reshape([pictures.dim().0, SIDE * SIDE]))
    }
}

impl Task for Digits {
    const NAME: &'static str = "digits";
    const ABOUT: &'static str = "Classify pictures of handwritten digits with a feedforward network (one-to-one)";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "pictures";
    const DATA_HELP: &'static str = pictures::DATA_HELP;
    const DATA: &'static str = "digits";
    const SETS: &'static [DataSet] = &[data::DIGITS];
    const PICTURES: &'static [&'static str] = &["picture"];
    const OPTIONS: &'static [Opt] = &[
        Opt { help: "Number of hidden layers", ..Opt::LAYERS },
        Opt { help: "Size of a hidden layer", ..Opt::HIDDEN },
        Opt::batch_rows("PICTURES", "Pictures per batch"),
    ];

    type Settings = Settings;
    type Saved = PerceptronConfig;
    type Examples = Written;
    type Batch = (Array3<f32>, Vec<u32>);
    type Answer = (u32, f64);

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(20, 2e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let parts = pictures::split(pictures::digits(data)?)?;
        let saved = PerceptronConfig {
            input_size: SIDE * SIDE,
            hidden_size: settings.hidden_size,
            layers: settings.layers,
            classes: NAMES.len(),
            dropout: 0.4,
        };
        let once = |digits| Written { digits, times: 1 };
        let train = Written { digits: parts.train, times: TIMES };
        Ok(Prepared { saved, tokenizer: None, parts: Parts { train, dev: once(parts.dev), test: once(parts.test) } })
    }

    fn restore(saved: PerceptronConfig, _: Option<Tokenizer>, params: &mut Params) -> Result<Digits> {
        check_sizes(&[("hidden_size", saved.hidden_size), ("layers", saved.layers)], saved.dropout)?;
        if (saved.input_size, saved.classes) != (SIDE * SIDE, NAMES.len()) {
            return Err(Error::failure(
                format!("input_size is {}, classes is {}", saved.input_size, saved.classes),
                format!("they must be {} and {}", SIDE * SIDE, NAMES.len()),
            ));
        }
        let model = Perceptron::new(params, &saved);
        Ok(Digits { saved, model })
    }

    fn saved(&self) -> &PerceptronConfig {
        &self.saved
    }

    fn examples(&self, data: &Data) -> Result<Written> {
        Ok(Written { digits: pictures::to_score(data)?, times: 1 })
    }

    fn lengths(&self, written: &Written) -> Vec<(usize, usize)> {
        vec![(0, 1); written.digits.len() * written.times]
    }

    fn batch(&self, written: &Written, rows: &[usize], draw: Option<RngKey>) -> Result<Self::Batch> {
        let digit = |row: &usize| &written.digits[row % written.digits.len()];
        let see = |row: &usize| match draw {
            Some(draw) => moved(&digit(row).picture, draw.fold_in(*row as u64)),
            None => digit(row).picture.clone(),
        };
        let seen: Vec<Picture> = rows.iter().map(see).collect();
        Ok((pictures::batch(seen.iter(), SIDE, SIDE), rows.iter().map(|row| digit(row).value).collect()))
    }

    fn weight(&self, (_, classes): &Self::Batch) -> usize {
        classes.len()
    }

    fn tokens(&self, (_, classes): &Self::Batch) -> usize {
        classes.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (pictures, classes): &Self::Batch, _progress: f64) -> Var<'g> {
        self.logits(graph, pictures).cross_entropy(classes).sum_all()
    }

    fn answers(&self, params: &Params, (pictures, _): &Self::Batch, _effort: Search) -> Result<Vec<(u32, f64)>> {
        Ok(self.classify(params, pictures, 1)?.concat())
    }

    fn score(&self, written: &Written, answers: &[(u32, f64)]) -> Result<Score> {
        let classes: Vec<u32> = answers.iter().map(|(class, _)| *class).collect();
        Ok(accuracy(&classes, &written.classes())?.into())
    }

    fn row(&self, written: &Written, number: usize, (class, p): &(u32, f64)) -> Vec<(&'static str, String)> {
        let digit = &written.digits[number];
        vec![
            ("picture", art(&digit.picture)),
            ("digit", digit.value.to_string()),
            ("model", format!("{class} ({p:.2})")),
        ]
    }

    fn figures(&self, _params: &Params, test: &Written, answers: &[(u32, f64)]) -> Result<Vec<Figure>> {
        let classes: Vec<u32> = answers.iter().map(|(class, _)| *class).collect();
        Ok(vec![Figure::confusion(&classes, &test.classes(), NAMES.map(str::to_owned).to_vec())?])
    }

    /// A line is the 64 grey levels of a picture; a label behind them, as in the data, is not looked at.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let levels: Vec<&str> = line.split(',').take(SIDE * SIDE).collect();
        let picture = pictures::parse(&levels, SIDE)?;
        if picture.ncols() != SIDE {
            return Err(Error::failure(
                format!("{} pixels where there should be {}", levels.len(), SIDE * SIDE),
                "a line is the grey levels of an 8x8 picture, row by row, with commas between",
            ));
        }
        let seen = pictures::batch([&picture].into_iter(), SIDE, SIDE);
        let best = self.classify(params, &seen, ask.best.clamp(1, NAMES.len()))?.concat();
        Ok(Prediction::of(best.iter().map(|(class, p)| (class.to_string(), *p)).collect()))
    }
}
