//! Words and the tags that they have: where they are in a file, and which words are known.

use clap::Args;
use serde::{Deserialize, Serialize};
use unspool::text::Normalization;
use unspool_task::{ArchOptions, DirectionOptions, EmbeddingOptions, Labels, choice};

/// A word that the train part has once is no more known than one it does not have, so that the model learns what to do
/// with those.
pub(crate) const LEAST: u64 = 2;

/// More words than this are not known.
pub(crate) const MOST: usize = 50_000;

/// Words are looked up composed, so that `é` is one character however it was typed.
pub(crate) const NORMALIZATION: Normalization = Normalization::Nfc;

/// How words are read and tagged.
#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(crate) arch: ArchOptions,
    #[command(flatten)]
    pub(crate) direction: DirectionOptions,
    /// Output layer: each tag by itself (softmax), or the tags of a sentence together (crf)
    #[arg(long, value_name = "softmax|crf", default_value = "softmax", value_parser = choice(&["softmax", "crf"]))]
    pub(crate) output: String,
    #[command(flatten)]
    pub(crate) embedding: EmbeddingOptions,
    /// Column of the words: its number, or in a table its name [default: the first, or the second of ten (CoNLL-U);
    /// `words`]
    #[arg(long, value_name = "N|NAME", help_heading = "Data")]
    pub(crate) word_column: Option<String>,
    /// Column of the tags: its number, or in a table its name [default: the second, or the fourth of ten (CoNLL-U);
    /// `tags`]
    #[arg(long, value_name = "N|NAME", help_heading = "Data")]
    pub(crate) tag_column: Option<String>,
}

/// A sentence whose words have tags.
#[derive(Serialize, Deserialize)]
pub(crate) struct Tagged {
    pub(crate) words: Vec<String>,
    pub(crate) ids: Vec<u32>,
    pub(crate) tags: Labels,
}

/// Words with their tags.
pub(crate) fn tagged<'a>(words: &[String], tags: impl IntoIterator<Item = &'a str>) -> String {
    words.iter().zip(tags).map(|(word, tag)| format!("{word}/{tag}")).collect::<Vec<_>>().join(" ")
}

/// A word as it is looked up.
pub(crate) fn lower(word: &str) -> String {
    NORMALIZATION.apply(word).to_lowercase()
}
