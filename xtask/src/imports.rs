//! Reads which module of a crate uses which other module, from the tokens of the code.
//!
//! A module is a file or folder at the top of a crate's `src`. What counts is every path in the code that begins with
//! `crate`, `super` or the name of a crate of the workspace, in a `use` or anywhere else. Tests inside the files do
//! not count.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A result whose error says what could not be read, and why.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Folders under `crates`, and what their libraries are called in code.
pub const CRATES: [(&str, &str); 9] = [
    ("files", "unspool_files"),
    ("baselines", "unspool_baselines"),
    ("graph", "unspool_graph"),
    ("nn", "unspool_nn"),
    ("text", "unspool_text"),
    ("unspool", "unspool"),
    ("serve", "unspool_serve"),
    ("task", "unspool_task"),
    ("cli", "unspool_cli"),
];

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub struct Crate {
    /// The folder under `crates`.
    pub name: &'static str,
    /// Its modules, by name.
    pub modules: Vec<String>,
    /// Pairs of modules by their place in `modules`: the first uses the second.
    pub imports: BTreeSet<(usize, usize)>,
    /// The other crates of the workspace that it uses.
    pub uses: BTreeSet<&'static str>,
}

/// Reads all crates of the workspace at `root`.
///
/// # Errors
///
/// Returns an error if a file cannot be read or is not Rust.
pub fn read(root: &Path) -> Result<Vec<Crate>> {
    CRATES.iter().map(|&(name, _)| read_crate(root, name)).collect()
}

/// A file, and its place in the tree of modules.
struct Source {
    path: Vec<String>,
    tokens: TokenStream,
}

fn read_crate(root: &Path, name: &'static str) -> Result<Crate> {
    let folder = root.join("crates").join(name).join("src");
    let mut sources = vec![];
    for file in rust_files(&folder)? {
        let text = fs::read_to_string(&file)?;
        let inside = file.strip_prefix(&folder)?.with_extension("");
        let mut path: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if path.last().is_some_and(|last| ["lib", "main", "mod"].contains(&&**last)) {
            path.pop();
        }
        let tokens = text.parse().map_err(|why| format!("{}: {why}", file.display()))?;
        sources.push(Source { path, tokens });
    }
    let modules: BTreeSet<&String> = sources.iter().filter_map(|source| source.path.first()).collect();
    let modules: Vec<String> = modules.into_iter().cloned().collect();
    let place = |module: &str| modules.binary_search_by(|known| known.as_str().cmp(module)).ok();

    // What the root hands on under its own name: `pub use graph::Graph` makes `crate::Graph` a use of `graph`.
    let mut handed_on = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path.is_empty()) {
        for path in paths(&source.tokens, &[]) {
            if let [first, .., last] = &path.segments[..] {
                handed_on.insert(path.alias.clone().unwrap_or_else(|| last.clone()), first.clone());
            }
        }
    }

    let (mut imports, mut uses) = (BTreeSet::new(), BTreeSet::new());
    for source in &sources {
        for path in paths(&source.tokens, &source.path) {
            let Some(first) = path.segments.first() else { continue };
            let first = if place(first).is_some() { first } else { handed_on.get(first).unwrap_or(first) };
            // A crate goes by its name in code, or by the name under which this crate hands it on: `unspool::nn::Cell`.
            let handed = place(first).is_none();
            let other = CRATES.iter().find(|(other, code)| first == code || handed && first == other);
            if let Some((other, _)) = other.filter(|(other, _)| *other != name) {
                uses.insert(*other);
            }
            if let (Some(from), Some(to)) = (source.path.first().and_then(|from| place(from)), place(first))
                && from != to
            {
                imports.insert((from, to));
            }
        }
    }
    Ok(Crate { name, modules, imports, uses })
}

/// Returns the modules of a crate that use each other in a circle, circle by circle: each uses the others, directly or
/// by way of others.
pub fn circles(of: &Crate) -> Vec<Vec<&str>> {
    let edges = of.imports.iter().map(|&(from, to)| (from as u32, to as u32));
    let graph = petgraph::graph::DiGraph::<(), ()>::from_edges(edges);
    let together = petgraph::algo::tarjan_scc(&graph).into_iter().filter(|modules| modules.len() > 1);
    together.map(|modules| modules.into_iter().map(|module| of.modules[module.index()].as_str()).collect()).collect()
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut folders, mut files) = (vec![folder.to_path_buf()], vec![]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// A path in the code, from the root of the crate or from the name of another crate on.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    segments: Vec<String>,
    /// The name after `as`.
    alias: Option<String>,
}

/// All paths in `tokens`, the code of the module at `at`, whose first segment says where they begin.
fn paths(tokens: &TokenStream, at: &[String]) -> Vec<Used> {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let (mut found, mut i) = (vec![], 0);
    while i < tokens.len() {
        match &tokens[i] {
            // The item after `#[cfg(test)]` is a test.
            TokenTree::Punct(hash) if hash.as_char() == '#' && is_test(tokens.get(i + 1)) => {
                let ends = |token: &TokenTree| match token {
                    TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
                    TokenTree::Punct(end) => end.as_char() == ';',
                    _ => false,
                };
                i += 2;
                while i < tokens.len() && !ends(&tokens[i]) {
                    i += 1;
                }
            }
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                    (tokens.get(i + 1), tokens.get(i + 2))
                {
                    found.extend(paths(&body.stream(), &[at, &[name.to_string()]].concat()));
                    i += 2;
                }
            }
            TokenTree::Ident(word) if starts(&tokens, i) => {
                let word = word.to_string();
                let base = match &*word {
                    "crate" | "self" | "super" => {
                        let mut up = if word == "crate" { at.len() } else { usize::from(word == "super") };
                        while matches!(tokens.get(i + 3), Some(TokenTree::Ident(again)) if again == "super") {
                            (up, i) = (up + 1, i + 3);
                        }
                        at[..at.len().saturating_sub(up)].to_vec()
                    }
                    _ if is_crate(&word) => vec![word],
                    // `use graph::Graph` names a module below this one, or a crate from elsewhere.
                    _ => [at, &[word]].concat(),
                };
                i = follow(&tokens, i + 3, base, &mut found);
                continue;
            }
            TokenTree::Group(group) => found.extend(paths(&group.stream(), at)),
            _ => {}
        }
        i += 1;
    }
    found
}

fn is_test(attribute: Option<&TokenTree>) -> bool {
    matches!(attribute, Some(TokenTree::Group(group)) if group.to_string().replace(' ', "") == "[cfg(test)]")
}

/// Whether a path begins at `i`: a word that says where, with `::` after it and none before it.
fn starts(tokens: &[TokenTree], i: usize) -> bool {
    let TokenTree::Ident(word) = &tokens[i] else { return false };
    let known = |word: &str| ["crate", "self", "super"].contains(&word) || is_crate(word);
    let in_use = i > 0 && matches!(&tokens[i - 1], TokenTree::Ident(before) if before == "use");
    is_colons(tokens, i + 1) && (known(&word.to_string()) || in_use) && !(i >= 2 && is_colons(tokens, i - 2))
}

fn is_crate(word: &str) -> bool {
    CRATES.iter().any(|(_, code)| *code == word)
}

fn is_colons(tokens: &[TokenTree], i: usize) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(tokens.get(i)) && colon(tokens.get(i + 1))
}

/// Follows a path whose next segment is at `i`, into the branches of a `use`. Gives the place behind it.
fn follow(tokens: &[TokenTree], mut i: usize, mut path: Vec<String>, found: &mut Vec<Used>) -> usize {
    loop {
        match tokens.get(i) {
            Some(TokenTree::Ident(word)) => {
                path.push(word.to_string());
                i += 1;
                if is_colons(tokens, i) {
                    i += 2;
                    continue;
                }
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                let branches: Vec<TokenTree> = group.stream().into_iter().collect();
                let mut at = 0;
                while at < branches.len() {
                    at = follow(&branches, at, path.clone(), found);
                    while at < branches.len() && !matches!(&branches[at], TokenTree::Punct(p) if p.as_char() == ',') {
                        at += 1;
                    }
                    at += 1;
                }
                return i + 1;
            }
            _ => {}
        }
        let alias = match (tokens.get(i), tokens.get(i + 1)) {
            (Some(TokenTree::Ident(word)), Some(TokenTree::Ident(alias))) if word == "as" => Some(alias.to_string()),
            _ => None,
        };
        found.push(Used { segments: path, alias });
        return i;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(code: &str, at: &[&str]) -> Vec<String> {
        let at: Vec<String> = at.iter().map(|part| part.to_string()).collect();
        paths(&code.parse().unwrap(), &at).iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn a_path_is_found_wherever_it_stands() {
        assert_eq!(found("use crate::{a::{B, C as D}, e};", &["x"]), ["a::B", "a::C", "e"]);
        assert_eq!(found("fn f() -> crate::a::B { rule!(super::c::D) }", &["x"]), ["a::B", "c::D"]);
        assert_eq!(found("use super::super::a::B;", &["x", "y"]), ["a::B"]);
        assert_eq!(found("mod tests { use super::c; }", &["x"]), ["x::c"]);
        assert_eq!(found("use unspool_graph::Graph;", &["x"]), ["unspool_graph::Graph"]);
        assert_eq!(found("use a::*;", &[]), ["a"]);
    }

    #[test]
    fn comments_strings_and_tests_use_nothing() {
        assert!(found("/// [`A`](crate::a::A)\nfn f() { \"crate::a::A\" }", &["x"]).is_empty());
        assert!(found("#[cfg(test)] mod tests { use crate::a; }", &["x"]).is_empty());
        assert!(found("x.a::<u8>()", &["x"]).is_empty());
    }
}
