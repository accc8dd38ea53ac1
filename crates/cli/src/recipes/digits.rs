//! One-to-one: a handwritten digit in, its class out. A plain network, where no sequence is.

use super::*;
use crate::pictures::{self, Digit, NAMES, SIDE, art, moved};

/// In an epoch of training each digit is seen so often, each time moved by a pixel or not.
const TIMES: usize = 5;

pub(crate) struct Digits(Perceptron);

#[derive(Clone, Args)]
pub(crate) struct Options {
    /// Number of hidden layers [from 1 to 32]
    #[arg(long, value_name = "N", default_value = "2", value_parser = count(1..=limits::LAYERS))]
    layers: usize,
    /// Size of a hidden layer [from 1 to 16384]
    #[arg(long, value_name = "N", default_value = "256", value_parser = count(1..=limits::HIDDEN_SIZE))]
    hidden_size: usize,
}

/// The digits of a part, each so often.
fn seen(digits: Vec<Digit>, times: usize) -> Drawn<Vec<Digit>> {
    Drawn::new(digits.clone(), vec![(0, 1); times * digits.len()])
}

impl Task for Digits {
    const SPEC: Spec = Spec::new(
        "digits",
        "Classify pictures of handwritten digits with a feedforward network (one-to-one)",
        Metric::ACCURACY,
    )
    .training(20, 2e-3, 32)
    .unit("pictures")
    .data(pictures::DATA_HELP, &[crate::data::DIGITS])
    .pictures(&["picture"]);

    type Options = Options;
    type Saved = SavedModel<PerceptronConfig>;
    type Source = Drawn<Vec<Digit>>;
    type Example = Digit;
    type Batch = (Array3<f32>, Vec<u32>);
    type Answer = Vec<(u32, f64)>;

    fn read(_options: &Options, data: &Data) -> Result<Parts<Self::Source>> {
        let Parts { train, dev, test } = pictures::digits(data)?;
        Ok(Parts { train: seen(train, TIMES), dev: seen(dev, 1), test: seen(test, 1) })
    }

    fn learn(options: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        let Options { layers, hidden_size } = *options;
        let (input_size, classes, dropout) = (SIDE * SIDE, NAMES.len(), 0.4);
        Ok(Learned::model(PerceptronConfig { input_size, hidden_size, layers, classes, dropout }))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Digits> {
        model.check()?;
        if (model.input_size, model.classes) != (SIDE * SIDE, NAMES.len()) {
            let what = format!("input_size is {}, classes is {}", model.input_size, model.classes);
            return Err(Error::failure(what, format!("they must be {} and {}", SIDE * SIDE, NAMES.len())));
        }
        Ok(Digits(Perceptron::new(params, &model)))
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

    /// A line is the 64 grey levels of a picture; a label behind them, as in the data, is not looked at.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Digit> {
        pictures::read_digit(line)
    }

    fn batch(&self, digits: &[&Digit]) -> Result<Self::Batch> {
        let pictures = pictures::batch(digits.iter().map(|digit| &digit.picture), SIDE, SIDE);
        Ok((pictures, digits.iter().map(|digit| digit.value).collect()))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (pictures, classes): &Self::Batch) -> Var<'g> {
        self.0.loss(graph.input(pictures).reshape([classes.len(), SIDE * SIDE]), classes)
    }

    fn answers(&self, params: &Params, (pictures, classes): &Self::Batch, search: Search) -> Result<Vec<Self::Answer>> {
        let graph = Graph::inference(params);
        let logits = self.0.logits(graph.input(pictures).reshape([classes.len(), SIDE * SIDE]));
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
