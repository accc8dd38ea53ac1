//! Norms of gradients, node by node, and along the states that a recurrence hands from step to step.

use crate::{
    Float, Graph, StateNorms, Var,
    element::typed,
    notes::Carried,
    recording::Recording,
    tape::{NONE, Tape},
};

/// The noted norms in order, a series for each leaf of each recurrence. A step that does not follow the last begins a
/// new series.
pub(crate) fn through_time<E: Float>(graph: &Graph<'_>, tape: &Tape<E>, norms: &[f64]) -> Vec<StateNorms> {
    let mut series: Vec<(u32, StateNorms)> = vec![];
    if norms.is_empty() {
        return vec![];
    }
    for carried in graph.carried.borrow().iter().filter(|c| tape.nodes[c.node as usize].wants) {
        let (leaf, step) = (carried.leaf as usize, carried.step as usize);
        let norm = norms.get(carried.node as usize).copied().filter(|norm| !norm.is_nan()).unwrap_or(0.0);
        let open = series.iter_mut().rev().find(|(scope, s)| *scope == carried.scope && s.leaf == leaf);
        match open {
            Some((_, s)) if s.norms.last().is_some_and(|&(last, _)| last < step) => s.norms.push((step, norm)),
            _ => {
                let scope = graph.place_of(tape.nodes[carried.node as usize].mark.in_scope(carried.scope)).scope;
                series.push((carried.scope, StateNorms { scope, leaf, norms: vec![(step, norm)] }));
            }
        }
    }
    series.into_iter().map(|(_, s)| s).collect()
}

impl Graph<'_> {
    /// Notes what a recurrence hands from the present time step to the next, the leaves of its state in their order:
    /// for pictures, and for gradients [through time](crate::Gradients::through_time). A leaf that no operation of this
    /// step made is passed over.
    ///
    /// `unspool_nn::unroll` does this for every cell; a loop of your own calls it after [`at_step`](Graph::at_step) and
    /// its step.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let graph = graph.record_grad_norms();
    /// let _scope = graph.scope("rnn");
    /// let mut h = graph.full([1, 2], 1.0).watch();
    /// for t in 0..3 {
    ///     let _step = graph.at_step(t);
    ///     h = h * 0.5;
    ///     graph.carry(&[h]);
    /// }
    /// let gradients = h.sum_all().backward()?;
    /// assert_eq!(gradients.through_time()[0].norms.len(), 3);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn carry(&self, state: &[Var<'_>]) {
        let (scope, step) = (self.scope.get(), self.step.get());
        typed!(&*self.recording.borrow(), Recording { tape, .. } => {
            for (leaf, var) in state.iter().enumerate() {
                let made_here = tape.nodes.get(var.id as usize).is_some_and(|node| node.mark.step == step);
                if made_here && step != NONE && std::ptr::addr_eq(var.graph, self) {
                    self.carried.borrow_mut().push(Carried { scope, step, leaf: leaf as u32, node: var.id });
                }
            }
        });
    }
}
