//! What can go wrong around a model.

/// Describes what went wrong in this crate.
///
/// ```
/// use unspool_nn::{CellKind, Error};
/// match "lsmt".parse::<CellKind>() {
///     Err(Error::UnknownName { name, known, .. }) => assert!(name == "lsmt" && known.contains("lstm")),
///     other => panic!("{other:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recording failed.
    #[error(transparent)]
    Graph(#[from] unspool_graph::Error),
    /// Gradients, moments and parameters are not of one store and precision.
    #[error(
        "the optimizer's state, the gradients and the parameters do not belong together: the gradients must come from \
         a graph over the same `Params` in the same precision, and all layers must be added before the first step"
    )]
    Foreign,
    /// A choice by name that is none.
    #[error("there is no {what} {name:?}: it must be one of {known}")]
    UnknownName {
        /// What was to be chosen.
        what: &'static str,
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A cell that was chosen by name does not offer what only some cells do.
    #[error("the cell {kind} does not offer {what}: {others} do")]
    CellLacks {
        /// The kind of the cell.
        kind: crate::CellKind,
        /// The method that was called.
        what: &'static str,
        /// The names of the cells that offer it.
        others: &'static str,
    },
    /// Trees are none.
    #[error("forest: {why}")]
    Forest {
        /// Which node is not as in a tree, and why.
        why: String,
    },
    /// A search for tokens was asked for something impossible, or its model's answer makes no sense.
    #[error("decoding: {why}")]
    Decoding {
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not a checkpoint that could be read.
    #[error("{path}: not a readable checkpoint: {why}")]
    Format {
        /// Which.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint was not saved, since it could not be loaded again.
    #[error("{path}: not saved: {why}")]
    NotSaved {
        /// Where it was to be saved; what stands there is as it was.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint was not saved, since some of its tensors have NaN or infinite elements.
    #[error("{path}: not saved: not finite: {names}")]
    NotFinite {
        /// Where it was to be saved; what stands there is as it was.
        path: String,
        /// The names of the tensors.
        names: String,
    },
    /// A line of a text file is not what it should be.
    #[error("{path}:{line}: {why}")]
    Line {
        /// Which file.
        path: String,
        /// Which line, from 1.
        line: usize,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// A checkpoint does not fit the model: names that are missing or unexpected, other shapes, numbers that are not
    /// finite.
    #[error("{path}: does not fit the model:\n{findings}")]
    Mismatch {
        /// Which file.
        path: String,
        /// A line for each finding.
        findings: String,
    },
    /// A parameter group is about no parameter.
    #[error("the group {pattern:?} matches the name of no parameter; `*` stands for any letters")]
    Group {
        /// Its pattern.
        pattern: String,
    },
    /// A setting of an optimizer or of a step has no meaning.
    #[error("optimizer: {why}")]
    Optimizer {
        /// What is wrong, and what would be right.
        why: String,
    },
    /// A training has left the finite numbers.
    #[error(
        "training diverged: {what} at step {step} of epoch {epoch}; a lower learning rate or gradient clipping may help"
    )]
    Diverged {
        /// What is not finite: the loss, or parameters after a step.
        what: String,
        /// The step, from 0.
        step: u64,
        /// The epoch, from 0.
        epoch: u64,
    },
    /// The state that is carried from window to window does not fit its streams.
    #[error("carried state: {why}")]
    Carried {
        /// What is wrong, and what would be right.
        why: String,
    },
    /// Several processes that shall train together were not started alike.
    #[error("{what} of process {rank} on {host} is {has}, of process 0 it is {first}: all must be alike")]
    Disagree {
        /// In what they differ.
        what: String,
        /// Which process differs from the first.
        rank: usize,
        /// The machine it runs on.
        host: String,
        /// What it has.
        has: String,
        /// What process 0 has.
        first: String,
    },
    /// Processes that train together lost each other, or do not speak alike.
    #[error("between processes: {why}")]
    Exchange {
        /// What is wrong.
        why: String,
    },
    /// The configuration of a model is not one of any model.
    #[error("{what}; {right}")]
    Config {
        /// What is wrong.
        what: String,
        /// What would be right.
        right: String,
    },
    /// A training cannot go on from a checkpoint, or cannot start at all.
    #[error("{what}; {right}")]
    Training {
        /// What is wrong.
        what: String,
        /// What would be right.
        right: String,
    },
}

/// Is a result with this crate's error.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Error, Result};
/// fn loss(params: &Params) -> Result<f64> {
///     Ok(Graph::new(params).zeros([2, 3]).item()?) // a graph's error becomes one of this crate
/// }
/// assert!(matches!(loss(&Params::seeded(0)), Err(Error::Graph(_))));
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;
