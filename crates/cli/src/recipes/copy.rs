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

use super::*;
use crate::memory::{self, Options};

/// Symbols that are to be said again.
const SYMBOLS: usize = 10;
/// How many different ones there are.
pub(crate) const KINDS: usize = 8;
/// Inputs after the symbols: nothing, and the sign.
const NOTHING: usize = KINDS;
const SIGN: usize = KINDS + 1;

pub(crate) struct Copying {
    config: MemoryReaderConfig,
    model: MemoryReader,
}

/// Symbols, and in how many steps they are read and said.
#[derive(Serialize, Deserialize)]
pub(crate) struct Symbols {
    symbols: Vec<u32>,
    time: usize,
}

/// One of all inputs at each step, `[batch, time, input]`, and the symbols, row by row.
pub(crate) struct Batch {
    inputs: Array3<f32>,
    symbols: Vec<u32>,
}

impl unspool_task::Batch for Batch {
    fn loss_count(&self) -> usize {
        self.symbols.len()
    }
    fn units(&self) -> Option<usize> {
        Some(self.inputs.dim().0 * self.inputs.dim().1)
    }
}

/// What is said at each of the last steps, and how far its probabilities are from the right ones: Σ (p − right)² over
/// the symbols.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    symbols: Vec<u32>,
    squares: f64,
}

/// As digits.
fn text(symbols: &[u32]) -> String {
    symbols.iter().map(u32::to_string).collect()
}

impl Task for Copying {
    const SPEC: Spec = Spec::new("copy", "Long memory: repeat ten symbols after many empty steps", Metric::ACCURACY)
        .training(100, 3e-3, 32)
        .unit("steps")
        .compare(memory::COMPARISONS)
        .defaults(&[("hidden-size", "64")]);

    type Options = Options;
    type Saved = SavedModel<MemoryReaderConfig>;
    type Source = Drawn<Vec<()>>;
    type Example = Symbols;
    type Batch = Batch;
    type Answer = Said;

    fn read(options: &Options, _data: &Data) -> Result<Parts<Self::Source>> {
        Ok(options.parts())
    }

    fn learn(options: &Options, _train: &Self::Source) -> Result<Learned<Self::Saved>> {
        Ok(Learned::model(options.model(KINDS + 2, KINDS)))
    }

    fn build(SavedModel { model }: Self::Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Copying> {
        model.check()?;
        let config = MemoryReaderConfig { input_size: KINDS + 2, output_size: KINDS, ..model };
        if config.length <= 2 * SYMBOLS {
            return Err(Error::failure(
                format!("length is {}", config.length),
                format!("there must be {SYMBOLS} steps for the symbols, {SYMBOLS} for the answer, and some between"),
            ));
        }
        Ok(Copying { model: MemoryReader::new(params, &config)?, config })
    }

    fn read_to_score(&self, _data: &Data) -> Result<Self::Source> {
        Ok(memory::to_score(&self.config))
    }

    fn example(&self, _: &Vec<()>, draw: &Draw) -> Result<Symbols> {
        let (mut rng, length) = (draw.rng(), self.config.length);
        let symbols = (0..SYMBOLS).map(|_| rng.between(0, KINDS as isize - 1) as u32).collect();
        let share = draw.key().fold_in_str("steps of nothing").uniform(draw.number() as u64);
        let nothing = ((length - 2 * SYMBOLS) as f64).powf(share).round() as usize;
        Ok(Symbols { symbols, time: if draw.is_training() { 2 * SYMBOLS + nothing } else { length } })
    }

    /// A line is ten digits from 0 to 7.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Symbols> {
        let digits: Option<Vec<u32>> = line.trim().chars().map(|c| c.to_digit(KINDS as u32)).collect();
        let symbols = digits.filter(|digits| digits.len() == SYMBOLS).ok_or_else(|| {
            let hint = format!("a line is {SYMBOLS} digits from 0 to {}: 3141527006", KINDS - 1);
            Error::failure(format!("{line:?} cannot be said again"), hint)
        })?;
        Ok(Symbols { symbols, time: self.config.length })
    }

    /// All rows have the steps of the first.
    fn batch(&self, rows: &[&Symbols]) -> Result<Batch> {
        let time = rows.first().map_or(0, |row| row.time);
        let mut inputs = Array3::zeros((rows.len(), time, KINDS + 2));
        for (b, row) in rows.iter().enumerate() {
            for t in 0..time {
                let input = match row.symbols.get(t) {
                    Some(symbol) => *symbol as usize,
                    None if t + SYMBOLS == time => SIGN,
                    None => NOTHING,
                };
                inputs[[b, t, input]] = 1.0;
            }
        }
        Ok(Batch { inputs, symbols: rows.iter().flat_map(|row| &row.symbols).copied().collect() })
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.model.loss(graph.input(&batch.inputs), SYMBOLS, &batch.symbols)
    }

    fn answers(&self, params: &Params, batch: &Batch, _search: Search) -> Result<Vec<Said>> {
        let graph = Graph::inference(params);
        let logits = self.model.logits(graph.input(&batch.inputs), SYMBOLS).reshape([batch.symbols.len(), KINDS]);
        let (said, p) = (logits.argmax()?, logits.softmax().to_f64()?);
        let squares = memory::squared_errors(&p, &batch.symbols);
        let rows = said.chunks(SYMBOLS).zip(squares.chunks(SYMBOLS));
        Ok(rows.map(|(said, squares)| Said { symbols: said.to_vec(), squares: squares.iter().sum() }).collect())
    }

    /// The share of symbols; beside it that of whole sequences, and the mean squared error of the probabilities.
    fn score(&self, rows: &[Symbols], answers: &[Said]) -> Result<Score> {
        let right: Vec<&[u32]> = rows.iter().map(|row| row.symbols.as_slice()).collect();
        let said: Vec<&[u32]> = answers.iter().map(|said| said.symbols.as_slice()).collect();
        let squares: f64 = answers.iter().map(|said| said.squares).sum();
        let mse = squares / (answers.len() * SYMBOLS * KINDS).max(1) as f64;
        let score = Score::from(accuracy(&said.concat(), &right.concat())?);
        Ok(score.with([("exact", accuracy(&said, &right)?), ("mse", mse)]))
    }

    fn show(&self, row: &Symbols, said: &Said, _digits: Digits) -> Shown {
        Shown::answer(vec![("symbols", text(&row.symbols))], text(&said.symbols))
    }

    fn figures(&self, params: &Params, test: &[Symbols], _answers: &[Said]) -> Result<Vec<Figure>> {
        memory::gradients_through_time(self, &self.config, params, test)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::{graph::RngKey, nn::CellKind, text::Part};

    fn of_length(length: usize) -> Result<Copying> {
        let (input_size, output_size) = (KINDS + 2, KINDS);
        let model =
            MemoryReaderConfig { input_size, cell: CellKind::Gru, layers: 1, hidden_size: 4, output_size, length };
        Copying::build(SavedModel { model }, None, &mut Params::seeded(1))
    }

    #[test]
    fn symbols_come_first_then_nothing_a_sign_and_nothing_until_they_are_said() {
        let task = of_length(24).unwrap();
        let row = task.read_line("3141527006", &Draw::scored(0, Part::Test)).unwrap();
        let batch = task.batch(&[&row]).unwrap();
        let read: Vec<usize> =
            (0..24).map(|t| (0..KINDS + 2).find(|k| batch.inputs[[0, t, *k]] == 1.0).unwrap()).collect();
        assert_eq!(read[..14], [3, 1, 4, 1, 5, 2, 7, 0, 0, 6, NOTHING, NOTHING, NOTHING, NOTHING]);
        assert_eq!(read[14..], [&[SIGN][..], &[NOTHING; 9]].concat());
        assert_eq!(batch.inputs.sum(), 24.0);
        // In training any number of steps up to all, in evaluation all.
        let steps = |draw| task.example(&vec![], &draw).unwrap().time;
        let trained: std::collections::BTreeSet<usize> =
            (0..200).map(|row| steps(Draw::training(row, RngKey::seed(1)))).collect();
        assert_eq!((trained.first(), trained.last()), (Some(&21), Some(&24)));
        assert_eq!(steps(Draw::scored(7, Part::Test)), 24);
        assert!(of_length(20).is_err());
    }

    #[test]
    fn a_sure_and_right_answer_has_no_error() {
        let task = of_length(24).unwrap();
        let rows: Vec<Symbols> =
            (0..1000).map(|row| task.example(&vec![], &Draw::scored(row, Part::Test)).unwrap()).collect();
        let mut said: Vec<Said> = rows.iter().map(|row| Said { symbols: row.symbols.clone(), squares: 0.0 }).collect();
        let score = task.score(&rows, &said).unwrap();
        assert_eq!((score.value, score.more), (1.0, vec![("exact", 1.0), ("mse", 0.0)]));
        // One sequence with one symbol wrong, of which it was sure.
        said[0].symbols[0] = (said[0].symbols[0] + 1) % 8;
        said[0].squares = 2.0;
        let score = task.score(&rows, &said).unwrap();
        assert!((score.value - 0.9999).abs() < 1e-9);
        assert_eq!(score.more, [("exact", 0.999), ("mse", 2.0 / 80_000.0)]);
    }
}
