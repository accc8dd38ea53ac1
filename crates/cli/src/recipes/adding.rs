//! The adding problem (Hochreiter and Schmidhuber 1997): many steps of noise, of which two are marked; the answer,
//! after the last step, is the sum of the two marked numbers.
//!
//! A cell that cannot hold on to the first does no better than to say 1, whose mean squared error is 1/6 ≈ 0.167.

use super::*;
use crate::memory::{self, Options};

pub(crate) struct Adding {
    config: MemoryReaderConfig,
    model: MemoryReader,
}

/// The numbers, and which two are marked: one in the first half, one in the second.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sum {
    numbers: Vec<f32>,
    marked: [usize; 2],
}

impl Sum {
    fn value(&self) -> f32 {
        self.marked.iter().map(|at| self.numbers[*at]).sum()
    }
}

impl Task for Adding {
    const SPEC: Spec =
        Spec::new("adding", "Long memory: add the two marked numbers among many", Metric::less("mse", 6))
            .training(40, 3e-3, 32)
            .unit("steps")
            .compare(memory::COMPARISONS)
            .defaults(&[("hidden-size", "64")]);

    type Options = Options;
    type Saved = SavedModel<MemoryReaderConfig>;
    type Source = Drawn<Vec<()>>;
    type Example = Sum;
    /// Numbers `[batch, time, (number in 0..1, mark)]`, and the sums `[batch, 1]`.
    type Batch = (Array3<f32>, Array2<f32>);
    type Answer = f32;

    fn read(options: &Options, _data: &Data) -> Result<Parts<Self::Source>> {
        Ok(options.parts())
    }

    fn learn(options: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        Ok(Learned::model(options.model(2, 1)))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Adding> {
        model.check()?;
        let config = MemoryReaderConfig { input_size: 2, output_size: 1, ..model };
        Ok(Adding { model: MemoryReader::new(params, &config)?, config })
    }

    fn read_to_score(&self, _data: &Data) -> Result<Self::Source> {
        Ok(memory::to_score(&self.config))
    }

    fn example(&self, _: &Vec<()>, draw: &Draw) -> Result<Sum> {
        let (mut rng, length) = (draw.rng(), self.config.length);
        let (half, last) = ((length / 2) as isize, length as isize - 1);
        let marked = [rng.between(0, half - 1) as usize, rng.between(half, last) as usize];
        Ok(Sum { numbers: (0..length).map(|_| rng.uniform() as f32).collect(), marked })
    }

    /// A line is numbers from 0 to 1, with a star after each that is to be added: `0.3 0.25* 0.9 0.5*`.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Sum> {
        let hint =
            "a line is numbers from 0 to 1 with spaces between, and a star after each of two: `0.3 0.25* 0.9 0.5*`";
        let read = |word: &str| -> Result<(f32, bool)> {
            let (number, marked) = word.strip_suffix('*').map_or((word, false), |number| (number, true));
            let number = number.parse().ok().filter(|x| (0.0..=1.0).contains(x));
            Ok((number.ok_or_else(|| Error::failure(format!("{word:?} is not a number from 0 to 1"), hint))?, marked))
        };
        let (numbers, marks): (Vec<f32>, Vec<bool>) =
            line.split_whitespace().map(read).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let marked: Vec<usize> = (0..marks.len()).filter(|at| marks[*at]).collect();
        let count = marked.len();
        match <[usize; 2]>::try_from(marked) {
            Ok(marked) => Ok(Sum { numbers, marked }),
            Err(_) => Err(Error::failure(format!("{count} numbers are marked"), hint)),
        }
    }

    fn lengths(&self, sum: &Sum) -> (usize, usize) {
        (0, sum.numbers.len())
    }

    fn batch(&self, sums: &[&Sum]) -> Result<Self::Batch> {
        let time = sums.first().map_or(0, |sum| sum.numbers.len());
        if sums.iter().any(|sum| sum.numbers.len() != time) {
            return Err(Error::failure("sequences of unequal lengths make no batch", ""));
        }
        let mut numbers = Array3::zeros((sums.len(), time, 2));
        for (b, sum) in sums.iter().enumerate() {
            sum.numbers.iter().enumerate().for_each(|(t, x)| numbers[[b, t, 0]] = *x);
            sum.marked.iter().for_each(|at| numbers[[b, *at, 1]] = 1.0);
        }
        Ok((numbers, Array2::from_shape_fn((sums.len(), 1), |(b, _)| sums[b].value())))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (numbers, sums): &Self::Batch) -> Var<'g> {
        self.model.squared_loss(graph.input(numbers), graph.input(sums))
    }

    fn answers(&self, params: &Params, (numbers, _): &Self::Batch, _search: Search) -> Result<Vec<f32>> {
        let graph = Graph::inference(params);
        let answer = self.model.logits(graph.input(numbers), 1).index(1, 0);
        Ok(answer.to_f64()?.iter().map(|x| *x as f32).collect())
    }

    fn score(&self, sums: &[Sum], answers: &[f32]) -> Result<Score> {
        let squares = answers.iter().zip(sums).map(|(answer, sum)| f64::from(answer - sum.value()).powi(2));
        Ok((squares.sum::<f64>() / sums.len().max(1) as f64).into())
    }

    fn show(&self, sum: &Sum, answer: &f32, digits: Digits) -> Shown {
        let marked = sum.marked.map(|at| format!("{:.3} at step {at}", sum.numbers[at]));
        let given = vec![("marked", marked.join(", ")), ("sum", format!("{:.3}", sum.value()))];
        Shown::answer(given, digits.of(f64::from(*answer)))
    }

    fn figures(&self, params: &Params, test: &[Sum], _answers: &[f32]) -> Result<Vec<Figure>> {
        memory::gradients_through_time(self, &self.config, params, test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::{graph::RngKey, nn::CellKind, text::Part};

    fn adding(cell: CellKind) -> (Adding, Params) {
        let model = MemoryReaderConfig { input_size: 2, cell, layers: 1, hidden_size: 16, output_size: 1, length: 100 };
        let mut params = Params::seeded(1);
        (Adding::build(SavedModel { model }, None, &mut params).unwrap(), params)
    }

    fn test_part(task: &Adding) -> Vec<Sum> {
        (0..1000).map(|row| task.example(&vec![], &Draw::scored(row, Part::Test)).unwrap()).collect()
    }

    #[test]
    fn one_mark_in_each_half_and_the_sum_of_both() {
        let (task, _) = adding(CellKind::Gru);
        let sums = test_part(&task);
        assert!(sums.iter().all(|sum| sum.marked[0] < 50 && (50..100).contains(&sum.marked[1])));
        let batch = task.batch(&[&sums[0], &sums[7]]).unwrap();
        let by_hand = (0..100).map(|t| batch.0[[1, t, 0]] * batch.0[[1, t, 1]]).sum::<f32>();
        assert!((batch.1[[1, 0]] - by_hand).abs() < 1e-6);
        let always_1 = task.score(&sums, &vec![1.0; sums.len()]).unwrap().value;
        assert!((always_1 - 1.0 / 6.0).abs() < 0.02, "{always_1}");
    }

    #[test]
    fn the_gradient_vanishes_in_the_plain_cell_and_not_in_a_gated_one() {
        let (task, params) = adding(CellKind::Gru);
        let figures = task.figures(&params, &test_part(&task), &[]).unwrap();
        let (gated, plain) = (memory::reach(&figures[0], 1), memory::reach(&figures[0], 2));
        assert!(gated > 1e-3 && plain < 1e-9, "{gated:e} {plain:e}");
    }

    #[test]
    fn a_line_of_marked_numbers_is_read() {
        let (task, _) = adding(CellKind::Lstm);
        let draw = Draw::training(0, RngKey::seed(0));
        assert_eq!(task.read_line("0.5 0.25* 1 0*", &draw).unwrap().marked, [1, 3]);
        for (line, what) in [("", "0 numbers"), ("0.5* 0.5", "1 numbers"), ("0.5* x*", "\"x*\""), ("2* 0*", "\"2*\"")] {
            assert!(task.read_line(line, &draw).err().unwrap().to_string().contains(what), "{line}");
        }
    }
}
