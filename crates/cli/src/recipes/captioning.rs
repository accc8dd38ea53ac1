//! One-to-many: a picture of one to four handwritten digits in, their names out: "three one four".

use super::{
    Rng, Synthetic,
    pictures::{self, Digit, Picture, SIDE, art, overlay},
    *,
};
use ndarray::Array3;
use unspool::{
    models::{Captioner, CaptionerConfig, ConvEncoderConfig},
    nn::CellKind,
    text::{
        DecoderInput, Specials, TeacherForcing,
        score::{accuracy, token_error_rate},
    },
};

/// The name of each digit; its id is its place behind the special tokens.
const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
const FIRST: u32 = Specials::NAMES.len() as u32;

/// Digits side by side, at most.
const MOST: usize = 4;

/// A writer of captions.
pub(crate) struct Captioning {
    saved: Saved,
    model: Captioner,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    inputs: Inputs,
    pictures: usize,
    batch_rows: usize,
}

/// What the decoder reads after the first step.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Inputs {
    FedBack,
    ZeroFilled,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cell: CellKind::Gru,
            layers: 1,
            hidden_size: 128,
            inputs: Inputs::FedBack,
            pictures: 8000,
            batch_rows: 32,
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
    inputs: Inputs,
}

impl Saved {
    fn model(&self) -> CaptionerConfig {
        CaptionerConfig {
            eye: ConvEncoderConfig { height: SIDE, width: MOST * SIDE, channels: 16, features: 128, dropout: 0.1 },
            cell: self.cell,
            layers: self.layers,
            hidden_size: self.hidden_size,
            embedding_size: 64,
            vocabulary_size: WORDS.len() + FIRST as usize,
            feed: match self.inputs {
                Inputs::FedBack => DecoderInput::Back,
                Inputs::ZeroFilled => DecoderInput::Zero,
            },
        }
    }
}

/// A picture and its words, as ids.
struct Captioned {
    picture: Picture,
    words: Vec<u32>,
}

/// Any digits side by side.
fn captioned(digits: &[Digit], dice: &mut Rng) -> Captioned {
    let count = dice.between(1, MOST as isize);
    let mut picture = Picture::zeros((SIDE, SIDE * count as usize));
    let mut words = vec![];
    for place in 0..count {
        let digit = dice.choose(digits);
        overlay(&mut picture.view_mut(), &digit.picture, 0, place * SIDE as isize);
        words.push(FIRST + digit.value);
    }
    Captioned { picture, words }
}

fn sentence(words: &[u32]) -> String {
    let name = |id: &u32| id.checked_sub(FIRST).and_then(|digit| WORDS.get(digit as usize).copied()).unwrap_or("?");
    words.iter().map(name).collect::<Vec<_>>().join(" ")
}

impl Task for Captioning {
    const NAME: &'static str = "captioning";
    const ABOUT: &'static str = "Write the names of the digits in a picture (one-to-many)";
    const METRIC: Metric = Metric { name: "exact", digits: 4, less_is_better: false };
    const UNIT: &'static str = "words";
    const DATA_HELP: &'static str = pictures::DATA_HELP;
    const DATA: &'static str = "digits";
    const SETS: &'static [DataSet] = &[data::DIGITS];
    const SAMPLES: usize = 2;
    const PICTURES: &'static [&'static str] = &["picture"];
    const OPTIONS: &'static [Opt] = &[
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt {
            name: "inputs",
            value: "fed-back|zero-filled",
            kind: Kind::Choice(&["fed-back", "zero-filled"]),
            help: "Decoder input after the first step: the word before, or zeros, so that its state alone carries on",
        },
        Opt {
            name: "pictures",
            value: "N",
            kind: Kind::Count(1..=1_000_000),
            help: "Synthetic pictures per training epoch",
        },
        Opt::batch_rows("PICTURES", "Pictures per batch"),
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Synthetic<Digit>;
    type Batch = (Array3<f32>, TeacherForcing);
    type Answer = Vec<u32>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(12, 3e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let parts = Synthetic::parts(pictures::split(pictures::digits(data)?)?, settings.pictures);
        let Settings { cell, layers, hidden_size, inputs, .. } = *settings;
        Ok(Prepared { saved: Saved { cell, layers, hidden_size, inputs }, tokenizer: None, parts })
    }

    fn restore(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Captioning> {
        check_sizes(&[("layers", saved.layers), ("hidden_size", saved.hidden_size)], 0.0)?;
        let model = Captioner::new(params, &saved.model());
        Ok(Captioning { saved, model })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn examples(&self, data: &Data) -> Result<Synthetic<Digit>> {
        Ok(Synthetic::to_score(pictures::to_score(data)?))
    }

    fn lengths(&self, composed: &Synthetic<Digit>) -> Vec<(usize, usize)> {
        vec![(0, 1); composed.count]
    }

    fn batch(&self, composed: &Synthetic<Digit>, rows: &[usize], draw: Option<RngKey>) -> Result<Self::Batch> {
        let made = composed.each(rows, draw, captioned);
        let words: Vec<&[u32]> = made.iter().map(|one| one.words.as_slice()).collect();
        let seen = pictures::batch(made.iter().map(|one| &one.picture), SIDE, MOST * SIDE);
        Ok((seen, TeacherForcing::new(&words, Specials::FIXED)))
    }

    fn weight(&self, (_, captions): &Self::Batch) -> usize {
        captions.tokens()
    }

    fn tokens(&self, (_, captions): &Self::Batch) -> usize {
        captions.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (pictures, captions): &Self::Batch, _progress: f64) -> Var<'g> {
        self.model.loss(graph.input(pictures), captions)
    }

    fn answers(&self, params: &Params, (pictures, _): &Self::Batch, _effort: Search) -> Result<Vec<Vec<u32>>> {
        let found = self.model.captions(params, pictures, MOST + 1, 1)?;
        Ok(found.into_iter().map(|best| best.into_iter().next().map_or(vec![], |(words, _)| words)).collect())
    }

    fn score(&self, composed: &Synthetic<Digit>, answers: &[Vec<u32>]) -> Result<Score> {
        let words: Vec<Vec<u32>> = composed.all(captioned).into_iter().map(|one| one.words).collect();
        let value = accuracy(answers, &words)?;
        Ok(Score { value, signature: None, more: vec![("word_error", token_error_rate(answers, &words)?.rate())] })
    }

    fn comparisons(settings: &Settings) -> Vec<(&'static str, Settings)> {
        let other = |inputs| Settings { inputs, ..settings.clone() };
        match settings.inputs {
            Inputs::FedBack => vec![("zero_filled", other(Inputs::ZeroFilled))],
            Inputs::ZeroFilled => vec![("fed_back", other(Inputs::FedBack))],
        }
    }

    fn row(&self, composed: &Synthetic<Digit>, number: usize, answer: &Vec<u32>) -> Vec<(&'static str, String)> {
        let Captioned { picture, words } = composed.one(number, captioned);
        vec![("picture", art(&picture)), ("caption", sentence(&words)), ("model", sentence(answer))]
    }

    /// A line is the grey levels of a picture of eight rows, row by row.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let picture = pictures::parse(&line.split(',').collect::<Vec<_>>(), SIDE)?;
        if picture.ncols() > MOST * SIDE {
            return Err(Error::failure(
                format!("a picture of {} columns", picture.ncols()),
                format!("it may have {} rows and up to {} columns", SIDE, MOST * SIDE),
            ));
        }
        let seen = pictures::batch([&picture].into_iter(), SIDE, MOST * SIDE);
        let found = self.model.captions(params, &seen, MOST + 1, ask.best.max(1))?.concat();
        let best: Vec<(String, f64)> = found.iter().map(|(words, score)| (sentence(words), *score)).collect();
        let line = best.first().map_or(String::new(), |(caption, _)| caption.clone());
        Ok(Prediction { line, best, ..Prediction::default() })
    }
}
