//! `unspool score spans`: the F1 score of spans that tags mark.

use super::Scored;
use crate::{
    error::{Error, Result},
    groups::named,
    number::counted,
    say,
};
use clap::Args;
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use unspool::text::{
    self,
    score::{SpanCounts, SpanScores, TagScheme},
};

#[derive(Args)]
pub(crate) struct SpanOptions {
    /// Right tags, one sentence per line.
    #[arg(long, value_name = "REF", required = true)]
    reference: PathBuf,
    /// Count only spans that are valid in this scheme (seqeval's strict mode), and name the first tag that is not.
    #[arg(long, value_parser = named::<TagScheme>(TagScheme::NAMES))]
    scheme: Option<TagScheme>,
    #[command(flatten)]
    scored: Scored,
}

impl SpanOptions {
    /// Scores, and prints seqeval's report.
    pub(super) fn run(&self) -> Result<()> {
        let references = self.scored.read(Some(&self.reference))?;
        let hypotheses = self.scored.read_hypothesis()?;
        self.scored.check_lines(&self.reference, references.len(), hypotheses.len())?;
        let (reference_name, name) = (self.reference.display().to_string(), self.scored.hypothesis_name());
        let right: Vec<Vec<&str>> = references.iter().map(|line| tags(line)).collect();
        // The reference is checked by itself, so that its errors name its own file.
        SpanCounts::of_sentences(&right, &right, self.scheme).map_err(|error| at(error, &reference_name))?;
        let count = |name: &str, lines: &[String]| {
            let found: Vec<Vec<&str>> = lines.iter().map(|line| tags(line)).collect();
            for (number, (found, right)) in (1..).zip(found.iter().zip(&right)) {
                if found.len() != right.len() {
                    let what = format!("{name}:{number}: {}, but {}", counted(found.len() as u64, "tag"), right.len());
                    let hint = "each line has one tag per word of its sentence";
                    return Err(Error::failure(format!("{what} in {reference_name}"), hint));
                }
            }
            SpanCounts::of_sentences(&found, &right, self.scheme).map_err(|error| at(error, name))
        };
        let counts = count(&name, &hypotheses)?;
        self.tell_invalid(&reference_name, &references);
        self.tell_invalid(&name, &hypotheses);
        let mut sum = SpanCounts::default();
        counts.iter().for_each(|sentence| sum += sentence);
        let comparison = self.scored.compare(&counts, count, |counts: SpanCounts| counts.micro().f1)?;
        let mode =
            self.scheme.map_or("mode:default".to_owned(), |scheme| format!("mode:strict|scheme:{}", scheme.name()));
        let json = json!({
            "name": "span F1",
            "score": sum.micro().f1,
            "signature": format!("{mode}|seqeval:1.2.2"),
            "micro": as_json(sum.micro()),
            "macro": as_json(sum.macro_average()),
            "weighted": as_json(sum.weighted_average()),
            "labels": sum.by_label().map(|(label, scores)| (label.to_owned(), as_json(scores))).collect::<Map<_, _>>(),
        });
        self.scored.print(sum.to_string().trim_end_matches('\n'), json, comparison, 4)
    }

    /// Says which tags may not stand where they stand.
    fn tell_invalid(&self, name: &str, lines: &[String]) {
        let Some(scheme) = self.scheme else { return };
        let invalid = (1..).zip(lines).filter_map(|(number, line)| {
            let tags = tags(line);
            scheme.first_invalid(&tags).map(|word| (number, word, tags))
        });
        let invalid: Vec<(usize, usize, Vec<&str>)> = invalid.collect();
        if let Some((number, word, tags)) = invalid.first() {
            let what = match (tags.get(*word), word.checked_sub(1).map(|before| tags[before])) {
                (Some(tag), Some(before)) => format!("word {}: `{tag}` may not follow `{before}`", word + 1),
                (Some(tag), None) => format!("word 1: `{tag}` may not be first"),
                (None, _) => "the last span does not end".to_owned(),
            };
            let count = counted(invalid.len() as u64, "sentence");
            say::line(&format!("{name}:{number}: {what} in {}; {count} with invalid tags", scheme.name()));
        }
    }
}

/// The tags of a line; a tag may stand after its word and a slash.
fn tags(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|item| item.rsplit('/').next().unwrap_or(item)).collect()
}

/// The error of a tag with the place in its file.
fn at(error: text::Error, file: &str) -> Error {
    match error {
        text::Error::Tag { sentence, word, tag, expected } => {
            Error::failure(format!("{file}:{sentence}: word {word}: `{tag}` is not a tag; expected {expected}"), "")
        }
        error => Error::from(error).at(file),
    }
}

fn as_json(scores: SpanScores) -> Value {
    let SpanScores { precision, recall, f1, support, .. } = scores;
    json!({ "precision": precision, "recall": recall, "f1": f1, "support": support })
}
