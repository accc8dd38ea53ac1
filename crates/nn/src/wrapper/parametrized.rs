//! Cells whose weights are made of other weights: what all wrappers of that kind share.

use crate::Cell;
use unspool_graph::{Graph, Param, Var};

/// A cell of which some parameters are replaced by what is made of them once per recording.
pub(crate) trait Parametrized {
    type Cell: Cell;
    fn cell(&self) -> &Self::Cell;
    /// What replaces parameters, the same nodes at every call within one recording.
    fn values<'g>(&self, graph: &'g Graph<'g>) -> Vec<(Param, Var<'g>)>;
}

/// Makes a [`Parametrized`] struct a [`Cell`]: its own cell, with the replaced parameters.
macro_rules! cell {
    ($name:ident) => {
        impl<C: Cell> Cell for $name<C> {
            type State<'g> = C::State<'g>;

            fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
                graph.with_parametrization(&self.values(graph), || self.cell().initial_state(graph, batch))
            }

            fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
                let graph = x.graph();
                graph.with_parametrization(&self.values(graph), || self.cell().step(x, state))
            }

            fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
                let graph = xs.graph();
                graph.with_parametrization(&self.values(graph), || self.cell().project(xs))
            }

            fn step_projected<'g>(
                &self,
                x: Var<'g>,
                projected: Var<'g>,
                state: C::State<'g>,
            ) -> (Var<'g>, C::State<'g>) {
                let graph = x.graph();
                graph.with_parametrization(&self.values(graph), || self.cell().step_projected(x, projected, state))
            }

            fn scan<'g>(&self, xs: &Sequence<'g>, state: &C::State<'g>) -> Option<(Sequence<'g>, C::State<'g>)> {
                let graph = xs.graph();
                graph.with_parametrization(&self.values(graph), || self.cell().scan(xs, state))
            }
        }
    };
}
pub(crate) use cell;
