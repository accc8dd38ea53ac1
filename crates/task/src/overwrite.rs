//! Files that a command writes where it was told to.

use crate::error::{Error, Result};
use std::path::Path;

/// Refuses to write over a file, unless that was asked for. Devices and pipes are there to be written into.
pub(crate) fn check_overwrite(path: &Path, overwrite: bool) -> Result<()> {
    if !overwrite && path.metadata().is_ok_and(|found| found.is_file()) {
        return Err(Error::misuse(
            format!("{}: exists already; it is left as it is", path.display()),
            "give --out another name, or say --overwrite",
        ));
    }
    Ok(())
}
