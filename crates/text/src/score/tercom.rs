//! The tokenizer of TER: that of Tercom, as in sacrebleu.

use super::words::{self, is_space, split};

/// Holds what is changed in a sentence before its words are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tercom {
    pub(super) normalized: bool,
    pub(super) no_punct: bool,
    pub(super) asian_support: bool,
    pub(super) case_sensitive: bool,
}

impl Tercom {
    /// Returns the sentence with white space between its words.
    pub(super) fn apply(self, sentence: &str) -> String {
        let sentence = sentence.trim_end_matches(is_space);
        let mut sentence = if self.case_sensitive { sentence.to_owned() } else { sentence.to_lowercase() };
        if self.normalized {
            sentence = normalize(&sentence);
            if self.asian_support {
                sentence = spaced(&sentence, |c| is_ideograph(c) || is_asian_punctuation(c));
            }
        }
        if self.no_punct {
            let dropped = |c: char| {
                matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')')
                    || self.asian_support && is_asian_punctuation(c)
            };
            sentence.retain(|c| !dropped(c));
        }
        split(&sentence).collect::<Vec<_>>().join(" ")
    }
}

/// Joins lines, resolves entities and separates punctuation as `mteval-v13a.pl` does, and the `'s` of a possessive.
///
/// sacrebleu's rule for `'s` at the end of a sentence never applies, because by then the sentence ends in a space.
fn normalize(sentence: &str) -> String {
    let line = words::entities(sentence.replace("\n-", "").replace('\n', " "));
    let spaced = words::separate_marks(&line).replace("'s ", " 's ");
    words::separate_points(&spaced.chars().collect::<Vec<_>>())
}

fn spaced(sentence: &str, stands_alone: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(2 * sentence.len());
    for character in sentence.chars() {
        if stands_alone(character) {
            out.extend([' ', character, ' ']);
        } else {
            out.push(character);
        }
    }
    out
}

/// CJK characters, strokes, radicals and compatibility forms. sacrebleu writes the block of enclosed letters (U+3200 to
/// U+32FF) with its last two digits swapped, which separates nothing but ideographs in addition; so does this.
///
/// Its rules for Hiragana and Katakana apply only at the beginning of a sentence, where by then a space stands, so that
/// runs of them stay whole.
fn is_ideograph(character: char) -> bool {
    matches!(character,
        '\u{2e80}'..='\u{2eff}' | '\u{31c0}'..='\u{31ef}' | '\u{3200}'..='\u{3f22}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}')
}

/// CJK punctuation, and full-width forms of Western punctuation.
fn is_asian_punctuation(character: char) -> bool {
    matches!(character,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{ff61}'..='\u{ff65}'
        | '\u{30fb}' | '\u{ff0e}' | '\u{ff0c}' | '\u{ff1f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff01}' | '\u{ff02}'
        | '\u{ff08}' | '\u{ff09}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Tercom = Tercom { normalized: false, no_punct: false, asian_support: false, case_sensitive: false };

    #[test]
    fn without_options_only_case_and_spaces_change() {
        assert_eq!(PLAIN.apply("  The cat's\tmat, 1.5. \n"), "the cat's mat, 1.5.");
        assert_eq!(Tercom { case_sensitive: true, ..PLAIN }.apply("The CAT"), "The CAT");
        assert_eq!(PLAIN.apply(""), "");
    }

    #[test]
    fn normalization_separates_marks_and_possessives_but_not_the_points_of_numbers() {
        let normalized = Tercom { normalized: true, ..PLAIN };
        assert_eq!(
            normalized.apply("The cat's mat&quot; costs 1,000.5, 3-4."),
            "the cat 's mat \" costs 1,000.5 , 3 - 4 ."
        );
        assert_eq!(normalized.apply("co\n-operate\nnow"), "cooperate now");
    }

    #[test]
    fn asian_support_needs_one_of_the_other_two() {
        let text = "日本語、カタカナ「はい」（1）";
        assert_eq!(Tercom { asian_support: true, ..PLAIN }.apply(text), text);
        let normalized = Tercom { asian_support: true, normalized: true, ..PLAIN };
        assert_eq!(normalized.apply(text), "日 本 語 、 カタカナ 「 はい 」 （ 1 ）");
        let no_punct = Tercom { asian_support: true, no_punct: true, ..PLAIN };
        assert_eq!(no_punct.apply(text), "日本語カタカナはい1");
        assert_eq!(Tercom { no_punct: true, ..PLAIN }.apply("a.b, (c)! 「d」"), "ab c 「d」");
    }
}
