//! What can a cell compute? Five problems, each a token or two per step in and a class at some of the steps out, that
//! tell cells apart: `parity`, `modular`, `permutations`, `recall` and `selective-copy`.
//!
//! A model learns from sequences of any length up to `--length`. Dev is scored at that length; test too, and beside it
//! at 2, 4 and 8 times that length, which shows whether the rule was learned or only its cases. `docs/which-cell.md`
//! says what is known of which cell.

use super::*;
use crate::problems::{Inputs, LONGEST_TEST, Problem};
use std::marker::PhantomData;

/// Test examples of the length that was trained, and of each longer one.
const TESTED: usize = 500;
const TESTED_LONGER: usize = 100;

/// How many times as long the longer sequences are, and the name of the score of each.
const LONGER: [(usize, &str); 3] = [(2, "length_x2"), (4, "length_x4"), (LONGEST_TEST, "length_x8")];

/// The longest sequences for `--length`; the test has some 8 times as long.
const LONGEST: usize = 4096;

/// The task of a problem.
pub(crate) struct Ability<P> {
    length: usize,
    config: StepClassifierConfig,
    model: StepClassifier,
    problem: PhantomData<fn() -> P>,
}

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    recurrent: RecurrentOptions,
    /// Time steps of the longest sequences to train on; the test also has some 2, 4 and 8 times as long
    /// [from 16 to 4096]
    #[arg(long, value_name = "STEPS", default_value = "32", value_parser = count(16..=LONGEST))]
    length: usize,
    /// Synthetic sequences per training epoch [from 1 to 10000000]
    #[arg(long, value_name = "N", default_value = "6400", value_parser = count(1..=10_000_000))]
    sequences: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    length: usize,
    model: StepClassifierConfig,
}

/// One of all tokens at each step, `[batch, time, token]`, how many steps of each row are real, and their classes.
pub(crate) struct Batch {
    inputs: Array3<f32>,
    lengths: Vec<usize>,
    right: Vec<Vec<Option<u32>>>,
}

impl unspool_task::Batch for Batch {
    fn loss_count(&self) -> usize {
        self.right.iter().flatten().flatten().count()
    }
    fn units(&self) -> Option<usize> {
        Some(self.lengths.iter().sum())
    }
}

/// Numbers with spaces between.
fn text<'a>(numbers: impl IntoIterator<Item = &'a u32>) -> String {
    numbers.into_iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

/// The examples to score: `count` sequences of `length` steps, followed, if `longer`, by some of each longer length.
fn scored(count: usize, length: usize, longer: bool) -> Drawn<Vec<()>> {
    let mut lengths = vec![(0, length); count];
    LONGER.iter().filter(|_| longer).for_each(|(times, _)| lengths.extend([(0, times * length); TESTED_LONGER]));
    Drawn::new(vec![], lengths)
}

impl<P: Problem> Task for Ability<P> {
    const SPEC: Spec = Spec::new(P::NAME[0], P::NAME[1], Metric::ACCURACY)
        .training(20, 3e-3, 32)
        .unit("steps")
        .defaults(&[("hidden-size", "64"), ("cell", "lstm")]);

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<Vec<()>>;
    type Example = Inputs;
    type Batch = Batch;
    /// The classes of the steps that have one.
    type Answer = Vec<u32>;

    fn read(options: &Options, _data: &Data) -> Result<Parts<Self::Source>> {
        let length = options.length;
        let train = scored(options.sequences, length, false);
        Ok(Parts { train, dev: scored(TESTED, length, false), test: scored(TESTED, length, true) })
    }

    fn learn(Options { recurrent, length, .. }: &Options, _train: &Self::Source) -> Result<Learned<Saved>> {
        let RecurrentOptions { cell, layers, hidden_size } = *recurrent;
        let (input_size, classes) = (P::tokens(*length), P::CLASSES);
        Ok(Saved { length: *length, model: StepClassifierConfig { input_size, cell, layers, hidden_size, classes } }
            .into())
    }

    fn build(Saved { length, model }: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Ability<P>> {
        if !(P::SHORTEST..=LONGEST).contains(&length) {
            let hint = format!("it must be from {} to {LONGEST}", P::SHORTEST);
            return Err(Error::failure(format!("length is {length}"), hint));
        }
        let config = StepClassifierConfig { input_size: P::tokens(length), classes: P::CLASSES, ..model };
        config.check()?;
        Ok(Ability { length, config, model: StepClassifier::new(params, &config), problem: PhantomData })
    }

    fn read_to_score(&self, _data: &Data) -> Result<Self::Source> {
        Ok(scored(TESTED, self.length, true))
    }

    fn example(&self, _: &Vec<()>, draw: &Draw) -> Result<Inputs> {
        let mut rng = draw.rng();
        let time = match draw.number().checked_sub(TESTED) {
            _ if draw.is_training() => rng.between(P::SHORTEST as isize, self.length as isize) as usize,
            Some(number) => self.length * LONGER[(number / TESTED_LONGER).min(LONGER.len() - 1)].0,
            None => self.length,
        };
        Ok(P::draw(&mut rng, time, self.config.input_size))
    }

    /// A line is the tokens of each step as numbers, with spaces between the steps: `0 1 1 0`, or `12:3 17:0 12:8`.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Inputs> {
        let (tokens, at_once) = (self.config.input_size as u32, P::AT_ONCE);
        let token = |word: &str| word.parse().ok().filter(|token: &u32| *token < tokens);
        let step = |word: &str| -> Result<Vec<u32>> {
            let read: Option<Vec<u32>> = word.split(':').map(token).collect();
            read.filter(|read| read.len() == at_once).ok_or_else(|| {
                let form = ["a number", "two numbers with a colon between, such as 12:3,"][at_once - 1];
                Error::failure(format!("{word:?} is not a step"), format!("a step is {form} from 0 to {}", tokens - 1))
            })
        };
        line.split_whitespace().map(step).collect()
    }

    fn lengths(&self, inputs: &Inputs) -> (usize, usize) {
        (0, inputs.len())
    }

    fn batch(&self, rows: &[&Inputs]) -> Result<Batch> {
        let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
        let time = lengths.iter().copied().max().unwrap_or(0);
        let mut inputs = Array3::zeros((rows.len(), time, self.config.input_size));
        for (b, row) in rows.iter().enumerate() {
            for (t, tokens) in row.iter().enumerate() {
                tokens.iter().for_each(|token| inputs[[b, t, *token as usize]] = 1.0);
            }
        }
        Ok(Batch { inputs, lengths, right: rows.iter().map(|row| P::right(row)).collect() })
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        let right: Vec<u32> = batch.right.iter().flatten().map(|class| class.unwrap_or(P::CLASSES as u32)).collect();
        self.model.loss(&Sequence::pack(graph.input(&batch.inputs), &batch.lengths), &right)
    }

    fn answers(&self, params: &Params, batch: &Batch, _search: Search) -> Result<Vec<Vec<u32>>> {
        let graph = Graph::inference(params);
        let logits = self.model.logits(&Sequence::pack(graph.input(&batch.inputs), &batch.lengths));
        let found = logits.layout().unpack(&logits.rows().argmax()?);
        let asked = |(found, right): (Vec<u32>, &Vec<Option<u32>>)| {
            found.into_iter().zip(right).filter_map(|(found, right)| right.map(|_| found)).collect()
        };
        Ok(found.into_iter().zip(&batch.right).map(asked).collect())
    }

    /// The share of right classes at the length that was trained; beside it the same at each longer length.
    fn score(&self, rows: &[Inputs], answers: &[Vec<u32>]) -> Result<Score> {
        let at = |times: usize| -> Result<Option<f64>> {
            let is_as_long = |row: &Inputs| row.len() / 2 == self.length * times / 2;
            let chosen: Vec<_> = rows.iter().zip(answers).filter(|(row, _)| is_as_long(row)).collect();
            let right: Vec<u32> = chosen.iter().flat_map(|(row, _)| P::right(row)).flatten().collect();
            let found: Vec<u32> = chosen.iter().flat_map(|(_, answer)| answer.iter()).copied().collect();
            Ok(if right.is_empty() { None } else { Some(accuracy(&found, &right)?) })
        };
        let value = at(1)?.ok_or_else(|| Error::failure("there is nothing to score", ""))?;
        let (mut score, mut points) = (Score::from(value), vec![(self.length as f64, value)]);
        for (times, name) in LONGER {
            if let Some(value) = at(times)? {
                score = score.with([(name, value)]);
                points.push(((times * self.length) as f64, value));
            }
        }
        if points.len() > 1 {
            let (title, x, y) = ("Longer than in training", "time steps", "accuracy");
            let lines = vec![(self.config.cell.to_string(), points)];
            let curves =
                Curves { title: title.into(), x: x.into(), y: y.into(), log_y: false, lines, note: String::new() };
            score.figure = Some(Figure::Curves(curves));
        }
        Ok(score)
    }

    fn show(&self, row: &Inputs, answer: &Vec<u32>, _digits: Digits) -> Shown {
        let steps: Vec<String> = row.iter().map(|tokens| text(tokens).replace(' ', ":")).collect();
        let given = vec![("steps", steps.join(" ")), ("right", text(P::right(row).iter().flatten()))];
        Shown::answer(given, text(answer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problems::{Parity, Recall};
    use std::collections::BTreeSet;
    use unspool::{graph::RngKey, nn::CellKind, text::Part};

    fn of<P: Problem>() -> Ability<P> {
        let (input_size, classes) = (P::tokens(32), P::CLASSES);
        let model = StepClassifierConfig { input_size, cell: CellKind::Lstm, layers: 1, hidden_size: 4, classes };
        Ability::build(Saved { length: 32, model }, None, &mut Params::seeded(1)).unwrap()
    }

    #[test]
    fn lengths_differ_in_training_and_are_those_of_the_part_in_evaluation() {
        let task = of::<Parity>();
        let time = |draw| task.example(&vec![], &draw).unwrap().len();
        let trained: BTreeSet<usize> = (0..1000).map(|row| time(Draw::training(row, RngKey::seed(1)))).collect();
        assert_eq!(trained, (1..=32).collect());
        let all = scored(TESTED, 32, true).lengths().to_vec();
        assert_eq!(all.len(), 800);
        for (row, (_, length)) in all.into_iter().enumerate() {
            assert_eq!(time(Draw::scored(row, Part::Test)), length);
        }
    }

    #[test]
    fn each_length_has_its_own_score() {
        let task = of::<Recall>();
        let rows: Vec<Inputs> =
            (0..800).map(|row| task.example(&vec![], &Draw::scored(row, Part::Test)).unwrap()).collect();
        let mut answers: Vec<Vec<u32>> =
            rows.iter().map(|row| Recall::right(row).into_iter().flatten().collect()).collect();
        // Wrong at all questions of the longest, and at a half of those of twice the length.
        answers[700..].iter_mut().flatten().for_each(|class| *class = (*class + 1) % 8);
        answers[500..550].iter_mut().flatten().for_each(|class| *class = (*class + 1) % 8);
        let score = task.score(&rows, &answers).unwrap();
        assert_eq!((score.value, score.more), (1.0, vec![("length_x2", 0.5), ("length_x4", 1.0), ("length_x8", 0.0)]));
        assert!(task.score(&[], &[]).is_err());
    }

    #[test]
    fn a_line_is_the_tokens_of_each_step() {
        let (parity, recall) = (of::<Parity>(), of::<Recall>());
        let draw = Draw::scored(0, Part::Test);
        assert_eq!(parity.read_line("0 1  1", &draw).unwrap(), [[0], [1], [1]]);
        let row = recall.read_line("12:3 17:0 12:8", &draw).unwrap();
        let shown = recall.show(&row, &vec![3], Digits::All);
        assert_eq!((shown.given[0].1.as_str(), shown.given[1].1.as_str()), ("12:3 17:0 12:8", "3"));
        for (line, what) in [("2", "\"2\""), ("0 x", "\"x\""), ("0:1", "\"0:1\""), ("-1", "\"-1\"")] {
            assert!(parity.read_line(line, &draw).unwrap_err().to_string().contains(what), "{line}");
        }
        assert!(recall.read_line("12", &draw).is_err() && recall.read_line("137:0", &draw).is_err());
    }
}
