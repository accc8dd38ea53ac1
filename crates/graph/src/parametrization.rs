//! Other values in the place of parameters, for the duration of a call.

use crate::{Graph, Param, Var, notes::Replacement};

impl<'g> Graph<'g> {
    /// Runs `run` with other values in the place of parameters, as PyTorch's `torch.func.functional_call` does: every
    /// use of such a [`Param`] inside gives the node that stands for it. Layers and cells need not know of it.
    ///
    /// Gradients go through the replacing nodes to whatever they were made from. Calls may be nested; the innermost
    /// replacement counts.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("layer").add("w", [2, 2], init::identity());
    /// let graph = Graph::new(&params);
    /// let x = graph.full([1, 2], 1.0);
    /// let doubled = graph.param(w) * 2.0;
    /// let y = graph.with_parametrization(&[(w, doubled)], || x.matmul(w)); // a layer that reads `w`
    /// assert_eq!(y.sum_all().item()?, 4.0);
    /// assert_eq!(y.sum_all().backward()?.of(w).unwrap().to_f64()[[0, 0]], 2.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// Kept in the graph: a value of another shape than its parameter, or of another graph.
    #[track_caller]
    pub fn with_parametrization<R>(&'g self, values: &[(Param, Var<'g>)], run: impl FnOnce() -> R) -> R {
        let before = self.replaced.borrow().len();
        for &(param, value) in values {
            if let (true, Some(shape)) = (self.params.owns(param), value.known_shape()) {
                let expected = self.params.shape(param);
                if shape != expected {
                    let name = self.params.name(param);
                    let why = format!("{shape} cannot stand in the place of {name}, whose shape is {expected}");
                    self.fail(self.error("with_parametrization", why));
                }
            }
            self.usable("with_parametrization", &[value], std::panic::Location::caller());
            self.replaced.borrow_mut().push(Replacement { param: param.index, node: value.id });
        }
        let restore = Restore(self, before);
        let result = run();
        drop(restore);
        result
    }

    /// The node that replaces a parameter, if one does.
    pub(crate) fn replacement(&self, param: Param) -> Option<u32> {
        self.replaced.borrow().iter().rev().find(|all| all.param == param.index).map(|found| found.node)
    }
}

/// Ends the replacements from `1` on, also where `run` panics.
struct Restore<'a, 'g>(&'a Graph<'g>, usize);

impl Drop for Restore<'_, '_> {
    fn drop(&mut self) {
        self.0.replaced.borrow_mut().truncate(self.1);
    }
}
