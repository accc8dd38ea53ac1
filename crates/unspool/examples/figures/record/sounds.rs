//! The small recordings of chapter 19: what its network hears at each frame of one of them, before training and after.

use super::Result;
use std::fmt::Write;
use unspool::{graph::RngKey, nn::ctc::Ctc, prelude::*};

const SEED: u64 = 3;
const BATCH: usize = 24;
const LONGEST: usize = 24;

/// Frames `[24, 24, 4]` of sounds 1 to 3, and of each recording the sound at each real frame: 0 is silence.
fn recordings(seed: u64) -> (ndarray::Array3<f32>, Vec<Vec<u32>>) {
    let (mut frames, mut heard) = (ndarray::Array3::zeros((BATCH, LONGEST, 4)), vec![]);
    for row in 0..BATCH as u64 {
        let key = RngKey::seed(seed).fold_in(row);
        let mut sounds = vec![];
        for i in 0..2 + row % 3 {
            let sound = 1 + (key.uniform(i) * 3.0) as u32;
            sounds.extend(vec![sound; 2 + (key.uniform(10 + i) * 2.0) as usize]);
            sounds.push(0);
        }
        for (t, &sound) in sounds.iter().enumerate().filter(|(_, sound)| **sound > 0) {
            frames[[row as usize, t, sound as usize]] = 1.0;
        }
        heard.push(sounds);
    }
    frames.indexed_iter_mut().for_each(|((b, t, k), x)| {
        *x += 0.3 * RngKey::seed(seed).fold_in((b * 96 + t * 4 + k) as u64).normal(0) as f32;
    });
    (frames, heard)
}

/// One number for each sound, in their order: a sound ends with silence.
fn labels(sounds: &[u32]) -> Vec<u32> {
    sounds.windows(2).filter(|pair| pair[1] == 0).map(|pair| pair[0]).collect()
}

/// The logits of the four classes at each real frame.
fn logits<'g>(
    graph: &'g Graph<'g>,
    (cell, readout): (&Gru, &Linear),
    frames: ndarray::Array3<f32>,
    heard: &[Vec<u32>],
) -> Sequence<'g> {
    let lengths: Vec<usize> = heard.iter().map(Vec::len).collect();
    let xs = Sequence::pack(graph.input(frames), &lengths);
    unroll(cell, &xs, cell.initial_state(graph, BATCH)).0.map(|hs| readout.apply(hs))
}

/// A row for each frame: the sound that was made, and the probability of each class before and after training.
pub(super) fn probabilities() -> Result<String> {
    let (mut params, mut adam) = (Params::seeded(SEED), Adam::new());
    let cell = Gru::new(params.scope("rnn"), 4, 24);
    let readout = Linear::new(params.scope("readout"), 24, 4); // the blank and three sounds
    let model = (&cell, &readout);
    let mut columns = vec![];
    for step in 0..=200 {
        if step == 0 || step == 200 {
            let (frames, heard) = recordings(1_000_000);
            columns.push(logits(&Graph::new(&params), model, frames, &heard).padded().softmax().to_f64()?);
        }
        let ((frames, heard), graph) = (recordings(step), Graph::new(&params).training(SEED, step));
        let labels: Vec<Vec<u32>> = heard.iter().map(|sounds| labels(sounds)).collect();
        let gradients = Ctc::new().losses(&logits(&graph, model, frames, &heard), &labels).mean(&[]).backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let names = ["blank", "sound 1", "sound 2", "sound 3"];
    let head = |when: &str| names.map(|name| format!(",{name} {when}")).concat();
    let mut out = format!("frame,made{}{}\n", head("before"), head("after"));
    let shown = 2; // the first recording of four sounds
    for (t, sound) in recordings(1_000_000).1[shown].iter().enumerate() {
        write!(out, "{t},{sound}")?;
        for of_model in &columns {
            (0..4).try_for_each(|k| write!(out, ",{:.3}", of_model[[shown, t, k]]))?;
        }
        writeln!(out)?;
    }
    Ok(out)
}
