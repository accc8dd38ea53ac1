//! How a reader ends.

use crate::error::Error;

/// Follows a reader to its end. A source without a single row is an error, which is reported once, and a reader that
/// has ended stays ended.
#[derive(Debug, Default)]
pub(super) struct Ending {
    any: bool,
    over: bool,
}

impl Ending {
    /// Whether there is nothing more to read.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Ends it before the end of its source.
    pub(super) fn end(&mut self) {
        self.over = true;
    }

    /// Passes on the next row of `file`, or what takes its place at the end.
    pub(super) fn pass<T>(&mut self, row: Option<Result<T, Error>>, file: &str) -> Option<Result<T, Error>> {
        if row.is_some() {
            self.any = true;
            return row;
        }
        self.over = true;
        (!self.any).then(|| Err(Error::NoRows { file: file.to_owned() }))
    }
}
