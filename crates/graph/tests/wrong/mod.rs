//! An operation that is wrong where it is asked to be, for tests of what finds it.

use unspool_graph::{Element, GradSink, OpContext, Operation, Shape, View};

/// x, with factors on its gradient and its tangent; right ones are 1.
pub(crate) struct Wrong {
    pub(crate) backward: f64,
    pub(crate) tangent: f64,
}

impl Operation for Wrong {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.copy_from_slice(inputs[0].data());
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        into.add(0, gradient.data().iter().map(|&g| g * E::from_f64(self.backward)).collect());
    }
    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        output.iter_mut().zip(v.data()).for_each(|(y, &v)| *y = v * E::from_f64(self.tangent));
    }
}
