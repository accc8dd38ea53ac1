//! A small Transformer learns to reverse sequences in seconds, and shows where it looks while it writes.

use ndarray::Array2;
use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{
    Adam, DecoderSteps, Embedding, Positions, Result, TransformerConfig, TransformerDecoder, TransformerEncoder,
    TransformerState,
    decoding::{Decoding, Hypothesis},
    schedule::linear_with_warm_up,
    teacher_forcing,
};

const BATCH: usize = 32;
const STEPS: u64 = 400;
const LONGEST: usize = 6;
/// What stands before the first symbol, and what ends a sequence; symbols are 2 to 9.
const BEGIN: u32 = 0;
const END: u32 = 1;
const SYMBOLS: usize = 10;

/// One table of vectors serves the encoder, the decoder and, as its output layer, the predictions.
struct Reverser {
    encoder: TransformerEncoder,
    decoder: TransformerDecoder,
}

impl Reverser {
    fn new(params: &mut Params) -> Reverser {
        let config =
            TransformerConfig { size: 32, heads: 4, feedforward: 64, dropout: 0.0, norm_first: true, bias: true };
        let table = Embedding::normal(params.scope("embedding"), SYMBOLS, 32, 1.0 / 32f64.sqrt());
        let encoder = TransformerEncoder::new(params.scope("encoder"), 2, Positions::Sinusoidal, config);
        let decoder = TransformerDecoder::new(params.scope("decoder"), 2, table, Positions::Sinusoidal, config);
        Reverser { encoder, decoder }
    }

    fn start<'g>(&self, graph: &'g Graph<'g>, pairs: &Pairs) -> TransformerState<'g> {
        let xs = self.decoder.embedded(graph, &pairs.source, &pairs.lengths);
        self.decoder.start(&self.encoder.apply(&xs))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, pairs: &Pairs) -> Var<'g> {
        let written: Vec<usize> = pairs.lengths.iter().map(|length| length + 1).collect();
        let logits = teacher_forcing(&self.decoder, graph, &pairs.shifted, &written, self.start(graph, pairs));
        let target = |(b, t): (usize, usize)| pairs.targets[b].get(t).copied().unwrap_or(END);
        logits.cross_entropy(&Array2::from_shape_fn((BATCH, LONGEST + 1), target)).mean(&[])
    }

    fn write(&self, params: &Params, pairs: &Pairs) -> Result<Vec<Hypothesis>> {
        let mut steps = DecoderSteps::new(params, &self.decoder, BATCH, |graph| self.start(graph, pairs))?;
        Decoding::new(BEGIN, END, LONGEST + 1).greedy(&mut steps)
    }
}

/// Sequences and their reverses.
struct Pairs {
    /// `[batch, LONGEST]`, padded.
    source: Array2<u32>,
    lengths: Vec<usize>,
    /// The reverses, one step late: what the decoder reads while it is taught.
    shifted: Array2<u32>,
    /// The reverses with their ends.
    targets: Vec<Vec<u32>>,
}

fn pairs(seed: u64) -> Pairs {
    let draw = RngKey::seed(seed);
    let lengths: Vec<usize> = (0..BATCH).map(|b| 2 + b % (LONGEST - 1)).collect();
    let symbol = |b: usize, t: usize| 2 + (draw.uniform((b * LONGEST + t) as u64) * 8.0) as u32;
    let reverse = |(b, &length): (usize, &usize)| (0..length).rev().map(|t| symbol(b, t)).chain([END]).collect();
    let targets: Vec<Vec<u32>> = lengths.iter().enumerate().map(reverse).collect();
    let source = Array2::from_shape_fn((BATCH, LONGEST), |(b, t)| if t < lengths[b] { symbol(b, t) } else { END });
    let shifted = Array2::from_shape_fn((BATCH, LONGEST + 1), |(b, t)| match t {
        0 => BEGIN,
        t => targets[b].get(t - 1).copied().unwrap_or(END),
    });
    Pairs { source, lengths, shifted, targets }
}

/// Trains, prints one sequence with where the decoder looked, and returns the share of new sequences that are reversed
/// without a fault.
fn run() -> Result<f64> {
    let mut params = Params::seeded(1);
    let model = Reverser::new(&mut params);
    let mut adam = Adam::new();
    for step in 0..STEPS {
        let graph = Graph::new(&params).training(1, step);
        let mut gradients = model.loss(&graph, &pairs(step)).backward()?;
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, linear_with_warm_up(step, 50, STEPS, 0.005, 0.05))?;
    }

    let new = pairs(1_000_000);
    let written = model.write(&params, &new)?;
    show(&new, &written[4], 4);
    let right = written.iter().zip(&new.targets).filter(|(h, t)| h.ended && h.tokens[..] == t[..t.len() - 1]);
    Ok(right.count() as f64 / BATCH as f64)
}

/// A row for each symbol written, a column for each symbol read: the darker, the more of the weight is there.
fn show(pairs: &Pairs, written: &Hypothesis, row: usize) {
    let Some(attention) = &written.attention else { return };
    let read: String = (0..pairs.lengths[row]).map(|t| format!(" {}", pairs.source[[row, t]])).collect();
    println!("  {read}");
    for (token, weights) in written.tokens.iter().zip(attention.rows()) {
        let shades: String = weights.iter().take(pairs.lengths[row]).map(|w| shade(*w)).collect();
        println!("{token} {shades}");
    }
}

fn shade(weight: f64) -> &'static str {
    match weight {
        w if w < 0.1 => " ·",
        w if w < 0.3 => " ░",
        w if w < 0.6 => " ▒",
        _ => " █",
    }
}

fn main() -> Result<()> {
    println!("new sequences reversed without a fault: {:.3}", run()?);
    Ok(())
}

#[test]
fn the_transformer_learns_to_reverse() {
    let right = run().unwrap();
    assert!(right > 0.9, "{right}");
}
