//! Recording: an operation runs at once, and a node for it is written down.

use crate::{
    Element, Error, Graph, Operation, Shape, Var, View,
    element::typed,
    look::Walk,
    operation::{Kept, Recorded},
    tape::{NONE, Node, Operands, Tape, Value},
};
use std::panic::Location;

impl<'g> Graph<'g> {
    /// Runs an operation and records it: a user's own go through here, as this crate's do.
    #[track_caller]
    pub fn apply<O: Operation>(&'g self, operation: O, inputs: &[Var<'g>]) -> Var<'g> {
        self.apply_at(operation, inputs, Location::caller())
    }

    pub(crate) fn apply_at<O: Operation>(
        &'g self,
        operation: O,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
    ) -> Var<'g> {
        if !self.usable(operation.name(), inputs, line) {
            return self.inert();
        }
        typed!(&mut *self.tape.borrow_mut(), tape => self.run(tape, operation, inputs, line))
    }

    /// Whether all operands are live nodes of this graph; if one is of another graph, that becomes the error.
    pub(crate) fn usable(&self, operation: &'static str, inputs: &[Var<'_>], line: &'static Location<'static>) -> bool {
        if inputs.iter().any(|v| !std::ptr::addr_eq(v.graph, self)) {
            self.fail(Error::ForeignGraph { operation, at: self.place_of(self.mark(line)) });
        }
        !self.failed() && inputs.iter().all(|v| v.id != NONE)
    }

    fn run<E: Element, O: Operation>(
        &'g self,
        tape: &mut Tape<E>,
        operation: O,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
    ) -> Var<'g> {
        let began = self.clock.as_ref().map(|_| std::time::Instant::now());
        let pool = tape.pool.clone();
        let outcome = with_views(
            inputs.len(),
            |i| tape.view(self.params, inputs[i].id),
            |views| {
                let shape = with_shapes(views, |shapes| operation.shape(shapes))?;
                let possible = shape
                    .if_possible()
                    .ok_or_else(|| format!("would give {shape}, which is more than a tensor can have"))?;
                let mut output = pool.try_take(possible.elements())?;
                let saved = operation.forward(views, &mut output);
                Ok((shape, output, saved))
            },
        );
        let (shape, output, saved) = match outcome {
            Ok(done) => done,
            Err(why) => {
                let shapes = inputs.iter().map(|v| tape.nodes[v.id as usize].shape).collect();
                let at = self.place_of(self.mark(line));
                self.fail(Error::Shape { operation: operation.name(), shapes, why, at });
                return self.inert();
            }
        };
        let wants = operation.differentiable() && inputs.iter().any(|v| tape.nodes[v.id as usize].wants);
        let name = operation.name();
        let id = tape.push(Node {
            value: Value::Own(output),
            shape,
            operands: if self.keeps_graph {
                Operands::new(inputs.iter().map(|v| v.id))
            } else {
                Operands::Few(0, [NONE; 3])
            },
            operation: if self.keeps_graph {
                Some(Recorded::Operation(Box::new(Kept { operation, saved })))
            } else {
                None
            },
            mark: self.mark(line),
            wants,
            watched: false,
            packs: Default::default(),
            name,
        });
        if let (Some(clock), Some(began)) = (&self.clock, began) {
            clock.borrow_mut().add(id, Walk::Forward, began);
        }
        if self.detects_anomalies {
            crate::diagnose::check_value(self, tape, id);
        }
        Var { graph: self, id }
    }

    /// Records a part of a node, without copying: `shape` elements from `offset` on.
    pub(crate) fn view(
        &'g self,
        of: Var<'g>,
        offset: usize,
        shape: Shape,
        name: &'static str,
        line: &'static Location<'static>,
    ) -> Var<'g> {
        typed!(&mut *self.tape.borrow_mut(), tape => {
            let (root, base) = tape.root(of.id);
            let wants = tape.nodes[of.id as usize].wants;
            let id = tape.push(Node {
                value: Value::View { root, offset: base + offset },
                shape,
                operands: Operands::new([of.id].into_iter()),
                operation: None,
                mark: self.mark(line),
                wants,
                watched: false,
                packs: Default::default(),
                name,
            });
            Var { graph: self, id }
        })
    }
}

/// Calls `f` with the views of `n` operands, without an allocation where they are few.
#[inline]
pub(crate) fn with_views<'a, E: Element, R>(
    n: usize,
    view: impl Fn(usize) -> View<'a, E>,
    f: impl FnOnce(&[View<'a, E>]) -> R,
) -> R {
    match n {
        0 => f(&[]),
        1 => f(&[view(0)]),
        2 => f(&[view(0), view(1)]),
        3 => f(&[view(0), view(1), view(2)]),
        _ => f(&(0..n).map(view).collect::<Vec<_>>()),
    }
}

fn with_shapes<E: Element, R>(views: &[View<'_, E>], f: impl FnOnce(&[Shape]) -> R) -> R {
    match views {
        [] => f(&[]),
        [a] => f(&[a.shape]),
        [a, b] => f(&[a.shape, b.shape]),
        [a, b, c] => f(&[a.shape, b.shape, c.shape]),
        many => f(&many.iter().map(|v| v.shape).collect::<Vec<_>>()),
    }
}
