//! Speech recognition: strings of spoken digits into digits, by log-mel features, a bidirectional recurrence and CTC.
//!
//! Recordings of single digits by one speaker are joined into strings, with gaps between and noise over all. A folder
//! of sounds with transcripts is taken as it is: what is said are then the characters of its transcripts.

use super::*;
use crate::utterances::{Batch, Characters, FEATURES, Frames, Heard, Labelings, Sounds, whole};
use std::collections::BTreeSet;

/// Prefixes that are kept in the search for what was said.
const BEAM: usize = 8;

pub(crate) struct Speech {
    pub(crate) saved: Saved,
    frames: Frames,
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
    pub(crate) characters: Characters,
    /// Whether strings are made of recordings.
    joined: bool,
    model: RecognizerConfig,
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
    .samples(2)
    .input(Input::Sound);

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<Sounds>;
    type Example = Heard;
    type Batch = Batch;
    type Answer = Labelings;

    fn read(options: &Options, data: &Data) -> Result<Parts<Drawn<Sounds>>> {
        let Parts { train, dev, test } = Sounds::read(data)?.parts(options.leave_out.as_deref(), data)?;
        let (known, frames, held_out) = (train.characters(), Frames::new(train.rate), options.strings.min(1000));
        [&train, &dev, &test].iter().try_for_each(|part| part.check_lengths(&known, &frames))?;
        Ok(Parts {
            train: train.drawn(options.strings, &frames),
            dev: dev.drawn(held_out, &frames),
            test: test.drawn(held_out, &frames),
        })
    }

    fn learn(Options { reader, .. }: &Options, train: &Drawn<Sounds>) -> Result<Learned<Saved>> {
        let (sounds, ReaderOptions { recurrent, bidirectional }) = (train.material(), reader.clone());
        let (characters, RecurrentOptions { cell, layers, hidden_size }) = (sounds.characters(), recurrent);
        let (features, labels, dropout) = (FEATURES, characters.len(), 0.2);
        let model = RecognizerConfig { features, cell, layers, hidden_size, bidirectional, labels, dropout };
        Ok(Saved { rate: sounds.rate, characters: Characters::new(characters), joined: sounds.joined, model }.into())
    }

    fn build(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Speech> {
        saved.model.check()?;
        if !(1_000..=1_000_000).contains(&saved.rate) {
            let hint = "a sound has from 1000 to 1000000 samples per second";
            return Err(Error::failure(format!("rate is {}", saved.rate), hint));
        }
        if (saved.model.features, saved.model.labels) != (FEATURES, saved.characters.count()) {
            let hint = "the run folder must hold the files of one training, unchanged";
            return Err(Error::failure("the model reads other frames or says other characters", hint));
        }
        let model = Recognizer::new(params, &saved.model);
        Ok(Speech { frames: Frames::new(saved.rate), saved, model })
    }

    fn read_to_score(&self, data: &Data) -> Result<Drawn<Sounds>> {
        let sounds = Sounds::read(data)?.into_scored(data, self.saved.rate, self.saved.joined)?;
        Ok(sounds.drawn(1000, &self.frames))
    }

    /// A string made of the recordings, or one of the sounds itself.
    fn example(&self, sounds: &Sounds, draw: &Draw) -> Result<Heard> {
        let (samples, said) = sounds.example(draw.number(), &mut draw.rng());
        Ok(Heard { pieces: vec![self.frames.of(&samples)], said })
    }

    /// A line is the path of a wav file. Of a long one, the pieces are heard one after the other.
    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Heard> {
        Ok(Heard { pieces: self.frames.read(line)?, said: String::new() })
    }

    fn read_sound(&self, wav: &[u8], _draw: &Draw) -> Result<Heard> {
        Ok(Heard { pieces: self.frames.heard(Recording::of_wav("the recording", wav)?)?, said: String::new() })
    }

    fn lengths(&self, heard: &Heard) -> (usize, usize) {
        (0, heard.pieces.iter().map(Array2::nrows).sum())
    }

    fn batch(&self, heard: &[&Heard]) -> Result<Batch> {
        Ok(Batch::new(heard, |said| self.saved.characters.labels(said)))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.model.loss(&batch.sequence(graph), &batch.labels)
    }

    /// A sound in several pieces has the best answer to each, and no other.
    fn answers(&self, params: &Params, batch: &Batch, search: Search) -> Result<Vec<Self::Answer>> {
        let graph = Graph::inference(params);
        let beam = (search != Search::Quick).then_some(BEAM.max(search.count()));
        let mut found =
            self.model.decode(&batch.sequence(&graph), beam)?.into_iter().map(|best| {
                best.into_iter().take(search.count()).map(|one| (one.labels, one.log_probability)).collect()
            });
        Ok(batch.pieces.iter().map(|pieces| whole(found.by_ref().take(*pieces).collect())).collect())
    }

    /// Digits (or characters) that are wrong, missing or too many, for each that was said.
    fn score(&self, heard: &[Heard], answers: &[Self::Answer]) -> Result<Score> {
        let said: Vec<Vec<char>> = heard.iter().map(|one| one.said.chars().collect()).collect();
        let text =
            |best: &Self::Answer| best.first().map_or(String::new(), |(labels, _)| self.saved.characters.text(labels));
        let found: Vec<Vec<char>> = answers.iter().map(|best| text(best).chars().collect()).collect();
        let exact = found.iter().zip(&said).filter(|(found, said)| found == said).count() as f64;
        let more = [("exact", exact / said.len().max(1) as f64)];
        Ok(Score::from(token_error_rate(&found, &said)?.rate()).with(more))
    }

    fn show(&self, heard: &Heard, answer: &Self::Answer, _digits: Digits) -> Shown {
        let best = answer.iter().map(|(labels, score)| (self.saved.characters.text(labels), *score)).collect();
        Shown::best(vec![("said", heard.said.clone())], best)
    }

    fn notes(&self, train: &Drawn<Sounds>, _dev: &[Heard], _test: &[Heard]) -> Vec<String> {
        let (count, Saved { rate, characters, .. }) = (train.material().all.len(), &self.saved);
        vec![format!("{count} sounds to train on, at {rate} samples per second; characters: {characters}")]
    }

    /// What the model hears when, in one string: the probabilities of what is said there, and of the blank.
    fn figures(&self, params: &Params, test: &[Heard], _answers: &[Self::Answer]) -> Result<Vec<Figure>> {
        let batch = self.batch(&test.iter().take(1).collect::<Vec<_>>())?;
        let graph = Graph::inference(params);
        let p = self.model.logits(&batch.sequence(&graph)).padded().softmax().to_f64()?;
        let line = |label: u32| (0..batch.lengths[0]).map(|t| (t as f64, p[[0, t, label as usize]])).collect();
        let heard: BTreeSet<u32> = batch.labels[0].iter().copied().collect();
        let mut lines = vec![("nothing".to_owned(), line(0))];
        lines.extend(heard.into_iter().map(|label| (self.saved.characters.text(&[label]), line(label))));
        let (title, x, y) = ("What is heard when".to_owned(), "step of 20 ms".to_owned(), "probability".to_owned());
        Ok(vec![Figure::Curves(Curves { title, x, y, log_y: false, lines, note: String::new() })])
    }
}
