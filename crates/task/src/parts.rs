//! The three parts of the data.

/// The three parts of a task's data, as the task holds them.
pub struct Parts<E> {
    /// To learn from.
    pub train: E,
    /// To choose the epoch by.
    pub dev: E,
    /// To report on.
    pub test: E,
}
