//! What an operation is: one small type that says its shape, its value, its gradient and its tangent.
//!
//! The operations of this crate and a user's own go through the same trait, [`Operation`]. An operation is generic over
//! its numbers ([`Element`]), owns all it needs (`'static`), and has one output.

use crate::{Element, Float, GradSink, Shape, View, buffer::Buffer, element::Dual};
use std::sync::atomic::{AtomicBool, Ordering};

/// Holds what an operation may look at when it has run: its inputs, its own output, and what it kept.
///
/// ```
/// use unspool_graph::{Element, Graph, GradSink, Operation, Params, OpContext, Shape, View};
///
/// /// y = eˣ, whose slope is its own value: nothing is kept.
/// struct Exponential;
///
/// impl Operation for Exponential {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "exponential" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
///         y.iter_mut().zip(x[0].data()).for_each(|(y, &x)| *y = x.exp());
///     }
///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
///         into.add(0, ctx.output.data().iter().zip(gradient.data()).map(|(&y, &g)| y * g).collect());
///     }
///     fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, v: &[Option<View<'_, E>>], out: &mut [E]) {
///         let Some(v) = v[0] else { return };
///         (0..out.len()).for_each(|i| out[i] = ctx.output.data()[i] * v.data()[i]);
///     }
/// }
///
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let x = graph.input(vec![0.0f32]).watch();
/// assert_eq!(graph.apply(Exponential, &[x]).sum_all().backward()?.of(x).unwrap().to_f64()[[0]], 1.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Debug)]
pub struct OpContext<'a, E: Element, S> {
    /// The operands' values, in order.
    pub inputs: &'a [View<'a, E>],
    /// The operation's own value.
    pub output: View<'a, E>,
    /// What forward kept.
    pub saved: &'a S,
    /// Set where a tangent is asked of an operation that has no forward mode.
    no_jvp: &'a AtomicBool,
}

/// Defines an operation on tensors that can be recorded: its shape rule, forward, backward and forward-mode derivative.
///
/// More in [chapter 16](https://github.com/unspool/unspool/blob/main/docs/16-own-operation.md) of the tutorial.
///
/// A user's own operation is one type:
///
/// ```
/// use unspool_graph::{Element, Graph, GradSink, Operation, Params, OpContext, Shape, Var, View};
///
/// /// y = x³, elementwise; ∂L/∂x = ∂L/∂y · 3x².
/// struct Cube;
///
/// impl Operation for Cube {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "cube" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
///         for (y, &x) in output.iter_mut().zip(inputs[0].data()) { *y = x * x * x; }
///     }
///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
///         let x = ctx.inputs[0].data();
///         into.add(0, x.iter().zip(gradient.data()).map(|(&x, &g)| g * E::from_f64(3.0) * x * x).collect());
///     }
///     fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
///         let Some(v) = tangents[0] else { return };
///         for ((y, &x), &v) in output.iter_mut().zip(ctx.inputs[0].data()).zip(v.data()) {
///             *y = E::from_f64(3.0) * x * x * v;
///         }
///     }
/// }
///
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let x = graph.input(vec![2.0f32]).watch();
/// let gradients = graph.apply(Cube, &[x]).sum_all().backward()?;
/// assert_eq!(gradients.of(x).unwrap().to_f64()[[0]], 12.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
///
/// For [second derivatives](crate::Var::hessian_vector) nothing is asked of it: they come from `forward` and `backward`
/// in dual numbers, one more [`Element`]. What these compute in `E` is followed; a number that went through
/// [`to_f64`](Element::to_f64) stands still, which [`check::second_order`](crate::check::second_order) finds.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no operation",
    label = "this cannot be recorded",
    note = "an operation is a type that implements `unspool_graph::Operation`: `name`, `shape`, `forward`, `backward`"
)]
pub trait Operation: Send + Sync + 'static {
    /// What forward keeps for backward beside inputs and output; `()` for nothing.
    type Saved<E: Element>: Send + Sync + 'static;

    /// What the operation is called in errors, pictures and profiles.
    fn name(&self) -> &'static str;

    /// The output's shape, or what does not fit and what would: the text follows the operands' shapes in the error.
    fn shape(&self, inputs: &[Shape]) -> std::result::Result<Shape, String>;

    /// Writes every element of `output`, whose contents before are undefined.
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Self::Saved<E>;

    /// The vector–Jacobian product: from ∂L/∂output to each ∂L/∂input, given to [`GradSink`].
    fn backward<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Self::Saved<E>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    );

    /// The Jacobian–vector product: from the inputs' tangents (`None` is zero) to the output's, which comes in as
    /// zeros.
    ///
    /// An operation may leave it out; it then has no forward mode. [`Graph::jvp`](crate::Graph::jvp) refuses it by
    /// name, and a [check](crate::check) holds it against finite differences alone and says so.
    fn jvp<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Self::Saved<E>>,
        tangents: &[Option<View<'_, E>>],
        output: &mut [E],
    ) {
        let _ = (tangents, output);
        ctx.no_jvp.store(true, Ordering::Relaxed);
    }

    /// Whether a gradient passes through. `false` marks a cut, which the report on gradients names.
    fn differentiable(&self) -> bool {
        true
    }
}

/// An operation that has run, as a backward pass needs it: its type and what it kept are erased.
pub(crate) trait Backward<E: Element> {
    fn backward(&self, inputs: &[View<'_, E>], output: View<'_, E>, gradient: View<'_, E>, into: &mut GradSink<'_, E>);
}

/// An operation as a recording stores it.
pub(crate) trait ErasedOperation<E: Float>: Backward<E> + Send + Sync {
    fn differentiable(&self) -> bool;
    /// Runs the same operation again, in dual numbers; what it gives walks back in them.
    fn replay(&self, inputs: &[View<'_, Dual>], output: &mut [Dual]) -> Box<dyn Backward<Dual> + '_>;
    /// Writes the tangent; `false` where the operation has no forward mode.
    fn jvp(&self, inputs: &[View<'_, E>], output: View<'_, E>, tangents: &[Option<View<'_, E>>], out: &mut [E])
    -> bool;
    /// Shows what squashing functions gave inside, if this is a [`Gated`] operation.
    fn gates(&self, _: &[View<'_, E>], _: View<'_, E>, _: &mut Show<'_, E>) {}
    fn saved_bytes(&self) -> usize;
}

/// An operation, and what its forward kept.
pub(crate) struct Kept<O, S> {
    pub(crate) operation: O,
    pub(crate) saved: S,
}

/// An operation that has run again, and what its forward kept then.
struct Again<'a, O, S> {
    operation: &'a O,
    saved: S,
}

impl<O: Operation> Backward<Dual> for Again<'_, O, O::Saved<Dual>> {
    fn backward(
        &self,
        inputs: &[View<'_, Dual>],
        output: View<'_, Dual>,
        gradient: View<'_, Dual>,
        into: &mut GradSink<'_, Dual>,
    ) {
        let no_jvp = &AtomicBool::new(false);
        self.operation.backward(&OpContext { inputs, output, saved: &self.saved, no_jvp }, gradient, into)
    }
}

/// The same for a recording in any precision, so that it is compiled once.
fn replay<'a, O: Operation>(
    operation: &'a O,
    inputs: &[View<'_, Dual>],
    output: &mut [Dual],
) -> Box<dyn Backward<Dual> + 'a> {
    Box::new(Again { operation, saved: operation.forward(inputs, output) })
}

impl<E: Element, O: Operation> Backward<E> for Kept<O, O::Saved<E>> {
    fn backward(&self, inputs: &[View<'_, E>], output: View<'_, E>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let no_jvp = &AtomicBool::new(false);
        self.operation.backward(&OpContext { inputs, output, saved: &self.saved, no_jvp }, gradient, into)
    }
}

impl<E: Float, O: Operation> ErasedOperation<E> for Kept<O, O::Saved<E>> {
    fn differentiable(&self) -> bool {
        self.operation.differentiable()
    }
    fn replay(&self, inputs: &[View<'_, Dual>], output: &mut [Dual]) -> Box<dyn Backward<Dual> + '_> {
        replay(&self.operation, inputs, output)
    }
    fn jvp(
        &self,
        inputs: &[View<'_, E>],
        output: View<'_, E>,
        tangents: &[Option<View<'_, E>>],
        out: &mut [E],
    ) -> bool {
        let no_jvp = AtomicBool::new(false);
        let ctx = OpContext { inputs, output, saved: &self.saved, no_jvp: &no_jvp };
        self.operation.jvp(&ctx, tangents, out);
        !no_jvp.into_inner()
    }
    fn saved_bytes(&self) -> usize {
        let saved: &dyn std::any::Any = &self.saved;
        let elements = saved.downcast_ref::<Buffer<E>>().map_or(0, |v| std::mem::size_of_val(&v[..]));
        let places = saved.downcast_ref::<Vec<u32>>().map_or(0, |v| std::mem::size_of_val(&v[..]));
        std::mem::size_of::<O::Saved<E>>() + elements + places
    }
}

/// Names a squashing function.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let _ = graph.input(vec![9.0f32, 0.0]).sigmoid();
/// assert_eq!(graph.saturation(0.9)[0].gate, "sigmoid");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Between 0 and 1.
    Sigmoid,
    /// Between −1 and 1.
    Tanh,
}

impl Activation {
    /// How far an output has gone from the middle of its range, of 1 at most.
    pub(crate) fn reach(self, y: f64) -> f64 {
        match self {
            Activation::Sigmoid => (2.0 * y - 1.0).abs(),
            Activation::Tanh => y.abs(),
        }
    }
}

/// Takes what a gate's squashing function gave: the gate's name, its function, its elements.
pub type Show<'a, E> = dyn FnMut(&'static str, Activation, &[E]) + 'a;

/// Shows what squashing functions give inside of an operation, for [`Graph::saturation`](crate::Graph::saturation):
/// something for fused cells, which have gates inside. Such an operation is recorded by
/// [`Graph::apply_gated`](crate::Graph::apply_gated).
///
/// ```
/// use unspool_graph::{Activation, Element, Gated, GradSink, Graph, OpContext, Operation, Params, Shape, Show, View};
///
/// /// y = tanh x.
/// struct Squash;
///
/// impl Operation for Squash {
///     type Saved<E: Element> = ();
///     fn name(&self) -> &'static str { "squash" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) {
///         y.iter_mut().zip(x[0].data()).for_each(|(y, &x)| *y = x.tanh());
///     }
///     fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
///         let each = gradient.data().iter().zip(ctx.output.data());
///         into.add(0, each.map(|(&g, &y)| g * (E::ONE - y * y)).collect());
///     }
/// #   fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, v: &[Option<View<'_, E>>], out: &mut [E]) {
/// #       let Some(v) = v[0] else { return };
/// #       let y = ctx.output.data();
/// #       (0..out.len()).for_each(|i| out[i] = (E::ONE - y[i] * y[i]) * v.data()[i]);
/// #   }
/// }
///
/// impl Gated for Squash {
///     fn gates<E: Element>(&self, ctx: &OpContext<'_, E, ()>, show: &mut Show<'_, E>) {
///         show("squash", Activation::Tanh, ctx.output.data());
///     }
/// }
///
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let _y = graph.apply_gated(Squash, &[graph.full([4], 9.0)]);
/// assert_eq!(graph.saturation(0.99)[0].share(), 1.0);
/// ```
pub trait Gated: Operation {
    /// Calls `show` for each gate.
    fn gates<E: Element>(&self, ctx: &OpContext<'_, E, Self::Saved<E>>, show: &mut Show<'_, E>);
}

/// A gated operation, and what its forward kept.
pub(crate) struct KeptGated<O, S>(pub(crate) Kept<O, S>);

impl<E: Float, O: Gated> Backward<E> for KeptGated<O, O::Saved<E>> {
    fn backward(&self, inputs: &[View<'_, E>], output: View<'_, E>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        self.0.backward(inputs, output, gradient, into)
    }
}

impl<E: Float, O: Gated> ErasedOperation<E> for KeptGated<O, O::Saved<E>> {
    fn differentiable(&self) -> bool {
        ErasedOperation::<E>::differentiable(&self.0)
    }
    fn replay(&self, inputs: &[View<'_, Dual>], output: &mut [Dual]) -> Box<dyn Backward<Dual> + '_> {
        replay(&self.0.operation, inputs, output)
    }
    fn jvp(
        &self,
        inputs: &[View<'_, E>],
        output: View<'_, E>,
        tangents: &[Option<View<'_, E>>],
        out: &mut [E],
    ) -> bool {
        self.0.jvp(inputs, output, tangents, out)
    }
    fn gates(&self, inputs: &[View<'_, E>], output: View<'_, E>, show: &mut Show<'_, E>) {
        let no_jvp = &AtomicBool::new(false);
        self.0.operation.gates(&OpContext { inputs, output, saved: &self.0.saved, no_jvp }, show)
    }
    fn saved_bytes(&self) -> usize {
        ErasedOperation::<E>::saved_bytes(&self.0)
    }
}
