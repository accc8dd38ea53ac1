//! The tokenizers of machine translation scores, as in sacrebleu.

use std::sync::LazyLock;

use crate::character_class::Class;
use crate::named::named;

/// Chooses how a sentence is cut into words before n-grams are counted.
///
/// ```
/// use unspool_text::score::Tokenization;
/// let words = |how: Tokenization, sentence: &str| {
///     how.apply(sentence).split_whitespace().map(str::to_owned).collect::<Vec<_>>()
/// };
/// assert_eq!(words(Tokenization::V13a, "1,000 “or so”."), ["1,000", "“or", "so”", "."]);
/// assert_eq!(words(Tokenization::International, "1,000 “or so”."), ["1,000", "“", "or", "so", "”", "."]);
/// assert_eq!(words(Tokenization::Char, "한글 a"), ["한", "글", "a"]);
/// assert_eq!("intl".parse::<Tokenization>()?, Tokenization::International);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Tokenization {
    /// That of `mteval-v13a.pl`, the standard of WMT.
    #[default]
    V13a,
    /// That of `mteval-v14.pl --international`: every Unicode punctuation mark and symbol becomes a word,
    /// but for punctuation between digits.
    International,
    /// Each visible character.
    Char,
    /// The sentence's own spaces.
    None,
}

named! {
    Tokenization, "the tokenization of a score",
    "13a" => V13a, "intl" => International, "char" => Char, "none" => None,
}

impl Tokenization {
    /// Returns the sentence with white space between its words.
    pub fn apply(self, sentence: &str) -> String {
        match self {
            Tokenization::V13a => v13a(sentence),
            Tokenization::International => international(sentence),
            Tokenization::Char => {
                let mut spaced = String::with_capacity(2 * sentence.len());
                for character in sentence.chars() {
                    spaced.push(character);
                    spaced.push(' ');
                }
                spaced
            }
            Tokenization::None => sentence.to_owned(),
        }
    }
}

/// White space as Python's `str.split` sees it: Unicode's, and the four ASCII separators.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&character)
}

/// The words of a tokenized sentence.
pub(super) fn split(sentence: &str) -> impl Iterator<Item = &str> {
    sentence.split(is_space).filter(|word| !word.is_empty())
}

/// `re.sub` of a rule of two neighboring characters: matches do not overlap, the left one first.
fn pairs(text: &[char], first: impl Fn(char) -> bool, second: impl Fn(char) -> bool, around: [bool; 3]) -> Vec<char> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 4);
    let mut at = 0;
    while at < text.len() {
        if at + 1 < text.len() && first(text[at]) && second(text[at + 1]) {
            let gap = |out: &mut Vec<char>, wanted: bool| {
                if wanted {
                    out.push(' ')
                }
            };
            gap(&mut out, around[0]);
            out.push(text[at]);
            gap(&mut out, around[1]);
            out.push(text[at + 1]);
            gap(&mut out, around[2]);
            at += 2;
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

fn v13a(sentence: &str) -> String {
    let line = entities(sentence.replace("<skipped>", "").replace("-\n", "").replace('\n', " "));
    separate_points(&separate_marks(&line).chars().collect::<Vec<_>>())
}

/// Resolves the four entities of XML, one after the other, so that `&amp;lt;` becomes `<`.
pub(super) fn entities(mut line: String) -> String {
    if line.contains('&') {
        for (entity, character) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
            line = line.replace(entity, character);
        }
    }
    line
}

/// Puts spaces around ASCII punctuation but for `'`, `,`, `-` and `.`, and around the sentence.
pub(super) fn separate_marks(line: &str) -> String {
    let mut text = String::with_capacity(2 * line.len());
    text.push(' ');
    for character in line.chars() {
        if matches!(character, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/') {
            text.extend([' ', character, ' ']);
        } else {
            text.push(character);
        }
    }
    text.push(' ');
    text
}

/// Separates periods and commas that do not stand between digits, and dashes that follow a digit.
pub(super) fn separate_points(text: &[char]) -> String {
    let digit = |character: char| character.is_ascii_digit();
    let point = |character: char| character == '.' || character == ',';
    let text = pairs(text, |c| !digit(c), point, [false, true, true]);
    let text = pairs(&text, point, |c| !digit(c), [true, true, false]);
    pairs(&text, digit, |c| c == '-', [false, true, true]).into_iter().collect()
}

fn international(sentence: &str) -> String {
    let text: Vec<char> = sentence.chars().collect();
    let [number, punctuation, symbol] = &*CLASSES;
    let text = pairs(&text, |c| !number.has(c), |c| punctuation.has(c), [false, true, true]);
    let text = pairs(&text, |c| punctuation.has(c), |c| !number.has(c), [true, true, false]);
    let mut out = String::with_capacity(4 * text.len());
    for character in text {
        if symbol.has(character) {
            out.extend([' ', character, ' ']);
        } else {
            out.push(character);
        }
    }
    out
}

/// Unicode's numbers, punctuation marks and symbols.
static CLASSES: LazyLock<[Class; 3]> = LazyLock::new(|| [r"\p{N}", r"\p{P}", r"\p{S}"].map(Class::of));

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tokenization: Tokenization, sentence: &str) -> Vec<String> {
        split(&tokenization.apply(sentence)).map(str::to_owned).collect()
    }

    #[test]
    fn v13a_keeps_numbers_whole_and_separates_the_rest() {
        let found = words(Tokenization::V13a, "It's 1,000.5 (or so)... &quot;10-fold&quot; &amp;amp; well-known.");
        let expected =
            "It's 1,000.5 ( or so ) . . . \" 10 - fold \" & amp ; well-known .".split(' ').collect::<Vec<_>>();
        assert_eq!(found, expected);
    }

    #[test]
    fn international_separates_marks_of_every_script() {
        let found = words(Tokenization::International, "안녕하세요, 세계! «3,14» €5…");
        assert_eq!(found, ["안녕하세요", ",", "세계", "!", "«", "3,14", "»", "€", "5…"]);
    }

    #[test]
    fn char_leaves_spaces_out() {
        assert_eq!(words(Tokenization::Char, "도와 줘!"), ["도", "와", "줘", "!"]);
    }
}
