//! How the tags of words mark spans such as names: `B-PER I-PER O`.

use serde::{Deserialize, Serialize};

use super::spans::Span;
use crate::error::Error;
use crate::named::named;

/// Names a scheme of tags that mark spans, each a prefix and a type: `B-PER`. `O` is the tag of a word outside of all
/// spans; a bare prefix marks a span of the type `_`.
///
/// ```
/// use unspool_text::score::TagScheme;
/// let scheme: TagScheme = "iob2".parse()?;
/// assert_eq!(TagScheme::detect(&["O", "B-PER", "I-PER", "B-LOC"]), Some(scheme));
/// let spans = scheme.spans(&["B-PER", "I-PER", "O", "I-LOC"])?;           // no B- begins a span of LOC
/// assert_eq!((spans.len(), spans[0].label.as_str(), spans[0].start..spans[0].end), (1, "PER", 0..2));
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagScheme {
    /// `I-` inside; `B-` only where a span follows another of its type directly.
    Iob1,
    /// `B-` at the first word of each span, `I-` at the others; also called BIO.
    Iob2,
    /// `I-` inside; `E-` only where a span of the same type follows directly.
    Ioe1,
    /// `E-` at the last word of each span, `I-` at the others.
    Ioe2,
    /// `B-` at the first word, `I-` inside, `E-` at the last; `S-` for a span of one word.
    Iobes,
    /// The same with `L-` at the last word, and `U-` for a span of one word.
    Bilou,
}

named! {
    TagScheme, "the scheme of tags",
    "iob1" => Iob1, "iob2" => Iob2, "ioe1" => Ioe1, "ioe2" => Ioe2, "iobes" => Iobes, "bilou" => Bilou,
}

/// A tag as its prefix and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    pub(super) prefix: char,
    rest: &'a str,
}

impl<'a> Tag<'a> {
    pub(super) const OUTSIDE: Tag<'static> = Tag { prefix: 'O', rest: "" };

    /// Splits a tag, if its prefix is one of `prefixes` and stands alone or before a dash.
    pub(super) fn parse(tag: &'a str, prefixes: &str) -> Option<Tag<'a>> {
        let mut characters = tag.chars();
        let prefix = characters.next().filter(|prefix| prefixes.contains(*prefix))?;
        let rest = characters.as_str();
        let is_tag = rest.is_empty() || prefix != 'O' && rest.starts_with('-');
        is_tag.then_some(Tag { prefix, rest })
    }

    /// The type as seqeval's strict mode reads it: without any dashes around it.
    fn label(self) -> &'a str {
        match self.rest.trim_matches('-') {
            "" => "_",
            label => label,
        }
    }

    /// The type as seqeval's default mode reads it: after the first dash.
    pub(super) fn label_after_dash(self) -> &'a str {
        match self.rest.strip_prefix('-').unwrap_or_default() {
            "" => "_",
            label => label,
        }
    }
}

/// What a rule asks of the types of two neighboring tags.
#[derive(Clone, Copy)]
enum Types {
    Any,
    Same,
    Different,
}
use Types::{Any, Different, Same};

/// Pairs of prefixes: those of the word before, those of the word, and what their types must be.
type Rules = &'static [(&'static str, &'static str, Types)];

/// All prefixes of all schemes.
const EVERY: &str = "OIBESUL";

impl TagScheme {
    /// The prefixes of its tags.
    fn prefixes(self) -> &'static str {
        match self {
            TagScheme::Iob1 | TagScheme::Iob2 => "OIB",
            TagScheme::Ioe1 | TagScheme::Ioe2 => "OIE",
            TagScheme::Iobes => "OIBES",
            TagScheme::Bilou => "OIBLU",
        }
    }

    /// Where a span begins, goes on, and has ended, as in seqeval's `scheme.py`.
    fn rules(self) -> [Rules; 3] {
        match self {
            TagScheme::Iob1 => [
                &[("OB", "I", Any), ("I", "I", Different), ("IB", "B", Same)],
                &[("BI", "I", Same)],
                &[("IB", "O", Any), ("I", "B", Any), ("IB", "I", Different), ("B", "B", Same)],
            ],
            TagScheme::Iob2 => {
                [&[(EVERY, "B", Any)], &[("BI", "I", Same)], &[("BI", "OB", Any), ("BI", "I", Different)]]
            }
            TagScheme::Ioe1 => [
                &[("OE", "I", Any), ("I", "I", Different), ("E", "E", Same)],
                &[("I", "IE", Same)],
                &[("I", "O", Any), ("I", "IE", Different), ("E", "IE", Same)],
            ],
            TagScheme::Ioe2 => {
                [&[("OE", "IE", Any), ("I", "IE", Different)], &[("I", "IE", Same)], &[("E", EVERY, Any)]]
            }
            TagScheme::Iobes => [&[(EVERY, "BS", Any)], &[("BI", "IE", Same)], &[("SE", EVERY, Any)]],
            TagScheme::Bilou => [&[(EVERY, "BU", Any)], &[("BI", "IL", Same)], &[("UL", EVERY, Any)]],
        }
    }

    /// Returns the spans that the tags of a sentence mark, in order, as seqeval 1.2.2 finds them in its strict mode:
    /// only a span that begins and ends as the scheme says is one.
    ///
    /// ```
    /// use unspool_text::score::TagScheme;
    /// let spans = TagScheme::Iobes.spans(&["B-PER", "E-PER", "B-LOC", "O"])?;  // LOC does not end
    /// assert_eq!(spans.len(), 1);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Tag`] for anything that is not a tag of the scheme.
    pub fn spans<S: AsRef<str>>(self, tags: &[S]) -> Result<Vec<Span>, Error> {
        let mut words = Vec::with_capacity(tags.len() + 1);
        for (place, tag) in tags.iter().enumerate() {
            words.push(self.parse(place, tag.as_ref())?);
        }
        words.push(Tag::OUTSIDE);
        let [begins, inside, ended] = self.rules();
        let mut spans = vec![];
        let (mut word, mut before) = (0, Tag::OUTSIDE);
        while word < words.len() {
            let mut next = word + 1;
            if matches(begins, before, words[word]) {
                while next < words.len() && matches(inside, words[next - 1], words[next]) {
                    next += 1;
                }
                // The last word is outside of all spans, so that `next` is a word.
                if next < words.len() && matches(ended, words[next - 1], words[next]) {
                    spans.push(Span { label: words[word].label().to_owned(), start: word, end: next });
                }
            }
            before = words[next - 1];
            word = next;
        }
        Ok(spans)
    }

    fn parse(self, place: usize, tag: &str) -> Result<Tag<'_>, Error> {
        Tag::parse(tag, self.prefixes()).ok_or_else(|| Error::Tag {
            sentence: 1,
            word: place + 1,
            tag: tag.to_owned(),
            expected: match self {
                TagScheme::Iob1 | TagScheme::Iob2 => "O, or B- or I- and a type",
                TagScheme::Ioe1 | TagScheme::Ioe2 => "O, or I- or E- and a type",
                TagScheme::Iobes => "O, or B-, I-, E- or S- and a type",
                TagScheme::Bilou => "O, or B-, I-, L- or U- and a type",
            },
        })
    }

    /// Returns whether a tag may follow another in a valid sentence; `None` is the beginning or the end. A tag that is
    /// not of the scheme is not allowed anywhere.
    ///
    /// ```
    /// use unspool_text::score::TagScheme::{Iob1, Iob2, Iobes};
    /// assert!(Iob2.allows(Some("B-PER"), Some("I-PER")) && Iob2.allows(Some("I-PER"), None));
    /// assert!(!Iob2.allows(Some("O"), Some("I-PER")) && !Iob2.allows(None, Some("I-PER")));
    /// assert!(!Iob2.allows(Some("B-LOC"), Some("I-PER")) && Iob1.allows(Some("O"), Some("I-PER")));
    /// assert!(!Iobes.allows(Some("B-PER"), None));
    /// ```
    pub fn allows(self, before: Option<&str>, tag: Option<&str>) -> bool {
        let (Some(before), Some(tag)) = (self.tag_or_outside(before), self.tag_or_outside(tag)) else { return false };
        let (from, to, same) = (before.prefix, tag.prefix, before.label() == tag.label());
        let between = |open: &str, goes_on: &str| open.contains(from) == goes_on.contains(to);
        match self {
            // B- and E- part two neighbors of one type, so there must be two.
            TagScheme::Iob1 => to != 'B' || same && "BI".contains(from),
            TagScheme::Ioe1 => from != 'E' || same && "IE".contains(to),
            TagScheme::Iob2 => to != 'I' || same && "BI".contains(from),
            TagScheme::Ioe2 => from != 'I' || same && "IE".contains(to),
            // A span is open after B- and I-; then, and only then, it goes on.
            TagScheme::Iobes => between("BI", "IE") && (same || !"BI".contains(from)),
            TagScheme::Bilou => between("BI", "IL") && (same || !"BI".contains(from)),
        }
    }

    fn tag_or_outside(self, tag: Option<&str>) -> Option<Tag<'_>> {
        tag.map_or(Some(Tag::OUTSIDE), |tag| Tag::parse(tag, self.prefixes()))
    }

    /// Returns the number of the first word, from 0, whose tag is not allowed there; the number of words if the last
    /// span does not end; `None` for a valid sentence.
    ///
    /// ```
    /// use unspool_text::score::TagScheme::{Iob2, Iobes};
    /// assert_eq!(Iob2.first_invalid(&["B-PER", "I-PER", "O"]), None);
    /// assert_eq!(Iob2.first_invalid(&["B-PER", "O", "I-PER"]), Some(2));
    /// assert_eq!(Iobes.first_invalid(&["O", "B-PER"]), Some(2));
    /// ```
    pub fn first_invalid<S: AsRef<str>>(self, tags: &[S]) -> Option<usize> {
        let tag = |place: usize| tags.get(place).map(S::as_ref);
        (0..=tags.len()).find(|&place| !self.allows(place.checked_sub(1).and_then(tag), tag(place)))
    }

    /// Returns the scheme that tags follow, as seqeval's `auto_detect` finds it by their prefixes: IOB2, IOE2, IOBES or
    /// BILOU. `None` for prefixes that no scheme or more than one has, and for other tags.
    ///
    /// ```
    /// use unspool_text::score::TagScheme;
    /// assert_eq!(TagScheme::detect(&["S-PER", "O", "B-LOC", "E-LOC"]), Some(TagScheme::Iobes));
    /// assert_eq!(TagScheme::detect(&["NOUN", "VERB"]), None);
    /// assert_eq!(TagScheme::detect(&["O", "I-PER"]), None);                   // IOB1 or IOE1
    /// ```
    pub fn detect<S: AsRef<str>>(tags: &[S]) -> Option<TagScheme> {
        let mut prefixes = vec![];
        for tag in tags {
            prefixes.push(Tag::parse(tag.as_ref(), EVERY)?.prefix);
        }
        let found: String = EVERY.chars().filter(|prefix| prefixes.contains(prefix)).collect();
        match found.as_str() {
            "OIB" | "IB" | "OB" | "B" => Some(TagScheme::Iob2),
            "OIE" | "IE" | "OE" | "E" => Some(TagScheme::Ioe2),
            "OIBES" | "IBES" | "OIBE" | "OBES" | "IBE" | "BES" | "OBE" | "BE" | "S" => Some(TagScheme::Iobes),
            "OIBUL" | "IBUL" | "OIBL" | "OBUL" | "IBL" | "BUL" | "OBL" | "BL" | "U" => Some(TagScheme::Bilou),
            _ => None,
        }
    }
}

/// Whether two neighboring tags are a case of one of the rules.
fn matches(rules: Rules, before: Tag<'_>, tag: Tag<'_>) -> bool {
    let same = before.label() == tag.label();
    rules.iter().any(|(from, to, types)| {
        let fits = match types {
            Any => true,
            Same => same,
            Different => !same,
        };
        fits && from.contains(before.prefix) && to.contains(tag.prefix)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use TagScheme::{Bilou, Iob1, Iob2, Iobes, Ioe1, Ioe2};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn in_a_valid_sentence_every_word_that_is_not_outside_belongs_to_one_span(
            tags in prop::collection::vec(prop::sample::select(vec![
                "O", "B-X", "I-X", "E-X", "S-X", "U-X", "L-X", "B-Y", "I-Y", "E-Y", "S-Y", "U-Y", "L-Y",
            ]), 0..8),
        ) {
            for scheme in [Iob1, Iob2, Ioe2, Iobes, Bilou] {
                if scheme.first_invalid(&tags).is_none() {
                    let spans = scheme.spans(&tags).unwrap();
                    let covered: usize = spans.iter().map(|span| span.end - span.start).sum();
                    prop_assert_eq!(covered, tags.iter().filter(|tag| **tag != "O").count(), "{:?} {:?}", scheme, tags);
                }
            }
        }
    }

    #[test]
    fn a_tag_of_another_scheme_is_an_error_that_names_the_word() {
        let error = Iob2.spans(&["O", "S-PER"]).unwrap_err().to_string();
        assert_eq!(error, "sentence 1, word 2: `S-PER` is not a tag; expected O, or B- or I- and a type");
        for tag in ["NOUN", "BPER", "", "O-PER", "b-PER"] {
            assert!(Iob2.spans(&[tag]).is_err() && !Iob2.allows(None, Some(tag)), "{tag}");
        }
    }

    #[test]
    fn bare_prefixes_are_tags_of_one_type() {
        assert_eq!(Iob2.spans(&["B", "I", "O", "B"]).unwrap().len(), 2);
        assert!(Iob2.allows(Some("B"), Some("I")) && Iob2.allows(Some("B-_"), Some("I")));
    }

    #[test]
    fn each_scheme_allows_what_it_means() {
        let wrong = |scheme: TagScheme, tags: &str| scheme.first_invalid(&tags.split(' ').collect::<Vec<_>>());
        assert_eq!(wrong(Iob1, "I-X B-X I-X O I-Y"), None);
        assert_eq!(wrong(Iob1, "I-X B-Y"), Some(1));
        assert_eq!(wrong(Ioe1, "I-X E-X I-X O"), None);
        assert_eq!(wrong(Ioe1, "I-X E-X O"), Some(2));
        assert_eq!(wrong(Ioe2, "I-X E-X E-X O E-Y"), None);
        assert_eq!(wrong(Ioe2, "E-X I-X"), Some(2));
        assert_eq!(wrong(Iobes, "S-X B-Y I-Y E-Y O"), None);
        assert_eq!(wrong(Iobes, "B-Y S-X"), Some(1));
        assert_eq!(wrong(Bilou, "U-X B-Y I-Y L-Y O"), None);
        assert_eq!(wrong(Bilou, "B-Y I-X"), Some(1));
    }
}
