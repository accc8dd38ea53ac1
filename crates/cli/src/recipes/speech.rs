//! Speech recognition: strings of spoken digits into digits, by log-mel features, a bidirectional recurrence and CTC.
//!
//! Recordings of single digits by one speaker are joined into strings, with gaps between and noise over all. A folder
//! of sounds with transcripts is taken as it is: what is said are then the characters of its transcripts.

use super::{
    Synthetic, by_number,
    log_mel::{LogMel, join, normalise},
    utterances::{Utterance, by_take, said, string, utterances},
    *,
};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use std::collections::BTreeSet;
use unspool::{
    models::{Recognizer, RecognizerConfig},
    nn::{CellKind, Sequence, ctc},
    text::{Part, score::token_error_rate},
};
use unspool_task::Recording;

/// Bands of the features, and how many frames of 10 ms are read at a time.
const BANDS: usize = 32;
const TOGETHER: usize = 2;
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
    hidden_size: usize,
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
            hidden_size: 96,
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

/// Frames `[batch, time, feature]`, how many of each row are real, and the labels.
pub(crate) struct Batch {
    frames: Array3<f32>,
    lengths: Vec<usize>,
    labels: Vec<Vec<u32>>,
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

    /// What is heard in these rows: strings made of the source, or the source itself.
    fn heard(&self, composed: &Synthetic<Utterance>, rows: &[usize], draw: Option<RngKey>) -> Vec<Utterance> {
        match self.joined {
            true => composed.each(rows, draw, |recordings, dice| string(recordings, self.rate, dice)),
            false => rows.iter().map(|row| composed.source[*row].clone()).collect(),
        }
    }

    /// What is said in a row of evaluation.
    fn said(&self, composed: &Synthetic<Utterance>, row: usize) -> String {
        match self.joined {
            true => composed.one(row, |recordings, dice| said(recordings, self.rate, dice)),
            false => composed.source[row].said.clone(),
        }
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
    fn each_row<T>(
        &self,
        params: &Params,
        batch: &Batch,
        decode: impl Fn(ArrayView2<'_, f64>) -> unspool::nn::Result<T>,
    ) -> Result<Vec<T>> {
        let graph = Graph::inference(params);
        let logits = self.model.logits(&batch.sequence(&graph)).padded().value()?.to_f64();
        let logits = logits.into_dimensionality::<ndarray::Ix3>().map_err(|e| Error::failure(e.to_string(), ""))?;
        let rows = logits.outer_iter().zip(&batch.lengths).enumerate();
        let decode = |(number, (row, &length)): (usize, (ArrayView2<'_, f64>, &usize))| {
            decode(row.slice_axis(Axis(0), (..length).into())).map_err(|cause| {
                Error::failure(format!("row {number}: {cause}"), "look at the sounds and at the model")
            })
        };
        rows.map(decode).collect()
    }
}

/// A sound in pieces that are short enough to be heard at once, cut in the quietest tenth of a second near the end of
/// each.
fn pieces(samples: &[f32], rate: usize) -> Vec<&[f32]> {
    let most = (limits::HEARD_AT_ONCE * rate).max(1);
    let (mut pieces, mut rest) = (vec![], samples);
    while rest.len() > most {
        let (from, step) = (most - most / 6, (rate / 10).max(1));
        let energy = |at: usize| rest[at..at + step].iter().map(|x| f64::from(*x).powi(2)).sum::<f64>();
        let places = (from..=most.saturating_sub(step).max(from)).step_by(step).filter(|at| at + step <= rest.len());
        let quietest = places.min_by(|a, b| energy(*a).total_cmp(&energy(*b))).unwrap_or(from);
        let (piece, behind) = rest.split_at(quietest + step / 2);
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

impl Batch {
    fn sequence<'g>(&self, graph: &'g Graph<'g>) -> Sequence<'g> {
        Sequence::pack(graph.input(&self.frames), &self.lengths)
    }
}

impl Task for Speech {
    const NAME: &'static str = "speech";
    const ABOUT: &'static str =
        "Recognize speech with a bidirectional recurrence over log-mel features, trained by CTC";
    const METRIC: Metric = Metric { name: "error", digits: 4, less_is_better: true };
    const UNIT: &'static str = "frames";
    const DATA_HELP: &'static str = "Folder of WAV files and a file transcripts.tsv with the columns `file` and `transcript`. Without that file, the \
         names of the WAV files say what is spoken, by whom, and which take it is: 7_jackson_32.wav";
    const DATA: &'static str = "spoken-digits";
    const SETS: &'static [DataSet] = &[data::SPOKEN_DIGITS];
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
            help: "Speaker who is heard only in the test part [default: none; the first five takes of each speaker are the test part]",
        },
        Opt {
            name: "strings",
            value: "N",
            kind: Kind::Count(1..=10_000_000),
            help: "Synthetic strings of digits per training epoch; sounds with transcripts are used as they are",
        },
        Opt::batch_rows("STRINGS", "Strings per batch"),
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Synthetic<Utterance>;
    type Batch = Batch;
    type Answer = Vec<u32>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe { average: Some(0.99), ..Recipe::new(10, 3e-3, BatchSize::Rows(settings.batch_rows)) }
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
        let Settings { cell, layers, hidden_size, bidirectional, .. } = *settings;
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
        let parts = match joined {
            true => Synthetic::parts(parts, settings.strings),
            false => Synthetic::as_they_are(parts),
        };
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

    fn examples(&self, data: &Data) -> Result<Synthetic<Utterance>> {
        let (all, rate, joined) = utterances(data)?;
        if (rate, joined) != (self.saved.rate, self.saved.joined) {
            let kind = |joined| if joined { "single digits" } else { "sounds with transcripts" };
            return Err(Error::failure(
                format!("{}: {} at {rate} samples a second", data.name(), kind(joined)),
                format!("the model is for {} at {}", kind(self.saved.joined), self.saved.rate),
            ));
        }
        let all = if data.is_embedded() { by_take(all, None)?.test } else { all };
        Ok(if joined { Synthetic::to_score(all) } else { Synthetic::whole(all, Part::Test) })
    }

    fn lengths(&self, composed: &Synthetic<Utterance>) -> Vec<(usize, usize)> {
        match self.saved.joined {
            true => vec![(0, 1); composed.count],
            false => composed.source.iter().map(|one| (0, self.features.frames(one.samples.len()))).collect(),
        }
    }

    fn batch(&self, composed: &Synthetic<Utterance>, rows: &[usize], draw: Option<RngKey>) -> Result<Batch> {
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
        self.model.loss(&batch.sequence(graph), &batch.labels)
    }

    fn answers(&self, params: &Params, batch: &Batch, effort: Search) -> Result<Vec<Vec<u32>>> {
        self.each_row(params, batch, |logits| match effort {
            Search::Quick => ctc::greedy(logits, 0),
            Search::Full => Ok(ctc::prefix_beam(logits, 0, BEAM)?.swap_remove(0).labels),
        })
    }

    /// Digits (or characters) that are wrong, missing or too many, for each that was said.
    fn score(&self, composed: &Synthetic<Utterance>, answers: &[Vec<u32>]) -> Result<Score> {
        let said: Vec<Vec<char>> =
            (0..composed.count).map(|row| self.saved.said(composed, row).chars().collect()).collect();
        let found: Vec<Vec<char>> = answers.iter().map(|labels| self.saved.text(labels).chars().collect()).collect();
        let exact = found.iter().zip(&said).filter(|(found, said)| found == said).count() as f64;
        let more = vec![("exact", exact / said.len().max(1) as f64)];
        Ok(Score { value: token_error_rate(&found, &said)?.rate(), signature: None, more })
    }

    fn notes(&self, parts: &Parts<Synthetic<Utterance>>) -> Vec<String> {
        let count = |part: &Synthetic<Utterance>| part.source.len();
        vec![format!(
            "{} sounds to train on, {} for dev, {} for test, at {} samples a second; what can be said: {}",
            count(&parts.train),
            count(&parts.dev),
            count(&parts.test),
            self.saved.rate,
            self.saved.characters
        )]
    }

    fn row(&self, composed: &Synthetic<Utterance>, number: usize, answer: &Vec<u32>) -> Vec<(&'static str, String)> {
        vec![("said", self.saved.said(composed, number)), ("model", self.saved.text(answer))]
    }

    /// What the model hears when, in one string: the probabilities of what is said there, and of the blank.
    fn figures(&self, params: &Params, test: &Synthetic<Utterance>, _answers: &[Vec<u32>]) -> Result<Vec<Figure>> {
        let batch = self.arrays(&self.saved.heard(test, &[0], None));
        let graph = Graph::inference(params);
        let p = self.model.logits(&batch.sequence(&graph)).padded().softmax().value()?.to_f64();
        let line = |label: u32| (0..batch.lengths[0]).map(|t| (t as f64, p[[0, t, label as usize]])).collect();
        let heard: BTreeSet<u32> = batch.labels[0].iter().copied().collect();
        let mut lines = vec![("nothing".to_owned(), line(0))];
        lines.extend(heard.into_iter().map(|label| (self.saved.text(&[label]), line(label))));
        let (title, x, y) = ("What is heard when".to_owned(), "step of 20 ms".to_owned(), "probability".to_owned());
        Ok(vec![Figure::Curves(Curves { title, x, y, log_y: false, lines })])
    }

    /// A line is the path of a wav file. Of a long one, the pieces are heard one after the other, each with its best
    /// answer alone.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let sound = Recording::read(line)?;
        if sound.rate != self.saved.rate {
            return Err(Error::failure(
                format!("{line}: {} samples a second, where the model was trained on {}", sound.rate, self.saved.rate),
                "convert it to that rate",
            ));
        }
        let pieces = pieces(&sound.samples, self.saved.rate as usize);
        let wanted = if pieces.len() > 1 { 1 } else { ask.best.max(1) };
        let mut best = vec![(String::new(), 0.0)];
        for piece in &pieces {
            let frames = self.frames(piece);
            let batch = Batch { lengths: vec![frames.nrows()], frames: frames.insert_axis(Axis(0)), labels: vec![] };
            let found = self.each_row(params, &batch, |logits| ctc::prefix_beam(logits, 0, BEAM.max(wanted)))?.concat();
            let (before, score) = best.swap_remove(0);
            let longer =
                |one: ctc::Hypothesis| (before.clone() + &self.saved.text(&one.labels), score + one.log_probability);
            best = found.into_iter().take(wanted).map(longer).collect();
        }
        let line = best.first().map_or(String::new(), |(said, _)| said.clone());
        Ok(Prediction { line, best, ..Prediction::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn labels_are_characters() {
        let (cell, characters) = (CellKind::Gru, "0123456789".to_owned());
        let saved =
            Saved { cell, layers: 1, hidden_size: 4, bidirectional: true, rate: 8000, characters, joined: true };
        assert_eq!((saved.labels("309"), saved.text(&[4, 1, 10])), (vec![4, 1, 10], "309".to_owned()));
    }

    #[test]
    fn a_long_sound_is_cut_where_it_is_quiet() {
        let rate = 1000;
        let mut samples = vec![0.5f32; 150 * rate];
        assert_eq!(pieces(&samples[..60 * rate], rate).len(), 1);
        // Pauses at 55 s and 110 s.
        for pause in [55 * rate, 110 * rate] {
            samples[pause..pause + rate / 2].fill(0.0);
        }
        let cuts = pieces(&samples, rate);
        assert_eq!(cuts.concat(), samples);
        let lengths: Vec<usize> = cuts.iter().map(|piece| piece.len()).collect();
        assert!(lengths.iter().all(|length| *length <= 60 * rate), "{lengths:?}");
        assert!(
            (55_000..55_500).contains(&lengths[0]) && (110_000..110_500).contains(&(lengths[0] + lengths[1])),
            "{lengths:?}"
        );
        assert_eq!(pieces(&[], rate).concat(), [0f32; 0]);
    }
}
