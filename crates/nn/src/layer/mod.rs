//! Layers: plain structs of parameters, applied to values of any leading axes.

mod convolution;
mod linear;

pub use convolution::Conv2d;
pub use linear::{Embedding, LayerNorm, Linear};
