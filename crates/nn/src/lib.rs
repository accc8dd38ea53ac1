//! Recurrent layers for any cell: what a cell is, how it runs over padded sequences, and how it is trained.
//!
//! [`Cell`] is the one trait of recurrence. [`Rnn`], [`Gru`], [`Lstm`] and your own cell are treated alike: [`unroll`]
//! runs any of them over a padded batch, each row within its own length.
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Adam, Cell, Gru, Linear, Sequence, unroll};
//!
//! let mut params = Params::seeded(7);
//! let cell = Gru::new(params.scope("rnn"), 2, 8);
//! let readout = Linear::new(params.scope("readout"), 8, 3);
//! let mut adam = Adam::new();
//! let targets = ndarray::Array2::ones((4, 6));                        // [batch, time], with any values in the padding
//! let mut losses = vec![];
//! for step in 0..20 {
//!     let graph = Graph::new(&params).training(7, step);
//!     let xs = Sequence::pack(graph.full([4, 6, 2], 0.5), &[6, 3, 5, 1]); // [batch, time, feature] and lengths
//!     let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 4));
//!     let logits = hs.map(|rows| readout.apply(rows));                // each real step by itself
//!     let loss = logits.cross_entropy(&targets).mean(&[]);            // over the real steps
//!     losses.push(loss.item()?);
//!     let gradients = loss.backward()?;                               // back-propagation through time
//!     adam.step(&mut params, &gradients, 0.01)?;
//! }
//! assert!(losses[19] < losses[0]);
//! # Ok::<(), unspool_nn::Error>(())
//! ```
//!
//! # The few main types, in reading order
//!
//! - [`Cell`] is one step of a recurrence, and [`State`] is what passes to the next step: a `Var`, a tuple, or a struct
//!   declared by [`state!`](state).
//! - A [`Sequence`] is a padded batch as one value: its real steps, packed. [`unroll`] runs a cell over it;
//!   [`Recurrent`] makes layers and directions of cells; [`Pooling`] turns a sequence into one vector.
//! - [`Rnn`], [`Gru`], [`Lstm`] are built-in cells, and [`cells`] is a gallery of more. Those whose steps are linear in
//!   the state run over a whole sequence at once, by the operations of [`scan`]. [`Stack`], [`Residual`], [`Zoneout`],
//!   [`InitialState`] and [`Attending`] are cells around cells.
//! - [`tree`] runs a cell over trees in place of sequences, all trees of a batch together.
//! - [`Linear`], [`Embedding`], [`LayerNorm`], [`Conv2d`] and those of [`attention`] and [`TransformerEncoder`] are
//!   layers: plain structs.
//! - A [`Decoder`] reads and writes tokens: [`teacher_forcing`] trains it, [`DecoderSteps`] and [`decoding`] write with
//!   it.
//! - [`loss`], [`ctc`] and [`crf`] have losses, [`Adam`] and others of [`optimizer`] lower them, at a learning rate
//!   from [`schedule`].
//! - [`sharded`] uses all cores, [`Trainer`] runs the loop, [`checkpoint`] writes files, and [`quantize`] turns a
//!   trained model's weights into 8-bit integers.
//!
//! # How do I …
//!
//! … **carry a state** into the next recording? As plain arrays:
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Cell, Lstm, Sequence, state_to_tensors, unroll};
//! let mut params = Params::seeded(1);
//! let cell = Lstm::new(params.scope("rnn"), 1, 4);
//! let first = Graph::new(&params);
//! let xs = Sequence::full(first.full([2, 10, 1], 0.5));
//! let (_, last) = unroll(&cell, &xs, cell.initial_state(&first, 2));
//! let carried = state_to_tensors(&last)?;
//!
//! let second = Graph::new(&params);
//! let start = cell.state_from_tensors(&second, &carried);
//! let (hs, _) = unroll(&cell, &Sequence::full(second.full([2, 10, 1], 0.5)), start);
//! assert_eq!(*hs.padded().shape()?, [2, 10, 4]);
//! # Ok::<(), unspool_graph::Error>(())
//! ```
//!
//! … **freeze** some parameters, or give them another rate? By their names:
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Adam, Linear, optimizer::Group};
//! let mut params = Params::seeded(1);
//! let layer = Linear::new(params.scope("layer"), 2, 1);
//! let mut adam = Adam::new().group(Group::named("*.weight").frozen()).group(Group::named("*.bias").rate_factor(0.1));
//! let before = (params.value(layer.weight)?, params.value(layer.bias.unwrap())?);
//! let gradients = layer.apply(Graph::new(&params).full([3, 2], 1.0)).sum_all().backward()?;
//! adam.step(&mut params, &gradients, 0.01)?;
//! assert_eq!(params.value(layer.weight)?, before.0);
//! assert_ne!(params.value(layer.bias.unwrap())?, before.1);
//! # Ok::<(), unspool_nn::Error>(())
//! ```
//!
//! … **test a cell of mine**? With the feature `proptest`, in one call:
//! `laws::check(&laws::cell(3, |scope| MyCell::new(scope, 3, 4)))`.
//!
//! … load PyTorch's weights, save memory, use all cores, search with a beam, and some forty things more? The programs
//! are in the cookbook of the crate `unspool`, `unspool::cookbook`.
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

pub mod attention;
mod carried_states;
mod cell;
pub mod cells;
pub mod checkpoint;
pub mod crf;
pub mod ctc;
pub mod decoding;
pub mod dynamics;
mod error;
pub mod exchange;
#[cfg(feature = "proptest")]
pub mod laws;
mod layer;
mod log_sum_exp;
pub mod loss;
#[cfg(feature = "mpi")]
pub mod mpi;
pub mod optimizer;
mod parallel_map;
mod pretrained;
mod quantize;
mod rtrl;
pub mod scan;
pub mod schedule;
mod sequence;
mod sharded;
mod sizes;
mod summary;
pub mod training;
mod transformer;
pub mod tree;
mod wrapper;

pub use attention::{AdditiveAttention, Attention, AttentionMemory, MultiheadAttention};
pub use carried_states::CarriedStates;
pub use cell::{
    AnyCell, AnyState, Cell, CellKind, Gru, GruConfig, Lstm, LstmConfig, LstmState, Nonlinearity, RecurrentInit, Rnn,
    RnnConfig, State, gru_gates, leaves, map_state, state_to_tensors,
};
pub use decoding::{
    attention_decoder::{AttentionDecoder, AttentionDecoderState, Bridge},
    decoder::{Decoder, DecoderSteps, teacher_forcing},
    scheduled_sampling::{TeacherForcingSchedule, scheduled_sampling},
    token_model::TokenModel,
};
pub use error::{Error, Result};
pub use layer::{Conv2d, Embedding, LayerNorm, Linear};
pub use optimizer::{Adam, AdamW, Optimizer, Sgd};
pub use parallel_map::parallel_map;
pub use pretrained::{LoadedVectors, load_vectors};
pub use quantize::quantize;
pub use rtrl::Rtrl;
pub use sequence::{
    AttentionPooling, Direction, Layout, Pooling, Recurrent, RecurrentConfig, Sequence, TruncatedBptt, TruncatedWindow,
    bidirectional, feed_back, repeated, unroll, unroll_directed, unroll_recomputed, windows, zero_filled,
};
pub use sharded::{sharded, sharded_hessian_vector};
pub use summary::{Summary, summary};
pub use training::Trainer;
pub use transformer::{
    Positions, TransformerConfig, TransformerDecoder, TransformerEncoder, TransformerLayer, TransformerState,
};
pub use unspool_graph as graph;
pub use wrapper::{
    Attending, InitialState, Residual, Stack, Stepwise, VariationalDropout, WeightDrop, WeightNorm, Zoneout,
    locked_dropout,
};
