//! Where in a model something is recorded: named scopes, and the lines that opened them.

use crate::{
    Graph,
    error::Place,
    scopes::{Nested, ScopeNote},
    tape::{Mark, NONE},
};
use std::{cell::Cell, panic::Location};

impl Graph<'_> {
    /// Names the part of the model that is recorded while the returned guard lives.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let decoder = graph.scope("decoder");
    /// let inside = graph.zeros([1]);
    /// drop(decoder);
    /// assert_eq!((inside.place().scope.as_str(), graph.zeros([1]).place().scope.as_str()), ("decoder", ""));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn scope(&self, name: &str) -> ScopeGuard<'_> {
        self.enter(name, Location::caller(), false)
    }

    /// Names a layer's part of the model: the scope holds its caller's line, which an error inside then shows first.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let _attention = graph.layer("attention");
    /// let wrong = graph.zeros([2]) + graph.zeros([3]);
    /// assert!(wrong.value().unwrap_err().to_string().contains("in attention ("));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn layer(&self, name: &str) -> ScopeGuard<'_> {
        self.enter(name, Location::caller(), true)
    }

    pub(crate) fn enter(&self, name: &str, line: &'static Location<'static>, layer: bool) -> ScopeGuard<'_> {
        let (before, scopes) = (self.scope.get(), &mut *self.scopes.borrow_mut());
        let known = scopes.known.entry((before, std::ptr::from_ref(line) as usize)).or_default();
        let id = known.get(name).copied().unwrap_or_else(|| {
            let id = scopes.all.len() as u32;
            scopes.all.push(ScopeNote { parent: before, name: name.to_string(), line, layer });
            known.insert(name.to_string(), id);
            id
        });
        self.scope.set(id);
        let token = self.open_scopes.open((before, self.step.get()));
        ScopeGuard { open: &self.open_scopes, scope: &self.scope, step: &self.step, token }
    }

    pub(crate) fn mark(&self, line: &'static Location<'static>) -> Mark {
        Mark { scope: self.scope.get(), step: self.step.get(), line }
    }

    /// The place that a mark stands for.
    pub(crate) fn place_of(&self, mark: Mark) -> Place {
        let scopes = self.scopes.borrow();
        let (mut names, mut at, mut outer) = (vec![], mark.scope, None);
        while at != NONE {
            let note = &scopes.all[at as usize];
            names.push(note.name.as_str());
            if note.layer {
                outer = Some(note.line);
            }
            at = note.parent;
        }
        names.reverse();
        let step = (mark.step != NONE).then_some(mark.step as usize);
        let inner = outer.map(|_| mark.line);
        Place { line: outer.unwrap_or(mark.line), inner, scope: names.join("/"), step }
    }

    /// Returns the place where the caller of this stands, for errors of layers.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let _scope = graph.scope("decoder");
    /// assert!(graph.place().to_string().ends_with(", in decoder"));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn place(&self) -> Place {
        self.place_of(self.mark(Location::caller()))
    }
}

/// Ends a scope when it is dropped, and with it the scopes inside of it that are still open.
///
/// ```
/// use unspool_graph::{Graph, Params, ScopeGuard};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let inside: ScopeGuard<'_> = graph.scope("encoder");
/// assert_eq!(graph.place().scope, "encoder");
/// drop(inside);
/// assert_eq!(graph.place().scope, "");
/// ```
#[must_use = "the scope ends when this is dropped"]
#[derive(Debug)]
pub struct ScopeGuard<'a> {
    open: &'a Nested<(u32, u32)>,
    scope: &'a Cell<u32>,
    step: &'a Cell<u32>,
    token: u64,
}

impl Drop for ScopeGuard<'_> {
    fn drop(&mut self) {
        if let Some((scope, step)) = self.open.close(self.token) {
            self.scope.set(scope);
            self.step.set(step);
        }
    }
}
