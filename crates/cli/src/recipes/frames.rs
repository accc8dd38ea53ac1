//! Many-to-many, aligned over frames: who is there at each frame of a film in which digits come, hide and go.
//!
//! A frame in which a digit hides looks like one in which nobody is there: who judges each frame by itself cannot tell
//! them apart.

use super::{
    Synthetic,
    films::{self, NOBODY, SCENE, Scene, scene},
    pictures::{self, Digit, NAMES, art},
    *,
};
use ndarray::{Array4, Axis};
use unspool::{
    models::{VideoClassifier, VideoClassifierConfig},
    nn::{CellKind, Sequence},
    text::score::accuracy,
};

/// A reader of films.
pub(crate) struct Frames {
    saved: Saved,
    model: VideoClassifier,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    memory: bool,
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
        Settings {
            memory: true,
            cell: CellKind::Gru,
            layers: 1,
            hidden_size: 64,
            bidirectional: true,
            films: 2000,
            batch_rows: 8,
        }
    }
}

/// What a prediction needs beside the weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    memory: bool,
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    bidirectional: bool,
}

impl Saved {
    fn model(&self) -> VideoClassifierConfig {
        VideoClassifierConfig {
            eye: films::eye(),
            cell: self.memory.then_some(self.cell),
            layers: self.layers,
            hidden_size: self.hidden_size,
            bidirectional: self.bidirectional,
            outputs: NAMES.len() + 1,
        }
    }
}

/// Films, and who is there at each frame, film by film.
pub(crate) struct Batch {
    films: Array4<f32>,
    present: Vec<u32>,
}

impl Frames {
    /// Logits of each frame, `[.., digits and nobody]`.
    fn logits<'g>(&self, graph: &'g Graph<'g>, films: &Array4<f32>) -> Sequence<'g> {
        self.model.each_frame(&Sequence::full(graph.input(films)))
    }
}

fn name(present: u32) -> String {
    if present == NOBODY { "-".to_owned() } else { present.to_string() }
}

fn names(present: &[u32]) -> String {
    present.iter().map(|present| name(*present)).collect::<Vec<_>>().join(" ")
}

impl Task for Frames {
    const NAME: &'static str = "frames";
    const ABOUT: &'static str =
        "Name the digits present in each frame of a film, seen or hidden (many-to-many over frames)";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "frames";
    const DATA_HELP: &'static str = pictures::DATA_HELP;
    const DATA: &'static str = "digits";
    const SETS: &'static [DataSet] = &[data::DIGITS];
    const PICTURES: &'static [&'static str] = &["film"];
    const OPTIONS: &'static [Opt] = &[
        Opt {
            name: "memory",
            value: "true|false",
            kind: Kind::Switch,
            help: "Use a recurrence over the frames; without it each frame is judged by itself",
        },
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
    type Answer = Vec<u32>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(8, 3e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let parts = Synthetic::parts(pictures::split(pictures::digits(data)?)?, settings.films);
        let Settings { memory, cell, layers, hidden_size, bidirectional, .. } = *settings;
        Ok(Prepared { saved: Saved { memory, cell, layers, hidden_size, bidirectional }, tokenizer: None, parts })
    }

    fn restore(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Frames> {
        check_sizes(&[("layers", saved.layers), ("hidden_size", saved.hidden_size)], 0.0)?;
        let model = VideoClassifier::new(params, &saved.model());
        Ok(Frames { saved, model })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn examples(&self, data: &Data) -> Result<Synthetic<Digit>> {
        Ok(Synthetic::to_score(pictures::to_score(data)?))
    }

    fn lengths(&self, composed: &Synthetic<Digit>) -> Vec<(usize, usize)> {
        vec![(0, SCENE); composed.count]
    }

    fn batch(&self, composed: &Synthetic<Digit>, rows: &[usize], draw: Option<RngKey>) -> Result<Batch> {
        let scenes = composed.each(rows, draw, scene);
        let films = films::batch(scenes.iter().map(|scene| &scene.film), SCENE);
        Ok(Batch { films, present: scenes.into_iter().flat_map(|scene| scene.present).collect() })
    }

    fn weight(&self, batch: &Batch) -> usize {
        batch.present.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.present.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        labels_loss(&self.logits(graph, &batch.films), &batch.present)
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Search) -> Result<Vec<Vec<u32>>> {
        let graph = Graph::inference(params);
        let logits = self.logits(&graph, &batch.films);
        Ok(logits.layout().unpack(&logits.rows().argmax()?))
    }

    /// The share of all frames, and of those in which a digit hides.
    fn score(&self, composed: &Synthetic<Digit>, answers: &[Vec<u32>]) -> Result<Score> {
        let scenes = composed.all(scene);
        let right: Vec<u32> = scenes.iter().flat_map(|scene| scene.present.clone()).collect();
        let hidden = scenes.iter().flat_map(|scene| scene.hidden.clone());
        let value = accuracy(&answers.concat(), &right)?;
        let found = answers.concat().into_iter().zip(right).zip(hidden).filter(|(_, hidden)| *hidden);
        let (found, right): (Vec<u32>, Vec<u32>) = found.map(|(pair, _)| pair).unzip();
        let more = if right.is_empty() { vec![] } else { vec![("hidden", accuracy(&found, &right)?)] };
        Ok(Score { value, signature: None, more })
    }

    fn comparisons(settings: &Settings) -> Vec<(&'static str, Settings)> {
        match settings.memory {
            true => vec![("memoryless", Settings { memory: false, ..settings.clone() })],
            false => vec![],
        }
    }

    fn row(&self, composed: &Synthetic<Digit>, number: usize, found: &Vec<u32>) -> Vec<(&'static str, String)> {
        let Scene { film, present, .. } = composed.one(number, scene);
        let part = |frames: usize| film.slice_axis(Axis(0), (frames..frames + SCENE / 4).into()).to_owned();
        let film = (0..4).map(|quarter| art(&films::strip(&part(quarter * SCENE / 4)))).collect::<Vec<_>>().join("\n");
        vec![("film", film), ("present", names(&present)), ("model", names(found))]
    }

    fn figures(&self, _params: &Params, test: &Synthetic<Digit>, answers: &[Vec<u32>]) -> Result<Vec<Figure>> {
        let right: Vec<u32> = test.all(scene).into_iter().flat_map(|scene| scene.present).collect();
        Ok(vec![Figure::confusion(&answers.concat(), &right, (0..=NOBODY).map(name).collect())?])
    }

    /// A line is a film of whole frames; the answer has a name for each, `-` for nobody.
    fn predict(&self, params: &Params, line: &str, _ask: &Ask) -> Result<Prediction> {
        let film = films::read(line)?;
        let graph = Graph::inference(params);
        let best =
            self.logits(&graph, &films::batch([&film].into_iter(), film.dim().0)).padded().softmax().top_k(1)?.concat();
        let line = names(&best.iter().map(|(present, _)| *present).collect::<Vec<_>>());
        let likely = best.iter().map(|(_, p)| p).product();
        Ok(Prediction { best: vec![(line.clone(), likely)], line, ..Prediction::default() })
    }
}
