//! Looking into a recording: its shape as a graph, its cost, its gates, its gradients through time.

mod drawing;
mod profile;
mod saturation;
mod through_time;
mod topology;

pub use drawing::{Drawing, Fold};
pub use profile::{Cost, Profile, ProfileTable};
pub(crate) use profile::{Times, Walk};
pub use saturation::{Saturation, Squash};
pub use through_time::StateNorms;
pub(crate) use through_time::{Carried, Norms, through_time};
pub use topology::{Topology, Vertex};
