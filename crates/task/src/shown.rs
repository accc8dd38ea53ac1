//! Text from files as a reader sees it. Characters that cannot be seen, or that change how others are shown, stand as
//! their codes: in terminals, error lines, reports, and figures.
//!
//! These are control characters (an escape sequence would command the terminal), line separators, and everything that
//! Unicode calls default ignorable: zero-width characters, directional marks, invisible fillers, tags. Variation
//! selectors stay as they are, since the character before them shows their effect, and so does a tab.

use std::borrow::Cow;

/// The characters that are shown as codes, in order.
const UNSEEN: [(u32, u32); 19] = [
    (0x00, 0x08),
    (0x0A, 0x1F),
    (0x7F, 0x9F),
    (0xAD, 0xAD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x2028, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    // The last two are no characters, and XML forbids them.
    (0xFFF0, 0xFFFB),
    (0xFFFE, 0xFFFF),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
];

/// Tags and what is reserved beside them, without the variation selectors in the middle.
const TAGS: [(u32, u32); 2] = [(0xE0000, 0xE00FF), (0xE01F0, 0xE0FFF)];

fn is_unseen(c: char) -> bool {
    let within = |ranges: &[(u32, u32)]| ranges.iter().any(|(first, last)| (*first..=*last).contains(&(c as u32)));
    !(' '..='~').contains(&c) && (within(&UNSEEN) || within(&TAGS))
}

/// A text that stands on one line: a line break is a code, too.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    with_codes(text, is_unseen)
}

/// A text of any number of lines.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    with_codes(text, |c| c != '\n' && is_unseen(c))
}

fn with_codes(text: &str, is_code: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_code) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_code(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex_syntax::hir::{Class, HirKind};

    #[test]
    fn what_a_reader_cannot_see_is_a_code_and_all_else_stays() {
        assert_eq!(line("\x1b[31mred\x07\u{9b}2J"), "\\u{1b}[31mred\\u{7}\\u{9b}2J");
        assert_eq!(line("a\u{202e}b\u{200b}c\u{2028}d\r\n"), "a\\u{202e}b\\u{200b}c\\u{2028}d\\u{d}\\u{a}");
        assert_eq!(lines("a\tb\nc\r\n"), "a\tb\nc\\u{d}\n");
        for text in ["plain \\u{1b}", "한국어", "e\u{301}", "❤\u{fe0f}", "café\tau lait", "\u{a0}"] {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn the_ranges_are_those_of_unicode() {
        let class = r"[[\p{Cc}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\x{FFF9}-\x{FFFB}\x{FFFE}\x{FFFF}]
                       --[\t\p{Variation_Selector}]]";
        let parsed = regex_syntax::parse(&class.replace(char::is_whitespace, "")).unwrap();
        let HirKind::Class(Class::Unicode(class)) = parsed.kind() else { panic!("{parsed:?}") };
        let holds = |c: char| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c));
        for c in '\0'..=char::MAX {
            assert_eq!(is_unseen(c), holds(c), "{:x}", c as u32);
        }
    }
}
