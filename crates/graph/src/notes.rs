//! What a recording notes beside its nodes, for those who read it later: where numbers left it, what a recurrence
//! carries, what stands for what.

use crate::tape::Mark;

/// A node whose numbers have left the recording, perhaps to come back as constants: what took them, and on which line.
#[derive(Clone, Copy)]
pub(crate) struct Exit {
    pub(crate) node: u32,
    pub(crate) by: &'static str,
    pub(crate) mark: Mark,
}

/// One leaf of a recurrence's state after one step.
pub(crate) struct Carried {
    pub(crate) scope: u32,
    pub(crate) step: u32,
    pub(crate) leaf: u32,
    pub(crate) node: u32,
}

/// A second input of the present step, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StepInput {
    pub(crate) name: String,
    pub(crate) node: u32,
}

/// A parameter, and the node that stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replacement {
    pub(crate) param: u32,
    pub(crate) node: u32,
}

/// Values made once per recording, by parameter and name.
#[derive(Default)]
pub(crate) struct Cached(pub(crate) Vec<(u32, String, u32)>);

impl Cached {
    pub(crate) fn find(&self, param: u32, name: &str) -> Option<u32> {
        self.0.iter().find(|(known, called, _)| *known == param && called == name).map(|&(_, _, node)| node)
    }
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
