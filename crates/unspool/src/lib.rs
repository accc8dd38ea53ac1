//! Recurrent models on sequences, composed from ordinary Rust and trained on CPUs.
//!
//! This crate gathers the three others under one name and adds ready models. In reading order:
//!
//! - [`graph`]: [`Params`](graph::Params), [`Graph`](graph::Graph), [`Var`](graph::Var): computations recorded as they run.
//! - [`nn`]: cells, unrolling over padded sequences, attention, optimizers, schedules, checkpoints.
//! - [`text`]: from files to padded batches to scores.
//! - [`models`]: the models behind the program's trainings.
//! - [`tutorial`]: a book in chapters, from a sequence to a cell of your own. Its code is compiled and run.
//!
//! [`prelude`] has what most programs name.
//!
//! ```
//! use unspool::prelude::*;
//!
//! let mut params = Params::seeded(7);
//! let layer = Linear::new(params.scope("layer"), 2, 1);
//! let graph = Graph::new(&params);
//! let loss = layer.apply(graph.full([4, 2], 1.0)).powi(2).mean(&[]);
//! assert!(loss.backward()?.norm() > 0.0);
//! # Ok::<(), unspool::graph::Error>(())
//! ```
#![forbid(unsafe_code)]

pub use unspool_graph as graph;
pub use unspool_nn as nn;
pub use unspool_text as text;

pub mod models;
#[cfg(any(doc, doctest))]
pub mod tutorial;

/// What most programs name.
pub mod prelude {
    pub use crate::graph::{Gradients, Graph, Param, Params, Tensor, Var, init};
    pub use crate::nn::{
        Adam, Cell, Elman, Embedding, Gru, Linear, Lstm, State, checkpoint, schedule, sharded, unroll,
    };
    pub use crate::text::{BatchSize, Buckets, Padded, Source, TeacherForcing, TokenKind, Tokenizer, Tsv};
}
