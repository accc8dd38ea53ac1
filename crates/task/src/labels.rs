//! Labels that only dev or test has. No model can give them, so they count as wrong, cost nothing in a loss, and are
//! told.

use crate::{
    error::{Error, Result},
    number::counted,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use unspool::text::LabelSet;

/// The labels of an example: one for a text, one for each word of a sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    ids: Vec<u32>,
    /// The labels that the train part does not have, in their order.
    unknown: Vec<String>,
}

impl Labels {
    /// Looks labels up; one that is not in the set has the number of the set's labels.
    pub fn new<S: AsRef<str>>(set: &LabelSet, names: impl IntoIterator<Item = S>) -> Labels {
        let mut labels = Labels::default();
        for name in names {
            let name = name.as_ref();
            labels.ids.push(set.id(name).unwrap_or_else(|| {
                labels.unknown.push(name.to_owned());
                set.len() as u32
            }));
        }
        labels
    }

    /// Returns the id of the first label; 0 where there is none, as in a line of `predict`.
    pub fn first(&self) -> u32 {
        self.ids.first().copied().unwrap_or(0)
    }

    /// Returns the ids.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// How many of them the train part has.
    pub(crate) fn known(&self) -> usize {
        self.ids.len() - self.unknown.len()
    }

    /// Returns the names.
    pub fn names<'a>(&'a self, set: &'a LabelSet) -> Vec<&'a str> {
        let mut unknown = self.unknown.iter();
        let name = |id: &u32| set.name(*id).or_else(|| unknown.next().map(String::as_str)).unwrap_or_default();
        self.ids.iter().map(name).collect()
    }
}

/// The labels of a part that is scored which the train part does not have.
#[derive(Debug, Default)]
pub(crate) struct Unknown<'a> {
    count: usize,
    first: Option<&'a str>,
    /// A few of them, each once.
    examples: BTreeSet<&'a str>,
}

impl<'a> Unknown<'a> {
    /// How many are named.
    const NAMED: usize = 5;

    pub(crate) fn of(labels: impl Iterator<Item = &'a Labels>) -> Unknown<'a> {
        let mut found = Unknown::default();
        for label in labels.flat_map(|labels| &labels.unknown) {
            found.count += 1;
            found.first.get_or_insert(label);
            if found.examples.len() < Self::NAMED {
                found.examples.insert(label);
            }
        }
        found
    }

    /// Refuses a part of which no label is known.
    pub(crate) fn check(&self, part: &str, labels: usize) -> Result<()> {
        match self.first {
            Some(first) if self.count == labels => {
                let what = format!("{part}: no row has one of the labels of the train part; the first has `{first}`");
                Err(Error::failure(what, "a model gives the labels that it was trained on"))
            }
            _ => Ok(()),
        }
    }

    /// A line to show before training, if there is one.
    pub(crate) fn note(&self, part: &str) -> Option<String> {
        let named: Vec<String> = self.examples.iter().map(|label| format!("`{label}`")).collect();
        (self.count > 0).then(|| {
            let counted = counted(self.count as u64, "label");
            format!("not in the train part, so counted as wrong: {counted} of {part}, such as {}", named.join(", "))
        })
    }

    /// What a score says of them, if there are any.
    pub(crate) fn score(&self) -> Option<(&'static str, f64)> {
        (self.count > 0).then_some(("unknown_labels", self.count as f64))
    }
}

/// Counts how often each name has each label. The most frequent one is what a tagger guesses that knows nothing else.
///
/// ```
/// use unspool_task::MostFrequent;
/// let mut known = MostFrequent::new(2);
/// for (word, tag) in [("a", 1), ("b", 0), ("a", 1), ("a", 0), ("c", 1)] {
///     known.count(word, tag);
/// }
/// assert_eq!((known.guess("a"), known.guess("b"), known.guess("d")), (1, 0, 1));
/// ```
#[derive(Clone, Debug)]
pub struct MostFrequent {
    of_all: Vec<u64>,
    of_name: BTreeMap<String, Vec<u64>>,
}

impl MostFrequent {
    /// Begins with no name, for so many labels.
    pub fn new(labels: usize) -> MostFrequent {
        MostFrequent { of_all: vec![0; labels], of_name: BTreeMap::new() }
    }

    /// Counts a name's label.
    pub fn count(&mut self, name: &str, label: u32) {
        if !self.of_name.contains_key(name) {
            self.of_name.insert(name.to_owned(), vec![0; self.of_all.len()]);
        }
        for counts in [Some(&mut self.of_all), self.of_name.get_mut(name)].into_iter().flatten() {
            counts[label as usize] += 1;
        }
    }

    /// Returns the most frequent label of a name, of equals the first. A name that was not counted has the most
    /// frequent label of all.
    pub fn guess(&self, name: &str) -> u32 {
        let counts = self.of_name.get(name).unwrap_or(&self.of_all);
        (0..counts.len()).rev().max_by_key(|label| counts[*label]).unwrap_or(0) as u32
    }
}

/// Returns the names of classes, followed by one for labels that are none of them, if there are such labels.
pub fn with_unknown(names: &[String], labels: &[u32]) -> Vec<String> {
    let mut names = names.to_vec();
    if labels.contains(&(names.len() as u32)) {
        names.push("(not in train)".to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_the_train_part_lacks_are_counted_and_named() {
        let set = LabelSet::collect("file", [(1, "x"), (2, "y")]).unwrap();
        let labels = Labels::new(&set, ["b", "x", "a", "b"]);
        assert_eq!((labels.ids(), labels.names(&set)), ([2, 0, 2, 2].as_slice(), vec!["b", "x", "a", "b"]));
        let none = Unknown::of([].into_iter());
        assert_eq!((none.note("dev"), none.score(), none.check("dev", 0).is_ok()), (None, None, true));
        let some = Unknown::of([&labels].into_iter());
        assert_eq!(
            some.note("dev").unwrap(),
            "not in the train part, so counted as wrong: 3 labels of dev, such as `a`, `b`"
        );
        assert_eq!((some.score(), some.check("dev", 4).is_ok()), (Some(("unknown_labels", 3.0)), true));
        assert!(some.check("dev", 3).is_err());
        assert_eq!(labels.known(), 1);
        assert_eq!(with_unknown(&["x".into(), "y".into()], labels.ids()).len(), 3);
    }
}
