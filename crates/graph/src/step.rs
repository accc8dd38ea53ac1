//! The time step of a recurrence: which one it is, and what it reads beside its input.

use crate::{Error, Graph, Var, notes::StepInput, tape::NONE};
use std::{
    cell::{Cell, RefCell},
    panic::Location,
};

impl<'g> Graph<'g> {
    /// Marks what is recorded while the returned guard lives as time step `step` of a recurrence: in errors, pictures
    /// and random draws. `unspool_nn::unroll` does so at each step; a loop of your own does it as well.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// for t in 0..3 {
    ///     let _step = graph.at_step(t);
    ///     assert_eq!(graph.zeros([1]).place().step, Some(t));
    /// }
    /// assert_eq!(graph.place().step, None);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn at_step(&self, step: usize) -> StepGuard<'_> {
        StepGuard { step: &self.step, before: self.step.replace(step as u32) }
    }

    /// Returns the present time step, counted from 0 in the order of reading, for a cell that depends on it.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let _step = graph.at_step(5);
    /// assert_eq!(graph.time_step(), 5);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// Kept in the graph: outside of a recurrence there is no time step; it is 0 then.
    #[track_caller]
    pub fn time_step(&self) -> usize {
        match self.step.get() {
            NONE => {
                let why = "there is no time step here: open one with `let _step = graph.at_step(t);`";
                self.fail(self.error("time_step", why));
                0
            }
            step => step as usize,
        }
    }

    /// Provides a second input of a step under a name, while the returned guard lives: a time gap, a mask, whatever a
    /// cell reads beside its input. The rows are those of the step's input. A sequence does this at each step of an
    /// unrolling for what it carries beside its rows.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let gap = graph.full([2, 1], 0.5); // [batch, 1]
    /// let _gap = graph.provide("gap", gap);
    /// assert!(graph.step_input("gap").same_node(gap));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn provide(&self, name: &str, var: Var<'_>) -> ProvideGuard<'_> {
        self.usable("provide", &[var], Location::caller());
        let before = self.step_inputs.borrow().len();
        self.step_inputs.borrow_mut().push(StepInput { name: name.into(), node: var.id });
        ProvideGuard { inputs: &self.step_inputs, before }
    }

    /// Returns the present step's second input of this name, the one [provided](Graph::provide) last.
    ///
    /// # Errors
    /// Kept in the graph: no input of this name.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let nothing = graph.step_input("gap");
    /// assert!(nothing.value().unwrap_err().to_string().contains("no input named \"gap\""));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn step_input(&'g self, name: &str) -> Var<'g> {
        let found = self.step_inputs.borrow().iter().rev().find(|input| input.name == name).map(|input| input.node);
        match found {
            Some(id) => Var { graph: self, id },
            None => {
                let why = format!(
                    "this step has no input named {name:?}: unroll a sequence that carries one, or open one with \
                     `let _input = graph.provide({name:?}, var);`"
                );
                self.fail(self.error("step_input", why));
                self.inert()
            }
        }
    }

    /// Makes an error of this operation at the caller's line, for layers that refuse an argument.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let error = graph.error("halves", "the last axis has no half");
    /// assert!(error.to_string().starts_with("halves: the last axis has no half (at "));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn error(&self, operation: &'static str, why: impl Into<String>) -> Error {
        Error::Argument { operation, why: why.into(), at: self.place_of(self.mark(Location::caller())) }
    }
}

/// Ends a time step when it is dropped.
///
/// ```
/// use unspool_graph::{Graph, Params, StepGuard};
/// let params = Params::seeded(1);
/// let graph = Graph::new(&params);
/// let step: StepGuard<'_> = graph.at_step(2);
/// drop(step);
/// assert_eq!(graph.place().step, None);
/// ```
#[must_use = "the time step ends when this is dropped"]
#[derive(Debug)]
pub struct StepGuard<'a> {
    step: &'a Cell<u32>,
    before: u32,
}

impl Drop for StepGuard<'_> {
    fn drop(&mut self) {
        self.step.set(self.before);
    }
}

/// Takes a step's second input back when it is dropped.
///
/// ```
/// use unspool_graph::{Graph, Params, ProvideGuard};
/// let params = Params::seeded(1);
/// let graph = Graph::new(&params);
/// let gap: ProvideGuard<'_> = graph.provide("gap", graph.zeros([1, 1]));
/// drop(gap);
/// assert!(graph.step_input("gap").value().is_err());
/// ```
#[must_use = "the input is gone when this is dropped"]
#[derive(Debug)]
pub struct ProvideGuard<'a> {
    inputs: &'a RefCell<Vec<StepInput>>,
    before: usize,
}

impl Drop for ProvideGuard<'_> {
    fn drop(&mut self) {
        self.inputs.borrow_mut().truncate(self.before);
    }
}
