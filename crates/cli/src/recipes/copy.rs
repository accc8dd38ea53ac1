//! The copying problem (Hochreiter and Schmidhuber 1997; in this form Arjovsky, Shah and Bengio 2016): ten symbols,
//! many steps of nothing, a sign, and then the ten symbols are to be said again, in their order.
//!
//! ```text
//! reads  3 1 4 1 5 2 7 0 0 6 · · · · · · · · · · · · ! · · · · · · · · ·
//! says                                               3 1 4 1 5 2 7 0 0 6
//! ```
//!
//! A cell that holds on to nothing is right at one symbol of eight. In training the steps of nothing are of any number
//! up to all, and more often few than many: what is learned over few, gates carry over many. Dev and test have all of
//! them.

use super::{
    Rng, Synthetic,
    memory::{Memory, Saved, Settings, gradients_through_time},
    *,
};
use ndarray::Array3;
use unspool::text::score::accuracy;

/// Symbols that are to be said again.
const SYMBOLS: usize = 10;
/// How many different ones there are.
const KINDS: usize = 8;
/// Behind the symbols among the inputs: nothing, and the sign.
const NOTHING: usize = KINDS;
const SIGN: usize = KINDS + 1;

/// A model that says again what it read.
pub(crate) struct Copying(Memory);

/// One of all inputs at each step, `[batch, time, input]`, and the symbols, row by row.
pub(crate) struct Batch {
    inputs: Array3<f32>,
    symbols: Vec<u32>,
}

/// What is said at each of the last steps, and how far its probabilities are from the right ones: Σ (p − right)² over
/// the symbols.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    symbols: Vec<u32>,
    squares: f64,
}

fn symbols(_: &[()], dice: &mut Rng) -> Vec<u32> {
    (0..SYMBOLS).map(|_| dice.between(0, KINDS as isize - 1) as u32).collect()
}

impl Copying {
    /// Of `time` steps.
    fn arrays(rows: &[Vec<u32>], time: usize) -> Batch {
        let mut inputs = Array3::zeros((rows.len(), time, KINDS + 2));
        for (b, symbols) in rows.iter().enumerate() {
            for t in 0..time {
                let input = match symbols.get(t) {
                    Some(symbol) => *symbol as usize,
                    None if t + SYMBOLS == time => SIGN,
                    None => NOTHING,
                };
                inputs[[b, t, input]] = 1.0;
            }
        }
        Batch { inputs, symbols: rows.concat() }
    }

    /// `[batch · symbols, kinds]`.
    fn logits<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.0.at_the_end(graph.input(&batch.inputs), SYMBOLS).reshape([batch.symbols.len(), KINDS])
    }
}

/// As digits.
fn text(symbols: &[u32]) -> String {
    symbols.iter().map(u32::to_string).collect()
}

impl Task for Copying {
    const NAME: &'static str = "copy";
    const ABOUT: &'static str = "Long memory: repeat ten symbols after many empty steps";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "steps";
    const DATA: &'static str = "";
    const OPTIONS: &'static [Opt] = memory::OPTIONS;

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Synthetic<()>;
    type Batch = Batch;
    type Answer = Said;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(100, 3e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, _data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let parts = Synthetic::parts(Parts { train: vec![], dev: vec![], test: vec![] }, settings.sequences);
        Ok(Prepared { saved: Saved::new(settings), tokenizer: None, parts })
    }

    fn restore(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Copying> {
        if saved.length <= 2 * SYMBOLS {
            return Err(Error::failure(
                format!("length is {}", saved.length),
                format!("there must be {SYMBOLS} steps for the symbols, {SYMBOLS} for the answer, and some between"),
            ));
        }
        Ok(Copying(Memory::new(saved, KINDS + 2, KINDS, params)?))
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
        let length = self.0.saved.length;
        let time = match (draw, rows.first()) {
            (Some(draw), Some(first)) => {
                let longest = (length - 2 * SYMBOLS) as f64;
                let share = draw.fold_in_str("steps of nothing").uniform(*first as u64);
                2 * SYMBOLS + longest.powf(share).round() as usize
            }
            _ => length,
        };
        Ok(Self::arrays(&composed.each(rows, draw, symbols), time))
    }

    fn weight(&self, batch: &Batch) -> usize {
        batch.symbols.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.inputs.dim().0 * batch.inputs.dim().1
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        self.logits(graph, batch).cross_entropy(&batch.symbols).sum_all()
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Search) -> Result<Vec<Said>> {
        let graph = Graph::inference(params);
        let logits = self.logits(&graph, batch);
        let (said, p) = (logits.argmax()?, logits.softmax().value()?.to_f64());
        let square = |(row, right): (ndarray::ArrayViewD<'_, f64>, &u32)| -> f64 {
            let off = |(kind, p): (usize, &f64)| (p - f64::from(u8::from(kind == *right as usize))).powi(2);
            row.iter().enumerate().map(off).sum()
        };
        let squares: Vec<f64> = p.outer_iter().zip(&batch.symbols).map(square).collect();
        let rows = said.chunks(SYMBOLS).zip(squares.chunks(SYMBOLS));
        Ok(rows.map(|(said, squares)| Said { symbols: said.to_vec(), squares: squares.iter().sum() }).collect())
    }

    /// The share of symbols; beside it that of whole sequences, and the mean squared error of the probabilities.
    fn score(&self, composed: &Synthetic<()>, answers: &[Said]) -> Result<Score> {
        let right = composed.all(symbols);
        let said: Vec<Vec<u32>> = answers.iter().map(|said| said.symbols.clone()).collect();
        let squares: f64 = answers.iter().map(|said| said.squares).sum();
        let mse = squares / (answers.len() * SYMBOLS * KINDS).max(1) as f64;
        let value = accuracy(&said.concat(), &right.concat())?;
        Ok(Score { value, signature: None, more: vec![("exact", accuracy(&said, &right)?), ("mse", mse)] })
    }

    fn baselines(&self, _parts: &Parts<Synthetic<()>>, _exchange: &dyn Exchange) -> Result<Vec<(&'static str, f64)>> {
        Ok(vec![("chance", 1.0 / KINDS as f64)])
    }

    fn comparisons(settings: &Settings) -> Vec<(&'static str, Settings)> {
        settings.plain()
    }

    fn row(&self, composed: &Synthetic<()>, number: usize, said: &Said) -> Vec<(&'static str, String)> {
        vec![("symbols", text(&composed.one(number, symbols))), ("model", text(&said.symbols))]
    }

    fn figures(&self, params: &Params, test: &Synthetic<()>, _answers: &[Said]) -> Result<Vec<Figure>> {
        Ok(vec![gradients_through_time(self, params, test)?])
    }

    /// A line is ten digits from 0 to 7.
    fn predict(&self, params: &Params, line: &str, _ask: &Ask) -> Result<Prediction> {
        let digits: Option<Vec<u32>> = line.trim().chars().map(|c| c.to_digit(KINDS as u32)).collect();
        let symbols = digits.filter(|digits| digits.len() == SYMBOLS).ok_or_else(|| {
            let hint = format!("a line is {SYMBOLS} digits from 0 to {}: 3141527006", KINDS - 1);
            Error::failure(format!("{line:?} cannot be said again"), hint)
        })?;
        let said = self.answers(params, &Self::arrays(&[symbols], self.0.saved.length), Search::Full)?;
        Ok(Prediction { line: said.iter().map(|said| text(&said.symbols)).collect(), ..Prediction::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::nn::exchange::OneProcess;

    #[test]
    fn symbols_come_first_then_nothing_a_sign_and_nothing_until_they_are_said() {
        let of_length = |length| {
            let saved = Saved::new(&Settings { length, hidden_size: 4, ..Settings::default() });
            Copying::restore(saved, None, &mut Params::seeded(1))
        };
        let task = of_length(24).unwrap();
        let batch = Copying::arrays(&[vec![3, 1, 4, 1, 5, 2, 7, 0, 0, 6]], 24);
        let read: Vec<usize> =
            (0..24).map(|t| (0..KINDS + 2).find(|k| batch.inputs[[0, t, *k]] == 1.0).unwrap()).collect();
        assert_eq!(read[..14], [3, 1, 4, 1, 5, 2, 7, 0, 0, 6, NOTHING, NOTHING, NOTHING, NOTHING]);
        assert_eq!(read[14..], [&[SIGN][..], &[NOTHING; 9]].concat());
        assert_eq!(batch.inputs.sum(), 24.0);
        // In training any number of steps up to all, in evaluation all.
        let test = task.examples(&Data::new(&[], &[], &OneProcess)).unwrap();
        let steps = |row, draw| task.batch(&test, &[row], draw).unwrap().inputs.dim().1;
        let trained: std::collections::BTreeSet<usize> =
            (0..200).map(|row| steps(row, Some(RngKey::seed(1)))).collect();
        assert_eq!((trained.first(), trained.last(), steps(7, None)), (Some(&21), Some(&24), 24));
        assert!(of_length(20).is_err());
    }

    #[test]
    fn a_sure_and_right_answer_has_no_error() {
        let mut params = Params::seeded(1);
        let task = Copying::restore(Saved::new(&Settings::default()), None, &mut params).unwrap();
        let test = task.examples(&Data::new(&[], &[], &OneProcess)).unwrap();
        let all = test.all(symbols);
        let right = all.iter().map(|symbols| Said { symbols: symbols.clone(), squares: 0.0 });
        let score = task.score(&test, &right.collect::<Vec<_>>()).unwrap();
        assert_eq!((score.value, score.more), (1.0, vec![("exact", 1.0), ("mse", 0.0)]));
        // One sequence with one symbol wrong, of which it was sure.
        let mut wrong: Vec<Said> = all.into_iter().map(|symbols| Said { symbols, squares: 0.0 }).collect();
        wrong[0].symbols[0] = (wrong[0].symbols[0] + 1) % 8;
        wrong[0].squares = 2.0;
        let score = task.score(&test, &wrong).unwrap();
        assert!((score.value - 0.9999).abs() < 1e-9);
        assert_eq!(score.more, [("exact", 0.999), ("mse", 2.0 / 80_000.0)]);
    }
}
