//! One-to-one: a picture of a handwritten digit in, its class out. A small convolutional network, and no sequence.

use super::*;
use crate::pictures::{self, Digit, INK, NAMES, SIDE, art, moved, seen};

/// In an epoch of training each digit is seen so often, each time moved by a pixel or not.
const TIMES: usize = 5;

pub(crate) struct Digits(ImageClassifier);

#[derive(Clone, Args)]
pub(crate) struct Options {
    /// Size of the hidden layer after the convolutions [from 1 to 16384]
    #[arg(long, value_name = "N", default_value = "128", value_parser = count(1..=limits::HIDDEN_SIZE))]
    hidden_size: usize,
}

impl Task for Digits {
    const SPEC: Spec = Spec::new(
        "digits",
        "Classify pictures of handwritten digits with a convolutional network (one-to-one)",
        Metric::ACCURACY,
    )
    .training(20, 2e-3, 32)
    .average(0.998)
    .unit("pictures")
    .data(pictures::DATA_HELP, &[crate::data::DIGITS])
    .pictures(&["picture"])
    .input(Input::Picture { side: SIDE, darkest: INK });

    type Options = Options;
    type Saved = SavedModel<ImageClassifierConfig>;
    type Source = Drawn<Vec<Digit>>;
    type Example = Digit;
    type Batch = (Array3<f32>, Vec<u32>);
    type Answer = Vec<(u32, f64)>;

    fn read(_options: &Options, data: &Data) -> Result<Parts<Self::Source>> {
        let Parts { train, dev, test } = pictures::digits(data)?;
        Ok(Parts { train: seen(train, TIMES), dev: seen(dev, 1), test: seen(test, 1) })
    }

    fn learn(options: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        let features = options.hidden_size;
        let eye = ConvEncoderConfig { height: SIDE, width: SIDE, channels: 32, features, dropout: 0.4 };
        Ok(Learned::model(ImageClassifierConfig { eye, classes: NAMES.len() }))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Digits> {
        model.check()?;
        if (model.eye.height, model.eye.width, model.classes) != (SIDE, SIDE, NAMES.len()) {
            let what = "the model looks at pictures of another size, or has other classes";
            return Err(Error::failure(what, "the run folder must hold the files of one training, unchanged"));
        }
        Ok(Digits(ImageClassifier::new(params, &model)))
    }

    fn read_to_score(&self, data: &Data) -> Result<Self::Source> {
        Ok(seen(pictures::to_score(data)?, 1))
    }

    /// In training the picture is moved by up to a pixel in each direction.
    fn example(&self, digits: &Vec<Digit>, draw: &Draw) -> Result<Digit> {
        let (digit, mut rng) = (&digits[draw.number() % digits.len()], draw.rng());
        let (down, right) = if draw.is_training() { (rng.between(-1, 1), rng.between(-1, 1)) } else { (0, 0) };
        Ok(moved(digit, down, right))
    }

    /// A line is the 64 gray levels of a picture; a label after them, as in the data, is ignored.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Digit> {
        pictures::read_digit(line)
    }

    fn batch(&self, digits: &[&Digit]) -> Result<Self::Batch> {
        let pictures = pictures::batch(digits.iter().map(|digit| &digit.picture), SIDE, SIDE);
        Ok((pictures, digits.iter().map(|digit| digit.value).collect()))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (pictures, classes): &Self::Batch) -> Var<'g> {
        self.0.loss(graph.input(pictures), classes)
    }

    fn answers(&self, params: &Params, (pictures, _): &Self::Batch, search: Search) -> Result<Vec<Self::Answer>> {
        let graph = Graph::inference(params);
        let logits = self.0.logits(graph.input(pictures));
        Ok(logits.softmax().top_k(search.count().min(NAMES.len()))?)
    }

    fn score(&self, digits: &[Digit], answers: &[Self::Answer]) -> Result<Score> {
        let right: Vec<u32> = digits.iter().map(|digit| digit.value).collect();
        Score::classes(answers.iter().map(|best| best[0].0), &right, &NAMES.map(str::to_owned))
    }

    fn show(&self, digit: &Digit, answer: &Self::Answer, _digits: unspool_task::Digits) -> Shown {
        let given = vec![("picture", art(&digit.picture)), ("digit", digit.value.to_string())];
        Shown::probable(given, answer.iter().map(|(class, p)| (class.to_string(), *p)).collect())
    }
}
