//! What the cells with a complex, diagonal state have in common: the maps into the state, out of it, and past it.
//!
//! A complex vector is one vector, its real parts first.

use super::parts::in_each_row;
use crate::{Sequence, scan::linear_recurrence_complex, sizes::uniform_bound};
use unspool_graph::{Graph, Param, Scope, Var, init};

/// s' = λ ∘ s + v,  y = `scale` · Re(C s') + D u, where v is made of B u. D is a vector where outputs have the size of
/// the inputs, and a matrix where they have another.
///
/// Parameters `b_re`, `b_im` `[state, input]`, `c_re`, `c_im` `[output, state]`, and `d`.
#[derive(Clone, Copy, Debug)]
pub(super) struct StateSpace {
    b: [Param; 2],
    c: [Param; 2],
    scale: f64,
    d: Param,
    d_is_matrix: bool,
    size: usize,
}

impl StateSpace {
    /// B and C are normal at first, with these deviations.
    pub(super) fn new(
        scope: &mut Scope<'_>,
        [input, size, output]: [usize; 3],
        [of_b, of_c]: [f64; 2],
        scale: f64,
    ) -> StateSpace {
        let b = ["b_re", "b_im"].map(|name| scope.add(name, [size, input], init::normal(of_b)));
        let c = ["c_re", "c_im"].map(|name| scope.add(name, [output, size], init::normal(of_c)));
        let d_is_matrix = input != output;
        let d = match d_is_matrix {
            false => scope.add("d", [output], init::normal(1.0)),
            true => scope.add("d", [output, input], init::normal(uniform_bound(input))),
        };
        StateSpace { b, c, scale, d, d_is_matrix, size }
    }

    /// A state of zeros, `[batch, 2 · state]`.
    #[track_caller]
    pub(super) fn zeros<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.size.saturating_mul(2)])
    }

    /// B u: `[rows, input] -> [rows, 2 · state]`.
    #[track_caller]
    pub(super) fn of_input<'g>(&self, u: Var<'g>) -> Var<'g> {
        let graph = u.graph();
        let b = graph.cached(self.b[0], "b", || graph.concat(&self.b.map(|part| graph.param(part)), 0));
        u.linear(b, None::<Param>)
    }

    #[track_caller]
    fn output<'g>(&self, s: Var<'g>, u: Var<'g>) -> Var<'g> {
        let graph = u.graph();
        let c = graph.cached(self.c[0], "c", || {
            let [re, im] = self.c.map(|part| graph.param(part));
            let c = graph.concat(&[re, -im], 1);
            if self.scale == 1.0 { c } else { c * self.scale }
        });
        let past = if self.d_is_matrix { u.linear(self.d, None::<Param>) } else { u * self.d };
        s.linear(c, None::<Param>) + past
    }

    /// One step, with λ `[2 · state]` and v `[batch, 2 · state]`.
    #[track_caller]
    pub(super) fn step<'g>(&self, lambda: Var<'g>, v: Var<'g>, u: Var<'g>, s: Var<'g>) -> (Var<'g>, Var<'g>) {
        let s = multiply_complex(lambda, s) + v;
        (self.output(s, u), s)
    }

    /// All steps at once, with v for the rows of all of them.
    #[track_caller]
    pub(super) fn scan<'g>(
        &self,
        lambda: Var<'g>,
        v: Var<'g>,
        us: &Sequence<'g>,
        s: Var<'g>,
    ) -> (Sequence<'g>, Var<'g>) {
        let lambda = us.map(|u| in_each_row(lambda, u));
        let (states, last) = linear_recurrence_complex(&lambda, &us.map(|_| v), s);
        (states.zip(us, |s, u| self.output(s, u)), last)
    }
}

/// The product of complex numbers.
#[track_caller]
pub(super) fn multiply_complex<'g>(x: Var<'g>, y: Var<'g>) -> Var<'g> {
    let [[x_re, x_im], [y_re, y_im]] = [x, y].map(|z| z.chunk::<2>(-1));
    x.graph().concat(&[x_re * y_re - x_im * y_im, x_re * y_im + x_im * y_re], -1)
}
