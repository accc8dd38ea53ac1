//! The F1 score of spans that tags mark, such as names, as seqeval 1.2.2 computes it.
//!
//! A predicted span is right if a span of the same type, from the same word to the same word, is in the reference.
//! seqeval has two modes. The default is that of the CoNLL shared tasks (`conlleval.pl`): tags are read as well as
//! possible, so that an `I-` without a `B-` begins a span. The strict mode counts only what is valid in a scheme.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::AddAssign;

use super::check_counts;
use super::tag_scheme::{Tag, TagScheme};
use crate::error::Error;

/// Holds a run of words with a type, such as a name.
///
/// ```
/// use unspool_text::score::Span;
/// let spans = Span::of_tags(&["I-PER", "I-PER", "O", "B-LOC"])?;
/// assert_eq!(spans[0], Span { label: "PER".into(), start: 0, end: 2 });
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Its type.
    pub label: String,
    /// The number of its first word, from 0.
    pub start: usize,
    /// The number of the word after its last.
    pub end: usize,
}

impl Span {
    /// Returns the spans that the tags of a sentence mark, in order, as seqeval's default mode and `conlleval.pl` find
    /// them: a span begins at a `B-` or `S-`, and at any other tag that does not continue the one before; it ends at
    /// an `E-` or `S-`, and before a tag that does not continue it. The strict reading is [`TagScheme::spans`].
    ///
    /// ```
    /// use unspool_text::score::{Span, TagScheme};
    /// let tags = ["O", "I-PER", "I-LOC"];                                     // no span begins with a B-
    /// assert_eq!((Span::of_tags(&tags)?.len(), TagScheme::Iob2.spans(&tags)?.len()), (2, 0));
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Tag`] for what is neither `O` nor one of B, I, E and S, alone or with a dash and a type.
    pub fn of_tags<S: AsRef<str>>(tags: &[S]) -> Result<Vec<Span>, Error> {
        let mut spans = vec![];
        let mut open: Option<usize> = None;
        let mut before = Tag::OUTSIDE;
        for word in 0..=tags.len() {
            let tag = match tags.get(word).map(S::as_ref) {
                None => Tag::OUTSIDE,
                Some(tag) => Tag::parse(tag, "OBIES").ok_or_else(|| Error::Tag {
                    sentence: 1,
                    word: word + 1,
                    tag: tag.to_owned(),
                    expected: "O, or B-, I-, E- or S- and a type",
                })?,
            };
            let (was, is) = (before.prefix, tag.prefix);
            let same = before.label_after_dash() == tag.label_after_dash();
            let ends = matches!(was, 'E' | 'S') || matches!(is, 'B' | 'S' | 'O') || !same;
            if let Some(start) = open.take_if(|_| ends) {
                spans.push(Span { label: before.label_after_dash().to_owned(), start, end: word });
            }
            if is != 'O' && open.is_none() {
                open = Some(word);
            }
            before = tag;
        }
        Ok(spans)
    }
}

/// Holds how well spans of one type, or of all, were found. A ratio of 0 to 0 is 0.
///
/// ```
/// use unspool_text::score::SpanCounts;
/// let scores = SpanCounts::new(&["B-PER", "O", "B-LOC"], &["B-PER", "O", "B-PER"], None)?.micro();
/// assert_eq!((scores.precision, scores.recall, scores.f1, scores.support), (0.5, 0.5, 0.5, 2));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SpanScores {
    /// Right spans per predicted span.
    pub precision: f64,
    /// Right spans per span of the reference.
    pub recall: f64,
    /// 2 · precision · recall / (precision + recall).
    pub f1: f64,
    /// Spans of the reference.
    pub support: u64,
}

impl SpanScores {
    fn of([right, predicted, support]: [u64; 3]) -> SpanScores {
        let ratio = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part / whole };
        let precision = ratio(right as f64, predicted as f64);
        let recall = ratio(right as f64, support as f64);
        SpanScores { precision, recall, f1: ratio(2.0 * precision * recall, precision + recall), support }
    }
}

/// Counts the right, the predicted and the actual spans of each type in one sentence; sums over sentences score a
/// corpus, and can be [resampled](super::paired_bootstrap).
///
/// ```
/// use unspool_text::score::SpanCounts;
/// let mut corpus = SpanCounts::default();
/// for (predicted, right) in [(["B-PER", "I-PER"], ["B-PER", "I-PER"]), (["O", "B-LOC"], ["B-LOC", "I-LOC"])] {
///     corpus += &SpanCounts::new(&predicted, &right, None)?;
/// }
/// assert_eq!((corpus.micro().f1, corpus.macro_average().f1), (0.5, 0.5));
/// let f1: Vec<(&str, f64)> = corpus.by_label().map(|(label, scores)| (label, scores.f1)).collect();
/// assert_eq!(f1, [("LOC", 0.0), ("PER", 1.0)]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanCounts {
    /// By type: right, predicted and actual spans.
    counts: BTreeMap<String, [u64; 3]>,
}

impl AddAssign<&SpanCounts> for SpanCounts {
    fn add_assign(&mut self, other: &SpanCounts) {
        for (label, counts) in &other.counts {
            let sums = self.counts.entry(label.clone()).or_default();
            sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
}

impl SpanCounts {
    /// Counts the spans of one sentence's predicted and right tags; with a scheme in seqeval's strict mode, without one
    /// in its default mode.
    ///
    /// # Errors
    /// [`Error::Count`] when there is not one predicted tag per word; [`Error::Tag`] for anything that is not a tag.
    pub fn new<P: AsRef<str>, R: AsRef<str>>(
        predicted: &[P],
        right: &[R],
        strict: Option<TagScheme>,
    ) -> Result<SpanCounts, Error> {
        if predicted.len() != right.len() {
            return Err(Error::Count { what: "predicted tags", found: predicted.len(), expected: right.len() });
        }
        let predicted = match strict {
            None => Span::of_tags(predicted)?,
            Some(scheme) => scheme.spans(predicted)?,
        };
        let right = match strict {
            None => Span::of_tags(right)?,
            Some(scheme) => scheme.spans(right)?,
        };
        let actual: BTreeSet<&Span> = right.iter().collect();
        let mut counts: BTreeMap<String, [u64; 3]> = BTreeMap::new();
        for span in &predicted {
            let counts = counts.entry(span.label.clone()).or_default();
            counts[0] += u64::from(actual.contains(span));
            counts[1] += 1;
        }
        for span in &right {
            counts.entry(span.label.clone()).or_default()[2] += 1;
        }
        Ok(SpanCounts { counts })
    }

    /// Counts the spans of each sentence of a corpus, as [`SpanCounts::new`] does.
    ///
    /// ```
    /// use unspool_text::score::SpanCounts;
    /// let counts = SpanCounts::of_sentences(&[vec!["B-X"], vec!["O"]], &[vec!["B-X"], vec!["B-X"]], None)?;
    /// assert_eq!((counts[0].micro().recall, counts[1].micro().recall), (1.0, 0.0));
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NothingToScore`] for no sentences; [`Error::Count`] for another number of sentences or words;
    /// [`Error::Tag`], with the number of the sentence.
    pub fn of_sentences<P: AsRef<str>, R: AsRef<str>>(
        predicted: &[Vec<P>],
        right: &[Vec<R>],
        strict: Option<TagScheme>,
    ) -> Result<Vec<SpanCounts>, Error> {
        check_counts(predicted.len(), [right.len()])?;
        let sentences = predicted.iter().zip(right).enumerate().map(|(number, (predicted, right))| {
            SpanCounts::new(predicted, right, strict).map_err(|error| match error {
                Error::Tag { word, tag, expected, .. } => Error::Tag { sentence: number + 1, word, tag, expected },
                error => error,
            })
        });
        sentences.collect()
    }

    /// Returns the scores of each type that is predicted or actual, in the order of their names.
    pub fn by_label(&self) -> impl Iterator<Item = (&str, SpanScores)> {
        self.counts.iter().map(|(label, counts)| (label.as_str(), SpanScores::of(*counts)))
    }

    /// Returns the scores over the spans of all types together: what the CoNLL shared tasks report.
    pub fn micro(&self) -> SpanScores {
        let mut sum = [0; 3];
        for counts in self.counts.values() {
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        SpanScores::of(sum)
    }

    /// Returns the mean of the types' scores; 0 where there is no type.
    ///
    /// ```
    /// use unspool_text::score::SpanCounts;
    /// let counts = SpanCounts::new(&["B-X", "B-X", "O"], &["B-X", "B-X", "B-Y"], None)?;
    /// assert_eq!((counts.macro_average().recall, counts.macro_average().support), (0.5, 3));
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    pub fn macro_average(&self) -> SpanScores {
        self.mean(|_| 1.0)
    }

    /// Returns the mean of the types' scores, each weighted by its support.
    ///
    /// ```
    /// use unspool_text::score::SpanCounts;
    /// let counts = SpanCounts::new(&["B-X", "B-X", "O"], &["B-X", "B-X", "B-Y"], None)?;
    /// assert_eq!(counts.weighted_average().recall, 2.0 / 3.0);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    pub fn weighted_average(&self) -> SpanScores {
        self.mean(|scores| scores.support as f64)
    }

    fn mean(&self, weight: impl Fn(&SpanScores) -> f64) -> SpanScores {
        let (mut sum, mut weights) = (SpanScores::default(), 0.0);
        for (_, scores) in self.by_label() {
            let weight = weight(&scores);
            weights += weight;
            sum.precision += weight * scores.precision;
            sum.recall += weight * scores.recall;
            sum.f1 += weight * scores.f1;
            sum.support += scores.support;
        }
        if weights == 0.0 {
            return SpanScores { support: sum.support, ..SpanScores::default() };
        }
        let SpanScores { precision, recall, f1, support } = sum;
        SpanScores { precision: precision / weights, recall: recall / weights, f1: f1 / weights, support }
    }
}

impl fmt::Display for SpanCounts {
    /// As seqeval's `classification_report` with two digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.counts.keys().map(|label| label.chars().count()).max().unwrap_or(0).max("weighted avg".len());
        writeln!(f, "{:>width$}  precision    recall  f1-score   support\n", "")?;
        let line = |f: &mut fmt::Formatter<'_>, name: &str, scores: SpanScores| {
            let SpanScores { precision, recall, f1, support } = scores;
            writeln!(f, "{name:>width$} {precision:>10.2}{recall:>10.2}{f1:>10.2}{support:>10}")
        };
        for (label, scores) in self.by_label() {
            line(f, label, scores)?;
        }
        writeln!(f)?;
        line(f, "micro avg", self.micro())?;
        line(f, "macro avg", self.macro_average())?;
        line(f, "weighted avg", self.weighted_average())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inside_tag_without_a_beginning_is_a_span_in_the_default_mode_alone() {
        let count = |tags: &[&str]| (Span::of_tags(tags).unwrap().len(), TagScheme::Iob2.spans(tags).unwrap().len());
        assert_eq!(count(&["O", "I-PER"]), (1, 0));
        assert_eq!(count(&["I-PER", "I-PER", "B-PER"]), (2, 1));
        assert_eq!(count(&["B-PER", "I-LOC"]), (2, 1));
        assert_eq!(count(&[]), (0, 0));
    }

    #[test]
    fn bare_tags_mark_spans_without_a_type() {
        let spans = Span::of_tags(&["B", "I", "O", "I", "E", "S", "B-"]).unwrap();
        let places: Vec<_> = spans.iter().map(|span| (span.label.as_str(), span.start, span.end)).collect();
        assert_eq!(places, [("_", 0, 2), ("_", 3, 5), ("_", 5, 6), ("_", 6, 7)]);
    }

    #[test]
    fn tags_that_mark_no_spans_are_errors_that_name_the_sentence() {
        let error = SpanCounts::of_sentences(&[vec!["O"], vec!["NOUN"]], &[vec!["O"], vec!["O"]], None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "sentence 2, word 1: `NOUN` is not a tag; expected O, or B-, I-, E- or S- and a type"
        );
        let error = SpanCounts::new(&["O"], &["O", "O"], None).unwrap_err();
        assert_eq!(error.to_string(), "1 predicted tags where 2 were expected");
        assert!(SpanCounts::of_sentences::<&str, &str>(&[], &[], None).is_err());
    }

    #[test]
    fn no_spans_at_all_have_scores_of_zero() {
        let counts = SpanCounts::new(&["O"], &["O"], None).unwrap();
        let zero = SpanScores::default();
        assert_eq!((counts.micro(), counts.macro_average(), counts.weighted_average()), (zero, zero, zero));
    }
}
