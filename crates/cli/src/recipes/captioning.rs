//! One-to-many: a picture of one to four handwritten digits in, their names out: "three one four".

use super::*;
use crate::pictures::{self, Digit, Picture, SIDE, art, overlay};
use ndarray::Array3;
use unspool::{
    models::{Captioner, CaptionerConfig, ConvEncoderConfig},
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

pub(crate) struct Captioning(Captioner);

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    recurrent: RecurrentOptions,
    /// Decoder input after the first step: the word before, or zeros, so that its state alone carries on
    #[arg(long, value_name = "fed-back|zero-filled", default_value = "fed-back",
          value_parser = choice(&["fed-back", "zero-filled"]))]
    inputs: String,
    /// Synthetic pictures per training epoch [from 1 to 1000000]
    #[arg(long, value_name = "N", default_value = "8000", value_parser = count(1..=1_000_000))]
    pictures: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    model: CaptionerConfig,
}

/// A picture and its words, as ids.
#[derive(Serialize, Deserialize)]
pub(crate) struct Captioned {
    picture: Picture,
    words: Vec<u32>,
}

fn sentence(words: &[u32]) -> String {
    let name = |id: &u32| id.checked_sub(FIRST).and_then(|digit| WORDS.get(digit as usize).copied()).unwrap_or("?");
    words.iter().map(name).collect::<Vec<_>>().join(" ")
}

impl Task for Captioning {
    const SPEC: Spec =
        Spec::new("captioning", "Write the names of the digits in a picture (one-to-many)", Metric::more("exact", 4))
            .training(12, 3e-3, 32)
            .unit("words")
            .data(pictures::DATA_HELP, &[crate::data::DIGITS])
            .compare(&[("zero_filled", &[("inputs", "zero-filled")]), ("fed_back", &[("inputs", "fed-back")])])
            .samples(2)
            .pictures(&["picture"]);

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<Vec<Digit>>;
    type Example = Captioned;
    type Batch = (Array3<f32>, TeacherForcing);
    /// Captions with their log-probabilities, best first.
    type Answer = Vec<(Vec<u32>, f64)>;

    fn read(options: &Options, data: &Data) -> Result<Parts<Drawn<Vec<Digit>>>> {
        Ok(Drawn::parts(pictures::split(pictures::digits(data)?)?, options.pictures, 1))
    }

    fn learn(Options { recurrent, inputs, .. }: &Options, _train: &Drawn<Vec<Digit>>) -> Result<Learned<Saved>> {
        let eye = ConvEncoderConfig { height: SIDE, width: MOST * SIDE, channels: 16, features: 128, dropout: 0.1 };
        let model = CaptionerConfig {
            eye,
            cell: recurrent.cell,
            layers: recurrent.layers,
            hidden_size: recurrent.hidden_size,
            embedding_size: 64,
            vocabulary_size: WORDS.len() + FIRST as usize,
            feed: if inputs == "fed-back" { DecoderInput::Back } else { DecoderInput::Zero },
            specials: Specials::FIXED,
        };
        Ok(Saved { model }.into())
    }

    fn build(Saved { model }: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Captioning> {
        model.check()?;
        Ok(Captioning(Captioner::new(params, &model)))
    }

    fn read_to_score(&self, data: &Data) -> Result<Drawn<Vec<Digit>>> {
        Ok(Drawn::to_score(pictures::to_score(data)?, 1))
    }

    /// Any digits side by side.
    fn example(&self, digits: &Vec<Digit>, draw: &Draw) -> Result<Captioned> {
        let mut rng = draw.rng();
        let count = rng.between(1, MOST as isize);
        let mut picture = Picture::zeros((SIDE, SIDE * count as usize));
        let mut words = vec![];
        for place in 0..count {
            let digit = rng.choose(digits);
            overlay(&mut picture.view_mut(), &digit.picture, 0, place * SIDE as isize);
            words.push(FIRST + digit.value);
        }
        Ok(Captioned { picture, words })
    }

    /// A line is the grey levels of a picture of eight rows, row by row.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Captioned> {
        let picture = pictures::parse(&line.split(',').collect::<Vec<_>>(), SIDE)?;
        if picture.ncols() > MOST * SIDE {
            let hint = format!("it may have {} rows and up to {} columns", SIDE, MOST * SIDE);
            return Err(Error::failure(format!("a picture of {} columns", picture.ncols()), hint));
        }
        Ok(Captioned { picture, words: vec![] })
    }

    fn batch(&self, made: &[&Captioned]) -> Result<(Array3<f32>, TeacherForcing)> {
        let words: Vec<&[u32]> = made.iter().map(|one| one.words.as_slice()).collect();
        let seen = pictures::batch(made.iter().map(|one| &one.picture), SIDE, MOST * SIDE);
        Ok((seen, TeacherForcing::new(&words, Specials::FIXED)))
    }

    fn units(&self, (_, captions): &Self::Batch) -> Option<usize> {
        Some(captions.tokens())
    }

    fn loss_count(&self, (_, captions): &Self::Batch) -> usize {
        captions.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (pictures, captions): &Self::Batch) -> Var<'g> {
        self.0.loss(graph.input(pictures), captions)
    }

    fn answers(&self, params: &Params, (pictures, _): &Self::Batch, search: Search) -> Result<Vec<Self::Answer>> {
        Ok(self.0.captions(params, pictures, MOST + 1, search.count())?)
    }

    fn score(&self, made: &[Captioned], answers: &[Self::Answer]) -> Result<Score> {
        let found: Vec<&[u32]> = answers.iter().map(|best| best.first().map_or(&[][..], |one| &one.0)).collect();
        let words: Vec<&[u32]> = made.iter().map(|one| one.words.as_slice()).collect();
        let more = [("word_error", token_error_rate(&found, &words)?.rate())];
        Ok(Score::from(accuracy(&found, &words)?).with(more))
    }

    fn show(&self, Captioned { picture, words }: &Captioned, answer: &Self::Answer, _digits: Digits) -> Shown {
        let given = vec![("picture", art(picture)), ("caption", sentence(words))];
        Shown::best(given, answer.iter().map(|(words, score)| (sentence(words), *score)).collect())
    }
}
