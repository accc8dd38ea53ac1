//! The operations, by kind. A kind holds loops and shapes once; an instance is its mathematics.
//!
//! | kind | file of the kind | instances |
//! | --- | --- | --- |
//! | elementwise | `elementwise` | `arithmetic`, `activation`, `select`, `dropout` |
//! | movement | `movement` | `arrange`, `rows`, `gather` |
//! | product | `product` | `einsum` |
//! | reduction | `reduction` | |
//! | window | `convolution` | `pooling` |
//! | normalizer | | `softmax`, `cross_entropy`, `layer_norm` |

mod activation;
mod arithmetic;
mod arrange;
mod choose;
mod convolution;
mod cross_entropy;
mod dropout;
mod einsum;
mod elementwise;
mod embedding;
mod gather;
mod hook;
mod layer_norm;
mod movement;
mod pooling;
mod product;
mod reduction;
mod rows;
mod select;
mod softmax;

pub(crate) use arithmetic::Same;
pub use cross_entropy::CrossEntropy;
pub use rows::NO_ROW;
pub use softmax::Mask;

use crate::{Var, shape::MAX_RANK};
use std::panic::Location;

impl<'g> Var<'g> {
    /// The axis that `axis` means: from the end where it is negative. A wrong one becomes the graph's error.
    pub(crate) fn axis(self, operation: &'static str, axis: isize, line: &'static Location<'static>) -> Option<usize> {
        let shape = self.known_shape()?;
        let rank = shape.len() as isize;
        let found = if axis < 0 { axis + rank } else { axis };
        if (0..rank).contains(&found) && (found as usize) < MAX_RANK {
            return Some(found as usize);
        }
        let _ = self.refuse(operation, format!("axis {axis} does not exist in shape {shape}"), line);
        None
    }
}
