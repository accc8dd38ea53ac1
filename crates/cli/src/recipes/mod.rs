//! The recipes: what is trained on what, each from top to bottom.

pub(crate) mod abilities;
pub(crate) mod adding;
pub(crate) mod captioning;
pub(crate) mod clips;
pub(crate) mod copy;
pub(crate) mod digits;
pub(crate) mod forecast;
pub(crate) mod frames;
pub(crate) mod language_model;
pub(crate) mod mnist1d;
pub(crate) mod sentiment;
pub(crate) mod spacing;
pub(crate) mod speech;
pub(crate) mod tagging;
pub(crate) mod translation;

// What recipes name.
use clap::Args;
use ndarray::{Array2, Array3, Array4};
use serde::{Deserialize, Serialize};
use unspool::{
    graph::{Graph, Params, Var},
    models::*,
    nn::{
        CarriedStates, Sequence, TeacherForcingSchedule,
        decoding::{Ensemble, StepFunction},
    },
    text::{
        BatchSize, DecoderInput, LabelSet, Padded, Part, Row, Sentence, Specials, TeacherForcing, TokenKind, Tokenizer,
        TokenizerOptions, Vocabulary,
        score::{Bleu, Confusion, CorpusMetric, TagScheme, accuracy, token_error_rate},
    },
};
use unspool_task::{
    Alternative, ArchOptions, Attention, Continuation, Contributions, Curves, Data, Decoder, DecodingOptions, Digits,
    Draw, Drawn, EmbeddingOptions, Error, Figure, Input, Labels, Learned, Metric, PairOptions, PairTokenOptions,
    PairTokenizers, Parts, ReaderOptions, Recording, RecurrentOptions, Result, SavedModel, Score, Search,
    SearchOptions, Shown, Source, Spec, Stream, TableRows, Targets, Task, TextOptions, TokenOptions, check_tokenizer,
    choice, count, encode, limits, one_token_each, parts_of, share, spans,
};
