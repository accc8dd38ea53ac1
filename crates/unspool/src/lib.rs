//! Recurrent models on sequences, composed from ordinary Rust and trained on CPUs.
//!
//! A cell of your own, trained on sequences of unequal length: is the sum of the inputs so far above zero?
//!
//! ```
//! use unspool::prelude::*;
//!
//! /// h' = tanh(x·W_xh + h·W_hh + b)
//! struct MyCell { w_xh: Param, w_hh: Param, bias: Param, hidden_size: usize }
//!
//! impl MyCell {
//!     fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MyCell {
//!         MyCell {
//!             w_xh: scope.add("w_xh", [input_size, hidden_size], init::uniform(0.3)),
//!             w_hh: scope.add("w_hh", [hidden_size, hidden_size], init::orthogonal(1.0)),
//!             bias: scope.add("bias", [hidden_size], init::zeros()),
//!             hidden_size,
//!         }
//!     }
//! }
//!
//! impl Cell for MyCell {
//!     type State<'g> = Var<'g>;
//!     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
//!         graph.zeros([batch, self.hidden_size])
//!     }
//!     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
//!         let h = (x.matmul(self.w_xh) + h.matmul(self.w_hh) + self.bias).tanh();
//!         (h, h)
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let mut params = Params::seeded(7);
//!     let cell = MyCell::new(params.scope("rnn"), 1, 16);
//!     let readout = Linear::new(params.scope("readout"), 16, 2);
//!     let (mut adam, mut share) = (Adam::new(), 0.0);
//!     for step in 0..200 {
//!         let key = RngKey::seed(step);
//!         let sign = |b: usize, t: usize| if key.fold_in(b as u64).uniform(t as u64) < 0.5 { -1.0 } else { 1.0 };
//!         // [batch, time, feature], and a target for each step
//!         let xs = ndarray::Array3::from_shape_fn((32, 10, 1), |(b, t, _)| sign(b, t) as f32);
//!         let lengths: Vec<usize> = (0..32).map(|b| 1 + b % 10).collect();
//!         let sum = |b: usize, t: usize| (0..=t).map(|t| sign(b, t)).sum::<f64>();
//!         let above = ndarray::Array2::from_shape_fn((32, 10), |(b, t)| u32::from(sum(b, t) > 0.0));
//!
//!         let graph = Graph::new(&params).training(7, step);           // a recording; it borrows the parameters
//!         let xs = Sequence::pack(graph.input(xs), &lengths);          // the real steps; padding is left out
//!         let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 32));
//!         let logits = hs.map(|rows| readout.apply(rows));
//!         let (guesses, truth) = (logits.rows().argmax()?, xs.layout().pack(&above)?);
//!         let right = guesses.iter().zip(&truth).filter(|(a, b)| a == b).count();
//!         share = 0.9 * share + 0.1 * right as f64 / truth.len() as f64;
//!         let mut gradients = logits.cross_entropy(&above).mean(&[]).backward()?; // back-propagation through time
//!         gradients.clip_norm(1.0)?;
//!         adam.step(&mut params, &gradients, 0.01)?;
//!     }
//!     assert!(share > 0.9, "{share}");
//!     Ok(())
//! }
//! ```
//!
//! # The few main types, in reading order
//!
//! - [`Params`](graph::Params) holds all parameters; a [`Param`](graph::Param) is a handle on one.
//! - [`Graph`](graph::Graph) is one recording over them, [`Var`](graph::Var) a handle on a value in it; its
//!   [`backward`](graph::Var::backward) returns [`Gradients`](graph::Gradients).
//! - [`Cell`](nn::Cell) is one step of a recurrence: [`Rnn`](nn::Rnn), [`Lstm`](nn::Lstm), [`Gru`](nn::Gru), or yours.
//!   [`unroll`](fn@nn::unroll) runs it over a padded batch.
//! - [`Adam`](nn::Adam) and other optimizers take steps; a [`Trainer`](nn::Trainer) runs the loop.
//! - [`Tokenizer`](text::Tokenizer), [`Buckets`](text::Buckets), [`Padded`](text::Padded) and
//!   [`TeacherForcing`](text::TeacherForcing) make batches of text, and [`score`](mod@text::score) scores outputs.
//!
//! [`prelude`] has the names that most programs use. [`models`] has the models that the program trains.
//!
//! # Features
//!
//! None is on by default.
//!
//! - `tokenizer`: `text::Tokenizer`, which is trained or loaded from a `tokenizer.json`. It adds 50 crates.
//! - `drawing`: `graph::Drawing` and `graph::Graph::topology`, a recording as a picture and as a graph.
//! - `proptest`: the laws of recurrence (`nn::laws`), for the tests of a cell of your own.
//! - `mpi`: training over processes that `mpirun` starts, which needs an MPI library and libclang.
//!
//! # Where to go on
//!
//! - [`tutorial`]: a book in twenty chapters, from a sequence to a cell and an operation of your own. Its code is
//!   compiled and run.
//! - [`cookbook`]: how do I mask padding, carry a state, freeze a layer, load PyTorch's weights, find a NaN, …:
//!   some forty programs.
//! - [`coming_from_pytorch`]: what is called what, and the differences that bite.
#![forbid(unsafe_code)]
// Without a feature, links to what it adds lead nowhere.
#![cfg_attr(not(all(feature = "drawing", feature = "tokenizer")), allow(rustdoc::broken_intra_doc_links))]

pub use unspool_graph as graph;
pub use unspool_graph::ndarray;
pub use unspool_nn as nn;
pub use unspool_text as text;

#[cfg(any(doc, doctest))]
pub mod coming_from_pytorch;
#[cfg(any(doc, doctest))]
pub mod cookbook;
mod layout;
pub mod models;
#[cfg(any(doc, doctest))]
pub mod tutorial;

/// What most programs name.
///
/// ```
/// use unspool::prelude::*;
/// let mut params = Params::seeded(7);
/// let cell = Lstm::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.zeros([2, 5, 3]), &[5, 2]);
/// let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert!(hs.padded().shape().is_ok_and(|shape| *shape == [2, 5, 8]));
/// ```
pub mod prelude {
    pub use crate::graph::{Gradients, Graph, Param, Params, RngKey, Scope, Shape, Tensor, Var, check, init};
    pub use crate::layout::ToLayout;
    pub use crate::nn::{
        Adam, Cell, Embedding, Gru, Layout, Linear, Lstm, Rnn, Sequence, State, checkpoint, schedule, sharded, state,
        state_to_tensors, unroll,
    };
    pub use crate::text::{BatchSize, Buckets, Padded, Source, TeacherForcing, Tsv};
    #[cfg(feature = "tokenizer")]
    pub use crate::text::{TokenKind, Tokenizer};
}
