//! Draws the structure of the workspace from its code: `cargo run -p xtask -- architecture`.
#![forbid(unsafe_code)]

pub mod history;
pub mod imports;
pub mod layers;
pub mod math;
pub mod picture;
pub mod results;
