//! Recording: an operation runs at once, and a node for it is written down.

use crate::{
    Element, Error, Float, Gated, Graph, Operation, Shape, Var, View,
    buffer::Buffer,
    diagnose::check_value,
    element::typed,
    measure::Walk,
    operation::{ErasedOperation, Kept, KeptGated},
    recording::{Maker, Recording},
    tape::{NONE, Node, Operands, Tape, Value},
    view::SelectedRows,
};
use std::{panic::Location, sync::OnceLock, time::Instant};

/// Selected rows of more elements than this are copied at once: 1 GB in single precision.
const MOST_LENT: usize = 1 << 28;

/// How an operation is kept for the backward pass.
trait Keep<O: Operation> {
    fn keep<E: Float>(kept: Kept<O, O::Saved<E>>) -> Box<dyn ErasedOperation<E>>;
}

struct Plain;

impl<O: Operation> Keep<O> for Plain {
    fn keep<E: Float>(kept: Kept<O, O::Saved<E>>) -> Box<dyn ErasedOperation<E>> {
        Box::new(kept)
    }
}

struct WithGates;

impl<O: Gated> Keep<O> for WithGates {
    fn keep<E: Float>(kept: Kept<O, O::Saved<E>>) -> Box<dyn ErasedOperation<E>> {
        Box::new(KeptGated(kept))
    }
}

/// Runs an operation on the values and the shapes of its operands.
type Run<'a, E> = dyn FnMut(&[View<'_, E>], &[Shape]) -> Result<Ran<E>, String> + 'a;

/// What an operation gave that has run.
struct Ran<E: Float> {
    shape: Shape,
    output: Buffer<E>,
    differentiable: bool,
    /// What the backward pass needs, if there is one.
    maker: Option<Maker<E>>,
}

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
        self.record::<O, Plain>(operation.name(), inputs, line, |_| Ok(operation))
    }

    /// Runs an operation that has gates inside and records it, so that [`saturation`](Graph::saturation) sees them.
    #[track_caller]
    pub fn apply_gated<O: Gated>(&'g self, operation: O, inputs: &[Var<'g>]) -> Var<'g> {
        self.apply_gated_at(operation, inputs, Location::caller())
    }

    pub(crate) fn apply_gated_at<O: Gated>(
        &'g self,
        operation: O,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
    ) -> Var<'g> {
        self.record::<O, WithGates>(operation.name(), inputs, line, |_| Ok(operation))
    }

    /// Plans an operation for its operands' shapes, runs it and records it: one whose forward and backward need more of
    /// the shapes than the output's. `plan` makes the operation, or says what does not fit.
    pub(crate) fn apply_planned<O: Operation>(
        &'g self,
        name: &'static str,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
        plan: impl FnOnce(&[Shape]) -> Result<O, String>,
    ) -> Var<'g> {
        self.record::<O, Plain>(name, inputs, line, plan)
    }

    fn record<O: Operation, K: Keep<O>>(
        &'g self,
        name: &'static str,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
        plan: impl FnOnce(&[Shape]) -> Result<O, String>,
    ) -> Var<'g> {
        if !self.usable(name, inputs, line) {
            return self.inert();
        }
        let mut plan = Some(plan);
        typed!(&mut *self.recording.borrow_mut(), recording => {
            let tape = &recording.tape;
            let outcome = self.run(tape, inputs, &mut |views, shapes| {
                let operation = plan.take().expect("an operation runs once")(shapes)?;
                let shape = operation.shape(shapes)?;
                let mut output = room(tape, shape)?;
                let saved = operation.forward(views, &mut output);
                let differentiable = operation.differentiable();
                let maker = self.keeps_graph.then(|| Maker::Operation(K::keep(Kept { operation, saved })));
                Ok(Ran { shape, output, differentiable, maker })
            });
            self.note(recording, name, inputs, line, outcome)
        })
    }

    /// Whether all operands are live nodes of this graph; if one is of another graph, that becomes the error.
    pub(crate) fn usable(&self, operation: &'static str, inputs: &[Var<'_>], line: &'static Location<'static>) -> bool {
        if inputs.iter().any(|v| !std::ptr::addr_eq(v.graph, self)) {
            self.fail(Error::ForeignGraph { operation, at: self.place_of(self.mark(line)) });
        }
        !self.failed() && inputs.iter().all(|v| v.id != NONE)
    }

    /// Runs an operation on its operands' values and shapes. It is called through `dyn`, as is all that follows it, so
    /// that only what an operation does itself is compiled once per operation.
    fn run<E: Float>(
        &self,
        tape: &Tape<E>,
        inputs: &[Var<'g>],
        operation: &mut Run<'_, E>,
    ) -> (Option<Instant>, Result<Ran<E>, String>) {
        let began = self.clock.as_ref().map(|_| Instant::now());
        let view = |i: usize| tape.view(self.params, inputs[i].id);
        let ran = with_views(inputs.len(), view, |views| with_shapes(views, &mut |shapes| operation(views, shapes)));
        (began, ran)
    }

    /// Writes down what an operation gave, or its error.
    fn note<E: Float>(
        &'g self,
        recording: &mut Recording<E>,
        name: &'static str,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
        (began, ran): (Option<Instant>, Result<Ran<E>, String>),
    ) -> Var<'g> {
        let nodes = &recording.tape.nodes;
        let Ran { shape, output, differentiable, maker } = match ran {
            Ok(ran) => ran,
            Err(why) => {
                let shapes = inputs.iter().map(|v| nodes[v.id as usize].shape).collect();
                let at = self.place_of(self.mark(line));
                self.fail(Error::Shape { operation: name, shapes, why, at });
                return self.inert();
            }
        };
        let wants = differentiable && inputs.iter().any(|v| nodes[v.id as usize].wants);
        let node = Node {
            value: Value::Own(output),
            shape,
            operands: if self.keeps_graph {
                Operands::new(inputs.iter().map(|v| v.id))
            } else {
                Operands::Few(0, [NONE; 3])
            },
            mark: self.mark(line),
            wants,
            watched: false,
            packs: Default::default(),
            name,
        };
        let id = recording.push(node, maker);
        if let (Some(clock), Some(began)) = (&self.clock, began) {
            clock.borrow_mut().add(id, Walk::Forward, began);
        }
        if self.detects_anomalies {
            check_value(self, &recording.tape, id);
        }
        Var { graph: self, id }
    }

    /// Records rows of a node, without copying; `None` where that cannot be: they do not exist, a backward will ask for
    /// the operation, or a copy of them might need more memory than there is, of which the operation can tell.
    pub(crate) fn lend_rows(&'g self, of: Var<'g>, ids: &[u32], line: &'static Location<'static>) -> Option<Var<'g>> {
        let shape = of.known_shape()?;
        let count = *shape.first()?;
        if self.keeps_graph || self.is_segment || !self.usable("rows", &[of], line) {
            return None;
        }
        let shape = shape.with(0, ids.len()).filter(|shape| shape.elements() <= MOST_LENT)?;
        if ids.iter().any(|&row| row as usize >= count) {
            return None;
        }
        typed!(&mut *self.recording.borrow_mut(), recording => {
            let rows = SelectedRows { ids: ids.into(), copied: OnceLock::new() };
            let id = recording.push(Node {
                value: Value::Rows { root: of.id, rows },
                shape,
                operands: Operands::new([of.id].into_iter()),
                mark: self.mark(line),
                wants: false,
                watched: false,
                packs: Default::default(),
                name: "rows",
            }, None);
            Some(Var { graph: self, id })
        })
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
        typed!(&mut *self.recording.borrow_mut(), recording => {
            let (root, base) = recording.tape.root(of.id);
            let wants = recording.tape.nodes[of.id as usize].wants;
            let id = recording.push(Node {
                value: Value::View { root, offset: base + offset },
                shape,
                operands: Operands::new([of.id].into_iter()),
                mark: self.mark(line),
                wants,
                watched: false,
                packs: Default::default(),
                name,
            }, None);
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

fn with_shapes<E: Float, R>(views: &[View<'_, E>], f: &mut dyn FnMut(&[Shape]) -> R) -> R {
    match views {
        [] => f(&[]),
        [a] => f(&[a.shape]),
        [a, b] => f(&[a.shape, b.shape]),
        [a, b, c] => f(&[a.shape, b.shape, c.shape]),
        many => f(&many.iter().map(|v| v.shape).collect::<Vec<_>>()),
    }
}

/// Room for a value of this shape, or why there is none.
fn room<E: Float>(tape: &Tape<E>, shape: Shape) -> Result<Buffer<E>, String> {
    let possible =
        shape.if_possible().ok_or_else(|| format!("would give {shape}, which is more than a tensor can have"))?;
    tape.pool.try_take(possible.elements())
}
