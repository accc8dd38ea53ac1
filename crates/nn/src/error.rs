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
    /// A name that is none of the choices.
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
    /// The nodes do not form trees.
    #[error("forest: {why}")]
    Forest {
        /// The node that does not belong to a tree, and why.
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
        /// The path of the file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A file is not a checkpoint that could be read.
    #[error("{path}: not a readable checkpoint: {why}")]
    Format {
        /// The path of the file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint was not saved, because it could not have been loaded again.
    #[error("{path}: not saved: {why}")]
    NotSaved {
        /// Where it was to be saved; a file there is unchanged.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// A checkpoint was not saved, because some of its tensors have NaN or infinite elements.
    #[error("{path}: not saved: not finite: {names}")]
    NotFinite {
        /// Where it was to be saved; a file there is unchanged.
        path: String,
        /// The names of the tensors.
        names: String,
    },
    /// A line of a text file has another form than it should.
    #[error("{path}:{line}: {why}")]
    Line {
        /// The path of the file.
        path: String,
        /// The number of the line, from 1.
        line: usize,
        /// What is wrong with it, and what would be right.
        why: String,
    },
    /// A checkpoint does not fit the model: names that are missing or unexpected, other shapes, numbers that are not
    /// finite.
    #[error("{path}: does not fit the model:\n{findings}")]
    Mismatch {
        /// The path of the file.
        path: String,
        /// A line for each finding.
        findings: String,
    },
    /// A parameter group matches no parameter.
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
    /// A training diverged: a number is not finite.
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
    /// Processes that should train together were started with different settings.
    #[error("{what} of process {rank} on {host} is {has}, of process 0 it is {first}: all must be alike")]
    Disagree {
        /// The fact in which they differ.
        what: String,
        /// The process that differs from the first.
        rank: usize,
        /// The machine it runs on.
        host: String,
        /// The value in this process.
        has: String,
        /// The value in process 0.
        first: String,
    },
    /// Processes that train together lost their connection, or sent each other messages that do not fit.
    #[error("between processes: {why}")]
    Exchange {
        /// What is wrong.
        why: String,
    },
    /// The configuration of a model has sizes that no model can have.
    #[error("{what}; {right}")]
    Config {
        /// What is wrong.
        what: String,
        /// What would be right.
        right: String,
    },
    /// A training cannot resume from a checkpoint, or cannot start at all.
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
