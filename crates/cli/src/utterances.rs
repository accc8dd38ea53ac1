//! Sounds and what is said in them: read from `--data`, parted, and single digits joined into strings.

use crate::log_mel::{LogMel, join, normalise};
use ndarray::{Array2, Array3, Axis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use unspool::{graph::Graph, nn::Sequence};
use unspool_task::{Data, Drawn, Error, Parts, Recording, Result, Rng, by_number, limits};

/// Recordings in a string, at most.
const MOST: isize = 5;
/// The longest gap between them, in seconds.
const GAP: f64 = 0.2;
/// The noise is so many decibels below the speech, drawn for each string.
const BELOW: (f64, f64) = (10.0, 30.0);

/// A sound, and what is said.
#[derive(Clone)]
pub(crate) struct Utterance {
    pub(crate) name: String,
    pub(crate) speaker: String,
    pub(crate) samples: Vec<f32>,
    pub(crate) said: String,
}

impl Utterance {
    /// Recordings of one speaker, one after the other with gaps between.
    fn joined(recordings: &[Utterance], rate: u32, dice: &mut Rng) -> Utterance {
        let speaker = &dice.choose(recordings).speaker;
        let theirs: Vec<&Utterance> = recordings.iter().filter(|one| one.speaker == *speaker).collect();
        let mut string =
            Utterance { name: String::new(), speaker: speaker.clone(), samples: vec![], said: String::new() };
        let gap = |samples: &mut Vec<f32>, dice: &mut Rng| {
            let silence = (dice.uniform() * GAP * f64::from(rate)) as usize;
            samples.resize(samples.len() + silence, 0.0);
        };
        gap(&mut string.samples, dice);
        for _ in 0..dice.between(1, MOST) {
            let one = dice.choose(&theirs);
            string.samples.extend(&one.samples);
            string.said += &one.said;
            gap(&mut string.samples, dice);
        }
        string
    }

    /// The same in noise.
    fn noisy(mut self, dice: &mut Rng) -> Utterance {
        let power = self.samples.iter().map(|x| x * x).sum::<f32>() / self.samples.len().max(1) as f32;
        let below = BELOW.0 + dice.uniform() * (BELOW.1 - BELOW.0);
        let noise = power.sqrt() * 10f32.powf(-below as f32 / 20.0);
        self.samples.iter_mut().for_each(|x| *x += noise * dice.normal() as f32);
        self
    }
}

/// A string of recordings in noise.
fn string(recordings: &[Utterance], rate: u32, dice: &mut Rng) -> Utterance {
    Utterance::joined(recordings, rate, dice).noisy(dice)
}

/// The sounds of `--data`, all of one rate.
pub(crate) struct Sounds {
    pub(crate) all: Vec<Utterance>,
    /// Samples a second.
    pub(crate) rate: u32,
    /// Whether they are single digits, of which strings are made.
    pub(crate) joined: bool,
}

impl Sounds {
    /// Reads them.
    pub(crate) fn read(data: &Data) -> Result<Sounds> {
        let recordings = data.recordings()?;
        let rate = recordings.first().map_or(0, |first| first.rate);
        if let Some(other) = recordings.iter().find(|one| one.rate != rate) {
            let what =
                format!("{}: {} samples per second, where {} has {rate}", other.name, other.rate, recordings[0].name);
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
        Ok(Sounds { all: recordings.into_iter().map(utterance).collect::<Result<_>>()?, rate, joined })
    }

    /// The three parts, none of which is empty.
    pub(crate) fn parts(self, left_out: Option<&str>, data: &Data) -> Result<Parts<Sounds>> {
        let Sounds { all, rate, joined } = self;
        let Parts { train, dev, test } = if joined { by_take(all, left_out)? } else { by_number(all) };
        for (part, purpose) in [(&train, "train on"), (&dev, "choose by"), (&test, "test on")] {
            if part.is_empty() {
                let hint = "give more; of single digits, takes 0 to 4 are the test and every eighth after these is dev";
                return Err(Error::failure(format!("{}: no sound is left to {purpose}", data.name()), hint));
            }
        }
        let of = |all| Sounds { all, rate, joined };
        Ok(Parts { train: of(train), dev: of(dev), test: of(test) })
    }

    /// What a model of this rate and kind is scored on: all sounds; of the set inside the program, its test part.
    pub(crate) fn into_scored(self, data: &Data, rate: u32, joined: bool) -> Result<Sounds> {
        if (self.rate, self.joined) != (rate, joined) {
            let kind = |joined| if joined { "single digits" } else { "sounds with transcripts" };
            return Err(Error::failure(
                format!("{}: {} at {} samples per second", data.name(), kind(self.joined), self.rate),
                format!("the model is for {} at {rate}", kind(joined)),
            ));
        }
        let all = if data.is_embedded() { by_take(self.all, None)?.test } else { self.all };
        Ok(Sounds { all, ..self })
    }

    /// All characters that are said.
    pub(crate) fn characters(&self) -> BTreeSet<char> {
        self.all.iter().flat_map(|one| one.said.chars()).collect()
    }

    /// Refuses a sound that is too short to say what its transcript has of the characters that are known.
    pub(crate) fn check_lengths(&self, known: &BTreeSet<char>, frames: &Frames) -> Result<()> {
        for one in &self.all {
            let said: Vec<char> = one.said.chars().filter(|c| known.contains(c)).collect();
            let needed = said.len() + said.windows(2).filter(|pair| pair[0] == pair[1]).count();
            let steps = frames.features.frames(one.samples.len()).div_ceil(TOGETHER);
            if steps < needed {
                let what = format!("{}: {steps} steps of 20 ms are too short to say {:?}", one.name, one.said);
                return Err(Error::failure(what, "leave it out, or correct its transcript"));
            }
        }
        Ok(())
    }

    /// The example of this number: a string made of the recordings, or one of the sounds itself.
    pub(crate) fn example(&self, number: usize, dice: &mut Rng) -> (Vec<f32>, String) {
        match self.joined {
            true => {
                let string = string(&self.all, self.rate, dice);
                (string.samples, string.said)
            }
            false => (self.all[number].samples.clone(), self.all[number].said.clone()),
        }
    }

    /// So many strings of these sounds, or the sounds themselves.
    pub(crate) fn drawn(self, strings: usize, frames: &Frames) -> Drawn<Sounds> {
        let lengths = match self.joined {
            true => vec![(0, 1); strings],
            false => self.all.iter().map(|one| (0, frames.features.frames(one.samples.len()))).collect(),
        };
        Drawn::new(self, lengths)
    }
}

/// Bands of the features, and how many frames of 10 ms are read at a time.
const BANDS: usize = 32;
const TOGETHER: usize = 2;
/// Elements of what a model reads at a time.
pub(crate) const FEATURES: usize = TOGETHER * BANDS;

/// How a model hears sounds of one rate.
pub(crate) struct Frames {
    rate: u32,
    features: LogMel,
}

impl Frames {
    /// Of so many samples a second.
    pub(crate) fn new(rate: u32) -> Frames {
        Frames { rate, features: LogMel::new(rate, BANDS) }
    }

    /// What a model reads of a sound, `[time, feature]`.
    pub(crate) fn of(&self, samples: &[f32]) -> Array2<f32> {
        let mut frames = self.features.of(samples);
        normalise(&mut frames);
        join(&frames, TOGETHER)
    }

    /// What it reads of a wav file, in pieces that are short enough to be heard at once.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<Array2<f32>>> {
        self.heard(Recording::read(path)?)
    }

    /// What it reads of a sound, in pieces that are short enough to be heard at once.
    pub(crate) fn heard(&self, sound: Recording) -> Result<Vec<Array2<f32>>> {
        if sound.rate != self.rate {
            let name = &sound.name;
            return Err(Error::failure(
                format!("{name}: {} samples per second, where the model was trained on {}", sound.rate, self.rate),
                "convert it to that rate",
            ));
        }
        Ok(pieces(&sound.samples, self.rate as usize).into_iter().map(|piece| self.of(piece)).collect())
    }
}

/// What can be said: the character at place i is label i + 1.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Characters(String);

impl Characters {
    /// In their order.
    pub(crate) fn new(all: BTreeSet<char>) -> Characters {
        Characters(all.into_iter().collect())
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.chars().count()
    }

    /// Characters that were in no transcript to train on are no labels, and count as errors.
    pub(crate) fn labels(&self, said: &str) -> Vec<u32> {
        let label = |c: char| self.0.chars().position(|known| known == c).map(|place| place as u32 + 1);
        said.chars().filter_map(label).collect()
    }

    /// What labels say.
    pub(crate) fn text(&self, labels: &[u32]) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        labels.iter().filter_map(|label| characters.get((*label as usize).checked_sub(1)?)).collect()
    }
}

impl std::fmt::Display for Characters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Labels with their log-probabilities, best first.
pub(crate) type Labelings = Vec<(Vec<u32>, f64)>;

/// What is heard in the pieces of one sound: of several the best of each, joined, and nothing else.
pub(crate) fn whole(mut pieces: Vec<Labelings>) -> Labelings {
    if pieces.len() == 1 {
        return pieces.swap_remove(0);
    }
    let best = pieces.iter().filter_map(|best| best.first());
    vec![(best.clone().flat_map(|one| one.0.clone()).collect(), best.map(|one| one.1).sum())]
}

/// What the model reads of a sound, `[time, feature]`, in pieces that are heard one after the other, and what is said.
#[derive(Serialize, Deserialize)]
pub(crate) struct Heard {
    pub(crate) pieces: Vec<Array2<f32>>,
    pub(crate) said: String,
}

/// Frames `[batch, time, feature]` of all pieces, how many of each are real, how many pieces each example has, and the
/// labels.
pub(crate) struct Batch {
    frames: Array3<f32>,
    pub(crate) lengths: Vec<usize>,
    pub(crate) pieces: Vec<usize>,
    pub(crate) labels: Vec<Vec<u32>>,
}

/// The loss is of whole strings.
impl unspool_task::Batch for Batch {
    fn loss_count(&self) -> usize {
        self.lengths.len()
    }
    fn units(&self) -> Option<usize> {
        Some(self.lengths.iter().sum())
    }
}

impl Batch {
    /// Some examples as arrays.
    pub(crate) fn new(heard: &[&Heard], labels: impl Fn(&str) -> Vec<u32>) -> Batch {
        let rows: Vec<&Array2<f32>> = heard.iter().flat_map(|one| &one.pieces).collect();
        let lengths: Vec<usize> = rows.iter().map(|row| row.nrows()).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut frames = Array3::zeros((rows.len(), longest, FEATURES));
        for (row, mut place) in rows.iter().zip(frames.outer_iter_mut()) {
            place.slice_axis_mut(Axis(0), (..row.nrows()).into()).assign(row);
        }
        let pieces = heard.iter().map(|one| one.pieces.len()).collect();
        Batch { frames, lengths, pieces, labels: heard.iter().map(|one| labels(&one.said)).collect() }
    }

    /// The real frames.
    pub(crate) fn sequence<'g>(&self, graph: &'g Graph<'g>) -> Sequence<'g> {
        Sequence::pack(graph.input(&self.frames), &self.lengths)
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

/// `{digit}_{speaker}_{take}.wav`, in whatever folder: the digit and the speaker.
fn spoken_digit(name: &str) -> Result<(String, String)> {
    let parts: Vec<&str> = stem(name).split('_').collect();
    match parts[..] {
        [digit, speaker, take] if matches!(digit.parse(), Ok(0u8..=9)) && take.parse::<u64>().is_ok() => {
            Ok((digit.to_owned(), speaker.to_owned()))
        }
        _ => Err(Error::failure(
            format!("{name}: no transcript says what is spoken there"),
            "write transcripts.tsv beside the sounds, with a header `file<TAB>transcript`; or name each \
             {digit}_{speaker}_{take}.wav",
        )),
    }
}

fn stem(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or(file, |(stem, _)| stem)
}

/// For the test: the speaker who is left out or, as the data set's authors do, takes 0 to 4; for dev: of the rest every
/// eighth take.
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

#[cfg(test)]
mod tests {
    use super::*;
    use unspool::graph::RngKey;

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
        let all: Vec<Utterance> =
            (0..5).flat_map(|d| [one(&format!("{d}_a_1.wav")), one(&format!("{}_b_1.wav", d + 5))]).collect();
        for seed in 0..40 {
            let mut dice = Rng::new(RngKey::seed(seed));
            let string = string(&all, 8000, &mut dice);
            let digits = string.said.len();
            assert!((1..=5).contains(&digits) && string.samples.len() >= 800 * digits);
            assert!(string.samples.len() <= 800 * digits + 1600 * (digits + 1));
            assert!(string.said.bytes().all(|digit| (digit < b'5') == (string.speaker == "a")), "{}", string.said);
            // From 10 to 30 decibels below speech of 0.1, which is in a part of the string only.
            let quiet = string.samples.iter().map(|x| x.abs().min((x - 0.1).abs())).sum::<f32>();
            let noise = quiet / string.samples.len() as f32;
            assert!((0.0005..0.03).contains(&noise), "{noise}");
        }
    }
}
