//! Classes of characters, by Unicode's general categories.

/// A set of characters as ranges in order.
pub(crate) struct Class(Vec<(char, char)>);

impl Class {
    /// The class that a pattern such as `\p{L}` names.
    pub(crate) fn of(pattern: &str) -> Self {
        let parsed = regex_syntax::parse(pattern).expect("a general category");
        let ranges = match parsed.kind() {
            regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => {
                class.ranges().iter().map(|range| (range.start(), range.end())).collect()
            }
            _ => Vec::new(),
        };
        Class(ranges)
    }

    /// Whether a character is in it.
    pub(crate) fn has(&self, character: char) -> bool {
        let place = self.0.partition_point(|(_, end)| *end < character);
        self.0.get(place).is_some_and(|(start, _)| *start <= character)
    }
}
