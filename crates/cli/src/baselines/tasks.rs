//! What the models of each task are compared with.

use super::{language, pictures as nearest, series, texts, translation};
use crate::{
    films::{DIRECTIONS, NOBODY, Scene},
    long_text::Window,
    pictures::{Captioned, SIDE, word},
    problems::Problem,
    recipes::{
        abilities::Ability, adding::Adding, captioning::Captioning, clips::Clips, copy, copy::Copying, digits::Digits,
        forecast::Forecast, frames::Frames, language_model::NextToken, mnist1d::Mnist1d, sentiment::Sentiment,
        spacing::Spacing, speech::Speech, tagging::Tagging, translation::Pair, translation::Translated,
        translation::Translation,
    },
    signals::LENGTH,
};
use std::collections::BTreeMap;
use unspool::{graph::RngKey, text::score::accuracy};
use unspool_baselines::NearestNeighbor;
use unspool_task::{Baseline, Baselines, Draw, Drawn, MostFrequent, Result, Task};

type Train<T> = <T as Task>::Source;
type Part<T> = [<T as Task>::Example];
type Answers<T> = Vec<<T as Task>::Answer>;

/// The first examples that a training draws of its material.
fn first_drawn<T: Task<Source = Drawn<M>>, M: Send + Sync + 'static>(
    task: &T,
    train: &Drawn<M>,
    count: usize,
) -> Result<Vec<T::Example>> {
    (0..count).map(|number| task.example(train.material(), &Draw::training(number, RngKey::seed(0)))).collect()
}

impl Baselines for Sentiment {
    fn baselines(&self, train: &Train<Self>, dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        let labels = &self.saved.labels;
        let sampled = train.read(|rows| {
            let mut sample = texts::sample(labels.len());
            for mut row in rows {
                if let Some(label) = row.fields.get(1).and_then(|label| labels.id(label)) {
                    let text = row.fields.swap_remove(0);
                    sample.add(texts::size(&text), (text, label));
                }
            }
            sample
        })?;
        let [dev, test] = [dev, test]
            .map(|part| part.iter().map(|text| (text.text.as_str(), text.label.first())).collect::<Vec<_>>());
        texts::classify(labels.len(), &sampled.into_items(), &dev, &test)
    }
}

impl Baselines for Tagging {
    /// The most frequent tag of each word of the train part, and of all words for those it does not have; and a
    /// regression.
    fn baselines(&self, train: &Train<Self>, dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        let (set, mut seen) = (&self.saved.tags, MostFrequent::new(self.saved.tags.len()));
        let mut sample = texts::sample(set.len());
        train.read(|sentences| {
            for mut sentence in sentences {
                let names = sentence.columns.swap_remove(1);
                let words = sentence.columns.swap_remove(0);
                let tags: Vec<u32> = names.iter().filter_map(|tag| set.id(tag)).collect();
                words.iter().zip(&tags).for_each(|(word, tag)| seen.count(word, *tag));
                sample.add(texts::WORD_FEATURES * words.len(), (words, tags));
            }
        })?;
        let guesses: Vec<u32> = test.iter().flat_map(|sentence| &sentence.words).map(|word| seen.guess(word)).collect();
        let right: Vec<u32> = test.iter().flat_map(|sentence| sentence.tags.ids()).copied().collect();
        let most_frequent = Baseline::new("most_frequent_tag", accuracy(&guesses, &right)?);
        let train = sample.into_items();
        let train: Vec<_> = train.iter().map(|(words, tags)| (words.as_slice(), tags.as_slice())).collect();
        let [dev, test] =
            [dev, test].map(|part| part.iter().map(|one| (one.words.as_slice(), one.tags.ids())).collect::<Vec<_>>());
        Ok(vec![most_frequent, texts::tag(set.len(), [&train, &dev, &test])?])
    }
}

impl Baselines for Spacing {
    fn baselines(&self, train: &Train<Self>, dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        let mut sample = texts::sample(2);
        for row in train.rows()? {
            let text = self.tokenizer.normalize(&row?[0])?;
            sample.add(texts::BOUNDARY_FEATURES * text.chars().count(), text);
        }
        let train = sample.into_items();
        let train: Vec<&str> = train.iter().map(String::as_str).collect();
        let [dev, test] = [dev, test].map(|part| part.iter().map(|text| text.text.as_str()).collect::<Vec<_>>());
        Ok(vec![texts::space([&train, &dev, &test])?])
    }
}

impl Baselines for NextToken {
    fn baselines(&self, train: &Train<Self>, dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        let score = |windows: &[Window], nats: Vec<f64>| {
            let answers: Answers<Self> = nats.into_iter().map(|nats| (nats, vec![])).collect();
            Ok(self.score(windows, &answers)?.value)
        };
        let vocabulary = self.tokenizer.vocabulary_size();
        Ok(vec![language::kneser_ney(train.material(), vocabulary, dev, test, &score)?])
    }
}

impl Baselines for Translation {
    fn baselines(&self, train: &Train<Self>, dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        let sampled = train.read(|rows| {
            let mut sample = texts::sample(1);
            for mut row in rows.filter(|row| row.fields.len() == 2) {
                let target = row.fields.swap_remove(1);
                let source = row.fields.swap_remove(0);
                sample.add(translation::size(&source), (source, target));
            }
            sample
        })?;
        let score = |pairs: &[Pair], found: Vec<String>| {
            let answer = |text: String| Translated { best: vec![(text, 0.0)], greedy: String::new(), attention: None };
            Ok(self.score(pairs, &found.into_iter().map(answer).collect::<Vec<_>>())?.value)
        };
        let [sources, test_sources] =
            [dev, test].map(|part| part.iter().map(|pair| pair.source_text.as_str()).collect::<Vec<_>>());
        let (on_dev, on_test) = (|found| score(dev, found), |found| score(test, found));
        let scores: [translation::Scored<'_>; 2] = [&on_dev, &on_test];
        Ok(vec![translation::memory(&sampled.into_items(), &sources, &test_sources, scores)?])
    }
}

impl Baselines for Forecast {
    fn baselines(&self, train: &Train<Self>, dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        series::baselines(&self.saved.scale, train.material(), dev, test)
    }
}

impl Baselines for Digits {
    fn baselines(&self, train: &Train<Self>, _dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        Ok(vec![Baseline::timed(|| {
            let found = nearest::digits(train.material(), test.iter().map(|digit| digit.picture.view()))?;
            let answers: Answers<Self> = found.into_iter().map(|digit| vec![(digit, 1.0)]).collect();
            Ok(Baseline::new("nearest_neighbor", self.score(test, &answers)?.value))
        })?])
    }
}

impl Baselines for Captioning {
    /// The nearest neighbor of each digit: the picture is cut where one ends and the next begins.
    fn baselines(&self, train: &Train<Self>, _dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        Ok(vec![Baseline::timed(|| {
            let cut = |made: &'_ Captioned| made.picture.ncols() / SIDE;
            let digits = test.iter().flat_map(|made| made.picture.axis_chunks_iter(ndarray::Axis(1), SIDE));
            let mut found = nearest::digits(train.material(), digits)?.into_iter().map(word);
            let answers: Answers<Self> =
                test.iter().map(|made| vec![(found.by_ref().take(cut(made)).collect(), 0.0)]).collect();
            let score = self.score(test, &answers)?.value;
            Ok(Baseline::new("nearest_neighbor", score).settings("of each digit, cut out"))
        })?])
    }
}

impl Baselines for Clips {
    fn baselines(&self, train: &Train<Self>, _dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        Ok(vec![Baseline::timed(|| {
            let known = first_drawn(self, train, nearest::FILMS)?;
            let directions = DIRECTIONS.len() as u32;
            let labeled = known.iter().map(|clip| (clip.film.view(), clip.digit * directions + clip.direction));
            let found = nearest::nearest(labeled, test.iter().map(|clip| clip.film.view()))?;
            let pair = |label: u32| vec![((label / directions, label % directions), 1.0)];
            let answers: Answers<Self> = found.into_iter().map(pair).collect();
            let films = format!("of {} films", known.len());
            Ok(Baseline::new("nearest_neighbor", self.score(test, &answers)?.value).settings(films))
        })?])
    }
}

impl Baselines for Frames {
    /// That nobody is there; and the nearest neighbor of each frame by itself.
    fn baselines(&self, train: &Train<Self>, _dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        let nobody = |scene: &Scene| vec![(NOBODY, 1.0); scene.present.len()];
        let nobody = self.score(test, &test.iter().map(nobody).collect::<Vec<_>>())?.value;
        let nearest = Baseline::timed(|| {
            let known = first_drawn(self, train, nearest::FILMS_OF_FRAMES)?;
            let labeled = known.iter().flat_map(|scene| scene.film.outer_iter().zip(scene.present.iter().copied()));
            let asked = test.iter().flat_map(|scene| scene.film.outer_iter());
            let mut found = nearest::nearest(labeled, asked)?.into_iter().map(|present| (present, 1.0));
            let answers: Vec<Vec<_>> =
                test.iter().map(|scene| found.by_ref().take(scene.present.len()).collect()).collect();
            let films = format!("of the frames of {} films", known.len());
            Ok(Baseline::new("nearest_neighbor", self.score(test, &answers)?.value).settings(films))
        })?;
        Ok(vec![Baseline::new("always_nobody", nobody), nearest])
    }
}

impl Baselines for Mnist1d {
    fn baselines(&self, train: &Train<Self>, _dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        Ok(vec![Baseline::timed(|| {
            let mut neighbors = NearestNeighbor::new(LENGTH);
            train.material().iter().for_each(|signal| neighbors.add(&signal.values, signal.digit));
            let found = test.iter().map(|signal| vec![(neighbors.label(&signal.values).unwrap_or(0), 1.0)]);
            Ok(Baseline::new("nearest_neighbor", self.score(test, &found.collect::<Vec<_>>())?.value))
        })?])
    }
}

impl Baselines for Speech {
    /// What is said most often, whatever is heard.
    fn baselines(&self, train: &Train<Self>, _dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        let mut counts = BTreeMap::<&str, usize>::new();
        train.material().all.iter().for_each(|one| *counts.entry(&one.said).or_default() += 1);
        // Of equally frequent ones the first in the order of the alphabet.
        let most = counts.iter().rev().max_by_key(|(_, count)| **count).map_or("", |(said, _)| said);
        let answers: Answers<Self> = test.iter().map(|_| vec![(self.saved.characters.labels(most), 0.0)]).collect();
        let score = self.score(test, &answers)?.value;
        Ok(vec![Baseline::new("most_frequent_answer", score).settings(format!("always `{most}`"))])
    }
}

impl Baselines for Adding {
    fn baselines(&self, _train: &Train<Self>, _dev: &Part<Self>, test: &Part<Self>) -> Result<Vec<Baseline>> {
        Ok(vec![Baseline::new("always_1", self.score(test, &vec![1.0; test.len()])?.value)])
    }
}

impl Baselines for Copying {
    fn baselines(&self, _train: &Train<Self>, _dev: &Part<Self>, _test: &Part<Self>) -> Result<Vec<Baseline>> {
        Ok(vec![Baseline::new("chance", 1.0 / copy::KINDS as f64)])
    }
}

impl<P: Problem> Baselines for Ability<P> {
    fn baselines(&self, _train: &Train<Self>, _dev: &Part<Self>, _test: &Part<Self>) -> Result<Vec<Baseline>> {
        Ok(vec![Baseline::new("chance", 1.0 / P::CLASSES as f64)])
    }
}
