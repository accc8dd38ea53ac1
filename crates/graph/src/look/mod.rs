//! Looking into a recording: its shape as a graph, its cost, its gates, its gradients through time.

mod drawing;
mod profile;
mod saturation;
mod through_time;
mod topology;

pub use drawing::{Detail, Drawing};
pub use profile::{Cost, Profile, ProfileTable};
pub use saturation::Saturation;
pub(crate) use through_time::through_time;
pub use topology::{Topology, Vertex};
