//! Plays: a curve of bits per character, and what the model writes.

use super::{
    Result, SEED, data,
    seeds::{by_name, table, with_each},
};
use std::fmt::Write;
use unspool::{
    nn::state_to_tensors,
    prelude::*,
    text::{BpttStreams, Vocabulary, read_text, score::bits_per_character},
};

const EPOCHS: usize = 6;

/// A language model of characters, trained.
struct Writer {
    params: Params,
    embedding: Embedding,
    cell: Gru,
    readout: Linear,
    vocabulary: Vocabulary,
}

impl Writer {
    /// Continues a text by sampling at a temperature.
    fn write(&self, begin: &str, temperature: f64, characters: u64) -> Result<String> {
        let mut graph = Graph::new(&self.params);
        let mut state = state_to_tensors(&self.cell.initial_state(&graph, 1))?;
        let mut text = begin.to_string();
        let mut unread: Vec<u32> = begin.chars().map(|c| self.vocabulary.id_or_unknown(&c.to_string())).collect();
        for i in 0..characters {
            let mut p = vec![];
            for &id in &unread {
                graph.reset();
                let x = self.embedding.apply(&graph, ndarray::aview1(&[id]));
                let (h, next) = self.cell.step(x, self.cell.state_from_tensors(&graph, &state));
                p = (self.readout.apply(h) / temperature).softmax().to_f64()?.iter().copied().collect();
                state = state_to_tensors(&next)?;
            }
            let (mut sum, u) = (0.0, RngKey::seed(SEED).uniform(i));
            let id = p
                .iter()
                .position(|p| {
                    sum += p;
                    sum > u
                })
                .unwrap_or(p.len() - 1) as u32;
            text += self.vocabulary.token(id).ok_or("an id without a token")?;
            unread = vec![id];
        }
        Ok(text)
    }
}

/// What the model of `language_model` writes at three temperatures; a line of the text per row.
pub(super) fn writing() -> Result<String> {
    let writer = trained_writer(SEED)?.1;
    let mut out = String::from("temperature,text\n");
    for temperature in [0.5, 1.0, 1.5] {
        for line in writer.write("ROMEO:\n", temperature, 240)?.lines() {
            writeln!(out, "{temperature},{line}")?;
        }
    }
    Ok(out)
}

pub(super) fn language_model() -> Result<String> {
    let curves = with_each(|seed| Ok(trained_writer(seed)?.0))?;
    let names = ["train bits per character", "test bits per character"];
    table("epoch", 1..=EPOCHS, &names, &by_name(&curves), 3)
}

/// A GRU over the first 200,000 characters of the plays; after each epoch the bits per character there and on the next
/// 20,000.
fn trained_writer(seed: u64) -> Result<(Vec<[f64; 2]>, Writer)> {
    let text: Vec<String> =
        read_text(data("tiny-shakespeare.txt.gz")?, 2_000_000)?.chars().take(220_000).map(String::from).collect();
    let vocabulary = Vocabulary::count(&text, 1, 200)?;
    let ids: Vec<u32> = text.iter().map(|c| vocabulary.id_or_unknown(c)).collect();
    let (train, dev) =
        (BpttStreams::new(ids[..200_000].to_vec(), 32, 50)?, BpttStreams::new(ids[200_000..].to_vec(), 32, 50)?);

    let mut params = Params::seeded(seed);
    let embedding = Embedding::new(params.scope("embedding"), vocabulary.len(), 32);
    let cell = Gru::new(params.scope("rnn"), 32, 96);
    let readout = Linear::new(params.scope("readout"), 96, vocabulary.len());
    let (mut adam, mut step) = (Adam::new(), 0);
    let mut curve = vec![];
    for _ in 0..EPOCHS {
        let mut bits = [0.0; 2];
        for (learns, streams) in [(true, &train), (false, &dev)] {
            let (mut carried, mut sum): (Option<Vec<Tensor>>, f64) = (None, 0.0);
            for window in streams.windows() {
                let graph = Graph::new(&params).training(seed, step);
                let start = match &carried {
                    None => cell.initial_state(&graph, 32),
                    Some(state) => cell.state_from_tensors(&graph, state),
                };
                let xs = embedding.sequence(&graph, &window.input, &window.lengths);
                let (hs, last) = unroll(&cell, &xs, start);
                let loss = hs.map(|hs| readout.apply(hs)).cross_entropy(&window.target);
                sum += loss.sum(&[]).item()?;
                carried = Some(state_to_tensors(&last)?);
                if learns {
                    let mut gradients = loss.mean(&[]).backward()?;
                    gradients.clip_norm(1.0)?;
                    adam.step(&mut params, &gradients, 0.005)?;
                    step += 1;
                }
            }
            bits[usize::from(!learns)] = bits_per_character(sum, streams.tokens() as u64)?;
        }
        curve.push(bits);
    }
    Ok((curve, Writer { params, embedding, cell, readout, vocabulary }))
}
