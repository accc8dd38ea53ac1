//! What the program's speech model hears when, in recordings that it was not trained on.

use super::{
    Result,
    program::{card_score, run, runs, trained},
};
use ndarray::{Array2, Axis};
use serde_json::Value;
use std::{f32::consts::TAU, fmt::Write, fs, path::Path, process::Command};
use unspool::{
    models::{Recognizer, RecognizerConfig},
    nn::{checkpoint, ctc},
    prelude::*,
};

/// Smaller than the program's default, so that it is trained in minutes.
const OPTIONS: [&str; 9] = ["speech", "--layers", "1", "--hidden-size", "64", "--epochs", "5", "--seed", "1"];
/// Recordings of the test part, all by one speaker, and a tenth of a second of silence around each.
const SAID: [&str; 3] = ["test/3_jackson_0.wav", "test/1_jackson_0.wav", "test/7_jackson_0.wav"];
const RATE: usize = 8000;
const SILENCE: usize = RATE / 10;
/// Windows of 25 ms, every 10 ms, padded to a power of two.
const WINDOW: usize = RATE / 40;
const HOP: usize = RATE / 100;
const SIZE: usize = 256;
const BANDS: usize = 32;

/// The samples of a file of the archive, which are 16 bits wide and follow a head of 44 bytes.
fn samples(file: &str) -> Result<Vec<i16>> {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/data/spoken-digits.tar.gz");
    let wav = Command::new("tar").arg("-xzOf").arg(archive).arg(file).output()?.stdout;
    let data = wav.get(44..).ok_or_else(|| format!("{file} is no recording"))?;
    Ok(data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// The recordings one after the other.
fn joined() -> Result<Vec<i16>> {
    let mut all = vec![0; SILENCE];
    for file in SAID {
        all.extend(samples(file)?);
        all.resize(all.len() + SILENCE, 0);
    }
    Ok(all)
}

/// The log-mel features that the program computes, `[frame, band]`, by the definition of the Fourier transform.
fn log_mel(sound: &[f32]) -> Array2<f32> {
    let mel = |hertz: f32| 2595.0 * (1.0 + hertz / 700.0).log10();
    let (low, high) = (mel(60.0), mel(RATE as f32 / 2.0));
    let step = (high - low) / (BANDS + 1) as f32;
    let bands = Array2::from_shape_fn((BANDS, SIZE / 2 + 1), |(band, k)| {
        let center = low + step * (band + 1) as f32;
        (1.0 - (mel((k * RATE) as f32 / SIZE as f32) - center).abs() / step).max(0.0)
    });
    let wave = |part: fn(f32) -> f32| {
        Array2::from_shape_fn((WINDOW, SIZE / 2 + 1), |(t, k)| part(TAU * ((t * k) % SIZE) as f32 / SIZE as f32))
    };
    let hann = |t: usize| 0.5 - 0.5 * (TAU * t as f32 / WINDOW as f32).cos();
    let frames = 1 + (sound.len() - WINDOW) / HOP;
    let windows = Array2::from_shape_fn((frames, WINDOW), |(i, t)| hann(t) * sound[i * HOP + t]);
    let power = |part| windows.dot(&wave(part)).mapv(|x| x * x);
    (power(f32::cos) + power(f32::sin)).dot(&bands.t()).mapv(|energy| (energy + 1e-6).ln())
}

/// What the model reads: each band with mean 0 and deviation 1, two frames at a time.
fn pairs(mut frames: Array2<f32>) -> Array2<f32> {
    for mut band in frames.axis_iter_mut(Axis(1)) {
        let (mean, deviation) = (band.mean().unwrap_or(0.0), band.std(0.0).max(1e-3));
        band.mapv_inplace(|x| (x - mean) / deviation);
    }
    let (time, bands) = frames.dim();
    Array2::from_shape_fn((time.div_ceil(2), 2 * bands), |(t, k)| {
        frames.get((2 * t + k / bands, k % bands)).copied().unwrap_or(0.0)
    })
}

/// A wav file of these samples.
fn wav(samples: &[i16]) -> Vec<u8> {
    let (rate, bytes) = (RATE as u32, 2 * samples.len() as u32);
    let mut out = b"RIFF".to_vec();
    out.extend((36 + bytes).to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    out.extend(rate.to_le_bytes());
    out.extend((2 * rate).to_le_bytes());
    out.extend(b"\x02\0\x10\0data");
    out.extend(bytes.to_le_bytes());
    out.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    out
}

/// For each step of 20 ms the loudest sample, and the probabilities of the blank and of the digits. It is an error if
/// the program writes something else for the same sound.
pub(super) fn probabilities() -> Result<String> {
    let folder = runs().join("speech");
    trained(&folder, &OPTIONS)?;
    let config: Value = serde_json::from_str(&fs::read_to_string(folder.join("config.json"))?)?;
    let config: RecognizerConfig = serde_json::from_value(config["model"].clone())?;
    let mut params = Params::seeded(0);
    let model = Recognizer::new(&mut params, &config);
    checkpoint::load(&folder.join("model.safetensors"), &mut params)?;

    let samples = joined()?;
    let sound: Vec<f32> = samples.iter().map(|&x| f32::from(x) / 32768.0).collect();
    let read = pairs(log_mel(&sound));
    let graph = Graph::inference(&params);
    let logits = model.logits(&Sequence::full(graph.input(read.insert_axis(Axis(0)))));
    let logits = logits.padded().index(0, 0);
    let p = logits.softmax().to_f64()?.into_dimensionality::<ndarray::Ix2>()?;

    let heard: String = ctc::greedy(p.mapv(f64::ln).view(), 0)?.iter().map(|label| (label - 1).to_string()).collect();
    let file = runs().join("speech.wav");
    fs::write(&file, wav(&samples))?;
    let line = format!("{}\n", file.display());
    let written = run(&["predict", "--model", folder.to_str().ok_or("a folder that is no text")?], &line)?;
    if written.trim() != heard {
        return Err(format!("the program hears {written:?}, and the features of this file give {heard:?}").into());
    }
    let (options, error) = (OPTIONS[1..].join(" "), card_score(&folder, "error")?);
    let mut out = format!("# options: {options}\n# error on the test part: {error}\n");
    write!(out, "# recordings: {}\n# heard: {heard}\nstep,loudest,blank", SAID.join(", "))?;
    (0..10).try_for_each(|digit| write!(out, ",{digit}"))?;
    for (step, row) in p.outer_iter().enumerate() {
        let from = 2 * HOP * step;
        let loudest = sound[from..].iter().take(2 * HOP).fold(0f32, |most, x| most.max(x.abs()));
        write!(out, "\n{step},{loudest:.3}")?;
        row.iter().try_for_each(|p| write!(out, ",{p:.3}"))?;
    }
    out.push('\n');
    Ok(out)
}
