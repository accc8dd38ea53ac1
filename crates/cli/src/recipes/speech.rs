//! Speech recognition: strings of spoken digits into digits, by log-mel features, a bidirectional recurrence and CTC.
//!
//! Recordings of single digits by one speaker are joined into strings, with gaps between and noise over all. A folder
//! of sounds with transcripts is taken as it is: what is said are then the characters of its transcripts.

use super::*;
use crate::{
    log_mel::{LogMel, join, normalise},
    utterances::{Sounds, pieces, string},
};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use std::collections::BTreeSet;
use unspool::{
    models::{Recognizer, RecognizerConfig},
    nn::{Sequence, ctc},
    text::score::token_error_rate,
};
use unspool_task::Recording;

/// Bands of the features, and how many frames of 10 ms are read at a time.
const BANDS: usize = 32;
const TOGETHER: usize = 2;
/// Prefixes that are kept in the search for what was said.
const BEAM: usize = 8;

pub(crate) struct Speech {
    saved: Saved,
    features: LogMel,
    model: Recognizer,
}

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reader: ReaderOptions,
    /// Speaker who is heard only in the test part [default: none; the first five takes of each speaker are the test
    /// part]
    #[arg(long, value_name = "SPEAKER")]
    leave_out: Option<String>,
    /// Synthetic strings of digits per training epoch; sounds with transcripts are used as they are
    /// [from 1 to 10000000]
    #[arg(long, value_name = "N", default_value = "3200", value_parser = count(1..=10_000_000))]
    strings: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    /// Samples a second.
    rate: u32,
    /// What can be said: the character at place i is label i + 1.
    characters: String,
    /// Whether strings are made of recordings.
    joined: bool,
    model: RecognizerConfig,
}

/// What the model reads of a sound, `[time, feature]`, in pieces that are heard one after the other, and what is said.
#[derive(Serialize, Deserialize)]
pub(crate) struct Heard {
    pieces: Vec<Array2<f32>>,
    said: String,
}

/// Frames `[batch, time, feature]` of all pieces, how many of each are real, how many pieces each example has, and the
/// labels.
pub(crate) struct Batch {
    frames: Array3<f32>,
    lengths: Vec<usize>,
    pieces: Vec<usize>,
    labels: Vec<Vec<u32>>,
}

impl Saved {
    /// Characters that were in no transcript to train on are no labels, and count as errors.
    fn labels(&self, said: &str) -> Vec<u32> {
        let label = |c: char| self.characters.chars().position(|known| known == c).map(|place| place as u32 + 1);
        said.chars().filter_map(label).collect()
    }

    fn text(&self, labels: &[u32]) -> String {
        let characters: Vec<char> = self.characters.chars().collect();
        labels.iter().filter_map(|label| characters.get((*label as usize).checked_sub(1)?)).collect()
    }
}

impl Speech {
    fn frames(&self, samples: &[f32]) -> Array2<f32> {
        let mut frames = self.features.of(samples);
        normalise(&mut frames);
        join(&frames, TOGETHER)
    }

    /// A piece's logits, `[time, class]`, decoded.
    fn each_piece<T>(
        &self,
        params: &Params,
        batch: &Batch,
        decode: impl Fn(ArrayView2<'_, f64>) -> unspool::nn::Result<T>,
    ) -> Result<Vec<T>> {
        let graph = Graph::inference(params);
        let logits = self.model.logits(&batch.sequence(&graph)).padded().value()?.to_f64();
        let logits = logits.into_dimensionality::<ndarray::Ix3>().map_err(|e| Error::failure(e.to_string(), ""))?;
        let rows = logits.outer_iter().zip(&batch.lengths);
        rows.map(|(row, &length)| Ok(decode(row.slice_axis(Axis(0), (..length).into()))?)).collect()
    }
}

impl Batch {
    fn sequence<'g>(&self, graph: &'g Graph<'g>) -> Sequence<'g> {
        Sequence::pack(graph.input(&self.frames), &self.lengths)
    }
}

impl Task for Speech {
    const SPEC: Spec = Spec::new(
        "speech",
        "Recognize speech with a bidirectional recurrence over log-mel features, trained by CTC",
        Metric::less("error", 4),
    )
    .training(10, 3e-3, 32)
    .average(0.99)
    .unit("frames")
    .data(
        "Folder of WAV files and a file transcripts.tsv with the columns `file` and `transcript`. Without that file, \
         the names of the WAV files say what is spoken, by whom, and which take it is: 7_jackson_32.wav",
        &[crate::data::SPOKEN_DIGITS],
    )
    .defaults(&[("layers", "2"), ("hidden-size", "96")])
    .samples(2);

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<Sounds>;
    type Example = Heard;
    type Batch = Batch;
    /// Labels with their log-probabilities, best first.
    type Answer = Vec<(Vec<u32>, f64)>;

    fn read(options: &Options, data: &Data) -> Result<Parts<Drawn<Sounds>>> {
        let Parts { train, dev, test } = Sounds::read(data)?.parts(options.leave_out.as_deref(), data)?;
        let known: BTreeSet<char> = train.all.iter().flat_map(|one| one.said.chars()).collect();
        let features = LogMel::new(train.rate, BANDS);
        for one in train.all.iter().chain(&dev.all).chain(&test.all) {
            let said: Vec<char> = one.said.chars().filter(|c| known.contains(c)).collect();
            let needed = said.len() + said.windows(2).filter(|pair| pair[0] == pair[1]).count();
            let frames = features.frames(one.samples.len()).div_ceil(TOGETHER);
            if frames < needed {
                let what = format!("{}: {frames} steps of 20 ms are too short to say {:?}", one.name, one.said);
                return Err(Error::failure(what, "leave it out, or correct its transcript"));
            }
        }
        let strings = options.strings;
        let drawn = |sounds: Sounds, count: usize| sounds.drawn(count, &features);
        Ok(Parts {
            train: drawn(train, strings),
            dev: drawn(dev, strings.min(1000)),
            test: drawn(test, strings.min(1000)),
        })
    }

    fn learn(Options { reader, .. }: &Options, train: &Drawn<Sounds>) -> Result<Learned<Saved>> {
        let Sounds { all, rate, joined } = train.material();
        let characters: BTreeSet<char> = all.iter().flat_map(|one| one.said.chars()).collect();
        let model = RecognizerConfig {
            features: TOGETHER * BANDS,
            cell: reader.recurrent.cell,
            layers: reader.recurrent.layers,
            hidden_size: reader.recurrent.hidden_size,
            bidirectional: reader.bidirectional,
            labels: characters.len(),
            dropout: 0.2,
        };
        Ok(Saved { rate: *rate, characters: characters.into_iter().collect(), joined: *joined, model }.into())
    }

    fn build(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Speech> {
        saved.model.check()?;
        if !(1_000..=1_000_000).contains(&saved.rate) {
            let hint = "a sound has from 1000 to 1000000 samples a second";
            return Err(Error::failure(format!("rate is {}", saved.rate), hint));
        }
        if (saved.model.features, saved.model.labels) != (TOGETHER * BANDS, saved.characters.chars().count()) {
            let hint = "the run folder must hold the files of one training, unchanged";
            return Err(Error::failure("the model reads other frames or says other characters", hint));
        }
        let model = Recognizer::new(params, &saved.model);
        Ok(Speech { features: LogMel::new(saved.rate, BANDS), saved, model })
    }

    fn read_to_score(&self, data: &Data) -> Result<Drawn<Sounds>> {
        let sounds = Sounds::read(data)?.into_scored(data, self.saved.rate, self.saved.joined)?;
        Ok(sounds.drawn(1000, &self.features))
    }

    /// A string made of the recordings, or one of the sounds itself.
    fn example(&self, sounds: &Sounds, draw: &Draw) -> Result<Heard> {
        let (samples, said) = match sounds.joined {
            true => {
                let string = string(&sounds.all, self.saved.rate, &mut draw.rng());
                (string.samples, string.said)
            }
            false => (sounds.all[draw.number()].samples.clone(), sounds.all[draw.number()].said.clone()),
        };
        Ok(Heard { pieces: vec![self.frames(&samples)], said })
    }

    /// A line is the path of a wav file. Of a long one, the pieces are heard one after the other.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Heard> {
        let sound = Recording::read(line)?;
        if sound.rate != self.saved.rate {
            return Err(Error::failure(
                format!("{line}: {} samples a second, where the model was trained on {}", sound.rate, self.saved.rate),
                "convert it to that rate",
            ));
        }
        let pieces = pieces(&sound.samples, self.saved.rate as usize);
        Ok(Heard { pieces: pieces.into_iter().map(|piece| self.frames(piece)).collect(), said: String::new() })
    }

    fn lengths(&self, heard: &Heard) -> (usize, usize) {
        (0, heard.pieces.iter().map(Array2::nrows).sum())
    }

    fn batch(&self, heard: &[&Heard]) -> Result<Batch> {
        let rows: Vec<&Array2<f32>> = heard.iter().flat_map(|one| &one.pieces).collect();
        let lengths: Vec<usize> = rows.iter().map(|row| row.nrows()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut frames = Array3::zeros((rows.len(), longest, TOGETHER * BANDS));
        for (row, mut place) in rows.iter().zip(frames.outer_iter_mut()) {
            place.slice_axis_mut(Axis(0), (..row.nrows()).into()).assign(row);
        }
        let pieces = heard.iter().map(|one| one.pieces.len()).collect();
        Ok(Batch { frames, lengths, pieces, labels: heard.iter().map(|one| self.saved.labels(&one.said)).collect() })
    }

    fn units(&self, batch: &Batch) -> Option<usize> {
        Some(batch.lengths.iter().sum())
    }

    /// The loss is of whole strings.
    fn loss_count(&self, batch: &Batch) -> usize {
        batch.lengths.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.model.loss(&batch.sequence(graph), &batch.labels)
    }

    /// A sound in several pieces has the best answer to each, and no other.
    fn answers(&self, params: &Params, batch: &Batch, search: Search) -> Result<Vec<Self::Answer>> {
        let mut found = self
            .each_piece(params, batch, |logits| match search {
                Search::Quick => Ok(vec![(ctc::greedy(logits, 0)?, 0.0)]),
                _ => {
                    let found = ctc::prefix_beam(logits, 0, BEAM.max(search.count()))?.into_iter();
                    Ok(found.take(search.count()).map(|one| (one.labels, one.log_probability)).collect())
                }
            })?
            .into_iter();
        let whole = |pieces: &usize| -> Self::Answer {
            let mut pieces: Vec<Self::Answer> = found.by_ref().take(*pieces).collect();
            match pieces.len() {
                1 => pieces.swap_remove(0),
                _ => {
                    let best = pieces.iter().filter_map(|best| best.first());
                    vec![(best.clone().flat_map(|one| one.0.clone()).collect(), best.map(|one| one.1).sum())]
                }
            }
        };
        Ok(batch.pieces.iter().map(whole).collect())
    }

    /// Digits (or characters) that are wrong, missing or too many, for each that was said.
    fn score(&self, heard: &[Heard], answers: &[Self::Answer]) -> Result<Score> {
        let said: Vec<Vec<char>> = heard.iter().map(|one| one.said.chars().collect()).collect();
        let text = |best: &Self::Answer| best.first().map_or(String::new(), |(labels, _)| self.saved.text(labels));
        let found: Vec<Vec<char>> = answers.iter().map(|best| text(best).chars().collect()).collect();
        let exact = found.iter().zip(&said).filter(|(found, said)| found == said).count() as f64;
        let more = [("exact", exact / said.len().max(1) as f64)];
        Ok(Score::from(token_error_rate(&found, &said)?.rate()).with(more))
    }

    fn show(&self, heard: &Heard, answer: &Self::Answer, _digits: Digits) -> Shown {
        let best = answer.iter().map(|(labels, score)| (self.saved.text(labels), *score)).collect();
        Shown::best(vec![("said", heard.said.clone())], best)
    }

    fn notes(&self, train: &Drawn<Sounds>, _dev: &[Heard], _test: &[Heard]) -> Vec<String> {
        let (count, Saved { rate, characters, .. }) = (train.material().all.len(), &self.saved);
        vec![format!("{count} sounds to train on, at {rate} samples a second; what can be said: {characters}")]
    }

    /// What the model hears when, in one string: the probabilities of what is said there, and of the blank.
    fn figures(&self, params: &Params, test: &[Heard], _answers: &[Self::Answer]) -> Result<Vec<Figure>> {
        let batch = self.batch(&test.iter().take(1).collect::<Vec<_>>())?;
        let graph = Graph::inference(params);
        let p = self.model.logits(&batch.sequence(&graph)).padded().softmax().value()?.to_f64();
        let line = |label: u32| (0..batch.lengths[0]).map(|t| (t as f64, p[[0, t, label as usize]])).collect();
        let heard: BTreeSet<u32> = batch.labels[0].iter().copied().collect();
        let mut lines = vec![("nothing".to_owned(), line(0))];
        lines.extend(heard.into_iter().map(|label| (self.saved.text(&[label]), line(label))));
        let (title, x, y) = ("What is heard when".to_owned(), "step of 20 ms".to_owned(), "probability".to_owned());
        Ok(vec![Figure::Curves(Curves { title, x, y, log_y: false, lines })])
    }
}
