//! A translation memory: the translation of the nearest sentence of the train part.

use super::{Best, interrupted, stop};
use unspool_baselines::{Examples, TranslationMemory, features};
use unspool_task::{Baseline, Result, check_signals};

/// What a sentence is compared by: the name, and its features.
type Comparison = (&'static str, fn(&str) -> Vec<u32>);

const COMPARISONS: [Comparison; 3] = [
    ("single words", |text| features::word_ngrams(text, 1..=1)),
    ("1 to 2 words", |text| features::word_ngrams(text, 1..=2)),
    ("2 to 5 characters", |text| features::character_ngrams(&text.to_lowercase(), 2..=5)),
];

/// The size of a sentence in a sample of the train part.
pub(crate) fn size(source: &str) -> usize {
    4 * (source.chars().count() + 2)
}

/// Scores the translations of a part.
pub(crate) type Scored<'a> = &'a dyn Fn(Vec<String>) -> Result<f64>;

/// The translations of a translation memory, made of sentences and their translations; what it compares sentences by is
/// chosen on the dev part. `score` scores the translations of dev, and of the test.
pub(crate) fn memory(
    train: &[(String, String)],
    dev: &[&str],
    test: &[&str],
    score: [Scored<'_>; 2],
) -> Result<Baseline> {
    Baseline::timed(|| {
        let mut best = Best::new();
        for (name, compare) in COMPARISONS {
            let mut sources = Examples::default();
            train.iter().for_each(|(source, _)| sources.push(compare(source), 0));
            let memory = TranslationMemory::new(&sources, &stop).map_err(interrupted)?;
            let found = translate(train, &memory, compare, dev)?;
            best.offer(score[0](found)?, || (name, compare, memory));
        }
        let Some((name, compare, memory)) = best.into_inner() else {
            return Ok(Baseline::left_out("translation_memory", "there is nothing to choose its settings by"));
        };
        let found = translate(train, &memory, compare, test)?;
        Ok(Baseline::new("translation_memory", score[1](found)?).settings(format!("nearest by TF-IDF of {name}")))
    })
}

fn translate(
    train: &[(String, String)],
    memory: &TranslationMemory,
    compare: fn(&str) -> Vec<u32>,
    sources: &[&str],
) -> Result<Vec<String>> {
    let one = |source: &&str| {
        check_signals()?;
        Ok(memory.nearest(&compare(source)).map_or(String::new(), |row| train[row].1.clone()))
    };
    sources.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_translation_of_the_nearest_sentence_is_taken() {
        let pair = |source: &str, target: &str| (source.to_owned(), target.to_owned());
        let train = [pair("Jag vet.", "I know."), pair("Var är katten?", "Where is the cat?")];
        let score = |found: Vec<String>| {
            assert_eq!(found, ["Where is the cat?", ""]);
            Ok(7.0)
        };
        let test = ["Var är hunden?", "XYZ"];
        let found = memory(&train, &test, &test, [&score, &score]).unwrap();
        assert_eq!((found.name(), found.score()), ("translation_memory", Some(7.0)));
        let nothing = |found: Vec<String>| Ok(found.iter().filter(|text| !text.is_empty()).count() as f64);
        assert_eq!(memory(&[], &test, &test, [&nothing, &nothing]).unwrap().score(), Some(0.0));
        let odd = |_| Ok(f64::NAN);
        assert_eq!(memory(&train, &[], &test, [&odd, &odd]).unwrap().score(), None);
    }
}
