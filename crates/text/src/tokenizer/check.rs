//! A `tokenizer.json` is a file from elsewhere: what it claims is checked before the library acts on it.
//!
//! The library refuses a part of it as well, but some of it by a panic or by filling memory, and it does not say where.
//! So everything that decides about time and memory is checked here, also where that repeats a check of the library.

use std::collections::HashMap;

use fancy_regex::Expr;
use serde_json::{Map, Value};

use super::characters;
use super::corpus::Cut;
use super::decode::Spelling;
use super::train::Normalization;
use super::words;

/// A text may grow by this factor on its way through the file's own rules, no more.
const LARGEST_GROWTH: usize = 4096;

/// WordPiece tries all beginnings of what is left of a word. In use are 100 and 200 characters; a longer word is
/// unknown.
const LONGEST_WORD: u64 = 256;

/// Unigram looks at all tokens that begin at a place of the text. In use are chains of a few dozen, of spaces; this is
/// one of a hundred.
const LONGEST_CHAIN: usize = 5_000;

/// The longest token of Unigram, in bytes.
const LONGEST_TOKEN: usize = 1024;

/// A pattern may look this many repetitions ahead or back.
const LONGEST_LOOK: usize = 1000;

/// Every added token is looked for in every text. In use are some thousands.
const MOST_ADDED: usize = 1 << 16;

/// What the checks found.
pub(super) struct Checked {
    /// Every token with its id, in the order of the ids: 0, 1, 2, … without a hole.
    pub(super) tokens: Vec<(String, u32)>,
    /// The ids of added tokens that are special.
    pub(super) special: Vec<u32>,
    /// The model's unknown token.
    pub(super) unknown: Option<u32>,
    /// How its tokens spell text.
    pub(super) spelling: Spelling,
    /// Where a long text may be cut.
    pub(super) cut: Cut,
    /// Where its tokens are characters, the form that texts are brought into.
    pub(super) characters: Option<Normalization>,
    /// The same, where texts are cut into words as byte-level BPE cuts them.
    pub(super) words: Option<Normalization>,
}

/// Checks the file; an error is the reason why it cannot be used.
pub(super) fn check(json: &str) -> Result<Checked, String> {
    let file: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let cut = Cut::of(&file);
    let (of_characters, of_words) = (characters::rules(&file), words::rules(&file));
    let file = file.as_object().ok_or("the file is not a JSON object")?;
    for (part, what) in [("padding", "pads"), ("truncation", "truncates")] {
        if file.get(part).is_some_and(|part| !part.is_null()) {
            return Err(format!("it {what} by itself; set `{part}` to null, batches do that here"));
        }
    }
    let model = file.get("model").and_then(Value::as_object).ok_or("there is no `model`")?;
    let kind = model.get("type").and_then(Value::as_str).ok_or("`model` has no `type`")?;
    if model.get("dropout").is_some_and(|rate| !rate.is_null() && rate.as_f64() != Some(0.0)) {
        return Err("`dropout` makes encoding random; set it to null".into());
    }

    let vocabulary = vocabulary(kind, model)?;
    let unknown = unknown(kind, model, &vocabulary)?;
    match kind {
        "BPE" => merges(model, &vocabulary)?,
        "WordPiece" => words(model)?,
        "Unigram" => chains(&vocabulary)?,
        _ => {}
    }
    let (added, special) = added(file, &vocabulary)?;
    let tokens = dense(vocabulary, added)?;
    let growth = ["normalizer", "pre_tokenizer"].iter().try_fold(1, |growth, part| grows(file.get(*part), growth))?;
    let _ = (growth, grows(file.get("decoder"), 1)?);
    ["normalizer", "pre_tokenizer", "decoder"].iter().filter_map(|part| file.get(*part)).try_for_each(patterns)?;
    template(file.get("post_processor"), &tokens)?;
    Ok(Checked {
        tokens,
        special,
        unknown,
        spelling: spelling(file.get("decoder")),
        cut,
        characters: of_characters,
        words: of_words,
    })
}

fn id_of(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|id| u32::try_from(id).ok())
}

/// The model's own tokens.
fn vocabulary(kind: &str, model: &Map<String, Value>) -> Result<HashMap<String, u32>, String> {
    match (kind, model.get("vocab")) {
        ("BPE" | "WordPiece" | "WordLevel", Some(Value::Object(tokens))) => tokens
            .iter()
            .map(|(token, id)| {
                let id =
                    id_of(id).ok_or_else(|| format!("token `{token}` has the id {id}, not a small whole number"))?;
                Ok((token.clone(), id))
            })
            .collect(),
        ("Unigram", Some(Value::Array(tokens))) => {
            let mut ids = HashMap::with_capacity(tokens.len());
            for (id, token) in (0u32..).zip(tokens) {
                let name = token.get(0).and_then(Value::as_str).filter(|name| !name.is_empty());
                let name = name.ok_or_else(|| format!("token {id} of the vocabulary has no name"))?;
                if ids.insert(name.to_owned(), id).is_some() {
                    return Err(format!("token `{name}` occurs twice in the vocabulary"));
                }
            }
            Ok(ids)
        }
        ("BPE" | "WordPiece" | "WordLevel" | "Unigram", _) => Err("`model` has no `vocab` of its type".into()),
        _ => Err(format!("model type `{kind}` is none of BPE, WordPiece, WordLevel, Unigram")),
    }
}

fn unknown(kind: &str, model: &Map<String, Value>, vocabulary: &HashMap<String, u32>) -> Result<Option<u32>, String> {
    if kind == "Unigram" {
        return match model.get("unk_id") {
            None | Some(Value::Null) => Ok(None),
            Some(id) => {
                let found = id_of(id).filter(|id| (*id as usize) < vocabulary.len());
                found.map(Some).ok_or_else(|| format!("`unk_id` {id} is not in the vocabulary"))
            }
        };
    }
    match model.get("unk_token") {
        None | Some(Value::Null) => Ok(None),
        Some(token) => {
            let name = token.as_str().ok_or("`unk_token` is not a string")?;
            let id = vocabulary.get(name).copied();
            id.map(Some).ok_or_else(|| format!("unknown token `{name}` is not in the vocabulary"))
        }
    }
}

/// Both parts of each merge, and what they make, must be tokens.
fn merges(model: &Map<String, Value>, vocabulary: &HashMap<String, u32>) -> Result<(), String> {
    let merges = model.get("merges").and_then(Value::as_array).ok_or("`model` has no `merges`")?;
    let prefix = match model.get("continuing_subword_prefix") {
        None | Some(Value::Null) => "",
        Some(prefix) => prefix.as_str().ok_or("`continuing_subword_prefix` is not a string")?,
    };
    for (index, merge) in merges.iter().enumerate() {
        let parts = parts_of_merge(merge);
        let (left, right) = parts.ok_or_else(|| format!("merge {index} is not a pair"))?;
        let rest = right.strip_prefix(prefix).ok_or_else(|| format!("merge {index} lacks the prefix `{prefix}`"))?;
        for token in [left, right, &format!("{left}{rest}")] {
            if !vocabulary.contains_key(token) {
                return Err(format!("merge {index} (`{left}` `{right}`) needs `{token}`, not in the vocabulary"));
            }
        }
    }
    Ok(())
}

/// The two parts of a merge, which stand in one text or in two.
pub(super) fn parts_of_merge(merge: &Value) -> Option<(&str, &str)> {
    match merge {
        Value::String(line) => line.split_once(' '),
        Value::Array(parts) if parts.len() == 2 => parts[0].as_str().zip(parts[1].as_str()),
        _ => None,
    }
}

/// The longest word that is cut into pieces.
fn words(model: &Map<String, Value>) -> Result<(), String> {
    let longest = model.get("max_input_chars_per_word").and_then(Value::as_u64).unwrap_or(100);
    if longest > LONGEST_WORD {
        return Err(format!("`max_input_chars_per_word` is {longest}; it must be {LONGEST_WORD} or less"));
    }
    Ok(())
}

/// Tokens that begin with each other: each makes work at every place of a text that has the longest of them.
fn chains(vocabulary: &HashMap<String, u32>) -> Result<(), String> {
    for token in vocabulary.keys() {
        if token.len() > LONGEST_TOKEN {
            return Err(format!("a token has {} bytes; the longest may have {LONGEST_TOKEN}", token.len()));
        }
        let begins_with = |at: &usize| vocabulary.contains_key(&token[..*at]);
        let ends = token.char_indices().map(|(at, _)| at).chain([token.len()]);
        if ends.filter(begins_with).sum::<usize>() > LONGEST_CHAIN {
            return Err(format!("too many tokens begin with each other, up to one of {} bytes", token.len()));
        }
    }
    Ok(())
}

/// How tokens spell text, by the rules that put them together.
fn spelling(decoder: Option<&Value>) -> Spelling {
    let kind = |rule: &Value| rule.get("type").and_then(Value::as_str).map(str::to_owned);
    match decoder.and_then(kind).as_deref() {
        Some("ByteLevel") => Spelling::ByteLevel,
        Some("ByteFallback") => Spelling::ByteFallback,
        Some("Sequence") => {
            let rules = decoder.and_then(|rule| rule.get("decoders")).and_then(Value::as_array);
            let kinds: Vec<Option<String>> = rules.into_iter().flatten().map(kind).collect();
            match kinds.as_slice() {
                [Some(only)] if only == "ByteLevel" => Spelling::ByteLevel,
                kinds if kinds.iter().flatten().any(|kind| kind == "ByteFallback") => Spelling::ByteFallback,
                _ => Spelling::Text,
            }
        }
        _ => Spelling::Text,
    }
}

/// The patterns of rules, wherever they stand in them.
fn patterns(rules: &Value) -> Result<(), String> {
    match rules {
        Value::Array(list) => list.iter().try_for_each(patterns),
        Value::Object(rule) => rule.iter().try_for_each(|(key, value)| match value {
            Value::String(pattern) if key == "Regex" => pattern_is_bounded(pattern),
            value => patterns(value),
        }),
        _ => Ok(()),
    }
}

/// A pattern that looks around without end, as `(?=a+b)` does, reads all of a text at each of its places. One that
/// refers to its own groups is matched by trying. Patterns in use do neither: they look a character ahead.
fn pattern_is_bounded(pattern: &str) -> Result<(), String> {
    // What is no pattern is the library's to refuse.
    let Ok(tree) = Expr::parse_tree(pattern) else { return Ok(()) };
    match unbounded(&tree.expr, false) {
        Some(what) => Err(format!("the pattern `{}` {what}", shortened(pattern))),
        None => Ok(()),
    }
}

/// What of a pattern takes a time without bound at one place of a text; `around` is within what it looks at around the
/// place.
fn unbounded(expr: &Expr, around: bool) -> Option<&'static str> {
    match expr {
        Expr::LookAround(inner, _) => unbounded(inner, true),
        Expr::Repeat { hi, .. } if around && *hi > LONGEST_LOOK => Some("looks ahead or back without end"),
        Expr::Repeat { child, .. } => unbounded(child, around),
        Expr::Group(inner) | Expr::AtomicGroup(inner) => unbounded(inner, around),
        Expr::Concat(all) | Expr::Alt(all) => all.iter().find_map(|inner| unbounded(inner, around)),
        Expr::Conditional { condition, true_branch, false_branch } => {
            [condition, true_branch, false_branch].into_iter().find_map(|inner| unbounded(inner, around))
        }
        Expr::Backref { .. }
        | Expr::BackrefWithRelativeRecursionLevel { .. }
        | Expr::BackrefExistsCondition(_)
        | Expr::SubroutineCall(_)
        | Expr::UnresolvedNamedSubroutineCall { .. } => Some("refers to one of its own groups"),
        _ => None,
    }
}

/// The beginning of a pattern, for an error.
fn shortened(pattern: &str) -> String {
    const MOST: usize = 60;
    let beginning: String = pattern.chars().take(MOST).collect();
    if beginning.len() < pattern.len() { format!("{beginning}…") } else { beginning }
}

type Added = (Vec<(String, u32)>, Vec<u32>);

/// Added tokens that the model does not have, and the ids of those that are special.
fn added(file: &Map<String, Value>, vocabulary: &HashMap<String, u32>) -> Result<Added, String> {
    let none = Vec::new();
    let list = match file.get("added_tokens") {
        None | Some(Value::Null) => &none,
        Some(list) => list.as_array().ok_or("`added_tokens` is not a list")?,
    };
    if list.len() > MOST_ADDED {
        return Err(format!("{} added tokens are too many: there may be {MOST_ADDED}", list.len()));
    }
    let mut beyond = Vec::new();
    let mut special = Vec::new();
    for token in list {
        let name = token.get("content").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or("an added token has no `content`")?;
        let id = token.get("id").and_then(id_of).ok_or_else(|| format!("added token `{name}` has no id"))?;
        match vocabulary.get(name) {
            Some(known) if *known != id => {
                return Err(format!("token `{name}` has the id {known} in the model and {id} as an added token"));
            }
            Some(_) => {}
            None => beyond.push((name.to_owned(), id)),
        }
        if token.get("special").and_then(Value::as_bool) == Some(true) {
            special.push(id);
        }
    }
    Ok((beyond, special))
}

/// All tokens by id, if the ids are 0, 1, 2, … each once.
fn dense(vocabulary: HashMap<String, u32>, added: Vec<(String, u32)>) -> Result<Vec<(String, u32)>, String> {
    let mut tokens: Vec<(String, u32)> = vocabulary.into_iter().chain(added).collect();
    if tokens.is_empty() {
        return Err("the vocabulary is empty".into());
    }
    tokens.sort_unstable_by(|(a, a_id), (b, b_id)| a_id.cmp(b_id).then_with(|| a.cmp(b)));
    for (place, (token, id)) in tokens.iter().enumerate() {
        if *id as usize != place {
            return Err(format!("ids must be 0, 1, 2, …: token `{token}` has the id {id} where {place} is next"));
        }
    }
    Ok(tokens)
}

/// Rules that lengthen a text multiply when they are chained; forty doublings would fill any memory.
fn grows(rules: Option<&Value>, before: usize) -> Result<usize, String> {
    let growth = match rules {
        None | Some(Value::Null) => return Ok(before),
        Some(Value::Array(list)) => return list.iter().try_fold(before, |growth, rule| grows(Some(rule), growth)),
        Some(Value::Object(rule)) => {
            let inner = ["normalizers", "pretokenizers", "decoders"]
                .iter()
                .try_fold(before, |growth, list| grows(rule.get(*list), growth))?;
            let text = |key: &str| rule.get(key).and_then(Value::as_str).map_or(0, str::len);
            let factor = match rule.get("type").and_then(Value::as_str) {
                Some("ByteLevel") => 2,
                Some("Replace") => text("content").max(1),
                Some("Prepend") => text("prepend") + 1,
                Some(_) => 1,
                None => return Err("a rule has no `type`".into()),
            };
            inner.saturating_mul(factor)
        }
        Some(_) => return Err("a rule is not an object".into()),
    };
    if growth > LARGEST_GROWTH {
        return Err(format!("its rules can lengthen a text more than {LARGEST_GROWTH} times"));
    }
    Ok(growth)
}

/// Tokens that a template puts around a text must be in the vocabulary, under the ids it says.
fn template(rule: Option<&Value>, tokens: &[(String, u32)]) -> Result<(), String> {
    let Some(Value::Object(rule)) = rule else { return Ok(()) };
    if let Some(Value::Array(inner)) = rule.get("processors") {
        inner.iter().try_for_each(|rule| template(Some(rule), tokens))?;
    }
    let present = |name: &str, id: Option<u32>| match id.and_then(|id| tokens.get(id as usize)) {
        Some((token, _)) if token == name => Ok(()),
        _ => Err(format!("the template's token `{name}` is not in the vocabulary under its id")),
    };
    for end in ["sep", "cls"] {
        if let Some(token) = rule.get(end) {
            let name = token.get(0).and_then(Value::as_str).ok_or_else(|| format!("`{end}` has no token"))?;
            present(name, token.get(1).and_then(id_of))?;
        }
    }
    if let Some(Value::Object(specials)) = rule.get("special_tokens") {
        for (name, token) in specials {
            let ids = token.get("ids").and_then(Value::as_array);
            let names = token.get("tokens").and_then(Value::as_array);
            let (Some(ids), Some(names)) = (ids, names) else {
                return Err(format!("the template's token `{name}` has no ids or tokens"));
            };
            if ids.len() != names.len() {
                return Err(format!("the template's token `{name}` has {} ids, {} tokens", ids.len(), names.len()));
            }
            for (name, id) in names.iter().zip(ids) {
                present(name.as_str().ok_or("a token of the template is not a string")?, id_of(id))?;
            }
        }
    }
    Ok(())
}
