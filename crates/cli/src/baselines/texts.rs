//! Classifiers of texts, of the words of a sentence, and of the places between characters.

use super::{Best, FEW_CLASSES, MOST_CLASSES, MOST_FEATURES, interrupted, stop};
use crate::spaces::{SPACE, characters};
use unspool::text::score::{Confusion, accuracy};
use unspool_baselines::{Examples, LogisticRegression, NaiveBayes, Sample, Scaling, features};
use unspool_task::{Baseline, Error, Result};

/// Longest n-grams of characters.
const LONGEST: usize = 4;

/// The seed of the order in which logistic regression sees the examples.
const SEED: u64 = 1;

/// Room for a sample of the train part for so many classes.
pub(crate) fn sample<T>(classes: usize) -> Sample<T> {
    Sample::new(MOST_FEATURES / classes.max(FEW_CLASSES) * FEW_CLASSES)
}

/// A text with its class. In a part that is scored it may be none that the train part has.
pub(crate) type Labeled<'a> = (&'a str, u32);

/// The size of a text in a [`sample`].
pub(crate) fn size(text: &str) -> usize {
    LONGEST * (text.chars().count() + 2)
}

/// Naive Bayes and logistic regression on the n-grams of characters, and the most frequent class.
pub(crate) fn classify(
    classes: usize,
    train: &[(String, u32)],
    dev: &[Labeled<'_>],
    test: &[Labeled<'_>],
) -> Result<Vec<Baseline>> {
    let train: Vec<Labeled<'_>> = train.iter().map(|(text, class)| (text.as_str(), *class)).collect();
    let right: Vec<u32> = test.iter().map(|(_, class)| *class).collect();
    let mut counts = vec![0u64; classes];
    train.iter().for_each(|(_, class)| counts.get_mut(*class as usize).into_iter().for_each(|count| *count += 1));
    let most = (0..classes).rev().max_by_key(|class| counts[*class]).unwrap_or(0) as u32;
    let most = Baseline::new("most_frequent_label", accuracy(&vec![most; right.len()], &right)?);
    let [bayes, linear] = ["naive_bayes", "logistic_regression_on_characters"];
    if classes > MOST_CLASSES {
        let reason = format!("there are {classes} classes, more than {MOST_CLASSES}");
        return Ok(vec![most, Baseline::left_out(bayes, reason.clone()), Baseline::left_out(linear, reason)]);
    }
    let bayes = Baseline::timed(|| {
        let mut best = Best::new();
        for order in 1..=LONGEST {
            let [train, dev] = [&train[..], dev].map(|part| ngrams(part, order));
            let model = NaiveBayes::fit(&train, classes, &stop).map_err(interrupted)?;
            for alpha in [0.1, 0.3, 1.0] {
                let found = model.predict_all(&dev, alpha, &stop).map_err(interrupted)?;
                best.offer(accuracy(&found, dev.labels()).unwrap_or(f64::NAN), || (order, alpha, model.clone()));
            }
        }
        let Some((order, alpha, model)) = best.into_inner() else {
            return Ok(Baseline::left_out(bayes, "there is nothing to choose its settings by"));
        };
        let found = model.predict_all(&ngrams(test, order), alpha, &stop).map_err(interrupted)?;
        Ok(Baseline::new(bayes, accuracy(&found, &right)?).settings(format!("{}, α {alpha}", up_to(order))))
    })?;
    let linear = Baseline::timed(|| {
        let parts = [&train[..], dev, test].map(|part| ngrams(part, LONGEST));
        regression(linear, &up_to(LONGEST), classes, Scaling::LogCountRatios, &parts)
    })?;
    Ok(vec![most, bayes, linear])
}

/// Logistic regression, whose penalty and epochs are chosen by the accuracy on the dev part, on the test part.
fn regression(
    name: &'static str,
    reads: &str,
    classes: usize,
    scaling: Scaling,
    [train, dev, test]: &[Examples; 3],
) -> Result<Baseline> {
    let on_dev = |found: &[u32]| accuracy(found, dev.labels()).unwrap_or(f64::NAN);
    let (model, settings) =
        LogisticRegression::choose(train, dev, classes, scaling, SEED, &on_dev, &stop).map_err(interrupted)?;
    let found = model.predict_all(test, &stop).map_err(interrupted)?;
    Ok(Baseline::new(name, accuracy(&found, test.labels())?).settings(format!("{reads}, {settings}")))
}

fn up_to(order: usize) -> String {
    if order == 1 { "single characters".to_owned() } else { format!("1 to {order} characters") }
}

fn ngrams(texts: &[Labeled<'_>], order: usize) -> Examples {
    let mut examples = Examples::default();
    texts.iter().for_each(|(text, class)| examples.push(features::character_ngrams(text, 1..=order), *class));
    examples
}

/// The words of a sentence with their tags.
pub(crate) type TaggedWords<'a> = (&'a [String], &'a [u32]);

/// Features of a word, about.
pub(crate) const WORD_FEATURES: usize = 24;

/// Logistic regression on each word, its prefixes and suffixes, and the words beside it.
pub(crate) fn tag(tags: usize, parts: [&[TaggedWords<'_>]; 3]) -> Result<Baseline> {
    let name = "logistic_regression_on_words";
    if tags > MOST_CLASSES {
        return Ok(Baseline::left_out(name, format!("there are {tags} tags, more than {MOST_CLASSES}")));
    }
    Baseline::timed(|| {
        let parts = parts.map(|part| {
            let mut examples = Examples::default();
            for (words, tags) in part {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let rows = tags.iter().enumerate().map(|(place, tag)| (features::tagging(&words, place), *tag));
                rows.for_each(|(features, tag)| examples.push(features, tag));
            }
            examples
        });
        regression(name, "affixes and two words on each side", tags, Scaling::None, &parts)
    })
}

/// Features of a place between two characters.
pub(crate) const BOUNDARY_FEATURES: usize = 15;

/// Logistic regression on the four characters on each side of a place where a space may be. Its score is the F1 of the
/// spaces.
pub(crate) fn space(parts: [&[&str]; 3]) -> Result<Baseline> {
    Baseline::timed(|| {
        let parts = parts.map(|texts| {
            let mut examples = Examples::default();
            for text in texts {
                let (characters, spaces) = characters(text);
                let rows = spaces.iter().enumerate();
                rows.for_each(|(place, space)| examples.push(features::around_boundary(&characters, place), *space));
            }
            examples
        });
        let [train, dev, test] = &parts;
        let f1 = |found: &[u32], right: &Examples| Ok::<_, Error>(Confusion::new(found, right.labels(), 2)?.f1(SPACE));
        let on_dev = |found: &[u32]| f1(found, dev).unwrap_or(f64::NAN);
        let (model, settings) =
            LogisticRegression::choose(train, dev, 2, Scaling::None, SEED, &on_dev, &stop).map_err(interrupted)?;
        // The F1 is best where a space is set that is less likely than not.
        let p = |part: &Examples| (0..part.len()).map(|row| model.probabilities(part.features(row))[SPACE]).collect();
        let [p_dev, p_test]: [Vec<f64>; 2] = [p(dev), p(test)];
        let above = |p: &[f64], least: f64| p.iter().map(|p| u32::from(*p > least)).collect::<Vec<u32>>();
        let mut best = Best::new();
        for percent in (10..=60).step_by(5) {
            let least = f64::from(percent) / 100.0;
            best.offer(f1(&above(&p_dev, least), dev).unwrap_or(f64::NAN), || least);
        }
        let least = best.into_inner().unwrap_or(0.5);
        let settings = format!("4 characters on each side, {settings}, a space where p > {least}");
        let found = f1(&above(&p_test, least), test)?;
        Ok(Baseline::new("logistic_regression_on_characters", found).settings(settings))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(found: &[Baseline]) -> Vec<(&str, Option<f64>)> {
        found.iter().map(|one| (one.name(), one.score())).collect()
    }

    #[test]
    fn texts_are_classified_whatever_they_are() {
        let all = ["bad", "so-so", "good"];
        let train: Vec<(String, u32)> =
            (0..60).map(|row| (format!("{} {}", all[row % 3], row / 7), row as u32 % 3)).collect();
        let held: Vec<Labeled<'_>> = (0..9).map(|row| (all[row % 3], row as u32 % 3)).collect();
        let [bayes, regression] = ["naive_bayes", "logistic_regression_on_characters"];
        let found = classify(3, &train, &held, &held).unwrap();
        assert_eq!(
            scores(&found),
            [("most_frequent_label", Some(1.0 / 3.0)), (bayes, Some(1.0)), (regression, Some(1.0))]
        );
        // No example to learn from, one class, labels that only the test has, texts of nothing.
        let odd = [("", 0), ("x", 1)];
        assert_eq!(scores(&classify(1, &[], &odd, &odd).unwrap())[1], (bayes, Some(0.5)));
        assert_eq!(scores(&classify(1, &[(String::new(), 0)], &odd, &odd).unwrap())[2], (regression, Some(0.5)));
        // Too many classes for a table.
        let many = classify(MOST_CLASSES + 1, &train, &held, &held).unwrap();
        assert_eq!((many[0].score(), many[1].score(), many[2].score()), (Some(1.0 / 3.0), None, None));
    }

    #[test]
    fn words_are_tagged_and_spaces_found() {
        let words: Vec<String> = "the cat walked home".split(' ').map(str::to_owned).collect();
        let (right, odd) = ([0, 1, 2, 1], [3, 3, 3, 1]);
        let sentences: Vec<TaggedWords<'_>> = vec![(&words, &right); 20];
        let of = |test| tag(3, [&sentences, &sentences[..1], test]).unwrap().score();
        assert_eq!(of(&sentences[..2]), Some(1.0));
        assert_eq!(of(&[(&words, &odd)]), Some(0.25));
        assert_eq!(tag(MOST_CLASSES + 1, [&[], &[], &[]]).unwrap().score(), None);
        let texts = ["so what of it"; 20];
        assert_eq!(space([&texts, &texts[..1], &texts[..1]]).unwrap().score(), Some(1.0));
        assert_eq!(space([&[], &texts[..1], &["x"]]).unwrap().score(), Some(0.0));
    }
}
