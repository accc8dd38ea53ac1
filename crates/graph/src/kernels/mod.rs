//! Loops over plain arrays: the only place that asks what the processor can do.
//!
//! Nothing here knows of graphs, shapes of rank above two, or gradients.

mod int8;
mod layout;
mod loops;
pub(crate) mod product;
mod scratch;
pub(crate) mod vector;

pub(crate) use int8::integer;
pub use layout::Matrix;
pub(crate) use layout::Packed;
pub use product::product;
pub(crate) use product::worth_keeping;
pub(crate) use scratch::scratch;
pub use vector::{dispatch, sum};
