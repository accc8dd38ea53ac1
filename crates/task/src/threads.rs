//! How many threads share the work.

use crate::error::{Error, Result};

/// Sets how many threads share the work; results do not depend on it.
pub(crate) fn set(count: Option<u16>) -> Result<()> {
    let Some(count) = count else { return Ok(()) };
    rayon::ThreadPoolBuilder::new()
        .num_threads(usize::from(count))
        .build_global()
        .map_err(|cause| Error::failure(format!("cannot start {count} threads: {cause}"), "use fewer --threads"))
}
