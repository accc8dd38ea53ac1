//! Unspool's core: records a computation as it runs, and goes through the record backward for the gradients.
//!
//! You write ordinary Rust over [`Var`]s. Running it notes each operation down, with its value, its shape and the line
//! of your code that called it. [`Var::backward`] goes through the notes in reverse. Where the computation is a
//! recurrence over a sequence, that is back-propagation through time, and you did not have to write it.
//!
//! ```
//! use unspool_graph::{Graph, Params, init};
//!
//! let mut params = Params::seeded(7);
//! let mut layer = params.scope("rnn");
//! let w_xh = layer.add("w_xh", [3, 4], init::uniform(0.5));
//! let w_hh = layer.add("w_hh", [4, 4], init::orthogonal(1.0));
//!
//! let graph = Graph::new(&params);
//! let x = graph.full([2, 3], 1.0);           // [batch, feature]
//! let mut h = graph.zeros([2, 4]);           // [batch, hidden]
//! for _ in 0..5 {
//!     h = (x.matmul(w_xh) + h.matmul(w_hh)).tanh();
//! }
//! let loss = (h * h).mean(&[]);
//! let gradients = loss.backward()?;
//! assert!(gradients.of(w_hh).is_some());
//! assert!(gradients.report().is_clean());
//! # Ok::<(), unspool_graph::Error>(())
//! ```
//!
//! # The few main types, in reading order
//!
//! - [`Params`] holds named parameters in one [`Precision`]; [`Param`] is a plain handle on one; [`init`] has their
//!   first values.
//! - [`Graph`] is one recording over borrowed parameters, [`Var`] a `Copy` handle on a node of it.
//! - [`Gradients`] is the result of `backward`: owned, with norm, clipping and a [report](Gradients::report) of the
//!   parameters that got none.
//! - [`Operation`] is the trait of every operation, including your own.
//! - [`check`] compares gradients with finite differences.
//! - [`Drawing`], [`Profile`], [`StateNorms`] and [`Topology`] look at a recording.
//!
//! # How do I …
//!
//! … **find a NaN**? A graph made with [`detect_anomaly`](Graph::detect_anomaly) stops at the first one, and says
//! where:
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! let params = Params::seeded(0);
//! let graph = Graph::new(&params).detect_anomaly();
//! let y = graph.input(vec![1.0f32, -1.0]).log() * 2.0;
//! let why = y.value().unwrap_err().to_string();
//! assert!(why.starts_with("the value of log is not finite"), "{why}");
//! ```
//!
//! … **check the gradients** of a function of mine? [`check`] moves every coordinate, and names the operation that is
//! wrong:
//!
//! ```
//! use unspool_graph::check;
//! let x = ndarray::array![0.5, -1.5].into_dyn();
//! check::function(&[x.clone()], |_, x| (x[0] * 2.0).tanh())?;
//! let wrong = check::function(&[x], |_, x| x[0] * x[0].detach()).unwrap_err().to_string();
//! assert!(wrong.contains("goes wrong at detach"), "{wrong}");
//! # Ok::<(), check::Failure>(())
//! ```
//!
//! … **see where time and memory go**? A graph that is [profiled](Graph::record_profile) has a table by operation, by
//! scope and by line:
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! let params = Params::seeded(0);
//! let graph = Graph::new(&params).record_profile();
//! let x = graph.zeros([8, 8]).watch();
//! x.matmul(x).tanh().sum_all().backward()?;
//! println!("{}", graph.profile().by_line());
//! assert_eq!(graph.profile().by_operation().rows.iter().find(|row| row.0 == "tanh").unwrap().1.calls, 1);
//! # Ok::<(), unspool_graph::Error>(())
//! ```
//!
//! … **see what was recorded**? As a picture, or as a [`petgraph`] graph:
//!
//! ```
//! use unspool_graph::{Drawing, Detail, Graph, Params, petgraph::algo::toposort};
//! let params = Params::seeded(0);
//! let graph = Graph::new(&params);
//! let y = (graph.full([2], 1.0) * 3.0).tanh();
//! assert!(Drawing::of(&graph).fold(Detail::Node).to_svg().contains("tanh"));
//! assert!(toposort(&graph.topology(), None).is_ok_and(|order| order.last() == Some(&y.vertex())));
//! ```
//!
//! … write an operation, share a weight, save memory by recomputing? See [`Operation`], [`Params`] and
//! [`Graph::recompute`], and the cookbook of the crate `unspool`, `unspool::cookbook`.

#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

mod backward;
mod buffer;
mod cached;
pub mod check;
mod diagnose;
mod element;
mod error;
mod expression;
mod forward_mode;
mod gathered;
mod grad_sink;
mod grad_store;
mod gradients;
mod graph;
mod handed_out;
mod jacobian;
mod kernels;
mod layer_fn;
mod leaf;
mod look;
mod measure;
mod name_rows;
mod nested;
mod notes;
mod operation;
mod ops;
mod parametrization;
mod params;
mod recompute;
mod record;
mod recording;
mod reference;
mod replay;
mod rng_key;
mod row_ids;
mod scope;
mod scopes;
mod second_order;
mod shape;
mod step;
mod tape;
mod tensor;
mod var;
mod view;
mod watch;

pub use buffer::Buffer;
pub use element::{Element, Float, Precision};
pub use error::{Error, Place, Result};
pub use expression::Expression;
pub use grad_sink::GradSink;
pub use gradients::{Gradients, HasGradient, ParamGrad, Report, StateNorms};
pub use graph::Graph;
pub use kernels::{Matrix, dispatch as vectorize, product as matrix_product, sum as lane_sum};
pub use look::{Cost, Profile, ProfileTable, Saturation};
#[cfg(feature = "drawing")]
pub use look::{Detail, Drawing, Topology, Vertex};
pub use name_rows::RowsGuard;
pub use ndarray;
pub use operation::{Activation, Gated, OpContext, Operation, Show};
pub use ops::{CrossEntropy, Mask, NO_ROW};
pub use params::{Int8, Param, Params, Scope, init};
#[cfg(feature = "drawing")]
pub use petgraph;
pub use reference::{reference_mode, set_reference_mode};
pub use rng_key::{KeyRng, RngKey};
pub use row_ids::RowIds;
pub use scope::ScopeGuard;
pub use shape::{MAX_RANK, Shape, ShapeError};
pub use step::{ProvideGuard, StepGuard};
pub use tensor::{Elements, Input, Tensor};
pub use var::{Operand, Var};
pub use view::View;
