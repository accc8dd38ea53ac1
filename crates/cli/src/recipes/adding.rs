//! The adding problem (Hochreiter and Schmidhuber 1997): many steps of noise, of which two are marked; the answer,
//! after the last step, is the sum of the two marked numbers.
//!
//! A cell that cannot hold on to the first does no better than to say 1, whose mean squared error is 1/6 ≈ 0.167.

use super::{
    Rng, Synthetic,
    memory::{Memory, Saved, Settings, gradients_through_time},
    *,
};
use ndarray::{Array2, Array3};

/// A model that adds.
pub(crate) struct Adding(Memory);

/// Numbers `[batch, time, (number in 0..1, mark)]`, and the sums `[batch, 1]`.
pub(crate) struct Batch {
    numbers: Array3<f32>,
    sums: Array2<f32>,
}

/// The numbers, and which two are marked: one in the first half, one in the second.
struct Sum {
    numbers: Vec<f32>,
    marked: [usize; 2],
}

impl Sum {
    fn of(length: usize, dice: &mut Rng) -> Sum {
        let (half, last) = ((length / 2) as isize, length as isize - 1);
        let marked = [dice.between(0, half - 1) as usize, dice.between(half, last) as usize];
        Sum { numbers: (0..length).map(|_| dice.uniform() as f32).collect(), marked }
    }

    fn value(&self) -> f32 {
        self.marked.iter().map(|at| self.numbers[*at]).sum()
    }
}

impl Adding {
    fn sum(&self) -> impl Fn(&[()], &mut Rng) -> Sum + use<> {
        let length = self.0.saved.length;
        move |_, dice| Sum::of(length, dice)
    }

    fn arrays(sums: &[Sum]) -> Batch {
        let time = sums.first().map_or(0, |sum| sum.numbers.len());
        let mut numbers = Array3::zeros((sums.len(), time, 2));
        for (b, sum) in sums.iter().enumerate() {
            sum.numbers.iter().enumerate().for_each(|(t, x)| numbers[[b, t, 0]] = *x);
            sum.marked.iter().for_each(|at| numbers[[b, *at, 1]] = 1.0);
        }
        Batch { numbers, sums: Array2::from_shape_fn((sums.len(), 1), |(b, _)| sums[b].value()) }
    }

    /// `[batch, 1]`.
    fn answer<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.0.at_the_end(graph.input(&batch.numbers), 1).index(1, 0)
    }
}

impl Task for Adding {
    const NAME: &'static str = "adding";
    const ABOUT: &'static str = "Long memory: add the two marked numbers among many";
    const METRIC: Metric = Metric { name: "mse", digits: 6, less_is_better: true };
    const UNIT: &'static str = "steps";
    const DATA: &'static str = "";
    const OPTIONS: &'static [Opt] = memory::OPTIONS;

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Synthetic<()>;
    type Batch = Batch;
    type Answer = f32;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(40, 3e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, _data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let parts = Synthetic::parts(Parts { train: vec![], dev: vec![], test: vec![] }, settings.sequences);
        Ok(Prepared { saved: Saved::new(settings), tokenizer: None, parts })
    }

    fn restore(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Adding> {
        Ok(Adding(Memory::new(saved, 2, 1, params)?))
    }

    fn saved(&self) -> &Saved {
        &self.0.saved
    }

    fn examples(&self, _data: &Data) -> Result<Synthetic<()>> {
        Ok(Synthetic::to_score(vec![]))
    }

    fn lengths(&self, composed: &Synthetic<()>) -> Vec<(usize, usize)> {
        vec![(0, self.0.saved.length); composed.count]
    }

    fn batch(&self, composed: &Synthetic<()>, rows: &[usize], draw: Option<RngKey>) -> Result<Batch> {
        Ok(Self::arrays(&composed.each(rows, draw, self.sum())))
    }

    fn weight(&self, batch: &Batch) -> usize {
        batch.sums.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.sums.len() * self.0.saved.length
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        (self.answer(graph, batch) - graph.input(&batch.sums)).powi(2).sum_all()
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Search) -> Result<Vec<f32>> {
        Ok(self.answer(&Graph::inference(params), batch).value()?.to_f64().iter().map(|x| *x as f32).collect())
    }

    fn score(&self, composed: &Synthetic<()>, answers: &[f32]) -> Result<Score> {
        let sums = composed.all(self.sum());
        let squares = answers.iter().zip(&sums).map(|(answer, sum)| f64::from(answer - sum.value()).powi(2));
        Ok((squares.sum::<f64>() / sums.len().max(1) as f64).into())
    }

    fn baselines(&self, parts: &Parts<Synthetic<()>>, _exchange: &dyn Exchange) -> Result<Vec<(&'static str, f64)>> {
        Ok(vec![("always_1", self.score(&parts.test, &vec![1.0; parts.test.count])?.value)])
    }

    fn comparisons(settings: &Settings) -> Vec<(&'static str, Settings)> {
        settings.plain()
    }

    fn row(&self, composed: &Synthetic<()>, number: usize, answer: &f32) -> Vec<(&'static str, String)> {
        let sum = composed.one(number, self.sum());
        let marked = sum.marked.map(|at| format!("{:.3} at step {at}", sum.numbers[at]));
        vec![("marked", marked.join(", ")), ("sum", format!("{:.3}", sum.value())), ("model", format!("{answer:.3}"))]
    }

    fn figures(&self, params: &Params, test: &Synthetic<()>, _answers: &[f32]) -> Result<Vec<Figure>> {
        Ok(vec![gradients_through_time(self, params, test)?])
    }

    /// A line is numbers from 0 to 1, with a star behind each that is to be added: `0.3 0.25* 0.9 0.5*`.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let hint =
            "a line is numbers from 0 to 1 with spaces between, and a star behind each of two: `0.3 0.25* 0.9 0.5*`";
        let read = |word: &str| -> Result<(f32, bool)> {
            let (number, marked) = word.strip_suffix('*').map_or((word, false), |number| (number, true));
            let number = number.parse().ok().filter(|x| (0.0..=1.0).contains(x));
            Ok((number.ok_or_else(|| Error::failure(format!("{word:?} is no number from 0 to 1"), hint))?, marked))
        };
        let (numbers, marks): (Vec<f32>, Vec<bool>) =
            line.split_whitespace().map(read).collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let marked: Vec<usize> = (0..marks.len()).filter(|at| marks[*at]).collect();
        let Ok(marked) = <[usize; 2]>::try_from(marked) else {
            return Err(Error::failure(format!("{} numbers are marked", marks.iter().filter(|m| **m).count()), hint));
        };
        let answer = self.answers(params, &Self::arrays(&[Sum { numbers, marked }]), Search::Full)?;
        let digits = |x: f64| if ask.exact { number::all(x) } else { number::significant(x, 5) };
        Ok(Prediction { line: answer.iter().map(|x| digits(f64::from(*x))).collect(), ..Prediction::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::nn::CellKind;
    use unspool::nn::exchange::OneProcess;

    fn adding(cell: CellKind) -> (Adding, Params) {
        let settings = Settings { cell, hidden_size: 16, length: 100, ..Settings::default() };
        let mut params = Params::seeded(1);
        let task = Adding::restore(Saved::new(&settings), None, &mut params).unwrap();
        (task, params)
    }

    #[test]
    fn one_mark_in_each_half_and_the_sum_of_both() {
        let (task, _) = adding(CellKind::Gru);
        let test = task.examples(&Data::new(&[], &[], &OneProcess)).unwrap();
        let sums = test.all(task.sum());
        assert!(sums.iter().all(|sum| sum.marked[0] < 50 && (50..100).contains(&sum.marked[1])));
        let batch = task.batch(&test, &[0, 7], None).unwrap();
        let by_hand = (0..100).map(|t| batch.numbers[[1, t, 0]] * batch.numbers[[1, t, 1]]).sum::<f32>();
        assert!((batch.sums[[1, 0]] - by_hand).abs() < 1e-6);
        let always_1 = task.score(&test, &vec![1.0; test.count]).unwrap().value;
        assert!((always_1 - 1.0 / 6.0).abs() < 0.02, "{always_1}");
    }

    #[test]
    fn the_gradient_vanishes_in_the_plain_cell_and_not_in_a_gated_one() {
        let (task, params) = adding(CellKind::Gru);
        let test = task.examples(&Data::new(&[], &[], &OneProcess)).unwrap();
        let figures = task.figures(&params, &test, &[]).unwrap();
        let (gated, plain) = (memory::reach(&figures[0], 1), memory::reach(&figures[0], 2));
        assert!(gated > 1e-3 && plain < 1e-9, "{gated:e} {plain:e}");
    }

    #[test]
    fn a_line_of_marked_numbers_is_read() {
        let (task, params) = adding(CellKind::Lstm);
        let ask = Ask { best: 1, attention: false, exact: false };
        assert!(task.predict(&params, "0.5 0.25* 1 0*", &ask).unwrap().line.parse::<f64>().is_ok());
        for (line, what) in [("", "0 numbers"), ("0.5* 0.5", "1 numbers"), ("0.5* x*", "\"x*\""), ("2* 0*", "\"2*\"")] {
            assert!(task.predict(&params, line, &ask).unwrap_err().to_string().contains(what), "{line}");
        }
    }
}
