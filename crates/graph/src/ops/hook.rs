//! A look at a node's gradient on its way back, or a change of it.

use crate::{Element, Elements, GradSink, OpContext, Operation, Shape, Var, View};
use std::panic::Location;

/// What a hook does with a gradient.
type Hook = Box<dyn Fn(Elements<'_>) + Send + Sync>;

/// y = x;  ∂L/∂x = hook(∂L/∂y)
struct Hooked(Hook);

impl Operation for Hooked {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "hook"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.copy_from_slice(inputs[0].data());
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let mut changed = into.buffer(gradient.data().len());
        changed.copy_from_slice(gradient.data());
        match E::as_float(&mut changed) {
            Some(elements) => (self.0)(Elements::of(elements)),
            // Of a dual gradient a hook sees the gradient. What it makes of it has no derivative that one knows.
            None => {
                let before: Vec<f64> = gradient.data().iter().map(|g| g.to_f64()).collect();
                let mut after = before.clone();
                (self.0)(Elements::F64(&mut after));
                into.changed |= before.iter().zip(&after).any(|(before, after)| before.to_bits() != after.to_bits());
            }
        }
        into.add_slice(0, &changed);
    }
    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            output.copy_from_slice(v.data());
        }
    }
}

impl<'g> Var<'g> {
    /// Returns the same value as a node whose gradient `hook` sees, and may change, before it flows on to what the
    /// value was made from (PyTorch's `register_hook`). What is made from the returned node passes through the hook,
    /// and nothing else.
    ///
    /// In a [second derivative](Var::hessian_vector) a hook may look, but not change anything.
    ///
    /// A gradient whose sign is reversed, as in domain-adversarial training (Ganin and others 2016):
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Elements, Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0]).watch();
    /// let reversed = x.on_gradient(|gradient| match gradient {
    ///     Elements::F32(g) => g.iter_mut().for_each(|g| *g = -*g),
    ///     Elements::F64(g) => g.iter_mut().for_each(|g| *g = -*g),
    /// });
    /// let gradients = (reversed * 3.0).sum_all().backward()?;
    /// assert_eq!(gradients.of(x).unwrap(), array![-3.0f32, -3.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn on_gradient(self, hook: impl Fn(Elements<'_>) + Send + Sync + 'static) -> Var<'g> {
        self.hooked(Box::new(hook), Location::caller())
    }

    fn hooked(self, hook: Hook, line: &'static Location<'static>) -> Var<'g> {
        self.graph.apply_at(Hooked(hook), &[self], line)
    }
}
