//! Features of text, hashed (Weinberger et al. 2009, "Feature hashing for large scale multitask learning"). A model
//! needs no vocabulary then, and its size does not grow with the data.

use std::ops::RangeInclusive;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Stands before the first and after the last character of a text or word.
const EDGE: char = '\u{2}';

/// Returns the hash of a text as a feature of a kind: equal texts of different kinds are different features.
///
/// ```
/// use unspool_baselines::features::feature;
/// assert_eq!(feature(1, "ab"), feature(1, "ab"));
/// assert_ne!(feature(1, "ab"), feature(2, "ab"));
/// ```
pub fn feature(kind: u64, text: &str) -> u32 {
    xxh3_64_with_seed(text.as_bytes(), kind) as u32
}

/// Returns the character n-grams of a text, for each n of `orders` in turn from left to right. The text has a mark
/// before its first and after its last character.
///
/// ```
/// use unspool_baselines::features::character_ngrams;
/// // ^, a, b, $; ^a, ab, b$
/// assert_eq!(character_ngrams("ab", 1..=2).len(), 4 + 3);
/// assert_eq!(character_ngrams("ab", 2..=2)[1], character_ngrams("xabx", 2..=2)[2]);
/// ```
pub fn character_ngrams(text: &str, orders: RangeInclusive<usize>) -> Vec<u32> {
    let mut marked = String::with_capacity(text.len() + 2);
    marked.push(EDGE);
    marked.push_str(text);
    marked.push(EDGE);
    let places: Vec<usize> = marked.char_indices().map(|(place, _)| place).chain([marked.len()]).collect();
    let ngrams = |n: usize| places.iter().zip(places.iter().skip(n)).map(move |(from, until)| (n, *from, *until));
    let orders = orders.filter(|n| *n > 0);
    orders.flat_map(ngrams).map(|(n, from, until)| feature(n as u64, &marked[from..until])).collect()
}

/// Returns the word n-grams of a text in lower case, for each n of `orders` in turn. Words are what stands between
/// white space.
///
/// ```
/// use unspool_baselines::features::word_ngrams;
/// assert_eq!(word_ngrams("A cat.", 1..=2).len(), 2 + 1);
/// assert_eq!(word_ngrams("the cat", 1..=1), word_ngrams(" The  CAT ", 1..=1));
/// ```
pub fn word_ngrams(text: &str, orders: RangeInclusive<usize>) -> Vec<u32> {
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split_whitespace().collect();
    let orders = orders.filter(|n| *n > 0);
    orders.flat_map(|n| words.windows(n).map(move |words| feature(100 + n as u64, &words.join(" ")))).collect()
}

/// Characters on each side of a place in a text that [`around_boundary`] looks at.
const REACH: usize = 4;

/// Returns the features of the boundary after the character at `place`: the four characters on each side, and the pairs
/// of neighbors among these eight, each with its distance from the boundary.
///
/// ```
/// use unspool_baselines::features::around_boundary;
/// let text: Vec<char> = "someword".chars().collect();
/// assert_eq!(around_boundary(&text, 3).len(), 8 + 7);
/// assert_eq!(around_boundary(&text, 3), around_boundary(&"xsomewordx".chars().collect::<Vec<_>>(), 4));
/// ```
pub fn around_boundary(characters: &[char], place: usize) -> Vec<u32> {
    let at = |offset: usize| (place + 1 + offset).checked_sub(REACH).and_then(|place| characters.get(place));
    let window: [char; 2 * REACH] = std::array::from_fn(|offset| at(offset).copied().unwrap_or(EDGE));
    let mut features = Vec::with_capacity(15);
    for n in 1..=2 {
        for (offset, characters) in window.windows(n).enumerate() {
            // Four bytes a character: no two sequences have the same.
            let mut bytes = [0; 8];
            characters.iter().zip(bytes.chunks_exact_mut(4)).for_each(|(c, out)| {
                out.copy_from_slice(&u32::from(*c).to_le_bytes());
            });
            let kind = 200 + 10 * n + offset;
            features.push(xxh3_64_with_seed(&bytes[..4 * n], kind as u64) as u32);
        }
    }
    features
}

/// Returns the features of the word at `place` in a sentence, as taggers use them (Ratnaparkhi 1996, "A maximum entropy
/// model for part-of-speech tagging"): the word, its prefixes and suffixes, its form, and the words and suffixes beside
/// it.
///
/// ```
/// use unspool_baselines::features::tagging;
/// let (one, other) = (tagging(&["the", "walking"], 1), tagging(&["the", "talking"], 1));
/// assert_ne!(one[0], other[0]); // the word itself
/// assert!(one.iter().filter(|feature| other.contains(feature)).count() > 8);
/// ```
pub fn tagging(words: &[&str], place: usize) -> Vec<u32> {
    let near = |offset: isize| {
        let word = place.checked_add_signed(offset).and_then(|place| words.get(place));
        word.map_or_else(|| EDGE.to_string(), |word| word.to_lowercase())
    };
    let [far_before, before, after, far_after] = [-2, -1, 1, 2].map(near);
    let word = words.get(place).copied().unwrap_or_default();
    let lower = word.to_lowercase();
    let form: String = word.chars().map(form).fold(String::new(), |mut form, c| {
        if !form.ends_with(c) {
            form.push(c);
        }
        form
    });
    let mut features = vec![feature(300, word), feature(301, &lower), feature(302, &form)];
    features.extend((1..=5).filter_map(|n| Some(feature(310 + n, suffix(&lower, n as usize)?))));
    features.extend((1..=4).filter_map(|n| Some(feature(320 + n, prefix(&lower, n as usize)?))));
    for (kind, text) in [(330, &before), (331, &after), (332, &far_before), (333, &far_after)] {
        features.push(feature(kind, text));
    }
    for (kind, beside) in [(340, &before), (350, &after)] {
        features.extend((2..=3).filter_map(|n| Some(feature(kind + n, suffix(beside, n as usize)?))));
    }
    features.push(feature(360, &format!("{before} {lower}")));
    features.push(feature(361, &format!("{lower} {after}")));
    features.push(feature(362, &format!("{before} {after}")));
    features.push(feature(363, &format!("{before} {form} {}", place == 0)));
    features
}

/// The last `n` characters of a word that has more, or as many.
fn suffix(word: &str, n: usize) -> Option<&str> {
    word.char_indices().rev().nth(n - 1).map(|(from, _)| &word[from..])
}

/// The first `n` characters of a word that has more, or as many.
fn prefix(word: &str, n: usize) -> Option<&str> {
    let last = word.char_indices().nth(n - 1)?;
    Some(&word[..last.0 + last.1.len_utf8()])
}

/// Which kind of character it is, as a character.
fn form(c: char) -> char {
    match c {
        _ if c.is_uppercase() => 'A',
        _ if c.is_alphabetic() => 'a',
        _ if c.is_numeric() => '0',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn suffixes_and_prefixes_are_whole_characters() {
        assert_eq!((suffix("häst", 2), suffix("häst", 4), suffix("häst", 5)), (Some("st"), Some("häst"), None));
        assert_eq!((prefix("häst", 2), prefix("häst", 5), suffix("", 1)), (Some("hä"), None, None));
    }

    #[test]
    fn nothing_is_too_short() {
        assert_eq!(character_ngrams("", 1..=4).len(), 2 + 1);
        assert_eq!((word_ngrams("", 1..=2).len(), character_ngrams("a", 0..=0).len()), (0, 0));
        assert_eq!((around_boundary(&[], 0).len(), around_boundary(&['a'], 7).len()), (15, 15));
        assert!(!tagging(&[], 0).is_empty() && !tagging(&[""], 0).is_empty());
    }

    proptest! {
        #[test]
        fn any_text_has_features(text in any::<String>(), place in 0usize..20) {
            let count = text.chars().count() + 2;
            let expected: usize = (1..=4).map(|n| (count + 1usize).saturating_sub(n)).sum();
            prop_assert_eq!(character_ngrams(&text, 1..=4).len(), expected);
            let words: Vec<&str> = text.split(' ').collect();
            prop_assert!(tagging(&words, place).len() >= 11);
            prop_assert_eq!(around_boundary(&text.chars().collect::<Vec<_>>(), place).len(), 15);
        }
    }
}
