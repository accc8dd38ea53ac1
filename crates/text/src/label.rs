//! The classes of a classifier.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Place};

/// Holds the labels of a data set; a label's id is its place.
///
/// Labels are all names, in the order of their code points, or all whole numbers, in their own order.
///
/// ```
/// use unspool_text::LabelSet;
///
/// let labels = LabelSet::collect("reviews.tsv", [(2, "positive"), (3, "negative"), (4, "positive")])?;
/// assert_eq!(labels.names(), ["negative", "positive"]);
/// assert_eq!(labels.id("positive"), Some(1));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct LabelSet {
    names: Vec<String>,
}

impl LabelSet {
    /// Collects the labels of rows, each with its line.
    ///
    /// # Errors
    /// [`Error::NoRows`], [`Error::OneLabel`], [`Error::MixedLabels`] for numbers among names.
    pub fn collect<L: AsRef<str>>(file: &str, labels: impl IntoIterator<Item = (u64, L)>) -> Result<Self, Error> {
        let mut names: Vec<String> = Vec::new();
        for (line, label) in labels {
            let label = label.as_ref();
            // Few labels, many rows: a search in a sorted list is enough.
            if let Err(place) = names.binary_search_by(|name| name.as_str().cmp(label)) {
                if let Some(other) = names.first().filter(|other| number(other).is_some() != number(label).is_some()) {
                    let (label, other) = (label.to_owned(), other.clone());
                    return Err(Error::MixedLabels { place: Place::new(file, line), label, other });
                }
                names.insert(place, label.to_owned());
            }
        }
        names.sort_by(|a, b| order(a).cmp(&order(b)));
        match names.as_slice() {
            [] => Err(Error::NoRows { file: file.to_owned() }),
            [label] => Err(Error::OneLabel { file: file.to_owned(), label: label.clone() }),
            _ => Ok(LabelSet { names }),
        }
    }

    /// Returns the number of labels: at least two, if they come from data.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns whether there are no labels.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns all labels; a label's place is its id.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the id of a label.
    pub fn id(&self, label: &str) -> Option<u32> {
        self.names.binary_search_by(|name| order(name).cmp(&order(label))).ok().map(|id| id as u32)
    }

    /// Returns the id of a label that occurs at a place in the data.
    ///
    /// # Errors
    /// [`Error::UnknownLabel`], with the labels that are known.
    pub fn id_at(&self, place: impl FnOnce() -> Place, label: &str) -> Result<u32, Error> {
        self.id(label).ok_or_else(|| {
            let mut known = self.names.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
            if self.names.len() > 20 {
                known.push_str(", …");
            }
            Error::UnknownLabel { place: place(), label: label.to_owned(), known }
        })
    }

    /// Returns the label of an id.
    pub fn name(&self, id: u32) -> Option<&str> {
        self.names.get(id as usize).map(String::as_str)
    }
}

impl TryFrom<Vec<String>> for LabelSet {
    type Error = Error;

    /// A list of labels from elsewhere, such as a saved model: each once, in the order of [`LabelSet::collect`].
    fn try_from(names: Vec<String>) -> Result<Self, Error> {
        match names.windows(2).find(|two| order(&two[0]) >= order(&two[1])) {
            Some(two) => {
                Err(Error::LabelList { reason: format!("`{}` and `{}` are not in order, each once", two[0], two[1]) })
            }
            None => Ok(LabelSet { names }),
        }
    }
}

impl From<LabelSet> for Vec<String> {
    fn from(labels: LabelSet) -> Self {
        labels.names
    }
}

/// Numbers are sorted by value, names by their code points.
fn order(label: &str) -> (Option<i64>, &str) {
    (number(label), label)
}

fn number(label: &str) -> Option<i64> {
    label.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(labels: &[&str]) -> Result<LabelSet, String> {
        LabelSet::collect("t", (2..).zip(labels)).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_stand_in_their_own_order() {
        assert_eq!(collect(&["10", "9", "-1", "10"]).unwrap().names(), ["-1", "9", "10"]);
        assert_eq!(collect(&["positive", "neutral", "negative"]).unwrap().names(), ["negative", "neutral", "positive"]);
    }

    #[test]
    fn one_label_none_and_both_kinds_are_errors() {
        assert_eq!(collect(&["1", "1"]).unwrap_err(), "t: every label is `1`; a classifier needs two or more");
        assert_eq!(collect(&[]).unwrap_err(), "t: no data rows");
        assert_eq!(
            collect(&["0", "1", "good"]).unwrap_err(),
            "t:4: label `good` among labels like `0`: labels are all names or all whole numbers"
        );
    }

    #[test]
    fn a_saved_list_has_each_label_once_and_in_order() {
        let read = |names: &[&str]| LabelSet::try_from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(read(&["-1", "9", "10"]).unwrap().id("10"), Some(2));
        assert_eq!(
            read(&["neg", "neg"]).unwrap_err().to_string(),
            "the labels `neg` and `neg` are not in order, each once"
        );
        assert!(read(&["pos", "neg"]).is_err());
        let saved = serde_json::to_string(&collect(&["b", "a"]).unwrap()).unwrap();
        assert_eq!(saved, r#"["a","b"]"#);
        assert!(serde_json::from_str::<LabelSet>(r#"["a","a"]"#).is_err());
    }

    #[test]
    fn an_unknown_label_is_named_with_those_that_are_known() {
        let error = collect(&["0", "1"]).unwrap().id_at(|| Place::new("dev", 7), "2").unwrap_err();
        assert_eq!(error.to_string(), "dev:7: label `2` is none of: 0, 1");
        assert!(error.is_bad_line());
    }
}
