//! A gallery of recurrent cells: each is one file that reads like the equations of its paper.
//!
//! They are cells like [`Rnn`](crate::Rnn), [`Lstm`](crate::Lstm) and [`Gru`](crate::Gru): [`unroll`](crate::unroll())
//! runs them, [wrappers](crate::Stack) go around them, the laws of recurrence hold of each, and
//! [`CellKind`](crate::CellKind) makes any of them by its name. Their outputs have `hidden_size` elements, and the
//! first leaf of a state is the hidden vector. Parameters are named as in PyTorch's recurrent layers; a layer or
//! direction of [`Recurrent`](crate::Recurrent) adds its ending, such as `_l0`.
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Recurrent, RecurrentConfig, Sequence, cells::CoupledLstm};
//! let mut params = Params::seeded(1);
//! let layers = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.0 };
//! let rnn = Recurrent::new(params.scope("rnn"), CoupledLstm::new, 3, 8, layers);
//! assert!(params.find("rnn.weight_hh_l1_reverse").is_some());
//! let graph = Graph::new(&params);
//! let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
//! assert_eq!(*rnn.unroll(&xs, rnn.initial_state(&graph, 2)).0.padded().shape()?, [2, 5, 16]);
//! # Ok::<(), unspool_graph::Error>(())
//! ```

mod antisymmetric_rnn;
mod clockwork_rnn;
mod co_rnn;
mod coupled_lstm;
mod fast_grnn;
mod gates;
mod ind_rnn;
mod layer_norm_lstm;
mod lem;
mod minimal_gated_unit;
mod multiplicative_lstm;
mod peephole_lstm;
mod slstm;

pub use antisymmetric_rnn::{AntisymmetricRnn, AntisymmetricRnnConfig};
pub use clockwork_rnn::{ClockworkRnn, ClockworkState};
pub use co_rnn::{CoRnn, CoRnnConfig};
pub use coupled_lstm::CoupledLstm;
pub use fast_grnn::FastGrnn;
pub use ind_rnn::IndRnn;
pub use layer_norm_lstm::LayerNormLstm;
pub use lem::Lem;
pub use minimal_gated_unit::MinimalGatedUnit;
pub use multiplicative_lstm::MultiplicativeLstm;
pub use peephole_lstm::PeepholeLstm;
pub use slstm::{ForgetGate, Slstm, SlstmConfig, SlstmState};
