//! One-to-many: a picture of one to four handwritten digits in, their names out: "three one four".

use super::*;
use crate::pictures::{self, Captioned, Digit, SIDE, SIDE_BY_SIDE, art, sentence};

pub(crate) struct Captioning(Captioner);

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    recurrent: RecurrentOptions,
    /// Decoder input after the first step: the previous word, or zeros, so that only its state continues
    #[arg(long, value_name = "KIND", default_value = "fed-back",
          value_parser = choice(&["fed-back", "zero-filled"]))]
    inputs: String,
    /// Synthetic pictures per training epoch [from 1 to 1000000]
    #[arg(long, value_name = "N", default_value = "8000", value_parser = count(1..=1_000_000))]
    pictures: usize,
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
    type Saved = SavedModel<CaptionerConfig>;
    type Source = Drawn<Vec<Digit>>;
    type Example = Captioned;
    type Batch = (Array3<f32>, TeacherForcing);
    /// Captions with their log-probabilities, best first.
    type Answer = Vec<(Vec<u32>, f64)>;

    fn read(options: &Options, data: &Data) -> Result<Parts<Self::Source>> {
        pictures::parts(data, options.pictures, 1)
    }

    fn learn(options: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        let RecurrentOptions { cell, layers, hidden_size } = options.recurrent;
        let (height, width) = (SIDE, SIDE_BY_SIDE * SIDE);
        Ok(Learned::model(CaptionerConfig {
            eye: ConvEncoderConfig { height, width, channels: 16, features: 128, dropout: 0.1 },
            cell,
            layers,
            hidden_size,
            embedding_size: 64,
            vocabulary_size: pictures::VOCABULARY,
            feed: if options.inputs == "fed-back" { DecoderInput::Back } else { DecoderInput::Zero },
            specials: Specials::FIXED,
        }))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Captioning> {
        model.check()?;
        Ok(Captioning(Captioner::new(params, &model)))
    }

    fn read_to_score(&self, data: &Data) -> Result<Self::Source> {
        pictures::drawn_to_score(data, 1)
    }

    fn example(&self, digits: &Vec<Digit>, draw: &Draw) -> Result<Captioned> {
        Ok(Captioned::draw(digits, &mut draw.rng()))
    }

    /// A line is the gray levels of a picture of eight rows, row by row.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Captioned> {
        Captioned::read(line)
    }

    fn batch(&self, made: &[&Captioned]) -> Result<Self::Batch> {
        let words: Vec<&[u32]> = made.iter().map(|one| one.words.as_slice()).collect();
        let seen = pictures::batch(made.iter().map(|one| &one.picture), SIDE, SIDE_BY_SIDE * SIDE);
        Ok((seen, TeacherForcing::new(&words, Specials::FIXED)))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (pictures, captions): &Self::Batch) -> Var<'g> {
        self.0.loss(graph.input(pictures), captions)
    }

    fn answers(&self, params: &Params, (pictures, _): &Self::Batch, search: Search) -> Result<Vec<Self::Answer>> {
        let beam = (search.count() > 1).then(|| search.beam(1));
        let found = self.0.decode(params, pictures, SIDE_BY_SIDE + 1, beam.as_ref())?.into_iter();
        Ok(found.map(|best| best.into_iter().map(|one| (one.tokens, one.log_prob)).collect()).collect())
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
