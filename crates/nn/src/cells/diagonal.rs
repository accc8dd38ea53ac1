//! What the cells have in common whose step is h' = a ∘ h + b, with coefficients that the input alone decides.

use unspool_graph::Var;

/// The equations of such a cell. [`diagonal_cell!`] makes a [`Cell`](crate::Cell) of them.
pub(super) trait Diagonal {
    fn hidden_size(&self) -> usize;

    /// a and b, for any number of rows.
    fn coefficients<'g>(&self, x: Var<'g>) -> (Var<'g>, Var<'g>);

    /// Whether row r of every parameter that the coefficients read is read by unit r mod n alone.
    fn is_by_unit(&self) -> bool {
        true
    }

    /// What a step returns, from the new state and the input.
    fn output<'g>(&self, h: Var<'g>, _x: Var<'g>) -> Var<'g> {
        h
    }
}

/// Implements [`Cell`](crate::Cell), with a scan, for a type that is [`Diagonal`]. One implementation for all such
/// types would do the same, but then the compiler's hints about a user's own cell would speak of `Diagonal`.
macro_rules! diagonal_cell {
    ($type:ident) => {
        const _: () = {
            use crate::{Cell, Sequence, scan::linear_recurrence};
            use unspool_graph::{Graph, Var};

            impl Cell for $type {
                type State<'g> = Var<'g>;

                fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
                    graph.zeros([batch, self.hidden_size()])
                }

                fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
                    let (a, b) = self.coefficients(x);
                    let h = a * h + b;
                    (self.output(h, x), h)
                }

                fn is_diagonal(&self) -> bool {
                    self.is_by_unit()
                }

                fn scan<'g>(&self, xs: &Sequence<'g>, h: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
                    let (a, b) = self.coefficients(xs.rows());
                    let (hs, last) = linear_recurrence(&xs.map(|_| a), &xs.map(|_| b), *h);
                    Some((hs.zip(xs, |h, x| self.output(h, x)), last))
                }
            }
        };
    };
}

pub(super) use diagonal_cell;
