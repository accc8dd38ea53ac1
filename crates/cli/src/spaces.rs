//! Spaces taken out of a text, and put back.

use unicode_segmentation::UnicodeSegmentation;

/// The class of a character that a space follows; that of the others is 0.
pub(crate) const SPACE: usize = 1;

/// The least probability of a space that is inserted. The threshold with the best F1 is half of that F1 (Lipton, Elkan
/// and Naryanaswamy 2014): 0.42 for an F1 of 0.84.
pub(crate) const THRESHOLD: f64 = 0.42;

/// The characters of a text that are no white space, and for each of them whether white space follows before the next:
/// 1 or 0.
pub(crate) fn characters(text: &str) -> (Vec<char>, Vec<u32>) {
    let (mut characters, mut spaces) = (vec![], vec![]);
    for c in text.trim().chars() {
        match (c.is_whitespace(), spaces.last_mut()) {
            (false, _) => {
                characters.push(c);
                spaces.push(0);
            }
            (true, Some(last)) => *last = 1,
            (true, None) => {}
        }
    }
    (characters, spaces)
}

/// The text that these characters and spaces make. What a reader sees as one character, such as a letter with its
/// accents or a family of emoji, may be several here: no space goes between them.
pub(crate) fn spaced(characters: &[char], spaces: &[u32]) -> String {
    let (bare, mut text, mut read) = (characters.iter().collect::<String>(), String::new(), 0);
    for cluster in bare.graphemes(true) {
        text.push_str(cluster);
        read += cluster.chars().count();
        text.extend((spaces.get(read - 1) == Some(&(SPACE as u32))).then_some(' '));
    }
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_taken_out_and_put_back() {
        let (found, spaces) = characters("  이 영화\t 최고 ");
        assert_eq!(
            (found.iter().collect::<String>(), spaces.as_slice()),
            ("이영화최고".into(), [1, 0, 1, 0, 0].as_slice())
        );
        assert_eq!(spaced(&found, &spaces), "이 영화 최고");
        assert_eq!(spaced(&found, &[0, 0, 0, 0, 1]), "이영화최고");
        assert_eq!(characters(" \t"), (vec![], vec![]));
    }

    #[test]
    fn no_space_goes_inside_of_what_a_reader_sees_as_one_character() {
        let everywhere = |text: &str| {
            let characters: Vec<char> = text.chars().collect();
            spaced(&characters, &vec![1; characters.len()])
        };
        // 안녕 as macOS writes it, in conjoining jamo.
        let (an, nyeong) = ("\u{110b}\u{1161}\u{11ab}", "\u{1102}\u{1167}\u{11bc}");
        assert_eq!(everywhere(&format!("{an}{nyeong}")), format!("{an} {nyeong}"));
        for one in ["👩\u{200d}👩\u{200d}👧", "e\u{301}", "🇸🇪", "👍🏽", "நி", "1\u{fe0f}\u{20e3}"] {
            assert_eq!(everywhere(&format!("a{one}b")), format!("a {one} b"));
        }
        assert_eq!(everywhere("좋은"), "좋 은");
    }
}
