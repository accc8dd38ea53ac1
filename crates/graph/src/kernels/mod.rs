//! Loops over plain arrays: the only place with unsafe code, and the only one that asks what the processor can do.
//!
//! Nothing here knows of graphs, shapes of rank above two, or gradients.

pub(crate) mod math;
pub(crate) mod product;
mod scratch;
pub(crate) mod vector;

pub(crate) use product::{Matrix, product};
pub(crate) use scratch::scratch;
pub use vector::{dispatch, sum};
