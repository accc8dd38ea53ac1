//! Cells around cells: depth, regularization, other first states, a memory, and weights made of weights.

mod attending;
mod initial_state;
mod parametrized;
mod residual;
mod stack;
mod stepwise;
mod variational_dropout;
mod weight_drop;
mod weight_norm;
mod zoneout;

pub use attending::Attending;
pub use initial_state::InitialState;
pub use residual::Residual;
pub use stack::Stack;
pub use stepwise::Stepwise;
pub use variational_dropout::{VariationalDropout, locked_dropout};
pub use weight_drop::WeightDrop;
pub use weight_norm::WeightNorm;
pub use zoneout::Zoneout;
