//! What is made once per recording: a weight's mask or normalization, which every time step then reads.

use crate::{Graph, Param, RowIds, Var, rng_key::KeyCounts, tape::NONE};
use std::{cell::RefMut, panic::Location};

impl<'g> Graph<'g> {
    /// Makes a value at its first use in this recording and returns the same node at every later one, as PyTorch's
    /// `parametrize.cached` does: what a cell derives from a weight (a mask, a norm) costs once, not once per time
    /// step.
    ///
    /// The key is a parameter and a name. Random draws inside `make` are functions of seed, training step and key
    /// alone. They depend neither on the time step, nor on the scope that happens to ask first, nor on how often the
    /// value is made, so a recomputed segment draws them again.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("rnn").add("w", [8, 8], init::orthogonal(1.0));
    /// let graph = Graph::new(&params).training(7, 0);
    /// let mut h = graph.full([1, 8], 0.1);
    /// for t in 0..3 {
    ///     let _step = graph.at_step(t);
    ///     let dropped = graph.cached(w, "dropped", || graph.param(w).dropout(0.5)); // one mask for all steps
    ///     h = h.matmul(dropped).tanh();
    /// }
    /// assert!(h.sum_all().backward()?.of(w).is_some());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn cached(&'g self, param: Param, name: &str, make: impl FnOnce() -> Var<'g>) -> Var<'g> {
        if !self.params.owns(param) {
            return self.param(param); // which names the mistake
        }
        let known = self.cached.borrow().find(param.index, name);
        if let Some(id) = known {
            return Var { graph: self, id };
        }
        let line = Location::caller();
        let outside = Outside::enter(self);
        let var = {
            let _param = self.enter(self.params.name(param), line, false);
            let _name = self.enter(name, line, false);
            make()
        };
        drop(outside);
        if self.usable("cached", &[var], line) {
            self.cached.borrow_mut().0.push((param.index, name.into(), var.id));
            return var;
        }
        self.inert()
    }
}

/// Leaves scope, time step, rows and the count of draws for a while, and restores them when it is dropped.
struct Outside<'a, 'g> {
    graph: &'a Graph<'g>,
    scope: u32,
    step: u32,
    rows: Option<RowIds>,
    key_counts: KeyCounts,
}

impl<'a, 'g> Outside<'a, 'g> {
    fn enter(graph: &'a Graph<'g>) -> Self {
        let (scope, step) = (graph.scope.replace(NONE), graph.step.replace(NONE));
        Outside { graph, scope, step, rows: graph.rows.take(), key_counts: graph.key_counts.take() }
    }
}

impl Drop for Outside<'_, '_> {
    fn drop(&mut self) {
        self.graph.scope.set(self.scope);
        self.graph.step.set(self.step);
        self.graph.rows.replace(self.rows.take());
        let mut drawn: RefMut<'_, KeyCounts> = self.graph.key_counts.borrow_mut();
        *drawn = std::mem::take(&mut self.key_counts);
    }
}
