//! Many-to-one over frames: which digit moves, and which way, in a short noisy film.

use super::{
    Synthetic,
    films::{self, CLIP, Clip, DIRECTIONS, clip},
    pictures::{self, Digit, NAMES, art},
    *,
};
use ndarray::Array4;
use unspool::{
    models::{VideoClassifier, VideoClassifierConfig},
    nn::{CellKind, Sequence},
    text::score::accuracy,
};

/// A reader of films.
pub(crate) struct Clips {
    saved: Saved,
    model: VideoClassifier,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    bidirectional: bool,
    films: usize,
    batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { cell: CellKind::Gru, layers: 1, hidden_size: 64, bidirectional: false, films: 6000, batch_rows: 32 }
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
    bidirectional: bool,
}

impl Saved {
    /// The logits of a film are those of the digits, then those of the directions.
    fn model(&self) -> VideoClassifierConfig {
        VideoClassifierConfig {
            eye: films::eye(),
            cell: Some(self.cell),
            layers: self.layers,
            hidden_size: self.hidden_size,
            bidirectional: self.bidirectional,
            outputs: NAMES.len() + DIRECTIONS.len(),
        }
    }
}

/// Films and what happens in them.
pub(crate) struct Batch {
    films: Array4<f32>,
    digits: Vec<u32>,
    directions: Vec<u32>,
}

impl Clips {
    /// Logits `[batch, digits]` and `[batch, directions]`.
    fn logits<'g>(&self, graph: &'g Graph<'g>, films: &Array4<f32>) -> [Var<'g>; 2] {
        let logits = self.model.whole(&Sequence::full(graph.input(films)));
        [logits.slice(1, 0..NAMES.len()), logits.slice(1, NAMES.len()..NAMES.len() + DIRECTIONS.len())]
    }
}

fn answer((digit, direction): (u32, u32)) -> String {
    format!("{digit} {}", DIRECTIONS[direction as usize % DIRECTIONS.len()].0)
}

impl Task for Clips {
    const NAME: &'static str = "clips";
    const ABOUT: &'static str = "Classify the moving digit and its direction in a film (many-to-one over frames)";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "frames";
    const DATA_HELP: &'static str = pictures::DATA_HELP;
    const DATA: &'static str = "digits";
    const SETS: &'static [DataSet] = &[data::DIGITS];
    const PICTURES: &'static [&'static str] = &["film"];
    const OPTIONS: &'static [Opt] = &[
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt::BIDIRECTIONAL,
        films::FILMS,
        Opt::batch_rows("FILMS", "Films per batch"),
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Synthetic<Digit>;
    type Batch = Batch;
    type Answer = (u32, u32);

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(12, 3e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let parts = Synthetic::parts(pictures::split(pictures::digits(data)?)?, settings.films);
        let Settings { cell, layers, hidden_size, bidirectional, .. } = *settings;
        Ok(Prepared { saved: Saved { cell, layers, hidden_size, bidirectional }, tokenizer: None, parts })
    }

    fn restore(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Clips> {
        check_sizes(&[("layers", saved.layers), ("hidden_size", saved.hidden_size)], 0.0)?;
        let model = VideoClassifier::new(params, &saved.model());
        Ok(Clips { saved, model })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn examples(&self, data: &Data) -> Result<Synthetic<Digit>> {
        Ok(Synthetic::to_score(pictures::to_score(data)?))
    }

    fn lengths(&self, composed: &Synthetic<Digit>) -> Vec<(usize, usize)> {
        vec![(0, CLIP); composed.count]
    }

    fn batch(&self, composed: &Synthetic<Digit>, rows: &[usize], draw: Option<RngKey>) -> Result<Batch> {
        let clips = composed.each(rows, draw, clip);
        let (digits, directions) = clips.iter().map(|clip| (clip.digit, clip.direction)).unzip();
        Ok(Batch { films: films::batch(clips.iter().map(|clip| &clip.film), CLIP), digits, directions })
    }

    fn weight(&self, batch: &Batch) -> usize {
        batch.digits.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        CLIP * batch.digits.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        let [digits, directions] = self.logits(graph, &batch.films);
        let loss = digits.cross_entropy(&batch.digits) + directions.cross_entropy(&batch.directions);
        loss.sum_all()
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Search) -> Result<Vec<(u32, u32)>> {
        let graph = Graph::inference(params);
        let [digits, directions] = self.logits(&graph, &batch.films);
        Ok(digits.argmax()?.into_iter().zip(directions.argmax()?).collect())
    }

    /// Both the digit and its way must be right.
    fn score(&self, composed: &Synthetic<Digit>, answers: &[(u32, u32)]) -> Result<Score> {
        let right: Vec<(u32, u32)> = composed.all(clip).iter().map(|clip| (clip.digit, clip.direction)).collect();
        let share = |same: fn(&(u32, u32), &(u32, u32)) -> bool| {
            answers.iter().zip(&right).filter(|(a, b)| same(a, b)).count() as f64 / right.len().max(1) as f64
        };
        let more = vec![("digit", share(|a, b| a.0 == b.0)), ("direction", share(|a, b| a.1 == b.1))];
        Ok(Score { value: accuracy(answers, &right)?, signature: None, more })
    }

    fn row(&self, composed: &Synthetic<Digit>, number: usize, found: &(u32, u32)) -> Vec<(&'static str, String)> {
        let Clip { film, digit, direction } = composed.one(number, clip);
        vec![("film", art(&films::strip(&film))), ("moves", answer((digit, direction))), ("model", answer(*found))]
    }

    fn figures(&self, _params: &Params, test: &Synthetic<Digit>, answers: &[(u32, u32)]) -> Result<Vec<Figure>> {
        let right: Vec<u32> = test.all(clip).iter().map(|clip| clip.digit).collect();
        let found: Vec<u32> = answers.iter().map(|(digit, _)| *digit).collect();
        Ok(vec![Figure::confusion(&found, &right, NAMES.map(str::to_owned).to_vec())?])
    }

    /// A line is a film of whole frames.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let film = films::read(line)?;
        let graph = Graph::inference(params);
        let logits = self.logits(&graph, &films::batch([&film].into_iter(), film.dim().0));
        let [digits, directions] =
            [logits[0].softmax().top_k(NAMES.len())?, logits[1].softmax().top_k(DIRECTIONS.len())?];
        let pairs = digits.concat().into_iter().flat_map(|(digit, p)| {
            directions.concat().into_iter().map(move |(direction, q)| (answer((digit, direction)), p * q))
        });
        let mut best: Vec<(String, f64)> = pairs.collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        best.truncate(ask.best.max(1));
        Ok(Prediction::of(best))
    }
}
