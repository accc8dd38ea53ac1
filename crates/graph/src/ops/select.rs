//! Comparisons, and choosing between two tensors by a mask.

use super::elementwise::{Binary, Zip};
use crate::{Element, GradSink, OpContext, Operand, Operation, Shape, Var, View};
use std::panic::Location;

/// Declares a comparison of two elements.
macro_rules! comparison {
    ($name:ident, $label:literal, |$a:ident, $b:ident| $holds:expr) => {
        struct $name;
        impl $name {
            /// Records it, compiled here once: see `binary!`.
            fn record<'g>(a: Var<'g>, b: Var<'g>, line: &'static Location<'static>) -> Var<'g> {
                let plan = |shapes: &[Shape]| Ok(Comparison(Zip::plan($name, shapes)?));
                a.graph.apply_planned($name::NAME, &[a, b], line, plan)
            }
        }
        impl Binary for $name {
            const NAME: &'static str = $label;
            #[inline(always)]
            fn value<E: Element>(&self, $a: E, $b: E) -> E {
                if $holds { E::ONE } else { E::ZERO }
            }
            fn by_first<E: Element>(&self, _: E, _: E, _: E) -> E {
                E::ZERO
            }
            fn by_second<E: Element>(&self, _: E, _: E, _: E) -> E {
                E::ZERO
            }
        }
    };
}

comparison!(Greater, "gt", |a, b| a > b);
comparison!(Less, "lt", |a, b| a < b);
comparison!(Equal, "eq", |a, b| a == b);
comparison!(AtLeast, "ge", |a, b| a >= b);
comparison!(AtMost, "le", |a, b| a <= b);
comparison!(Unequal, "ne", |a, b| a != b);

/// A comparison: its value is 1 or 0, and no gradient passes through it.
struct Comparison<B>(Zip<B>);

impl<B: Binary> Operation for Comparison<B> {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        B::NAME
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        self.0.shape(inputs)
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        self.0.forward(inputs, output)
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, _: View<'_, E>, _: &mut GradSink<'_, E>) {}
    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, _: &[Option<View<'_, E>>], _: &mut [E]) {}
    fn differentiable(&self) -> bool {
        false
    }
}

/// y = a where the mask is not 0, else b. What is not chosen does not count, be it infinite or not a number.
struct Where;

impl Operation for Where {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "where"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let fits = inputs[0] == inputs[1] && inputs[1] == inputs[2];
        if fits { Ok(inputs[0]) } else { Err("must be of one shape: mask, then, otherwise".into()) }
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let (mask, a, b) = (inputs[0].data(), inputs[1].data(), inputs[2].data());
        for (i, y) in output.iter_mut().enumerate() {
            *y = if mask[i] != E::ZERO { a[i] } else { b[i] };
        }
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (mask, g) = (ctx.inputs[0].data(), gradient.data());
        for (operand, chosen) in [(1, true), (2, false)] {
            into.accumulate(operand, |slot| {
                for (i, slot) in slot.iter_mut().enumerate() {
                    if (mask[i] != E::ZERO) == chosen {
                        *slot += g[i];
                    }
                }
            });
        }
        // The mask is a choice, not a quantity: nothing flows to it.
        into.accumulate(0, |_| {});
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let mask = ctx.inputs[0].data();
        for (i, y) in output.iter_mut().enumerate() {
            let chosen = if mask[i] != E::ZERO { tangents[1] } else { tangents[2] };
            *y = chosen.map_or(E::ZERO, |v| v.data()[i]);
        }
    }
}

impl<'g> Var<'g> {
    /// Returns 1 where this is greater, else 0. No gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.gt(2.0).value()?, array![0.0f32, 0.0, 1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn gt(self, other: impl Operand<'g>) -> Var<'g> {
        Greater::record(self, other.on(self.graph), Location::caller())
    }
    /// Returns 1 where this is less, else 0. No gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.lt(2.0).value()?, array![1.0f32, 0.0, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn lt(self, other: impl Operand<'g>) -> Var<'g> {
        Less::record(self, other.on(self.graph), Location::caller())
    }
    /// Returns 1 where both are equal, else 0. No gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.eq(2.0).value()?, array![0.0f32, 1.0, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn eq(self, other: impl Operand<'g>) -> Var<'g> {
        Equal::record(self, other.on(self.graph), Location::caller())
    }
    /// Returns 1 where this is greater or equal, else 0. No gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.ge(2.0).value()?, array![0.0f32, 1.0, 1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn ge(self, other: impl Operand<'g>) -> Var<'g> {
        AtLeast::record(self, other.on(self.graph), Location::caller())
    }
    /// Returns 1 where this is less or equal, else 0. No gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.le(2.0).value()?, array![1.0f32, 1.0, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn le(self, other: impl Operand<'g>) -> Var<'g> {
        AtMost::record(self, other.on(self.graph), Location::caller())
    }
    /// Returns 1 where the two differ, else 0. No gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0, 3.0]);
    /// assert_eq!(x.ne(2.0).value()?, array![1.0f32, 0.0, 1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn ne(self, other: impl Operand<'g>) -> Var<'g> {
        Unequal::record(self, other.on(self.graph), Location::caller())
    }
    /// Chooses by this as the mask: `then` where it is not 0, else `otherwise`. Numbers and broadcasting are welcome.
    /// What is not chosen gets no gradient and does no harm, even where it is not finite.
    ///
    /// An operation in front is another matter: the root of −1 would get the gradient 0 and hand on 0 times a
    /// derivative that is no number. So one chooses before the root too:
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![4.0f32, -1.0]).watch();
    /// let positive = x.gt(0.0);
    /// let root = positive.where_(positive.where_(x, 1.0).sqrt(), 0.0);
    /// assert_eq!(root.value()?, array![2.0f32, 0.0].into());
    /// assert_eq!(root.sum_all().backward()?.of(x).unwrap(), array![0.25f32, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn where_(self, then: impl Operand<'g>, otherwise: impl Operand<'g>) -> Var<'g> {
        self.choose(then.on(self.graph), otherwise.on(self.graph), Location::caller())
    }

    fn choose(self, a: Var<'g>, b: Var<'g>, line: &'static Location<'static>) -> Var<'g> {
        let (Some(m), Some(x), Some(y)) = (self.known_shape(), a.known_shape(), b.known_shape()) else {
            return self.graph.inert();
        };
        let wide = m.broadcast(&x).and_then(|s| s.broadcast(&y));
        let Some(wide) = wide else {
            return self.refuse("where", format!("mask {m}, then {x} and otherwise {y} do not broadcast"), line);
        };
        let fit = |v: Var<'g>| v.expand_at(&wide, line);
        self.graph.apply_at(Where, &[fit(self), fit(a), fit(b)], line)
    }
}
