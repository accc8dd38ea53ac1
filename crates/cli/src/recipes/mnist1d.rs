//! Many-to-one over numbers: a noisy signal in, the digit whose shape is hidden in it out (MNIST-1D).

use super::*;
use crate::signals::{self, LENGTH, NAMES, Options, Signal};

pub(crate) struct Mnist1d(SignalClassifier);

impl Task for Mnist1d {
    const SPEC: Spec =
        Spec::new("mnist1d", "Classify noisy signals of 40 numbers (MNIST-1D, many-to-one)", Metric::ACCURACY)
            .training(30, 3e-3, 32)
            .average(0.998)
            .unit("signals")
            .defaults(&[("hidden-size", "64")]);

    type Options = Options;
    type Saved = SavedModel<SignalClassifierConfig>;
    type Source = Drawn<Vec<Signal>>;
    type Example = Signal;
    /// Signals `[batch, time]`, and their digits.
    type Batch = (Array2<f32>, Vec<u32>);
    type Answer = Vec<(u32, f64)>;

    fn read(options: &Options, _data: &Data) -> Result<Parts<Self::Source>> {
        Ok(options.parts())
    }

    fn learn(options: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        Ok(Learned::model(options.model()))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Mnist1d> {
        let config = SignalClassifierConfig { classes: NAMES.len(), ..model };
        config.check()?;
        Ok(Mnist1d(SignalClassifier::new(params, &config)))
    }

    fn read_to_score(&self, _data: &Data) -> Result<Self::Source> {
        Ok(signals::to_score())
    }

    fn example(&self, signals: &Vec<Signal>, draw: &Draw) -> Result<Signal> {
        Ok(signals[draw.number()].clone())
    }

    /// A line is the 40 numbers of a signal.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Signal> {
        signals::read(line)
    }

    fn batch(&self, signals: &[&Signal]) -> Result<Self::Batch> {
        let values = Array2::from_shape_fn((signals.len(), LENGTH), |(row, t)| signals[row].values[t]);
        Ok((values, signals.iter().map(|signal| signal.digit).collect()))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (signals, digits): &Self::Batch) -> Var<'g> {
        self.0.loss(graph, graph.input(signals), digits)
    }

    fn answers(&self, params: &Params, (signals, _): &Self::Batch, search: Search) -> Result<Vec<Self::Answer>> {
        let graph = Graph::inference(params);
        let logits = self.0.logits(&graph, graph.input(signals));
        Ok(logits.softmax().top_k(search.count().min(NAMES.len()))?)
    }

    fn score(&self, signals: &[Signal], answers: &[Self::Answer]) -> Result<Score> {
        let right: Vec<u32> = signals.iter().map(|signal| signal.digit).collect();
        Score::classes(answers.iter().map(|best| best[0].0), &right, &NAMES.map(str::to_owned))
    }

    fn show(&self, signal: &Signal, answer: &Self::Answer, digits: Digits) -> Shown {
        let values: Vec<String> = signal.values.iter().map(|x| digits.of(f64::from(*x))).collect();
        let given = vec![("signal", values.join(" ")), ("digit", signal.digit.to_string())];
        Shown::probable(given, answer.iter().map(|(class, p)| (class.to_string(), *p)).collect())
    }
}
