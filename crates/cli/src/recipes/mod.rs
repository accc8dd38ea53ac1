//! The recipes: what is trained on what, each from top to bottom.

pub(crate) mod adding;
pub(crate) mod captioning;
pub(crate) mod clips;
pub(crate) mod copy;
pub(crate) mod digits;
pub(crate) mod forecast;
pub(crate) mod frames;
pub(crate) mod language_model;
pub(crate) mod sentiment;
pub(crate) mod spacing;
pub(crate) mod speech;
pub(crate) mod tagging;
pub(crate) mod translation;

use clap::Args;
use serde::{Deserialize, Serialize};
use unspool::{
    graph::{Graph, Params, Var},
    text::{BatchSize, Row, Tokenizer},
};
use unspool_task::{
    ArchOptions, Curves, Data, Digits, DirectionOptions, Draw, Drawn, Error, Figure, Labels, Learned, Metric,
    PairOptions, Parts, ReaderOptions, RecurrentOptions, Result, Score, Search, Shown, Spec, Stream, TableRows, Task,
    TextOptions, TokenOptions, check_tokenizer, choice, count, count_of_known, encode, limits, one_token_each,
};
