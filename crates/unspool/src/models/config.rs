//! Limits for the sizes of every model.

use crate::nn::{Error, Result};

/// The largest size of a layer, a vocabulary or a stack. A model asks for memory before any weights show that a size is
/// wrong.
const LARGEST: usize = 1 << 16;

/// Refuses sizes of 0 or beyond [`LARGEST`], and a dropout that is no share.
pub(super) fn check(sizes: &[(&str, usize)], dropout: f64) -> Result<()> {
    for (name, size) in sizes {
        if !(1..=LARGEST).contains(size) {
            let right = format!("it must be from 1 to {LARGEST}");
            return Err(Error::Config { what: format!("{name} is {size}"), right });
        }
    }
    if !(0.0..1.0).contains(&dropout) {
        let right = "it must be from 0 up, less than 1".into();
        return Err(Error::Config { what: format!("dropout is {dropout}"), right });
    }
    Ok(())
}
