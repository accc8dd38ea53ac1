//! Tags that mark spans, such as names: the scheme that they follow, where they do not, and how well spans are found.

use crate::{labels::Labels, number::counted};
use unspool::text::{
    LabelSet, Place, Sentence,
    score::{SpanCounts, TagScheme},
};

/// Returns the scheme of tags that mark spans; `None` for other tags. IOB1 has the prefixes of IOB2, and IOE1 those of
/// IOE2: of the two it is the one that fewer sentences contradict, in doubt the latter. The tags are the second column.
///
/// ```
/// use unspool::text::{Conll, LabelSet, Source, score::TagScheme};
/// let scheme = |file: &'static str| -> Result<_, unspool::text::Error> {
///     let sentences: Vec<_> = Conll::open(Source::bytes("t", file.as_bytes()), [1, 2])?.collect::<Result<_, _>>()?;
///     let tags = sentences.iter().flat_map(|sentence| &sentence.columns[1]).map(|tag| (1, tag));
///     Ok(unspool_task::spans::scheme(&LabelSet::collect("t", tags)?, sentences.clone()))
/// };
/// assert_eq!(scheme("Oslo\tB-LOC\nruns\tO\nEva\tB-PER\nHill\tI-PER\n")?, Some(TagScheme::Iob2));
/// assert_eq!(scheme("Oslo\tI-LOC\nRome\tB-LOC\nruns\tO\n")?, Some(TagScheme::Iob1));
/// assert_eq!(scheme("Oslo\tNOUN\nruns\tVERB\n")?, None);
/// # Ok::<(), unspool::text::Error>(())
/// ```
pub fn scheme(tags: &LabelSet, sentences: impl IntoIterator<Item = Sentence>) -> Option<TagScheme> {
    let found = TagScheme::detect(tags.names())?;
    let other = match found {
        TagScheme::Iob2 => TagScheme::Iob1,
        TagScheme::Ioe2 => TagScheme::Ioe1,
        other => other,
    };
    let mut invalid = [0u64; 2];
    for sentence in sentences {
        for (invalid, scheme) in invalid.iter_mut().zip([found, other]) {
            *invalid += u64::from(first_invalid(scheme, &sentence).is_some());
        }
    }
    Some(if invalid[1] < invalid[0] { other } else { found })
}

fn first_invalid(scheme: TagScheme, sentence: &Sentence) -> Option<usize> {
    scheme.first_invalid(sentence.columns.get(1)?)
}

/// Returns a line that says how many sentences have tags that may not stand where they stand, and names the first;
/// `None` if there is none.
///
/// ```
/// use unspool::text::{Conll, Source, score::TagScheme};
/// let file = Source::bytes("t.conll", b"Oslo\tB-LOC\n\nruns\tO\nEva\tI-PER\n".as_slice());
/// let sentences = Conll::open(file, [1, 2])?.collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(
///     unspool_task::spans::note(TagScheme::Iob2, "t.conll", sentences).unwrap(),
///     "the tags are iob2, but 1 sentence has tags that are not; the first at t.conll:3: word 2, `I-PER` after `O`"
/// );
/// # Ok::<(), unspool::text::Error>(())
/// ```
pub fn note(scheme: TagScheme, file: &str, sentences: impl IntoIterator<Item = Sentence>) -> Option<String> {
    let (mut count, mut first) = (0, None);
    for sentence in sentences {
        if let Some(word) = first_invalid(scheme, &sentence) {
            count += 1;
            first.get_or_insert((sentence, word));
        }
    }
    let (sentence, word) = first?;
    let tags = &sentence.columns[1];
    let told = |tag: Option<&String>, edge: &str| tag.map_or(edge.to_owned(), |tag| format!("`{tag}`"));
    let what = told(tags.get(word), "the end");
    let before = told(word.checked_sub(1).and_then(|before| tags.get(before)), "the beginning");
    let (place, name) = (Place::new(file, sentence.line), scheme.name());
    let have = if count == 1 { "has" } else { "have" };
    Some(format!(
        "the tags are {name}, but {} {have} tags that are not; the first at {place}: word {}, {what} after {before}",
        counted(count, "sentence"),
        word + 1
    ))
}

/// Returns the F1 score of the spans that predicted tags mark, as seqeval's default mode computes it; `None` if tags
/// that only the scored part has mark no spans.
///
/// ```
/// use unspool::text::LabelSet;
/// use unspool_task::{Labels, spans};
/// let set = LabelSet::collect("t", [(1, "O"), (2, "B-PER"), (3, "I-PER")])?;
/// let right = Labels::new(&set, ["B-PER", "I-PER", "O", "B-PER"]);
/// let found = ["B-PER", "I-PER", "O", "O"].map(|tag| set.id(tag).unwrap());
/// assert_eq!(spans::f1(&set, [(&found[..], &right)]), Some(2.0 / 3.0));
/// # Ok::<(), unspool::text::Error>(())
/// ```
pub fn f1<'a>(set: &LabelSet, sentences: impl IntoIterator<Item = (&'a [u32], &'a Labels)>) -> Option<f64> {
    let mut sum = SpanCounts::default();
    for (found, right) in sentences {
        let found: Vec<&str> = found.iter().map(|tag| set.name(*tag).unwrap_or_default()).collect();
        sum += &SpanCounts::new(&found, &right.names(set), None).ok()?;
    }
    Some(sum.micro().f1)
}
