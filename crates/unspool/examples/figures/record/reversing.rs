//! Strings and the same backwards: one vector, attention, and a Transformer, by the length of the string.

use super::{
    Result, SEED,
    seeds::{table, with_each},
};
use std::fmt::Write;
use unspool::{
    graph::RngKey,
    nn::{
        Attention, AttentionDecoder, Bridge, Decoder, DecoderSteps, Positions, TransformerConfig, TransformerDecoder,
        TransformerEncoder,
        decoding::{Decoding, Hypothesis},
        teacher_forcing,
    },
    prelude::*,
    text::Specials,
};

/// Eight letters after the four special tokens.
const SYMBOLS: usize = 12;
const LONGEST: usize = 20;
const BATCH: usize = 64;
const STEPS: u64 = 1500;
/// What is asked afterwards; every second of these.
const LENGTHS: std::ops::RangeInclusive<usize> = 2..=24;

/// A random string.
fn string(draw: RngKey, length: usize) -> Vec<u32> {
    (0..length as u64).map(|t| 4 + (draw.uniform(t) * 8.0) as u32).collect()
}

fn backwards(strings: &[Vec<u32>]) -> Vec<Vec<u32>> {
    strings.iter().map(|s| s.iter().rev().copied().collect()).collect()
}

/// How the decoder's first state is made from what is read.
type Start<D> = Box<dyn for<'g> Fn(&'g Graph<'g>, &Padded) -> <D as Cell>::State<'g>>;

struct Model<D: Decoder> {
    params: Params,
    decoder: D,
    start: Start<D>,
}

impl<D: Decoder> Model<D> {
    fn train(&mut self, seed: u64) -> Result<()> {
        let mut adam = Adam::new();
        for step in 0..STEPS {
            let draw = RngKey::seed(seed).fold_in(step);
            let length = |b: u64| 2 + (draw.uniform(b) * (LONGEST - 1) as f64) as usize;
            let strings: Vec<_> = (0..BATCH as u64).map(|b| string(draw.fold_in(b), length(b))).collect();
            let (source, target) =
                (Padded::new(&strings, 0), TeacherForcing::new(&backwards(&strings), Specials::FIXED));
            let graph = Graph::new(&self.params).training(seed, step);
            let start = (self.start)(&graph, &source);
            let logits = teacher_forcing(&self.decoder, &graph, &target.input, target.layout(), start);
            let mut gradients = logits.cross_entropy(&target.target).mean(&[]).backward()?;
            gradients.clip_norm(1.0)?;
            let rate = schedule::linear_with_warm_up(step, 100, STEPS, 0.004, 0.05);
            adam.step(&mut self.params, &gradients, rate)?;
        }
        Ok(())
    }

    fn write(&self, strings: &[Vec<u32>]) -> Result<Vec<Hypothesis>> {
        let source = Padded::new(strings, 0);
        let mut steps =
            DecoderSteps::new(&self.params, &self.decoder, strings.len(), |graph| (self.start)(graph, &source))?;
        let Specials { bos, eos, .. } = Specials::FIXED;
        Ok(Decoding::new(bos, eos, source.ids.ncols() + 3).greedy(&mut steps)?)
    }

    /// The share of 200 new strings of this length that come out without a mistake.
    fn faultless(&self, length: usize) -> Result<f64> {
        let draw = RngKey::seed(SEED).fold_in_str("new").fold_in(length as u64);
        let strings: Vec<_> = (0..200).map(|b| string(draw.fold_in(b), length)).collect();
        let written = self.write(&strings)?;
        let right = written.iter().zip(backwards(&strings)).filter(|(h, back)| h.ended && h.tokens == *back).count();
        Ok(right as f64 / 200.0)
    }
}

/// The decoder of chapter 11: a table, a cell, a readout.
struct Writer(Embedding, Gru, Linear);

impl Cell for Writer {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.1.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.1.step(x, h)
    }
}

impl Decoder for Writer {
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        self.0.apply(graph, ndarray::aview1(tokens))
    }
    fn logits<'g>(&self, hs: Var<'g>, _: Var<'g>) -> Var<'g> {
        self.2.apply(hs)
    }
}

fn one_vector(seed: u64) -> Model<Writer> {
    let mut params = Params::seeded(seed);
    let table = Embedding::normal(params.scope("table"), SYMBOLS, 32, 0.3);
    let reader = Gru::new(params.scope("reader"), 32, 96);
    let cell = Gru::new(params.scope("writer"), 32, 96);
    let decoder = Writer(table, cell, Linear::new(params.scope("readout"), 96, SYMBOLS));
    let start: Start<Writer> = Box::new(move |graph, source| {
        let xs = table.sequence(graph, &source.ids, source.layout());
        unroll(&reader, &xs, reader.initial_state(graph, source.len())).1
    });
    Model { params, decoder, start }
}

fn attending(seed: u64) -> Model<AttentionDecoder<Gru>> {
    let mut params = Params::seeded(seed);
    let table = Embedding::normal(params.scope("table"), SYMBOLS, 32, 0.3);
    let reader = Gru::new(params.scope("reader"), 32, 64);
    let attention = Attention::additive(params.scope("attention"), 64, 64, 64);
    let decoder = AttentionDecoder::new(params.scope("writer"), Gru::new, table, attention, 64, 64);
    let (embedding, starter) = (table, decoder.clone());
    let start: Start<AttentionDecoder<Gru>> = Box::new(move |graph, source| {
        let xs = embedding.sequence(graph, &source.ids, source.layout());
        let (memory, last) = unroll(&reader, &xs, reader.initial_state(graph, source.len()));
        starter.start(&Bridge::Last, &[last], &memory)
    });
    Model { params, decoder, start }
}

fn transformer(seed: u64) -> Model<TransformerDecoder> {
    let mut params = Params::seeded(seed);
    let config = TransformerConfig { size: 48, heads: 4, feedforward: 96, dropout: 0.0, norm_first: true, bias: true };
    let table = Embedding::normal(params.scope("table"), SYMBOLS, 48, 0.15);
    let encoder = TransformerEncoder::new(params.scope("encoder"), 2, Positions::Sinusoidal, config);
    let decoder = TransformerDecoder::new(params.scope("decoder"), 2, table, Positions::Sinusoidal, config);
    let starter = decoder.clone();
    let start: Start<TransformerDecoder> = Box::new(move |graph, source| {
        starter.start(&encoder.apply(&starter.embedded(graph, &source.ids, source.layout())))
    });
    Model { params, decoder, start }
}

/// The share of strings without a mistake at each length, for each seed. All are asked the same strings.
fn shares<D: Decoder>(name: &str, make: impl Fn(u64) -> Model<D> + Sync) -> Result<Vec<Vec<f64>>> {
    println!("{name}: {} parameters", make(SEED).params.elements());
    with_each(|seed| {
        let mut model = make(seed);
        model.train(seed)?;
        LENGTHS.step_by(2).map(|length| model.faultless(length)).collect()
    })
}

/// By length; no string longer than 20 was trained on.
pub(super) fn by_length() -> Result<String> {
    let models =
        [shares("one vector", one_vector)?, shares("attention", attending)?, shares("Transformer", transformer)?];
    table("length", LENGTHS.step_by(2), &["one vector", "attention", "Transformer"], &models, 3)
}

/// Where the attention looks while a string of twelve letters is written: a row for each letter written, a column for
/// each that is read.
pub(super) fn where_it_looks() -> Result<String> {
    let mut model = attending(SEED);
    model.train(SEED)?;
    let read = string(RngKey::seed(SEED).fold_in_str("map"), 12);
    let written = model.write(std::slice::from_ref(&read))?.remove(0);
    let looked = written.attention.ok_or("no attention")?;
    let letter = |id: u32| char::from(b'a' + id.saturating_sub(4) as u8);
    let heads: Vec<String> = (0..).zip(&read).map(|(i, &id)| format!("{}{i}", letter(id))).collect();
    let mut out = format!("written,{}\n", heads.join(","));
    for (row, weights) in looked.rows().into_iter().enumerate() {
        let name = written.tokens.get(row).map_or("end".to_string(), |&id| letter(id).to_string());
        let weights: Vec<String> = weights.iter().map(|w| format!("{w:.3}")).collect();
        writeln!(out, "{name},{}", weights.join(","))?;
    }
    Ok(out)
}
