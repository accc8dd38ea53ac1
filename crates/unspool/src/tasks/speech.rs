//! Speech recognition: strings of spoken digits into digits, by log-mel features, a bidirectional recurrence and CTC.
//!
//! Recordings of single digits by one speaker are joined into strings, with gaps between and noise over all. A folder of sounds with
//! transcripts is taken as it is: what is said are then the characters of its transcripts.

use super::{
    composed::{Composed, Dice, by_number},
    log_mel::{LogMel, join, normalise},
    *,
};
use crate::program::data::Recording;
use ndarray::{Array2, Array3, ArrayView2, Axis};
use serde::Deserialize;
use std::collections::BTreeSet;
use unspool::{
    models::{Recognizer, RecognizerConfig},
    nn::{CellKind, ctc},
    text::score::token_error_rate,
};

/// Bands of the features, and how many frames of 10 ms are read at a time.
const BANDS: usize = 32;
const TOGETHER: usize = 2;
/// Recordings in a string, at most.
const MOST: isize = 5;
/// The longest gap between them, in seconds.
const GAP: f64 = 0.2;
/// The noise is so many decibels below the speech, drawn for each string.
const BELOW: (f64, f64) = (10.0, 30.0);
/// Prefixes that are kept in the search for what was said.
const BEAM: usize = 8;

/// A recognizer of speech.
pub(crate) struct Speech {
    saved: Saved,
    features: LogMel,
    model: Recognizer,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden: usize,
    bidirectional: bool,
    leave_out: Option<String>,
    strings: usize,
    batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cell: CellKind::Gru,
            layers: 2,
            hidden: 96,
            bidirectional: true,
            leave_out: None,
            strings: 3200,
            batch_rows: 32,
        }
    }
}

/// What a prediction needs beside the weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    bidirectional: bool,
    /// Samples a second.
    rate: u32,
    /// What can be said: the character at place i is label i + 1.
    characters: String,
    /// Whether strings are made of recordings.
    joined: bool,
}

/// A sound, and what is said.
#[derive(Clone)]
pub(crate) struct Utterance {
    name: String,
    speaker: String,
    samples: Vec<f32>,
    said: String,
}

/// Frames `[batch, time, feature]`, how many of each row are real, and the labels.
pub(crate) struct Batch {
    frames: Array3<f32>,
    lengths: Vec<usize>,
    labels: Vec<Vec<u32>>,
}

/// The sounds of `--data`, all of one rate, and whether they are single digits to be joined.
fn utterances(data: &Data) -> Result<(Vec<Utterance>, u32, bool)> {
    let recordings = data.recordings()?;
    let rate = recordings.first().map_or(0, |first| first.rate);
    if let Some(other) = recordings.iter().find(|one| one.rate != rate) {
        let what = format!("{}: {} samples a second, where {} has {rate}", other.name, other.rate, recordings[0].name);
        return Err(Error::failure(what, "sounds must be of one rate"));
    }
    let joined = recordings.iter().all(|one| one.transcript.is_none());
    let utterance = |one: Recording| {
        let (said, speaker) = match &one.transcript {
            Some(text) => (text.split_whitespace().collect::<Vec<_>>().join(" "), String::new()),
            None => spoken_digit(&one.name)?,
        };
        Ok(Utterance { name: one.name, speaker, samples: one.samples, said })
    };
    Ok((recordings.into_iter().map(utterance).collect::<Result<_>>()?, rate, joined))
}

/// `{digit}_{speaker}_{take}.wav`, in whatever folder: the digit and the speaker.
fn spoken_digit(name: &str) -> Result<(String, String)> {
    let parts: Vec<&str> = stem(name).split('_').collect();
    match parts[..] {
        [digit, speaker, take] if matches!(digit.parse(), Ok(0u8..=9)) && take.parse::<u64>().is_ok() => {
            Ok((digit.to_owned(), speaker.to_owned()))
        }
        _ => Err(Error::failure(
            format!("{name}: nothing says what is said there"),
            "write transcripts.tsv beside the sounds, with a header `file<TAB>transcript`; or name each {digit}_{speaker}_{take}.wav",
        )),
    }
}

fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// For the test: the speaker who is left out or, as the data set's authors do, takes 0 to 4; for dev: of the rest every eighth take.
fn by_take(all: Vec<Utterance>, left_out: Option<&str>) -> Result<Parts<Vec<Utterance>>> {
    let speakers: BTreeSet<&str> = all.iter().map(|one| one.speaker.as_str()).collect();
    if let Some(name) = left_out.filter(|name| !speakers.contains(name)) {
        let known = speakers.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Error::failure(format!("there is no speaker {name}"), format!("the speakers are {known}")));
    }
    let mut parts = Parts { train: vec![], dev: vec![], test: vec![] };
    for one in all {
        let take = stem(&one.name).rsplit('_').next().and_then(|take| take.parse::<u64>().ok()).unwrap_or(0);
        match left_out {
            Some(name) if one.speaker == name => parts.test.push(one),
            None if take < 5 => parts.test.push(one),
            _ if take % 8 == 5 => parts.dev.push(one),
            _ => parts.train.push(one),
        }
    }
    Ok(parts)
}

impl Saved {
    fn model(&self) -> RecognizerConfig {
        RecognizerConfig {
            features: TOGETHER * BANDS,
            cell: self.cell,
            layers: self.layers,
            hidden_size: self.hidden_size,
            bidirectional: self.bidirectional,
            labels: self.characters.chars().count(),
            dropout: 0.2,
        }
    }

    /// Characters that were in no transcript to train on are no labels, and count as errors.
    fn labels(&self, said: &str) -> Vec<u32> {
        let label = |c: char| self.characters.chars().position(|known| known == c).map(|place| place as u32 + 1);
        said.chars().filter_map(label).collect()
    }

    fn text(&self, labels: &[u32]) -> String {
        let characters: Vec<char> = self.characters.chars().collect();
        labels.iter().filter_map(|label| characters.get((*label as usize).checked_sub(1)?)).collect()
    }

    /// Recordings of one speaker, one after the other.
    fn string(&self, recordings: &[Utterance], dice: &mut Dice) -> Utterance {
        let speaker = &dice.choose(recordings).speaker;
        let theirs: Vec<&Utterance> = recordings.iter().filter(|one| one.speaker == *speaker).collect();
        let mut string =
            Utterance { name: String::new(), speaker: speaker.clone(), samples: vec![], said: String::new() };
        let gap = |samples: &mut Vec<f32>, dice: &mut Dice| {
            let silence = (dice.uniform() * GAP * f64::from(self.rate)) as usize;
            samples.resize(samples.len() + silence, 0.0);
        };
        gap(&mut string.samples, dice);
        for _ in 0..dice.between(1, MOST) {
            let one = dice.choose(&theirs);
            string.samples.extend(&one.samples);
            string.said += &one.said;
            gap(&mut string.samples, dice);
        }
        let power = string.samples.iter().map(|x| x * x).sum::<f32>() / string.samples.len().max(1) as f32;
        let below = BELOW.0 + dice.uniform() * (BELOW.1 - BELOW.0);
        let noise = power.sqrt() * 10f32.powf(-below as f32 / 20.0);
        string.samples.iter_mut().for_each(|x| *x += noise * dice.normal() as f32);
        string
    }

    /// What is heard in these rows: strings made of the source, or the source itself.
    fn heard(&self, composed: &Composed<Utterance>, rows: &[usize], draw: Option<Draw>) -> Vec<Utterance> {
        match self.joined {
            true => composed.each(rows, draw, |recordings, dice| self.string(recordings, dice)),
            false => rows.iter().map(|row| composed.source[*row].clone()).collect(),
        }
    }

    fn parts(&self, of: Parts<Vec<Utterance>>, strings: usize) -> Parts<Composed<Utterance>> {
        let mut parts = Composed::parts(of, strings);
        if !self.joined {
            for part in [&mut parts.train, &mut parts.dev, &mut parts.test] {
                part.count = part.source.len();
            }
        }
        parts
    }
}

impl Speech {
    /// What the model reads of a sound: `[time, feature]`.
    fn frames(&self, samples: &[f32]) -> Array2<f32> {
        let mut frames = self.features.of(samples);
        normalise(&mut frames);
        join(&frames, TOGETHER)
    }

    fn arrays(&self, heard: &[Utterance]) -> Batch {
        let rows: Vec<Array2<f32>> = heard.iter().map(|one| self.frames(&one.samples)).collect();
        let lengths: Vec<usize> = rows.iter().map(Array2::nrows).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut frames = Array3::zeros((rows.len(), longest, TOGETHER * BANDS));
        for (row, mut place) in rows.iter().zip(frames.outer_iter_mut()) {
            place.slice_axis_mut(Axis(0), (..row.nrows()).into()).assign(row);
        }
        Batch { frames, lengths, labels: heard.iter().map(|one| self.saved.labels(&one.said)).collect() }
    }

    /// A row's logits, `[time, class]`.
    fn each_row<T>(&self, params: &Params, batch: &Batch, decode: impl Fn(ArrayView2<'_, f64>) -> T) -> Result<Vec<T>> {
        let graph = Graph::new(params);
        let logits = self.model.logits(&graph, &batch.frames, &batch.lengths).value()?.to_f64();
        let logits = logits.into_dimensionality::<ndarray::Ix3>().map_err(|e| Error::failure(e.to_string(), ""))?;
        let rows = logits.outer_iter().zip(&batch.lengths);
        Ok(rows.map(|(row, length)| decode(row.slice_axis(Axis(0), (..*length).into()))).collect())
    }
}

impl Task for Speech {
    const NAME: &'static str = "speech";
    const ABOUT: &'static str =
        "From sound to what is said: a bidirectional recurrence over log-mel features, trained by CTC";
    const METRIC: Metric = Metric { name: "error", digits: 4, less_is_better: true };
    const UNIT: &'static str = "frames";
    const DATA: &'static str = "spoken-digits";
    const SAMPLES: usize = 2;
    const OPTIONS: &'static [Opt] = &[
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt::BIDIRECTIONAL,
        Opt {
            name: "leave-out",
            value: "SPEAKER",
            kind: Kind::Text,
            help: "A speaker who is heard in the test part alone [default: none; each speaker's first five takes are the test]",
        },
        Opt {
            name: "strings",
            value: "N",
            kind: Kind::Count(1..=10_000_000),
            help: "Strings of digits put together in each epoch of training; sounds with transcripts are taken as they are",
        },
        Opt { name: "batch-rows", value: "STRINGS", kind: Kind::Count(1..=1_000_000), help: "Strings in a batch" },
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Composed<Utterance>;
    type Batch = Batch;
    type Answer = Vec<u32>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(6, 3e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let (all, rate, joined) = utterances(data)?;
        let parts = match joined {
            true => by_take(all, settings.leave_out.as_deref())?,
            false => by_number(all),
        };
        for (part, purpose) in [(&parts.train, "train on"), (&parts.dev, "choose by"), (&parts.test, "test on")] {
            if part.is_empty() {
                let hint = "give more; of single digits, takes 0 to 4 are the test and every eighth after these is dev";
                return Err(Error::failure(format!("{}: no sound is left to {purpose}", data.name()), hint));
            }
        }
        let characters: BTreeSet<char> = parts.train.iter().flat_map(|one| one.said.chars()).collect();
        let Settings { cell, layers, hidden: hidden_size, bidirectional, .. } = *settings;
        let characters = characters.into_iter().collect();
        let saved = Saved { cell, layers, hidden_size, bidirectional, rate, characters, joined };
        let features = LogMel::new(rate, BANDS);
        for one in parts.train.iter().chain(&parts.dev).chain(&parts.test) {
            let labels = saved.labels(&one.said);
            let needed = labels.len() + labels.windows(2).filter(|pair| pair[0] == pair[1]).count();
            let frames = features.frames(one.samples.len()).div_ceil(TOGETHER);
            if frames < needed {
                let what = format!("{}: {frames} steps of 20 ms are too short to say {:?}", one.name, one.said);
                return Err(Error::failure(what, "leave it out, or correct its transcript"));
            }
        }
        let parts = saved.parts(parts, settings.strings);
        Ok(Prepared { saved, tokenizer: None, parts })
    }

    fn restore(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Speech> {
        let labels = saved.characters.chars().count();
        check_sizes(&[("layers", saved.layers), ("hidden_size", saved.hidden_size), ("characters", labels)], 0.0)?;
        if !(1_000..=1_000_000).contains(&saved.rate) {
            return Err(Error::failure(
                format!("rate is {}", saved.rate),
                "a sound has from 1000 to 1000000 samples a second",
            ));
        }
        let model = Recognizer::new(params, &saved.model());
        Ok(Speech { features: LogMel::new(saved.rate, BANDS), saved, model })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn examples(&self, data: &Data) -> Result<Composed<Utterance>> {
        let (all, rate, joined) = utterances(data)?;
        if (rate, joined) != (self.saved.rate, self.saved.joined) {
            let kind = |joined| if joined { "single digits" } else { "sounds with transcripts" };
            return Err(Error::failure(
                format!("{}: {} at {rate} samples a second", data.name(), kind(joined)),
                format!("the model is for {} at {}", kind(self.saved.joined), self.saved.rate),
            ));
        }
        let all = if data.is_embedded() { by_take(all, None)?.test } else { all };
        let mut composed = Composed::to_score(all);
        if !joined {
            composed.count = composed.source.len();
        }
        Ok(composed)
    }

    fn lengths(&self, composed: &Composed<Utterance>) -> Vec<(usize, usize)> {
        match self.saved.joined {
            true => vec![(0, 1); composed.count],
            false => composed.source.iter().map(|one| (0, self.features.frames(one.samples.len()))).collect(),
        }
    }

    fn batch(&self, composed: &Composed<Utterance>, rows: &[usize], draw: Option<Draw>) -> Result<Batch> {
        Ok(self.arrays(&self.saved.heard(composed, rows, draw)))
    }

    /// The loss is of whole strings.
    fn weight(&self, batch: &Batch) -> usize {
        batch.lengths.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.lengths.iter().sum()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        self.model.loss(graph, &batch.frames, &batch.lengths, &batch.labels)
    }

    fn answers(&self, params: &Params, batch: &Batch, effort: Effort) -> Result<Vec<Vec<u32>>> {
        self.each_row(params, batch, |logits| match effort {
            Effort::Quick => ctc::greedy(logits, 0),
            Effort::Full => ctc::prefix_beam(logits, 0, BEAM).swap_remove(0).labels,
        })
    }

    /// Digits (or characters) that are wrong, missing or too many, for each that was said.
    fn score(&self, composed: &Composed<Utterance>, answers: &[Vec<u32>]) -> Result<Score> {
        let rows: Vec<usize> = (0..composed.count).collect();
        let said: Vec<Vec<char>> =
            self.saved.heard(composed, &rows, None).iter().map(|one| one.said.chars().collect()).collect();
        let found: Vec<Vec<char>> = answers.iter().map(|labels| self.saved.text(labels).chars().collect()).collect();
        let exact = found.iter().zip(&said).filter(|(found, said)| found == said).count() as f64;
        let more = vec![("exact", exact / said.len().max(1) as f64)];
        Ok(Score { value: token_error_rate(&found, &said)?.rate(), signature: None, more })
    }

    fn notes(&self, parts: &Parts<Composed<Utterance>>) -> Vec<String> {
        let count = |part: &Composed<Utterance>| part.source.len();
        vec![format!(
            "{} sounds to train on, {} for dev, {} for test, at {} samples a second; what can be said: {}",
            count(&parts.train),
            count(&parts.dev),
            count(&parts.test),
            self.saved.rate,
            self.saved.characters
        )]
    }

    fn row(&self, composed: &Composed<Utterance>, number: usize, answer: &Vec<u32>) -> Vec<(&'static str, String)> {
        let said = self.saved.heard(composed, &[number], None);
        vec![("said", said.into_iter().map(|one| one.said).collect()), ("model", self.saved.text(answer))]
    }

    /// What the model hears when, in one string: the probabilities of what is said there, and of the blank.
    fn figures(&self, params: &Params, test: &Composed<Utterance>, _answers: &[Vec<u32>]) -> Result<Vec<Figure>> {
        let batch = self.arrays(&self.saved.heard(test, &[0], None));
        let graph = Graph::new(params);
        let p = self.model.logits(&graph, &batch.frames, &batch.lengths).softmax().value()?.to_f64();
        let line = |label: u32| (0..batch.lengths[0]).map(|t| (t as f64, p[[0, t, label as usize]])).collect();
        let heard: BTreeSet<u32> = batch.labels[0].iter().copied().collect();
        let mut lines = vec![("nothing".to_owned(), line(0))];
        lines.extend(heard.into_iter().map(|label| (self.saved.text(&[label]), line(label))));
        let (title, x, y) = ("What is heard when".to_owned(), "step of 20 ms".to_owned(), "probability".to_owned());
        Ok(vec![Figure::Curves { title, x, y, log_y: false, lines }])
    }

    /// A line is the path of a wav file.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let sound = Recording::read(line)?;
        if sound.rate != self.saved.rate {
            return Err(Error::failure(
                format!("{line}: {} samples a second, where the model was trained on {}", sound.rate, self.saved.rate),
                "convert it to that rate",
            ));
        }
        let frames = self.frames(&sound.samples);
        let batch = Batch { lengths: vec![frames.nrows()], frames: frames.insert_axis(Axis(0)), labels: vec![] };
        let found = self.each_row(params, &batch, |logits| ctc::prefix_beam(logits, 0, BEAM.max(ask.best)))?;
        let best: Vec<(String, f64)> = found
            .concat()
            .into_iter()
            .take(ask.best.max(1))
            .map(|one| (self.saved.text(&one.labels), one.log_probability))
            .collect();
        let line = best.first().map_or(String::new(), |(said, _)| said.clone());
        Ok(Prediction { line, best, attention: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str) -> Utterance {
        let (said, speaker) = spoken_digit(name).unwrap();
        Utterance { name: name.into(), speaker, samples: vec![0.1; 800], said }
    }

    #[test]
    fn a_digits_name_says_who_says_what() {
        assert_eq!(spoken_digit("train/7_lucas_31.wav").unwrap(), ("7".into(), "lucas".into()));
        for bad in ["7_lucas.wav", "x_lucas_3.wav", "12_lucas_3.wav", "hello.wav"] {
            assert!(spoken_digit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_take_is_in_two_parts_and_a_speaker_can_be_left_out() {
        let all: Vec<Utterance> =
            (0..50).flat_map(|take| ["ann", "bob"].map(|who| one(&format!("3_{who}_{take}.wav")))).collect();
        let sizes = |left_out| {
            by_take(all.clone(), left_out).map(|parts| [parts.train.len(), parts.dev.len(), parts.test.len()])
        };
        assert_eq!(sizes(None).unwrap(), [78, 12, 10]);
        assert_eq!(sizes(Some("bob")).unwrap(), [44, 6, 50]);
        assert!(by_take(all.clone(), Some("bob")).unwrap().test.iter().all(|one| one.speaker == "bob"));
        assert!(sizes(Some("eve")).unwrap_err().to_string().contains("no speaker eve"));
    }

    #[test]
    fn a_string_is_of_one_speaker_with_noise_as_loud_as_drawn() {
        let (cell, characters) = (CellKind::Gru, "0123456789".to_owned());
        let saved =
            Saved { cell, layers: 1, hidden_size: 4, bidirectional: true, rate: 8000, characters, joined: true };
        let all: Vec<Utterance> =
            (0..5).flat_map(|d| [one(&format!("{d}_a_1.wav")), one(&format!("{}_b_1.wav", d + 5))]).collect();
        for seed in 0..40 {
            let string = saved.string(&all, &mut Dice::new(Draw::seed(seed)));
            let digits = string.said.len();
            assert!((1..=5).contains(&digits) && string.samples.len() >= 800 * digits);
            assert!(string.samples.len() <= 800 * digits + 1600 * (digits + 1));
            assert!(string.said.bytes().all(|digit| (digit < b'5') == (string.speaker == "a")), "{}", string.said);
            // From 10 to 30 decibels below speech of 0.1, which is in a part of the string only.
            let quiet = string.samples.iter().map(|x| x.abs().min((x - 0.1).abs())).sum::<f32>();
            let noise = quiet / string.samples.len() as f32;
            assert!((0.0005..0.03).contains(&noise), "{noise}");
        }
        assert_eq!((saved.labels("309"), saved.text(&[4, 1, 10])), (vec![4, 1, 10], "309".to_owned()));
    }
}
