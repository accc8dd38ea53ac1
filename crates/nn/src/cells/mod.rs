//! A gallery of recurrent cells: each is one file that reads like the equations of its paper.
//!
//! They are cells like [`Rnn`](crate::Rnn), [`Lstm`](crate::Lstm) and [`Gru`](crate::Gru): [`unroll`](crate::unroll())
//! runs them, [wrappers](crate::Stack) go around them, the laws of recurrence hold of each, and
//! [`CellKind`](crate::CellKind) makes any of them by its name. Those whose steps are linear in the state run over a
//! whole sequence at once, by the operations of [`scan`](crate::scan).
//!
//! Their outputs have `hidden_size` elements, and where a state has a hidden vector it is the first leaf. Parameters
//! are named as in PyTorch's recurrent layers; a layer or direction of [`Recurrent`](crate::Recurrent) adds its ending,
//! such as `_l0`.
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

mod diagonal;
mod gates;
mod parts;
mod state_space;

mod antisymmetric_rnn;
pub use antisymmetric_rnn::{AntisymmetricRnn, AntisymmetricRnnConfig};
mod clockwork_rnn;
pub use clockwork_rnn::{ClockworkRnn, ClockworkState};
mod co_rnn;
pub use co_rnn::{CoRnn, CoRnnConfig};
mod coupled_lstm;
pub use coupled_lstm::CoupledLstm;
mod fast_grnn;
pub use fast_grnn::FastGrnn;
mod gated_delta_net;
pub use gated_delta_net::{GatedDeltaNet, GatedDeltaNetConfig};
mod hgrn;
pub use hgrn::{Hgrn, HgrnConfig};
mod ind_rnn;
pub use ind_rnn::IndRnn;
mod layer_norm_lstm;
pub use layer_norm_lstm::LayerNormLstm;
mod lem;
pub use lem::Lem;
mod linear_attention;
pub use linear_attention::{LinearAttention, LinearAttentionConfig};
mod lru;
pub use lru::{Lru, LruConfig};
mod min_gru;
pub use min_gru::{Candidate, MinGru, MinGruConfig};
mod min_lstm;
pub use min_lstm::{MinLstm, MinLstmConfig};
mod minimal_gated_unit;
pub use minimal_gated_unit::MinimalGatedUnit;
mod mlstm;
pub use mlstm::{Mlstm, MlstmConfig, MlstmState};
mod multiplicative_lstm;
pub use multiplicative_lstm::MultiplicativeLstm;
mod peephole_lstm;
pub use peephole_lstm::PeepholeLstm;
mod qrnn;
pub use qrnn::{Qrnn, QrnnState};
mod rg_lru;
pub use rg_lru::RgLru;
mod s5;
pub use s5::{S5, S5Config};
mod slstm;
pub use slstm::{ForgetGate, Slstm, SlstmConfig, SlstmState};
mod sru;
pub use sru::Sru;
