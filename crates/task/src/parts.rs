//! The three parts of the data, and what a part is for.

use crate::error::Result;

/// The three parts of a task's data, as the task holds them.
pub struct Parts<E> {
    /// To learn from.
    pub train: E,
    /// To choose the epoch by.
    pub dev: E,
    /// To report on.
    pub test: E,
}

impl<S> Parts<S> {
    /// What is made of each.
    pub fn make<E>(&self, mut make: impl FnMut(Purpose, &S) -> Result<E>) -> Result<Parts<E>> {
        Ok(Parts {
            train: make(Purpose::Training, &self.train)?,
            dev: make(Purpose::Scoring, &self.dev)?,
            test: make(Purpose::Scoring, &self.test)?,
        })
    }
}

/// What a part is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To learn from: of most rows only the lengths matter, until a batch is made of them.
    Training,
    /// To be scored, and shown in part.
    Scoring,
}

impl Purpose {
    /// The text of a row, where it may be shown; else none.
    pub fn shown(self, text: &str) -> String {
        if self == Purpose::Scoring { text.to_owned() } else { String::new() }
    }
}
