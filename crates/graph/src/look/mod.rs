//! Looking into a recording: its shape as a graph, its cost, its gates, its gradients through time.

#[cfg(feature = "drawing")]
mod drawing;
mod profile;
mod saturation;
mod through_time;
#[cfg(feature = "drawing")]
mod topology;

#[cfg(feature = "drawing")]
pub use drawing::{Detail, Drawing};
pub use profile::{Cost, Profile, ProfileTable};
pub use saturation::Saturation;
pub(crate) use through_time::through_time;
#[cfg(feature = "drawing")]
pub use topology::{Topology, Vertex};
