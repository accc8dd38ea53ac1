//! Labels that only dev or test has. No model can give them, so they count as wrong, cost nothing in a loss, and are
//! told.

use crate::number::counted;
use std::collections::BTreeSet;
use unspool::graph::{CrossEntropy, Var};

/// The labels of a part that is scored which the train part does not have.
#[derive(Default)]
pub struct UnknownLabels<'a> {
    /// How many there are.
    pub count: usize,
    /// A few of them, each once.
    examples: BTreeSet<&'a str>,
}

impl<'a> UnknownLabels<'a> {
    /// How many are named.
    const NAMED: usize = 5;

    /// Collects them.
    pub fn of(labels: impl Iterator<Item = &'a str>) -> UnknownLabels<'a> {
        let mut unknown = UnknownLabels::default();
        for label in labels {
            unknown.count += 1;
            if unknown.examples.len() < Self::NAMED {
                unknown.examples.insert(label);
            }
        }
        unknown
    }

    /// A line to show before training, if there is one; `noun` is what is counted, in the singular.
    pub fn note(&self, part: &str, noun: &str) -> Option<String> {
        let named: Vec<String> = self.examples.iter().map(|label| format!("`{label}`")).collect();
        (self.count > 0).then(|| {
            let counted = counted(self.count as u64, noun);
            format!("not in the train part, so counted as wrong: {counted} of {part}, such as {}", named.join(", "))
        })
    }

    /// What a score says of them, if there are any.
    pub fn score(&self) -> Option<(&'static str, f64)> {
        (self.count > 0).then_some(("unknown_labels", self.count as f64))
    }
}

/// The first names of a list, for an error.
pub fn some(names: &[String]) -> String {
    const MOST: usize = 20;
    let more = if names.len() > MOST { ", …" } else { "" };
    names[..names.len().min(MOST)].join(", ") + more
}

/// −ln p of each label, where a label that the model does not have, numbered as one class more, costs nothing.
pub fn cross_entropy_of_known<'g>(logits: Var<'g>, labels: &[u32], classes: usize) -> Var<'g> {
    match labels.contains(&(classes as u32)) {
        true => logits.cross_entropy_with(labels, CrossEntropy::new().ignore(classes as u32)),
        false => logits.cross_entropy(labels),
    }
}

/// How many of the labels the model has.
pub fn count_of_known(labels: &[u32], classes: usize) -> usize {
    labels.iter().filter(|label| (**label as usize) < classes).count()
}

/// The names of classes, and behind them one for labels that are none of them, if there are such labels.
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
    use unspool::graph::{Graph, Params};

    #[test]
    fn labels_that_the_train_part_lacks_are_counted_and_named() {
        let none = UnknownLabels::of([].into_iter());
        assert_eq!((none.note("dev", "label"), none.score()), (None, None));
        let some = UnknownLabels::of(["b", "a", "b"].into_iter());
        let note = some.note("dev", "label").unwrap();
        assert_eq!(note, "not in the train part, so counted as wrong: 3 labels of dev, such as `a`, `b`");
        assert_eq!(some.score(), Some(("unknown_labels", 3.0)));

        let params = Params::seeded(0);
        let graph = Graph::inference(&params);
        let loss = |labels: &[u32]| cross_entropy_of_known(graph.zeros([2, 4]), labels, 4).sum_all().item().unwrap();
        assert!((loss(&[0, 3]) - 2.0 * 4f64.ln()).abs() < 1e-6 && (loss(&[0, 4]) - 4f64.ln()).abs() < 1e-6);
        assert_eq!((loss(&[4, 4]), count_of_known(&[0, 4, 3, 4], 4)), (0.0, 2));
    }
}
