//! What a look at a set of gradients finds.

use crate::{Error, Result};
use std::fmt;

/// Lists what should not be overlooked in a set of gradients; see [`Gradients::report`](crate::Gradients::report).
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let mut m = params.scope("m");
/// let (used, cut) = (m.add("used", [2], init::constant(1.0)), m.add("cut", [2], init::constant(1.0)));
/// let graph = Graph::new(&params);
/// let gradients = (graph.param(used) * graph.param(cut).detach()).sum_all().backward()?;
/// let report = gradients.report();
/// assert!(!report.is_clean() && report.strict().is_err());
/// assert_eq!(report.missing, ["m.cut"]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Parameters that no gradient reached.
    pub missing: Vec<String>,
    /// Parameters whose gradient is zero in every element.
    pub zero: Vec<String>,
    /// Parameters with an infinite or not-a-number element in their gradient.
    pub not_finite: Vec<String>,
    /// Where parameters are missing: at which lines a path from the loss to a parameter was cut, by operations without
    /// gradient, and where numbers made from them have left the recording: by [`detach`](crate::Var::to_tensor),
    /// [`value`](crate::Var::value), [`item`](crate::Var::item), [`argmax`](crate::Var::argmax) or
    /// [`top_k`](crate::Var::top_k). Whether any are missing or not: where a gradient was fed back as a constant.
    pub exits: Vec<String>,
}

impl Report {
    /// Returns whether there is nothing to say.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.zero.is_empty() && self.not_finite.is_empty() && self.exits.is_empty()
    }

    /// Turns any finding into an error.
    pub fn strict(&self) -> Result<()> {
        if self.is_clean() { Ok(()) } else { Err(Error::Unreached { report: self.to_string() }) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = [
            ("no gradient", &self.missing),
            ("all zero", &self.zero),
            ("not finite", &self.not_finite),
            ("exit", &self.exits),
        ];
        if self.is_clean() {
            return f.write_str("every parameter has a finite gradient that is not zero everywhere");
        }
        let lines = groups.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what}: {name}")));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
