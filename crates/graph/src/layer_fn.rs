//! Layers that stop at their first error with `?`, while their callers need no `?`.

use crate::{Graph, Result, Var};
use std::panic::Location;

impl<'g> Graph<'g> {
    /// Runs the body of a layer, in which `?` ends it: an error becomes the graph's, and the layer gives
    /// [`inert`](Graph::inert).
    ///
    /// The body's scope has the given name and the caller's line, as with [`layer`](Graph::layer).
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, Var};
    /// /// The first half of each row.
    /// #[track_caller]
    /// fn half<'g>(x: Var<'g>) -> Var<'g> {
    ///     x.graph().layer_fn("half", |graph| {
    ///         let width = x.shape()?.last_axis();
    ///         if width % 2 == 1 {
    ///             return Err(graph.error("half", format!("{width} elements have no half")));
    ///         }
    ///         Ok(x.slice(-1, 0..width / 2))
    ///     })
    /// }
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// assert_eq!(*half(graph.zeros([1, 4])).shape()?, [1, 2]);
    /// let error = half(graph.zeros([1, 3])).value().unwrap_err();
    /// assert!(error.to_string().starts_with("half: 3 elements have no half"));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn layer_fn(&'g self, name: &str, body: impl FnOnce(&'g Graph<'g>) -> Result<Var<'g>>) -> Var<'g> {
        let _scope = self.enter(name, Location::caller(), true);
        body(self).unwrap_or_else(|error| {
            self.fail(error);
            self.inert()
        })
    }
}
