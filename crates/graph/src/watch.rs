//! Nodes whose gradients are asked for.

use crate::{Gradients, HasGradient, Tensor, Var, element::typed, ops::Same, recording::Recording, tape::NONE};
use std::panic::Location;

impl<'g> Var<'g> {
    /// Asks for the gradient of this node too, not only of parameters. It returns the handle to go on with: a view into
    /// another node, or a parameter, becomes a node of its own, so that its gradient is its own.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![2.0f32]).watch();
    /// let y = (x * x).watch();
    /// let gradients = (y * 3.0).sum_all().backward()?;
    /// assert_eq!((gradients.of(y), gradients.of(x)), (Some(array![3.0f32].into()), Some(array![12.0f32].into())));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn watch(self) -> Var<'g> {
        if self.id == NONE {
            return self;
        }
        let part = typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => {
            tape.root(self.id).0 != self.id || tape.nodes[self.id as usize].name == "param"
        });
        let own = if part { self.map(Same, Location::caller()) } else { self };
        if own.id != NONE {
            typed!(&mut *self.graph.recording.borrow_mut(), Recording { tape, .. } => {
                let node = &mut tape.nodes[own.id as usize];
                (node.watched, node.wants) = (true, true);
            });
        }
        own
    }
}

impl Var<'_> {
    /// Whether a backward pass keeps its gradient: whether it is watched, or a parameter that is not frozen.
    pub(crate) fn is_followed(self) -> bool {
        typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => {
            let node = &tape.nodes[self.id as usize];
            node.watched || (node.name == "param" && node.wants)
        })
    }
}

impl HasGradient for Var<'_> {
    fn find(self, gradients: &Gradients) -> Option<Tensor> {
        let mut watched = gradients.watched.iter().filter(|_| gradients.graph == Some(self.graph.number));
        watched.find(|(id, _)| *id == self.id).map(|(_, tensor)| tensor.clone())
    }
}

impl Gradients {
    /// Returns ‖∂loss/∂v‖ of any node, if its graph [records them](crate::Graph::record_grad_norms) and a gradient
    /// flowed there.
    pub fn norm_at(&self, v: Var<'_>) -> Option<f64> {
        let known = self.graph == Some(v.graph.number);
        self.norms.get(v.id as usize).copied().filter(|norm| known && !norm.is_nan())
    }
}
