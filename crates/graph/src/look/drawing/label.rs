//! Words in boxes: how wide they are, and what is said where there is no room for all.

/// The width of a text in DejaVu Sans and its like, a little on the safe side.
pub(super) fn width(text: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | ':' | ' ' | '|' | '[' | ']' | '(' | ')' | 'I' | '/' | 't' | 'f' | 'r' => 0.42,
        'm' | 'w' | 'M' | 'W' | '…' => 1.0,
        'A'..='Z' => 0.74,
        _ => 0.65,
    };
    text.chars().map(of).sum::<f64>() * size
}

/// The names' common beginning up to a dot, and what follows it in each.
pub(super) fn common(names: &[&str]) -> (String, Vec<String>) {
    let Some(first) = names.first() else { return Default::default() };
    let mut prefix = first.rfind('.').map_or("", |at| &first[..at]);
    while !names
        .iter()
        .all(|name| prefix.is_empty() || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')))
    {
        prefix = prefix.rfind('.').map_or("", |at| &prefix[..at]);
    }
    let skip = if prefix.is_empty() { 0 } else { prefix.len() + 1 };
    (prefix.to_string(), names.iter().map(|name| name[skip..].to_string()).collect())
}

/// At most `most` of the words, and how many more there are.
pub(super) fn some(words: &[String], most: usize) -> Vec<String> {
    if words.len() <= most {
        return words.to_vec();
    }
    let rest = words.len() - (most - 1);
    words[..most - 1].iter().cloned().chain([format!("+{rest} more")]).collect()
}

/// What stands in several names, once, in the order of first use.
pub(super) fn distinct<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = vec![];
    words.for_each(|word| {
        if !out.iter().any(|known| known == word) {
            out.push(word.to_string());
        }
    });
    out
}
